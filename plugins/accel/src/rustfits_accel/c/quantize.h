/* Floats to stored integers (FITS 4.0, section 10.2). */
#ifndef RF_QUANTIZE_H
#define RF_QUANTIZE_H

#include <stdint.h>

#include "dequantize.h"

/* Turn the floats of ntiles tiles into integers, with the bits that CFITSIO gives on x86-64 where no row of a tile
 * has runs of equal pixels, and those of the NumPy form everywhere.
 * pixels        [pixels_n] pixels of all tiles, back to back
 * npixels       [ntiles] pixels of each tile
 * row_npixels   [ntiles] pixels that count as one row of the tile, a divisor of npixels
 * row           [ntiles] table row of each tile, any number
 * level         positive: quanta per standard deviation of the noise; negative: minus the quantum; not 0
 * room          scratch memory for 4 * widest + 3 * most_rows integers of the pixels' width
 * widest        not below the row_npixels of any tile that has pixels, a multiple of 16, below 2**31
 * most_rows     not below the number of rows of any tile, a multiple of 16, below 2**31
 * out           [out_n] room for the integers of all tiles
 * scale, zero   [ntiles] filled; 0 where the tile cannot be quantised
 * quantized     [ntiles] filled with 1, or 0 for a tile whose integers are unspecified
 * Returns 1, or 0 and has done nothing if the tiles are more than the pixels or the room, or are not whole rows that the
 * scratch memory is for. Thread-safe; allocates nothing. */
int32_t rf_quantize_f32(const float *pixels, int64_t pixels_n, const int64_t *npixels, const int64_t *row_npixels,
                        const int64_t *row, int64_t ntiles, double level, const struct rf_dither *dither, int32_t *room,
                        int64_t widest, int64_t most_rows, int32_t *out, int64_t out_n, double *scale, double *zero,
                        uint8_t *quantized);
int32_t rf_quantize_f64(const double *pixels, int64_t pixels_n, const int64_t *npixels, const int64_t *row_npixels,
                        const int64_t *row, int64_t ntiles, double level, const struct rf_dither *dither, int64_t *room,
                        int64_t widest, int64_t most_rows, int32_t *out, int64_t out_n, double *scale, double *zero,
                        uint8_t *quantized);

#endif
