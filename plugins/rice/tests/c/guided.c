/* Gives the Rice coders what a fuzzer makes up, as streams; see harness.h. */
#define NAME "rice"
#define RF_GUIDED
#include "harness.h"

#include "rice.h"

enum { MOST_TILES = 17 };

static struct {
    int32_t bytepix, block;
    int64_t ntiles, total; /* pixels in all */
    int64_t npixels[MOST_TILES], start[MOST_TILES], length[MOST_TILES];
    uint8_t *data;
    int64_t nbytes;
} it;

/* Tiles by themselves, by fours and by sixteens, which share what is left of the input. */
static void make_tiles(void)
{
    static const int32_t blocks[] = {32, 16, 1, 33, 64, 65, INT32_MAX};
    static const int64_t ntiles[] = {1, 2, 4, 5, 16, 17};
    it.bytepix = 1 << next(3);
    it.block = blocks[next(7)];
    it.ntiles = ntiles[next(6)];
    it.total = 0;
    int64_t most = next(4) ? 40 : 150, overlap = next(20);
    for (int64_t i = 0; i < it.ntiles; i++) {
        it.npixels[i] = i < 4 ? next((uint32_t)most) : most;
        it.total += it.npixels[i];
    }
    it.nbytes = (int64_t)input_nbytes;
    it.data = copy_of(input, it.nbytes);
    int64_t share = it.nbytes / it.ntiles;
    for (int64_t i = 0; i < it.ntiles; i++) {
        it.start[i] = i * share;
        it.length[i] = share + overlap; /* of the last ones beyond the data */
    }
}

/* Encode what was decoded with every variant: the same bytes, from which the same pixels come. */
static void encode_again(const uint8_t *pixels)
{
    int64_t length[MOST_TILES], start[MOST_TILES], enough = 0, used = 0;
    int32_t status[MOST_TILES];
    uint8_t *first = NULL;
    for (int64_t i = 0; i < it.ntiles; i++)
        enough += rf_rice_bound(it.bytepix, it.npixels[i], it.block);
    for (int32_t variant = 0; variant <= rf_rice_best_variant(); variant++) {
        uint8_t *encoded = room(enough);
        int64_t now = rf_rice_encode(variant, it.bytepix, pixels, it.total, it.npixels, it.ntiles, it.block, encoded,
                                     enough, length, status);
        if (first && (now != used || !same(encoded, first, used)))
            fail("the variants encode differently");
        first = encoded;
        used = now;
    }
    for (int64_t i = 0, at = 0; i < it.ntiles; at += length[i++])
        start[i] = at;
    uint8_t *again = room(it.total * it.bytepix);
    rf_rice_decode(rf_rice_best_variant(), it.bytepix, first, used, start, length, it.npixels, it.ntiles, it.block, again,
                   it.total, status);
    if (!same(again, pixels, it.total * it.bytepix))
        fail("other pixels come back");
}

/* Decode a tile from its marks on: the same pixels, or the same fault. */
static void decode_from_marks(int32_t variant, int64_t i, int32_t fault, const uint8_t *pixels)
{
    uint64_t mark[150] = {0};
    uint64_t *marks_of[] = {mark};
    int64_t first = 0, npixels = it.npixels[i];
    int32_t status;
    struct rf_rice_marks marks = {.step = it.block, .first = &first, .mark = marks_of};
    for (int again = 0; again < 2 && it.block < 150; again++) {
        uint8_t *out = room(npixels * it.bytepix);
        rf_rice_resume(variant, it.bytepix, it.data, it.nbytes, it.start + i, it.length + i, &npixels, 1, it.block,
                       &marks, out, npixels, &status);
        if (!status != !fault)
            fail("a tile with marks has other faults");
        if (!status && !same_at(out, 0, pixels, first * it.bytepix, npixels * it.bytepix))
            fail("other pixels come from marks");
        if (status || npixels <= it.block || !mark[0])
            break;
        first = it.block;
        npixels -= it.block;
    }
}

static void one_input(void)
{
    int32_t status[MOST_TILES], first_status[MOST_TILES];
    uint8_t *first = NULL;
    make_tiles();
    for (int32_t variant = 0; variant <= rf_rice_best_variant(); variant++) {
        uint8_t *out = room(it.total * it.bytepix);
        rf_rice_decode(variant, it.bytepix, it.data, it.nbytes, it.start, it.length, it.npixels, it.ntiles, it.block, out,
                       it.total, status);
        if (first && !same(status, first_status, (int64_t)sizeof *status * it.ntiles))
            fail("the variants find different faults");
        for (int64_t i = 0, at = 0; i < it.ntiles; at += it.bytepix * it.npixels[i++]) {
            if (status[i]) /* its pixels are not said */
                memset(out + at, 0, (size_t)(it.bytepix * it.npixels[i]));
            if (first && !same_at(out, at, first, at, it.bytepix * it.npixels[i]))
                fail("the variants decode differently");
            if (i == 0)
                decode_from_marks(variant, i, status[i], out);
        }
        memcpy(first_status, status, sizeof status);
        first = out;
    }
    encode_again(first);
}
