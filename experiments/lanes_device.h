/* The lanes of this machine as a device: a device file made from a trace that was measured on them.
 */
#ifndef SPA_EXPERIMENTS_LANES_DEVICE_H
#define SPA_EXPERIMENTS_LANES_DEVICE_H

#include "base/text.h"
#include "devices/device.h"
#include "kernels/lanes.h"
#include "traces/trace.h"

/* Appends the text of a *.device file: one processor per lane, the first one the host, costs from
 * the trace in `folder` ("" = the caller hands the trace over). */
spa_status spa_lanes_device_put(spa_string *out, const char *name, const spa_lane_set *lanes,
                                const spa_trace *trace, const char *folder, spa_error *err);

/* The device itself, by way of a temporary file. */
spa_status spa_lanes_device_new(spa_device **device, const spa_lane_set *lanes,
                                const spa_trace *trace, spa_error *err);

/* "cpu:0=sparse,cpu:1=onednn", as --lanes takes it. */
spa_status spa_lanes_put(spa_string *out, const spa_lane_set *lanes);

#endif
