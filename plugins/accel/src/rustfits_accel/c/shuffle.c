/* Loops over pixels with as many streams of bytes as a pixel has: compilers make shuffles of vectors of them, if the
 * streams are known apart (restrict) and not too many. */
#include "shuffle.h"

#include <string.h>

#include "parts.h"
#include "past.h"

#if RF_X86
#include <immintrin.h>
#endif

/* The loops below are written so that compilers make vector code of them; all counts are pixels. */

/* Where the planes begin that hold the first, second, ... byte of npixels pixels as they lie in this machine: the plane
 * of the highest bytes comes first, but that byte is the last of a pixel if the machine is little-endian. */
static void find_planes(int64_t npixels, int32_t itemsize, int64_t *at)
{
    const uint16_t one = 1;
    const int little = *(const uint8_t *)&one;
    for (int32_t i = 0; i < itemsize; i++)
        at[i] = (little ? itemsize - 1 - i : i) * npixels;
}

static void part_2(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict a, uint8_t *restrict b)
{
    for (int64_t i = 0; i < npixels; i++) {
        a[i] = data[2 * i];
        b[i] = data[2 * i + 1];
    }
}

static void part_4(const uint8_t *restrict data, int64_t npixels, uint8_t *restrict a, uint8_t *restrict b,
                   uint8_t *restrict c, uint8_t *restrict d)
{
    for (int64_t i = 0; i < npixels; i++) {
        a[i] = data[4 * i];
        b[i] = data[4 * i + 1];
        c[i] = data[4 * i + 2];
        d[i] = data[4 * i + 3];
    }
}

/* Eight planes at once are too many for compilers, so a block is first parted into halves of pixels. */
#define BLOCK 512

static void part_8(const uint8_t *restrict data, int64_t npixels, const int64_t *at, uint8_t *restrict out)
{
    uint32_t source[2 * BLOCK], first_halves[BLOCK], second_halves[BLOCK];
    for (int64_t first = 0; first < npixels; first += BLOCK) {
        const int64_t count = npixels - first < BLOCK ? npixels - first : BLOCK;
        memcpy(source, data + 8 * first, (size_t)(8 * count));
        for (int64_t i = 0; i < count; i++) {
            first_halves[i] = source[2 * i];
            second_halves[i] = source[2 * i + 1];
        }
        part_4((const uint8_t *)first_halves, count, out + at[0] + first, out + at[1] + first,
               out + at[2] + first, out + at[3] + first);
        part_4((const uint8_t *)second_halves, count, out + at[4] + first, out + at[5] + first,
               out + at[6] + first, out + at[7] + first);
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

static void join_8(const uint8_t *restrict data, int64_t npixels, const int64_t *at, uint8_t *restrict out)
{
    const uint8_t *a = data + at[0], *b = data + at[1], *c = data + at[2], *d = data + at[3];
    const uint8_t *e = data + at[4], *f = data + at[5], *g = data + at[6], *h = data + at[7];
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

void rf_from_big_endian(const uint8_t *data, int64_t npixels, int32_t itemsize, uint8_t *out)
{
    /* Compilers know these shifts for what they are. */
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

int32_t rf_shuffle(const uint8_t *data, int64_t data_nbytes, const int64_t *nbytes, int64_t ntiles, int32_t itemsize,
                   uint8_t *out, int64_t out_nbytes)
{
    int64_t at[8];
    if (!rf_parts_fit(nbytes, ntiles, data_nbytes < out_nbytes ? data_nbytes : out_nbytes))
        return 0;
    for (int64_t tile = 0; tile < ntiles; tile++)
        if (nbytes[tile] % itemsize)
            return 0;
    for (int64_t tile = 0; tile < ntiles; tile++) {
        const int64_t npixels = nbytes[tile] / itemsize;
        if (npixels == 0) /* perhaps of arrays without an address */
            continue;
        find_planes(npixels, itemsize, at);
        if (itemsize == 8)
            part_8(data, npixels, at, out);
        else if (itemsize == 4)
            part_4(data, npixels, out + at[0], out + at[1], out + at[2], out + at[3]);
        else if (itemsize == 2)
            part_2(data, npixels, out + at[0], out + at[1]);
        else
            memcpy(out, data, (size_t)npixels);
        data += nbytes[tile];
        out += nbytes[tile];
    }
    return 1;
}

void rf_to_pixels(const uint8_t *data, int64_t npixels, int32_t itemsize, int shuffled, uint8_t *out)
{
    int64_t at[8];
    find_planes(npixels, itemsize, at);
    if (itemsize == 1)
        memcpy(out, data, (size_t)npixels);
    else if (!shuffled)
        rf_from_big_endian(data, npixels, itemsize, out);
    else if (itemsize == 8)
        join_8(data, npixels, at, out);
    else if (itemsize == 4)
        join_4(data + at[0], data + at[1], data + at[2], data + at[3], npixels, out);
    else
        join_2(data + at[0], data + at[1], npixels, out);
}

#if RF_X86
RF_TARGET_AVX2 static void swap_past(const uint8_t *data, int64_t nbytes, int32_t itemsize, uint8_t *out)
{
    uint8_t order[32]; /* which byte of 16 each one comes from */
    for (int32_t i = 0; i < 32; i++)
        order[i] = (uint8_t)(((i / itemsize) * itemsize + itemsize - 1 - i % itemsize) & 15);
    const __m256i from = _mm256_loadu_si256((const __m256i *)(const void *)order);
    for (int64_t i = 0; i < nbytes; i += 32) {
        const __m256i pixels = _mm256_loadu_si256((const __m256i *)(const void *)(data + i));
        _mm256_stream_si256((__m256i *)(void *)(out + i), _mm256_shuffle_epi8(pixels, from));
    }
    _mm_sfence();
}
#endif

int32_t rf_to_pixels_past(const uint8_t *data, int64_t npixels, int32_t itemsize, int32_t isa, uint8_t *out)
{
#if RF_X86
    const int64_t nbytes = npixels * itemsize & ~(int64_t)31;
    if (isa < RF_AVX2 || itemsize < 2 || ((uintptr_t)out & 31) != 0)
        return 0;
    swap_past(data, nbytes, itemsize, out);
    rf_from_big_endian(data + nbytes, npixels - nbytes / itemsize, itemsize, out + nbytes);
    return 1;
#else
    (void)data, (void)npixels, (void)itemsize, (void)isa, (void)out;
    return 0;
#endif
}
