/* Feeds the PLIO coder with whole, damaged and invented lists; see harness.h and README.md. */
#define NAME "plio"
#include "harness.h"

#include "plio.h"

enum { MOST_TILES = 6 };

/* The tiles of one round. */
static struct {
    int pixel;
    int64_t ntiles, total; /* pixels in all */
    int64_t npixels[MOST_TILES], start[MOST_TILES], length[MOST_TILES];
    uint8_t *pixels, *data;
    int64_t used; /* bytes of data */
    int whole;    /* nothing was damaged, and the pixels have to come back */
} it;

static void fill(uint8_t *pixels, int64_t npixels)
{
    uint32_t longest = 1 + next(60), mask = ((uint32_t)1 << next(28)) - 1;
    int longest_list = next(8) == 0; /* each pixel far from the one before: three words for each */
    for (int64_t i = 0; longest_list && i < npixels; i++) {
        uint32_t value = i % 2 ? 1 : (1u << 27) - 1;
        memcpy(pixels + it.pixel * i, &value, (size_t)it.pixel);
    }
    for (int64_t i = 0; !longest_list && i < npixels;) {
        uint32_t value = next(2) ? 0 : (uint32_t)next64() & mask;
        for (int64_t n = 1 + next(next(20) ? longest : 9000); n && i < npixels; n--, i++)
            memcpy(pixels + it.pixel * i, &value, (size_t)it.pixel); /* of a little-endian machine the low bytes */
    }
}

static void make_tiles(void)
{
    it.pixel = next(2) ? RF_PLIO_U8 : RF_PLIO_I32;
    it.ntiles = 1 + next(MOST_TILES);
    it.total = 0;
    for (int64_t i = 0; i < it.ntiles; i++) {
        it.npixels[i] = next(next(10) ? 200 : 9000);
        it.total += it.npixels[i];
    }
    it.pixels = room(it.total * it.pixel);
    fill(it.pixels, it.total);
}

/* Encode in rooms that are too small for the bytes or the pixels: each tile the same, or refused. */
static void encode_in_little_room(int64_t enough, const uint8_t *whole)
{
    int64_t length[MOST_TILES], done = 0;
    int32_t status[MOST_TILES];
    int64_t less = next((uint32_t)enough), few_n = next(4) ? it.total : next((uint32_t)it.total + 1);
    uint8_t *part = room(less), *few = copy_of(it.pixels, few_n * it.pixel);
    int64_t used = rf_plio_encode(it.pixel, few, few_n, it.npixels, it.ntiles, part, less, length, status);
    for (int64_t i = 0; i < it.ntiles; done += length[i++])
        if (status[i] ? length[i] != 0 : length[i] != it.length[i])
            fail("other lengths where there is little room");
    if (used != done || !same(part, whole, used))
        fail("other bytes where there is little room");
}

/* Pixels that no list holds: each tile is refused for the first of its faults, and writes nothing that stays. */
static void encode_bad_pixels(int64_t enough)
{
    int64_t length[MOST_TILES];
    int32_t status[MOST_TILES];
    uint8_t *pixels = copy_of(it.pixels, it.total * it.pixel);
    for (int32_t bad = 0; it.pixel == RF_PLIO_I32 && it.total && bad < 3; bad++) {
        uint32_t value = (uint32_t)next64();
        memcpy(pixels + 4 * next((uint32_t)it.total), &value, 4);
    }
    rf_plio_encode(it.pixel, pixels, it.total, it.npixels, it.ntiles, room(enough), enough, length, status);
    for (int64_t i = 0; i < it.ntiles; i++)
        if (status[i] && length[i])
            fail("bytes of a tile that is refused");
}

static void encode_tiles(void)
{
    int32_t status[MOST_TILES];
    int64_t enough = 0;
    for (int64_t i = 0; i < it.ntiles; i++)
        enough += rf_plio_bound(it.npixels[i]);
    uint8_t *encoded = room(enough);
    it.used = rf_plio_encode(it.pixel, it.pixels, it.total, it.npixels, it.ntiles, encoded, enough, it.length, status);
    for (int64_t i = 0; i < it.ntiles; i++)
        if (status[i])
            fail("a fault in a good tile");
    encode_in_little_room(enough, encoded);
    encode_bad_pixels(enough);
    it.data = copy_of(encoded, it.used);
    for (int64_t i = 0, at = 0; i < it.ntiles; at += it.length[i++])
        it.start[i] = at;
}

/* Spoil the bytes, seldom so that the header tells, and what is said of where they are. */
static void damage_tiles(void)
{
    it.whole = next(3) == 0;
    if (it.whole)
        return;
    for (int64_t i = 0; i < it.ntiles; i++) {
        uint8_t *list = it.data + it.start[i];
        int64_t spared = next(4) ? 14 : 0;
        damage(list + spared, it.length[i] - spared);
        for (int64_t k = spared; next(4) == 0 && k < it.length[i]; k++)
            list[k] = (uint8_t)next(k % 2 ? 256 : 128); /* opcodes that there are */
        if (next(2))
            it.length[i] -= next(20);
        if (next(30) == 0)
            it.start[i] = next_extreme();
        if (next(30) == 0)
            it.length[i] = next_extreme();
    }
}

static void decode_tiles(void)
{
    int64_t npixels[MOST_TILES], room_n = it.whole || next(4) ? it.total : next((uint32_t)it.total + 1);
    int32_t status[MOST_TILES];
    memcpy(npixels, it.npixels, sizeof npixels);
    if (!it.whole && next(10) == 0)
        npixels[next((uint32_t)it.ntiles)] = next_extreme();
    uint8_t *out = room(room_n * it.pixel);
    rf_plio_decode(it.data, it.used, it.start, it.length, npixels, it.ntiles, it.pixel, out, room_n, status);
    for (int64_t i = 0; it.whole && i < it.ntiles; i++)
        if (status[i])
            fail("a fault in a whole tile");
    if (it.whole && !same(out, it.pixels, it.total * it.pixel))
        fail("other pixels come back");
}

static void one_round(void)
{
    make_tiles();
    encode_tiles();
    damage_tiles();
    decode_tiles();
}

static void fixed_cases(void)
{
    int64_t start = 0, length = 0, npixels = 0;
    int32_t status = RF_PLIO_OK;
    /* No bytes, no pixels, so no addresses. */
    rf_plio_decode(NULL, 0, &start, &length, &npixels, 1, RF_PLIO_U8, NULL, 0, &status);
    if (status != RF_PLIO_NO_HEADER)
        fail("a list of no bytes has a header");
}

static void say_kernels(void)
{
#ifdef __SSE2__
    puts("with SSE2");
#else
    puts("without SSE2");
#endif
}
