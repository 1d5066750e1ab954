#include "quantize.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "isa.h"
#if RF_X86
#include <immintrin.h>
#endif

#define NULL_PIXEL (-2147483647)
#define ZERO_PIXEL (-2147483646)
#define LARGEST 2147483647.0
#define RESERVED 10 /* integers from NULL_PIXEL on that no number may become */

struct quantum {
    double scale, zero;
    int nulls; /* whether any pixel is not a number */
};

#define PIXEL float
#define PIXEL_MAX FLT_MAX
#define KEY int32_t
#define KEY_INFINITY 0x7f800000
#define KEY_OCTAVE (1 << 23)
#define TARGET
#define NAME(x) x##_f32
#include "noise_template.h"
#include "quantize_template.h"
#if RF_X86
#undef TARGET
#undef NAME
#define TARGET RF_TARGET_AVX2
#define NAME(x) x##_f32_avx2
#include "noise_template.h"
#include "quantize_template.h"
#undef TARGET
#undef NAME
#define TARGET RF_TARGET_AVX512
#define NAME(x) x##_f32_avx512
#define COUNT_BELOW(keys, limit) \
    _mm_popcnt_u32(_mm512_cmplt_epi32_mask(_mm512_loadu_si512(keys), _mm512_set1_epi32(limit)))
#include "noise_template.h"
#undef COUNT_BELOW
#include "quantize_template.h"
#endif

#undef PIXEL
#undef PIXEL_MAX
#undef KEY
#undef KEY_INFINITY
#undef KEY_OCTAVE
#undef TARGET
#undef NAME
#define PIXEL double
#define PIXEL_MAX DBL_MAX
#define KEY int64_t
#define KEY_INFINITY 0x7ff0000000000000
#define KEY_OCTAVE ((int64_t)1 << 52)
#define TARGET
#define NAME(x) x##_f64
#include "noise_template.h"
#include "quantize_template.h"
#if RF_X86
#undef TARGET
#undef NAME
#define TARGET RF_TARGET_AVX2
#define NAME(x) x##_f64_avx2
#include "noise_template.h"
#include "quantize_template.h"
#undef TARGET
#undef NAME
#define TARGET RF_TARGET_AVX512
#define NAME(x) x##_f64_avx512
#define COUNT_BELOW(keys, limit) \
    (_mm_popcnt_u32(_mm512_cmplt_epi64_mask(_mm512_loadu_si512(keys), _mm512_set1_epi64(limit))) +                    \
     _mm_popcnt_u32(_mm512_cmplt_epi64_mask(_mm512_loadu_si512((keys) + 8), _mm512_set1_epi64(limit))))
#include "noise_template.h"
#undef COUNT_BELOW
#include "quantize_template.h"
#endif

void rf_quantize_f32(const float *pixels, const int64_t *npixels, const int64_t *row_npixels, const int64_t *row,
                     int64_t ntiles, double level, const struct rf_dither *dither, int32_t *room, int64_t widest,
                     int64_t most_rows, int32_t *out, double *scale, double *zero, uint8_t *quantized)
{
#if RF_X86
    if (dither->isa >= RF_AVX512) {
        quantize_f32_avx512(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out,
                            scale, zero, quantized);
        return;
    }
    if (dither->isa >= RF_AVX2) {
        quantize_f32_avx2(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out,
                          scale, zero, quantized);
        return;
    }
#endif
    quantize_f32(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out, scale, zero,
                 quantized);
}

void rf_quantize_f64(const double *pixels, const int64_t *npixels, const int64_t *row_npixels, const int64_t *row,
                     int64_t ntiles, double level, const struct rf_dither *dither, int64_t *room, int64_t widest,
                     int64_t most_rows, int32_t *out, double *scale, double *zero, uint8_t *quantized)
{
#if RF_X86
    if (dither->isa >= RF_AVX512) {
        quantize_f64_avx512(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out,
                            scale, zero, quantized);
        return;
    }
    if (dither->isa >= RF_AVX2) {
        quantize_f64_avx2(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out,
                          scale, zero, quantized);
        return;
    }
#endif
    quantize_f64(pixels, npixels, row_npixels, row, ntiles, level, dither, room, widest, most_rows, out, scale, zero,
                 quantized);
}
