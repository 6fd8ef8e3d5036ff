/* Energy meters: what this machine can say about the energy of a job.
 *
 *     spa_meter_config config = spa_meter_config_default();
 *     spa_meter_options options = spa_meter_options_default();
 *     spa_meter_set set;
 *     spa_energy_result energy;
 *     SPA_TRY(spa_meter_set_probe(&set, &config, err));     what there is, or why there is nothing
 *     status = spa_meter_measure(&set, &options, job, context, &energy, err);
 *     spa_meter_set_fini(&set);
 *
 * A set is a list of rails. A rail is one thing that can be read: a counter of energy (RAPL, NVML)
 * or a sensor of power that is polled and integrated (INA3221, older NVML). Every rail in a probed
 * set has answered one real reading. A figure that could not be measured is NaN with a reason,
 * never 0. */
#ifndef SPA_KERNELS_METER_H
#define SPA_KERNELS_METER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/text.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_METER_RAILS_MAX 64
#define SPA_METER_NONE      "energy: not measurable here (no RAPL, NVML or INA3221)"

/* ---- rails ---------------------------------------------------------------------------------- */
typedef enum spa_meter_kind {
    SPA_METER_COUNTER, /* energy, counted by the hardware: read at both ends */
    SPA_METER_SAMPLER  /* power: polled, integrated by the trapezoid rule over real time stamps */
} spa_meter_kind;

typedef struct spa_meter_reading {
    uint64_t count; /* COUNTER */
    double power_w; /* SAMPLER */
} spa_meter_reading;

typedef struct spa_meter_rail {
    char name[64]; /* "rapl package-0", "nvml 0 NVIDIA H100", "ina3221 VDD_IN" */
    spa_meter_kind kind;
    bool in_total;     /* false: shown, but part of another rail */
    double unit_j;     /* COUNTER: J per count */
    uint64_t range;    /* COUNTER: counts per turn; 0 = it never starts again */
    double step;       /* the smallest change it shows: J (COUNTER) or W (SAMPLER) */
    int64_t update_ns; /* how old what is read may be */
    int64_t poll_ns;   /* read at least this often; a counter well before it could turn twice */
    spa_status (*read)(void *context, spa_meter_reading *reading, spa_error *err);
    void (*release)(void *context); /* of spa_meter_set_fini; may be NULL */
    void *context;
} spa_meter_rail;

/* No single rail draws more: a counter that claims more was reset or has turned unseen. */
#define SPA_METER_MAX_W 10000.0

/* ---- time -----------------------------------------------------------------------------------
 * Real time is spa_meter_time_real: the monotonic clock and a thread. Tests bring their own. */
typedef void spa_meter_tick(void *argument);
typedef struct spa_meter_time {
    void *context;
    int64_t (*now_ns)(void *context);
    void (*sleep_ns)(void *context, int64_t ns);
    /* Calls tick(argument) every `interval_ns` (late rather than twice) until stop, which returns
     * when no tick runs and none will. */
    spa_status (*start)(void *context, int64_t interval_ns, spa_meter_tick *tick, void *argument,
                        void **ticker, spa_error *err);
    void (*stop)(void *context, void *ticker);
} spa_meter_time;
extern SPA_API const spa_meter_time spa_meter_time_real;

/* ---- sets ----------------------------------------------------------------------------------- */
typedef struct spa_meter_config {
    const char *sysfs;   /* "/sys" */
    const char *nvml;    /* "libnvidia-ml.so.1"; NULL: do not look for NVML */
    int32_t nvml_device; /* NVML's number of the GPU that counts, -1 = all */
    int64_t poll_ns;     /* of samplers; 1 ms .. 10 s, 20 ms by default */
    spa_meter_time time; /* spa_meter_time_real */
} spa_meter_config;
SPA_API spa_meter_config spa_meter_config_default(void);

typedef struct spa_meter_set {
    size_t count;
    spa_meter_rail rails[SPA_METER_RAILS_MAX];
    spa_meter_time time;
    char notes[768];       /* what is there but cannot be read, with the cure; "" = nothing */
    char total_fault[384]; /* why the rails do not make a total; "" = they do */
} spa_meter_set;

