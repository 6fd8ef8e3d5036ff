/* Small graphs with cost tables, for the tests of policies. Everything from a seed. */
#ifndef SPA_TESTS_POLICIES_SCENE_H
#define SPA_TESTS_POLICIES_SCENE_H

#include <criterion/criterion.h>
#include "experiments/random_scene.h"
#include "policies/additive.h"
#include "policies/common.h"
#include "sim/engine.h"

typedef spa_random_scene policies_scene;
typedef spa_random_scene_options policies_scene_options;

void policies_scene_random(policies_scene *scene, uint64_t seed,
                           const policies_scene_options *options);
/* n "other" operators in a chain (or without edges), one graph input; kernels to be filled in. */
void policies_scene_chain(policies_scene *scene, uint32_t n, uint32_t n_processors);
/* Operators with the given inputs: inputs[i] ends with INT32_MAX. */
void policies_scene_edges(policies_scene *scene, uint32_t n, uint32_t n_processors,
                          const int32_t (*inputs)[4]);
void policies_scene_fini(policies_scene *scene);

static inline void scene_kernel(policies_scene *s, uint32_t op, uint32_t p, int64_t ns)
{
    s->costs.ops[op * s->costs.n_processors + p].kernel_ns = ns;
}
static inline void scene_transfer(policies_scene *s, size_t tensor, uint32_t from, uint32_t to,
                                  int64_t ns)
{
    uint32_t n = s->costs.n_processors;
    s->costs.transfer_ns[(tensor * n + from) * n + to] = ns;
}
/* Every tensor between every two processors. */
void scene_all_transfers(policies_scene *s, int64_t ns);

/* Parses, creates, plans into a fresh schedule, destroys. `text` as on the command line. */
spa_status scene_plan(const policies_scene *s, const char *text, spa_objective objective,
                      uint64_t seed, uint64_t budget, spa_schedule *schedule, spa_error *err);
/* The same, which must succeed; the schedule is checked for legality. */
void scene_must_plan(const policies_scene *s, const char *text, spa_objective objective,
                     uint64_t seed, uint64_t budget, spa_schedule *schedule);
/* Makespan (or energy, EDP) of a schedule on the simulator. */
double scene_value(const policies_scene *s, const spa_schedule *schedule, spa_objective objective);
/* One run of one request with a policy and its plan, contention on, decisions free. */
int64_t scene_run_ns(const policies_scene *s, const char *text, uint64_t seed, uint64_t budget,
                     uint64_t *digest);
/* Processors as letters: "HAAB" = host, accelerator 1, 1, 2. Static buffer. */
const char *scene_letters(const policies_scene *s, const spa_schedule *schedule);

#endif
