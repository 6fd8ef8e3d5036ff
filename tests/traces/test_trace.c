#include "tests/traces/one_op.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/text.h"
#include "tests/random_graph.h"
#include "traces/trace.h"

static char folder[64];
static spa_trace trace;

static void make_folder(void)
{
    strcpy(folder, "/tmp/spa-trace-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];
    spa_trace_fini(&trace);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(trace, .init = make_folder, .fini = remove_folder);

#define NAN_ ((double)NAN)

/* A trace of the tiny chain on two cores; caller-owned, nothing to free but the graph. */
typedef struct sample {
    spa_trace trace;
    spa_trace_model model;
    spa_trace_cost costs[3];
    spa_trace_link links[2];
    spa_trace_response response;
} sample;

static void fill(sample *s)
{
    *s = (sample){0};
    expect_ok(tiny_chain(&s->model.graph, err));
    s->model.name = "tiny_chain";
    s->costs[0] = (spa_trace_cost){.op = 0,
                                   .processor = "cpu0",
                                   .backend = "sparse",
                                   .cores = 1,
                                   .batch = 1,
                                   .part = 1,
                                   .corun = "",
                                   .samples = 20,
                                   .mean_us = 12.5,
                                   .std_us = 0.25,
                                   .p50_us = 12,
                                   .p95_us = 13,
                                   .energy_uj = NAN_,
                                   .origin = SPA_ORIGIN_MEASURED};
    s->costs[1] = s->costs[0];
    s->costs[1].corun = "cpu1";
    s->costs[2] = s->costs[0];
    s->costs[2].op = 5;
    s->costs[2].mean_us = 0.1;
    s->costs[2].std_us = s->costs[2].p50_us = s->costs[2].p95_us = NAN_;
    s->costs[2].samples = -1;
    s->model.costs = s->costs;
    s->model.n_costs = 3;
    s->links[0] = (spa_trace_link){"cpu0", "cpu1", 0, 0.5, NAN_, NAN_, SPA_ORIGIN_MEASURED};
    s->links[1] = (spa_trace_link){"cpu0", "cpu1", 1 << 20, 0.5, 100, 10.5, SPA_ORIGIN_MEASURED};
    s->response =
        (spa_trace_response){"cpu0", "sparse", SPA_OP_CONV, "3x3", 0.9, 3.7, SPA_ORIGIN_MEASURED};
    s->trace = (spa_trace){.fingerprint = {.machine = "Test CPU @ 2.4 GHz",
                                           .stack = "sparoa",
                                           .libraries = "OpenBLAS 0.3.21 (Zen)",
                                           .date = "2025-11-24"},
                           .origin = SPA_ORIGIN_MEASURED,
                           .run_cv = 0.03,
                           .n_models = 1,
                           .n_links = 2,
                           .n_responses = 1,
                           .models = &s->model,
                           .links = s->links,
                           .responses = &s->response};
}

static void write_sample(void)
{
    sample s;
    fill(&s);
    expect_ok(spa_trace_write(&s.trace, folder, err));
    spa_graph_fini(&s.model.graph);
}

static void put_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    expect_ok(spa_write_file(path, text, strlen(text), err));
}

static char *get_file(const char *from, const char *name)
{
    char path[160], *text = NULL;
    size_t size;
    snprintf(path, sizeof path, "%s/%s", from, name);
    expect_ok(spa_read_file(path, 1 << 20, false, &text, &size, err));
    return text;
}

Test(trace, a_folder_reads_as_it_was_written)
{
    write_sample();
    expect_ok(spa_trace_read(&trace, folder, NULL, err));
    cr_assert_str_eq(trace.path, folder);
    cr_assert_str_eq(trace.fingerprint.machine, "Test CPU @ 2.4 GHz");
    cr_assert_str_eq(trace.fingerprint.power_mode, "");
    cr_assert_eq(trace.origin, SPA_ORIGIN_MEASURED);
    cr_assert_eq(trace.run_cv, 0.03);
    const spa_trace_model *m = spa_trace_find_model(&trace, "tiny_chain");
    cr_assert_not_null(m);
    cr_assert_null(spa_trace_find_model(&trace, "resnet18"));
    cr_assert_eq(m->graph_hash, m->graph.hash);
    cr_assert_eq(m->n_costs, 3);
    cr_assert_eq(m->costs[0].op, 0);
    cr_assert_eq(m->costs[0].mean_us, 12.5);
    cr_assert(isnan(m->costs[0].energy_uj));
    cr_assert_str_eq(m->costs[1].corun, "cpu1");
    cr_assert_eq(m->costs[1].line, 3);
    cr_assert_eq(m->costs[2].op, 5);
    cr_assert_eq(m->costs[2].mean_us, 0.1);
    cr_assert(isnan(m->costs[2].p50_us));
    cr_assert_eq(m->costs[2].samples, -1);
    cr_assert_eq(trace.n_links, 2);
    cr_assert(isnan(trace.links[0].bandwidth_gbs));
    cr_assert_eq(trace.links[1].bytes, 1 << 20);
    cr_assert_eq(trace.n_responses, 1);
    cr_assert_eq(trace.responses[0].kind, SPA_OP_CONV);
    cr_assert_eq(trace.responses[0].speedup, 3.7);
}

Test(trace, what_was_read_writes_the_same_bytes)
{
    static const char *const names[] = {"meta.ini", "tiny_chain.graph.csv", "tiny_chain.costs.csv",
                                        "links.csv", "response.csv"};
    char again[96];
    write_sample();
    expect_ok(spa_trace_read(&trace, folder, "tiny_chain", err));
    snprintf(again, sizeof again, "%s/again", folder);
    expect_ok(spa_trace_write(&trace, again, err));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *a = get_file(folder, names[i]), *b = get_file(again, names[i]);
        cr_assert_str_eq(a, b, "%s", names[i]);
        free(a);
        free(b);
    }
}

