/* The bits of a tile while it is encoded. */
#ifndef RF_RICE_SINK_H
#define RF_RICE_SINK_H

#include "bits.h"

/* Where the bits go: whole bytes at to, then the lower n < 8 bits of word, above which there may be others. */
typedef struct {
    uint8_t *to;
    uint64_t word;
    uint64_t n;
} sink_t;

/* Append the low nbits of code, 0 <= nbits <= 56; the bits above must be 0. Writes 8 bytes. */
RF_INLINE void put(sink_t *sink, uint64_t code, uint64_t nbits)
{
    sink->word = sink->word << nbits | code;
    sink->n += nbits;
    rf_store64(sink->to, sink->word << 1 << (63 - sink->n));
    sink->to += sink->n >> 3;
    sink->n &= 7;
}

/* The symbols of a chunk of n values, one after the other. */
void rf_rice_write_chunk_bmi2(sink_t *sink, const uint32_t *values, int32_t n, uint32_t fs);

/* Values of a chunk at full width. */
void rf_rice_write_raw(sink_t *sink, int32_t bytepix, const uint32_t *values, int32_t n);

/* Encode whole blocks of 32 pixels, which others come before. */
void rf_rice_write_blocks_avx2(sink_t *sink, int32_t bytepix, const uint8_t *pixels, int64_t nblocks);

#endif
