/* Tables for several symbols at a time. */
#ifndef RF_HCOMPRESS_TABLES_H
#define RF_HCOMPRESS_TABLES_H

#include <stdint.h>

enum {
    WINDOW_NBITS = 12,     /* looked at in one step */
    CODES_OF_A_WINDOW = 3, /* found in it at most */
    CODE_MAX_NBITS = 6,
    EMPTY_TREE = 0x3e,     /* the code of nybble 0, which only a plane without any bit has */
};

struct tables {
    /* The Huffman code. For the next bits of a stream: the nybbles in the upper three bytes, first nybble on top; then
     * how many they are (four bits) and of how many bits (four bits). */
    uint32_t nybbles[1 << WINDOW_NBITS];
    /* For two nybbles, first << 4 | second: their codes, the second one first, << 4 | number of bits. None for 0. */
    uint16_t pair[256];
    uint8_t code_nbits[16]; /* of the code of each nybble */

    /* Signs. For four coefficients, the first on top, negative << 4 | not 0: number of signs << 4 | signs. */
    uint8_t picked_signs[256];
    /* For four coefficients, not 0 << 4 | next four bits of a stream: which are negative, as bytes of 255, the first
     * coefficient's lowest. */
    uint32_t dealt_signs[256];
    uint8_t nset[16]; /* bits in a nybble */
};

/* Filled by rf_hcompress_prepare and constant from then on. */
extern struct tables rf_tables;

#endif
