/* Small products for x86 with AVX2 and FMA; called only after CPUID said that both are there. */
#include "policies/learn/products.h"

#if defined(__x86_64__)
#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma (build.mk)"
#endif
#include "policies/learn/vec8.h"

/* Sums over so many l at a time: b[64][64] fills half of a first-level cache. */
#define DEPTH ((size_t)64)

/* One block: `rows` x `vectors` * 8 sums in registers; `columns` of them are wanted. */
INLINE void block(const spa_product *p, size_t i, size_t j, size_t l0, size_t l1, size_t rows,
                  size_t vectors, size_t columns, spa_activation f)
{
    v8 sum[6][2];
    const float *a = p->a + i * p->a_row + l0 * p->a_step, *b = p->b + l0 * p->ldb + j;
    size_t row = p->a_row, step = p->a_step, ldb = p->ldb;
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) sum[r][v] = splat(0);
    for (size_t l = l0; l < l1; l++, a += step, b += ldb) {
        v8 b0 = load(b), b1 = vectors > 1 ? load(b + 8) : b0;
#pragma GCC unroll 6
        for (size_t r = 0; r < rows; r++) {
            v8 x = splat(a[r * row]);
            sum[r][0] += x * b0;
            if (vectors > 1) sum[r][1] += x * b1;
        }
    }
    bool adds = p->accumulate || l0 > 0, ends = l1 == p->k && !p->accumulate;
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) {
        float *c = p->c + (i + r) * p->ldc + j;
        for (size_t v = 0; v < vectors; v++) {
            size_t n = columns - 8 * v;
            v8 y = sum[r][v];
            if (adds) y += load_some(c + 8 * v, n);
            if (ends && p->bias) y += load_some(p->bias + j + 8 * v, n);
            if (ends) y = activate8(y, f);
            if (ends && p->slope_of)
                y = slope8(y, load_some(p->slope_of + (i + r) * p->ldc + j + 8 * v, n), p->slope);
            store_some(c + 8 * v, n, y);
        }
    }
}

/* The rows l0 .. l1-1 of b, just read by the blocks. */
INLINE void add_rows(const spa_product *p, size_t j, size_t l0, size_t l1, size_t vectors,
                     size_t columns)
{
    v8 sum[2] = {splat(0), splat(0)};
    for (size_t l = l0; l < l1; l++)
        for (size_t v = 0; v < vectors; v++) sum[v] += load(p->b + l * p->ldb + j + 8 * v);
    for (size_t v = 0; v < vectors; v++) {
        float *to = p->sums + j + 8 * v;
        size_t n = columns - 8 * v;
        store_some(to, n, load_some(to, n) + sum[v]);
    }
}

INLINE void strip(const spa_product *p, size_t j, size_t l0, size_t l1, size_t vectors,
                  size_t columns, spa_activation f)
{
    size_t i = 0;
    for (; i + 6 <= p->m; i += 6) block(p, i, j, l0, l1, 6, vectors, columns, f);
    for (; i + 4 <= p->m; i += 4) block(p, i, j, l0, l1, 4, vectors, columns, f);
    for (; i < p->m; i++) block(p, i, j, l0, l1, 1, vectors, columns, f);
    if (p->sums) add_rows(p, j, l0, l1, vectors, columns);
}

INLINE void run_as(const spa_product *p, spa_activation f)
{
    for (size_t l = 0; l < p->k || l == 0; l += DEPTH) {
        size_t end = p->k - l <= DEPTH + DEPTH / 2 ? p->k : l + DEPTH, j = 0;
        for (; j + 16 <= p->n; j += 16) strip(p, j, l, end, 2, 16, f);
        for (; j + 8 <= p->n; j += 8) strip(p, j, l, end, 1, 8, f);
        if (j < p->n) strip(p, j, l, end, 1, p->n - j, f);
        if (end == p->k) break;
    }
}

void spa_product_run_avx2(const spa_product *product)
{
    if (product->activation == SPA_ACT_TANH)
        run_as(product, SPA_ACT_TANH);
    else if (product->activation == SPA_ACT_RELU)
        run_as(product, SPA_ACT_RELU);
    else
        run_as(product, SPA_ACT_NONE);
}
#else
typedef int spa_no_avx2_products_here; /* a translation unit is not empty */
#endif
