/* Byte planes to gzip members.
 *
 * The bytes of one significance are alike, and next to each other they are either the same for long or noise: strings
 * that come again, which other encoders spend their time on looking for, are rare. So a plane is coded as single bytes
 * and runs of the byte before, with Huffman codes of its own, and is stored as it is where codes would hardly make it
 * shorter. A block holds up to 65535 bytes, the most that a stored one can. */
#include "planes.h"

#include <string.h>

#include "huffman.h"
#include "isa.h"
#include "parts.h"

#define BLOCK_NBYTES 65535
#define NOISE_NSAMPLES 1024 /* of a block, up to twice as many: its entropy to a few hundredths of a bit */
#define REPEATS_NBYTES 1024 /* to look for strings in, at least, and a quarter of a block up to twice as many */
#define HASH_NBITS 11
#define WORTH_LOOKING 0.02 /* of a tile, for another encoder to try */
#define MATCH_NBITS 24.0 /* of the length of a string and its distance */
#define MIN_RUN 5
#define MAX_RUN 258
#define END_OF_BLOCK 256
#define FIRST_LENGTH 257 /* symbols of lengths follow it */
#define NSYMBOLS 286
#define RUN(nbytes) ((uint16_t)(256 + (nbytes)))
#define NTOKENS (256 + MAX_RUN + 1)

/* One block as symbols. */
struct block {
    int64_t ntokens;
    uint16_t tokens[BLOCK_NBYTES]; /* a byte, or RUN */
    uint32_t counts[NSYMBOLS];
};

/* Symbol, number of extra bits and their value, for a run (RFC 1951, section 3.2.5). */
struct length {
    uint16_t symbol;
    uint8_t nbits, bits;
};

static struct length length_of(int32_t nbytes)
{
    int32_t rest = nbytes - 3, nbits = 0;
    if (nbytes == MAX_RUN)
        return (struct length){FIRST_LENGTH + 28, 0, 0};
    while (rest >> nbits >= 8)
        nbits++;
    return (struct length){(uint16_t)(FIRST_LENGTH + 4 * nbits + (rest >> nbits)), (uint8_t)nbits,
                           (uint8_t)(rest & ((1 << nbits) - 1))};
}

/* Eight bytes, the first one lowest. */
RF_INLINE uint64_t load64(const uint8_t *bytes)
{
    uint64_t word = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&word, bytes, sizeof word);
#else
    for (int32_t i = 7; i >= 0; i--)
        word = word << 8 | bytes[i];
#endif
    return word;
}

/* 256 times the logarithm to the base 2, between powers of it by a straight line. */
static uint64_t log2_times_256(uint64_t number)
{
#if defined(__GNUC__) || defined(__clang__)
    const uint32_t power = 63 - (uint32_t)__builtin_clzll(number);
#else
    uint32_t power = 0;
    while (number >> (power + 1))
        power++;
#endif
    return (uint64_t)power << 8 | ((number << 8 >> power) & 0xFF);
}

/* Tell from a sample whether a block is noise: of 7.5 bits or more, which codes would hardly make shorter. */
static int is_noise(const uint8_t *bytes, int64_t nbytes)
{
    uint16_t counts[4][256] = {{0}}; /* equal bytes in succession would wait for each other in one table */
    uint64_t known = 0, nsampled = 0, nkinds = 0;
    const int64_t step = nbytes / NOISE_NSAMPLES > 1 ? nbytes / NOISE_NSAMPLES : 1;
    for (int64_t i = 0; i < nbytes; i += step, nsampled++)
        counts[nsampled & 3][bytes[i]]++;
    for (int32_t i = 0; i < 256; i++) {
        const uint64_t count = (uint64_t)counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i];
        known += count * log2_times_256(count + (count == 0));
        nkinds += count != 0;
    }
    /* A sample of few bytes looks more regular than it is, by 0.72 bits for each kind of byte (Miller and Madow). */
    return nsampled >= NOISE_NSAMPLES / 2 &&
           nsampled * log2_times_256(nsampled) + 184 * nkinds >= known + 1920 * nsampled;
}

/* Bytes from `from` on that equal the one before it, up to MAX_RUN. */
static int64_t run_length(const uint8_t *bytes, int64_t from, int64_t nbytes)
{
    const int64_t most = nbytes - from < MAX_RUN ? nbytes - from : MAX_RUN;
    int64_t count = 0;
    while (count + 8 <= most && load64(bytes + from + count) == load64(bytes + from + count - 1))
        count += 8;
    while (count < most && bytes[from + count] == bytes[from - 1])
        count++;
    return count;
}

