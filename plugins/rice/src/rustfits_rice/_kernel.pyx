# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Checks shapes, drops the GIL, calls the C; no algorithm here."""

from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc

import numpy as np


cdef extern from "rice.h":
    int32_t rf_rice_best_variant() nogil
    void rf_rice_decode(int32_t variant, int32_t bytepix, const uint8_t *data, int64_t data_nbytes,
                        const int64_t *start, const int64_t *length, const int64_t *npixels, int64_t ntiles,
                        int32_t block, void *out, int64_t out_npixels, int32_t *status) nogil
    struct rf_rice_marks:
        int64_t step
        const int64_t *first
        uint64_t *const *mark
    void rf_rice_resume(int32_t variant, int32_t bytepix, const uint8_t *data, int64_t data_nbytes,
                        const int64_t *start, const int64_t *length, const int64_t *npixels, int64_t ntiles,
                        int32_t block, const rf_rice_marks *marks, void *out, int64_t out_npixels,
                        int32_t *status) nogil
    int64_t rf_rice_bound(int32_t bytepix, int64_t npixels, int32_t block) nogil
    int64_t rf_rice_encode(int32_t variant, int32_t bytepix, const void *pixels, int64_t pixels_n,
                           const int64_t *npixels, int64_t ntiles, int32_t block, uint8_t *out, int64_t out_nbytes,
                           int64_t *length, int32_t *status) nogil


cdef extern from "rustfits.h" nogil:
    const char *RUSTFITS_DECODER
    const char *RUSTFITS_RESUMER
    ctypedef struct rustfits_decoder:
        void (*decode)(const rustfits_decoder *, const uint8_t *, int64_t, const int64_t *, const int64_t *,
                       const int64_t *, int64_t, void *, int64_t, int32_t *) noexcept nogil
    ctypedef struct rustfits_resumer:
        void (*decode)(const rustfits_resumer *, const uint8_t *, int64_t, const int64_t *, const int64_t *,
                       const int64_t *, int64_t, int64_t, const int64_t *, uint64_t *const *, void *, int64_t,
                       int32_t *) noexcept nogil
        int64_t block


# Asked once: the instruction that tells takes some 10 us on a virtual machine, half as long as a tile.
cdef int32_t BEST = rf_rice_best_variant()


def best_variant():
    """Return the number of the fastest variant that this machine can run."""
    return BEST


cdef int check(const uint8_t *pixels, int32_t bytepix, int32_t block, int32_t variant) except -1:
    if bytepix not in (1, 2, 4) or <uintptr_t>pixels % bytepix:
        raise ValueError(f"pixels must have 1, 2 or 4 bytes and be aligned; got {bytepix} bytes")
    if block < 1:
        raise ValueError(f"block must be > 0; got {block}")
    if not 0 <= variant <= BEST:
        raise ValueError(f"this machine runs variants 0 to {BEST}; got {variant}")
    return 0


