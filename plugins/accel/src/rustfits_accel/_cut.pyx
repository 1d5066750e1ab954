# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Cutouts of compressed images in one step from the key to the pixels: plan, look up, read, decode, copy.

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


cdef extern from "cut.h" nogil:
    enum:
        RF_CUT_NDIM
        RF_CUT_NTILES
    struct rf_grid:
        int64_t ndim
        int64_t *size
        int64_t *tile
        int64_t *stride
    struct rf_part:
        int64_t row
        int64_t npixels
        int64_t *shape
        int64_t *count
        int64_t skipped
    int32_t rf_cut_parts(const rf_grid *, const int64_t *, const int64_t *, int64_t, rf_part *)
    int64_t rf_cut_first(const rf_part *, int64_t, int64_t *)
    int64_t rf_cut_stretch(rf_part *, int64_t, int64_t, const uint64_t *, int64_t, int64_t, int64_t *)
    void rf_cut_place(const rf_part *, int64_t, int64_t, const uint8_t *, const int64_t *, uint8_t *)


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


MAX_NDIM = RF_CUT_NDIM

cdef int64_t MAX_GAP = 1 << 12  # bytes that are read for nothing rather than asked for apart
cdef int64_t MAX_NBYTES = 8 << 20  # of one cutout's tiles
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


