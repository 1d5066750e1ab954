# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Bindings: check lengths, drop the GIL, call."""

from cpython.buffer cimport PyBUF_STRIDED, PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t

import numpy as np


cdef int _check_parts(const int64_t[::1] part, int64_t unit, int64_t source, int64_t target) except -1:
    """Refuse parts that are not whole units or do not add up to the room on both sides."""
    cdef int64_t total = 0, i
    for i in range(part.shape[0]):
        if part[i] < 0 or part[i] % unit or part[i] > source - total:
            raise ValueError(f"tile {i}: {part[i]} does not fit {source} in all, in units of {unit}")
        total += part[i]
    if total != source or total != target:
        raise ValueError(f"tiles add up to {total}, but the arrays hold {source} and {target}")
    return 0


cdef int _check_done(bint done) except -1:
    """Refuse to go on after a kernel that did nothing, though all that it asks for was checked."""
    if not done:
        raise ValueError("a kernel found that tiles do not fit their arrays, which the binding had taken to fit")
    return 0


def best_isa():
    """Return the number of the widest instruction set of this machine that the kernels know."""
    return rf_best_isa()


def dequantize(const int32_t[::1] stored, const int64_t[::1] npixels, const double[::1] scale,
               const double[::1] zero, const int64_t[::1] row, const int64_t[::1] null, const float[::1] random,
               const int64_t[::1] starts, int64_t seed, int32_t method, int32_t isa, floating[::1] out):
    """Fill ``out`` with the floats of all tiles."""
    cdef int64_t ntiles = npixels.shape[0]
    cdef rf_dither dither = dither_of(random, starts, seed, method, isa)
    if not scale.shape[0] == zero.shape[0] == row.shape[0] == ntiles:
        raise ValueError(f"{ntiles} tiles, {scale.shape[0]} scales, {zero.shape[0]} zeros, {row.shape[0]} rows")
    if null is not None and null.shape[0] != ntiles:
        raise ValueError(f"{ntiles} tiles, {null.shape[0]} nulls")
    _check_parts(npixels, 1, stored.shape[0], out.shape[0])
    if stored.shape[0] == 0:
        return
    cdef const int64_t *blank = &null[0] if null is not None else NULL
    cdef bint done
    with nogil:
        if floating is float:
            done = rf_dequantize_f32(&stored[0], stored.shape[0], &npixels[0], NULL, &scale[0], &zero[0], &row[0], blank,
                                     ntiles, &dither, &out[0], out.shape[0])
        else:
            done = rf_dequantize_f64(&stored[0], stored.shape[0], &npixels[0], NULL, &scale[0], &zero[0], &row[0], blank,
                                     ntiles, &dither, &out[0], out.shape[0])
    _check_done(done)


