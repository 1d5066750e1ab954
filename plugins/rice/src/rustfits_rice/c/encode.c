/* Encoding the tiles of a call: the first pixel of each, then block by block, into the bytes that CFITSIO writes.
 *
 * The differences of a block are mapped to values. Their sum gives the split fs, and so the code; then the symbols are
 * written. A put costs the same for few bits and for many, so two or four symbols are joined to one of up to 56 bits,
 * and only longer ones are put by themselves. A block of more than RF_CHUNK pixels is mapped twice, chunk by chunk: for
 * the sum, and to be written.
 *
 * Nothing is tested while a tile is written: it is begun only where there is room for all of rf_rice_bound, with some
 * to spare for the 8 bytes that each put stores. With AVX2 whole blocks of 32 pixels are left to encode_avx2.c, but not
 * the first of a tile, which no pixel comes before. */
#include "bits.h"
#include "rice.h"
#include "sink.h"

#if RF_X86
#include <cpuid.h>
#endif

/* How the values of a chunk are written; one for each variant. */
typedef void write_chunk_t(sink_t *sink, const uint32_t *values, int32_t n, uint32_t fs);

RF_INLINE void put_symbol(sink_t *sink, uint32_t value, uint32_t fs)
{
    uint32_t zeros = value >> fs;
    for (; RF_UNLIKELY(zeros > 31); zeros -= 32)
        put(sink, 0, 32);
    put(sink, (value & (((uint32_t)1 << fs) - 1)) | (uint32_t)1 << fs, zeros + fs + 1);
}

/* The symbols of a pair joined: each is its low bits under a 1, the zeros before it add to its length alone. */
RF_INLINE uint64_t join_two(const uint32_t *values, uint32_t fs, uint64_t *nbits)
{
    uint32_t mask = ((uint32_t)1 << fs) - 1;
    uint32_t first = (values[0] & mask) | (mask + 1);
    uint32_t second = (values[1] & mask) | (mask + 1);
    uint64_t second_nbits = (uint64_t)(values[1] >> fs) + fs + 1;
    *nbits = (uint64_t)(values[0] >> fs) + fs + 1 + second_nbits;
    return (uint64_t)first << (second_nbits & 63) | second;
}

RF_INLINE void put_two(sink_t *sink, const uint32_t *values, uint32_t fs)
{
    uint64_t nbits;
    uint64_t code = join_two(values, fs, &nbits);
    if (RF_UNLIKELY(nbits > 56)) {
        put_symbol(sink, values[0], fs);
        put_symbol(sink, values[1], fs);
    } else {
        put(sink, code, nbits);
    }
}

RF_INLINE void write_chunk(sink_t *to, const uint32_t *values, int32_t n, uint32_t fs)
{
    sink_t sink = *to;
    int32_t i = 0;
    if (fs < 12)
        for (; i + 4 <= n; i += 4) {
            uint64_t first_nbits, second_nbits;
            uint64_t first = join_two(values + i, fs, &first_nbits);
            uint64_t second = join_two(values + i + 2, fs, &second_nbits);
            if (RF_UNLIKELY(first_nbits + second_nbits > 56)) {
                put_two(&sink, values + i, fs);
                put_two(&sink, values + i + 2, fs);
            } else {
                put(&sink, first << (second_nbits & 63) | second, first_nbits + second_nbits);
            }
        }
    for (; i + 2 <= n; i += 2)
        put_two(&sink, values + i, fs);
    if (i < n)
        put_symbol(&sink, values[i], fs);
    *to = sink;
}

static void write_chunk_portable(sink_t *sink, const uint32_t *values, int32_t n, uint32_t fs)
{
    write_chunk(sink, values, n, fs);
}

#if RF_X86
RF_TARGET_BMI2 void rf_rice_write_chunk_bmi2(sink_t *sink, const uint32_t *values, int32_t n, uint32_t fs)
{
    write_chunk(sink, values, n, fs);
}
#endif

static write_chunk_t *writer_of(int32_t variant)
{
#if RF_X86
    if (variant >= RF_RICE_BMI2)
        return rf_rice_write_chunk_bmi2;
#endif
    (void)variant;
    return write_chunk_portable;
}

#if RF_X86
/* LZCNT and MOVBE, of which compilers other than GCC know no name to ask for; they need nothing of the system. */
static int has_lzcnt_and_movbe(void)
{
    unsigned int eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_MOVBE))
        return 0;
    return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & bit_LZCNT);
}
#endif

