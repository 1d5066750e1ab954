/* Memory into fields of rows. */
#include <math.h>

#include "cells.h"

static void encode_logicals(const rf_walk *walk, int64_t count)
{
    if (count == 1)
        RF_EACH_CELL(walk, *to = *from ? 'T' : 'F';);
    else
        RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) to[k] = from[k] ? 'T' : 'F';);
}

static void encode_bits(const rf_walk *walk, int64_t count)
{
    RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k += 8) {
        uint32_t eight = 0;
        for (int64_t bit = 0; bit < 8 && k + bit < count; bit++)
            eight |= (uint32_t)(from[k + bit] != 0) << (7 - bit);
        to[k / 8] = (uint8_t)eight;
    });
}

/* The integer nearest to what is to be stored, an even one in the middle; least and beyond are exact as doubles. */
RF_INLINE double whole_number(rf_field *field, const uint8_t *from, double least, double beyond, int64_t row, int64_t k)
{
    double value = rf_load_f64(from), stored = rint((value - field->zero) / field->scale);
    if (!isfinite(value))
        rf_say_fault(field, RF_NOT_FINITE, row, k, 0, 0);
    else if (!(stored >= least && stored < beyond))
        rf_say_fault(field, RF_RANGE, row, k, 0, 0);
    else
        return stored;
    return 0;
}

#define RF_UNSCALE(nbytes, bits, type, least, beyond)                                                                  \
    RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) {                                                           \
        type stored = (type)whole_number(field, from + 8 * k, least, beyond, walk->row + i, k);                        \
        rf_store_u##bits(to + (nbytes) * k, rf_be##bits((uint##bits##_t)stored));                                      \
    })
#define rf_be8(x) (x)

/* A double that is too large for a float becomes infinite; C leaves that open where the sanitizers look. */
RF_INLINE float to_float(double value)
{
    if (value >= 0x1.ffffffp127)
        return INFINITY;
    return value <= -0x1.ffffffp127 ? -INFINITY : (float)value;
}

static void encode_scaled(rf_field *field, const rf_walk *walk)
{
    const double scale = field->scale, zero = field->zero;
    const int64_t count = field->count;
    switch (field->kind) {
    case RF_SCALED_U1:
        RF_UNSCALE(1, 8, uint8_t, 0.0, 256.0);
        break;
    case RF_SCALED_I2:
        RF_UNSCALE(2, 16, int16_t, -0x1p15, 0x1p15);
        break;
    case RF_SCALED_I4:
        RF_UNSCALE(4, 32, int32_t, -0x1p31, 0x1p31);
        break;
    case RF_SCALED_I8:
        RF_UNSCALE(8, 64, int64_t, -0x1p63, 0x1p63);
        break;
    case RF_SCALED_F4:
        RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) {
            float stored = to_float((rf_load_f64(from + 8 * k) - zero) / scale);
            uint32_t bits;
            memcpy(&bits, &stored, 4);
            rf_store_u32(to + 4 * k, rf_be32(bits));
        });
        break;
    default:
        RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) {
            double stored = (rf_load_f64(from + 8 * k) - zero) / scale;
            uint64_t bits;
            memcpy(&bits, &stored, 8);
            rf_store_u64(to + 8 * k, rf_be64(bits));
        });
    }
}

RF_INLINE void put_integer(uint8_t *to, int64_t size, int64_t value)
{
    switch (size) {
    case 1:
        *to = (uint8_t)value;
        break;
    case 2:
        rf_store_u16(to, rf_be16((uint16_t)value));
        break;
    case 4:
        rf_store_u32(to, rf_be32((uint32_t)value));
        break;
    default:
        rf_store_u64(to, rf_be64((uint64_t)value));
    }
}

static void encode_nulls(const rf_field *field, const rf_walk *walk)
{
    const int64_t count = field->count, size = field->size, null = field->null;
    RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) if (from[k]) put_integer(to + size * k, size, null););
}

