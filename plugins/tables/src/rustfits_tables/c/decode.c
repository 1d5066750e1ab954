/* Fields of rows into memory. */
#include "cells.h"

static void decode_logicals(const rf_walk *walk, int64_t count)
{
    if (count == 1)
        RF_EACH_CELL(walk, *to = *from == 'T';);
    else
        RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) to[k] = from[k] == 'T';);
}

static void decode_bits(const rf_walk *walk, int64_t count)
{
    RF_EACH_CELL(walk, {
        int64_t k = 0;
        for (; k + 8 <= count; k += 8) {
            uint8_t eight = from[k / 8];
            for (int bit = 0; bit < 8; bit++)
                to[k + bit] = eight >> (7 - bit) & 1;
        }
        for (; k < count; k++)
            to[k] = from[k / 8] >> (7 - k % 8) & 1;
    });
}

/* Stored numbers as doubles. */
#define RF_STORED(name, load, type, size)                                                                              \
    RF_INLINE double name(const uint8_t *from)                                                                         \
    {                                                                                                                  \
        return (double)(type)load;                                                                                     \
    }
RF_STORED(stored_u1, *from, uint8_t, 1)
RF_STORED(stored_i2, rf_be16(rf_load_u16(from)), int16_t, 2)
RF_STORED(stored_i4, rf_be32(rf_load_u32(from)), int32_t, 4)
RF_STORED(stored_i8, rf_be64(rf_load_u64(from)), int64_t, 8)

RF_INLINE double stored_f4(const uint8_t *from)
{
    uint32_t bits = rf_be32(rf_load_u32(from));
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

RF_INLINE double stored_f8(const uint8_t *from)
{
    uint64_t bits = rf_be64(rf_load_u64(from));
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

#define RF_SCALE(stored, nbytes)                                                                                       \
    RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++)                                                             \
                           rf_store_f64(to + 8 * k, stored(from + (nbytes) * k) * scale + zero);)

static void decode_scaled(const rf_field *field, const rf_walk *walk)
{
    const double scale = field->scale, zero = field->zero;
    const int64_t count = field->count;
    switch (field->kind) {
    case RF_SCALED_U1:
        RF_SCALE(stored_u1, 1);
        break;
    case RF_SCALED_I2:
        RF_SCALE(stored_i2, 2);
        break;
    case RF_SCALED_I4:
        RF_SCALE(stored_i4, 4);
        break;
    case RF_SCALED_I8:
        RF_SCALE(stored_i8, 8);
        break;
    case RF_SCALED_F4:
        RF_SCALE(stored_f4, 4);
        break;
    default:
        RF_SCALE(stored_f8, 8);
    }
}

/* Integers as they are stored, of which some means null. */
RF_INLINE int64_t stored_integer(const uint8_t *from, int64_t size)
{
    switch (size) {
    case 1:
        return *from;
    case 2:
        return (int16_t)rf_be16(rf_load_u16(from));
    case 4:
        return (int32_t)rf_be32(rf_load_u32(from));
    default:
        return (int64_t)rf_be64(rf_load_u64(from));
    }
}

#define RF_NULLS(nbytes)                                                                                               \
    RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) to[k] = stored_integer(from + (nbytes) * k, nbytes) == null;)

static void decode_nulls(const rf_field *field, const rf_walk *walk)
{
    const int64_t count = field->count, null = field->null;
    switch (field->size) {
    case 1:
        RF_NULLS(1);
        break;
    case 2:
        RF_NULLS(2);
        break;
    case 4:
        RF_NULLS(4);
        break;
    default:
        RF_NULLS(8);
    }
}

/* Bits of a bitmap, written one after another; those around them stay. */
typedef struct bit_writer {
    uint8_t *to;
    uint32_t byte, used; /* used: bits of byte, from the lowest on */
} bit_writer;

RF_INLINE bit_writer begin_bits(uint8_t *bitmap, int64_t at)
{
    bit_writer writer = {bitmap + at / 8, 0, (uint32_t)(at % 8)};
    if (writer.used)
        writer.byte = *writer.to & ((1u << writer.used) - 1);
    return writer;
}

RF_INLINE void put_bit(bit_writer *writer, uint32_t bit)
{
    writer->byte |= bit << writer->used;
    if (++writer->used == 8) {
        *writer->to++ = (uint8_t)writer->byte;
        writer->byte = writer->used = 0;
    }
}

