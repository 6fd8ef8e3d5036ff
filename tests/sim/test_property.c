/* Properties that hold for every graph, table and schedule: seed -> random world. */
#include <stdlib.h>
#include <unistd.h>
#include "tests/sim/world.h"

/* The combinations that the seeds walk through. */
static sim_random_options options_of(uint64_t seed)
{
    return (sim_random_options){.contention = seed & 1,
                                .noise = seed & 2,
                                .sync = seed & 4,
                                .serial = seed & 8,
                                .splits = seed % 3 == 0};
}

/* sim_run_init runs the audit, which is the test here. */
Test(sim_property, every_run_passes_the_audit)
{
    alarm(300);
    uint64_t kinds[SPA_EV_KIND_COUNT] = {0};
    for (uint64_t seed = 0; seed < 1500; seed++) {
        sim_random_options o = options_of(seed);
        sim_world w;
        sim_run run;
        sim_world_random(&w, seed, &o);
        sim_run_init(&run, &w);
        for (size_t i = 0; i < run.n_events; i++) kinds[run.events[i].kind]++;
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
    for (int k = 0; k < SPA_EV_MODE; k++) /* the worlds are no empty ones */
        cr_assert_gt(kinds[k], 1000, "events of kind %d: %llu", k, (unsigned long long)kinds[k]);
}

Test(sim_property, equal_seeds_give_equal_runs_and_other_seeds_other_noise)
{
    alarm(300);
    int differ = 0, noisy = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_random_options o = options_of(seed);
        sim_world w;
        sim_run a, b, c;
        sim_world_random(&w, seed, &o);
        sim_run_init(&a, &w);
        sim_run_init(&b, &w);
        cr_assert_eq(a.result.digest, b.result.digest);
        cr_assert_eq(a.n_events, b.n_events);
        cr_assert_arr_eq(a.events, b.events, a.n_events * sizeof *a.events);
        w.config.replication++;
        sim_run_init(&c, &w);
        noisy += o.noise && a.result.busy_ns[0] + a.result.busy_ns[1] > 0;
        differ += a.result.digest != c.result.digest;
        if (!o.noise) cr_assert_eq(a.result.digest, c.result.digest);
        sim_run_fini(&a);
        sim_run_fini(&b);
        sim_run_fini(&c);
        sim_world_fini(&w);
    }
    cr_assert_gt(differ, noisy * 3 / 4);
}

Test(sim_property, renumbering_the_operators_renumbers_the_events_and_nothing_else)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 300; seed++) {
        sim_random_options o = {.contention = seed & 1, .sync = seed & 2};
        sim_world w, v;
        sim_run a, b;
        uint32_t number[64];
        sim_world_random(&w, seed, &o);
        sim_world_renumbered(&v, &w, seed, number);
        sim_run_init(&a, &w);
        sim_run_init(&b, &v);
        cr_assert_eq(a.n_events, b.n_events, "seed %llu", (unsigned long long)seed);
        for (size_t i = 0; i < a.n_events; i++) {
            spa_event ev = a.events[i];
            if (ev.op < w.graph.n_ops) ev.op = number[ev.op];
            cr_assert_arr_eq(&ev, &b.events[i], sizeof ev, "seed %llu, event %zu of %zu",
                             (unsigned long long)seed, i, a.n_events);
        }
        cr_assert_eq(a.result.span_ns, b.result.span_ns);
        cr_assert_float_eq(a.result.energy_j, b.result.energy_j, 0);
        sim_run_fini(&a);
        sim_run_fini(&b);
        sim_world_fini(&w);
        sim_world_fini(&v);
    }
}

static void halve_times(sim_world *w)
{
    spa_costs *c = &w->costs;
    for (size_t i = 0; i < c->n_ops * c->n_processors; i++) {
        if (c->ops[i].kernel_ns > 0) c->ops[i].kernel_ns /= 2;
        c->ops[i].launch_ns /= 2;
    }
    for (size_t i = 0; i < c->n_tensors * c->n_processors * c->n_processors; i++)
        c->transfer_ns[i] /= 2;
    for (uint32_t a = 0; a < c->n_processors; a++)
        for (uint32_t b = 0; b < c->n_processors; b++) c->links[a][b].issue_ns /= 2;
}

Test(sim_property, twice_the_speed_is_half_the_time_for_every_event)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_random_options o = {.sync = seed & 1, .serial = seed & 2, .unit_ns = 2};
        sim_world w;
        sim_run slow, fast;
        sim_world_random(&w, seed, &o);
        sim_run_init(&slow, &w);
        halve_times(&w);
        sim_run_init(&fast, &w);
        cr_assert_eq(slow.n_events, fast.n_events);
        for (size_t i = 0; i < slow.n_events; i++) {
            slow.events[i].time_ns /= 2;
            cr_assert_arr_eq(&slow.events[i], &fast.events[i], sizeof *slow.events);
        }
        cr_assert_eq(slow.result.overlap_ns, 2 * fast.result.overlap_ns);
        sim_run_fini(&slow);
        sim_run_fini(&fast);
        sim_world_fini(&w);
    }
}