RF_INLINE uint32_t bit_of(const uint8_t *bitmap, int64_t at)
{
    return bitmap[at / 8] >> (at % 8) & 1u;
}

static void encode_bitmap(const rf_field *field, const rf_walk *walk, int64_t at)
{
    const int64_t count = field->count, size = field->size, null = field->null;
    const uint8_t *bitmap = walk->from;
    if (field->kind == RF_LOGICAL_BITMAP)
        RF_EACH_CELL(walk, (void)from;
                     for (int64_t k = 0; k < count; k++) to[k] = bit_of(bitmap, at + i * count + k) ? 'T' : 'F';);
    else if (field->kind == RF_BITS_BITMAP)
        RF_EACH_CELL(walk, (void)from; for (int64_t k = 0; k < count; k += 8) {
            uint32_t eight = 0;
            for (int64_t bit = 0; bit < 8 && k + bit < count; bit++)
                eight |= bit_of(bitmap, at + i * count + k + bit) << (7 - bit);
            to[k / 8] = (uint8_t)eight;
        });
    else
        RF_EACH_CELL(walk, (void)from; for (int64_t k = 0; k < count; k++) if (!bit_of(bitmap, at + i * count + k))
                                           put_integer(to + size * k, size, null););
}

static void encode_field(rf_field *field, rf_walk *walk, int64_t first)
{
    walk->from = field->memory;
    switch (field->kind) {
    case RF_VALID:
    case RF_LOGICAL_BITMAP:
    case RF_BITS_BITMAP:
        encode_bitmap(field, walk, first * field->count);
        return;
    case RF_UTF8_32:
    case RF_UTF8_64:
        rf_encode_text(field, walk, first * field->count);
        return;
    default:
        break;
    }
    walk->from += first * field->stride;
    walk->from_step = field->stride;
    switch (field->kind) {
    case RF_COPY:
    case RF_SWAP:
    case RF_FLIP:
        rf_move(field, walk, 0);
        break;
    case RF_LOGICAL:
        encode_logicals(walk, field->count);
        break;
    case RF_BITS:
        encode_bits(walk, field->count);
        break;
    case RF_BYTES:
    case RF_TEXT:
        rf_encode_text(field, walk, 0);
        break;
    case RF_NULL:
        encode_nulls(field, walk);
        break;
    default:
        encode_scaled(field, walk);
    }
}

int32_t rf_encode_rows(uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, const int64_t *rows, int64_t nrows,
                       int64_t first, rf_field *fields, int64_t nfields)
{
    if (!rf_rows_fit(raw_nbytes, row_nbytes, rows, nrows))
        return RF_BAD_ROWS;
    if (!rf_fields_fit(fields, nfields, row_nbytes, nrows, first, 0))
        return RF_BAD_FIELD;
    for (int64_t k = 0; k < nfields; k++)
        fields[k].nleft = fields[k].fault = 0;
    int64_t block = rf_block_rows(row_nbytes);
    rf_together *all = NULL;
    if (!rows && nrows * row_nbytes >= RF_TOGETHER_NBYTES)
        all = rf_together_of(fields, nfields, 0);
    for (int64_t begin = 0; begin < nrows; begin += block) {
        int64_t n = nrows - begin < block ? nrows - begin : block, moved = 0, done = begin * row_nbytes;
        if (all)
            moved = rf_together_move(all, raw + done, raw_nbytes - done, row_nbytes, n, first + begin, 0);
        for (int64_t k = 0; k < nfields; k++) {
            rf_field *field = &fields[k];
            int64_t at = begin + (all && rf_is_moved(field) ? moved : 0);
            if (at == begin + n || rf_is_empty(field) || field->fault != RF_OK)
                continue;
            rf_walk walk = {0};
            walk.to = raw + field->offset + (rows ? 0 : at * row_nbytes);
            walk.to_step = row_nbytes;
            walk.to_rows = rows ? rows + at : NULL;
            walk.n = begin + n - at;
            walk.row = at;
            encode_field(field, &walk, first + at);
        }
    }
    rf_together_free(all);
    return RF_DONE;
}
