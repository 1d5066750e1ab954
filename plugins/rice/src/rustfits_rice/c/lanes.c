/* Sixteen tiles side by side, one in each lane of an AVX-512 vector.
 *
 * The next bits of each tile are in a part of 64 bits, lanes 0 2 4 ... in one vector and 1 3 5 ... in another. A symbol
 * of all lanes is then a count of zeros and three shifts; the lower bits of odd lanes are shifted to the upper half of
 * their part, so that both vectors are joined to sixteen values by a blend. Blocks of zeros (symbols of no bits) and
 * raw blocks (symbols without a unary part) need no code of their own: a mask and the number of lower bits say it all.
 * As in symbols.c several symbols are taken before the vectors are filled up again, and a group that was longer than
 * they are is done again with one load for each symbol; only what is longer than that is left to read_symbol. Where
 * that comes to pass time and again (zeros strewn over an image of floats, in some lane or other) the groups are kept
 * small for some blocks. */
#include "stream.h"

#if RF_X86
#include "lanes.h"

enum { EVEN, ODD };

/* Pixels that are taken at a time where more were too long again and again. */
#define SMALL_GROUP 3

/* Sixteen tiles while blocks of them are decoded; [2] are the even and the odd lanes, positions are bits from 0. */
typedef struct {
    __m512i pos[2];
    __m512i word[2];  /* the bits from pos on, at least 57 */
    __m512i ahead[2]; /* the bits from pos + 57 on, at least 57 */
    __m512i limit[2]; /* behind it a lane needs attention */
    __m512i fs[2];
    __m512i lower[2]; /* bits of a symbol below its zeros: fs + 1, or a whole pixel, or 0 */
    __m512i down[2];  /* how far they are shifted down; those of odd lanes come into the upper half */
    __m512i both_fs;  /* of all lanes */
    __m512i marks;    /* the 1 above the lower bits, for lanes with a unary part */
    __m512i last;     /* pixel of each lane */
    __mmask8 busy[2]; /* lanes with a stream */
    __mmask8 unary[2];
    __mmask8 bad[2]; /* the code means nothing */
    int32_t ntoo_long;   /* groups of this block that were too long */
    int32_t small;       /* blocks from here on whose groups are kept small */
    int32_t next_small;  /* how many it will be the next time */
    stream_t *streams;
} lanes_t;

LANES_INLINE int64_t word_at(uint64_t address)
{
    int64_t word;
    memcpy(&word, (const uint8_t *)(uintptr_t)address, sizeof word);
    return word;
}

/* At least 57 bits of eight lanes. Eight loads, since a gather takes several times as long on machines that guard it
 * against eavesdropping. */
LANES_INLINE __m512i windows(__m512i pos)
{
    const __m512i reverse = _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    uint64_t at[8];
    _mm512_storeu_si512(at, _mm512_srli_epi64(pos, 3));
    __asm__("" : "+m"(at)); /* the compiler would take the vector apart */
    __m512i words = _mm512_set_epi64(word_at(at[7]), word_at(at[6]), word_at(at[5]), word_at(at[4]), word_at(at[3]),
                                     word_at(at[2]), word_at(at[1]), word_at(at[0]));
    return _mm512_sllv_epi64(_mm512_shuffle_epi8(words, reverse), _mm512_and_si512(pos, _mm512_set1_epi64(7)));
}

/* Load the bits from pos on. */
LANES_INLINE void load_words(lanes_t *lanes)
{
    for (int h = EVEN; h <= ODD; h++) {
        lanes->word[h] = windows(lanes->pos[h]);
        lanes->ahead[h] = windows(_mm512_add_epi64(lanes->pos[h], _mm512_set1_epi64(57)));
    }
}

/* Sixteen numbers from the lower halves of the even lanes and the upper halves of the odd ones. */
LANES_INLINE __m512i join_halves(__m512i even, __m512i odd)
{
    return _mm512_mask_blend_epi32(0xAAAA, even, odd);
}

/* Sixteen numbers from the lower halves of both. */
LANES_INLINE __m512i join_lower_halves(__m512i even, __m512i odd)
{
    return _mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA);
}

