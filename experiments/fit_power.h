/* Power models of two Jetson boards, fitted to published measurements: rails read by tegrastats,
 * and facts of other people's logs (docs/model-fit.md, "Power"). W, GHz. */
#ifndef SPA_EXPERIMENTS_FIT_POWER_H
#define SPA_EXPERIMENTS_FIT_POWER_H

#include "experiments/fit.h"

typedef struct fit_range {
    double low, high;
} fit_range;
static inline double fit_middle(fit_range r)
{
    return (r.low + r.high) / 2;
}

/* ---- what was measured (fit_power_read.c) ---------------------------------------------------- */

/* What a line of tegrastats is a sample of. */
typedef enum fit_load {
    FIT_LOAD_QUIET, /* GPU below 10 %, under 1 core * GHz */
    FIT_LOAD_CPU,   /* GPU below 10 %, more */
    FIT_LOAD_PART,  /* GPU from 30 to 90 %: its clock is not known then, the governor lowers it */
    FIT_LOAD_FULL,  /* GPU from 90 % */
    FIT_LOAD_MIXED
} fit_load;
const char *fit_load_name(fit_load load);

/* One line: rails, and what was busy. `rest_w` is what neither rail holds: memory, 5 V, losses. */
typedef struct fit_sample {
    double core_ghz; /* busy cores times their clocks */
    double gpu_busy; /* 0 .. 1, at a clock that the line does not tell */
    double core_w;   /* AGX Orin: VDD_CPU_CV; Orin Nano: VDD_CPU_GPU_CV */
    double soc_w;    /* AGX Orin: VDD_GPU_SOC; Orin Nano: VDD_SOC */
    double board_w;  /* AGX Orin: the sum of its four rails; Orin Nano: VDD_IN */
    fit_load load;
    bool steady; /* the line before was of the same load: rails are means over a while */
} fit_sample;
static inline double fit_rest_w(const fit_sample *s)
{
    return s->board_w - s->core_w - s->soc_w;
}

#define FIT_MAX_SAMPLES 128
typedef struct fit_log {
    const char *path; /* below the data folder */
    size_t n;
    fit_sample samples[FIT_MAX_SAMPLES];
} fit_log;

/* Reads the lines of a tegrastats log; lines without a CPU list (a date) are passed over.
 * SPA_E_PARSE names the line that lacks a rail, and a log without samples. */
spa_status fit_log_parse(fit_log *log, const char *path, const char *text, spa_error *err);

/* The number or range ("25.4-33.1") that ends the item of `text` which holds the word `name`; items
 * end with ';': "CPU_CV" in "GPU_SOC 2.0-2.8; CPU_CV 0.25-0.8" is 0.25 to 0.8. */
spa_status fit_fact_range(const char *text, const char *name, fit_range *range, spa_error *err);

/* ---- the models (fit_power.c) ---------------------------------------------------------------- */

#define FIT_POWER_MODES 4
typedef struct fit_power_mode {
    const char *name;
    double cores, cpu_ghz, gpu_ghz, units; /* units: SMs powered */
    fit_range rail_core, rail_busy;   /* AGX Orin, measured: W per core and GHz; W of a busy GPU
                                         above rest. NaN: not measured in this mode */
    double core_w_per_ghz, busy_w;    /* of the whole board, above idle: the model */
    fit_range core_range, busy_range; /* between what they may be */
} fit_power_mode;

typedef struct fit_power_board {
    const char *device;
    fit_power_mode modes[FIT_POWER_MODES];
    double idle_w, cpu_idle_w, gpu_idle_w;
    fit_range idle_range;
} fit_power_board;

/* c * x^exponent through points, by least squares of logarithms. */
typedef struct fit_power_law {
    double factor, exponent;
    fit_quality quality;
} fit_power_law;
spa_status fit_power_law_of(const double *x, const double *y, size_t n, fit_power_law *law,
                            spa_error *err);

enum { FIT_LOG_AGX, FIT_LOG_NANO_IDLE, FIT_LOG_NANO_TRT, FIT_LOG_NANO_GPU, FIT_LOGS };

/* A set of samples beside what the model says of them. */
typedef struct fit_power_row {
    const char *device, *what;
    size_t n;
    double measured_w, model_w; /* medians */
    double error;               /* median of model / measured - 1, signed */
} fit_power_row;
#define FIT_POWER_ROWS 12

typedef struct fit_power {
    fit_data data;
    fit_log logs[FIT_LOGS];
    fit_power_board agx, nano;
    double nano_idle_core_w, nano_six_w,
        nano_six_core_w;    /* 25W: the rail of CPU and GPU at rest; the
                               board and the rail with six busy cores */
    fit_power_law core_law; /* W per core and GHz against the clock, AGX Orin's modes */
    fit_power_law gpu_law;  /* W per SM against the clock, AGX Orin's modes */
    /* What everything else draws more, per W of the rail that is loaded. `full`: all cores, a full
     * GPU (Orin Nano); `light`: AGX Orin's log, up to 5 W of cores and 6 W of GPU and SoC. */
    double cpu_rest_full, cpu_rest_light;
    fit_range gpu_rest_full; /* two loads */
    double gpu_rest_light;
    fit_range nano_busy; /* W of a busy GPU in 25W, two loads */
    size_t n_rows;
    fit_power_row rows[FIT_POWER_ROWS];
} fit_power;

bool fit_power_present(const char *folder);
/* Reads and fits; a large object, on the heap. `folder` must outlive it. */
spa_status fit_power_new(fit_power **power, const char *folder, spa_error *err);
void fit_power_free(fit_power *power);
/* The same from facts and logs that are read already (boards' modes, rails, idle; logs): fills what
 * is fitted. */
spa_status fit_power_solve(fit_power *power, spa_error *err);
double fit_power_model_w(const fit_power_board *board, const fit_power_mode *mode,
                         const fit_sample *sample);

/* ---- what is written (fit_power_print.c) ----------------------------------------------------- */

/* The text of devices/data/DEVICE.power.fit.ini. */
spa_status fit_power_print(const fit_power *power, const fit_power_board *board, spa_string *out,
                           spa_error *err);
/* Residuals and envelopes, as text and as the same table in Markdown. */
spa_status fit_power_report(const fit_power *power, spa_string *out, spa_error *err);

#endif
