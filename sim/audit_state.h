/* Inside the audit: what it remembers of a run. Its life is in audit.c, its rules in
 * audit_events.c. */
#ifndef SPA_SIM_AUDIT_STATE_H
#define SPA_SIM_AUDIT_STATE_H

#include "sim/audit.h"

#define NO_REQUEST UINT64_MAX
#define NO_OP      UINT32_MAX

/* One request in flight. */
typedef struct audit_request {
    uint64_t number;
    uint32_t program;
    uint32_t ended;         /* kernels */
    uint32_t section_ended; /* kernels of the critical section */
    bool in_section;
    uint8_t *runs;    /* [n_ops] tenths started */
    uint8_t *done;    /* [n_ops] tenths ended */
    uint8_t *placed;  /* [n_ops] processor + 1 */
    uint8_t *lane;    /* [n_ops] */
    uint8_t *second;  /* [n_ops] of the part that is split off: processor + 1, 0 = none */
    uint8_t *lane2;   /* [n_ops] */
    uint8_t *share;   /* [n_ops] tenths of it */
    uint8_t *part_at; /* [n_ops] bit per processor: where it is */
    uint8_t *present; /* [n_tensors] bit per processor */
} audit_request;
#define AUDIT_OP_ARRAYS 8 /* all but `present` */

/* What a lane or a link does. */
typedef struct audit_activity {
    uint64_t request; /* NO_REQUEST = nothing */
    uint32_t op;
    uint8_t kind, tenths; /* of the event that began it */
    uint8_t to;           /* transfers: destination */
    float power_w;
    int64_t since;
    double possible_ns; /* under conditions: isolated ns that it can have done so far */
} audit_activity;

struct spa_audit {
    const spa_graph *graph;
    const spa_costs *costs;
    const spa_programs *programs; /* NULL = one */
    const uint16_t *chunks;       /* NULL = none */
    uint32_t n_slots, serial_ops, kernels, section_kernels;
    bool no_noise, no_contention, suspended;
    audit_request *requests;
    unsigned char *bytes;
    size_t stride;
    int64_t now;
    uint64_t sequence, arrived, finished;
    uint64_t section_last; /* request that entered the critical section last */
    audit_activity lanes[SPA_MAX_PROCESSORS][SPA_MAX_LANES];
    audit_activity links[SPA_MAX_LINKS];
    audit_activity copies[SPA_MAX_PROCESSORS]; /* made by the lane of a processor */
    uint32_t kernels_running, transfers_running;
    double power_w, energy_j;
    bool has_conditions;
    spa_conditions conditions;
    uint32_t mode, clock_ppm[SPA_MAX_PROCESSORS];
    double base_w, base_j;
    spa_run_result sum; /* what the events add up to */
    spa_status failed;
    spa_error error;
};

/* Where a request's operators and graph inputs lie among all tensors. */
typedef struct audit_span {
    size_t first, n_ops, end;
} audit_span;

/* Is it a reshape? Those have no kernel. */
static inline bool audit_is_view(const spa_audit *a, size_t op)
{
    return op < a->graph->n_ops && a->graph->ops[op].kind == SPA_OP_RESHAPE;
}
/* audit_conditions.c */
bool audit_condition_is_sound(const spa_audit *a, const spa_event *ev);
void audit_condition(spa_audit *a, const spa_event *ev);
void audit_conditions_pass(spa_audit *a, int64_t step_ns);
void audit_conditions_reset(spa_audit *a);
float audit_capacity(const spa_audit *a, uint32_t op, uint32_t p, uint32_t tenths);
float audit_kernel_power(const spa_audit *a, uint32_t op, uint32_t p, uint32_t tenths);
float audit_dispatch_power(const spa_audit *a, uint32_t p);
/* What an operator costs, in chunks if it runs in some. */
static inline const spa_op_cost *audit_cost(const spa_audit *a, uint32_t op, uint32_t p,
                                            uint32_t tenths)
{
    uint32_t chunk = a->chunks && !tenths ? a->chunks[op] : 0; /* parts run in none */
    const spa_op_cost *cost = spa_chunk_cost(a->costs, op, p, chunk);
    return cost ? cost : spa_cost(a->costs, op, p);
}
/* Notes the first violation; the event may be NULL. */
void audit_violation(spa_audit *a, const spa_event *ev, const char *what);

#endif
