/* Conditions in scenario files: every key, and the words for what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/oom.h"
#include "tests/sim/world.h"

#define HEAD "[scenario]\narrivals = single\n"
#define THERMAL                                                                                    \
    "[thermal]\nr_k_per_w = 3 # assumed: 3 (1 to 6)\nc_j_per_k = 2 # measured: a step of power\n"  \
    "ambient_c = 25\nthrottle_c = 90\nhysteresis_k = 5\ncap = 0.5\npoll_ms = 10\n"                 \
    "power_exponent = 2\n"
#define SCHEDUTIL                                                                                  \
    "[governor]\nkind = schedutil\nperiod_ms = 10\ndelay_ms = 1\nmin_ratio = 0.2\n"                \
    "power_exponent = 2\nlevels = 0.25 0.5 1\n"

static spa_status parse(const char *text, spa_error *err)
{
    spa_scenario s;
    spa_status status = spa_scenario_parse(&s, "x.scenario", text, strlen(text), err);
    if (status) cr_assert(s.requests == 0 && s.conditions.n_backgrounds == 0);
    spa_scenario_fini(&s);
    return status;
}

Test(sim_conditions_file, every_key_is_read)
{
    static const char text[] =
        HEAD "[background host]\nshare = 0.6\ndram_share = 0.1\non_ms = 5\noff_ms = 15\nwatts = 2\n"
             "[background gpu]\nshare = 1\non_ms = 1\noff_ms = 0\n" SCHEDUTIL THERMAL;
    spa_scenario s;
    expect_ok(spa_scenario_parse(&s, "x.scenario", text, strlen(text), err));
    const spa_conditions *c = &s.conditions;
    const spa_background *b = c->backgrounds;
    cr_assert_eq(c->n_backgrounds, 2);
    cr_assert(strcmp(b[0].processor, "host") == 0 && b[0].share == 0.6 && b[0].dram_share == 0.1);
    cr_assert(b[0].on_ms == 5 && b[0].off_ms == 15 && b[0].watts == 2);
    cr_assert(strcmp(b[1].processor, "gpu") == 0 && b[1].share == 1 && b[1].off_ms == 0);
    cr_assert(c->governor == SPA_GOVERNOR_SCHEDUTIL && c->period_ms == 10 && c->delay_ms == 1);
    cr_assert(c->min_ratio == 0.2 && c->n_levels == 3 && c->levels[1] == 0.5);
    cr_assert(c->power_exponent == 2 && c->thermal.r_k_per_w == 3 && c->thermal.c_j_per_k == 2);
    cr_assert(c->thermal.ambient_c == 25 && c->thermal.start_c == 25);
    cr_assert(c->thermal.throttle_c == 90 && c->thermal.hysteresis_k == 5);
    cr_assert(c->thermal.cap == 0.5 && c->thermal.poll_ms == 10);
}

Test(sim_conditions_file, a_list_of_modes_is_read)
{
    static const char text[] =
        HEAD "[governor]\nkind = list\nmodes = 0 MAXN, 200 15W ,300.5 MAXN\nrepeat_ms = 400\n";
    spa_scenario s;
    expect_ok(spa_scenario_parse(&s, "x.scenario", text, strlen(text), err));
    const spa_conditions *c = &s.conditions;
    cr_assert(c->governor == SPA_GOVERNOR_LIST && c->n_changes == 3 && c->repeat_ms == 400);
    cr_assert(c->changes[1].at_ms == 200 && strcmp(c->changes[1].mode, "15W") == 0);
    cr_assert(c->changes[2].at_ms == 300.5 && strcmp(c->changes[2].mode, "MAXN") == 0);
}

Test(sim_conditions_file, zeros_that_vary_are_read_within_bounds)
{
    spa_scenario s;
    spa_error e = {0};
    static const char text[] = HEAD "[input]\nzeros_sd = 0.05\n";
    expect_ok(spa_scenario_parse(&s, "x.scenario", text, strlen(text), err));
    cr_assert(s.conditions.zeros_sd == 0.05 && spa_conditions_any(&s.conditions));
    cr_assert_eq(parse(HEAD "[input]\nzeros_sd = 0.2\n", &e), SPA_E_RANGE);
    cr_assert_eq(strncmp(e.message, "x.scenario:4: [input] zeros_sd", 30), 0, "%s", e.message);
    cr_assert_eq(parse(HEAD "[input]\nsd = 0.2\n", &e), SPA_E_PARSE);
}

Test(sim_conditions_file, nothing_is_the_default)
{
    spa_scenario s;
    expect_ok(spa_scenario_parse(&s, "x.scenario", HEAD, strlen(HEAD), err));
    cr_assert(!spa_conditions_any(&s.conditions));
    cr_assert_eq(spa_conditions_hash(5, &s.conditions), 5);
    expect_ok(parse(HEAD "[governor]\nkind = fixed\n", err));
}

Test(sim_conditions_file, what_is_wrong_is_said_with_its_line)
{
    spa_error e = {0};
    expect_error(parse(HEAD "[background host]\nshare = 0.5\non_ms = 5\n", err), SPA_E_PARSE,
                 "x.scenario:3: section [background host] has no key 'off_ms'; add "
                 "'off_ms = ...'");
    expect_error(parse(HEAD "[background host]\nshare = 0.5\non_ms = 5\noff_ms = 1e-9\n", err),
                 SPA_E_RANGE,
                 "x.scenario:6: [background host] off_ms: write 0 (always on) or at least 0.001");
    cr_assert_eq(parse(HEAD "[background host]\nshare = 1.5\non_ms = 5\noff_ms = 1\n", &e),
                 SPA_E_RANGE);
    expect_error(parse(HEAD "[governor]\nkind = schedutl\n", err), SPA_E_NOT_FOUND,
                 "x.scenario:4: [governor] kind: unknown governor 'schedutl'; did you mean "
                 "'schedutil'?");
    expect_error(parse(HEAD "[governor]\nkind = fixed\nperiod_ms = 1\n", err), SPA_E_NOT_FOUND,
                 "x.scenario:5: unknown key 'period_ms'; known: kind");
    expect_error(parse(HEAD "[governor]\nkind = list\nmodes = 5 MAXN, 5 15W\n", err), SPA_E_INVALID,
                 "x.scenario:5: [governor] modes: times must rise");
    expect_error(parse(HEAD "[governor]\nkind = list\nmodes = 5\n", err), SPA_E_PARSE,
                 "x.scenario:5: [governor] modes: '5' lacks a mode; write 200 15W");
    expect_error(parse(HEAD "[governor]\nkind = list\nmodes = 0 A,,5 B\n", err), SPA_E_PARSE,
                 "x.scenario:5: [governor] modes: write times in ms and modes: 0 MAXN, 200 15W");
    expect_error(parse(HEAD "[governor]\nkind = list\nmodes = 5 A\nrepeat_ms = 5\n", err),
                 SPA_E_INVALID,
                 "x.scenario:6: [governor] repeat_ms: must be later than the last change");
    cr_assert_neq(parse(HEAD "[thermel]\nr_k_per_w = 1\n", &e), SPA_OK);
    cr_assert_not_null(strstr(e.message, "did you mean 'thermal'"), "%s", e.message);
}

static void with(const char *text, const char *from, const char *to, char *out)
{
    const char *at = strstr(text, from);
    cr_assert_not_null(at);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

Test(sim_conditions_file, values_that_cannot_be_are_refused)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"delay_ms = 1", "delay_ms = 10",
         "x.scenario:6: [governor] delay_ms: must be shorter than period_ms"},
        {"0.25 0.5 1", "0.25 0.5",
         "x.scenario:9: [governor] levels: write rising shares of the mode's clock, from 0.01 up "
         "to 1"},
        {"0.25 0.5 1", "0.5 0.5 1",
         "x.scenario:9: [governor] levels: write rising shares of the mode's clock, from 0.01 up "
         "to 1"},
        {"# assumed: 3 (1 to 6)", "",
         "x.scenario:11: [thermal] r_k_per_w: say where it comes from: # assumed: 1.0 (0.5 to 2), "
         "or measured, datasheet, fitted, derived"},
        {"# measured: a", "# a",
         "x.scenario:12: [thermal] c_j_per_k: say where it comes from: # assumed: 1.0 (0.5 to 2), "
         "or measured, datasheet, fitted, derived"},
        {"poll_ms = 10\npower_exponent = 2", "poll_ms = 10\npower_exponent = 3",
         "x.scenario:18: [thermal] power_exponent: differs from that of [governor]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        spa_error e = {0};
        with(HEAD SCHEDUTIL THERMAL, cases[i].from, cases[i].to, text);
        cr_assert_neq(parse(text, &e), SPA_OK, "case %zu", i);
        cr_assert_str_eq(e.message, cases[i].message);
    }
}

Test(sim_conditions_file, values_of_a_file_can_be_changed)
{
    spa_scenario s;
    char path[64], name[300];
    static const char text[] =
        "[scenario]\nname = hot\narrivals = poisson\nload = 0.5\nrequests = 10\n" THERMAL;
    snprintf(path, sizeof path, "/tmp/sim_changed_%ld.scenario", (long)getpid());
    expect_ok(spa_write_file(path, text, sizeof text - 1, err));
    snprintf(name, sizeof name, "%s:load=0.9:thermal.r_k_per_w=1.5", path);
    expect_ok(spa_scenario_load(&s, name, err));
    cr_assert(s.rate_hz == 0.9 && s.conditions.thermal.r_k_per_w == 1.5);
    cr_assert_str_eq(s.name, "hot:load=0.9:thermal.r_k_per_w=1.5");
    spa_error e = {0};
    snprintf(name, sizeof name, "%s:laod=0.9", path);
    cr_assert_eq(spa_scenario_load(&s, name, &e), SPA_E_NOT_FOUND);
    cr_assert_not_null(strstr(e.message, "did you mean 'load'"), "%s", e.message);
    snprintf(name, sizeof name, "%s:governor.kind=list", path);
    cr_assert_eq(spa_scenario_load(&s, name, &e), SPA_E_NOT_FOUND);
    cr_assert_not_null(strstr(e.message, "no section [governor]"), "%s", e.message);
    snprintf(name, sizeof name, "%s:load=x", path);
    cr_assert_eq(spa_scenario_load(&s, name, &e), SPA_E_PARSE);
    snprintf(name, sizeof name, "%s:load", path);
    cr_assert_eq(spa_scenario_load(&s, name, &e), SPA_E_INVALID);
    cr_assert_eq(spa_scenario_load(&s, "single:load=1", &e), SPA_E_INVALID);
    cr_assert_eq(s.requests, 0);
    remove(path);
}

Test(sim_conditions_file, an_allocation_that_fails_is_reported_and_nothing_leaks)
{
    for (long n = 0;; n++) {
        spa_error e = {0};
        oom_fail_at(n);
        spa_status status = parse(
            HEAD "[background host]\nshare = 1\non_ms = 1\noff_ms = 0\n" SCHEDUTIL THERMAL, &e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", e.message);
            cr_assert_geq(n, 4);
            return;
        }
        /* names are remembered for suggestions only: a file is read without them, too */
        if (status) cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, e.message);
    }
}

/* What comes with the program can be read, has a summary and runs on any machine that knows its
 * power (`mixed` needs several models). */
Test(sim_conditions_file, shipped_scenarios_are_read)
{
    char **names;
    size_t count;
    expect_ok(spa_scenario_list("sim/data", &names, &count, err));
    cr_assert_geq(count, 6);
    for (size_t i = 0; i < count; i++) {
        spa_scenario s;
        expect_ok(spa_scenario_find(&s, names[i], "sim/data", err));
        if (strcmp(names[i], "poisson") != 0) cr_assert_str_eq(s.name, names[i]);
        if (strcmp(names[i], "poisson") != 0) cr_assert(*s.summary);
        spa_scenario_fini(&s);
        free(names[i]);
    }
    free(names);
}
