/* Fitting predictors of thresholds: means, least squares (GSL), or Adam on windows. */
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "policies/learn/adam.h"
#include "policies/learn/predictor.h"

enum {
    WIDTH = SPA_PREDICTOR_FEATURES,
    WINDOW = SPA_PREDICTOR_WINDOW,
    BATCH = SPA_PREDICTOR_BATCH,
    OUT = SPA_THRESHOLDS
};

spa_predictor_fit spa_predictor_fit_default(spa_predictor_kind kind)
{
    return (spa_predictor_fit){.kind = kind, .hidden = 16, .epochs = 60, .rate = 3e-3, .seed = 1};
}

static bool used(const spa_predictor_data *d, const bool *use, size_t row)
{
    return d->rows[row].counts && (!use || use[row]);
}

/* Mean and standard deviation of the labels; a label that is always the same has the latter 1. */
static spa_status scale_labels(spa_predictor *p, const spa_predictor_data *d, const bool *use,
                               size_t *n_used, spa_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_rows; i++) n += used(d, use, i);
    *n_used = n;
    if (n == 0) return spa_fail(err, SPA_E_INVALID, "no operator to learn thresholds from");
    for (int t = 0; t < OUT; t++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < d->n_rows; i++)
            if (used(d, use, i)) sum += d->rows[i].label.at[t];
        double mean = sum / (double)n;
        for (size_t i = 0; i < d->n_rows; i++) {
            double e = used(d, use, i) ? d->rows[i].label.at[t] - mean : 0;
            squares += e * e;
        }
        double sd = sqrt(squares / (double)n);
        p->mean[t] = (float)mean;
        p->sd[t] = sd > 1e-9 ? (float)sd : 1;
    }
    return SPA_OK;
}

static float target(const spa_predictor *p, const spa_predictor_row *row, int t)
{
    return (float)((row->label.at[t] - (double)p->mean[t]) / (double)p->sd[t]);
}

/* ---- least squares --------------------------------------------------------------------------- */

typedef struct squares {
    gsl_matrix *x, *covariance;
    gsl_vector *y, *c;
    gsl_multifit_linear_workspace *work;
} squares;

static void squares_free(squares *s)
{
    if (s->x) gsl_matrix_free(s->x);
    if (s->covariance) gsl_matrix_free(s->covariance);
    if (s->y) gsl_vector_free(s->y);
    if (s->c) gsl_vector_free(s->c);
    if (s->work) gsl_multifit_linear_free(s->work);
}

static spa_status solve(spa_predictor *p, squares *s, const spa_predictor_data *d, const bool *use,
                        spa_error *err)
{
    for (int t = 0; t < OUT; t++) {
        size_t row = 0, rank = 0;
        double chi2 = 0;
        for (size_t i = 0; i < d->n_rows; i++) {
            if (!used(d, use, i)) continue;
            for (size_t f = 0; f < WIDTH; f++)
                gsl_matrix_set(s->x, row, f, (double)d->x[i * WIDTH + f]);
            gsl_matrix_set(s->x, row, WIDTH, 1);
            gsl_vector_set(s->y, row++, (double)target(p, &d->rows[i], t));
        }
        /* Groups of kinds sum to 1, as the constant does: the smallest solution of many. */
        int status =
            gsl_multifit_linear_tsvd(s->x, s->y, 1e-9, s->c, s->covariance, &chi2, &rank, s->work);
        if (status) return spa_fail(err, SPA_E_INVALID, "least squares: %s", gsl_strerror(status));
        for (size_t f = 0; f <= WIDTH; f++) /* W[in][out], then b[out] */
            p->params[f * OUT + (size_t)t] = (float)gsl_vector_get(s->c, f);
    }
    return SPA_OK;
}

/* With fewer rows than unknowns, rows of zeros make up the number that GSL wants. */
static spa_status fit_linear(spa_predictor *p, const spa_predictor_data *d, const bool *use,
                             size_t n_used, spa_error *err)
{
    size_t n = n_used > WIDTH ? n_used : WIDTH + 1;
    squares s = {.x = gsl_matrix_calloc(n, WIDTH + 1),
                 .covariance = gsl_matrix_alloc(WIDTH + 1, WIDTH + 1),
                 .y = gsl_vector_calloc(n),
                 .c = gsl_vector_alloc(WIDTH + 1),
                 .work = gsl_multifit_linear_alloc(n, WIDTH + 1)};
    spa_status status = SPA_OK;
    if (!s.x || !s.covariance || !s.y || !s.c || !s.work)
        status = spa_fail_nomem(err, n * (WIDTH + 1) * sizeof(double));
    if (!status) status = solve(p, &s, d, use, err);
    squares_free(&s);
    return status;
}

/* ---- Adam ------------------------------------------------------------------------------------ */

typedef struct window {
    size_t first, length; /* rows */
} window;

typedef struct fitter {
    spa_predictor *p;
    const spa_predictor_data *data;
    const bool *use;
    window *windows;
    size_t n_windows;
    float *gradient, *moment1, *moment2; /* [n_params + pad] */
    float *x;                            /* [BATCH * WINDOW][WIDTH] */
    float *d_out;                        /* [BATCH * WINDOW][OUT] */
    size_t *rows;                        /* [BATCH * WINDOW] */
} fitter;

static size_t count_windows(const spa_predictor_data *d)
{
    size_t n = 0;
    for (size_t s = 0; s < d->n_sequences; s++)
        n += (d->first[s + 1] - d->first[s] + WINDOW - 1) / WINDOW;
    return n;
}

