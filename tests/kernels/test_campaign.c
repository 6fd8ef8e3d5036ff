/* Campaigns and what they bring times to the same pace by. Two cores are needed, quiet ones not: no
 * test looks at a time. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/profile_model.h"
#include "kernels/samples.h"
#include "tests/kernels/agree.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

typedef struct bench {
    spa_graph graph;
    spa_costs costs;
    spa_model model;
    spa_lane_set lanes;
    spa_hardware *hardware;
} bench;

static void must(spa_status status, const spa_error *err)
{
    cr_assert_eq(status, SPA_OK, "%s", err->message);
}

static void begin(bench *b, const char *lanes)
{
    spa_error err = {0};
    spa_hardware_options options = spa_hardware_default();
    options.slots = 2;
    must(tiny_branch(&b->graph, &err), &err);
    must(spa_lanes_parse(&b->lanes, lanes, &err), &err);
    must(spa_lanes_plain_costs(&b->costs, &b->graph, &b->lanes, &err), &err);
    must(spa_model_init(&b->model, &b->graph, 7, &err), &err);
    must(spa_hardware_new(&b->hardware, &b->lanes, &b->model, &options, &err), &err);
}

static void end(bench *b)
{
    spa_hardware_free(b->hardware);
    spa_costs_fini(&b->costs);
    spa_model_fini(&b->model);
    spa_graph_fini(&b->graph);
}

static void expect_factor(const spa_anchors *a, const spa_mood *mood, const spa_mood *usual,
                          double first, double crossing, double expected)
{
    double share[SPA_MAX_PROCESSORS] = {first, 1 - first};
    double factor = spa_mood_factor(a, mood, usual, share, crossing);
    cr_assert_float_eq(factor, expected, 1e-4 * expected, "%g, not %g", factor, expected);
}

Test(campaign, a_mood_counts_lane_by_lane_and_by_what_crosses)
{
    spa_error err = {0};
    bench b = {0};
    spa_anchors *a;
    spa_mood usual, mood;
    begin(&b, "cpu:0=blas,cpu:1=sparse");
    must(spa_anchors_new(&a, b.hardware, &b.costs, &err), &err);
    cr_assert_eq(spa_anchors_count(a), 3);
    must(spa_anchors_read(a, &mood, &err), &err);
    spa_anchors_usual(a, &usual);
    expect_factor(a, &mood, &usual, 0.3, 0.7, 1); /* one reading is the usual one */
    mood.log_us[0] += logf(2);                    /* lane 0 takes twice as long */
    expect_factor(a, &mood, &usual, 1, 0, 2);
    expect_factor(a, &mood, &usual, 0, 0, 1);
    expect_factor(a, &mood, &usual, 0.5, 0, sqrt(2));
    mood = usual;
    mood.log_us[2] += logf(3); /* what crosses takes thrice as long */
    expect_factor(a, &mood, &usual, 0.5, 1, 3);
    expect_factor(a, &mood, &usual, 0.5, 0.5, sqrt(3));
    expect_factor(a, &mood, &usual, 0.5, 0, 1);
    spa_anchors_free(a);
    end(&b);
}

/* The usual mood is the median of the readings, anchor by anchor. */
Test(campaign, one_lane_has_one_anchor)
{
    spa_error err = {0};
    bench b = {0};
    spa_anchors *a;
    spa_mood mood;
    begin(&b, "cpu:0=blas");
    must(spa_anchors_new(&a, b.hardware, &b.costs, &err), &err);
    cr_assert_eq(spa_anchors_count(a), 1);
    cr_assert_eq(spa_anchors_turn_bytes(a), 0);
    must(spa_anchors_read(a, &mood, &err), &err);
    cr_assert(isfinite(mood.log_us[0]));
    spa_anchors_free(a);
    end(&b);
}

/* stem, then left and right of it, then both joined: only readers on another lane count, once per
 * lane. */
Test(campaign, bytes_cross_once_per_tensor_and_lane)
{
    spa_error err = {0};
    spa_graph g;
    must(tiny_branch(&g, &err), &err);
    int8_t *lane = calloc(g.n_ops, 1);
    cr_assert_eq(spa_crossing_bytes(&g, lane), 0);
    for (size_t op = 0; op < g.n_ops; op++) lane[op] = 1;
    cr_assert_eq(spa_crossing_bytes(&g, lane), 0);
    lane[0] = 0; /* whoever reads it, and how often: it crosses once */
    cr_assert_neq(g.ops[0].kind, SPA_OP_RESHAPE);
    cr_assert_float_eq(spa_crossing_bytes(&g, lane), (double)g.ops[0].bytes_out, 0);
    free(lane);
    spa_graph_fini(&g);
}

