/* Predicted against published measurements: the cases of `make fidelity`. */
#ifndef SPA_EXPERIMENTS_FIDELITY_H
#define SPA_EXPERIMENTS_FIDELITY_H

#include "experiments/fit.h"

/* One prediction beside its measurement. */
typedef struct fidelity_point {
    const char *item; /* "k=3", "resnet18 15W FP32" */
    const char *unit;
    double measured, predicted;
} fidelity_point;

/* How a case is judged. */
typedef enum fidelity_rule {
    FIDELITY_SHOWN,   /* no target */
    FIDELITY_MEDIAN,  /* median <= limit, and p95 <= limit_p95 unless that is 0 */
    FIDELITY_EACH,    /* the largest error <= limit */
    FIDELITY_AT_LEAST /* one point: "measured" is what a choice gives, "predicted" the best there
                         is; the best exceeds it by at most limit */
} fidelity_rule;

typedef struct fidelity_case {
    const char *name, *fitted_on, *predicted;
    fidelity_rule rule;
    double limit, limit_p95;
    size_t first, n; /* into points */
    fit_quality error;
    double bias;   /* mean of predicted/measured - 1 */
    size_t within; /* points with an error <= limit */
    bool met;      /* true for FIDELITY_SHOWN */
} fidelity_case;

#define FIDELITY_MAX_CASES 32
typedef struct fidelity {
    spa_arena arena;
    fidelity_point *points;
    size_t n_points, capacity;
    fidelity_case cases[FIDELITY_MAX_CASES];
    size_t n_cases;
} fidelity;

/* Fits, predicts, judges. `folder` must hold the measurements (fit_data_present). */
spa_status fidelity_run(fidelity *f, const char *folder, spa_error *err);
void fidelity_fini(fidelity *f);
const fidelity_case *fidelity_find(const fidelity *f, const char *name);

/* Opens a case; points that follow belong to it. Closing it judges it. */
fidelity_case *fidelity_open(fidelity *f, const char *name, const char *fitted_on,
                             const char *predicted, fidelity_rule rule, double limit);
spa_status fidelity_add(fidelity *f, const char *unit, double measured, double predicted,
                        spa_error *err, const char *fmt, ...) SPA_PRINTF(6, 7);
spa_status fidelity_close(fidelity *f, spa_error *err);

/* fidelity_print.c */
spa_status fidelity_table(const fidelity *f, spa_string *out, spa_error *err);
spa_status fidelity_json(const fidelity *f, spa_string *out, spa_error *err);
spa_status fidelity_csv(const fidelity *f, spa_string *out, spa_error *err);

#endif
