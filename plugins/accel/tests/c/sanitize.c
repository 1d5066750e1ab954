/* Feeds the kernels of accel with numbers, bytes and boxes of every kind; see harness.h and README.md. */
#define NAME "accel"
#include "harness.h"

#include <math.h>

#include "cut.h"
#include "floats.h"
#include "gather.h"
#include "planes.h"
#include "quantize.h"
#include "read.h"
#include "shuffle.h"

#include "isa.h"

enum { MOST_TILES = 6 };

/* -- floats and integers -- */

static float table[RF_NRANDOM];
static int64_t starts[RF_NRANDOM];

/* The same tables for every seed. Some runs begin with the last of the random numbers. */
static void make_tables(void)
{
    uint64_t kept = state;
    state = 1;
    for (int k = 0; k < RF_NRANDOM; k++) {
        table[k] = (float)next(1u << 24) / (float)(1 << 24);
        starts[k] = next(30) ? next(RF_NRANDOM) : RF_NRANDOM - 1;
    }
    state = kept;
}

static struct rf_dither next_dither(void)
{
    return (struct rf_dither){.random = table, .starts = starts, .seed = next(RF_NRANDOM), .method = (int32_t)next(3)};
}

/* Any double: of all bits, or one that ends a range, or one as images have them. */
static double next_double(uint32_t kind)
{
    static const double all[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e308, -1e308, 3e38, -3e38, 1e-310, -1e-45, 1.0};
    uint64_t bits = next64();
    double number;
    memcpy(&number, &bits, sizeof number);
    return kind == 0   ? number
           : kind == 1 ? all[next(sizeof all / sizeof *all)]
                       : ((double)next(1u << 20) - 5e5) * (next(2) ? 1e-3 : 1.0);
}

/* What tiles of floats of either width have in common. */
static struct {
    int64_t ntiles, total;
    int64_t npixels[MOST_TILES], row_npixels[MOST_TILES], row[MOST_TILES];
    int wide;
    int64_t itemsize;
} it;

static void make_float_tiles(void)
{
    it.wide = (int)next(2);
    it.itemsize = it.wide ? 8 : 4;
    it.ntiles = 1 + next(MOST_TILES);
    it.total = 0;
    for (int64_t i = 0; i < it.ntiles; i++) {
        int64_t nrows = next(next(2) ? 3 : 40);
        it.row_npixels[i] = 1 + next(next(20) ? 70 : 15000);
        if (it.row_npixels[i] > 1000)
            nrows = 1;
        it.npixels[i] = nrows * it.row_npixels[i];
        it.row[i] = next(4) ? next(1000) : next_extreme();
        it.total += it.npixels[i];
    }
}

static void *make_floats(void)
{
    uint8_t *pixels = room(it.total * it.itemsize);
    uint32_t rare = next(3) ? 1 + next(300) : 0, kinds = next(3), again = next(2) ? next(10) : 0;
    double number = 0;
    for (int64_t i = 0; i < it.total; i++) {
        if (!again || next(again))
            number = next_double(rare && next(rare) == 0 ? next(2) : 2 - (next(100) == 0 ? kinds : 0));
        float narrow = (float)number;
        memcpy(pixels + it.itemsize * i, it.wide ? (void *)&number : (void *)&narrow, (size_t)it.itemsize);
    }
    return pixels;
}

static int32_t quantize(const void *pixels, int64_t pixels_n, double level, const struct rf_dither *dither, void *memory,
                        int64_t widest, int64_t most_rows, int32_t *out, int64_t out_n, double *scale, double *zero,
                        uint8_t *quantized)
{
    if (it.wide)
        return rf_quantize_f64(pixels, pixels_n, it.npixels, it.row_npixels, it.row, it.ntiles, level, dither, memory,
                               widest, most_rows, out, out_n, scale, zero, quantized);
    return rf_quantize_f32(pixels, pixels_n, it.npixels, it.row_npixels, it.row, it.ntiles, level, dither, memory,
                           widest, most_rows, out, out_n, scale, zero, quantized);
}

static int32_t dequantize(const int32_t *stored, int64_t stored_n, const int64_t *first, const double *scale,
                          const double *zero, const int64_t *null, const struct rf_dither *dither, void *out,
                          int64_t out_n)
{
    if (it.wide)
        return rf_dequantize_f64(stored, stored_n, it.npixels, first, scale, zero, it.row, null, it.ntiles, dither, out,
                                 out_n);
    return rf_dequantize_f32(stored, stored_n, it.npixels, first, scale, zero, it.row, null, it.ntiles, dither, out,
                             out_n);
}

