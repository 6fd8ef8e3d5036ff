/* sparoa import: what other programs measured becomes rows of a trace, and tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/text.h"
#include "tests/experiments/cli.h"
#include "traces/trace.h"

static const char gpu[] = "[{\"count\": 9},"
                          " {\"name\": \"/conv1/Conv + /relu/Relu\", \"averageMs\": 0.02},"
                          " {\"name\": \"copy\", \"averageMs\": 0.01}]";
static const char cpu[] =
    "[{\"cat\":\"Node\",\"ph\":\"X\",\"name\":\"n1_kernel_time\",\"dur\":70,\"ts\":1,\"args\":"
    "{\"op_name\":\"Conv\",\"provider\":\"CPUExecutionProvider\",\"output_type_shape\":"
    "[{\"float\":[1,64,112,112]}]}}]";

static void put(char path[512], const char *name, const char *text)
{
    snprintf(path, 512, "%s/%s", cli_folder(), name);
    cli_write(path, text, strlen(text));
}

Test(cli_import, profiles_of_two_programs_become_one_trace_of_two_processors)
{
    char one[512], two[512], folder[512];
    spa_trace trace;
    spa_error err;
    put(one, "gpu.json", gpu);
    put(two, "cpu.json", cpu);
    snprintf(folder, sizeof folder, "%s/trace", cli_folder());
    json_t *d = cli_json("import trtexec %s --model resnet18 -o %s --json", one, folder);
    cr_assert_str_eq(json_string_value(json_object_get(d, "schema")), "sparoa.import/1");
    cr_assert_float_eq(json_number_value(json_object_get(d, "mapped_share")), 20.0 / 30, 1e-9);
    const json_t *lost = json_array_get(json_object_get(d, "not_mapped"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(lost, "name")), "copy");
    cr_assert_float_eq(json_number_value(json_object_get(lost, "share")), 10.0 / 30, 1e-9);
    /* 69 operators; conv1, bn1 and relu are mapped, one is a view */
    cr_assert_eq(json_array_size(json_object_get(d, "without_time")), 69 - 3 - 1);
    json_decref(d);
    for (int again = 0; again < 2; again++) { /* the second time its own rows are replaced */
        cli_result r = cli("import ort %s --model resnet18 -o %s", two, folder);
        cr_assert_eq(r.code, 0, "%s", r.err);
        cr_assert(strstr(r.out, "mapped: 100.0 %"), "%s", r.out);
        cli_free(&r);
        cr_assert_eq(spa_trace_read(&trace, folder, NULL, &err), SPA_OK, "%s", err.message);
        cr_assert_eq(trace.n_models, 1);
        cr_assert_eq(trace.origin, SPA_ORIGIN_IMPORTED);
        cr_assert_str_eq(trace.fingerprint.stack, "mixed");
        size_t n_gpu = 0;
        const spa_trace_model *m = &trace.models[0];
        for (size_t i = 0; i < m->n_costs; i++) n_gpu += !strcmp(m->costs[i].processor, "gpu");
        cr_assert_eq(n_gpu, 3);
        cr_assert_eq(m->n_costs, 6);
        spa_trace_fini(&trace);
    }
}

/* Profiles of a fused graph: each operator with a kernel takes 10 us on the GPU, 100 us on the CPU.
 */
static void profile_graph(const char *graph, char one[512], char two[512])
{
    size_t size;
    spa_string a = {0}, b = {0};
    char *text = cli_read(graph, &size), *rest = NULL;
    spa_string_append(&a, "[{\"count\": 9}");
    spa_string_append(&b, "[");
    strtok_r(text, "\n", &rest);
    for (char *row; (row = strtok_r(NULL, "\n", &rest)) != NULL;) {
        char name[64], kind[64];
        if (sscanf(row, "%63[^,],%63[^,]", name, kind) != 2 || !strcmp(kind, "graph") ||
            !strcmp(kind, "input") || !strcmp(kind, "reshape"))
            continue;
        spa_string_append(&a, ",{\"name\":\"%s\",\"averageMs\":0.01}", name);
        spa_string_append(
            &b,
            "%s{\"cat\":\"Node\",\"ph\":\"X\",\"name\":\"%s_kernel_time\",\"dur\":100,"
            "\"ts\":1,\"args\":{\"provider\":\"CPUExecutionProvider\"}}",
            b.length > 1 ? "," : "", name);
    }
    spa_string_append(&a, "]");
    spa_string_append(&b, "]");
    put(one, "fused_gpu.json", a.text);
    put(two, "fused_cpu.json", b.text);
    spa_string_fini(&a);
    spa_string_fini(&b);
    free(text);
}

/* 23 kernels and a view: 230 us on the GPU; launches (5 us, the first before its kernel) and moves
 * add at most as much again. 2300 us on the CPU. */
Test(cli_import, the_example_device_simulates_what_was_imported_onto_a_fused_graph)
{
    char graph[512], one[512], two[512], folder[512], device[512];
    size_t size;
    char *text = cli_read("docs/examples/imported.device", &size);
    put(device, "imported.device", text);
    free(text);
    snprintf(graph, sizeof graph, "%s/fused.graph.csv", cli_folder());
    snprintf(folder, sizeof folder, "%s/mine", cli_folder());
    cli_result r = cli("inspect resnet18 --rewrite tensorrt --dtype fp16 -o %s", graph);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    profile_graph(graph, one, two);
    json_decref(
        cli_json("import trtexec %s --model %s --dtype fp16 -o %s --json", one, graph, folder));
    json_decref(cli_json("import ort %s --model %s --dtype fp16 -o %s --json", two, graph, folder));
    json_t *d = cli_json("compare %s --device %s --dtype fp16 --noise off --policy "
                         "gpu-only,cpu-only --json",
                         graph, device);
    const json_t *run = json_array_get(json_object_get(d, "runs"), 0),
                 *rows = json_object_get(run, "results");
    double ms[2];
    cr_assert_eq(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);
        ms[i] = json_number_value(json_object_get(json_object_get(row, "latency_ms"), "mean"));
        cr_assert(strstr(json_string_value(json_object_get(row, "origin")), "imported"));
    }
    cr_assert(ms[0] > 0.23 && ms[0] < 0.46, "%g", ms[0]);
    cr_assert(ms[1] > 2.3 && ms[1] < 2.4, "%g", ms[1]);
    json_decref(d);
}

