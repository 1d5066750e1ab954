/* Reading and writing bits, most significant first, and the Huffman code of quadtree nybbles. */
#ifndef RF_HCOMPRESS_BITS_H
#define RF_HCOMPRESS_BITS_H

#include <stdint.h>

/* Bits not yet taken stand at the top of `window`; past the end zeros are read and counted in `lacking`. */
struct reader {
    const uint8_t *next, *stop;
    uint64_t window;
    int nbits;
    int64_t lacking;
};

static inline void refill(struct reader *in)
{
    while (in->nbits <= 56) {
        uint64_t byte = 0;
        if (in->next < in->stop)
            byte = *in->next++;
        else
            in->lacking += 8;
        in->window |= byte << (56 - in->nbits);
        in->nbits += 8;
    }
}

/* Take n bits, 1 to 32. */
static inline uint32_t take(struct reader *in, int n)
{
    if (in->nbits < n)
        refill(in);
    uint32_t bits = (uint32_t)(in->window >> (64 - n));
    in->window <<= n;
    in->nbits -= n;
    return bits;
}

/* Whether bits were taken that the stream does not have. */
static inline int is_cut(const struct reader *in)
{
    return in->lacking > in->nbits;
}

/* The byte after the one that the last bit taken is in. */
static inline const uint8_t *next_byte(const struct reader *in)
{
    return in->next - (in->nbits - in->lacking) / 8;
}

struct writer {
    uint8_t *next, *stop; /* what does not fit is dropped and `full` is set */
    uint64_t window;      /* the low nbits are waiting */
    int nbits, full;
};

static inline void put_byte(struct writer *out, uint8_t byte)
{
    if (out->next < out->stop)
        *out->next++ = byte;
    else
        out->full = 1;
}

/* Put the low n bits, 1 to 32. */
static inline void put(struct writer *out, uint32_t bits, int n)
{
    out->window = out->window << n | (bits & (0xFFFFFFFFu >> (32 - n)));
    out->nbits += n;
    while (out->nbits >= 8) {
        out->nbits -= 8;
        put_byte(out, (uint8_t)(out->window >> out->nbits));
    }
}

/* Fill the last byte with zeros. */
static inline void flush(struct writer *out)
{
    if (out->nbits)
        put(out, 0, 8 - out->nbits);
}

/* Code and length for each nybble; a nybble says which pixels of a 2 x 2 block are set, 8 4 over 2 1. */
static const uint8_t HUFFMAN_CODE[16] = {0x3e, 0x00, 0x01, 0x08, 0x02, 0x09, 0x1a, 0x1b,
                                         0x03, 0x1c, 0x0a, 0x1d, 0x0b, 0x1e, 0x3f, 0x0c};
static const uint8_t HUFFMAN_LENGTH[16] = {6, 3, 3, 4, 3, 4, 5, 5, 3, 5, 4, 5, 4, 5, 6, 4};

/* For the next six bits, whatever they are: nybble << 4 | length of its code. */
static const uint8_t HUFFMAN_TABLE[64] = {
    0x13, 0x13, 0x13, 0x13, 0x13, 0x13, 0x13, 0x13, 0x23, 0x23, 0x23, 0x23, 0x23, 0x23, 0x23, 0x23,
    0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83,
    0x34, 0x34, 0x34, 0x34, 0x54, 0x54, 0x54, 0x54, 0xa4, 0xa4, 0xa4, 0xa4, 0xc4, 0xc4, 0xc4, 0xc4,
    0xf4, 0xf4, 0xf4, 0xf4, 0x65, 0x65, 0x75, 0x75, 0x95, 0x95, 0xb5, 0xb5, 0xd5, 0xd5, 0x06, 0xe6};

static inline uint8_t take_nybble_code(struct reader *in)
{
    if (in->nbits < 6)
        refill(in);
    uint8_t entry = HUFFMAN_TABLE[in->window >> 58];
    in->window <<= entry & 15;
    in->nbits -= entry & 15;
    return entry >> 4;
}

#endif
