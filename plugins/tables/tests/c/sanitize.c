/* Feeds the kernels of table rows with honest and with hostile numbers; see harness.h and README.md. */
#define NAME "tables"
#include "harness.h"

#include "fields.h"

enum { MOST_FIELDS = 9, MOST_ROWS = 300 };

/* The rows and fields of one round. */
static struct {
    int64_t row_nbytes, nrows, nraw, first; /* nrows are done, of nraw there are */
    int64_t nfields;
    int writes, together; /* together: numbers are those of one structure in memory */
    rf_field fields[MOST_FIELDS];
    int64_t *rows;
    uint8_t *raw;
    uint64_t *powers;
    int64_t powers_n;
} it;

/* Bytes that mean something to every kind. */
static void fill(uint8_t *bytes, int64_t nbytes)
{
    static const char letters[] = "  \0\0TFabc0123456789+-.EDed \x80";
    int kind = (int)next(3);
    for (int64_t k = 0; k < nbytes; k++)
        bytes[k] = kind == 0 ? (uint8_t)next(256) : kind == 1 ? (uint8_t)letters[next(sizeof letters)] : ' ' + next(24);
}

/* Offsets for strings to be written, or the first one for those to be read. */
static void fill_offsets(rf_field *field, int64_t n)
{
    int64_t at = 0, width = field->kind == RF_UTF8_32 ? 4 : 8;
    for (int64_t k = 0; k <= n; k++) {
        int64_t shown = next(200) == 0 ? next_extreme() : at;
        int32_t narrow = (int32_t)(uint32_t)(uint64_t)shown;
        memcpy(field->memory + width * k, width == 4 ? (void *)&narrow : (void *)&shown, (size_t)width);
        if (!it.writes)
            at += next((uint32_t)field->size + 2 - (next(30) > 0));
    }
}

/* Memory of exactly the size that all rows need. */
static void make_memory(rf_field *field)
{
    int64_t all = it.first + it.nrows, cell = element_of(field) * field->count;
    if (is_bitmap(field->kind))
        field->memory_nbytes = (all * field->count + 7) / 8;
    else if (is_utf8(field->kind))
        field->memory_nbytes = (all * field->count + 1) * (field->kind == RF_UTF8_32 ? 4 : 8);
    else {
        field->stride = cell + (next(2) ? next(20) : 0);
        if (!it.writes && next(8) == 0)
            field->stride = 0;
        field->memory_nbytes = all == 0 ? 0 : (all - 1) * field->stride + cell;
    }
    field->memory = room(field->memory_nbytes);
    fill(field->memory, field->memory_nbytes);
    if (is_utf8(field->kind)) {
        field->text_nbytes = all * field->count * field->size;
        if (next(4) == 0)
            field->text_nbytes = next((uint32_t)field->text_nbytes + 1);
        field->text = room(field->text_nbytes);
        fill(field->text, field->text_nbytes);
        fill_offsets(field, all * field->count);
    } else if (field->kind >= RF_INTEGER && next(2)) {
        field->text_nbytes = next(5);
        field->text = room(field->text_nbytes);
        fill(field->text, field->text_nbytes);
    }
    if (field->kind >= RF_INTEGER && field->kind < RF_NULL_TEXT) {
        field->left_n = it.nrows;
        field->left = room(8 * field->left_n);
    }
}

/* Memory of all numbers: their cells in their order, with gaps between some. */
static void make_structure(void)
{
    int64_t all = it.first + it.nrows, inside = 0, stop = 0, at[MOST_FIELDS];
    for (int64_t k = 0; k < it.nfields; k++)
        if (it.fields[k].kind <= RF_FLIP) {
            at[k] = inside;
            stop = inside + it.fields[k].size * it.fields[k].count;
            inside = stop + (next(3) ? 0 : next(5));
        }
    int64_t stride = stop + next(4);
    uint8_t *memory = room(all == 0 ? 0 : (all - 1) * stride + stop);
    fill(memory, all == 0 ? 0 : (all - 1) * stride + stop);
    for (int64_t k = 0; k < it.nfields; k++)
        if (it.fields[k].kind <= RF_FLIP) {
            rf_field *field = &it.fields[k];
            field->memory = all && at[k] ? memory + at[k] : memory; /* which may be NULL, of no bytes */
            field->stride = stride;
            field->memory_nbytes = all == 0 ? 0 : (all - 1) * stride + field->size * field->count;
        }
}

static void make_fields(void)
{
    it.together = next(4) == 0;
    it.nfields = it.together ? MOST_FIELDS : next(MOST_FIELDS + 1);
    int64_t offset = next(4);
    for (int64_t k = 0; k < it.nfields; k++) {
        rf_field *field = &it.fields[k];
        memset(field, 0, sizeof *field);
        field->kind = (int32_t)next(it.together && next(5) ? RF_FLIP + 1 : it.writes ? RF_NKINDS : RF_INTEGER);
        field->size = size_of(field->kind);
        field->count = field->kind >= RF_INTEGER || next(2) ? 1 : next(40);
        field->offset = offset;
        field->scale = next(4) ? 0.5 : (double)(int64_t)next64() * (next(2) ? 1e300 : 1e-300);
        field->zero = next(2) ? 0.0 : (double)(int64_t)next64();
        field->null = next(2) ? next(3) : next_extreme();
        field->decimals = next(4) ? next(8) : next(1001);
        offset += (is_bits(field->kind) ? (field->count + 7) / 8 : field->size * field->count) + next(3);
    }
    it.row_nbytes = offset > 0 ? offset : 1;
}