static void find_tokens(const uint8_t *bytes, int64_t nbytes, struct block *block)
{
    uint32_t more[3][256]; /* equal bytes in succession would wait for each other in one table */
    uint16_t *token = block->tokens;
    memset(block->counts, 0, sizeof block->counts);
    memset(more, 0, sizeof more);
    *token++ = bytes[0];
    block->counts[bytes[0]]++;
    int64_t i = 1;
    while (i < nbytes) {
        uint32_t *const counts[4] = {block->counts, more[0], more[1], more[2]};
        for (; i + 8 <= nbytes; i++) {
            const uint64_t word = load64(bytes + i);
            if (((word ^ load64(bytes + i - 1)) << (64 - 8 * MIN_RUN)) == 0)
                break;
            *token++ = bytes[i];
            counts[i & 3][bytes[i]]++;
        }
        const int64_t count = run_length(bytes, i, nbytes);
        if (count >= MIN_RUN) {
            *token++ = RUN(count);
            block->counts[length_of((int32_t)count).symbol]++;
            i += count;
        } else {
            *token++ = bytes[i];
            block->counts[bytes[i++]]++;
        }
    }
    block->ntokens = token - block->tokens;
    block->counts[END_OF_BLOCK] = 1;
    for (int32_t symbol = 0; symbol < 256; symbol++)
        block->counts[symbol] += more[0][symbol] + more[1][symbol] + more[2][symbol];
}

/* Bits that follow a symbol: of a byte none, of a length (RFC 1951, section 3.2.5) up to 5. */
static uint32_t extra_nbits(int32_t symbol)
{
    const int32_t kind = symbol - FIRST_LENGTH;
    return kind < 8 || kind == 28 ? 0 : (uint32_t)(kind - 4) / 4;
}

/* Bits of the symbols of a block. */
static uint64_t coded_nbits(const struct block *block, const struct rf_codes *codes)
{
    uint64_t nbits = 0;
    for (int32_t symbol = 0; symbol < FIRST_LENGTH; symbol++)
        nbits += (uint64_t)block->counts[symbol] * codes->nbits[symbol];
    for (int32_t symbol = FIRST_LENGTH; symbol < NSYMBOLS; symbol++)
        nbits += (uint64_t)block->counts[symbol] * (codes->nbits[symbol] + extra_nbits(symbol) + 1);
    return nbits;
}

/* All bits of a token, at most 21, with their number in the upper half. */
#define CODE(bits, nbits) ((uint64_t)(bits) | (uint64_t)(nbits) << 32)

/* Fill in the codes of all tokens; return whether there are runs. */
static int find_codes(const struct block *block, const struct rf_codes *codes, uint64_t code_of[NTOKENS])
{
    uint64_t nruns = 0;
    int32_t nbytes = 3;
    for (int32_t symbol = FIRST_LENGTH; symbol < NSYMBOLS; symbol++)
        nruns += block->counts[symbol];
    for (int32_t byte = 0; byte < 256; byte++)
        code_of[byte] = CODE(codes->bits[byte], codes->nbits[byte]);
    for (int32_t symbol = FIRST_LENGTH; nruns && symbol < NSYMBOLS; symbol++) {
        const uint32_t nbits = codes->nbits[symbol], more = extra_nbits(symbol);
        if (symbol == NSYMBOLS - 1)
            nbytes = MAX_RUN; /* which the symbol before could say as well */
        /* The symbol, its extra bits, and a 0 for the only distance: 1. */
        for (uint32_t bits = 0; bits >> more == 0; bits++)
            code_of[RUN(nbytes++)] = CODE(codes->bits[symbol] | bits << nbits, nbits + more + 1);
    }
    return nruns != 0;
}

static void put_coded(struct rf_bits *bits, const struct block *block, const struct rf_codes *codes)
{
    uint64_t code_of[NTOKENS];
    struct rf_bits now;
    int64_t i = 0;
    rf_put(bits, 4, 3); /* not the last block; codes of its own */
    const int has_runs = find_codes(block, codes, code_of);
    rf_put_lengths(bits, codes->nbits, NSYMBOLS, has_runs);
    now = *bits; /* in registers */
    for (; i + 2 <= block->ntokens; i += 2) {
        const uint64_t first = code_of[block->tokens[i]], second = code_of[block->tokens[i + 1]];
        const uint32_t nbits = (uint32_t)(first >> 32);
        rf_put(&now, (first & 0xFFFFFFFF) | (second & 0xFFFFFFFF) << nbits, nbits + (uint32_t)(second >> 32));
    }
    *bits = now;
    if (i < block->ntokens)
        rf_put(bits, code_of[block->tokens[i]] & 0xFFFFFFFF, (uint32_t)(code_of[block->tokens[i]] >> 32));
    rf_put(bits, codes->bits[END_OF_BLOCK], codes->nbits[END_OF_BLOCK]);
}

static void put_stored(struct rf_bits *bits, const uint8_t *bytes, int64_t nbytes)
{
    rf_put(bits, 0, 3); /* not the last block; stored */
    rf_fill_byte(bits);
    rf_put(bits, (uint64_t)nbytes | (uint64_t)(~nbytes & 0xFFFF) << 16, 32);
    rf_fill_byte(bits);
    memcpy(bits->at, bytes, (size_t)nbytes);
    bits->at += nbytes;
}

