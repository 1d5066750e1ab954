/* One tile while it is decoded, and the steps of decoding a chunk of it. */
#ifndef RF_RICE_STREAM_H
#define RF_RICE_STREAM_H

#include "bits.h"
#include "rice.h"

/* Between two checks a chunk is read, whose symbols take at most 64 bits each (longer ones check by themselves), and
 * a word is read 8 bytes at a time: so far a read may go past the position that was checked. */
#define REACH (8 * RF_CHUNK + 16)

/* Tiles that the widest kernel decodes side by side. */
#define RF_LANES 16

/* The end of the data, with room to read past it. */
typedef struct {
    uint8_t bytes[2 * REACH];
    int64_t start; /* of bytes[0], in the data */
} tail_t;

/* One tile while it is decoded; positions are bits from base. pos never goes back, so that what is read is never before
 * base. end may be before it: of a tile that ends early, when settle has moved base behind that end. */
typedef struct {
    const uint8_t *base;
    int64_t pos;
    int64_t end;
    int64_t safe; /* up to here REACH bytes can be read */
    const tail_t *tail;
    int64_t tail_pos; /* bits from base to the tail's first byte */
    int64_t left;     /* pixels still to be decoded */
    uint32_t last;    /* the pixel before them */
    uint8_t *out;     /* where they go */
    int32_t *status;
    int64_t rest;   /* pixels behind those left, from the next mark on */
    uint64_t *mark; /* the next one; not used if there is no rest */
} stream_t;

/* Bits from pos on: at least 57, then some that are not to be trusted. */
RF_INLINE uint64_t window(const uint8_t *base, int64_t pos)
{
    return rf_load64(base + (pos >> 3)) << (pos & 7);
}

/* Symbols that are taken from one window: as many as nearly always fit its 57 bits. A symbol has fs + 1 bits below its
 * zeros; raw blocks and blocks of zeros have no fs, and for them it is the bits of a whole symbol less one. */
RF_INLINE int32_t symbols_a_window(int32_t fs)
{
    return fs < 4 ? 8 : fs < 6 ? 6 : fs < 8 ? 5 : fs < 11 ? 4 : fs < 15 ? 3 : 2;
}

/* The difference that was mapped to a value. */
RF_INLINE uint32_t unmap(uint32_t value)
{
    return value >> 1 ^ (0u - (value & 1));
}

/* Go on in the copy of the data's end when the data itself could be overrun. */
RF_INLINE void settle(stream_t *stream)
{
    if (RF_UNLIKELY(stream->pos > stream->safe)) {
        stream->base = stream->tail->bytes;
        stream->pos -= stream->tail_pos;
        stream->end -= stream->tail_pos;
        stream->safe = INT64_MAX;
    }
}

/* The bit that base begins with, from the beginning of memory. */
RF_INLINE int64_t rf_first_bit(const stream_t *stream)
{
    return 8 * (int64_t)(uintptr_t)stream->base;
}

/* Up to here nothing needs to be settled, and the tile has not ended. */
RF_INLINE int64_t rf_limit(const stream_t *stream)
{
    return stream->end < stream->safe ? stream->end : stream->safe;
}

/* End a tile, with its first fault. */
RF_INLINE void stop(stream_t *stream, int32_t fault)
{
    *stream->status = fault;
    stream->left = stream->rest = 0;
}

/* The work on blocks of up to RF_CHUNK pixels; one set for each variant. decode_one goes on until the stream ends or
 * has a block of another form; the others decode one block of four streams. */
typedef struct {
    void (*decode_one)(stream_t *stream, int32_t bytepix, int32_t block);
    void (*read_four)(stream_t *const streams[4], const uint32_t fs[4], int32_t n, uint32_t *values);
    void (*put_four)(stream_t streams[4], int32_t bytepix, const uint32_t *values, int32_t n);
} kernel_t;

void rf_rice_decode_one_portable(stream_t *stream, int32_t bytepix, int32_t block);
void rf_rice_read_four_portable(stream_t *const streams[4], const uint32_t fs[4], int32_t n, uint32_t *values);
void rf_rice_put_four_portable(stream_t streams[4], int32_t bytepix, const uint32_t *values, int32_t n);
#if RF_X86
void rf_rice_decode_one_bmi2(stream_t *stream, int32_t bytepix, int32_t block);
void rf_rice_read_four_bmi2(stream_t *const streams[4], const uint32_t fs[4], int32_t n, uint32_t *values);
void rf_rice_put_four_sse2(stream_t streams[4], int32_t bytepix, const uint32_t *values, int32_t n);

/* Decode whole blocks of up to sixteen streams, side by side, until one of them has none or has ended. */
void rf_rice_decode_lanes_avx512(stream_t *streams, int32_t nlanes, int32_t bytepix, int32_t block);
#endif

/* Read one symbol of any length. A stream that has ended stays where it is, and gives 0. */
uint32_t rf_rice_read_symbol(stream_t *stream, uint32_t fs);

/* Decode n pixels behind their code, with a look at every symbol. */
void rf_rice_decode_singly(stream_t *stream, int32_t bytepix, uint32_t fs, int32_t n);

/* Read n values at full width into every stride-th place. */
void rf_rice_read_raw(stream_t *stream, int32_t bytepix, int32_t n, uint32_t *values, int32_t stride);

/* Turn values, which it spoils, into the stream's next n pixels. */
void rf_rice_put_one(stream_t *stream, int32_t bytepix, uint32_t *values, int32_t n);

#endif