def decode(const uint8_t[::1] data, const int64_t[::1] start, const int64_t[::1] length, const int64_t[::1] npixels,
           int32_t block, uint8_t[::1] out, int32_t bytepix, int32_t variant):
    """Decode tiles into ``out``, bytes of pixels; return one status per tile."""
    cdef int64_t ntiles = start.shape[0]
    if not length.shape[0] == npixels.shape[0] == ntiles:
        raise ValueError(f"{ntiles} starts, {length.shape[0]} lengths, {npixels.shape[0]} npixels")
    cdef const uint8_t *src = &data[0] if data.shape[0] else NULL  # an empty view has no first element
    cdef uint8_t *dst = &out[0] if out.shape[0] else NULL
    check(dst, bytepix, block, variant)
    status = np.zeros(ntiles, dtype=np.int32)
    if ntiles == 0:
        return status
    cdef int32_t[::1] flags = status
    with nogil:
        rf_rice_decode(variant, bytepix, src, data.shape[0], &start[0], &length[0], &npixels[0], ntiles, block, dst,
                       out.shape[0] // bytepix, &flags[0])
    return status


def encode(const uint8_t[::1] pixels, const int64_t[::1] npixels, int32_t block, int32_t bytepix, int32_t variant):
    """Encode tiles, given as bytes of pixels; return their bytes back to back and the bytes of each."""
    cdef int64_t ntiles = npixels.shape[0]
    cdef int64_t pixels_n = pixels.shape[0] // bytepix if bytepix > 0 else 0
    cdef int64_t left = pixels_n
    cdef int64_t room = 0
    cdef int64_t used, i
    cdef const uint8_t *src = &pixels[0] if pixels.shape[0] else NULL
    check(src, bytepix, block, variant)
    for i in range(ntiles):
        if npixels[i] < 0 or npixels[i] > left:
            raise ValueError(f"tile {i} has {npixels[i]} pixels, of {left} left of {pixels_n}")
        left -= npixels[i]
        room += rf_rice_bound(bytepix, npixels[i], block)
    length = np.zeros(ntiles, dtype=np.int64)
    if ntiles == 0:
        return np.empty(0, dtype=np.uint8), length
    out = np.empty(room, dtype=np.uint8)
    cdef int32_t[::1] flags = np.zeros(ntiles, dtype=np.int32)
    cdef int64_t[::1] lengths = length
    cdef uint8_t[::1] dst = out
    with nogil:
        # The only fault is RF_RICE_NO_ROOM, and the room is the sum of the bounds: the statuses need no look.
        used = rf_rice_encode(variant, bytepix, src, pixels_n, &npixels[0], ntiles, block, &dst[0], room, &lengths[0],
                              &flags[0])
    return out[:used], length


cdef struct decoder_t:  # what callers know of, then what the kernel needs to know
    rustfits_decoder base
    int32_t variant
    int32_t bytepix
    int32_t block


cdef void decode_tiles(const rustfits_decoder *base, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                       const int64_t *length, const int64_t *npixels, int64_t ntiles, void *out, int64_t out_nbytes,
                       int32_t *status) noexcept nogil:
    cdef const decoder_t *decoder = <const decoder_t *>base
    rf_rice_decode(decoder.variant, decoder.bytepix, data, data_nbytes, start, length, npixels, ntiles, decoder.block,
                   out, out_nbytes // decoder.bytepix, status)


cdef void forget(object capsule) noexcept:
    free(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)))


cdef object capsule_of(void *allocated, const char *name):
    """Return a capsule that owns the memory, which is freed if there is none."""
    try:
        return PyCapsule_New(allocated, name, forget)
    except MemoryError:
        free(allocated)
        raise


def c_decoder(int32_t bytepix, int32_t block, int32_t variant):
    """Return a decoder for compiled callers, in a capsule."""
    check(NULL, bytepix, block, variant)
    cdef decoder_t *decoder = <decoder_t *>malloc(sizeof(decoder_t))
    if decoder is NULL:
        raise MemoryError
    decoder.base.decode = decode_tiles
    decoder.variant, decoder.bytepix, decoder.block = variant, bytepix, block
    return capsule_of(decoder, RUSTFITS_DECODER)


cdef struct resumer_t:  # likewise
    rustfits_resumer base
    int32_t variant
    int32_t bytepix


cdef void resume_tiles(const rustfits_resumer *base, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                       const int64_t *length, const int64_t *npixels, int64_t ntiles, int64_t step,
                       const int64_t *first, uint64_t *const *mark, void *out, int64_t out_nbytes,
                       int32_t *status) noexcept nogil:
    cdef const resumer_t *resumer = <const resumer_t *>base
    cdef rf_rice_marks marks
    marks.step, marks.first, marks.mark = step, first, mark
    rf_rice_resume(resumer.variant, resumer.bytepix, data, data_nbytes, start, length, npixels, ntiles,
                   <int32_t>resumer.base.block, &marks, out, out_nbytes // resumer.bytepix, status)


def c_resumer(int32_t bytepix, int32_t block, int32_t variant):
    """Return a decoder for compiled callers that begins tiles in the middle, in a capsule."""
    check(NULL, bytepix, block, variant)
    cdef resumer_t *resumer = <resumer_t *>malloc(sizeof(resumer_t))
    if resumer is NULL:
        raise MemoryError
    resumer.base.decode, resumer.base.block = resume_tiles, block
    resumer.variant, resumer.bytepix = variant, bytepix
    return capsule_of(resumer, RUSTFITS_RESUMER)
