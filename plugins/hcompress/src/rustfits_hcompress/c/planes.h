/* Bit planes: grids of nybbles, and the trees that code them.
 *
 * A nybble says which coefficients of a 2 x 2 block have a bit set, 8 4 over 2 1; a grid has a byte for each block.
 * Whether nybbles are zero is the grid of the level above, and so on up to one nybble. The tree is sent from that
 * root, each level backwards and only the non-zero nybbles, or, where that is longer, the lowest nybbles as they are.
 *
 * Loops over bytes go in whole steps, which compilers turn into vectors, beyond the end of short rows: what they
 * write there is overwritten by the next row or is behind the array, where two steps are free. */
#ifndef RF_HCOMPRESS_PLANES_H
#define RF_HCOMPRESS_PLANES_H

#include "tables.h"
#include "tile.h"
#ifdef RF_AVX2
#include <immintrin.h>
#endif

/* -- reading -- */

/* Read n nybbles as they are; `packed` has room for them. */
static void take_nybbles(struct reader *in, uint8_t *restrict packed, uint8_t *restrict nybbles, int64_t n)
{
    take_bytes(in, packed, 4 * n);
    for (int64_t k = 0; k < in_steps((n + 1) / 2); k++) {
        nybbles[2 * k] = packed[k] >> 4;
        nybbles[2 * k + 1] = packed[k] & 15;
    }
}

/* Read n codes; the nybbles end at `stop`, the first read last. Up to 4 bytes before them are overwritten. */
static void take_codes(struct reader *in, uint8_t *stop, int64_t n)
{
    const uint8_t *data = in->data;
    int64_t at = in->at, whole = in->nbits / 8 - 8; /* last byte at which eight can be loaded */
    while (n >= 4 * CODES_OF_A_WINDOW && at >> 3 <= whole) {
        uint64_t window = load_big(data + (at >> 3)) << (at & 7); /* 57 bits at least, of which 48 are used at most */
        for (int k = 0; k < 4; k++) {
            uint32_t entry = rf_tables.nybbles[window >> (64 - WINDOW_NBITS)];
            window <<= entry & 15;
            at += entry & 15;
            store_little32(stop - 4, entry);
            stop -= entry >> 4 & 15;
            n -= entry >> 4 & 15;
        }
    }
    in->at = at;
    for (; n > 0 && !is_cut(in); n--) {
        *--stop = (uint8_t)(rf_tables.nybbles[peek(in) >> (64 - WINDOW_NBITS)] >> 24);
        in->at += rf_tables.code_nbits[*stop];
    }
}

/* How many of n flags are set; those behind them up to a multiple of eight are 0. */
static int64_t count_set(const uint8_t *flags, int64_t n)
{
    int64_t nset = 0;
    for (int64_t k = 0; k < n;) {
        int64_t stop = k + 8 * 128 < n ? k + 8 * 128 : n; /* bytes hold sums of 128 flags */
        uint64_t sums = 0;
        for (; k < stop; k += 8)
            sums += load_little(flags + k);
        sums = (sums & 0x00FF00FF00FF00FFu) + (sums >> 8 & 0x00FF00FF00FF00FFu);
        nset += (int64_t)(sums * 0x0001000100010001u >> 48);
    }
    return nset;
}

/* Replace each flag that is set by the next nybble. */
static void place_nybbles(uint8_t *restrict flags, const uint8_t *restrict nybbles, int64_t n)
{
#ifdef RF_AVX2
    for (int64_t k = 0; k < n; k += 8) {
        uint64_t set = load_little(flags + k);
        store_little(flags + k, _pdep_u64(load_little(nybbles), set * 255));
        nybbles += __builtin_popcountll(set);
    }
#else
    for (int64_t k = 0; k < n; k += 8) {
        if (!load_little(flags + k))
            continue;
        for (int64_t j = k; j < k + 8; j++) {
            uint8_t set = flags[j];
            flags[j] = (uint8_t)(*nybbles & -set);
            nybbles += set;
        }
    }
#endif
}

/* Spread a grid of nybbles to the flags of the level below, rows x columns. */
static void spread(const uint8_t *restrict nybbles, uint8_t *restrict flags, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++) {
        const uint8_t *from = nybbles + i / 2 * ((columns + 1) / 2);
        uint8_t *to = flags + i * columns;
        uint8_t left = i % 2 ? 2 : 8, right = i % 2 ? 1 : 4;
        for (int64_t j = 0; j < in_steps((columns + 1) / 2); j++) {
            to[2 * j] = from[j] & left ? 1 : 0;
            to[2 * j + 1] = from[j] & right ? 1 : 0;
        }
    }
}

