#include "kernels/profile_links.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/measure.h"

#define MAX_GAP_US   5.0 /* a longer one was an interruption, not a hand-off */
#define LEAST_BEYOND 0.5 /* beyond the latency, in latencies: less says nothing of bandwidth */

void spa_profile_links_fini(spa_profile_links *links)
{
    free(links->transfers);
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
            if (!(us > 0)) continue;
            SPA_TRY(spa_grow(&links->transfers, &links->capacity, links->n_transfers + 1,
                             sizeof *links->transfers, err));
            links->transfers[links->n_transfers++] = (spa_profile_transfer){
                .from = from, .to = to, .bytes = 4 * spa_shape_elements(shape), .us = us};
        }
    }
    return SPA_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int compare_transfers(const void *a, const void *b)
{
    const spa_profile_transfer *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return (x->us > y->us) - (x->us < y->us);
}

static void put_transfers(const spa_profile_transfer *sorted, size_t n, const spa_lane_set *lanes,
                          spa_trace *trace)
{
    const spa_profile_transfer *middle = &sorted[n / 2];
    double us = n % 2 ? middle->us : 0.5 * (middle[-1].us + middle->us);
    trace->links[trace->n_links++] = (spa_trace_link){
        .from = lanes->lanes[sorted->from].processor,
        .to = lanes->lanes[sorted->to].processor,
        .bytes = sorted->bytes,
        .p50_us = spa_measured_us(us),
        .origin = SPA_ORIGIN_MEASURED,
    };
}

/* Rows [first, end) are of one direction. */
static void put_rates(spa_trace_link *rows, size_t n)
{
    double latency_us = INFINITY;
    for (size_t i = 0; i < n; i++) latency_us = fmin(latency_us, rows[i].p50_us);
    for (size_t i = 0; i < n; i++) {
        double beyond_us = rows[i].p50_us - latency_us;
        rows[i].latency_us = latency_us;
        rows[i].bandwidth_gbs =
            beyond_us > LEAST_BEYOND * latency_us ? (double)rows[i].bytes / beyond_us * 1e-3 : NAN;
    }
}

static void put_hand_offs(const spa_profile_links *links, const spa_lane_set *lanes,
                          spa_trace *trace)
{
    for (size_t from = 0; from < lanes->count; from++) {
        for (size_t to = 0; to < lanes->count; to++) {
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
}

spa_status spa_profile_fill_links(spa_profile_links *links, const spa_lane_set *lanes,
                                  spa_trace *trace, spa_error *err)
{
    size_t n = lanes->count, end, first_row = 0;
    const spa_profile_transfer *t = links->transfers;
    SPA_TRY(spa_arena_alloc(&trace->arena, &trace->links, n * n + links->n_transfers,
                            sizeof(spa_trace_link), err));
    put_hand_offs(links, lanes, trace);
    if (links->n_transfers == 0) return SPA_OK;
    qsort(links->transfers, links->n_transfers, sizeof *t, compare_transfers);
    first_row = trace->n_links;
    for (size_t i = 0; i < links->n_transfers; i = end) {
        for (end = i + 1; end < links->n_transfers && t[end].from == t[i].from &&
                          t[end].to == t[i].to && t[end].bytes == t[i].bytes;)
            end++;
        put_transfers(&t[i], end - i, lanes, trace);
        if (end < links->n_transfers && t[end].from == t[i].from && t[end].to == t[i].to) continue;
        put_rates(&trace->links[first_row], trace->n_links - first_row);
        first_row = trace->n_links;
    }
    return SPA_OK;
}
