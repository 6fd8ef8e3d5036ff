/* Least squares on GSL. */
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/stats.h"
#include "experiments/fit.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

spa_status fit_quality_of(const double *predicted, const double *measured, size_t n,
                          fit_quality *out, spa_error *err)
{
    double *e = NULL;
    *out = (fit_quality){0};
    if (n == 0) return spa_fail(err, SPA_E_INVALID, "no measurement to compare with");
    SPA_TRY(spa_alloc(&e, n, sizeof *e, err));
    for (size_t i = 0; i < n; i++) e[i] = fabs(predicted[i] / measured[i] - 1);
    qsort(e, n, sizeof *e, ascending);
    *out =
        (fit_quality){n, spa_quantile_sorted(e, n, 0.5), spa_quantile_sorted(e, n, 0.95), e[n - 1]};
    free(e);
    return SPA_OK;
}

/* ---- non-negative least squares -------------------------------------------------------------- */

typedef struct nnls {
    const double *a, *b;
    size_t rows, columns;
    bool passive[FIT_MAX_COLUMNS];
    double *residual; /* [rows] b - a x */
    gsl_matrix *qr;   /* rows x columns; a view of the passive columns is used */
    gsl_vector *tau, *z, *work;
} nnls;

/* Unconstrained least squares over the passive columns; others 0. */
static spa_status solve_passive(nnls *w, double *z, spa_error *err)
{
    size_t n = 0, index[FIT_MAX_COLUMNS];
    memset(z, 0, w->columns * sizeof *z);
    for (size_t j = 0; j < w->columns; j++)
        if (w->passive[j]) index[n++] = j;
    if (n == 0) return SPA_OK;
    gsl_matrix_view qr = gsl_matrix_submatrix(w->qr, 0, 0, w->rows, n);
    gsl_vector_view tau = gsl_vector_subvector(w->tau, 0, n);
    gsl_vector_view x = gsl_vector_subvector(w->z, 0, n);
    gsl_vector_const_view b = gsl_vector_const_view_array(w->b, w->rows);
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = 0; j < n; j++)
            gsl_matrix_set(&qr.matrix, i, j, w->a[i * w->columns + index[j]]);
    int status = gsl_linalg_QR_decomp(&qr.matrix, &tau.vector);
    if (!status) {
        status = gsl_linalg_QR_lssolve(&qr.matrix, &tau.vector, &b.vector, &x.vector, w->work);
    }
    if (status) return spa_fail(err, SPA_E_INVALID, "least squares: %s", gsl_strerror(status));
    for (size_t j = 0; j < n; j++) z[index[j]] = gsl_vector_get(&x.vector, j);
    return SPA_OK;
}

/* The column whose increase would help most, or -1. */
static int steepest(nnls *w, const double *x)
{
    int best = -1;
    double best_gain = 0;
    for (size_t i = 0; i < w->rows; i++) {
        w->residual[i] = w->b[i];
        for (size_t j = 0; j < w->columns; j++) w->residual[i] -= w->a[i * w->columns + j] * x[j];
    }
    for (size_t j = 0; j < w->columns; j++) {
        double gain = 0, norm = 0;
        if (w->passive[j]) continue;
        for (size_t i = 0; i < w->rows; i++) {
            double v = w->a[i * w->columns + j];
            gain += v * w->residual[i];
            norm += v * v;
        }
        gain = norm > 0 ? gain / sqrt(norm) : 0;
        if (gain > best_gain + 1e-12) {
            best_gain = gain;
            best = (int)j;
        }
    }
    return best;
}

/* Moves x towards z until the first coefficient reaches 0; false when z itself is feasible. */
static bool step_back(nnls *w, double *x, const double *z)
{
    double step = 1;
    bool limited = false;
    for (size_t j = 0; j < w->columns; j++) {
        if (!w->passive[j] || z[j] > 0) continue;
        double s = x[j] - z[j] > 0 ? x[j] / (x[j] - z[j]) : 0;
        if (!limited || s < step) step = s;
        limited = true;
    }
    if (!limited) return false;
    for (size_t j = 0; j < w->columns; j++) {
        if (!w->passive[j]) continue;
        x[j] += step * (z[j] - x[j]);
        if (x[j] <= 1e-14 && z[j] <= 0) {
            x[j] = 0;
            w->passive[j] = false;
        }
    }
    return true;
}

