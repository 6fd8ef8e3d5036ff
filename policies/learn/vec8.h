/* Vectors of 8 floats of the compiler (GCC and clang), for the files of inner loops. */
#ifndef SPA_POLICIES_LEARN_VEC8_H
#define SPA_POLICIES_LEARN_VEC8_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX__)
#include <immintrin.h>
#endif
#include "policies/learn/net.h"

typedef float v8 __attribute__((vector_size(32)));
typedef int32_t v8i __attribute__((vector_size(32)));
typedef float v8u __attribute__((vector_size(32), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE v8 load(const float *p)
{
    return *(const v8u *)p;
}
INLINE void store(float *p, v8 v)
{
    *(v8u *)p = v;
}
INLINE v8 splat(float x)
{
    return (v8){x, x, x, x, x, x, x, x};
}
INLINE v8 pick(v8i mask, v8 a, v8 b)
{
    return (v8)((mask & (v8i)a) | (~mask & (v8i)b));
}
/* x held within bounds, and the larger of x and 0; both keep NaN. The instructions give their
 * second operand when one is NaN; the same values without them. */
#if defined(__AVX__)
INLINE v8 clamp(v8 x, float low, float high)
{
    return (v8)_mm256_min_ps((__m256)splat(high), _mm256_max_ps((__m256)splat(low), (__m256)x));
}
INLINE v8 root8(v8 x)
{
    return (v8)_mm256_sqrt_ps((__m256)x);
}
INLINE v8 above_zero(v8 x)
{
    return (v8)_mm256_max_ps((__m256)splat(0), (__m256)x);
}
#else
INLINE v8 clamp(v8 x, float low, float high)
{
    x = pick(x < splat(low), splat(low), x);
    return pick(x > splat(high), splat(high), x);
}
INLINE v8 root8(v8 x)
{
    for (int i = 0; i < 8; i++) x[i] = sqrtf(x[i]);
    return x;
}
INLINE v8 above_zero(v8 x)
{
    return pick(x <= splat(0), splat(0), x);
}
#endif
INLINE float total(v8 v)
{
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/* The first n < 8 elements, in pieces: calls of memcpy would cost more than all the rest. */
INLINE v8 load_part(const float *p, size_t n)
{
    float t[8] = {0}, *to = t;
    if (n & 4) memcpy(to, p, 4 * sizeof *p);
    p += n & 4;
    to += n & 4;
    if (n & 2) memcpy(to, p, 2 * sizeof *p);
    p += n & 2;
    to += n & 2;
    if (n & 1) *to = *p;
    return load(t);
}
INLINE void store_part(float *p, size_t n, v8 v)
{
    float t[8], *from = t;
    store(t, v);
    if (n & 4) memcpy(p, from, 4 * sizeof *p);
    p += n & 4;
    from += n & 4;
    if (n & 2) memcpy(p, from, 2 * sizeof *p);
    p += n & 2;
    from += n & 2;
    if (n & 1) *p = *from;
}
INLINE v8 load_some(const float *p, size_t n)
{
    return n >= 8 ? load(p) : load_part(p, n);
}
INLINE void store_some(float *p, size_t n, v8 v)
{
    if (n >= 8)
        store(p, v);
    else
        store_part(p, n, v);
}

/* The 11th convergent of Lambert's continued fraction x/(1 + x^2/(3 + x^2/(5 + ...))) (J. H.
 * Lambert, Memoire sur quelques proprietes remarquables, 1761); with |x| held at 7.5 its error is
 * below 6e-7 everywhere. */
INLINE v8 tanh8(v8 x)
{
    x = clamp(x, -7.5f, 7.5f);
    v8 z = x * x;
    v8 p = z + splat(2145.0f);
    p = p * z + splat(675675.0f);
    p = p * z + splat(64324260.0f);
    p = p * z + splat(1964187225.0f);
    p = p * z + splat(13749310575.0f);
    v8 q = splat(66.0f) * z + splat(45045.0f);
    q = q * z + splat(7567560.0f);
    q = q * z + splat(413513100.0f);
    q = q * z + splat(6547290750.0f);
    q = q * z + splat(13749310575.0f);
    return clamp(x * p / q, -1.0f, 1.0f);
}

INLINE v8 activate8(v8 x, spa_activation f)
{
    if (f == SPA_ACT_TANH) return tanh8(x);
    if (f == SPA_ACT_RELU) return above_zero(x);
    return x;
}

/* d times the slope of f where its result is y; f is tanh or ReLU. */
INLINE v8 slope8(v8 d, v8 y, spa_activation f)
{
    return f == SPA_ACT_TANH ? d * (splat(1) - y * y) : pick(y > splat(0), d, splat(0));
}

#endif
