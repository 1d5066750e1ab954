#include "dequantize.h"

#include <math.h>

#include "isa.h"

#define ZERO_PIXEL (-2147483646)

/* Pixels that use consecutive random numbers, and what is the same for all of them. */
struct run {
    const int32_t *stored;
    const float *random;
    int64_t npixels;
    double scale, zero;
    int32_t null; /* not used unless the variant looks for nulls */
};

/* One loop for each choice of dither, zeros and nulls: the flags are constants where it is used, so that each copy is
 * free of branches and the compiler turns it into vector code. The order of the operations decides the last bit. */
#define DEFINE_LOOP(NAME, PIXEL)                                                                     \
    RF_INLINE void NAME(const struct run *run, PIXEL *restrict out, int dithered, int zeros, int nulls) \
    {                                                                                                \
        const int32_t *restrict stored = run->stored;                                                \
        const float *restrict random = run->random;                                                  \
        const int64_t npixels = run->npixels;                                                        \
        const double scale = run->scale, zero = run->zero;                                           \
        const int32_t null = run->null;                                                              \
        for (int64_t i = 0; i < npixels; i++) {                                                      \
            double value = (double)stored[i];                                                        \
            if (dithered)                                                                            \
                value = (value - (double)random[i]) + 0.5;                                           \
            PIXEL pixel = (PIXEL)(value * scale + zero);                                             \
            if (zeros)                                                                               \
                pixel = stored[i] == ZERO_PIXEL ? (PIXEL)0.0 : pixel;                                \
            if (nulls)                                                                               \
                pixel = stored[i] == null ? (PIXEL)NAN : pixel;                                      \
            out[i] = pixel;                                                                          \
        }                                                                                            \
    }

DEFINE_LOOP(loop_f32, float)
DEFINE_LOOP(loop_f64, double)

#define DEFINE_RUN(NAME, LOOP, PIXEL)                                              \
    static void NAME(const struct run *run, int32_t method, int nulls, PIXEL *out) \
    {                                                                              \
        if (method == RF_NO_DITHER) {                                              \
            if (nulls)                                                             \
                LOOP(run, out, 0, 0, 1);                                           \
            else                                                                   \
                LOOP(run, out, 0, 0, 0);                                           \
        } else if (method == RF_DITHER_1) {                                        \
            if (nulls)                                                             \
                LOOP(run, out, 1, 0, 1);                                           \
            else                                                                   \
                LOOP(run, out, 1, 0, 0);                                           \
        } else {                                                                   \
            if (nulls)                                                             \
                LOOP(run, out, 1, 1, 1);                                           \
            else                                                                   \
                LOOP(run, out, 1, 1, 0);                                           \
        }                                                                          \
    }

DEFINE_RUN(run_f32, loop_f32, float)
DEFINE_RUN(run_f64, loop_f64, double)
#if RF_X86
RF_TARGET_AVX2 DEFINE_RUN(run_f32_avx2, loop_f32, float)
RF_TARGET_AVX2 DEFINE_RUN(run_f64_avx2, loop_f64, double)
#define CHOOSE_RUN(NAME, isa) ((isa) >= RF_AVX2 ? NAME##_avx2 : NAME)
#else
#define CHOOSE_RUN(NAME, isa) NAME
#endif

/* Cut each tile where the random numbers begin anew. Without dither the cuts do no harm. */
#define DEFINE_TILES(NAME, RUN, PIXEL)                                                                                 \
    void NAME(const int32_t *stored, const int64_t *npixels, const int64_t *first, const double *scale,                \
              const double *zero, const int64_t *row, const int64_t *null, int64_t ntiles,                             \
              const struct rf_dither *dither, PIXEL *out)                                                              \
    {                                                                                                                  \
        void (*const run_pixels)(const struct run *, int32_t, int, PIXEL *) = CHOOSE_RUN(RUN, dither->isa);            \
        for (int64_t tile = 0; tile < ntiles; tile++) {                                                                \
            const int nulls = null && null[tile] >= INT32_MIN && null[tile] <= INT32_MAX;                              \
            struct run run = {.scale = scale[tile], .zero = zero[tile], .null = nulls ? (int32_t)null[tile] : 0};      \
            int64_t seed = (row[tile] % RF_NRANDOM + RF_NRANDOM + dither->seed) % RF_NRANDOM;                          \
            int64_t skipped = first ? first[tile] : 0;                                                                 \
            for (int64_t left = npixels[tile]; left > 0; seed = (seed + 1) % RF_NRANDOM) {                             \
                const int64_t entry = dither->starts[seed];                                                            \
                if (skipped >= RF_NRANDOM - entry) {                                                                   \
                    skipped -= RF_NRANDOM - entry;                                                                     \
                    continue;                                                                                          \
                }                                                                                                      \
                run.stored = stored;                                                                                   \
                run.random = dither->random + entry + skipped;                                                         \
                run.npixels = left < RF_NRANDOM - entry - skipped ? left : RF_NRANDOM - entry - skipped;               \
                run_pixels(&run, dither->method, nulls, out);                                                          \
                skipped = 0;                                                                                           \
                left -= run.npixels;                                                                                   \
                stored += run.npixels;                                                                                 \
                out += run.npixels;                                                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_TILES(rf_dequantize_f32, run_f32, float)
DEFINE_TILES(rf_dequantize_f64, run_f64, double)
