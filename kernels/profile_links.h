/* What a profile says of the ways between lanes; sums over all models and placements. */
#ifndef SPA_KERNELS_PROFILE_LINKS_H
#define SPA_KERNELS_PROFILE_LINKS_H

#include "base/stats.h"
#include "kernels/campaign.h"
#include "kernels/profile.h"

/* A tensor of a placement that went from lane to lane, of which one is asynchronous: from when it
 * could begin to when the tensor could be used. */
typedef struct spa_profile_transfer {
    size_t from, to; /* lanes */
    int64_t bytes;
    double us; /* median over the inferences */
} spa_profile_transfer;

typedef struct spa_profile_links {
    /* From the end of an operator to the beginning of the next, by lane of both, us; of an
     * asynchronous lane to itself: what enqueueing an operator takes the host. */
    spa_moments gap_us[SPA_MAX_PROCESSORS][SPA_MAX_PROCESSORS];
    spa_moments run_cv; /* coefficients of variation of totals on one lane */
    spa_profile_transfer *transfers;
    size_t n_transfers, capacity;
} spa_profile_links;
void spa_profile_links_fini(spa_profile_links *links);

/* From samples of everything on one lane. */
void spa_profile_note_gaps(spa_profile_links *links, const spa_samples *samples, size_t lane,
                           bool is_async);
/* From samples of a placement: between lanes of cores; to and from asynchronous ones (scratch: a
 * number per sample). */
void spa_profile_note_hand_offs(spa_profile_links *links, const spa_samples *samples,
                                const spa_graph *graph, const spa_lane_set *lanes);
spa_status spa_profile_note_transfers(spa_profile_links *links, const spa_samples *samples,
                                      const spa_graph *graph, const spa_lane_set *lanes,
                                      double *scratch, spa_error *err);

/* The rows of links.csv; sorts the transfers. Of these a row per size and direction with their
 * median: the latency is that of the fastest size, the bandwidth that of what lies beyond it. */
spa_status spa_profile_fill_links(spa_profile_links *links, const spa_lane_set *lanes,
                                  spa_trace *trace, spa_error *err);

#endif