/* Read the code of each lane's next block; its bits remain in the word. */
LANES_INLINE void read_codes(lanes_t *lanes, int32_t bytepix)
{
    const __m512i fsmax = _mm512_set1_epi64(rf_fsmax(bytepix));
    const __m512i raw_code = _mm512_set1_epi64(rf_fsmax(bytepix) + 1);
    const __m512i one = _mm512_set1_epi64(1);
    __m512i marks[2];
    for (int h = EVEN; h <= ODD; h++) {
        __m512i code = _mm512_srli_epi64(lanes->word[h], 64 - rf_fsbits(bytepix));
        __m512i fs = _mm512_sub_epi64(code, one);
        __mmask8 unary = _mm512_cmplt_epu64_mask(fs, fsmax);
        __m512i lower = _mm512_maskz_mov_epi64(unary, code);
        lower = _mm512_mask_mov_epi64(lower, _mm512_cmpeq_epi64_mask(code, raw_code), _mm512_set1_epi64(8 * bytepix));
        lanes->fs[h] = _mm512_maskz_mov_epi64(unary, fs);
        lanes->lower[h] = lower;
        lanes->down[h] = _mm512_sub_epi64(_mm512_set1_epi64(h == EVEN ? 64 : 32), lower);
        lanes->unary[h] = unary;
        lanes->bad[h] = _mm512_cmpgt_epu64_mask(code, raw_code);
        marks[h] = _mm512_maskz_sllv_epi64(unary, one, fs);
    }
    lanes->both_fs = join_lower_halves(lanes->fs[EVEN], lanes->fs[ODD]);
    lanes->marks = join_lower_halves(marks[EVEN], marks[ODD]);
}

/* Take a symbol of eight lanes: its zeros, and its lower bits with the mark above them. */
LANES_INLINE __m512i take(__m512i *word, __mmask8 unary, __m512i lower, __m512i down, __m512i *zeros)
{
    *zeros = _mm512_maskz_lzcnt_epi64(unary, *word);
    __m512i rest = _mm512_sllv_epi64(*word, *zeros);
    *word = _mm512_sllv_epi64(rest, lower);
    return _mm512_srlv_epi64(rest, down);
}

/* The next pixel of each lane: its value put together, unmapped and added to the pixel before it. */
LANES_INLINE __m512i next_pixel(__m512i last, __m512i zeros, __m512i lower, __m512i fs, __m512i marks)
{
    /* upper part | (lower & ~marks) */
    __m512i value = _mm512_ternarylogic_epi32(_mm512_sllv_epi32(zeros, fs), lower, marks, 0xF4);
    __mmask16 negative = _mm512_test_epi32_mask(value, _mm512_set1_epi32(1));
    __m512i difference = _mm512_srli_epi32(value, 1);
    difference = _mm512_mask_xor_epi32(difference, negative, difference, _mm512_set1_epi32(-1));
    return _mm512_add_epi32(last, difference);
}

/* Zeros behind the last 1; 64 if there is none. */
LANES_INLINE __m512i trailing_zeros(__m512i word)
{
    __m512i behind = _mm512_andnot_si512(word, _mm512_sub_epi64(word, _mm512_set1_epi64(1)));
    return _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_lzcnt_epi64(behind));
}

/* Take the symbol of one lane, which is longer than a window. */
LANES_NOINLINE void take_long(lanes_t *lanes, int lane, __m512i *zeros, __m512i *lower)
{
    stream_t *stream = &lanes->streams[lane];
    int64_t pos[8], limit[8], fs[8];
    uint32_t all_zeros[16], all_lower[16];
    int h = lane & 1, i = lane >> 1;
    _mm512_storeu_si512(pos, lanes->pos[h]);
    _mm512_storeu_si512(limit, lanes->limit[h]);
    _mm512_storeu_si512(fs, lanes->fs[h]);
    _mm512_storeu_si512(all_zeros, *zeros);
    _mm512_storeu_si512(all_lower, *lower);
    stream->pos = pos[i] - rf_first_bit(stream);
    uint32_t value = rf_rice_read_symbol(stream, (uint32_t)fs[i]);
    pos[i] = rf_first_bit(stream) + stream->pos;
    limit[i] = rf_first_bit(stream) + rf_limit(stream);
    all_zeros[lane] = value >> fs[i];
    all_lower[lane] = value & (((uint32_t)1 << fs[i]) - 1);
    lanes->pos[h] = _mm512_loadu_si512(pos);
    lanes->limit[h] = _mm512_loadu_si512(limit);
    *zeros = _mm512_loadu_si512(all_zeros);
    *lower = _mm512_loadu_si512(all_lower);
}

