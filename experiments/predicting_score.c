/* How good predicted thresholds are: as numbers, and as placements. */
#include <math.h>
#include <stdlib.h>

#include "experiments/predicting.h"
#include "policies/common.h"

enum { WIDTH = SPA_PREDICTOR_FEATURES, OUT = SPA_THRESHOLDS };
#define TOLERANCE 0.1

typedef struct sums {
    size_t n[OUT], near[OUT], n_sequences;
    double squares[OUT], over_best[OUT], over_labels[OUT];
} sums;

static void add_errors(sums *s, const spa_predictor_row *row, const float *predicted)
{
    for (int t = 0; t < OUT; t++) {
        double p = (double)predicted[t], l = row->label.at[t], e = p - l;
        if (row->label.censor[t] != SPA_CROSSES) continue;
        bool near = t == SPA_BY_INTENSITY ? fabs(pow(10, e) - 1) <= TOLERANCE
                                          : fabs(e) <= TOLERANCE * fabs(l);
        s->n[t]++;
        s->near[t] += near;
        s->squares[t] += e * e;
    }
}

static spa_threshold_rule rule_of(int t)
{
    return t == SPA_BY_INTENSITY ? SPA_RULE_INTENSITY : SPA_RULE_SPARSITY;
}

static int side_of(const spa_predictor_row *row, int t, const double at[OUT])
{
    return spa_threshold_says_host(rule_of(t), row->own, at) ? SPA_SIDE_HOST : SPA_SIDE_ACCELERATOR;
}

static int faster_side(const spa_predictor_row *row)
{
    bool host = row->ns[SPA_SIDE_HOST] <= row->ns[SPA_SIDE_ACCELERATOR];
    return host ? SPA_SIDE_HOST : SPA_SIDE_ACCELERATOR;
}

/* A side that cannot run it sends it to the other, as policies do. */
static double time_on(const spa_predictor_row *row, int side)
{
    return isfinite(row->ns[side]) ? row->ns[side] : row->ns[1 - side];
}

static void judge_sequence(const spa_predictor_data *d, size_t sequence, const bool *judge,
                           const float *predicted, sums *s)
{
    double chosen[OUT] = {0}, labelled[OUT] = {0}, best = 0;
    for (size_t i = d->first[sequence]; i < d->first[sequence + 1]; i++) {
        const spa_predictor_row *row = &d->rows[i];
        const float *p = predicted + (i - d->first[sequence]) * OUT;
        const double at[OUT] = {(double)p[0], (double)p[1]};
        if (!judge[i] || !row->counts) continue;
        add_errors(s, row, p);
        best += time_on(row, faster_side(row));
        for (int t = 0; t < OUT; t++) {
            chosen[t] += time_on(row, side_of(row, t, at));
            labelled[t] += time_on(row, side_of(row, t, row->label.at));
        }
    }
    if (!(best > 0)) return;
    s->n_sequences++;
    for (int t = 0; t < OUT; t++) {
        s->over_best[t] += chosen[t] / best - 1;
        s->over_labels[t] += chosen[t] / labelled[t] - 1;
    }
}

static size_t longest(const spa_predictor_data *d)
{
    size_t n = 0;
    for (size_t s = 0; s < d->n_sequences; s++)
        if (d->first[s + 1] - d->first[s] > n) n = d->first[s + 1] - d->first[s];
    return n;
}

spa_status spa_predicting_judge(const spa_predictor_data *d, spa_predictor *predictor,
                                const bool *judge, spa_predictor_score *out, spa_error *err)
{
    sums s = {0};
    float *predicted = NULL;
    SPA_TRY(spa_alloc(&predicted, longest(d) * OUT, sizeof *predicted, err));
    for (size_t q = 0; q < d->n_sequences; q++) {
        size_t first = d->first[q], n = d->first[q + 1] - first;
        bool any = false;
        for (size_t i = first; i < first + n && !any; i++) any = judge[i];
        if (!any) continue;
        spa_predictor_predict(predictor, d->x + first * WIDTH, n, predicted);
        judge_sequence(d, q, judge, predicted, &s);
    }
    free(predicted);
    for (int t = 0; t < OUT; t++) {
        double n = (double)s.n[t], m = (double)s.n_sequences;
        out->accuracy[t] = s.n[t] ? (double)s.near[t] / n : NAN;
        out->mse[t] = s.n[t] ? s.squares[t] / n : NAN;
        out->over_best[t] = s.n_sequences ? s.over_best[t] / m : NAN;
        out->over_labels[t] = s.n_sequences ? s.over_labels[t] / m : NAN;
    }
    return SPA_OK;
}

/* ---- whole models in the simulator ----------------------------------------------------------- */

typedef struct placing {
    spa_evaluator *evaluator;
    spa_schedule schedule;
    const spa_costs *costs;
    uint32_t accelerator;
} placing;

static spa_status latency(placing *p, const int *side, double *ns, spa_error *err)
{
    spa_evaluation e;
    for (size_t i = 0; i < p->costs->n_ops; i++) {
        uint32_t wanted = side[i] == SPA_SIDE_HOST ? p->costs->host : p->accelerator;
        p->schedule.processor[i] = (uint8_t)spa_policy_able(p->costs, i, wanted);
    }
    spa_policy_end_plan(p->costs, &p->schedule);
    SPA_TRY(spa_evaluate(p->evaluator, &p->schedule, &e, err));
    *ns = (double)e.makespan_ns;
    return SPA_OK;
}

static spa_status compare(placing *p, const spa_predictor_row *rows, const float *predicted,
                          int *side, spa_predictor_score *out, spa_error *err)
{
    double by_prediction, by_labels, by_best;
    size_t n = p->costs->n_ops;
    for (size_t i = 0; i < n; i++) {
        const double at[OUT] = {(double)predicted[i * OUT], (double)predicted[i * OUT + 1]};
        side[i] = side_of(&rows[i], SPA_BY_INTENSITY, at);
    }
    SPA_TRY(latency(p, side, &by_prediction, err));
    for (size_t i = 0; i < n; i++) side[i] = side_of(&rows[i], SPA_BY_INTENSITY, rows[i].label.at);
    SPA_TRY(latency(p, side, &by_labels, err));
    for (size_t i = 0; i < n; i++) side[i] = faster_side(&rows[i]);
    SPA_TRY(latency(p, side, &by_best, err));
    out->latency_over_labels = by_prediction / by_labels - 1;
    out->latency_over_best = by_prediction / by_best - 1;
    return SPA_OK;
}

spa_status spa_predicting_latency(const spa_predictor_data *d, size_t sequence,
                                  spa_predictor *predictor, const spa_case *c,
                                  spa_predictor_score *out, spa_error *err)
{
    placing p = {.costs = &c->costs};
    size_t first = d->first[sequence], n = c->costs.n_ops;
    float *predicted = NULL;
    int *side = NULL;
    SPA_TRY(spa_policy_accelerator(&c->costs, "threshold+predictor", &p.accelerator, err));
    spa_status status = spa_alloc(&predicted, n * OUT, sizeof *predicted, err);
    if (!status) status = spa_alloc(&side, n, sizeof *side, err);
    if (!status) status = spa_schedule_init(&p.schedule, n, err);
    if (!status) status = spa_evaluator_new(&p.evaluator, &c->graph, &c->costs, true, err);
    if (!status) {
        spa_predictor_predict(predictor, d->x + first * WIDTH, n, predicted);
        status = compare(&p, d->rows + first, predicted, side, out, err);
    }
    spa_evaluator_free(p.evaluator);
    spa_schedule_fini(&p.schedule);
    free(predicted);
    free(side);
    return status;
}