int32_t rf_rice_best_variant(void)
{
#if RF_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && has_lzcnt_and_movbe()) {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx2"))
            return RF_RICE_AVX512;
        return __builtin_cpu_supports("avx2") ? RF_RICE_AVX2 : RF_RICE_BMI2;
    }
#endif
    return RF_RICE_PORTABLE;
}

/* Map a difference of bytepix bytes, given in its lower bits, to a value that is not negative. */
RF_INLINE uint32_t map_difference(int32_t bytepix, uint32_t difference)
{
    uint32_t unused = (uint32_t)(32 - 8 * bytepix);
    int32_t extended = (int32_t)(difference << unused) >> unused;
    return (uint32_t)(extended >> 31 ^ (int32_t)((uint32_t)extended << 1)) & (0xFFFFFFFFu >> unused);
}

/* Map the differences of n > 0 pixels, the first of them to before; return the sum of the values. */
#define MAP_DIFFERENCES(pixel_t)                                                                                       \
    RF_INLINE uint64_t map_differences_##pixel_t(const pixel_t *pixels, uint32_t before, int32_t n, uint32_t *values)  \
    {                                                                                                                  \
        uint64_t sum = values[0] = map_difference(sizeof(pixel_t), (uint32_t)pixels[0] - before);                      \
        for (int32_t i = 1; i < n; i++) {                                                                              \
            values[i] = map_difference(sizeof(pixel_t), (uint32_t)pixels[i] - (uint32_t)pixels[i - 1]);                \
            sum += values[i];                                                                                          \
        }                                                                                                              \
        return sum;                                                                                                    \
    }
MAP_DIFFERENCES(uint8_t)
MAP_DIFFERENCES(uint16_t)
MAP_DIFFERENCES(uint32_t)

static uint32_t pixel_at(int32_t bytepix, const uint8_t *pixels, int64_t i)
{
    if (bytepix == 4)
        return ((const uint32_t *)(const void *)pixels)[i];
    if (bytepix == 2)
        return ((const uint16_t *)(const void *)pixels)[i];
    return pixels[i];
}

/* A chunk of one tile's mapped differences, pixel i the first; before the tile there is its own first pixel. */
static uint64_t map_chunk(int32_t bytepix, const uint8_t *pixels, int64_t i, int32_t n, uint32_t *values)
{
    uint32_t before = pixel_at(bytepix, pixels, i ? i - 1 : 0);
    if (bytepix == 4)
        return map_differences_uint32_t((const uint32_t *)(const void *)pixels + i, before, n, values);
    if (bytepix == 2)
        return map_differences_uint16_t((const uint16_t *)(const void *)pixels + i, before, n, values);
    return map_differences_uint8_t(pixels + i, before, n, values);
}

/* The split of a block of n values: the bits of floor((sum - n / 2 - 1) / n), less one, found without dividing. */
static uint32_t split_of(uint64_t sum, int64_t n)
{
    uint64_t half = (uint64_t)(n / 2) + 1;
    uint64_t mean_times_n = sum > half ? sum - half : 0;
    uint32_t fs = 0;
    if (mean_times_n >= 2 * (uint64_t)n) {
        fs = (uint32_t)(RF_CLZ64((uint64_t)n) - RF_CLZ64(mean_times_n));
        if (mean_times_n < (uint64_t)n << fs)
            fs--;
    }
    return fs;
}

/* Values of nbits each, as many at a time as can be put. */
RF_INLINE void write_values(sink_t *to, uint32_t nbits, const uint32_t *values, int32_t n)
{
    sink_t sink = *to;
    int32_t k = (int32_t)(56 / nbits);
    int32_t i = 0;
    for (; i + k <= n; i += k) {
        uint64_t code = 0;
        for (int32_t j = 0; j < k; j++)
            code = code << nbits | values[i + j];
        put(&sink, code, (uint64_t)k * nbits);
    }
    for (; i < n; i++)
        put(&sink, values[i], nbits);
    *to = sink;
}

void rf_rice_write_raw(sink_t *sink, int32_t bytepix, const uint32_t *values, int32_t n)
{
    if (bytepix == 4)
        write_values(sink, 32, values, n);
    else if (bytepix == 2)
        write_values(sink, 16, values, n);
    else
        write_values(sink, 8, values, n);
}

