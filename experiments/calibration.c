#include "experiments/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "devices/spec.h"

enum { COLUMNS = 3 };

/* Rows of one class on one processor, each divided by its time. */
typedef struct collector {
    double *a, *b; /* [capacity][COLUMNS], [capacity] */
    size_t n, capacity;
    size_t columns;
    unsigned rate_class;
    const char *processor;
} collector;

static double row_us(const spa_trace_cost *row)
{
    return spec_row_us(row);
}

static bool is_wanted(const collector *c, const spa_graph *g, const spa_trace_cost *row)
{
    return row->corun[0] == '\0' && row->part == 1 && strcmp(row->processor, c->processor) == 0 &&
           g->ops[row->op].kind != SPA_OP_RESHAPE && row_us(row) > 0 &&
           spec_class_of(g, &g->ops[row->op]) == c->rate_class;
}

static double op_bytes(const spa_op *op)
{
    return (double)(op->bytes_in + op->bytes_out + op->bytes_weight);
}

static spa_status collect(collector *c, const spa_graph *g, const spa_trace_cost *row,
                          spa_error *err)
{
    const spa_op *op = &g->ops[row->op];
    double us = row_us(row), work = (double)(op->macs > 0 ? op->macs : op->flops);
    double x = (double)spa_shape_elements(&op->out);
    size_t need = (c->n + 1) * COLUMNS;
    if (need > c->capacity) {
        size_t capacity = c->capacity;
        SPA_TRY(spa_grow(&c->a, &capacity, need, sizeof *c->a, err));
        SPA_TRY(spa_grow(&c->b, &c->capacity, need, sizeof *c->b, err));
        c->capacity = capacity < c->capacity ? capacity : c->capacity;
    }
    double *a = c->a + c->n * c->columns;
    size_t k = 0;
    a[k++] = (work > 0 ? work : op_bytes(op)) / us;
    a[k++] = 1 / us;
    if (c->columns == COLUMNS) a[k] = work / x / us;
    c->b[c->n++] = 1;
    return SPA_OK;
}

/* Largest work-like column has units of 1e6; scaling keeps the solver well conditioned. */
static spa_status solve(collector *c, spa_fitted_rate *rate, spa_error *err)
{
    double scale[COLUMNS] = {0}, x[COLUMNS] = {0};
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->columns; k++) scale[k] = fmax(scale[k], c->a[i * c->columns + k]);
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->columns; k++)
            if (scale[k] > 0) c->a[i * c->columns + k] /= scale[k];
    SPA_TRY(fit_nnls(c->a, c->b, c->n, c->columns, x, err));
    double *predicted;
    SPA_TRY(spa_alloc(&predicted, c->n, sizeof *predicted, err));
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->columns; k++) predicted[i] += c->a[i * c->columns + k] * x[k];
    spa_status status = fit_quality_of(predicted, c->b, c->n, &rate->quality, err);
    free(predicted);
    double per_us = scale[0] > 0 ? x[0] / scale[0] : 0; /* us per unit of work */
    rate->work_per_s = per_us > 0 ? 1e6 / per_us : 1e15;
    rate->fixed_us = scale[1] > 0 ? x[1] / scale[1] : 0;
    if (c->columns == COLUMNS && scale[2] > 0 && per_us > 0)
        rate->x_half = x[2] / scale[2] / per_us;
    if (!rate->has_work) rate->bytes_per_s = rate->work_per_s;
    return status;
}

static spa_status fit_class(const spa_trace *traces, size_t n_traces, const char *processor,
                            unsigned rate_class, spa_calibration *out, spa_error *err)
{
    spa_fitted_rate rate = {.processor = processor, .class_name = spec_class_name(rate_class)};
    collector c = {.processor = processor, .rate_class = rate_class, .columns = 2};
    spa_status status = SPA_OK;
    for (size_t t = 0; t < n_traces && !status; t++) {
        for (size_t m = 0; m < traces[t].n_models && !status; m++) {
            const spa_trace_model *model = &traces[t].models[m];
            for (size_t i = 0; i < model->n_costs && !status; i++) {
                const spa_trace_cost *row = &model->costs[i];
                if (!is_wanted(&c, &model->graph, row)) continue;
                const spa_op *op = &model->graph.ops[row->op];
                if (c.n == 0) { /* all of a class are alike in this */
                    rate.has_macs = op->macs > 0;
                    rate.has_work = op->macs > 0 || op->flops > 0;
                    c.columns = rate.has_macs ? COLUMNS : 2;
                }
                status = collect(&c, &model->graph, row, err);
            }
        }
    }
    while (c.n > 0 && c.n < c.columns && !status) c.columns--; /* few: only their rate */
    if (!status && c.n > 0 && c.columns >= 1 && out->n < SPA_FITTED_MAX) {
        status = solve(&c, &rate, err);
        out->rates[out->n++] = rate;
    }
    free(c.a);
    free(c.b);
    return status;
}

