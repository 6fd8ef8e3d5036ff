/* The monotonic clock of measurements, ns. About 30 ns a call. */
#ifndef SPA_KERNELS_CLOCK_H
#define SPA_KERNELS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t spa_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
