/* Reading the symbols of blocks: several from one word of 64 bits without a test in between, whose common length is
 * compared with the word's once. A group that was longer is read again, symbol by symbol. */
#include "stream.h"

/* (zeros - 1) << fs at [64 * fs + zeros]. The lower bits of a symbol are cut out with the 1 above them, which the -1
 * takes off again. The last row is there for 64 zeros, the mark of a spent window. */
#define ZEROS_1(fs, zeros) (((uint32_t)(zeros) - 1u) << (fs))
#define ZEROS_4(fs, zeros)                                                                                             \
    ZEROS_1(fs, zeros), ZEROS_1(fs, zeros + 1), ZEROS_1(fs, zeros + 2), ZEROS_1(fs, zeros + 3)
#define ZEROS_16(fs, zeros)                                                                                            \
    ZEROS_4(fs, zeros), ZEROS_4(fs, zeros + 4), ZEROS_4(fs, zeros + 8), ZEROS_4(fs, zeros + 12)
#define ZEROS(fs) ZEROS_16(fs, 0), ZEROS_16(fs, 16), ZEROS_16(fs, 32), ZEROS_16(fs, 48)
static const uint32_t upper_parts[26 * 64] = {
    ZEROS(0),  ZEROS(1),  ZEROS(2),  ZEROS(3),  ZEROS(4),  ZEROS(5),  ZEROS(6),  ZEROS(7),  ZEROS(8),
    ZEROS(9),  ZEROS(10), ZEROS(11), ZEROS(12), ZEROS(13), ZEROS(14), ZEROS(15), ZEROS(16), ZEROS(17),
    ZEROS(18), ZEROS(19), ZEROS(20), ZEROS(21), ZEROS(22), ZEROS(23), ZEROS(24), ZEROS(25)};

uint32_t rf_rice_read_symbol(stream_t *stream, uint32_t fs)
{
    uint64_t zeros = 0;
    uint64_t word;
    for (;;) {
        if (stream->pos > stream->end)
            return 0;
        settle(stream);
        word = window(stream->base, stream->pos);
        if (word >> 7)
            break;
        zeros += 57;
        stream->pos += 57;
    }
    int32_t more = RF_CLZ64(word);
    stream->pos += more + 1;
    settle(stream);
    word = window(stream->base, stream->pos);
    stream->pos += fs;
    return (uint32_t)(((zeros + (uint64_t)more) << fs) + ((word >> 1) >> (63 - fs)));
}

/* The next symbol of a window, without a look at what is left of it. The window's last bit was set, so what is left
 * ends with that 1, whose place tells how many bits were used: see used_bits. */
RF_INLINE uint32_t take(uint64_t *word, uint32_t fs, const uint32_t *upper, int lzcnt)
{
    int64_t zeros = lzcnt ? rf_lzcnt64(*word) : RF_CLZ64(*word | 1);
    uint64_t rest = *word << (zeros & 63);
    *word = rest << (fs + 1);
    return (uint32_t)(rest >> (63 - fs)) + upper[zeros];
}

/* Bits taken from a window; 64 when it was spent, and then, as beyond 57, what was taken means nothing. */
RF_INLINE int64_t used_bits(uint64_t word, int lzcnt)
{
    return lzcnt ? rf_tzcnt64(word) : word ? RF_CTZ64(word) : 64;
}

/* One stream by itself; a copy of its state that can be kept in registers. */
typedef struct {
    const uint8_t *base;
    uint8_t *out;
    int64_t pos;
    uint64_t word;  /* the bits from pos on, at least 57 */
    uint64_t ahead; /* the bits from pos + 57 on, at least 57, loaded before they are needed */
    uint32_t last;
} reader_t;

RF_INLINE reader_t reader_of(const stream_t *stream)
{
    return (reader_t){.base = stream->base,
                      .out = stream->out,
                      .pos = stream->pos,
                      .word = window(stream->base, stream->pos),
                      .ahead = window(stream->base, stream->pos + 57),
                      .last = stream->last};
}

RF_INLINE void set_stream(stream_t *stream, const reader_t *reader)
{
    stream->out = reader->out;
    stream->pos = reader->pos;
    stream->last = reader->last;
}

/* The next pixel. */
RF_INLINE void put_pixel(reader_t *reader, int32_t bytepix, uint32_t value)
{
    reader->last += unmap(value);
    if (bytepix == 4)
        *(uint32_t *)(void *)reader->out = reader->last;
    else if (bytepix == 2)
        *(uint16_t *)(void *)reader->out = (uint16_t)reader->last;
    else
        *reader->out = (uint8_t)reader->last;
    reader->out += bytepix;
}

/* Go on by up to 57 bits. */
RF_INLINE void advance(reader_t *reader, int64_t nbits)
{
    reader->word = reader->word << nbits | reader->ahead >> (57 - nbits);
    reader->pos += nbits;
    reader->ahead = window(reader->base, reader->pos + 57);
}

