/* Gives the kernels of accel what a fuzzer makes up, as pixels of every kind; see harness.h. */
#define NAME "accel"
#define RF_GUIDED
#include "harness.h"

#include "floats.h"
#include "isa.h"
#include "planes.h"
#include "quantize.h"
#include "shuffle.h"

enum { MOST_TILES = 3, MOST_ROW = 64, MOST_ROWS = 16 };

static float table[RF_NRANDOM];
static int64_t starts[RF_NRANDOM];

static struct {
    int64_t ntiles, total; /* pixels in all */
    int64_t npixels[MOST_TILES], row_npixels[MOST_TILES], row[MOST_TILES];
    int wide;
    int64_t itemsize;
    struct rf_dither dither;
} it;

static void make_tables(void)
{
    for (int k = 0; k < RF_NRANDOM; k++) {
        table[k] = (float)(k * 7919 % RF_NRANDOM) / RF_NRANDOM;
        starts[k] = k % 30 ? k * 104729ll % RF_NRANDOM : RF_NRANDOM - 1; /* a run that ends at once */
    }
    it.dither.random = table;
    it.dither.starts = starts;
}

/* Tiles whose pixels are what is left of the input, as far as it goes. */
static uint8_t *make_tiles(int64_t itemsize)
{
    it.ntiles = 1 + next(MOST_TILES);
    it.total = 0;
    it.dither.seed = next(RF_NRANDOM);
    it.dither.method = (int32_t)next(3);
    for (int64_t i = 0; i < it.ntiles; i++) {
        it.row_npixels[i] = 1 + next(MOST_ROW);
        it.npixels[i] = it.row_npixels[i] * next(MOST_ROWS + 1);
        it.row[i] = (int64_t)next(1u << 16) - 100;
    }
    int64_t left = (int64_t)input_nbytes / itemsize;
    for (int64_t i = 0; i < it.ntiles; i++) {
        if (it.npixels[i] > left - it.total)
            it.npixels[i] = (left - it.total) / it.row_npixels[i] * it.row_npixels[i];
        it.total += it.npixels[i];
    }
    return copy_of(input, it.total * itemsize);
}

/* Floats to integers with every instruction set: the same of all. */
static void quantize_input(void)
{
    it.wide = (int)next(2);
    it.itemsize = it.wide ? 8 : 4;
    double level = next(2) ? 4.0 : -0.5, numbers[2][2 * MOST_TILES], *scale, *zero;
    uint8_t quantized[2][MOST_TILES];
    void *pixels = make_tiles(it.itemsize);
    int32_t *out[2] = {NULL, NULL};
    for (it.dither.isa = 0; it.dither.isa <= rf_best_isa(); it.dither.isa++) {
        int now = it.dither.isa > 0, done;
        void *memory = room((4 * MOST_ROW + 3 * MOST_ROWS) * it.itemsize);
        out[now] = room(4 * it.total);
        scale = numbers[now], zero = scale + it.ntiles;
        if (it.wide)
            done = rf_quantize_f64(pixels, it.total, it.npixels, it.row_npixels, it.row, it.ntiles, level, &it.dither,
                                   memory, MOST_ROW, MOST_ROWS, out[now], it.total, scale, zero, quantized[now]);
        else
            done = rf_quantize_f32(pixels, it.total, it.npixels, it.row_npixels, it.row, it.ntiles, level, &it.dither,
                                   memory, MOST_ROW, MOST_ROWS, out[now], it.total, scale, zero, quantized[now]);
        if (!done)
            fail("no room where there is enough");
        if (now && (!same(numbers[0], numbers[1], 16 * it.ntiles) || !same(quantized[0], quantized[1], it.ntiles)))
            fail("the instruction sets quantise differently");
        for (int64_t i = 0, at = 0; now && i < it.ntiles; at += 4 * it.npixels[i++])
            if (quantized[0][i] && !same_at(out[0], at, out[1], at, 4 * it.npixels[i]))
                fail("the instruction sets give different integers");
    }
}

/* Integers to floats with every instruction set: the same of all. */
static void dequantize_input(void)
{
    double scale[MOST_TILES], zero[MOST_TILES];
    int64_t null[MOST_TILES], begin[MOST_TILES];
    uint8_t *first = NULL;
    it.wide = (int)next(2);
    it.itemsize = it.wide ? 8 : 4;
    for (int64_t i = 0; i < MOST_TILES; i++) {
        uint64_t bits[2] = {next64(), next64()};
        memcpy(scale + i, bits, 8);
        memcpy(zero + i, bits + 1, 8);
        null[i] = (int64_t)next64();
        begin[i] = next(1u << 16);
    }
    int has_first = (int)next(2), has_null = (int)next(2);
    int32_t *stored = (int32_t *)make_tiles(4);
    for (it.dither.isa = 0; it.dither.isa <= rf_best_isa(); it.dither.isa++) {
        uint8_t *out = room(it.total * it.itemsize);
        const int64_t *firsts = has_first ? begin : NULL, *nulls = has_null ? null : NULL;
        int done = it.wide ? rf_dequantize_f64(stored, it.total, it.npixels, firsts, scale, zero, it.row, nulls, it.ntiles,
                                               &it.dither, (double *)(void *)out, it.total)
                           : rf_dequantize_f32(stored, it.total, it.npixels, firsts, scale, zero, it.row, nulls, it.ntiles,
                                               &it.dither, (float *)(void *)out, it.total);
        if (!done)
            fail("no room where there is enough");
        if (first && !same_floats(out, first, it.total, it.wide))
            fail("the instruction sets give different floats");
        first = out;
    }
}

/* Bytes to planes and back, and planes to members of gzip. What is in those, the tests in Python compare. */
static void planes_input(void)
{
    int32_t itemsize = 1 << next(4);
    uint8_t *pixels = make_tiles(itemsize), repeats[MOST_TILES];
    int64_t nbytes[MOST_TILES], length[MOST_TILES], enough = 0, all = it.total * itemsize;
    uint32_t crc[MOST_TILES] = {0};
    for (int64_t i = 0; i < it.ntiles; i++) {
        nbytes[i] = it.npixels[i] * itemsize;
        enough += rf_planes_bound(nbytes[i], itemsize);
    }
    uint8_t *planes = room(all), *out = room(enough), *back = room(all), *turned = room(all), *past = room(all);
    if (!rf_shuffle(pixels, all, nbytes, it.ntiles, itemsize, planes, all))
        fail("no room where there is enough");
    for (int64_t i = 0, at = 0; i < it.ntiles; at += nbytes[i++])
        if (nbytes[i])
            rf_to_pixels(planes + at, it.npixels[i], itemsize, 1, back + at);
    if (!same(back, pixels, all))
        fail("other pixels come back");
    if (all)
        rf_to_pixels(pixels, it.total, itemsize, 0, turned);
    for (int32_t isa = 0; all && isa <= rf_best_isa(); isa++)
        if (rf_to_pixels_past(pixels, it.total, itemsize, isa, past) && !same(past, turned, all))
            fail("other pixels past the cache");
    int64_t used = rf_gzip_planes(planes, all, nbytes, crc, it.ntiles, itemsize, out, enough, length, repeats);
    for (int64_t i = 0; i < it.ntiles; used -= length[i++])
        if (length[i] < 20)
            fail("a member that is too short");
    if (used)
        fail("lengths that are not those of the bytes");
}

static void one_input(void)
{
    if (!it.dither.random)
        make_tables();
    uint32_t kind = next(3);
    if (kind == 0)
        quantize_input();
    else if (kind == 1)
        dequantize_input();
    else
        planes_input();
}
