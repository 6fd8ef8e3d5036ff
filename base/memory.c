#include "base/memory.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN     ((size_t)16)
#define ARENA_MIN_BLOCK ((size_t)4 << 10)
#define ARENA_MAX_BLOCK ((size_t)1 << 20)

struct spa_arena_block {
    struct spa_arena_block *next;
    size_t size, used; /* bytes of data */
    alignas(16) unsigned char data[];
};

/* Callers pass the address of a T *; copying its bytes instead of casting to void ** keeps strict
 * aliasing intact. */
static void put_pointer(void *out_pointer, const void *p)
{
    memcpy(out_pointer, &p, sizeof p);
}

static void *get_pointer(const void *data_pointer)
{
    void *p;
    memcpy(&p, data_pointer, sizeof p);
    return p;
}

static spa_status fail_overflow(spa_error *err, size_t count, size_t size)
{
    return spa_fail(err, SPA_E_RANGE,
                    "%zu elements of %zu bytes are more than can be addressed; use a smaller input",
                    count, size);
}

spa_status spa_alloc(void *out_pointer, size_t count, size_t size, spa_error *err)
{
    size_t bytes = 0;
    put_pointer(out_pointer, NULL);
    if (!spa_mul_size(count, size, &bytes)) return fail_overflow(err, count, size);
    void *p = calloc(bytes ? bytes : 1, 1);
    if (!p) return spa_fail_nomem(err, bytes);
    put_pointer(out_pointer, p);
    return SPA_OK;
}

spa_status spa_grow(void *data_pointer, size_t *capacity, size_t need, size_t size, spa_error *err)
{
    if (need <= *capacity) return SPA_OK;
    size_t want = *capacity < 8 ? 8 : *capacity + *capacity / 2;
    if (want < need) want = need;
    size_t bytes = 0;
    if (!spa_mul_size(want, size, &bytes)) {
        want = need; /* the geometric step overflows, the need itself may not */
        if (!spa_mul_size(want, size, &bytes)) return fail_overflow(err, need, size);
    }
    unsigned char *p = realloc(get_pointer(data_pointer), bytes ? bytes : 1);
    if (!p) return spa_fail_nomem(err, bytes);
    size_t old = *capacity * size;
    memset(p + old, 0, bytes - old);
    put_pointer(data_pointer, p);
    *capacity = want;
    return SPA_OK;
}

spa_status spa_strdup(char **out, const char *text, spa_error *err)
{
    size_t bytes = strlen(text) + 1;
    *out = malloc(bytes);
    if (!*out) return spa_fail_nomem(err, bytes);
    memcpy(*out, text, bytes);
    return SPA_OK;
}

void spa_arena_init(spa_arena *arena)
{
    *arena = (spa_arena){0};
}

void spa_arena_fini(spa_arena *arena)
{
    struct spa_arena_block *block = arena->head;
    while (block) {
        struct spa_arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (spa_arena){0};
}

/* Adds a block with room for `bytes` and returns it, or NULL. */
static struct spa_arena_block *add_block(spa_arena *arena, size_t bytes)
{
    struct spa_arena_block *head = arena->head;
    size_t size = head ? head->size * 2 : ARENA_MIN_BLOCK;
    if (size > ARENA_MAX_BLOCK) size = ARENA_MAX_BLOCK;
    bool alone = head && bytes > size; /* a large piece leaves the current block in use */
    if (size < bytes) size = bytes;
    size_t total = 0;
    if (!spa_add_size(sizeof(struct spa_arena_block), size, &total)) return NULL;
    struct spa_arena_block *block = calloc(total, 1);
    if (!block) return NULL;
    block->size = size;
    if (alone) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        arena->head = block;
    }
    return block;
}

spa_status spa_arena_alloc(spa_arena *arena, void *out_pointer, size_t count, size_t size,
                           spa_error *err)
{
    size_t bytes = 0;
    put_pointer(out_pointer, NULL);
    if (!spa_mul_size(count, size, &bytes) || bytes > SIZE_MAX - ARENA_ALIGN) {
        return fail_overflow(err, count, size);
    }
    bytes = bytes ? (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN : ARENA_ALIGN;
    struct spa_arena_block *block = arena->head;
    if (!block || block->size - block->used < bytes) {
        block = add_block(arena, bytes);
        if (!block) return spa_fail_nomem(err, bytes);
    }
    put_pointer(out_pointer, block->data + block->used);
    block->used += bytes;
    arena->used_bytes += bytes;
    return SPA_OK;
}

spa_status spa_arena_strdup(spa_arena *arena, const char **out, const char *text, spa_error *err)
{
    size_t bytes = strlen(text) + 1;
    char *copy = NULL;
    *out = NULL;
    SPA_TRY(spa_arena_alloc(arena, &copy, bytes, 1, err));
    memcpy(copy, text, bytes);
    *out = copy;
    return SPA_OK;
}
