/* The static policies, the thresholds around their cuts, and the registry. */
#include <math.h>
#include <string.h>
#include "tests/policies/scene.h"

/* A chain of n operators, 10 ns on the host and 5 on the accelerator, moves 1. */
static void make(policies_scene *s, uint32_t n)
{
    policies_scene_chain(s, n, 2);
    for (uint32_t i = 0; i < n; i++) {
        scene_kernel(s, i, 0, 10);
        scene_kernel(s, i, 1, 5);
    }
    scene_all_transfers(s, 1);
}

static void set_op(policies_scene *s, uint32_t op, int64_t macs, double out, double in)
{
    s->graph.ops[op].macs = macs;
    s->graph.ops[op].sparsity = out;
    s->graph.ops[op].input_sparsity = in;
}

static void expect_letters(const policies_scene *s, const char *policy, const char *letters)
{
    spa_schedule schedule;
    scene_must_plan(s, policy, SPA_OBJECTIVE_LATENCY, 1, 100, &schedule);
    cr_assert_str_eq(scene_letters(s, &schedule), letters, "%s: %s, not %s", policy,
                     scene_letters(s, &schedule), letters);
    for (uint32_t i = 0; i < schedule.n_ops; i++) cr_assert_eq(schedule.order[i], i);
    spa_schedule_fini(&schedule);
}

static void expect_failure(const policies_scene *s, const char *policy, spa_status status,
                           const char *message)
{
    spa_schedule schedule;
    spa_error err = {0};
    cr_assert_eq(scene_plan(s, policy, SPA_OBJECTIVE_LATENCY, 1, 100, &schedule, &err), status);
    cr_assert_str_eq(err.message, message);
}

/* The quadrants and the two cuts exactly: rho 0.4 is not above 0.4, I = 1e8 is not below 1e8. */
static void make_quadrants(policies_scene *s)
{
    make(s, 8);
    set_op(s, 0, 99999999, 0.5, 0);    /* sparse, light */
    set_op(s, 1, 100000000, 0.5, 0);   /* sparse, just heavy */
    set_op(s, 2, 99999999, 0.4, 0.9);  /* just dense, light */
    set_op(s, 3, 100000000, 0.4, 0);   /* dense, heavy */
    set_op(s, 4, 99999999, 0.41, 0);   /* just sparse, light */
    set_op(s, 5, 0, 0, 0);             /* no multiplications at all */
    set_op(s, 6, 200000000, NAN, NAN); /* unknown, heavy */
    set_op(s, 7, 1000, NAN, NAN);      /* unknown, light */
    cr_assert_eq(spa_costs_finish(&s->costs, NULL), SPA_OK);
}

Test(policies_threshold, follows_the_papers_rules_at_and_around_the_cuts)
{
    policies_scene s;
    make_quadrants(&s);
    expect_letters(&s, "threshold", "HAHAHHAH");
    expect_letters(&s, "threshold:intensity=1e8:sparsity=0.4", "HAHAHHAH");
    policies_scene_fini(&s);
}

Test(policies_threshold, places_as_intensity_only_does_whatever_the_sparsity_cut)
{
    policies_scene s;
    make_quadrants(&s);
    expect_letters(&s, "intensity-only", "HAHAHHAH");
    expect_letters(&s, "threshold:sparsity=0", "HAHAHHAH");
    expect_letters(&s, "threshold:sparsity=1", "HAHAHHAH");
    policies_scene_fini(&s);
}

/* dense=1e7: what is not sparse leaves the host from 1e7 on: operator 2 (0.4 is not above 0.4).
 * Of the input, operator 2 is sparse (0.9) and 0 and 4 are not. */
Test(policies_threshold, lets_dense_operators_leave_earlier_when_told_so)
{
    policies_scene s;
    make_quadrants(&s);
    expect_letters(&s, "threshold:dense=1e7", "HAAAHHAH");
    expect_letters(&s, "threshold:dense=1e7:of=input", "AAHAAHAH");
    policies_scene_fini(&s);
}

