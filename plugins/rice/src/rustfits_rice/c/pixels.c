/* From values to pixels: unmap, add up, store. */
#include "stream.h"

RF_INLINE void store_pixels(int32_t bytepix, uint8_t *out, const uint32_t *pixels, int32_t n, int32_t stride)
{
    if (bytepix == 4)
        for (int32_t i = 0; i < n; i++)
            ((uint32_t *)(void *)out)[i] = pixels[i * stride];
    else if (bytepix == 2)
        for (int32_t i = 0; i < n; i++)
            ((uint16_t *)(void *)out)[i] = (uint16_t)pixels[i * stride];
    else
        for (int32_t i = 0; i < n; i++)
            out[i] = (uint8_t)pixels[i * stride];
}

/* Turn values into the stream's next n pixels. */
void rf_rice_put_one(stream_t *stream, int32_t bytepix, uint32_t *values, int32_t n)
{
    uint32_t last = stream->last;
    for (int32_t i = 0; i < n; i++)
        values[i] = unmap(values[i]);
    for (int32_t i = 0; i < n; i++)
        values[i] = last += values[i];
    store_pixels(bytepix, stream->out, values, n, 1);
    stream->last = last;
    stream->out += (int64_t)n * bytepix;
    stream->left -= n;
}

/* The same for four streams; value i of stream s is values[4 * i + s]. */
void rf_rice_put_four_portable(stream_t streams[4], int32_t bytepix, const uint32_t *values, int32_t n)
{
    uint32_t pixels[4 * RF_CHUNK];
    uint32_t last[4];
    for (int s = 0; s < 4; s++)
        last[s] = streams[s].last;
    for (int32_t i = 0; i < n; i++)
        for (int s = 0; s < 4; s++)
            pixels[4 * i + s] = last[s] += unmap(values[4 * i + s]);
    for (int s = 0; s < 4; s++) {
        store_pixels(bytepix, streams[s].out, &pixels[s], n, 4);
        streams[s].last = last[s];
        streams[s].out += (int64_t)n * bytepix;
        streams[s].left -= n;
    }
}

#if RF_X86
/* The next four pixels of each of four streams, in vectors of one pixel of each. */
RF_INLINE void next_rows(const uint32_t *values, __m128i *last, __m128i rows[4])
{
    const __m128i one = _mm_set1_epi32(1);
    for (int j = 0; j < 4; j++) {
        __m128i value = _mm_loadu_si128((const __m128i *)(const void *)(values + 4 * j));
        __m128i sign = _mm_sub_epi32(_mm_setzero_si128(), _mm_and_si128(value, one));
        *last = _mm_add_epi32(*last, _mm_xor_si128(_mm_srli_epi32(value, 1), sign));
        rows[j] = *last;
    }
}

/* Columns of a 4 x 4 matrix, from its rows. */
RF_INLINE void transpose(const __m128i rows[4], __m128i columns[4])
{
    __m128i low_a = _mm_unpacklo_epi32(rows[0], rows[1]);
    __m128i low_b = _mm_unpacklo_epi32(rows[2], rows[3]);
    __m128i high_a = _mm_unpackhi_epi32(rows[0], rows[1]);
    __m128i high_b = _mm_unpackhi_epi32(rows[2], rows[3]);
    columns[0] = _mm_unpacklo_epi64(low_a, low_b);
    columns[1] = _mm_unpackhi_epi64(low_a, low_b);
    columns[2] = _mm_unpacklo_epi64(high_a, high_b);
    columns[3] = _mm_unpackhi_epi64(high_a, high_b);
}

RF_INLINE __m128i low_halves(__m128i a, __m128i b)
{
    return _mm_packs_epi32(_mm_srai_epi32(_mm_slli_epi32(a, 16), 16), _mm_srai_epi32(_mm_slli_epi32(b, 16), 16));
}

/* Sixteen pixels of each of four streams; SSE2, which every x86-64 has. */
RF_INLINE void put_sixteen(stream_t streams[4], int32_t bytepix, const uint32_t *values, __m128i *last)
{
    const __m128i low_byte = _mm_set1_epi16(0xFF);
    __m128i rows[4], columns[4][4];
    for (int j = 0; j < 4; j++) {
        next_rows(values + 16 * j, last, rows);
        transpose(rows, columns[j]);
    }
    for (int s = 0; s < 4; s++) {
        __m128i *out = (__m128i *)(void *)streams[s].out;
        if (bytepix == 4) {
            for (int j = 0; j < 4; j++)
                _mm_storeu_si128(out + j, columns[j][s]);
        } else {
            __m128i first = low_halves(columns[0][s], columns[1][s]);
            __m128i second = low_halves(columns[2][s], columns[3][s]);
            if (bytepix == 2) {
                _mm_storeu_si128(out, first);
                _mm_storeu_si128(out + 1, second);
            } else {
                _mm_storeu_si128(out,
                                 _mm_packus_epi16(_mm_and_si128(first, low_byte), _mm_and_si128(second, low_byte)));
            }
        }
        streams[s].out += 16 * bytepix;
        streams[s].left -= 16;
    }
}

void rf_rice_put_four_sse2(stream_t streams[4], int32_t bytepix, const uint32_t *values, int32_t n)
{
    __m128i last = _mm_set_epi32((int)streams[3].last, (int)streams[2].last, (int)streams[1].last,
                                 (int)streams[0].last);
    uint32_t lasts[4];
    int32_t i = 0;
    if (bytepix == 4)
        for (; i + 16 <= n; i += 16)
            put_sixteen(streams, 4, values + 4 * i, &last);
    else if (bytepix == 2)
        for (; i + 16 <= n; i += 16)
            put_sixteen(streams, 2, values + 4 * i, &last);
    else
        for (; i + 16 <= n; i += 16)
            put_sixteen(streams, 1, values + 4 * i, &last);
    _mm_storeu_si128((__m128i *)(void *)lasts, last);
    for (int s = 0; s < 4; s++)
        streams[s].last = lasts[s];
    if (i < n)
        rf_rice_put_four_portable(streams, bytepix, values + 4 * i, n - i);
}
#endif
