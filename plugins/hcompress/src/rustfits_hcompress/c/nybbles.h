/* Grids of nybbles: the bit planes of a quadrant, and the levels of the tree above them.
 *
 * A nybble says which pixels of a 2 x 2 block are set, 8 4 over 2 1. A grid has a byte for each block. */
#ifndef RF_HCOMPRESS_NYBBLES_H
#define RF_HCOMPRESS_NYBBLES_H

#include <stdint.h>

#include "bits.h"

/* Code and length of each nybble in the Huffman code of the tree. */
static const uint8_t HUFFMAN_CODE[16] = {0x3e, 0x00, 0x01, 0x08, 0x02, 0x09, 0x1a, 0x1b,
                                         0x03, 0x1c, 0x0a, 0x1d, 0x0b, 0x1e, 0x3f, 0x0c};
static const uint8_t HUFFMAN_LENGTH[16] = {6, 3, 3, 4, 3, 4, 5, 5, 3, 5, 4, 5, 4, 5, 6, 4};

/* For the next six bits, whatever they are: nybble << 4 | length of its code. */
static const uint8_t HUFFMAN_TABLE[64] = {
    0x13, 0x13, 0x13, 0x13, 0x13, 0x13, 0x13, 0x13, 0x23, 0x23, 0x23, 0x23, 0x23, 0x23, 0x23, 0x23,
    0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83, 0x83,
    0x34, 0x34, 0x34, 0x34, 0x54, 0x54, 0x54, 0x54, 0xa4, 0xa4, 0xa4, 0xa4, 0xc4, 0xc4, 0xc4, 0xc4,
    0xf4, 0xf4, 0xf4, 0xf4, 0x65, 0x65, 0x75, 0x75, 0x95, 0x95, 0xb5, 0xb5, 0xd5, 0xd5, 0x06, 0xe6};

/* -- reading -- */

/* Read n nybbles as they are. Up to seven bytes after them are overwritten. */
static void take_nybbles(struct reader *in, uint8_t *nybbles, int64_t n)
{
    for (int64_t k = 0; k < n; k += 8) {
        uint64_t x = peek(in) >> 32; /* eight nybbles; spread each to a byte, first nybble lowest */
        x = (x & 0xFFFF) << 32 | x >> 16;
        x = (x & 0x000000FF000000FFu) << 16 | (x >> 8 & 0x000000FF000000FFu);
        x = (x & 0x000F000F000F000Fu) << 8 | (x >> 4 & 0x000F000F000F000Fu);
        for (int byte = 0; byte < 8; byte++)
            nybbles[k + byte] = (uint8_t)(x >> (8 * byte));
        in->at += 4 * (n - k < 8 ? n - k : 8);
    }
}

/* Replace each flag, from the last to the first, that is set by a nybble from the Huffman code.
 * positions: room for n + 1. */
static void take_codes(struct reader *in, uint8_t *flags, int64_t n, int32_t *positions)
{
    int64_t nset = 0;
    for (int64_t k = n - 1; k >= 0; k--) {
        positions[nset] = (int32_t)k;
        nset += flags[k];
    }
    int64_t s = 0;
    while (s < nset && !is_cut(in)) {
        uint64_t window = peek(in);
        int used = 0;
        int64_t stop = s + 9 < nset ? s + 9 : nset; /* nine codes of six bits at most are in 57 */
        for (; s < stop; s++) {
            uint8_t entry = HUFFMAN_TABLE[window >> 58];
            window <<= entry & 15;
            used += entry & 15;
            flags[positions[s]] = entry >> 4;
        }
        in->at += used;
    }
}

/* Spread a grid of nybbles to the flags of the level below, rows x columns. */
static void spread(const uint8_t *nybbles, uint8_t *flags, int64_t rows, int64_t columns)
{
    int64_t half_columns = (columns + 1) / 2, pairs = columns / 2;
    for (int64_t i = 0; i < rows; i++) {
        const uint8_t *from = nybbles + i / 2 * half_columns;
        uint8_t *to = flags + i * columns;
        int shift = i % 2 ? 0 : 2;
        for (int64_t j = 0; j < pairs; j++) {
            to[2 * j] = from[j] >> (shift + 1) & 1;
            to[2 * j + 1] = from[j] >> shift & 1;
        }
        if (columns % 2)
            to[columns - 1] = from[pairs] >> (shift + 1) & 1;
    }
}

/* Read a tree down to a grid of rows x columns nybbles; `other` is a second grid. Returns which holds the result. */
static uint8_t *take_tree(struct reader *in, uint8_t *grid, uint8_t *other, int64_t rows, int64_t columns,
                          int32_t *positions)
{
    int nlevels = 0;
    while (((int64_t)1 << nlevels) < (rows > columns ? rows : columns))
        nlevels++;
    grid[0] = 1;
    take_codes(in, grid, 1, positions);
    if (rows * columns == 0)
        return grid;
    for (int level = nlevels - 1; level >= 0 && !is_cut(in); level--) {
        int64_t level_rows = ((rows - 1) >> level) + 1, level_columns = ((columns - 1) >> level) + 1;
        spread(grid, other, level_rows, level_columns);
        take_codes(in, other, level_rows * level_columns, positions);
        uint8_t *swap = grid;
        grid = other;
        other = swap;
    }
    return grid;
}