/* n pixels, with a look at every symbol. */
void rf_rice_decode_singly(stream_t *stream, int32_t bytepix, uint32_t fs, int32_t n)
{
    reader_t reader = reader_of(stream);
    for (; n > 0; n--)
        put_pixel(&reader, bytepix, rf_rice_read_symbol(stream, fs));
    stream->out = reader.out;
    stream->last = reader.last;
}

/* Groups of k pixels; return how many of the n are left. The word begins with bits to be passed over: the code of a
 * block, or none. */
RF_INLINE int32_t decode_groups(int32_t k, stream_t *stream, reader_t *reader, int32_t bytepix, uint32_t fs,
                                int64_t *passed, int32_t n, int lzcnt)
{
    const uint32_t *upper = upper_parts + 64 * fs;
    RF_IN_REGISTER(upper);
    for (; n >= k; n -= k) {
        reader_t next = *reader;
        uint64_t rest = next.word << *passed | 1;
#pragma GCC unroll 8
        for (int32_t j = 0; j < k; j++)
            put_pixel(&next, bytepix, take(&rest, fs, upper, lzcnt));
        int64_t used = *passed + used_bits(rest, lzcnt);
        if (RF_UNLIKELY(used > 57)) {
            reader->pos += *passed;
            set_stream(stream, reader);
            rf_rice_decode_singly(stream, bytepix, fs, k);
            *reader = reader_of(stream);
        } else {
            advance(&next, used);
            *reader = next;
        }
        *passed = 0;
    }
    return n;
}

/* A chunk of n pixels behind a code, which was read but remains in the word. */
RF_INLINE void decode_chunk(stream_t *stream, reader_t *reader, int32_t bytepix, uint32_t fs, int32_t n, int lzcnt)
{
    int64_t passed = rf_fsbits(bytepix);
    switch (symbols_a_window(fs)) {
    case 8: n = decode_groups(8, stream, reader, bytepix, fs, &passed, n, lzcnt); break;
    case 6: n = decode_groups(6, stream, reader, bytepix, fs, &passed, n, lzcnt); break;
    case 5: n = decode_groups(5, stream, reader, bytepix, fs, &passed, n, lzcnt); break;
    case 4: n = decode_groups(4, stream, reader, bytepix, fs, &passed, n, lzcnt); break;
    case 3: n = decode_groups(3, stream, reader, bytepix, fs, &passed, n, lzcnt); break;
    default: break;
    }
    n = decode_groups(2, stream, reader, bytepix, fs, &passed, n, lzcnt);
    if (n > 0) {
        reader->pos += passed;
        set_stream(stream, reader);
        rf_rice_decode_singly(stream, bytepix, fs, n);
        *reader = reader_of(stream);
    }
}

/* Whole blocks of one stream, until one that has another form or the stream needs attention. */
RF_INLINE void decode_one(stream_t *stream, int32_t bytepix, int32_t block, int lzcnt)
{
    reader_t reader = reader_of(stream);
    while (stream->left >= block && reader.pos <= rf_limit(stream)) {
        uint32_t code = (uint32_t)(reader.word >> (64 - rf_fsbits(bytepix)));
        if (code > rf_fsmax(bytepix))
            break;
        if (code) {
            decode_chunk(stream, &reader, bytepix, code - 1, block, lzcnt);
        } else {
            for (int32_t i = 0; i < block; i++)
                put_pixel(&reader, bytepix, 0);
            advance(&reader, rf_fsbits(bytepix));
        }
        stream->left -= block;
    }
    set_stream(stream, &reader);
}

RF_INLINE void decode_one_of(stream_t *stream, int32_t bytepix, int32_t block, int lzcnt)
{
    if (bytepix == 4)
        decode_one(stream, 4, block, lzcnt);
    else if (bytepix == 2)
        decode_one(stream, 2, block, lzcnt);
    else
        decode_one(stream, 1, block, lzcnt);
}

/* k symbols of each of four streams, side by side, so that their chains of shifts overlap. */
RF_INLINE void take_groups(int32_t k, uint64_t word[4], const uint32_t fs[4], uint32_t *values, int lzcnt)
{
    uint64_t a = word[0], b = word[1], c = word[2], d = word[3];
    const uint32_t *upper_a = upper_parts + 64 * fs[0];
    const uint32_t *upper_b = upper_parts + 64 * fs[1];
    const uint32_t *upper_c = upper_parts + 64 * fs[2];
    const uint32_t *upper_d = upper_parts + 64 * fs[3];
    RF_IN_REGISTER(upper_a); /* and not to be added up again for every symbol */
    RF_IN_REGISTER(upper_b);
    RF_IN_REGISTER(upper_c);
    RF_IN_REGISTER(upper_d);
#pragma GCC unroll 8
    for (int32_t j = 0; j < k; j++) {
        values[4 * j] = take(&a, fs[0], upper_a, lzcnt);
        values[4 * j + 1] = take(&b, fs[1], upper_b, lzcnt);
        values[4 * j + 2] = take(&c, fs[2], upper_c, lzcnt);
        values[4 * j + 3] = take(&d, fs[3], upper_d, lzcnt);
    }
    word[0] = a;
    word[1] = b;
    word[2] = c;
    word[3] = d;
}

