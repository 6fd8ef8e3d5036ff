/* Event list: the next event of each slot, and the earliest of all.
 *
 * Whatever can have at most one pending event (a lane, a link, an arrival stream, a timer) owns a
 * slot. Setting a slot's time again moves its event, which is what contention needs. Ties go to the
 * lower slot, so the order never depends on the history of the structure. Up to
 * SPA_EVENT_LIST_SCAN slots are scanned; more are kept in an indexed 4-ary heap.
 *
 * The list is plain memory inside the engine's state: no pointers, no allocation. */
#ifndef SPA_SIM_EVENT_LIST_H
#define SPA_SIM_EVENT_LIST_H

#include <stddef.h>
#include <stdint.h>

#define SPA_NEVER           INT64_MAX
#define SPA_EVENT_LIST_SCAN 12u
#define SPA_EVENT_LIST_NONE UINT32_MAX
#define SPA_EVENT_LIST_PAD  4u

typedef struct spa_event_list {
    uint32_t n_slots, n_heap;
    uint32_t n_padded, reserved; /* slots beyond n_slots never happen */
    /* followed by: int64_t time[n_padded]; uint32_t heap[n_slots], where[n_slots]; */
} spa_event_list;

static inline uint32_t spa_event_list_padded(uint32_t n_slots)
{
    return (n_slots + SPA_EVENT_LIST_PAD - 1) / SPA_EVENT_LIST_PAD * SPA_EVENT_LIST_PAD;
}
static inline size_t spa_event_list_bytes(uint32_t n_slots)
{
    return sizeof(spa_event_list) + (size_t)spa_event_list_padded(n_slots) * sizeof(int64_t) +
           (size_t)n_slots * 2 * sizeof(uint32_t);
}
static inline int64_t *spa_event_list_times(spa_event_list *l)
{
    return (int64_t *)(l + 1);
}
static inline uint32_t *spa_event_list_heap(spa_event_list *l)
{
    return (uint32_t *)(spa_event_list_times(l) + l->n_padded);
}
static inline uint32_t *spa_event_list_where(spa_event_list *l)
{
    return spa_event_list_heap(l) + l->n_slots;
}

static inline void spa_event_list_init(spa_event_list *l, uint32_t n_slots)
{
    l->n_slots = n_slots;
    l->n_heap = 0;
    l->n_padded = spa_event_list_padded(n_slots);
    l->reserved = 0;
    for (uint32_t i = 0; i < l->n_padded; i++) spa_event_list_times(l)[i] = SPA_NEVER;
    for (uint32_t i = 0; i < n_slots; i++) {
        spa_event_list_heap(l)[i] = 0;
        spa_event_list_where(l)[i] = SPA_EVENT_LIST_NONE;
    }
}

static inline int spa_event_list_less(const int64_t *time, uint32_t a, uint32_t b)
{
    return time[a] < time[b] || (time[a] == time[b] && a < b);
}

static inline void spa_event_list_up(spa_event_list *l, uint32_t at, uint32_t slot)
{
    const int64_t *time = spa_event_list_times(l);
    uint32_t *heap = spa_event_list_heap(l), *where = spa_event_list_where(l);
    while (at > 0) {
        uint32_t parent = (at - 1) / 4;
        if (!spa_event_list_less(time, slot, heap[parent])) break;
        heap[at] = heap[parent];
        where[heap[at]] = at;
        at = parent;
    }
    heap[at] = slot;
    where[slot] = at;
}

static inline void spa_event_list_down(spa_event_list *l, uint32_t at, uint32_t slot)
{
    const int64_t *time = spa_event_list_times(l);
    uint32_t *heap = spa_event_list_heap(l), *where = spa_event_list_where(l);
    for (;;) {
        uint32_t first = at * 4 + 1, last = first + 4, best;
        if (first >= l->n_heap) break;
        if (last > l->n_heap) last = l->n_heap;
        best = first;
        for (uint32_t c = first + 1; c < last; c++)
            if (spa_event_list_less(time, heap[c], heap[best])) best = c;
        if (!spa_event_list_less(time, heap[best], slot)) break;
        heap[at] = heap[best];
        where[heap[at]] = at;
        at = best;
    }
    heap[at] = slot;
    where[slot] = at;
}

/* The heap's part of a change of a slot's time. */
static __attribute__((noinline)) void spa_event_list_reorder(spa_event_list *l, uint32_t slot,
                                                             int64_t before, int64_t time_ns)
{
    const int64_t *time = spa_event_list_times(l);
    uint32_t *heap = spa_event_list_heap(l), *where = spa_event_list_where(l);
    uint32_t at = where[slot];
    if (at == SPA_EVENT_LIST_NONE) {
        if (time_ns == SPA_NEVER) return;
        spa_event_list_up(l, l->n_heap++, slot);
    } else if (time_ns == SPA_NEVER) {
        uint32_t moved = heap[--l->n_heap];
        where[slot] = SPA_EVENT_LIST_NONE;
        if (moved == slot) return;
        if (at > 0 && spa_event_list_less(time, moved, heap[(at - 1) / 4]))
            spa_event_list_up(l, at, moved);
        else
            spa_event_list_down(l, at, moved);
    } else if (time_ns < before) {
        spa_event_list_up(l, at, slot);
    } else {
        spa_event_list_down(l, at, slot);
    }
}

/* Sets, moves or (SPA_NEVER) removes the event of a slot. */
static inline void spa_event_list_set(spa_event_list *l, uint32_t slot, int64_t time_ns)
{
    int64_t before = spa_event_list_times(l)[slot];
    spa_event_list_times(l)[slot] = time_ns;
    if (__builtin_expect(l->n_slots > SPA_EVENT_LIST_SCAN, 0))
        spa_event_list_reorder(l, slot, before, time_ns);
}

static inline void spa_event_list_earlier(const int64_t *time, uint32_t slot, uint32_t *best,
                                          int64_t *at)
{
    *best = time[slot] < *at ? slot : *best;
    *at = time[slot] < *at ? time[slot] : *at;
}

/* The slot of the earliest event, or SPA_EVENT_LIST_NONE. */
static inline uint32_t spa_event_list_first(const spa_event_list *l)
{
    const int64_t *time = (const int64_t *)(l + 1);
    uint32_t best = SPA_EVENT_LIST_NONE;
    int64_t at = SPA_NEVER;
    if (__builtin_expect(l->n_slots > SPA_EVENT_LIST_SCAN, 0))
        return l->n_heap ? ((const uint32_t *)(time + l->n_padded))[0] : best;
    for (uint32_t i = 0; i < l->n_padded; i += SPA_EVENT_LIST_PAD) { /* unrolled, no branches */
        spa_event_list_earlier(time, i, &best, &at);
        spa_event_list_earlier(time, i + 1, &best, &at);
        spa_event_list_earlier(time, i + 2, &best, &at);
        spa_event_list_earlier(time, i + 3, &best, &at);
    }
    return best;
}

#endif
