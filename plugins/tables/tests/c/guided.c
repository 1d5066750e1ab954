/* Gives the kernels of table rows what a fuzzer makes up, as rows; see harness.h. */
#define NAME "tables"
#define RF_GUIDED
#include "harness.h"

#include "fields.h"

static struct {
    int64_t nrows, row_nbytes;
    uint8_t *raw;
    rf_field field;
} it;

/* A field, and rows of nothing else, which are what is left of the input. */
static void make_rows(void)
{
    rf_field *field = &it.field;
    memset(field, 0, sizeof *field);
    field->kind = (int32_t)next(RF_NKINDS);
    field->size = size_of(field->kind);
    field->count = field->kind >= RF_INTEGER ? 1 : next(12);
    field->scale = next(2) ? 1.0 : 0.25;
    field->zero = next(2) ? 0.0 : 32768.0;
    field->null = (int64_t)next(256) - 1;
    field->decimals = next(4) ? 0 : next(1001);
    it.row_nbytes = is_bits(field->kind) ? (field->count + 7) / 8 : field->size * field->count;
    it.row_nbytes = it.row_nbytes ? it.row_nbytes : 1;
    it.nrows = (int64_t)input_nbytes / it.row_nbytes;
    it.nrows = it.nrows < 40 ? it.nrows : 40;
    it.raw = copy_of(input, it.nrows * it.row_nbytes);
}

/* Memory of exactly the size that the rows need. */
static void make_memory(void)
{
    rf_field *field = &it.field;
    int64_t element = element_of(field), n = it.nrows * field->count;
    if (is_utf8(field->kind)) {
        field->memory_nbytes = (n + 1) * (field->kind == RF_UTF8_32 ? 4 : 8);
        field->text_nbytes = n * field->size;
        field->text = room(field->text_nbytes);
    } else {
        field->memory_nbytes = element ? n * element : (n + 7) / 8;
        field->stride = element * field->count;
    }
    field->memory = room(field->memory_nbytes);
    if (field->memory_nbytes)
        memset(field->memory, 0, (size_t)field->memory_nbytes);
    if (field->kind == RF_NULL_TEXT) {
        field->text_nbytes = 4;
        field->text = copy_of("null", 4);
    }
    if (field->kind >= RF_INTEGER && field->kind < RF_NULL_TEXT) {
        field->left_n = it.nrows;
        field->left = room(8 * field->left_n);
    }
}

/* What some kinds of field make of any bytes comes back from them as the same bytes. */
static void encode_again(void)
{
    if (it.field.kind > RF_FLIP && it.field.kind != RF_VALID)
        return;
    int64_t nbytes = it.nrows * it.row_nbytes;
    uint8_t *again = it.field.kind == RF_VALID ? copy_of(it.raw, nbytes) : room(nbytes);
    if (nbytes && it.field.kind != RF_VALID)
        memset(again, 0, (size_t)nbytes);
    if (rf_encode_rows(again, nbytes, it.row_nbytes, NULL, it.nrows, 0, &it.field, 1) != RF_DONE)
        fail("honest numbers are refused");
    if (it.field.size * it.field.count && it.field.fault == RF_OK && !same(again, it.raw, nbytes))
        fail("other bytes come back");
}

static void one_input(void)
{
    static uint64_t powers[2 * RF_NPOWERS];
    for (int k = 0; !powers[0] && k < 2 * RF_NPOWERS; k++) /* any will do: where they are read is what counts */
        powers[2 * RF_NPOWERS - 1 - k] = (uint64_t)k << 32 | (uint64_t)1 << 63;
    make_rows();
    make_memory();
    if (rf_decode_rows(it.raw, it.nrows * it.row_nbytes, it.row_nbytes, NULL, it.nrows, 0, powers, 2 * RF_NPOWERS,
                       &it.field, 1) != RF_DONE)
        fail("honest numbers are refused");
    if (it.field.fault != RF_OK && (it.field.row < 0 || it.field.row >= it.nrows))
        fail("a fault in a row that is not there");
    for (int64_t i = 0; i < it.field.nleft; i++)
        if (it.field.left[i] < (i ? it.field.left[i - 1] + 1 : 0) || it.field.left[i] >= it.nrows)
            fail("rows are left that are not there, or in another order");
    if ((it.field.kind == RF_BYTES || it.field.kind == RF_TEXT) &&
        rf_check_text(it.row_nbytes, it.nrows, 0, &it.field, 1) != RF_DONE)
        fail("text is refused");
    encode_again();
}
