# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Checks shapes, drops the GIL, calls hcompress.c; no algorithm here."""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t, uintptr_t

import numpy as np


cdef extern from "hcompress.h":
    void rf_hcompress_prepare() nogil
    int rf_hcompress_best_kernel() nogil
    int64_t rf_hcompress_scratch(int64_t height, int64_t width) nogil
    int64_t rf_hcompress_bound(int64_t height, int64_t width, int pixel) nogil
    void rf_hcompress_decode(int kernel, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                             const int64_t *length, const int64_t *height, const int64_t *width, int64_t ntiles,
                             int smooth, int pixel, void *out, int64_t out_n, void *scratch, int64_t scratch_n,
                             int32_t *status) nogil
    int64_t rf_hcompress_encode(int kernel, int pixel, const void *pixels, int64_t pixels_n, const int64_t *height,
                                const int64_t *width, int64_t ntiles, int32_t scale, uint8_t *out, int64_t out_nbytes,
                                int64_t *out_length, void *scratch, int64_t scratch_n, int32_t *status) nogil


rf_hcompress_prepare()


cdef _scratch(const int64_t[::1] height, const int64_t[::1] width, int64_t room):
    """Scratch for the largest tile, after all tiles were seen to fit ``room`` pixels."""
    cdef int64_t i, largest = 0
    for i in range(height.shape[0]):
        if height[i] > INT32_MAX or width[i] > INT32_MAX:  # streams hold sides of 32 bits; products fit 64
            raise ValueError(f"tile {i} is {height[i]} x {width[i]}; a side has {INT32_MAX} pixels at most")
        if height[i] < 0 or width[i] < 0 or (width[i] and height[i] > room // width[i]):
            raise ValueError(f"tile {i} is {height[i]} x {width[i]}, with room for {room} pixels")
        largest = max(largest, rf_hcompress_scratch(height[i], width[i]))
    return np.empty(largest // 8 + 1, dtype=np.int64)


# Asked once: the instruction that tells takes some 10 us on a virtual machine.
cdef int BEST = rf_hcompress_best_kernel()


def best_kernel():
    """Return the number of the last kernel that this machine can run."""
    return BEST


cdef _check(const uint8_t *pixels, int pixel, int kernel):
    if pixel not in (1, 2, 4) or <uintptr_t>pixels % pixel:
        raise ValueError(f"pixels must have 1, 2 or 4 bytes and be aligned; got {pixel} bytes")
    if not 0 <= kernel <= BEST:
        raise ValueError(f"this machine runs kernels 0 to {BEST}; got {kernel}")


def decode(const uint8_t[::1] data, const int64_t[::1] start, const int64_t[::1] length, const int64_t[::1] height,
           const int64_t[::1] width, bint smooth, uint8_t[::1] out, int pixel, int kernel):
    """Decode tiles into ``out``, bytes of pixels; return one status per tile."""
    cdef uint8_t *dst = &out[0] if out.shape[0] else NULL  # an empty view has no first element
    _check(dst, pixel, kernel)
    cdef int64_t ntiles = start.shape[0]
    if not length.shape[0] == height.shape[0] == width.shape[0] == ntiles:
        raise ValueError(f"{ntiles} starts, {length.shape[0]} lengths, {height.shape[0]} heights")
    status = np.zeros(ntiles, dtype=np.int32)
    if ntiles == 0:
        return status
    cdef int64_t[::1] scratch = _scratch(height, width, out.shape[0] // pixel)
    cdef int32_t[::1] flags = status
    cdef const uint8_t *src = &data[0] if data.shape[0] else NULL
    with nogil:
        rf_hcompress_decode(kernel, src, data.shape[0], &start[0], &length[0], &height[0], &width[0], ntiles,
                            smooth, pixel, dst, out.shape[0] // pixel, &scratch[0], 8 * scratch.shape[0], &flags[0])
    return status


def encode(const uint8_t[::1] pixels, const int64_t[::1] height, const int64_t[::1] width, int32_t scale, int pixel,
           int kernel):
    """Encode tiles, given as bytes of pixels; return their bytes back to back, the bytes of each, and one status per
    tile."""
    cdef const uint8_t *src = &pixels[0] if pixels.shape[0] else NULL
    _check(src, pixel, kernel)
    cdef int64_t ntiles = height.shape[0]
    cdef int64_t room = 0, used, i
    if width.shape[0] != ntiles:
        raise ValueError(f"{ntiles} heights, {width.shape[0]} widths")
    length = np.zeros(ntiles, dtype=np.int64)
    status = np.zeros(ntiles, dtype=np.int32)
    if ntiles == 0:
        return np.empty(0, dtype=np.uint8), length, status
    cdef int64_t[::1] scratch = _scratch(height, width, pixels.shape[0] // pixel)
    for i in range(ntiles):
        room += rf_hcompress_bound(height[i], width[i], pixel)
    out = np.empty(room, dtype=np.uint8)
    cdef int64_t[::1] lengths = length
    cdef int32_t[::1] flags = status
    cdef uint8_t[::1] dst = out
    with nogil:
        used = rf_hcompress_encode(kernel, pixel, src, pixels.shape[0] // pixel, &height[0], &width[0], ntiles,
                                   scale, &dst[0], room, &lengths[0], &scratch[0], 8 * scratch.shape[0], &flags[0])
    return out[:used], length, status
