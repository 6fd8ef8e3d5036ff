/* Validation: what is compared, and how errors are summed up. */
#include "experiments/validation_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"

#define TAU_DISTANCE  0.03 /* pairs closer than this as measured have no order */
#define OFF_OF_ITSELF 0.10
#define OFF_OF_TOTAL  0.01

/* ---- simulated ------------------------------------------------------------------------------- */

/* Latencies of requests [first, end) in event order, us; returns how many. */
static size_t latencies(const validator *v, uint64_t first, uint64_t end, double *arrive,
                        double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n_events; i++) {
        const spa_event *ev = &v->events[i];
        if (ev->kind == SPA_EV_ARRIVE) arrive[ev->request] = (double)ev->time_ns * 1e-3;
        if (ev->kind == SPA_EV_FINISH && ev->request >= first && ev->request < end)
            out[n++] = (double)ev->time_ns * 1e-3 - arrive[ev->request];
    }
    return n;
}

static double mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return n ? sum / (double)n : NAN;
}

/* The lane of a tensor in a placement; views lie where what they show does. */
static uint32_t placed_on(const validator *v, const spa_validated *row, size_t tensor)
{
    const spa_graph *g = v->graph;
    while (tensor < g->n_ops && g->ops[tensor].kind == SPA_OP_RESHAPE)
        tensor = spa_tensor_of(&v->costs, g->inputs[g->ops[tensor].first_input]);
    return tensor < g->n_ops ? row->placement.processor[tensor] : v->costs.host;
}

/* Tensors and the lanes, other than their own, that read them. */
static spa_status count_switches(const validator *v, spa_validated *row, spa_error *err)
{
    const spa_graph *g = v->graph;
    uint8_t *read_by;
    SPA_TRY(spa_alloc(&read_by, v->costs.n_tensors, 1, err));
    for (size_t op = 0; op < g->n_ops; op++) {
        const spa_op *o = &g->ops[op];
        if (o->kind == SPA_OP_RESHAPE) continue;
        for (uint32_t i = 0; i < o->n_inputs; i++) {
            size_t t = spa_tensor_of(&v->costs, g->inputs[o->first_input + i]);
            uint32_t readers = 1u << row->placement.processor[op];
            if (row->placement.share[op]) readers |= 1u << row->placement.second[op];
            readers &= ~(1u << placed_on(v, row, t) | read_by[t]);
            read_by[t] |= (uint8_t)readers;
            row->switches += (uint32_t)__builtin_popcount(readers);
        }
    }
    free(read_by);
    return SPA_OK;
}

static spa_status take_placement(const validator *v, spa_validated *row, spa_error *err)
{
    size_t n = 0;
    SPA_TRY(spa_schedule_init(&row->placement, v->graph->n_ops, err));
    for (size_t i = 0; i < v->n_events; i++)
        if (v->events[i].kind == SPA_EV_PLACE && v->events[i].request == 0)
            spa_schedule_note_place(&row->placement, &v->events[i], &n);
    return count_switches(v, row, err);
}

/* Of the time in which kernels run, how much is each lane's? */
static void take_shares(const validator *v, spa_validated *row)
{
    double busy[SPA_MAX_PROCESSORS] = {0}, sum = 0;
    for (size_t i = 0; i < v->n_events; i++) {
        const spa_event *ev = &v->events[i];
        int sign = ev->kind == SPA_EV_KERNEL_END ? 1 : ev->kind == SPA_EV_KERNEL_BEGIN ? -1 : 0;
        busy[ev->processor] += sign * (double)ev->time_ns;
        sum += sign * (double)ev->time_ns;
    }
    for (int p = 0; p < SPA_MAX_PROCESSORS; p++) row->share[p] = sum > 0 ? busy[p] / sum : 0;
}

spa_status validation_take_simulated(validator *v, spa_validated *row, uint64_t requests,
                                     spa_error *err)
{
    uint32_t k = v->options->concurrency;
    double *arrive, *us;
    row->throughput[1] = row->p95_ms[1] = NAN;
    SPA_TRY(take_placement(v, row, err));
    take_shares(v, row);
    SPA_TRY(spa_alloc(&arrive, 2 * requests, sizeof *arrive, err));
    us = arrive + requests;
    size_t n = k == 1 ? latencies(v, 0, 1, arrive, us) : latencies(v, k, requests - k, arrive, us);
    if (k > 1) {
        row->throughput[1] = k * 1e6 / mean(us, n); /* closed loop: Little's law */
        spa_median(us, n);                          /* sorts */
        row->p95_ms[1] = spa_quantile_sorted(us, n, 0.95) * 1e-3;
    }
    row->simulated_ms = spa_median(us, n) * 1e-3;
    free(arrive);
    if (k > 1) return SPA_OK;
    spa_steps_from_events(&v->costs, v->events, v->n_events, 0, v->parts, v->steps);
    if (row->steps[1]) memcpy(row->steps[1], v->steps, v->graph->n_ops * sizeof *v->steps);
    spa_budget_of(v->graph, v->steps, &row->simulated);
    return SPA_OK;
}

