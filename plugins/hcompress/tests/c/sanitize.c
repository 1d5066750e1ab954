/* Feeds the HCOMPRESS coders with whole, damaged and invented streams; see harness.h and README.md. */
#define NAME "hcompress"
#include "harness.h"

#include "hcompress.h"

enum { MOST_TILES = 5, HEADER_NBYTES = 25 };

/* The tiles of one round. */
static struct {
    int pixel;
    int32_t scale;
    int64_t ntiles, total; /* pixels in all */
    int64_t height[MOST_TILES], width[MOST_TILES], start[MOST_TILES], length[MOST_TILES];
    uint8_t *pixels, *data;
    void *scratch;
    int64_t used, scratch_n; /* bytes of data and of scratch */
    int whole;               /* nothing was damaged, and the pixels have to come back */
} it;

static void fill(uint8_t *pixels, int64_t npixels)
{
    uint32_t width = next(33); /* bits of noise */
    uint32_t mask = width == 32 ? 0xFFFFFFFFu : ((uint32_t)1 << width) - 1, rare = 1 + next(60), kind = next(3);
    for (int64_t i = 0; i < npixels; i++) {
        uint32_t value = next(rare) ? 0 : (uint32_t)next64() & mask;
        if (kind == 0) /* the farthest from each other */
            value = it.pixel == RF_U8 ? 0u - (value & 1) : 0x7FFFFFFFu >> (32 - 8 * it.pixel) ^ (0u - (value & 1));
        memcpy(pixels + it.pixel * i, &value, (size_t)it.pixel); /* of a little-endian machine the low bytes */
    }
}

static int64_t npixels_of(int64_t i)
{
    return it.height[i] * it.width[i];
}

static void make_tiles(void)
{
    uint32_t side = next(3) ? 16 : next(10) ? 40 : 200;
    it.pixel = 1 << next(3);
    it.scale = next(3) ? 0 : (int32_t)(next64() >> (33 + next(31)));
    if (next(40) == 0)
        it.scale = next(2) ? INT32_MAX : -(int32_t)next(5);
    it.ntiles = 1 + next(MOST_TILES);
    it.total = it.scratch_n = 0;
    for (int64_t i = 0; i < it.ntiles; i++) {
        it.height[i] = 1 + next(next(4) ? side : 2);
        it.width[i] = 1 + next(next(4) ? side : 2);
        if (next(40) == 0)
            it.height[i] = 1, it.width[i] = 5000;
        it.total += npixels_of(i);
        int64_t scratch = rf_hcompress_scratch(it.height[i], it.width[i]);
        it.scratch_n = scratch > it.scratch_n ? scratch : it.scratch_n;
    }
    it.pixels = room(it.total * it.pixel);
    it.scratch = room(it.scratch_n);
    memset(it.scratch, (int)next(256), (size_t)it.scratch_n);
    fill(it.pixels, it.total);
}

/* Encode in rooms that are too small for the bytes, the pixels or the scratch: each tile the same, or refused. */
static void encode_in_little_room(int kernel, int64_t enough, const uint8_t *whole)
{
    int64_t length[MOST_TILES], done = 0;
    int32_t status[MOST_TILES];
    int64_t less = next((uint32_t)enough), few_n = next(4) ? it.total : next((uint32_t)it.total + 1);
    int64_t scratch_n = next(4) ? it.scratch_n : 8 * next((uint32_t)it.scratch_n / 8 + 1);
    uint8_t *part = room(less), *few = copy_of(it.pixels, few_n * it.pixel);
    int64_t used = rf_hcompress_encode(kernel, it.pixel, few, few_n, it.height, it.width, it.ntiles, it.scale, part,
                                       less, length, room(scratch_n), scratch_n, status);
    for (int64_t i = 0; i < it.ntiles; done += length[i++])
        if (status[i] ? length[i] != 0 : length[i] != it.length[i])
            fail("other lengths where there is little room");
    if (used != done || !same(part, whole, used))
        fail("other bytes where there is little room");
}

/* Encode with every kernel: the same bytes. */
static void encode_tiles(void)
{
    int32_t status[MOST_TILES];
    int64_t enough = 0;
    uint8_t *first = NULL;
    for (int64_t i = 0; i < it.ntiles; i++)
        enough += rf_hcompress_bound(it.height[i], it.width[i], it.pixel);
    for (int kernel = 0; kernel <= rf_hcompress_best_kernel(); kernel++) {
        uint8_t *encoded = room(enough);
        int64_t used = rf_hcompress_encode(kernel, it.pixel, it.pixels, it.total, it.height, it.width, it.ntiles,
                                           it.scale, encoded, enough, it.length, it.scratch, it.scratch_n, status);
        if (kernel && (used != it.used || !same(encoded, first, used)))
            fail("the kernels encode differently");
        for (int64_t i = 0; i < it.ntiles; i++)
            if (status[i])
                fail("no room where there is enough");
        it.used = used;
        if (!first)
            first = encoded;
        encode_in_little_room(kernel, enough, first);
    }
    it.data = copy_of(first, it.used);
    for (int64_t i = 0, at = 0; i < it.ntiles; at += it.length[i++])
        it.start[i] = at;
}

