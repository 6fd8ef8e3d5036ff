/* Simulated against measured: schedules of one model on the lanes of this machine. */
#ifndef SPA_EXPERIMENTS_VALIDATION_H
#define SPA_EXPERIMENTS_VALIDATION_H

#include "experiments/budget.h"
#include "experiments/options.h"
#include "kernels/campaign.h"
#include "kernels/meter.h"
#include "kernels/profile.h"
#include "traces/trace.h"

typedef struct spa_validation_options {
    int32_t schedules;    /* random ones */
    int32_t rounds, runs; /* visits of each schedule; inferences kept per visit */
    uint32_t concurrency; /* requests in flight, 1 .. */
    uint64_t seed;        /* of the random schedules and the order of measuring */
    uint64_t budget;      /* evaluations of searching policies */
    const spa_names *policies;
    const struct spa_plugins *plugins; /* whose policies these may be, or NULL */
    /* Profiles the model again, in turn with the schedules, and simulates with that; the trace is
     * for planning alone. NULL: simulates with the trace. */
    const spa_profile_options *profile;
    bool graphs;          /* asynchronous lanes run recorded graphs (kernels/hardware.h) */
    const char *schedule; /* a *.csv to be measured instead of policies and random ones, or NULL */
    const spa_scenario *stream; /* of a file's schedule: also served like this; or NULL */
    void (*progress)(void *context, const char *what, double fraction); /* or NULL */
    void *context;
} spa_validation_options;

/* One schedule. NaN = unknown. */
typedef struct spa_validated {
    char id[96];      /* "all on cpu0", "heft", "random 17" */
    const char *kind; /* "anchor", "policy", "random", "file" */
    bool is_skipped;  /* a policy that cannot do this model */
    char skipped[256];
    double measured_ms;               /* median latency at the machine's usual pace (campaign.h) */
    double raw_ms;                    /* and as the clock had it */
    double simulated_ms;              /* without noise */
    double share[SPA_MAX_PROCESSORS]; /* of the simulated kernel time, by lane */
    double crossing;                /* bytes that change lanes, over those of the anchor in turn */
    double scale;                   /* the lanes' scales, weighted by these shares, and that of
                                       crossing */
    double error;                   /* simulated times scale, over measured, minus 1 */
    double raw_error;               /* simulated over raw_ms, minus 1 */
    double spread_ms;               /* half the distance of the quartiles */
    double halves_ms[2];            /* medians of the even and of the odd rounds: the noise floor */
    size_t samples, switches;       /* inferences kept; inputs that come from another lane */
    double throughput[2];           /* several in flight: per second; measured, simulated */
    double p95_ms[2];               /* likewise */
    spa_budget measured, simulated; /* one in flight */
    spa_schedule placement;         /* as it ran; n_ops = 0 when skipped */
    spa_step *steps[2];             /* of a file's schedule: [n_ops] measured, simulated */
} spa_validated;

typedef struct spa_error_summary {
    size_t n;
    double median, p95, bias; /* |error|, |error|, error */
    double median_ci[2];      /* 95 % interval of the median, from order statistics */
    double tau;               /* Kendall, over pairs more than 3 % apart as measured */
    size_t pairs;
} spa_error_summary;

/* Measured energy; a job of the meter is several inferences. */
typedef struct spa_validated_energy {
    char reason[512]; /* why there is none; "" = see the result */
    double inferences_per_job;
    spa_energy_result result;
} spa_validated_energy;

/* A stream of requests on one schedule; [0] measured, [1] simulated. Times from arrival, queueing
 * included. */
typedef struct spa_stream_side {
    double mean_ms, p50_ms, p95_ms, p99_ms, throughput_ips;
} spa_stream_side;
typedef struct spa_stream {
    spa_scenario scenario;
    spa_stream_side side[2];
} spa_stream;

typedef struct spa_validation {
    const char *model;
    uint32_t concurrency;
    size_t n_rows;
    spa_validated *rows;
    size_t n_lanes;
    double lane_scale[SPA_MAX_PROCESSORS]; /* anchors: measured over simulated, lane by lane */
    double turn_scale; /* the anchor in turn: what its ratio is beyond that; 1 with one lane */
    spa_error_summary rescaled, raw;             /* over all rows but anchors */
    double floor_median, floor_p95;              /* one half of the rounds against the other */
    double component_ms[SPA_COMPONENT_COUNT][2]; /* mean per schedule: measured, simulated */
    bool cancelling; /* components off in opposite directions hide each other */
    uint64_t costs_hash;
    spa_stream *stream;           /* of a file's schedule; NULL = not asked for */
    spa_validated_energy *energy; /* of a file's schedule; NULL = not asked for */
} spa_validation;

/* Measures and simulates one model of a trace that was profiled on these lanes (of options->profile
 * `corun`, `copies` and `parts` count, the rest are the schedules'). `schedule` files
 * are read with the trace's table. Errors: models that the trace lacks, what spa_hardware_new and
 * the policies report, SPA_E_INTERRUPTED. */
spa_status spa_validation_run(spa_validation *validation, const spa_trace *trace, const char *model,
                              const spa_lane_set *lanes, const spa_validation_options *options,
                              spa_error *err);
void spa_validation_fini(spa_validation *validation);

/* Errors of rows, anchors and skipped ones left out. raw: of times as the clock had them and as
 * simulated, without scales. Only memory can fail. */
spa_status spa_validation_summarise(const spa_validated *rows, size_t n, bool raw,
                                    spa_error_summary *out, spa_error *err);
/* A component is off when it is by more than 10 % of itself and 1 % of the total; errors cancel
 * when some are off in opposite directions. */
bool spa_component_is_off(const double component_ms[2], double total_ms);

#endif