/* ---- measured: budgets ----------------------------------------------------------------------- */

static int lane_of_tensor(const validator *v, const spa_samples *s, size_t tensor)
{
    const spa_graph *g = v->graph;
    while (tensor < g->n_ops && g->ops[tensor].kind == SPA_OP_RESHAPE)
        tensor = spa_tensor_of(&v->costs, g->inputs[g->ops[tensor].first_input]);
    return tensor < g->n_ops ? s->lane[tensor] : (int)v->costs.host;
}

/* As the table has it: alone on its lane, with inputs from where they are. */
static double expected_us(const validator *v, const spa_samples *s, const spa_schedule *placement,
                          size_t op)
{
    const spa_op *o = &v->graph->ops[op];
    uint32_t lane = (uint32_t)s->lane[op], n = v->costs.n_processors;
    uint32_t share = placement->share[op];
    int64_t alone_ns = share ? spa_part_ns(&v->costs, op, lane, SPA_TENTHS - share)
                             : spa_cost(&v->costs, op, lane)->kernel_ns;
    double us = (double)alone_ns * 1e-3;
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        size_t t = spa_tensor_of(&v->costs, v->graph->inputs[o->first_input + i]);
        int from = lane_of_tensor(v, s, t);
        if (from != (int)lane) us += v->parts[(t * n + (uint32_t)from) * n + lane].read;
    }
    return us;
}

/* Did a kernel of another lane run during most of it? */
static bool is_overlapped(const validator *v, size_t op)
{
    const spa_step *s = &v->steps[op];
    double shared = 0;
    for (size_t i = 0; i < v->graph->n_ops; i++) {
        const spa_step *other = &v->steps[i];
        if (other->lane < 0 || other->lane == s->lane) continue;
        double begin = fmax(s->begin, other->begin), end = fmin(s->end, other->end);
        if (end > begin) shared += end - begin;
    }
    return shared > 0.5 * (s->end - s->begin);
}

static void add_measured_budget(validator *v, const spa_samples *s, const spa_schedule *placement,
                                size_t r, spa_budget *sum)
{
    spa_budget budget;
    for (size_t i = 0; i < s->n_ops; i++) {
        size_t at = r * s->n_ops + i;
        spa_step *step = &v->steps[i];
        *step = (spa_step){.begin = (double)s->begin[at],
                           .end = (double)(s->begin[at] + s->kernel[at]),
                           .copy = (double)s->lead[at],
                           .moved = (double)s->moved[at],
                           .lane = s->lane[i]};
    }
    for (size_t i = 0; i < s->n_ops; i++)
        if (s->lane[i] >= 0 && (placement->share[i] || is_overlapped(v, i)))
            v->steps[i].contention =
                v->steps[i].end - v->steps[i].begin - expected_us(v, s, placement, i);
    spa_budget_of(v->graph, v->steps, &budget);
    for (int c = 0; c < SPA_COMPONENT_COUNT; c++) sum->us[c] += budget.us[c];
}

/* Means of the typical inferences. */
static void measure_steps(const spa_samples *s, spa_step *steps)
{
    for (size_t i = 0; i < s->n_ops; i++) {
        double begin = spa_samples_typical(s, -1, s->begin + i, s->n_ops);
        steps[i] = (spa_step){
            .begin = begin,
            .end = begin + spa_samples_typical(s, -1, s->kernel + i, s->n_ops),
            .copy = spa_samples_typical(s, -1, s->lead + i, s->n_ops),
            .moved = spa_samples_typical(s, -1, s->moved + i, s->n_ops),
            .lane = s->lane[i],
            .together = s->together[i],
        };
    }
}

static void measure_budget(validator *v, const spa_samples *s, spa_validated *row)
{
    spa_budget sum = {{0}};
    for (size_t r = 0; r < s->count; r++)
        if (s->typical[r]) add_measured_budget(v, s, &row->placement, r, &sum);
    for (int c = 0; c < SPA_COMPONENT_COUNT; c++)
        row->measured.us[c] = sum.us[c] / (double)s->n_typical;
    if (row->steps[0]) measure_steps(s, row->steps[0]);
}

/* ---- measured: totals ------------------------------------------------------------------------ */

