/* Windows and sets: counters, samplers and their turns, in a world with a clock of its own. */
#include <math.h>
#include <unistd.h>

#include "kernels/clock.h"
#include "tests/kernels/meter_scene.h"

static spa_meter_window window;

/* ---- windows --------------------------------------------------------------------------------- */
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

/* ---- sets ------------------------------------------------------------------------------------ */
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

/* ---- real time ------------------------------------------------------------------------------- */
typedef struct real_gauge {
    int readings;
} real_gauge;

static spa_status read_real(void *context, spa_meter_reading *reading, spa_error *err)
{
    ((real_gauge *)context)->readings++;
    reading->power_w = 10;
    return SPA_OK;
}

Test(kernels_meter, the_thread_polls_and_is_gone_at_the_end)
{
    alarm(300);
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
