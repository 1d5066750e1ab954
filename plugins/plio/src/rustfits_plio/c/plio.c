#include "plio.h"

#include <string.h>

enum { HEADER_WORDS = 7, OPERAND_MAX = 4095, MAX_PIXEL = (1 << 27) - 1 };

/* The opcodes, as the top four bits of a word. */
enum opcode {
    ZEROS = 0,         /* operand pixels of zero */
    SET_LEVEL = 1,     /* level = operand + 4096 * next word */
    RAISE = 2,         /* level += operand */
    LOWER = 3,         /* level -= operand */
    RUN = 4,           /* operand pixels of level */
    ZEROS_THEN_ONE = 5,/* operand - 1 pixels of zero, one of level */
    RAISE_ONE = 6,     /* level += operand, one pixel of level */
    LOWER_ONE = 7,     /* level -= operand, one pixel of level */
};

static inline int32_t word_at(const uint8_t *data, int64_t word)
{
    return (int32_t)data[2 * word] << 8 | data[2 * word + 1];
}

static inline void fill(int32_t *out, int64_t n, int32_t value)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = value;
}

/* Find the instructions: the old header has three words, the third being the list's length; the new one has its own
 * length in the second and the list's in the fourth and fifth, low 15 bits first. Returns a status. */
static int32_t read_header(const uint8_t *data, int64_t nwords, int64_t *first, int64_t *stop)
{
    if (nwords < 3)
        return RF_PLIO_NO_HEADER;
    int32_t third = (int16_t)word_at(data, 2);
    if (third > 0) {
        *first = 3;
        *stop = third;
    } else {
        if (nwords < 5)
            return RF_PLIO_NO_HEADER;
        *first = (int16_t)word_at(data, 1);
        *stop = ((int64_t)(int16_t)word_at(data, 4) << 15) + (int16_t)word_at(data, 3);
    }
    /* An empty list is a tile of zeros; IRAF writes none, but nothing forbids it. */
    if (*first < 0 || *stop < 0 || *stop > nwords)
        return RF_PLIO_BAD_LENGTH;
    return RF_PLIO_OK;
}

static int32_t decode_tile(const uint8_t *data, int64_t nwords, int32_t *out, int64_t npixels)
{
    int64_t ip, stop, x = 0; /* next word, end of the list, next pixel */
    int64_t level = 1;
    int32_t fault = read_header(data, nwords, &ip, &stop);
    if (fault)
        return fault;
    while (ip < stop && x < npixels) {
        int32_t word = word_at(data, ip++);
        int64_t operand = word & OPERAND_MAX;
        int64_t run = operand < npixels - x ? operand : npixels - x;
        int emit = 0;
        switch (word >> 12) {
        case ZEROS:
            memset(out + x, 0, (size_t)run * sizeof *out);
            x += run;
            break;
        case RUN:
            fill(out + x, run, (int32_t)level);
            x += run;
            break;
        case ZEROS_THEN_ONE:
            memset(out + x, 0, (size_t)run * sizeof *out);
            x += run;
            if (run && run == operand)
                out[x - 1] = (int32_t)level;
            break;
        case SET_LEVEL:
            if (ip == stop)
                return RF_PLIO_CUT;
            level = ((int64_t)word_at(data, ip++) << 12) + operand;
            break;
        case RAISE_ONE:
            emit = 1; /* fall through */
        case RAISE:
            level += operand;
            break;
        case LOWER_ONE:
            emit = 1; /* fall through */
        case LOWER:
            level -= operand;
            break;
        default:
            return RF_PLIO_BAD_OPCODE;
        }
        if (level < 0 || level > INT32_MAX)
            return RF_PLIO_BAD_LEVEL;
        if (emit)
            out[x++] = (int32_t)level;
    }
    memset(out + x, 0, (size_t)(npixels - x) * sizeof *out); /* what the list leaves undrawn is zero */
    return RF_PLIO_OK;
}

void rf_plio_decode_i32(const uint8_t *data, int64_t data_nbytes, const int64_t *start, const int64_t *length,
                        const int64_t *npixels, int64_t ntiles, int32_t *out, int64_t out_npixels, int32_t *status)
{
    int64_t done = 0;
    for (int64_t i = 0; i < ntiles; i++) {
        if (npixels[i] < 0 || npixels[i] > out_npixels - done) {
            for (; i < ntiles; i++) /* where the next tiles go is unknown */
                status[i] = RF_PLIO_NO_ROOM;
            return;
        }
        if (start[i] < 0 || length[i] < 0 || start[i] > data_nbytes || length[i] > data_nbytes - start[i])
            status[i] = RF_PLIO_BAD_LENGTH;
        else
            status[i] = decode_tile(data + start[i], length[i] / 2, out + done, npixels[i]);
        done += npixels[i];
    }
}

int64_t rf_plio_bound(int64_t npixels)
{
    /* At worst every pixel is a run of its own with a far level (2 words and 1), and zero runs are split. */
    return 2 * (HEADER_WORDS + 3 * npixels + npixels / OPERAND_MAX + 2);
}

