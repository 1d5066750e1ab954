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

/* Memory for many buffers, in large pages where the system has them: to ask for each small page by itself takes as long
 * as to fill it. It is there as long as it has users; who makes it is the first. */
struct rf_arena {
    int64_t users;
    char *memory;
    int64_t nbytes, room; /* asked for, and there */
    void *whole;
};

/* Returns NULL if there is no memory. */
struct rf_arena *rf_arena_new(int64_t nbytes);
void rf_arena_use(struct rf_arena *arena);
void rf_arena_leave(struct rf_arena *arena);

/* Make an empty structure, with room for children and buffers, all of them NULL. It can be released at once, and then
 * frees what has been put into it: strings and children are memory of malloc that belongs to it alone, and so is a
 * buffer, unless it lies in an arena, of which the structure is one user for each such buffer (rf_arrow_put).
 * Returns 0 if there is no memory; nothing is to be released then. Neither needs Python: whoever has such an array may
 * release it on any thread, also when the interpreter has ended. */
int32_t rf_arrow_schema(struct ArrowSchema *out, int64_t n_children);
int32_t rf_arrow_array(struct ArrowArray *out, int64_t n_buffers, int64_t n_children);

/* Give a buffer to an array, with one use of the arena that it lies in; NULL for memory of malloc. */
void rf_arrow_put(struct ArrowArray *array, int64_t number, char *buffer, struct rf_arena *arena);

#endif
