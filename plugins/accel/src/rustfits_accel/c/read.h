/* Bytes of a file on the local disk, asked of the system without anything in between. */
#ifndef RF_READ_H
#define RF_READ_H

#include <stdint.h>

/* Read nbytes from byte offset of the file to target. Returns 1 if all of them came at once. If not, for whatever
 * reason, or where the system has no such call, 0: who asked then reads in another way, and finds out why. */
int32_t rf_read(int32_t descriptor, int64_t offset, int64_t nbytes, uint8_t *target);

/* Read rows of a raster, back to back, to target: nbytes each, the first at byte start of the file, and along each of
 * ndim axes, the last one fastest, count[axis] of them stride[axis] bytes apart. Returns as rf_read.
 * ndim       0 to RF_READ_NDIM
 * count      [ndim] all above 0; where the last row ends must have 64 bits
 * target     room for nbytes times the product of count */
#define RF_READ_NDIM 8
int32_t rf_read_rows(int32_t descriptor, int64_t start, int64_t ndim, const int64_t *count, const int64_t *stride,
                     int64_t nbytes, uint8_t *target);

/* Tell whether an open file has nbytes bytes, and that time of its last modification, in nanoseconds. Returns 1 if so; 0
 * if not, or if that cannot be told. For POSIX systems alone. */
int32_t rf_unchanged(int32_t descriptor, int64_t nbytes, int64_t mtime_ns);

#endif
