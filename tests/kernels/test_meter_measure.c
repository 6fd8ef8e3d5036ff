/* Measurements of jobs: idle, repetitions, resolution, totals, in a world with a clock of its own.
 */
#include <math.h>
#include <stdio.h>

#include "tests/kernels/meter_scene.h"
#include "tests/oom.h"

static spa_energy_result measure(spa_meter_options options)
{
    spa_energy_result result;
    expect_ok(spa_meter_measure(&set, &options, world_job, &w, &result, err));
    cr_assert_eq(w.running, 0, "the ticker still runs");
    return result;
}

static void expect_unavailable(const spa_energy *e, const char *part)
{
    cr_assert_eq(e->kind, SPA_ENERGY_UNAVAILABLE);
    cr_assert(isnan(e->energy_j) && isnan(e->power_w) && isnan(e->dynamic_j));
    cr_assert_not_null(strstr(e->reason, part), "%s", e->reason);
    cr_assert_str_not_empty(e->dynamic_reason);
}

/* Jobs of 10 ms at 20 W: 0.2 J, of which 0.05 J would have flowed at idle. The counter's ends are
 * uncertain by 1 ms of 20 W each: 1 % needs 0.2 s, 20 jobs (and 2 uJ of step). */
Test(kernels_meter_measure, a_job_is_repeated_until_the_counter_can_tell)
{
    begin_world();
    add(world_counter(&gauges[0], &w, "c"));
    spa_energy_result r = measure(spa_meter_options_default());
    cr_assert_eq(r.total.kind, SPA_ENERGY_MEASURED, "%s", r.total.reason);
    expect_near(r.total.energy_j, 0.2, 1e-6);
    cr_assert_str_empty(r.total.reason);
    cr_assert_str_empty(r.total.dynamic_reason);
    expect_near(r.total.dynamic_j, 0.15, 1e-6);
    expect_near(r.total.idle_w, 5, 1e-6);
    expect_near(r.total.power_w, 20, 1e-4);
    cr_assert(r.repetitions >= 21 && r.repetitions <= 24, "%llu",
              (unsigned long long)r.repetitions);
    cr_assert_eq(w.jobs, (int)r.repetitions + 1); /* a warm-up */
    expect_near(r.duration_s, 0.01 * (double)r.repetitions, 1e-9);
    expect_near(r.total.resolution, 2 * 20 * 1e-3 / (0.2 * (double)r.repetitions), 1e-5);
    cr_assert_eq(r.n_rails, 1);
    cr_assert_eq(r.rails[0].kind, SPA_ENERGY_MEASURED);
    cr_assert_str_eq(r.covers, "c");
    /* idle: 5 W +- 2 * 5 W * 1 ms / 5 s = 2 mW; dynamic: (0.4 mJ/job-share + 2 mW T) / 0.15 J */
    double busy = r.duration_s, dynamic_j = 15 * busy;
    expect_near(r.total.dynamic_resolution, (2 * 20e-3 + 2e-3 * busy) / dynamic_j, 1e-4);
}

Test(kernels_meter_measure, a_long_job_runs_once)
{
    begin_world();
    w.job_ns = 1000000000;
    add(world_counter(&gauges[0], &w, "c"));
    spa_energy_result r = measure(spa_meter_options_default());
    cr_assert_eq(r.repetitions, 1);
    expect_near(r.total.energy_j, 20, 1e-6);
}

Test(kernels_meter_measure, a_finer_resolution_takes_more_repetitions)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    options.resolution = 0.001;
    add(world_counter(&gauges[0], &w, "c"));
    spa_energy_result r = measure(options);
    cr_assert(r.repetitions >= 201 && r.repetitions <= 230, "%llu",
              (unsigned long long)r.repetitions);
    cr_assert_leq(r.total.resolution, 0.001);
}

Test(kernels_meter_measure, at_least_so_many_repetitions_are_done_as_asked_for)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    w.job_ns = 1000000000;
    options.min_repetitions = 7;
    add(world_counter(&gauges[0], &w, "c"));
    cr_assert_eq(measure(options).repetitions, 7);
}

Test(kernels_meter_measure, a_sampler_measures_a_job_too)
{
    begin_world();
    add(world_sampler(&gauges[0], &w, "s"));
    spa_energy_result r = measure(spa_meter_options_default());
    cr_assert_eq(r.total.kind, SPA_ENERGY_MEASURED, "%s", r.total.reason);
    expect_near(r.total.energy_j, 0.2, 1e-9);
    expect_near(r.total.dynamic_j, 0.15, 1e-9);
}

