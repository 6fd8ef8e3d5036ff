#include "sim/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "sim/audit_state.h"

/* ---- life ------------------------------------------------------------------------------------ */

spa_status spa_audit_new(spa_audit **audit, const spa_graph *graph, const spa_costs *costs,
                         const spa_scenario *scenario, spa_error *err)
{
    spa_audit *a = NULL;
    spa_status status;
    *audit = NULL;
    SPA_TRY(spa_alloc(&a, 1, sizeof *a, err));
    a->graph = graph;
    a->costs = costs;
    a->serial_ops = scenario->serial_ops;
    a->conditions = scenario->conditions;
    a->has_conditions = spa_conditions_any(&scenario->conditions);
    a->n_slots = scenario->concurrency;
    if (scenario->requests < a->n_slots) a->n_slots = (uint32_t)scenario->requests;
    a->stride = AUDIT_OP_ARRAYS * graph->n_ops + costs->n_tensors;
    for (uint32_t op = 0; op < graph->n_ops; op++) {
        a->kernels += !audit_is_view(a, op);
        a->section_kernels += !audit_is_view(a, op) && op < a->serial_ops;
    }
    if ((status = spa_alloc(&a->requests, a->n_slots, sizeof *a->requests, err))) goto out;
    if ((status = spa_alloc(&a->bytes, a->n_slots, a->stride, err))) goto out;
    spa_audit_reset(a);
    *audit = a;
out:
    if (status) spa_audit_free(a);
    return status;
}

void spa_audit_free(spa_audit *a)
{
    if (!a) return;
    free(a->requests);
    free(a->bytes);
    free(a);
}

/* A request's arrays, one after the other. */
static void point(spa_audit *a, uint32_t i)
{
    audit_request *r = &a->requests[i];
    uint8_t **arrays[] = {&r->runs,  &r->done,  &r->placed,  &r->lane,   &r->second,
                          &r->lane2, &r->share, &r->part_at, &r->present};
    for (size_t k = 0; k <= AUDIT_OP_ARRAYS; k++)
        *arrays[k] = a->bytes + i * a->stride + k * a->graph->n_ops;
}

void spa_audit_reset(spa_audit *a)
{
    for (uint32_t i = 0; i < a->n_slots; i++) {
        memset(&a->requests[i], 0, sizeof a->requests[i]);
        a->requests[i].number = NO_REQUEST;
        point(a, i);
    }
    for (uint32_t p = 0; p < SPA_MAX_PROCESSORS; p++)
        for (uint32_t l = 0; l < SPA_MAX_LANES; l++) a->lanes[p][l].request = NO_REQUEST;
    for (uint32_t k = 0; k < SPA_MAX_LINKS; k++) a->links[k].request = NO_REQUEST;
    for (uint32_t p = 0; p < SPA_MAX_PROCESSORS; p++) a->copies[p].request = NO_REQUEST;
    a->now = 0;
    a->sequence = a->arrived = a->finished = 0;
    a->section_last = NO_REQUEST;
    a->kernels_running = a->transfers_running = 0;
    a->power_w = a->energy_j = 0;
    audit_conditions_reset(a);
    memset(&a->sum, 0, sizeof a->sum);
    a->suspended = false;
    a->failed = SPA_OK;
}

void spa_audit_programs(spa_audit *a, const spa_programs *programs)
{
    a->programs = programs;
}

void spa_audit_chunks(spa_audit *a, const uint16_t *chunks)
{
    a->chunks = chunks;
}

void spa_audit_no_noise(spa_audit *a)
{
    a->no_noise = true;
}

void spa_audit_no_contention(spa_audit *a)
{
    a->no_contention = true;
}

void spa_audit_suspend(spa_audit *a)
{
    a->suspended = true;
}

void spa_audit_copy(spa_audit *to, const spa_audit *from)
{
    audit_request *requests = to->requests;
    unsigned char *bytes = to->bytes;
    const uint16_t *chunks = to->chunks; /* its own engine's */
    *to = *from;
    to->requests = requests;
    to->bytes = bytes;
    to->chunks = chunks;
    memcpy(bytes, from->bytes, from->n_slots * from->stride);
    for (uint32_t i = 0; i < from->n_slots; i++) {
        to->requests[i] = from->requests[i];
        point(to, i);
    }
}

/* ---- totals ---------------------------------------------------------------------------------- */

static void check_totals(spa_audit *a, const spa_run_result *result)
{
    const spa_run_result *sum = &a->sum;
    double tolerance = 1e-6 * fabs(result->energy_dynamic_j) + 1e-9;
    double idle_j = a->has_conditions ? a->base_j : a->costs->base_w * (double)a->now * 1e-9;
    bool batches = a->programs && a->programs->items[0].samples;
    if (a->finished != result->runs ||
        (batches ? result->requests < result->runs : result->requests != result->runs))
        audit_violation(a, NULL, "the number of finished requests differs from the result's");
    if (a->sequence != result->events)
        audit_violation(a, NULL, "the number of events differs from the result's");
    if (a->now != result->span_ns) audit_violation(a, NULL, "the span differs from the result's");
    if (!(fabs(a->energy_j - result->energy_dynamic_j) <= tolerance))
        audit_violation(a, NULL, "dynamic energy is not the integral of power");
    if (!(fabs(result->energy_j - result->energy_dynamic_j - idle_j) <= 1e-6 * idle_j + 1e-9))
        audit_violation(a, NULL, "energy is not dynamic plus idle energy");
    for (uint32_t p = 0; p < a->costs->n_processors; p++)
        if (sum->busy_ns[p] != result->busy_ns[p] || sum->ops[p] != result->ops[p])
            audit_violation(a, NULL, "kernels do not add up to the result's busy time");
    if (sum->transfers != result->transfers || sum->transfer_ns != result->transfer_ns ||
        sum->overlap_ns != result->overlap_ns)
        audit_violation(a, NULL, "transfers do not add up to the result's");
    if (sum->dispatch_ns != result->dispatch_ns)
        audit_violation(a, NULL, "dispatches do not add up to the result's");
}

spa_status spa_audit_finish(spa_audit *a, const spa_run_result *result, spa_error *err)
{
    if (a->suspended) return SPA_OK;
    if (!a->failed) check_totals(a, result);
    if (a->failed && err) *err = a->error;
    return a->failed;
}