/* Floats to integers with every instruction set: the same of all. */
static void quantize_round(void)
{
    struct rf_dither dither = next_dither();
    double scale[MOST_TILES], zero[MOST_TILES], first_scale[MOST_TILES], first_zero[MOST_TILES];
    uint8_t quantized[MOST_TILES], first_quantized[MOST_TILES];
    double level = next(4) ? (next(2) ? 4.0 : 16.0) : next_double(2) * 1e-3;
    int64_t widest = 0, most_rows = 0, nbytes = 4 * it.ntiles; /* of the numbers to compare */
    int32_t *first = NULL;
    void *pixels = make_floats();
    level = level == 0 ? -1.0 : level;
    for (int64_t i = 0; i < it.ntiles; i++) {
        int64_t nrows = it.npixels[i] / it.row_npixels[i];
        widest = nrows && it.row_npixels[i] > widest ? it.row_npixels[i] : widest;
        most_rows = nrows > most_rows ? nrows : most_rows;
    }
    widest = (widest + 15) & ~15, most_rows = (most_rows + 15) & ~15;
    for (dither.isa = 0; dither.isa <= rf_best_isa(); dither.isa++) {
        int32_t *out = room(4 * it.total);
        void *memory = room((4 * widest + 3 * most_rows) * it.itemsize);
        if (!quantize(pixels, it.total, level, &dither, memory, widest, most_rows, out, it.total, scale, zero, quantized))
            fail("no room where there is enough");
        if (dither.isa && (!same(scale, first_scale, 2 * nbytes) || !same(zero, first_zero, 2 * nbytes) ||
                           !same(quantized, first_quantized, it.ntiles)))
            fail("the instruction sets quantise differently");
        for (int64_t i = 0, at = 0; dither.isa && i < it.ntiles; at += it.npixels[i++])
            if (quantized[i] && !same_at(out, 4 * at, first, 4 * at, 4 * it.npixels[i]))
                fail("the instruction sets give different integers");
        memcpy(first_scale, scale, sizeof scale);
        memcpy(first_zero, zero, sizeof zero);
        memcpy(first_quantized, quantized, sizeof quantized);
        first = out;
        if (it.total && (quantize(pixels, it.total - 1, level, &dither, memory, widest, most_rows, out, it.total, scale,
                                  zero, quantized) ||
                         quantize(pixels, it.total, level, &dither, memory, widest, most_rows, out, it.total - 1, scale,
                                  zero, quantized) ||
                         quantize(pixels, it.total, level, &dither, memory, widest - 16, most_rows, out, it.total, scale,
                                  zero, quantized) ||
                         quantize(pixels, it.total, level, &dither, memory, widest, most_rows - 16, out, it.total, scale,
                                  zero, quantized)))
            fail("quantised in too little room");
    }
}

/* Integers to floats with every instruction set: the same of all. */
static void dequantize_round(void)
{
    struct rf_dither dither = next_dither();
    double scale[MOST_TILES], zero[MOST_TILES];
    int64_t null[MOST_TILES], begin[MOST_TILES];
    int32_t *stored = room(4 * it.total);
    uint8_t *first = NULL;
    int has_first = (int)next(2), has_null = (int)next(2);
    for (int64_t i = 0; i < it.total; i++)
        stored[i] = next(8) ? (int32_t)next(2000) - 1000 : (int32_t)(INT32_MIN + (int64_t)next(8));
    for (int64_t i = 0; i < it.ntiles; i++) {
        scale[i] = next_double(next(3));
        zero[i] = next_double(next(3));
        null[i] = next(3) ? INT32_MIN + (int64_t)next(4) : next_extreme();
        begin[i] = next(2) ? next(100) : next(200000);
    }
    for (dither.isa = 0; dither.isa <= rf_best_isa(); dither.isa++) {
        uint8_t *out = room(it.total * it.itemsize);
        if (!dequantize(stored, it.total, has_first ? begin : NULL, scale, zero, has_null ? null : NULL, &dither, out,
                        it.total))
            fail("no room where there is enough");
        if (dither.isa && !same_floats(out, first, it.total, it.wide))
            fail("the instruction sets give different floats");
        first = out;
        if (it.total && (dequantize(stored, it.total - 1, NULL, scale, zero, NULL, &dither, out, it.total) ||
                         dequantize(stored, it.total, NULL, scale, zero, NULL, &dither, out, it.total - 1)))
            fail("dequantised in too little room");
    }
    int64_t kept = it.npixels[0];
    it.npixels[0] = next_extreme();
    if (it.npixels[0] > it.total &&
        dequantize(stored, it.total, NULL, scale, zero, NULL, &dither, first, it.total))
        fail("dequantised more than there is");
    it.npixels[0] = kept;
}

