/* Feeds the kernel with good, cut, changed and random streams, in buffers of exactly their size; see README.md. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rice.h"

#define MOST_TILES 45

static uint64_t state = 1;

static uint32_t next(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % below);
}

static void fill(uint8_t *pixels, int64_t npixels, int32_t bytepix)
{
    uint32_t width = next(33); /* bits of noise */
    uint32_t mask = width == 32 ? 0xFFFFFFFFu : ((uint32_t)1 << width) - 1;
    for (int64_t i = 0; i < npixels; i++) {
        uint32_t pixel = (next(1u << 31) ^ next(1u << 31) << 1) & (next(50) ? mask : 0xFFFFFFFFu);
        uint16_t half = (uint16_t)pixel;
        if (bytepix == 4)
            memcpy(pixels + 4 * i, &pixel, 4);
        else if (bytepix == 2)
            memcpy(pixels + 2 * i, &half, 2);
        else
            pixels[i] = (uint8_t)pixel;
    }
}

static void damage(uint8_t *data, int64_t nbytes)
{
    uint32_t kind = next(4);
    for (uint32_t k = 0; nbytes && kind == 1 && k < 3; k++)
        data[next((uint32_t)nbytes)] = (uint8_t)next(256);
    for (int64_t i = 0; kind == 2 && i < nbytes; i++)
        data[i] = (uint8_t)next(256);
    for (int64_t i = 0; kind == 3 && i < nbytes; i++)
        data[i] = (uint8_t)(next(30) ? 0 : next(256));
}

/* Room that ends where no memory is: vector instructions are not watched by the sanitizer. */
static uint8_t *guarded(int64_t nbytes, uint8_t **whole, size_t *whole_nbytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = ((size_t)nbytes + page - 1) / page * page;
    *whole_nbytes = room + page;
    *whole = mmap(NULL, *whole_nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*whole == MAP_FAILED || mprotect(*whole + room, page, PROT_NONE))
        abort();
    return *whole + room - nbytes;
}

/* Decode with marks, from the first pixels on and then from where marks allow: the same pixels, or a fault. */
static const char *resumed(int32_t variant, int32_t bytepix, const uint8_t *data, int64_t used, const int64_t *start,
                           const int64_t *length, const int64_t *npixels, int64_t ntiles, int32_t block,
                           const uint8_t *pixels, int64_t total, int whole)
{
    static uint64_t words[MOST_TILES][500];
    uint64_t *mark[MOST_TILES];
    int64_t first[MOST_TILES] = {0}, shorter[MOST_TILES], before = 0, room = 0;
    int32_t status[MOST_TILES];
    struct rf_rice_marks marks = {.step = (int64_t)block * (1 + next(3)), .first = first, .mark = mark};
    uint8_t *out = malloc((size_t)(total * bytepix) + 1);
    const char *fault = NULL;
    memset(words, 0, sizeof words);
    for (int64_t i = 0; i < ntiles; i++) {
        mark[i] = words[i];
        shorter[i] = next(3) ? npixels[i] : next((uint32_t)npixels[i] + 1);
    }
    rf_rice_resume(variant, bytepix, data, used, start, length, shorter, ntiles, block, &marks, out, total, status);
    for (int64_t i = 0; i < ntiles; i++) {
        int64_t known = 0;
        while ((known + 1) * marks.step < npixels[i] && words[i][known])
            known++;
        if (whole && known != (shorter[i] ? (shorter[i] - 1) / marks.step : 0))
            fault = "other marks than those of the pixels decoded";
        if (known && !whole && !next(5))
            words[i][next((uint32_t)known)] ^= (uint64_t)next(1u << 31) << next(33);
        first[i] = marks.step * next((uint32_t)known + 1);
        shorter[i] = npixels[i] - first[i];
        room += shorter[i];
    }
    uint8_t *whole_out;
    size_t whole_out_nbytes;
    uint8_t *rest = guarded(room * bytepix, &whole_out, &whole_out_nbytes);
    rf_rice_resume(variant, bytepix, data, used, start, length, shorter, ntiles, block, &marks, rest, room, status);
    const uint8_t *found = rest;
    for (int64_t i = 0; whole && i < ntiles; i++) {
        if (status[i] || memcmp(found, pixels + (before + first[i]) * bytepix, (size_t)(shorter[i] * bytepix)))
            fault = "other pixels come from marks";
        found += shorter[i] * bytepix;
        before += npixels[i];
    }
    munmap(whole_out, whole_out_nbytes);
    free(out);
    return fault;
}

