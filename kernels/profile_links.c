#include "kernels/profile_links.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/measure.h"

#define MAX_GAP_US   5.0 /* a longer one was an interruption, not a hand-off */
#define LEAST_BEYOND 1.1 /* a transfer hardly slower than the fastest one says no bandwidth */

void spa_profile_links_fini(spa_profile_links *links)
{
    free(links->rates);
    *links = (spa_profile_links){0};
}

/* ---- notes ----------------------------------------------------------------------------------- */

/* On one lane the gaps are what is left of the total, so that everything adds up; on an
 * asynchronous one kernels follow each other without a gap, and the host enqueues meanwhile. */
static double own_gap_us(const spa_samples *s, size_t r, bool is_async)
{
    double rest = s->total[r];
    size_t n_kernels = 0, n_copies = s->n_tensors * s->n_lanes;
    if (is_async) return (double)s->issue[r];
    for (size_t i = 0; i < s->n_ops; i++) n_kernels += s->lane[i] >= 0;
    for (size_t i = 0; i < s->n_ops; i++) rest -= (double)s->kernel[r * s->n_ops + i];
    for (size_t k = 0; k < n_copies; k++) rest -= (double)s->copy[r * n_copies + k];
    return rest / (double)n_kernels;
}

void spa_profile_note_gaps(spa_profile_links *links, const spa_samples *s, size_t lane,
                           bool is_async)
{
    spa_moments totals = {0};
    for (size_t r = 0; r < s->count; r++) {
        if (s->kept[r]) spa_moments_add(&totals, s->total[r]);
        double gap = s->typical[r] ? own_gap_us(s, r, is_async) : NAN;
        if (!isnan(gap)) spa_moments_add(&links->gap_us[lane][lane], gap);
    }
    spa_moments_add(&links->run_cv, totals.mean > 0 ? spa_moments_sd(&totals) / totals.mean : 0);
}

/* Gaps before operators that waited for the operator before them. */
void spa_profile_note_hand_offs(spa_profile_links *links, const spa_samples *s,
                                const spa_graph *graph, const spa_lane_set *lanes)
{
    for (size_t i = 1; i < s->n_ops; i++) {
        int32_t before = graph->ops[i].n_inputs ? graph->inputs[graph->ops[i].first_input] : -1;
        if (s->lane[i] < 0 || before != (int32_t)i - 1 || s->lane[i - 1] < 0) continue;
        if (s->lane[i - 1] == s->lane[i] || lanes->lanes[s->lane[i]].device ||
            lanes->lanes[s->lane[i - 1]].device)
            continue;
        for (size_t r = 0; r < s->count; r++) {
            double gap = (double)s->gap[r * s->n_ops + i];
            if (s->typical[r] && gap < MAX_GAP_US)
                spa_moments_add(&links->gap_us[s->lane[i - 1]][s->lane[i]], gap);
        }
    }
}

/* Median over the typical inferences in which a tensor came to a lane; 0 = it never did. */
static double moved_us(const spa_samples *s, size_t tensor, size_t to, double *scratch)
{
    size_t n = 0;
    for (size_t r = 0; r < s->count; r++) {
        double us = (double)s->copy[(r * s->n_tensors + tensor) * s->n_lanes + to];
        if (s->typical[r] && us > 0) scratch[n++] = us;
    }
    return n > 0 ? spa_median(scratch, n) : 0;
}

static spa_status find_rate(spa_profile_links *links, size_t from, size_t to, int64_t bytes,
                            spa_profile_rate **out, spa_error *err)
{
    for (size_t i = 0; i < links->n_rates; i++) {
        *out = &links->rates[i];
        if ((*out)->from == from && (*out)->to == to && (*out)->bytes == bytes) return SPA_OK;
    }
    SPA_TRY(spa_grow(&links->rates, &links->capacity, links->n_rates + 1, sizeof **out, err));
    *out = &links->rates[links->n_rates++];
    **out = (spa_profile_rate){.from = from, .to = to, .bytes = bytes};
    return SPA_OK;
}

static size_t first_core_lane(const spa_lane_set *lanes)
{
    size_t host = 0;
    while (host + 1 < lanes->count && lanes->lanes[host].device) host++;
    return host;
}

spa_status spa_profile_note_transfers(spa_profile_links *links, const spa_samples *s,
                                      const spa_graph *graph, const spa_lane_set *lanes,
                                      double *scratch, spa_error *err)
{
    size_t host = first_core_lane(lanes);
    for (size_t t = 0; t < s->n_tensors; t++) {
        bool is_op = t < graph->n_ops;
        const spa_shape *shape =
            is_op ? &graph->ops[t].out : &graph->graph_inputs[t - graph->n_ops];
        if (is_op && s->lane[t] < 0) continue; /* a view: copied as what it shows */
        size_t from = is_op ? (size_t)s->lane[t] : host;
        for (size_t to = 0; to < lanes->count; to++) {
            if (!lanes->lanes[from].device && !lanes->lanes[to].device) continue;
            double us = moved_us(s, t, to, scratch);
            spa_profile_rate *rate;
            if (!(us > 0)) continue;
            SPA_TRY(find_rate(links, from, to, 4 * spa_shape_elements(shape), &rate, err));
            spa_moments_add(&rate->us, us);
        }
    }
    return SPA_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static double fastest_us(const spa_profile_links *links, size_t from, size_t to)
{
    double us = INFINITY;
    for (size_t i = 0; i < links->n_rates; i++)
        if (links->rates[i].from == from && links->rates[i].to == to)
            us = fmin(us, links->rates[i].us.mean);
    return us;
}

static void put_rate(const spa_profile_links *links, const spa_profile_rate *rate,
                     const spa_lane_set *lanes, spa_trace *trace)
{
    double us = rate->us.mean, latency_us = fastest_us(links, rate->from, rate->to);
    trace->links[trace->n_links++] = (spa_trace_link){
        .from = lanes->lanes[rate->from].processor,
        .to = lanes->lanes[rate->to].processor,
        .bytes = rate->bytes,
        .latency_us = spa_measured_us(latency_us),
        .p50_us = spa_measured_us(us),
        .bandwidth_gbs =
            us > LEAST_BEYOND * latency_us ? (double)rate->bytes / (us - latency_us) * 1e-3 : NAN,
        .origin = SPA_ORIGIN_MEASURED,
    };
}

static int compare_rates(const void *a, const void *b)
{
    const spa_profile_rate *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

spa_status spa_profile_fill_links(const spa_profile_links *links, const spa_lane_set *lanes,
                                  spa_trace *trace, spa_error *err)
{
    size_t n = lanes->count;
    SPA_TRY(spa_arena_alloc(&trace->arena, &trace->links, n * n + links->n_rates,
                            sizeof(spa_trace_link), err));
    for (size_t from = 0; from < n; from++) {
        for (size_t to = 0; to < n; to++) {
            const spa_moments *m = &links->gap_us[from][to];
            if (m->count == 0) continue;
            trace->links[trace->n_links++] = (spa_trace_link){
                .from = lanes->lanes[from].processor,
                .to = lanes->lanes[to].processor,
                .bytes = 0,
                .latency_us = spa_measured_us(m->mean),
                .p50_us = NAN,
                .bandwidth_gbs = NAN,
                .origin = SPA_ORIGIN_MEASURED,
            };
        }
    }
    if (links->n_rates > 1)
        qsort(links->rates, links->n_rates, sizeof *links->rates, compare_rates);
    for (size_t i = 0; i < links->n_rates; i++) put_rate(links, &links->rates[i], lanes, trace);
    return SPA_OK;
}
