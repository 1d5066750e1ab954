/* Tiles that lie back to back in an array. */
#ifndef RF_PARTS_H
#define RF_PARTS_H

#include <stdint.h>

/* Whether tiles of so many elements each fit an array of n: none is negative, and they are no more in all. */
static inline int rf_parts_fit(const int64_t *part, int64_t nparts, int64_t n)
{
    for (int64_t i = 0; i < nparts; i++) {
        if (part[i] < 0 || part[i] > n)
            return 0;
        n -= part[i];
    }
    return 1;
}

#endif