/* The next n pixels of all lanes, with a window for each. */
LANES_NOINLINE void take_singly(lanes_t *lanes, int32_t n, uint32_t *pixels)
{
    for (int32_t i = 0; i < n; i++) {
        __m512i zeros[2], lower[2];
        uint32_t is_long[2];
        for (int h = EVEN; h <= ODD; h++) {
            __m512i word = windows(lanes->pos[h]);
            lower[h] = take(&word, lanes->unary[h], lanes->lower[h], lanes->down[h], &zeros[h]);
            __m512i nbits = _mm512_add_epi64(zeros[h], lanes->lower[h]);
            __mmask8 fits = _mm512_cmple_epu64_mask(nbits, _mm512_set1_epi64(57));
            lanes->pos[h] = _mm512_mask_add_epi64(lanes->pos[h], fits, lanes->pos[h], nbits);
            is_long[h] = (uint8_t)~fits;
        }
        __m512i all_zeros = join_lower_halves(zeros[EVEN], zeros[ODD]);
        __m512i all_lower = join_halves(lower[EVEN], lower[ODD]);
        if (RF_UNLIKELY(is_long[EVEN] | is_long[ODD]))
            for (int lane = 0; lane < 16; lane++)
                if (is_long[lane & 1] >> (lane >> 1) & 1)
                    take_long(lanes, lane, &all_zeros, &all_lower);
        lanes->last = next_pixel(lanes->last, all_zeros, all_lower, lanes->both_fs, lanes->marks);
        _mm512_storeu_si512(pixels + 16 * i, lanes->last);
    }
    load_words(lanes);
}

/* Where eight lanes are; a copy that can be kept in registers. */
typedef struct {
    __m512i pos, word, ahead;
} place_t;

LANES_INLINE place_t place_of(const lanes_t *lanes, int h)
{
    return (place_t){lanes->pos[h], lanes->word[h], lanes->ahead[h]};
}

LANES_INLINE void set_place(lanes_t *lanes, int h, place_t place)
{
    lanes->pos[h] = place.pos;
    lanes->word[h] = place.word;
    lanes->ahead[h] = place.ahead;
}

/* Go on by some bits: fill the word from the bits ahead and load those that follow, which have time to arrive. */
LANES_INLINE place_t advance(place_t place, __m512i nbits)
{
    const __m512i window_nbits = _mm512_set1_epi64(57);
    __m512i rest = _mm512_srlv_epi64(place.ahead, _mm512_sub_epi64(window_nbits, nbits));
    __m512i pos = _mm512_add_epi64(place.pos, nbits);
    return (place_t){pos, _mm512_or_si512(_mm512_sllv_epi64(place.word, nbits), rest),
                     windows(_mm512_add_epi64(pos, window_nbits))};
}

