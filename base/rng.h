/* Named random streams on GSL's taus2 generator (L'Ecuyer 1999).
 *
 * A stream is a small value: copying the struct copies the stream, so engine states stay plain
 * memory. Its key is hash(seed, name): one more consumer never shifts anybody's draws. */
#ifndef SPA_BASE_RNG_H
#define SPA_BASE_RNG_H

#include <stdint.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_rng {
    unsigned long state[3]; /* layout of gsl_rng_taus2's state */
} spa_rng;

SPA_API void spa_rng_init(spa_rng *rng, uint64_t seed, const char *name);
/* The index-th of a family of streams with one name (replications, requests). */
SPA_API void spa_rng_init_indexed(spa_rng *rng, uint64_t seed, const char *name, uint64_t index);

SPA_API uint32_t spa_rng_u32(spa_rng *rng);
SPA_API double spa_rng_uniform(spa_rng *rng);             /* [0, 1) */
SPA_API uint32_t spa_rng_below(spa_rng *rng, uint32_t n); /* 0 .. n-1, unbiased; n >= 1 */
SPA_API double spa_rng_gaussian(spa_rng *rng);            /* standard normal (ziggurat) */
SPA_API double spa_rng_exponential(spa_rng *rng, double mean);
/* Log-normal with mean exactly 1 and the given coefficient of variation (0 = always 1). */
SPA_API double spa_rng_lognormal_factor(spa_rng *rng, double cv);

#ifdef __cplusplus
}
#endif
#endif
