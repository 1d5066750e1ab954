/* The coders of one tile, included once for each instruction set; KERNEL, COEF and NAME(x) are set by the includer.
 *
 * To be compiled with -fwrapv, as setup.py does: damaged streams can claim coefficients whose product with the scale,
 * and whose sums, not even 64 bits hold. These must wrap, so that the pixels are the same everywhere, and not be
 * undefined. */
#include "planes.h"
#include "signs.h"
#include "tile.h"

#include "coefficients.h"
#include "transform.h"

static int32_t decode(struct stream *stream, const struct tile *tile, int smooth, void *out)
{
    COEF *coef = tile->coef[0];
    int32_t fault = NAME(take_coef)(&stream->bits, tile, stream->nplanes, coef);
    if (fault)
        return fault;
    coef[0] = (COEF)stream->sum;
    for (int64_t k = 0; stream->scale > 1 && k < tile->npixels; k++)
        coef[k] *= stream->scale;
    NAME(invert)(tile, coef, smooth, stream->scale, tile->coef[1], tile->coef[2], out);
    return RF_HCOMPRESS_OK;
}

static void encode(const struct tile *tile, const void *pixels, int32_t scale, struct writer *out)
{
    COEF *coef = tile->coef[0];
    NAME(transform)(tile, pixels, tile->coef[1], tile->coef[2], coef);
    NAME(digitize)(coef, tile->npixels, scale);
    int64_t sum = coef[0];
    coef[0] = 0;
    put(out, (uint32_t)((uint64_t)sum >> 32), 32);
    put(out, (uint32_t)sum, 32);
    NAME(put_coef)(out, tile, coef);
}

const struct kernel KERNEL = {decode, encode};
