/* Cost tables of tests: operators that may be split. */
#ifndef SPA_TESTS_DIVIDE_H
#define SPA_TESTS_DIVIDE_H

#include "experiments/random_scene.h"

/* Every operator that is no view, whatever its kind, at times in proportion. */
static inline void tests_divide(spa_costs *c)
{
    spa_random_scene_divide(c);
}

#endif
