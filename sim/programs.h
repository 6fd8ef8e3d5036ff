/* Several programs in one run: models that share a machine, or a model at several batch sizes.
 *
 * A program is a graph with its costs and what decides about it. All programs of a run are laid
 * end to end into one graph and one cost table, program by program: a program's operators, then its
 * graph inputs as views of nothing. The engine walks that table as it walks a single graph; a
 * request uses the stretch of its program and nothing else, so a run of one program is, event by
 * event, the run of its graph. */
#ifndef SPA_SIM_PROGRAMS_H
#define SPA_SIM_PROGRAMS_H

#include "sim/schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_MAX_PROGRAMS 64

typedef struct spa_program {
    const char *label;            /* in front of its operators' names: "resnet18/conv1" */
    const spa_graph *graph;       /* not owned, like all below */
    const spa_costs *costs;       /* of this graph; all of one device, stack and set of lanes */
    const spa_schedule *schedule; /* its plan; NULL = the policy decides as it goes */
    const void *self;             /* the policy's, for this program */
    uint32_t samples;             /* with a batcher: of one run, ascending; else 0 */
    uint32_t queue;               /* with a batcher: the model, 0, 1, ...; its programs together */
    double weight;                /* its share of the requests is weight / sum of weights; > 0 */
} spa_program;

/* Where a program lies in the joint table, by tensor. */
typedef struct spa_program_span {
    uint32_t first, n_ops, end; /* operators: first .. first + n_ops - 1; inputs up to end - 1 */
} spa_program_span;

typedef struct spa_programs {
    uint32_t count;
    spa_program *items;      /* [count]; labels are copies */
    spa_program_span *spans; /* [count] */
    spa_graph graph;         /* of all */
    spa_costs costs;         /* of `graph` */
    spa_schedule schedule;   /* of `graph`, program by program; n_ops = 0: there is none */
    spa_arena arena;
} spa_programs;

/* Joins programs. Either all of them have a schedule or none. SPA_E_INVALID names the program that
 * does not fit the first one (processors, lanes, links, dispatch). O(all operators and edges). The
 * graphs, tables and selves must outlive it; schedules are copied. */
SPA_API spa_status spa_programs_new(spa_programs **programs, const spa_program *list, size_t count,
                                    spa_error *err);
SPA_API void spa_programs_free(spa_programs *programs); /* accepts NULL */
/* The program to which an operator or tensor of the joint graph belongs. O(log programs). */
SPA_API uint32_t spa_programs_of(const spa_programs *programs, uint32_t tensor);

#ifdef __cplusplus
}
#endif
#endif
