/* An image is larger than the cache, a batch of its tiles is not. So the image is read, or written, as it lies in memory,
 * which the processor foresees, and what jumps from tile to tile is in the cache. The other order, tile by tile, takes
 * twice as long. */
#include "gather.h"

#include "past.h"

#include <string.h>

/* Copy; a constant in place of past makes two functions of it. */
RF_INLINE void copy_all(const uint8_t *source, const int64_t *source_step, uint8_t *target, const int64_t *target_step,
                        const int64_t *count, int64_t ndim, int64_t nbytes, int32_t past)
{
    int64_t done[RF_GATHER_NDIM] = {0};
    int64_t last = ndim - 1;
    if (ndim == 0) {
        memcpy(target, source, (size_t)nbytes);
        return;
    }
    for (;;) {
        for (int64_t i = 0; i < count[last]; i++) {
            if (past)
                rf_copy_past(target + i * target_step[last], source + i * source_step[last], nbytes);
            else
                memcpy(target + i * target_step[last], source + i * source_step[last], (size_t)nbytes);
        }
        int64_t axis = last - 1;
        while (axis >= 0 && ++done[axis] == count[axis]) {
            source -= (count[axis] - 1) * source_step[axis];
            target -= (count[axis] - 1) * target_step[axis];
            done[axis--] = 0;
        }
        if (axis < 0)
            return;
        source += source_step[axis];
        target += target_step[axis];
    }
}

void rf_gather(const uint8_t *source, const int64_t *source_step, uint8_t *target, const int64_t *target_step,
               const int64_t *count, int64_t ndim, int64_t nbytes, int32_t past)
{
    if (!past) {
        copy_all(source, source_step, target, target_step, count, ndim, nbytes, 0);
        return;
    }
    copy_all(source, source_step, target, target_step, count, ndim, nbytes, 1);
    rf_past_end();
}