/* -- bytes -- */

static void fill(uint8_t *bytes, int64_t nbytes)
{
    uint32_t kind = next(4), few = 1 + next(256), longest = 1 + next(400);
    for (int64_t i = 0; i < nbytes;) {
        uint8_t byte = (uint8_t)next(few);
        for (int64_t n = kind == 0 ? 1 + next(longest) : 1; n && i < nbytes; n--, i++)
            bytes[i] = kind == 1 && i >= 50 && next(20) ? bytes[i - 50] : byte;
    }
    damage(bytes, nbytes);
}

/* Pixels to bytes by significance and back, in every way. */
static void shuffle_round(void)
{
    int32_t itemsize = 1 << next(4);
    int64_t ntiles = 1 + next(MOST_TILES), nbytes[MOST_TILES], total = 0;
    for (int64_t i = 0; i < ntiles; i++) {
        nbytes[i] = itemsize * next(next(8) ? 100 : 3000);
        total += nbytes[i];
    }
    uint8_t *data = room(total), *out = room(total);
    fill(data, total);
    if (!rf_shuffle(data, total, nbytes, ntiles, itemsize, out, total))
        fail("no room where there is enough");
    if (total && (rf_shuffle(data, total - 1, nbytes, ntiles, itemsize, out, total) ||
                  rf_shuffle(data, total, nbytes, ntiles, itemsize, out, total - 1)))
        fail("shuffled in too little room");
    for (int64_t i = 0, at = 0; i < ntiles; at += nbytes[i++]) {
        if (!nbytes[i])
            continue;
        int64_t npixels = nbytes[i] / itemsize;
        uint8_t *given = copy_of(out + at, nbytes[i]), *back = room(nbytes[i]);
        rf_to_pixels(given, npixels, itemsize, 1, back);
        if (!same_at(back, 0, data, at, nbytes[i]))
            fail("other pixels come back");
        uint8_t *turned = room(nbytes[i]), *past = room(nbytes[i]);
        rf_to_pixels(back, npixels, itemsize, 0, turned);
        if (rf_to_pixels_past(back, npixels, itemsize, (int32_t)next((uint32_t)rf_best_isa() + 1), past) &&
            !same(past, turned, nbytes[i]))
            fail("other pixels past the cache");
        rf_from_big_endian(turned, npixels, itemsize, turned);
        if (!same(turned, back, nbytes[i]))
            fail("pixels turned round twice are others");
    }
}

/* Byte planes to gzip members. What is in them is compared with other decoders by the tests in Python. */
static void planes_round(void)
{
    int32_t nplanes = 1 << next(4);
    uint32_t most = next(30) ? 3000 : 140000;
    int64_t ntiles = 1 + next(3), nbytes[MOST_TILES], length[MOST_TILES], total = 0, enough = 0;
    uint32_t crc[MOST_TILES];
    uint8_t repeats[MOST_TILES];
    for (int64_t i = 0; i < ntiles; i++) {
        nbytes[i] = nplanes * (int64_t)next(most / (uint32_t)nplanes + 1);
        crc[i] = (uint32_t)next64();
        total += nbytes[i];
        enough += rf_planes_bound(nbytes[i], nplanes);
    }
    uint8_t *data = room(total), *out = room(enough);
    fill(data, total);
    int64_t used = rf_gzip_planes(data, total, nbytes, crc, ntiles, nplanes, out, enough, length, repeats);
    if (used < 0)
        fail("no room where there is enough");
    for (int64_t i = 0; i < ntiles; used -= length[i++])
        if (length[i] < 20)
            fail("a member that is too short");
    if (used)
        fail("lengths that are not those of the bytes");
    int64_t less = next((uint32_t)enough), fewer = next((uint32_t)total + 1);
    used = rf_gzip_planes(data, total, nbytes, crc, ntiles, nplanes, room(less), less, length, repeats);
    if (used > less)
        fail("more bytes than there is room for");
    if (fewer < total && rf_gzip_planes(copy_of(data, fewer), fewer, nbytes, crc, ntiles, nplanes, out, enough, length,
                                        repeats) >= 0)
        fail("more bytes than were given");
}

