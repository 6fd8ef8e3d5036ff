/* Products of small matrices against sums in double precision, for every instruction set. */
#include "tests/base/check.h"
#include <math.h>
#include <string.h>
#include "base/rng.h"
#include "policies/learn/products.h"

enum { MOST_M = 40, MOST_N = 150, MOST_K = 170, PAD = 16 };

typedef struct trial {
    float a[MOST_M * MOST_K], b[MOST_K * MOST_N + PAD], c[MOST_M * MOST_N + PAD];
    float before[MOST_M * MOST_N], slope_of[MOST_M * MOST_N], bias[MOST_N], sums[MOST_N];
} trial;

static void fill(float *x, size_t n, spa_rng *rng)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)spa_rng_gaussian(rng);
}

static double wanted(const spa_product *p, const trial *t, size_t i, size_t j)
{
    double sum = p->accumulate ? t->before[i * p->ldc + j] : p->bias ? p->bias[j] : 0;
    for (size_t l = 0; l < p->k; l++)
        sum += (double)p->a[i * p->a_row + l * p->a_step] * p->b[l * p->ldb + j];
    if (p->activation == SPA_ACT_TANH) sum = tanh(sum);
    if (p->activation == SPA_ACT_RELU && sum < 0) sum = 0;
    if (!p->slope_of) return sum;
    double y = p->slope_of[i * p->ldc + j];
    return p->slope == SPA_ACT_TANH ? sum * (1 - y * y) : y > 0 ? sum : 0;
}

static void check(const spa_product *p, trial *t, spa_product_run_fn *run, const char *what)
{
    static float guard[PAD];
    memcpy(t->before, t->c, p->m * p->n * sizeof *t->c);
    memset(guard, 0x5a, sizeof guard);
    memcpy(t->c + p->m * p->n, guard, sizeof guard);
    memset(t->sums, 0, sizeof t->sums);
    run(p);
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++)
            cr_assert_lt(fabs(t->c[i * p->ldc + j] - wanted(p, t, i, j)), 3e-5,
                         "%s %zu x %zu x %zu at %zu, %zu: %g, not %g", what, p->m, p->n, p->k, i, j,
                         (double)t->c[i * p->ldc + j], wanted(p, t, i, j));
    cr_assert_eq(memcmp(t->c + p->m * p->n, guard, sizeof guard), 0, "%s: written past the end",
                 what);
    for (size_t j = 0; p->sums && j < p->n; j++) {
        double sum = 0;
        for (size_t l = 0; l < p->k; l++) sum += p->b[l * p->ldb + j];
        cr_assert_lt(fabs(p->sums[j] - sum), 3e-5, "%s: sum of column %zu", what, j);
    }
}

static void check_shape(trial *t, size_t m, size_t n, size_t k, spa_product_run_fn *run)
{
    spa_product p = {.m = m,
                     .n = n,
                     .k = k,
                     .a = t->a,
                     .a_row = k,
                     .a_step = 1,
                     .b = t->b,
                     .ldb = n,
                     .c = t->c,
                     .ldc = n};
    check(&p, t, run, "plain");
    p.bias = t->bias;
    p.activation = SPA_ACT_TANH;
    check(&p, t, run, "bias and tanh");
    p.activation = SPA_ACT_RELU;
    check(&p, t, run, "bias and ReLU");
    p.bias = NULL;
    p.activation = SPA_ACT_NONE;
    p.slope_of = t->slope_of;
    p.slope = SPA_ACT_TANH;
    check(&p, t, run, "slope of tanh");
    p.slope = SPA_ACT_RELU;
    check(&p, t, run, "slope of ReLU");
    p.slope_of = NULL;
    p.accumulate = true;
    p.sums = t->sums;
    p.a_row = 1; /* the same numbers, read as a transposed matrix */
    p.a_step = m;
    check(&p, t, run, "transposed, added");
}

Test(products, are_those_of_sums_in_double_precision)
{
    static const size_t ms[] = {2, 3, 7, 12, 33}, ks[] = {1, 5, 64, 65, 100, 161};
    static const size_t ns[] = {1, 2, 8, 15, 16, 17, 49, 63, 64, 65, 80, 129};
    static trial t;
    spa_product_run_fn *runs[2];
    spa_rng rng;
    spa_rng_init(&rng, 8, "test/products");
    for (size_t r = 0, n = spa_products_all(runs); r < n; r++) {
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
            for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
                for (size_t l = 0; l < sizeof ks / sizeof *ks; l++) {
                    fill(t.a, MOST_M * MOST_K, &rng);
                    fill(t.b, MOST_K * MOST_N, &rng);
                    fill(t.bias, MOST_N, &rng);
                    fill(t.slope_of, MOST_M * MOST_N, &rng);
                    for (size_t x = 0; x < MOST_M * MOST_N; x++)
                        t.slope_of[x] = tanhf(t.slope_of[x]);
                    check_shape(&t, ms[i], ns[j], ks[l], runs[r]);
                }
    }
}

Test(products, keep_what_is_not_a_number)
{
    static trial t;
    spa_product_run_fn *runs[2];
    for (size_t r = 0, n = spa_products_all(runs); r < n; r++) {
        t.a[0] = NAN;
        t.b[0] = 1;
        spa_product p = {.m = 2,
                         .n = 17,
                         .k = 3,
                         .a = t.a,
                         .a_row = 3,
                         .a_step = 1,
                         .b = t.b,
                         .ldb = 17,
                         .c = t.c,
                         .ldc = 17,
                         .activation = SPA_ACT_RELU};
        runs[r](&p);
        cr_assert(isnan(t.c[0]) && t.c[17] == 0);
        p.activation = SPA_ACT_TANH;
        runs[r](&p);
        cr_assert(isnan(t.c[0]) && t.c[17] == 0);
    }
}
