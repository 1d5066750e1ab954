/* Single precision; see quantize_sets.h. */
#include <float.h>
#include <stdint.h>

#include "isa.h"
#if RF_X86
#include <immintrin.h>
#endif

#define PIXEL float
#define PIXEL_MAX FLT_MAX
#define KEY int32_t
#define KEY_INFINITY 0x7f800000
#define KEY_OCTAVE (1 << 23)
#define SUFFIXED(x) x##_f32
#define COUNT_BELOW_AVX512(keys, limit) \
    _mm_popcnt_u32(_mm512_cmplt_epi32_mask(_mm512_loadu_si512(keys), _mm512_set1_epi32(limit)))
#include "quantize_sets.h"
