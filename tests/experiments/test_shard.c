/* Experiments shared out: every row to one shard, loads alike, and the whole as if it were never
 * parted. */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/experiment_shard.h"
#include "tests/experiments/cli.h"
#include "tests/oom.h"

/* Longest first: 7 -> 0, 6 -> 1, 5 -> 2, 4 -> 2 (5), 3 -> 1 (6), 2 -> 0 (7): 9, 9, 9. */
Test(shard, the_longest_goes_to_the_one_with_the_least)
{
    static const double cost[] = {2, 7, 3, 6, 4, 5};
    static const uint32_t want[] = {0, 0, 1, 1, 2, 2};
    uint32_t shard[6];
    cr_assert_eq(spa_shard_assign(cost, 6, 3, shard, NULL), SPA_OK);
    for (int i = 0; i < 6; i++) cr_assert_eq(shard[i], want[i], "%d: %u", i, shard[i]);
}

/* The last rows to be given away cost less than 2: no shard is further above the mean. */
Test(shard, loads_are_alike)
{
    enum { N = 10000, SHARDS = 37 };
    static double cost[N], sum[SHARDS];
    static uint32_t shard[N];
    double all = 0;
    for (int i = 0; i < N; i++) all += cost[i] = 1 + fmod(i * 0.618, 1) * (i % 50 ? 1 : 40);
    cr_assert_eq(spa_shard_assign(cost, N, SHARDS, shard, NULL), SPA_OK);
    for (int i = 0; i < N; i++) sum[shard[i]] += cost[i];
    for (int s = 0; s < SHARDS; s++) cr_assert_lt(sum[s], all / SHARDS + 2);
}

Test(shard, numbers_of_shards_are_checked)
{
    spa_shard s;
    cr_assert_eq(spa_shard_parse("3/8", &s, NULL), SPA_OK);
    cr_assert(s.index == 3 && s.count == 8);
    static const char *const bad[] = {"",   "3",   "0/8", "9/8",  "/8",
                                      "3/", "a/b", "1/0", "-1/2", "1/100001"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(spa_shard_parse(bad[i], &s, NULL), SPA_E_USAGE, "%s", bad[i]);
    cli_expect_failure(2, "is not I/N", "run experiments/gap.exp --shard 4/3");
}

Test(shard, each_allocation_may_fail)
{
    static const double cost[] = {2, 7, 3};
    uint32_t shard[3];
    for (long n = 0;; n++) {
        oom_fail_at(n);
        spa_status status = spa_shard_assign(cost, 3, 2, shard, NULL);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(n, 2);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM);
    }
}

/* ---- from the command line ---- */

static char file[512];

static char *contents(const char *db)
{
    sqlite3 *d;
    sqlite3_stmt *s;
    char *text = calloc(1, 1 << 20);
    cr_assert_eq(sqlite3_open(db, &d), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(d,
                                    "SELECT row || ' ' || policy || ' ' || name || ' ' || "
                                    "coalesce(value, '-') || ' ' || coalesce(p_t_holm, '-') FROM "
                                    "experiment_row w JOIN run r ON r.id = w.run_id JOIN metric m "
                                    "ON m.run_id = r.id AND repeatable LEFT JOIN comparison c ON "
                                    "c.run_id = r.id UNION ALL SELECT 'status ' || expected || ' ' "
                                    "|| done || ' ' || finished FROM experiment_status ORDER BY 1",
                                    -1, &s, NULL),
                 SQLITE_OK, "%s", sqlite3_errmsg(d));
    while (sqlite3_step(s) == SQLITE_ROW)
        strcat(strcat(text, (const char *)sqlite3_column_text(s, 0)), "\n");
    sqlite3_finalize(s);
    sqlite3_close(d);
    return text;
}

static void run(const char *db, const char *options)
{
    cli_result r = cli("run %s --db %s --quiet %s", file, db, options);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
}

Test(shard, joined_shards_are_the_whole_experiment)
{
    static const char text[] = "[experiment]\nname = parted\n[factors]\nmodels = "
                               "tests/data/tiny.graph.csv\ndevices = tests/data/tiny.device\n"
                               "policies = cpu-only, heft, dp\nlaunch = 1, 2\n"
                               "[precision]\nmax = 10\nhalf_width = 0\nreference = cpu-only\n";
    char whole[512], joined[512], shards[3][512], option[32];
    snprintf(file, sizeof file, "%s/parted.exp", cli_folder());
    snprintf(whole, sizeof whole, "%s/whole.db", cli_folder());
    snprintf(joined, sizeof joined, "%s/joined.db", cli_folder());
    cli_write(file, text, sizeof text - 1);
    run(whole, "");
    for (int i = 0; i < 3; i++) {
        snprintf(shards[i], sizeof shards[i], "%s/s%d.db", cli_folder(), i);
        snprintf(option, sizeof option, "--shard %d/3", i + 1);
        run(shards[i], option);
        char *part = contents(shards[i]);
        cr_assert(strstr(part, "status 6 2 0\n"), "%s", part); /* two of six rows each */
        free(part);
    }
    json_t *d = cli_json("merge %s %s %s %s --json", joined, shards[2], shards[0], shards[1]);
    cr_assert_eq(json_integer_value(json_object_get(d, "added")), 6);
    cr_assert_eq(json_integer_value(json_object_get(d, "unfinished")), 1);
    json_decref(d);
    run(joined, ""); /* nothing is left to run but the comparisons */
    char *a = contents(whole), *b = contents(joined);
    cr_assert_str_eq(a, b);
    cr_assert(strstr(b, "status 6 6 1\n"));
    free(a);
    free(b);
}
