# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Cutouts of plain images in one step from the key to the pixels, as `_cut.pyx` makes those of compressed ones."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from rustfits_accel._kernel cimport RF_READ_NDIM, rf_from_big_endian, rf_gather, rf_read, rf_read_rows
from rustfits_accel._key cimport rf_box_of

MAX_NDIM = RF_READ_NDIM

# To read rows together costs the bytes between them, and room for those; to read them apart costs calls of the system.
cdef int64_t MAX_GAP = 1 << 11  # bytes between two rows
cdef int64_t MAX_SPAN = 1 << 17  # and from the first to the last pixel of a box


cdef class RasterCutter:
    """Cuts boxes out of one image in a file; as `rustfits.codec.kernels.Kernels.raster_reader`."""

    cdef int64_t ndim, start, itemsize, max_nrows, max_npixels
    cdef int64_t size[RF_READ_NDIM]
    cdef int64_t stride[RF_READ_NDIM]  # bytes
    cdef int32_t descriptor
    cdef object dtype

    def __init__(self, image):
        shape, dtype, start = image.shape, image.dtype, image.start
        if not 0 < len(shape) <= RF_READ_NDIM or start < 0:
            raise ValueError(f"{len(shape)} axes, from byte {start} on")
        self.ndim, self.start, self.descriptor = len(shape), start, image.descriptor
        self.dtype, self.itemsize = dtype, dtype.itemsize
        self.max_nrows, self.max_npixels = image.max_nrows, image.max_npixels
        stride = self.itemsize
        for axis in range(len(shape) - 1, -1, -1):
            self.size[axis], self.stride[axis] = shape[axis], stride
            stride *= shape[axis]
        if not 0 <= start + stride < 1 << 63:
            raise ValueError(f"pixels {shape} of {dtype} from byte {start} on have no place in a file")

    def __call__(self, key):
        """Return the stored pixels of a small box; None for any other, and if there is a fault."""
        cdef int64_t first[RF_READ_NDIM]
        cdef int64_t count[RF_READ_NDIM]
        cdef int64_t last = self.ndim - 1, nrows = 1, offset = self.start, axis, row, span
        cdef Py_buffer target
        cdef bint done, near = False
        if not rf_box_of(key, self.ndim, self.size, first, count):
            return None
        row = span = count[last] * self.itemsize
        for axis in range(last + 1):
            offset += first[axis] * self.stride[axis]
            if axis < last and count[axis] > 1:
                nrows *= count[axis]
                span += (count[axis] - 1) * self.stride[axis]
                near = near or self.stride[axis] - row <= MAX_GAP
                if nrows > self.max_npixels:
                    return None
        if count[last] > self.max_npixels // nrows or (span > MAX_SPAN if near else nrows > self.max_nrows):
            return None
        box = np.empty(tuple([count[axis] for axis in range(last + 1)]), self.dtype)
        PyObject_GetBuffer(box, &target, PyBUF_WRITABLE)
        try:
            if near:
                done = self.read_together(offset, span, count, row, <uint8_t *>target.buf)
            else:
                with nogil:
                    done = rf_read_rows(self.descriptor, offset, last, count, self.stride, row, <uint8_t *>target.buf)
            if done:
                rf_from_big_endian(<uint8_t *>target.buf, nrows * count[last], self.itemsize, <uint8_t *>target.buf)
        finally:
            PyBuffer_Release(&target)
        return box if done else None

    cdef bint read_together(self, int64_t offset, int64_t span, const int64_t *count, int64_t row,
                            uint8_t *target) except *:
        """Read rows with what is between them, and take them out."""
        cdef int64_t step[RF_READ_NDIM]
        cdef int64_t axis, last = self.ndim - 1
        cdef bint done
        cdef uint8_t *room = <uint8_t *>PyMem_RawMalloc(span)
        if room is NULL:
            raise MemoryError
        step[last] = row
        for axis in range(last - 1, -1, -1):
            step[axis] = row if axis == last - 1 else step[axis + 1] * count[axis + 1]
        with nogil:
            done = rf_read(self.descriptor, offset, span, room)
            if done:
                rf_gather(room, self.stride, target, step, count, last, row, False)
        PyMem_RawFree(room)
        return done
