/* Rows of the file and rows in memory that hold the same numbers side by side, such as those of a structured array: 16
 * bytes at a time, whatever fields they are of, by instructions that bring bytes into any order. */
#include "cells.h"

#include <stdlib.h>

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define RF_SHUFFLES 1
#include <immintrin.h>
#elif defined(__aarch64__) && !RF_BIG_ENDIAN
#define RF_SHUFFLES 2
#include <arm_neon.h>
#else
#define RF_SHUFFLES 0
#endif

enum { WIDE = 16, LARGEST_CELL = 64, LEAST_FIELDS = 4 };

int rf_is_moved(const rf_field *field)
{
    return field->kind <= RF_FLIP && field->size * field->count <= LARGEST_CELL;
}

#if RF_SHUFFLES

typedef struct rf_step {
    uint8_t order[WIDE], flip[WIDE]; /* of bytes of the source, and what changes them */
    int64_t from, to, count, stores; /* count bytes are right of those that are stored */
} rf_step;

struct rf_together {
    uint8_t *memory;
    int64_t stride, memory_nbytes; /* of all fields */
    int64_t reach;                 /* bytes from the start of a row that the steps read */
    int64_t nsteps, nfields;
    rf_step steps[];
};

typedef struct rf_ends {
    int64_t from, to, cell;
} rf_ends;

static int has_shuffles(void)
{
#if RF_SHUFFLES == 1
    return __builtin_cpu_supports("ssse3") != 0;
#else
    return 1;
#endif
}

static rf_ends ends_of(const rf_together *all, const rf_field *field, int decodes)
{
    int64_t inside = field->memory - all->memory;
    rf_ends ends = {decodes ? field->offset : inside, decodes ? inside : field->offset, field->size * field->count};
    return ends;
}

/* Whether fields of rows to be written come one after another, but for nulls, which are put into those before. */
static int in_order(const rf_field *fields, int64_t nfields)
{
    int64_t last = 0;
    for (int64_t k = 0; k < nfields; k++) {
        const rf_field *field = &fields[k];
        if (field->kind == RF_NULL || field->kind == RF_VALID)
            continue;
        if (field->offset < last)
            return 0;
        int bits = field->kind == RF_BITS || field->kind == RF_BITS_BITMAP;
        last = field->offset + (bits ? (field->count + 7) / 8 : field->size * field->count);
    }
    return 1;
}

/* Whether the fields are those of one structure in memory, and none reaches into another or comes out of order. */
static int find_memory(rf_together *all, const rf_field *fields, int64_t nfields, int decodes)
{
    const uint8_t *end = NULL;
    int64_t last = 0;
    all->memory = NULL;
    for (int64_t k = 0; k < nfields; k++)
        if (rf_is_moved(&fields[k]) && !rf_is_empty(&fields[k])) {
            const rf_field *field = &fields[k];
            if (!all->memory || field->memory < all->memory)
                all->memory = field->memory;
            if (!end || field->memory + field->memory_nbytes > end)
                end = field->memory + field->memory_nbytes;
            all->stride = field->stride;
            all->nfields++;
        }
    if (all->nfields < LEAST_FIELDS)
        return 0;
    all->memory_nbytes = end - all->memory;
    for (int64_t k = 0; k < nfields; k++)
        if (rf_is_moved(&fields[k]) && !rf_is_empty(&fields[k])) {
            rf_ends ends = ends_of(all, &fields[k], decodes);
            int64_t inside = decodes ? ends.to : ends.from;
            if (fields[k].stride != all->stride || inside + ends.cell > all->stride || ends.to < last)
                return 0;
            last = ends.to + ends.cell;
        }
    return 1;
}

/* Add an element of some bytes to the last step, or to a new one. */
static void add_element(rf_together *all, const rf_field *field, int64_t from, int64_t to, int64_t size, int decodes)
{
    rf_step *step = all->nsteps ? &all->steps[all->nsteps - 1] : NULL;
    if (!step || step->to + step->count != to || step->count + size > WIDE || from < step->from ||
        from + size - step->from > WIDE) {
        step = &all->steps[all->nsteps++];
        memset(step, 0, sizeof *step);
        step->from = from;
        step->to = to;
    }
    int turns = field->kind != RF_COPY && !RF_BIG_ENDIAN;
    for (int64_t k = 0; k < size; k++)
        step->order[step->count + k] = (uint8_t)(from - step->from + (turns ? size - 1 - k : k));
    if (field->kind == RF_FLIP)
        step->flip[step->count + (decodes && !RF_BIG_ENDIAN ? size - 1 : 0)] = 0x80;
    step->count += size;
    if (step->from + WIDE > all->reach)
        all->reach = step->from + WIDE;
}

/* Bytes that are stored behind those that are right must be those of a later step. What ends a run of steps is stored
 * in pieces of 8, 4, 2 and 1 bytes. */
