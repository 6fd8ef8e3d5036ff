/* Profiling: what every operator costs on this machine, measured in network order by the hardware
 * executor.
 *
 * A run is one whole inference; nothing is run in a loop by itself, because weights that stay in
 * the cache between repetitions would make weight-heavy operators look 40 % faster than they are.
 * Measured are: all operators on each lane; placements that change lanes, for what that costs; two
 * lanes busy at once. They are one campaign (campaign.h), so that drifts of the machine meet all.
 */
#ifndef SPA_KERNELS_PROFILE_H
#define SPA_KERNELS_PROFILE_H

#include "kernels/hardware.h"
#include "kernels/model.h"
#include "traces/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_profile_options {
    int32_t batch;
    uint64_t seed;       /* of weights and inputs */
    int32_t visits;      /* of each lane, alone and beside each other lane */
    int32_t runs;        /* measured per visit; one more before them is thrown away */
    double burst_factor; /* runs longer than this times the median are thrown away and repeated,
                            at most as many as were asked for */
    bool corun;          /* each lane again while another one loops the same model */
    bool copies;         /* what a tensor costs its reader that another lane has made */
    bool parts;          /* operators computed by two lanes at once */
    bool response;       /* speed-up per operator kind over the zeros of its input */
    int32_t response_rounds;
    const char *command; /* for meta.ini; NULL = "" */
    /* Told what runs, before it does, and NULL after it (for spa_hardware_interrupt); or NULL. */
    void (*runs_on)(spa_hardware *hardware);
} spa_profile_options;

/* Batch 1, 3 visits of 1 + 10 runs, bursts beyond 1.5, everything on. */
SPA_API spa_profile_options spa_profile_default(void);

/* Called from the caller's thread: what is being done, and the fraction done (0 .. 1). */
typedef void spa_profile_progress(void *context, const char *what, double fraction);

typedef struct spa_profile_report {
    size_t runs_kept, runs_discarded; /* whole-network runs, alone and beside another lane */
    double worst_spread;              /* largest coefficient of variation of a lane's kept runs */
} spa_profile_report;

/* Measures models (zoo names or *.graph.csv) on lanes; one of several cores is one processor, whose
 * links and response to zeros are those of its first core. Fills *trace, which can be
 * written by spa_trace_write and freed by spa_trace_fini; on failure it is zeroed. Energy is NaN:
 * nothing here measures it. The graphs in the trace carry the zeros that the seeded weights
 * produced, marked assumed: costs of a skipping kernel belong to those zeros. Errors: unknown
 * models, operators without kernels, options out of bounds, memory.
 * Costs about visits * (1 + runs) * (6 + 7/2 lanes * lanes) inferences per model, and as many again
 * for the anchors by which the machine's mood is told. */
SPA_API spa_status spa_profile_run(const char *const *models, size_t n_models,
                                   const spa_lane_set *lanes, const spa_profile_options *options,
                                   spa_profile_progress *progress, void *context, spa_trace *trace,
                                   spa_profile_report *report, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