/* As prediction cuts a sequence. */
static void cut(fitter *f)
{
    const spa_predictor_data *d = f->data;
    for (size_t s = 0; s < d->n_sequences; s++) {
        size_t begin = d->first[s], n = d->first[s + 1] - begin;
        size_t length = n < WINDOW ? n : WINDOW;
        for (size_t at = 0; at < n; at += length) {
            size_t from = at + length > n ? n - length : at;
            f->windows[f->n_windows++] = (window){begin + from, length};
        }
    }
}

static spa_status reserve(fitter *f, spa_error *err)
{
    size_t n = f->p->net.n_params + SPA_NET_PAD, rows = BATCH * WINDOW;
    SPA_TRY(spa_alloc(&f->windows, count_windows(f->data), sizeof *f->windows, err));
    SPA_TRY(spa_alloc(&f->gradient, n, sizeof *f->gradient, err));
    SPA_TRY(spa_alloc(&f->moment1, n, sizeof *f->moment1, err));
    SPA_TRY(spa_alloc(&f->moment2, n, sizeof *f->moment2, err));
    SPA_TRY(spa_alloc(&f->x, rows * WIDTH, sizeof *f->x, err));
    SPA_TRY(spa_alloc(&f->d_out, rows * OUT, sizeof *f->d_out, err));
    return spa_alloc(&f->rows, rows, sizeof *f->rows, err);
}

static void release(fitter *f)
{
    free(f->windows);
    free(f->gradient);
    free(f->moment1);
    free(f->moment2);
    free(f->x);
    free(f->d_out);
    free(f->rows);
}

static void shuffle(fitter *f, spa_rng *rng)
{
    for (size_t i = f->n_windows; i > 1; i--) {
        size_t k = spa_rng_below(rng, (uint32_t)i);
        window kept = f->windows[i - 1];
        f->windows[i - 1] = f->windows[k];
        f->windows[k] = kept;
    }
}

/* Gathers up to BATCH windows of one length from `at` on; how many. */
static size_t gather(fitter *f, size_t at)
{
    size_t n = 0, length = f->windows[at].length;
    for (; n < BATCH && at + n < f->n_windows && f->windows[at + n].length == length; n++) {
        size_t first = f->windows[at + n].first;
        memcpy(f->x + n * length * WIDTH, f->data->x + first * WIDTH,
               length * WIDTH * sizeof *f->x);
        for (size_t i = 0; i < length; i++) f->rows[n * length + i] = first + i;
    }
    return n;
}

/* One step on n windows: mean over rows that count of (output - target)^2, both thresholds. */
static spa_status step(fitter *f, spa_adam *adam, double rate, size_t n, size_t length,
                       spa_error *err)
{
    spa_predictor *p = f->p;
    size_t rows = n * length, counted = 0;
    for (size_t i = 0; i < rows; i++) counted += used(f->data, f->use, f->rows[i]);
    if (counted == 0) return SPA_OK;
    const float *y = spa_net_forward_f32(&p->net, p->params, &p->work, f->x, n, length);
    for (size_t i = 0; i < rows; i++) {
        bool counts = used(f->data, f->use, f->rows[i]);
        for (size_t t = 0; t < OUT; t++) {
            float e = y[i * OUT + t] - target(p, &f->data->rows[f->rows[i]], (int)t);
            f->d_out[i * OUT + t] = counts ? 2 * e / (float)(counted * OUT) : 0;
        }
    }
    memset(f->gradient, 0, p->net.n_params * sizeof *f->gradient);
    spa_net_backward_f32(&p->net, p->params, &p->work, f->d_out, f->gradient, NULL);
    double norm = spa_adam_update(adam, rate, 1, p->net.n_params, p->params, f->gradient,
                                  f->moment1, f->moment2);
    if (isfinite(norm)) return SPA_OK;
    return spa_fail(err, SPA_E_RANGE, "training of '%s' diverged; try a smaller rate",
                    spa_predictor_kind_name(p->kind));
}

static spa_status descend(fitter *f, const spa_predictor_fit *fit, spa_error *err)
{
    spa_adam adam = spa_adam_default();
    spa_rng rng;
    spa_rng_init(&rng, fit->seed, "predictor/order");
    for (size_t epoch = 0; epoch < fit->epochs; epoch++) {
        double rate = fit->rate * (1 - 0.9 * (double)epoch / (double)fit->epochs);
        shuffle(f, &rng);
        for (size_t at = 0, n; at < f->n_windows; at += n) {
            n = gather(f, at);
            SPA_TRY(step(f, &adam, rate, n, f->windows[at].length, err));
        }
    }
    return SPA_OK;
}

static spa_status fit_net(spa_predictor *p, const spa_predictor_fit *fit,
                          const spa_predictor_data *data, const bool *use, spa_error *err)
{
    fitter f = {.p = p, .data = data, .use = use};
    spa_status status = spa_net_start_f32(&p->net, SPA_START_XAVIER, 0.1, fit->seed,
                                          spa_predictor_kind_name(p->kind), p->params, err);
    if (!status) status = reserve(&f, err);
    if (!status) {
        cut(&f);
        status = descend(&f, fit, err);
    }
    release(&f);
    return status;
}

spa_status spa_predictor_train(spa_predictor *p, const spa_predictor_fit *fit,
                               const spa_predictor_data *data, const bool *use, spa_error *err)
{
    size_t n = 0;
    SPA_TRY(spa_predictor_init(p, fit->kind, fit->hidden, err));
    SPA_TRY(scale_labels(p, data, use, &n, err));
    if (fit->kind == SPA_PREDICT_CONSTANT) return SPA_OK; /* outputs 0: the means */
    if (fit->kind == SPA_PREDICT_LINEAR) return fit_linear(p, data, use, n, err);
    return fit_net(p, fit, data, use, err);
}