RF_INLINE int32_t chunk_of(int64_t n)
{
    return n < RF_CHUNK ? (int32_t)n : RF_CHUNK;
}

static void encode_block(write_chunk_t *writer, sink_t *sink, int32_t bytepix, const uint8_t *pixels, int64_t begin,
                         int64_t end)
{
    uint32_t values[RF_CHUNK];
    uint32_t fsbits = rf_fsbits(bytepix);
    uint32_t fsmax = rf_fsmax(bytepix);
    uint64_t sum = 0;
    for (int64_t i = begin; i < end; i += RF_CHUNK)
        sum += map_chunk(bytepix, pixels, i, chunk_of(end - i), values);
    uint32_t fs = split_of(sum, end - begin);
    if (sum == 0) {
        put(sink, 0, fsbits);
        return;
    }
    put(sink, fs < fsmax ? fs + 1 : fsmax + 1, fsbits);
    for (int64_t i = begin; i < end; i += RF_CHUNK) {
        int32_t n = chunk_of(end - i);
        if (end - begin > RF_CHUNK) /* else they are still there */
            map_chunk(bytepix, pixels, i, n, values);
        if (fs < fsmax)
            writer(sink, values, n, fs);
        else
            rf_rice_write_raw(sink, bytepix, values, n);
    }
}

/* Encode those whole blocks behind the first that a wider kernel can; return where the others begin. */
static int64_t encode_wide(int32_t variant, sink_t *sink, int32_t bytepix, const uint8_t *pixels, int64_t npixels,
                           int64_t block)
{
#if RF_X86
    if (variant >= RF_RICE_AVX2 && block == 32 && npixels >= 64) {
        int64_t nblocks = npixels / 32 - 1;
        rf_rice_write_blocks_avx2(sink, bytepix, pixels + 32 * bytepix, nblocks);
        return 32 + 32 * nblocks;
    }
#endif
    (void)variant, (void)sink, (void)bytepix, (void)pixels;
    return block < npixels ? block : npixels;
}

static int64_t encode_tile(int32_t variant, int32_t bytepix, const uint8_t *pixels, int64_t npixels, int64_t block,
                           uint8_t *out)
{
    write_chunk_t *writer = writer_of(variant);
    sink_t sink = {out, 0, 0};
    if (npixels == 0)
        return 0;
    put(&sink, pixel_at(bytepix, pixels, 0), (uint32_t)(8 * bytepix));
    encode_block(writer, &sink, bytepix, pixels, 0, npixels < block ? npixels : block);
    int64_t i = encode_wide(variant, &sink, bytepix, pixels, npixels, block);
    for (; i < npixels; i += block)
        encode_block(writer, &sink, bytepix, pixels, i, npixels - i < block ? npixels : i + block);
    return sink.to - out + (sink.n > 0); /* the last store wrote the bits of a byte begun, and zeros after them */
}

int64_t rf_rice_bound(int32_t bytepix, int64_t npixels, int32_t block)
{
    if (npixels < 0 || npixels > INT64_MAX / 64)
        return -1;
    /* A block takes its code and, as its split follows from the mean, at most its pixels' width and 1/32 more. */
    int64_t nblocks = npixels / block + 1;
    return bytepix * (npixels + 1) + npixels / 32 + nblocks + 16;
}

int64_t rf_rice_encode(int32_t variant, int32_t bytepix, const void *pixels, int64_t pixels_n, const int64_t *npixels,
                       int64_t ntiles, int32_t block, uint8_t *out, int64_t out_nbytes, int64_t *length,
                       int32_t *status)
{
    const uint8_t *from = pixels;
    int64_t used = 0;
    for (int64_t tile = 0; tile < ntiles; tile++) {
        int64_t room = rf_rice_bound(bytepix, npixels[tile], block);
        length[tile] = 0;
        status[tile] = RF_RICE_NO_ROOM;
        if (room < 0 || npixels[tile] > pixels_n) {
            pixels_n = -1; /* where the following tiles begin is unknown */
            continue;
        }
        if (room <= out_nbytes - used) {
            length[tile] = encode_tile(variant, bytepix, from, npixels[tile], block, out + used);
            status[tile] = RF_RICE_OK;
            used += length[tile];
        }
        if (npixels[tile])
            from += npixels[tile] * bytepix;
        pixels_n -= npixels[tile];
    }
    return used;
}
