/* Small products for x86 with AVX-512; called only after CPUID said that it is there.
 *
 * As in products_avx2.c nothing is packed. Blocks are 6 rows and up to 64 columns (24 sums in 32
 * registers), and what is past the last column is masked, so that narrow ends cost no detour. */
#include "policies/learn/products.h"

#if defined(__x86_64__)
#if !defined(__AVX512F__) || !defined(__FMA__)
#error "compile this file with -mavx512f -mfma (build.mk)"
#endif
#include <immintrin.h>

/* Sums over so many l at a time: b[64][64] fills half of a first-level cache. */
#define DEPTH ((size_t)64)
#define WIDE  ((size_t)16) /* floats of a vector */

#define INLINE static inline __attribute__((always_inline))
typedef float v16 __attribute__((vector_size(64)));

INLINE v16 splat(float x)
{
    return (v16)_mm512_set1_ps(x);
}
INLINE __mmask16 first(size_t n)
{
    return n >= WIDE ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
}
/* Of `vectors` vectors only the last may be cut off. */
#define V_MASK(v) ((v) + 1 < vectors ? (__mmask16)0xffff : mask)
INLINE v16 load(__mmask16 mask, const float *p)
{
    return (v16)_mm512_maskz_loadu_ps(mask, p);
}

/* Lambert's continued fraction, as tanh8 of vec8.h; a step of Newton's on the reciprocal is faster
 * than the division. */
INLINE v16 tanh16(v16 x)
{
    x = (v16)_mm512_min_ps((__m512)splat(7.5f), _mm512_max_ps((__m512)splat(-7.5f), (__m512)x));
    v16 z = x * x, p = z + 2145.0f, q = z * 66.0f + 45045.0f;
    p = p * z + 675675.0f;
    p = p * z + 64324260.0f;
    p = p * z + 1964187225.0f;
    p = p * z + 13749310575.0f;
    q = q * z + 7567560.0f;
    q = q * z + 413513100.0f;
    q = q * z + 6547290750.0f;
    q = q * z + 13749310575.0f;
    v16 r = (v16)_mm512_rcp14_ps((__m512)q);
    x = x * p * (r * (2.0f - q * r));
    return (v16)_mm512_min_ps((__m512)splat(1), _mm512_max_ps((__m512)splat(-1), (__m512)x));
}

/* tanh of a block just written. A loop of its own: woven into the block it would be copied for
 * every sum. */
static void activate_tanh(float *c, size_t ldc, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++, c += ldc) {
        size_t at = 0;
        for (; at + WIDE <= n; at += WIDE)
            _mm512_storeu_ps(c + at, (__m512)tanh16((v16)_mm512_loadu_ps(c + at)));
        if (at == n) continue;
        _mm512_mask_storeu_ps(c + at, first(n - at), (__m512)tanh16(load(first(n - at), c + at)));
    }
}

INLINE v16 slope(v16 d, v16 y, bool tanh)
{
    if (tanh) return d * (1.0f - y * y);
    return (v16)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)y, _mm512_setzero_ps(), _CMP_GT_OQ),
                                    (__m512)d);
}

#define EACH(r, v)                                                                                 \
    _Pragma("GCC unroll 6") for (size_t r = 0; r < rows; r++)                                      \
        _Pragma("GCC unroll 4") for (size_t v = 0; v < vectors; v++)

/* One block: `rows` x `vectors` * 16 sums in registers; of the last vector those in `mask` count.
 */
