/* Samples of a campaign, from inside kernels/. */
#ifndef SPA_KERNELS_SAMPLES_H
#define SPA_KERNELS_SAMPLES_H

#include "kernels/campaign.h"
#include "kernels/mood.h"

spa_status spa_samples_init(spa_samples *samples, const spa_costs *costs, size_t n_lanes,
                            size_t capacity, spa_error *err);
/* Appends request `q` of a record; the mood is that around it. */
void spa_samples_add(spa_samples *samples, const spa_graph *graph,
                     const spa_hardware_record *record, uint64_t q, uint16_t round,
                     const spa_mood *mood);
/* Brings rows that are not yet to the usual pace. */
void spa_samples_pace(spa_samples *samples, const spa_graph *graph, const spa_anchors *anchors,
                      const spa_mood *usual, double turn_bytes);
/* Marks what is kept and what is typical; scratch [capacity]. */
void spa_samples_judge(spa_samples *samples, double burst_factor, double *scratch);
/* Quantile of kept totals (of all, before the first judgement); NaN without any. */
double spa_samples_quantile(const spa_samples *samples, double q, double *scratch);

#endif
