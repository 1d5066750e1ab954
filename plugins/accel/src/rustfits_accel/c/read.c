/* Positioned reads, which move no common position and so may come from several threads. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#ifdef __APPLE__
#define _DARWIN_C_SOURCE
#endif
#include "read.h"

#ifdef _WIN32

int32_t rf_read(int32_t descriptor, int64_t offset, int64_t nbytes, uint8_t *target)
{
    (void)descriptor, (void)offset, (void)nbytes, (void)target;
    return 0;
}

int32_t rf_unchanged(int32_t descriptor, int64_t nbytes, int64_t mtime_ns)
{
    (void)descriptor, (void)nbytes, (void)mtime_ns;
    return 0;
}

#else

#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#endif

int32_t rf_read(int32_t descriptor, int64_t offset, int64_t nbytes, uint8_t *target)
{
    return pread(descriptor, target, (size_t)nbytes, (off_t)offset) == (ssize_t)nbytes;
}

int32_t rf_unchanged(int32_t descriptor, int64_t nbytes, int64_t mtime_ns)
{
    struct stat found;
    if (fstat(descriptor, &found))
        return 0;
    return found.st_size == nbytes && (int64_t)found.st_mtim.tv_sec * 1000000000 + found.st_mtim.tv_nsec == mtime_ns;
}

#endif

int32_t rf_read_rows(int32_t descriptor, int64_t start, int64_t ndim, const int64_t *count, const int64_t *stride,
                     int64_t nbytes, uint8_t *target)
{
    int64_t done[RF_READ_NDIM] = {0};
    int64_t offset = start;
    for (;;) {
        if (!rf_read(descriptor, offset, nbytes, target))
            return 0;
        target += nbytes;
        int64_t axis = ndim - 1;
        while (axis >= 0 && ++done[axis] == count[axis]) {
            offset -= (count[axis] - 1) * stride[axis];
            done[axis--] = 0;
        }
        if (axis < 0)
            return 1;
        offset += stride[axis];
    }
}
