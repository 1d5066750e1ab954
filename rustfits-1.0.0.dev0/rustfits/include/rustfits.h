/* What compiled packages for rustfits say to each other: decoders that one offers in a capsule and another calls.
 *
 * rustfits itself is not needed to build either. Keep a copy of this file beside your sources, as the packages of this
 * project do, or add rustfits.get_include() to the paths of your compiler. A struct never changes: another one gets
 * another name, and so does its capsule. */
#ifndef RUSTFITS_H
#define RUSTFITS_H

#include <stdint.h>

/* Compressed tiles, as read from the heap of an image.
 * data, data_nbytes   the bytes of all tiles
 * start, length       [ntiles] bytes data[start, start + length) of each tile, which the decoder checks
 * npixels             [ntiles] pixels to decode of each tile: all, or the first ones if the codec decodes_prefixes
 * out, out_nbytes     room for the pixels of all tiles, back to back, aligned to a pixel, native byte order
 * status              [ntiles] set to 0, or to what is wrong with a tile
 *
 * A decoder reads only data[0, data_nbytes) and writes only out[0, out_nbytes) and status[0, ntiles). A damaged tile
 * leaves its own pixels unspecified and the others whole. It is called without the GIL, by many threads at once, with the
 * struct that it came in, behind whose first members its own facts may stand. */

/* TileCodec.c_decoder returns a capsule of this name that points at such a struct. */
#define RUSTFITS_DECODER "rustfits.decoder.1"

typedef struct rustfits_decoder {
    void (*decode)(const struct rustfits_decoder *self, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                   const int64_t *length, const int64_t *npixels, int64_t ntiles, void *out, int64_t out_nbytes,
                   int32_t *status);
} rustfits_decoder;

/* TileCodec.c_resumer returns a capsule of this name: a decoder that can begin in the middle of a tile, where it left a
 * mark as it decoded the tile before.
 * block    > 0; pixels that are decoded together
 * step     pixels from one mark to the next, a multiple of block
 * first    [ntiles] pixel at which to begin each tile, a multiple of step: 0, or one that has a mark; npixels are decoded
 *          from there on
 * mark     [ntiles] of each tile its marks: word k, which is 0 at first, is whatever the decoder has to know to begin at
 *          pixel (k + 1) * step. Those before the last pixel that is decoded are left there. Threads may leave the same
 *          marks at once: each is one store of 64 bits. */
#define RUSTFITS_RESUMER "rustfits.resumer.1"

typedef struct rustfits_resumer {
    void (*decode)(const struct rustfits_resumer *self, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                   const int64_t *length, const int64_t *npixels, int64_t ntiles, int64_t step, const int64_t *first,
                   uint64_t *const *mark, void *out, int64_t out_nbytes, int32_t *status);
    int64_t block;
} rustfits_resumer;

#endif
