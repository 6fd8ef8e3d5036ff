/* Campaigns: many schedules measured on the hardware executor, in an order that the machine's moods
 * cannot favour.
 *
 * The machine drifts: the same schedules measured ten minutes apart differ by 1 to 14 %. So every
 * round visits all schedules once, in random order; a visit runs a few inferences and drops the
 * first one; a visit that met a burst (2-2.7x slow-downs occur) is sat out and repeated; and every
 * visit stands between two readings of the machine's mood (mood.h), by which its times are brought
 * to the campaign's usual pace. */
#ifndef SPA_KERNELS_CAMPAIGN_H
#define SPA_KERNELS_CAMPAIGN_H

#include "kernels/hardware.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is measured: a schedule, or a policy that decides as it goes. */
typedef struct spa_campaign_entry {
    const spa_schedule *schedule; /* or NULL */
    const spa_policy *policy;     /* or NULL; must place if there is no schedule */
    const void *self;             /* the policy's */
    uint32_t concurrency;         /* requests in flight (closed loop); 0 = 1 */
} spa_campaign_entry;

/* Everything measured of one entry: a row per kept or unkept inference. Times in us. */
typedef struct spa_samples {
    size_t n_ops, n_tensors, n_lanes;
    size_t count, capacity;
    double *raw; /* [capacity] arrival to finish, as the clock had it */
    /* The rest is at the campaign's usual pace. */
    double *total;   /* [capacity] arrival to finish */
    uint16_t *round; /* [capacity] */
    uint8_t *slot;   /* [capacity] where in flight it was */
    bool *kept;      /* [capacity] not in a burst */
    bool *typical;   /* [capacity] kept, and its total in the middle half of those */
    float *begin;    /* [capacity][n_ops] of the kernel, since arrival */
    float *kernel;   /* [capacity][n_ops] */
    float *lead;     /* [capacity][n_ops] its lane spent on copies before it */
    float *moved;    /* [capacity][n_ops] of the input from or to an asynchronous lane that came
                             last, if it came after all else: how long that took; else 0 */
    float *issue;    /* [capacity] from enqueueing an operator of an asynchronous lane to the next
                             one, mean; NaN = there were none */
    float *gap;      /* [capacity][n_ops] between what it waited for and its first copy or
                             kernel: NaN for views */
    float *copy;     /* [capacity][n_tensors][n_lanes] by the lane it went to; 0 = none */
    float *part[2];  /* [capacity][n_ops] of split operators: what its first and its second lane
                        computed; 0: it ran whole */
    int8_t *lanes;   /* [capacity][n_ops]; -1: a view */
    int8_t *lane;    /* [n_ops] of the last inference */
    int8_t *second;  /* [n_ops] the same: second lanes of split operators, else -1 */
    uint32_t *together; /* [n_ops] of the last inference, see spa_hardware_op */
    uint64_t digest;    /* of placements; differs when a policy changed its mind */
    size_t n_kept, n_typical;
    size_t n_paced;        /* rows that have been brought to the usual pace */
    struct spa_mood *mood; /* [capacity] around the visit */
} spa_samples;
SPA_API void spa_samples_fini(spa_samples *samples);

/* Median of kept totals; mean of a column over the typical rows of a slot (-1 = of all). */
SPA_API double spa_samples_median(const spa_samples *samples, double *scratch);
SPA_API double spa_samples_typical(const spa_samples *samples, int slot, const float *column,
                                   size_t stride);

/* Bytes that are read on another lane than the one they were made on, each tensor once per lane;
 * lane[n_ops]: views count where what they show was made. */
SPA_API double spa_crossing_bytes(const spa_graph *graph, const int8_t *lane);

typedef struct spa_campaign_options {
    int32_t rounds;      /* visits of each entry */
    int32_t runs;        /* inferences kept per visit; one more is run before them */
    double burst_factor; /* inferences longer than this times the median are not kept */
    uint64_t seed;       /* of the order */
    void (*progress)(void *context, double fraction); /* or NULL */
    void *context;
} spa_campaign_options;
/* 3 rounds of 10, bursts beyond 1.5. */
SPA_API spa_campaign_options spa_campaign_default(void);

/* Measures entries [n] into samples [n] (initialised here; spa_samples_fini each, also after an
 * error). The table is that of spa_hardware_config. */
SPA_API spa_status spa_campaign_run(spa_hardware *hardware, const spa_costs *costs,
                                    const spa_campaign_entry *entries, size_t n,
                                    const spa_campaign_options *options, spa_samples *samples,
                                    spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
