#include "hcompress.h"

#include <string.h>

#include "bits.h"
#include "nybbles.h"

enum { HEADER_NBYTES = 25, MAGIC = 0xDD99 };

/* Eight planes of a quadrant: a byte for each block and each of its places, 0 1 over 2 3. */
struct slices {
    uint8_t *place[4];
};

/* The nybbles of one of the eight planes. */
static void collect_plane(const struct slices *slices, int bit, uint8_t *restrict nybbles, int64_t n)
{
    const uint8_t *restrict a = slices->place[0], *restrict b = slices->place[1];
    const uint8_t *restrict c = slices->place[2], *restrict d = slices->place[3];
    const uint8_t mask = (uint8_t)(1 << bit);
    for (int64_t k = 0; k < n; k++) /* comparisons stay in bytes, shifts would not */
        nybbles[k] = (uint8_t)((a[k] & mask ? 8 : 0) | (b[k] & mask ? 4 : 0) | (c[k] & mask ? 2 : 0) |
                               (d[k] & mask ? 1 : 0));
}

/* Add the next lower plane. */
static void add_plane(struct slices *slices, const uint8_t *restrict nybbles, int64_t n)
{
    uint8_t *restrict a = slices->place[0], *restrict b = slices->place[1];
    uint8_t *restrict c = slices->place[2], *restrict d = slices->place[3];
    for (int64_t k = 0; k < n; k++) {
        uint8_t nybble = nybbles[k];
        a[k] = (uint8_t)(a[k] + a[k] + (nybble & 8 ? 1 : 0));
        b[k] = (uint8_t)(b[k] + b[k] + (nybble & 4 ? 1 : 0));
        c[k] = (uint8_t)(c[k] + c[k] + (nybble & 2 ? 1 : 0));
        d[k] = (uint8_t)(d[k] + d[k] + (nybble & 1));
    }
}

#define COEF int32_t
#define NAME(x) x##_i32
#include "transform.h"
#include "quadtree.h"
#undef COEF
#undef NAME

#define COEF int64_t
#define NAME(x) x##_i64
#include "transform.h"
#include "quadtree.h"
#undef COEF
#undef NAME

/* -- tiles -- */

static int nlevels_of(int64_t height, int64_t width)
{
    int nlevels = 0;
    while (((int64_t)1 << nlevels) < (height > width ? height : width))
        nlevels++;
    return nlevels;
}

/* Blocks of the largest quadrant, and some to spare for what is written in whole words. */
static int64_t nblocks(int64_t npixels)
{
    return npixels / 3 + 32; /* (h / 4 + 1) * (w / 4 + 1) for any h and w; a multiple of nothing */
}

int64_t rf_hcompress_scratch(int64_t npixels)
{
    /* Three arrays of coefficients, positions, eight grids, sign bits. */
    return 24 * npixels + 12 * nblocks(npixels) + npixels / 8 + 16;
}

/* Bits of a coefficient at most: the first level adds two, each later one another, and rounding one. */
static int coef_nbits(int pixel_nbits, int nlevels)
{
    return pixel_nbits + 2 + nlevels;
}

int64_t rf_hcompress_bound(int64_t height, int64_t width, int pixel)
{
    int64_t plane = (height / 4 + 1) * (width / 4 + 1) / 2 + 4;
    return HEADER_NBYTES + 4 * plane * coef_nbits(8 * pixel, nlevels_of(height, width)) + height * width / 8 + 24;
}

struct tile {
    int64_t height, width, npixels;
    int pixel;
    void *coef; /* three arrays of npixels coefficients */
    int32_t *positions;
    struct slices slices;
    struct grids grids;
    uint8_t *nybbles, *signs;
};

static struct tile tile_of(int64_t height, int64_t width, int pixel, void *scratch)
{
    int64_t npixels = height * width, n = nblocks(npixels);
    uint8_t *bytes = (uint8_t *)scratch + 24 * npixels + 4 * n;
    return (struct tile){
        .height = height, .width = width, .npixels = npixels, .pixel = pixel, .coef = scratch,
        .positions = (int32_t *)(void *)((uint8_t *)scratch + 24 * npixels),
        .slices = {{bytes, bytes + n, bytes + 2 * n, bytes + 3 * n}},
        .grids = {bytes + 4 * n, bytes + 5 * n, bytes + 6 * n}, .nybbles = bytes + 7 * n, .signs = bytes + 8 * n,
    };
}

static int64_t big_endian(const uint8_t *bytes, int nbytes)
{
    uint64_t value = bytes[0] & 0x80 ? ~(uint64_t)0 : 0;
    for (int k = 0; k < nbytes; k++)
        value = value << 8 | bytes[k];
    return (int64_t)value;
}

