#include "tests/base/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/csv.h"
#include "base/ini.h"
#include "base/memory.h"
#include "base/params.h"
#include "base/stats.h"
#include "base/text.h"
#include "tests/oom.h"

/* Runs `work` with the n-th allocation failing, n = 0, 1, ... until none fails. A failure must be
 * reported as one; leaks show in the sanitizer builds. Returns how many allocations there are. */
static long walk_with(void (*fail)(long), spa_status (*work)(spa_error *))
{
    for (long n = 0;; n++) {
        spa_error e = {0};
        fail(n);
        spa_status status = work(&e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", e.message);
            return n;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
        cr_assert_eq(e.status, SPA_E_NOMEM);
        cr_assert_eq(strncmp(e.message, "out of memory", 13), 0);
    }
}

static long walk(spa_status (*work)(spa_error *))
{
    return walk_with(oom_fail_at, work);
}

/* For what goes through libcsv, which asks for half the memory when it is refused. */
static long walk_on(spa_status (*work)(spa_error *))
{
    return walk_with(oom_fail_from, work);
}

Test(oom, the_chosen_allocation_fails_once_and_all_are_counted)
{
    oom_fail_at(1);
    void *a = malloc(8), *b = calloc(1, 8), *c = realloc(NULL, 8);
    long count = oom_count();
    bool failed = oom_failed();
    oom_off();
    cr_assert(a != NULL && b == NULL && c != NULL);
    cr_assert(count == 3 && failed);
    free(a);
    free(c);
    oom_fail_from(1);
    a = malloc(8);
    b = malloc(8);
    c = malloc(8);
    oom_off();
    cr_assert(a != NULL && b == NULL && c == NULL);
    free(a);
    oom_fail_at(-1); /* only counts */
    a = malloc(8);
    cr_assert(a != NULL && oom_count() == 1 && !oom_failed());
    free(a);
}

static spa_status memory(spa_error *err)
{
    char *a = NULL, *text = NULL;
    const char *copy = NULL;
    int *grown = NULL;
    size_t capacity = 0;
    spa_arena arena;
    spa_arena_init(&arena);
    spa_status status = spa_alloc(&a, 10, 10, err);
    if (!status) status = spa_strdup(&text, "text", err);
    if (!status) status = spa_grow(&grown, &capacity, 5, sizeof *grown, err);
    if (!status) status = spa_grow(&grown, &capacity, 500, sizeof *grown, err);
    if (!status) status = spa_arena_strdup(&arena, &copy, "copy", err);
    if (!status) status = spa_arena_alloc(&arena, &copy, 1 << 16, 1, err);
    free(a);
    free(text);
    free(grown);
    spa_arena_fini(&arena);
    return status;
}

Test(oom, memory_functions_report_it)
{
    cr_assert_eq(walk(memory), 6); /* one each */
}

Test(oom, a_failed_growth_leaves_data_and_capacity_alone)
{
    int *data = NULL;
    size_t capacity = 0;
    expect_ok(spa_grow(&data, &capacity, 8, sizeof *data, err));
    data[7] = 42;
    int *before = data;
    oom_fail_at(0);
    spa_status status = spa_grow(&data, &capacity, 9, sizeof *data, NULL);
    oom_off();
    cr_assert_eq(status, SPA_E_NOMEM);
    cr_assert(data == before && capacity == 8 && data[7] == 42);
    free(data);
}

static const char table[] = "# c\nop,us\nconv,1\n\"a \"\"b\"\"\",2\n";

static spa_status csv_parse(spa_error *err)
{
    static const char *const names[] = {"op", "us"};
    spa_csv csv;
    spa_status status = spa_csv_parse(&csv, "t.csv", table, sizeof table - 1, err);
    if (!status) status = spa_csv_expect(&csv, names, 2, NULL, 0, err);
    cr_assert_eq(csv.n_rows, status ? 0 : 2);
    spa_csv_fini(&csv);
    return status;
}

Test(oom, parsing_a_csv_table_reports_it)
{
    cr_assert_geq(walk_on(csv_parse), 2); /* our arena and libcsv's buffer */
}

static spa_status csv_unknown(spa_error *err)
{
    static const char *const names[] = {"op", "time"};
    spa_csv csv;
    spa_status status = spa_csv_parse(&csv, "t.csv", table, sizeof table - 1, err);
    if (!status) {
        status = spa_csv_expect(&csv, names, 2, NULL, 0, err);
        if (status == SPA_E_NOT_FOUND) status = SPA_OK; /* the answer where memory lasts */
    }
    spa_csv_fini(&csv);
    return status;
}

Test(oom, looking_for_a_suggestion_for_a_column_reports_it)
{
    cr_assert_eq(walk_on(csv_unknown), walk_on(csv_parse) + 1);
}

static char file[] = "/tmp/spa-oom-XXXXXX";

static spa_status csv_read(spa_error *err)
{
    spa_csv csv;
    spa_status status = spa_csv_read(&csv, file, err);
    spa_csv_fini(&csv);
    return status;
}

static spa_status file_write(spa_error *err)
{
    return spa_write_file(file, table, sizeof table - 1, err);
}

static spa_status dirs_make(spa_error *err)
{
    return spa_make_dirs("/tmp", err);
}

Test(oom, reading_and_writing_files_reports_it)
{
    close(mkstemp(file));
    cr_assert_eq(walk(file_write), 1); /* the temporary's name */
    cr_assert_eq(walk_on(csv_read), walk_on(csv_parse) + 1);
    cr_assert_eq(walk(dirs_make), 1);
    unlink(file);
}

static const char settings[] = "[a]\nx = 1\ny = 2 3\n[b]\nz = text\n";

static spa_status ini_parse(spa_error *err)
{
    spa_ini ini;
    spa_status status = spa_ini_parse(&ini, "d.ini", settings, sizeof settings - 1, err);
    cr_assert_eq(ini.n_entries, status ? 0 : 3);
    spa_ini_fini(&ini);
    return status;
}

Test(oom, parsing_an_ini_file_reports_it)
{
    cr_assert_geq(walk(ini_parse), 4); /* arena, sections, their lines, entries */
}

Test(oom, asking_an_ini_file_without_memory_still_answers)
{
    for (long n = 0; n < 4; n++) {
        spa_ini ini;
        expect_ok(spa_ini_parse(&ini, "d.ini", settings, sizeof settings - 1, err));
        double x = 0;
        oom_fail_at(n);
        spa_status status = spa_ini_double(&ini, "a", "x", 0, 9, &x, NULL);
        oom_off();
        cr_assert(status == SPA_OK && x == 1);
        /* Only the suggestions are poorer: the key that was asked for may be unknown to them. */
        cr_assert_eq(spa_ini_check_unused(&ini, NULL), SPA_E_NOT_FOUND);
        oom_fail_at(0);
        status = spa_ini_check_unused(&ini, NULL);
        oom_off();
        cr_assert_eq(status, SPA_E_NOMEM);
        spa_ini_fini(&ini);
    }
}

static spa_status string(spa_error *err)
{
    spa_string s = {0};
    for (int i = 0; i < 100; i++) spa_string_append(&s, "%d,", i);
    spa_csv_put(&s, "a \"quoted\" cell");
    spa_status status = spa_string_ok(&s, err);
    if (!status)
        cr_assert_eq(s.length, 290 + 19); /* 10*2 + 90*3, and the cell with 4 quotes more */
    spa_string_fini(&s);
    return status;
}

Test(oom, a_string_remembers_it_to_the_end)
{
    cr_assert_gt(walk(string), 3);
}

static spa_status params(spa_error *err)
{
    static const spa_param one[] = {{.name = "a", .kind = SPA_PARAM_REAL, .max = 9}};
    spa_param_values values;
    return spa_params_parse(one, 1, "p", "a=3", &values, err);
}

Test(oom, parsing_parameters_allocates_nothing)
{
    cr_assert_eq(walk(params), 0);
    oom_fail_at(-1);
    spa_status status = params(NULL);
    long count = oom_count();
    cr_assert(status == SPA_OK && count == 0);
}

static spa_status histogram(spa_error *err)
{
    spa_histogram h;
    spa_status status = spa_histogram_init(&h, err);
    if (!status) {
        oom_fail_at(0); /* adding must not allocate */
        for (int i = 0; i < 2 * SPA_HIST_EXACT; i++) spa_histogram_add(&h, i);
        cr_assert_eq(oom_count(), 0);
    }
    spa_histogram_fini(&h);
    return status;
}

Test(oom, a_histogram_allocates_in_its_init_and_nowhere_else)
{
    cr_assert_eq(walk(histogram), 2);
}
