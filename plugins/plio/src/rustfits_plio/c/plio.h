/* PLIO_1: pixel lists of the IRAF image masks (FITS 4.0, section 10.4.3).
 *
 * A tile is a list of big-endian 16-bit words: a header, then instructions of a 4-bit opcode and a 12-bit operand
 * that draw the pixels from left to right with a "level", 1 at the start. */
#ifndef RF_PLIO_H
#define RF_PLIO_H

#include <stdint.h>

enum rf_plio_status {
    RF_PLIO_OK = 0,
    RF_PLIO_NO_HEADER = 1,   /* fewer words than a header has */
    RF_PLIO_BAD_LENGTH = 2,  /* the header's list length is not within the tile's bytes */
    RF_PLIO_CUT = 3,         /* a level instruction without its second word */
    RF_PLIO_BAD_OPCODE = 4,  /* an opcode above 7 */
    RF_PLIO_BAD_LEVEL = 5,   /* a level outside 0 ... 2^31 - 1 */
    RF_PLIO_NO_ROOM = 6,     /* pixels or bytes do not fit the buffer given */
    RF_PLIO_NEGATIVE = 7,    /* encoder: a pixel below 0 */
    RF_PLIO_TOO_LARGE = 8,   /* encoder: a pixel above 2^27 - 1 */
    RF_PLIO_TOO_LONG = 9,    /* encoder: a list of more than 2^30 words */
    RF_PLIO_TOO_WIDE = 10,   /* a pixel above 255 where pixels have eight bits */
};

/* Kind of the pixels in memory: their bytes. */
enum rf_plio_pixel { RF_PLIO_U8 = 1, RF_PLIO_I32 = 4 };

/* Decode ntiles independent tiles.
 * data, data_nbytes   compressed bytes of all tiles
 * start, length       [ntiles] byte range of each tile in data
 * npixels             [ntiles] pixels to produce for each tile
 * pixel               kind of the pixels
 * out, out_npixels    room for the pixels of all tiles, back to back, native byte order
 * status              [ntiles] 0, or the first fault met in that tile
 * Reads only data[0, data_nbytes), writes only out[0, out_npixels) and status. A damaged tile leaves its own pixels
 * unspecified and the others whole. Thread-safe. */
void rf_plio_decode(const uint8_t *data, int64_t data_nbytes, const int64_t *start, const int64_t *length,
                    const int64_t *npixels, int64_t ntiles, int pixel, void *out, int64_t out_npixels, int32_t *status);

/* Bytes that a tile of npixels pixels needs at most. */
int64_t rf_plio_bound(int64_t npixels);

/* Encode ntiles tiles, back to back.
 * pixel               kind of the pixels
 * pixels, pixels_n    pixels of all tiles, back to back
 * npixels             [ntiles] pixels of each tile
 * out, out_nbytes     room for the bytes: the sum of rf_plio_bound over the tiles always suffices
 * length              [ntiles] bytes written for each tile
 * status              [ntiles] 0, or the first fault met in that tile, which then has length 0
 * Returns the bytes written. Thread-safe. */
int64_t rf_plio_encode(int pixel, const void *pixels, int64_t pixels_n, const int64_t *npixels, int64_t ntiles,
                       uint8_t *out, int64_t out_nbytes, int64_t *length, int32_t *status);

#endif
