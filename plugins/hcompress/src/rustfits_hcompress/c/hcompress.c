/* What does not depend on the width of coefficients or on instructions: where the scratch of a tile lies, the header of
 * its stream, and which kernel codes it. The kernel asked for has coefficients of 32 bits; a tile whose numbers might
 * overflow these goes to the wide one. */
#include "hcompress.h"

#include "dispatch.h"
#include "tile.h"
#if RF_DISPATCH
#include <cpuid.h>
#endif

enum { HEADER_NBYTES = 25, MAGIC = 0xDD99 };

/* Pixels of a tile beyond which nothing is computed, as no memory holds them: products with them stay within 64 bits. */
#define MOST_PIXELS ((int64_t)1 << 48)

static const struct kernel *const KERNELS[] = {
    &rf_kernel_portable,
#if RF_DISPATCH
    &rf_kernel_avx2,
#endif
};

#if RF_DISPATCH
/* LZCNT and MOVBE, of which compilers other than GCC know no name to ask for; they need nothing of the system. */
static int has_lzcnt_and_movbe(void)
{
    unsigned int eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_MOVBE))
        return 0;
    return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & bit_LZCNT);
}
#endif

int rf_hcompress_best_kernel(void)
{
#if RF_DISPATCH
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
        __builtin_cpu_supports("popcnt") && has_lzcnt_and_movbe())
        return RF_HCOMPRESS_AVX2;
#endif
    return RF_HCOMPRESS_PORTABLE;
}

/* -- tiles -- */

/* Whether a stream can hold these sides, and memory the pixels; only then are other sizes asked for. */
static int is_possible(int64_t height, int64_t width)
{
    return height >= 0 && width >= 0 && height <= INT32_MAX && width <= INT32_MAX && height * width <= MOST_PIXELS;
}

static int nlevels_of(int64_t height, int64_t width)
{
    int nlevels = 0;
    while (((int64_t)1 << nlevels) < (height > width ? height : width))
        nlevels++;
    return nlevels;
}

/* A byte for each block of the first quadrant, the largest, for a row of blocks more, and for two steps of a loop. */
static int64_t slot_of(int64_t height, int64_t width)
{
    int64_t rows = (height + 3) / 4 + 1, columns = (width + 3) / 4;
    return (rows * columns + 2 * STEP + STEP - 1) / STEP * STEP;
}

/* Where the parts of the scratch begin, the last being its end. */
struct layout {
    int64_t coef[3], slices, grids[2], packed, row, signs, stop;
};

static struct layout layout_of(int64_t height, int64_t width)
{
    if (height == 0 || width == 0) /* nothing is worked on, however long the other side is */
        height = width = 0;
    int64_t npixels = height * width, coef = 8 * (npixels + 2 * STEP), slot = slot_of(height, width);
    struct layout at = {.coef = {0, coef, 2 * coef}, .slices = 3 * coef};
    at.grids[0] = at.slices + 4 * OCTET_MAX * 4 * slot;
    at.grids[1] = at.grids[0] + slot;
    at.packed = at.grids[1] + slot;
    at.row = at.packed + slot + LEVEL_MAX * 2 * STEP; /* the levels of a tree take less than twice the lowest */
    at.signs = at.row + width + 6 * STEP;
    at.stop = (at.signs + npixels / 8 + 2 * STEP) / 8 * 8;
    return at;
}

int64_t rf_hcompress_scratch(int64_t height, int64_t width)
{
    return is_possible(height, width) ? layout_of(height, width).stop : INT64_MAX;
}

static struct tile tile_of(int64_t height, int64_t width, int pixel, void *scratch)
{
    int64_t top = (height + 1) / 2, left = (width + 1) / 2;
    struct layout at = layout_of(height, width);
    uint8_t *bytes = scratch;
    struct tile tile = {
        .height = height, .width = width, .npixels = height * width, .left = left, .pixel = pixel,
        .nlevels = nlevels_of(height, width), .slot = slot_of(height, width), .slices = bytes + at.slices,
        .grids = {bytes + at.grids[0], bytes + at.grids[1]}, .packed = bytes + at.packed, .row = bytes + at.row,
        .signs = bytes + at.signs,
    };
    for (int k = 0; k < 3; k++)
        tile.coef[k] = bytes + at.coef[k];
    for (int q = 0; q < 4; q++) {
        int64_t q_height = q / 2 ? height / 2 : top, q_width = q % 2 ? width / 2 : left;
        tile.quadrants[q] = (struct quadrant){q_height, q_width, (q_height + 1) / 2, (q_width + 1) / 2};
    }
    return tile;
}

