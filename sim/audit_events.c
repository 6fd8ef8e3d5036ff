/* The audit's rules: what each event may say, given those before it. */
#include <math.h>
#include <string.h>
#include "sim/audit_state.h"

void audit_violation(spa_audit *a, const spa_event *ev, const char *what)
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
    while (audit_is_view(a, at) && a->graph->ops[at].n_inputs > 0) {
        at = spa_tensor_of(a->costs, a->graph->inputs[a->graph->ops[at].first_input]);
        bits |= spread(a, at, r->present[at]);
    }
    return spread(a, tensor, bits);
}

static audit_request *find(spa_audit *a, const spa_event *ev)
{
    for (uint32_t i = 0; i < a->n_slots && ev->request != NO_REQUEST; i++)
        if (a->requests[i].number == ev->request) return &a->requests[i];
    audit_violation(a, ev, "the request is not in flight");
    return NULL;
}

/* ---- lanes and links ------------------------------------------------------------------------- */

static void begin(spa_audit *a, const spa_event *ev, audit_activity *what, const char *busy)
{
    if (what->request != NO_REQUEST) audit_violation(a, ev, busy);
    *what = (audit_activity){.request = ev->request,
                             .op = ev->op,
                             .kind = ev->kind,
                             .tenths = ev->tenths,
                             .to = ev->processor,
                             .power_w = ev->power_w,
                             .since = ev->time_ns};
    a->power_w += (double)ev->power_w;
}

/* Ends what a lane or link does; returns its duration, -1 = it does something else. */
static int64_t end(spa_audit *a, const spa_event *ev, audit_activity *what, spa_event_kind begun_by,
                   const char *idle)
{
    bool same = what->request == ev->request && what->op == ev->op && what->kind == begun_by &&
                what->tenths == ev->tenths;
    if (!same || (begun_by == SPA_EV_TRANSFER_BEGIN && what->to != ev->processor)) {
        audit_violation(a, ev, idle);
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

/* The operators and graph inputs of a request. */
static audit_span span_of(const spa_audit *a, const audit_request *r)
{
    if (!a->programs) return (audit_span){0, a->graph->n_ops, a->costs->n_tensors};
    const spa_program_span *s = &a->programs->spans[r->program];
    return (audit_span){s->first, s->n_ops, s->end};
}

static uint32_t kernels_of(const spa_audit *a, const audit_request *r)
{
    audit_span span = span_of(a, r);
    uint32_t n = 0;
    if (!a->programs) return a->kernels;
    for (size_t op = span.first; op < span.first + span.n_ops; op++) n += !audit_is_view(a, op);
    return n;
}

static void on_arrive(spa_audit *a, const spa_event *ev)
{
    audit_request *r = NULL;
    for (uint32_t i = 0; i < a->n_slots && !r; i++)
        if (a->requests[i].number == NO_REQUEST) r = &a->requests[i];
    if (!r) {
        audit_violation(a, ev, "more requests are in flight than the scenario allows");
        return;
    }
    if (ev->request != a->arrived++) audit_violation(a, ev, "requests do not arrive in order");
    if (a->programs && ev->program >= a->programs->count) {
        audit_violation(a, ev, "is of a program that is not there");
        return;
    }
    r->program = ev->program;
    r->number = ev->request;
    r->ended = r->section_ended = 0;
    r->in_section = false;
    memset(a->bytes + (size_t)(r - a->requests) * a->stride, 0, a->stride);
    audit_span span = span_of(a, r);
    for (size_t t = span.first + span.n_ops; t < span.end; t++)
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
            audit_violation(a, ev, "enters the critical section while another request is in it");
    }
    if (ev->request != a->section_last + 1)
        audit_violation(a, ev, "enters the critical section out of the order of arrival");
    a->section_last = ev->request;
    r->in_section = true;
}

/* A split operator is placed twice: itself, then the part that it gives away. */
static void on_place(spa_audit *a, audit_request *r, const spa_event *ev)
{
    audit_span span = span_of(a, r);
    if (ev->op < span.first || ev->op >= span.first + span.n_ops)
        audit_violation(a, ev, "is of another program than its request");
    enter_section(a, r, ev);
    if (r->placed[ev->op] && (ev->tenths == 0 || r->share[ev->op] == 0 || r->second[ev->op])) {
        audit_violation(a, ev, "is placed twice");
    } else if (r->placed[ev->op]) {
        if (r->placed[ev->op] == ev->processor + 1 || r->share[ev->op] != ev->tenths)
            audit_violation(a, ev, "is split into parts that do not make a whole");
        r->second[ev->op] = (uint8_t)(ev->processor + 1);
        r->lane2[ev->op] = ev->lane;
    } else {
        if (ev->tenths) r->share[ev->op] = (uint8_t)(SPA_TENTHS - ev->tenths);
        r->placed[ev->op] = (uint8_t)(ev->processor + 1);
        r->lane[ev->op] = ev->lane;
    }
}

/* Is it, or the part of it that the event is about, placed there? */
static bool is_placed(const audit_request *r, const spa_event *ev)
{
    uint8_t p = (uint8_t)(ev->processor + 1), share = r->share[ev->op];
    if (r->placed[ev->op] == p && r->lane[ev->op] == ev->lane)
        return ev->tenths == (share ? SPA_TENTHS - share : 0);
    return r->second[ev->op] == p && r->lane2[ev->op] == ev->lane && ev->tenths == share;
}

static uint8_t tenths_of(const spa_event *ev)
{
    return ev->tenths ? ev->tenths : SPA_TENTHS;
}

static int64_t kernel_ns(const spa_audit *a, const spa_event *ev)
{
    return ev->tenths ? spa_part_ns(a->costs, ev->op, ev->processor, ev->tenths)
                      : audit_cost(a, ev->op, ev->processor, ev->tenths)->kernel_ns;
}

static void on_kernel_begin(spa_audit *a, audit_request *r, const spa_event *ev)
{
    const spa_op *op = &a->graph->ops[ev->op];
    if (audit_is_view(a, ev->op)) audit_violation(a, ev, "is a view, but runs");
    r->runs[ev->op] = (uint8_t)(r->runs[ev->op] + tenths_of(ev));
    if (r->runs[ev->op] > SPA_TENTHS) audit_violation(a, ev, "runs twice");
    if (!is_placed(r, ev)) audit_violation(a, ev, "runs where it was not placed");
    if (kernel_ns(a, ev) < 0) audit_violation(a, ev, "runs on a processor that cannot run it");
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        size_t t = spa_tensor_of(a->costs, a->graph->inputs[op->first_input + i]);
        if (!(present_at(a, r, t) >> ev->processor & 1u))
            audit_violation(a, ev, "starts before its input is there");
    }
    if (a->copies[ev->processor].request != NO_REQUEST)
        audit_violation(a, ev, "its lane is copying");
    begin(a, ev, lane_of(a, ev), "its lane is busy already");
    a->kernels_running++;
}

