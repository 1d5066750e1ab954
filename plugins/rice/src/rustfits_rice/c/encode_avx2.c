/* Blocks of 32 pixels, encoded in four vectors of eight values that never leave the registers.
 *
 * A symbol is its lower bits under a 1; the zeros before it add to its length alone. So two symbols are joined by
 * shifting the first up by the length of the second, four of them the same way once more, in 64-bit parts of vectors,
 * and what goes to the tile bit by bit are eight quads. A block with a quad of more than 56 bits is left to
 * write_chunk; from fs = 12 on pairs are written rather than quads. */
#include "sink.h"

#if RF_X86
#define AVX2_INLINE RF_TARGET_AVX2 RF_INLINE

typedef struct {
    __m256i values[4];
} block_t;

/* Symbols joined: bits in 64-bit parts, the length of each in the lower half of its part. */
typedef struct {
    __m256i bits, nbits;
} codes_t;

AVX2_INLINE __m256i load(const void *bytes)
{
    return _mm256_loadu_si256((const __m256i *)bytes);
}

/* Map differences to values that are not negative. */
AVX2_INLINE __m256i map_16(__m256i difference)
{
    return _mm256_xor_si256(_mm256_add_epi16(difference, difference), _mm256_srai_epi16(difference, 15));
}

AVX2_INLINE __m256i map_32(__m256i difference)
{
    return _mm256_xor_si256(_mm256_add_epi32(difference, difference), _mm256_srai_epi32(difference, 31));
}

/* Sixteen values of 16 bits, as eight and eight of 32 bits. */
AVX2_INLINE void widen(__m256i values, __m256i wide[2])
{
    wide[0] = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(values));
    wide[1] = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(values, 1));
}

/* The mapped differences of 32 pixels. */
AVX2_INLINE block_t map_block(int32_t bytepix, const uint8_t *pixels)
{
    block_t block;
    if (bytepix == 4) {
        for (int j = 0; j < 4; j++)
            block.values[j] = map_32(_mm256_sub_epi32(load(pixels + 32 * j), load(pixels + 32 * j - 4)));
    } else if (bytepix == 2) {
        for (int j = 0; j < 2; j++)
            widen(map_16(_mm256_sub_epi16(load(pixels + 32 * j), load(pixels + 32 * j - 2))), block.values + 2 * j);
    } else {
        __m256i difference = _mm256_sub_epi8(load(pixels), load(pixels - 1));
        widen(map_16(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(difference))), block.values);
        widen(map_16(_mm256_cvtepi8_epi16(_mm256_extracti128_si256(difference, 1))), block.values + 2);
    }
    return block;
}

AVX2_INLINE uint64_t sum_of(int32_t bytepix, const block_t *block)
{
    const __m256i *v = block->values;
    __m256i any = _mm256_or_si256(_mm256_or_si256(v[0], v[1]), _mm256_or_si256(v[2], v[3]));
    if (bytepix == 4 && RF_UNLIKELY(!_mm256_testz_si256(any, _mm256_set1_epi32((int)0xF8000000)))) {
        uint32_t values[32];
        uint64_t sum = 0;
        for (int j = 0; j < 4; j++)
            _mm256_storeu_si256((__m256i *)(void *)(values + 8 * j), v[j]);
        for (int i = 0; i < 32; i++)
            sum += values[i];
        return sum;
    }
    __m256i sums = _mm256_add_epi32(_mm256_add_epi32(v[0], v[1]), _mm256_add_epi32(v[2], v[3]));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
    return (uint32_t)_mm_cvtsi128_si32(sum);
}

/* The symbols of eight values, joined to four pairs. */
AVX2_INLINE codes_t join_pairs(__m256i values, uint32_t fs)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i mark = _mm256_set1_epi32((int)(1u << fs));
    __m256i lower = _mm256_and_si256(values, _mm256_sub_epi32(mark, _mm256_set1_epi32(1)));
    __m256i bits = _mm256_or_si256(lower, mark);
    __m256i zeros = _mm256_srlv_epi32(values, _mm256_set1_epi32((int)fs));
    __m256i nbits = _mm256_add_epi32(zeros, _mm256_set1_epi32((int)fs + 1));
    __m256i second = _mm256_srli_epi64(bits, 32);
    __m256i second_nbits = _mm256_srli_epi64(nbits, 32);
    __m256i first = _mm256_blend_epi32(bits, zero, 0xAA);
    return (codes_t){_mm256_or_si256(_mm256_sllv_epi64(first, second_nbits), second),
                     _mm256_add_epi32(nbits, second_nbits)};
}

