/* The audit: an independent check of a run's event stream. On in every debug run.
 *
 * It knows the rules, not the engine: events are numbered and the clock never goes back; requests
 * arrive in order and no more of them are in flight than the scenario says; each operator is placed
 * once and runs once, where it was placed, not before its inputs are there; no lane or link does
 * two things at once; requests pass the critical section one after another; a request ends when all
 * its operators have run and its outputs are on the host; power is what the table says, and the
 * result's totals (times, counts, energy as the integral of power) are those of the events. With
 * spa_audit_no_noise nothing is faster than its isolated time either, so that with all the rest no
 * request is faster than its critical path. */
#ifndef SPA_SIM_AUDIT_H
#define SPA_SIM_AUDIT_H

#include "sim/engine.h"

typedef struct spa_audit spa_audit;

SPA_API spa_status spa_audit_new(spa_audit **audit, const spa_graph *graph, const spa_costs *costs,
                                 const spa_scenario *scenario, spa_error *err);
/* The graph and costs are the joint ones of several programs: each request has to do its own
 * program's part. NULL = one program. */
SPA_API void spa_audit_programs(spa_audit *audit, const spa_programs *programs);
/* Operators that run in chunks: [n_ops] of the schedule, which must outlive the audit and may
 * change between runs. NULL = none. */
SPA_API void spa_audit_chunks(spa_audit *audit, const uint16_t *chunks);
SPA_API void spa_audit_free(spa_audit *audit);
/* Ready for another run; the checks that were asked for stay. */
SPA_API void spa_audit_reset(spa_audit *audit);
/* The run's noise is off: no kernel and no transfer may be shorter than in the cost table. */
SPA_API void spa_audit_no_noise(spa_audit *audit);
/* Contention is off: kernels on lanes of one processor do not share it, nor its power. */
SPA_API void spa_audit_no_contention(spa_audit *audit);
/* Becomes what `from` is (both made for the same configuration): for a copy of an engine. */
SPA_API void spa_audit_copy(spa_audit *to, const spa_audit *from);
/* Checks nothing until the next reset: for a run whose beginning it has not seen. */
SPA_API void spa_audit_suspend(spa_audit *audit);
/* Usable as spa_run_config.record (user = the audit). The first violation is kept. Events may hold
 * anything. O(inputs + lanes in flight) per event, O(operators) at a request's end. */
SPA_API void spa_audit_event(void *audit, const spa_event *event);
/* SPA_E_ILLEGAL with the first violation, if any; also checks the totals of the result. */
SPA_API spa_status spa_audit_finish(spa_audit *audit, const spa_run_result *result, spa_error *err);

#endif