Test(policies_sparsity_only, sends_what_is_above_the_cut_to_the_host_and_unknown_by_intensity)
{
    policies_scene s;
    make_quadrants(&s);
    expect_letters(&s, "sparsity-only", "HHAAHAAH");
    expect_letters(&s, "sparsity-only:of=input", "AAHAAAAH");
    expect_letters(&s, "sparsity-only:intensity=1", "HHAAHAAA");
    policies_scene_fini(&s);
}

Test(policies_intensity_only, counts_the_cut_itself_as_heavy)
{
    policies_scene s;
    make_quadrants(&s);
    expect_letters(&s, "intensity-only:intensity=99999999", "AAAAAHAH");
    expect_letters(&s, "intensity-only:intensity=0", "AAAAAAAA");
    policies_scene_fini(&s);
}

Test(policies_fixed, send_an_operator_elsewhere_only_when_it_cannot_run)
{
    policies_scene s;
    make(&s, 4);
    scene_kernel(&s, 1, 0, -1);
    scene_kernel(&s, 2, 1, -1);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    expect_letters(&s, "cpu-only", "HAHH");
    expect_letters(&s, "gpu-only", "AAHA");
    expect_letters(&s, "split:k=0", "HAHH");
    expect_letters(&s, "split:k=1", "AAHH");
    expect_letters(&s, "split:k=4", "AAHA");
    policies_scene_fini(&s);
}

Test(policies_fixed, are_skipped_with_a_reason_where_there_is_no_accelerator)
{
    policies_scene s;
    policies_scene_chain(&s, 1, 1);
    scene_kernel(&s, 0, 0, 10);
    s.costs.lanes = "cpu:0";
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    expect_letters(&s, "cpu-only", "H");
    expect_letters(&s, "dp", "H");
    expect_letters(&s, "heft", "H");
    expect_failure(&s, "gpu-only", SPA_E_UNSUPPORTED,
                   "gpu-only places operators on an accelerator, and there is none among lanes "
                   "'cpu:0'");
    expect_failure(&s, "split", SPA_E_UNSUPPORTED,
                   "split places operators on an accelerator, and there is none among lanes "
                   "'cpu:0'");
    policies_scene_fini(&s);
}

/* Additive values of k = 0 .. 3: host 10 10 10, accelerator 1 1 50, moves 5: 30; 5 + 1 + 5 + 20 =
 * 31; 5 + 2 + 5 + 10 = 22; 5 + 52 + 5 = 62. */
Test(policies_split, finds_the_best_cut)
{
    static const int64_t accelerator[] = {1, 1, 50};
    policies_scene s;
    make(&s, 3);
    for (uint32_t i = 0; i < 3; i++) scene_kernel(&s, i, 1, accelerator[i]);
    scene_all_transfers(&s, 5);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    expect_letters(&s, "split", "AAH");
    expect_letters(&s, "split:k=best", "AAH");
    expect_failure(&s, "split:k=4", SPA_E_RANGE, "split: k=4, but graph 'scene' has 3 operators");
    policies_scene_fini(&s);
}

Test(policies_random, depends_on_seed_and_draw_only_and_uses_every_processor)
{
    policies_scene_options o = {.n_ops = 60, .n_processors = 3, .max_inputs = 2, .unable = true};
    policies_scene s;
    spa_schedule a, b, c, d;
    uint32_t used[3] = {0};
    policies_scene_random(&s, 5, &o);
    scene_must_plan(&s, "random", SPA_OBJECTIVE_LATENCY, 1, 0, &a);
    scene_must_plan(&s, "random:draw=0", SPA_OBJECTIVE_ENERGY, 1, 9, &b);
    scene_must_plan(&s, "random", SPA_OBJECTIVE_LATENCY, 2, 0, &c);
    scene_must_plan(&s, "random:draw=1", SPA_OBJECTIVE_LATENCY, 1, 0, &d);
    cr_assert_arr_eq(a.processor, b.processor, 60);
    cr_assert_arr_neq(a.processor, c.processor, 60);
    cr_assert_arr_neq(a.processor, d.processor, 60);
    for (int i = 0; i < 60; i++) used[a.processor[i]]++;
    for (int p = 0; p < 3; p++) cr_assert_gt(used[p], 8); /* 20 expected; unable for a quarter */
    spa_schedule_fini(&a);
    spa_schedule_fini(&b);
    spa_schedule_fini(&c);
    spa_schedule_fini(&d);
    policies_scene_fini(&s);
}

