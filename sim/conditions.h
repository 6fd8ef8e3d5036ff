/* Conditions: what the machine does beside the inference. Background load, power modes, a governor
 * of clocks, a thermal limit; part of a scenario. Equations: docs/model.md, section 12.
 *
 * The engine applies them (engine_conditions.h); a scenario without any runs as if this did not
 * exist. Names of processors are those of the cost table, or the roles `host` and `accelerator`. */
#ifndef SPA_SIM_CONDITIONS_H
#define SPA_SIM_CONDITIONS_H

#include <math.h>
#include "devices/costs.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_MAX_BACKGROUNDS  8
#define SPA_MAX_LEVELS       16
#define SPA_MAX_MODE_CHANGES 16
#define SPA_MAX_ZEROS_SD     0.06 /* 4 * 0.06 * 3.7, the normal table's end, is less than 1 */

/* A load that is on and off in turn, each for an exponentially distributed time. */
typedef struct spa_background {
    char processor[32];   /* name or role; of a role: a load of its own on each such processor */
    double share;         /* of the processor's capacity that it asks for while on, (0, 1] */
    double dram_share;    /* of the DRAM bandwidth, [0, 1] */
    double on_ms, off_ms; /* in the mean; off_ms = 0: always on */
    double watts;         /* board power while on; 0 where it is not known and not counted */
} spa_background;

typedef enum spa_governor {
    SPA_GOVERNOR_FIXED,     /* clocks stay those of the mode */
    SPA_GOVERNOR_SCHEDUTIL, /* follow utilisation (Linux, kernel/sched/cpufreq_schedutil.c) */
    SPA_GOVERNOR_LIST       /* the mode changes at given times */
} spa_governor;

typedef struct spa_mode_change {
    double at_ms;
    char mode[32];
} spa_mode_change;

typedef struct spa_thermal {
    double r_k_per_w, c_j_per_k; /* r_k_per_w = 0: no thermal model */
    double ambient_c, start_c;
    double throttle_c, hysteresis_k; /* throttled from throttle_c on, until hysteresis_k below it */
    double cap;                      /* clock while throttled, over the mode's */
    double poll_ms;                  /* how often the temperature is looked at */
} spa_thermal;

typedef struct spa_conditions {
    uint32_t n_backgrounds;
    spa_background backgrounds[SPA_MAX_BACKGROUNDS];
    spa_governor governor;
    double period_ms, delay_ms; /* schedutil: window, and from its end to the new clock */
    double min_ratio;           /* schedutil: lowest clock over the mode's */
    uint32_t n_levels;          /* schedutil: clocks that there are, rising; 0 = any */
    double levels[SPA_MAX_LEVELS];
    uint32_t n_changes; /* list */
    spa_mode_change changes[SPA_MAX_MODE_CHANGES];
    double repeat_ms; /* list: begins anew so often; 0 = once */
    spa_thermal thermal;
    /* Zeros in what operators read differ from request to request: z becomes z + 4 z (1 - z) *
     * zeros_sd * q with q standard normal, one for all operators of a request. 0 = they do not. */
    double zeros_sd;       /* at most SPA_MAX_ZEROS_SD, so that z stays within 0 .. 1 */
    double power_exponent; /* dynamic power of a kernel goes with clock^this within a mode */
} spa_conditions;

/* Is there anything? */
static inline bool spa_conditions_any(const spa_conditions *c)
{
    return c->n_backgrounds || c->zeros_sd > 0 || c->governor != SPA_GOVERNOR_FIXED ||
           c->thermal.r_k_per_w > 0;
}

/* `hash` continued over them; unchanged where there are none. */
SPA_API uint64_t spa_conditions_hash(uint64_t hash, const spa_conditions *conditions);

/* Do they fit a table: names of processors and modes, lanes in the modes, bounds? */
SPA_API spa_status spa_conditions_check(const spa_conditions *conditions, const spa_costs *costs,
                                        const char *scenario, spa_error *err);
/* Does a background (by its processor's name or role) load processor p? */
SPA_API bool spa_background_loads(const spa_background *background, const spa_costs *costs,
                                  uint32_t p);
/* Mode by name, or UINT32_MAX. */
SPA_API uint32_t spa_mode_find(const spa_costs *costs, const char *name);

/* ---- the equations ---------------------------------------------------------------------------
 */

/* Clocks and shares travel in events as millionths, so that whoever reads events knows them
 * exactly. */
#define SPA_PPM 1000000u

/* The clock that schedutil chooses, in millionths of the mode's: 1.25 * utilisation, where that is
 * in units of what the processor does at full clock; at least min_ratio, the next level up. */
SPA_API uint32_t spa_schedutil_ppm(const spa_conditions *conditions, double utilisation);

/* Temperature after dt_s with constant power: C dT/dt = P - (T - ambient) / R, exactly. */
static inline double spa_thermal_after(const spa_thermal *t, double now_c, double power_w,
                                       double dt_s)
{
    double end_c = t->ambient_c + power_w * t->r_k_per_w;
    return end_c + (now_c - end_c) * exp(-dt_s / (t->r_k_per_w * t->c_j_per_k));
}

/* Factor of dynamic power at a clock within a mode. */
static inline double spa_power_factor(const spa_conditions *c, uint32_t clock_ppm)
{
    return clock_ppm == SPA_PPM ? 1 : pow((double)clock_ppm / SPA_PPM, c->power_exponent);
}

#ifdef __cplusplus
}
#endif
#endif
