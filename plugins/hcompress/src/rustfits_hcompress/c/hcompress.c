#include "hcompress.h"

#include <string.h>

#include "bits.h"

enum { HEADER_NBYTES = 25, MAGIC = 0xDD99 };

/* -- nybble grids: the same for every width of coefficient -- */

/* Huffman codes of one plane, first code in the lowest bits; they are sent backwards. */
struct codes {
    uint8_t *bytes;
    int64_t room, nbytes;
    uint32_t window;
    int nbits;
};

/* Add the codes of all non-zero nybbles; return 0 when the room is used up. */
static int add_codes(struct codes *list, const uint8_t *nybbles, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        if (!nybbles[k])
            continue;
        list->window |= (uint32_t)HUFFMAN_CODE[nybbles[k]] << list->nbits;
        list->nbits += HUFFMAN_LENGTH[nybbles[k]];
        if (list->nbits >= 8) {
            list->bytes[list->nbytes++] = (uint8_t)list->window;
            list->window >>= 8;
            list->nbits -= 8;
            if (list->nbytes >= list->room)
                return 0;
        }
    }
    return 1;
}

static void put_codes(struct writer *out, const struct codes *list)
{
    if (list->nbits)
        put(out, list->window, list->nbits);
    else if (!list->nbytes)
        put(out, HUFFMAN_CODE[0], HUFFMAN_LENGTH[0]);
    for (int64_t k = list->nbytes - 1; k >= 0; k--)
        put(out, list->bytes[k], 8);
}

/* Replace a grid by the nybbles of the level above, which take its first places. */
static void reduce_nybbles(uint8_t *nybbles, int64_t rows, int64_t columns)
{
    uint8_t *next = nybbles;
    for (int64_t i = 0; i < rows; i += 2) {
        const uint8_t *top = nybbles + i * columns;
        const uint8_t *low = i + 1 < rows ? top + columns : NULL;
        for (int64_t j = 0; j < columns; j += 2) {
            int right = j + 1 < columns;
            *next++ = (uint8_t)((top[j] != 0) << 3 | (right && top[j + 1]) << 2 | (low && low[j]) << 1 |
                                (low && right && low[j + 1]));
        }
    }
}

/* Replace a grid by the flags of the level below: the bits of its nybbles, each at its place in rows x columns. */
static void spread_nybbles(uint8_t *nybbles, int64_t rows, int64_t columns)
{
    int64_t half_rows = (rows + 1) / 2, half_columns = (columns + 1) / 2;
    /* Backwards, since the larger grid overwrites the smaller; a block's nybble is read before its place is filled. */
    for (int64_t i = half_rows - 1; i >= 0; i--)
        for (int64_t j = half_columns - 1; j >= 0; j--) {
            uint8_t nybble = nybbles[i * half_columns + j];
            uint8_t *top = nybbles + 2 * i * columns + 2 * j;
            int right = 2 * j + 1 < columns, low = 2 * i + 1 < rows;
            if (low && right)
                top[columns + 1] = nybble & 1;
            if (low)
                top[columns] = nybble >> 1 & 1;
            if (right)
                top[1] = nybble >> 2 & 1;
            top[0] = nybble >> 3;
        }
}

