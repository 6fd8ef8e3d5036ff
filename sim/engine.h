/* The discrete-event engine: one decision path, whatever makes time pass.
 *
 * Order of events: (time, slot rank, sequence). Simulated time is int64 ns. The state is one block
 * of plain memory: it copies with memcpy, is saved and resumed bit for bit, and the event loop
 * allocates nothing. See docs/model.md for the semantics (dispatch, transfers, contention). */
#ifndef SPA_SIM_ENGINE_H
#define SPA_SIM_ENGINE_H

#include "base/stats.h"
#include "sim/batcher.h"
#include "sim/event.h"
#include "sim/executor.h"
#include "sim/policy.h"
#include "sim/programs.h"
#include "sim/scenario.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_run_config {
    const spa_graph *graph;
    const spa_costs *costs;
    const spa_policy *policy;     /* may be NULL if there is a schedule */
    const void *self;             /* the policy's */
    const spa_schedule *schedule; /* the plan, or NULL */
    /* Several programs: graph, costs, schedule and self are theirs (leave them NULL here), and each
     * request draws its program by their weights, from a random stream of its own. Not with a
     * critical section, an executor or a stepped run. NULL = one. */
    const spa_programs *programs;
    spa_scenario scenario;
    spa_objective objective;
    bool noise, policy_cost, contention;
    /* Room for operators that are split: implied by a schedule that splits some and by a policy
     * that places and may split; to be set where such a schedule can come by a restart. */
    bool splits;
    uint64_t seed, replication;
    /* Puts waiting samples together: then `programs` are one model or several, each at several
     * batch sizes (ascending), with a queue each; a sample draws its model by the weights of the
     * models' first programs. Arrivals are an open loop's; requests, warm-up and latencies are of
     * samples. NULL = none. */
    const spa_batcher *batcher;
    const void *const *batcher_selves; /* of each queue; prepared by the caller */
    /* Called for every event, in order; NULL = none. Must not touch the engine. */
    void (*record)(void *user, const spa_event *event);
    void *record_user;
    /* [programs->count] latencies of each program's requests (with a batcher: of each queue's,
     * where there are several), as they occur; NULL = not wanted. */
    spa_histogram *by_program;
    const spa_executor *executor; /* makes time pass; NULL = the cost model (see executor.h) */
    void *executor_self;
    /* The caller decides: see spa_engine_start. Without a policy that places; a schedule, if there
     * is one, gives the dispatch order alone. */
    bool stepped;
    double stepped_cycles; /* host cycles charged per decision of a stepped run */
} spa_run_config;
SPA_API spa_run_config spa_run_config_default(void);

/* What one run (replication) gave. */
typedef struct spa_run_result {
    uint64_t requests;
    int64_t span_ns;                               /* from time 0 to the last finish */
    spa_moments latency_ns;                        /* per request */
    double energy_j;                               /* whole board over span, idle included */
    double energy_dynamic_j;                       /* above idle */
    double energy_processor_j[SPA_MAX_PROCESSORS]; /* dynamic, per processor */
    int64_t busy_ns[SPA_MAX_PROCESSORS];           /* kernel time summed over lanes */
    int64_t dispatch_ns;                           /* host time spent issuing and deciding */
    uint64_t ops[SPA_MAX_PROCESSORS];              /* operators executed per processor */
    double macs[SPA_MAX_PROCESSORS];
    uint64_t transfers;
    int64_t transfer_ns;     /* summed durations */
    int64_t overlap_ns;      /* part of the transfer time during which a kernel ran */
    uint64_t events, digest; /* digest of the (time, sequence, event) stream */
    uint64_t runs;           /* of programs: the requests, unless a batcher puts them together */
    /* Of the requests that latency_ns counts: those later than the scenario's deadline, and by how
     * much in all. */
    uint64_t missed;
    double tardiness_ns;
} spa_run_result;

typedef struct spa_engine spa_engine;

/* Checks the configuration (schedule legal, objective honoured, scenario supported). O(state). */
SPA_API spa_status spa_engine_new(spa_engine **engine, const spa_run_config *config,
                                  spa_error *err);
SPA_API void spa_engine_free(spa_engine *engine);
/* Another engine of the same configuration, at time 0, that shares the tables of `like` (which must
 * outlive it): many of them fit a cache. From then on neither changes its dispatch order. */
SPA_API spa_status spa_engine_clone(spa_engine **engine, spa_engine *like, spa_error *err);
/* Back to time 0 for another replication, schedule and seed of the same table; no allocation.
 * NULL schedule keeps the present one. */
SPA_API spa_status spa_engine_restart(spa_engine *engine, uint64_t seed, uint64_t replication,
                                      const spa_schedule *schedule, spa_error *err);
