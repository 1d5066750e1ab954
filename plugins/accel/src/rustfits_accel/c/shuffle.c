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

/* Pixels of the bytes at a, b, ..., in the order in which they lie in a pixel. */
static void join_2(const uint8_t *restrict a, const uint8_t *restrict b, int64_t npixels, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels; i++) {
        out[2 * i] = a[i];
        out[2 * i + 1] = b[i];
    }
}

static void join_4(const uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c,
                   const uint8_t *restrict d, int64_t npixels, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels; i++) {
        out[4 * i] = a[i];
        out[4 * i + 1] = b[i];
        out[4 * i + 2] = c[i];
        out[4 * i + 3] = d[i];
    }
}

static void join_8(const uint8_t *const *planes, int64_t npixels, uint8_t *restrict out)
{
    const uint8_t *a = planes[0], *b = planes[1], *c = planes[2], *d = planes[3];
    const uint8_t *e = planes[4], *f = planes[5], *g = planes[6], *h = planes[7];
    for (int64_t i = 0; i < npixels; i++) {
        out[8 * i] = a[i];
        out[8 * i + 1] = b[i];
        out[8 * i + 2] = c[i];
        out[8 * i + 3] = d[i];
        out[8 * i + 4] = e[i];
        out[8 * i + 5] = f[i];
        out[8 * i + 6] = g[i];
        out[8 * i + 7] = h[i];
    }
}

static void join_planes(const uint8_t *data, int64_t npixels, int32_t itemsize, uint8_t *out)
{
    const uint8_t *planes[8] = {data};
    const uint16_t one = 1;
    const int little = *(const uint8_t *)&one;
    for (int32_t i = 0; i < itemsize; i++)
        planes[i] = data + (little ? itemsize - 1 - i : i) * npixels;
    if (itemsize == 8)
        join_8(planes, npixels, out);
    else if (itemsize == 4)
        join_4(planes[0], planes[1], planes[2], planes[3], npixels, out);
    else
        join_2(planes[0], planes[1], npixels, out);
}

/* Big-endian pixels into those of this machine; compilers know these shifts for what they are. */
static void from_big_endian(const uint8_t *restrict data, int64_t npixels, int32_t itemsize, uint8_t *restrict out)
{
    for (int64_t i = 0; i < npixels && itemsize == 2; i++) {
        const uint16_t pixel = (uint16_t)(data[2 * i] << 8 | data[2 * i + 1]);
        memcpy(out + 2 * i, &pixel, 2);
    }
    for (int64_t i = 0; i < npixels && itemsize == 4; i++) {
        const uint8_t *at = data + 4 * i;
        const uint32_t pixel = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        memcpy(out + 4 * i, &pixel, 4);
    }
    for (int64_t i = 0; i < npixels && itemsize == 8; i++) {
        const uint8_t *at = data + 8 * i;
        const uint64_t pixel = (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
                               (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
                               (uint64_t)at[6] << 8 | at[7];
        memcpy(out + 8 * i, &pixel, 8);
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

void rf_to_pixels(const uint8_t *data, int64_t npixels, int32_t itemsize, int shuffled, uint8_t *out)
{
    if (itemsize == 1)
        memcpy(out, data, (size_t)npixels);
    else if (shuffled)
        join_planes(data, npixels, itemsize, out);
    else
        from_big_endian(data, npixels, itemsize, out);
}
