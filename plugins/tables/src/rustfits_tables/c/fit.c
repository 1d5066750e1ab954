/* Every number of a call is looked at before a byte is: rows, fields and lengths may come from a file. */
#include "cells.h"

/* Bytes of an element in memory; 0 for bitmaps and offsets. */
static int64_t memory_size(const rf_field *field)
{
    switch (field->kind) {
    case RF_COPY:
    case RF_SWAP:
    case RF_FLIP:
    case RF_BYTES:
        return field->size;
    case RF_TEXT:
        return field->size * 4;
    case RF_LOGICAL:
    case RF_BITS:
    case RF_NULL:
    case RF_NULL_TEXT:
        return 1;
    case RF_REAL_32:
        return 4;
    case RF_VALID:
    case RF_LOGICAL_BITMAP:
    case RF_BITS_BITMAP:
    case RF_UTF8_32:
    case RF_UTF8_64:
        return 0;
    default:
        return 8;
    }
}

static int size_is_known(const rf_field *field)
{
    int64_t size = field->size;
    switch (field->kind) {
    case RF_SWAP:
        return size == 2 || size == 4 || size == 8;
    case RF_FLIP:
    case RF_NULL:
    case RF_VALID:
        return size == 1 || size == 2 || size == 4 || size == 8;
    case RF_LOGICAL:
    case RF_LOGICAL_BITMAP:
    case RF_SCALED_U1:
        return size == 1;
    case RF_SCALED_I2:
        return size == 2;
    case RF_SCALED_I4:
    case RF_SCALED_F4:
        return size == 4;
    case RF_SCALED_I8:
    case RF_SCALED_F8:
        return size == 8;
    default:
        return size >= 0 && size <= INT64_MAX / 4;
    }
}

static int cell_fits(const rf_field *field, int64_t row_nbytes)
{
    if (field->offset < 0 || field->offset > row_nbytes || field->count < 0)
        return 0;
    int64_t room = row_nbytes - field->offset;
    if (field->kind == RF_BITS || field->kind == RF_BITS_BITMAP)
        return room > INT64_MAX / 8 || field->count <= room * 8;
    return field->size == 0 || field->count <= room / field->size;
}

/* Whether memory has room for `all` rows, of which the first may be behind its start. */
static int memory_fits(const rf_field *field, int64_t all, int writes)
{
    int64_t nbytes = field->memory_nbytes, count = field->count;
    if (all == 0)
        return 1;
    switch (field->kind) {
    case RF_VALID:
    case RF_LOGICAL_BITMAP:
    case RF_BITS_BITMAP:
        return count == 0 || all / 8 < nbytes / count || (all <= INT64_MAX / count && all * count - 1 < nbytes * 8);
    case RF_UTF8_32:
    case RF_UTF8_64:
        nbytes = nbytes / (field->kind == RF_UTF8_32 ? 4 : 8) - 1;
        return nbytes >= 0 && (count == 0 || all <= nbytes / count) && field->text_nbytes >= 0;
    default:
        break;
    }
    int64_t size = memory_size(field);
    if (size > 0 && count > nbytes / size)
        return 0;
    int64_t cell = size * count;
    if (field->stride < (writes && all > 1 ? cell : 0))
        return 0;
    return cell == 0 || field->stride == 0 || all - 1 <= (nbytes - cell) / field->stride;
}

int rf_fields_fit(const rf_field *fields, int64_t nfields, int64_t row_nbytes, int64_t nrows, int64_t first, int writes)
{
    if (first < 0 || first > INT64_MAX - nrows)
        return 0;
    for (int64_t k = 0; k < nfields; k++) {
        const rf_field *field = &fields[k];
        if (field->kind < 0 || field->kind >= RF_NKINDS || field->memory_nbytes < 0 ||
            field->memory_nbytes > INT64_MAX / 8 || !size_is_known(field) || !cell_fits(field, row_nbytes) ||
            !memory_fits(field, first + nrows, writes))
            return 0;
        if (field->kind < RF_INTEGER)
            continue;
        if (!writes || field->count != 1 || field->decimals < 0 || field->decimals > 1000 || field->text_nbytes < 0)
            return 0;
        if (field->kind != RF_NULL_TEXT && field->left_n < nrows)
            return 0;
    }
    return 1;
}

int rf_rows_fit(int64_t raw_nbytes, int64_t row_nbytes, const int64_t *rows, int64_t nrows)
{
    if (row_nbytes <= 0 || raw_nbytes < 0 || nrows < 0)
        return 0;
    int64_t all = raw_nbytes / row_nbytes;
    if (!rows)
        return nrows <= all;
    int fits = 1;
    for (int64_t i = 0; i < nrows; i++)
        fits &= rows[i] >= 0 && rows[i] < all;
    return fits;
}
