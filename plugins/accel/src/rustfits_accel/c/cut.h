/* Boxes cut out of an image of tiles: which tiles hold a box, and copying from them. */
#ifndef RF_CUT_H
#define RF_CUT_H

#include <stdint.h>

#define RF_CUT_NDIM 8
#define RF_CUT_NTILES 64

/* An image and its tiles; tile shapes are clipped to the image, strides are what a step to the next tile adds to the
 * row in the table. */
struct rf_grid {
    int64_t ndim;
    int64_t size[RF_CUT_NDIM];
    int64_t tile[RF_CUT_NDIM];
    int64_t stride[RF_CUT_NDIM];
};

/* What a box takes from one tile: of its shape, count pixels from begin on, which land at target in the box. */
struct rf_part {
    int64_t row;
    int64_t npixels; /* product of shape */
    int64_t shape[RF_CUT_NDIM];
    int64_t begin[RF_CUT_NDIM];
    int64_t count[RF_CUT_NDIM];
    int64_t target[RF_CUT_NDIM];
    int64_t skipped; /* pixels of the tile before the first one at hand */
};

/* Find the tiles that hold the box of count > 0 pixels from start on, which lies inside the image, in the order of
 * their rows. Returns their number, or 0 if there are more than max_ntiles <= RF_CUT_NTILES. */
int32_t rf_cut_parts(const struct rf_grid *grid, const int64_t *start, const int64_t *count, int64_t max_ntiles,
                     struct rf_part *parts);

/* The shape of a tile that ends with what is wanted of it, along its first axis of more than one pixel: the first
 * pixels of the tile, which some codecs decode alone. Returns their number. */
int64_t rf_cut_first(const struct rf_part *part, int64_t ndim, int64_t *shape);

/* Begin a tile as late, and end it as early, as its marks allow. They are words for the pixels step, 2 step, ...; one
 * that is not 0 says that decoding can begin there.
 * npixels   of the whole tile
 * block     pixels that are decoded together: the end is one of theirs, or the tile's
 * first     set to the pixel to begin with; part->skipped and part->npixels to where what is wanted lies
 * Returns the pixels to decode. Others may set marks meanwhile. */
int64_t rf_cut_stretch(struct rf_part *part, int64_t ndim, int64_t npixels, const uint64_t *marks, int64_t step,
                       int64_t block, int64_t *first);

/* Copy what is wanted of a tile, of which pixels are the first part->npixels behind those skipped, to its place in a box
 * of shape count. */
void rf_cut_place(const struct rf_part *part, int64_t ndim, int64_t itemsize, const uint8_t *pixels,
                  const int64_t *count, uint8_t *box);

#endif
