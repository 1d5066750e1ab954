/* Huffman codes of deflate, and bits in its order (RFC 1951, sections 3.1.1 and 3.2). */
#ifndef RF_HUFFMAN_H
#define RF_HUFFMAN_H

#include <stdint.h>
#include <string.h>

#include "isa.h"

#define RF_MAX_SYMBOLS 288
#define RF_LENGTHS_NBYTES 360 /* of what rf_put_lengths writes, at most */

/* Codes of symbols, the first bit lowest; those that do not occur have 0 bits. */
struct rf_codes {
    uint16_t bits[RF_MAX_SYMBOLS];
    uint8_t nbits[RF_MAX_SYMBOLS];
};

/* Where bits go; up to 8 bytes behind `at` are written ahead. */
struct rf_bits {
    uint8_t *at;
    uint64_t word;
    uint32_t nbits; /* fewer than 8 */
};

/* Append up to 56 bits, of which those above nbits are 0. */
RF_INLINE void rf_put(struct rf_bits *bits, uint64_t value, uint32_t nbits)
{
    uint64_t word = bits->word | value << bits->nbits;
    uint32_t count = bits->nbits + nbits;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(bits->at, &word, sizeof word);
#else
    for (int i = 0; i < 8; i++)
        bits->at[i] = (uint8_t)(word >> 8 * i);
#endif
    bits->at += count >> 3;
    bits->word = word >> (count & ~7u);
    bits->nbits = count & 7;
}

/* Go on at the next whole byte. */
RF_INLINE void rf_fill_byte(struct rf_bits *bits)
{
    if (bits->nbits)
        rf_put(bits, 0, 8 - bits->nbits);
}

/* Make codes of at most most_nbits bits for symbols that occur so often. At least two do; their sum is below 2**31. */
void rf_make_codes(const uint32_t *counts, int32_t nsymbols, int32_t most_nbits, struct rf_codes *codes);

/* Write the numbers of bits of literals and lengths, and of one distance code, of 1 bit or none. */
void rf_put_lengths(struct rf_bits *bits, const uint8_t *nbits, int32_t nsymbols, int has_distance);

#endif
