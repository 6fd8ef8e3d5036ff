/* Hand-off between cores. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/stats.h"
#include "kernels/clock.h"
#include "kernels/measure.h"
#include "kernels/vector.h"

/* ---- ping-pong ----------------------------------------------------------------------------------
 */

enum { WARMUP_ROUNDS = 100 };

typedef struct ping_pong {
    _Alignas(128) atomic_int ball; /* even: the first player's turn */
    _Alignas(128) int32_t rounds;
    double *round_trip_us; /* [rounds] */
} ping_pong;

static void await(ping_pong *game, int value)
{
    while (atomic_load_explicit(&game->ball, memory_order_acquire) != value) {
    }
}

static void serve(void *context)
{
    ping_pong *game = context;
    for (int r = 0; r < WARMUP_ROUNDS + game->rounds; r++) {
        int64_t before = spa_clock_ns();
        atomic_store_explicit(&game->ball, 2 * r + 1, memory_order_release);
        await(game, 2 * r + 2);
        if (r >= WARMUP_ROUNDS)
            game->round_trip_us[r - WARMUP_ROUNDS] = (double)(spa_clock_ns() - before) * 1e-3;
    }
}

static void answer(void *context)
{
    ping_pong *game = context;
    for (int r = 0; r < WARMUP_ROUNDS + game->rounds; r++) {
        await(game, 2 * r + 1);
        atomic_store_explicit(&game->ball, 2 * r + 2, memory_order_release);
    }
}

/* Half of a round trip: both directions are one cache line changing hands. */
static spa_status measure_hand_off(spa_worker *from, spa_worker *to, int32_t rounds,
                                   double *latency_us, spa_error *err)
{
    ping_pong game = {.rounds = rounds * 100};
    SPA_TRY(spa_alloc(&game.round_trip_us, (size_t)game.rounds, sizeof(double), err));
    atomic_init(&game.ball, 0);
    spa_worker_start(to, answer, &game);
    spa_worker_start(from, serve, &game);
    spa_worker_wait(from);
    spa_worker_wait(to);
    *latency_us = spa_median(game.round_trip_us, (size_t)game.rounds) / 2;
    free(game.round_trip_us);
    return SPA_OK;
}

/* ---- reading a tensor that another core wrote
 * ------------------------------------------------------ */

typedef struct copy_job {
    float *data;
    size_t floats;
    float value; /* to write; the sum when read */
    double read_us;
} copy_job;

static void write_tensor(void *context)
{
    copy_job *job = context;
    for (size_t i = 0; i < job->floats; i++) job->data[i] = job->value;
}

static void read_tensor(void *context)
{
    copy_job *job = context;
    int64_t before = spa_clock_ns();
    job->value = spa_vector_best()->sum(job->data, job->floats) / (float)job->floats;
    job->read_us = (double)(spa_clock_ns() - before) * 1e-3;
}

static void run_on(spa_worker *worker, spa_worker_job *job, void *context)
{
    spa_worker_start(worker, job, context);
    spa_worker_wait(worker);
}

/* What reading costs `reader` more when `writer` wrote than when it wrote itself (medians); 0 where
 * that is lost in the noise (large tensors come from the shared cache either way). */
static spa_status measure_read(spa_worker *writer, spa_worker *reader, copy_job *job,
                               int32_t rounds, double *extra_us, spa_error *err)
{
    double *remote, *local;
    SPA_TRY(spa_alloc(&remote, (size_t)rounds * 2, sizeof(double), err));
    local = remote + rounds;
    for (int32_t r = 0; r < rounds; r++) {
        run_on(writer, write_tensor, job);
        run_on(reader, read_tensor, job);
        remote[r] = job->read_us;
        run_on(reader, write_tensor, job);
        run_on(reader, read_tensor, job);
        local[r] = job->read_us;
    }
    double own_us = spa_median(local, (size_t)rounds);
    *extra_us = spa_median(remote, (size_t)rounds) - own_us;
    if (*extra_us < 0.05 * own_us) *extra_us = 0;
    free(remote);
    return SPA_OK;
}

spa_status spa_measure_link(spa_worker *from, spa_worker *to, int32_t rounds,
                            spa_trace_link links[SPA_LINK_SIZES], spa_error *err)
{
    double latency_us;
    size_t bytes = (size_t)4 << 10;
    copy_job job = {.value = 1};
    SPA_TRY(measure_hand_off(from, to, rounds, &latency_us, err));
    SPA_TRY(spa_alloc_aligned(&job.data, bytes << 2 * (SPA_LINK_SIZES - 1), err));
    spa_status status = SPA_OK;
    for (int i = 0; i < SPA_LINK_SIZES && status == SPA_OK; i++, bytes <<= 2) {
        double extra_us = 0;
        job.floats = bytes / sizeof(float);
        status = measure_read(from, to, &job, rounds, &extra_us, err);
        links[i] = (spa_trace_link){
            .bytes = (int64_t)bytes,
            .latency_us = spa_measured_us(latency_us),
            .p50_us = spa_measured_us(latency_us + extra_us),
            .bandwidth_gbs = extra_us > 0 ? round((double)bytes / extra_us) / 1e3 : NAN,
            .origin = SPA_ORIGIN_MEASURED,
        };
    }
    free(job.data);
    return status;
}