cdef class Cutter:
    """Cuts boxes out of one image; as `rustfits.codec.kernels.Kernels.box_reader`."""

    cdef rf_grid grid
    cdef int64_t itemsize, max_ntiles
    cdef object dtype
    cdef bint quantized, prefixes
    cdef const float[::1] random
    cdef const int64_t[::1] random_starts
    cdef rf_dither dither
    cdef const uint8_t[::1] good
    cdef const int64_t[::1] starts, lengths, npixels, nulls
    cdef const double[::1] scales, zeros
    cdef object take, worth, add, read_into
    cdef int32_t descriptor
    cdef int64_t heap_start
    cdef object decoder_capsule, resumer_capsule
    cdef const rustfits_decoder *decoder
    cdef const rustfits_resumer *resumer  # NULL if there is none
    cdef uint64_t[::1] marks  # of all tiles, as many of each
    cdef int64_t step, nmarks

    def __init__(self, image, tiles, heap, keeper, dithering):
        self.know_image(image)
        self.know_tiles(image, tiles)
        if self.quantized:
            if self.itemsize not in (4, 8):
                raise ValueError(f"quantised pixels are floats of 4 or 8 bytes, not {image.dtype}")
            self.random, self.random_starts, seed, method, isa = dithering
            self.dither = dither_of(self.random, self.random_starts, seed, method, isa)
        self.read_into, self.descriptor, self.heap_start = heap.read_into, heap.descriptor, heap.offset
        self.take, self.worth, self.add = keeper.take, keeper.worth, keeper.add
        self.decoder_capsule = image.decoder
        self.decoder = <const rustfits_decoder *>PyCapsule_GetPointer(image.decoder, RUSTFITS_DECODER)
        if image.resumer is not None and self.prefixes:
            self.resume_with(image.resumer, image.tile)

    cdef int know_image(self, image) except -1:
        """Take and check what is known of the image as a whole."""
        cdef int64_t axis
        shape, tile, stride = image.shape, image.tile, image.stride
        if not 0 < len(shape) == len(tile) == len(stride) <= RF_CUT_NDIM:
            raise ValueError(f"{len(shape)} axes in tiles of {len(tile)}")
        self.grid.ndim = len(shape)
        for axis in range(self.grid.ndim):
            self.grid.size[axis], self.grid.tile[axis], self.grid.stride[axis] = shape[axis], tile[axis], stride[axis]
            if not 0 < tile[axis] <= shape[axis] or stride[axis] < 1:
                raise ValueError(f"axis {axis}: {shape[axis]} pixels in tiles of {tile[axis]}, {stride[axis]} apart")
        if image.max_ntiles > RF_CUT_NTILES:
            raise ValueError(f"up to {image.max_ntiles} tiles are too many")
        self.max_ntiles, self.prefixes = image.max_ntiles, image.prefixes
        self.dtype, self.itemsize, self.quantized = image.dtype, image.dtype.itemsize, image.dither is not None
        return 0

    cdef int know_tiles(self, image, tiles) except -1:
        """Take and check what is known of each tile."""
        cdef int64_t ntiles = len(tiles.good)
        last = 0
        for size, length, apart in zip(image.shape, image.tile, image.stride):
            last += (size - 1) // length * apart
        if last >= ntiles:
            raise ValueError(f"{image.shape} pixels in tiles of {image.tile}, {ntiles} tiles in all")
        for each in (tiles.start, tiles.length, tiles.npixels, *(tiles.numbers or ())):
            if len(each) != ntiles:
                raise ValueError(f"{ntiles} tiles, but {len(each)} numbers of them")
        self.good, self.starts, self.lengths, self.npixels = tiles.good, tiles.start, tiles.length, tiles.npixels
        if self.quantized:
            self.scales, self.zeros, self.nulls = tiles.numbers
        return 0

    cdef int resume_with(self, capsule, tile) except -1:
        """Make room for marks, if they are not too many."""
        cdef int64_t most = 1, least
        self.resumer_capsule = capsule
        cdef const rustfits_resumer *resumer = <const rustfits_resumer *>PyCapsule_GetPointer(capsule, RUSTFITS_RESUMER)
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
        cdef Py_buffer target
        cdef int32_t i
        cdef int64_t total = 0
        cdef void *fresh = NULL
        cut.nheld = 0
        try:
            if not self.look_up(cut):
                return None
            if cut.nmissing:
                for i in range(cut.nmissing):
                    total += cut.npixels[i]
                if cut.keep:
                    kept = np.empty(total, self.dtype)
                    PyObject_GetBuffer(kept, &cut.held[cut.nheld], PyBUF_WRITABLE)
                    cut.nheld += 1
                    if not self.decode(cut, <uint8_t *>cut.held[cut.nheld - 1].buf, total):
                        return None
                    self.add([cut.row[i] for i in range(cut.nmissing)], [cut.npixels[i] for i in range(cut.nmissing)],
                             kept)
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
                    rf_cut_place(&cut.parts[i], self.grid.ndim, self.itemsize, cut.pixels[i], count,
                                 <uint8_t *>target.buf)
            PyBuffer_Release(&target)
            return box
        finally:
            for i in range(cut.nheld):
                PyBuffer_Release(&cut.held[i])
            PyMem_RawFree(fresh)

    cdef bint look_up(self, cut_t *cut) except *:
        """Find out which tiles the cache has, and how to decode the others; False if one of those is not in order."""
        cdef int32_t i
        cdef rf_part *part
        cdef int64_t total = 0
        for i in range(cut.nparts):
            total += cut.parts[i].npixels
        cdef list places = self.take([cut.parts[i].row for i in range(cut.nparts)], total * self.itemsize)
        if places is None:
            return False
        if len(places) != cut.nparts:
            raise ValueError(f"{len(places)} places of {cut.nparts} tiles")
        cut.nmissing = 0
        for i in range(cut.nparts):
            part = &cut.parts[i]
            place = places[i]
            if place is not None:
                pixels, start, _ = place
                PyObject_GetBuffer(pixels, &cut.held[cut.nheld], PyBUF_SIMPLE)
                cut.nheld += 1
                if not self.found(cut, i, start):
                    return False
                continue
            if not self.good[part.row] or part.npixels != self.npixels[part.row]:
                return False
            cut.missing[cut.nmissing] = i
            cut.npixels[cut.nmissing] = part.npixels
            cut.first[cut.nmissing] = 0
            cut.row[cut.nmissing] = part.row
            cut.nmissing += 1
        return not cut.nmissing or self.plan(cut)

    cdef bint found(self, cut_t *cut, int32_t number, int64_t start):
        """Note where the pixels of a cached tile are, in the buffer held last; False if they are not all there."""
        cdef const Py_buffer *held = &cut.held[cut.nheld - 1]
        if start < 0 or cut.parts[number].npixels > held.len // self.itemsize - start:
            return False
        cut.pixels[number] = <const uint8_t *>held.buf + start * self.itemsize
        return True

    cdef bint plan(self, cut_t *cut) except *:
        """Say what to decode of the missing tiles: all of each if they are to be kept, or else as little as will do."""
        cdef int32_t i
        cdef int64_t total = 0, axis
        cdef int64_t shape[RF_CUT_NDIM]
        cdef bint whole = not self.prefixes
        cdef rf_part *part
        for i in range(cut.nmissing):
            part = &cut.parts[cut.missing[i]]
            total += part.npixels
            whole = whole or self.wanted_whole(part)
        if total * max(self.itemsize, 4) > MAX_NBYTES:
            return False
        cut.keep = self.worth([cut.row[i] for i in range(cut.nmissing)], total * self.itemsize, whole)
        if cut.keep or not self.prefixes:
            return True
        for i in range(cut.nmissing):
            part = &cut.parts[cut.missing[i]]
            part.npixels = cut.npixels[i] = rf_cut_first(part, self.grid.ndim, shape)
            for axis in range(self.grid.ndim):
                part.shape[axis] = shape[axis]
        if self.resumer is not NULL:
            self.shorten(cut)
        return True

    cdef bint wanted_whole(self, const rf_part *part) noexcept:
        """Tell whether a box takes all pixels of a tile."""
        cdef int64_t axis
        for axis in range(self.grid.ndim):
            if part.count[axis] != part.shape[axis]:
                return False
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
        cdef uint8_t *target
        cdef bint done = True
        cdef rf_part *part
        for i in range(cut.nmissing):
            part = &cut.parts[cut.missing[i]]
            begin = offset + part.skipped - cut.first[i]
            if begin < 0 or begin + part.npixels > offset + cut.npixels[i]:
                return False
            target = pixels + begin * self.itemsize
            if self.quantized and self.itemsize == 4:
                done = rf_dequantize_f32(<const int32_t *>numbers + begin, total - begin, &part.npixels, &part.skipped,
                                         &cut.scale[i], &cut.zero[i], &cut.row[i], &cut.null[i], 1, &self.dither,
                                         <float *>target, total - begin)
            elif self.quantized:
                done = rf_dequantize_f64(<const int32_t *>numbers + begin, total - begin, &part.npixels, &part.skipped,
                                         &cut.scale[i], &cut.zero[i], &cut.row[i], &cut.null[i], 1, &self.dither,
                                         <double *>target, total - begin)
            if not done:
                return False
            cut.pixels[cut.missing[i]] = target
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
