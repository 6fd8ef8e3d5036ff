/* Helpers that spin, then block. */
#define _POSIX_C_SOURCE 200809L
#include "kernels/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kernels/backend.h"
#include "kernels/clock.h"
#include "kernels/relax.h"
#include "kernels/worker.h"

/* How long a waiting thread spins before it blocks. Operators that run whole keep helpers waiting
 * for some hundred microseconds within an inference; between inferences they shall sleep. */
#define SPIN_NS 1000000

/* A number that one thread raises and one other waits for. */
typedef struct gate {
    _Alignas(SPA_KERNEL_ALIGN) atomic_uint_fast64_t value;
    atomic_bool asleep; /* the waiting thread blocks, or is about to */
    pthread_mutex_t mutex;
    pthread_cond_t raised;
} gate;

typedef struct helper {
    gate start, done; /* number of the last job handed out, and of the last one done */
    uint64_t jobs;    /* the leader's count */
    spa_pool *pool;
    spa_worker *worker;
    size_t member;
} helper;

struct spa_pool {
    size_t n_helpers;
    helper *helpers;
    spa_pool_job *job; /* NULL: end */
    void *context;
};

static void gate_init(gate *g)
{
    atomic_init(&g->value, 0);
    atomic_init(&g->asleep, false);
    pthread_mutex_init(&g->mutex, NULL);
    pthread_cond_init(&g->raised, NULL);
}

static void gate_fini(gate *g)
{
    pthread_cond_destroy(&g->raised);
    pthread_mutex_destroy(&g->mutex);
}

/* Value and `asleep` are written before the other one is read, on both sides and in one total
 * order: either the raised value is seen, or the sleeper is. */
static void gate_raise(gate *g, uint64_t value)
{
    atomic_store(&g->value, value);
    if (!atomic_load(&g->asleep)) return;
    pthread_mutex_lock(&g->mutex);
    pthread_cond_signal(&g->raised);
    pthread_mutex_unlock(&g->mutex);
}

static bool spin(const gate *g, uint64_t value)
{
    int64_t end = 0;
    do {
        for (int i = 0; i < 64; i++) {
            if (atomic_load_explicit(&g->value, memory_order_acquire) >= value) return true;
            spa_relax();
        }
        if (end == 0) end = spa_clock_ns() + SPIN_NS;
    } while (spa_clock_ns() < end);
    return false;
}

static void gate_wait(gate *g, uint64_t value)
{
    if (spin(g, value)) return;
    pthread_mutex_lock(&g->mutex);
    atomic_store(&g->asleep, true);
    while (atomic_load(&g->value) < value) pthread_cond_wait(&g->raised, &g->mutex);
    atomic_store(&g->asleep, false);
    pthread_mutex_unlock(&g->mutex);
}

/* The one job of a helper's thread. */
static void serve(void *context)
{
    helper *h = context;
    for (uint64_t n = 1;; n++) {
        gate_wait(&h->start, n);
        if (h->pool->job == NULL) return;
        h->pool->job(h->pool->context, h->member);
        gate_raise(&h->done, n);
    }
}

spa_status spa_pool_new(spa_pool **out, int first_core, int n_cores, spa_error *err)
{
    spa_pool *pool;
    *out = NULL;
    if (n_cores < 1 || n_cores > SPA_POOL_MEMBERS)
        return spa_fail(err, SPA_E_RANGE, "a lane of %d cores; 1 to %d are possible", n_cores,
                        SPA_POOL_MEMBERS);
    SPA_TRY(spa_alloc(&pool, 1, sizeof *pool, err));
    spa_status status =
        spa_alloc_aligned(&pool->helpers, (size_t)(n_cores - 1) * sizeof *pool->helpers, err);
    for (int k = 1; k < n_cores && status == SPA_OK; k++) {
        helper *h = &pool->helpers[k - 1];
        status = spa_worker_new(&h->worker, first_core + k, err);
        if (status != SPA_OK) break;
        h->pool = pool;
        h->member = (size_t)k;
        gate_init(&h->start);
        gate_init(&h->done);
        spa_worker_start(h->worker, serve, h);
        pool->n_helpers++;
    }
    if (status == SPA_OK)
        *out = pool;
    else
        spa_pool_free(pool);
    return status;
}

void spa_pool_free(spa_pool *pool)
{
    if (pool == NULL) return;
    pool->job = NULL;
    for (size_t k = 0; k < pool->n_helpers; k++) {
        helper *h = &pool->helpers[k];
        gate_raise(&h->start, h->jobs + 1);
        spa_worker_free(h->worker);
        gate_fini(&h->start);
        gate_fini(&h->done);
    }
    free(pool->helpers);
    free(pool);
}

size_t spa_pool_size(const spa_pool *pool)
{
    return pool->n_helpers + 1;
}

void spa_pool_run(spa_pool *pool, spa_pool_job *job, void *context, size_t n)
{
    assert(n <= pool->n_helpers + 1);
    pool->job = job;
    pool->context = context;
    for (size_t k = 0; k + 1 < n; k++) gate_raise(&pool->helpers[k].start, ++pool->helpers[k].jobs);
    if (n > 0) job(context, 0);
    for (size_t k = 0; k + 1 < n; k++) gate_wait(&pool->helpers[k].done, pool->helpers[k].jobs);
}
