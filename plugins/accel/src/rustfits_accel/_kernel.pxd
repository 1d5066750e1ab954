"""What the kernels in c/ offer; their headers are the promise."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t


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
    void rf_dequantize_f32(const int32_t *, const int64_t *, const int64_t *, const double *, const double *,
                           const int64_t *, const int64_t *, int64_t, const rf_dither *, float *)
    void rf_dequantize_f64(const int32_t *, const int64_t *, const int64_t *, const double *, const double *,
                           const int64_t *, const int64_t *, int64_t, const rf_dither *, double *)


cdef extern from "quantize.h" nogil:
    void rf_quantize_f32(const float *, const int64_t *, const int64_t *, const int64_t *, int64_t, double,
                         const rf_dither *, int32_t *, int64_t, int64_t, int32_t *, double *, double *, uint8_t *)
    void rf_quantize_f64(const double *, const int64_t *, const int64_t *, const int64_t *, int64_t, double,
                         const rf_dither *, int64_t *, int64_t, int64_t, int32_t *, double *, double *, uint8_t *)


cdef extern from "shuffle.h" nogil:
    void rf_shuffle(const uint8_t *, const int64_t *, int64_t, int32_t, uint8_t *)
    void rf_from_big_endian(const uint8_t *, int64_t, int32_t, uint8_t *)
    void rf_to_pixels(const uint8_t *, int64_t, int32_t, bint, uint8_t *)
    int32_t rf_to_pixels_past(const uint8_t *, int64_t, int32_t, int32_t, uint8_t *)


cdef extern from "planes.h" nogil:
    int64_t rf_planes_bound(int64_t, int32_t)
    int64_t rf_gzip_planes(const uint8_t *, const int64_t *, const uint32_t *, int64_t, int32_t, uint8_t *, int64_t *,
                           uint8_t *)


cdef extern from "read.h" nogil:
    const int RF_READ_NDIM
    int32_t rf_read(int32_t, int64_t, int64_t, uint8_t *)
    int32_t rf_read_rows(int32_t, int64_t, int64_t, const int64_t *, const int64_t *, int64_t, uint8_t *)


cdef extern from "gather.h" nogil:
    const int RF_GATHER_NDIM
    void rf_gather(const uint8_t *, const int64_t *, uint8_t *, const int64_t *, const int64_t *, int64_t, int64_t)


ctypedef fused floating:
    float
    double
