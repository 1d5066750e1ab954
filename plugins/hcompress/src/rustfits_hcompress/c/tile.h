/* One tile and the scratch its coders work in. */
#ifndef RF_HCOMPRESS_TILE_H
#define RF_HCOMPRESS_TILE_H

#include <stdint.h>

#include "bits.h"
#include "hcompress.h"

enum {
    STEP = 32,       /* bytes that the inner loops handle at once; so much may be touched behind any array */
    OCTET_MAX = 8,   /* octets, which are bytes with eight bit planes each, of the widest coefficient */
    LEVEL_MAX = 64,  /* of a tree */
};

/* n rounded up to whole steps. */
static inline int64_t in_steps(int64_t n)
{
    return (n + STEP - 1) & -(int64_t)STEP;
}

/* A quadrant of the coefficients. Its bit planes are coded in blocks of 2 x 2; an odd edge has half blocks. */
struct quadrant {
    int64_t height, width;
    int64_t rows, columns; /* of blocks */
};

struct tile {
    int64_t height, width, npixels;
    int64_t left; /* columns of coefficients that belong to the left quadrants */
    int pixel;
    int nlevels; /* of the transform */
    struct quadrant quadrants[4];
    int64_t slot;        /* bytes that hold one byte for each block of a quadrant */
    void *coef[3];       /* arrays of coefficients of either width */
    uint8_t *slices;     /* see slice_of */
    uint8_t *grids[2];   /* a nybble in a byte for each block */
    uint8_t *packed;     /* nybbles in pairs, of a plane and of the levels above it */
    uint8_t *row, *signs;
};

/* Bits 8 * octet to 8 * octet + 7 of the coefficients at one place (0 1 over 2 3) of all blocks of a quadrant. */
static inline uint8_t *slice_of(const struct tile *tile, int quadrant, int octet, int place)
{
    return tile->slices + ((quadrant * OCTET_MAX + octet) * 4 + place) * tile->slot;
}

/* What a tile's header says. */
struct stream {
    int32_t scale;
    int64_t sum;
    uint8_t nplanes[3]; /* of the first quadrant, the second and third, the last */
    struct reader bits;
};

/* One set of coders for each instruction set. Each gives the same bits.
 * decode  the bit planes and signs that `stream` has; returns a status
 * encode  pixels to everything behind the scale */
struct kernel {
    int32_t (*decode)(struct stream *stream, const struct tile *tile, int smooth, void *out);
    void (*encode)(const struct tile *tile, const void *pixels, int32_t scale, struct writer *out);
};

extern const struct kernel rf_kernel_portable;
extern const struct kernel rf_kernel_avx2;
extern const struct kernel rf_kernel_wide; /* coefficients of 64 bits */

#endif
