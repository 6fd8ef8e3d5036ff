/* Which cores tests may use. */
#ifndef SPA_TESTS_KERNELS_CORES_H
#define SPA_TESTS_KERNELS_CORES_H

#include "kernels/worker.h"

/* The first of two neighbouring cores that this process may use, or -1. */
static inline int neighbouring_cores(void)
{
    for (int c = 0; c < 1024; c++)
        if (spa_core_allowed(c) && spa_core_allowed(c + 1)) return c;
    return -1;
}

#endif
