/* RICE_1: differences of neighbouring pixels in a Golomb-Rice code (FITS 4.0, section 10.4.1).
 *
 * A tile is a string of bits, most significant first: the first pixel at full width, then blocks of pixels (the last
 * may be short). A block is a code of 5, 4 or 3 bits (for pixels of 4, 2, 1 bytes) and the differences in it, each
 * mapped to a value that is not negative (d >= 0 to 2 d, d < 0 to -2 d - 1), whose bits are a symbol:
 *   code 0                all differences are 0 and take no bits
 *   code 1 ... fsmax      the upper part in unary (as many 0 bits, then a 1), then the fs = code - 1 lower bits
 *   code fsmax + 1        every value at full width
 * Differences wrap around at the width of a pixel. */
#ifndef RF_RICE_H
#define RF_RICE_H

#include <stdint.h>

enum rf_rice_status {
    RF_RICE_OK = 0,
    RF_RICE_TRUNCATED = 1, /* the tile's bytes end before its pixels do */
    RF_RICE_BAD_CODE = 2,  /* a block's code above fsmax + 1 */
    RF_RICE_BAD_RANGE = 3, /* the tile's bytes do not lie within the data, or its mark at first is not known */
    RF_RICE_NO_ROOM = 4,   /* pixels or bytes do not fit the buffer given */
};

/* Kernels for the same work, slowest first; a machine that has one has those before it. */
enum rf_rice_variant {
    RF_RICE_PORTABLE = 0,
    RF_RICE_BMI2 = 1, /* the same C, compiled for x86-64 with BMI2 and LZCNT */
    RF_RICE_AVX2 = 2,   /* the encoder in vectors of eight pixels */
    RF_RICE_AVX512 = 3, /* the decoder with sixteen tiles side by side */
};

/* The fastest variant this machine can run. */
int32_t rf_rice_best_variant(void);

/* Decode ntiles independent tiles.
 * variant             one that this machine can run
 * bytepix             bytes of a pixel: 1 (unsigned), 2 or 4
 * data, data_nbytes   compressed bytes of all tiles
 * start, length       [ntiles] byte range of each tile in data
 * npixels             [ntiles] pixels to produce for each tile
 * block               pixels in a block, > 0
 * out, out_npixels    room for the pixels of all tiles, back to back, native byte order, aligned
 * status              [ntiles] 0, or the first fault met in that tile
 * Reads only data[0, data_nbytes), writes only out[0, out_npixels) and status. A damaged tile leaves its own pixels
 * unspecified and the others whole. Bytes after a tile's last pixel are ignored. Thread-safe. */
void rf_rice_decode(int32_t variant, int32_t bytepix, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                    const int64_t *length, const int64_t *npixels, int64_t ntiles, int32_t block, void *out,
                    int64_t out_npixels, int32_t *status);

/* Tiles that are begun in the middle. A mark says how a tile goes on at a pixel: where its bits are, and the pixel
 * before. Whoever decodes that far leaves it there for the next time. Marks are of the same bytes, pixels and block. */
struct rf_rice_marks {
    int64_t step;          /* pixels from one mark to the next, a multiple of block, > 0 */
    const int64_t *first;  /* [ntiles] the pixel a tile begins with: 0, or a multiple of step, whose mark is known */
    uint64_t *const *mark; /* [ntiles] of each tile those at step, 2 step, ... before first + npixels; 0: not known */
};

/* As rf_rice_decode, npixels from first on. Threads may share marks. One that means nothing is a fault at most. */
void rf_rice_resume(int32_t variant, int32_t bytepix, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                    const int64_t *length, const int64_t *npixels, int64_t ntiles, int32_t block,
                    const struct rf_rice_marks *marks, void *out, int64_t out_npixels, int32_t *status);

/* Room that the encoder asks for a tile of npixels pixels, in bytes; -1 if that is beyond reason. */
int64_t rf_rice_bound(int32_t bytepix, int64_t npixels, int32_t block);

/* Encode ntiles tiles, back to back, into the bytes that CFITSIO writes for them.
 * pixels, pixels_n    pixels of all tiles, back to back, aligned
 * npixels             [ntiles] pixels of each tile
 * out, out_nbytes     room for the bytes: the sum of rf_rice_bound over the tiles always suffices
 * length              [ntiles] bytes written for each tile
 * status              [ntiles] 0, or RF_RICE_NO_ROOM, for a tile that then has length 0
 * Returns the bytes written. Other arguments as above. Thread-safe. */
int64_t rf_rice_encode(int32_t variant, int32_t bytepix, const void *pixels, int64_t pixels_n, const int64_t *npixels,
                       int64_t ntiles, int32_t block, uint8_t *out, int64_t out_nbytes, int64_t *length,
                       int32_t *status);

#endif