/* Read a tree down to a grid of rows x columns nybbles. Returns which of the two grids holds the result. */
static const uint8_t *take_tree(struct reader *in, const struct tile *tile, int64_t rows, int64_t columns)
{
    uint8_t *grid = tile->grids[0], *other = tile->grids[1];
    int level = 0;
    while (((int64_t)1 << level) < (rows > columns ? rows : columns))
        level++;
    take_codes(in, grid + 1, 1);
    if (rows * columns == 0)
        return grid;
    while (level-- > 0 && !is_cut(in)) {
        int64_t level_rows = ((rows - 1) >> level) + 1, level_columns = ((columns - 1) >> level) + 1;
        int64_t n = level_rows * level_columns;
        spread(grid, other, level_rows, level_columns);
        memset(other + n, 0, 8);
        int64_t nset = count_set(other, n);
        take_codes(in, tile->packed + 4 + nset, nset);
        place_nybbles(other, tile->packed + 4, n);
        uint8_t *swap = grid;
        grid = other;
        other = swap;
    }
    return grid;
}

/* -- writing -- */

/* Two nybbles a byte, the first above; zeros up to a multiple of eight bytes. Returns the bytes. */
static int64_t pack(uint8_t *restrict nybbles, uint8_t *restrict packed, int64_t n)
{
    memset(nybbles + n, 0, STEP);
    for (int64_t k = 0; k < in_steps((n + 1) / 2); k++)
        packed[k] = (uint8_t)(nybbles[2 * k] << 4 | nybbles[2 * k + 1]);
    return (n + 15) / 16 * 8;
}

/* Bits of the codes of all non-zero nybbles:
 *   3: 1 2 4 8 (one bit set)
 *   4: 3 12 (a row), 5 10 (a column), 15 (all)
 *   5: 6 9 (a diagonal), 7 11 13 (three)
 *   6: 14 (three)
 * So there is one bit more for two or more bits set, again one for just one diagonal full, and yet one for 14. */
static int64_t codes_nbits(const uint8_t *packed, int64_t nbytes)
{
    const uint64_t ones = 0x1111111111111111u;
    uint64_t sum = 0;
    for (int64_t k = 0; k < nbytes; k += 8) {
        uint64_t a, b, c, d;
        memcpy(&a, packed + k, 8);
        b = a >> 1, c = a >> 2, d = a >> 3;
        uint64_t any = (a | b | c | d) & ones, two = (((a | b) & (c | d)) | (a & b) | (c & d)) & ones;
        uint64_t slow = ((b & c) ^ (a & d)) & ones, last = (d & c & b & ~a) & ones;
        uint64_t lengths = any * 3 + two + slow + last; /* 6 at most in each nybble */
        lengths = (lengths & 0x0F0F0F0F0F0F0F0Fu) + (lengths >> 4 & 0x0F0F0F0F0F0F0F0Fu);
        lengths = (lengths & 0x00FF00FF00FF00FFu) + (lengths >> 8 & 0x00FF00FF00FF00FFu);
        sum += (lengths & 0x0000FFFF0000FFFFu) + (lengths >> 16 & 0x0000FFFF0000FFFFu);
    }
    return (int64_t)((sum & 0xFFFFFFFFu) + (sum >> 32));
}

/* The codes of eight nybbles, the last first: 48 bits at most. */
static inline void put_eight_codes(struct writer *out, const uint8_t *packed)
{
    uint64_t a = rf_tables.pair[packed[0]], b = rf_tables.pair[packed[1]];
    uint64_t c = rf_tables.pair[packed[2]], d = rf_tables.pair[packed[3]];
    uint64_t low = b >> 4 << (a & 15) | a >> 4, high = d >> 4 << (c & 15) | c >> 4;
    int low_nbits = (int)(b & 15) + (int)(a & 15);
    put(out, high << low_nbits | low, (int)(d & 15) + (int)(c & 15) + low_nbits);
}

/* Put the codes of a grid, from the last nybble to the first. */
static void put_codes(struct writer *out, const uint8_t *packed, int64_t nbytes)
{
    struct writer writer = *out; /* a copy that stays in registers */
    for (int64_t k = nbytes - 8; k >= 0; k -= 8)
        if (load_little(packed + k)) {
            put_eight_codes(&writer, packed + k + 4);
            put_eight_codes(&writer, packed + k);
        }
    *out = writer;
}

/* Make the grid of the level above: the nybble of each 2 x 2 block says which of its nybbles are not zero. */
static void reduce(uint8_t *restrict nybbles, uint8_t *restrict above, int64_t rows, int64_t columns)
{
    if (rows % 2) /* a row beyond the edge counts as 0 */
        memset(nybbles + rows * columns, 0, (size_t)columns);
    for (int64_t i = 0; i < rows; i += 2, above += (columns + 1) / 2) {
        const uint8_t *top = nybbles + i * columns, *low = top + columns;
        for (int64_t j = 0; j < in_steps((columns + 1) / 2); j++)
            above[j] = (uint8_t)((top[2 * j] ? 8 : 0) | (top[2 * j + 1] ? 4 : 0) | (low[2 * j] ? 2 : 0) |
                                 (low[2 * j + 1] ? 1 : 0));
        if (columns % 2) /* nor does the row hold the column beyond */
            above[columns / 2] = (uint8_t)((top[columns - 1] ? 8 : 0) | (low[columns - 1] ? 2 : 0));
    }
}

