/* Lengths of codes by the method of two queues: leaves in the order of their counts, and inner nodes, which come into
 * being in that of theirs. Codes that would be too long are cut, and others lengthened until all fit. */
#include "huffman.h"

#define MOST_NBITS 15

/* Order the symbols that occur by their counts, the rarest first; return how many there are. */
static int32_t order_symbols(const uint32_t *counts, int32_t nsymbols, uint16_t *symbols)
{
    int32_t nused = 0;
    for (int32_t symbol = 0; symbol < nsymbols; symbol++)
        if (counts[symbol])
            symbols[nused++] = (uint16_t)symbol;
    for (int32_t gap = 121; gap; gap /= 3) /* Shell's sort, with the gaps 121, 40, 13, 4, 1 */
        for (int32_t i = gap; i < nused; i++) {
            const uint16_t symbol = symbols[i];
            int32_t place = i;
            for (; place >= gap && counts[symbols[place - gap]] > counts[symbol]; place -= gap)
                symbols[place] = symbols[place - gap];
            symbols[place] = symbol;
        }
    return nused;
}

/* Find how many of the ordered symbols have codes of each number of bits, those beyond the most being counted there. */
static void count_depths(const uint32_t *counts, const uint16_t *symbols, int32_t nused, int32_t most_nbits,
                         int32_t *ndepths)
{
    uint32_t weight[RF_MAX_SYMBOLS]; /* of inner nodes, which come into being in the order of their weights */
    uint16_t parent[2 * RF_MAX_SYMBOLS], depth[2 * RF_MAX_SYMBOLS]; /* leaves, then inner nodes */
    int32_t leaf = 0, inner = 0;
    for (int32_t made = 0; made < nused - 1; made++) {
        weight[made] = 0;
        for (int32_t child = 0; child < 2; child++) {
            if (leaf < nused && (inner == made || counts[symbols[leaf]] <= weight[inner])) {
                weight[made] += counts[symbols[leaf]];
                parent[leaf++] = (uint16_t)(nused + made);
            } else {
                weight[made] += weight[inner];
                parent[nused + inner++] = (uint16_t)(nused + made);
            }
        }
    }
    memset(ndepths, 0, (MOST_NBITS + 1) * sizeof *ndepths);
    depth[2 * nused - 2] = 0;
    for (int32_t node = 2 * nused - 3; node >= 0; node--) {
        depth[node] = (uint16_t)(depth[parent[node]] + 1);
        if (node < nused)
            ndepths[depth[node] < most_nbits ? depth[node] : most_nbits]++;
    }
}

/* Lengthen codes until all fit: those that were cut take more room than there is. */
static void make_room(int32_t *ndepths, int32_t most_nbits)
{
    int64_t taken = 0;
    for (int32_t nbits = 1; nbits <= most_nbits; nbits++)
        taken += (int64_t)ndepths[nbits] << (most_nbits - nbits);
    for (; taken > (int64_t)1 << most_nbits; taken--) {
        int32_t nbits = most_nbits - 1;
        while (ndepths[nbits] == 0)
            nbits--;
        /* A leaf becomes two, one for itself and one for a leaf from the lowest level. */
        ndepths[nbits]--;
        ndepths[nbits + 1] += 2;
        ndepths[most_nbits]--;
    }
}

void rf_make_codes(const uint32_t *counts, int32_t nsymbols, int32_t most_nbits, struct rf_codes *codes)
{
    uint16_t symbols[RF_MAX_SYMBOLS];
    int32_t ndepths[MOST_NBITS + 1];
    uint32_t next[MOST_NBITS + 2] = {0};
    const int32_t nused = order_symbols(counts, nsymbols, symbols);
    count_depths(counts, symbols, nused, most_nbits, ndepths);
    make_room(ndepths, most_nbits);
    memset(codes->nbits, 0, sizeof codes->nbits);
    for (int32_t nbits = most_nbits, used = 0; nbits > 0; nbits--)
        for (int32_t i = 0; i < ndepths[nbits]; i++)
            codes->nbits[symbols[used++]] = (uint8_t)nbits;
    for (int32_t nbits = 1; nbits <= most_nbits; nbits++)
        next[nbits + 1] = (next[nbits] + (uint32_t)ndepths[nbits]) << 1;
    for (int32_t symbol = 0; symbol < nsymbols; symbol++) {
        const uint32_t nbits = codes->nbits[symbol];
        uint32_t code = nbits ? next[nbits]++ : 0, reversed = 0;
        for (uint32_t i = 0; i < nbits; i++, code >>= 1)
            reversed = reversed << 1 | (code & 1);
        codes->bits[symbol] = (uint16_t)reversed;
    }
}

/* One step of the description of codes: a number of bits, or 16 to 18 and how often to repeat. */
struct step {
    uint8_t symbol, extra;
};

static int32_t find_steps(const uint8_t *nbits, int32_t count, struct step *steps)
{
    int32_t nsteps = 0;
    for (int32_t i = 0, same; i < count; i += same) {
        for (same = 1; i + same < count && nbits[i + same] == nbits[i];)
            same++;
        if (nbits[i] == 0 && same >= 11) {
            same = same < 138 ? same : 138;
            steps[nsteps++] = (struct step){18, (uint8_t)(same - 11)};
        } else if (nbits[i] == 0 && same >= 3) {
            steps[nsteps++] = (struct step){17, (uint8_t)(same - 3)};
        } else if (i && nbits[i] == nbits[i - 1] && same >= 3) {
            same = same < 6 ? same : 6;
            steps[nsteps++] = (struct step){16, (uint8_t)(same - 3)};
        } else {
            same = 1;
            steps[nsteps++] = (struct step){nbits[i], 0};
        }
    }
    return nsteps;
}

void rf_put_lengths(struct rf_bits *bits, const uint8_t *nbits, int32_t nsymbols, int has_distance)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    struct step steps[RF_MAX_SYMBOLS + 1];
    struct rf_codes codes;
    uint8_t all[RF_MAX_SYMBOLS + 1];
    uint32_t counts[19] = {0};
    while (nsymbols > 257 && nbits[nsymbols - 1] == 0)
        nsymbols--;
    memcpy(all, nbits, (size_t)nsymbols);
    all[nsymbols] = has_distance != 0;
    const int32_t nsteps = find_steps(all, nsymbols + 1, steps);
    for (int32_t i = 0; i < nsteps; i++)
        counts[steps[i].symbol]++;
    rf_make_codes(counts, 19, 7, &codes);
    int32_t nlengths = 19;
    while (nlengths > 4 && codes.nbits[order[nlengths - 1]] == 0)
        nlengths--;
    rf_put(bits, (uint64_t)(nsymbols - 257) | (uint64_t)(nlengths - 4) << 10, 14);
    for (int32_t i = 0; i < nlengths; i++)
        rf_put(bits, codes.nbits[order[i]], 3);
    for (int32_t i = 0; i < nsteps; i++) {
        const uint8_t symbol = steps[i].symbol;
        rf_put(bits, codes.bits[symbol], codes.nbits[symbol]);
        rf_put(bits, steps[i].extra, symbol == 16 ? 2 : symbol == 17 ? 3 : symbol == 18 ? 7 : 0);
    }
}
