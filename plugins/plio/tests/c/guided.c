/* Gives the PLIO coder what a fuzzer makes up, as lists and as pixels; see harness.h. */
#define NAME "plio"
#define RF_GUIDED
#include "harness.h"

#include "plio.h"

static int64_t npixels;

static int32_t decode(const uint8_t *data, int64_t nbytes, int pixel, void *out)
{
    int64_t start = 0;
    int32_t status;
    rf_plio_decode(data, nbytes, &start, &nbytes, &npixels, 1, pixel, out, npixels, &status);
    return status;
}

/* Encode pixels, if a list can hold them: the same come back. */
static void encode(int pixel, const uint8_t *pixels)
{
    int64_t enough = rf_plio_bound(npixels), length;
    int32_t status;
    uint8_t *list = room(enough), *again = room(npixels * pixel);
    int64_t used = rf_plio_encode(pixel, pixels, npixels, &npixels, 1, list, enough, &length, &status);
    if (status && used)
        fail("bytes of a tile that is refused");
    if (!status && (decode(list, used, pixel, again) || !same(again, pixels, npixels * pixel)))
        fail("other pixels come back");
}

static void one_input(void)
{
    npixels = next(300);
    int has_header = (int)next(4), invented = (int)next(4) == 1, pixel = next(2) ? RF_PLIO_U8 : RF_PLIO_I32;
    int64_t nbytes = (int64_t)input_nbytes;
    uint8_t *data = copy_of(input, nbytes), *bytes = room(npixels), *numbers = room(4 * npixels);
    if (invented) { /* pixels, not a list */
        npixels = npixels < nbytes / pixel ? npixels : nbytes / pixel;
        encode(pixel, copy_of(data, npixels * pixel));
        return;
    }
    if (has_header && nbytes >= 14) {
        static const uint8_t header[] = {0, 0, 0, 7, 0xFF, 0x9C}; /* the new form of seven words */
        memcpy(data, header, sizeof header);
        data[6] = (uint8_t)(nbytes / 2 >> 8), data[7] = (uint8_t)(nbytes / 2); /* words of the list */
        data[8] = data[9] = 0;
    }
    int32_t fault = decode(data, nbytes, RF_PLIO_I32, numbers), narrow = decode(data, nbytes, RF_PLIO_U8, bytes);
    if (narrow != fault && narrow != RF_PLIO_TOO_WIDE)
        fail("pixels of eight bits have other faults");
    for (int64_t i = 0; !narrow && i < npixels; i++) {
        int32_t number;
        memcpy(&number, numbers + 4 * i, 4);
        if (number != bytes[i])
            fail("pixels of eight bits are others");
    }
    if (!fault)
        encode(RF_PLIO_I32, numbers);
    if (!narrow)
        encode(RF_PLIO_U8, bytes);
}
