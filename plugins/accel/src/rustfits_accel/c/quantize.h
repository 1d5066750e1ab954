/* Floats to stored integers (FITS 4.0, section 10.2). */
#ifndef RF_QUANTIZE_H
#define RF_QUANTIZE_H

#include <stdint.h>

#include "dequantize.h"

/* Turn the floats of ntiles tiles into integers, with the bits that CFITSIO gives on x86-64 where no row of a tile
 * has runs of equal pixels, and those of the NumPy form everywhere.
 * pixels        pixels of all tiles, back to back, sum of npixels
 * npixels       [ntiles] pixels of each tile, none negative
 * row_npixels   [ntiles] pixels that count as one row of the tile, a divisor of npixels
 * row           [ntiles] table row of each tile, any number
 * level         positive: quanta per standard deviation of the noise; negative: minus the quantum; not 0
 * room          scratch memory for 4 * widest + 3 * most_rows integers of the pixels' width
 * widest        not below any row_npixels, a multiple of 16, below 2**31
 * most_rows     not below the number of rows of any tile, a multiple of 16, below 2**31
 * out           room for the integers of all tiles
 * scale, zero   [ntiles] filled; 0 where the tile cannot be quantised
 * quantized     [ntiles] filled with 1, or 0 for a tile whose integers are unspecified
 * Thread-safe; allocates nothing. */
void rf_quantize_f32(const float *pixels, const int64_t *npixels, const int64_t *row_npixels, const int64_t *row,
                     int64_t ntiles, double level, const struct rf_dither *dither, int32_t *room, int64_t widest,
                     int64_t most_rows, int32_t *out, double *scale, double *zero, uint8_t *quantized);
void rf_quantize_f64(const double *pixels, const int64_t *npixels, const int64_t *row_npixels, const int64_t *row,
                     int64_t ntiles, double level, const struct rf_dither *dither, int64_t *room, int64_t widest,
                     int64_t most_rows, int32_t *out, double *scale, double *zero, uint8_t *quantized);

#endif