/* With contention completions are rounded up to whole ns: the difference is some ns per event.
 * Lanes are named and times coarse, so that no rounding sends work elsewhere. */
Test(sim_property, twice_the_speed_is_half_the_time_up_to_rounding_under_contention)
{
    alarm(300);
    int contended = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_random_options o = {
            .contention = true, .unit_ns = 2000003 * 2, .fixed_lanes = true, .max_requests = 1};
        sim_world w;
        sim_run slow, fast;
        sim_world_random(&w, seed, &o);
        sim_run_init(&slow, &w);
        halve_times(&w);
        sim_run_init(&fast, &w);
        int64_t off = slow.result.span_ns - 2 * fast.result.span_ns;
        cr_assert_leq(llabs(off), 4 * (int64_t)slow.n_events, "seed %llu: %lld ns",
                      (unsigned long long)seed, (long long)off);
        w.config.contention = false;
        sim_run_fini(&slow);
        sim_run_init(&slow, &w);
        contended += slow.result.span_ns != fast.result.span_ns;
        sim_run_fini(&slow);
        sim_run_fini(&fast);
        sim_world_fini(&w);
    }
    cr_assert_gt(contended, 50); /* the worlds do contend */
}

Test(sim_property, no_run_is_faster_than_the_lower_bound)
{
    alarm(300);
    int tight = 0;
    for (uint64_t seed = 0; seed < 600; seed++) {
        sim_random_options o = {.contention = seed & 1, .sync = seed & 2, .splits = seed & 4};
        sim_world w;
        sim_run run;
        sim_world_random(&w, seed, &o);
        w.config.scenario = spa_scenario_single();
        sim_run_init(&run, &w);
        int64_t bound = sim_lower_bound(&w, o.splits);
        cr_assert_geq(run.result.span_ns, bound, "seed %llu", (unsigned long long)seed);
        tight += run.result.span_ns == bound;
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
    cr_assert_gt(tight, 3); /* a bound of nothing would pass too */
}

/* Little's law on a finite run: every slot is occupied from the first arrival until there are no
 * more requests. With one in flight the latencies add up to the span; with N to at most N spans.
 * No processor does more work than its lanes hold. */
Test(sim_property, latencies_fill_the_slots_and_work_fits_the_lanes)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 300; seed++) {
        sim_random_options o = options_of(seed);
        sim_world w;
        sim_run run;
        sim_world_random(&w, seed, &o);
        sim_run_init(&run, &w);
        const spa_run_result *r = &run.result;
        double sum = r->latency_ns.mean * (double)r->latency_ns.count;
        uint32_t n = w.config.scenario.concurrency;
        if (n > r->requests) n = (uint32_t)r->requests;
        cr_assert_leq(sum, (double)r->span_ns * n * (1 + 1e-12));
        if (n == 1) cr_assert_float_eq(sum, (double)r->span_ns, 1e-6 * sum + 1e-9);
        cr_assert_leq(r->latency_ns.max, (double)r->span_ns);
        uint64_t ops = 0;
        for (uint32_t p = 0; p < w.costs.n_processors; p++) {
            int64_t busy = r->busy_ns[p] + (p == w.costs.host ? r->dispatch_ns : 0);
            cr_assert_leq(busy, r->span_ns * w.costs.processors[p].n_lanes);
            ops += r->ops[p];
        }
        for (size_t op = 0; op < w.graph.n_ops; op++)
            if (w.graph.ops[op].kind != SPA_OP_RESHAPE)
                ops -= r->requests * (w.schedule.share[op] ? 2 : 1);
        cr_assert_eq(ops, 0);
        cr_assert_leq(r->overlap_ns, r->transfer_ns);
        cr_assert_leq(r->transfer_ns, r->span_ns * w.costs.n_links);
        cr_assert_eq(run.latencies.count, r->latency_ns.count);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

/* The host's own lanes: other things equal, contention can only delay a run of a chain. */
Test(sim_property, contention_never_makes_a_single_lane_chain_faster)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_random_options o = {.contention = true, .fixed_lanes = true, .max_requests = 1};
        sim_world w;
        sim_run with, without;
        sim_world_random(&w, seed, &o);
        if (w.costs.n_processors > 1 || w.costs.processors[0].n_lanes > 1) {
            sim_world_fini(&w);
            continue;
        }
        sim_run_init(&with, &w);
        w.config.contention = false;
        sim_run_init(&without, &w);
        cr_assert_eq(with.result.digest, without.result.digest); /* nobody to contend with */
        sim_run_fini(&with);
        sim_run_fini(&without);
        sim_world_fini(&w);
    }
}