/* Send one plane, whose nybbles stand in the first grid, as a tree or, where that is not shorter, as they are. */
static void put_plane(struct writer *out, const struct tile *tile, int64_t rows, int64_t columns)
{
    uint8_t *grid = tile->grids[0], *above = tile->grids[1], *packed[LEVEL_MAX];
    int64_t n = rows * columns, nbits = 0, nbytes[LEVEL_MAX];
    int64_t most = 8 * ((n + 1) / 2); /* bits of the nybbles as they are, in whole bytes */
    int level = 0;
    packed[0] = tile->packed;
    for (;; level++) {
        nbytes[level] = pack(grid, packed[level], rows * columns);
        nbits += codes_nbits(packed[level], nbytes[level]);
        if ((n && nbits >= most) || (rows <= 1 && columns <= 1))
            break;
        reduce(grid, above, rows, columns);
        packed[level + 1] = packed[level] + nbytes[level] + STEP;
        rows = (rows + 1) / 2;
        columns = (columns + 1) / 2;
        uint8_t *swap = grid;
        grid = above;
        above = swap;
    }
    int fits = !n || nbits < most; /* a quadrant of nothing: CFITSIO sends an empty tree */
    put(out, fits ? 0xF : 0, 4);
    if (!fits)
        put_bytes(out, packed[0], 4 * n);
    else if (!nbits)
        put(out, EMPTY_TREE, CODE_MAX_NBITS);
    for (; fits && level >= 0; level--)
        put_codes(out, packed[level], nbytes[level]);
}

/* -- planes and slices -- */

/* The nybbles of one plane. */
static void collect_plane(const struct tile *tile, int q, int bit, uint8_t *restrict nybbles)
{
    const uint8_t *restrict a = slice_of(tile, q, bit / 8, 0), *restrict b = slice_of(tile, q, bit / 8, 1);
    const uint8_t *restrict c = slice_of(tile, q, bit / 8, 2), *restrict d = slice_of(tile, q, bit / 8, 3);
    const uint8_t mask = (uint8_t)(1 << bit % 8);
    const int64_t n = tile->quadrants[q].rows * tile->quadrants[q].columns;
    for (int64_t k = 0; k < in_steps(n); k++) /* comparisons stay in bytes, shifts would not */
        nybbles[k] = (uint8_t)((a[k] & mask ? 8 : 0) | (b[k] & mask ? 4 : 0) | (c[k] & mask ? 2 : 0) |
                               (d[k] & mask ? 1 : 0));
}

/* The inverse: add the plane to its slices. */
static void add_plane(const struct tile *tile, int q, int bit, const uint8_t *restrict nybbles)
{
    uint8_t *restrict a = slice_of(tile, q, bit / 8, 0), *restrict b = slice_of(tile, q, bit / 8, 1);
    uint8_t *restrict c = slice_of(tile, q, bit / 8, 2), *restrict d = slice_of(tile, q, bit / 8, 3);
    const uint8_t mask = (uint8_t)(1 << bit % 8);
    const int64_t n = tile->quadrants[q].rows * tile->quadrants[q].columns;
    for (int64_t k = 0; k < in_steps(n); k++) {
        a[k] |= nybbles[k] & 8 ? mask : 0;
        b[k] |= nybbles[k] & 4 ? mask : 0;
        c[k] |= nybbles[k] & 2 ? mask : 0;
        d[k] |= nybbles[k] & 1 ? mask : 0;
    }
}

/* Read the planes of a quadrant into its slices. */
static int32_t take_quadrant(struct reader *in, const struct tile *tile, int q, int nplanes)
{
    int64_t rows = tile->quadrants[q].rows, columns = tile->quadrants[q].columns;
    for (int octet = 0; octet < (nplanes + 7) / 8; octet++)
        for (int place = 0; place < 4; place++)
            memset(slice_of(tile, q, octet, place), 0, (size_t)(rows * columns));
    for (int bit = nplanes - 1; bit >= 0; bit--) {
        const uint8_t *nybbles = tile->grids[0];
        uint32_t format = take(in, 4);
        if (format == 0)
            take_nybbles(in, tile->packed, tile->grids[0], rows * columns);
        else if (format == 0xF)
            nybbles = take_tree(in, tile, rows, columns);
        else
            return RF_HCOMPRESS_FORMAT;
        if (is_cut(in))
            return RF_HCOMPRESS_CUT;
        add_plane(tile, q, bit, nybbles);
    }
    return RF_HCOMPRESS_OK;
}

#endif