/* First pixel from x on that differs from value. Blocks of 16 let the compiler compare whole vectors. */
static int64_t run_stop(const int32_t *pixels, int64_t x, int64_t npixels, int32_t value)
{
    while (x + 16 <= npixels) {
        int32_t differ = 0;
        for (int k = 0; k < 16; k++)
            differ |= pixels[x + k] ^ value;
        if (differ)
            break;
        x += 16;
    }
    while (x < npixels && pixels[x] == value)
        x++;
    return x;
}

static int32_t check_range(const int32_t *pixels, int64_t npixels)
{
    int32_t any = 0, negative = 0, large = 0;
    for (int64_t x = 0; x < npixels; x++)
        any |= pixels[x];
    if (!(any & ~MAX_PIXEL))
        return RF_PLIO_OK;
    for (int64_t x = 0; x < npixels; x++) {
        negative |= pixels[x] < 0;
        large |= pixels[x] > MAX_PIXEL;
    }
    return negative ? RF_PLIO_NEGATIVE : large ? RF_PLIO_TOO_LARGE : RF_PLIO_OK;
}

static inline uint8_t *put(uint8_t *out, int32_t word)
{
    out[0] = (uint8_t)(word >> 8);
    out[1] = (uint8_t)word;
    return out + 2;
}

static uint8_t *put_runs(uint8_t *out, enum opcode opcode, int64_t n)
{
    for (; n > 0; n -= OPERAND_MAX)
        out = put(out, (int32_t)opcode << 12 | (int32_t)(n < OPERAND_MAX ? n : OPERAND_MAX));
    return out;
}

/* A tile is a row of pairs: nzeros pixels of zero, then nlevel pixels of one level. */
static uint8_t *put_pair(uint8_t *out, int64_t nzeros, int64_t nlevel, int32_t pixel, int32_t *level)
{
    if (nlevel && pixel != *level) {
        int32_t step = pixel - *level;
        *level = pixel;
        if (step > OPERAND_MAX || step < -OPERAND_MAX) {
            out = put(out, SET_LEVEL << 12 | (pixel & OPERAND_MAX));
            out = put(out, pixel >> 12);
        } else {
            int one = nlevel == 1 && nzeros == 0;
            int32_t opcode = step < 0 ? (one ? LOWER_ONE : LOWER) : (one ? RAISE_ONE : RAISE);
            out = put(out, opcode << 12 | (step < 0 ? -step : step));
            if (one)
                return out;
        }
    }
    out = put_runs(out, ZEROS, nzeros);
    /* One pixel after zeros shares the word of the last zero run. A full run has no room for it: IRAF's and CFITSIO's
     * encoders overflow into the next opcode there and lose the zeros, so here it gets a word of its own. */
    if (nlevel == 1 && nzeros % OPERAND_MAX) {
        put(out - 2, ZEROS_THEN_ONE << 12 | (int32_t)(nzeros % OPERAND_MAX + 1));
        return out;
    }
    return put_runs(out, RUN, nlevel);
}

/* Returns the bytes written, or -1 for a list longer than its header can count. */
static int64_t encode_tile(const int32_t *pixels, int64_t npixels, uint8_t *out)
{
    uint8_t *next = out + 2 * HEADER_WORDS;
    int32_t level = 1;
    for (int64_t x = 0; x < npixels;) {
        int64_t zeros_stop = run_stop(pixels, x, npixels, 0);
        int32_t pixel = zeros_stop < npixels ? pixels[zeros_stop] : 0;
        int64_t level_stop = zeros_stop < npixels ? run_stop(pixels, zeros_stop, npixels, pixel) : zeros_stop;
        next = put_pair(next, zeros_stop - x, level_stop - zeros_stop, pixel, &level);
        x = level_stop;
    }
    int64_t nwords = (next - out) / 2;
    if (nwords >> 15 > INT16_MAX)
        return -1;
    const int32_t header[HEADER_WORDS] = {0, HEADER_WORDS, -100, (int32_t)(nwords & 32767), (int32_t)(nwords >> 15), 0, 0};
    for (int k = 0; k < HEADER_WORDS; k++)
        put(out + 2 * k, header[k]);
    return next - out;
}

int64_t rf_plio_encode_i32(const int32_t *pixels, int64_t pixels_n, const int64_t *npixels, int64_t ntiles,
                           uint8_t *out, int64_t out_nbytes, int64_t *length, int32_t *status)
{
    int64_t read = 0, written = 0;
    for (int64_t i = 0; i < ntiles; i++) {
        length[i] = 0;
        if (npixels[i] < 0 || npixels[i] > pixels_n - read || rf_plio_bound(npixels[i]) > out_nbytes - written) {
            for (; i < ntiles; i++) {
                length[i] = 0;
                status[i] = RF_PLIO_NO_ROOM;
            }
            return written;
        }
        status[i] = check_range(pixels + read, npixels[i]);
        if (!status[i])
            length[i] = encode_tile(pixels + read, npixels[i], out + written);
        if (length[i] < 0) {
            length[i] = 0;
            status[i] = RF_PLIO_TOO_LONG;
        }
        written += length[i];
        read += npixels[i];
    }
    return written;
}
