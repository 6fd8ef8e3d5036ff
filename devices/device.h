/* Devices: files that describe machines, and the building of cost tables from them.
 *
 * A device model predicts; it never advances time. Every number in a *.device file carries its
 * kind and source in the comment behind it: `key = value # kind: source`, kind one of datasheet,
 * measured, fitted, derived, assumed. */
#ifndef SPA_DEVICES_DEVICE_H
#define SPA_DEVICES_DEVICE_H

#include "devices/costs.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_device spa_device; /* opaque; devices/device.c */

typedef struct spa_device_info {
    const char *name, *summary, *default_mode, *default_stack, *default_lanes;
    const char *path;
    spa_origin origin;
    size_t n_modes, n_stacks, n_processors;
    const char *const *modes, *const *stacks, *const *processors;
    const char *trace; /* folder of the measured trace it is driven by, or NULL */
} spa_device_info;

/* Loads "name", "name@mode" or a path to a *.device file. `search` lists the folders to look in
 * (NULL-terminated). Unknown names suggest the nearest. */
SPA_API spa_status spa_device_load(spa_device **device, const char *name, const char *const *search,
                                   spa_error *err);
SPA_API void spa_device_free(spa_device *device);
SPA_API const spa_device_info *spa_device_info_of(const spa_device *device);
/* Names of the devices found in the search folders, sorted; free the array and each name. */
SPA_API spa_status spa_device_list(const char *const *search, char ***names, size_t *count,
                                   spa_error *err);

/* Numbers that nobody measured are ranges in device files: `low` is where all of them make the
 * stack fastest, `high` slowest. */
typedef enum spa_range_end { SPA_RANGE_MID, SPA_RANGE_LOW, SPA_RANGE_HIGH } spa_range_end;

typedef struct spa_costs_options {
    const char *stack;       /* NULL = the device's default */
    const char *mode;        /* NULL = the one in the device's name, else the default */
    const char *lanes;       /* NULL = the device's default, e.g. "cpu:0-11,gpu:0" */
    const spa_trace *trace;  /* measured rows; NULL = the device's own trace, if it has one */
    bool missing_model;      /* --missing=model: a row that the trace lacks is modelled */
    double scale_contention; /* 1; 0 = contention off */
    /* Assumptions varied, 1 = as the device says; the table is then `uncalibrated`: launch times,
     * transfer times, coefficients of variation. 0 to 1000. */
    double scale_launch, scale_transfer, scale_noise;
    bool no_response;    /* zeros do not change times: measured and modelled ones are those of dense
                            inputs (sparsity response g = 0) */
    bool synchronous;    /* see spa_costs */
    spa_range_end range; /* which end of factors that are ranges */
} spa_costs_options;
SPA_API spa_costs_options spa_costs_options_default(void);

/* Builds the cost table of a graph (which fixes batch and dtype). Isolated time: the trace's row
 * where there is one, else design equation t = launch + max(MACs*(1-g)/rate, bytes/bandwidth) with
 * rate = R * x/(x + x_half) (docs/model.md). */
SPA_API spa_status spa_costs_build(spa_costs *costs, const spa_device *device,
                                   const spa_graph *graph, const spa_costs_options *options,
                                   spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