Test(cli_import, logs_become_tables_and_csv)
{
    char log[512], table[512];
    size_t size;
    put(log, "tegra.log",
        "05-13-2026 23:59:59 RAM 1/2MB CPU [1%@1] GR3D_FREQ 5% VDD_IN 4000mW/1mW VDD_SOC 1mW/1mW\n"
        "05-14-2026 00:00:00 RAM 1/2MB CPU [1%@1] GR3D_FREQ 5% VDD_IN 6000mW/1mW VDD_SOC "
        "1mW/1mW\n");
    snprintf(table, sizeof table, "%s/power.csv", cli_folder());
    json_t *d = cli_json("import tegrastats %s -o %s --json", log, table);
    const json_t *rail = json_array_get(json_object_get(d, "rails"), 0);
    cr_assert(json_is_true(json_object_get(rail, "board")));
    cr_assert_float_eq(json_number_value(json_object_get(rail, "mean_w")), 5, 1e-9);
    cr_assert_float_eq(json_number_value(json_object_get(rail, "energy_j")), 5, 1e-9);
    json_decref(d);
    char *text = cli_read(table, &size);
    cr_assert_str_eq(text, "time_s,cpu_load,cpu_mhz,gpu_load,gpu_mhz,hottest_c,VDD_IN_w,VDD_SOC_w\n"
                           "0,0.0100,1.0,0.05,,,4.000,0.001\n"
                           "1,0.0100,1.0,0.05,,,6.000,0.001\n");
    free(text);
    cli_expect_failure(1, "between 5 and inf s; the log has 1 s", "import tegrastats %s --from 5",
                       log);
    put(log, "old.log", "RAM 1/2MB CPU [1%@1] GR3D_FREQ 5% VDD_IN 4000/1\n");
    cli_result r = cli("import tegrastats %s", log);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "1 lines, without dates\n"), "%s", r.out);
    cli_free(&r);
    cli_expect_failure(1, "have no dates", "import tegrastats %s --from 1 --until 2", log);
}

Test(cli_import, summaries_of_kernels_are_told_apart_by_what_they_compute)
{
    char file[512];
    put(file, "kern.csv",
        "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name\n"
        "75.0,3000000,10,300000,290000,1,2,3,ampere_sgemm_64x64_tn\n"
        "25.0,1000000,4,250000,250000,1,2,3,\"void "
        "at::native::vectorized_elementwise_kernel<4>\"\n");
    json_t *d = cli_json("import nsys %s --json", file);
    const json_t *classes = json_object_get(d, "classes"), *first = json_array_get(classes, 0);
    cr_assert_eq(json_array_size(classes), 2);
    cr_assert_str_eq(json_string_value(json_object_get(first, "class")), "gemm");
    cr_assert_float_eq(json_number_value(json_object_get(first, "ms")), 3, 1e-9);
    json_decref(d);
    put(file, "many.csv",
        "Total Time (ns),Instances,Med (ns),Name\n1,9223372036854775807,1,gemm\n");
    cli_expect_failure(1, "many.csv:2: column 'Instances'", "import nsys %s", file);
    put(file, "other.csv", "a,b\n1,2\n");
    cli_expect_failure(1, "cuda_gpu_kern_sum", "import nsys %s", file);
}

Test(cli_import, what_cannot_be_imported_is_refused_with_words)
{
    char file[512], folder[512];
    spa_error err;
    put(file, "gpu.json", gpu);
    snprintf(folder, sizeof folder, "%s/other", cli_folder());
    cli_expect_failure(2, "did you mean 'trtexec'", "import trtexc x.json");
    cli_expect_failure(2, "a format and a file", "import trtexec");
    cli_expect_failure(2, "--model", "import trtexec %s -o %s", file, folder);
    cli_expect_failure(2, "-o DIR", "import trtexec %s --model resnet18", file);
    cli_expect_failure(2, "--layers belongs", "import ort %s --model resnet18 -o x --layers y",
                       file);
    cli_expect_failure(2, "resnet18", "import trtexec %s --model resnet81 -o %s", file, folder);
    cli_expect_failure(1, "nowhere.json", "import trtexec nowhere.json --model resnet18 -o %s",
                       folder);
    cli_expect_failure(1, "is --model the model", "import trtexec %s --model vit_b_16 -o %s", file,
                       folder);
    cr_assert_not(cli_exists(folder));
    cli_result r = cli("import trtexec %s --model resnet18 -o %s", file, folder);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    cli_expect_failure(1, "another graph under the name",
                       "import trtexec %s --model resnet18 --batch 2 -o %s", file, folder);
    spa_trace trace;
    cr_assert_eq(spa_trace_read(&trace, folder, NULL, &err), SPA_OK); /* as it was */
    cr_assert_eq(trace.models[0].n_costs, 3);
    spa_trace_fini(&trace);
}
