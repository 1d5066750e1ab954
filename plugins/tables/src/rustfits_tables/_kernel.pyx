# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Keeps the buffers of arrays, drops the GIL, calls the C, which checks every number."""

from cpython.buffer cimport PyBUF_STRIDED, PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

import numpy as np


cdef extern from "rows.h" nogil:
    enum:
        RF_OK
        RF_DONE
        RF_BAD_ROWS
        RF_VALID
        RF_BITS_BITMAP
        RF_UTF8_32
        RF_UTF8_64
        RF_INTEGER
        RF_REAL_64
    ctypedef struct rf_field:
        int32_t kind
        int64_t offset
        int64_t size
        int64_t count
        uint8_t *memory
        int64_t memory_nbytes
        int64_t stride
        double scale
        double zero
        int64_t null
        int64_t decimals
        uint8_t *text
        int64_t text_nbytes
        int64_t *left
        int64_t left_n
        int64_t nleft
        int32_t fault
        int64_t row
        int64_t element
        int64_t position
        int64_t value
    int32_t rf_decode_rows(const uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, const int64_t *rows,
                           int64_t nrows, int64_t first, const uint64_t *powers, int64_t powers_n, rf_field *fields,
                           int64_t nfields)
    int32_t rf_encode_rows(uint8_t *raw, int64_t raw_nbytes, int64_t row_nbytes, const int64_t *rows, int64_t nrows,
                           int64_t first, rf_field *fields, int64_t nfields)
    int32_t rf_check_text(int64_t row_nbytes, int64_t nrows, int64_t first, rf_field *fields, int64_t nfields)


