/* How the machine runs at the moment, beside how it usually does.
 *
 * On a virtual machine no counter shows it (steal time stays 0), and it changes within seconds:
 * strangers on the sibling threads of a core slow it down, cores are moved apart and together, so
 * that what one core reads from the other takes 1 to 2 times as long. Three kinds of anchors show
 * all of it, being the network itself: all of it on each lane, and its operators in turn over the
 * lanes. Every visit of a campaign stands between two readings of them.
 *
 * Measured on a shared server (mobilenet_v2, two lanes, medians of 12 inferences): other placements
 * vary by 8 to 17 %, by 7 to 15 % beside the anchors of the lanes, and by 2 to 3 % beside all
 * three; what the third one adds goes with the bytes that cross between lanes. */
#ifndef SPA_KERNELS_MOOD_H
#define SPA_KERNELS_MOOD_H

#include "kernels/hardware.h"

#define SPA_ANCHORS_MAX (SPA_MAX_PROCESSORS + 1)

/* Logarithms of the anchors' times: lane by lane, then (several lanes) in turn. */
typedef struct spa_mood {
    float log_us[SPA_ANCHORS_MAX];
} spa_mood;

typedef struct spa_anchors spa_anchors;

/* Anchors of the hardware's model and lanes; `costs` is that of spa_hardware_config. */
spa_status spa_anchors_new(spa_anchors **anchors, spa_hardware *hardware, const spa_costs *costs,
                           spa_error *err);
void spa_anchors_free(spa_anchors *anchors); /* accepts NULL */
size_t spa_anchors_count(const spa_anchors *anchors);

/* Bytes that cross between lanes in the anchor in turn; 0 with one lane. */
double spa_anchors_turn_bytes(const spa_anchors *anchors);

/* Runs them all: a few inferences each. */
spa_status spa_anchors_read(spa_anchors *anchors, spa_mood *mood, spa_error *err);
/* Medians of all readings so far. */
void spa_anchors_usual(const spa_anchors *anchors, spa_mood *usual);

/* Of an inference: how many times longer than usual it takes in a mood. share[lanes]: parts of its
 * kernel time by lane; crossing: bytes that change lanes, over those of the anchor in turn. */
double spa_mood_factor(const spa_anchors *anchors, const spa_mood *mood, const spa_mood *usual,
                       const double *share, double crossing);

#endif
