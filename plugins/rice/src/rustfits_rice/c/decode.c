#include "bits.h"
#include "rice.h"

/* Between two checks a chunk is read, whose symbols take at most 64 bits each (longer ones check by themselves), and
 * a word is read 8 bytes at a time: so far a read may go past the position that was checked. */
#define REACH (8 * RF_CHUNK + 16)

/* The end of the data, with room to read past it. */
typedef struct {
    uint8_t bytes[2 * REACH];
    int64_t start; /* of bytes[0], in the data */
} tail_t;

/* One tile while it is decoded; positions are bits from base. */
typedef struct {
    const uint8_t *base;
    int64_t pos;
    int64_t end;
    int64_t safe; /* up to here REACH bytes can be read */
    const tail_t *tail;
    int64_t tail_pos; /* bits from base to the tail's first byte */
    int64_t left;     /* pixels still to be decoded */
    uint32_t last;    /* the pixel before them */
    uint8_t *out;     /* where they go */
    int32_t *status;
} stream_t;

/* All tiles of a call, and the next that nobody has begun. */
typedef struct {
    const uint8_t *data;
    int64_t data_nbytes;
    const int64_t *start;
    const int64_t *length;
    const int64_t *npixels;
    int64_t ntiles;
    uint8_t *out;
    int64_t out_npixels;
    int32_t *status;
    int32_t bytepix;
    int64_t block;
    int64_t tile;
    tail_t tail;
} batch_t;

/* What is done to a chunk; one set for each variant. */
typedef struct {
    void (*read_one)(stream_t *stream, uint32_t fs, int32_t n, uint32_t *values);
    void (*read_four)(stream_t *const streams[4], const uint32_t fs[4], int32_t n, uint32_t *values);
    void (*put_four)(stream_t streams[4], int32_t bytepix, const uint32_t *values, int32_t n);
} kernel_t;

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

/* Bits from pos on: at least 57, then some that are not to be trusted. */
RF_INLINE uint64_t window(const uint8_t *base, int64_t pos)
{
    return rf_load64(base + (pos >> 3)) << (pos & 7);
}

/* Go on in the copy of the data's end when the data itself could be overrun. */
RF_INLINE void settle(stream_t *stream)
{
    if (RF_UNLIKELY(stream->pos > stream->safe)) {
        stream->base = stream->tail->bytes;
        stream->pos -= stream->tail_pos;
        stream->end -= stream->tail_pos;
        stream->safe = INT64_MAX;
    }
}

