#include "policies/learn/crew.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"

/* Looks for work before a thread sleeps, and for the end of others' parts before it yields: some
 * 50 microseconds. */
#define PATIENCE 2000

/* The ticket: number of the job (16 bits), its parts (24), the next part that nobody has (24). One
 * word, so that a thread that comes late can never take a part of the wrong job. */
#define PART_BITS 24
#define PART_MASK ((UINT64_C(1) << PART_BITS) - 1)

struct spa_crew {
    _Atomic uint64_t ticket;
    _Atomic size_t left; /* parts that are not finished */
    _Atomic int sleepers;
    _Atomic bool ends;
    void (*part)(void *user, size_t i); /* of the job; read only by who has a part of it */
    void *user;
    pthread_mutex_t lock; /* only to sleep and to wake */
    pthread_cond_t wake;
    size_t n_threads; /* started */
    pthread_t threads[];
};

static void pause_a_little(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static bool has_parts(uint64_t ticket)
{
    return (ticket & PART_MASK) < (ticket >> PART_BITS & PART_MASK);
}

/* Takes parts until none is left. */
static void work(spa_crew *c)
{
    uint64_t ticket = atomic_load_explicit(&c->ticket, memory_order_acquire);
    while (has_parts(ticket)) {
        if (!atomic_compare_exchange_weak_explicit(&c->ticket, &ticket, ticket + 1,
                                                   memory_order_acq_rel, memory_order_acquire))
            continue;
        c->part(c->user, (size_t)(ticket & PART_MASK));
        atomic_fetch_sub_explicit(&c->left, 1, memory_order_acq_rel);
        ticket = atomic_load_explicit(&c->ticket, memory_order_acquire);
    }
}

static bool idle(spa_crew *c)
{
    return !has_parts(atomic_load(&c->ticket)) && !atomic_load(&c->ends);
}

static void sleep_while_idle(spa_crew *c)
{
    pthread_mutex_lock(&c->lock);
    atomic_fetch_add(&c->sleepers, 1); /* before looking once more: see rouse() */
    while (idle(c)) pthread_cond_wait(&c->wake, &c->lock);
    atomic_fetch_sub(&c->sleepers, 1);
    pthread_mutex_unlock(&c->lock);
}

/* After there is something to do: who counted itself among the sleepers too late to be seen here
 * sees the work. */
static void rouse(spa_crew *c)
{
    if (atomic_load(&c->sleepers) == 0) return;
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

static void *serve(void *argument)
{
    spa_crew *c = argument;
    while (!atomic_load(&c->ends)) {
        for (int looks = 0; looks < PATIENCE && idle(c); looks++) pause_a_little();
        if (idle(c)) sleep_while_idle(c);
        work(c);
    }
    return NULL;
}

spa_status spa_crew_new(spa_crew **crew, size_t threads, spa_error *err)
{
    void *memory = NULL;
    *crew = NULL;
    if (threads == 0 || threads > SPA_CREW_MOST)
        return spa_fail(err, SPA_E_RANGE, "%zu threads; 1 to %d are possible", threads,
                        SPA_CREW_MOST);
    if (threads == 1) return SPA_OK;
    SPA_TRY(spa_alloc(&memory, 1, sizeof(spa_crew) + (threads - 1) * sizeof(pthread_t), err));
    spa_crew *c = memory;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    while (c->n_threads + 1 < threads &&
           pthread_create(&c->threads[c->n_threads], NULL, serve, c) == 0)
        c->n_threads++;
    *crew = c;
    return SPA_OK;
}

void spa_crew_free(spa_crew *c)
{
    if (!c) return;
    atomic_store(&c->ends, true);
    rouse(c);
    for (size_t i = 0; i < c->n_threads; i++) pthread_join(c->threads[i], NULL);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void spa_crew_run(spa_crew *c, size_t count, void (*part)(void *user, size_t i), void *user)
{
    assert(count <= PART_MASK);
    if (!c || c->n_threads == 0 || count < 2) {
        for (size_t i = 0; i < count; i++) part(user, i);
        return;
    }
    uint64_t job = (atomic_load_explicit(&c->ticket, memory_order_relaxed) >> 2 * PART_BITS) + 1;
    c->part = part;
    c->user = user;
    atomic_store_explicit(&c->left, count, memory_order_relaxed);
    atomic_store(&c->ticket, job << 2 * PART_BITS | (uint64_t)count << PART_BITS);
    rouse(c);
    work(c);
    for (int looks = 0; atomic_load_explicit(&c->left, memory_order_acquire) > 0; looks++) {
        if (looks < PATIENCE)
            pause_a_little();
        else
            sched_yield();
    }
}
