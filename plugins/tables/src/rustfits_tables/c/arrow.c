#include "arrow.h"

#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(_MSC_VER)
#include <intrin.h>
#define ADD(to, n) _InterlockedExchangeAdd64((volatile long long *)(to), (n))
#else
#define ADD(to, n) __atomic_fetch_add((to), (n), __ATOMIC_ACQ_REL)
#endif

enum { LARGE_PAGE = 1 << 21 };

#if defined(__linux__) && defined(MADV_HUGEPAGE) && defined(MADV_FREE)
#define KEEPS 1
#else
#define KEEPS 0
#endif

#if KEEPS
/* Arenas that nobody uses wait for the next batches, as large arrays do (rustfits/parallel/memory.py): the system may
 * take their memory at any time, but until it does they need not be asked for and cleared page by page. */
enum { NWAITING = 8, LARGEST_WAITING = 1 << 25 };
static struct rf_arena *waiting[NWAITING];

static int64_t capacity(void) {
    const char *text = getenv("RUSTFITS_REUSED_NBYTES");
    return text == NULL || *text == 0 ? (int64_t)NWAITING * LARGEST_WAITING : (int64_t)strtoll(text, NULL, 10);
}

static struct rf_arena *take(int64_t nbytes) {
    for (int k = 0; k < NWAITING; k++) {
        struct rf_arena *found = __atomic_exchange_n(&waiting[k], NULL, __ATOMIC_ACQ_REL), *none = NULL;
        if (found == NULL) continue;
        if (nbytes <= found->room && found->room <= nbytes + nbytes / 4 + LARGE_PAGE) return found;
        if (!__atomic_compare_exchange_n(&waiting[k], &none, found, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            free(found->whole);
            free(found);
        }
    }
    return NULL;
}

/* Returns 0 if there is no place for it. */
static int keep(struct rf_arena *arena) {
    if (arena->room < 2 * LARGE_PAGE || arena->room > LARGEST_WAITING || NWAITING * arena->room > capacity() ||
        madvise(arena->memory, (size_t)arena->room / LARGE_PAGE * LARGE_PAGE, MADV_FREE) != 0)
        return 0;
    for (int k = 0; k < NWAITING; k++) {
        struct rf_arena *none = NULL;
        if (__atomic_compare_exchange_n(&waiting[k], &none, arena, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return 1;
    }
    return 0;
}
#endif

struct rf_arena *rf_arena_new(int64_t nbytes) {
    struct rf_arena *arena = NULL;
    if (nbytes < 0 || (uint64_t)nbytes > SIZE_MAX - LARGE_PAGE) return NULL;
#if KEEPS
    arena = take(nbytes);
    if (arena != NULL) {
        arena->users = 1;
        arena->nbytes = nbytes;
        return arena;
    }
#endif
    arena = malloc(sizeof *arena);
    if (arena == NULL) return NULL;
    arena->whole = malloc((size_t)nbytes + LARGE_PAGE);
    if (arena->whole == NULL) {
        free(arena);
        return NULL;
    }
    arena->users = 1;
    arena->nbytes = arena->room = nbytes;
    arena->memory = (char *)arena->whole + (LARGE_PAGE - (uintptr_t)arena->whole % LARGE_PAGE) % LARGE_PAGE;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (nbytes >= 2 * LARGE_PAGE) {
        (void)madvise(arena->memory, (size_t)nbytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* a hint, no more */
    }
#endif
    return arena;
}

void rf_arena_use(struct rf_arena *arena) { (void)ADD(&arena->users, 1); }

void rf_arena_leave(struct rf_arena *arena) {
    if (ADD(&arena->users, -1) != 1) return;
#if KEEPS
    if (keep(arena)) return;
#endif
    free(arena->whole);
    free(arena);
}

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
    struct rf_arena **arenas = array->private_data;
    for (int64_t k = 0; k < array->n_buffers; k++) {
        if (arenas[k] != NULL)
            rf_arena_leave(arenas[k]);
        else
            free((void *)array->buffers[k]);
    }
    free(arenas);
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
    out->private_data = pointers(n_buffers);
    if (out->buffers == NULL || out->children == NULL || out->private_data == NULL) {
        free((void *)out->buffers);
        free(out->children);
        free(out->private_data);
        return 0;
    }
    out->n_buffers = n_buffers;
    out->n_children = n_children;
    out->release = release_array;
    return 1;
}

void rf_arrow_put(struct ArrowArray *array, int64_t number, char *buffer, struct rf_arena *arena) {
    if (number < 0 || number >= array->n_buffers) return;
    array->buffers[number] = buffer;
    ((struct rf_arena **)array->private_data)[number] = arena;
}