static double weigh(const spa_validated *row, const double *by_lane)
{
    double sum = 0;
    for (int p = 0; p < SPA_MAX_PROCESSORS; p++) sum += row->share[p] * by_lane[p];
    return sum;
}

/* Kept totals, ms; parity < 0: of all rounds. */
static size_t totals_ms(const spa_samples *s, const double *totals, int parity, double *out)
{
    size_t n = 0;
    for (size_t r = 0; r < s->count; r++)
        if (s->kept[r] && (parity < 0 || s->round[r] % 2 == parity)) out[n++] = totals[r] * 1e-3;
    return n;
}

static void take_measured(validator *v, const spa_samples *s, double *scratch, spa_validated *row)
{
    uint32_t k = v->options->concurrency;
    size_t n = totals_ms(s, s->raw, -1, scratch);
    row->raw_ms = spa_median(scratch, n);
    n = totals_ms(s, s->total, -1, scratch);
    row->samples = n;
    row->throughput[0] = k > 1 ? k * 1e3 / mean(scratch, n) : NAN;
    row->measured_ms = spa_median(scratch, n); /* sorts */
    row->p95_ms[0] = spa_quantile_sorted(scratch, n, 0.95);
    row->spread_ms =
        0.5 * (spa_quantile_sorted(scratch, n, 0.75) - spa_quantile_sorted(scratch, n, 0.25));
    for (int parity = 0; parity < 2; parity++) {
        n = totals_ms(s, s->total, parity, scratch);
        row->halves_ms[parity] = n ? spa_median(scratch, n) : NAN;
    }
    if (k == 1) measure_budget(v, s, row);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static bool counts(const spa_validated *row)
{
    return !row->is_skipped && strcmp(row->kind, "anchor") != 0 && isfinite(row->error);
}

/* Kendall's tau over the pairs that are far enough apart. */
static void rank(const spa_validated *rows, size_t n, bool raw, spa_error_summary *out)
{
    int64_t agree = 0;
    out->pairs = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n && counts(&rows[i]); j++) {
            double a = raw ? rows[i].raw_ms : rows[i].measured_ms;
            double b = raw ? rows[j].raw_ms : rows[j].measured_ms;
            if (!counts(&rows[j]) || fabs(a - b) <= TAU_DISTANCE * fmin(a, b)) continue;
            double d = rows[i].simulated_ms * (raw ? 1 : rows[i].scale) -
                       rows[j].simulated_ms * (raw ? 1 : rows[j].scale);
            d *= a - b;
            agree += d > 0 ? 1 : d < 0 ? -1 : 0;
            out->pairs++;
        }
    }
    out->tau = out->pairs ? (double)agree / (double)out->pairs : NAN;
}

/* Ranks of a 95 % interval of the median: the binomial's normal approximation. */
static void median_interval(const double *sorted, size_t n, double out[2])
{
    double half = 0.98 * sqrt((double)n);
    double low = floor((double)n / 2 - half), high = ceil((double)n / 2 + half);
    out[0] = low < 0 ? NAN : sorted[(size_t)low];
    out[1] = high > (double)n - 1 ? NAN : sorted[(size_t)high];
}

spa_status spa_validation_summarise(const spa_validated *rows, size_t n, bool raw,
                                    spa_error_summary *out, spa_error *err)
{
    double *absolute, sum = 0;
    *out = (spa_error_summary){.median = NAN, .p95 = NAN, .bias = NAN, .median_ci = {NAN, NAN}};
    rank(rows, n, raw, out);
    SPA_TRY(spa_alloc(&absolute, n, sizeof *absolute, err));
    for (size_t i = 0; i < n; i++) {
        if (!counts(&rows[i])) continue;
        double e = raw ? rows[i].raw_error : rows[i].error;
        absolute[out->n++] = fabs(e);
        sum += e;
    }
    if (out->n) {
        out->median = spa_median(absolute, out->n); /* sorts */
        out->p95 = spa_quantile_sorted(absolute, out->n, 0.95);
        out->bias = sum / (double)out->n;
        median_interval(absolute, out->n, out->median_ci);
    }
    free(absolute);
    return SPA_OK;
}

static void find_floor(spa_validation *v, double *scratch)
{
    spa_moments common = {0};
    size_t n = 0;
    v->floor_median = v->floor_p95 = NAN;
    for (size_t i = 0; i < v->n_rows; i++)
        if (counts(&v->rows[i]) && isfinite(v->rows[i].halves_ms[0] + v->rows[i].halves_ms[1]))
            spa_moments_add(&common, v->rows[i].halves_ms[1] / v->rows[i].halves_ms[0]);
    for (size_t i = 0; i < v->n_rows && common.count; i++) {
        const spa_validated *r = &v->rows[i];
        if (counts(r) && isfinite(r->halves_ms[0] + r->halves_ms[1]))
            scratch[n++] = fabs(r->halves_ms[1] / r->halves_ms[0] / common.mean - 1);
    }
    if (n == 0) return;
    v->floor_median = spa_median(scratch, n);
    v->floor_p95 = spa_quantile_sorted(scratch, n, 0.95);
}

