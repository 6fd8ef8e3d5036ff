/* Tile coding with hashing (Sutton and Barto, Reinforcement Learning, 2nd ed. 2018, 9.5.4). */
#ifndef SPA_POLICIES_LEARN_TILES_H
#define SPA_POLICIES_LEARN_TILES_H

#include <stddef.h>
#include <stdint.h>

#define SPA_TILINGS_MAX 32

/* `tilings` grids over the first `features` numbers of an observation (0 = all), shifted against
 * each other; `widths` tiles per unit. Tiles are hashed to 0 .. slots-1 (collisions are possible
 * and harmless while most slots are unused). */
typedef struct spa_tiles {
    uint32_t tilings, features, slots;
    float widths;
} spa_tiles;

/* The active tile of every tiling; deterministic on every machine. */
void spa_tiles_of(const spa_tiles *tiles, const float *obs, size_t n_obs,
                  uint32_t at[SPA_TILINGS_MAX]);

/* Value of a choice: the sum over the tilings; table[slots][n_actions]. */
static inline float spa_tiles_value(const spa_tiles *tiles, const float *table, size_t n_actions,
                                    const uint32_t *at, size_t choice)
{
    float sum = 0;
    for (uint32_t t = 0; t < tiles->tilings; t++) sum += table[at[t] * n_actions + choice];
    return sum;
}

#endif
