/* Which products this machine can do; each instruction set is a file of its own. */
#include "policies/learn/products.h"

#include <assert.h>

#if defined(__x86_64__)
size_t spa_products_all(spa_product_run_fn *runs[2])
{
    size_t n = 0;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        runs[n++] = spa_product_run_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma"))
        runs[n++] = spa_product_run_avx512;
    return n;
}
#else
size_t spa_products_all(spa_product_run_fn *runs[2])
{
    return 0;
}
#endif

bool spa_product_suits(size_t m, size_t n, size_t k)
{
    spa_product_run_fn *runs[2];
    return m >= 2 && n <= 256 && k * n <= 24576 && spa_products_all(runs) > 0;
}

void spa_product_run(const spa_product *product)
{
    spa_product_run_fn *runs[2];
    size_t n = spa_products_all(runs);
    assert(n > 0 && "spa_product_suits said no");
    if (n > 0) runs[n - 1](product);
}
