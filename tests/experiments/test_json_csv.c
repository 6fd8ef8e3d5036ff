/* Documents as tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/json_csv.h"
#include "tests/experiments/cli.h"
#include "tests/oom.h"

static void expect(const char *document, const char *csv)
{
    spa_string out = {0};
    spa_error err;
    cr_assert_eq(spa_json_csv(document, strlen(document), &out, &err), SPA_OK, "%s", err.message);
    cr_assert_str_eq(out.text, csv);
    spa_string_fini(&out);
}

Test(json_csv, innermost_objects_are_rows_with_the_columns_of_those_around_them)
{
    expect("{\"schema\":\"s/1\",\"runs\":[{\"model\":\"a\",\"results\":[{\"policy\":\"x\","
           "\"latency_ms\":{\"mean\":1.5,\"p50\":null}},{\"policy\":\"y\",\"skipped\":\"no, "
           "\\\"z\\\"\"}]},"
           "{\"model\":\"b\",\"results\":[{\"policy\":\"x\"}]}]}",
           "schema,table,model,policy,latency_ms.mean,latency_ms.p50,skipped\n"
           "s/1,results,a,x,1.5,,\n"
           "s/1,results,a,y,,,\"no, \"\"z\"\"\"\n"
           "s/1,results,b,x,,,\n");
}

Test(json_csv, several_lists_are_told_apart_and_plain_lists_are_cells)
{
    expect("{\"own\":[{\"v\":1}],\"others\":[{\"v\":2,\"w\":true}],\"names\":[\"p\",\"q\"]}",
           "names,table,v,w\np q,own,1,\np q,others,2,1\n");
    expect("{\"a\":1}", "a\n1\n");
}

Test(json_csv, any_command_writes_it)
{
    char path[512], name[300];
    size_t size;
    snprintf(path, sizeof path, "%s/t.csv", cli_folder());
    cli_result r =
        cli("compare " TINY " " TINY_DEVICE " --policy cpu-only,heft --reps 2 --csv %s", path);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_str_empty(r.out);
    cli_free(&r);
    char *text = cli_read(path, &size), *line = strchr(text, '\n');
    cr_assert_eq(strncmp(text, "schema,", 7), 0);
    cr_assert(strstr(text, "latency_ms.mean"));
    int lines = 0;
    for (; line; line = strchr(line + 1, '\n')) lines++;
    cr_assert_eq(lines, 3);
    free(text);
    snprintf(name, sizeof name, "%s/none/t.csv", cli_folder());
    cli_expect_failure(1, "none/t.csv", "models --csv %s", name);
}

Test(json_csv, each_allocation_of_ours_may_fail)
{
    static const char text[] = "{\"a\":[{\"b\":1},{\"c\":2}]}";
    for (long n = 0;; n++) {
        spa_string out = {0};
        spa_error err;
        oom_fail_at(n);
        spa_status status = spa_json_csv(text, strlen(text), &out, &err);
        bool failed = oom_failed();
        oom_off();
        spa_string_fini(&out);
        if (!failed) {
            cr_assert_gt(n, 4);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
    }
}