static int same(const int32_t *one, const int32_t *other, int64_t ntiles)
{
    return memcmp(one, other, (size_t)ntiles * sizeof *one) == 0;
}

int main(int argc, char **argv)
{
    static const int32_t blocks[] = {1, 2, 16, 32, 32, 32, 33, 64, 65, 300, INT32_MAX};
    int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    for (int round = 0; round < rounds; round++) {
        int32_t bytepix = 1 << next(3);
        int32_t block = blocks[next(sizeof blocks / sizeof *blocks)];
        int64_t ntiles = 1 + next(next(2) ? 10 : MOST_TILES), total = 0, room = 0;
        int64_t npixels[MOST_TILES], start[MOST_TILES], length[MOST_TILES];
        int32_t status[MOST_TILES], first[MOST_TILES];
        for (int64_t i = 0; i < ntiles; i++) {
            npixels[i] = next(4) ? next(400) : 100;
            total += npixels[i];
            room += rf_rice_bound(bytepix, npixels[i], block);
        }
        uint8_t *pixels = malloc((size_t)(total * bytepix) + 1);
        uint8_t *whole_out, *whole_data;
        size_t whole_out_nbytes, whole_data_nbytes;
        uint8_t *out = guarded(total * bytepix, &whole_out, &whole_out_nbytes);
        uint8_t *encoded = malloc((size_t)room), *portable = malloc((size_t)room);
        fill(pixels, total, bytepix);
        int64_t used = 0;
        for (int32_t variant = 0; variant <= rf_rice_best_variant(); variant++) {
            int64_t now = rf_rice_encode(variant, bytepix, pixels, total, npixels, ntiles, block, encoded, room, length,
                                         status);
            if (variant && (now != used || memcmp(encoded, portable, (size_t)used)))
                return puts("the variants encode differently"), 1;
            if (!variant)
                memcpy(portable, encoded, (size_t)now);
            used = now;
        }
        for (int64_t i = 0, at = 0; i < ntiles; at += length[i++])
            start[i] = at;
        uint8_t *data = guarded(used, &whole_data, &whole_data_nbytes);
        memcpy(data, encoded, (size_t)used);
        int whole = next(3) == 0;
        if (!whole) {
            damage(data, used);
            if (next(2))
                length[next((uint32_t)ntiles)] -= next(20);
        }
        for (int32_t variant = 0; variant <= rf_rice_best_variant(); variant++) {
            rf_rice_decode(variant, bytepix, data, used, start, length, npixels, ntiles, block, out, total, status);
            if (variant && !same(status, first, ntiles))
                return puts("the variants find different faults"), 1;
            memcpy(first, status, sizeof first);
            for (int64_t i = 0; whole && i < ntiles; i++)
                if (status[i])
                    return puts("a fault in a whole tile"), 1;
            if (whole && memcmp(out, pixels, (size_t)(total * bytepix)))
                return puts("other pixels come back"), 1;
            const char *fault = resumed(variant, bytepix, data, used, start, length, npixels, ntiles, block, pixels,
                                        total, whole);
            if (fault)
                return puts(fault), 1;
        }
        free(pixels);
        free(encoded);
        free(portable);
        munmap(whole_out, whole_out_nbytes);
        munmap(whole_data, whole_data_nbytes);
    }
    printf("%d rounds, kernels 0 to %d: no fault\n", rounds, rf_rice_best_variant());
    return 0;
}
