"""What the kernels in c/ offer; their headers are the promise."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "isa.h" nogil:
    int32_t rf_best_isa()


cdef extern from "dequantize.h" nogil:
    const int RF_NRANDOM
    struct rf_dither:
        const float *random
        const int64_t *starts
        int64_t seed
        int32_t method
        int32_t isa
    bint rf_dequantize_f32(const int32_t *, int64_t, const int64_t *, const int64_t *, const double *, const double *,
                           const int64_t *, const int64_t *, int64_t, const rf_dither *, float *, int64_t)
    bint rf_dequantize_f64(const int32_t *, int64_t, const int64_t *, const int64_t *, const double *, const double *,
                           const int64_t *, const int64_t *, int64_t, const rf_dither *, double *, int64_t)


cdef inline rf_dither dither_of(const float[::1] random, const int64_t[::1] starts, int64_t seed, int32_t method,
                                int32_t isa) except *:
    """Return what the tiles of a batch have in common, with everything checked that the kernels rely on."""
    cdef rf_dither dither
    cdef int64_t i
    cdef uint64_t signs = 0
    if random.shape[0] != RF_NRANDOM or starts.shape[0] != RF_NRANDOM or not 0 <= seed < RF_NRANDOM:
        raise ValueError(f"a table of {random.shape[0]} random numbers, {starts.shape[0]} starts, seed {seed}")
    for i in range(RF_NRANDOM):  # as compilers make vector code of: it is done for every batch
        signs |= <uint64_t>starts[i] | (<uint64_t>(RF_NRANDOM - 1) - <uint64_t>starts[i])
    if signs >> 63:
        raise ValueError(f"starts from {min(starts)} to {max(starts)} in a table of {RF_NRANDOM} random numbers")
    dither.random, dither.starts, dither.seed = &random[0], &starts[0], seed
    dither.method, dither.isa = method, min(isa, rf_best_isa())
    return dither


cdef extern from "quantize.h" nogil:
    bint rf_quantize_f32(const float *, int64_t, const int64_t *, const int64_t *, const int64_t *, int64_t, double,
                         const rf_dither *, int32_t *, int64_t, int64_t, int32_t *, int64_t, double *, double *,
                         uint8_t *)
    bint rf_quantize_f64(const double *, int64_t, const int64_t *, const int64_t *, const int64_t *, int64_t, double,
                         const rf_dither *, int64_t *, int64_t, int64_t, int32_t *, int64_t, double *, double *,
                         uint8_t *)


cdef extern from "shuffle.h" nogil:
    bint rf_shuffle(const uint8_t *, int64_t, const int64_t *, int64_t, int32_t, uint8_t *, int64_t)
    void rf_from_big_endian(const uint8_t *, int64_t, int32_t, uint8_t *)
    void rf_to_pixels(const uint8_t *, int64_t, int32_t, bint, uint8_t *)
    int32_t rf_to_pixels_past(const uint8_t *, int64_t, int32_t, int32_t, uint8_t *)


cdef extern from "planes.h" nogil:
    int64_t rf_planes_bound(int64_t, int32_t)
    int64_t rf_gzip_planes(const uint8_t *, int64_t, const int64_t *, const uint32_t *, int64_t, int32_t, uint8_t *,
                           int64_t, int64_t *, uint8_t *)


cdef extern from "read.h" nogil:
    enum:
        RF_READ_NDIM
    int32_t rf_read(int32_t, int64_t, int64_t, uint8_t *)
    int32_t rf_read_rows(int32_t, int64_t, int64_t, const int64_t *, const int64_t *, int64_t, uint8_t *)
    int32_t rf_unchanged(int32_t, int64_t, int64_t)


cdef extern from "gather.h" nogil:
    const int RF_GATHER_NDIM
    void rf_gather(const uint8_t *, const int64_t *, uint8_t *, const int64_t *, const int64_t *, int64_t, int64_t,
                   int32_t)


ctypedef fused floating:
    float
    double
