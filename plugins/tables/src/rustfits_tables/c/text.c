/* Strings. Those of rows end before the first NUL, and before blanks at their end; what is left has to be ASCII. */
#include "cells.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Whether there is a NUL, or a byte that is not ASCII, in the first bytes of a cell of `size`. */
RF_INLINE int is_odd(const uint8_t *text, int64_t length, int64_t size)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t found = 0, eight;
    if (length < 8 && size >= 8 && !RF_BIG_ENDIAN) {
        uint64_t inside = ((uint64_t)1 << 8 * length) - 1;
        eight = (rf_load_u64(text) & inside) | (ones & ~inside);
        return ((eight | (eight - ones)) & high) != 0;
    }
    if (length < 8) {
        for (int64_t k = 0; k < length; k++)
            found |= (uint64_t)(uint8_t)(text[k] - 1) | text[k];
        return (found & 0x80) != 0;
    }
    /* Only a byte that is 0 borrows from the next, and is found itself. */
    for (int64_t k = 0; k < length - 8; k += 8) {
        eight = rf_load_u64(text + k);
        found |= eight | (eight - ones);
    }
    eight = rf_load_u64(text + length - 8);
    found |= eight | (eight - ones);
    return (found & high) != 0;
}

/* Length without NULs and blanks at the end: those are the bytes of which nothing is left under 0xDF. */
RF_INLINE int64_t without_fill(const uint8_t *text, int64_t length)
{
#if (defined(__GNUC__) || defined(__clang__)) && !RF_BIG_ENDIAN
    while (length >= 8) {
        uint64_t left = rf_load_u64(text + length - 8) & 0xDFDFDFDFDFDFDFDFu;
        if (left)
            return length - __builtin_clzll(left) / 8;
        length -= 8;
    }
#endif
    while (length > 0 && (text[length - 1] & 0xDF) == 0)
        length--;
    return length;
}

/* Length of a string in a cell; -1 - position if a byte is not ASCII. */
RF_INLINE int64_t length_of(const uint8_t *text, int64_t size)
{
    int64_t length = without_fill(text, size);
    if (!is_odd(text, length, size))
        return length;
    for (int64_t k = 0; k < length; k++) {
        if (text[k] == 0)
            return without_fill(text, k);
        if (text[k] > 0x7F)
            return -1 - k;
    }
    return length;
}

/* Code points of `size` bytes, of which those from length on are 0. */
RF_INLINE void widen(uint8_t *to, const uint8_t *from, int64_t size, int64_t length)
{
    if (size < 8) {
        for (int64_t k = 0; k < size; k++)
            rf_store_u32(to + 4 * k, k < length ? from[k] : 0);
        return;
    }
    for (int64_t k = 0; k < length;) {
        const uint8_t *here = from + k;
        uint8_t *there = to + 4 * k;
#if defined(__SSE2__)
        const __m128i zero = _mm_setzero_si128();
        __m128i eight = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(const void *)here), zero);
        _mm_storeu_si128((__m128i *)(void *)there, _mm_unpacklo_epi16(eight, zero));
        _mm_storeu_si128((__m128i *)(void *)(there + 16), _mm_unpackhi_epi16(eight, zero));
#else
        for (int64_t j = 0; j < 8; j++)
            rf_store_u32(there + 4 * j, here[j]);
#endif
        if (k == size - 8)
            break;
        k = k + 16 > size ? size - 8 : k + 8; /* the last eight may be some of those before */
    }
    for (int64_t k = length; k < size; k++)
        rf_store_u32(to + 4 * k, 0);
}

RF_INLINE void put_bytes(uint8_t *to, const uint8_t *from, int64_t size, int64_t length)
{
    int64_t k = length;
    rf_copy(to, from, length);
    for (; k + 8 <= size; k += 8)
        rf_store_u64(to + k, 0);
    for (; k < size; k++)
        to[k] = 0;
}

RF_INLINE void decode_fixed(rf_field *field, const rf_walk *walk, int wide)
{
    const int64_t count = field->count, size = field->size, step = wide ? 4 * size : size;
    RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) {
        const uint8_t *text = from + k * size;
        int64_t length = length_of(text, size);
        if (length < 0) {
            rf_say_fault(field, RF_FOREIGN, walk->row + i, k, -1 - length, text[-1 - length]);
            length = 0;
        }
        if (wide)
            widen(to + k * step, text, size, length);
        else
            put_bytes(to + k * step, text, size, length);
    });
}

RF_INLINE int64_t get_offset(const rf_field *field, int64_t at)
{
    return field->kind == RF_UTF8_32 ? rf_load_i32(field->memory + 4 * at) : rf_load_i64(field->memory + 8 * at);
}

