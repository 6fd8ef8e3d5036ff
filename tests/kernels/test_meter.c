/* Windows and measurements, in a world with a clock of its own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/clock.h"
#include "tests/base/check.h"
#include "tests/kernels/meter_world.h"
#include "tests/oom.h"

static world w;
static spa_meter_set set;
static spa_meter_window window;
static gauge gauges[SPA_METER_RAILS_MAX + 1];

static void begin_world(void)
{
    world_init(&w);
    spa_meter_time time = world_time(&w);
    spa_meter_set_init(&set, &time);
}

static void add(spa_meter_rail rail)
{
    expect_ok(spa_meter_set_add(&set, &rail, err));
}

#define expect_near(x, wanted, tolerance)                                                          \
    cr_assert(fabs((x) - (wanted)) <= (tolerance), "%.12g, not %.12g", (double)(x),                \
              (double)(wanted))

/* ---- windows -----------------------------------------------------------------------------------
 */
Test(kernels_meter, a_counter_is_the_difference_of_its_ends)
{
    spa_meter_mean mean;
    begin_world();
    add(world_counter(&gauges[0], &w, "c"));
    gauges[0].start = 123456789;
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 0.5);
    spa_meter_end(&window);
    cr_assert_eq(w.running, 0);
    spa_meter_mean_of(&set.rails[0], &window.tracks[0], &mean);
    cr_assert(mean.valid);
    cr_assert_eq(window.tracks[0].readings, 2);
    expect_near(mean.energy_j, 5 * 0.5, 1e-9);
    expect_near(mean.seconds, 0.5, 1e-12);
    expect_near(mean.power_w, 5, 1e-9);
    /* one update of 1 ms at 5 W at each end, and a step of 1 uJ at each end */
    expect_near(mean.error_j, 2 * 5 * 1e-3 + 2e-6, 1e-9);
}

/* 5 W into a counter of 65 kJ: a turn every 13107 s, polled every second. */
Test(kernels_meter, a_counter_that_turns_goes_on_counting)
{
    spa_meter_rail rail;
    begin_world();
    rail = world_counter(&gauges[0], &w, "c");
    rail.range = gauges[0].range = 65536000000;
    gauges[0].start = 65536000000 - 1000000; /* 1 J before its turn */
    add(rail);
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 0.6); /* 3 J */
    spa_meter_end(&window);
    cr_assert_str_empty(window.tracks[0].fault);
    expect_near(window.tracks[0].energy_j, 3, 1e-9);
    cr_assert_lt(window.tracks[0].last.count, gauges[0].start);
}

/* 5000 W turn the smallest range that 1 s polls allow (40 kJ) every 8 s; 100 s are 12 turns. */
Test(kernels_meter, a_long_measurement_sees_every_turn_because_it_polls)
{
    spa_meter_rail rail;
    begin_world();
    w.idle_w = 5000;
    rail = world_counter(&gauges[0], &w, "c");
    rail.range = gauges[0].range = 40000000000;
    add(rail);
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 100);
    spa_meter_end(&window);
    cr_assert_str_empty(window.tracks[0].fault);
    cr_assert_eq(w.ticks, 100);
    expect_near(window.tracks[0].energy_j, 5e5, 1e-3);
}

Test(kernels_meter, a_counter_that_was_not_read_for_a_turn_gives_no_figure)
{
    spa_meter_mean mean;
    spa_meter_rail rail;
    begin_world();
    rail = world_counter(&gauges[0], &w, "c");
    rail.range = gauges[0].range = 40000000000;
    add(rail);
    expect_ok(spa_meter_begin(&window, &set, false, err)); /* as if the thread had starved */
    world_advance(&w, 4.1);                                /* 10 kW * 4.1 s > 40 kJ */
    spa_meter_end(&window);
    cr_assert_not_null(strstr(window.tracks[0].fault, "may have turned unseen"), "%s",
                       window.tracks[0].fault);
    spa_meter_mean_of(&set.rails[0], &window.tracks[0], &mean);
    cr_assert(!mean.valid && isnan(mean.energy_j));
}

