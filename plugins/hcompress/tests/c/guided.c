/* Gives the HCOMPRESS coders what a fuzzer makes up, as streams; see harness.h. */
#define NAME "hcompress"
#define RF_GUIDED
#include "harness.h"

#include "hcompress.h"

static struct {
    int pixel;
    int64_t height, width, npixels, scratch_n;
    uint8_t *data;
    int64_t nbytes;
} it;

static void put32(uint8_t *to, uint32_t number)
{
    for (int k = 0; k < 4; k++)
        to[k] = (uint8_t)(number >> (24 - 8 * k));
}

/* What is left of the input, as a stream whose header mostly fits the tile. */
static void make_stream(void)
{
    it.pixel = 1 << next(3);
    it.height = 1 + next(40);
    it.width = 1 + next(40);
    it.npixels = it.height * it.width;
    it.scratch_n = rf_hcompress_scratch(it.height, it.width);
    int fits = next(8) != 1;
    it.nbytes = (int64_t)input_nbytes;
    it.data = copy_of(input, it.nbytes);
    if (!fits || it.nbytes < 10)
        return;
    it.data[0] = 0xDD, it.data[1] = 0x99;
    put32(it.data + 2, (uint32_t)it.height);
    put32(it.data + 6, (uint32_t)it.width);
}

static int32_t decode(int kernel, int smooth, const uint8_t *data, int64_t nbytes, void *out)
{
    int64_t start = 0;
    int32_t status;
    rf_hcompress_decode(kernel, data, nbytes, &start, &nbytes, &it.height, &it.width, 1, smooth, it.pixel, out,
                        it.npixels, room(it.scratch_n), it.scratch_n, &status);
    return status;
}

/* Encode what was decoded with every kernel: the same bytes, from which the same pixels come. */
static void encode_again(const uint8_t *pixels, int32_t scale)
{
    int64_t enough = rf_hcompress_bound(it.height, it.width, it.pixel), used = 0, length;
    int32_t status;
    uint8_t *first = NULL, *again = room(it.npixels * it.pixel);
    for (int kernel = 0; kernel <= rf_hcompress_best_kernel(); kernel++) {
        uint8_t *encoded = room(enough);
        int64_t now = rf_hcompress_encode(kernel, it.pixel, pixels, it.npixels, &it.height, &it.width, 1, scale, encoded,
                                          enough, &length, room(it.scratch_n), it.scratch_n, &status);
        if (status || (first && (now != used || !same(encoded, first, used))))
            fail("the kernels encode differently, or not at all");
        first = encoded;
        used = now;
    }
    if (decode(0, 0, first, used, again) || (scale <= 1 && !same(again, pixels, it.npixels * it.pixel)))
        fail("other pixels come back");
}

static void one_input(void)
{
    static int begun;
    uint8_t *first = NULL;
    int32_t fault = 0;
    if (!begun++)
        rf_hcompress_prepare();
    int32_t scale = next(4) ? 0 : (int32_t)next(1u << 20);
    int smooth = (int)next(2);
    make_stream();
    for (int kernel = 0; kernel <= rf_hcompress_best_kernel(); kernel++) {
        uint8_t *out = room(it.npixels * it.pixel);
        int32_t status = decode(kernel, smooth, it.data, it.nbytes, out);
        if (first && status != fault)
            fail("the kernels find different faults");
        if (status) /* its pixels are not said */
            memset(out, 0, (size_t)(it.npixels * it.pixel));
        if (first && !same(out, first, it.npixels * it.pixel))
            fail("the kernels decode differently");
        first = out;
        fault = status;
    }
    encode_again(first, scale);
}
