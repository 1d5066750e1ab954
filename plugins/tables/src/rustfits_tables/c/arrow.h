/* The C data and stream interfaces of Apache Arrow (arrow.apache.org/docs/format/CDataInterface.html): structures whose
 * layout that page fixes, and what frees ours. */
#ifndef RF_ARROW_H
#define RF_ARROW_H

#include <stdint.h>

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

/* Make an empty structure, with room for children and buffers, all of them NULL. It can be released at once, and then
 * frees what has been put into it: every string, buffer and child is memory of malloc and belongs to it alone.
 * Returns 0 if there is no memory; nothing is to be released then. Neither needs Python: whoever has such an array may
 * release it on any thread, also when the interpreter has ended. */
int32_t rf_arrow_schema(struct ArrowSchema *out, int64_t n_children);
int32_t rf_arrow_array(struct ArrowArray *out, int64_t n_buffers, int64_t n_children);

#endif
