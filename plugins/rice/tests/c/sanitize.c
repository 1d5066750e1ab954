/* Feeds the Rice coders with whole, damaged and invented streams; see harness.h and README.md. */
#define NAME "rice"
#include "harness.h"

#include "rice.h"

enum { MOST_TILES = 45, MOST_MARKS = 500 };

/* The tiles of one round. */
static struct {
    int32_t bytepix, block;
    int64_t ntiles, total; /* pixels in all */
    int64_t npixels[MOST_TILES], start[MOST_TILES], length[MOST_TILES];
    uint8_t *pixels, *data;
    int64_t used; /* bytes of data */
    int whole;    /* nothing was damaged, and the pixels have to come back */
} it;

static void fill(uint8_t *pixels, int64_t npixels)
{
    uint32_t width = next(33); /* bits of noise */
    uint32_t mask = width == 32 ? 0xFFFFFFFFu : ((uint32_t)1 << width) - 1, rare = 1 + next(50);
    for (int64_t i = 0; i < npixels; i++) {
        uint32_t pixel = (uint32_t)next64() & (next(rare) ? mask : 0xFFFFFFFFu);
        memcpy(pixels + it.bytepix * i, &pixel, (size_t)it.bytepix); /* of a little-endian machine the low bytes */
    }
}

static void make_tiles(void)
{
    static const int32_t blocks[] = {1, 2, 16, 32, 32, 32, 33, 64, 65, 300, INT32_MAX};
    uint32_t most = next(8) ? 400 : 3000;
    it.bytepix = 1 << next(3);
    it.block = blocks[next(sizeof blocks / sizeof *blocks)];
    it.ntiles = 1 + next(next(2) ? 10 : MOST_TILES);
    it.total = 0;
    for (int64_t i = 0; i < it.ntiles; i++) {
        it.npixels[i] = next(4) ? next(most) : 100;
        it.total += it.npixels[i];
    }
    it.pixels = room(it.total * it.bytepix);
    fill(it.pixels, it.total);
}

/* Encode with every variant: the same bytes. Then with less room: each tile the same, or refused. */
static void encode_tiles(void)
{
    int64_t length[MOST_TILES], enough = 0;
    int32_t status[MOST_TILES];
    uint8_t *first = NULL;
    for (int64_t i = 0; i < it.ntiles; i++)
        enough += rf_rice_bound(it.bytepix, it.npixels[i], it.block);
    for (int32_t variant = 0; variant <= rf_rice_best_variant(); variant++) {
        uint8_t *encoded = room(enough);
        int64_t used = rf_rice_encode(variant, it.bytepix, it.pixels, it.total, it.npixels, it.ntiles, it.block, encoded,
                                      enough, length, status);
        if (variant && (used != it.used || !same(encoded, first, used) || !same(length, it.length, 8 * it.ntiles)))
            fail("the variants encode differently");
        for (int64_t i = 0; i < it.ntiles; i++)
            if (status[i])
                fail("no room where there is enough");
        it.used = used;
        memcpy(it.length, length, sizeof length);
        if (!first)
            first = encoded;
        int64_t less = next((uint32_t)enough), done = 0, from = 0;
        int64_t pixels_n = next(4) ? it.total : next((uint32_t)it.total + 1);
        uint8_t *few = copy_of(it.pixels, pixels_n * it.bytepix), *part = room(less);
        rf_rice_encode(variant, it.bytepix, few, pixels_n, it.npixels, it.ntiles, it.block, part, less, length, status);
        for (int64_t i = 0; i < it.ntiles; from += it.length[i++], done += length[i - 1])
            if (status[i] ? length[i] != 0 : length[i] != it.length[i] || !same_at(part, done, first, from, length[i]))
                fail("other bytes where there is little room");
    }
    it.data = copy_of(first, it.used);
    for (int64_t i = 0, at = 0; i < it.ntiles; at += it.length[i++])
        it.start[i] = at;
}

/* Spoil the bytes, what is said of where they are, or both. */
static void damage_tiles(void)
{
    it.whole = next(3) == 0;
    if (it.whole)
        return;
    damage(it.data, it.used);
    for (int64_t i = next(4) ? it.ntiles : 0; i < it.ntiles; i++) {
        if (next(4) == 0)
            it.length[i] -= next(20);
        if (next(8) == 0)
            it.start[i] += (int64_t)next(30) - 10;
        if (next(30) == 0)
            it.start[i] = next_extreme();
        if (next(30) == 0)
            it.length[i] = next_extreme();
    }
}

/* Decode with every variant, once with numbers of pixels that may not fit: the same faults, and the same pixels of
 * tiles without one. */
static void decode_tiles(void)
{
    int64_t npixels[MOST_TILES], room_n = next(4) ? it.total : next((uint32_t)it.total + 1);
    int32_t status[MOST_TILES], first_status[MOST_TILES] = {0};
    uint8_t *first = NULL;
    if (it.whole)
        room_n = it.total;
    memcpy(npixels, it.npixels, sizeof npixels);
    if (!it.whole && next(10) == 0)
        npixels[next((uint32_t)it.ntiles)] = next_extreme();
    for (int32_t variant = 0; variant <= rf_rice_best_variant(); variant++) {
        uint8_t *out = room(room_n * it.bytepix);
        rf_rice_decode(variant, it.bytepix, it.data, it.used, it.start, it.length, npixels, it.ntiles, it.block, out,
                       room_n, status);
        if (variant && !same(status, first_status, (int64_t)sizeof *status * it.ntiles))
            fail("the variants find different faults");
        for (int64_t i = 0, at = 0; i < it.ntiles && status[i] != RF_RICE_NO_ROOM; at += it.bytepix * npixels[i++]) {
            if (it.whole && status[i])
                fail("a fault in a whole tile");
            if (variant && !status[i] && !same_at(out, at, first, at, it.bytepix * npixels[i]))
                fail("the variants decode differently");
        }
        if (it.whole && !same(out, it.pixels, it.total * it.bytepix))
            fail("other pixels come back");
        memcpy(first_status, status, sizeof status);
        first = out;
    }
}

