# Whole reads, and large sections: tiles decoded to their places.

MAX_PLACED = 1 << 16  # bytes of a tile
cdef int64_t MAX_GROUP = 16 * (1 << 16)  # and, about, of tiles decoded at a time, which stay in the cache
cdef int64_t SIDE_BY_SIDE = 16  # tiles that the widest decoder takes at once


cdef struct batch_t:  # tiles that are still to be decoded
    const int64_t *position
    const int64_t *length
    const int64_t *npixels
    const int64_t *row
    const double *scale
    const double *zero
    const int64_t *null
    uint8_t *keep  # where their pixels stay, or NULL


cdef struct section_t:  # where they go
    int64_t start[RF_CUT_NDIM]
    int64_t count[RF_CUT_NDIM]
    bint past
    uint8_t *pixels


cdef class Placer(Image):
    """Decodes tiles to their places in a section; as `rustfits.codec.kernels.Kernels.placer`.

    Tiles are decoded by the group, for the sake of decoders that take several side by side, and each is copied while it
    is in the cache.
    """

    cdef int64_t width  # of what the decoder gives, in bytes
    cdef int64_t most  # pixels of a tile

    def __init__(self, *, shape, tile, stride, dtype, dithering, decoder):
        self.know(shape, tile, stride, dtype, dithering, decoder)
        self.width = 4 if self.quantized else self.itemsize
        self.most = 1
        for length in tile:
            self.most *= length
        if self.most * self.width > MAX_GROUP:
            raise ValueError(f"tiles of {self.most} pixels do not fit the cache")

    def __call__(self, *, tuple start, tuple count, const int64_t[::1] row, const uint8_t[::1] data,
                 const int64_t[::1] position, const int64_t[::1] length, const int64_t[::1] npixels, numbers, out,
                 uint8_t[::1] kept, bint past):
        """Put the pixels of tiles to their places; False if there is something wrong with one."""
        cdef int64_t ntiles = row.shape[0], most = 0, total = 0, i
        cdef const double[::1] scale, zero
        cdef const int64_t[::1] null
        cdef batch_t batch
        cdef section_t section
        cdef Py_buffer target
        cdef bint done
        if out.shape != count or out.dtype != self.dtype:
            raise ValueError(f"pixels {count} from {start} on, for an array of {out.shape} {out.dtype}")
        self.bound(start, count, &section)
        if self.quantized:
            scale, zero, null = numbers
            if not scale.shape[0] == zero.shape[0] == null.shape[0] == ntiles:
                raise ValueError(f"{ntiles} tiles, but other numbers of scales, zeros or nulls")
        if not position.shape[0] == length.shape[0] == npixels.shape[0] == ntiles:
            raise ValueError(f"{ntiles} tiles, but other numbers of positions, lengths or pixels")
        for i in range(ntiles):
            if not 0 < npixels[i] <= self.most:
                return False
            most = max(most, npixels[i])
            total += npixels[i]
        if not ntiles or not data.shape[0]:
            return False
        if kept is not None and kept.shape[0] != total * self.itemsize:
            raise ValueError(f"{kept.shape[0]} bytes to keep tiles of {total} pixels in")
        batch.position, batch.length, batch.npixels, batch.row = &position[0], &length[0], &npixels[0], &row[0]
        batch.scale = batch.zero = NULL
        batch.null = NULL
        if self.quantized:
            batch.scale, batch.zero, batch.null = &scale[0], &zero[0], &null[0]
        batch.keep = &kept[0] if kept is not None else NULL
        PyObject_GetBuffer(out, &target, PyBUF_WRITABLE)
        section.pixels = <uint8_t *>target.buf
        section.past = past
        try:
            return self.place_all(ntiles, most, data, &batch, &section)
        finally:
            PyBuffer_Release(&target)

    cdef int bound(self, tuple start, tuple count, section_t *section) except -1:
        """Take and check the bounds of a section."""
        cdef int64_t axis
        if len(start) != self.grid.ndim or len(count) != self.grid.ndim:
            raise ValueError(f"pixels {count} from {start} on are not of {self.grid.ndim} axes")
        for axis in range(self.grid.ndim):
            section.start[axis], section.count[axis] = start[axis], count[axis]
            if (section.start[axis] < 0 or section.count[axis] < 1
                    or section.count[axis] > self.grid.size[axis] - section.start[axis]):
                raise ValueError(f"pixels {count} from {start} on are not all of the image")
        return 0

    cdef bint place_all(self, int64_t ntiles, int64_t most, const uint8_t[::1] data, batch_t *batch,
                        section_t *section) except *:
        """Place group after group; False as soon as a tile has a fault."""
        cdef int64_t group = min(self.group(most), ntiles), room = group * most * self.width, i = 0
        cdef int64_t room_for_floats = group * most * self.itemsize if self.quantized else 0
        cdef uint8_t *tiles = <uint8_t *>PyMem_RawMalloc(room + room_for_floats)
        cdef int32_t *status = <int32_t *>PyMem_RawMalloc(group * sizeof(int32_t))
        cdef bint done = True
        try:
            if tiles is NULL or status is NULL:
                raise MemoryError
            with nogil:
                while done and i < ntiles:
                    done = self.place(min(group, ntiles - i), data, batch, tiles, room, status, section)
                    i += group
            return done
        finally:
            PyMem_RawFree(tiles)
            PyMem_RawFree(status)

    cdef int64_t group(self, int64_t most):
        """Return how many tiles of up to ``most`` pixels to decode at a time: none is left to be decoded alone."""
        cdef int64_t ntiles = max(MAX_GROUP // (most * self.width), 1)
        if 2 * ntiles < SIDE_BY_SIDE:
            return ntiles
        return (ntiles + SIDE_BY_SIDE // 2) // SIDE_BY_SIDE * SIDE_BY_SIDE

    cdef bint place(self, int64_t ntiles, const uint8_t[::1] data, batch_t *batch, uint8_t *tiles, int64_t room,
                    int32_t *status, const section_t *section) noexcept nogil:
        """Do what is asked of the next tiles of a batch; behind the room for their numbers is some for floats."""
        cdef int64_t i, total = 0
        cdef uint8_t *numbers = tiles
        cdef uint8_t *floats = tiles + room
        for i in range(ntiles):
            total += batch.npixels[i]
        if batch.keep is not NULL:
            if self.quantized:
                floats = batch.keep
            else:
                numbers, room = batch.keep, total * self.itemsize
            batch.keep += total * self.itemsize
        self.decoder.decode(self.decoder, &data[0], data.shape[0], batch.position, batch.length, batch.npixels, ntiles,
                            numbers, room, status)
        for i in range(ntiles):
            if status[i]:
                return False
        if self.quantized:
            if not self.dequantize(<int32_t *>numbers, total, ntiles, batch.npixels, batch.scale, batch.zero, batch.null,
                                   batch.row, floats):
                return False
            batch.scale += ntiles
            batch.zero += ntiles
            batch.null += ntiles
        if not self.copy(ntiles, batch, floats if self.quantized else numbers, section):
            return False
        batch.position += ntiles
        batch.length += ntiles
        batch.npixels += ntiles
        batch.row += ntiles
        return True

    cdef bint copy(self, int64_t ntiles, const batch_t *batch, const uint8_t *tiles,
                   const section_t *section) noexcept nogil:
        """Copy what the section takes of each of some tiles; False if a tile is not what it should be."""
        cdef rf_part parts[RF_CUT_NTILES]
        cdef const uint8_t *pixels[RF_CUT_NTILES]
        cdef int64_t i, n = 0, first, run
        for i in range(ntiles):
            if not rf_cut_part(&self.grid, batch.row[i], section.start, section.count, &parts[n]):
                return False
            if parts[n].npixels != batch.npixels[i]:
                return False
            pixels[n] = tiles
            tiles += batch.npixels[i] * self.itemsize
            n += 1
            if n == RF_CUT_NTILES or i == ntiles - 1:
                first = 0
                while first < n:
                    run = rf_cut_run(&parts[first], n - first, self.grid.ndim)
                    rf_cut_place(&parts[first], run, self.grid.ndim, self.itemsize, &pixels[first], section.count,
                                 section.past, section.pixels)
                    first += run
                n = 0
        return True
