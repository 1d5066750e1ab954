/* The signs of many coefficients at once: four by tables, or 32 where the processor has instructions for it.
 *
 * Only coefficients that are not 0 have a sign bit. A mask tells which of 32 coefficients are not 0, the first on top;
 * pext picks the signs of these from a mask of all signs, pdep deals the bits of the stream out to them.
 * put_most_signs and take_most_signs return the coefficients done. */
#ifndef RF_HCOMPRESS_SIGNS_H
#define RF_HCOMPRESS_SIGNS_H

#include "bits.h"
#include "tables.h"

enum { SIGNS = 48 }; /* taken or put at once by the portable form; a window holds so many bits */

/* Put the signs of coefficients that are not 0. kinds: [SIGNS] 1 for not 0, with 16 for negative. */
static inline void pick_signs(struct writer *out, const uint8_t *kinds)
{
    uint64_t bits = 0;
    int nbits = 0;
    for (int k = 0; k < SIGNS; k += 4) {
        uint32_t four = load_little32(kinds + k) * 0x08040201u >> 24; /* the bits of four bytes, gathered */
        uint8_t picked = rf_tables.picked_signs[four];
        bits = bits << (picked >> 4) | (picked & 15);
        nbits += picked >> 4;
    }
    put(out, bits, nbits);
}

/* The inverse. set: [SIGNS] 1 for not 0; minus: [SIGNS] gets -1 for negative ones. */
static inline void deal_signs(struct reader *in, const uint8_t *set, int8_t *minus)
{
    uint64_t window = peek(in);
    int used = 0;
    for (int k = 0; k < SIGNS; k += 4) {
        uint32_t four = load_little32(set + k) * 0x08040201u >> 24;
        store_little32((uint8_t *)minus + k, rf_tables.dealt_signs[four << 4 | window >> 60]);
        window <<= rf_tables.nset[four];
        used += rf_tables.nset[four];
    }
    in->at += used;
}

#ifdef RF_AVX2
#include <immintrin.h>

/* 32 coefficients, each as a byte of the same sign and zero only if it is zero, the first one last. */
static inline __m256i narrow(const __m256i coef[4])
{
    const __m256i lanes = _mm256_setr_epi32(7, 3, 6, 2, 5, 1, 4, 0);
    const __m256i reversed = _mm256_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12,
                                              3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(coef[0], coef[1]), _mm256_packs_epi32(coef[2], coef[3]));
    return _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(bytes, lanes), reversed);
}

static inline uint32_t nonzero_mask(__m256i bytes)
{
    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_setzero_si256()));
}

static int64_t put_most_signs(struct writer *out, int32_t *coef, int64_t n)
{
    int64_t k = 0;
    for (; k + 32 <= n; k += 32) {
        __m256i *at = (__m256i *)(void *)(coef + k), four[4];
        for (int v = 0; v < 4; v++)
            four[v] = _mm256_loadu_si256(at + v);
        __m256i bytes = narrow(four);
        uint32_t set = nonzero_mask(bytes);
        put(out, _pext_u32((uint32_t)_mm256_movemask_epi8(bytes), set), __builtin_popcount(set));
        for (int v = 0; v < 4; v++)
            _mm256_storeu_si256(at + v, _mm256_abs_epi32(four[v]));
    }
    return k;
}

static int64_t take_most_signs(struct reader *in, int32_t *coef, int64_t n)
{
    const __m256i bits = _mm256_setr_epi32(128, 64, 32, 16, 8, 4, 2, 1);
    int64_t k = 0;
    for (; k + 32 <= n; k += 32) {
        __m256i *at = (__m256i *)(void *)(coef + k), four[4];
        for (int v = 0; v < 4; v++)
            four[v] = _mm256_loadu_si256(at + v);
        uint32_t set = nonzero_mask(narrow(four));
        int nset = __builtin_popcount(set);
        uint32_t negative = _pdep_u32((uint32_t)(peek(in) >> 1 >> (63 - nset)), set);
        in->at += nset;
        for (int v = 0; v < 4; v++) {
            __m256i eight = _mm256_and_si256(_mm256_set1_epi32((int)(negative >> (24 - 8 * v))), bits);
            __m256i minus = _mm256_cmpeq_epi32(eight, bits);
            _mm256_storeu_si256(at + v, _mm256_sub_epi32(_mm256_xor_si256(four[v], minus), minus));
        }
    }
    return k;
}

#else

static int64_t put_most_signs(struct writer *out, int32_t *coef, int64_t n)
{
    (void)out, (void)coef, (void)n;
    return 0;
}

static int64_t take_most_signs(struct reader *in, int32_t *coef, int64_t n)
{
    (void)in, (void)coef, (void)n;
    return 0;
}

#endif

#endif