/* Looks for meters and reads each once. SPA_OK: at least one rail; what else is there but cannot
 * be read is in set->notes. SPA_E_UNSUPPORTED: no rail; the message is exactly SPA_METER_NONE when
 * there is no meter at all, and names file and cure when there is one that cannot be read. The set
 * is empty then. Texts of `config` are not kept. NVML's start takes up to a second. */
SPA_API spa_status spa_meter_set_probe(spa_meter_set *set, const spa_meter_config *config,
                                       spa_error *err);
/* An empty set, to be filled by hand. */
SPA_API void spa_meter_set_init(spa_meter_set *set, const spa_meter_time *time);
/* Takes over the rail: its `release` is called by fini, or at once on failure. Errors: full; no
 * name, unit or reader; a counter whose range is so small that it could turn unseen. */
SPA_API spa_status spa_meter_set_add(spa_meter_set *set, const spa_meter_rail *rail,
                                     spa_error *err);
SPA_API void spa_meter_set_fini(spa_meter_set *set);

/* ---- measuring ------------------------------------------------------------------------------ */
typedef enum spa_energy_kind {
    SPA_ENERGY_UNAVAILABLE = 0, /* no figure: energies are NaN, `reason` says why */
    SPA_ENERGY_MEASURED,        /* by a meter, in this run */
    SPA_ENERGY_MODELLED         /* computed by a device model; never set by this file */
} spa_energy_kind;
SPA_API const char *spa_energy_kind_name(spa_energy_kind kind); /* "measured" ... */

typedef struct spa_energy {
    char rail[64]; /* "total" or the rail's name */
    bool in_total;
    spa_energy_kind kind;
    double energy_j;   /* per job, idle included; NaN unless MEASURED */
    double power_w;    /* mean while jobs ran; NaN unless MEASURED */
    double resolution; /* of energy_j, relative, as far as it is known: +- this; NaN = unknown.
                          What the meter can resolve, not its accuracy. */
    char reason[256];  /* why there is no energy_j; "" when there is */
    double idle_w;     /* before the jobs; NaN = not measured */
    double dynamic_j;  /* per job above idle; NaN where it cannot be told */
    double dynamic_resolution; /* of dynamic_j, relative */
    char dynamic_reason[160];  /* why there is no dynamic_j; "" when there is */
} spa_energy;

typedef struct spa_energy_result {
    spa_energy total; /* sum of the rails with in_total; `covers` says what that is */
    char covers[256]; /* "rapl package-0 + rapl dram-0": not necessarily the whole machine */
    size_t n_rails;
    spa_energy rails[SPA_METER_RAILS_MAX];
    uint64_t repetitions; /* jobs measured, without warm-up */
    double duration_s;    /* of those jobs together */
    double idle_s;        /* of the idle measurement */
} spa_energy_result;

typedef struct spa_meter_options {
    double idle_s;       /* idle power is measured this long first; 0 = not at all; default 5 */
    int32_t warmup;      /* jobs run and not measured; default 1 */
    double resolution;   /* asked for, relative; default 0.01 */
    double time_limit_s; /* of the measured jobs together; looked at between jobs; default 60 */
    uint64_t min_repetitions; /* default 1 */
} spa_meter_options;
SPA_API spa_meter_options spa_meter_options_default(void);

/* One job, e.g. N inferences on all lanes. An error ends the measurement. */
typedef spa_status spa_meter_job(void *context, spa_error *err);

/* Measures idle power, warms up, then repeats the job until the total is known to the resolution
 * asked for (where there can be no total: every rail) and min_repetitions are done, or the time
 * limit has passed. Rails are polled from a thread of its own meanwhile, which is gone when this
 * returns. A rail that did not reach the resolution is UNAVAILABLE and says what it would take.
 * Errors: options out of bounds, an empty set, the job's own, no thread. A meter that fails on the
 * way is no error: its rail, and the total if it belongs there, become UNAVAILABLE. The machine
 * should do nothing else: meters see all processes. */
SPA_API spa_status spa_meter_measure(spa_meter_set *set, const spa_meter_options *options,
                                     spa_meter_job *job, void *context, spa_energy_result *result,
                                     spa_error *err);

/* Appends one line: "energy: 1.234 J per job, measured (+-0.8 %), 0.61 J above idle; rapl ..." or
 * "energy: unavailable: <reason>". */
SPA_API void spa_energy_print(const spa_energy_result *result, spa_string *out);

#ifdef __cplusplus
}
#endif
#endif
