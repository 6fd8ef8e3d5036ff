#include "kernels/quiet.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/stats.h"
#include "kernels/backend.h"
#include "kernels/clock.h"
#include "kernels/vector.h"

#define LOOPS  40
#define PASSES 12
#define FLOATS 4096 /* 16 KB: half of a first-level cache */

typedef struct prober {
    spa_worker *worker;
    float *data; /* [FLOATS] */
    int64_t fastest_ns;
    int64_t ns[LOOPS];
} prober;

enum { THROWS = 101 };

typedef struct ball_game {
    _Alignas(SPA_KERNEL_ALIGN) atomic_int ball; /* odd: the catcher's turn */
    _Alignas(SPA_KERNEL_ALIGN) double us[THROWS];
} ball_game;

struct spa_quiet {
    size_t n;
    prober *probers;
    ball_game *game;
    double *shortest_us; /* [n] between lane 0 and each other one */
};

spa_status spa_quiet_new(spa_quiet **out, spa_worker *const *workers, size_t n, spa_error *err)
{
    spa_quiet *quiet;
    *out = NULL;
    SPA_TRY(spa_alloc(&quiet, 1, sizeof *quiet, err));
    spa_status status = spa_alloc(&quiet->probers, n, sizeof *quiet->probers, err);
    if (!status) status = spa_alloc(&quiet->shortest_us, n, sizeof(double), err);
    if (!status) status = spa_alloc_aligned(&quiet->game, sizeof *quiet->game, err);
    for (size_t i = 0; i < n && !status; i++) {
        prober *p = &quiet->probers[quiet->n++];
        p->worker = workers[i];
        p->fastest_ns = INT64_MAX;
        status = spa_alloc_aligned(&p->data, FLOATS * sizeof(float), err);
    }
    if (status) {
        spa_quiet_free(quiet);
        return status;
    }
    *out = quiet;
    return SPA_OK;
}

void spa_quiet_free(spa_quiet *quiet)
{
    if (!quiet) return;
    for (size_t i = 0; i < quiet->n; i++) free(quiet->probers[i].data);
    free(quiet->probers);
    free(quiet->shortest_us);
    free(quiet->game);
    free(quiet);
}

/* Loads, stores and arithmetic: what a sibling thread takes away. */
static void probe(void *context)
{
    prober *p = context;
    const spa_vector *v = spa_vector_best();
    for (int i = 0; i < LOOPS; i++) {
        int64_t before = spa_clock_ns();
        for (int k = 0; k < PASSES; k++) v->affine(p->data, 0.5f, 1.0f, p->data, FLOATS);
        p->ns[i] = spa_clock_ns() - before;
    }
}

static void throw_ball(void *context)
{
    ball_game *game = context;
    for (int i = 0; i < THROWS; i++) {
        int64_t before = spa_clock_ns();
        atomic_store_explicit(&game->ball, 2 * i + 1, memory_order_release);
        while (atomic_load_explicit(&game->ball, memory_order_acquire) != 2 * i + 2) {
        }
        game->us[i] = (double)(spa_clock_ns() - before) * 1e-3;
    }
}

static void catch_ball(void *context)
{
    ball_game *game = context;
    for (int i = 0; i < THROWS; i++) {
        while (atomic_load_explicit(&game->ball, memory_order_acquire) != 2 * i + 1) {
        }
        atomic_store_explicit(&game->ball, 2 * i + 2, memory_order_release);
    }
}

static bool is_near(spa_quiet *quiet, size_t other)
{
    atomic_store(&quiet->game->ball, 0);
    spa_worker_start(quiet->probers[other].worker, catch_ball, quiet->game);
    spa_worker_start(quiet->probers[0].worker, throw_ball, quiet->game);
    spa_worker_wait(quiet->probers[0].worker);
    spa_worker_wait(quiet->probers[other].worker);
    double us = spa_median(quiet->game->us, THROWS), *shortest = &quiet->shortest_us[other];
    if (*shortest == 0 || us < *shortest) *shortest = us;
    return us < SPA_QUIET_NEAR * *shortest;
}

spa_quiet_state spa_quiet_probe(spa_quiet *quiet)
{
    double sum = 0;
    spa_quiet_state state = {.is_near = true};
    for (size_t i = 0; i < quiet->n; i++)
        spa_worker_start(quiet->probers[i].worker, probe, &quiet->probers[i]);
    for (size_t i = 0; i < quiet->n; i++) spa_worker_wait(quiet->probers[i].worker);
    for (size_t i = 0; i < quiet->n; i++) {
        prober *p = &quiet->probers[i];
        for (int k = 0; k < LOOPS; k++)
            if (p->ns[k] < p->fastest_ns) p->fastest_ns = p->ns[k];
        for (int k = 0; k < LOOPS; k++) sum += (double)p->ns[k] / (double)p->fastest_ns;
    }
    state.level = sum / (LOOPS * (double)quiet->n);
    for (size_t i = 1; i < quiet->n; i++) state.is_near &= is_near(quiet, i);
    return state;
}
