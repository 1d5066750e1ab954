/* Double precision; see quantize_sets.h. */
#include <float.h>
#include <stdint.h>

#include "isa.h"
#if RF_X86
#include <immintrin.h>
#endif

#define PIXEL double
#define PIXEL_MAX DBL_MAX
#define KEY int64_t
#define KEY_INFINITY 0x7ff0000000000000
#define KEY_OCTAVE ((int64_t)1 << 52)
#define SUFFIXED(x) x##_f64
#define COUNT_BELOW_AVX512(keys, limit) \
    (_mm_popcnt_u32(_mm512_cmplt_epi64_mask(_mm512_loadu_si512(keys), _mm512_set1_epi64(limit))) +                    \
     _mm_popcnt_u32(_mm512_cmplt_epi64_mask(_mm512_loadu_si512((keys) + 8), _mm512_set1_epi64(limit))))
#include "quantize_sets.h"