/* -- boxes -- */

static struct {
    struct rf_grid grid;
    int64_t start[RF_CUT_NDIM], count[RF_CUT_NDIM];
    int64_t ntiles, npixels; /* of the image */
    int64_t box_npixels, itemsize;
} cut;

static void make_grid(void)
{
    struct rf_grid *grid = &cut.grid;
    grid->ndim = 1 + next(next(2) ? 3 : RF_CUT_NDIM);
    cut.ntiles = cut.npixels = cut.box_npixels = 1;
    cut.itemsize = 1 << next(4);
    for (int64_t axis = grid->ndim - 1; axis >= 0; axis--) {
        uint32_t most = grid->ndim == 1 ? 500 : grid->ndim < 4 ? 20 : 3;
        grid->size[axis] = 1 + next(most);
        grid->tile[axis] = 1 + next((uint32_t)grid->size[axis]);
        grid->stride[axis] = cut.ntiles;
        cut.ntiles *= (grid->size[axis] - 1) / grid->tile[axis] + 1;
        cut.npixels *= grid->size[axis];
        cut.start[axis] = next((uint32_t)grid->size[axis]);
        cut.count[axis] = 1 + next((uint32_t)(grid->size[axis] - cut.start[axis]));
        cut.box_npixels *= cut.count[axis];
    }
}

/* The byte that stands for a pixel of the image, of which `at` is the place. */
static uint8_t byte_of(const int64_t *at)
{
    uint64_t mixed = 7;
    for (int64_t axis = 0; axis < cut.grid.ndim; axis++)
        mixed = mixed * 31 + (uint64_t)at[axis];
    return (uint8_t)(mixed * 0x9E3779B97F4A7C15u >> 56);
}

/* Go on to the next place within `count`, the last axis first; 0 behind the last one. */
static int next_place(int64_t *place, const int64_t *count)
{
    int64_t axis = cut.grid.ndim - 1;
    while (axis >= 0 && ++place[axis] == count[axis])
        place[axis--] = 0;
    return axis >= 0;
}

/* The first pixels of a tile, in memory of its own. */
static uint8_t *tile_of(const struct rf_part *part)
{
    int64_t place[RF_CUT_NDIM] = {0}, at[RF_CUT_NDIM], done = 0;
    uint8_t *pixels = room(part->npixels * cut.itemsize);
    do {
        for (int64_t axis = 0; axis < cut.grid.ndim; axis++) {
            int64_t ntiles = (cut.grid.size[axis] - 1) / cut.grid.tile[axis] + 1;
            at[axis] = part->row / cut.grid.stride[axis] % ntiles * cut.grid.tile[axis] + place[axis];
        }
        if (done >= part->skipped && done < part->skipped + part->npixels)
            memset(pixels + (done - part->skipped) * cut.itemsize, byte_of(at), (size_t)cut.itemsize);
        done++;
    } while (next_place(place, part->shape));
    return pixels;
}

/* Leave out of a tile what is not wanted: its last rows, or all but the stretch that marks allow. */
static void shorten(struct rf_part *part)
{
    int64_t shape[RF_CUT_NDIM], first, whole = part->npixels, block = 1 + next(10), step = block * (1 + next(5));
    int64_t nmarks = (whole - 1) / step, kept[RF_CUT_NDIM];
    uint64_t *marks = room(8 * nmarks);
    memcpy(kept, part->shape, sizeof kept);
    for (int64_t i = 0; i < nmarks; i++)
        marks[i] = next(2);
    if (next(2)) {
        int64_t npixels = rf_cut_first(part, cut.grid.ndim, shape);
        if (npixels > whole)
            fail("more first pixels than there are pixels");
        part->npixels = npixels;
        memcpy(part->shape, shape, sizeof shape);
    } else {
        int64_t npixels = rf_cut_stretch(part, cut.grid.ndim, whole, marks, step, block, &first);
        if (first < 0 || npixels < 1 || first + npixels > whole || part->skipped < first ||
            part->skipped + part->npixels > first + npixels || (first && !marks[first / step - 1]))
            fail("a stretch that does not hold what is wanted, or begins without a mark");
    }
}

