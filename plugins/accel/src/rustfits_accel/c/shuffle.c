#include "shuffle.h"

#include <string.h>

/* The loops below are written so that compilers make vector code of them; all counts are pixels. */

static void shuffle_2(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels; i++) {
        out[i] = data[2 * i];
        out[npixels + i] = data[2 * i + 1];
    }
}

/* The planes begin `stride` bytes apart. */
static void shuffle_4(const uint8_t *restrict data, int64_t npixels, int64_t stride, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels; i++) {
        out[i] = data[4 * i];
        out[stride + i] = data[4 * i + 1];
        out[2 * stride + i] = data[4 * i + 2];
        out[3 * stride + i] = data[4 * i + 3];
    }
}

/* Eight planes at once are too many for compilers, so a block is first parted into halves of pixels. */
#define BLOCK 512

static void shuffle_8(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict out)
{
    uint32_t source[2 * BLOCK], first_halves[BLOCK], second_halves[BLOCK];
    for (int64_t first = 0; first < npixels; first += BLOCK) {
        const int64_t count = npixels - first < BLOCK ? npixels - first : BLOCK;
        memcpy(source, data + 8 * first, (size_t)(8 * count));
        for (int64_t i = 0; i < count; i++) {
            first_halves[i] = source[2 * i];
            second_halves[i] = source[2 * i + 1];
        }
        shuffle_4((const uint8_t *)first_halves, count, npixels, out + first);
        shuffle_4((const uint8_t *)second_halves, count, npixels, out + 4 * npixels + first);
    }
}

static void unshuffle_2(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels; i++) {
        out[2 * i] = data[i];
        out[2 * i + 1] = data[npixels + i];
    }
}

static void unshuffle_4(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels; i++) {
        out[4 * i] = data[i];
        out[4 * i + 1] = data[npixels + i];
        out[4 * i + 2] = data[2 * npixels + i];
        out[4 * i + 3] = data[3 * npixels + i];
    }
}

static void unshuffle_8(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels; i++) {
        out[8 * i] = data[i];
        out[8 * i + 1] = data[npixels + i];
        out[8 * i + 2] = data[2 * npixels + i];
        out[8 * i + 3] = data[3 * npixels + i];
        out[8 * i + 4] = data[4 * npixels + i];
        out[8 * i + 5] = data[5 * npixels + i];
        out[8 * i + 6] = data[6 * npixels + i];
        out[8 * i + 7] = data[7 * npixels + i];
    }
}

void rf_shuffle(const uint8_t *data, const int64_t *nbytes, int64_t ntiles, int32_t itemsize, uint8_t *out)
{
    for (int64_t tile = 0; tile < ntiles; tile++) {
        if (itemsize == 8)
            shuffle_8(data, nbytes[tile] / 8, out);
        else if (itemsize == 4)
            shuffle_4(data, nbytes[tile] / 4, nbytes[tile] / 4, out);
        else if (itemsize == 2)
            shuffle_2(data, nbytes[tile] / 2, out);
        else
            memcpy(out, data, (size_t)nbytes[tile]);
        data += nbytes[tile];
        out += nbytes[tile];
    }
}

void rf_unshuffle(const uint8_t *data, const int64_t *nbytes, int64_t ntiles, int32_t itemsize, uint8_t *out)
{
    for (int64_t tile = 0; tile < ntiles; tile++) {
        if (itemsize == 8)
            unshuffle_8(data, nbytes[tile] / 8, out);
        else if (itemsize == 4)
            unshuffle_4(data, nbytes[tile] / 4, out);
        else if (itemsize == 2)
            unshuffle_2(data, nbytes[tile] / 2, out);
        else
            memcpy(out, data, (size_t)nbytes[tile]);
        data += nbytes[tile];
        out += nbytes[tile];
    }
}