/* Read a tree down to a grid of rows x columns nybbles. */
static void take_tree(struct reader *in, uint8_t *nybbles, int64_t rows, int64_t columns)
{
    int nlevels = 0;
    while (((int64_t)1 << nlevels) < (rows > columns ? rows : columns))
        nlevels++;
    uint8_t root = take_nybble_code(in);
    if (rows * columns == 0)
        return;
    nybbles[0] = root;
    for (int level = nlevels - 1; level >= 0 && !is_cut(in); level--) {
        int64_t level_rows = ((rows - 1) >> level) + 1, level_columns = ((columns - 1) >> level) + 1;
        spread_nybbles(nybbles, level_rows, level_columns);
        for (int64_t k = level_rows * level_columns - 1; k >= 0; k--)
            if (nybbles[k])
                nybbles[k] = take_nybble_code(in);
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

int64_t rf_hcompress_scratch(int64_t npixels)
{
    /* Three arrays of int64; nybbles and their codes; sign bits. */
    return 24 * npixels + 2 * (npixels + 8) + npixels / 8 + 64;
}

/* Bits of a coefficient at most: the first level adds two, each later one another, and rounding one. */
static int coef_nbits(int pixel_nbits, int nlevels)
{
    return pixel_nbits + 2 + nlevels;
}

int64_t rf_hcompress_bound(int64_t height, int64_t width, int pixel)
{
    int64_t nybbles = (height / 4 + 1) * (width / 4 + 1);
    int64_t plane = nybbles / 2 + 4;
    return HEADER_NBYTES + 4 * plane * coef_nbits(8 * pixel, nlevels_of(height, width)) + height * width / 8 + 8;
}

static int64_t big_endian(const uint8_t *bytes, int nbytes)
{
    uint64_t value = bytes[0] & 0x80 ? ~(uint64_t)0 : 0;
    for (int k = 0; k < nbytes; k++)
        value = value << 8 | bytes[k];
    return (int64_t)value;
}

struct tile {
    int64_t height, width, npixels;
    int pixel;
    uint8_t *scratch;
};

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
    stream->bits = (struct reader){data + HEADER_NBYTES, data + nbytes, 0, 0, 0};
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

static int32_t decode_tile(const uint8_t *data, int64_t nbytes, const struct tile *tile, int smooth, void *out)
{
    struct stream stream;
    int32_t fault = read_header(data, nbytes, tile, &stream);
    if (fault || tile->npixels == 0)
        return fault;
    uint8_t *nybbles = tile->scratch + 24 * tile->npixels;
    uint8_t *u8 = tile->pixel == RF_U8 ? out : NULL;
    int16_t *i16 = tile->pixel == RF_I16 ? out : NULL;
    int32_t *i32 = tile->pixel == RF_I32 ? out : NULL;
    int64_t n = tile->npixels;
    if (fits_32(&stream, smooth && stream.scale > 1)) {
        int32_t *coef = (int32_t *)(void *)tile->scratch, *pixels = coef + n;
        fault = decode_coef_i32(&stream.bits, stream.nplanes, coef, tile->height, tile->width, nybbles);
        if (fault)
            return fault;
        coef[0] = (int32_t)stream.sum;
        for (int64_t k = 0; stream.scale > 1 && k < n; k++)
            coef[k] *= stream.scale;
        invert_i32(coef, tile->height, tile->width, smooth, stream.scale, pixels, pixels + n);
        store_i32(tile, pixels, u8, i16, i32);
        return RF_HCOMPRESS_OK;
    }
    int64_t *coef = (int64_t *)(void *)tile->scratch, *pixels = coef + n;
    fault = decode_coef_i64(&stream.bits, stream.nplanes, coef, tile->height, tile->width, nybbles);
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
        struct tile tile = {height[i], width[i], height[i] * width[i], pixel, scratch};
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

static inline int64_t pixel_at(const struct tile *tile, const void *pixels, int64_t k)
{
    switch (tile->pixel) {
    case RF_U8:
        return ((const uint8_t *)pixels)[k];
    case RF_I16:
        return ((const int16_t *)pixels)[k];
    default:
        return ((const int32_t *)pixels)[k];
    }
}

static int64_t divided(int64_t value, int32_t scale)
{
    int64_t half = (scale + 1) / 2 - 1;
    return (value > 0 ? value + half : value - half) / scale;
}

static int64_t encode_tile(const struct tile *tile, const void *pixels, int32_t scale, struct writer *out)
{
    int64_t n = tile->npixels, sum;
    uint8_t *first = out->next, *nybbles = tile->scratch + 24 * n, *codes = nybbles + n + 8;
    uint8_t *signs = codes + n + 8;
    int64_t any = 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t pixel = pixel_at(tile, pixels, k);
        any |= pixel < 0 ? ~pixel : pixel;
    }
    int pixel_nbits = 0;
    while (any >> pixel_nbits)
        pixel_nbits++;
    put(out, MAGIC, 16);
    put(out, (uint32_t)tile->height, 32);
    put(out, (uint32_t)tile->width, 32);
    put(out, (uint32_t)scale, 32);
    if (coef_nbits(pixel_nbits, nlevels_of(tile->height, tile->width)) <= 29) {
        int32_t *coef = (int32_t *)(void *)tile->scratch, *means = coef + n;
        for (int64_t k = 0; k < n; k++)
            means[k] = (int32_t)pixel_at(tile, pixels, k);
        transform_i32(means, means + n, tile->height, tile->width, coef);
        for (int64_t k = 0; scale > 1 && k < n; k++)
            coef[k] = (int32_t)divided(coef[k], scale);
        sum = coef[0];
        coef[0] = 0;
        put(out, (uint32_t)((uint64_t)sum >> 32), 32);
        put(out, (uint32_t)sum, 32);
        encode_coef_i32(out, coef, tile->height, tile->width, nybbles, codes, signs);
    } else {
        int64_t *coef = (int64_t *)(void *)tile->scratch, *means = coef + n;
        for (int64_t k = 0; k < n; k++)
            means[k] = pixel_at(tile, pixels, k);
        transform_i64(means, means + n, tile->height, tile->width, coef);
        for (int64_t k = 0; scale > 1 && k < n; k++)
            coef[k] = divided(coef[k], scale);
        sum = coef[0];
        coef[0] = 0;
        put(out, (uint32_t)((uint64_t)sum >> 32), 32);
        put(out, (uint32_t)sum, 32);
        encode_coef_i64(out, coef, tile->height, tile->width, nybbles, codes, signs);
    }
    return out->next - first;
}

int64_t rf_hcompress_encode(int pixel, const void *pixels, int64_t pixels_n, const int64_t *height,
                            const int64_t *width, int64_t ntiles, int32_t scale, uint8_t *out, int64_t out_nbytes,
                            int64_t *out_length, void *scratch, int64_t scratch_n, int32_t *status)
{
    int64_t read = 0;
    struct writer writer = {out, out + out_nbytes, 0, 0, 0};
    for (int64_t i = 0; i < ntiles; i++) {
        struct tile tile = {height[i], width[i], height[i] * width[i], pixel, scratch};
        out_length[i] = 0;
        if (height[i] < 1 || width[i] < 1 || tile.npixels > pixels_n - read ||
            rf_hcompress_scratch(tile.npixels) > scratch_n) {
            status[i] = RF_HCOMPRESS_NO_ROOM;
            return writer.next - out;
        }
        out_length[i] = encode_tile(&tile, (const uint8_t *)pixels + read * pixel, scale, &writer);
        status[i] = writer.full ? RF_HCOMPRESS_NO_ROOM : RF_HCOMPRESS_OK;
        read += tile.npixels;
    }
    return writer.next - out;
}