Test(trace, unknown_is_written_as_an_empty_cell_and_never_as_0)
{
    write_sample();
    char *text = get_file(folder, "tiny_chain.costs.csv");
    cr_assert_not_null(strstr(text, "\nfc,cpu0,sparse,1,1,fp32,1,,,0.1,,,,,measured\n"), "%s",
                       text);
    free(text);
}

Test(trace, a_graph_that_was_changed_after_measuring_is_refused)
{
    spa_graph other;
    char path[128];
    write_sample();
    expect_ok(tiny_branch(&other, err));
    snprintf(path, sizeof path, "%s/tiny_chain.graph.csv", folder);
    expect_ok(spa_graph_write_csv(&other, path, err));
    spa_graph_fini(&other);
    expect_refusal(spa_trace_read(&trace, folder, NULL, err), SPA_E_INVALID,
                   "the costs were measured on another graph");
    cr_assert_null(trace.models);
}

Test(trace, a_model_that_the_trace_does_not_have_is_an_error)
{
    write_sample();
    expect_refusal(spa_trace_read(&trace, folder, "tiny_chan", err), SPA_E_NOT_FOUND,
                   "unknown model 'tiny_chan'; did you mean 'tiny_chain'?");
}

Test(trace, links_and_responses_may_be_missing)
{
    char path[128];
    write_sample();
    snprintf(path, sizeof path, "%s/links.csv", folder);
    cr_assert_eq(remove(path), 0);
    snprintf(path, sizeof path, "%s/response.csv", folder);
    cr_assert_eq(remove(path), 0);
    expect_ok(spa_trace_read(&trace, folder, NULL, err));
    cr_assert(trace.n_links == 0 && trace.n_responses == 0);
}

Test(trace, a_folder_without_meta_is_refused)
{
    expect_refusal(spa_trace_read(&trace, folder, NULL, err), SPA_E_IO, "meta.ini");
    expect_refusal(spa_trace_read(&trace, "/no/such/folder", NULL, err), SPA_E_IO, "meta.ini");
}

#define COSTS                                                                                      \
    "op,processor,backend,cores,batch,dtype,part,corun,samples,mean_us,std_us,p50_us,p95_us,"      \
    "energy_uj,origin\n"

