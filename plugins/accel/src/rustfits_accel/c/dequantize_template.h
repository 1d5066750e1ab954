/* Dequantising to one kind of pixel. Included once for each, with these macros:
 *   PIXEL      the pixel
 *   NAME(x)    x with a suffix of its own */

/* One loop for each choice of dither, zeros and nulls: the flags are constants where it is used, so that each copy is
 * free of branches and the compiler turns it into vector code. The order of the operations decides the last bit. */
RF_INLINE void NAME(loop)(const struct run *run, PIXEL *restrict out, int dithered, int zeros, int nulls)
{
    const int32_t *restrict stored = run->stored;
    const float *restrict random = run->random;
    const int64_t npixels = run->npixels;
    const double scale = run->scale, zero = run->zero;
    const int32_t null = run->null;
    for (int64_t i = 0; i < npixels; i++) {
        double value = (double)stored[i];
        if (dithered)
            value = (value - (double)random[i]) + 0.5;
        PIXEL pixel = (PIXEL)(value * scale + zero);
        if (zeros)
            pixel = stored[i] == ZERO_PIXEL ? (PIXEL)0.0 : pixel;
        if (nulls)
            pixel = stored[i] == null ? (PIXEL)NAN : pixel;
        out[i] = pixel;
    }
}

RF_INLINE void NAME(choose_loop)(const struct run *run, int32_t method, int nulls, PIXEL *out)
{
    if (method == RF_NO_DITHER && nulls)
        NAME(loop)(run, out, 0, 0, 1);
    else if (method == RF_NO_DITHER)
        NAME(loop)(run, out, 0, 0, 0);
    else if (method == RF_DITHER_1 && nulls)
        NAME(loop)(run, out, 1, 0, 1);
    else if (method == RF_DITHER_1)
        NAME(loop)(run, out, 1, 0, 0);
    else if (nulls)
        NAME(loop)(run, out, 1, 1, 1);
    else
        NAME(loop)(run, out, 1, 1, 0);
}

static void NAME(run)(const struct run *run, int32_t method, int nulls, PIXEL *out)
{
    NAME(choose_loop)(run, method, nulls, out);
}

#if RF_X86
RF_TARGET_AVX2 static void NAME(run_avx2)(const struct run *run, int32_t method, int nulls, PIXEL *out)
{
    NAME(choose_loop)(run, method, nulls, out);
}
#endif

int32_t NAME(rf_dequantize)(const int32_t *stored, int64_t stored_n, const int64_t *npixels, const int64_t *first,
                            const double *scale, const double *zero, const int64_t *row, const int64_t *null,
                            int64_t ntiles, const struct rf_dither *dither, PIXEL *out, int64_t out_n)
{
    if (!rf_parts_fit(npixels, ntiles, stored_n < out_n ? stored_n : out_n))
        return 0;
    for (int64_t tile = 0; first && tile < ntiles; tile++)
        if (first[tile] < 0)
            return 0;
    void (*run_pixels)(const struct run *, int32_t, int, PIXEL *) = NAME(run);
#if RF_X86
    if (dither->isa >= RF_AVX2)
        run_pixels = NAME(run_avx2);
#endif
    for (int64_t tile = 0; tile < ntiles; tile++) {
        const int nulls = null && null[tile] >= INT32_MIN && null[tile] <= INT32_MAX;
        struct run run = {.scale = scale[tile], .zero = zero[tile], .null = nulls ? (int32_t)null[tile] : 0};
        int64_t seed = (row[tile] % RF_NRANDOM + RF_NRANDOM + dither->seed) % RF_NRANDOM;
        int64_t skipped = first ? first[tile] : 0;
        for (int64_t left = npixels[tile]; left > 0; seed = (seed + 1) % RF_NRANDOM) {
            const int64_t entry = dither->starts[seed];
            if (skipped >= RF_NRANDOM - entry) {
                skipped -= RF_NRANDOM - entry;
                continue;
            }
            run.stored = stored;
            run.random = dither->random + entry + skipped;
            run.npixels = left < RF_NRANDOM - entry - skipped ? left : RF_NRANDOM - entry - skipped;
            run_pixels(&run, dither->method, nulls, out);
            skipped = 0;
            left -= run.npixels;
            stored += run.npixels;
            out += run.npixels;
        }
    }
    return 1;
}
