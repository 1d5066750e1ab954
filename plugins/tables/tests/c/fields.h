/* What both harnesses know of the kinds of fields. Numbers come from harness.h. */
#ifndef RF_TABLES_FIELDS_H
#define RF_TABLES_FIELDS_H

#include "rows.h"

/* Bytes of an element in a row, such as the kind may have. */
static int64_t size_of(int32_t kind)
{
    static const int64_t scaled[] = {1, 2, 4, 8, 4, 8};
    switch (kind) {
    case RF_SWAP:
        return (int64_t)2 << next(3);
    case RF_FLIP:
    case RF_NULL:
    case RF_VALID:
        return (int64_t)1 << next(4);
    case RF_LOGICAL:
    case RF_LOGICAL_BITMAP:
        return 1;
    default:
        return kind >= RF_SCALED_U1 && kind <= RF_SCALED_F8 ? scaled[kind - RF_SCALED_U1] : next(30);
    }
}

static int is_bitmap(int32_t kind)
{
    return kind == RF_VALID || kind == RF_LOGICAL_BITMAP || kind == RF_BITS_BITMAP;
}

static int is_bits(int32_t kind)
{
    return kind == RF_BITS || kind == RF_BITS_BITMAP;
}

static int is_utf8(int32_t kind)
{
    return kind == RF_UTF8_32 || kind == RF_UTF8_64;
}

/* Bytes of an element in memory; 0 if memory has bits, or offsets and text. */
static int64_t element_of(const rf_field *field)
{
    if (is_bitmap(field->kind) || is_utf8(field->kind))
        return 0;
    switch (field->kind) {
    case RF_COPY:
    case RF_SWAP:
    case RF_FLIP:
    case RF_BYTES:
        return field->size;
    case RF_TEXT:
        return 4 * field->size;
    case RF_LOGICAL:
    case RF_BITS:
    case RF_NULL:
    case RF_NULL_TEXT:
        return 1;
    case RF_REAL_32:
        return 4;
    default:
        return 8;
    }
}

#endif
