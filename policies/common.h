/* Inside policies/: what the policies share, and their tables. */
#ifndef SPA_POLICIES_COMMON_H
#define SPA_POLICIES_COMMON_H

#include "sim/policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every objective: for placements that are fixed in advance. They optimise nothing, so there is
 * none that they would not honour; their rows are what the others are compared with. */
#define SPA_OBJECTIVES_ALL                                                                         \
    (SPA_OBJECTIVE_LATENCY | SPA_OBJECTIVE_ENERGY | SPA_OBJECTIVE_EDP | SPA_OBJECTIVE_THROUGHPUT)

extern const spa_policy spa_policy_cpu_only, spa_policy_gpu_only, spa_policy_split,
    spa_policy_random, spa_policy_greedy, spa_policy_replan_greedy, spa_policy_dp, spa_policy_heft,
    spa_policy_peft, spa_policy_intensity_only, spa_policy_sparsity_only, spa_policy_threshold,
    spa_policy_exhaustive, spa_policy_local_search, spa_policy_rollout, spa_policy_mcts,
    spa_policy_codl, spa_policy_q_learning, spa_policy_dqn, spa_policy_ppo, spa_policy_sac,
    spa_policy_sac_split, spa_policy_sac_discrete, spa_policy_threshold_predictor, spa_policy_ios,
    spa_policy_pos, spa_policy_opara;

/* create and destroy of a policy without parameters, and the destroy of one malloc'ed block. */
spa_status spa_policy_create_nothing(void **self, const spa_param_values *values, spa_error *err);
void spa_policy_free(void *self);

/* "The GPU" of a two-sided policy: the first processor with the role of an accelerator that is not
 * the host. SPA_E_UNSUPPORTED (the policy is skipped) where there is none. "The CPU" is
 * costs->host. */
spa_status spa_policy_accelerator(const spa_costs *costs, const char *policy, uint32_t *processor,
                                  spa_error *err);

/* `wanted` if it can run the operator (or the operator is a view), else the processor that runs it
 * in the least isolated time (kernel + launch; the lowest index of equals). A finished table has at
 * least one. */
uint32_t spa_policy_able(const spa_costs *costs, size_t op, uint32_t wanted);

/* A view (reshape) costs nothing and lives where its input was made: nobody places it. */
static inline bool spa_policy_is_view(const spa_graph *g, size_t op)
{
    return g->ops[op].kind == SPA_OP_RESHAPE;
}
/* The operator whose processor a view follows, or ~k for graph input k (it is on the host). */
static inline int32_t spa_policy_viewed(const spa_graph *g, size_t view)
{
    return g->inputs[g->ops[view].first_input];
}
/* Puts every view where it will be. O(operators). */
void spa_policy_follow_views(const spa_costs *costs, uint8_t *processor);

/* Ends a plan that chose processors only: views follow, any lane, graph order. */
void spa_policy_end_plan(const spa_costs *costs, spa_schedule *schedule);

/* Where a rule wants each operator: plan() of the two-sided static policies. The rule says "on the
 * accelerator?"; operators that cannot run there go by spa_policy_able. */
typedef bool (*spa_policy_rule)(const void *self, const spa_op *op);
spa_status spa_policy_plan_rule(const spa_plan_context *context, const char *policy,
                                spa_policy_rule rule, const void *self, spa_schedule *schedule,
                                spa_error *err);

/* Greedy run ahead of time on the cost table alone: fills processor, any lane, graph order.
 * O((operators + edges) * processors). */
spa_status spa_greedy_plan(const spa_costs *costs, spa_schedule *schedule, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