Test(kernels_meter, a_counter_that_is_reset_gives_no_figure)
{
    begin_world();
    add(world_counter(&gauges[0], &w, "endless"));
    spa_meter_rail turning = world_counter(&gauges[1], &w, "turning");
    turning.range = gauges[1].range = 65536000000;
    add(turning);
    gauges[0].start = gauges[1].start = 500000000;
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 0.1);
    gauges[0].start = gauges[1].start = 0; /* looks like a turn of 65 kJ in 0.1 s */
    world_advance(&w, 0.1);
    spa_meter_end(&window);
    cr_assert_not_null(strstr(window.tracks[0].fault, "ran backwards"));
    cr_assert_not_null(strstr(window.tracks[1].fault, "more than 10000 W"), "%s",
                       window.tracks[1].fault);
}

Test(kernels_meter, a_count_beyond_the_range_is_a_fault)
{
    begin_world();
    spa_meter_rail rail = world_counter(&gauges[0], &w, "c");
    rail.range = 40000000000;
    add(rail);
    gauges[0].start = 39999999999;
    expect_ok(spa_meter_begin(&window, &set, true, err));
    gauges[0].start = 40000000001;
    spa_meter_end(&window);
    cr_assert_not_null(strstr(window.tracks[0].fault, "beyond the counter's range"));
}

static double ramp(double s)
{
    return 10 + 2 * (s - 1); /* the world begins at 1 s */
}

/* The trapezoid rule is exact for a ramp: 10 W * 3 s + 2 W/s * 9 s^2 / 2 = 39 J. */
Test(kernels_meter, a_sampler_integrates_a_ramp_exactly)
{
    begin_world();
    w.power_w = ramp;
    add(world_sampler(&gauges[0], &w, "s"));
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 3);
    spa_meter_end(&window);
    cr_assert_eq(w.ticks, 300);
    cr_assert_eq(window.tracks[0].readings, 302);
    cr_assert_eq(window.tracks[0].gap_ns, 10000000);
    expect_near(window.tracks[0].energy_j, 39, 1e-9);
}

static double wave(double s)
{
    return 10 + 5 * sin(2 * acos(-1) * (s - 1));
}

/* Over 1.25 periods of 1 s: 10 * 1.25 + 5 / (2 pi) J. The rule's error is at most T h^2 / 12 times
 * the largest second derivative: 1.25 * 0.01^2 / 12 * 5 (2 pi)^2 = 2.06e-3 J. */
Test(kernels_meter, a_sampler_integrates_a_wave_within_the_bound_of_its_rule)
{
    double exact = 12.5 + 5 / (2 * acos(-1));
    begin_world();
    w.power_w = wave;
    add(world_sampler(&gauges[0], &w, "s"));
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 1.25);
    spa_meter_end(&window);
    expect_near(window.tracks[0].energy_j, exact, 2.06e-3);
    cr_assert(fabs(window.tracks[0].energy_j - exact) > 1e-7); /* it is that rule */
}

/* Real time stamps: uneven polls of a ramp are exact all the same. */
Test(kernels_meter, uneven_readings_count_by_their_time_stamps)
{
    begin_world();
    w.power_w = ramp;
    add(world_sampler(&gauges[0], &w, "s"));
    expect_ok(spa_meter_begin(&window, &set, false, err));
    for (int i = 1; i <= 5; i++) { /* 0.1 + 0.2 + ... + 0.5 = 1.5 s */
        world_advance(&w, 0.1 * i);
        spa_meter_poll(&window, true);
    }
    world_advance(&w, 1.5);
    spa_meter_end(&window);
    cr_assert_eq(window.tracks[0].gap_ns, 1500000000);
    expect_near(window.tracks[0].energy_j, 39, 1e-9);
}

Test(kernels_meter, rails_are_polled_each_at_its_own_interval)
{
    begin_world();
    add(world_sampler(&gauges[0], &w, "s"));
    add(world_counter(&gauges[1], &w, "c"));
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 3.5);
    spa_meter_end(&window);
    cr_assert_eq(window.tracks[0].readings, 352); /* 350 ticks and both ends */
    cr_assert_eq(window.tracks[1].readings, 5);   /* at 1, 2 and 3 s and both ends */
}

