/* List scheduling on heterogeneous processors: HEFT and PEFT on a plain task graph.
 *
 * Kept apart from cost tables so that the published examples, which price every edge on its own,
 * can be checked to the digit. */
#ifndef SPA_POLICIES_LIST_SCHEDULE_H
#define SPA_POLICIES_LIST_SCHEDULE_H

#include "sim/policy.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_TASK_FREE UINT32_MAX
#define SPA_TASK_HOST (UINT32_MAX - 1)

/* Not owned by the functions below. Times in any one unit (ns here). */
typedef struct spa_task_graph {
    size_t n; /* tasks, in topological order */
    uint32_t n_processors, host;
    uint32_t lanes[SPA_MAX_PROCESSORS];
    const int64_t *work;     /* [n * n_processors]; < 0 = cannot run there */
    const uint32_t *first;   /* [n + 1] edges grouped by consumer: first[i] .. first[i+1]-1 */
    const uint32_t *from;    /* [edges] producer */
    const uint32_t *data;    /* [edges] row of `comm` */
    const int64_t *comm;     /* [rows * n_processors * n_processors], [from][to], 0 diagonal */
    const int64_t *head;     /* [n * n_processors] external inputs are there, or NULL = 0 */
    const int64_t *tail;     /* [n * n_processors] from its end until its result counts, or NULL */
    const uint32_t *follows; /* [n] or NULL: a task that takes no time and no lane and runs where
                                that one did (or SPA_TASK_HOST); SPA_TASK_FREE = an ordinary one */
} spa_task_graph;

typedef struct spa_task_slot {
    int64_t start, finish;
    uint8_t processor;
    int8_t lane; /* SPA_LANE_ANY for a task that follows another */
} spa_task_slot;

/* rank[n]: mean work + max over successors of (mean communication + rank); Topcuoglu et al. 2002,
 * equations 3 and 4. Means are over the processors that can run the task, and over ordered pairs of
 * different processors. O(edges * processors^2). */
void spa_upward_ranks(const spa_task_graph *g, double *rank);

/* oct[n * n_processors]: the optimistic cost table; Arabnejad and Barbosa 2014, equation 3.
 * Differs: communication is that of the pair of processors, not its mean (the same when all links
 * are alike). O(edges * processors^2). */
void spa_optimistic_costs(const spa_task_graph *g, double *oct);

/* slots[n]. O(edges + n * lanes * insertions). */
spa_status spa_heft(const spa_task_graph *g, spa_task_slot *slots, spa_error *err);
spa_status spa_peft(const spa_task_graph *g, spa_task_slot *slots, spa_error *err);

/* A cost table as a task graph: work = kernel + launch; tail = the return of outputs to the host;
 * views follow. The graph points into the tables (and into the cost table); fini also after a
 * failure. */
typedef struct spa_task_tables {
    int64_t *work, *head, *tail;
    uint32_t *first, *from, *data, *follows;
} spa_task_tables;
spa_status spa_task_tables_init(spa_task_tables *tables, const spa_costs *costs,
                                spa_task_graph *graph, spa_error *err);
void spa_task_tables_fini(spa_task_tables *tables);

/* Scheduled, as a schedule: lanes, and order by start time. */
typedef spa_status (*spa_list_scheduler)(const spa_task_graph *g, spa_task_slot *slots,
                                         spa_error *err);
spa_status spa_list_plan(const spa_costs *costs, spa_list_scheduler scheduler,
                         spa_schedule *schedule, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
