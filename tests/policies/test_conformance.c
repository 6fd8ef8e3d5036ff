/* What every registered policy must do, on random graphs, tables and scenarios: end, act legally,
 * repeat itself, keep plain memory (experiments/conformance.h), survive failing allocations. */
#include <stdlib.h>
#include <string.h>
#include "experiments/conformance.h"
#include "tests/oom.h"
#include "tests/policies/scene.h"

static void begin(spa_trial *t, const spa_policy *policy, uint64_t seed)
{
    spa_param_values values;
    spa_error err = {0};
    spa_params_defaults(policy->params, policy->n_params, &values);
    cr_assert_eq(spa_trial_begin(t, policy, &values, seed, &err), SPA_OK, "%s: %s", policy->name,
                 err.message);
    if (!t->skipped) return;
    cr_assert_gt(strlen(err.message), 10);
    if (t->n_processors > 1) /* a trained policy knows no random tables */
        cr_assert_not_null(strstr(err.message, "not trained for"), "%s: %s", policy->name,
                           err.message);
}

static void for_each_trial(uint64_t seeds, void (*check)(spa_trial *t))
{
    size_t n = 0;
    const spa_policy *const *all = spa_policies(&n);
    for (size_t i = 0; i < n; i++) {
        for (uint64_t seed = 0; seed < seeds; seed++) {
            spa_trial t;
            begin(&t, all[i], seed);
            if (!t.skipped) check(&t);
            spa_trial_end(&t);
        }
    }
}

/* The rule whose name begins so, for every policy. */
static void check_rule(const char *name)
{
    size_t n_rules, n;
    const spa_rule *rule = spa_rules(&n_rules);
    const spa_policy *const *all = spa_policies(&n);
    while (n_rules > 0 && strncmp(rule->name, name, strlen(name)) != 0) rule++, n_rules--;
    cr_assert_gt(n_rules, 0);
    for (size_t i = 0; i < n; i++) {
        for (uint64_t seed = 0; seed < rule->n_seeds; seed++) {
            spa_error err = {0};
            spa_trial t;
            begin(&t, all[i], seed);
            cr_assert(t.skipped || rule->check(&t, &err) == SPA_OK, "%s, seed %llu: %s",
                      all[i]->name, (unsigned long long)seed, err.message);
            spa_trial_end(&t);
        }
    }
}

Test(policies_conformance, every_policy_ends_acts_legally_and_repeats_itself)
{
    check_rule("ends");
}

Test(policies_conformance, every_plan_is_the_same_for_the_same_seed)
{
    check_rule("plans");
}

Test(policies_conformance, every_policys_memory_may_be_moved_in_the_middle_of_a_run)
{
    check_rule("keeps");
}

Test(policies_conformance, every_policy_copes_with_unknown_sparsities)
{
    check_rule("copes");
}

static void check_oom(spa_trial *t)
{
    if (!t->has_schedule) return;
    spa_schedule_fini(&t->schedule);
    t->has_schedule = false;
    for (long n = 0;; n++) {
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_trial_plan(t, &t->schedule, &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s: %s", t->policy->name, err.message);
            t->has_schedule = true;
            return;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "%s, allocation %ld: %s", t->policy->name, n,
                     err.message);
    }
}

Test(policies_conformance, every_plan_fails_cleanly_when_any_allocation_fails)
{
    for_each_trial(2, check_oom);
}

Test(policies_conformance, every_create_fails_cleanly_when_its_allocation_fails)
{
    size_t n = 0;
    const spa_policy *const *all = spa_policies(&n);
    for (size_t i = 0; i < n; i++) {
        spa_param_values values;
        spa_params_defaults(all[i]->params, all[i]->n_params, &values);
        for (long k = 0;; k++) {
            void *self = (void *)&values;
            oom_fail_at(k);
            spa_status status = all[i]->create(&self, &values, NULL);
            bool failed = oom_failed();
            oom_off();
            if (!failed) {
                cr_assert_eq(status, SPA_OK);
                all[i]->destroy(self);
                break;
            }
            cr_assert_eq(status, SPA_E_NOMEM);
            cr_assert_null(self);
        }
    }
}
