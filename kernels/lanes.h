/* Lanes: which cores run operators, and with which kernels. */
#ifndef SPA_KERNELS_LANES_H
#define SPA_KERNELS_LANES_H

#include "kernels/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_LANES_MAX 64

typedef struct spa_lane {
    char processor[32]; /* "cpu0", "cpu0-3", "cuda0": as in traces */
    int32_t first_core, n_cores;
    const spa_backend *backend;
    const spa_stream_device *device; /* asynchronous: driven by streams; NULL = cores */
    int32_t device_index;            /* of device: its number; emulated: its core */
} spa_lane;

typedef struct spa_lane_set {
    size_t count;
    spa_lane lanes[SPA_LANES_MAX];
} spa_lane_set;

/* Parses "cpu:0=sparse,cpu:1=blas", "cpu:0-3=blas", "cpu:0,cpu:1" (a lane without a backend runs
 * `blas`); "cuda:0" (a GPU) and "emulated:1=blas" (a CPU core behind the same asynchronous
 * interface, for trying that out). Errors: a bad form, an unknown device or backend (the nearest is
 * named), a core in two lanes, a core that this process may not use (the message lists those it
 * may), "no CUDA device (reason)". */
SPA_API spa_status spa_lanes_parse(spa_lane_set *set, const char *text, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
