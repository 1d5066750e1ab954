/* What the files on sixteen lanes share; only for machines with AVX-512. */
#ifndef RF_RICE_LANES_H
#define RF_RICE_LANES_H

#include <immintrin.h>

#include "stream.h"

#define LANES_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,bmi,bmi2,lzcnt,movbe")))
#define LANES_INLINE LANES_TARGET RF_INLINE
#define LANES_NOINLINE LANES_TARGET RF_NOINLINE

/* Where the pixels of each lane go. */
typedef struct {
    uint8_t *out[16];
    int64_t step[16]; /* bytes of a block, 0 for a lane without a stream */
} places_t;

/* Put n pixels of each lane to its place. Pixel i of a lane is pixels[16 * i + lane]; there is room for RF_CHUNK. */
void rf_rice_put_lanes(places_t *places, int32_t bytepix, const uint32_t *pixels, int32_t n);

#endif
