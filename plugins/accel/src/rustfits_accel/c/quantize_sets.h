/* Quantising one kind of pixel, with each instruction set: the noise of a tile, from medians of differences between its
 * pixels (noise_template.h), gives the quantum, and the pixels become integers (quantize_template.h). Included by one
 * source for each kind, with the macros that both templates name but for NAME, TARGET and COUNT_BELOW, and
 *   SUFFIXED(x)                       x with a suffix for the kind
 *   COUNT_BELOW_AVX512(keys, limit)   COUNT_BELOW for AVX-512
 *
 * No operation may be contracted (-ffp-contract=off): a product and a sum rounded at once are other bits. */
#include <math.h>
#include <string.h>

#include "quantize.h"

#define NULL_PIXEL (-2147483647)
#define ZERO_PIXEL (-2147483646)
#define LARGEST 2147483647.0
#define RESERVED 10 /* integers from NULL_PIXEL on that no number may become */

struct quantum {
    double scale, zero;
    int nulls; /* whether any pixel is not a number */
};

#define TARGET
#define NAME(x) SUFFIXED(x)
#include "noise_template.h"
#include "quantize_template.h"
#undef TARGET
#undef NAME

#if RF_X86
#define TARGET RF_TARGET_AVX2
#define NAME(x) SUFFIXED(x##_avx2)
#include "noise_template.h"
#include "quantize_template.h"
#undef TARGET
#undef NAME

#define TARGET RF_TARGET_AVX512
#define NAME(x) SUFFIXED(x##_avx512)
#define COUNT_BELOW COUNT_BELOW_AVX512
#include "noise_template.h"
#include "quantize_template.h"
#endif

void SUFFIXED(rf_quantize)(const PIXEL *pixels, const int64_t *npixels, const int64_t *row_npixels, const int64_t *row,
                           int64_t ntiles, double level, const struct rf_dither *dither, KEY *room, int64_t widest,
                           int64_t most_rows, int32_t *out, double *scale, double *zero, uint8_t *quantized)
{
#if RF_X86
    if (dither->isa >= RF_AVX512) {
        SUFFIXED(quantize_avx512)(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows,
                                  out, scale, zero, quantized);
        return;
    }
    if (dither->isa >= RF_AVX2) {
        SUFFIXED(quantize_avx2)(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out,
                                scale, zero, quantized);
        return;
    }
#endif
    SUFFIXED(quantize)(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out, scale,
                       zero, quantized);
}
