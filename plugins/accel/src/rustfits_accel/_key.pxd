"""What ``hdu[key]`` means for those keys that have a short way: slices with both ends, one per axis."""

from cpython.number cimport PyIndex_Check
from libc.stdint cimport int64_t


cdef extern from "Python.h":
    Py_ssize_t PyNumber_AsSsize_t(object, void *) except? -1


cdef inline int64_t rf_bound(bound) except? -1:
    """Return one end of a slice; -1 for what is left to the core, because it is none, a bool, or of no size."""
    if type(bound) is bool or not PyIndex_Check(bound):
        return -1
    # Anything else that is an index is one: those of catalogues are NumPy's. What does not fit becomes the largest.
    return PyNumber_AsSsize_t(bound, NULL)


cdef inline bint rf_box_of(key, int64_t ndim, const int64_t *size, int64_t *first, int64_t *count) except -1:
    """Find the first pixels of a box and how many there are along each axis, at least one; False for any other key."""
    cdef int64_t axis, begin, end
    if type(key) is not tuple or len(<tuple>key) != ndim:
        return False
    for axis in range(ndim):
        entry = (<tuple>key)[axis]
        if type(entry) is not slice or entry.step is not None:
            return False
        begin, end = rf_bound(entry.start), rf_bound(entry.stop)
        if not 0 <= begin < end <= size[axis]:
            return False
        first[axis] = begin
        count[axis] = end - begin
    return True
