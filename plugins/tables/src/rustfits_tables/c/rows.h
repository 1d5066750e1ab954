/* Fields of table rows, turned into arrays and back (FITS 4.0, sections 7.2 and 7.3).
 *
 * A call takes rows as they lie in the file, back to back, and does any number of fields at once, each with memory of
 * its own: a field of a structured array, an array by itself, or a buffer of Arrow. What a field means does not change
 * from call to call: the caller fills in an array of rf_field once, and gives each thread its copy. */
#ifndef RF_ROWS_H
#define RF_ROWS_H

#include <stdint.h>

/* What the elements of a cell are in a row, and in memory, where numbers have the byte order of the machine. */
enum {
    RF_COPY,      /* size bytes; the same */
    RF_SWAP,      /* big-endian of 2, 4 or 8 bytes */
    RF_FLIP,      /* big-endian of 1, 2, 4 or 8 bytes, and the highest bit another (table 19) */
    RF_LOGICAL,   /* 'T', and anything else; one byte, 1 and 0. Writes 'F' */
    RF_BITS,      /* bits, the highest of a byte first; one byte each, 1 and 0. Writes 0 behind the last */
    RF_BYTES,     /* a string of size bytes; the same without what follows a NUL, and blanks at the end, NUL instead */
    RF_TEXT,      /* the same; code points of 32 bits */
    RF_SCALED_U1, /* stored numbers; scale * stored + zero as doubles */
    RF_SCALED_I2,
    RF_SCALED_I4,
    RF_SCALED_I8,
    RF_SCALED_F4,
    RF_SCALED_F8,
    RF_NULL,           /* integers of size bytes; one byte, whether they are null. Writes null, where that is so */
    RF_VALID,          /* likewise; a bitmap of those that are not null */
    RF_LOGICAL_BITMAP, /* as RF_LOGICAL; a bitmap */
    RF_BITS_BITMAP,    /* as RF_BITS; a bitmap */
    RF_UTF8_32,        /* as RF_BYTES; offsets of 32 bits into text, where strings lie back to back, then anything */
    RF_UTF8_64,        /* offsets of 64 bits */
    RF_INTEGER,        /* size characters of a decimal integer; 64 bits. Is decoded only, as what follows is */
    RF_REAL_32,        /* size characters of a decimal number; rounded to the nearest float */
    RF_REAL_64,
    RF_NULL_TEXT, /* size characters; one byte, whether they are those of text but for blanks around them */
    RF_NKINDS
};

/* What is wrong with a value. */
enum {
    RF_OK,
    RF_FOREIGN,    /* a byte or code point, `value`, that is not ASCII, at `position` */
    RF_NO_ROOM,    /* text has no room for the string */
    RF_TOO_LONG,   /* `value` bytes of text, more than there are in a cell */
    RF_OFFSETS,    /* offsets that descend, or lie outside of text */
    RF_NOT_FINITE, /* a float that no integer stands for */
    RF_RANGE       /* a number beyond the range of the stored ones */
};

/* Why nothing was done at all; else RF_DONE. */
enum { RF_DONE, RF_BAD_ROWS, RF_BAD_FIELD };

typedef struct rf_field {
    int32_t kind;
    int64_t offset; /* of the cell in a row */
    int64_t size;   /* bytes of an element in a row; 1 for logicals; not used for bits */
    int64_t count;  /* elements of a cell; 1 for RF_INTEGER and what follows */

    /* Memory of the elements, of row `first` of a call at first * stride. The elements of a cell lie together. Bitmaps
     * begin with the lowest bit of a byte and have no gaps: of row r and element k it is bit r * count + k, and offsets
     * likewise, one more of them than strings. stride is not used for those two. */
    uint8_t *memory;
    int64_t memory_nbytes;
    int64_t stride;

    double scale, zero;
    int64_t null;
    int64_t decimals; /* digits after a decimal point that is not written, from 0 to 1000 */
    uint8_t *text;
    int64_t text_nbytes;

    /* [left_n] rows of this call, from 0, whose numbers it could not read; they are left as they were. For kinds from
     * RF_INTEGER to RF_REAL_64, with room for all rows. */
    int64_t *left;
    int64_t left_n;

    /* Filled in by each call. */
    int64_t nleft;
    int32_t fault;                           /* RF_OK, or what is wrong with the first value that has a fault */
    int64_t row, element, position, value;   /* where; row is one of this call, from 0 */
} rf_field;

/* Powers of five for RF_REAL_32 and RF_REAL_64: of each exponent from RF_LEAST_POWER on the highest 128 bits, the upper
 * half first; not rounded for positive exponents, rounded up for negative ones. */
enum { RF_LEAST_POWER = -342, RF_NPOWERS = 651 };

/* Turn fields of rows into the elements in memory.
 * raw, raw_nbytes    the rows, back to back, of row_nbytes each
 * rows               [nrows] which of them to do; NULL for the first nrows
 * first              row of every field's memory where the first of them goes
 * powers, powers_n   as said above, 2 * RF_NPOWERS of them; may be NULL where no field asks for them
 *
 * Nothing is read or written, and RF_BAD_ROWS or RF_BAD_FIELD returned, if a row or a field lies outside of what it
 * belongs to. A field with a fault leaves its memory unspecified, and the others whole. Only bits and bytes of these
 * rows are written, but for offsets, of which there is one more. Threads may do different rows of the same memory at
 * once, as long as no byte of a bitmap is shared; strings of RF_UTF8 are done row after row, as the text of one begins
 * where that of the row before ended: its offset is there already. */
int32_t rf_decode_rows(const uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, const int64_t *rows, int64_t nrows,
                       int64_t first, const uint64_t *powers, int64_t powers_n, rf_field *fields, int64_t nfields);

/* Turn elements in memory into fields of rows; other bytes of the rows stay. The same, the other way. Fields are done
 * in their order, so that nulls come after the numbers that they replace. Here stride may be 0. A field with a fault
 * leaves its bytes in the rows unspecified. */
int32_t rf_encode_rows(uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, const int64_t *rows, int64_t nrows,
                       int64_t first, rf_field *fields, int64_t nfields);

/* Find characters that no string of FITS may hold, others than those from 32 to 126 and NULs behind them, in fields of
 * RF_BYTES and RF_TEXT: RF_FOREIGN is their fault then. Fields of other kinds are not looked at. */
int32_t rf_check_text(int64_t row_nbytes, int64_t nrows, int64_t first, rf_field *fields, int64_t nfields);

#endif