static spa_status nnls_loop(nnls *w, double *x, spa_error *err)
{
    double z[FIT_MAX_COLUMNS];
    for (size_t round = 0; round < 3 * w->columns + 3; round++) {
        int j = steepest(w, x);
        if (j < 0) return SPA_OK;
        w->passive[j] = true;
        SPA_TRY(solve_passive(w, z, err));
        if (z[j] <= 0) { /* numerically dependent on the others */
            w->passive[j] = false;
            return SPA_OK;
        }
        for (size_t inner = 0; inner <= w->columns && step_back(w, x, z); inner++)
            SPA_TRY(solve_passive(w, z, err));
        memcpy(x, z, w->columns * sizeof *x);
    }
    return SPA_OK;
}

spa_status fit_nnls(const double *a, const double *b, size_t rows, size_t columns, double *x,
                    spa_error *err)
{
    nnls w = {.a = a, .b = b, .rows = rows, .columns = columns};
    spa_status status;
    memset(x, 0, columns * sizeof *x);
    if (columns == 0 || columns > FIT_MAX_COLUMNS || rows < columns)
        return spa_fail(err, SPA_E_INVALID, "least squares of %zu values for %zu unknowns", rows,
                        columns);
    SPA_TRY(spa_alloc(&w.residual, rows, sizeof(double), err));
    w.qr = gsl_matrix_alloc(rows, columns);
    w.tau = gsl_vector_alloc(columns);
    w.z = gsl_vector_alloc(columns);
    w.work = gsl_vector_alloc(rows);
    if (w.qr && w.tau && w.z && w.work)
        status = nnls_loop(&w, x, err);
    else
        status = spa_fail_nomem(err, rows * columns * sizeof(double));
    if (w.qr) gsl_matrix_free(w.qr);
    if (w.tau) gsl_vector_free(w.tau);
    if (w.z) gsl_vector_free(w.z);
    if (w.work) gsl_vector_free(w.work);
    free(w.residual);
    return status;
}

/* ---- nonlinear least squares ----------------------------------------------------------------- */

typedef struct nonlinear {
    fit_residuals residuals;
    void *user;
    double *r; /* [n] */
} nonlinear;

static int call_residuals(const gsl_vector *p, void *user, gsl_vector *r)
{
    const nonlinear *n = user;
    n->residuals(n->user, p->data, n->r);
    /* r may be a column of the Jacobian, which is not contiguous. */
    for (size_t i = 0; i < r->size; i++) gsl_vector_set(r, i, n->r[i]);
    return GSL_SUCCESS;
}

spa_status fit_nonlinear(fit_residuals residuals, void *user, size_t n, double *p, size_t n_params,
                         spa_error *err)
{
    nonlinear context = {residuals, user, NULL};
    gsl_multifit_nlinear_parameters options = gsl_multifit_nlinear_default_parameters();
    gsl_multifit_nlinear_fdf fdf = {.f = call_residuals, .n = n, .p = n_params, .params = &context};
    gsl_vector_const_view start = gsl_vector_const_view_array(p, n_params);
    int info = 0;
    SPA_TRY(spa_alloc(&context.r, n, sizeof *context.r, err));
    options.fdtype = GSL_MULTIFIT_NLINEAR_CTRDIFF;
    gsl_multifit_nlinear_workspace *w =
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &options, n, n_params);
    if (!w) {
        free(context.r);
        return spa_fail_nomem(err, n * n_params * sizeof(double));
    }
    int status = gsl_multifit_nlinear_init(&start.vector, &fdf, w);
    if (!status) status = gsl_multifit_nlinear_driver(500, 1e-8, 1e-8, 0, NULL, NULL, &info, w);
    /* No progress at a (kinked) minimum is an end like any other. */
    if (status == GSL_SUCCESS || status == GSL_ENOPROG) {
        memcpy(p, gsl_multifit_nlinear_position(w)->data, n_params * sizeof *p);
        status = GSL_SUCCESS;
    }
    gsl_multifit_nlinear_free(w);
    free(context.r);
    if (status) return spa_fail(err, SPA_E_INVALID, "nonlinear fit: %s", gsl_strerror(status));
    return SPA_OK;
}