Test(kernels_meter_measure, what_was_not_resolved_in_time_is_no_figure_and_says_what_it_takes)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    options.time_limit_s = 0.1; /* half of what 1 % needs */
    add(world_counter(&gauges[0], &w, "c"));
    spa_energy_result r = measure(options);
    cr_assert_eq(r.repetitions, 10);
    expect_unavailable(&r.total, "known to +-2 % after 10 jobs in 0.1 s, asked for were 1 %");
    expect_unavailable(&r.rails[0], "give it about 0.22 s");
    expect_near(r.total.resolution, 0.02, 1e-4);
    expect_near(r.total.idle_w, 5, 1e-6); /* that much is known */
}

Test(kernels_meter_measure, without_idle_there_is_no_dynamic_energy)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    options.idle_s = 0;
    add(world_counter(&gauges[0], &w, "c"));
    spa_energy_result r = measure(options);
    expect_near(r.total.energy_j, 0.2, 1e-6);
    cr_assert(isnan(r.total.dynamic_j) && isnan(r.total.idle_w));
    cr_assert_str_eq(r.total.dynamic_reason, "idle power was not measured");
}

Test(kernels_meter_measure, a_job_that_draws_no_more_than_idle_has_no_dynamic_energy)
{
    begin_world();
    w.busy_w = w.idle_w;
    add(world_counter(&gauges[0], &w, "c"));
    spa_energy_result r = measure(spa_meter_options_default());
    expect_near(r.total.energy_j, 0.05, 1e-6);
    cr_assert(isnan(r.total.dynamic_j));
    cr_assert_str_eq(r.total.dynamic_reason,
                     "5 W during jobs and 5 W idle differ by less than the meter can tell");
}

Test(kernels_meter_measure, a_counter_that_stands_still_is_unknown_and_not_zero)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    options.time_limit_s = 1;
    add(world_counter(&gauges[0], &w, "c"));
    gauges[0].dead = true;
    spa_energy_result r = measure(options);
    expect_unavailable(&r.total, "counted no energy");
}

/* A DRAM counter that a machine shows but does not serve must not make the total too small. */
Test(kernels_meter_measure, a_rail_that_stands_still_leaves_no_total)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    options.time_limit_s = 1;
    add(world_counter(&gauges[0], &w, "package"));
    add(world_counter(&gauges[1], &w, "dram"));
    gauges[1].dead = true;
    spa_energy_result r = measure(options);
    expect_unavailable(&r.total, "dram counted no energy in 1 s");
    expect_near(r.rails[0].energy_j, 0.2, 1e-6);
}

/* Jobs of 10 us at 20 W into a counter that shows every 10 mJ: the first 50 see nothing move. */
Test(kernels_meter_measure, jobs_shorter_than_a_step_are_repeated_too)
{
    begin_world();
    w.job_ns = 10000;
    spa_meter_rail rail = world_counter(&gauges[0], &w, "coarse");
    rail.unit_j = rail.step = gauges[0].unit_j = 0.01;
    add(rail);
    spa_energy_result r = measure(spa_meter_options_default());
    cr_assert_eq(r.total.kind, SPA_ENERGY_MEASURED, "%s", r.total.reason);
    expect_near(r.total.energy_j, 20 * 10e-6, 0.01 * 20 * 10e-6);
    cr_assert_geq(r.duration_s, 2 * (0.01 + 0.02) / (20 * 0.01)); /* 0.3 s, 30000 jobs */
}

Test(kernels_meter_measure, a_sampler_without_enough_readings_says_so)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    options.time_limit_s = 0.05;
    options.resolution = 1;
    add(world_sampler(&gauges[0], &w, "s"));
    spa_energy_result r = measure(options);
    expect_unavailable(&r.total, "polled less than 10 times in 0.05 s");
}

Test(kernels_meter_measure, a_meter_that_fails_on_the_way_takes_the_total_with_it)
{
    begin_world();
    w.job_ns = 300000000;
    add(world_counter(&gauges[0], &w, "good"));
    add(world_sampler(&gauges[1], &w, "bad"));
    gauges[1].fail_after = 505; /* 502 in 5 s of idle */
    spa_energy_result r = measure(spa_meter_options_default());
    expect_unavailable(&r.total, "the gauge fell off");
    expect_unavailable(&r.rails[1], "the gauge fell off");
    cr_assert_eq(r.rails[0].kind, SPA_ENERGY_MEASURED);
    expect_near(r.rails[0].energy_j, 6, 1e-6);
    expect_near(r.rails[1].idle_w, 5, 1e-9);
}

Test(kernels_meter_measure, when_every_meter_has_failed_nobody_waits)
{
    begin_world();
    add(world_sampler(&gauges[0], &w, "bad"));
    gauges[0].fail_after = 503;
    spa_energy_result r = measure(spa_meter_options_default());
    expect_unavailable(&r.total, "the gauge fell off");
    cr_assert_leq(r.repetitions, 2);
}

