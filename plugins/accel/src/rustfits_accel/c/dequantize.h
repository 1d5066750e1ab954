/* Stored integers to floats (FITS 4.0, section 10.2). */
#ifndef RF_DEQUANTIZE_H
#define RF_DEQUANTIZE_H

#include <stdint.h>

#define RF_NRANDOM 10000

#define RF_NO_DITHER 0
#define RF_DITHER_1 1
#define RF_DITHER_2 2

/* What all tiles of a batch have in common.
 * random   [RF_NRANDOM] the random numbers
 * starts   [RF_NRANDOM] where in random a run begins, each in [0, RF_NRANDOM): the caller has to check
 * seed     what is added to a tile's row to select among starts, in [0, RF_NRANDOM)
 * method   RF_NO_DITHER, ...
 * isa      the instruction set to use (isa.h), not above rf_best_isa() */
struct rf_dither {
    const float *random;
    const int64_t *starts;
    int64_t seed;
    int32_t method;
    int32_t isa;
};

/* Turn the integers of ntiles tiles into floats, with the bits that CFITSIO gives on x86-64; only the sign of a NaN
 * that comes from an infinite scale or zero is that of this machine.
 * stored        [stored_n] integers of all tiles, back to back
 * npixels       [ntiles] pixels of each tile
 * first         [ntiles] the tile's pixel they begin with; NULL: 0
 * scale, zero   [ntiles] linear scaling of each tile
 * row           [ntiles] table row of each tile, any number
 * null          [ntiles] the integer that means NaN in each tile; beyond 32 bits, or NULL: none
 * out           [out_n] room for the pixels of all tiles
 * Returns 1, or 0 and has done nothing if the tiles are more than the integers or the room, or if a number of pixels or a
 * first one is negative. Thread-safe; allocates nothing. */
int32_t rf_dequantize_f32(const int32_t *stored, int64_t stored_n, const int64_t *npixels, const int64_t *first,
                          const double *scale, const double *zero, const int64_t *row, const int64_t *null,
                          int64_t ntiles, const struct rf_dither *dither, float *out, int64_t out_n);
int32_t rf_dequantize_f64(const int32_t *stored, int64_t stored_n, const int64_t *npixels, const int64_t *first,
                          const double *scale, const double *zero, const int64_t *row, const int64_t *null,
                          int64_t ntiles, const struct rf_dither *dither, double *out, int64_t out_n);

#endif
