/* What the table of a policy or batcher must hold, whoever wrote it. */
#include "sim/plugin.h"

#include <math.h>
#include <string.h>

static const uint32_t all_objectives =
    SPA_OBJECTIVE_LATENCY | SPA_OBJECTIVE_ENERGY | SPA_OBJECTIVE_EDP | SPA_OBJECTIVE_THROUGHPUT;

static spa_status check_name(const char *name, const char *what, const char *owner, spa_error *err)
{
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n > 63 || strcmp(name, "all") == 0 || strpbrk(name, ":, /\t\n")) {
        return spa_fail(err, SPA_E_INVALID,
                        "%s: '%.80s' is no name for a %s: 1 to 63 characters, no blank, "
                        "comma, colon or slash, and not 'all'",
                        owner, name ? name : "", what);
    }
    return SPA_OK;
}

static spa_status check_params(const spa_param *params, size_t n, const char *name,
                               const char *owner, spa_error *err)
{
    if (n > SPA_PARAM_MAX || (n > 0 && !params)) {
        return spa_fail(err, SPA_E_INVALID,
                        "%s: '%s' has %zu parameters; at most %d, and a table of them", owner, name,
                        n, SPA_PARAM_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const spa_param *q = &params[i];
        bool number = q->kind == SPA_PARAM_REAL || q->kind == SPA_PARAM_INT;
        if (!q->name || !*q->name || (!number && q->kind != SPA_PARAM_TEXT) ||
            (number && !(q->min <= q->value && q->value <= q->max))) {
            return spa_fail(err, SPA_E_INVALID,
                            "%s: parameter %zu of '%s' needs a name, a kind, and a default "
                            "within its bounds",
                            owner, i + 1, name);
        }
    }
    return SPA_OK;
}

/* What is wrong with the rest of a table, or NULL. */
static const char *fault_of(const spa_policy *p)
{
    if (!p->plan && !p->place) return "has neither plan nor place";
    if ((p->plan != NULL) != ((p->capabilities & SPA_CAP_PLAN) != 0))
        return "must declare SPA_CAP_PLAN exactly if it has a plan";
    if ((p->place != NULL) != ((p->capabilities & SPA_CAP_PLACE) != 0))
        return "must declare SPA_CAP_PLACE exactly if it has a place";
    if (p->objectives == 0 || p->objectives & ~all_objectives)
        return "must honour one objective or more of latency, energy, edp and throughput";
    if (!(p->decision_cycles >= 0) || !isfinite(p->decision_cycles))
        return "must have decision_cycles of 0 or more";
    if (p->create && !p->destroy) return "has a create without a destroy";
    if (p->memory_bytes > 0 && !p->begin) return "has memory_bytes without a begin";
    return NULL;
}

spa_status spa_policy_check(const spa_policy *policy, const char *owner, spa_error *err)
{
    if (!policy) return spa_fail(err, SPA_E_INVALID, "%s: a policy of its table is NULL", owner);
    if (policy->abi != SPA_POLICY_ABI || policy->struct_size != sizeof(spa_policy)) {
        return spa_fail(err, SPA_E_INVALID,
                        "%s: a policy of ABI %u with %u bytes; this program has ABI %u with %zu: "
                        "set .abi = SPA_POLICY_ABI and .struct_size = sizeof(spa_policy), and "
                        "compile it with this program's headers",
                        owner, policy->abi, policy->struct_size, SPA_POLICY_ABI,
                        sizeof(spa_policy));
    }
    SPA_TRY(check_name(policy->name, "policy", owner, err));
    SPA_TRY(check_params(policy->params, policy->n_params, policy->name, owner, err));
    const char *fault = fault_of(policy);
    if (!fault) return SPA_OK;
    return spa_fail(err, SPA_E_INVALID, "%s: policy '%s' %s", owner, policy->name, fault);
}

spa_status spa_batcher_table_check(const spa_batcher *b, const char *owner, spa_error *err)
{
    if (!b) return spa_fail(err, SPA_E_INVALID, "%s: a batcher of its table is NULL", owner);
    if (b->abi != SPA_BATCHER_ABI || b->struct_size != sizeof(spa_batcher)) {
        return spa_fail(err, SPA_E_INVALID,
                        "%s: a batcher of ABI %u with %u bytes; this program has ABI %u with %zu: "
                        "set .abi = SPA_BATCHER_ABI and .struct_size = sizeof(spa_batcher), and "
                        "compile it with this program's headers",
                        owner, b->abi, b->struct_size, SPA_BATCHER_ABI, sizeof(spa_batcher));
    }
    SPA_TRY(check_name(b->name, "batcher", owner, err));
    SPA_TRY(check_params(b->params, b->n_params, b->name, owner, err));
    if (b->create && b->destroy && b->decide && b->largest && b->target && b->chunks) return SPA_OK;
    return spa_fail(err, SPA_E_INVALID,
                    "%s: batcher '%s' lacks one of its functions: all but prepare are needed",
                    owner, b->name);
}
