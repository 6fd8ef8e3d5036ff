/* The hardware executor with asynchronous lanes: failures end runs cleanly. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/base/check.h"
#include "tests/kernels/async_bench.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

static void expect_refused(spa_status status, const spa_error *why, spa_status expected,
                           const char *text)
{
    cr_assert_eq(status, expected, "%s", why->message);
    cr_assert_not_null(strstr(why->message, text), "%s", why->message);
}

static spa_status run_badly(const spa_kernel_args *args, spa_error *err)
{
    if (args->op->kind == SPA_OP_ADD) return spa_fail(err, SPA_E_IO, "it broke");
    return spa_backend_blas.run(args, err);
}

Test(hardware_async, a_kernel_that_fails_on_the_device_ends_the_run)
{
    spa_backend broken = spa_backend_blas;
    async_bench_needs_cores();
    broken.run = run_badly;
    for (int graphs = 0; graphs < 2; graphs++) {
        async_bench b = {0};
        spa_error why = {0};
        spa_hardware_options options = spa_hardware_default();
        options.graphs = graphs;
        expect_ok(tiny_branch(&b.graph, err)); /* the join adds */
        expect_ok(spa_lanes_parse(&b.lanes, LANES, err));
        b.lanes.lanes[1].backend = &broken;
        async_bench_prepare(&b, &options);
        cr_assert_eq(async_bench_try(&b, &why), SPA_OK, "all on the host: %s", why.message);
        memset(b.schedule.processor, 1, 4);
        for (int i = 0; i < 2; i++) { /* the device stays broken, and says why */
            cr_assert_eq(async_bench_try(&b, &why), SPA_E_IO);
            cr_assert_not_null(strstr(why.message, "operator 'join' (add): it broke"), "%s",
                               why.message);
        }
        async_bench_end(&b);
    }
}

Test(hardware_async, device_memory_that_runs_out_is_said_so)
{
    async_bench b = {0};
    spa_error why = {0};
    spa_hardware *hardware;
    spa_hardware_options options = spa_hardware_default();
    async_bench_needs_cores();
    expect_ok(tiny_branch(&b.graph, err));
    async_bench_begin(&b, LANES, 1, true);
    options.slots = 2;
    options.stream.memory_limit_bytes =
        spa_hardware_session(b.hardware, 0)->memory_bytes + 100; /* enough for one request */
    expect_refused(spa_hardware_new(&hardware, &b.lanes, &b.model, &options, &why), &why,
                   SPA_E_NOMEM, "lane emulated1: emulated device: no memory for");
    cr_assert_null(hardware);
    options.slots = 1;
    expect_ok(spa_hardware_new(&hardware, &b.lanes, &b.model, &options, err));
    spa_hardware_free(hardware);
    async_bench_end(&b);
}

static void place_and_interrupt(const void *self, void *memory, const spa_view *view, uint32_t op,
                                spa_action *action)
{
    action->processor = 1;
    if (op == 5) spa_hardware_interrupt(*(spa_hardware *const *)self);
}

static const spa_policy interrupting = {.abi = SPA_POLICY_ABI,
                                        .struct_size = sizeof(spa_policy),
                                        .name = "interrupting",
                                        .capabilities = SPA_CAP_PLACE,
                                        .objectives = SPA_OBJECTIVE_LATENCY,
                                        .place = place_and_interrupt};

Test(hardware_async, an_interrupt_half_way_drains_the_device_and_the_next_run_works)
{
    async_bench b = {0};
    spa_error why = {0};
    spa_run_result result;
    async_bench_needs_cores();
    expect_ok(random_graph(&b.graph, 9, 24, err));
    async_bench_begin(&b, LANES, 2, true);
    b.config.schedule = NULL;
    b.config.policy = &interrupting;
    b.config.self = &b.hardware;
    for (int i = 0; i < 3; i++) cr_assert_eq(async_bench_try(&b, &why), SPA_E_INTERRUPTED);
    b.config.schedule = &b.schedule;
    b.config.policy = NULL;
    async_bench_place(&b, 2);
    async_bench_run(&b, &result);
    async_bench_expect_answers(&b, "after an interrupt", 0);
    async_bench_end(&b);
}