struct stream {
    int32_t scale;
    int64_t sum;
    uint8_t nplanes[3];
    struct reader bits;
};

static int32_t read_header(const uint8_t *data, int64_t nbytes, const struct tile *tile, struct stream *stream)
{
    if (nbytes < HEADER_NBYTES)
        return RF_HCOMPRESS_SHORT;
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

/* Whether 32 bits hold every intermediate number: sums of four and, when smoothing, products with 64. */
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

static void store_i32(const struct tile *tile, const int32_t *pixels, uint8_t *u8, int16_t *i16, int32_t *i32)
{
    for (int64_t k = 0; u8 && k < tile->npixels; k++)
        u8[k] = (uint8_t)(pixels[k] < 0 ? 0 : pixels[k] > UINT8_MAX ? UINT8_MAX : pixels[k]);
    for (int64_t k = 0; i16 && k < tile->npixels; k++)
        i16[k] = (int16_t)(pixels[k] < INT16_MIN ? INT16_MIN : pixels[k] > INT16_MAX ? INT16_MAX : pixels[k]);
    if (i32)
        memcpy(i32, pixels, (size_t)tile->npixels * sizeof *i32);
}

static int32_t decode_tile(const uint8_t *data, int64_t nbytes, struct tile *tile, int smooth, void *out)
{
    struct stream stream;
    int32_t fault = read_header(data, nbytes, tile, &stream);
    if (fault || tile->npixels == 0)
        return fault;
    uint8_t *u8 = tile->pixel == RF_U8 ? out : NULL;
    int16_t *i16 = tile->pixel == RF_I16 ? out : NULL;
    int32_t *i32 = tile->pixel == RF_I32 ? out : NULL;
    int64_t n = tile->npixels;
    if (fits_32(&stream, smooth && stream.scale > 1)) {
        int32_t *coef = tile->coef, *pixels = coef + n;
        fault = take_coef_i32(&stream.bits, stream.nplanes, coef, tile->height, tile->width, &tile->slices,
                              tile->grids, tile->positions);
        if (fault)
            return fault;
        coef[0] = (int32_t)stream.sum;
        for (int64_t k = 0; stream.scale > 1 && k < n; k++)
            coef[k] *= stream.scale;
        invert_i32(coef, tile->height, tile->width, smooth, stream.scale, pixels, pixels + n);
        store_i32(tile, pixels, u8, i16, i32);
        return RF_HCOMPRESS_OK;
    }
    int64_t *coef = tile->coef, *pixels = coef + n;
    fault = take_coef_i64(&stream.bits, stream.nplanes, coef, tile->height, tile->width, &tile->slices,
                              tile->grids, tile->positions);
    if (fault)
        return fault;
    coef[0] = stream.sum;
    for (int64_t k = 0; stream.scale > 1 && k < n; k++)
        coef[k] *= stream.scale;
    invert_i64(coef, tile->height, tile->width, smooth, stream.scale, pixels, pixels + n);
    int32_t *narrow = (int32_t *)(void *)coef;
    for (int64_t k = 0; k < n; k++) {
        int64_t pixel = pixels[k];
        /* CFITSIO keeps the low 32 bits of what lossy coding drove beyond them; so must its equal. */
        narrow[k] = i32 ? (int32_t)pixel : (int32_t)(pixel < INT16_MIN ? INT16_MIN : pixel > INT16_MAX ? INT16_MAX : pixel);
    }
    store_i32(tile, narrow, u8, i16, i32);
    return RF_HCOMPRESS_OK;
}

void rf_hcompress_decode(const uint8_t *data, int64_t data_nbytes, const int64_t *start, const int64_t *length,
                         const int64_t *height, const int64_t *width, int64_t ntiles, int smooth, int pixel,
                         void *out, int64_t out_n, void *scratch, int64_t scratch_n, int32_t *status)
{
    int64_t done = 0;
    for (int64_t i = 0; i < ntiles; i++) {
        struct tile tile = tile_of(height[i], width[i], pixel, scratch);
        if (height[i] < 0 || width[i] < 0 || tile.npixels > out_n - done ||
            rf_hcompress_scratch(tile.npixels) > scratch_n) {
            for (; i < ntiles; i++) /* where the next tiles go is unknown */
                status[i] = RF_HCOMPRESS_NO_ROOM;
            return;
        }
        if (start[i] < 0 || length[i] < 0 || start[i] > data_nbytes || length[i] > data_nbytes - start[i])
            status[i] = RF_HCOMPRESS_SHORT;
        else
            status[i] = decode_tile(data + start[i], length[i], &tile, smooth, (uint8_t *)out + done * pixel);
        done += tile.npixels;
    }
}

/* OR of all pixels, those below 0 inverted: tells how many bits they need. */
static uint32_t magnitude(const struct tile *tile, const uint8_t *u8, const int16_t *i16, const int32_t *i32)
{
    uint32_t any = 0;
    for (int64_t k = 0; u8 && k < tile->npixels; k++)
        any |= u8[k];
    for (int64_t k = 0; i16 && k < tile->npixels; k++)
        any |= (uint16_t)(i16[k] ^ i16[k] >> 15);
    for (int64_t k = 0; i32 && k < tile->npixels; k++)
        any |= (uint32_t)(i32[k] ^ i32[k] >> 31);
    return any;
}

static int64_t divided(int64_t value, int32_t scale)
{
    int64_t half = (scale + 1) / 2 - 1;
    return (value > 0 ? value + half : value - half) / scale;
}

static void encode_tile(struct tile *tile, const void *pixels, int32_t scale, struct writer *out)
{
    const uint8_t *u8 = tile->pixel == RF_U8 ? pixels : NULL;
    const int16_t *i16 = tile->pixel == RF_I16 ? pixels : NULL;
    const int32_t *i32 = tile->pixel == RF_I32 ? pixels : NULL;
    int64_t n = tile->npixels, sum;
    uint32_t any = magnitude(tile, u8, i16, i32);
    int pixel_nbits = 0;
    while (pixel_nbits < 32 && any >> pixel_nbits)
        pixel_nbits++;
    put(out, MAGIC, 16);
    put(out, (uint32_t)tile->height, 32);
    put(out, (uint32_t)tile->width, 32);
    put(out, (uint32_t)scale, 32);
    if (coef_nbits(pixel_nbits, nlevels_of(tile->height, tile->width)) <= 29) {
        int32_t *coef = tile->coef, *means = coef + n;
        for (int64_t k = 0; u8 && k < n; k++)
            means[k] = u8[k];
        for (int64_t k = 0; i16 && k < n; k++)
            means[k] = i16[k];
        for (int64_t k = 0; i32 && k < n; k++)
            means[k] = i32[k];
        transform_i32(means, means + n, tile->height, tile->width, coef);
        for (int64_t k = 0; scale > 1 && k < n; k++)
            coef[k] = (int32_t)divided(coef[k], scale);
        sum = coef[0];
        coef[0] = 0;
        put(out, (uint32_t)((uint64_t)sum >> 32), 32);
        put(out, (uint32_t)sum, 32);
        put_coef_i32(out, coef, tile->height, tile->width, &tile->slices, tile->nybbles, tile->grids, tile->signs);
    } else {
        int64_t *coef = tile->coef, *means = coef + n;
        for (int64_t k = 0; u8 && k < n; k++)
            means[k] = u8[k];
        for (int64_t k = 0; i16 && k < n; k++)
            means[k] = i16[k];
        for (int64_t k = 0; i32 && k < n; k++)
            means[k] = i32[k];
        transform_i64(means, means + n, tile->height, tile->width, coef);
        for (int64_t k = 0; scale > 1 && k < n; k++)
            coef[k] = divided(coef[k], scale);
        sum = coef[0];
        coef[0] = 0;
        put(out, (uint32_t)((uint64_t)sum >> 32), 32);
        put(out, (uint32_t)sum, 32);
        put_coef_i64(out, coef, tile->height, tile->width, &tile->slices, tile->nybbles, tile->grids, tile->signs);
    }
}

int64_t rf_hcompress_encode(int pixel, const void *pixels, int64_t pixels_n, const int64_t *height,
                            const int64_t *width, int64_t ntiles, int32_t scale, uint8_t *out, int64_t out_nbytes,
                            int64_t *out_length, void *scratch, int64_t scratch_n, int32_t *status)
{
    int64_t read = 0;
    struct writer writer = {out, 0, 0};
    for (int64_t i = 0; i < ntiles; i++) {
        struct tile tile = tile_of(height[i], width[i], pixel, scratch);
        uint8_t *first = writer.next;
        if (height[i] < 1 || width[i] < 1 || tile.npixels > pixels_n - read ||
            rf_hcompress_scratch(tile.npixels) > scratch_n ||
            rf_hcompress_bound(height[i], width[i], pixel) > out + out_nbytes - first) {
            for (; i < ntiles; i++) {
                out_length[i] = 0;
                status[i] = RF_HCOMPRESS_NO_ROOM;
            }
            break;
        }
        encode_tile(&tile, (const uint8_t *)pixels + read * pixel, scale, &writer);
        out_length[i] = writer.next - first;
        status[i] = RF_HCOMPRESS_OK;
        read += tile.npixels;
    }
    return writer.next - out;
}
