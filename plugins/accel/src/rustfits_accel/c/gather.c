/* An image is larger than the cache, a batch of its tiles is not. So the image is read as it lies in memory, which the
 * processor foresees, and what is written jumps from tile to tile. The other order, tile by tile, takes twice as
 * long. */
#include "gather.h"

#include <string.h>

void rf_gather(const uint8_t *source, const int64_t *source_step, uint8_t *target, const int64_t *target_step,
               const int64_t *count, int64_t ndim, int64_t nbytes)
{
    int64_t done[RF_GATHER_NDIM] = {0};
    int64_t last = ndim - 1;
    if (ndim == 0) {
        memcpy(target, source, (size_t)nbytes);
        return;
    }
    for (;;) {
        for (int64_t i = 0; i < count[last]; i++)
            memcpy(target + i * target_step[last], source + i * source_step[last], (size_t)nbytes);
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