RF_INLINE void decode_utf8(rf_field *field, const rf_walk *walk, int64_t at, int narrow)
{
    const int64_t count = field->count, size = field->size;
    uint8_t *const offsets = field->memory, *const texts = field->text;
    int64_t room = field->text_nbytes, offset = get_offset(field, at);
    if (narrow && room > INT32_MAX)
        room = INT32_MAX;
    if (offset < 0 || offset > room) {
        rf_say_fault(field, RF_OFFSETS, walk->row, 0, 0, offset);
        return;
    }
    RF_EACH_CELL(walk, (void)to; for (int64_t k = 0; k < count; k++) {
        const uint8_t *text = from + k * size;
        int64_t length = length_of(text, size);
        if (length < 0 || length > room - offset) {
            int32_t fault = length < 0 ? RF_FOREIGN : RF_NO_ROOM;
            int64_t position = length < 0 ? -1 - length : 0;
            rf_say_fault(field, fault, walk->row + i, k, position, length < 0 ? text[position] : length);
            return;
        }
        /* Of each string as many bytes: the next one covers what is behind this. Of no text there need be no address. */
        int64_t copied = size <= room - offset ? size : length;
        if (copied)
            rf_copy(texts + offset, text, copied);
        offset += length;
        at++;
        if (narrow)
            rf_store_i32(offsets + 4 * at, (int32_t)offset);
        else
            rf_store_i64(offsets + 8 * at, offset);
    });
}

void rf_decode_text(rf_field *field, const rf_walk *walk, int64_t at)
{
    if (field->kind == RF_BYTES)
        decode_fixed(field, walk, 0);
    else if (field->kind == RF_TEXT)
        decode_fixed(field, walk, 1);
    else if (field->kind == RF_UTF8_32)
        decode_utf8(field, walk, at, 1);
    else
        decode_utf8(field, walk, at, 0);
}

/* The other way strings are written as they are, with NUL behind them. */

/* Place of the first byte that is not ASCII; -1 if all are. */
RF_INLINE int64_t foreign_at(const uint8_t *text, int64_t length)
{
    int64_t k = 0;
    while (k + 8 <= length && !(rf_load_u64(text + k) & 0x8080808080808080u))
        k += 8;
    while (k < length && text[k] <= 0x7F)
        k++;
    return k < length ? k : -1;
}

/* Bits that any of the bytes has, at least the highest. */
RF_INLINE uint64_t bits_of(const uint8_t *text, int64_t length)
{
    uint64_t all = 0;
    if (length < 8) {
        for (int64_t k = 0; k < length; k++)
            all |= text[k];
        return all | all << 56;
    }
    for (int64_t k = 0; k < length - 8; k += 8)
        all |= rf_load_u64(text + k);
    return all | rf_load_u64(text + length - 8);
}

/* What a string of FITS may hold are the characters 32 to 126 (FITS 4.0, section 7.3.3.1), and NULs behind them. */
enum { FIRST_OF_TEXT = 0x20, LAST_OF_TEXT = 0x7E };

/* Whether any of eight bytes is something else; one below borrows only from what is above it. */
RF_INLINE int is_no_text(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    return ((eight | (eight + ones) | (eight - FIRST_OF_TEXT * ones)) & high) != 0;
}

RF_INLINE int is_character(uint32_t code)
{
    return code >= FIRST_OF_TEXT && code <= LAST_OF_TEXT;
}

/* Place of the first character that a string may not hold; -1 if there is none. */
RF_INLINE int64_t odd_at(const uint8_t *text, int64_t size, int wide)
{
    int64_t length = size;
    while (length > 0 && (wide ? rf_load_u32(text + 4 * (length - 1)) : text[length - 1]) == 0)
        length--;
    for (int64_t k = 0; k < length; k++)
        if (!is_character(wide ? rf_load_u32(text + 4 * k) : text[k]))
            return k;
    return -1;
}

RF_INLINE int may_be_odd(const uint8_t *text, int64_t size)
{
#if (defined(__GNUC__) || defined(__clang__)) && !RF_BIG_ENDIAN
    int64_t length = size, k = 0;
    if (size < 8)
        return 1;
    for (; length >= 8; length -= 8) {
        uint64_t last = rf_load_u64(text + length - 8);
        if (last) {
            length -= __builtin_clzll(last) / 8;
            break;
        }
    }
    if (length < 8) {
        uint64_t inside = ((uint64_t)1 << 8 * length) - 1, blanks = 0x2020202020202020u;
        return is_no_text((rf_load_u64(text) & inside) | (blanks & ~inside));
    }
    for (; k < length - 8; k += 8)
        if (is_no_text(rf_load_u64(text + k)))
            return 1;
    return is_no_text(rf_load_u64(text + length - 8));
#else
    (void)text, (void)size;
    return 1;
#endif
}

