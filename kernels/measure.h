/* Measurements of a profile beside the models themselves. */
#ifndef SPA_KERNELS_MEASURE_H
#define SPA_KERNELS_MEASURE_H

#include <math.h>
#include "kernels/lanes.h"
#include "kernels/worker.h"
#include "traces/trace.h"

/* A measured time in us as it is written down: the clock resolves no more than 1 ns. */
static inline double spa_measured_us(double us)
{
    return round(us * 1e3) / 1e3;
}

/* Response to input zeros: a few shapes that stand for operator kinds. */
#define SPA_RESPONSE_LEVELS 8
extern const double spa_response_zeros[SPA_RESPONSE_LEVELS]; /* 0 .. 0.95, the first one 0 */
size_t spa_response_count(void);
/* Median times over `rounds` runs on cold buffers become speed-ups against no zeros; fills kind,
 * shape_class, input_zeros and speedup. */
spa_status spa_measure_response(spa_worker *worker, const spa_backend *backend, size_t index,
                                int32_t rounds, spa_trace_response out[SPA_RESPONSE_LEVELS],
                                spa_error *err);

/* Machine, libraries, clocks and date, in the arena. */
spa_status spa_measure_fingerprint(const spa_lane_set *lanes, const char *command, spa_arena *arena,
                                   spa_fingerprint *out, spa_error *err);

#endif
