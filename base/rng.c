#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include "base/text.h"

/* GSL's view of a stream: the generator's functions on the state inside *rng. */
static gsl_rng view(spa_rng *rng)
{
    assert(gsl_rng_taus2->size == sizeof rng->state);
    return (gsl_rng){gsl_rng_taus2, rng->state};
}

/* Fills the state from a 64-bit key. gsl_rng_set would do, but taus2 keeps only 32 bits of its
 * seed: among 10^5 streams some two would then be the same. The least values of the three words
 * and the six warm-up draws are those of L'Ecuyer (1999), as in GSL. */
static void seed_state(spa_rng *rng, uint64_t key)
{
    static const unsigned long least[3] = {2, 8, 16};
    if (key == 0) key = 1;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t word = spa_hash_u64(spa_hash_u64(key, i + 1), key);
        rng->state[i] = (unsigned long)(word >> 32);
        if (rng->state[i] < least[i]) rng->state[i] += least[i];
    }
    for (int i = 0; i < 6; i++) spa_rng_u32(rng);
}

static uint64_t key_of(uint64_t seed, const char *name)
{
    return spa_hash_u64(spa_hash_bytes(SPA_HASH_SEED, name, strlen(name)), seed);
}

void spa_rng_init(spa_rng *rng, uint64_t seed, const char *name)
{
    seed_state(rng, key_of(seed, name));
}

void spa_rng_init_indexed(spa_rng *rng, uint64_t seed, const char *name, uint64_t index)
{
    seed_state(rng, spa_hash_u64(key_of(seed, name), index));
}

uint32_t spa_rng_u32(spa_rng *rng)
{
    gsl_rng r = view(rng);
    return (uint32_t)gsl_rng_get(&r);
}

double spa_rng_uniform(spa_rng *rng)
{
    gsl_rng r = view(rng);
    return gsl_rng_uniform(&r);
}

uint32_t spa_rng_below(spa_rng *rng, uint32_t n)
{
    assert(n >= 1);
    if (n == 0) return 0; /* GSL would call its error handler */
    gsl_rng r = view(rng);
    return (uint32_t)gsl_rng_uniform_int(&r, n);
}

double spa_rng_gaussian(spa_rng *rng)
{
    gsl_rng r = view(rng);
    return gsl_ran_gaussian_ziggurat(&r, 1.0);
}

double spa_rng_exponential(spa_rng *rng, double mean)
{
    gsl_rng r = view(rng);
    return gsl_ran_exponential(&r, mean);
}

/* With sigma^2 = ln(1 + cv^2) and mu = -sigma^2/2 the mean exp(mu + sigma^2/2) is 1 and the
 * variance exp(sigma^2) - 1 is cv^2. cv = 0 draws too: a sweep over cv keeps its common random
 * numbers. */
double spa_rng_lognormal_factor(spa_rng *rng, double cv)
{
    double variance = log1p(cv * cv);
    double z = spa_rng_gaussian(rng);
    return exp(sqrt(variance) * z - variance / 2);
}
