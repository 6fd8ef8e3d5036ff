/* Vectorised loops for the base ISA of the platform (SSE2, NEON), and the choice among tables. */
#define VECTOR_TABLE spa_vector_base
#define VECTOR_ISA   "base"
#include "kernels/vector_body.h"

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

const spa_vector *spa_vector_best(void)
{
#if defined(__x86_64__)
    if (has_avx2()) return &spa_vector_avx2;
#endif
    return &spa_vector_base;
}

size_t spa_vector_all(const spa_vector *tables[4])
{
    size_t n = 0;
    tables[n++] = &spa_vector_base;
#if defined(__x86_64__)
    if (has_avx2()) tables[n++] = &spa_vector_avx2;
#endif
    return n;
}
