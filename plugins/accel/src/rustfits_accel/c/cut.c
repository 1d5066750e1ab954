/* Axis by axis: the tiles that an axis of the box crosses follow each other, and the tiles of the box are all
 * combinations of those of its axes. Copying goes line by line along the last axis. */
#include "cut.h"

#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define LOAD_SHARED(word) __atomic_load_n(word, __ATOMIC_RELAXED)
#else
#define LOAD_SHARED(word) (*(const volatile uint64_t *)(word))
#endif

/* Along one axis, put what the tile of this number holds of the box into part. */
static void fill_axis(const struct rf_grid *grid, int64_t axis, int64_t number, int64_t start, int64_t stop,
                      struct rf_part *part)
{
    int64_t tile = grid->tile[axis];
    int64_t origin = number * tile;
    int64_t length = grid->size[axis] - origin < tile ? grid->size[axis] - origin : tile;
    int64_t begin = start > origin ? start - origin : 0;
    int64_t end = stop - origin < length ? stop - origin : length;
    part->row += number * grid->stride[axis];
    part->npixels *= length;
    part->shape[axis] = length;
    part->begin[axis] = begin;
    part->count[axis] = end - begin;
    part->target[axis] = origin + begin - start;
}

int32_t rf_cut_parts(const struct rf_grid *grid, const int64_t *start, const int64_t *count, int64_t max_ntiles,
                     struct rf_part *parts)
{
    int64_t first[RF_CUT_NDIM], last[RF_CUT_NDIM], number[RF_CUT_NDIM];
    int64_t ntiles = 1;
    for (int64_t axis = 0; axis < grid->ndim; axis++) {
        number[axis] = first[axis] = start[axis] / grid->tile[axis];
        last[axis] = (start[axis] + count[axis] - 1) / grid->tile[axis];
        if (last[axis] - first[axis] >= max_ntiles)
            return 0;
        ntiles *= last[axis] - first[axis] + 1;
        if (ntiles > max_ntiles)
            return 0;
    }
    for (int64_t i = 0; i < ntiles; i++) {
        parts[i].row = parts[i].skipped = 0;
        parts[i].npixels = 1;
        for (int64_t axis = 0; axis < grid->ndim; axis++)
            fill_axis(grid, axis, number[axis], start[axis], start[axis] + count[axis], &parts[i]);
        for (int64_t axis = grid->ndim - 1; axis >= 0 && ++number[axis] > last[axis]; axis--)
            number[axis] = first[axis];
    }
    return (int32_t)ntiles;
}

int64_t rf_cut_first(const struct rf_part *part, int64_t ndim, int64_t *shape)
{
    int64_t npixels = 1;
    int shortened = 0;
    for (int64_t axis = 0; axis < ndim; axis++) {
        shape[axis] = part->shape[axis];
        if (!shortened && shape[axis] > 1) {
            shape[axis] = part->begin[axis] + part->count[axis];
            shortened = 1;
        }
        npixels *= shape[axis];
    }
    return npixels;
}

int64_t rf_cut_stretch(struct rf_part *part, int64_t ndim, int64_t npixels, const uint64_t *marks, int64_t step,
                       int64_t block, int64_t *first)
{
    int64_t begin = 0, last = 0;
    for (int64_t axis = 0; axis < ndim; axis++) {
        begin = begin * part->shape[axis] + part->begin[axis];
        last = last * part->shape[axis] + part->begin[axis] + part->count[axis] - 1;
    }
    int64_t number = begin / step;
    while (number && !LOAD_SHARED(&marks[number - 1]))
        number--;
    int64_t stop = (last / block + 1) * block;
    *first = number * step;
    part->skipped = begin;
    part->npixels = last - begin + 1;
    return (stop < npixels ? stop : npixels) - *first;
}

void rf_cut_place(const struct rf_part *part, int64_t ndim, int64_t itemsize, const uint8_t *pixels,
                  const int64_t *count, uint8_t *box)
{
    int64_t line[RF_CUT_NDIM], to_step[RF_CUT_NDIM], done[RF_CUT_NDIM];
    int64_t along = ndim - 1, nbytes = part->count[along] * itemsize;
    int64_t number = 0, nlines = 1, to_stride = itemsize;
    uint8_t *to = box;
    for (int64_t axis = along; axis >= 0; axis--) {
        to_step[axis] = to_stride;
        to_stride *= count[axis];
        to += part->target[axis] * to_step[axis];
        done[axis] = 0;
        if (axis == along)
            continue;
        line[axis] = nlines; /* of a tile, from one to the next along this axis */
        number += part->begin[axis] * nlines;
        nlines *= part->shape[axis];
    }
    for (;;) {
        int64_t first = number * part->shape[along] + part->begin[along] - part->skipped;
        memcpy(to, pixels + first * itemsize, (size_t)nbytes);
        int64_t axis = along - 1;
        while (axis >= 0 && ++done[axis] == part->count[axis]) {
            number -= (part->count[axis] - 1) * line[axis];
            to -= (part->count[axis] - 1) * to_step[axis];
            done[axis--] = 0;
        }
        if (axis < 0)
            return;
        number += line[axis];
        to += to_step[axis];
    }
}