INLINE void block(const spa_product *p, size_t i, size_t j, size_t l0, size_t l1, size_t rows,
                  size_t vectors, __mmask16 mask)
{
    v16 sum[6][4], b[4];
    const float *a = p->a + i * p->a_row + l0 * p->a_step, *from = p->b + l0 * p->ldb + j;
    size_t row = p->a_row, step = p->a_step, ldb = p->ldb, ldc = p->ldc;
    float *c = p->c + i * ldc + j;
    bool ends = l1 == p->k && !p->accumulate;
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++)
        b[v] = l0 == 0 && p->bias ? load(V_MASK(v), p->bias + j + v * WIDE) : splat(0);
    EACH(r, v) sum[r][v] = b[v];
    for (size_t l = l0; l < l1; l++, a += step, from += ldb) {
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) b[v] = load(V_MASK(v), from + v * WIDE);
#pragma GCC unroll 6
        for (size_t r = 0; r < rows; r++) {
            v16 x = splat(a[r * row]);
#pragma GCC unroll 4
            for (size_t v = 0; v < vectors; v++) sum[r][v] += x * b[v];
        }
    }
    if (p->accumulate || l0 > 0) EACH(r, v) sum[r][v] += load(V_MASK(v), c + r * ldc + v * WIDE);
    /* The second operand is the result when one is NaN. */
    if (ends && p->activation == SPA_ACT_RELU)
        EACH(r, v) sum[r][v] = (v16)_mm512_max_ps(_mm512_setzero_ps(), (__m512)sum[r][v]);
    if (ends && p->slope_of) {
        const float *y = p->slope_of + i * ldc + j;
        bool tanh = p->slope == SPA_ACT_TANH;
        EACH(r, v)
        sum[r][v] = slope(sum[r][v], load(V_MASK(v), y + r * ldc + v * WIDE), tanh);
    }
    EACH(r, v) _mm512_mask_storeu_ps(c + r * ldc + v * WIDE, V_MASK(v), (__m512)sum[r][v]);
    if (ends && p->activation == SPA_ACT_TANH)
        activate_tanh(c, ldc, rows, (vectors - 1) * WIDE + (size_t)__builtin_popcount(mask));
}

/* The rows l0 .. l1-1 of b, just read by the blocks. */
INLINE void add_rows(const spa_product *p, size_t j, size_t l0, size_t l1, __mmask16 mask)
{
    v16 even = splat(0), odd = splat(0);
    size_t l = l0;
    for (; l + 2 <= l1; l += 2) {
        even += load(mask, p->b + l * p->ldb + j);
        odd += load(mask, p->b + (l + 1) * p->ldb + j);
    }
    if (l < l1) even += load(mask, p->b + l * p->ldb + j);
    _mm512_mask_storeu_ps(p->sums + j, mask, (__m512)(even + odd + load(mask, p->sums + j)));
}

INLINE void strip(const spa_product *p, size_t j, size_t l0, size_t l1, size_t vectors,
                  __mmask16 mask)
{
    size_t i = 0;
    for (; i + 6 <= p->m; i += 6) block(p, i, j, l0, l1, 6, vectors, mask);
    for (; i + 2 <= p->m; i += 2) block(p, i, j, l0, l1, 2, vectors, mask);
    for (; i < p->m; i++) block(p, i, j, l0, l1, 1, vectors, mask);
    if (!p->sums) return;
    for (size_t v = 0; v < vectors; v++) add_rows(p, j + v * WIDE, l0, l1, V_MASK(v));
}

static void strip_of(const spa_product *p, size_t j, size_t l0, size_t l1)
{
    size_t n = p->n - j, vectors = (n + WIDE - 1) / WIDE;
    __mmask16 mask = first(n - (vectors - 1) * WIDE);
    if (n >= 4 * WIDE) /* without masks: what was stored with one is slow to read back */
        strip(p, j, l0, l1, 4, 0xffff);
    else if (vectors == 4)
        strip(p, j, l0, l1, 4, mask);
    else if (vectors == 3)
        strip(p, j, l0, l1, 3, mask);
    else if (vectors == 2)
        strip(p, j, l0, l1, 2, mask);
    else
        strip(p, j, l0, l1, 1, mask);
}

void spa_product_run_avx512(const spa_product *product)
{
    const spa_product *p = product;
    for (size_t l = 0;; l += DEPTH) {
        size_t end = p->k - l <= DEPTH + DEPTH / 2 ? p->k : l + DEPTH;
        for (size_t j = 0; j < p->n; j += 4 * WIDE) strip_of(p, j, l, end);
        if (end == p->k) return;
    }
}
#else
typedef int spa_no_avx512_products_here; /* a translation unit is not empty */
#endif