/* Words of marks, as many as belong to each tile. */
static struct {
    uint64_t *mark[MOST_TILES];
    int64_t first[MOST_TILES], npixels[MOST_TILES], nknown[MOST_TILES];
    struct rf_rice_marks marks;
} by;

static void resume(int32_t variant, uint8_t *out, int64_t room_n, int32_t *status)
{
    rf_rice_resume(variant, it.bytepix, it.data, it.used, it.start, it.length, by.npixels, it.ntiles, it.block,
                   &by.marks, out, room_n, status);
}

/* Leave marks, over the first pixels of each tile. */
static void leave_marks(int32_t variant)
{
    int32_t status[MOST_TILES];
    by.marks = (struct rf_rice_marks){.step = (int64_t)it.block * (1 + next(3)), .first = by.first, .mark = by.mark};
    for (int64_t i = 0; i < it.ntiles; i++) {
        int64_t nmarks = it.npixels[i] ? (it.npixels[i] - 1) / by.marks.step : 0;
        by.mark[i] = room(8 * nmarks);
        if (nmarks)
            memset(by.mark[i], 0, (size_t)(8 * nmarks));
        by.first[i] = 0;
        by.npixels[i] = next(3) ? it.npixels[i] : next((uint32_t)it.npixels[i] + 1);
    }
    resume(variant, room(it.total * it.bytepix), it.total, status);
    for (int64_t i = 0; i < it.ntiles; i++) {
        int64_t known = 0;
        while ((known + 1) * by.marks.step < it.npixels[i] && by.mark[i][known])
            known++;
        if (it.whole && known != (by.npixels[i] ? (by.npixels[i] - 1) / by.marks.step : 0))
            fail("other marks than those of the pixels decoded");
        by.nknown[i] = known;
    }
}

/* Decode from marks on, right ones or, in what is damaged anyway, spoilt ones: the same pixels, or a fault. */
static void decode_from_marks(int32_t variant)
{
    int32_t status[MOST_TILES];
    int64_t room_n = 0, before = 0, at = 0;
    leave_marks(variant);
    for (int64_t i = 0; i < it.ntiles; i++) {
        if (by.nknown[i] && !it.whole && !next(5))
            by.mark[i][next((uint32_t)by.nknown[i])] = next64() >> next(64);
        by.first[i] = by.marks.step * next((uint32_t)by.nknown[i] + 1);
        by.npixels[i] = it.npixels[i] - by.first[i];
        room_n += by.npixels[i];
        if (!it.whole && !next(20))
            by.first[i] = -by.first[i] - (int64_t)next(2);
    }
    uint8_t *out = room(room_n * it.bytepix);
    resume(variant, out, room_n, status);
    for (int64_t i = 0; it.whole && i < it.ntiles; before += it.npixels[i], at += by.npixels[i++])
        if (status[i] || !same_at(out, at * it.bytepix, it.pixels, (before + by.first[i]) * it.bytepix,
                                  by.npixels[i] * it.bytepix))
            fail("other pixels come from marks");
}

static void one_round(void)
{
    make_tiles();
    encode_tiles();
    damage_tiles();
    decode_tiles();
    for (int32_t variant = 0; variant <= rf_rice_best_variant(); variant++)
        decode_from_marks(variant);
}

/* A tile of zeros, so of one symbol that has no end, which ends just before the last REACH bytes of the data begin. The
 * next 1 is behind, so that the symbol leads from the one to the other. */
static void ends_before_the_tail(int32_t variant, int32_t bytepix, int64_t ntiles, int64_t gap, int64_t one)
{
    enum { TILE = 40, REACH = 528 };
    int32_t status[MOST_TILES];
    int64_t start[MOST_TILES] = {0}, length[MOST_TILES], npixels[MOST_TILES], nbytes = TILE + gap + REACH;
    uint8_t *data = room_of(nbytes, ON_HEAP), *out = room_of(ntiles * 100 * bytepix, ON_HEAP);
    memset(data, 0, (size_t)nbytes);
    data[bytepix] = (uint8_t)(bytepix == 4 ? 1 << 3 : bytepix == 2 ? 1 << 4 : 1 << 5); /* fs = 0 */
    data[TILE - 1] = 1; /* a symbol of many zeros, and where the next one begins */
    data[TILE + one] = 1;
    for (int64_t i = 0; i < ntiles; i++)
        length[i] = TILE, npixels[i] = 100;
    rf_rice_decode(variant, bytepix, data, nbytes, start, length, npixels, ntiles, 32, out, ntiles * 100, status);
    for (int64_t i = 0; i < ntiles; i++)
        if (status[i] != RF_RICE_TRUNCATED)
            fail("a tile that ends early is not found out");
}

static void fixed_cases(void)
{
    static const int64_t ntiles[] = {1, 4, 20}; /* by itself, by fours, by sixteens */
    for (int32_t variant = 0; variant <= rf_rice_best_variant(); variant++)
        for (int32_t bytepix = 1; bytepix <= 4; bytepix *= 2)
            for (int k = 0; k < 3; k++)
                for (int64_t gap = 0; gap < 16; gap++)
                    for (int64_t one = 0; one < 16; one++, release_rooms())
                        ends_before_the_tail(variant, bytepix, ntiles[k], gap, one);
}

static void say_kernels(void)
{
    printf("kernels 0 to %d of 3\n", (int)rf_rice_best_variant());
}
