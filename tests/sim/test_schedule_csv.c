/* Schedules as CSV: what is written, what is read back, what is refused with which words. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/oom.h"
#include "tests/sim/world.h"

static void three_ops(sim_world *w)
{
    sim_world_init(w, 2, "a #0; b a; c a b");
    w->costs.processors[1].n_lanes = 2;
    w->costs.processors[1].name = "g,1";
    w->graph.hash = 0x0123456789abcdef;
    sim_place(w, "b", 1, 1);
    sim_place(w, "c", 1, SPA_LANE_ANY);
}

static const char three_text[] = "# schedule for world batch 1 dtype fp32 hash 0123456789abcdef\n"
                                 "op,processor,lane\n"
                                 "a,p0,\n"
                                 "b,\"g,1\",1\n"
                                 "c,\"g,1\",\n";

Test(sim_schedule_csv, a_schedule_is_written_in_dispatch_order_under_its_graphs_hash)
{
    sim_world w;
    spa_string text = {0};
    three_ops(&w);
    expect_ok(spa_schedule_put_csv(&w.schedule, &w.costs, &text, err));
    cr_assert_str_eq(text.text, three_text);
    spa_string_fini(&text);
    sim_world_fini(&w);
}

static void must_be_equal(const spa_schedule *a, const spa_schedule *b)
{
    cr_assert_eq(a->n_ops, b->n_ops);
    cr_assert_arr_eq(a->processor, b->processor, a->n_ops);
    cr_assert_arr_eq(a->lane, b->lane, a->n_ops);
    cr_assert_arr_eq(a->order, b->order, a->n_ops * sizeof *a->order);
    cr_assert_arr_eq(a->share, b->share, a->n_ops);
    for (size_t i = 0; i < a->n_ops; i++)
        if (a->share[i]) cr_assert_eq(a->second[i], b->second[i]);
}

Test(sim_schedule_csv, what_was_written_to_a_file_is_read_back_and_writes_the_same_bytes)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/sim_schedule_%ld.csv", (long)getpid());
    for (uint64_t seed = 0; seed < 50; seed++) {
        sim_world w;
        spa_schedule back;
        char *first, *second;
        size_t size;
        sim_world_random(&w, seed, &(sim_random_options){.splits = seed & 1});
        expect_ok(spa_schedule_write_csv(&w.schedule, &w.costs, path, err));
        expect_ok(spa_read_file(path, 1 << 20, false, &first, &size, err));
        expect_ok(spa_schedule_read_csv(&back, &w.costs, path, err));
        must_be_equal(&back, &w.schedule);
        expect_ok(spa_schedule_write_csv(&back, &w.costs, path, err));
        expect_ok(spa_read_file(path, 1 << 20, false, &second, &size, err));
        cr_assert_str_eq(first, second);
        free(first);
        free(second);
        spa_schedule_fini(&back);
        sim_world_fini(&w);
    }
    remove(path);
}

/* Parses `text` for three_ops. */
static spa_status parse(const char *text, spa_error *err)
{
    sim_world w;
    spa_schedule s;
    three_ops(&w);
    spa_status status = spa_schedule_parse_csv(&s, &w.costs, "s.csv", text, strlen(text), err);
    if (status) cr_assert(s.n_ops == 0 && s.order == NULL);
    spa_schedule_fini(&s);
    sim_world_fini(&w);
    return status;
}

#define HEAD "# schedule for world batch 1 dtype fp32 hash 0123456789abcdef\n"
#define COLS "op,processor,lane\n"

Test(sim_schedule_csv, what_is_legal_is_accepted_in_any_topological_order_and_column_order)
{
    expect_ok(parse(three_text, err));
    expect_ok(parse(
        "# x hash y hash 0123456789abcdef\nlane,op,processor\n,a,\"g,1\"\n,b,p0\n0,c,p0\n", err));
}

Test(sim_schedule_csv, a_schedule_for_another_graph_is_refused)
{
    expect_error(parse("# schedule for world batch 1 dtype fp32 hash 00000000000000ff\n" COLS
                       "a,p0,\nb,p0,\nc,p0,\n",
                       err),
                 SPA_E_INVALID,
                 "s.csv:1: the schedule is for another graph (hash 00000000000000ff; world batch 1 "
                 "fp32 has 0123456789abcdef)");
}