/* A package of 20 W, its DRAM of 2 W, and cores of 15 W that are part of the package. */
Test(kernels_meter_measure, the_total_is_the_sum_of_the_rails_that_belong_to_it)
{
    begin_world();
    add(world_counter(&gauges[0], &w, "package"));
    add(world_counter(&gauges[1], &w, "dram"));
    spa_meter_rail core = world_counter(&gauges[2], &w, "core");
    core.in_total = false;
    add(core);
    gauges[1].scale = 0.1;
    gauges[2].scale = 0.75;
    spa_energy_result r = measure(spa_meter_options_default());
    expect_near(r.total.energy_j, 0.22, 1e-5);
    expect_near(r.total.dynamic_j, 0.165, 1e-5);
    expect_near(r.rails[2].energy_j, 0.15, 1e-5);
    cr_assert(!r.rails[2].in_total);
    cr_assert_str_eq(r.covers, "package + dram");
}

Test(kernels_meter_measure, a_missing_rail_leaves_the_others_but_no_total)
{
    begin_world();
    add(world_counter(&gauges[0], &w, "package-0"));
    snprintf(set.total_fault, sizeof set.total_fault, "package-1 cannot be read");
    spa_energy_result r = measure(spa_meter_options_default());
    expect_unavailable(&r.total, "a rail is missing: package-1 cannot be read");
    cr_assert_eq(r.rails[0].kind, SPA_ENERGY_MEASURED);
    cr_assert(r.repetitions >= 21 && r.repetitions <= 24); /* no longer than it takes */
}

Test(kernels_meter_measure, a_job_that_fails_ends_the_measurement)
{
    spa_energy_result result;
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    add(world_counter(&gauges[0], &w, "c"));
    w.fail_at = 1; /* in the warm-up */
    expect_error(spa_meter_measure(&set, &options, world_job, &w, &result, err), SPA_E_IO,
                 "job 1 fell over");
    w.fail_at = 5;
    expect_error(spa_meter_measure(&set, &options, world_job, &w, &result, err), SPA_E_IO,
                 "job 5 fell over");
    cr_assert_eq(w.running, 0);
    expect_unavailable(&result.total, "not measured");
}

Test(kernels_meter_measure, options_out_of_bounds_are_refused)
{
    spa_energy_result r;
    const spa_meter_options good = spa_meter_options_default();
    begin_world();
    expect_error(spa_meter_measure(&set, &good, world_job, &w, &r, err), SPA_E_INVALID,
                 "no meter: the set is empty");
    add(world_counter(&gauges[0], &w, "c"));
    spa_meter_options bad = good;
    bad.idle_s = NAN;
    cr_assert_eq(spa_meter_measure(&set, &bad, world_job, &w, &r, NULL), SPA_E_RANGE);
    bad = good;
    bad.resolution = 0;
    cr_assert_eq(spa_meter_measure(&set, &bad, world_job, &w, &r, NULL), SPA_E_RANGE);
    bad = good;
    bad.time_limit_s = INFINITY;
    cr_assert_eq(spa_meter_measure(&set, &bad, world_job, &w, &r, NULL), SPA_E_RANGE);
    bad = good;
    bad.warmup = -1;
    cr_assert_eq(spa_meter_measure(&set, &bad, world_job, &w, &r, NULL), SPA_E_RANGE);
    bad = good;
    bad.min_repetitions = 0;
    cr_assert_eq(spa_meter_measure(&set, &bad, world_job, &w, &r, NULL), SPA_E_RANGE);
    cr_assert_eq(w.jobs, 0);
}

Test(kernels_meter_measure, a_result_is_one_line_that_says_what_it_is)
{
    spa_string out = {0};
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    w.job_ns = 1000000000;
    add(world_counter(&gauges[0], &w, "c"));
    spa_energy_result r = measure(options);
    spa_energy_print(&r, &out);
    cr_assert_str_eq(out.text, "energy: 20 J per job, measured (+-0.2 %), 20 W; 15 J above idle "
                               "(+-0.3 %); c; 1 jobs in 1 s");
    spa_string_fini(&out);
    out = (spa_string){0};
    options.time_limit_s = 1e-3;
    options.resolution = 1e-6;
    r = measure(options);
    spa_energy_print(&r, &out);
    cr_assert_eq(strncmp(out.text, "energy: unavailable: known to", 29), 0, "%s", out.text);
    spa_string_fini(&out);
    cr_assert_str_eq(spa_energy_kind_name(SPA_ENERGY_MODELLED), "modelled");
    cr_assert_str_eq(spa_energy_kind_name(SPA_ENERGY_UNAVAILABLE), "unavailable");
}

Test(kernels_meter_measure, an_allocation_that_fails_is_reported)
{
    spa_energy_result r;
    spa_error e = {0};
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    add(world_counter(&gauges[0], &w, "c"));
    oom_fail_at(0);
    spa_status status = spa_meter_measure(&set, &options, world_job, &w, &r, &e);
    oom_off();
    cr_assert_eq(status, SPA_E_NOMEM);
    cr_assert_eq(w.jobs, 0);
}