/* Groups of k pixels of all lanes. The words begin with bits to be passed over: codes before the first group. */
LANES_INLINE int32_t take_groups(int32_t k, lanes_t *lanes, __m512i passed[2], int32_t i, int32_t n, uint32_t *pixels)
{
    const __m512i one = _mm512_set1_epi64(1);
    const __m512i window_nbits = _mm512_set1_epi64(57);
    const __m512i even_lower = lanes->lower[EVEN], even_down = lanes->down[EVEN];
    const __m512i odd_lower = lanes->lower[ODD], odd_down = lanes->down[ODD];
    const __mmask8 even_unary = lanes->unary[EVEN], odd_unary = lanes->unary[ODD];
    const __m512i fs = lanes->both_fs, marks = lanes->marks;
    place_t even = place_of(lanes, EVEN), odd = place_of(lanes, ODD);
    __m512i even_passed = passed[EVEN], odd_passed = passed[ODD], last = lanes->last;
    for (; i + k <= n; i += k) {
        __m512i pixel = last;
        __m512i even_word = _mm512_or_si512(_mm512_sllv_epi64(even.word, even_passed), one);
        __m512i odd_word = _mm512_or_si512(_mm512_sllv_epi64(odd.word, odd_passed), one);
#pragma GCC unroll 8
        for (int32_t j = 0; j < k; j++) {
            __m512i even_zeros, odd_zeros;
            __m512i even_bits = take(&even_word, even_unary, even_lower, even_down, &even_zeros);
            __m512i odd_bits = take(&odd_word, odd_unary, odd_lower, odd_down, &odd_zeros);
            pixel = next_pixel(pixel, join_lower_halves(even_zeros, odd_zeros), join_halves(even_bits, odd_bits), fs,
                               marks);
            _mm512_storeu_si512(pixels + 16 * (i + j), pixel);
        }
        __m512i even_used = _mm512_add_epi64(even_passed, trailing_zeros(even_word));
        __m512i odd_used = _mm512_add_epi64(odd_passed, trailing_zeros(odd_word));
        if (RF_UNLIKELY(_mm512_cmpgt_epu64_mask(even_used, window_nbits) |
                        _mm512_cmpgt_epu64_mask(odd_used, window_nbits))) {
            lanes->pos[EVEN] = _mm512_add_epi64(even.pos, even_passed);
            lanes->pos[ODD] = _mm512_add_epi64(odd.pos, odd_passed);
            lanes->last = last;
            take_singly(lanes, k, pixels + 16 * i);
            even = place_of(lanes, EVEN);
            odd = place_of(lanes, ODD);
            last = lanes->last;
            if (++lanes->ntoo_long > 1 && k > SMALL_GROUP) {
                i += k;
                even_passed = odd_passed = _mm512_setzero_si512();
                break;
            }
        } else {
            even = advance(even, even_used);
            odd = advance(odd, odd_used);
            last = pixel;
        }
        even_passed = odd_passed = _mm512_setzero_si512();
    }
    passed[EVEN] = even_passed;
    passed[ODD] = odd_passed;
    set_place(lanes, EVEN, even);
    set_place(lanes, ODD, odd);
    lanes->last = last;
    return i;
}

/* Choose how many pixels to take at a time, by the lane with the most lower bits. */
LANES_INLINE int32_t choose_group(lanes_t *lanes)
{
    uint64_t lower = (uint64_t)_mm512_reduce_max_epu64(_mm512_max_epu64(lanes->lower[EVEN], lanes->lower[ODD]));
    int32_t k = symbols_a_window((int32_t)lower - 1);
    lanes->ntoo_long = 0;
    if (lanes->small == 0)
        return k;
    lanes->small--;
    return k < SMALL_GROUP ? k : SMALL_GROUP;
}

/* Learn from a block whose groups were of k pixels: the more often they were too long, the longer small ones stay. */
LANES_INLINE void learn(lanes_t *lanes, int32_t k)
{
    if (k <= SMALL_GROUP)
        return;
    if (lanes->ntoo_long > 1) {
        lanes->small = lanes->next_small = lanes->next_small < 16 ? 2 * lanes->next_small + 1 : 31;
    } else {
        lanes->next_small >>= 1;
    }
}

/* The next block of each lane, of n pixels; pixel i of a lane is pixels[16 * i + lane]. */
LANES_INLINE void take_block(lanes_t *lanes, int32_t bytepix, int32_t n, uint32_t *pixels)
{
    const __m512i fsbits = _mm512_set1_epi64(rf_fsbits(bytepix));
    __m512i passed[2] = {_mm512_maskz_mov_epi64(lanes->busy[EVEN], fsbits),
                         _mm512_maskz_mov_epi64(lanes->busy[ODD], fsbits)};
    int32_t i = 0;
    int32_t k = choose_group(lanes);
    switch (k) {
    case 8: i = take_groups(8, lanes, passed, i, n, pixels); break;
    case 6: i = take_groups(6, lanes, passed, i, n, pixels); break;
    case 5: i = take_groups(5, lanes, passed, i, n, pixels); break;
    case 4: i = take_groups(4, lanes, passed, i, n, pixels); break;
    case 3: i = take_groups(3, lanes, passed, i, n, pixels); break;
    default: break;
    }
    learn(lanes, k);
    i = take_groups(2, lanes, passed, i, n, pixels);
    if (i < n) {
        for (int h = EVEN; h <= ODD; h++)
            lanes->pos[h] = _mm512_add_epi64(lanes->pos[h], passed[h]);
        take_singly(lanes, n - i, pixels + 16 * i);
    }
}

