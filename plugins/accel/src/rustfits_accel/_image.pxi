# What is known of a compressed image, by `_cut.pyx` and what it includes.

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
    bint rf_cut_part(const rf_grid *, int64_t, const int64_t *, const int64_t *, rf_part *)
    int64_t rf_cut_first(const rf_part *, int64_t, int64_t *)
    int64_t rf_cut_stretch(rf_part *, int64_t, int64_t, const uint64_t *, int64_t, int64_t, int64_t *)
    int64_t rf_cut_run(const rf_part *, int64_t, int64_t)
    void rf_cut_place(const rf_part *, int64_t, int64_t, int64_t, const uint8_t *const *, const int64_t *, int32_t,
                      uint8_t *)


# What a codec offers in a capsule; `rustfits.codec.codec.TileCodec.c_decoder` says what it means.
cdef struct decoder_t:
    void (*decode)(const decoder_t *, const uint8_t *, int64_t, const int64_t *, const int64_t *, const int64_t *,
                   int64_t, void *, int64_t, int32_t *) noexcept nogil


MAX_NDIM = RF_CUT_NDIM
LARGEST = (1 << 63) - 1  # bytes


cdef class Image:
    """What is known of an image and of how its tiles are decoded."""

    cdef rf_grid grid
    cdef int64_t itemsize
    cdef bint quantized
    cdef const float[::1] random
    cdef const int64_t[::1] random_starts
    cdef rf_dither dither
    cdef const decoder_t *decoder
    cdef object capsule, dtype

    cdef int know(self, shape, tile, stride, dtype, dithering, decoder) except -1:
        """Take and check what `rustfits.tiles.shortway.image_facts` says."""
        if not 0 < len(shape) == len(tile) == len(stride) <= RF_CUT_NDIM:
            raise ValueError(f"{len(shape)} axes in tiles of {len(tile)}")
        self.grid.ndim = len(shape)
        for axis in range(len(shape)):
            self.grid.size[axis], self.grid.tile[axis], self.grid.stride[axis] = shape[axis], tile[axis], stride[axis]
            if not 0 < tile[axis] <= shape[axis] or stride[axis] < 1:
                raise ValueError(f"axis {axis}: {shape[axis]} pixels in tiles of {tile[axis]}, {stride[axis]} apart")
        self.dtype, self.itemsize = dtype, dtype.itemsize
        self.quantized = dithering is not None
        if self.quantized:
            if self.itemsize not in (4, 8):
                raise ValueError(f"quantised pixels are floats of 4 or 8 bytes, not {dtype}")
            self.random, self.random_starts, seed, method, isa = dithering
            self.dither = dither_of(self.random, self.random_starts, seed, method, isa)
        self.capsule = decoder
        self.decoder = <const decoder_t *>PyCapsule_GetPointer(decoder, "rustfits.decoder.1")
        return 0

    cdef bint dequantize(self, const int32_t *numbers, int64_t room, int64_t ntiles, const int64_t *npixels,
                         const double *scale, const double *zero, const int64_t *null, const int64_t *row, void *pixels,
                         const int64_t *first=NULL) noexcept nogil:
        """Turn the numbers of tiles, or of their pixels from the first ones on, into floats; ``room`` are all that
        there are, and the floats that have room. False if that is too few."""
        if self.itemsize == 4:
            return rf_dequantize_f32(numbers, room, npixels, first, scale, zero, row, null, ntiles, &self.dither,
                                     <float *>pixels, room)
        return rf_dequantize_f64(numbers, room, npixels, first, scale, zero, row, null, ntiles, &self.dither,
                                 <double *>pixels, room)
