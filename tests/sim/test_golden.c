/* Golden runs: tiny scenes whose whole event log stands here, and integer digests of larger ones.
 *
 * The logs do not depend on the digest function. The digests (golden_digests.h) do: after a change
 * to it, or to the meaning of a run, look at what changed, then write them anew with
 *     SPA_GOLDEN=tests/sim/golden_digests.h build/release/tests/run --filter 'sim_golden/digest*'
 */
#include <stdio.h>
#include <stdlib.h>
#include "tests/sim/golden_digests.h"
#include "tests/sim/world.h"

static void expect_log(sim_world *w, const char *text)
{
    sim_run run;
    spa_string log = {0};
    sim_run_init(&run, w);
    sim_log_text(&run, w, &log);
    cr_assert_str_eq(log.text, text);
    spa_string_fini(&log);
    sim_run_fini(&run);
}

/* a (10) on the host, b (20) on p1 after a copy of 4, c (5) at home after a copy of 6. */
Test(sim_golden, a_hand_over_there_and_back)
{
    sim_world w;
    sim_world_init(&w, 2, "a #0; b a; c b");
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 1, 20);
    sim_kernel(&w, "c", 0, 5);
    sim_transfer(&w, "a", 0, 1, 4);
    sim_transfer(&w, "b", 1, 0, 6);
    sim_place(&w, "b", 1, 0);
    expect_log(&w, "0 r0 arrive\n"
                   "0 r0 place a p0.0\n"
                   "0 r0 kernel_begin a p0.0\n"
                   "10 r0 kernel_end a p0.0\n"
                   "10 r0 place b p1.0\n"
                   "10 r0 transfer_begin a p0>p1\n"
                   "14 r0 transfer_end a p0>p1\n"
                   "14 r0 kernel_begin b p1.0\n"
                   "34 r0 kernel_end b p1.0\n"
                   "34 r0 place c p0.0\n"
                   "34 r0 transfer_begin b p1>p0\n"
                   "40 r0 transfer_end b p1>p0\n"
                   "40 r0 kernel_begin c p0.0\n"
                   "45 r0 kernel_end c p0.0\n"
                   "45 r0 finish\n");
    sim_world_fini(&w);
}

/* A host that issues (3 each) to a stream: the input is copied (2) while a is issued, b is issued
 * while a runs, the view is passed for free, the output comes home (5). */
Test(sim_golden, a_stream_that_runs_behind_its_dispatcher)
{
    sim_world w;
    sim_world_init(&w, 2, "a #0; =v a; b v");
    w.costs.dispatch_occupies_host = true;
    w.costs.processors[1].is_async = true;
    sim_all_launches(&w, 3);
    sim_kernel(&w, "a", 1, 10);
    sim_kernel(&w, "b", 1, 4);
    sim_transfer(&w, "#0", 0, 1, 2);
    sim_transfer(&w, "b", 1, 0, 5);
    sim_place(&w, "a", 1, 0);
    sim_place(&w, "b", 1, 0);
    expect_log(&w, "0 r0 arrive\n"
                   "0 r0 place a p1.0\n"
                   "0 r0 transfer_begin #0 p0>p1\n"
                   "0 r0 dispatch_begin a p0.0\n"
                   "2 r0 transfer_end #0 p0>p1\n"
                   "3 r0 dispatch_end a p0.0\n"
                   "3 r0 kernel_begin a p1.0\n"
                   "3 r0 place v p1.0\n"
                   "3 r0 place b p1.0\n"
                   "3 r0 dispatch_begin b p0.0\n"
                   "6 r0 dispatch_end b p0.0\n"
                   "13 r0 kernel_end a p1.0\n"
                   "13 r0 kernel_begin b p1.0\n"
                   "17 r0 kernel_end b p1.0\n"
                   "17 r0 transfer_begin b p1>p0\n"
                   "22 r0 transfer_end b p1>p0\n"
                   "22 r0 finish\n");
    sim_world_fini(&w);
}

/* Two requests in flight on one lane of 10 ns, three in all, each through a critical section. */
Test(sim_golden, a_closed_loop_through_a_critical_section)
{
    sim_world w;
    sim_world_init(&w, 1, "a");
    sim_kernel(&w, "a", 0, 10);
    w.config.scenario = spa_scenario_closed(2, 3);
    w.config.scenario.serial_ops = 1;
    expect_log(&w, "0 r0 arrive\n"
                   "0 r1 arrive\n"
                   "0 r0 place a p0.0\n"
                   "0 r0 kernel_begin a p0.0\n"
                   "10 r0 kernel_end a p0.0\n"
                   "10 r0 finish\n"
                   "10 r2 arrive\n"
                   "10 r1 place a p0.0\n"
                   "10 r1 kernel_begin a p0.0\n"
                   "20 r1 kernel_end a p0.0\n"
                   "20 r1 finish\n"
                   "20 r2 place a p0.0\n"
                   "20 r2 kernel_begin a p0.0\n"
                   "30 r2 kernel_end a p0.0\n"
                   "30 r2 finish\n");
    sim_world_fini(&w);
}

