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

static void shuffle_4(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels; i++) {
        out[i] = data[4 * i];
        out[npixels + i] = data[4 * i + 1];
        out[2 * npixels + i] = data[4 * i + 2];
        out[3 * npixels + i] = data[4 * i + 3];
    }
}

/* Eight planes at once are too many for compilers, so a block is first parted into four planes of byte pairs. */
#define BLOCK 512

static void shuffle_8(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict out)
{
    uint16_t source[4 * BLOCK];
    uint16_t pairs[4][BLOCK];
    for (int64_t first = 0; first < npixels; first += BLOCK) {
        const int64_t count = npixels - first < BLOCK ? npixels - first : BLOCK;
        memcpy(source, data + 8 * first, (size_t)(8 * count));
        for (int64_t i = 0; i < count; i++) {
            pairs[0][i] = source[4 * i];
            pairs[1][i] = source[4 * i + 1];
            pairs[2][i] = source[4 * i + 2];
            pairs[3][i] = source[4 * i + 3];
        }
        for (int64_t pair = 0; pair < 4; pair++) {
            const uint8_t *restrict bytes = (const uint8_t *)pairs[pair];
            uint8_t *restrict high = out + 2 * pair * npixels + first;
            uint8_t *restrict low = high + npixels;
            for (int64_t i = 0; i < count; i++) {
                high[i] = bytes[2 * i];
                low[i] = bytes[2 * i + 1];
            }
        }
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
            shuffle_4(data, nbytes[tile] / 4, out);
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
