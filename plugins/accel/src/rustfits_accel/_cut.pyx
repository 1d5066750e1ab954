# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Cutouts of compressed images in one step from the key to the pixels: plan, look up, read, decode, copy. And, in
`_placer.pxi`, tiles that are decoded to their places.

Only what is in order goes this way. Anything else is left to the core, which does it again and says what is wrong.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from rustfits_accel._key cimport rf_box_of
from rustfits_accel._kernel cimport dither_of, rf_dequantize_f32, rf_dequantize_f64, rf_dither, rf_read


include "_image.pxi"
include "_placer.pxi"


# What a codec offers in another capsule; `rustfits.codec.codec.TileCodec.c_resumer` says what it means.
cdef struct resumer_t:
    void (*decode)(const resumer_t *, const uint8_t *, int64_t, const int64_t *, const int64_t *, const int64_t *,
                   int64_t, int64_t, const int64_t *, uint64_t *const *, void *, int64_t, int32_t *) noexcept nogil
    int64_t block


cdef int64_t MAX_GAP = 1 << 12  # bytes that are read for nothing rather than asked for apart
cdef int64_t MAX_NBYTES = 8 << 20  # of one cutout's tiles
# Of an image larger than the cache: to keep a tile takes about as long as to decode it, and so does looking up many.
cdef int MAX_KEPT = 4  # tiles of one cutout
cdef uint8_t OFTEN = 3  # times that a tile is wanted
# Pixels between two marks in a tile, at least: of many rows, and of one, of which a box takes a short piece.
cdef int64_t MIN_STEP = 1 << 9
cdef int64_t MIN_ROW_STEP = 1 << 7
cdef int64_t MAX_MARKS = 1 << 18  # words of 8 bytes, of an image


cdef struct cut_t:  # one cutout under way
    int32_t nparts
    int32_t nmissing
    rf_part parts[RF_CUT_NTILES]
    const uint8_t *pixels[RF_CUT_NTILES]
    int32_t missing[RF_CUT_NTILES]
    int64_t start[RF_CUT_NTILES]
    int64_t length[RF_CUT_NTILES]
    int64_t npixels[RF_CUT_NTILES]
    int64_t first[RF_CUT_NTILES]
    uint64_t *marks[RF_CUT_NTILES]
    int64_t row[RF_CUT_NTILES]
    double scale[RF_CUT_NTILES]
    double zero[RF_CUT_NTILES]
    int64_t null[RF_CUT_NTILES]
    int32_t status[RF_CUT_NTILES]
    bint keep  # the tiles that are decoded
    int32_t nheld
    Py_buffer held[RF_CUT_NTILES]  # of the cache's arrays, as long as their pixels are copied


