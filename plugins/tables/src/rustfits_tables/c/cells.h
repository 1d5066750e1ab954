/* What the kernels share: bytes, and the walk over the cells of a field. */
#ifndef RF_CELLS_H
#define RF_CELLS_H

#include <stdint.h>
#include <string.h>

#include "rows.h"

#if defined(__GNUC__) || defined(__clang__)
#define RF_INLINE static inline __attribute__((always_inline))
#else
#define RF_INLINE static inline
#endif

#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define RF_BIG_ENDIAN 1
#else
#define RF_BIG_ENDIAN 0
#endif

/* Between the byte order of FITS and that of the machine. */
RF_INLINE uint16_t rf_be16(uint16_t x)
{
    return RF_BIG_ENDIAN ? x : (uint16_t)(x << 8 | x >> 8);
}

RF_INLINE uint32_t rf_be32(uint32_t x)
{
    return RF_BIG_ENDIAN ? x : x << 24 | (x & 0xFF00u) << 8 | (x >> 8 & 0xFF00u) | x >> 24;
}

RF_INLINE uint64_t rf_be64(uint64_t x)
{
    return RF_BIG_ENDIAN ? x : (uint64_t)rf_be32((uint32_t)x) << 32 | rf_be32((uint32_t)(x >> 32));
}

/* Cells have no alignment. */
#define RF_ACCESS(type, name)                                                                                          \
    RF_INLINE type rf_load_##name(const uint8_t *from)                                                                 \
    {                                                                                                                  \
        type value;                                                                                                    \
        memcpy(&value, from, sizeof value);                                                                            \
        return value;                                                                                                  \
    }                                                                                                                  \
    RF_INLINE void rf_store_##name(uint8_t *to, type value)                                                            \
    {                                                                                                                  \
        memcpy(to, &value, sizeof value);                                                                              \
    }
RF_ACCESS(uint8_t, u8)
RF_ACCESS(uint16_t, u16)
RF_ACCESS(uint32_t, u32)
RF_ACCESS(uint64_t, u64)
RF_ACCESS(int64_t, i64)
RF_ACCESS(int32_t, i32)
RF_ACCESS(float, f32)
RF_ACCESS(double, f64)

/* The cells of one field, on their way from rows to memory or back. Only one side is chosen by row numbers. */
typedef struct rf_walk {
    const uint8_t *from;
    uint8_t *to;
    int64_t from_step, to_step;            /* bytes to the next cell */
    const int64_t *from_rows, *to_rows;    /* NULL, or which cells */
    int64_t n;
    int64_t row; /* of the call, of the first cell; for faults */
} rf_walk;

/* Do something with each cell, at `from` and `to`; `i` counts them. The first loop is the common one. */
#define RF_EACH_CELL(walk, ...)                                                                                        \
    do {                                                                                                               \
        const int64_t n_ = (walk)->n, from_step_ = (walk)->from_step, to_step_ = (walk)->to_step;                      \
        const int64_t *from_rows_ = (walk)->from_rows, *to_rows_ = (walk)->to_rows;                                    \
        if (!from_rows_ && !to_rows_) {                                                                                \
            const uint8_t *from = (walk)->from;                                                                        \
            uint8_t *to = (walk)->to;                                                                                  \
            for (int64_t i = 0; i < n_; i++, from += from_step_, to += to_step_) {                                     \
                __VA_ARGS__                                                                                            \
            }                                                                                                          \
        } else {                                                                                                       \
            for (int64_t i = 0; i < n_; i++) {                                                                         \
                const uint8_t *from = (walk)->from + (from_rows_ ? from_rows_[i] : i) * from_step_;                    \
                uint8_t *to = (walk)->to + (to_rows_ ? to_rows_[i] : i) * to_step_;                                    \
                __VA_ARGS__                                                                                            \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

/* Few bytes, as cells have, for which a call would take longer than the copy. */
RF_INLINE void rf_copy(uint8_t *to, const uint8_t *from, int64_t nbytes)
{
    if (nbytes > 64)
        memcpy(to, from, (size_t)nbytes);
    else if (nbytes >= 8) {
        for (int64_t k = 0; k < nbytes - 8; k += 8)
            rf_store_u64(to + k, rf_load_u64(from + k));
        rf_store_u64(to + nbytes - 8, rf_load_u64(from + nbytes - 8));
    } else if (nbytes >= 4) {
        rf_store_u32(to, rf_load_u32(from));
        rf_store_u32(to + nbytes - 4, rf_load_u32(from + nbytes - 4));
    } else
        for (int64_t k = 0; k < nbytes; k++)
            to[k] = from[k];
}

/* Remember the first fault of a field. */
RF_INLINE void rf_say_fault(rf_field *field, int32_t fault, int64_t row, int64_t element, int64_t position, int64_t value)
{
    if (field->fault != RF_OK)
        return;
    field->fault = fault;
    field->row = row;
    field->element = element;
    field->position = position;
    field->value = value;
}

/* Whether cells have no elements, or elements no bytes on both sides. */
RF_INLINE int rf_is_empty(const rf_field *field)
{
    return field->count == 0 || (field->size == 0 && field->kind <= RF_TEXT && field->kind != RF_BITS);
}

/* RF_COPY, RF_SWAP, RF_FLIP. */
void rf_move(const rf_field *field, const rf_walk *walk, int decodes);

/* The same of many fields at once, whose cells lie together in memory as they do in rows: NULL if they do not, or this
 * is nothing for the machine. */
typedef struct rf_together rf_together;
rf_together *rf_together_of(const rf_field *fields, int64_t nfields, int decodes);
void rf_together_free(rf_together *all);

/* Whether a field is among them, if there are any. */
int rf_is_moved(const rf_field *field);

/* Move cells of the first rows; returns of how many. The last may be left. */
int64_t rf_together_move(const rf_together *all, uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, int64_t nrows,
                         int64_t first, int decodes);

/* RF_BYTES, RF_TEXT, RF_UTF8; at is the first element of these cells in memory. */
void rf_decode_text(rf_field *field, const rf_walk *walk, int64_t at);
void rf_encode_text(rf_field *field, const rf_walk *walk, int64_t at);

/* RF_INTEGER, RF_REAL, RF_NULL_TEXT. */
void rf_decode_numbers(rf_field *field, const rf_walk *walk, const uint64_t *powers);

/* Whether all fields lie within rows and memory; overlapping memory is refused if it is to be written. */
int rf_fields_fit(const rf_field *fields, int64_t nfields, int64_t row_nbytes, int64_t nrows, int64_t first, int writes);

/* Whether all rows are there. */
int rf_rows_fit(int64_t raw_nbytes, int64_t row_nbytes, const int64_t *rows, int64_t nrows);

/* Rows of so many bytes are done at a time, so that they and what is made of them stay in the first cache while one
 * field after another is taken from them: with 128 KiB, which stay in the second, 20 columns take half as long again.
 * So many rows at the least, as each field has its start: of long rows the lines that hold one field and the next ones
 * stay in the first cache. With 32 rows 200 columns take twice as long. */
enum { RF_BLOCK_NBYTES = 1 << 13, RF_LEAST_BLOCK = 128 };

/* So many bytes of rows are worth finding out which fields lie together. */
enum { RF_TOGETHER_NBYTES = 1 << 14 };

RF_INLINE int64_t rf_block_rows(int64_t row_nbytes)
{
    int64_t rows = RF_BLOCK_NBYTES / row_nbytes;
    return rows < RF_LEAST_BLOCK ? RF_LEAST_BLOCK : rows;
}

#endif