cdef class Rows:
    """Fields with the memory of their arrays, for any number of calls."""

    cdef rf_field *fields
    cdef Py_buffer *buffers
    cdef int64_t nfields, nbuffers, row_nbytes
    cdef bint writes
    cdef const uint64_t[::1] powers

    def __cinit__(self, int64_t row_nbytes, fields, bint writes, const uint64_t[::1] powers):
        self.row_nbytes, self.writes, self.powers = row_nbytes, writes, powers
        self.fields = <rf_field *>calloc(len(fields) + 1, sizeof(rf_field))
        self.buffers = <Py_buffer *>calloc(2 * len(fields) + 1, sizeof(Py_buffer))
        if self.fields is NULL or self.buffers is NULL:
            raise MemoryError
        for each in fields:
            self.take(each.field, each.array, each.text)

    def __dealloc__(self):
        cdef int64_t k
        for k in range(self.nbuffers):
            PyBuffer_Release(&self.buffers[k])
        free(self.buffers)
        free(self.fields)

    cdef Py_buffer *buffer_of(self, object array, bint writes) except NULL:
        cdef Py_buffer *buffer = &self.buffers[self.nbuffers]
        PyObject_GetBuffer(array, buffer, PyBUF_STRIDED if writes else PyBUF_STRIDED_RO)
        self.nbuffers += 1
        return buffer

    cdef int take(self, object field, object array, object text) except -1:
        """Note one field."""
        cdef rf_field *to = &self.fields[self.nfields]
        cdef Py_buffer *buffer = self.buffer_of(array, self.writes)
        cdef int axis
        cdef int64_t cell = buffer.itemsize
        to.kind, to.offset, to.size, to.count = field.kind, field.offset, field.size, field.count
        to.scale, to.zero, to.null, to.decimals = field.scale, field.zero, field.null, field.decimals
        if buffer.ndim < 1 or buffer.strides[0] < 0:
            raise ValueError("an array needs an axis of rows, in their order")
        for axis in range(buffer.ndim - 1, 0, -1):
            if buffer.shape[axis] != 1 and buffer.strides[axis] != cell:
                raise ValueError("the elements of a cell must lie together")
            cell *= buffer.shape[axis]
        to.memory = <uint8_t *>buffer.buf
        to.stride = buffer.strides[0]
        to.memory_nbytes = (buffer.shape[0] - 1) * to.stride + cell if buffer.shape[0] else 0
        if (RF_VALID <= to.kind <= RF_UTF8_64) and to.stride != cell and buffer.shape[0] > 1:
            raise ValueError("bitmaps and offsets must be contiguous")
        if to.kind >= RF_INTEGER:
            text = None if field.null_text is None else np.frombuffer(field.null_text or b" ", dtype=np.uint8)
        if text is not None:
            buffer = self.buffer_of(text, self.writes and to.kind < RF_INTEGER)
            if buffer.ndim != 1 or buffer.itemsize != 1 or (buffer.shape[0] > 1 and buffer.strides[0] != 1):
                raise ValueError("text must be bytes, back to back")
            to.text, to.text_nbytes = <uint8_t *>buffer.buf, buffer.shape[0]
            if to.kind >= RF_INTEGER and field.null_text == b"":
                to.text_nbytes = 0
        self.nfields += 1
        return 0

    def decode(self, const uint8_t[::1] raw, int64_t first, const int64_t[::1] rows):
        """Turn fields of rows into elements; return faults, and of each field the rows whose numbers are left."""
        cdef const uint8_t *source = &raw[0] if raw.shape[0] else NULL
        cdef const int64_t *which = &rows[0] if rows is not None and rows.shape[0] else NULL
        cdef const uint64_t *powers = &self.powers[0] if self.powers is not None else NULL
        cdef int64_t npowers = self.powers.shape[0] if self.powers is not None else 0
        cdef int64_t nrows = self.number_of(raw.shape[0], rows), k
        cdef int32_t done
        cdef int64_t[::1] room
        if not self.writes:
            raise ValueError("these arrays are to be read")
        cdef rf_field *fields = self.copied()
        left = []
        try:
            for k in range(self.nfields):
                if RF_INTEGER <= fields[k].kind <= RF_REAL_64 and nrows > 0:
                    numbers = np.empty(nrows, dtype=np.int64)
                    left.append((k, numbers))
                    room = numbers
                    fields[k].left, fields[k].left_n = &room[0], nrows
            with nogil:
                done = rf_decode_rows(source, raw.shape[0], self.row_nbytes, which, nrows, first, powers, npowers,
                                      fields, self.nfields)
            said = self.said(done, fields)
            return said, [(k, rows_left[:fields[k].nleft]) for k, rows_left in left if fields[k].nleft]
        finally:
            free(fields)

    def encode(self, uint8_t[::1] raw, int64_t first, const int64_t[::1] rows):
        """Turn elements into fields of rows; return faults."""
        cdef uint8_t *target = &raw[0] if raw.shape[0] else NULL
        cdef const int64_t *which = &rows[0] if rows is not None and rows.shape[0] else NULL
        cdef int64_t nrows = self.number_of(raw.shape[0], rows)
        cdef int32_t done
        cdef rf_field *fields = self.copied()
        try:
            with nogil:
                done = rf_encode_rows(target, raw.shape[0], self.row_nbytes, which, nrows, first, fields, self.nfields)
            return self.said(done, fields)
        finally:
            free(fields)

    def check_text(self, int64_t first, int64_t nrows):
        """Return faults of the strings among the elements of some rows."""
        cdef int32_t done
        cdef rf_field *fields = self.copied()
        try:
            with nogil:
                done = rf_check_text(self.row_nbytes, nrows, first, fields, self.nfields)
            return self.said(done, fields)
        finally:
            free(fields)

    cdef int64_t number_of(self, int64_t nbytes, const int64_t[::1] rows) except -1:
        if rows is not None:
            return rows.shape[0]
        return nbytes // self.row_nbytes if self.row_nbytes > 0 else 0

    cdef rf_field *copied(self) except NULL:
        """Return fields that this call alone writes into."""
        cdef rf_field *fields = <rf_field *>malloc((self.nfields + 1) * sizeof(rf_field))
        if fields is NULL:
            raise MemoryError
        memcpy(fields, self.fields, self.nfields * sizeof(rf_field))
        return fields

    cdef list said(self, int32_t done, rf_field *fields):
        cdef int64_t k
        if done == RF_BAD_ROWS:
            raise ValueError("rows are asked for that are not there")
        if done != RF_DONE:
            raise ValueError("the rows do not fit the arrays, or a field not its row")
        return [
            (k, fields[k].fault, fields[k].row, fields[k].element, fields[k].position, fields[k].value)
            for k in range(self.nfields) if fields[k].fault != RF_OK
        ]