static void place_wrongly(const void *self, void *memory, const spa_view *view, uint32_t op,
                          spa_action *action)
{
    action->processor = op < 6 ? 1 : 7;
}

static const spa_policy wrong = {.abi = SPA_POLICY_ABI,
                                 .struct_size = sizeof(spa_policy),
                                 .name = "wrong",
                                 .capabilities = SPA_CAP_PLACE,
                                 .objectives = SPA_OBJECTIVE_LATENCY,
                                 .place = place_wrongly};

Test(hardware_async, a_policy_that_acts_illegally_ends_the_run_and_the_next_one_works)
{
    async_bench b = {0};
    spa_error why = {0};
    spa_run_result result;
    async_bench_needs_cores();
    expect_ok(random_graph(&b.graph, 4, 24, err));
    async_bench_begin(&b, LANES, 1, true);
    b.config.schedule = NULL;
    b.config.policy = &wrong;
    cr_assert_eq(async_bench_try(&b, &why), SPA_E_ILLEGAL);
    cr_assert_not_null(strstr(why.message, "wrong"), "%s", why.message);
    b.config.policy = &async_in_turn;
    async_bench_run(&b, &result);
    async_bench_expect_answers(&b, "after a wrong policy", 0);
    async_bench_end(&b);
}

Test(hardware_async, what_does_not_fit_is_refused)
{
    async_bench b = {0};
    spa_error why = {0};
    spa_hardware *hardware;
    spa_hardware_options options = spa_hardware_default();
    async_bench_needs_cores();
    expect_ok(tiny_branch(&b.graph, err));
    async_bench_begin(&b, LANES, 1, true);
    spa_lane_set alone = {.count = 1, .lanes = {b.lanes.lanes[1]}};
    expect_refused(spa_hardware_new(&hardware, &alone, &b.model, &options, &why), &why,
                   SPA_E_INVALID,
                   "lane emulated1 is an asynchronous device, which a lane of cores has to drive");
    spa_run_config config = b.config;
    spa_costs *c = &b.costs;
    c->processors[1].is_async = false;
    expect_refused(spa_hardware_config(b.hardware, &config, &why), &why, SPA_E_INVALID,
                   "is not one of");
    c->processors[1].is_async = true;
    c->links[0][1].on_lane = true;
    expect_refused(spa_hardware_config(b.hardware, &config, &why), &why, SPA_E_INVALID,
                   "is not one of");
    c->links[0][1].on_lane = false;
    int64_t *ns = &c->transfer_ns[(2 * 2 + 0) * 2 + 1], kept = *ns;
    *ns = 0;
    expect_refused(spa_hardware_config(b.hardware, &config, &why), &why, SPA_E_INVALID,
                   "take time");
    *ns = kept;
    c->host = 1;
    expect_refused(spa_hardware_config(b.hardware, &config, &why), &why, SPA_E_INVALID,
                   "is not one of");
    c->host = 0;
    expect_ok(spa_hardware_config(b.hardware, &config, err));
    async_bench_end(&b);
}

Test(hardware_async, every_allocation_may_fail)
{
    async_bench b = {0};
    spa_hardware_options options = spa_hardware_default();
    async_bench_needs_cores();
    expect_ok(tiny_branch(&b.graph, err));
    async_bench_begin(&b, LANES, 1, true);
    for (long n = 0;; n++) {
        spa_hardware *hardware;
        spa_error why = {0};
        oom_fail_at(n);
        spa_status status = spa_hardware_new(&hardware, &b.lanes, &b.model, &options, &why);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK);
            cr_assert_gt(n, 50, "events and buffers");
            spa_hardware_free(hardware);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, why.message);
        cr_assert_null(hardware);
    }
    async_bench_end(&b);
}