Test(sim_schedule_csv, a_first_line_without_a_hash_is_refused)
{
    static const char *const heads[] = {"",
                                        "op,processor,lane\n",
                                        "# schedule for world\n",
                                        "# hash\n",
                                        "# x hash 0123456789abcdeg\n",
                                        "# x hash 0123456789abcdef0\n",
                                        "# x hash 123\n",
                                        "# x hash 0123456789abcdef and more\n",
                                        "# x hash 0123456789abcdef"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        expect_error(parse(heads[i], err), SPA_E_PARSE,
                     "s.csv:1: the first line must be '# schedule for MODEL ... hash HASH', the "
                     "hash 16 digits 0-9a-f");
}

Test(sim_schedule_csv, unknown_names_are_refused_with_the_nearest_one)
{
    expect_error(parse(HEAD COLS "a,p0,\nbb,p0,\nc,p0,\n", err), SPA_E_PARSE,
                 "s.csv:4: column 'op': the graph has no operator 'bb'; did you mean 'b'?");
    expect_error(parse(HEAD COLS "a,p0,\nb,p00,\nc,p0,\n", err), SPA_E_PARSE,
                 "s.csv:4: column 'processor': unknown processor 'p00'; did you mean 'p0'?");
    expect_error(parse(HEAD COLS "a,gpu_of_mine,\nb,p0,\nc,p0,\n", err), SPA_E_PARSE,
                 "s.csv:3: column 'processor': unknown processor 'gpu_of_mine'; known: p0, g,1");
    expect_error(parse(HEAD "op,procesor,lane\na,p0,\n", err), SPA_E_NOT_FOUND,
                 "s.csv:2: unknown column 'procesor'; did you mean 'processor'?");
}

Test(sim_schedule_csv, missing_repeated_and_misplaced_rows_are_refused)
{
    expect_error(parse(HEAD COLS "a,p0,\nc,p0,\n", err), SPA_E_PARSE,
                 "s.csv: 2 rows, but the graph has 3 operators");
    expect_error(parse(HEAD COLS "a,p0,\nb,p0,\na,p0,\n", err), SPA_E_ILLEGAL,
                 "s.csv: operator 'a' stands in the order twice");
    expect_error(parse(HEAD COLS "a,p0,\nc,p0,\nb,p0,\n", err), SPA_E_ILLEGAL,
                 "s.csv: operator 'c' comes before its input 'b'");
}

Test(sim_schedule_csv, lanes_that_are_not_there_are_refused)
{
    expect_error(parse(HEAD COLS "a,p0,1\nb,p0,\nc,p0,\n", err), SPA_E_RANGE,
                 "s.csv:3: column 'lane': '1' is out of range; write a number from 0 to 0");
    expect_error(parse(HEAD COLS "a,p0,two\nb,p0,\nc,p0,\n", err), SPA_E_PARSE,
                 "s.csv:3: column 'lane': 'two' is not a whole number; "
                 "write one like 12 or 1e8");
}

Test(sim_schedule_csv, an_operator_on_a_processor_that_cannot_run_it_is_refused)
{
    sim_world w;
    spa_schedule s;
    three_ops(&w);
    sim_kernel(&w, "c", 1, -1);
    expect_error(
        spa_schedule_parse_csv(&s, &w.costs, "s.csv", three_text, sizeof three_text - 1, err),
        SPA_E_ILLEGAL, "s.csv: operator 'c' cannot run on g,1");
    sim_world_fini(&w);
}

Test(sim_schedule_csv, a_schedule_that_could_not_be_read_back_is_not_written)
{
    sim_world w;
    spa_string text = {0};
    three_ops(&w);
    w.schedule.processor[2] = 200;
    expect_error(spa_schedule_put_csv(&w.schedule, &w.costs, &text, err), SPA_E_ILLEGAL,
                 "operator 'c' is placed on processor 200; there are 2");
    sim_order(&w, "a c b");
    w.schedule.processor[2] = 0;
    expect_error(spa_schedule_put_csv(&w.schedule, &w.costs, &text, err), SPA_E_ILLEGAL,
                 "operator 'c' comes before its input 'b'");
    cr_assert_null(text.text);
    sim_world_fini(&w);
}

Test(sim_schedule_csv, a_file_that_is_not_there_is_named)
{
    sim_world w;
    spa_schedule s;
    spa_error e = {0};
    three_ops(&w);
    cr_assert_eq(spa_schedule_read_csv(&s, &w.costs, "/nowhere/s.csv", &e), SPA_E_IO);
    cr_assert(strstr(e.message, "/nowhere/s.csv"));
    sim_world_fini(&w);
}

Test(sim_schedule_csv, memory_that_runs_out_is_reported_and_nothing_leaks)
{
    sim_world w;
    three_ops(&w);
    for (long n = 0;; n++) {
        spa_schedule s;
        spa_error e = {0};
        oom_fail_from(n);
        spa_status status =
            spa_schedule_parse_csv(&s, &w.costs, "s.csv", three_text, sizeof three_text - 1, &e);
        bool failed = oom_failed();
        oom_off();
        spa_schedule_fini(&s);
        if (!failed) {
            cr_assert_eq(status, SPA_OK);
            cr_assert_gt(n, 5);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM);
    }
    sim_world_fini(&w);
}
