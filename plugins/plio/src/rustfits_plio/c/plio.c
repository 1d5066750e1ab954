/* PLIO_1 lists, read and written. Here is what does not depend on the pixels' type: headers, opcodes, the words of a
 * list, the loops over tiles. pixels.h has the rest, and is included for pixels of 8 bits and of 32. */
#include "plio.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { SHORT_HEADER_WORDS = 3, HEADER_WORDS = 7, OPERAND_MAX = 4095, MAX_PIXEL = (1 << 27) - 1 };

/* The opcodes, as the top four bits of a word, with the standard's names; what it calls the current high value is the
 * level here. */
enum opcode {
    ZEROS = 0,          /* ZN: operand pixels of zero */
    SET_LEVEL = 1,      /* SH: level = operand + 4096 * next word, which has 15 bits */
    RAISE = 2,          /* IH: level += operand */
    LOWER = 3,          /* DH: level -= operand */
    RUN = 4,            /* HN: operand pixels of level */
    ZEROS_THEN_ONE = 5, /* PN: operand - 1 pixels of zero, one of level */
    RAISE_ONE = 6,      /* IS: level += operand, one pixel of level */
    LOWER_ONE = 7,      /* DS: level -= operand, one pixel of level */
};

static inline int32_t word_at(const uint8_t *data, int64_t word)
{
    return (int32_t)data[2 * word] << 8 | data[2 * word + 1];
}

/* What an instruction with operand n does: level += step * n, then zeros * n - less pixels of zero, then ones * n + one
 * pixels of the level. Without a branch for each opcode, noisy masks are drawn twice as fast. */
struct effect {
    int8_t step, zeros, less, ones, one;
};

static const struct effect EFFECTS[8] = {
    [ZEROS] = {.zeros = 1},
    [RAISE] = {.step = 1},
    [LOWER] = {.step = -1},
    [RUN] = {.ones = 1},
    [ZEROS_THEN_ONE] = {.zeros = 1, .less = 1, .one = 1},
    [RAISE_ONE] = {.step = 1, .one = 1},
    [LOWER_ONE] = {.step = -1, .one = 1},
};

/* Find the instructions: the old header has three words, the third being the list's length; the new one has its own
 * length in the second and the list's in the fourth and fifth, low 15 bits first. There are three words at least. Returns
 * a status. */
static int32_t read_header(const uint8_t *data, int64_t nwords, int64_t *first, int64_t *stop)
{
    int32_t third = (int16_t)word_at(data, 2);
    if (third > 0) {
        *first = SHORT_HEADER_WORDS;
        *stop = third;
    } else {
        if (nwords < 5)
            return RF_PLIO_NO_HEADER;
        *first = (int16_t)word_at(data, 1);
        *stop = (int64_t)(int16_t)word_at(data, 4) * 32768 + (int16_t)word_at(data, 3);
    }
    /* An empty list is a tile of zeros; IRAF writes none, but nothing forbids it. */
    if (*first < 0 || *stop < 0 || *stop > nwords)
        return RF_PLIO_BAD_LENGTH;
    return RF_PLIO_OK;
}

/* A list in the making. */
struct list {
    uint8_t *next;  /* where the next word goes */
    int64_t nzeros; /* pixels of zero that are not in it yet */
    int32_t level;
};

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

/* A tile is a row of pairs: pixels of zero, then n pixels of one level. */
static void put_pair(struct list *list, int64_t n, int32_t pixel)
{
    uint8_t *out = list->next;
    int64_t nzeros = list->nzeros;
    list->nzeros = 0;
    int32_t step = pixel - list->level;
    list->level = pixel;
    if (step > OPERAND_MAX || step < -OPERAND_MAX) {
        out = put(out, SET_LEVEL << 12 | (pixel & OPERAND_MAX));
        out = put(out, pixel >> 12);
    } else if (step) {
        int one = n == 1 && nzeros == 0;
        int32_t opcode = step < 0 ? (one ? LOWER_ONE : LOWER) : (one ? RAISE_ONE : RAISE);
        out = put(out, opcode << 12 | (step < 0 ? -step : step));
        if (one) {
            list->next = out;
            return;
        }
    }
    out = put_runs(out, ZEROS, nzeros);
    /* One pixel after zeros shares the word of the last zero run. A full run has no room for it: IRAF's and CFITSIO's
     * encoders overflow into the next opcode there and lose the zeros, so here it gets a word of its own. */
    if (n == 1 && nzeros % OPERAND_MAX)
        put(out - 2, ZEROS_THEN_ONE << 12 | (int32_t)(nzeros % OPERAND_MAX + 1));
    else
        out = put_runs(out, RUN, n);
    list->next = out;
}