/* Bits of a coefficient at most: the first level adds two, each later one another, and rounding one. */
static int coef_nbits(int pixel_nbits, int nlevels)
{
    return pixel_nbits + 2 + nlevels;
}

int64_t rf_hcompress_bound(int64_t height, int64_t width, int pixel)
{
    if (!is_possible(height, width))
        return INT64_MAX;
    if (height == 0 || width == 0) /* never written */
        height = width = 0;
    int64_t plane = (height / 4 + 1) * (width / 4 + 1) / 2 + 4;
    return HEADER_NBYTES + 4 * plane * coef_nbits(8 * pixel, nlevels_of(height, width)) + height * width / 8 + 24;
}

/* -- reading -- */

static int64_t big_endian(const uint8_t *bytes, int nbytes)
{
    uint64_t value = bytes[0] & 0x80 ? ~(uint64_t)0 : 0;
    for (int k = 0; k < nbytes; k++)
        value = value << 8 | bytes[k];
    return (int64_t)value;
}

/* Read the header of a stream that is long enough to have one. */
static int32_t read_header(const uint8_t *data, int64_t nbytes, const struct tile *tile, struct stream *stream)
{
    if ((data[0] << 8 | data[1]) != MAGIC)
        return RF_HCOMPRESS_MAGIC;
    if (big_endian(data + 2, 4) != tile->height || big_endian(data + 6, 4) != tile->width)
        return RF_HCOMPRESS_SHAPE;
    stream->scale = (int32_t)big_endian(data + 10, 4);
    stream->sum = big_endian(data + 14, 8);
    memcpy(stream->nplanes, data + 22, 3);
    for (int group = 0; group < 3; group++)
        if (stream->nplanes[group] > 62)
            return RF_HCOMPRESS_PLANES;
    stream->bits = (struct reader){data + HEADER_NBYTES, 0, 8 * (nbytes - HEADER_NBYTES)};
    return RF_HCOMPRESS_OK;
}

/* Whether 32 bits hold every intermediate number.
 *
 * The planes, or the sum, and the scale give a power of two, C, which no coefficient exceeds. A mean is half the sum of
 * the mean above it and three differences, so that means stay within 3C and sums within 6C < 2^3 * 2^27. Rounding does
 * not add to this: C is a multiple of its units, but for those so large that the means up to there are 0. Smoothing
 * moves differences by half the scale at most, C / 2: means stay within 5C, and the products with 16 and 64 within
 * 160C < 2^8 * 2^20. Both limits leave a bit or more to spare. */
static int fits_32(const struct stream *stream, int smooth)
{
    int nbits = 0;
    for (int group = 0; group < 3; group++)
        nbits = stream->nplanes[group] > nbits ? stream->nplanes[group] : nbits;
    while (nbits < 62 && (stream->sum >> nbits) != 0 && (stream->sum >> nbits) != -1)
        nbits++;
    for (int64_t scale = stream->scale; scale > 1; scale = (scale + 1) / 2)
        nbits++;
    return nbits <= (smooth ? 20 : 27);
}

static int32_t decode_tile(const struct kernel *kernel, const uint8_t *data, int64_t nbytes, const struct tile *tile,
                           int smooth, void *out)
{
    struct stream stream;
    int32_t fault = read_header(data, nbytes, tile, &stream);
    if (fault || tile->npixels == 0)
        return fault;
    if (!fits_32(&stream, smooth && stream.scale > 1))
        kernel = &rf_kernel_wide;
    return kernel->decode(&stream, tile, smooth, out);
}