/* One symbol of any length. At a stream's end it leaves pos just behind the end. */
RF_NOINLINE uint32_t read_symbol(stream_t *stream, uint32_t fs)
{
    uint64_t zeros = 0;
    uint64_t word;
    for (;;) {
        if (stream->pos > stream->end) {
            stream->pos = stream->end + 1;
            return 0;
        }
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

/* Symbols that are taken from one window: as many as nearly always fit its 57 bits. */
RF_INLINE int32_t symbols_a_window(uint32_t fs)
{
    return fs < 4 ? 8 : fs < 6 ? 6 : fs < 8 ? 5 : fs < 11 ? 4 : fs < 15 ? 3 : 2;
}

RF_INLINE int32_t read_groups_of_one(int32_t k, stream_t *stream, uint32_t fs, int32_t i, int32_t n, uint32_t *values,
                                     int lzcnt)
{
    const uint32_t *upper = upper_parts + 64 * fs;
    const uint8_t *base = stream->base;
    int64_t pos = stream->pos;
    for (; i + k <= n; i += k) {
        uint64_t word = window(base, pos) | 1;
#pragma GCC unroll 8
        for (int32_t j = 0; j < k; j++)
            values[i + j] = take(&word, fs, upper, lzcnt);
        int64_t used = used_bits(word, lzcnt);
        pos += used;
        if (RF_UNLIKELY(used > 57)) {
            stream->pos = pos - used;
            for (int32_t j = 0; j < k; j++)
                values[i + j] = read_symbol(stream, fs);
            base = stream->base;
            pos = stream->pos;
        }
    }
    stream->pos = pos;
    return i;
}

RF_INLINE void read_one(stream_t *stream, uint32_t fs, int32_t n, uint32_t *values, int lzcnt)
{
    int32_t i = 0;
    switch (symbols_a_window(fs)) {
    case 8: i = read_groups_of_one(8, stream, fs, i, n, values, lzcnt); break;
    case 6: i = read_groups_of_one(6, stream, fs, i, n, values, lzcnt); break;
    case 5: i = read_groups_of_one(5, stream, fs, i, n, values, lzcnt); break;
    case 4: i = read_groups_of_one(4, stream, fs, i, n, values, lzcnt); break;
    case 3: i = read_groups_of_one(3, stream, fs, i, n, values, lzcnt); break;
    default: break;
    }
    i = read_groups_of_one(2, stream, fs, i, n, values, lzcnt);
    if (i < n)
        values[i] = read_symbol(stream, fs);
}

/* Groups of k symbols of two streams at a time: their chains of shifts overlap, and registers suffice. */
RF_INLINE void take_groups_of_two(int32_t k, const uint8_t *const base[4], const int64_t pos[4], const uint32_t fs[4],
                                  int64_t used[4], int first, uint32_t *values, int lzcnt)
{
    const uint32_t *upper_a = upper_parts + 64 * fs[first];
    const uint32_t *upper_b = upper_parts + 64 * fs[first + 1];
    uint64_t a = window(base[first], pos[first]) | 1;
    uint64_t b = window(base[first + 1], pos[first + 1]) | 1;
#pragma GCC unroll 8
    for (int32_t j = 0; j < k; j++) {
        values[4 * j + first] = take(&a, fs[first], upper_a, lzcnt);
        values[4 * j + first + 1] = take(&b, fs[first + 1], upper_b, lzcnt);
    }
    used[first] = used_bits(a, lzcnt);
    used[first + 1] = used_bits(b, lzcnt);
}

RF_INLINE int32_t read_groups_of_four(int32_t k, stream_t *const streams[4], const uint32_t of_fs[4], int32_t i,
                                      int32_t n, uint32_t *values, int lzcnt)
{
    const uint32_t fs[4] = {of_fs[0], of_fs[1], of_fs[2], of_fs[3]};
    const uint8_t *base[4] = {streams[0]->base, streams[1]->base, streams[2]->base, streams[3]->base};
    int64_t pos[4] = {streams[0]->pos, streams[1]->pos, streams[2]->pos, streams[3]->pos};
    for (; i + k <= n; i += k) {
        int64_t used[4];
        take_groups_of_two(k, base, pos, fs, used, 0, values + 4 * i, lzcnt);
        take_groups_of_two(k, base, pos, fs, used, 2, values + 4 * i, lzcnt);
        if (RF_UNLIKELY(((57 - used[0]) | (57 - used[1]) | (57 - used[2]) | (57 - used[3])) < 0)) {
            for (int s = 0; s < 4; s++) {
                streams[s]->pos = pos[s];
                for (int32_t j = 0; j < k; j++)
                    values[4 * (i + j) + s] = read_symbol(streams[s], fs[s]);
                base[s] = streams[s]->base;
                pos[s] = streams[s]->pos;
            }
            continue;
        }
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++)
            pos[s] += used[s];
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
        values[4 * i + s] = read_symbol(streams[s], fs[s]);
}

/* Numbers at full width, every stride-th of values. */
static void read_raw(stream_t *stream, int32_t bytepix, int32_t n, uint32_t *values, int32_t stride)
{
    int32_t nbits = 8 * bytepix;
    for (int32_t i = 0; i < n; i++) {
        values[(int64_t)i * stride] = (uint32_t)(window(stream->base, stream->pos) >> (64 - nbits));
        stream->pos += nbits;
    }
}

RF_INLINE uint32_t unmap(uint32_t value)
{
    return value >> 1 ^ (0u - (value & 1));
}

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
static void put_one(stream_t *stream, int32_t bytepix, uint32_t *values, int32_t n)
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

/* The same for four streams; number i of stream s is values[4 * i + s]. */
static void put_four_portable(stream_t streams[4], int32_t bytepix, const uint32_t *values, int32_t n)
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

static void read_one_portable(stream_t *stream, uint32_t fs, int32_t n, uint32_t *values)
{
    read_one(stream, fs, n, values, 0);
}

static void read_four_portable(stream_t *const streams[4], const uint32_t fs[4], int32_t n, uint32_t *values)
{
    read_four(streams, fs, n, values, 0);
}

#if RF_X86
RF_TARGET_BMI2 static void read_one_bmi2(stream_t *stream, uint32_t fs, int32_t n, uint32_t *values)
{
    read_one(stream, fs, n, values, 1);
}

RF_TARGET_BMI2 static void read_four_bmi2(stream_t *const streams[4], const uint32_t fs[4], int32_t n, uint32_t *values)
{
    read_four(streams, fs, n, values, 1);
}

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

static void put_four_sse2(stream_t streams[4], int32_t bytepix, const uint32_t *values, int32_t n)
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
        put_four_portable(streams, bytepix, values + 4 * i, n - i);
}
#endif

static kernel_t kernel_of(int32_t variant)
{
#if RF_X86
    if (variant >= RF_RICE_BMI2)
        return (kernel_t){read_one_bmi2, read_four_bmi2, put_four_sse2};
#endif
    (void)variant;
    return (kernel_t){read_one_portable, read_four_portable, put_four_portable};
}

/* End a tile, with its first fault. */
RF_INLINE void stop(stream_t *stream, int32_t fault)
{
    *stream->status = fault;
    stream->left = 0;
}

RF_INLINE uint32_t read_code(stream_t *stream, int32_t bytepix)
{
    uint32_t nbits = rf_fsbits(bytepix);
    uint32_t code = (uint32_t)(window(stream->base, stream->pos) >> (64 - nbits));
    stream->pos += nbits;
    return code;
}

/* Decode the next block, whatever its size. */
static void decode_block(const kernel_t *kernel, stream_t *stream, int32_t bytepix, int64_t block)
{
    uint32_t values[RF_CHUNK];
    settle(stream);
    uint32_t code = read_code(stream, bytepix);
    uint32_t fsmax = rf_fsmax(bytepix);
    int64_t stop_left = stream->left > block ? stream->left - block : 0;
    if (code > fsmax + 1) {
        stop(stream, stream->pos > stream->end ? RF_RICE_TRUNCATED : RF_RICE_BAD_CODE);
        return;
    }
    while (stream->left > stop_left) {
        int64_t rest = stream->left - stop_left;
        int32_t n = rest < RF_CHUNK ? (int32_t)rest : RF_CHUNK;
        settle(stream);
        if (code == 0) {
            memset(values, 0, sizeof values);
        } else if (code == fsmax + 1) {
            read_raw(stream, bytepix, n, values, 1);
        } else {
            kernel->read_one(stream, code - 1, n, values);
        }
        if (RF_UNLIKELY(stream->pos > stream->end)) {
            stop(stream, RF_RICE_TRUNCATED);
            return;
        }
        put_one(stream, bytepix, values, n);
    }
}

/* Begin the next whole tile; 0 when there is none. */
static int begin_tile(batch_t *batch, stream_t *stream)
{
    while (batch->tile < batch->ntiles) {
        int64_t tile = batch->tile++;
        int64_t start = batch->start[tile];
        int64_t length = batch->length[tile];
        int64_t npixels = batch->npixels[tile];
        int32_t *status = &batch->status[tile];
        if (npixels < 0 || npixels > batch->out_npixels) {
            *status = RF_RICE_NO_ROOM;
            batch->out_npixels = -1; /* where the following tiles begin is unknown */
            continue;
        }
        uint8_t *out = batch->out;
        if (npixels)
            batch->out += npixels * batch->bytepix;
        batch->out_npixels -= npixels;
        *status = RF_RICE_OK;
        if (npixels == 0)
            continue;
        if (start < 0 || length < 0 || start > batch->data_nbytes || length > batch->data_nbytes - start) {
            *status = RF_RICE_BAD_RANGE;
            continue;
        }
        if (length < batch->bytepix) {
            *status = RF_RICE_TRUNCATED;
            continue;
        }
        *stream = (stream_t){.base = batch->data + start,
                             .pos = 0,
                             .end = 8 * length,
                             .safe = 8 * (batch->data_nbytes - start - REACH),
                             .tail = &batch->tail,
                             .tail_pos = 8 * (batch->tail.start - start),
                             .left = npixels,
                             .last = 0,
                             .out = out,
                             .status = status};
        settle(stream);
        read_raw(stream, batch->bytepix, 1, &stream->last, 1);
        return 1;
    }
    return 0;
}

/* Bring the stream to a whole block, beginning tiles as needed; 0 when there are no more. */
static int find_block(batch_t *batch, const kernel_t *kernel, stream_t *stream)
{
    while (stream->left < batch->block) {
        while (stream->left > 0)
            decode_block(kernel, stream, batch->bytepix, batch->block);
        if (!begin_tile(batch, stream))
            return 0;
    }
    return 1;
}

/* Decode one whole block of each of four streams. */
static void decode_four(const kernel_t *kernel, stream_t streams[4], int32_t bytepix, int32_t block)
{
    /* A block of zeros takes no bits. To keep the loop free of branches it is read, with fs = 0, from ones: symbols of
     * one bit each, which say 0. So are raw blocks, whose numbers replace these afterwards. */
    static const uint8_t ones[RF_CHUNK / 8 + 16] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                                    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    uint32_t values[4 * RF_CHUNK]; /* number i of stream s is values[4 * i + s] */
    uint32_t fs[4] = {0, 0, 0, 0};
    uint32_t code[4];
    stream_t quiet[4];
    stream_t *lanes[4];
    uint32_t fsmax = rf_fsmax(bytepix);
    int coded = 0;
    for (int s = 0; s < 4; s++) {
        settle(&streams[s]);
        code[s] = read_code(&streams[s], bytepix);
        if (code[s] && code[s] <= fsmax) {
            fs[s] = code[s] - 1;
            lanes[s] = &streams[s];
            coded = 1;
        } else {
            quiet[s].base = ones;
            quiet[s].pos = 0;
            quiet[s].end = quiet[s].safe = 8 * RF_CHUNK;
            lanes[s] = &quiet[s];
        }
    }
    if (coded)
        kernel->read_four(lanes, fs, block, values);
    else
        memset(values, 0, sizeof values);
    for (int s = 0; s < 4; s++)
        if (code[s] == fsmax + 1)
            read_raw(&streams[s], bytepix, block, &values[s], 4);
    kernel->put_four(streams, bytepix, values, block);
    for (int s = 0; s < 4; s++)
        if (RF_UNLIKELY(streams[s].pos > streams[s].end))
            stop(&streams[s], RF_RICE_TRUNCATED);
        else if (RF_UNLIKELY(code[s] > fsmax + 1))
            stop(&streams[s], RF_RICE_BAD_CODE);
}

static void fill_tail(batch_t *batch)
{
    int64_t nbytes = batch->data_nbytes < REACH ? batch->data_nbytes : REACH;
    batch->tail.start = batch->data_nbytes - nbytes;
    memset(batch->tail.bytes, 0xFF, sizeof batch->tail.bytes); /* ones: no symbol is long behind the end */
    if (nbytes)
        memcpy(batch->tail.bytes, batch->data + batch->tail.start, (size_t)nbytes);
}

void rf_rice_decode(int32_t variant, int32_t bytepix, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                    const int64_t *length, const int64_t *npixels, int64_t ntiles, int32_t block, void *out,
                    int64_t out_npixels, int32_t *status)
{
    kernel_t kernel = kernel_of(variant);
    batch_t batch = {.data = data,
                     .data_nbytes = data_nbytes,
                     .start = start,
                     .length = length,
                     .npixels = npixels,
                     .ntiles = ntiles,
                     .out = out,
                     .out_npixels = out_npixels,
                     .status = status,
                     .bytepix = bytepix,
                     .block = block};
    stream_t streams[4] = {{.left = 0}, {.left = 0}, {.left = 0}, {.left = 0}};
    fill_tail(&batch);
    if (block <= RF_CHUNK)
        while (find_block(&batch, &kernel, &streams[0]) && find_block(&batch, &kernel, &streams[1]) &&
               find_block(&batch, &kernel, &streams[2]) && find_block(&batch, &kernel, &streams[3]))
            decode_four(&kernel, streams, bytepix, block);
    for (int s = 0; s < 4; s++)
        do
            while (streams[s].left > 0)
                decode_block(&kernel, &streams[s], bytepix, block);
        while (begin_tile(&batch, &streams[s]));
}
