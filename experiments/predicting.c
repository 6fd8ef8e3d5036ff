#define _POSIX_C_SOURCE 200809L
#include "experiments/predicting.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "base/stats.h"

static const spa_param params[] = {
    {"kind", SPA_PARAM_TEXT, 0, 0, 0, "transformer+lstm", "NAME", "the predictor that is written"},
    {"hidden", SPA_PARAM_INT, 16, 4, 512, NULL, "features", "width; a multiple of 4"},
    {"epochs", SPA_PARAM_INT, 60, 1, 100000, NULL, "passes", "over the data"},
    {"rate", SPA_PARAM_REAL, 3e-3, 1e-8, 1, NULL, "", "of Adam, falling to a tenth"},
};

typedef struct trainer {
    spa_predicting *out;
    const spa_runs *runs;
    spa_progress *progress;
    size_t done;
    spa_predictor_fit fit;
    bool *use, *judge; /* [n_rows] */
} trainer;

void spa_predicting_fini(spa_predicting *p)
{
    spa_predictor_data_fini(&p->data);
    free(p->own_sequence);
    *p = (spa_predicting){0};
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- splits ---------------------------------------------------------------------------------- */

/* A fifth of the operators is judged, in whatever sequence they stand. */
static void split_at_random(trainer *t)
{
    const spa_predictor_data *d = &t->out->data;
    for (size_t i = 0; i < d->n_rows; i++) {
        spa_rng rng;
        uint64_t id = (uint64_t)d->rows[i].model << 32 | d->rows[i].op;
        spa_rng_init_indexed(&rng, t->fit.seed, "predictor/split", id);
        t->judge[i] = spa_rng_uniform(&rng) < 0.2;
        t->use[i] = !t->judge[i];
    }
}

static void split_by_model(trainer *t, uint32_t model)
{
    const spa_predictor_data *d = &t->out->data;
    for (size_t i = 0; i < d->n_rows; i++) {
        t->judge[i] = d->rows[i].model == model;
        t->use[i] = !t->judge[i];
    }
}

/* ---- one kind -------------------------------------------------------------------------------- */

static double *numbers_of(spa_predictor_score *s)
{
    return (double *)s; /* all of its members are doubles */
}
enum { N_NUMBERS = sizeof(spa_predictor_score) / sizeof(double) };

static spa_predictor_score unknown(void)
{
    spa_predictor_score s = {0};
    for (int i = 0; i < N_NUMBERS; i++) numbers_of(&s)[i] = NAN;
    return s;
}

static spa_status fit(trainer *t, spa_predictor *p, const bool *use, spa_error *err)
{
    spa_status status = spa_predictor_train(p, &t->fit, &t->out->data, use, err);
    spa_progress_show(t->progress, ++t->done);
    return status;
}

/* Time of one sequence, the median of five rounds over all of them. */
static spa_status time_inference(trainer *t, spa_predictor *p, double *us, spa_error *err)
{
    const spa_predictor_data *d = &t->out->data;
    double rounds[5];
    float *out = NULL;
    SPA_TRY(spa_alloc(&out, d->n_rows * SPA_THRESHOLDS, sizeof *out, err));
    for (size_t r = 0; r < sizeof rounds / sizeof *rounds; r++) {
        double begin = now_s();
        for (size_t s = 0; s < d->n_sequences; s++)
            spa_predictor_predict(p, d->x + d->first[s] * SPA_PREDICTOR_FEATURES,
                                  d->first[s + 1] - d->first[s], out);
        rounds[r] = (now_s() - begin) / (double)d->n_sequences * 1e6;
    }
    *us = spa_median(rounds, sizeof rounds / sizeof *rounds);
    free(out);
    return SPA_OK;
}

static spa_status at_random(trainer *t, spa_predictor_kind k, spa_error *err)
{
    spa_predictor p;
    double begin = now_s();
    split_at_random(t);
    spa_status status = fit(t, &p, t->use, err);
    t->out->fit_s[k] = now_s() - begin;
    t->out->n_params[k] = k == SPA_PREDICT_CONSTANT ? SPA_THRESHOLDS : p.net.n_params;
    if (!status)
        status = spa_predicting_judge(&t->out->data, &p, t->judge,
                                      &t->out->score[k][SPA_SPLIT_RANDOM], err);
    if (!status) status = time_inference(t, &p, &t->out->inference_us[k], err);
    spa_predictor_fini(&p);
    return status;
}

static spa_status one_model_out(trainer *t, uint32_t model, spa_predictor_score *s, spa_error *err)
{
    spa_predictor p;
    split_by_model(t, model);
    spa_status status = fit(t, &p, t->use, err);
    if (!status) status = spa_predicting_judge(&t->out->data, &p, t->judge, s, err);
    if (!status)
        status = spa_predicting_latency(&t->out->data, t->out->own_sequence[model], &p,
                                        &t->runs->cases[model], s, err);
    spa_predictor_fini(&p);
    return status;
}

/* Means over the models for which a number is known. */
static spa_status by_model(trainer *t, spa_predictor_kind k, spa_error *err)
{
    double sum[N_NUMBERS] = {0}, n[N_NUMBERS] = {0};
    for (uint32_t m = 0; m < t->out->n_models; m++) {
        spa_predictor_score s = unknown();
        SPA_TRY(one_model_out(t, m, &s, err));
        for (int i = 0; i < N_NUMBERS; i++) {
            double x = numbers_of(&s)[i];
            if (!isfinite(x)) continue;
            sum[i] += x;
            n[i]++;
        }
    }
    for (int i = 0; i < N_NUMBERS; i++)
        numbers_of(&t->out->score[k][SPA_SPLIT_MODEL])[i] = n[i] > 0 ? sum[i] / n[i] : NAN;
    return SPA_OK;
}

static spa_status judge_all(trainer *t, spa_error *err)
{
    spa_predictor_kind written = t->fit.kind;
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        t->fit.kind = (spa_predictor_kind)k;
        for (int s = 0; s < SPA_SPLITS; s++) t->out->score[k][s] = unknown();
        SPA_TRY(at_random(t, t->fit.kind, err));
        if (t->out->n_models > 1) SPA_TRY(by_model(t, t->fit.kind, err));
    }
    t->fit.kind = written;
    return SPA_OK;
}

