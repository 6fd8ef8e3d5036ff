#include "sim/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NO_REQUEST UINT64_MAX
#define NO_OP      UINT32_MAX

/* One request in flight. */
typedef struct audit_request {
    uint64_t number;
    uint32_t ended;         /* kernels */
    uint32_t section_ended; /* kernels of the critical section */
    bool in_section;
    uint8_t *runs;    /* [n_ops] times started */
    uint8_t *placed;  /* [n_ops] processor + 1 */
    uint8_t *lane;    /* [n_ops] */
    uint8_t *present; /* [n_tensors] bit per processor */
} audit_request;

/* What a lane or a link does. */
typedef struct audit_activity {
    uint64_t request; /* NO_REQUEST = nothing */
    uint32_t op;
    uint8_t kind; /* of the event that began it */
    uint8_t to;   /* transfers: destination */
    int64_t since;
} audit_activity;

struct spa_audit {
    const spa_graph *graph;
    const spa_costs *costs;
    uint32_t n_slots, serial_ops, kernels, section_kernels;
    bool no_noise, suspended;
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
    spa_run_result sum; /* what the events add up to */
    spa_status failed;
    spa_error error;
};

static void violation(spa_audit *a, const spa_event *ev, const char *what)
{
    const char *name = "-";
    if (a->failed) return;
    if (ev && ev->op < a->graph->n_ops) name = a->graph->ops[ev->op].name;
    a->failed = spa_fail(&a->error, SPA_E_ILLEGAL,
                         "audit: event %llu at %lld ns, request %llu, operator '%s': %s",
                         (unsigned long long)(ev ? ev->sequence : a->sequence),
                         (long long)(ev ? ev->time_ns : a->now),
                         (unsigned long long)(ev ? ev->request : 0), name, what);
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool is_view(const spa_audit *a, size_t op)
{
    return op < a->graph->n_ops && a->graph->ops[op].kind == SPA_OP_RESHAPE;
}

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
    a->n_slots = scenario->concurrency;
    if (scenario->requests < a->n_slots) a->n_slots = (uint32_t)scenario->requests;
    a->stride = 3 * graph->n_ops + costs->n_tensors;
    for (uint32_t op = 0; op < graph->n_ops; op++) {
        a->kernels += !is_view(a, op);
        a->section_kernels += !is_view(a, op) && op < a->serial_ops;
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

void spa_audit_reset(spa_audit *a)
{
    for (uint32_t i = 0; i < a->n_slots; i++) {
        audit_request *r = &a->requests[i];
        memset(r, 0, sizeof *r);
        r->number = NO_REQUEST;
        r->runs = a->bytes + i * a->stride;
        r->placed = r->runs + a->graph->n_ops;
        r->lane = r->placed + a->graph->n_ops;
        r->present = r->lane + a->graph->n_ops;
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
    memset(&a->sum, 0, sizeof a->sum);
    a->suspended = false;
    a->failed = SPA_OK;
}

void spa_audit_no_noise(spa_audit *a)
{
    a->no_noise = true;
}

void spa_audit_suspend(spa_audit *a)
{
    a->suspended = true;
}

void spa_audit_copy(spa_audit *to, const spa_audit *from)
{
    audit_request *requests = to->requests;
    unsigned char *bytes = to->bytes;
    *to = *from;
    to->requests = requests;
    to->bytes = bytes;
    memcpy(bytes, from->bytes, from->n_slots * from->stride);
    for (uint32_t i = 0; i < from->n_slots; i++) {
        audit_request *r = &to->requests[i], own = *r;
        *r = from->requests[i];
        r->runs = own.runs;
        r->placed = own.placed;
        r->lane = own.lane;
        r->present = own.present;
    }
}

/* ---- where things are ------------------------------------------------------------------------ */

/* What is free to move has no event: it is wherever it can be for nothing. */
static uint8_t spread(const spa_audit *a, size_t tensor, uint8_t at)
{
    for (uint32_t p = 0; p < a->costs->n_processors; p++)
        for (uint32_t q = 0; q < a->costs->n_processors; q++)
            if ((at >> p & 1u) && spa_transfer_ns(a->costs, tensor, p, q) == 0)
                at |= (uint8_t)(1u << q);
    return at;
}

/* Processors where a tensor is. A view has no kernel: it is wherever what it shows is, or where it
 * was copied to itself. */
static uint8_t present_at(const spa_audit *a, const audit_request *r, size_t tensor)
{
    size_t at = tensor;
    uint8_t bits = spread(a, at, r->present[at]);
    while (is_view(a, at)) {
        at = spa_tensor_of(a->costs, a->graph->inputs[a->graph->ops[at].first_input]);
        bits |= spread(a, at, r->present[at]);
    }
    return spread(a, tensor, bits);
}

static audit_request *find(spa_audit *a, const spa_event *ev)
{
    for (uint32_t i = 0; i < a->n_slots && ev->request != NO_REQUEST; i++)
        if (a->requests[i].number == ev->request) return &a->requests[i];
    violation(a, ev, "the request is not in flight");
    return NULL;
}

/* ---- lanes and links ------------------------------------------------------------------------- */

static void begin(spa_audit *a, const spa_event *ev, audit_activity *what, const char *busy)
{
    if (what->request != NO_REQUEST) violation(a, ev, busy);
    *what = (audit_activity){.request = ev->request,
                             .op = ev->op,
                             .kind = ev->kind,
                             .to = ev->processor,
                             .since = ev->time_ns};
    a->power_w += (double)ev->power_w;
}

/* Ends what a lane or link does; returns its duration, -1 = it does something else. */
static int64_t end(spa_audit *a, const spa_event *ev, audit_activity *what, spa_event_kind begun_by,
                   const char *idle)
{
    bool same = what->request == ev->request && what->op == ev->op && what->kind == begun_by;
    if (!same || (begun_by == SPA_EV_TRANSFER_BEGIN && what->to != ev->processor)) {
        violation(a, ev, idle);
        return -1;
    }
    what->request = NO_REQUEST;
    a->power_w -= (double)ev->power_w;
    return ev->time_ns - what->since;
}

static audit_activity *lane_of(spa_audit *a, const spa_event *ev)
{
    return &a->lanes[ev->processor][ev->lane];
}

static audit_activity *link_of(spa_audit *a, const spa_event *ev)
{
    const spa_cost_link *link = &a->costs->links[ev->lane][ev->processor];
    return link->on_lane ? &a->copies[ev->processor] : &a->links[link->id];
}

/* ---- events ---------------------------------------------------------------------------------- */

static void on_arrive(spa_audit *a, const spa_event *ev)
{
    audit_request *r = NULL;
    for (uint32_t i = 0; i < a->n_slots && !r; i++)
        if (a->requests[i].number == NO_REQUEST) r = &a->requests[i];
    if (!r) {
        violation(a, ev, "more requests are in flight than the scenario allows");
        return;
    }
    if (ev->request != a->arrived++) violation(a, ev, "requests do not arrive in order");
    r->number = ev->request;
    r->ended = r->section_ended = 0;
    r->in_section = false;
    memset(r->runs, 0, a->stride);
    for (size_t t = a->graph->n_ops; t < a->costs->n_tensors; t++)
        r->present[t] = (uint8_t)(1u << a->costs->host);
}

/* Enters the critical section with the first operator that is placed in it. */
static void enter_section(spa_audit *a, audit_request *r, const spa_event *ev)
{
    if (r->in_section || ev->op >= a->serial_ops || a->section_kernels == 0) return;
    for (uint32_t i = 0; i < a->n_slots; i++) {
        const audit_request *other = &a->requests[i];
        if (other->number != NO_REQUEST && other->in_section &&
            other->section_ended < a->section_kernels)
            violation(a, ev, "enters the critical section while another request is in it");
    }
    if (ev->request != a->section_last + 1)
        violation(a, ev, "enters the critical section out of the order of arrival");
    a->section_last = ev->request;
    r->in_section = true;
}

static void on_place(spa_audit *a, audit_request *r, const spa_event *ev)
{
    enter_section(a, r, ev);
    if (r->placed[ev->op]) violation(a, ev, "is placed twice");
    r->placed[ev->op] = (uint8_t)(ev->processor + 1);
    r->lane[ev->op] = ev->lane;
}

static void on_kernel_begin(spa_audit *a, audit_request *r, const spa_event *ev)
{
    const spa_op *op = &a->graph->ops[ev->op];
    if (is_view(a, ev->op)) violation(a, ev, "is a view, but runs");
    if (r->runs[ev->op]++) violation(a, ev, "runs twice");
    if (r->placed[ev->op] != ev->processor + 1 || r->lane[ev->op] != ev->lane)
        violation(a, ev, "runs where it was not placed");
    if (!spa_cost_can_run(a->costs, ev->op, ev->processor))
        violation(a, ev, "runs on a processor that cannot run it");
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        size_t t = spa_tensor_of(a->costs, a->graph->inputs[op->first_input + i]);
        if (!(present_at(a, r, t) >> ev->processor & 1u))
            violation(a, ev, "starts before its input is there");
    }
    if (a->copies[ev->processor].request != NO_REQUEST) violation(a, ev, "its lane is copying");
    begin(a, ev, lane_of(a, ev), "its lane is busy already");
    a->kernels_running++;
}

static void on_kernel_end(spa_audit *a, audit_request *r, const spa_event *ev)
{
    const spa_op_cost *cost = spa_cost(a->costs, ev->op, ev->processor);
    int64_t duration =
        end(a, ev, lane_of(a, ev), SPA_EV_KERNEL_BEGIN, "ends, but its lane does something else");
    int64_t least = cost->kernel_ns;
    if (duration < 0) return;
    if (!a->costs->dispatch_occupies_host) least += cost->launch_ns;
    if (a->no_noise && duration < least) violation(a, ev, "is faster than when it runs alone");
    r->present[ev->op] |= (uint8_t)(1u << ev->processor);
    r->ended++;
    r->section_ended += ev->op < a->serial_ops;
    a->kernels_running--;
    a->sum.busy_ns[ev->processor] += duration;
    a->sum.ops[ev->processor]++;
}

static void on_dispatch_end(spa_audit *a, const spa_event *ev)
{
    int64_t duration = end(a, ev, lane_of(a, ev), SPA_EV_DISPATCH_BEGIN,
                           "is issued, but its lane does something else");
    if (duration >= 0) a->sum.dispatch_ns += duration;
}

static void on_transfer_begin(spa_audit *a, audit_request *r, const spa_event *ev)
{
    if (!(present_at(a, r, ev->op) >> ev->lane & 1u))
        violation(a, ev, "is moved from where it is not");
    if (a->costs->links[ev->lane][ev->processor].on_lane &&
        a->lanes[ev->processor][0].request != NO_REQUEST)
        violation(a, ev, "is copied by a lane that is busy");
    begin(a, ev, link_of(a, ev), "its link is busy already");
    a->transfers_running++;
}

static void on_transfer_end(spa_audit *a, audit_request *r, const spa_event *ev)
{
    int64_t duration = end(a, ev, link_of(a, ev), SPA_EV_TRANSFER_BEGIN,
                           "arrives, but its link does something else");
    if (duration < 0) return;
    if (a->no_noise && duration < spa_transfer_ns(a->costs, ev->op, ev->lane, ev->processor))
        violation(a, ev, "moves faster than alone");
    r->present[ev->op] |= (uint8_t)(1u << ev->processor);
    a->transfers_running--;
    a->sum.transfers++;
    a->sum.transfer_ns += duration;
}

static bool is_active(const spa_audit *a, uint64_t request)
{
    bool active = false;
    for (uint32_t p = 0; p < a->costs->n_processors; p++)
        for (uint32_t l = 0; l < a->costs->processors[p].n_lanes; l++)
            active = active || a->lanes[p][l].request == request;
    for (uint32_t k = 0; k < a->costs->n_links; k++)
        active = active || a->links[k].request == request;
    for (uint32_t p = 0; p < a->costs->n_processors; p++)
        active = active || a->copies[p].request == request;
    return active;
}

/* Outputs behind a link without copying unit are read where they are. */
static bool read_in_place(const spa_audit *a, const audit_request *r, size_t op)
{
    uint8_t at = present_at(a, r, op);
    for (uint32_t p = 0; p < a->costs->n_processors; p++)
        if (at >> p & 1u && a->costs->links[p][a->costs->host].on_lane) return true;
    return false;
}

static void on_finish(spa_audit *a, audit_request *r, const spa_event *ev)
{
    const spa_graph *g = a->graph;
    if (r->ended != a->kernels) violation(a, ev, "the request ends before all its operators");
    for (size_t op = 0; op < g->n_ops && !a->failed; op++) {
        if (g->first_consumer[op] != g->first_consumer[op + 1]) continue;
        if (!(present_at(a, r, op) >> a->costs->host & 1u) && !read_in_place(a, r, op))
            violation(a, ev, "the request ends before its outputs are on the host");
    }
    if (is_active(a, ev->request)) violation(a, ev, "the request ends while a part of it runs");
    r->number = NO_REQUEST;
    a->finished++;
}

/* Power that begins or ends with an event. */
static float power_of(const spa_audit *a, const spa_event *ev)
{
    switch ((spa_event_kind)ev->kind) {
    case SPA_EV_KERNEL_BEGIN:
    case SPA_EV_KERNEL_END:
        return spa_cost(a->costs, ev->op, ev->processor)->dynamic_w;
    case SPA_EV_TRANSFER_BEGIN:
    case SPA_EV_TRANSFER_END:
        return a->costs->links[ev->lane][ev->processor].dynamic_w;
    case SPA_EV_DISPATCH_BEGIN:
    case SPA_EV_DISPATCH_END:
        return a->costs->processors[ev->processor].dispatch_w;
    default:
        return 0;
    }
}

/* Does the event name things that exist? */
static bool is_sound(const spa_audit *a, const spa_event *ev)
{
    const spa_costs *c = a->costs;
    switch ((spa_event_kind)ev->kind) {
    case SPA_EV_ARRIVE:
    case SPA_EV_FINISH:
        return ev->op == NO_OP;
    case SPA_EV_PLACE:
    case SPA_EV_DISPATCH_BEGIN:
    case SPA_EV_DISPATCH_END:
    case SPA_EV_KERNEL_BEGIN:
    case SPA_EV_KERNEL_END:
        return ev->op < c->n_ops && ev->processor < c->n_processors &&
               ev->lane < c->processors[ev->processor].n_lanes;
    case SPA_EV_TRANSFER_BEGIN:
    case SPA_EV_TRANSFER_END:
        return ev->op < c->n_tensors && ev->processor < c->n_processors &&
               ev->lane < c->n_processors && ev->lane != ev->processor;
    case SPA_EV_KIND_COUNT:
        break;
    }
    return false;
}

static void advance(spa_audit *a, const spa_event *ev)
{
    int64_t step = ev->time_ns - a->now;
    if (step < 0) violation(a, ev, "the clock goes back");
    if (ev->sequence != a->sequence++) violation(a, ev, "an event is missing from the sequence");
    a->energy_j += a->power_w * (double)step * 1e-9;
    if (a->kernels_running) a->sum.overlap_ns += step * a->transfers_running;
    a->now = ev->time_ns;
}

void spa_audit_event(void *user, const spa_event *ev)
{
    spa_audit *a = user;
    audit_request *r;
    if (a->failed || a->suspended) return;
    advance(a, ev);
    if (!is_sound(a, ev)) violation(a, ev, "names what is not there");
    if (!a->failed && ev->power_w != power_of(a, ev))
        violation(a, ev, "its power is not the cost table's");
    if (a->failed) return;
    if (ev->kind == SPA_EV_ARRIVE) {
        on_arrive(a, ev);
        return;
    }
    if (!(r = find(a, ev))) return;
    switch ((spa_event_kind)ev->kind) {
    case SPA_EV_PLACE:
        on_place(a, r, ev);
        break;
    case SPA_EV_DISPATCH_BEGIN:
        begin(a, ev, lane_of(a, ev), "its lane is busy already");
        break;
    case SPA_EV_DISPATCH_END:
        on_dispatch_end(a, ev);
        break;
    case SPA_EV_KERNEL_BEGIN:
        on_kernel_begin(a, r, ev);
        break;
    case SPA_EV_KERNEL_END:
        on_kernel_end(a, r, ev);
        break;
    case SPA_EV_TRANSFER_BEGIN:
        on_transfer_begin(a, r, ev);
        break;
    case SPA_EV_TRANSFER_END:
        on_transfer_end(a, r, ev);
        break;
    case SPA_EV_FINISH:
        on_finish(a, r, ev);
        break;
    case SPA_EV_ARRIVE:
    case SPA_EV_KIND_COUNT:
        break;
    }
}

/* ---- totals ---------------------------------------------------------------------------------- */

static void check_totals(spa_audit *a, const spa_run_result *result)
{
    const spa_run_result *sum = &a->sum;
    double tolerance = 1e-6 * fabs(result->energy_dynamic_j) + 1e-9;
    double idle_j = a->costs->base_w * (double)a->now * 1e-9;
    if (a->finished != result->requests)
        violation(a, NULL, "the number of finished requests differs from the result's");
    if (a->sequence != result->events)
        violation(a, NULL, "the number of events differs from the result's");
    if (a->now != result->span_ns) violation(a, NULL, "the span differs from the result's");
    if (!(fabs(a->energy_j - result->energy_dynamic_j) <= tolerance))
        violation(a, NULL, "dynamic energy is not the integral of power");
    if (!(fabs(result->energy_j - result->energy_dynamic_j - idle_j) <= 1e-6 * idle_j + 1e-9))
        violation(a, NULL, "energy is not dynamic plus idle energy");
    for (uint32_t p = 0; p < a->costs->n_processors; p++)
        if (sum->busy_ns[p] != result->busy_ns[p] || sum->ops[p] != result->ops[p])
            violation(a, NULL, "kernels do not add up to the result's busy time");
    if (sum->transfers != result->transfers || sum->transfer_ns != result->transfer_ns ||
        sum->overlap_ns != result->overlap_ns)
        violation(a, NULL, "transfers do not add up to the result's");
    if (sum->dispatch_ns != result->dispatch_ns)
        violation(a, NULL, "dispatches do not add up to the result's");
}

spa_status spa_audit_finish(spa_audit *a, const spa_run_result *result, spa_error *err)
{
    if (a->suspended) return SPA_OK;
    if (!a->failed) check_totals(a, result);
    if (a->failed && err) *err = a->error;
    return a->failed;
}