static spa_status run(bench *b, spa_samples *samples, spa_error *err)
{
    static const spa_campaign_options options = {.rounds = 2, .runs = 2, .burst_factor = 100};
    spa_schedule schedule;
    SPA_TRY(spa_schedule_init(&schedule, b->graph.n_ops, err));
    for (size_t i = 0; i < b->graph.n_ops; i++) schedule.processor[i] = i % 2;
    spa_campaign_entry entries[2] = {{.schedule = &schedule},
                                     {.schedule = &schedule, .concurrency = 2}};
    spa_status status =
        spa_campaign_run(b->hardware, &b->costs, entries, 2, &options, samples, err);
    spa_schedule_fini(&schedule);
    return status;
}

Test(campaign, every_entry_gets_its_rounds_of_runs_at_the_usual_pace)
{
    spa_error err = {0};
    bench b = {0};
    spa_samples samples[2];
    begin(&b, "cpu:0=blas,cpu:1=sparse");
    must(run(&b, samples, &err), &err);
    for (int i = 0; i < 2; i++) {
        const spa_samples *s = &samples[i];
        cr_assert_geq(s->count, 4 * (i + 1));
        cr_assert_eq(s->n_paced, s->count);
        for (size_t r = 0; r < s->count; r++) {
            cr_assert(s->raw[r] > 0 && s->total[r] > 0 && isfinite(s->total[r]));
            double kernels = 0;
            for (size_t op = 0; op < s->n_ops; op++) {
                cr_assert_eq(s->lanes[r * s->n_ops + op] >= 0,
                             b.graph.ops[op].kind != SPA_OP_RESHAPE);
                kernels += (double)s->kernel[r * s->n_ops + op];
            }
            cr_assert(kernels > 0);
        }
        spa_samples_fini(&samples[i]);
    }
    end(&b);
}

/* Two requests in flight, each on a lane of its own: lane 0 is several times faster, so that the
 * requests that follow each other do not take turns. */
static void place_by_slot(const void *self, void *memory, const spa_view *view, uint32_t op,
                          spa_action *action)
{
    action->processor = (int32_t)view->request_slot;
}

static const spa_policy by_slot = {.abi = SPA_POLICY_ABI,
                                   .struct_size = sizeof(spa_policy),
                                   .name = "by slot",
                                   .capabilities = SPA_CAP_PLACE,
                                   .objectives = SPA_OBJECTIVE_LATENCY,
                                   .place = place_by_slot};

Test(campaign, rows_know_the_slot_that_their_request_had)
{
    static const spa_campaign_options options = {.rounds = 2, .runs = 8, .burst_factor = 100};
    spa_error err = {0};
    bench b = {0};
    spa_samples s;
    begin(&b, "cpu:0=blas,cpu:1=ref");
    spa_campaign_entry entry = {.policy = &by_slot, .concurrency = 2};
    must(spa_campaign_run(b.hardware, &b.costs, &entry, 1, &options, &s, &err), &err);
    for (size_t r = 0; r < s.count; r++) {
        cr_assert_lt(s.slot[r], 2);
        for (size_t op = 0; op < s.n_ops; op++)
            if (s.lanes[r * s.n_ops + op] >= 0)
                cr_assert_eq(s.lanes[r * s.n_ops + op], s.slot[r], "row %zu, operator %zu", r, op);
    }
    spa_samples_fini(&s);
    end(&b);
}

Test(campaign, every_failing_allocation_is_a_clean_error)
{
    spa_error err = {0};
    bench b = {0};
    begin(&b, "cpu:0=blas,cpu:1=sparse");
    for (long n = 0;; n++) {
        spa_samples samples[2] = {{0}};
        oom_fail_at(n);
        spa_status status = run(&b, samples, &err);
        bool failed = oom_failed();
        oom_off();
        for (int i = 0; i < 2; i++) spa_samples_fini(&samples[i]);
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
    }
    end(&b);
}
