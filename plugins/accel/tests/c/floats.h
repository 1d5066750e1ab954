/* What both harnesses of accel compare floats by. */
#ifndef RF_ACCEL_FLOATS_H
#define RF_ACCEL_FLOATS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Whether n floats, of 64 bits if wide, are the same; what is not a number has no bits of its own. */
static int same_floats(const uint8_t *one, const uint8_t *other, int64_t n, int wide)
{
    size_t itemsize = wide ? 8 : 4;
    for (int64_t i = 0; i < n; i++, one += itemsize, other += itemsize) {
        double number = 0;
        float narrow = 0;
        memcpy(wide ? (void *)&number : (void *)&narrow, one, itemsize);
        if (!isnan(number) && !isnan(narrow) && memcmp(one, other, itemsize))
            return 0;
    }
    return 1;
}

#endif
