/* Feeds the kernels with good, cut, changed and random streams, in buffers of exactly their size; see README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hcompress.h"

static uint64_t state = 1;

static uint32_t next(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % below);
}

static void fill(uint8_t *pixels, int64_t npixels, int pixel)
{
    uint32_t width = next(33); /* bits of noise */
    uint32_t mask = width == 32 ? 0xFFFFFFFFu : ((uint32_t)1 << width) - 1;
    uint32_t rare = 1 + next(60);
    for (int64_t i = 0; i < npixels; i++) {
        uint32_t value = (next(1u << 31) ^ next(1u << 31) << 1) & (next(rare) ? 0 : mask);
        uint16_t half = (uint16_t)value;
        if (pixel == RF_I32)
            memcpy(pixels + 4 * i, &value, 4);
        else if (pixel == RF_I16)
            memcpy(pixels + 2 * i, &half, 2);
        else
            pixels[i] = (uint8_t)value;
    }
}

static void damage(uint8_t *data, int64_t nbytes)
{
    uint32_t kind = next(5);
    for (uint32_t k = 0; nbytes > 14 && kind == 1 && k < 3; k++)
        data[14 + next((uint32_t)nbytes - 14)] = (uint8_t)next(256);
    for (int64_t i = 14; kind == 2 && i < nbytes; i++)
        data[i] = (uint8_t)next(256);
    for (int64_t i = 25; kind == 3 && i < nbytes; i++)
        data[i] = (uint8_t)(next(30) ? 0xFF : next(256));
    for (int64_t i = 22; kind == 4 && i < 25 && i < nbytes; i++)
        data[i] = (uint8_t)next(70);
}

/* Copies of exactly nbytes; the sanitizer guards what is behind them. Never NULL. */
static void *exactly(const void *from, int64_t nbytes)
{
    void *copy = malloc(nbytes ? (size_t)nbytes : 1);
    if (from)
        memcpy(copy, from, (size_t)nbytes);
    return copy;
}

enum { NTILES = 4 };

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    rf_hcompress_prepare();
    for (int round = 0; round < rounds; round++) {
        int pixel = 1 << next(3), lossless = next(3), smooth = (int)next(2);
        int32_t scale = lossless ? 0 : (int32_t)next(1u << next(31));
        int64_t height[NTILES], width[NTILES], start[NTILES], length[NTILES], npixels = 0, room = 0, scratch_n = 0;
        int32_t status[NTILES], first[NTILES];
        uint32_t side = next(10) ? 40 : 300;
        for (int i = 0; i < NTILES; i++) {
            height[i] = 1 + next(next(4) ? side : 2);
            width[i] = 1 + next(next(4) ? side : 2);
            npixels += height[i] * width[i];
            room += rf_hcompress_bound(height[i], width[i], pixel);
            int64_t scratch = rf_hcompress_scratch(height[i], width[i]);
            scratch_n = scratch > scratch_n ? scratch : scratch_n;
        }
        uint8_t *pixels = exactly(NULL, npixels * pixel), *out = exactly(NULL, npixels * pixel), *want = NULL;
        uint8_t *encoded = exactly(NULL, room), *same = exactly(NULL, room);
        void *scratch = exactly(NULL, scratch_n);
        fill(pixels, npixels, pixel);
        int64_t used = 0;
        for (int kernel = 0; kernel <= rf_hcompress_best_kernel(); kernel++) {
            used = rf_hcompress_encode(kernel, pixel, pixels, npixels, height, width, NTILES, scale,
                                       kernel ? same : encoded, room, length, scratch, scratch_n, status);
            if (kernel && memcmp(same, encoded, (size_t)used))
                return puts("the kernels encode differently"), 1;
        }
        for (int64_t i = 0, at = 0; i < NTILES; at += length[i++])
            start[i] = at;
        uint8_t *data = exactly(encoded, used);
        int whole = next(4) == 0;
        for (int i = 0; !whole && i < NTILES; i++) {
            damage(data + start[i], length[i]);
            length[i] -= next(2) ? 0 : next(20);
        }
        for (int kernel = 0; kernel <= rf_hcompress_best_kernel(); kernel++) {
            rf_hcompress_decode(kernel, data, used, start, length, height, width, NTILES, smooth, pixel, out, npixels,
                                scratch, scratch_n, status);
            if (kernel && memcmp(status, first, sizeof status))
                return puts("the kernels find different faults"), 1;
            memcpy(first, status, sizeof first);
            for (int64_t i = 0, at = 0; i < NTILES; at += height[i] * width[i] * pixel, i++)
                if (whole && status[i])
                    return puts("a fault in a whole tile"), 1;
                else if (whole && scale <= 1 && memcmp(out + at, pixels + at, (size_t)(height[i] * width[i] * pixel)))
                    return puts("other pixels come back"), 1;
                else if (kernel && !status[i] && memcmp(out + at, want + at, (size_t)(height[i] * width[i] * pixel)))
                    return puts("the kernels decode differently"), 1;
            if (!kernel)
                want = exactly(out, npixels * pixel);
        }
        free(pixels), free(out), free(want), free(encoded), free(same), free(scratch), free(data);
    }
    printf("%d rounds, kernels 0 to %d: no fault\n", rounds, rf_hcompress_best_kernel());
    return 0;
}