bool spa_component_is_off(const double component_ms[2], double total_ms)
{
    double difference = fabs(component_ms[1] - component_ms[0]);
    return difference > OFF_OF_ITSELF * fabs(component_ms[0]) &&
           difference > OFF_OF_TOTAL * total_ms;
}

static void sum_components(spa_validation *v)
{
    size_t n = 0;
    double total = 0;
    bool above = false, below = false;
    if (v->concurrency > 1) return;
    for (size_t i = 0; i < v->n_rows; i++) {
        const spa_validated *r = &v->rows[i];
        if (!counts(r)) continue;
        n++;
        total += r->measured_ms;
        for (int c = 0; c < SPA_COMPONENT_COUNT; c++) {
            v->component_ms[c][0] += r->measured.us[c] * 1e-3;
            v->component_ms[c][1] += r->simulated.us[c] * 1e-3 * r->scale;
        }
    }
    for (int c = 0; c < SPA_COMPONENT_COUNT && n; c++) {
        v->component_ms[c][0] /= (double)n;
        v->component_ms[c][1] /= (double)n;
        if (!spa_component_is_off(v->component_ms[c], total / (double)n)) continue;
        above |= v->component_ms[c][1] > v->component_ms[c][0];
        below |= v->component_ms[c][1] < v->component_ms[c][0];
    }
    v->cancelling = above && below;
}

/* Of all rows, over those of the anchor in turn. */
static spa_status find_crossings(validator *v, spa_error *err)
{
    spa_validation *out = v->out;
    int8_t *lane;
    double turn = 0;
    if (out->n_lanes < 2) return SPA_OK;
    SPA_TRY(spa_alloc(&lane, v->graph->n_ops, sizeof *lane, err));
    for (size_t i = 0; i < out->n_rows; i++) {
        spa_validated *r = &out->rows[i];
        for (size_t op = 0; op < r->placement.n_ops; op++)
            lane[op] = (int8_t)r->placement.processor[op];
        r->crossing = r->placement.n_ops ? spa_crossing_bytes(v->graph, lane) : 0;
        if (i == out->n_lanes) turn = r->crossing;
    }
    for (size_t i = 0; i < out->n_rows; i++)
        out->rows[i].crossing = turn > 0 ? out->rows[i].crossing / turn : 0;
    free(lane);
    return SPA_OK;
}

/* The first rows are the anchors: in the order of the lanes, then in turn. */
static void find_errors(spa_validation *v)
{
    for (size_t p = 0; p < v->n_lanes; p++)
        v->lane_scale[p] = v->rows[p].measured_ms / v->rows[p].simulated_ms;
    const spa_validated *turn = v->n_lanes > 1 ? &v->rows[v->n_lanes] : NULL;
    v->turn_scale = turn ? turn->measured_ms / turn->simulated_ms / weigh(turn, v->lane_scale) : 1;
    for (size_t i = 0; i < v->n_rows; i++) {
        spa_validated *r = &v->rows[i];
        r->scale = weigh(r, v->lane_scale) * pow(v->turn_scale, r->crossing);
        r->error = r->is_skipped ? NAN : r->simulated_ms * r->scale / r->measured_ms - 1;
        r->raw_error = r->is_skipped ? NAN : r->simulated_ms / r->raw_ms - 1;
    }
}

spa_status validation_compare(validator *v, spa_error *err)
{
    double *scratch;
    size_t most = v->out->n_rows, at = 0;
    for (size_t i = 0; i < v->n_samples; i++)
        if (v->samples[i].capacity > most) most = v->samples[i].capacity;
    v->out->n_lanes = v->costs.n_processors;
    SPA_TRY(spa_alloc(&scratch, most, sizeof *scratch, err));
    for (size_t i = 0; i < v->out->n_rows; i++)
        if (!v->out->rows[i].is_skipped)
            take_measured(v, &v->samples[at++], scratch, &v->out->rows[i]);
    spa_status status = find_crossings(v, err);
    if (!status) find_errors(v->out);
    for (int raw = 0; raw < 2 && !status; raw++)
        status = spa_validation_summarise(v->out->rows, v->out->n_rows, raw,
                                          raw ? &v->out->raw : &v->out->rescaled, err);
    find_floor(v->out, scratch);
    sum_components(v->out);
    free(scratch);
    return status;
}
