/* Cost tables of tests: operators that may be split. */
#ifndef SPA_TESTS_DIVIDE_H
#define SPA_TESTS_DIVIDE_H

#include "devices/costs.h"

/* Every operator that is no view, whatever its kind, at times in proportion. */
static inline void tests_divide(spa_costs *c)
{
    for (size_t i = 0; i < c->n_ops * c->n_processors; i++) {
        int64_t whole_ns = c->ops[i].kernel_ns;
        if (whole_ns < 0 || c->graph->ops[i / c->n_processors].kind == SPA_OP_RESHAPE) continue;
        for (int64_t k = 1; k < SPA_TENTHS; k++)
            c->part_ns[i * (SPA_TENTHS - 1) + (size_t)k - 1] = whole_ns * k / SPA_TENTHS;
    }
}

#endif
