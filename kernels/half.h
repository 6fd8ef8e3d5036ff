/* IEEE 754 half precision in plain C, for storage: conversions round to nearest, ties to even.
 * Compilers and processors without a half type give the same bits. */
#ifndef SPA_KERNELS_HALF_H
#define SPA_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

typedef struct spa_half {
    uint16_t bits;
} spa_half;

static inline float spa_half_to_float(spa_half h)
{
    uint32_t sign = (uint32_t)(h.bits & 0x8000) << 16, exponent = h.bits >> 10 & 31;
    uint32_t fraction = h.bits & 0x3ff, bits;
    float x;
    if (exponent == 31) {
        bits = sign | 0x7f800000 | fraction << 13;
    } else if (exponent > 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else { /* fraction * 2^-24, exact in fp32 */
        x = (float)fraction * 0x1p-24f;
        memcpy(&bits, &x, sizeof bits);
        bits |= sign;
    }
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline spa_half spa_half_from_float(float x)
{
    uint32_t bits, sign;
    memcpy(&bits, &x, sizeof bits);
    sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return (spa_half){(uint16_t)(sign | 0x7e00)};  /* NaN */
    if (bits >= 0x477ff000) return (spa_half){(uint16_t)(sign | 0x7c00)}; /* >= 65520: infinity */
    if (bits < 0x38800000) { /* below 2^-14: adding 0.5 leaves multiples of 2^-24 */
        memcpy(&x, &bits, sizeof x);
        x += 0.5f;
        memcpy(&bits, &x, sizeof bits);
        return (spa_half){(uint16_t)(sign | (bits - 0x3f000000))};
    }
    bits += 0xfff + (bits >> 13 & 1); /* half of the last place that stays, ties to even */
    return (spa_half){(uint16_t)(sign | ((bits >> 13) - (112 << 10)))};
}

#endif
