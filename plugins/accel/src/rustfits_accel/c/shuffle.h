/* The byte order of GZIP_2: all most significant bytes, then the next, ... (FITS 4.0, section 10.4.2). */
#ifndef RF_SHUFFLE_H
#define RF_SHUFFLE_H

#include <stdint.h>

/* Group the bytes of ntiles tiles by significance.
 * data       [data_nbytes] pixels of all tiles, in the byte order of this machine, back to back
 * nbytes     [ntiles] bytes of each tile, a multiple of itemsize
 * itemsize   bytes of a pixel: 1, 2, 4 or 8
 * out        [out_nbytes] room for as many bytes; must not overlap data
 * Returns 1, or 0 and has done nothing if the tiles are more than the data or the room, or not whole pixels. Thread-safe;
 * allocates nothing. */
int32_t rf_shuffle(const uint8_t *data, int64_t data_nbytes, const int64_t *nbytes, int64_t ntiles, int32_t itemsize,
                   uint8_t *out, int64_t out_nbytes);

/* Turn the big-endian bytes of npixels pixels, grouped by significance if shuffled, into pixels of this machine. data and
 * out hold npixels * itemsize bytes each, and must not overlap. */
void rf_to_pixels(const uint8_t *data, int64_t npixels, int32_t itemsize, int shuffled, uint8_t *out);

/* Turn the big-endian bytes of npixels pixels of 2, 4 or 8 bytes into pixels of this machine; data and
 * out hold npixels * itemsize bytes each; out may be data itself. Of pixels of 1 byte nothing is done. */
void rf_from_big_endian(const uint8_t *data, int64_t npixels, int32_t itemsize, uint8_t *out);

/* As rf_from_big_endian for pixels of 2, 4 or 8 bytes and with out apart from data, but the pixels are written past
 * the cache. Returns 0, and has done nothing, if this machine, with instruction sets up to isa, or the place of out
 * allows no such thing. */
int32_t rf_to_pixels_past(const uint8_t *data, int64_t npixels, int32_t itemsize, int32_t isa, uint8_t *out);

#endif
