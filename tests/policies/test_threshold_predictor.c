/* The policy threshold+predictor: predicted cuts, placed by hand. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policies/common.h"
#include "policies/learn/predictor.h"
#include "tests/devices/scene.h"
#include "tests/oom.h"

typedef struct rig {
    char path[64];
    spa_device *device;
    spa_graph graph;
    spa_costs costs;
} rig;

/* A file that predicts s = 0.4 and c = 100000 MACs for everything. */
static void open_rig(rig *r)
{
    spa_predictor p;
    spa_costs_options o = spa_costs_options_default();
    snprintf(r->path, sizeof r->path, "/tmp/spa_predicted_%ld", (long)getpid());
    expect_ok(spa_predictor_init(&p, SPA_PREDICT_CONSTANT, 4, err));
    p.mean[SPA_BY_SPARSITY] = 0.4f;
    p.mean[SPA_BY_INTENSITY] = 5;
    strcpy(p.device, "toy");
    expect_ok(spa_predictor_write(&p, r->path, err));
    spa_predictor_fini(&p);
    r->device = devices_load_toy();
    devices_tiny(&r->graph, 1, SPA_FP32);
    expect_ok(spa_costs_build(&r->costs, r->device, &r->graph, &o, err));
    r->graph.ops[TINY_CONV].input_sparsity = 0.5;
    r->graph.ops[TINY_RELU].input_sparsity = 0.1;
    r->graph.ops[TINY_LINEAR].input_sparsity = NAN;
}

static void close_rig(rig *r)
{
    unlink(r->path);
    spa_costs_fini(&r->costs);
    spa_graph_fini(&r->graph);
    spa_device_free(r->device);
}

static spa_status plan(const rig *r, const char *by, spa_schedule *schedule, spa_error *err)
{
    char text[128];
    const spa_policy *policy;
    spa_param_values values;
    void *self;
    spa_plan_context context = {.graph = &r->graph, .costs = &r->costs};
    snprintf(text, sizeof text, "threshold+predictor:model=%s:by=%s", r->path, by);
    SPA_TRY(spa_policy_parse(text, &policy, &values, err));
    SPA_TRY(policy->create(&self, &values, err));
    spa_status status = spa_schedule_init(schedule, r->graph.n_ops, err);
    if (!status) status = policy->plan(self, &context, schedule, err);
    if (status) spa_schedule_fini(schedule);
    policy->destroy(self);
    return status;
}

Test(threshold_predictor, every_rule_places_by_its_own_threshold)
{
    static const struct {
        const char *by;
        uint8_t conv, relu, linear; /* 0 = host */
    } cases[] = {
        {"intensity", 1, 0, 0}, /* 294912, 4096 and 40960 against 100000 */
        {"sparsity", 0, 1, 1},  /* 0.5, 0.1 and unknown against 0.4 */
        {"both", 1, 1, 1},      /* sparse but heavy, light but dense */
    };
    rig r;
    open_rig(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spa_schedule s;
        expect_ok(plan(&r, cases[i].by, &s, err));
        expect_ok(spa_schedule_check(&s, &r.costs, err));
        cr_assert_eq(s.processor[TINY_CONV], cases[i].conv, "%s", cases[i].by);
        cr_assert_eq(s.processor[TINY_RELU], cases[i].relu, "%s", cases[i].by);
        cr_assert_eq(s.processor[TINY_RESHAPE], cases[i].relu, "%s", cases[i].by);
        cr_assert_eq(s.processor[TINY_LINEAR], cases[i].linear, "%s", cases[i].by);
        spa_schedule_fini(&s);
    }
    close_rig(&r);
}

Test(threshold_predictor, failing_allocations_are_reported_and_leak_nothing)
{
    rig r;
    long n = 0;
    open_rig(&r);
    for (;; n++) {
        spa_schedule s;
        spa_error e = {0};
        oom_fail_at(n);
        spa_status status = plan(&r, "both", &s, &e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", e.message);
            spa_schedule_fini(&s);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "%ld: %s", n, e.message);
    }
    cr_assert_gt(n, 8);
    close_rig(&r);
}