static void expect_bad_costs(const char *rows, const char *message)
{
    char text[1024];
    snprintf(text, sizeof text, "%s%s", COSTS, rows);
    put_file("tiny_chain.costs.csv", text);
    expect_refusal(spa_trace_read(&trace, folder, NULL, err), SPA_E_PARSE, message);
    cr_assert(trace.models == NULL && trace.arena.head == NULL);
}

Test(trace, bad_cost_rows_are_refused_with_line_and_column)
{
    write_sample();
    expect_bad_costs("conv1,cpu0,blas,1,1,fp32,1,,,1,,,,,measured\n",
                     "costs.csv:2: column 'op': graph 'tiny_chain' has no operator 'conv1'");
    expect_bad_costs("conv,cpu0,blas,1,1,fp32,1,,,1,,,,,measured\n"
                     "bn,cpu0,blas,1,1,fp32,1,,,1,,,,,measured\n"
                     "conv,cpu0,blas,1,1,fp32,1,,,2,,,,,measured\n",
                     "costs.csv:4: the same op, processor, backend, cores, batch, dtype, part and "
                     "corun as in line 2");
    expect_bad_costs("conv,,blas,1,1,fp32,1,,,1,,,,,measured\n",
                     "costs.csv:2: column 'processor': is empty");
    expect_bad_costs("conv,cpu0,blas,1,1,fp32,0,,,1,,,,,measured\n",
                     "costs.csv:2: column 'part': a part is more than 0 and at most 1");
    expect_bad_costs("conv,cpu0,blas,1,1,fp32,1,,,,,,,,measured\n",
                     "costs.csv:2: column 'mean_us': neither mean_us nor p50_us is known");
    expect_bad_costs("conv,cpu0,blas,1,1,fp32,1,,,1,,3,2,,measured\n",
                     "costs.csv:2: column 'p95_us': 2 is below the median 3");
    expect_bad_costs("conv,cpu0,blas,1,1,fp32,1,,,1,,,,,\n", "costs.csv:2: column 'origin': ");
    expect_bad_costs("conv,cpu0,blas,1,1,fp32,1,,,1,,,,,unknown\n",
                     "a trace must know where its numbers come from");
    expect_bad_costs("conv,cpu0,blas,1,1,fp23,1,,,1,,,,,measured\n", "did you mean 'fp32'?");
}

Test(trace, negative_and_nan_times_are_refused)
{
    static const char *const bad[] = {"-1", "nan", "inf", "1e999", "x"};
    write_sample();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "%sconv,cpu0,blas,1,1,fp32,1,,,%s,,,,,measured\n", COSTS,
                 bad[i]);
        put_file("tiny_chain.costs.csv", text);
        spa_error e = {0};
        cr_assert_neq(spa_trace_read(&trace, folder, NULL, &e), SPA_OK, "%s", bad[i]);
        cr_assert_not_null(strstr(e.message, "costs.csv:2: column 'mean_us': "), "%s", e.message);
    }
}

Test(trace, an_unknown_column_suggests_the_nearest)
{
    write_sample();
    put_file("links.csv", "from,to,bytes,latency_ms,p50_us,bandwidth_gbs,origin\n");
    expect_refusal(spa_trace_read(&trace, folder, NULL, err), SPA_E_NOT_FOUND,
                   "links.csv:1: unknown column 'latency_ms'; did you mean 'latency_us'?");
}

Test(trace, bad_links_and_responses_are_refused)
{
    write_sample();
    put_file("links.csv", "from,to,bytes,latency_us,p50_us,bandwidth_gbs,origin\n"
                          "cpu0,cpu1,4,,,,measured\n");
    expect_refusal(spa_trace_read(&trace, folder, NULL, err), SPA_E_PARSE,
                   "links.csv:2: column 'latency_us': neither latency_us, p50_us nor");
    put_file("links.csv", "from,to,bytes,latency_us,p50_us,bandwidth_gbs,origin\n"
                          "cpu0,cpu1,4,1,,,measured\ncpu0,cpu1,4,2,,,measured\n");
    expect_refusal(spa_trace_read(&trace, folder, NULL, err), SPA_E_PARSE,
                   "links.csv:3: the same from, to and bytes as in line 2");
    put_file("links.csv", "from,to,bytes,latency_us,p50_us,bandwidth_gbs,origin\n");
    put_file("response.csv", "processor,backend,kind,shape_class,input_zeros,speedup,origin\n"
                             "cpu0,sparse,conf,3x3,0.5,1,measured\n");
    expect_refusal(spa_trace_read(&trace, folder, NULL, err), SPA_E_PARSE, "did you mean 'conv'?");
    put_file("response.csv", "processor,backend,kind,shape_class,input_zeros,speedup,origin\n"
                             "cpu0,sparse,conv,3x3,0.5,0,measured\n");
    expect_refusal(spa_trace_read(&trace, folder, NULL, err), SPA_E_PARSE,
                   "response.csv:2: column 'speedup': must be more than 0");
}

