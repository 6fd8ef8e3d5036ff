/* What a search has evaluated already, by hash: none is spent twice on one schedule. */
#ifndef SPA_POLICIES_SEEN_H
#define SPA_POLICIES_SEEN_H

#include <stdlib.h>
#include "base/text.h"
#include "sim/schedule.h"

#define SPA_SEEN_MAX ((size_t)1 << 20)

typedef struct spa_seen {
    uint64_t *hashes; /* open addressing; 0 = empty */
    double *values;   /* what the search wants to remember of each */
    size_t mask, n;
} spa_seen;

/* For about `budget` schedules; beyond SPA_SEEN_MAX / 2 they are no longer remembered. */
static inline spa_status spa_seen_init(spa_seen *s, uint64_t budget, spa_error *err)
{
    size_t size = 64;
    while (size < budget * 4 && size < SPA_SEEN_MAX) size *= 2;
    *s = (spa_seen){.mask = size - 1};
    SPA_TRY(spa_alloc(&s->values, size, sizeof *s->values, err));
    return spa_alloc(&s->hashes, size, sizeof *s->hashes, err);
}

static inline void spa_seen_fini(spa_seen *s)
{
    free(s->hashes);
    free(s->values);
    *s = (spa_seen){0};
}

/* Where the value of a schedule is kept, *is_new the first time it comes by (two schedules with one
 * hash count as one). NULL: there is no room, it counts as new. */
static inline double *spa_seen_value(spa_seen *seen, const spa_schedule *s, bool *is_new)
{
    uint64_t h = spa_hash_bytes(SPA_HASH_SEED, s->processor, s->n_ops);
    h = spa_hash_bytes(h, (const void *)s->lane, s->n_ops);
    h = spa_hash_bytes(h, s->order, s->n_ops * sizeof *s->order) | 1;
    size_t at = (size_t)(h >> 1) & seen->mask;
    for (; seen->hashes[at]; at = (at + 1) & seen->mask) {
        if (seen->hashes[at] != h) continue;
        *is_new = false;
        return &seen->values[at];
    }
    *is_new = true;
    if (seen->n * 2 > seen->mask) return NULL;
    seen->hashes[at] = h;
    seen->n++;
    return &seen->values[at];
}

static inline bool spa_seen_is_new(spa_seen *seen, const spa_schedule *s)
{
    bool is_new;
    spa_seen_value(seen, s, &is_new);
    return is_new;
}

#endif