/* The tensor of a split operator is where the operator was placed, once both parts are. */
static void join(spa_audit *a, audit_request *r, uint32_t op)
{
    uint8_t at = (uint8_t)(1u << (r->placed[op] - 1)), part_at = r->part_at[op];
    for (uint32_t p = 0; p < a->costs->n_processors; p++)
        if (part_at >> p & 1u && !(part_at & at) &&
            (a->costs->links[p][r->placed[op] - 1].on_lane ||
             spa_part_transfer_ns(a->costs, op, p, r->placed[op] - 1u, r->share[op]) == 0))
            part_at |= at;
    if (r->done[op] == SPA_TENTHS && part_at & at) r->present[op] |= at;
}

static void on_kernel_end(spa_audit *a, audit_request *r, const spa_event *ev)
{
    const spa_op_cost *cost = audit_cost(a, ev->op, ev->processor, ev->tenths);
    double possible_ns = lane_of(a, ev)->possible_ns;
    int64_t duration =
        end(a, ev, lane_of(a, ev), SPA_EV_KERNEL_BEGIN, "ends, but its lane does something else");
    int64_t least = kernel_ns(a, ev);
    if (duration < 0) return;
    if (!a->costs->dispatch_occupies_host) least += cost->launch_ns;
    bool faster =
        a->has_conditions ? ceil(possible_ns + 1e-3) < (double)kernel_ns(a, ev) : duration < least;
    if (a->no_noise && faster && !(a->conditions.zeros_sd > 0))
        audit_violation(a, ev, "is faster than when it runs alone");
    r->done[ev->op] = (uint8_t)(r->done[ev->op] + tenths_of(ev));
    if (ev->tenths == 0) r->present[ev->op] |= (uint8_t)(1u << ev->processor);
    if (ev->tenths && r->second[ev->op] == ev->processor + 1)
        r->part_at[ev->op] |= (uint8_t)(1u << ev->processor);
    if (ev->tenths) join(a, r, ev->op);
    if (r->done[ev->op] == SPA_TENTHS) {
        r->ended++;
        r->section_ended += ev->op < a->serial_ops;
    }
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
    uint8_t at = ev->tenths ? r->part_at[ev->op] : present_at(a, r, ev->op);
    if (!(at >> ev->lane & 1u)) audit_violation(a, ev, "is moved from where it is not");
    if (a->costs->links[ev->lane][ev->processor].on_lane &&
        a->lanes[ev->processor][0].request != NO_REQUEST)
        audit_violation(a, ev, "is copied by a lane that is busy");
    begin(a, ev, link_of(a, ev), "its link is busy already");
    a->transfers_running++;
}

