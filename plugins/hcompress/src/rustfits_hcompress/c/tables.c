/* The format's Huffman code of nybbles. From it, and for signs, tables are filled once that handle several codes or
 * signs at a time. */
#include "tables.h"

#include <string.h>

#include "hcompress.h"

struct tables rf_tables;

static const uint8_t CODE[16] = {0x3e, 0x00, 0x01, 0x08, 0x02, 0x09, 0x1a, 0x1b,
                                 0x03, 0x1c, 0x0a, 0x1d, 0x0b, 0x1e, 0x3f, 0x0c};
static const uint8_t NBITS[16] = {6, 3, 3, 4, 3, 4, 5, 5, 3, 5, 4, 5, 4, 5, 6, 4};

/* The nybble whose code stands on top of a window; some code always does. */
static int nybble_of(uint32_t window)
{
    int nybble = 0;
    while (window >> (WINDOW_NBITS - NBITS[nybble]) != CODE[nybble])
        nybble++;
    return nybble;
}

static uint32_t window_entry(uint32_t window)
{
    uint32_t entry = 0, found = 0, used = 0;
    while (found < CODES_OF_A_WINDOW) {
        int nybble = nybble_of(window);
        if (used + NBITS[nybble] > WINDOW_NBITS)
            break;
        entry |= (uint32_t)nybble << (24 - 8 * found++);
        used += NBITS[nybble];
        window = window << NBITS[nybble] & ((1 << WINDOW_NBITS) - 1);
    }
    return entry | found << 4 | used;
}

static uint16_t pair_entry(int first, int second)
{
    int code = second ? CODE[second] : 0, nbits = second ? NBITS[second] : 0;
    if (first) {
        code = code << NBITS[first] | CODE[first];
        nbits += NBITS[first];
    }
    return (uint16_t)(code << 4 | nbits);
}

static void fill_sign_tables(int set, int bits)
{
    int picked = 0, nset = 0;
    uint32_t dealt = 0;
    for (int k = 0; k < 4; k++)
        if (set & 8 >> k) {
            picked = picked << 1 | (bits & 8 >> k ? 1 : 0);
            dealt |= bits & 8 >> nset ? (uint32_t)255 << (8 * k) : 0;
            nset++;
        }
    rf_tables.picked_signs[bits << 4 | set] = (uint8_t)(nset << 4 | picked);
    rf_tables.dealt_signs[set << 4 | bits] = dealt;
    rf_tables.nset[set] = (uint8_t)nset;
}

void rf_hcompress_prepare(void)
{
    for (uint32_t window = 0; window < 1 << WINDOW_NBITS; window++)
        rf_tables.nybbles[window] = window_entry(window);
    memcpy(rf_tables.code_nbits, NBITS, sizeof NBITS);
    for (int first = 0; first < 16; first++)
        for (int second = 0; second < 16; second++) {
            rf_tables.pair[first << 4 | second] = pair_entry(first, second);
            fill_sign_tables(first, second);
        }
}