cdef class Cutter(Image):
    """Cuts boxes out of one image; as `rustfits.codec.kernels.Kernels.cutter`, whose arguments these are."""

    cdef int64_t max_ntiles, image_nbytes, generation
    cdef bint prefixes
    cdef const uint8_t[::1] good
    cdef const int64_t[::1] starts, lengths, npixels, nulls
    cdef const double[::1] scales, zeros
    cdef object cache, read_into
    cdef int32_t descriptor
    cdef int64_t heap_start, nwanted
    cdef uint8_t[::1] wanted  # how often each tile was, of late
    cdef object resumer_capsule
    cdef const resumer_t *resumer  # NULL if there is none
    cdef uint64_t[::1] marks  # of all tiles, as many of each
    cdef int64_t step, nmarks

    def __init__(self, *, shape, tile, stride, max_ntiles, dtype, good, start, length, npixels, numbers, dithering,
                 decoder, prefixes, resumer, read_into, place, cache, generation):
        cdef int64_t ntiles = len(good)
        self.know(shape, tile, stride, dtype, dithering, decoder)
        if max_ntiles > RF_CUT_NTILES:
            raise ValueError(f"up to {max_ntiles} tiles are too many")
        self.max_ntiles = max_ntiles
        last = 0
        self.image_nbytes = self.itemsize
        for size, length_along, apart in zip(shape, tile, stride):
            self.image_nbytes *= size
            last += (size - 1) // length_along * apart
        if last >= ntiles:
            raise ValueError(f"{shape} pixels in tiles of {tile}, {ntiles} tiles in all")
        self.good, self.starts, self.lengths, self.npixels = good, start, length, npixels
        if self.quantized:
            self.scales, self.zeros, self.nulls = numbers
        for each in (start, length, npixels, *(numbers or ())):
            if len(each) != ntiles:
                raise ValueError(f"{ntiles} tiles, but {len(each)} numbers of them")
        self.prefixes = prefixes
        self.read_into = read_into
        self.descriptor, self.heap_start = place
        self.wanted, self.nwanted = np.zeros(ntiles, dtype=np.uint8), 0
        self.cache, self.generation = cache, generation
        if resumer is not None:
            self.resume_with(resumer, tile)

    cdef int resume_with(self, capsule, tile) except -1:
        """Make room for marks, if they are not too many."""
        cdef int64_t most = 1, least
        self.resumer_capsule = capsule
        cdef const resumer_t *resumer = <const resumer_t *>PyCapsule_GetPointer(capsule, "rustfits.resumer.1")
        for length in tile:
            most *= length
        least = MIN_ROW_STEP if most == tile[len(tile) - 1] else MIN_STEP
        if resumer.block < 1:
            raise ValueError(f"a decoder that resumes every {resumer.block} pixels")
        self.step = resumer.block
        while self.step < most and (self.step < least or (most - 1) // self.step * self.good.shape[0] > MAX_MARKS):
            self.step *= 2
        self.nmarks = (most - 1) // self.step
        if self.nmarks:
            self.marks = np.zeros(self.nmarks * self.good.shape[0], dtype=np.uint64)
            self.resumer = resumer
        return 0

    def __call__(self, key):
        """Return the stored pixels of a box; None for any key but slices with both ends, and for tiles with a fault."""
        cdef int64_t first[RF_CUT_NDIM]
        cdef int64_t count[RF_CUT_NDIM]
        if not rf_box_of(key, self.grid.ndim, self.grid.size, first, count):
            return None
        cdef cut_t cut
        cut.nparts = rf_cut_parts(&self.grid, first, count, self.max_ntiles, cut.parts)
        return self.box(&cut, count) if cut.nparts else None

    cdef object box(self, cut_t *cut, const int64_t *count):
        """Return the pixels of a box whose parts are known."""
        cdef int64_t capacity = min(self.cache.capacity, LARGEST)
        cdef bint fleeting = self.image_nbytes > capacity
        cdef Py_buffer target
        cdef int32_t i
        cdef int64_t total = 0
        cdef void *fresh = NULL
        kept = None
        cut.nheld = 0
        try:
            if not self.look_up(cut, fleeting):
                return None
            if cut.nmissing:
                for i in range(cut.nmissing):
                    total += cut.npixels[i]
                if total * max(self.itemsize, 4) > MAX_NBYTES:
                    return None
                if cut.keep and total * self.itemsize <= capacity:
                    kept = np.empty(total, self.dtype)
                    PyObject_GetBuffer(kept, &cut.held[cut.nheld], PyBUF_WRITABLE)
                    cut.nheld += 1
                    if not self.decode(cut, <uint8_t *>cut.held[cut.nheld - 1].buf, total):
                        return None
                    self.keep(cut, kept)
                else:
                    fresh = PyMem_RawMalloc(total * self.itemsize)
                    if fresh is NULL:
                        raise MemoryError
                    if not self.decode(cut, <uint8_t *>fresh, total):
                        return None
            box = np.empty(tuple([count[i] for i in range(self.grid.ndim)]), self.dtype)
            PyObject_GetBuffer(box, &target, PyBUF_WRITABLE)
            with nogil:
                for i in range(cut.nparts):
                    rf_cut_place(&cut.parts[i], 1, self.grid.ndim, self.itemsize, &cut.pixels[i], count, 0,
                                 <uint8_t *>target.buf)
            PyBuffer_Release(&target)
            return box
        finally:
            for i in range(cut.nheld):
                PyBuffer_Release(&cut.held[i])
            PyMem_RawFree(fresh)

    cdef bint look_up(self, cut_t *cut, bint fleeting) except *:
        """Find out which tiles the cache has, and which to decode; False if one of those is not in order.

        Of a tile whose first rows are enough no more is decoded, unless it is worth keeping: whole tiles of an image
        that fits the cache always are, of a larger (fleeting) one those that `worth_keeping` tells.
        """
        cdef int32_t i
        cdef int64_t available, wanted, begin
        cdef int64_t shape[RF_CUT_NDIM]
        cdef bint worth
        cdef rf_part *part
        cdef dict tiles = self.cache.tiles
        cut.nmissing = 0
        cut.keep = not fleeting
        for i in range(cut.nparts):
            part = &cut.parts[i]
            row = part.row
            place = self.cache.take_one(row) if row in tiles else None
            available = place[2] if place is not None else 0
            worth = True
            if available < part.npixels and self.prefixes:
                wanted = rf_cut_first(part, self.grid.ndim, shape)
                worth = not fleeting or (available < wanted and self.worth_keeping(part))
                # First rows are enough if they are there, or if the tile is not to be kept.
                if available >= wanted or not worth:
                    part.npixels = wanted
                    for axis in range(self.grid.ndim):
                        part.shape[axis] = shape[axis]
            if available >= part.npixels:
                PyObject_GetBuffer(place[0], &cut.held[cut.nheld], PyBUF_SIMPLE)
                begin = place[1]
                cut.pixels[i] = <const uint8_t *>cut.held[cut.nheld].buf + begin * self.itemsize
                cut.nheld += 1
                if begin < 0 or available > cut.held[cut.nheld - 1].len // self.itemsize - begin:
                    return False
                continue
            if not self.good[part.row]:
                return False
            cut.keep = cut.keep or worth
            cut.missing[cut.nmissing] = i
            cut.npixels[cut.nmissing] = part.npixels
            cut.first[cut.nmissing] = 0
            cut.row[cut.nmissing] = part.row
            cut.nmissing += 1
        cut.keep = cut.keep and not (fleeting and cut.nmissing > MAX_KEPT)
        if self.resumer is not NULL and not cut.keep:
            self.shorten(cut)
        return True

    cdef void shorten(self, cut_t *cut) noexcept:
        """Begin the tiles that are not to be kept as late as their marks allow."""
        cdef int32_t i
        cdef int64_t row
        for i in range(cut.nmissing):
            row = cut.row[i]
            cut.marks[i] = &self.marks[row * self.nmarks]
            cut.npixels[i] = rf_cut_stretch(&cut.parts[cut.missing[i]], self.grid.ndim, self.npixels[row], cut.marks[i],
                                            self.step, self.resumer.block, &cut.first[i])

    cdef bint worth_keeping(self, const rf_part *part):
        """Tell whether to keep a tile of an image larger than the cache: one wanted whole, or often of late."""
        cdef int64_t axis
        cdef bint whole = True
        for axis in range(self.grid.ndim):
            whole = whole and part.count[axis] == part.shape[axis]
        self.nwanted += 1
        if self.nwanted > self.wanted.shape[0]:
            self.wanted[:] = 0
            self.nwanted = 1
        self.wanted[part.row] = min(self.wanted[part.row] + 1, OFTEN)
        return whole or self.wanted[part.row] >= OFTEN

    cdef bint decode(self, cut_t *cut, uint8_t *pixels, int64_t total) except *:
        """Read and decode the missing tiles back to back; False if one has a fault."""
        cdef int64_t nbytes = self.plan_reads(cut)
        cdef int64_t numbers_nbytes = total * 4 if self.quantized else 0
        cdef uint8_t *room
        cdef uint8_t *data
        cdef uint8_t *numbers
        cdef int64_t i
        cdef int32_t faults = 0
        cdef bint done
        if nbytes > MAX_NBYTES:
            return False
        room = <uint8_t *>PyMem_RawMalloc(numbers_nbytes + nbytes + 1)
        if room is NULL:
            raise MemoryError
        data = room + numbers_nbytes
        numbers = room if self.quantized else pixels
        try:
            self.read(cut, data)
            with nogil:
                self.decode_tiles(cut, data, nbytes, numbers, numbers_nbytes or total * self.itemsize)
                for i in range(cut.nmissing):
                    faults |= cut.status[i]
                done = not faults and self.find_pixels(cut, numbers, pixels, total)
            return done
        finally:
            PyMem_RawFree(room)

    cdef bint find_pixels(self, cut_t *cut, const uint8_t *numbers, uint8_t *pixels, int64_t total) noexcept nogil:
        """Say where the pixels wanted of each tile begin; of quantised ones, only those become floats. False if they are
        not all among those of the tiles."""
        cdef int64_t i, offset = 0, begin
        cdef rf_part *part
        for i in range(cut.nmissing):
            part = &cut.parts[cut.missing[i]]
            begin = offset + part.skipped - cut.first[i]
            if begin + part.npixels > offset + cut.npixels[i]:
                return False
            if self.quantized and not self.dequantize(
                    <const int32_t *>numbers + begin, total - begin, 1, &part.npixels, &cut.scale[i], &cut.zero[i],
                    &cut.null[i], &cut.row[i], pixels + begin * self.itemsize, &part.skipped):
                return False
            cut.pixels[cut.missing[i]] = pixels + begin * self.itemsize
            offset += cut.npixels[i]
        return True

    cdef void decode_tiles(self, cut_t *cut, const uint8_t *data, int64_t nbytes, void *numbers,
                           int64_t numbers_nbytes) noexcept nogil:
        """Decode the missing tiles, from the first pixel or from their marks on."""
        if cut.keep or self.resumer is NULL:
            self.decoder.decode(self.decoder, data, nbytes, cut.start, cut.length, cut.npixels, cut.nmissing, numbers,
                                numbers_nbytes, cut.status)
        else:
            self.resumer.decode(self.resumer, data, nbytes, cut.start, cut.length, cut.npixels, cut.nmissing, self.step,
                                cut.first, cut.marks, numbers, numbers_nbytes, cut.status)

    cdef int64_t plan_reads(self, cut_t *cut):
        """Say where in the data each missing tile will begin, and return how many bytes that takes."""
        cdef int64_t nbytes = 0, stop = -1, begin, i
        for i in range(cut.nmissing):
            begin = self.starts[cut.row[i]]
            cut.length[i] = self.lengths[cut.row[i]]
            if self.quantized:
                cut.scale[i], cut.zero[i] = self.scales[cut.row[i]], self.zeros[cut.row[i]]
                cut.null[i] = self.nulls[cut.row[i]]
            if stop >= 0 and 0 <= begin - stop <= MAX_GAP:
                nbytes += begin - stop
            cut.start[i] = nbytes
            nbytes += cut.length[i]
            stop = begin + cut.length[i]
            if nbytes > MAX_NBYTES:
                break
        return nbytes

    cdef object read(self, cut_t *cut, uint8_t *data):
        """Read the missing tiles to where `plan_reads` wants them, those that lie near each other at once."""
        cdef int64_t i, first = 0, begin, end
        for i in range(1, cut.nmissing + 1):
            if i < cut.nmissing:
                begin = self.starts[cut.row[i - 1]] + cut.length[i - 1]
                end = self.starts[cut.row[i]]
                if 0 <= end - begin <= MAX_GAP:
                    continue
            begin, end = self.starts[cut.row[first]], cut.start[i - 1] + cut.length[i - 1]
            if not self.read_here(begin, end - cut.start[first], data + cut.start[first]):
                self.read_elsewhere(begin, end - cut.start[first], data + cut.start[first])
            first = i

    cdef bint read_here(self, int64_t start, int64_t nbytes, uint8_t *target):
        """Read bytes of the heap, if they are in a file of the system's."""
        cdef bint done
        if self.descriptor < 0:
            return False
        with nogil:
            done = rf_read(self.descriptor, self.heap_start + start, nbytes, target)
        return done

    cdef int read_elsewhere(self, int64_t start, int64_t nbytes, uint8_t *target) except -1:
        """Read bytes of the heap from another storage, which may hold what it is given for longer than it should."""
        owned = np.empty(nbytes, np.uint8)
        cdef const uint8_t[::1] found = owned
        self.read_into(start, owned)
        if nbytes:
            memcpy(target, &found[0], nbytes)
        return 0

    cdef object keep(self, cut_t *cut, pixels):
        """Give the tiles that were decoded to the cache."""
        cdef int32_t i
        cdef bint whole = True
        rows, npixels = [], []
        for i in range(cut.nmissing):
            rows.append(cut.row[i])
            npixels.append(cut.npixels[i])
            whole = whole and cut.npixels[i] == self.npixels[cut.row[i]]
        self.cache.add(rows, npixels, pixels, generation=self.generation, whole=whole)
