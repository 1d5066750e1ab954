/* Quantising one kind of pixel (see rustfits/quantize/quantum.py, whose bits this gives). Included after
 * noise_template.h, with the same macros and
 *   PIXEL_MAX       the largest number of the kind */

struct NAME(limits) {
    PIXEL low, high; /* of the pixels that are numbers, if any is */
    int nulls, numbers; /* whether there are pixels that are not numbers, and that are */
};

/* Numbers ordered as integers: negative ones have all bits but the sign turned round. */
#define ORDERED(key) ((key) ^ (-(KEY)((key) < 0) & KEY_MAX))

TARGET static struct NAME(limits) NAME(find_limits)(const PIXEL *restrict pixels, int64_t npixels)
{
    KEY low = KEY_MAX, high = -KEY_MAX - 1, any_bad = 0;
    for (int64_t i = 0; i < npixels; i++) {
        KEY key;
        memcpy(&key, pixels + i, sizeof key);
        const KEY bad = -(KEY)((key & KEY_INFINITY) == KEY_INFINITY); /* all bits or none */
        const KEY ordered = ORDERED(key);
        const KEY for_low = (ordered & ~bad) | (KEY_MAX & bad);
        const KEY for_high = (ordered & ~bad) | ((-KEY_MAX - 1) & bad);
        low = for_low < low ? for_low : low;
        high = for_high > high ? for_high : high;
        any_bad |= bad;
    }
    struct NAME(limits) limits = {.nulls = any_bad != 0, .numbers = low <= high};
    low = ORDERED(low);
    high = ORDERED(high);
    memcpy(&limits.low, &low, sizeof low);
    memcpy(&limits.high, &high, sizeof high);
    return limits;
}

/* Choose scale and zero of one tile; 0 if it cannot be quantised. */
TARGET static int NAME(find_quantum)(const PIXEL *pixels, int64_t npixels, int64_t row_npixels, double level,
                                     int32_t method, struct NAME(room) *room, struct quantum *quantum)
{
    if (npixels <= 1)
        return 0;
    struct NAME(limits) limits = NAME(find_limits)(pixels, npixels);
    if (!limits.numbers) {
        limits.low = level < 0 ? PIXEL_MAX : 0;
        limits.high = level < 0 ? -PIXEL_MAX : 1;
    }
    double scale = -level;
    if (level > 0)
        scale = (limits.numbers ? NAME(noise)(pixels, npixels, row_npixels, limits.nulls, room) : 1.0) / level;
    /* Limits are taken from each other in their own precision, as CFITSIO does it. */
    const double range = (double)(PIXEL)(limits.high - limits.low) / scale;
    if (!(scale > 0 && scale <= DBL_MAX) || !(range <= 2.0 * LARGEST - RESERVED))
        return 0;
    const double low = (double)limits.low;
    double zero;
    if (limits.nulls || method == RF_DITHER_2)
        zero = low - scale * (NULL_PIXEL + RESERVED);
    else if (range < LARGEST - RESERVED)
        zero = trunc(low / scale + 0.5) * scale + 0.0; /* the sum turns -0.0 into 0.0 */
    else
        zero = (double)(PIXEL)(limits.low + limits.high) / 2.0;
    if (!(fabs(zero) <= DBL_MAX))
        return 0;
    quantum->scale = scale;
    quantum->zero = zero;
    quantum->nulls = limits.nulls;
    if (!limits.numbers)
        return 1;
    const double high = (double)limits.high, largest = fabs(low) > fabs(high) ? fabs(low) : fabs(high);
    return largest + scale / 2 <= PIXEL_MAX && (low - zero) / scale >= NULL_PIXEL + 3.0 &&
           (high - zero) / scale <= LARGEST - (method != RF_NO_DITHER);
}

/* The flags are constants where it is used, so that each copy is free of branches. The order of the operations decides
 * which integer is the nearest. Nulls and zeros are chosen before the number becomes an integer, which NaN must not. */
RF_INLINE void NAME(quantize_run)(const PIXEL *restrict pixels, const float *restrict random, int64_t npixels,
                                  const struct quantum *quantum, int dithered, int zeros, int nulls,
                                  int32_t *restrict out)
{
    const double scale = quantum->scale, zero = quantum->zero;
    for (int64_t i = 0; i < npixels; i++) {
        const double pixel = (double)pixels[i];
        double value = (pixel - zero) / scale;
        if (dithered)
            value = (value + (double)random[i]) - 0.5;
        value = value >= 0 ? value + 0.5 : value - 0.5;
        if (zeros)
            value = pixel == 0 ? (double)ZERO_PIXEL : value;
        if (nulls)
            value = fabs(pixel) <= DBL_MAX ? value : (double)NULL_PIXEL;
        out[i] = (int32_t)value;
    }
}

TARGET static void NAME(quantize_tile)(const PIXEL *pixels, int64_t npixels, int64_t seed,
                                       const struct quantum *quantum, const struct rf_dither *dither, int32_t *out)
{
    while (npixels > 0) {
        const int64_t entry = dither->starts[seed];
        const int64_t count = npixels < RF_NRANDOM - entry ? npixels : RF_NRANDOM - entry;
        const float *random = dither->random + entry;
        if (dither->method == RF_NO_DITHER) {
            if (quantum->nulls)
                NAME(quantize_run)(pixels, random, count, quantum, 0, 0, 1, out);
            else
                NAME(quantize_run)(pixels, random, count, quantum, 0, 0, 0, out);
        } else if (dither->method == RF_DITHER_1) {
            if (quantum->nulls)
                NAME(quantize_run)(pixels, random, count, quantum, 1, 0, 1, out);
            else
                NAME(quantize_run)(pixels, random, count, quantum, 1, 0, 0, out);
        } else {
            NAME(quantize_run)(pixels, random, count, quantum, 1, 1, 1, out);
        }
        pixels += count;
        out += count;
        npixels -= count;
        seed = (seed + 1) % RF_NRANDOM;
    }
}

TARGET static void NAME(quantize)(const PIXEL *pixels, const int64_t *npixels, const int64_t *row_npixels,
                                  const int64_t *row, int64_t ntiles, double level, const struct rf_dither *dither,
                                  KEY *memory, int64_t widest, int64_t most_rows, int32_t *out, double *scale,
                                  double *zero, uint8_t *quantized)
{
    struct NAME(room) room = {.second = memory, .third = memory + widest, .fifth = memory + 2 * widest};
    room.good = (PIXEL *)(memory + 3 * widest);
    room.seconds = memory + 4 * widest;
    room.thirds = room.seconds + most_rows;
    room.fifths = room.thirds + most_rows;
    for (int64_t tile = 0; tile < ntiles; tile++) {
        struct quantum quantum = {0};
        quantized[tile] = (uint8_t)NAME(find_quantum)(pixels, npixels[tile], row_npixels[tile], level, dither->method,
                                                      &room, &quantum);
        if (quantized[tile]) {
            scale[tile] = quantum.scale;
            zero[tile] = quantum.zero;
            const int64_t seed = (row[tile] % RF_NRANDOM + RF_NRANDOM + dither->seed) % RF_NRANDOM;
            NAME(quantize_tile)(pixels, npixels[tile], seed, &quantum, dither, out);
        }
        if (npixels[tile]) { /* of no pixels there may be no address */
            pixels += npixels[tile];
            out += npixels[tile];
        }
    }
}

#undef ORDERED
