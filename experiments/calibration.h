/* Calibration: the equation's rates from a trace, and what a profile cannot give from schedules. */
#ifndef SPA_EXPERIMENTS_CALIBRATION_H
#define SPA_EXPERIMENTS_CALIBRATION_H

#include "experiments/fit.h"
#include "experiments/validation.h"

/* Rates of one class of operators on one processor. */
typedef struct spa_fitted_rate {
    const char *processor, *class_name;
    bool has_macs, has_work; /* neither: moves bytes only */
    double work_per_s, x_half, fixed_us, bytes_per_s;
    fit_quality quality; /* relative residuals over the operators it was fitted to */
} spa_fitted_rate;

#define SPA_FITTED_MAX 256
typedef struct spa_calibration {
    size_t n;
    spa_fitted_rate rates[SPA_FITTED_MAX];
    double bandwidth[SPA_MAX_PROCESSORS]; /* bytes/s: the fastest that any operator moved them */
    size_t n_totals;
    fit_quality totals; /* sums over whole models, alone on each processor */
} spa_calibration;

/* Non-negative least squares of relative errors: t = work/R + (x_half/R) work/x + fixed (with
 * MACs), work/R + fixed (without), bytes/B + fixed (moves), over all models of all traces.
 * Processors are those of `lanes`. */
spa_status spa_calibration_fit(const spa_trace *traces, size_t n_traces, const spa_lane_set *lanes,
                               spa_calibration *out, spa_error *err);

/* Appends [rates sparoa P] sections for a device file. */
spa_status spa_calibration_put(const spa_calibration *c, const spa_lane_set *lanes, double clock_hz,
                               spa_string *out, spa_error *err);

/* What schedules say beyond the profile: factors on kernels of each lane and on everything between
 * them, fitted on the even random schedules, judged on the odd ones. */
typedef struct spa_correction {
    size_t n_fitted, n_judged, n_lanes;
    double kernel[SPA_MAX_PROCESSORS], between;
    fit_quality before, after; /* on the odd ones */
} spa_correction;
spa_status spa_correction_fit(const spa_validation *validation, spa_correction *out,
                              spa_error *err);

#endif
