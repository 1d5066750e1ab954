/* HCOMPRESS_1: H-transform and quadtree coding of two-dimensional tiles (FITS 4.0, section 10.4.4; R. White, 1992).
 *
 * A stream is: DD 99; height, width and scale as big-endian int32; the top coefficient as int64; the number of bit
 * planes of three groups of quadrants, a byte each; the bit planes of four quadrants; a zero nybble; sign bits. */
#ifndef RF_HCOMPRESS_H
#define RF_HCOMPRESS_H

#include <stdint.h>

enum rf_hcompress_status {
    RF_HCOMPRESS_OK = 0,
    RF_HCOMPRESS_SHORT = 1,      /* fewer bytes than a stream header has */
    RF_HCOMPRESS_MAGIC = 2,      /* no DD 99 at the start */
    RF_HCOMPRESS_SHAPE = 3,      /* the stream is of a tile of another height or width */
    RF_HCOMPRESS_PLANES = 4,     /* more bit planes than a coefficient has bits */
    RF_HCOMPRESS_CUT = 5,        /* the bytes end before the last sign bit */
    RF_HCOMPRESS_FORMAT = 6,     /* a bit plane starts with neither 0 nor F, or the closing zero is missing */
    RF_HCOMPRESS_NO_ROOM = 7,    /* pixels or bytes do not fit the buffer given */
};

/* Kind of the pixels in memory. */
enum rf_pixel { RF_U8 = 1, RF_I16 = 2, RF_I32 = 4 };

/* The kernels, one for each instruction set; each gives the same bytes and pixels. */
enum rf_hcompress_kernel { RF_HCOMPRESS_PORTABLE = 0, RF_HCOMPRESS_AVX2 = 1 };

/* Fill the tables of the coders. To be called once, before anything else is. */
void rf_hcompress_prepare(void);

/* The last kernel that this machine can run; it can run those before it, too. */
int rf_hcompress_best_kernel(void);

/* Bytes of scratch that a tile of height x width pixels needs, for decoding and for encoding; a multiple of 8. INT64_MAX
 * for sides below 0 or beyond INT32_MAX, which streams cannot hold, and for more pixels than memory can. */
int64_t rf_hcompress_scratch(int64_t height, int64_t width);

/* Bytes that a tile of height x width pixels of kind `pixel` needs at most; INT64_MAX likewise. */
int64_t rf_hcompress_bound(int64_t height, int64_t width, int pixel);

/* Decode ntiles independent tiles.
 * kernel               which kernel to use, up to the best one
 * data, data_nbytes    compressed bytes of all tiles
 * start, length        [ntiles] byte range of each tile in data
 * height, width        [ntiles] pixels along the slow and the fast axis of each tile
 * smooth               whether to smooth tiles whose scale is above 1
 * pixel, out, out_n    kind and number of the pixels of all tiles, back to back, native byte order; values that lossy
 *                      coding drove beyond 8 or 16 bits are clipped, as CFITSIO does
 * scratch, scratch_n   rf_hcompress_scratch of the largest tile, aligned to 8 bytes
 * status               [ntiles] 0, or the first fault met in that tile
 * A damaged tile leaves its own pixels unspecified and the others whole. Thread-safe. */
void rf_hcompress_decode(int kernel, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                         const int64_t *length, const int64_t *height, const int64_t *width, int64_t ntiles,
                         int smooth, int pixel, void *out, int64_t out_n, void *scratch, int64_t scratch_n,
                         int32_t *status);

/* Encode ntiles tiles, back to back; arguments as above.
 * scale                coefficients are divided by it; 0 and 1 keep every bit
 * out, out_nbytes      room for the bytes: the sum of rf_hcompress_bound over the tiles always suffices
 * out_length           [ntiles] bytes written for each tile
 * Returns the bytes written. Thread-safe. */
int64_t rf_hcompress_encode(int kernel, int pixel, const void *pixels, int64_t pixels_n, const int64_t *height,
                            const int64_t *width, int64_t ntiles, int32_t scale, uint8_t *out, int64_t out_nbytes,
                            int64_t *out_length, void *scratch, int64_t scratch_n, int32_t *status);

#endif
