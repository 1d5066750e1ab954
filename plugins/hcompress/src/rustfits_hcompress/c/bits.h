/* Reading and writing bits, most significant first. */
#ifndef RF_HCOMPRESS_BITS_H
#define RF_HCOMPRESS_BITS_H

#include <stdint.h>
#include <string.h>

static inline uint64_t swap64(uint64_t x)
{
    x = (x & 0x00FF00FF00FF00FFu) << 8 | (x >> 8 & 0x00FF00FF00FF00FFu);
    x = (x & 0x0000FFFF0000FFFFu) << 16 | (x >> 16 & 0x0000FFFF0000FFFFu);
    return x << 32 | x >> 32;
}

static inline uint64_t load_big(const uint8_t *bytes)
{
    uint64_t x = 0;
    for (int k = 0; k < 8; k++) /* compilers make one load of it */
        x = x << 8 | bytes[k];
    return x;
}

static inline void store_big(uint8_t *bytes, uint64_t x)
{
    for (int k = 0; k < 8; k++)
        bytes[k] = (uint8_t)(x >> (56 - 8 * k));
}

/* A place in a stream, counted in bits; past the end zeros are read. */
struct reader {
    const uint8_t *data;
    int64_t at, nbits;
};

/* The next 57 bits at least, at the top of the word. */
static inline uint64_t peek(const struct reader *in)
{
    int64_t byte = in->at >> 3;
    if (byte + 8 <= in->nbits >> 3)
        return load_big(in->data + byte) << (in->at & 7);
    uint8_t tail[8] = {0};
    for (int k = 0; byte + k < in->nbits >> 3 && k < 8; k++)
        tail[k] = in->data[byte + k];
    return load_big(tail) << (in->at & 7);
}

/* Take n bits, 1 to 32. */
static inline uint32_t take(struct reader *in, int n)
{
    uint32_t bits = (uint32_t)(peek(in) >> (64 - n));
    in->at += n;
    return bits;
}

/* Whether bits were taken that the stream does not have. */
static inline int is_cut(const struct reader *in)
{
    return in->at > in->nbits;
}

/* Bits on their way to bytes; eight bytes beyond `next` are always there to write to, as the bound of a tile says. */
struct writer {
    uint8_t *next;
    uint64_t window; /* waiting bits at the top */
    int nbits;       /* of them; below 8 between calls */
};

/* Put the low n bits of `bits`, 0 to 56; those above them are 0. */
static inline void put(struct writer *out, uint64_t bits, int n)
{
    out->window |= bits << 1 << (63 - out->nbits - n);
    out->nbits += n;
    store_big(out->next, out->window);
    out->next += out->nbits >> 3;
    out->window <<= out->nbits & ~7;
    out->nbits &= 7;
}

/* Fill the last byte with zeros. */
static inline void flush(struct writer *out)
{
    put(out, 0, -out->nbits & 7);
}

#endif
