# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Gives arrays to, and takes them from, whoever knows the C interfaces of Arrow; what they mean is told in Python."""

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset, strlen


cdef extern from "Python.h":
    int Py_IsInitialized() nogil


cdef extern from "arrow.h" nogil:
    struct ArrowSchema:
        const char *format
        const char *name
        const char *metadata
        int64_t flags
        int64_t n_children
        ArrowSchema **children
        ArrowSchema *dictionary
        void (*release)(ArrowSchema *) noexcept nogil
    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void **buffers
        ArrowArray **children
        ArrowArray *dictionary
        void (*release)(ArrowArray *) noexcept nogil
    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept nogil
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept nogil
        const char *(*get_last_error)(ArrowArrayStream *) noexcept nogil
        void (*release)(ArrowArrayStream *) noexcept nogil
        void *private_data
    struct rf_arena:
        char *memory
        int64_t nbytes
    rf_arena *rf_arena_new(int64_t nbytes)
    void rf_arena_use(rf_arena *arena)
    void rf_arena_leave(rf_arena *arena)
    int32_t rf_arrow_schema(ArrowSchema *out, int64_t n_children)
    int32_t rf_arrow_array(ArrowArray *out, int64_t n_buffers, int64_t n_children)
    void rf_arrow_put(ArrowArray *array, int64_t number, char *buffer, rf_arena *arena)


cdef enum:
    EIO_ = 5
    EINVAL_ = 22


# -- out ---------------------------------------------------------------------------------------------------------------