LANES_INLINE int needs_attention(const lanes_t *lanes)
{
    uint32_t even = _mm512_cmpgt_epi64_mask(lanes->pos[EVEN], lanes->limit[EVEN]);
    uint32_t odd = _mm512_cmpgt_epi64_mask(lanes->pos[ODD], lanes->limit[ODD]);
    return (even | odd | lanes->bad[EVEN] | lanes->bad[ODD]) != 0;
}

/* Bring the streams to where the lanes are, and end those with a fault. */
LANES_TARGET static void leave_lanes(const lanes_t *lanes, const places_t *places, int32_t nlanes, int64_t npixels)
{
    int64_t pos[2][8];
    uint32_t last[16];
    _mm512_storeu_si512(last, lanes->last);
    for (int h = EVEN; h <= ODD; h++)
        _mm512_storeu_si512(pos[h], lanes->pos[h]);
    for (int lane = 0; lane < nlanes; lane++) {
        stream_t *stream = &lanes->streams[lane];
        stream->pos = pos[lane & 1][lane >> 1] - rf_first_bit(stream);
        stream->out = places->out[lane];
        stream->last = last[lane];
        stream->left -= npixels;
        if (RF_UNLIKELY(stream->pos > stream->end))
            stop(stream, RF_RICE_TRUNCATED);
        else if (RF_UNLIKELY(lanes->bad[lane & 1] >> (lane >> 1) & 1))
            stop(stream, RF_RICE_BAD_CODE);
    }
}

LANES_TARGET void rf_rice_decode_lanes_avx512(stream_t *streams, int32_t nlanes, int32_t bytepix, int32_t block)
{
    static const uint8_t nothing[32] = {0}; /* codes 0: blocks of zeros, for lanes without a stream */
    uint32_t pixels[16 * RF_CHUNK];
    uint8_t spare[4 * RF_CHUNK]; /* their pixels */
    int64_t pos[2][8], limit[2][8], nblocks = INT64_MAX, done = 0;
    uint32_t busy[2] = {0, 0};
    lanes_t lanes = {.streams = streams};
    places_t places;
    uint32_t last[16];
    for (int lane = 0; lane < 16; lane++) {
        stream_t *stream = &streams[lane];
        int h = lane & 1, i = lane >> 1;
        if (lane < nlanes) {
            settle(stream);
            busy[h] |= 1u << i;
            pos[h][i] = rf_first_bit(stream) + stream->pos;
            limit[h][i] = rf_first_bit(stream) + rf_limit(stream);
            nblocks = stream->left / block < nblocks ? stream->left / block : nblocks;
        } else {
            pos[h][i] = 8 * (int64_t)(uintptr_t)nothing;
            limit[h][i] = INT64_MAX;
        }
        places.out[lane] = lane < nlanes ? stream->out : spare;
        last[lane] = lane < nlanes ? stream->last : 0;
        places.step[lane] = lane < nlanes ? block * bytepix : 0;
    }
    for (int h = EVEN; h <= ODD; h++) {
        lanes.pos[h] = _mm512_loadu_si512(pos[h]);
        lanes.limit[h] = _mm512_loadu_si512(limit[h]);
        lanes.busy[h] = (__mmask8)busy[h];
    }
    load_words(&lanes);
    lanes.last = _mm512_loadu_si512(last);
    do {
        read_codes(&lanes, bytepix);
        take_block(&lanes, bytepix, block, pixels);
        rf_rice_put_lanes(&places, bytepix, pixels, block);
        done++;
    } while (done < nblocks && !needs_attention(&lanes));
    leave_lanes(&lanes, &places, nlanes, done * block);
}
#endif
