#include "arrow.h"

#include <stdlib.h>
#include <string.h>

static void release_schema(struct ArrowSchema *schema) {
    for (int64_t k = 0; k < schema->n_children; k++) {
        struct ArrowSchema *child = schema->children[k];
        if (child != NULL && child->release != NULL) child->release(child);
        free(child);
    }
    free(schema->children);
    free((void *)schema->format);
    free((void *)schema->name);
    free((void *)schema->metadata);
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array) {
    for (int64_t k = 0; k < array->n_children; k++) {
        struct ArrowArray *child = array->children[k];
        if (child != NULL && child->release != NULL) child->release(child); /* unless somebody has moved it away */
        free(child);
    }
    for (int64_t k = 0; k < array->n_buffers; k++) free((void *)array->buffers[k]);
    free(array->children);
    free((void *)array->buffers);
    array->release = NULL;
}

/* Room for n pointers, all NULL; some memory also for none. */
static void *pointers(int64_t n) {
    if (n < 0 || n > INT32_MAX) return NULL;
    return calloc((size_t)n + 1, sizeof(void *));
}

int32_t rf_arrow_schema(struct ArrowSchema *out, int64_t n_children) {
    memset(out, 0, sizeof *out);
    out->children = pointers(n_children);
    if (out->children == NULL) return 0;
    out->n_children = n_children;
    out->release = release_schema;
    return 1;
}

int32_t rf_arrow_array(struct ArrowArray *out, int64_t n_buffers, int64_t n_children) {
    memset(out, 0, sizeof *out);
    out->buffers = pointers(n_buffers);
    out->children = pointers(n_children);
    if (out->buffers == NULL || out->children == NULL) {
        free((void *)out->buffers);
        free(out->children);
        return 0;
    }
    out->n_buffers = n_buffers;
    out->n_children = n_children;
    out->release = release_array;
    return 1;
}