/* Spoil the bytes, seldom so that the header tells, and what is said of where they are and what they make. */
static void damage_tiles(void)
{
    it.whole = next(4) == 0;
    if (it.whole)
        return;
    for (int64_t i = 0; i < it.ntiles; i++) {
        uint8_t *stream = it.data + it.start[i];
        int64_t spared = next(4) ? HEADER_NBYTES : next(4) ? 10 : 0; /* the first ten bytes say of what tile it is */
        damage(stream + spared, it.length[i] - spared);
        for (int64_t k = 22; next(4) == 0 && k < HEADER_NBYTES; k++)
            stream[k] = (uint8_t)next(70); /* bit planes */
        if (next(4) == 0)
            it.length[i] -= next(40);
        if (next(30) == 0)
            it.start[i] = next_extreme();
        if (next(30) == 0)
            it.length[i] = next_extreme();
    }
}

/* Decode with every kernel: the same faults, and the same pixels of tiles without one. */
static void decode_tiles(void)
{
    int64_t height[MOST_TILES], width[MOST_TILES], room_n = next(4) ? it.total : next((uint32_t)it.total + 1);
    int64_t scratch_n = next(8) ? it.scratch_n : 8 * next((uint32_t)it.scratch_n / 8 + 1);
    int32_t status[MOST_TILES], first_status[MOST_TILES] = {0};
    int smooth = (int)next(2);
    uint8_t *first = NULL;
    memcpy(height, it.height, sizeof height);
    memcpy(width, it.width, sizeof width);
    if (it.whole)
        room_n = it.total, scratch_n = it.scratch_n;
    else if (next(10) == 0)
        *(next(2) ? height : width) = next_extreme();
    for (int kernel = 0; kernel <= rf_hcompress_best_kernel(); kernel++) {
        uint8_t *out = room(room_n * it.pixel);
        rf_hcompress_decode(kernel, it.data, it.used, it.start, it.length, height, width, it.ntiles, smooth, it.pixel,
                            out, room_n, room(scratch_n), scratch_n, status);
        if (kernel && !same(status, first_status, (int64_t)sizeof *status * it.ntiles))
            fail("the kernels find different faults");
        for (int64_t i = 0, at = 0; i < it.ntiles && status[i] != RF_HCOMPRESS_NO_ROOM; i++) {
            int64_t nbytes = height[i] * width[i] * it.pixel;
            if (it.whole && status[i])
                fail("a fault in a whole tile");
            if (it.whole && it.scale <= 1 && !same_at(out, at, it.pixels, at, nbytes))
                fail("other pixels come back");
            if (kernel && !status[i] && !same_at(out, at, first, at, nbytes))
                fail("the kernels decode differently");
            at += nbytes;
        }
        memcpy(first_status, status, sizeof status);
        first = out;
    }
}

static void one_round(void)
{
    make_tiles();
    encode_tiles();
    damage_tiles();
    decode_tiles();
}

/* Sides whose product, or the scratch for it, has no 64 bits. */
static void sides_beyond_reason(int64_t height, int64_t width)
{
    int32_t status = 0;
    int64_t start = 0, length = 40, out_length = 1, scratch_n = rf_hcompress_scratch(8, 8);
    uint8_t *data = copy_of("0123456789012345678901234567890123456789", length), *out = room(64);
    void *scratch = room(scratch_n);
    rf_hcompress_decode(0, data, length, &start, &length, &height, &width, 1, 0, RF_U8, out, 64, scratch, scratch_n,
                        &status);
    if (status != RF_HCOMPRESS_NO_ROOM)
        fail("room for a tile beyond reason");
    rf_hcompress_encode(0, RF_U8, out, 64, &height, &width, 1, 0, data, length, &out_length, scratch, scratch_n,
                        &status);
    if (status != RF_HCOMPRESS_NO_ROOM || out_length != 0)
        fail("room to encode a tile beyond reason");
}

static void fixed_cases(void)
{
    static const int64_t sides[][2] = {{(int64_t)1 << 32, (int64_t)1 << 32}, {INT32_MAX, INT32_MAX},
                                       {INT64_MAX, 2}, {-1, -1}, {INT64_MIN, INT64_MIN}, {(int64_t)1 << 62, 4}};
    rf_hcompress_prepare();
    for (size_t k = 0; k < sizeof sides / sizeof *sides; k++, release_rooms())
        sides_beyond_reason(sides[k][0], sides[k][1]);
}

static void say_kernels(void)
{
    printf("kernels 0 to %d of 1\n", rf_hcompress_best_kernel());
}