/* Runs to the end. SPA_E_ILLEGAL when the policy asks for the impossible. Latencies go to
 * *latencies (may be NULL) as they occur. */
SPA_API spa_status spa_engine_run(spa_engine *engine, spa_histogram *latencies,
                                  spa_run_result *result, spa_error *err);
/* Runs until simulated time >= until_ns or the end (*done). */
SPA_API spa_status spa_engine_run_until(spa_engine *engine, int64_t until_ns, bool *done,
                                        spa_error *err);
/* What a batcher came to in the present run; zero without one. */
SPA_API spa_batch_result spa_engine_batch_result(const spa_engine *engine);
/* Latencies of a program's requests in the present run, ns (warm-up not counted). With a batcher:
 * of the samples of queue number `program`, where there are several. */
SPA_API spa_moments spa_engine_program_latency(const spa_engine *engine, uint32_t program);
/* The plan that decides every placement; NULL = a policy decides as it goes. */
SPA_API const spa_schedule *spa_engine_schedule(const spa_engine *engine);
SPA_API int64_t spa_engine_now(const spa_engine *engine);
/* What a run gave that was stepped through spa_engine_begin and spa_engine_complete. In debug
 * builds also what the audit says. */
SPA_API spa_status spa_engine_result(spa_engine *engine, spa_run_result *result, spa_error *err);

/* Runs that the caller decides (config.stepped): the engine pauses whenever an operator can be
 * dispatched and is not a view, and goes on with what it is told. A paused state copies like any
 * other: that is how a search looks ahead.
 *
 *   spa_engine_start(engine, &done)            after making it, and after every restart
 *   while (!done) {
 *       op = spa_engine_asked(engine), view = spa_engine_view(engine)
 *       spa_engine_decide(engine, action, &done)
 *   }
 *   spa_engine_result(engine)
 *
 * Runs to the first decision; SPA_E_INVALID if the run is not stepped or has begun. */
SPA_API spa_status spa_engine_start(spa_engine *engine, bool *done, spa_error *err);
/* The operator that waits for a decision; UINT32_MAX if none does. O(1). */
SPA_API uint32_t spa_engine_asked(const spa_engine *engine);
/* What a dispatcher knows at this decision, valid until the next call with this engine. */
SPA_API const spa_view *spa_engine_view(spa_engine *engine);
/* Brings what the next decision reads into the cache, while another engine is busy. */
SPA_API void spa_engine_prefetch(const spa_engine *engine);
/* Places the operator and runs to the next decision or to the end. SPA_E_ILLEGAL when it cannot run
 * there, and when nothing can happen any more. No allocation. */
SPA_API spa_status spa_engine_decide(spa_engine *engine, spa_action action, bool *done,
                                     spa_error *err);
/* Copies the whole state of `from` into `to` (both made for the same configuration). */
SPA_API void spa_engine_copy(spa_engine *to, const spa_engine *from);
SPA_API size_t spa_engine_state_bytes(const spa_engine *engine);
/* The state as bytes, for saving; restoring checks size, version and configuration hash. */
SPA_API spa_status spa_engine_save(const spa_engine *engine, void **bytes, size_t *size,
                                   spa_error *err);
SPA_API spa_status spa_engine_resume(spa_engine *engine, const void *bytes, size_t size,
                                     spa_error *err);

/* Evaluator for searching policies: one engine, noise off, one request. Not thread-safe. */
SPA_API spa_status spa_evaluator_new(spa_evaluator **evaluator, const spa_graph *graph,
                                     const spa_costs *costs, bool contention, spa_error *err);
SPA_API void spa_evaluator_free(spa_evaluator *evaluator);
SPA_API uint64_t spa_evaluator_count(const spa_evaluator *evaluator); /* evaluations so far */
/* From now on runs and steppers have room for operators that are split. */
SPA_API void spa_evaluator_splits(spa_evaluator *evaluator);
/* Counts a run that was completed on a stepper as an evaluation. */
SPA_API void spa_evaluator_note(spa_evaluator *evaluator);

/* A stepped engine whose runs are those of spa_evaluate, decided operator by operator; `order`
 * gives the dispatch order (and may be changed by spa_engine_restart). The caller frees it. */
SPA_API spa_status spa_evaluator_stepper(const spa_evaluator *evaluator, const spa_schedule *order,
                                         spa_engine **engine, spa_error *err);

/* Into *bound_ns: a lower bound of the makespan of one request on this graph and table, noise and
 * contention off:
 * max(critical path of each operator's cheapest time, total cheapest work over all lanes)
 * (Graham 1969's two bounds). Transfers that no placement can avoid are not counted. `splits`:
 * operators may be split. */
SPA_API spa_status spa_lower_bound_ns(int64_t *bound_ns, const spa_graph *graph,
                                      const spa_costs *costs, bool splits, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