/* Four quads from two vectors of pairs, in the order 0 2 1 3. */
AVX2_INLINE codes_t join_quads(codes_t one, codes_t other)
{
    __m256i first = _mm256_unpacklo_epi64(one.bits, other.bits);
    __m256i second = _mm256_unpackhi_epi64(one.bits, other.bits);
    __m256i first_nbits = _mm256_unpacklo_epi64(one.nbits, other.nbits);
    __m256i second_nbits = _mm256_unpackhi_epi64(one.nbits, other.nbits);
    __m256i shift = _mm256_blend_epi32(second_nbits, _mm256_setzero_si256(), 0xAA);
    return (codes_t){_mm256_or_si256(_mm256_sllv_epi64(first, shift), second),
                     _mm256_add_epi32(first_nbits, second_nbits)};
}

/* Whether all codes are short enough to be put. The upper halves hold part of the length. */
AVX2_INLINE int all_short(const codes_t *codes, int n)
{
    const __m256i most = _mm256_set1_epi32(56);
    __m256i is_long = _mm256_cmpgt_epi32(codes[0].nbits, most);
    for (int j = 1; j < n; j++)
        is_long = _mm256_or_si256(is_long, _mm256_cmpgt_epi32(codes[j].nbits, most));
    return _mm256_testz_si256(is_long, is_long);
}

/* Put four codes. */
AVX2_INLINE void put_codes(sink_t *sink, codes_t codes, int quads)
{
    uint64_t bits[4], nbits[4];
    _mm256_storeu_si256((__m256i *)(void *)bits, codes.bits);
    _mm256_storeu_si256((__m256i *)(void *)nbits, codes.nbits);
    put(sink, bits[0], (uint32_t)nbits[0]);
    put(sink, bits[quads ? 2 : 1], (uint32_t)nbits[quads ? 2 : 1]);
    put(sink, bits[quads ? 1 : 2], (uint32_t)nbits[quads ? 1 : 2]);
    put(sink, bits[3], (uint32_t)nbits[3]);
}

/* Write the symbols of a block; 0 if some are too long to be joined. */
AVX2_INLINE int put_block(sink_t *sink, const block_t *block, uint32_t fs)
{
    codes_t pairs[4], quads[2];
    for (int j = 0; j < 4; j++)
        pairs[j] = join_pairs(block->values[j], fs);
    if (fs < 12) {
        quads[0] = join_quads(pairs[0], pairs[1]);
        quads[1] = join_quads(pairs[2], pairs[3]);
        if (RF_UNLIKELY(!all_short(quads, 2)))
            return 0;
        put_codes(sink, quads[0], 1);
        put_codes(sink, quads[1], 1);
    } else {
        if (RF_UNLIKELY(!all_short(pairs, 4)))
            return 0;
        for (int j = 0; j < 4; j++)
            put_codes(sink, pairs[j], 0);
    }
    return 1;
}

AVX2_INLINE void write_blocks(sink_t *to, int32_t bytepix, const uint8_t *pixels, int64_t nblocks)
{
    const uint32_t fsbits = rf_fsbits(bytepix);
    const uint32_t fsmax = rf_fsmax(bytepix);
    sink_t sink = *to;
    for (int64_t i = 0; i < nblocks; i++, pixels += 32 * bytepix) {
        block_t block = map_block(bytepix, pixels);
        uint64_t sum = sum_of(bytepix, &block);
        /* The bits of (sum - 17) / 32, less one, and 0 for less than 2: see split_of in encode.c. */
        uint32_t fs = 58 - (uint32_t)RF_CLZ64((sum > 17 ? sum - 17 : 0) | 32);
        if (sum == 0) {
            put(&sink, 0, fsbits);
            continue;
        }
        put(&sink, fs < fsmax ? fs + 1 : fsmax + 1, fsbits);
        if (RF_UNLIKELY(fs >= fsmax || !put_block(&sink, &block, fs))) {
            uint32_t values[32];
            for (int j = 0; j < 4; j++)
                _mm256_storeu_si256((__m256i *)(void *)(values + 8 * j), block.values[j]);
            *to = sink;
            if (fs < fsmax)
                rf_rice_write_chunk_bmi2(to, values, 32, fs);
            else
                rf_rice_write_raw(to, bytepix, values, 32);
            sink = *to;
        }
    }
    *to = sink;
}

RF_TARGET_AVX2 void rf_rice_write_blocks_avx2(sink_t *sink, int32_t bytepix, const uint8_t *pixels, int64_t nblocks)
{
    if (bytepix == 4)
        write_blocks(sink, 4, pixels, nblocks);
    else if (bytepix == 2)
        write_blocks(sink, 2, pixels, nblocks);
    else
        write_blocks(sink, 1, pixels, nblocks);
}
#endif
