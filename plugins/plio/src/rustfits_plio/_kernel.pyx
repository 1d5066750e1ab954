# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Checks shapes, drops the GIL, calls plio.c; no algorithm here."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t

import numpy as np


cdef extern from "plio.h":
    void rf_plio_decode(const uint8_t *data, int64_t data_nbytes, const int64_t *start, const int64_t *length,
                        const int64_t *npixels, int64_t ntiles, int pixel, void *out, int64_t out_npixels,
                        int32_t *status) nogil
    int64_t rf_plio_bound(int64_t npixels) nogil
    int64_t rf_plio_encode(int pixel, const void *pixels, int64_t pixels_n, const int64_t *npixels, int64_t ntiles,
                           uint8_t *out, int64_t out_nbytes, int64_t *length, int32_t *status) nogil


cdef _check(const uint8_t *pixels, int pixel):
    if pixel not in (1, 4) or <uintptr_t>pixels % pixel:
        raise ValueError(f"pixels must have 1 or 4 bytes and be aligned; got {pixel} bytes")


def decode(const uint8_t[::1] data, const int64_t[::1] start, const int64_t[::1] length, const int64_t[::1] npixels,
           uint8_t[::1] out, int pixel):
    """Decode tiles into ``out``, bytes of pixels; return one status per tile."""
    cdef int64_t ntiles = start.shape[0]
    cdef const uint8_t *src = &data[0] if data.shape[0] else NULL  # an empty view has no first element
    cdef uint8_t *dst = &out[0] if out.shape[0] else NULL
    _check(dst, pixel)
    if not length.shape[0] == npixels.shape[0] == ntiles:
        raise ValueError(f"{ntiles} starts, {length.shape[0]} lengths, {npixels.shape[0]} npixels")
    status = np.zeros(ntiles, dtype=np.int32)
    if ntiles == 0:
        return status
    cdef int32_t[::1] flags = status
    with nogil:
        rf_plio_decode(src, data.shape[0], &start[0], &length[0], &npixels[0], ntiles, pixel, dst,
                       out.shape[0] // pixel, &flags[0])
    return status


def encode(const uint8_t[::1] pixels, const int64_t[::1] npixels, int pixel):
    """Encode tiles, given as bytes of pixels; return their bytes back to back, the bytes of each and their statuses."""
    cdef int64_t ntiles = npixels.shape[0]
    cdef int64_t room = 0
    cdef int64_t pixels_n, left, used, i
    cdef const uint8_t *src = &pixels[0] if pixels.shape[0] else NULL
    _check(src, pixel)
    left = pixels_n = pixels.shape[0] // pixel
    for i in range(ntiles):
        if npixels[i] < 0 or npixels[i] > left:
            raise ValueError(f"tile {i} has {npixels[i]} pixels, of {left} left of {pixels_n}")
        left -= npixels[i]
        room += rf_plio_bound(npixels[i])
    length = np.zeros(ntiles, dtype=np.int64)
    status = np.zeros(ntiles, dtype=np.int32)
    out = np.empty(room, dtype=np.uint8)
    if ntiles == 0:
        return out, length, status
    cdef int64_t[::1] lengths = length
    cdef int32_t[::1] flags = status
    cdef uint8_t[::1] dst = out
    with nogil:
        used = rf_plio_encode(pixel, src, pixels_n, &npixels[0], ntiles, &dst[0], room, &lengths[0], &flags[0])
    return out[:used], length, status