/* ---- registry
 * ------------------------------------------------------------------------------------ */

static void expect_parse_error(const char *text, spa_status status, const char *message)
{
    const spa_policy *policy = NULL;
    spa_param_values values;
    spa_error err = {0};
    cr_assert_eq(spa_policy_parse(text, &policy, &values, &err), status);
    cr_assert_null(policy);
    cr_assert_str_eq(err.message, message);
}

Test(policies_registry, parses_a_name_and_its_parameters)
{
    const spa_policy *policy = NULL;
    spa_param_values values;
    cr_assert_eq(spa_policy_parse("threshold:sparsity=0.7", &policy, &values, NULL), SPA_OK);
    cr_assert_str_eq(policy->name, "threshold");
    cr_assert_eq(values.number[0], 1e8);
    cr_assert_eq(values.number[1], 0.7);
}

Test(policies_registry, names_the_nearest_of_an_unknown_policy_or_parameter)
{
    expect_parse_error("gredy", SPA_E_NOT_FOUND, "unknown policy 'gredy'; did you mean 'greedy'?");
    expect_parse_error("dp:beem=3", SPA_E_NOT_FOUND,
                       "dp: unknown parameter 'beem'; did you mean 'beam'?");
}

Test(policies_registry, refuses_values_out_of_bounds_and_words_that_mean_nothing)
{
    const spa_policy *policy = NULL;
    spa_param_values values;
    spa_error err = {0};
    void *self = NULL;
    cr_assert_eq(spa_policy_parse("threshold:sparsity=1.5", &policy, &values, &err), SPA_E_RANGE);
    cr_assert_eq(spa_policy_parse("split:k=some", &policy, &values, &err), SPA_OK);
    cr_assert_eq(policy->create(&self, &values, &err), SPA_E_PARSE);
    cr_assert_null(self);
    cr_assert_eq(spa_policy_parse("threshold:of=both", &policy, &values, &err), SPA_OK);
    cr_assert_eq(policy->create(&self, &values, &err), SPA_E_INVALID);
    cr_assert_str_eq(err.message, "threshold: parameter 'of': 'both' is neither output nor input");
}

Test(policies_registry, lists_complete_tables_under_names_of_their_own)
{
    size_t n = 0;
    const spa_policy *const *all = spa_policies(&n);
    cr_assert_geq(n, 16);
    for (size_t i = 0; i < n; i++) {
        const spa_policy *p = all[i];
        cr_assert_eq(p->abi, SPA_POLICY_ABI);
        cr_assert_eq(p->struct_size, sizeof(spa_policy));
        cr_assert(p->summary && *p->summary && p->source && *p->source, "%s", p->name);
        cr_assert(p->create && p->destroy && (p->plan || p->place), "%s", p->name);
        cr_assert_eq(p->plan != NULL, (p->capabilities & SPA_CAP_PLAN) != 0, "%s", p->name);
        cr_assert_eq(p->place != NULL, (p->capabilities & SPA_CAP_PLACE) != 0, "%s", p->name);
        cr_assert_eq(p->decision_cycles > 0, p->place != NULL, "%s", p->name);
        cr_assert_neq(p->objectives, 0, "%s", p->name);
        cr_assert_leq(p->n_params, SPA_PARAM_MAX);
        for (size_t k = 0; k < p->n_params; k++) {
            const spa_param *q = &p->params[k];
            cr_assert(q->help && *q->help && q->unit, "%s:%s", p->name, q->name);
            if (q->kind == SPA_PARAM_TEXT) continue;
            cr_assert(q->min <= q->value && q->value <= q->max, "%s:%s", p->name, q->name);
        }
        for (size_t k = 0; k < i; k++) cr_assert_str_neq(p->name, all[k]->name);
    }
}