def quantize(const floating[::1] pixels, const int64_t[::1] npixels, const int64_t[::1] row_npixels,
             const int64_t[::1] row, double level, const float[::1] random, const int64_t[::1] starts, int64_t seed,
             int32_t method, int32_t isa, int32_t[::1] out, double[::1] scale, double[::1] zero,
             uint8_t[::1] quantized):
    """Fill ``out`` with the integers of all tiles, and the rest with what is known of each."""
    cdef int64_t ntiles = npixels.shape[0], widest = 0, most_rows = 0, i
    cdef rf_dither dither = dither_of(random, starts, seed, method, isa)
    if not (row_npixels.shape[0] == row.shape[0] == scale.shape[0] == zero.shape[0] == quantized.shape[0] == ntiles):
        raise ValueError(f"{ntiles} tiles, but other numbers of rows, scales, zeros or flags")
    _check_parts(npixels, 1, pixels.shape[0], out.shape[0])
    cdef bint done
    for i in range(ntiles):
        if npixels[i] and (row_npixels[i] < 1 or npixels[i] % row_npixels[i]):
            raise ValueError(f"tile {i}: {npixels[i]} pixels are not rows of {row_npixels[i]}")
        if npixels[i]:
            widest, most_rows = max(widest, row_npixels[i]), max(most_rows, npixels[i] // row_npixels[i])
    widest, most_rows = (widest + 15) & ~15, (most_rows + 15) & ~15
    if max(widest, most_rows) > 2**31 - 16:
        raise ValueError(f"rows of up to {widest} pixels, and up to {most_rows} in a tile; fewer than 2**31 can be")
    if ntiles == 0:
        return
    cdef const floating *source = &pixels[0] if pixels.shape[0] else NULL
    cdef int32_t *target = &out[0] if out.shape[0] else NULL
    cdef void *room = PyMem_RawMalloc((4 * widest + 3 * most_rows) * sizeof(floating) + 1)
    if room == NULL:
        raise MemoryError(f"no room for rows of {widest} pixels")
    with nogil:
        if floating is float:
            done = rf_quantize_f32(source, pixels.shape[0], &npixels[0], &row_npixels[0], &row[0], ntiles, level,
                                   &dither, <int32_t *>room, widest, most_rows, target, out.shape[0], &scale[0],
                                   &zero[0], &quantized[0])
        else:
            done = rf_quantize_f64(source, pixels.shape[0], &npixels[0], &row_npixels[0], &row[0], ntiles, level,
                                   &dither, <int64_t *>room, widest, most_rows, target, out.shape[0], &scale[0],
                                   &zero[0], &quantized[0])
    PyMem_RawFree(room)
    _check_done(done)


def shuffle(const uint8_t[::1] data, const int64_t[::1] nbytes, int32_t itemsize, uint8_t[::1] out):
    """Group the bytes of all tiles by significance."""
    _check_itemsize(itemsize)
    _check_parts(nbytes, itemsize, data.shape[0], out.shape[0])
    if data.shape[0] == 0:
        return
    cdef bint done
    with nogil:
        done = rf_shuffle(&data[0], data.shape[0], &nbytes[0], nbytes.shape[0], itemsize, &out[0], out.shape[0])
    _check_done(done)


def to_pixels(const uint8_t[::1] data, int32_t itemsize, bint shuffled, uint8_t[::1] out):
    """Turn the bytes of one tile, big-endian, and grouped if ``shuffled``, into native pixels."""
    _check_itemsize(itemsize)
    if data.shape[0] != out.shape[0] or data.shape[0] % itemsize:
        raise ValueError(f"{data.shape[0]} bytes do not fill pixels of {itemsize} bytes, {out.shape[0]} in all")
    if data.shape[0] == 0:
        return
    with nogil:
        rf_to_pixels(&data[0], data.shape[0] // itemsize, itemsize, shuffled, &out[0])


def to_pixels_past(const uint8_t[::1] data, int32_t itemsize, int32_t isa, uint8_t[::1] out):
    """As `to_pixels` of bytes that are not grouped, past the cache; False if that cannot be done."""
    cdef int32_t done
    _check_itemsize(itemsize)
    if data.shape[0] != out.shape[0] or data.shape[0] % itemsize:
        raise ValueError(f"{data.shape[0]} bytes do not fill pixels of {itemsize} bytes, {out.shape[0]} in all")
    if data.shape[0] == 0:
        return True
    isa = min(isa, rf_best_isa())
    with nogil:
        done = rf_to_pixels_past(&data[0], data.shape[0] // itemsize, itemsize, isa, &out[0])
    return done != 0


cdef int _check_itemsize(int32_t itemsize) except -1:
    if itemsize not in (1, 2, 4, 8):
        raise ValueError(f"pixels of {itemsize} bytes; there are pixels of 1, 2, 4 and 8")
    return 0


def gzip_planes(const uint8_t[::1] data, const int64_t[::1] nbytes, const uint32_t[::1] crc, int32_t nplanes):
    """Return the gzip members of all tiles back to back, the bytes of each, and which may be worth another encoder."""
    cdef int64_t ntiles = nbytes.shape[0], room = 0, used, i
    if nplanes < 1 or crc.shape[0] != ntiles:
        raise ValueError(f"{ntiles} tiles of {nplanes} planes, {crc.shape[0]} checksums")
    _check_parts(nbytes, nplanes, data.shape[0], data.shape[0])
    for i in range(ntiles):
        room += rf_planes_bound(nbytes[i], nplanes)
    length = np.zeros(ntiles, dtype=np.int64)
    repeats = np.zeros(ntiles, dtype=np.uint8)
    out = np.empty(room, dtype=np.uint8)
    if ntiles == 0:
        return out, length, repeats
    cdef uint8_t[::1] flags = repeats
    cdef int64_t[::1] lengths = length
    cdef uint8_t[::1] target = out
    cdef const uint8_t *source = &data[0] if data.shape[0] else NULL
    with nogil:
        used = rf_gzip_planes(source, data.shape[0], &nbytes[0], &crc[0], ntiles, nplanes, &target[0], room,
                              &lengths[0], &flags[0])
    _check_done(used >= 0)
    return out[:used], length, repeats


def unchanged(int32_t descriptor, int64_t size, int64_t mtime_ns):
    """Tell whether an open file has that size and time of modification."""
    cdef bint same
    with nogil:
        same = rf_unchanged(descriptor, size, mtime_ns)
    return same


cdef int64_t SHORT = 64  # bytes that lie together: with fewer, calls take longer than copying


def gather(source, target):
    """Copy pixels from an image to tiles, arrays of one dtype and shape; False if another way does it as well."""
    return _copy(source, target, False)


def scatter(source, target):
    """Copy pixels from tiles to an image, past the cache; otherwise as `gather`."""
    return _copy(source, target, True)


cdef bint _copy(source, target, bint past) except *:
    cdef Py_buffer given, taken
    cdef bint done = False
    PyObject_GetBuffer(source, &given, PyBUF_STRIDED_RO)
    try:
        PyObject_GetBuffer(target, &taken, PyBUF_STRIDED)
        try:
            if given.itemsize != taken.itemsize or source.shape != target.shape:
                raise ValueError(f"{source.shape} pixels of {given.itemsize} bytes do not fit {target.shape} of "
                                 f"{taken.itemsize}")
            if given.len:
                done = _copy_pixels(&given, &taken, past)
        finally:
            PyBuffer_Release(&taken)
    finally:
        PyBuffer_Release(&given)
    return done


cdef bint _copy_pixels(Py_buffer *source, Py_buffer *target, bint past) noexcept:
    """Put the axes in the order of the image's memory, join those that lie together, and copy."""
    cdef int64_t count[RF_GATHER_NDIM]
    cdef int64_t source_step[RF_GATHER_NDIM]
    cdef int64_t target_step[RF_GATHER_NDIM]
    cdef int64_t *image_step = &target_step[0] if past else &source_step[0]
    cdef Py_buffer *image = target if past else source
    cdef int64_t ndim = 0, nbytes = source.itemsize, axis, place
    if source.ndim > RF_GATHER_NDIM:
        return False
    for axis in range(source.ndim):
        if source.shape[axis] == 1:
            continue
        if source.strides[axis] < 0 or target.strides[axis] < 0:
            return False
        place = ndim
        while place > 0 and image_step[place - 1] < image.strides[axis]:
            count[place] = count[place - 1]
            source_step[place], target_step[place] = source_step[place - 1], target_step[place - 1]
            place -= 1
        count[place] = source.shape[axis]
        source_step[place], target_step[place] = source.strides[axis], target.strides[axis]
        ndim += 1
    while ndim > 0 and source_step[ndim - 1] == nbytes and target_step[ndim - 1] == nbytes:
        ndim -= 1
        nbytes *= count[ndim]
    if nbytes < SHORT:
        return False
    with nogil:
        rf_gather(<const uint8_t *>source.buf, source_step, <uint8_t *>target.buf, target_step, count, ndim, nbytes,
                  past)
    return True
