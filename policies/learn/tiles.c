#include "policies/learn/tiles.h"

#include <math.h>
#include "base/text.h"

/* Shift of tiling t along feature f: t (2 f + 1) / tilings of a tile, modulo 1 (their asymmetric
 * offsets, the odd numbers). */
void spa_tiles_of(const spa_tiles *tiles, const float *obs, size_t n_obs,
                  uint32_t at[SPA_TILINGS_MAX])
{
    size_t n = tiles->features && tiles->features < n_obs ? tiles->features : n_obs;
    for (uint32_t t = 0; t < tiles->tilings; t++) {
        uint64_t h = spa_hash_u64(SPA_HASH_SEED, t);
        for (size_t f = 0; f < n; f++) {
            float shift = (float)(t * (2 * f + 1) % tiles->tilings) / (float)tiles->tilings;
            float x = obs[f] * tiles->widths + shift;
            x = x < -1e6f ? -1e6f : x > 1e6f ? 1e6f : x;
            h = spa_hash_u64(h, (uint64_t)(int64_t)floorf(x));
        }
        at[t] = (uint32_t)(h % tiles->slots);
    }
}
