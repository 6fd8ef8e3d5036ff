/* What one decision of a policy costs at dispatch: place(), observation included, in a simulated
 * run. Policies are charged for it (decision_cycles). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/stats.h"
#include "experiments/bench_world.h"
#include "experiments/paths.h"
#include "policies/learn/learner.h"
#include "policies/learn/scheduling.h"
#include "sim/engine.h"

#define REPS        15
#define EXTRA       16                /* calls more per decision in every other run */
#define EVICT_BYTES ((size_t)4 << 20) /* more than a core's own caches */
#define COLD_CALLS  300

typedef struct decision {
    const bench_world *world;
    const spa_policy *policy;
    void *self;
    spa_schedule schedule;
    spa_evaluator *evaluator;
    spa_engine *engine;
    char *evict;
    double *cold; /* [COLD_CALLS] ns */
    size_t n_cold;
} decision;

static void decision_close(decision *d)
{
    if (d->policy && d->policy->destroy && d->self) d->policy->destroy(d->self);
    spa_engine_free(d->engine);
    spa_evaluator_free(d->evaluator);
    spa_schedule_fini(&d->schedule);
    free(d->evict);
    free(d->cold);
}

static spa_status decision_open(decision *d, const bench_world *w, const char *policy,
                                const char *trained, spa_error *err)
{
    spa_param_values values;
    *d = (decision){.world = w};
    SPA_TRY(spa_policy_parse(policy, &d->policy, &values, err));
    if (d->policy->create) SPA_TRY(d->policy->create(&d->self, &values, err));
    SPA_TRY(spa_schedule_init(&d->schedule, w->graphs[0].n_ops, err));
    SPA_TRY(spa_evaluator_new(&d->evaluator, &w->graphs[0], &w->costs[0], true, err));
    spa_plan_context context = {.graph = &w->graphs[0],
                                .costs = &w->costs[0],
                                .objective = SPA_OBJECTIVE_LATENCY,
                                .seed = 1,
                                .budget = 1000,
                                .evaluator = d->evaluator,
                                .trained = trained};
    if (d->policy->plan) SPA_TRY(d->policy->plan(d->self, &context, &d->schedule, err));
    SPA_TRY(spa_alloc(&d->evict, EVICT_BYTES, 1, err));
    SPA_TRY(spa_alloc(&d->cold, COLD_CALLS, sizeof *d->cold, err));
    return spa_evaluator_stepper(d->evaluator, d->policy->plan ? &d->schedule : NULL, &d->engine,
                                 err);
}

static void place(const decision *d, spa_action *action)
{
    *action = (spa_action){.lane = SPA_LANE_ANY};
    d->policy->place(d->self, NULL, spa_engine_view(d->engine), spa_engine_asked(d->engine),
                     action);
}

/* Fills the caches with something else, then times one call. */
static void place_cold(decision *d)
{
    spa_action action;
    for (size_t i = 0; i < EVICT_BYTES; i += 64) d->evict[i]++;
    double begin = bench_wall_ns();
    double clock = bench_wall_ns() - begin;
    begin = bench_wall_ns();
    place(d, &action);
    d->cold[d->n_cold++] = bench_wall_ns() - begin - clock;
}

/* One run; each decision is made `calls` times (0: once, and once more with cold caches). */
static spa_status run(decision *d, size_t calls, size_t *decisions, spa_error *err)
{
    bool done = false;
    SPA_TRY(spa_engine_restart(d->engine, 1, 0, NULL, err));
    SPA_TRY(spa_engine_start(d->engine, &done, err));
    for (*decisions = 0; !done; ++*decisions) {
        spa_action action;
        if (calls == 0 && d->n_cold < COLD_CALLS) place_cold(d);
        for (size_t i = 0; i < calls || i == 0; i++) place(d, &action);
        SPA_TRY(spa_engine_decide(d->engine, action, &done, err));
    }
    return SPA_OK;
}

/* Time per call: the difference between runs with more and with fewer calls. */
static spa_status measure(decision *d, double *warm_ns, double *cold_ns, spa_error *err)
{
    double samples[REPS];
    size_t n = 1;
    for (int rep = -1; rep < REPS; rep++) { /* the first one warms up */
        double ns[2];
        for (size_t more = 0; more < 2; more++) {
            double begin = bench_cpu_ns();
            for (int k = 0; k < 10; k++) SPA_TRY(run(d, more ? 1 + EXTRA : 1, &n, err));
            ns[more] = bench_cpu_ns() - begin;
        }
        if (rep >= 0) samples[rep] = (ns[1] - ns[0]) / (double)(10 * EXTRA * n);
    }
    while (d->n_cold < COLD_CALLS) SPA_TRY(run(d, 0, &n, err));
    *warm_ns = spa_median(samples, REPS);
    *cold_ns = spa_median(d->cold, d->n_cold);
    return SPA_OK;
}

/* A table over tiles is not shipped: one that was trained for a moment costs the same. */
static spa_status train_table(const bench_world *w, const char *path, spa_error *err)
{
    spa_environment_config config = spa_environment_config_default();
    spa_learner *l = NULL;
    spa_actor actor;
    config.costs = w->tables;
    config.n_costs = 1;
    spa_learner_setup setup = {
        .problem = &spa_problem_scheduling, .config = &config, .total_steps = 20000, .seed = 1};
    SPA_TRY(spa_learner_new(&l, &spa_learner_q_learning, &setup, "features=4:gamma=0", err));
    spa_status status = spa_learner_train(l, setup.total_steps, err);
    spa_learner_actor(l, &actor);
    if (!status) status = spa_actor_write(&actor, path, err);
    spa_learner_free(l);
    return status;
}

static spa_status report_on(bench_report *report, const bench_world *w, const char *name,
                            const char *policy, const char *trained, spa_error *err)
{
    decision d;
    double warm = 0, cold = 0;
    char text[96];
    spa_status status = decision_open(&d, w, policy, trained, err);
    if (!status) status = measure(&d, &warm, &cold, err);
    if (!status) {
        snprintf(text, sizeof text, "decision of %s at dispatch, resnet18", name);
        bench_peer(bench_add(report, text, warm / 1e3, "us"), "with cold caches", cold / 1e3);
    }
    decision_close(&d);
    return status;
}

spa_status bench_decision(bench_report *report, spa_error *err)
{
    char path[64], policy[128];
    spa_paths paths;
    bench_world w;
    snprintf(path, sizeof path, "/tmp/sparoa-bench-%ld.actor", (long)getpid());
    snprintf(policy, sizeof policy, "q-learning:model=%s", path);
    SPA_TRY(spa_paths_find(&paths, err));
    spa_status status = bench_world_open(&w, "agx-orin", 1, err);
    if (!status) status = train_table(&w, path, err);
    if (!status) status = report_on(report, &w, "q-learning", policy, NULL, err);
    if (!status) status = report_on(report, &w, "ppo", "ppo", paths.trained, err);
    if (!status) status = report_on(report, &w, "greedy", "greedy", NULL, err);
    if (!status) status = report_on(report, &w, "replan-greedy", "replan-greedy", NULL, err);
    unlink(path);
    bench_world_close(&w);
    return status;
}
