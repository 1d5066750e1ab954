/* Quantising one kind of pixel, with each instruction set: the noise of a tile, from medians of differences between its
 * pixels (noise_template.h), gives the quantum, and the pixels become integers (quantize_template.h). Included by one
 * source for each kind, with the macros that both templates name but for NAME, TARGET and COUNT_BELOW, and
 *   SUFFIXED(x)                       x with a suffix for the kind
 *   COUNT_BELOW_AVX512(keys, limit)   COUNT_BELOW for AVX-512
 *
 * No operation may be contracted (-ffp-contract=off): a product and a sum rounded at once are other bits. */
#include <math.h>
#include <string.h>

#include "parts.h"
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

/* Whether the tiles are rows that the scratch memory is for. */
static int SUFFIXED(rows_fit)(const int64_t *npixels, const int64_t *row_npixels, int64_t ntiles, int64_t widest,
                              int64_t most_rows)
{
    for (int64_t tile = 0; tile < ntiles; tile++)
        if (npixels[tile] && (row_npixels[tile] < 1 || row_npixels[tile] > widest ||
                              npixels[tile] % row_npixels[tile] || npixels[tile] / row_npixels[tile] > most_rows))
            return 0;
    return (widest | most_rows) % LANES == 0;
}

int32_t SUFFIXED(rf_quantize)(const PIXEL *pixels, int64_t pixels_n, const int64_t *npixels, const int64_t *row_npixels,
                              const int64_t *row, int64_t ntiles, double level, const struct rf_dither *dither,
                              KEY *room, int64_t widest, int64_t most_rows, int32_t *out, int64_t out_n, double *scale,
                              double *zero, uint8_t *quantized)
{
    if (!rf_parts_fit(npixels, ntiles, pixels_n < out_n ? pixels_n : out_n) ||
        !SUFFIXED(rows_fit)(npixels, row_npixels, ntiles, widest, most_rows))
        return 0;
    for (int64_t tile = 0; tile < ntiles; tile++) {
        scale[tile] = zero[tile] = 0;
        quantized[tile] = 0;
    }
    if (widest == 0) /* no pixels, perhaps in arrays without an address */
        return 1;
#if RF_X86
    if (dither->isa >= RF_AVX512) {
        SUFFIXED(quantize_avx512)(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows,
                                  out, scale, zero, quantized);
        return 1;
    }
    if (dither->isa >= RF_AVX2) {
        SUFFIXED(quantize_avx2)(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out,
                                scale, zero, quantized);
        return 1;
    }
#endif
    SUFFIXED(quantize)(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out, scale,
                       zero, quantized);
    return 1;
}