/* -- writing -- */

/* Huffman codes of one plane, first code in the lowest bits; they are sent backwards. */
struct codes {
    uint8_t *bytes;
    int64_t most; /* bytes that must not be reached: the nybbles as they are would be as short */
    int64_t nbytes;
    uint64_t window;
    int nbits;
};

/* Add the codes of all non-zero nybbles; return 0 when `most` is reached. Eight bytes after it may be written. */
static int add_codes(struct codes *list, const uint8_t *nybbles, int64_t n)
{
    uint64_t window = list->window;
    int64_t nbytes = list->nbytes;
    int nbits = list->nbits;
    for (int64_t k = 0; k < n && nbytes < list->most;) {
        int64_t stop = k + 8 < n ? k + 8 : n; /* with the seven waiting bits, eight codes of six fill 55 */
        for (; k < stop; k++) {
            window |= (uint64_t)HUFFMAN_CODE[nybbles[k]] * (nybbles[k] != 0) << nbits;
            nbits += HUFFMAN_LENGTH[nybbles[k]] * (nybbles[k] != 0);
        }
        for (int byte = 0; byte < 8; byte++)
            list->bytes[nbytes + byte] = (uint8_t)(window >> (8 * byte));
        nbytes += nbits >> 3;
        window >>= nbits & ~7;
        nbits &= 7;
    }
    list->window = window;
    list->nbytes = nbytes;
    list->nbits = nbits;
    return nbytes < list->most;
}

static void put_codes(struct writer *out, const struct codes *list)
{
    if (list->nbits)
        put(out, list->window, list->nbits);
    else if (!list->nbytes)
        put(out, HUFFMAN_CODE[0], HUFFMAN_LENGTH[0]);
    int64_t left = list->nbytes;
    for (; left >= 7; left -= 7) {
        uint64_t bits = 0;
        for (int byte = 1; byte <= 7; byte++)
            bits = bits << 8 | list->bytes[left - byte];
        put(out, bits, 56);
    }
    while (left > 0)
        put(out, list->bytes[--left], 8);
}

static void put_nybbles(struct writer *out, const uint8_t *nybbles, int64_t n)
{
    int64_t k = 0;
    for (; k + 12 <= n; k += 12) {
        uint64_t bits = 0;
        for (int nybble = 0; nybble < 12; nybble++)
            bits = bits << 4 | nybbles[k + nybble];
        put(out, bits, 48);
    }
    for (; k < n; k++)
        put(out, nybbles[k], 4);
}

/* Make the grid of the level above: the nybble of each 2 x 2 block says which of its nybbles are not zero. */
static void reduce(const uint8_t *nybbles, uint8_t *above, int64_t rows, int64_t columns)
{
    int64_t pairs = columns / 2;
    for (int64_t i = 0; i < rows; i += 2) {
        const uint8_t *top = nybbles + i * columns;
        int low_weight = i + 1 < rows ? 2 : 0; /* a row beyond an odd edge counts as 0 */
        const uint8_t *low = low_weight ? top + columns : top;
        for (int64_t j = 0; j < pairs; j++)
            above[j] = (uint8_t)((top[2 * j] != 0) * 8 + (top[2 * j + 1] != 0) * 4 + (low[2 * j] != 0) * low_weight +
                                 (low[2 * j + 1] != 0) * (low_weight / 2));
        if (columns % 2)
            above[pairs] = (uint8_t)((top[columns - 1] != 0) * 8 + (low[columns - 1] != 0) * low_weight);
        above += (columns + 1) / 2;
    }
}

/* Scratch of one quadrant: each pointer has room for `rows x columns` blocks and 16 more. */
struct grids {
    uint8_t *first, *second, *codes;
};

/* Send one plane, whose nybbles are given, as a tree or, where that is not shorter, as they are. */
static void put_plane(struct writer *out, const uint8_t *nybbles, int64_t rows, int64_t columns, struct grids grids)
{
    int64_t n = rows * columns;
    struct codes list = {grids.codes, (n + 1) / 2, 0, 0, 0};
    if (!n)
        list.most = 1; /* a quadrant of nothing: CFITSIO sends an empty tree */
    const uint8_t *level = nybbles;
    int fits = add_codes(&list, nybbles, n);
    while (fits && (rows > 1 || columns > 1)) {
        uint8_t *above = level == grids.first ? grids.second : grids.first;
        reduce(level, above, rows, columns);
        rows = (rows + 1) / 2;
        columns = (columns + 1) / 2;
        fits = add_codes(&list, above, rows * columns);
        level = above;
    }
    put(out, fits ? 0xF : 0, 4);
    if (fits)
        put_codes(out, &list);
    else
        put_nybbles(out, nybbles, n);
}

#endif
