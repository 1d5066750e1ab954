/* Axis by axis: the tiles that an axis of the box crosses follow each other, and the tiles of the box are all
 * combinations of those of its axes. Copying goes line by line along the last axis. */
#include "cut.h"

#include "past.h"

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

int32_t rf_cut_part(const struct rf_grid *grid, int64_t row, const int64_t *start, const int64_t *count,
                    struct rf_part *part)
{
    part->row = part->skipped = 0;
    part->npixels = 1;
    for (int64_t axis = 0; axis < grid->ndim; axis++) {
        int64_t ntiles = (grid->size[axis] - 1) / grid->tile[axis] + 1;
        int64_t number = row / grid->stride[axis] % ntiles;
        if (row < 0 || number < start[axis] / grid->tile[axis] ||
            number > (start[axis] + count[axis] - 1) / grid->tile[axis])
            return 0;
        fill_axis(grid, axis, number, start[axis], start[axis] + count[axis], part);
    }
    return part->row == row;
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

int64_t rf_cut_run(const struct rf_part *parts, int64_t nparts, int64_t ndim)
{
    int64_t n = 1;
    for (; n < nparts; n++)
        for (int64_t axis = 0; axis < ndim - 1; axis++)
            if (parts[n].begin[axis] != parts[0].begin[axis] || parts[n].count[axis] != parts[0].count[axis] ||
                parts[n].target[axis] != parts[0].target[axis] || parts[n].shape[axis] != parts[0].shape[axis])
                return n;
    return n;
}

void rf_cut_place(const struct rf_part *parts, int64_t nparts, int64_t ndim, int64_t itemsize,
                  const uint8_t *const *pixels, const int64_t *count, int32_t past, uint8_t *box)
{
    const struct rf_part *part = &parts[0]; /* the others differ along the last axis alone */
    int64_t line[RF_CUT_NDIM], to_step[RF_CUT_NDIM], done[RF_CUT_NDIM];
    int64_t number = 0, nlines = 1, to_stride = itemsize;
    uint8_t *to = box;
    for (int64_t axis = ndim - 1; axis >= 0; axis--) {
        to_step[axis] = to_stride;
        to_stride *= count[axis];
        done[axis] = 0;
        if (axis == ndim - 1)
            continue;
        to += part->target[axis] * to_step[axis];
        line[axis] = nlines; /* of a tile, from one to the next along this axis */
        number += part->begin[axis] * nlines;
        nlines *= part->shape[axis];
    }
    for (;;) {
        for (int64_t i = 0; i < nparts; i++) {
            int64_t along = ndim - 1;
            int64_t first = number * parts[i].shape[along] + parts[i].begin[along] - parts[i].skipped;
            uint8_t *target = to + parts[i].target[along] * itemsize;
            if (past)
                rf_copy_past(target, pixels[i] + first * itemsize, parts[i].count[along] * itemsize);
            else
                memcpy(target, pixels[i] + first * itemsize, (size_t)(parts[i].count[along] * itemsize));
        }
        int64_t axis = ndim - 2;
        while (axis >= 0 && ++done[axis] == part->count[axis]) {
            number -= (part->count[axis] - 1) * line[axis];
            to -= (part->count[axis] - 1) * to_step[axis];
            done[axis--] = 0;
        }
        if (axis < 0)
            break;
        number += line[axis];
        to += to_step[axis];
    }
    if (past)
        rf_past_end();
}