/* The errors of a steady sampler: 2 P update + step T / sqrt(12 N), N = 101 of 0.01 s... */
Test(kernels_meter, what_a_sampler_cannot_resolve_is_its_age_step_swing_and_gaps)
{
    spa_meter_mean mean;
    begin_world();
    spa_meter_rail rail = world_sampler(&gauges[0], &w, "s");
    rail.step = 0.04;
    add(rail);
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 1);
    spa_meter_end(&window);
    spa_meter_mean_of(&set.rails[0], &window.tracks[0], &mean);
    expect_near(mean.error_j, 2 * 5 * 1e-3 + 0.04 / sqrt(12 * 102), 1e-9);
    /* Halves of 5 and 15 W: the standard deviation of 102 readings is about 5 W. */
    gauges[0].readings = 0;
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 0.5);
    w.idle_w = 15;
    world_advance(&w, 0.5);
    spa_meter_end(&window);
    spa_meter_mean_of(&set.rails[0], &window.tracks[0], &mean);
    expect_near(mean.error_j, 2 * 10 * 1e-3 + 0.04 / sqrt(12 * 102) + 2 * 5 / sqrt(102), 0.02);
    /* A few readings say nothing about the swing. */
    expect_ok(spa_meter_begin(&window, &set, true, err));
    world_advance(&w, 0.05);
    spa_meter_end(&window);
    spa_meter_mean_of(&set.rails[0], &window.tracks[0], &mean);
    cr_assert(mean.valid && isinf(mean.error_j));
}

static spa_status read_nan(void *context, spa_meter_reading *reading, spa_error *err)
{
    reading->power_w = NAN;
    return SPA_OK;
}

Test(kernels_meter, a_power_that_is_no_number_is_a_fault)
{
    begin_world();
    spa_meter_rail rail = world_sampler(&gauges[0], &w, "s");
    rail.read = read_nan;
    add(rail);
    expect_ok(spa_meter_begin(&window, &set, true, err));
    spa_meter_end(&window);
    cr_assert_str_eq(window.tracks[0].fault, "s: no finite power");
}

/* ---- sets --------------------------------------------------------------------------------------
 */
Test(kernels_meter, rails_that_make_no_sense_are_refused_and_released)
{
    begin_world();
    spa_meter_rail rail = world_counter(&gauges[0], &w, "c");
    rail.unit_j = 0;
    expect_error(spa_meter_set_add(&set, &rail, err), SPA_E_INVALID,
                 "c: unit, step and intervals must be positive");
    rail.unit_j = 1e-6;
    rail.range = 39999999999; /* 1 s at 10 kW is more than a quarter of it */
    expect_error(spa_meter_set_add(&set, &rail, err), SPA_E_RANGE,
                 "c: a range of 40000 J could turn unseen between readings 1 s apart");
    rail.name[0] = '\0';
    expect_error(spa_meter_set_add(&set, &rail, err), SPA_E_INVALID,
                 "a rail needs a name and a way to read it");
    cr_assert_eq(set.count, 0);
    cr_assert_eq(gauges[0].released, 3);
}

Test(kernels_meter, a_full_set_takes_no_more_and_releases_all)
{
    begin_world();
    for (int i = 0; i < SPA_METER_RAILS_MAX; i++) add(world_counter(&gauges[i], &w, "c"));
    spa_meter_rail rail = world_counter(&gauges[SPA_METER_RAILS_MAX], &w, "last");
    expect_error(spa_meter_set_add(&set, &rail, err), SPA_E_RANGE, "last: more than 64 rails");
    spa_meter_set_fini(&set);
    spa_meter_set_fini(&set); /* twice does no harm */
    for (int i = 0; i <= SPA_METER_RAILS_MAX; i++) cr_assert_eq(gauges[i].released, 1);
}

/* ---- measurements ------------------------------------------------------------------------------
 */
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
Test(kernels_meter, a_job_is_repeated_until_the_counter_can_tell)
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

Test(kernels_meter, a_long_job_runs_once)
{
    begin_world();
    w.job_ns = 1000000000;
    add(world_counter(&gauges[0], &w, "c"));
    spa_energy_result r = measure(spa_meter_options_default());
    cr_assert_eq(r.repetitions, 1);
    expect_near(r.total.energy_j, 20, 1e-6);
}

Test(kernels_meter, a_finer_resolution_takes_more_repetitions)
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

Test(kernels_meter, at_least_so_many_repetitions_are_done_as_asked_for)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    w.job_ns = 1000000000;
    options.min_repetitions = 7;
    add(world_counter(&gauges[0], &w, "c"));
    cr_assert_eq(measure(options).repetitions, 7);
}

Test(kernels_meter, a_sampler_measures_a_job_too)
{
    begin_world();
    add(world_sampler(&gauges[0], &w, "s"));
    spa_energy_result r = measure(spa_meter_options_default());
    cr_assert_eq(r.total.kind, SPA_ENERGY_MEASURED, "%s", r.total.reason);
    expect_near(r.total.energy_j, 0.2, 1e-9);
    expect_near(r.total.dynamic_j, 0.15, 1e-9);
}

