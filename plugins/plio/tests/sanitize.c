/* Feeds the kernel with good, cut, changed and random lists, in buffers of exactly their size; see README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plio.h"

static uint64_t state = 1;

static uint32_t next(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % below);
}

static void fill(uint8_t *pixels, int64_t npixels, int pixel)
{
    uint32_t longest = 1 + next(60), mask = ((uint32_t)1 << next(28)) - 1;
    for (int64_t i = 0; i < npixels;) {
        int32_t value = next(2) ? 0 : (int32_t)(next(1u << 31) & mask);
        for (int64_t n = 1 + next(next(20) ? longest : 9000); n && i < npixels; n--, i++)
            if (pixel == RF_PLIO_I32)
                memcpy(pixels + 4 * i, &value, 4);
            else
                pixels[i] = (uint8_t)value;
    }
}

static void damage(uint8_t *data, int64_t nbytes)
{
    uint32_t kind = next(4);
    for (uint32_t k = 0; nbytes && kind == 1 && k < 3; k++)
        data[next((uint32_t)nbytes)] = (uint8_t)next(256);
    for (int64_t i = 14; kind == 2 && i < nbytes; i++)
        data[i] = (uint8_t)next(i % 2 ? 256 : 128);
    for (int64_t i = 0; kind == 3 && i < nbytes; i++)
        data[i] = (uint8_t)next(256);
}

static void *room_for(int64_t nbytes)
{
    return malloc(nbytes ? (size_t)nbytes : 1); /* never NULL; the sanitizer guards what is behind it */
}

enum { NTILES = 5 };

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    for (int round = 0; round < rounds; round++) {
        int pixel = next(2) ? RF_PLIO_U8 : RF_PLIO_I32;
        int64_t npixels[NTILES], start[NTILES], length[NTILES], total = 0, room = 0;
        int32_t status[NTILES];
        for (int i = 0; i < NTILES; i++) {
            npixels[i] = next(next(10) ? 200 : 9000);
            total += npixels[i];
            room += rf_plio_bound(npixels[i]);
        }
        uint8_t *pixels = room_for(total * pixel), *out = room_for(total * pixel), *encoded = room_for(room);
        fill(pixels, total, pixel);
        int64_t used = rf_plio_encode(pixel, pixels, total, npixels, NTILES, encoded, room, length, status);
        for (int64_t i = 0, at = 0; i < NTILES; at += length[i++])
            start[i] = at;
        uint8_t *data = room_for(used);
        memcpy(data, encoded, (size_t)used);
        int whole = next(3) == 0;
        for (int i = 0; !whole && i < NTILES; i++) {
            damage(data + start[i], length[i]);
            length[i] -= next(2) ? 0 : next(20);
        }
        rf_plio_decode(data, used, start, length, npixels, NTILES, pixel, out, total, status);
        for (int i = 0; whole && i < NTILES; i++)
            if (status[i])
                return puts("a fault in a whole tile"), 1;
        if (whole && memcmp(out, pixels, (size_t)(total * pixel)))
            return puts("other pixels come back"), 1;
        free(pixels), free(out), free(encoded), free(data);
    }
    printf("%d rounds: no fault\n", rounds);
    return 0;
}
