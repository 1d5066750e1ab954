/* Reading and writing bits, most significant first. */
#ifndef RF_HCOMPRESS_BITS_H
#define RF_HCOMPRESS_BITS_H

#include <stdint.h>
#include <string.h>

/* Shifts by known steps: compilers make one load or store, and a byte swap, of each of these. */
static inline uint64_t load_big(const uint8_t *bytes)
{
    return (uint64_t)bytes[0] << 56 | (uint64_t)bytes[1] << 48 | (uint64_t)bytes[2] << 40 | (uint64_t)bytes[3] << 32 |
           (uint64_t)bytes[4] << 24 | (uint64_t)bytes[5] << 16 | (uint64_t)bytes[6] << 8 | (uint64_t)bytes[7];
}

static inline uint32_t load_little32(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[0];
}

static inline uint64_t load_little(const uint8_t *bytes)
{
    return (uint64_t)load_little32(bytes + 4) << 32 | load_little32(bytes);
}

static inline void store_big(uint8_t *bytes, uint64_t x)
{
    bytes[0] = (uint8_t)(x >> 56);
    bytes[1] = (uint8_t)(x >> 48);
    bytes[2] = (uint8_t)(x >> 40);
    bytes[3] = (uint8_t)(x >> 32);
    bytes[4] = (uint8_t)(x >> 24);
    bytes[5] = (uint8_t)(x >> 16);
    bytes[6] = (uint8_t)(x >> 8);
    bytes[7] = (uint8_t)x;
}

static inline void store_little32(uint8_t *bytes, uint32_t x)
{
    bytes[3] = (uint8_t)(x >> 24);
    bytes[2] = (uint8_t)(x >> 16);
    bytes[1] = (uint8_t)(x >> 8);
    bytes[0] = (uint8_t)x;
}

static inline void store_little(uint8_t *bytes, uint64_t x)
{
    store_little32(bytes, (uint32_t)x);
    store_little32(bytes + 4, (uint32_t)(x >> 32));
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

/* Take n bits to bytes. Up to seven bytes after them are overwritten. */
static inline void take_bytes(struct reader *in, uint8_t *bytes, int64_t n)
{
    int64_t first = in->at, stop = in->at + n;
    int shift = (int)(first & 7);
    for (; in->at < stop && (in->at >> 3) + 9 <= in->nbits >> 3; in->at += 64, bytes += 8) {
        const uint8_t *from = in->data + (in->at >> 3);
        store_big(bytes, load_big(from) << shift | from[8] >> (8 - shift));
    }
    for (; in->at < stop; in->at += 56, bytes += 7)
        store_big(bytes, peek(in));
    in->at = stop;
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

/* Put the first n bits of bytes, of which whole words of eight are read. */
static inline void put_bytes(struct writer *out, const uint8_t *bytes, int64_t n)
{
    for (; n >= 64; n -= 64, bytes += 8, out->next += 8) {
        uint64_t word = load_big(bytes);
        store_big(out->next, out->window | word >> out->nbits);
        out->window = word << 1 << (63 - out->nbits);
    }
    for (; n > 0; n -= 32, bytes += 4)
        put(out, load_big(bytes) >> 32 >> (n < 32 ? 32 - n : 0), (int)(n < 32 ? n : 32));
}

/* Fill the last byte with zeros. */
static inline void flush(struct writer *out)
{
    put(out, 0, -out->nbits & 7);
}

#endif