RF_INLINE void check_cells(rf_field *field, const rf_walk *walk, int wide)
{
    const int64_t size = field->size, count = field->count, step = wide ? 4 * size : size;
    RF_EACH_CELL(walk, (void)to; for (int64_t k = 0; k < count; k++) {
        const uint8_t *text = from + k * step;
        if (!wide && !may_be_odd(text, size))
            continue;
        int64_t odd = odd_at(text, size, wide);
        if (odd >= 0) {
            uint32_t code = wide ? rf_load_u32(text + 4 * odd) : text[odd];
            rf_say_fault(field, RF_FOREIGN, walk->row + i, k, odd, code);
            return;
        }
    });
}

int32_t rf_check_text(int64_t row_nbytes, int64_t nrows, int64_t first, rf_field *fields, int64_t nfields)
{
    if (row_nbytes <= 0 || nrows < 0)
        return RF_BAD_ROWS;
    if (!rf_fields_fit(fields, nfields, row_nbytes, nrows, first, 0))
        return RF_BAD_FIELD;
    for (int64_t k = 0; k < nfields; k++)
        fields[k].nleft = fields[k].fault = 0;
    int64_t block = rf_block_rows(row_nbytes);
    for (int64_t begin = 0; begin < nrows; begin += block)
        for (int64_t k = 0; k < nfields; k++) {
            rf_field *field = &fields[k];
            if ((field->kind != RF_BYTES && field->kind != RF_TEXT) || rf_is_empty(field) || field->fault != RF_OK)
                continue;
            rf_walk walk = {0};
            walk.to = field->memory; /* is not written, and stays where it is */
            walk.from = field->memory + (first + begin) * field->stride;
            walk.from_step = field->stride;
            walk.n = nrows - begin < block ? nrows - begin : block;
            walk.row = begin;
            if (field->kind == RF_TEXT)
                check_cells(field, &walk, 1);
            else
                check_cells(field, &walk, 0);
        }
    return RF_DONE;
}

RF_INLINE void encode_bytes(rf_field *field, const rf_walk *walk)
{
    const int64_t count = field->count, size = field->size;
    RF_EACH_CELL(walk, {
        rf_copy(to, from, count * size);
        int64_t k = foreign_at(to, count * size);
        if (k >= 0)
            rf_say_fault(field, RF_FOREIGN, walk->row + i, k / size, k % size, to[k]);
    });
}

RF_INLINE void encode_wide(rf_field *field, const rf_walk *walk)
{
    const int64_t count = field->count, size = field->size;
    RF_EACH_CELL(walk, {
        uint32_t all = 0;
        for (int64_t k = 0; k < count * size; k++) {
            uint32_t code = rf_load_u32(from + 4 * k);
            to[k] = (uint8_t)code;
            all |= code;
        }
        for (int64_t k = 0; all > 0x7F && k < count * size; k++)
            if (rf_load_u32(from + 4 * k) > 0x7F)
                rf_say_fault(field, RF_FOREIGN, walk->row + i, k / size, k % size, rf_load_u32(from + 4 * k));
    });
}

static void encode_utf8(rf_field *field, const rf_walk *walk, int64_t at)
{
    const int64_t count = field->count, size = field->size;
    int64_t offset = get_offset(field, at);
    RF_EACH_CELL(walk, (void)from; for (int64_t k = 0; k < count; k++) {
        int64_t stop = get_offset(field, ++at), length = 0;
        if (offset < 0 || stop < offset || stop > field->text_nbytes)
            rf_say_fault(field, RF_OFFSETS, walk->row + i, k, 0, stop);
        else
            length = stop - offset;
        if (length > size)
            rf_say_fault(field, RF_TOO_LONG, walk->row + i, k, 0, length);
        if (field->fault != RF_OK)
            return;
        put_bytes(to + k * size, length ? field->text + offset : NULL, size, length);
        if (bits_of(to + k * size, size) & 0x8080808080808080u) {
            int64_t foreign = foreign_at(to + k * size, length);
            rf_say_fault(field, RF_FOREIGN, walk->row + i, k, foreign, to[k * size + foreign]);
            return;
        }
        offset = stop;
    });
}

void rf_encode_text(rf_field *field, const rf_walk *walk, int64_t at)
{
    if (field->kind == RF_BYTES)
        encode_bytes(field, walk);
    else if (field->kind == RF_TEXT)
        encode_wide(field, walk);
    else
        encode_utf8(field, walk, at);
}
