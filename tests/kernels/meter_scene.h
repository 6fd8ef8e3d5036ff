/* A world and a set of its meters, one per test file; each test begins it anew. */
#ifndef SPA_TESTS_KERNELS_METER_SCENE_H
#define SPA_TESTS_KERNELS_METER_SCENE_H

#include <math.h>
#include "tests/base/check.h"
#include "tests/kernels/meter_world.h"

static world w;
static spa_meter_set set;
static gauge gauges[SPA_METER_RAILS_MAX + 1];

static inline void begin_world(void)
{
    world_init(&w);
    spa_meter_time time = world_time(&w);
    spa_meter_set_init(&set, &time);
}

static inline void add(spa_meter_rail rail)
{
    expect_ok(spa_meter_set_add(&set, &rail, err));
}

#define expect_near(x, wanted, tolerance)                                                          \
    cr_assert(fabs((x) - (wanted)) <= (tolerance), "%.12g, not %.12g", (double)(x),                \
              (double)(wanted))

#endif
