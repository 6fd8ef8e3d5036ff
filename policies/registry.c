/* The built-in policies, and how a text names one. To add a policy: write its file, declare its
 * table in common.h, add a line here (docs/writing-a-policy.md). */
#include <string.h>
#include "base/text.h"
#include "policies/common.h"

static const spa_policy *const policies[] = {
    &spa_policy_cpu_only,
    &spa_policy_gpu_only,
    &spa_policy_split,
    &spa_policy_random,
    &spa_policy_greedy,
    &spa_policy_replan_greedy,
    &spa_policy_dp,
    &spa_policy_heft,
    &spa_policy_peft,
    &spa_policy_intensity_only,
    &spa_policy_sparsity_only,
    &spa_policy_threshold,
    &spa_policy_threshold_predictor,
    &spa_policy_exhaustive,
    &spa_policy_local_search,
    &spa_policy_codl,
    &spa_policy_ios,
    &spa_policy_pos,
    &spa_policy_opara,
    &spa_policy_q_learning,
    &spa_policy_dqn,
    &spa_policy_ppo,
    &spa_policy_sac,
    &spa_policy_sac_split,
    &spa_policy_sac_discrete,
    &spa_policy_rollout,
    &spa_policy_mcts,
};
#define N_POLICIES (sizeof policies / sizeof *policies)

const spa_policy *const *spa_policies(size_t *count)
{
    *count = N_POLICIES;
    return policies;
}

static spa_status fail_unknown(const char *text, size_t length, spa_error *err)
{
    char name[128];
    const char *names[N_POLICIES];
    if (length >= sizeof name) {
        return spa_fail(err, SPA_E_NOT_FOUND, "unknown policy '%.40s...'", text);
    }
    memcpy(name, text, length);
    name[length] = '\0';
    for (size_t i = 0; i < N_POLICIES; i++) names[i] = policies[i]->name;
    return spa_fail_unknown(err, "policy", name, names, N_POLICIES);
}

spa_status spa_policy_parse(const char *text, const spa_policy **policy, spa_param_values *values,
                            spa_error *err)
{
    size_t length = strcspn(text, ":");
    *policy = NULL;
    memset(values, 0, sizeof *values);
    for (size_t i = 0; i < N_POLICIES; i++) {
        const spa_policy *p = policies[i];
        if (strlen(p->name) != length || memcmp(p->name, text, length) != 0) continue;
        const char *rest = text[length] == ':' ? text + length + 1 : "";
        SPA_TRY(spa_params_parse(p->params, p->n_params, p->name, rest, values, err));
        *policy = p;
        return SPA_OK;
    }
    return fail_unknown(text, length, err);
}