Test(kernels_meter, what_was_not_resolved_in_time_is_no_figure_and_says_what_it_takes)
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

Test(kernels_meter, without_idle_there_is_no_dynamic_energy)
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

Test(kernels_meter, a_job_that_draws_no_more_than_idle_has_no_dynamic_energy)
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

Test(kernels_meter, a_counter_that_stands_still_is_unknown_and_not_zero)
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
Test(kernels_meter, a_rail_that_stands_still_leaves_no_total)
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
Test(kernels_meter, jobs_shorter_than_a_step_are_repeated_too)
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

Test(kernels_meter, a_sampler_without_enough_readings_says_so)
{
    spa_meter_options options = spa_meter_options_default();
    begin_world();
    options.time_limit_s = 0.05;
    options.resolution = 1;
    add(world_sampler(&gauges[0], &w, "s"));
    spa_energy_result r = measure(options);
    expect_unavailable(&r.total, "polled less than 10 times in 0.05 s");
}

Test(kernels_meter, a_meter_that_fails_on_the_way_takes_the_total_with_it)
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

Test(kernels_meter, when_every_meter_has_failed_nobody_waits)
{
    begin_world();
    add(world_sampler(&gauges[0], &w, "bad"));
    gauges[0].fail_after = 503;
    spa_energy_result r = measure(spa_meter_options_default());
    expect_unavailable(&r.total, "the gauge fell off");
    cr_assert_leq(r.repetitions, 2);
}

/* A package of 20 W, its DRAM of 2 W, and cores of 15 W that are part of the package. */
Test(kernels_meter, the_total_is_the_sum_of_the_rails_that_belong_to_it)
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

Test(kernels_meter, a_missing_rail_leaves_the_others_but_no_total)
{
    begin_world();
    add(world_counter(&gauges[0], &w, "package-0"));
    snprintf(set.total_fault, sizeof set.total_fault, "package-1 cannot be read");
    spa_energy_result r = measure(spa_meter_options_default());
    expect_unavailable(&r.total, "a rail is missing: package-1 cannot be read");
    cr_assert_eq(r.rails[0].kind, SPA_ENERGY_MEASURED);
    cr_assert(r.repetitions >= 21 && r.repetitions <= 24); /* no longer than it takes */
}

Test(kernels_meter, a_job_that_fails_ends_the_measurement)
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

Test(kernels_meter, options_out_of_bounds_are_refused)
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

Test(kernels_meter, a_result_is_one_line_that_says_what_it_is)
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

Test(kernels_meter, an_allocation_that_fails_is_reported)
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

/* ---- real time ---------------------------------------------------------------------------------
 */
typedef struct real_gauge {
    int readings;
} real_gauge;

static spa_status read_real(void *context, spa_meter_reading *reading, spa_error *err)
{
    ((real_gauge *)context)->readings++;
    reading->power_w = 10;
    return SPA_OK;
}

Test(kernels_meter, the_thread_polls_and_is_gone_at_the_end, .timeout = 20)
{
    real_gauge g = {0};
    spa_meter_rail rail = {.name = "real",
                           .kind = SPA_METER_SAMPLER,
                           .in_total = true,
                           .update_ns = 1000000,
                           .poll_ns = 5000000,
                           .read = read_real,
                           .context = &g};
    spa_meter_set_init(&set, &spa_meter_time_real);
    add(rail);
    expect_ok(spa_meter_begin(&window, &set, true, err));
    int64_t until = spa_clock_ns() + 5000000000;
    bool many = false;
    while (!many && spa_clock_ns() < until) { /* as long as a busy machine needs for 20 polls */
        set.time.sleep_ns(NULL, 20000000);
        pthread_mutex_lock(&window.mutex);
        many = g.readings >= 20;
        pthread_mutex_unlock(&window.mutex);
    }
    spa_meter_end(&window);
    cr_assert(many);
    int readings = g.readings;
    double t = (double)(window.tracks[0].last_ns - window.tracks[0].first_ns) * 1e-9;
    expect_near(window.tracks[0].energy_j, 10 * t, 1e-6);
    cr_assert_leq(readings, (int)(t / 0.005) + 3); /* not more often than asked for */
    set.time.sleep_ns(NULL, 30000000);
    cr_assert_eq(g.readings, readings);
}