static void on_transfer_end(spa_audit *a, audit_request *r, const spa_event *ev)
{
    int64_t duration = end(a, ev, link_of(a, ev), SPA_EV_TRANSFER_BEGIN,
                           "arrives, but its link does something else");
    int64_t least =
        ev->tenths ? spa_part_transfer_ns(a->costs, ev->op, ev->lane, ev->processor, ev->tenths)
                   : spa_transfer_ns(a->costs, ev->op, ev->lane, ev->processor);
    if (duration < 0) return;
    if (a->no_noise && !a->has_conditions && duration < least)
        audit_violation(a, ev, "moves faster than alone");
    if (ev->tenths) {
        r->part_at[ev->op] |= (uint8_t)(1u << ev->processor);
        join(a, r, ev->op);
    } else {
        r->present[ev->op] |= (uint8_t)(1u << ev->processor);
    }
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
    audit_span span = span_of(a, r);
    if (r->ended != kernels_of(a, r))
        audit_violation(a, ev, "the request ends before all its operators");
    for (size_t op = span.first; op < span.first + span.n_ops && !a->failed; op++) {
        if (g->first_consumer[op] != g->first_consumer[op + 1]) continue;
        if (!(present_at(a, r, op) >> a->costs->host & 1u) && !read_in_place(a, r, op))
            audit_violation(a, ev, "the request ends before its outputs are on the host");
    }
    if (is_active(a, ev->request))
        audit_violation(a, ev, "the request ends while a part of it runs");
    r->number = NO_REQUEST;
    a->finished++;
}

/* Power that begins or ends with an event. */
static float power_of(const spa_audit *a, const spa_event *ev)
{
    switch ((spa_event_kind)ev->kind) {
    case SPA_EV_KERNEL_BEGIN:
    case SPA_EV_KERNEL_END:
        return audit_kernel_power(a, ev->op, ev->processor, ev->tenths);
    case SPA_EV_TRANSFER_BEGIN:
    case SPA_EV_TRANSFER_END:
        return a->costs->links[ev->lane][ev->processor].dynamic_w;
    case SPA_EV_DISPATCH_BEGIN:
    case SPA_EV_DISPATCH_END:
        return audit_dispatch_power(a, ev->processor);
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
        return ev->op < (ev->tenths ? c->n_ops : c->n_tensors) && ev->processor < c->n_processors &&
               ev->lane < c->n_processors && ev->lane != ev->processor;
    case SPA_EV_MODE:
    case SPA_EV_CLOCK:
    case SPA_EV_LOAD:
    case SPA_EV_THROTTLE:
        return audit_condition_is_sound(a, ev);
    case SPA_EV_KIND_COUNT:
        break;
    }
    return false;
}

/* W that kernels on lanes of one processor draw less than each would alone: together they ask for
 * more than all of it, and each gets, and draws, its part. */
static double shared_away(const spa_audit *a)
{
    double less = 0;
    for (uint32_t p = 0; p < a->costs->n_processors && !a->no_contention; p++) {
        double asked = 0, watts = 0;
        if (a->costs->processors[p].n_lanes < 2) continue;
        for (uint32_t l = 0; l < a->costs->processors[p].n_lanes; l++) {
            const audit_activity *what = &a->lanes[p][l];
            if (what->request == NO_REQUEST || what->kind != SPA_EV_KERNEL_BEGIN) continue;
            asked += (double)audit_capacity(a, what->op, p, what->tenths);
            watts += (double)audit_kernel_power(a, what->op, p, what->tenths);
        }
        if (asked > 1) less += watts - watts / asked;
    }
    return less;
}

static void advance(spa_audit *a, const spa_event *ev)
{
    int64_t step = ev->time_ns - a->now;
    if (step < 0) audit_violation(a, ev, "the clock goes back");
    if (ev->sequence != a->sequence++)
        audit_violation(a, ev, "an event is missing from the sequence");
    if (step > 0) a->energy_j += (a->power_w - shared_away(a)) * (double)step * 1e-9;
    if (a->kernels_running) a->sum.overlap_ns += step * a->transfers_running;
    if (a->has_conditions) audit_conditions_pass(a, step);
    a->now = ev->time_ns;
}

void spa_audit_event(void *user, const spa_event *ev)
{
    spa_audit *a = user;
    audit_request *r;
    if (a->failed || a->suspended) return;
    advance(a, ev);
    if (!is_sound(a, ev)) audit_violation(a, ev, "names what is not there");
    if (!a->failed && spa_event_is_condition(ev->kind)) {
        audit_condition(a, ev);
        return;
    }
    if (!a->failed && ev->power_w != power_of(a, ev))
        audit_violation(a, ev, "its power is not the cost table's");
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
    default: /* done above */
        break;
    }
}