static inline int lowest_bit(uint32_t mask)
{
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_ctz(mask);
#else
    int bit = 0;
    while (!(mask >> bit & 1))
        bit++;
    return bit;
#endif
}

#define PIXEL uint8_t
#define NAME(x) x##_u8
#define LARGEST UINT8_MAX
#include "pixels.h"
#undef PIXEL
#undef NAME
#undef LARGEST

#define PIXEL int32_t
#define NAME(x) x##_i32
#define LARGEST INT32_MAX
#include "pixels.h"
#undef PIXEL
#undef NAME
#undef LARGEST

/* Decode one tile, to the pixels from `first` on. Data that is too short for a header, and a room without pixels, may
 * have no address. */
static int32_t decode_tile(const uint8_t *data, int64_t start, int64_t length, int pixel, void *out, int64_t first,
                           int64_t npixels)
{
    if (length < 2 * SHORT_HEADER_WORDS)
        return RF_PLIO_NO_HEADER;
    if (pixel == RF_PLIO_U8)
        return decode_tile_u8(data + start, length / 2, npixels ? (uint8_t *)out + first : NULL, npixels);
    return decode_tile_i32(data + start, length / 2, npixels ? (int32_t *)out + first : NULL, npixels);
}

void rf_plio_decode(const uint8_t *data, int64_t data_nbytes, const int64_t *start, const int64_t *length,
                    const int64_t *npixels, int64_t ntiles, int pixel, void *out, int64_t out_npixels, int32_t *status)
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
            status[i] = decode_tile(data, start[i], length[i], pixel, out, done, npixels[i]);
        done += npixels[i];
    }
}

int64_t rf_plio_bound(int64_t npixels)
{
    /* At worst every pixel is a run of its own with a far level (2 words and 1), and zero runs are split. */
    return 2 * (HEADER_WORDS + 3 * npixels + npixels / OPERAND_MAX + 2);
}

/* Returns a status; `length` gets the bytes written, 0 with a fault. */
static int32_t encode_tile(const void *pixels, int64_t first, int64_t npixels, int pixel, uint8_t *out, int64_t *length)
{
    struct list list = {.next = out + 2 * HEADER_WORDS, .nzeros = 0, .level = 1};
    int32_t fault = RF_PLIO_OK;
    if (npixels && pixel == RF_PLIO_U8)
        fault = make_list_u8(&list, (const uint8_t *)pixels + first, npixels);
    else if (npixels)
        fault = make_list_i32(&list, (const int32_t *)pixels + first, npixels);
    *length = 0;
    if (fault)
        return fault & RF_PLIO_NEGATIVE ? RF_PLIO_NEGATIVE : RF_PLIO_TOO_LARGE;
    uint8_t *next = put_runs(list.next, ZEROS, list.nzeros);
    int64_t nwords = (next - out) / 2;
    if (nwords >> 15 > INT16_MAX)
        return RF_PLIO_TOO_LONG;
    const int32_t low = (int32_t)(nwords & 32767), high = (int32_t)(nwords >> 15);
    const int32_t header[HEADER_WORDS] = {0, HEADER_WORDS, -100, low, high, 0, 0};
    for (int k = 0; k < HEADER_WORDS; k++)
        put(out + 2 * k, header[k]);
    *length = next - out;
    return RF_PLIO_OK;
}

int64_t rf_plio_encode(int pixel, const void *pixels, int64_t pixels_n, const int64_t *npixels, int64_t ntiles,
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
        status[i] = encode_tile(pixels, read, npixels[i], pixel, out + written, length + i);
        written += length[i];
        read += npixels[i];
    }
    return written;
}