static void settle_stores(rf_together *all)
{
    int64_t stop = -1; /* of the run */
    rf_step *steps = all->steps;
    for (int64_t k = all->nsteps - 1; k >= 0; k--) {
        if (steps[k].to + steps[k].count != (k + 1 < all->nsteps ? steps[k + 1].to : -1))
            stop = steps[k].to + steps[k].count;
        steps[k].stores = steps[k].to + WIDE <= stop ? WIDE : 0;
    }
}

rf_together *rf_together_of(const rf_field *fields, int64_t nfields, int decodes)
{
    rf_together head = {0}, *all;
    int64_t most = 0;
    if (!has_shuffles() || !(decodes || in_order(fields, nfields)) || !find_memory(&head, fields, nfields, decodes))
        return NULL;
    for (int64_t k = 0; k < nfields; k++)
        if (rf_is_moved(&fields[k]) && !rf_is_empty(&fields[k]))
            most += 2 + fields[k].size * fields[k].count / 8; /* a step holds two elements of a field at the least */
    all = malloc(sizeof *all + (size_t)most * sizeof(rf_step));
    if (!all)
        return NULL;
    *all = head;
    for (int64_t k = 0; k < nfields; k++) {
        const rf_field *field = &fields[k];
        if (!rf_is_moved(field) || rf_is_empty(field))
            continue;
        rf_ends ends = ends_of(all, field, decodes);
        int64_t size = field->kind == RF_COPY ? 1 : field->size;
        for (int64_t at = 0; at < ends.cell; at += size)
            add_element(all, field, ends.from + at, ends.to + at, size, decodes);
    }
    settle_stores(all);
    return all;
}

void rf_together_free(rf_together *all)
{
    free(all);
}

#if RF_SHUFFLES == 1
#define RF_WITH_SHUFFLES __attribute__((target("ssse3")))
#else
#define RF_WITH_SHUFFLES
#endif

/* Store so many bytes of 16, fewer than that or all. */
static void store_some(uint8_t *to, const uint8_t *bytes, int64_t count)
{
    for (int64_t size = WIDE / 2; size; size /= 2)
        if (count & size) {
            memcpy(to, bytes, (size_t)size);
            to += size;
            bytes += size;
        }
}

RF_WITH_SHUFFLES static void move_rows(const rf_together *all, const uint8_t *from, int64_t from_step, uint8_t *to,
                                       int64_t to_step, int64_t nrows)
{
    const rf_step *end = all->steps + all->nsteps;
    uint8_t bytes[WIDE];
    for (int64_t row = 0; row < nrows; row++, from += from_step, to += to_step)
        for (const rf_step *step = all->steps; step < end; step++) {
#if RF_SHUFFLES == 1
            __m128i found = _mm_loadu_si128((const __m128i *)(const void *)(from + step->from));
            found = _mm_shuffle_epi8(found, _mm_loadu_si128((const __m128i *)(const void *)step->order));
            found = _mm_xor_si128(found, _mm_loadu_si128((const __m128i *)(const void *)step->flip));
            if (step->stores)
                _mm_storeu_si128((__m128i *)(void *)(to + step->to), found);
            else {
                _mm_storeu_si128((__m128i *)(void *)bytes, found);
                store_some(to + step->to, bytes, step->count);
            }
#else
            uint8x16_t found = vqtbl1q_u8(vld1q_u8(from + step->from), vld1q_u8(step->order));
            found = veorq_u8(found, vld1q_u8(step->flip));
            if (step->stores)
                vst1q_u8(to + step->to, found);
            else {
                vst1q_u8(bytes, found);
                store_some(to + step->to, bytes, step->count);
            }
#endif
        }
}

int64_t rf_together_move(const rf_together *all, uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, int64_t nrows,
                         int64_t first, int decodes)
{
    uint8_t *memory = all->memory + first * all->stride;
    int64_t there = decodes ? raw_nbytes : all->memory_nbytes - first * all->stride;
    int64_t step = decodes ? row_nbytes : all->stride;
    /* Of the last rows 16 bytes may not be there to be read. */
    int64_t whole = there < all->reach ? 0 : (there - all->reach) / step + 1;
    if (nrows > whole)
        nrows = whole;
    if (decodes)
        move_rows(all, raw, row_nbytes, memory, all->stride, nrows);
    else
        move_rows(all, memory, all->stride, raw, row_nbytes, nrows);
    return nrows;
}

#else

rf_together *rf_together_of(const rf_field *fields, int64_t nfields, int decodes)
{
    (void)fields, (void)nfields, (void)decodes;
    return NULL;
}

void rf_together_free(rf_together *all)
{
    (void)all;
}

int64_t rf_together_move(const rf_together *all, uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, int64_t nrows,
                         int64_t first, int decodes)
{
    (void)all, (void)raw, (void)raw_nbytes, (void)row_nbytes, (void)nrows, (void)first, (void)decodes;
    return 0;
}

#endif
