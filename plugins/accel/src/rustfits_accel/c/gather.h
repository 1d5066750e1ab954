/* Tiles collected from an image, or put into one. */
#ifndef RF_GATHER_H
#define RF_GATHER_H

#include <stdint.h>

#define RF_GATHER_NDIM 16

/* Copy an array of ndim <= RF_GATHER_NDIM axes of count[] > 0 each, whose elements are runs of nbytes bytes; step[] is
 * what leads from one element to the next along each axis, in bytes. The last axis is gone through first: give the axes
 * in the order in which the larger of the two arrays lies in memory. Source and target must have room for all of it, and not overlap. With
 * past, the target is written past the cache, which it does not fit. */
void rf_gather(const uint8_t *source, const int64_t *source_step, uint8_t *target, const int64_t *target_step,
               const int64_t *count, int64_t ndim, int64_t nbytes, int32_t past);

#endif