static void expect_bad_meta(const char *text, const char *message)
{
    spa_error e = {0};
    put_file("meta.ini", text);
    cr_assert_neq(spa_trace_read(&trace, folder, NULL, &e), SPA_OK);
    cr_assert_not_null(strstr(e.message, message), "%s", e.message);
    cr_assert_null(trace.arena.head);
}

Test(trace, bad_meta_files_are_refused)
{
#define TRACE  "[trace]\nformat = 1\norigin = measured\n"
#define PRINT  "[fingerprint]\nmachine = m\nstack = s\n"
#define MODELS "[models]\ntiny_chain = 0000000000000000\n"
    write_sample();
    expect_bad_meta(PRINT MODELS, "no section [trace]");
    expect_bad_meta("[trace]\nformat = 2\norigin = measured\n" PRINT MODELS, "meta.ini:2: ");
    expect_bad_meta("[trace]\nformat = 1\norigin = mesured\n" PRINT MODELS,
                    "meta.ini:3: unknown origin 'mesured'; did you mean 'measured'?");
    expect_bad_meta(TRACE "[fingerprint]\nmachine = m\n" MODELS, "has no key 'stack'");
    expect_bad_meta(TRACE "[fingerprint]\nmachine =\nstack = s\n" MODELS,
                    "meta.ini:5: [fingerprint] machine is empty");
    expect_bad_meta(TRACE PRINT, "no models");
    expect_bad_meta(TRACE PRINT "[models]\n../x = 0000000000000000\n",
                    "meta.ini:8: '../x' is no model name");
    expect_bad_meta(TRACE PRINT "[models]\nx = 12\n", "no graph hash of 16 hexadecimal digits");
    expect_bad_meta(TRACE "colour = red\n" PRINT MODELS, "unknown key 'colour'");
    expect_bad_meta(TRACE PRINT MODELS, "meta.ini records 0000000000000000");
}

Test(trace, what_could_not_be_read_is_not_written)
{
    sample s;
    fill(&s);
    s.costs[0].mean_us = -1;
    expect_refusal(spa_trace_write(&s.trace, folder, err), SPA_E_RANGE, "column 'mean_us'");
    s.costs[0].mean_us = 1;
    s.costs[2].op = 6;
    expect_refusal(spa_trace_write(&s.trace, folder, err), SPA_E_INVALID, "operator 6");
    s.costs[2].op = 5;
    s.costs[1].corun = "";
    expect_refusal(spa_trace_write(&s.trace, folder, err), SPA_E_PARSE, "the same op");
    s.costs[1].corun = NULL; /* as good as "" */
    s.costs[1].cores = 2;
    s.trace.fingerprint.machine = "CPU #1";
    expect_refusal(spa_trace_write(&s.trace, folder, err), SPA_E_INVALID,
                   "does not fit one INI value");
    s.trace.fingerprint.machine = "";
    expect_refusal(spa_trace_write(&s.trace, folder, err), SPA_E_INVALID, "a machine and a stack");
    s.trace.fingerprint.machine = "CPU";
    s.model.name = "a/b";
    expect_refusal(spa_trace_write(&s.trace, folder, err), SPA_E_INVALID, "no model name");
    s.model.name = "tiny_chain";
    expect_ok(spa_trace_write(&s.trace, folder, err));
    spa_graph_fini(&s.model.graph);
}