static void find_bandwidth(const spa_trace *traces, size_t n_traces, const char *processor,
                           double *bytes_per_s)
{
    *bytes_per_s = 1e9;
    for (size_t t = 0; t < n_traces; t++)
        for (size_t m = 0; m < traces[t].n_models; m++)
            for (size_t i = 0; i < traces[t].models[m].n_costs; i++) {
                const spa_trace_cost *row = &traces[t].models[m].costs[i];
                const spa_op *op = &traces[t].models[m].graph.ops[row->op];
                if (row->corun[0] || strcmp(row->processor, processor) != 0 || row_us(row) <= 0)
                    continue;
                if (op->kind == SPA_OP_RESHAPE) continue;
                *bytes_per_s = fmax(*bytes_per_s, op_bytes(op) / row_us(row) * 1e6);
            }
}

/* ---- whole models
 * -------------------------------------------------------------------------------- */

static const spa_fitted_rate *rate_for(const spa_calibration *c, const char *processor,
                                       const spa_graph *g, const spa_op *op)
{
    const char *name = spec_class_name(spec_class_of(g, op));
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->rates[i].processor, processor) == 0 &&
            strcmp(c->rates[i].class_name, name) == 0)
            return &c->rates[i];
    return NULL;
}

static double predict_us(const spa_calibration *c, const char *processor, const spa_graph *g,
                         const spa_op *op)
{
    const spa_fitted_rate *r = rate_for(c, processor, g, op);
    double x = (double)spa_shape_elements(&op->out);
    if (!r) return 0;
    double work = (double)(op->macs > 0 ? op->macs : op->flops);
    double amount = r->has_work ? work * (1 + r->x_half / x) : op_bytes(op);
    return amount / r->work_per_s * 1e6 + r->fixed_us;
}

static spa_status judge_totals(const spa_trace *traces, size_t n_traces, const spa_lane_set *lanes,
                               spa_calibration *out, spa_error *err)
{
    double predicted[64], measured[64];
    size_t n = 0;
    for (size_t t = 0; t < n_traces; t++)
        for (size_t m = 0; m < traces[t].n_models; m++)
            for (size_t p = 0; p < lanes->count && n < 64; p++) {
                const spa_trace_model *model = &traces[t].models[m];
                const char *processor = lanes->lanes[p].processor;
                predicted[n] = measured[n] = 0;
                for (size_t i = 0; i < model->n_costs; i++) {
                    const spa_trace_cost *row = &model->costs[i];
                    if (row->corun[0] || strcmp(row->processor, processor) != 0) continue;
                    measured[n] += row_us(row);
                    predicted[n] +=
                        predict_us(out, processor, &model->graph, &model->graph.ops[row->op]);
                }
                n += measured[n] > 0;
            }
    out->n_totals = n;
    return fit_quality_of(predicted, measured, n, &out->totals, err);
}

spa_status spa_calibration_fit(const spa_trace *traces, size_t n_traces, const spa_lane_set *lanes,
                               spa_calibration *out, spa_error *err)
{
    *out = (spa_calibration){0};
    for (size_t p = 0; p < lanes->count && p < SPA_MAX_PROCESSORS; p++) {
        const char *processor = lanes->lanes[p].processor;
        for (unsigned c = 0; c < SPEC_CLASS_COUNT; c++)
            SPA_TRY(fit_class(traces, n_traces, processor, c, out, err));
        find_bandwidth(traces, n_traces, processor, &out->bandwidth[p]);
    }
    if (out->n == 0)
        return spa_fail(err, SPA_E_INVALID,
                        "the traces have no operator on the lanes' processors (%s ...)",
                        lanes->lanes[0].processor);
    return judge_totals(traces, n_traces, lanes, out, err);
}

/* ---- writing
 * ------------------------------------------------------------------------------------- */