/* Cut a box out of tiles: the pixels of the image. */
static void cut_round(void)
{
    struct rf_part *parts = room((int64_t)sizeof(struct rf_part) * RF_CUT_NTILES);
    make_grid();
    int32_t ntiles = rf_cut_parts(&cut.grid, cut.start, cut.count, RF_CUT_NTILES, parts);
    if (!ntiles)
        return;
    uint8_t *box = room(cut.box_npixels * cut.itemsize);
    for (int32_t i = 0; i < ntiles; i++) {
        if (parts[i].row < 0 || parts[i].row >= cut.ntiles)
            fail("a part of a tile that is not there");
        if (next(2))
            shorten(&parts[i]);
        rf_cut_place(&parts[i], cut.grid.ndim, cut.itemsize, tile_of(&parts[i]), cut.count, box);
    }
    int64_t place[RF_CUT_NDIM] = {0}, at[RF_CUT_NDIM], done = 0;
    do {
        for (int64_t axis = 0; axis < cut.grid.ndim; axis++)
            at[axis] = cut.start[axis] + place[axis];
        for (int64_t k = 0; k < cut.itemsize; k++, done++)
            if (box[done] != byte_of(at))
                fail("other pixels in the box");
    } while (next_place(place, cut.count));
}

/* Rows of an image in a file, and the same gathered from memory: the same bytes. */
static void rows_round(void)
{
    static FILE *file;
    int64_t ndim = next(RF_READ_NDIM), row = 1 + next(60), total = 1, first = next(50), nbytes;
    int64_t count[RF_READ_NDIM], from[RF_READ_NDIM] = {0}, to[RF_READ_NDIM] = {0}, wanted = row;
    for (int64_t axis = ndim - 1; axis >= 0; axis--) {
        count[axis] = 1 + next(ndim < 4 ? 6 : 2);
        from[axis] = axis == ndim - 1 ? row + next(20) : from[axis + 1] * count[axis + 1];
        to[axis] = wanted;
        wanted *= count[axis];
    }
    for (int64_t axis = 0; axis < ndim; axis++)
        total += (count[axis] - 1) * from[axis];
    nbytes = total + row - 1;
    uint8_t *source = room(nbytes), *target = room(wanted), *gathered = room(wanted);
    fill(source, nbytes);
    rf_gather(source, from, gathered, to, count, ndim, row, (int32_t)next(2));
    if (!file && !(file = tmpfile()))
        fail("no temporary file");
    int descriptor = fileno(file);
    if (ftruncate(descriptor, 0) || pwrite(descriptor, source, (size_t)nbytes, first) != nbytes)
        fail("a temporary file that cannot be written");
    if (!rf_read_rows(descriptor, first, ndim, count, from, row, target) || !same(target, gathered, wanted))
        fail("other rows are read");
    if (rf_read_rows(descriptor, first + 1, ndim, count, from, row, target))
        fail("rows behind the end of the file are read");
    if (rf_read(descriptor, INT64_MAX - (int64_t)next(9), row, target))
        fail("bytes behind all files are read");
}

static void one_round(void)
{
    make_float_tiles();
    quantize_round();
    dequantize_round();
    shuffle_round();
    planes_round();
    cut_round();
    rows_round();
}

static void fixed_cases(void)
{
    int64_t none = 0, length = 1, negative = -4;
    uint32_t crc = 0;
    uint8_t repeats = 1;
    /* No bytes, so no address. */
    if (!rf_shuffle(NULL, 0, &none, 1, 4, NULL, 0) || rf_shuffle(NULL, 0, &negative, 1, 4, NULL, 0))
        fail("tiles of no bytes, and of less, are not told apart");
    uint8_t *out = room(rf_planes_bound(0, 4));
    if (rf_gzip_planes(NULL, 0, &none, &crc, 1, 4, out, rf_planes_bound(0, 4), &length, &repeats) != length || repeats)
        fail("no member of a tile of no bytes");
    make_tables();
}

static void say_kernels(void)
{
    printf("kernels 0 to %d of 2\n", (int)rf_best_isa());
}
