/* The pixels of sixteen lanes, brought to where those of sixteen tiles go.
 *
 * lanes.c has finished them, in vectors of one pixel of each tile. Pixels of one or two bytes are packed, so that a
 * vector always has 4 bytes of each tile; sixteen such rows are transposed to 64 bytes of one tile each. */
#include "stream.h"

#if RF_X86
#include "lanes.h"

/* 4 bytes of each lane, or of some lanes, little-endian. */
LANES_INLINE __m512i row_of(int32_t bytepix, const uint32_t *pixels)
{
    __m512i row = _mm512_loadu_si512(pixels);
    if (bytepix == 2)
        row = _mm512_mask_blend_epi16(0xAAAAAAAA, row, _mm512_slli_epi32(_mm512_loadu_si512(pixels + 16), 16));
    if (bytepix == 1) {
        __m512i second = _mm512_slli_epi32(_mm512_loadu_si512(pixels + 16), 8);
        __m512i third = _mm512_slli_epi32(_mm512_loadu_si512(pixels + 32), 16);
        __m512i fourth = _mm512_slli_epi32(_mm512_loadu_si512(pixels + 48), 24);
        row = _mm512_mask_blend_epi8(0xAAAAAAAAAAAAAAAA, row, second);
        row = _mm512_mask_blend_epi16(0xAAAAAAAA, row, _mm512_mask_blend_epi8(0xAAAAAAAAAAAAAAAA, third, fourth));
    }
    return row;
}

/* Transpose 4 rows within each 128 bits: part p of columns[j] has what the rows have of lane 4 p + j. */
LANES_INLINE void transpose_parts(const __m512i rows[4], __m512i columns[4])
{
    __m512i low_a = _mm512_unpacklo_epi32(rows[0], rows[1]);
    __m512i low_b = _mm512_unpacklo_epi32(rows[2], rows[3]);
    __m512i high_a = _mm512_unpackhi_epi32(rows[0], rows[1]);
    __m512i high_b = _mm512_unpackhi_epi32(rows[2], rows[3]);
    columns[0] = _mm512_unpacklo_epi64(low_a, low_b);
    columns[1] = _mm512_unpackhi_epi64(low_a, low_b);
    columns[2] = _mm512_unpacklo_epi64(high_a, high_b);
    columns[3] = _mm512_unpackhi_epi64(high_a, high_b);
}

/* 64 bytes of each lane. */
LANES_INLINE void put_sixteen_rows(uint8_t *const out[16], int64_t at, int32_t bytepix,
                                   const uint32_t *pixels)
{
    __m512i parts[4][4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i rows[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            rows[j] = row_of(bytepix, pixels + 64 / bytepix * (4 * i + j));
        transpose_parts(rows, parts[i]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        __m512i even_a = _mm512_shuffle_i32x4(parts[0][j], parts[1][j], 0x88);
        __m512i even_b = _mm512_shuffle_i32x4(parts[2][j], parts[3][j], 0x88);
        __m512i odd_a = _mm512_shuffle_i32x4(parts[0][j], parts[1][j], 0xDD);
        __m512i odd_b = _mm512_shuffle_i32x4(parts[2][j], parts[3][j], 0xDD);
        _mm512_storeu_si512(out[j] + at, _mm512_shuffle_i32x4(even_a, even_b, 0x88));
        _mm512_storeu_si512(out[4 + j] + at, _mm512_shuffle_i32x4(odd_a, odd_b, 0x88));
        _mm512_storeu_si512(out[8 + j] + at, _mm512_shuffle_i32x4(even_a, even_b, 0xDD));
        _mm512_storeu_si512(out[12 + j] + at, _mm512_shuffle_i32x4(odd_a, odd_b, 0xDD));
    }
}

/* Up to 16 bytes of each lane. */
LANES_INLINE void put_four_rows(uint8_t *const out[16], int64_t at, int32_t bytepix,
                                const uint32_t *pixels, int64_t nbytes)
{
    __mmask16 which = (__mmask16)(nbytes < 16 ? (1 << nbytes) - 1 : 0xFFFF);
    __m512i rows[4], parts[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        rows[j] = row_of(bytepix, pixels + 64 / bytepix * j);
    transpose_parts(rows, parts);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        _mm_mask_storeu_epi8(out[j] + at, which, _mm512_castsi512_si128(parts[j]));
        _mm_mask_storeu_epi8(out[4 + j] + at, which, _mm512_extracti32x4_epi32(parts[j], 1));
        _mm_mask_storeu_epi8(out[8 + j] + at, which, _mm512_extracti32x4_epi32(parts[j], 2));
        _mm_mask_storeu_epi8(out[12 + j] + at, which, _mm512_extracti32x4_epi32(parts[j], 3));
    }
}

LANES_INLINE void put_lanes(places_t *places, int32_t bytepix, const uint32_t *pixels, int32_t n)
{
    int64_t nbytes = (int64_t)n * bytepix, at = 0;
    for (; at + 64 <= nbytes; at += 64, pixels += 16 * (64 / bytepix))
        put_sixteen_rows(places->out, at, bytepix, pixels);
    for (; at < nbytes; at += 16, pixels += 16 * (16 / bytepix))
        put_four_rows(places->out, at, bytepix, pixels, nbytes - at);
    for (int lane = 0; lane < 16; lane++)
        places->out[lane] += places->step[lane];
}

LANES_TARGET void rf_rice_put_lanes(places_t *places, int32_t bytepix, const uint32_t *pixels, int32_t n)
{
    if (bytepix == 4)
        put_lanes(places, 4, pixels, n);
    else if (bytepix == 2)
        put_lanes(places, 2, pixels, n);
    else
        put_lanes(places, 1, pixels, n);
}
#endif
