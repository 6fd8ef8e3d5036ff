/* Scenario files: every key, its bounds, and the words for what is wrong. */
#include <stdio.h>
#include <unistd.h>
#include "tests/sim/world.h"

static spa_status parse(const char *text, spa_error *err)
{
    spa_scenario s;
    spa_status status = spa_scenario_parse(&s, "x.scenario", text, strlen(text), err);
    if (status) cr_assert(s.requests == 0 && s.concurrency == 0 && s.name[0] == '\0');
    return status;
}

Test(sim_scenario, every_key_is_read)
{
    static const char text[] = "# a comment\n[scenario]\nname = four cameras\narrivals = closed\n"
                               "concurrency = 4\nrequests = 1000\nwarmup = 10\nworkers = 1\n"
                               "serial_ops = 3 # the decoder\n";
    spa_scenario s;
    expect_ok(spa_scenario_parse(&s, "x.scenario", text, strlen(text), err));
    cr_assert_str_eq(s.name, "four cameras");
    cr_assert_eq(s.arrivals, SPA_ARRIVALS_CLOSED);
    cr_assert_eq(s.concurrency, 4);
    cr_assert_eq(s.requests, 1000);
    cr_assert_eq(s.warmup, 10);
    cr_assert(s.workers);
    cr_assert_eq(s.serial_ops, 3);
}

Test(sim_scenario, all_keys_but_arrivals_have_a_default)
{
    static const char text[] = "[scenario]\narrivals = single\n";
    spa_scenario s;
    expect_ok(spa_scenario_parse(&s, "x.scenario", text, strlen(text), err));
    cr_assert_str_eq(s.name, "scenario");
    cr_assert_eq(s.arrivals, SPA_ARRIVALS_SINGLE);
    cr_assert(s.concurrency == 1 && s.requests == 1 && s.warmup == 0 && !s.workers);
    cr_assert_eq(s.serial_ops, 0);
    expect_error(parse("[scenario]\nrequests = 3\n", err), SPA_E_PARSE,
                 "x.scenario:1: section [scenario] has no key 'arrivals'; add 'arrivals = ...'");
    expect_error(parse("", err), SPA_E_PARSE,
                 "x.scenario: no section [scenario], where 'arrivals' is needed; add it");
}

Test(sim_scenario, built_in_scenarios_go_by_name)
{
    spa_scenario s;
    expect_ok(spa_scenario_load(&s, "single", err));
    cr_assert(s.arrivals == SPA_ARRIVALS_SINGLE && s.concurrency == 1 && s.requests == 1);
    expect_ok(spa_scenario_load(&s, "closed", err));
    cr_assert(s.arrivals == SPA_ARRIVALS_CLOSED && s.concurrency == 1 && s.requests == 20);
    expect_error(spa_scenario_load(&s, "closde", err), SPA_E_NOT_FOUND,
                 "unknown scenario 'closde'; did you mean 'closed'?");
    expect_error(spa_scenario_load(&s, ".scenario", err), SPA_E_NOT_FOUND,
                 "unknown scenario '.scenario'; known: single, closed, periodic, poisson, a "
                 "*.scenario file");
    cr_assert_eq(s.requests, 0);
}

Test(sim_scenario, a_file_is_read_by_path)
{
    spa_scenario s;
    char path[64];
    static const char text[] = "[scenario]\narrivals = closed\nconcurrency = 2\nrequests = 5\n";
    snprintf(path, sizeof path, "/tmp/sim_%ld.scenario", (long)getpid());
    expect_ok(spa_write_file(path, text, sizeof text - 1, err));
    expect_ok(spa_scenario_load(&s, path, err));
    cr_assert(s.concurrency == 2 && s.requests == 5);
    remove(path);
    spa_error e = {0};
    cr_assert_eq(spa_scenario_load(&s, path, &e), SPA_E_IO);
    cr_assert(strstr(e.message, path));
}

Test(sim_scenario, unknown_keys_sections_and_arrivals_suggest_the_nearest)
{
    expect_error(parse("[scenario]\narrivals = closed\nconcurency = 2\n", err), SPA_E_NOT_FOUND,
                 "x.scenario:3: unknown key 'concurency'; did you mean 'concurrency'?");
    expect_error(parse("[scenario]\narrivals = close\n", err), SPA_E_NOT_FOUND,
                 "x.scenario:2: [scenario] arrivals: unknown arrivals 'close'; did you mean "
                 "'closed'?");
    spa_error e = {0};
    cr_assert_eq(parse("[scenario]\narrivals = single\n[scenarios]\nx = 1\n", &e), SPA_E_NOT_FOUND);
    cr_assert(strstr(e.message, "x.scenario:"), "%s", e.message);
}

static void expect_bad(const char *key, const char *value)
{
    char text[256], place[256];
    spa_error e = {0};
    snprintf(text, sizeof text, "[scenario]\narrivals = closed\n%s = %s\n", key, value);
    snprintf(place, sizeof place, "x.scenario:3: [scenario] %s: ", key);
    spa_status status = parse(text, &e);
    cr_assert(status == SPA_E_RANGE || status == SPA_E_PARSE, "%s = %s gives %d", key, value,
              (int)status);
    cr_assert_eq(strncmp(e.message, place, strlen(place)), 0, "%s", e.message);
}

static void expect_good(const char *key, const char *value)
{
    char text[256];
    snprintf(text, sizeof text, "[scenario]\narrivals = closed\n%s = %s\n", key, value);
    expect_ok(parse(text, err));
}

Test(sim_scenario, values_out_of_bounds_are_refused_with_file_line_and_key)
{
    static const char *const bad[][2] = {
        {"concurrency", "0"},
        {"concurrency", "65537"},
        {"concurrency", "-1"},
        {"concurrency", "x"},
        {"concurrency", "1.5"},
        {"requests", "0"},
        {"requests", "1e13"},
        {"warmup", "1"},
        {"warmup", "-1"},
        {"workers", "2"},
        {"workers", "yes"},
        {"serial_ops", "-1"},
        {"serial_ops", "2e6"},
        {"name", "0123456789012345678901234567890123456789012345678901234567890123"}};
    static const char *const good[][2] = {
        {"concurrency", "1"},
        {"concurrency", "65536"},
        {"requests", "1"},
        {"requests", "1e12"},
        {"warmup", "0"},
        {"workers", "0"},
        {"serial_ops", "0"},
        {"serial_ops", "1048576"},
        {"name", "012345678901234567890123456789012345678901234567890123456789012"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_bad(bad[i][0], bad[i][1]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) expect_good(good[i][0], good[i][1]);
}

Test(sim_scenario, one_request_at_a_time_cannot_have_several_in_flight)
{
    expect_error(parse("[scenario]\narrivals = single\nconcurrency = 2\n", err), SPA_E_INVALID,
                 "x.scenario:3: [scenario] concurrency: arrivals = single has 1 request in flight; "
                 "use arrivals = closed");
}
