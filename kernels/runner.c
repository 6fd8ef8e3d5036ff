/* Whole inferences on a pinned thread. */
#include "kernels/runner.h"

#include <stdlib.h>

#include "base/stats.h"
#include "kernels/clock.h"

/* ---- times --------------------------------------------------------------------------------------
 */

spa_status spa_run_times_init(spa_run_times *times, size_t n_ops, size_t capacity, spa_error *err)
{
    *times = (spa_run_times){.n_ops = n_ops, .capacity = capacity};
    spa_status status = spa_alloc(&times->ns, capacity, (n_ops + 1) * sizeof(int64_t), err);
    if (status == SPA_OK) status = spa_alloc(&times->kept, capacity, sizeof(bool), err);
    if (status != SPA_OK) spa_run_times_fini(times);
    return status;
}

void spa_run_times_fini(spa_run_times *times)
{
    free(times->ns);
    free(times->kept);
    *times = (spa_run_times){0};
}

spa_status spa_run_times_judge(spa_run_times *times, double factor, spa_error *err)
{
    double *totals;
    times->n_kept = 0;
    if (times->count == 0) return SPA_OK;
    SPA_TRY(spa_alloc(&totals, times->count, sizeof *totals, err));
    for (size_t r = 0; r < times->count; r++)
        totals[r] = (double)spa_run_times_row(times, r)[times->n_ops];
    double limit = factor * spa_median(totals, times->count);
    for (size_t r = 0; r < times->count; r++) {
        times->kept[r] = (double)spa_run_times_row(times, r)[times->n_ops] <= limit;
        times->n_kept += times->kept[r];
    }
    free(totals);
    return SPA_OK;
}

size_t spa_run_times_column(const spa_run_times *times, size_t op, double *us)
{
    size_t n = 0;
    for (size_t r = 0; r < times->count; r++)
        if (times->kept[r]) us[n++] = (double)spa_run_times_row(times, r)[op] * 1e-3;
    return n;
}

/* ---- jobs ---------------------------------------------------------------------------------------
 */

static spa_status run_op(spa_runner *runner, size_t op)
{
    if (runner->team != NULL)
        return spa_team_run_op(runner->team, &runner->session, op, &runner->error);
    return spa_session_run_op(&runner->session, runner->lane->backend, op, runner->workspace,
                              &runner->error);
}

static spa_status run_once(spa_runner *runner, int64_t *row)
{
    size_t n_ops = runner->session.model->graph->n_ops;
    int64_t first = spa_clock_ns(), before = first;
    for (size_t i = 0; i < n_ops; i++) {
        SPA_TRY(run_op(runner, i));
        int64_t now = spa_clock_ns();
        if (row != NULL) row[i] = now - before;
        before = now;
    }
    if (row != NULL) row[n_ops] = before - first;
    return SPA_OK;
}

static void measure_job(void *context)
{
    spa_runner *runner = context;
    spa_run_times *times = runner->times;
    runner->status = SPA_OK;
    for (int32_t i = 0; i < runner->warmup && runner->status == SPA_OK; i++)
        runner->status = run_once(runner, NULL);
    for (int32_t i = 0; i < runner->runs && runner->status == SPA_OK; i++) {
        if (times->count == times->capacity) break;
        runner->status = run_once(runner, spa_run_times_row(times, times->count));
        if (runner->status == SPA_OK) times->count++;
    }
}

static void loop_job(void *context)
{
    spa_runner *runner = context;
    runner->status = SPA_OK;
    runner->loops = 0;
    while (!atomic_load_explicit(&runner->stop, memory_order_relaxed) && runner->status == SPA_OK) {
        runner->status = run_once(runner, NULL);
        runner->loops++;
    }
}

/* ---- runners ------------------------------------------------------------------------------------
 */

static spa_status form_team(spa_runner *runner, spa_model *model, spa_error *err)
{
    const spa_lane *lane = runner->lane;
    SPA_TRY(spa_pool_new(&runner->pool, lane->first_core, lane->n_cores, err));
    return spa_team_new(&runner->team, model, lane->backend, runner->pool, SPA_TEAM_WORK_US, err);
}

spa_status spa_runner_init(spa_runner *runner, const spa_lane *lane, spa_model *model,
                           uint64_t seed, spa_error *err)
{
    *runner = (spa_runner){.lane = lane};
    if (lane->device != NULL)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "lane %s is an asynchronous device; this runs lanes of cores only (cpu:N)",
                        lane->processor);
    spa_status status = spa_model_prepare(model, lane->backend, err);
    if (status == SPA_OK)
        status = spa_session_init(&runner->session, model, SPA_BUFFERS_PLANNED, err);
    if (status == SPA_OK) {
        spa_session_fill_inputs(&runner->session, seed, 0);
        status = spa_alloc_aligned(&runner->workspace,
                                   spa_model_workspace_bytes(model, lane->backend), err);
    }
    if (status == SPA_OK && lane->n_cores > 1) status = form_team(runner, model, err);
    if (status == SPA_OK) status = spa_worker_new(&runner->worker, lane->first_core, err);
    if (status != SPA_OK) spa_runner_fini(runner);
    return status;
}

void spa_runner_fini(spa_runner *runner)
{
    spa_worker_free(runner->worker);
    runner->worker = NULL;
    spa_team_free(runner->team);
    spa_pool_free(runner->pool);
    runner->team = NULL;
    runner->pool = NULL;
    free(runner->workspace);
    runner->workspace = NULL;
    spa_session_fini(&runner->session);
}

static spa_status result(const spa_runner *runner, spa_error *err)
{
    if (runner->status != SPA_OK && err != NULL) *err = runner->error;
    return runner->status;
}

spa_status spa_runner_measure(spa_runner *runner, int32_t warmup, int32_t runs,
                              spa_run_times *times, spa_error *err)
{
    runner->warmup = warmup;
    runner->runs = runs;
    runner->times = times;
    spa_worker_start(runner->worker, measure_job, runner);
    spa_worker_wait(runner->worker);
    return result(runner, err);
}

void spa_runner_loop(spa_runner *runner)
{
    atomic_store_explicit(&runner->stop, false, memory_order_relaxed);
    spa_worker_start(runner->worker, loop_job, runner);
}

spa_status spa_runner_stop(spa_runner *runner, spa_error *err)
{
    atomic_store_explicit(&runner->stop, true, memory_order_relaxed);
    spa_worker_wait(runner->worker);
    return result(runner, err);
}
