/* The loops for the base instruction set, and the choice among them. */
#define LOOPS_TABLE spa_loops_base
#define LOOPS_ISA   "base"
#include "policies/learn/loops_body.h"

const spa_loops *spa_loops_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return &spa_loops_avx2;
#endif
    return &spa_loops_base;
}

size_t spa_loops_all(const spa_loops *tables[2])
{
    tables[0] = &spa_loops_base;
    tables[1] = spa_loops_best();
    return tables[1] == tables[0] ? 1 : 2;
}