cdef class Arena:
    """Memory for the buffers of one batch, which is given back when nobody has any of them."""

    cdef rf_arena *arena
    cdef int64_t used

    def __cinit__(self, int64_t nbytes):
        self.arena = rf_arena_new(nbytes)
        if self.arena is NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.arena is not NULL:
            rf_arena_leave(self.arena)

    def block(self, Py_ssize_t nbytes):
        """Return memory for a buffer, of its own if there is no room left."""
        if nbytes < 0 or nbytes > self.arena.nbytes - self.used:
            return Block(nbytes)
        cdef Block block = Block.__new__(Block, -1)
        block.memory, block.nbytes, block.arena = self.arena.memory + self.used, nbytes, self.arena
        rf_arena_use(self.arena)
        self.used = min(self.used + (nbytes + 63) // 64 * 64, self.arena.nbytes)
        return block


cdef class Block:
    """Memory for one buffer, which an array takes along when it is given away."""

    cdef char *memory
    cdef rf_arena *arena
    cdef Py_ssize_t nbytes, views

    def __cinit__(self, Py_ssize_t nbytes):
        if nbytes < 0:  # it is told later
            return
        self.memory = <char *>malloc(nbytes + 64)  # some memory also for nothing
        if self.memory is NULL:
            raise MemoryError
        self.nbytes = nbytes

    def __dealloc__(self):
        if self.arena is not NULL:
            rf_arena_leave(self.arena)
        else:
            free(self.memory)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self.memory is NULL:
            raise BufferError("the memory was given away")
        PyBuffer_FillInfo(buffer, self, self.memory, self.nbytes, False, flags)
        self.views += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.views -= 1

    cdef int give(self, ArrowArray *to, int64_t number, Py_ssize_t nbytes) except -1:
        """Give the memory to an array, but for what is not used of it; a copy of it if somebody still looks at it."""
        cdef char *found
        if self.memory is NULL or nbytes < 0 or nbytes > self.nbytes:
            raise ValueError("such a block is not there any more")
        if self.views:
            rf_arrow_put(to, number, copied(self.memory, nbytes), NULL)
            return 0
        found = self.memory
        if self.arena is NULL and nbytes < self.nbytes // 2:
            found = <char *>realloc(self.memory, nbytes + 64)
            found = self.memory if found is NULL else found
        rf_arrow_put(to, number, found, self.arena)
        self.memory, self.arena, self.nbytes = NULL, NULL, 0
        return 0


cdef char *copied(const char *source, Py_ssize_t nbytes) except NULL:
    cdef char *memory = <char *>malloc(nbytes + 64)
    if memory is NULL:
        raise MemoryError
    memcpy(memory, source, nbytes)
    return memory


cdef char *text_of(bytes text) except NULL:
    cdef char *memory = copied(text, len(text))
    memory[len(text)] = 0
    return memory


cdef int fill_schema(ArrowSchema *out, tuple said) except -1:
    """Fill a structure from (format, name, metadata, flags, children)."""
    cdef int64_t k
    shape, name, metadata, flags, children = said
    if not rf_arrow_schema(out, len(children)):
        raise MemoryError
    try:
        out.flags = flags
        out.format, out.name = text_of(shape), text_of(name)
        if metadata is not None:
            out.metadata = text_of(metadata)
        for k in range(out.n_children):
            out.children[k] = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
            if out.children[k] is NULL:
                raise MemoryError
            fill_schema(out.children[k], children[k])
    except BaseException:
        out.release(out)
        raise
    return 0


cdef int fill_array(ArrowArray *out, tuple said) except -1:
    """Fill a structure from (length, null_count, [(Block, nbytes) or None], children)."""
    cdef int64_t k
    length, null_count, buffers, children = said
    if not rf_arrow_array(out, len(buffers), len(children)):
        raise MemoryError
    try:
        out.length, out.null_count = length, null_count
        for k in range(out.n_buffers):
            if buffers[k] is not None:
                block, nbytes = buffers[k]
                (<Block?>block).give(out, k, nbytes)
        for k in range(out.n_children):
            out.children[k] = <ArrowArray *>calloc(1, sizeof(ArrowArray))
            if out.children[k] is NULL:
                raise MemoryError
            fill_array(out.children[k], children[k])
    except BaseException:
        out.release(out)
        raise
    return 0


cdef struct Source:
    PyObject *batches
    char *error


cdef int failed(ArrowArrayStream *stream, object error) noexcept:
    cdef Source *source = <Source *>stream.private_data
    free(source.error)
    source.error = NULL
    try:
        source.error = text_of(f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
    except BaseException:
        pass  # without memory there is no message
    return EINVAL_ if isinstance(error, ValueError) else EIO_


cdef int get_schema(ArrowArrayStream *stream, ArrowSchema *out) noexcept with gil:
    try:
        fill_schema(out, (<object>(<Source *>stream.private_data).batches).schema())
    except BaseException as error:
        memset(out, 0, sizeof(ArrowSchema))
        return failed(stream, error)
    return 0


cdef int get_next(ArrowArrayStream *stream, ArrowArray *out) noexcept with gil:
    memset(out, 0, sizeof(ArrowArray))
    try:
        said = (<object>(<Source *>stream.private_data).batches).next()
        if said is not None:
            fill_array(out, said)
    except BaseException as error:
        memset(out, 0, sizeof(ArrowArray))
        return failed(stream, error)
    return 0


cdef const char *get_last_error(ArrowArrayStream *stream) noexcept nogil:
    return (<Source *>stream.private_data).error


cdef void drop(Source *source) noexcept with gil:
    Py_DECREF(<object>source.batches)


cdef void release_stream(ArrowArrayStream *stream) noexcept nogil:
    cdef Source *source = <Source *>stream.private_data
    if source is not NULL:
        if Py_IsInitialized():
            drop(source)
        free(source.error)
        free(source)
    stream.private_data = NULL
    stream.release = NULL


cdef void forget_stream(object capsule) noexcept:
    cdef ArrowArrayStream *stream = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if stream.release is not NULL:  # nobody has taken it
        stream.release(stream)
    free(stream)


cdef void forget_schema(object capsule) noexcept:
    cdef ArrowSchema *schema = <ArrowSchema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    if schema.release is not NULL:
        schema.release(schema)
    free(schema)


def stream_capsule(batches):
    """Return a stream: ``batches.schema()`` and ``batches.next()``, None at the end, say what is in it."""
    cdef ArrowArrayStream *stream = <ArrowArrayStream *>calloc(1, sizeof(ArrowArrayStream))
    cdef Source *source = <Source *>calloc(1, sizeof(Source))
    if stream is NULL or source is NULL:
        free(stream)
        free(source)
        raise MemoryError
    stream.get_schema, stream.get_next = get_schema, get_next
    stream.get_last_error, stream.release = get_last_error, release_stream
    Py_INCREF(batches)
    source.batches = <PyObject *>batches
    stream.private_data = source
    return PyCapsule_New(stream, "arrow_array_stream", forget_stream)


def schema_capsule(tuple said):
    """Return a schema by itself."""
    cdef ArrowSchema *schema = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
    if schema is NULL:
        raise MemoryError
    try:
        fill_schema(schema, said)
    except BaseException:
        free(schema)
        raise
    return PyCapsule_New(schema, "arrow_schema", forget_schema)


# -- in ----------------------------------------------------------------------------------------------------------------


cdef class Held:
    """One batch of somebody else, given back when nobody looks at it any more."""

    cdef ArrowArray array

    def __dealloc__(self):
        if self.array.release is not NULL:
            with nogil:  # it may wait for a thread that waits for us
                self.array.release(&self.array)

    def said(self):
        """Return (length, null_count, offset, addresses of buffers, children, dictionary)."""
        return array_said(&self.array)

    def view(self, uintptr_t address, Py_ssize_t nbytes):
        """Return bytes of a buffer."""
        return View(self, address, nbytes)


cdef class View:
    """Bytes of a batch, read only."""

    cdef Held held
    cdef uintptr_t address
    cdef Py_ssize_t nbytes

    def __cinit__(self, Held held, uintptr_t address, Py_ssize_t nbytes):
        self.held, self.address, self.nbytes = held, address, nbytes

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void *>self.address, self.nbytes, True, flags)


cdef tuple array_said(ArrowArray *array):
    cdef int64_t k
    return (
        array.length,
        array.null_count,
        array.offset,
        [<uintptr_t>array.buffers[k] for k in range(array.n_buffers)],
        [array_said(array.children[k]) for k in range(array.n_children)],
        None if array.dictionary is NULL else array_said(array.dictionary),
    )


cdef bytes metadata_of(const char *metadata):
    """Return the pairs of keys and values as they are: their length is told by nothing else."""
    cdef int32_t count, length
    cdef int64_t at = 4
    if metadata is NULL:
        return b""
    memcpy(&count, metadata, 4)
    for _ in range(2 * count):
        memcpy(&length, metadata + at, 4)
        at += 4 + length
    return metadata[:at]


cdef tuple schema_said(ArrowSchema *schema):
    cdef int64_t k
    return (
        <bytes>schema.format,
        b"" if schema.name is NULL else <bytes>schema.name,
        metadata_of(schema.metadata),
        schema.flags,
        [schema_said(schema.children[k]) for k in range(schema.n_children)],
        None if schema.dictionary is NULL else schema_said(schema.dictionary),
    )


cdef class Stream:
    """A stream of somebody else, taken out of its capsule."""

    cdef ArrowArrayStream stream

    def __cinit__(self, capsule):
        cdef ArrowArrayStream *found = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
        if found.release is NULL:
            raise ValueError("the stream was taken before")
        self.stream = found[0]
        found.release = NULL

    def __dealloc__(self):
        if self.stream.release is not NULL:
            with nogil:
                self.stream.release(&self.stream)

    def schema(self):
        """Return (format, name, metadata, flags, children, dictionary)."""
        cdef ArrowSchema schema
        cdef int status
        memset(&schema, 0, sizeof(ArrowSchema))
        with nogil:
            status = self.stream.get_schema(&self.stream, &schema)
        if status:
            raise self.error(status)
        try:
            return schema_said(&schema)
        finally:
            if schema.release is not NULL:
                schema.release(&schema)

    def next(self):
        """Return the next batch, None at the end."""
        cdef Held held = Held()
        cdef int status
        with nogil:
            status = self.stream.get_next(&self.stream, &held.array)
        if status:
            held.array.release = NULL
            raise self.error(status)
        return None if held.array.release is NULL else held

    cdef object error(self, int status):
        cdef const char *text = self.stream.get_last_error(&self.stream)
        return ValueError("the stream failed" if text is NULL else text[:strlen(text)].decode("utf-8", "replace"))