/* Estimate from a sample how many bits an encoder would save that looks for strings that come again. */
static double bits_in_repeats(const uint8_t *bytes, int64_t nbytes, uint64_t nbits)
{
    uint16_t places[1 << HASH_NBITS] = {0}; /* behind the last place where a string with that hash began */
    const int64_t most = nbytes / 4 < REPEATS_NBYTES ? REPEATS_NBYTES
                         : nbytes / 4 < 2 * REPEATS_NBYTES ? nbytes / 4
                                                           : 2 * REPEATS_NBYTES;
    const int64_t count = nbytes < most ? nbytes : most;
    const double byte_nbits = (double)nbits / (double)nbytes;
    const double least = 1.25 * MATCH_NBITS / byte_nbits; /* bytes of a string that is worth naming its place */
    double saved = 0;
    if (least > MAX_RUN)
        return 0;
    const int64_t nkey = least < 4 ? 4 : least < 8 ? (int64_t)least : 8;
    for (int64_t i = 0; i + 8 <= count;) {
        const uint64_t key = load64(bytes + i) << (64 - 8 * nkey);
        uint16_t *const place = &places[key * 0x9E3779B97F4A7C15 >> (64 - HASH_NBITS)];
        const int64_t from = *place - 1;
        *place = (uint16_t)(i + 1);
        if (from < 0 || load64(bytes + from) << (64 - 8 * nkey) != key) {
            i++;
            continue;
        }
        int64_t same = nkey;
        while (i + same < count && same < MAX_RUN && bytes[from + same] == bytes[i + same])
            same++;
        if (from < i - 1 && (double)same >= least)
            saved += (double)same * byte_nbits - MATCH_NBITS;
        i += same; /* also behind what is too short: not to look at the same bytes over and over */
    }
    return saved * (double)nbytes / (double)count;
}

/* Add one block; return how many bits of it may be saved. */
static double put_block(struct rf_bits *bits, const uint8_t *bytes, int64_t nbytes, struct block *block)
{
    if (!is_noise(bytes, nbytes)) {
        struct rf_codes codes;
        find_tokens(bytes, nbytes, block);
        rf_make_codes(block->counts, NSYMBOLS, 15, &codes);
        const uint64_t nbits = coded_nbits(block, &codes);
        /* Stored bytes are read so much faster that a sixteenth is not worth codes. */
        if (nbits < (uint64_t)nbytes * 15 / 2) {
            put_coded(bits, block, &codes);
            return bits_in_repeats(bytes, nbytes, nbits);
        }
    }
    put_stored(bits, bytes, nbytes);
    return 0;
}

int64_t rf_planes_bound(int64_t nbytes, int32_t nplanes)
{
    /* Head, tail and the last block; of each block its head, codes and what rf_put writes ahead. */
    const int64_t nblocks = nplanes * (nbytes / nplanes / BLOCK_NBYTES + 1);
    return 32 + nbytes + nblocks * (RF_LENGTHS_NBYTES + 16);
}

/* One tile as a gzip member; return how many bits of it may be saved. */
static double put_member(struct rf_bits *bits, const uint8_t *data, int64_t nbytes, uint32_t crc, int32_t nplanes)
{
    static const uint8_t head[10] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF}; /* no name, no time, unknown system */
    struct block block;
    double in_repeats = 0;
    memcpy(bits->at, head, sizeof head);
    bits->at += sizeof head;
    for (int32_t plane = 0; plane < nplanes; plane++) {
        int64_t left = nbytes / nplanes;
        while (left > 0) {
            const int64_t count = left < BLOCK_NBYTES ? left : BLOCK_NBYTES;
            in_repeats += put_block(bits, data, count, &block);
            data += count;
            left -= count;
        }
    }
    rf_put(bits, 3, 10); /* a last block, with nothing in it */
    rf_fill_byte(bits);
    rf_put(bits, crc, 32);
    rf_fill_byte(bits);
    rf_put(bits, (uint64_t)nbytes & 0xFFFFFFFF, 32);
    rf_fill_byte(bits);
    return in_repeats;
}

int64_t rf_gzip_planes(const uint8_t *data, int64_t data_nbytes, const int64_t *nbytes, const uint32_t *crc,
                       int64_t ntiles, int32_t nplanes, uint8_t *out, int64_t out_nbytes, int64_t *length,
                       uint8_t *repeats)
{
    struct rf_bits bits = {.at = out};
    int64_t used = 0;
    if (!rf_parts_fit(nbytes, ntiles, data_nbytes))
        return -1;
    for (int64_t tile = 0; tile < ntiles; tile++) {
        if (nbytes[tile] % nplanes || rf_planes_bound(nbytes[tile], nplanes) > out_nbytes - used)
            return -1;
        const double in_repeats = put_member(&bits, data, nbytes[tile], crc[tile], nplanes);
        length[tile] = bits.at - out - used;
        repeats[tile] = in_repeats > WORTH_LOOKING * 8 * (double)length[tile];
        used += length[tile];
        if (nbytes[tile]) /* else data may have no address */
            data += nbytes[tile];
    }
    return used;
}
