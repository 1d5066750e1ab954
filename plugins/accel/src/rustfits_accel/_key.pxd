"""What ``hdu[key]`` means for those keys that have a short way: slices with both ends, one per axis."""

from libc.stdint cimport int64_t


cdef inline bint rf_box_of(key, int64_t ndim, const int64_t *size, int64_t *first, int64_t *count) except -1:
    """Find the first pixels of a box and how many there are along each axis, at least one; False for any other key."""
    cdef int64_t axis
    if type(key) is not tuple or len(<tuple>key) != ndim:
        return False
    for axis in range(ndim):
        entry = (<tuple>key)[axis]
        if type(entry) is not slice or entry.step is not None:
            return False
        begin, end = entry.start, entry.stop
        if type(begin) is not int or type(end) is not int or not 0 <= begin < end <= size[axis]:
            return False
        first[axis] = begin
        count[axis] = <int64_t>end - first[axis]
    return True
