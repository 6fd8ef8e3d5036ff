/* Event logs: writing, reading, converting, comparing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim/log.h"
#include "tests/experiments/cli.h"
#include "tests/oom.h"

#define SIMULATE "simulate " TINY " " TINY_DEVICE " --quiet --policy heft "

/* Path of a file in the test's folder; four at a time. */
static const char *in_folder(const char *name)
{
    static char paths[4][200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", cli_folder(), name);
    return path;
}

static void write_log(const char *name, const char *options)
{
    cli_result r = cli(SIMULATE "%s --log %s", options, in_folder(name));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
}

Test(cli_log, holds_the_run_that_simulate_reports)
{
    write_log("a.slog", "--noise=off");
    json_t *log = cli_json("log %s --json", in_folder("a.slog"));
    json_t *run = cli_json(SIMULATE "--noise=off --json");
    json_t *row = json_array_get(
        json_object_get(json_array_get(json_object_get(run, "runs"), 0), "results"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(log, "digest")),
                     json_string_value(json_object_get(row, "digest")));
    json_t *events = json_object_get(log, "events");
    cr_assert_eq(json_integer_value(json_object_get(events, "arrive")), 1);
    cr_assert_eq(json_integer_value(json_object_get(events, "place")), 7);
    cr_assert_eq(json_integer_value(json_object_get(events, "kernel_end")), 6); /* a view is free */
    cr_assert(strstr(json_string_value(json_object_get(log, "description")), "policy=heft\n"));
    json_decref(log);
    json_decref(run);
}

Test(cli_log, equal_runs_give_equal_files_and_no_difference)
{
    size_t n, m;
    write_log("a.slog", "");
    write_log("b.slog", "");
    char *a = cli_read(in_folder("a.slog"), &n), *b = cli_read(in_folder("b.slog"), &m);
    cr_assert_eq(n, m);
    cr_assert_eq(memcmp(a, b, n), 0);
    free(a);
    free(b);
    cli_result r = cli("diff %s %s", in_folder("a.slog"), in_folder("b.slog"));
    cr_assert_eq(r.code, 0);
    cr_assert_eq(strncmp(r.out, "equal: ", 7), 0);
    cli_free(&r);
}

Test(cli_log, the_first_difference_is_shown_with_what_came_before)
{
    write_log("a.slog", "--seed 1");
    write_log("b.slog", "--seed 2");
    cli_result r = cli("diff %s %s", in_folder("a.slog"), in_folder("b.slog"));
    cr_assert_eq(r.code, 1);
    cr_assert_str_empty(r.err);
    cr_assert(strstr(r.out, "  < seed=1\n  > seed=2\n"), "%s", r.out);
    cr_assert(strstr(r.out, "events are equal; then:"), "%s", r.out);
    cr_assert(strstr(r.out, "place "), "%s", r.out);
    cli_free(&r);
    r = cli("diff --json %s %s", in_folder("a.slog"), in_folder("b.slog"));
    json_t *d = json_loads(r.out, 0, NULL);
    cr_assert_eq(r.code, 1);
    cr_assert(json_is_false(json_object_get(d, "equal")));
    cr_assert(json_is_object(json_object_get(d, "a")));
    json_decref(d);
    cli_free(&r);
}

Test(cli_log, a_shorter_run_differs_where_it_ends)
{
    write_log("a.slog", "--noise=off --concurrency 1 --scenario closed --requests 2");
    write_log("b.slog", "--noise=off --concurrency 1 --scenario closed --requests 3");
    cli_result r = cli("diff %s %s", in_folder("a.slog"), in_folder("b.slog"));
    cr_assert_eq(r.code, 1);
    cr_assert(strstr(r.out, "(ends here, after "), "%s", r.out);
    cli_free(&r);
}

Test(cli_log, conversions_have_a_row_per_event_and_equal_simulates_own)
{
    size_t n, m;
    cli_result r = cli(SIMULATE "--log %s --timeline %s", in_folder("a.slog"), in_folder("a.json"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    r = cli("log %s --csv %s --timeline %s", in_folder("a.slog"), in_folder("a.csv"),
            in_folder("b.json"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    char *a = cli_read(in_folder("a.json"), &n), *b = cli_read(in_folder("b.json"), &m);
    cr_assert_str_eq(a, b);
    free(a);
    free(b);
    spa_log *log;
    cr_assert_eq(spa_log_open(&log, in_folder("a.slog"), NULL), SPA_OK);
    uint64_t lines = 0, events = spa_log_count(log);
    spa_log_close(log);
    char *csv = cli_read(in_folder("a.csv"), &n);
    for (size_t i = 0; i < n; i++) lines += csv[i] == '\n';
    cr_assert_eq(lines, events + 1);
    cr_assert_eq(
        strncmp(csv, "time_ns,sequence,request,kind,operator,processor,lane,power_w\n", 62), 0);
    free(csv);
}

Test(cli_log, every_truncation_is_noticed)
{
    size_t size;
    write_log("a.slog", "");
    char *data = cli_read(in_folder("a.slog"), &size);
    for (size_t n = 0; n < size; n += n < 200 || size - n < 100 ? 1 : 37) {
        cli_write(in_folder("t.slog"), data, n);
        cli_result r = cli("log %s", in_folder("t.slog"));
        cr_assert_eq(r.code, 1, "%zu of %zu bytes were accepted", n, size);
        cr_assert_str_empty(r.out);
        cr_assert(strstr(r.err, "truncated") || strstr(r.err, "damaged") ||
                      strstr(r.err, "no event log"),
                  "%s", r.err);
        cli_free(&r);
    }
    free(data);
}

Test(cli_log, every_flipped_byte_is_noticed)
{
    size_t size;
    write_log("a.slog", "");
    char *data = cli_read(in_folder("a.slog"), &size);
    for (size_t i = 0; i < size; i += 3) {
        data[i] ^= 0x20;
        cli_write(in_folder("t.slog"), data, size);
        cli_result r = cli("log %s --csv %s", in_folder("t.slog"), in_folder("t.csv"));
        cr_assert_eq(r.code, 1, "byte %zu of %zu", i, size);
        cr_assert_str_empty(r.out);
        cr_assert(!cli_exists(in_folder("t.csv")));
        cli_free(&r);
        data[i] ^= 0x20;
    }
    free(data);
}

Test(cli_log, another_version_is_refused_by_name)
{
    size_t size;
    write_log("a.slog", "");
    char *data = cli_read(in_folder("a.slog"), &size);
    data[8] = 2;
    cli_write(in_folder("t.slog"), data, size);
    free(data);
    cli_expect_failure(1, "has format version 2; this program reads version 1", "log %s",
                       in_folder("t.slog"));
}

Test(cli_log, other_files_are_refused)
{
    cli_expect_failure(1, "is no event log", "log " TINY);
    cli_expect_failure(1, "is no plain file", "log tests");
}

Test(cli_log, reading_survives_every_failing_allocation)
{
    write_log("a.slog", "");
    const char *path = in_folder("a.slog");
    for (long n = 0;; n++) {
        spa_log *log = NULL;
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_log_open(&log, path, &err);
        bool failed = oom_failed();
        oom_off();
        cr_assert_eq(status, failed ? SPA_E_NOMEM : SPA_OK);
        spa_log_close(log);
        if (!failed) break;
    }
}