/* ---- the one that is written ----------------------------------------------------------------- */

static spa_status name_it(char out[SPA_PREDICTOR_NAME], const char *what, const char *name,
                          spa_error *err)
{
    if (snprintf(out, SPA_PREDICTOR_NAME, "%s", name) < SPA_PREDICTOR_NAME) return SPA_OK;
    return spa_fail(err, SPA_E_RANGE, "the %s's name is too long for a predictor's file", what);
}

static spa_status write_all(trainer *t, const char *path, spa_error *err)
{
    spa_predictor p;
    const spa_costs *c = &t->runs->cases[0].costs;
    spa_status status = fit(t, &p, NULL, err);
    if (!status) status = name_it(p.device, "device", c->device, err);
    if (!status) status = name_it(p.mode, "mode", c->mode, err);
    if (!status) status = name_it(p.stack, "stack", c->stack, err);
    if (!status) status = spa_predictor_write(&p, path, err);
    spa_predictor_fini(&p);
    return status;
}

static spa_status parse(trainer *t, const char *text, const spa_options *o, spa_error *err)
{
    spa_param_values values;
    const char *rest = strchr(text, ':');
    SPA_TRY(spa_params_parse(params, sizeof params / sizeof *params, "threshold+predictor",
                             rest ? rest + 1 : "", &values, err));
    SPA_TRY(spa_cli_name_status(spa_predictor_kind_find(values.text[0], &t->fit.kind, err),
                                values.text[0], err));
    t->fit.hidden = (size_t)values.number[1];
    t->fit.epochs = (size_t)values.number[2];
    t->fit.rate = values.number[3];
    t->fit.seed = (uint64_t)o->seed;
    return SPA_OK;
}

spa_status spa_predicting_run(spa_predicting *out, const char *text, const spa_runs *runs,
                              const spa_options *options, spa_progress *progress, spa_error *err)
{
    trainer t = {.out = out, .runs = runs, .progress = progress};
    double begin = now_s();
    *out = (spa_predicting){0};
    spa_status status = parse(&t, text, options, err);
    if (!status) status = spa_predicting_data(out, runs, options, err);
    if (!status) status = spa_alloc(&t.use, out->data.n_rows, sizeof *t.use, err);
    if (!status) status = spa_alloc(&t.judge, out->data.n_rows, sizeof *t.judge, err);
    if (!status) status = judge_all(&t, err);
    if (!status) status = write_all(&t, options->output, err);
    out->fit = t.fit;
    out->seconds_host = now_s() - begin;
    free(t.use);
    free(t.judge);
    if (status) spa_predicting_fini(out);
    return status;
}