RF_INLINE void end_bits(bit_writer *writer)
{
    if (writer->used)
        *writer->to = (uint8_t)(writer->byte | (*writer->to & (0xFFu << writer->used)));
}

static void decode_bitmap(const rf_field *field, const rf_walk *walk, int64_t at)
{
    const int64_t count = field->count, null = field->null, size = field->size;
    bit_writer writer = begin_bits(walk->to, at);
    /* A walk whose memory stays where it is: bits have no addresses. */
    if (field->kind == RF_LOGICAL_BITMAP)
        RF_EACH_CELL(walk, (void)to; for (int64_t k = 0; k < count; k++) put_bit(&writer, from[k] == 'T'););
    else if (field->kind == RF_BITS_BITMAP)
        RF_EACH_CELL(walk, (void)to;
                     for (int64_t k = 0; k < count; k++) put_bit(&writer, from[k / 8] >> (7 - k % 8) & 1u););
    else
        RF_EACH_CELL(walk, (void)to; for (int64_t k = 0; k < count; k++)
                                         put_bit(&writer, stored_integer(from + size * k, size) != null););
    end_bits(&writer);
}

static void decode_field(rf_field *field, rf_walk *walk, int64_t first, const uint64_t *powers)
{
    walk->to_step = field->stride;
    switch (field->kind) {
    case RF_VALID:
    case RF_LOGICAL_BITMAP:
    case RF_BITS_BITMAP:
        walk->to = field->memory;
        walk->to_step = 0;
        decode_bitmap(field, walk, first * field->count);
        return;
    case RF_UTF8_32:
    case RF_UTF8_64:
        walk->to = field->memory;
        walk->to_step = 0;
        rf_decode_text(field, walk, first * field->count);
        return;
    default:
        break;
    }
    walk->to = field->memory + first * field->stride;
    switch (field->kind) {
    case RF_COPY:
    case RF_SWAP:
    case RF_FLIP:
        rf_move(field, walk, 1);
        break;
    case RF_LOGICAL:
        decode_logicals(walk, field->count);
        break;
    case RF_BITS:
        decode_bits(walk, field->count);
        break;
    case RF_BYTES:
    case RF_TEXT:
        rf_decode_text(field, walk, 0);
        break;
    case RF_NULL:
        decode_nulls(field, walk);
        break;
    case RF_INTEGER:
    case RF_REAL_32:
    case RF_REAL_64:
    case RF_NULL_TEXT:
        rf_decode_numbers(field, walk, powers);
        break;
    default:
        decode_scaled(field, walk);
    }
}

int32_t rf_decode_rows(const uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, const int64_t *rows, int64_t nrows,
                       int64_t first, const uint64_t *powers, int64_t powers_n, rf_field *fields, int64_t nfields)
{
    if (!rf_rows_fit(raw_nbytes, row_nbytes, rows, nrows))
        return RF_BAD_ROWS;
    if (!rf_fields_fit(fields, nfields, row_nbytes, nrows, first, 1))
        return RF_BAD_FIELD;
    for (int64_t k = 0; k < nfields; k++) {
        fields[k].nleft = fields[k].fault = 0;
        if ((fields[k].kind == RF_REAL_32 || fields[k].kind == RF_REAL_64) && powers_n < 2 * RF_NPOWERS)
            return RF_BAD_FIELD;
    }
    int64_t block = rf_block_rows(row_nbytes);
    rf_together *all = NULL;
    if (!rows && nrows * row_nbytes >= RF_TOGETHER_NBYTES)
        all = rf_together_of(fields, nfields, 1);
    for (int64_t begin = 0; begin < nrows; begin += block) {
        int64_t n = nrows - begin < block ? nrows - begin : block, moved = 0, done = begin * row_nbytes;
        if (all)
            moved = rf_together_move(all, (uint8_t *)raw + done, raw_nbytes - done, row_nbytes, n, first + begin, 1);
        for (int64_t k = 0; k < nfields; k++) {
            rf_field *field = &fields[k];
            int64_t at = begin + (all && rf_is_moved(field) ? moved : 0);
            if (at == begin + n || rf_is_empty(field) || field->fault != RF_OK)
                continue;
            rf_walk walk = {0};
            walk.from = raw + field->offset + (rows ? 0 : at * row_nbytes);
            walk.from_step = row_nbytes;
            walk.from_rows = rows ? rows + at : NULL;
            walk.n = begin + n - at;
            walk.row = at;
            decode_field(field, &walk, first + at, powers);
        }
    }
    rf_together_free(all);
    return RF_DONE;
}
