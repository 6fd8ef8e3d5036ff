/* A lane that runs whole inferences on its pinned thread and times them; shared by profile and
 * bench. */
#ifndef SPA_KERNELS_RUNNER_H
#define SPA_KERNELS_RUNNER_H

#include <stdatomic.h>

#include "kernels/lanes.h"
#include "kernels/model.h"
#include "kernels/team.h"
#include "kernels/worker.h"

/* Times of runs: [capacity][n_ops + 1] ns, the last one the total. */
typedef struct spa_run_times {
    size_t n_ops, count, capacity;
    int64_t *ns;
    bool *kept; /* [capacity] */
    size_t n_kept;
} spa_run_times;

spa_status spa_run_times_init(spa_run_times *times, size_t n_ops, size_t capacity, spa_error *err);
void spa_run_times_fini(spa_run_times *times);
/* Marks what is longer than `factor` times the median total as not kept. */
spa_status spa_run_times_judge(spa_run_times *times, double factor, spa_error *err);
static inline int64_t *spa_run_times_row(const spa_run_times *t, size_t run)
{
    return t->ns + run * (t->n_ops + 1);
}
/* Kept times of one operator (n_ops = totals), us; returns how many. */
size_t spa_run_times_column(const spa_run_times *times, size_t op, double *us);

typedef struct spa_runner {
    const spa_lane *lane;
    spa_worker *worker;
    spa_session session;
    void *workspace;
    spa_pool *pool; /* of a lane of several cores */
    spa_team *team;
    /* The job at hand: */
    int32_t warmup, runs;
    spa_run_times *times;
    atomic_bool stop; /* ends a loop */
    int64_t loops;    /* inferences of the last loop */
    spa_status status;
    spa_error error;
} spa_runner;

/* Prepares the model for the lane's backend, plans buffers and starts the thread (a lane of several
 * cores: and its helpers). */
spa_status spa_runner_init(spa_runner *runner, const spa_lane *lane, spa_model *model,
                           uint64_t seed, spa_error *err);
void spa_runner_fini(spa_runner *runner);

/* Runs warmup + runs inferences and appends the times; returns when done. */
spa_status spa_runner_measure(spa_runner *runner, int32_t warmup, int32_t runs,
                              spa_run_times *times, spa_error *err);
/* Starts looping inferences; spa_runner_stop ends that. */
void spa_runner_loop(spa_runner *runner);
spa_status spa_runner_stop(spa_runner *runner, spa_error *err);

#endif