RF_INLINE int32_t read_groups_of_four(int32_t k, stream_t *const streams[4], const uint32_t of_fs[4], int32_t i,
                                      int32_t n, uint32_t *values, int lzcnt)
{
    const uint32_t fs[4] = {of_fs[0], of_fs[1], of_fs[2], of_fs[3]};
    const uint8_t *base[4] = {streams[0]->base, streams[1]->base, streams[2]->base, streams[3]->base};
    int64_t pos[4] = {streams[0]->pos, streams[1]->pos, streams[2]->pos, streams[3]->pos};
    for (; i + k <= n; i += k) {
        uint64_t word[4];
        int64_t used[4];
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++)
            word[s] = window(base[s], pos[s]) | 1;
        take_groups(k, word, fs, values + 4 * i, lzcnt);
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++)
            pos[s] += used[s] = used_bits(word[s], lzcnt);
        if (RF_UNLIKELY(((57 - used[0]) | (57 - used[1]) | (57 - used[2]) | (57 - used[3])) < 0))
            for (int s = 0; s < 4; s++)
                if (used[s] > 57) {
                    streams[s]->pos = pos[s] - used[s];
                    for (int32_t j = 0; j < k; j++)
                        values[4 * (i + j) + s] = rf_rice_read_symbol(streams[s], fs[s]);
                    base[s] = streams[s]->base;
                    pos[s] = streams[s]->pos;
                }
    }
    for (int s = 0; s < 4; s++)
        streams[s]->pos = pos[s];
    return i;
}

RF_INLINE void read_four(stream_t *const streams[4], const uint32_t fs[4], int32_t n, uint32_t *values, int lzcnt)
{
    uint32_t low = fs[0] > fs[1] ? fs[0] : fs[1];
    uint32_t high = fs[2] > fs[3] ? fs[2] : fs[3];
    int32_t i = 0;
    switch (symbols_a_window(low > high ? low : high)) {
    case 8: i = read_groups_of_four(8, streams, fs, i, n, values, lzcnt); break;
    case 6: i = read_groups_of_four(6, streams, fs, i, n, values, lzcnt); break;
    case 5: i = read_groups_of_four(5, streams, fs, i, n, values, lzcnt); break;
    case 4: i = read_groups_of_four(4, streams, fs, i, n, values, lzcnt); break;
    case 3: i = read_groups_of_four(3, streams, fs, i, n, values, lzcnt); break;
    default: break;
    }
    i = read_groups_of_four(2, streams, fs, i, n, values, lzcnt);
    for (int s = 0; i < n && s < 4; s++)
        values[4 * i + s] = rf_rice_read_symbol(streams[s], fs[s]);
}

/* Values of nbits each, a window at a time. */
RF_INLINE void read_values(stream_t *stream, int32_t nbits, int32_t n, uint32_t *values, int32_t stride)
{
    int32_t k = 57 / nbits;
    int32_t i = 0;
    for (; i + k <= n; i += k) {
        uint64_t word = window(stream->base, stream->pos);
        for (int32_t j = 0; j < k; j++) {
            values[(i + j) * stride] = (uint32_t)(word >> (64 - nbits));
            word <<= nbits;
        }
        stream->pos += k * nbits;
    }
    for (; i < n; i++) {
        values[i * stride] = (uint32_t)(window(stream->base, stream->pos) >> (64 - nbits));
        stream->pos += nbits;
    }
}

void rf_rice_read_raw(stream_t *stream, int32_t bytepix, int32_t n, uint32_t *values, int32_t stride)
{
    if (bytepix == 4)
        read_values(stream, 32, n, values, stride);
    else if (bytepix == 2)
        read_values(stream, 16, n, values, stride);
    else
        read_values(stream, 8, n, values, stride);
}

void rf_rice_decode_one_portable(stream_t *stream, int32_t bytepix, int32_t block)
{
    decode_one_of(stream, bytepix, block, 0);
}

void rf_rice_read_four_portable(stream_t *const streams[4], const uint32_t fs[4], int32_t n, uint32_t *values)
{
    read_four(streams, fs, n, values, 0);
}

#if RF_X86
RF_TARGET_BMI2 void rf_rice_decode_one_bmi2(stream_t *stream, int32_t bytepix, int32_t block)
{
    decode_one_of(stream, bytepix, block, 1);
}

RF_TARGET_BMI2 void rf_rice_read_four_bmi2(stream_t *const streams[4], const uint32_t fs[4], int32_t n,
                                           uint32_t *values)
{
    read_four(streams, fs, n, values, 1);
}
#endif
