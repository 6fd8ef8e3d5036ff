/* Memory: checked allocation, growable arrays, arenas. */
#ifndef SPA_BASE_MEMORY_H
#define SPA_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Allocates count*size zeroed bytes into *out; SPA_E_RANGE on overflow, SPA_E_NOMEM when there is
 * no memory. count*size = 0 gives a valid pointer. Free with free(). */
SPA_API spa_status spa_alloc(void *out_pointer, size_t count, size_t size, spa_error *err);

/* Makes room for `need` elements of `size` bytes in *data (capacity *capacity), growing
 * geometrically; new elements are zeroed. On failure nothing changes. */
SPA_API spa_status spa_grow(void *data_pointer, size_t *capacity, size_t need, size_t size,
                            spa_error *err);

/* malloc'ed copy of a string. */
SPA_API spa_status spa_strdup(char **out, const char *text, spa_error *err);

/* Arena: many small allocations that die together. Memory is zeroed and 16-byte aligned. */
typedef struct spa_arena {
    struct spa_arena_block *head;
    size_t used_bytes;
} spa_arena;

SPA_API void spa_arena_init(spa_arena *arena);
SPA_API void spa_arena_fini(spa_arena *arena); /* frees all; the arena may be used again */
SPA_API spa_status spa_arena_alloc(spa_arena *arena, void *out_pointer, size_t count, size_t size,
                                   spa_error *err);
SPA_API spa_status spa_arena_strdup(spa_arena *arena, const char **out, const char *text,
                                    spa_error *err);

/* a*b and a+b with overflow check; false = overflow, *out untouched. */
static inline bool spa_mul_size(size_t a, size_t b, size_t *out)
{
    size_t result; /* the builtin would store the wrapped value */
    if (__builtin_mul_overflow(a, b, &result)) return false;
    *out = result;
    return true;
}
static inline bool spa_add_size(size_t a, size_t b, size_t *out)
{
    size_t result; /* the builtin would store the wrapped value */
    if (__builtin_add_overflow(a, b, &result)) return false;
    *out = result;
    return true;
}
static inline bool spa_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t result; /* the builtin would store the wrapped value */
    if (__builtin_mul_overflow(a, b, &result)) return false;
    *out = result;
    return true;
}
static inline bool spa_add_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t result; /* the builtin would store the wrapped value */
    if (__builtin_add_overflow(a, b, &result)) return false;
    *out = result;
    return true;
}

#ifdef __cplusplus
}
#endif
#endif
