# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Cutouts of plain images in one step from the key to the pixels, as `_cut.pyx` makes those of compressed ones."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from rustfits_accel._kernel cimport RF_READ_NDIM, rf_read_pixels
from rustfits_accel._key cimport rf_box_of

MAX_NDIM = RF_READ_NDIM


cdef class RasterCutter:
    """Cuts boxes out of one image in a file; as `rustfits.kernels.Kernels.cutter`, whose arguments these are."""

    cdef int64_t ndim, start, itemsize, max_nrows, max_npixels, max_gap
    cdef int64_t size[8]  # RF_READ_NDIM
    cdef int64_t stride[8]  # bytes
    cdef int32_t descriptor
    cdef object dtype

    def __init__(self, *, shape, dtype, descriptor, start, max_nrows, max_npixels, max_gap):
        if not 0 < len(shape) <= RF_READ_NDIM or start < 0:
            raise ValueError(f"{len(shape)} axes, from byte {start} on")
        self.ndim, self.start, self.descriptor = len(shape), start, descriptor
        self.dtype, self.itemsize = dtype, dtype.itemsize
        self.max_nrows, self.max_npixels, self.max_gap = max_nrows, max_npixels, max_gap
        stride = self.itemsize
        for axis in range(len(shape) - 1, -1, -1):
            self.size[axis], self.stride[axis] = shape[axis], stride
            stride *= shape[axis]
        if not 0 <= start + stride < 1 << 63:
            raise ValueError(f"pixels {shape} of {dtype} from byte {start} on have no place in a file")

    def __call__(self, key):
        """Return the stored pixels of a box of few short rows far apart; None for any other, and if there is a fault."""
        cdef int64_t first[8]
        cdef int64_t count[8]
        cdef int64_t last = self.ndim - 1, nrows = 1, offset = self.start, axis
        cdef Py_buffer target
        cdef bint done
        if not rf_box_of(key, self.ndim, self.size, first, count):
            return None
        for axis in range(last + 1):
            offset += first[axis] * self.stride[axis]
            if axis < last and count[axis] > 1:
                nrows *= count[axis]
                if nrows > self.max_nrows or self.stride[axis] - count[last] * self.itemsize <= self.max_gap:
                    return None
        if count[last] > self.max_npixels // nrows:
            return None
        box = np.empty(tuple([count[axis] for axis in range(last + 1)]), self.dtype)
        PyObject_GetBuffer(box, &target, PyBUF_WRITABLE)
        with nogil:
            done = rf_read_pixels(self.descriptor, offset, last, count, self.stride, count[last], self.itemsize,
                                  <uint8_t *>target.buf)
        PyBuffer_Release(&target)
        return box if done else None