void rf_hcompress_decode(int kernel, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                         const int64_t *length, const int64_t *height, const int64_t *width, int64_t ntiles,
                         int smooth, int pixel, void *out, int64_t out_n, void *scratch, int64_t scratch_n,
                         int32_t *status)
{
    int64_t done = 0;
    for (int64_t i = 0; i < ntiles; i++) {
        if (rf_hcompress_scratch(height[i], width[i]) > scratch_n || height[i] * width[i] > out_n - done) {
            for (; i < ntiles; i++) /* where the next tiles go is unknown */
                status[i] = RF_HCOMPRESS_NO_ROOM;
            return;
        }
        struct tile tile = tile_of(height[i], width[i], pixel, scratch);
        void *pixels = tile.npixels ? (uint8_t *)out + done * pixel : NULL; /* of no pixels out may be NULL */
        if (start[i] < 0 || length[i] < HEADER_NBYTES || start[i] > data_nbytes || length[i] > data_nbytes - start[i])
            status[i] = RF_HCOMPRESS_SHORT;
        else
            status[i] = decode_tile(KERNELS[kernel], data + start[i], length[i], &tile, smooth, pixels);
        done += tile.npixels;
    }
}

/* -- writing -- */

/* Bits that the pixels need, those below 0 inverted. */
static int pixel_nbits(const struct tile *tile, const void *pixels)
{
    const uint8_t *u8 = pixels;
    const int16_t *i16 = pixels;
    const int32_t *i32 = pixels;
    uint16_t any_half = 0;
    uint32_t any = 0;
    for (int64_t k = 0; tile->pixel == RF_U8 && k < tile->npixels; k++)
        any |= u8[k];
    for (int64_t k = 0; tile->pixel == RF_I16 && k < tile->npixels; k++)
        any_half |= (uint16_t)(i16[k] ^ i16[k] >> 15);
    for (int64_t k = 0; tile->pixel == RF_I32 && k < tile->npixels; k++)
        any |= (uint32_t)(i32[k] ^ i32[k] >> 31);
    int nbits = 0;
    while (nbits < 32 && (any | any_half) >> nbits)
        nbits++;
    return nbits;
}

static void encode_tile(const struct kernel *kernel, const struct tile *tile, const void *pixels, int32_t scale,
                        struct writer *out)
{
    put(out, MAGIC, 16);
    put(out, (uint32_t)tile->height, 32);
    put(out, (uint32_t)tile->width, 32);
    put(out, (uint32_t)scale, 32);
    /* With 29 bits, sums of four means, before they are halved, have 30, and so has half the scale, which digitize adds
     * to a coefficient: 31 together at most. */
    if (coef_nbits(pixel_nbits(tile, pixels), tile->nlevels) > 29)
        kernel = &rf_kernel_wide;
    kernel->encode(tile, pixels, scale, out);
}

int64_t rf_hcompress_encode(int kernel, int pixel, const void *pixels, int64_t pixels_n, const int64_t *height,
                            const int64_t *width, int64_t ntiles, int32_t scale, uint8_t *out, int64_t out_nbytes,
                            int64_t *out_length, void *scratch, int64_t scratch_n, int32_t *status)
{
    int64_t read = 0, used = 0;
    struct writer writer = {out, 0, 0};
    for (int64_t i = 0; i < ntiles; i++) {
        if (height[i] < 1 || width[i] < 1 || rf_hcompress_scratch(height[i], width[i]) > scratch_n ||
            height[i] * width[i] > pixels_n - read ||
            rf_hcompress_bound(height[i], width[i], pixel) > out_nbytes - used) {
            for (; i < ntiles; i++) {
                out_length[i] = 0;
                status[i] = RF_HCOMPRESS_NO_ROOM;
            }
            break;
        }
        struct tile tile = tile_of(height[i], width[i], pixel, scratch);
        encode_tile(KERNELS[kernel], &tile, (const uint8_t *)pixels + read * pixel, scale, &writer);
        out_length[i] = writer.next - out - used;
        status[i] = RF_HCOMPRESS_OK;
        read += tile.npixels;
        used += out_length[i];
    }
    return used;
}