spa_status spa_calibration_put(const spa_calibration *c, const spa_lane_set *lanes, double clock_hz,
                               spa_string *out, spa_error *err)
{
    for (size_t p = 0; p < lanes->count; p++) {
        const char *processor = lanes->lanes[p].processor;
        spa_string_append(
            out,
            "\n[rates sparoa %s]\nbandwidth_gbs = %.4g # fitted: the fastest that any "
            "operator moved its bytes\n",
            processor, c->bandwidth[p] * 1e-9);
        for (size_t i = 0; i < c->n; i++) {
            const spa_fitted_rate *r = &c->rates[i];
            if (strcmp(r->processor, processor) != 0) continue;
            const char *key = r->has_macs ? "gmacs" : r->has_work ? "gops" : "gbs";
            spa_string_append(out,
                              "%s.%s = %.4g # fitted: %zu operators, median residual %.1f %%, p95 "
                              "%.1f %%\n",
                              r->class_name, key, r->work_per_s * 1e-9, r->quality.n,
                              r->quality.median * 100, r->quality.p95 * 100);
            if (r->x_half > 0)
                spa_string_append(out, "%s.x_half = %.4g # fitted: as above\n", r->class_name,
                                  r->x_half);
            if (r->fixed_us > 0)
                spa_string_append(out, "%s.kernel_cycles = %.4g # fitted: as above\n",
                                  r->class_name, r->fixed_us * 1e-6 * clock_hz);
        }
    }
    return spa_string_ok(out, err);
}

/* ---- schedules
 * ----------------------------------------------------------------------------------- */

static bool is_random(const spa_validated *r)
{
    return !r->is_skipped && strcmp(r->kind, "random") == 0 && isfinite(r->measured_ms);
}

/* Simulated parts of a schedule, ms: kernels by lane, then all that lies between them. */
static void parts_of(const spa_validated *r, size_t n_lanes, double *out)
{
    const double *us = r->simulated.us;
    double kernels = us[SPA_COMPONENT_KERNEL] + us[SPA_COMPONENT_CONTENTION];
    for (size_t p = 0; p < n_lanes; p++) out[p] = kernels * r->share[p] * 1e-3;
    out[n_lanes] = (spa_budget_total(&r->simulated) - kernels) * 1e-3;
}

spa_status spa_correction_fit(const spa_validation *v, spa_correction *out, spa_error *err)
{
    size_t columns = v->n_lanes + 1, n = 0, judged = 0;
    double *a, *b, *before, x[SPA_MAX_PROCESSORS + 1] = {0};
    *out = (spa_correction){.n_lanes = v->n_lanes};
    SPA_TRY(spa_alloc(&a, v->n_rows * (columns + 3), sizeof *a, err));
    b = a + v->n_rows * columns;
    before = b + v->n_rows;
    for (size_t i = 0, k = 0; i < v->n_rows; i++) {
        const spa_validated *r = &v->rows[i];
        if (!is_random(r) || k++ % 2) continue;
        parts_of(r, v->n_lanes, a + n * columns);
        for (size_t c = 0; c < columns; c++) a[n * columns + c] /= r->measured_ms;
        b[n++] = 1;
    }
    out->n_fitted = n;
    spa_status status = n < columns ? spa_fail(err, SPA_E_RANGE,
                                               "%zu schedules are too few to fit %zu factors; "
                                               "ask for more with --schedules",
                                               n, columns)
                                    : fit_nnls(a, b, n, columns, x, err);
    double *measured = before + v->n_rows, *after = b; /* b is used up */
    for (size_t i = 0, k = 0; i < v->n_rows && !status; i++) {
        const spa_validated *r = &v->rows[i];
        double parts[SPA_MAX_PROCESSORS + 1];
        if (!is_random(r) || k++ % 2 == 0) continue;
        parts_of(r, v->n_lanes, parts);
        before[judged] = r->simulated_ms;
        measured[judged] = r->measured_ms;
        after[judged] = 0;
        for (size_t c = 0; c < columns; c++) after[judged] += parts[c] * x[c];
        judged++;
    }
    out->n_judged = judged;
    for (size_t p = 0; p < v->n_lanes; p++) out->kernel[p] = x[p];
    out->between = x[v->n_lanes];
    if (!status) status = fit_quality_of(before, measured, judged, &out->before, err);
    if (!status) status = fit_quality_of(after, measured, judged, &out->after, err);
    free(a);
    return status;
}