static void make_rows(void)
{
    it.nraw = it.together ? MOST_ROWS : next(next(4) ? 20 : MOST_ROWS);
    it.nrows = it.nraw;
    it.first = next(3) ? 0 : next(20);
    it.rows = NULL;
    if (it.nraw && next(3) == 0) {
        it.nrows = next(MOST_ROWS);
        it.rows = room(8 * it.nrows);
        for (int64_t k = 0; k < it.nrows; k++)
            it.rows[k] = next((uint32_t)it.nraw);
    }
    it.raw = room(it.nraw * it.row_nbytes);
    fill(it.raw, it.nraw * it.row_nbytes);
    it.powers_n = 2 * RF_NPOWERS;
    it.powers = room(8 * it.powers_n);
    for (int64_t k = 0; k < it.powers_n; k++)
        it.powers[k] = next64() | (uint64_t)(k % 2 == 0) << 63;
}

static int32_t run(rf_field *fields)
{
    if (!it.writes && next(4) == 0)
        return rf_check_text(it.row_nbytes, it.nrows, it.first, fields, it.nfields);
    if (it.writes)
        return rf_decode_rows(it.raw, it.nraw * it.row_nbytes, it.row_nbytes, it.rows, it.nrows, it.first, it.powers,
                              it.powers_n, fields, it.nfields);
    return rf_encode_rows(it.raw, it.nraw * it.row_nbytes, it.row_nbytes, it.rows, it.nrows, it.first, fields,
                          it.nfields);
}

static void look_at(const rf_field *fields)
{
    for (int64_t k = 0; k < it.nfields; k++) {
        if (fields[k].fault != RF_OK && (fields[k].row < 0 || fields[k].row >= it.nrows))
            fail("a fault in a row that is not there");
        for (int64_t i = 0; i < fields[k].nleft; i++)
            if (fields[k].left[i] < (i ? fields[k].left[i - 1] + 1 : 0) || fields[k].left[i] >= it.nrows)
                fail("rows are left that are not there, or in another order");
    }
}

/* Spoil one number of the call, or of a field. */
static void spoil(rf_field *field)
{
    int64_t *numbers[] = {&field->offset,      &field->size,   &field->count,       &field->memory_nbytes,
                          &field->stride,      &field->decimals, &field->text_nbytes, &field->left_n,
                          &it.row_nbytes, &it.nrows,      &it.first};
    uint32_t which = next(sizeof numbers / sizeof *numbers + 2);
    if (which == 0 && it.rows && it.nrows > 0)
        it.rows[next((uint32_t)it.nrows)] = next_extreme();
    else if (which == 1)
        field->kind = (int32_t)next_extreme();
    else if (which >= 2) {
        int64_t *number = numbers[which - 2], honest = *number;
        int is_length = number == &field->memory_nbytes || number == &field->text_nbytes || number == &field->left_n;
        *number = next(2) ? next_extreme() : honest + (int64_t)next(5) - 2;
        /* The caller's word for how much memory there is, and how many rows, is all that a kernel can go by. */
        if ((is_length || (number == &it.nrows && it.rows)) && *number > honest)
            *number = honest;
        if (number == &it.row_nbytes && (*number <= 0 || it.nraw > honest * it.nraw / *number))
            it.nraw = 0;
        else if (number == &it.row_nbytes)
            it.nraw = *number == 0 ? 0 : honest * it.nraw / *number;
    }
}

static void one_round(void)
{
    it.writes = (int)next(2);
    make_fields();
    make_rows();
    for (int64_t k = 0; k < it.nfields; k++)
        if (!it.together || it.fields[k].kind > RF_FLIP)
            make_memory(&it.fields[k]);
    if (it.together)
        make_structure();
    rf_field fields[MOST_FIELDS];
    memcpy(fields, it.fields, sizeof fields);
    if (run(fields) != RF_DONE)
        fail("honest numbers are refused");
    look_at(fields);
    for (int tries = 0; it.nfields && tries < 4; tries++) {
        int64_t kept[] = {it.row_nbytes, it.nrows, it.nraw, it.first};
        memcpy(fields, it.fields, sizeof fields);
        spoil(&fields[next((uint32_t)it.nfields)]);
        if (run(fields) == RF_DONE)
            look_at(fields);
        it.row_nbytes = kept[0], it.nrows = kept[1], it.nraw = kept[2], it.first = kept[3];
        for (int64_t k = 0; it.rows && k < it.nrows; k++)
            it.rows[k] = next((uint32_t)it.nraw);
    }
}

static void fixed_cases(void)
{
    /* No rows and no fields, so no addresses. */
    if (rf_decode_rows(NULL, 0, 1, NULL, 0, 0, NULL, 0, NULL, 0) != RF_DONE ||
        rf_encode_rows(NULL, 0, 1, NULL, 0, 0, NULL, 0) != RF_DONE)
        fail("nothing to do is refused");
    if (rf_decode_rows(NULL, 0, 0, NULL, 0, 0, NULL, 0, NULL, 0) != RF_BAD_ROWS)
        fail("rows of no bytes are there");
    /* Any number of strings of no bytes is nothing to walk over. */
    rf_field field = {.kind = RF_TEXT, .count = INT64_MAX};
    uint8_t byte = 0;
    if (rf_decode_rows(&byte, 1, 1, NULL, 1, 0, NULL, 0, &field, 1) != RF_DONE)
        fail("strings of no bytes are refused");
}

static void say_kernels(void)
{
    printf("both directions\n");
}