/* a and z fill the processor exactly (127/128 + 1/128): full speed. At 10 b takes z's place: 2 *
 * 127 / 128 = 1.984375, both at 1 / 1.984375. a has 20 left: 39.69, done at 49.69, rounded up
 * to 50. b has then 30 - 40 / 1.984375 = 9.84 left, alone: 59.84, rounded up to 60. */
Test(sim_golden, a_rescaling_in_the_middle)
{
    sim_world w;
    sim_world_init(&w, 1, "a; z; b z");
    w.config.contention = true;
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "a", 0, 30);
    sim_kernel(&w, "z", 0, 10);
    sim_kernel(&w, "b", 0, 30);
    sim_place(&w, "a", 0, 0);
    sim_place(&w, "z", 0, 1);
    sim_place(&w, "b", 0, 1);
    sim_cost(&w, "z", 0)->capacity_share = 0.0078125f;
    sim_cost(&w, "a", 0)->capacity_share = 0.9921875f;
    sim_cost(&w, "b", 0)->capacity_share = 0.9921875f;
    expect_log(&w, "0 r0 arrive\n"
                   "0 r0 place a p0.0\n"
                   "0 r0 kernel_begin a p0.0\n"
                   "0 r0 place z p0.1\n"
                   "0 r0 kernel_begin z p0.1\n"
                   "10 r0 kernel_end z p0.1\n"
                   "10 r0 place b p0.1\n"
                   "10 r0 kernel_begin b p0.1\n"
                   "50 r0 kernel_end a p0.0\n"
                   "60 r0 kernel_end b p0.1\n"
                   "60 r0 finish\n");
    sim_world_fini(&w);
}

/* ---- digests
 * ------------------------------------------------------------------------------------- */

/* Seeds 0 .. 15: integers alone, no noise (exp and log differ between libraries), contention for
 * the odd ones (+, *, / only). Equal at -O0 and -O2, with gcc and clang. */
static void run_seed(uint64_t seed, spa_run_result *result)
{
    sim_random_options o = {.contention = seed & 1, .sync = seed & 2, .serial = seed & 4};
    sim_world w;
    sim_run run;
    sim_world_random(&w, 1000 + seed, &o);
    sim_run_init(&run, &w);
    *result = run.result;
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_golden, digest_of_every_golden_run_is_the_recorded_one)
{
    const char *path = getenv("SPA_GOLDEN");
    spa_string text = {0};
    spa_string_append(&text,
                      "/* Digests of the golden runs; see test_golden.c for how to write them "
                      "anew. */\n"
                      "static const struct {\n"
                      "    long long span_ns;\n"
                      "    unsigned long long events, digest;\n"
                      "} golden_digests[] = {\n");
    for (uint64_t seed = 0; seed < 16; seed++) {
        spa_run_result r;
        run_seed(seed, &r);
        spa_string_append(&text, "    {%lld, %llu, 0x%016llxULL},\n", (long long)r.span_ns,
                          (unsigned long long)r.events, (unsigned long long)r.digest);
        if (path) continue;
        cr_assert_lt(seed, sizeof golden_digests / sizeof *golden_digests);
        cr_expect_eq(r.span_ns, golden_digests[seed].span_ns, "seed %llu: span %lld",
                     (unsigned long long)seed, (long long)r.span_ns);
        cr_expect_eq(r.events, golden_digests[seed].events, "seed %llu: %llu events",
                     (unsigned long long)seed, (unsigned long long)r.events);
        cr_expect_eq(r.digest, golden_digests[seed].digest, "seed %llu: digest",
                     (unsigned long long)seed);
    }
    spa_string_append(&text, "};\n");
    if (path) expect_ok(spa_write_file(path, text.text, text.length, err));
    spa_string_fini(&text);
}

/* One event more, another time, another lane: another digest. */
Test(sim_golden, digest_changes_with_a_time_a_lane_and_an_operator)
{
    uint64_t digest[5];
    for (int i = 0; i < 5; i++) {
        sim_world w;
        sim_run run;
        sim_world_init(&w, 1, i == 3 ? "a; b a" : "a; b");
        w.costs.processors[0].n_lanes = 2;
        sim_kernel(&w, "a", 0, i == 1 ? 6 : 5);
        sim_kernel(&w, "b", 0, 5);
        sim_place(&w, "a", 0, i == 2);
        sim_place(&w, "b", 0, i == 2);
        if (i == 4) sim_order(&w, "b a");
        sim_run_init(&run, &w);
        digest[i] = run.result.digest;
        for (int k = 0; k < i; k++) cr_expect_neq(digest[k], digest[i], "%d and %d", k, i);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}
