/* Fits to published measurements: the solvers on synthetic data with known parameters, the split
 * simulation by hand, and, where the measurements are there, the committed file and the targets. */
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ini.h"
#include "experiments/fidelity.h"
#include "tests/base/check.h"

/* ---- solvers --------------------------------------------------------------------------------- */

Test(fit, quality_is_the_relative_error_by_hand)
{
    /* errors 0.1, 0, 0.5: median 0.1; p95 at 0.95 * 2 = 1.9: 0.1 + 0.9 * 0.4 = 0.46 */
    const double predicted[] = {110, 20, 15}, measured[] = {100, 20, 10};
    fit_quality q;
    expect_ok(fit_quality_of(predicted, measured, 3, &q, err));
    cr_assert_eq(q.n, 3);
    cr_assert_float_eq(q.median, 0.1, 1e-12);
    cr_assert_float_eq(q.p95, 0.46, 1e-12);
    cr_assert_float_eq(q.max, 0.5, 1e-12);
    expect_error(fit_quality_of(predicted, measured, 0, &q, err), SPA_E_INVALID,
                 "no measurement to compare with");
}

Test(fit, non_negative_least_squares_recovers_known_coefficients)
{
    /* b = 2 x0 + 0 x1 + 0.5 x2 */
    const double a[] = {1, 2, 3, 2, 1, 0, 0, 1, 4, 5, 1, 1, 3, 3, 2};
    double b[5], x[3];
    for (int i = 0; i < 5; i++) b[i] = 2 * a[3 * i] + 0.5 * a[3 * i + 2];
    expect_ok(fit_nnls(a, b, 5, 3, x, err));
    cr_assert_float_eq(x[0], 2, 1e-10);
    cr_assert_float_eq(x[1], 0, 1e-10);
    cr_assert_float_eq(x[2], 0.5, 1e-10);
}

Test(fit, a_coefficient_that_wants_to_be_negative_is_zero_and_the_others_are_refitted)
{
    /* Free least squares of b = (2, 1, 0) on the columns (1,1,1) and (0,1,2) is 2 - t. With the
     * slope held at 0 the best constant is the mean, 1. */
    const double a[] = {1, 0, 1, 1, 1, 2}, b[] = {2, 1, 0};
    double x[2];
    expect_ok(fit_nnls(a, b, 3, 2, x, err));
    cr_assert_float_eq(x[0], 1, 1e-12);
    cr_assert_eq(x[1], 0);
}

Test(fit, a_column_twice_is_no_disaster)
{
    const double a[] = {1, 1, 2, 2, 3, 3}, b[] = {3, 6, 9};
    double x[2];
    expect_ok(fit_nnls(a, b, 3, 2, x, err));
    cr_assert_float_eq(x[0] + x[1], 3, 1e-9);
    expect_error(fit_nnls(a, b, 1, 2, x, err), SPA_E_INVALID,
                 "least squares of 1 values for 2 unknowns");
}

static void decay(void *user, const double *p, double *r)
{
    (void)user;
    for (int i = 0; i < 6; i++) r[i] = p[0] * exp(-p[1] * i) - 3 * exp(-0.5 * i);
}

Test(fit, nonlinear_least_squares_recovers_known_parameters)
{
    double p[2] = {1, 1};
    gsl_set_error_handler_off();
    expect_ok(fit_nonlinear(decay, NULL, 6, p, 2, err));
    cr_assert_float_eq(p[0], 3, 1e-6);
    cr_assert_float_eq(p[1], 0.5, 1e-6);
}

/* ---- the split network ----------------------------------------------------------------------- */

/* Layers of a made-up network: 3x3 and 1x1 convolutions, a pool now and then, one head. */
static void made_up(fit_split *s, int32_t n)
{
    memset(s, 0, sizeof *s);
    s->n_layers = n;
    for (int32_t i = 0; i < n; i++) {
        fit_layer *l = &s->layers[i];
        bool pool = i % 5 == 4;
        *l = (fit_layer){.type = i == n - 1 ? 'y'
                                 : pool     ? 'm'
                                            : 'c',
                         .stride = 1,
                         .ksize = pool    ? 5
                                  : i % 2 ? 1
                                          : 3,
                         .in_c = 4,
                         .in_h = 8,
                         .in_w = 8,
                         .out_c = 4,
                         .out_h = 8,
                         .out_w = 8,
                         .from = {i - 1},
                         .n_from = 1,
                         .out_bytes = 1024,
                         .pulled = i % 3 == 0};
        l->flops = l->type == 'c' ? 1e8 * (1 + i * 7 % 11) : l->type == 'm' ? 2e6 * (1 + i % 3) : 0;
    }
}

Test(fit, rates_of_a_split_network_are_recovered_from_its_sums)
{
    static fit_split s;
    const double per_gflop3 = 30, per_gflop1 = 20, per_mpool = 1.5; /* ms */
    made_up(&s, 40);
    for (int32_t k = 1; k <= 40; k++) {
        fit_cut *c = &s.one[k];
        *c = (fit_cut){.workers = 1, .images = 1, .pre_ms = 13, .gpu_ms = 2, .post_ms = 0.5};
        for (int32_t i = 0; i < k; i++) c->gpu_ms += 0.05 + s.layers[i].flops * 1e-9 * 0.8;
        for (int32_t i = k; i < 40; i++) {
            const fit_layer *l = &s.layers[i];
            if (l->type == 'c')
                c->cpu_ms += l->flops * 1e-9 * (l->ksize > 1 ? per_gflop3 : per_gflop1);
            else
                c->cpu_ms += l->flops * 1e-6 * per_mpool;
        }
        s.many[k] = *c; /* no slower with many: no interference */
        s.many[k].beside_gpu = s.many[k].beside_cpu = 3;
        s.many[k].beside_gpu2 = 9;
    }
    expect_ok(fit_split_fit(&s, err));
    cr_assert_float_eq(s.cpu[CPU_GFLOP3], per_gflop3, 0.01);
    cr_assert_float_eq(s.cpu[CPU_GFLOP1], per_gflop1, 0.01);
    cr_assert_float_eq(s.cpu[CPU_MPOOL], per_mpool, 0.01);
    cr_assert_float_eq(s.gpu[GPU_INPUT], 2, 0.01);
    cr_assert_float_eq(s.gpu[GPU_GFLOP], 0.8, 0.01);
    cr_assert_float_eq(s.gpu[GPU_CONV], 0.05, 0.005);
    cr_assert_float_eq(s.pre_ms, 13, 1e-9);
    cr_assert_lt(s.gpu_slow_a + s.gpu_slow_b + s.cpu_slow_a, 1e-6);
    cr_assert_lt(s.cpu_fit.max, 1e-4);
}

/* Two 1x1 convolutions and a head. GPU: 1 ms each, image 1 ms; CPU: 10 ms each; pre 4, post 2. */
static void two_layers(fit_split *s)
{
    made_up(s, 3);
    for (int32_t i = 0; i < 2; i++) {
        s->layers[i].ksize = 1;
        s->layers[i].flops = 1e9;
        s->layers[i].pulled = false;
    }
    s->gpu[GPU_INPUT] = 1;
    s->gpu[GPU_GFLOP] = 1;
    s->cpu[CPU_GFLOP1] = 10;
    s->pre_ms = 4;
    s->post_ms = 2;
}

Test(fit, one_worker_takes_the_sum_of_the_parts)
{
    static fit_split s;
    fit_simulated out;
    two_layers(&s);
    /* k = 1: pre 4, GPU part 1 + 1, CPU part 10, post 2: 18 ms an image, one after the other. */
    expect_ok(fit_split_simulate(&s, 1, 1, 4, &out, err));
    cr_assert_float_eq(out.pre_ms, 4, 1e-4);
    cr_assert_float_eq(out.gpu_ms, 2, 1e-4);
    cr_assert_float_eq(out.cpu_ms, 10, 1e-4);
    cr_assert_float_eq(out.total_ms, 18, 1e-4);
    cr_assert_float_eq(out.fps, 1000.0 / 18, 1e-3);
}

Test(fit, workers_share_the_critical_section_and_overlap_the_rest)
{
    static fit_split s;
    fit_simulated out;
    two_layers(&s);
    /* Section 6 ms, rest 12 ms: the third worker enters at 12 as the first leaves at 18, so three
     * keep the section full: image i enters at 6 i, the last of 9 leaves at 48 + 18 = 66 ms. */
    expect_ok(fit_split_simulate(&s, 1, 3, 9, &out, err));
    cr_assert_float_eq(out.fps, 9 / 0.066, 1e-2);
    cr_assert_float_eq(out.total_ms, 18, 1e-4);
}

Test(fit, a_pulled_output_stops_the_dispatch_until_it_is_on_the_host)
{
    static fit_split s;
    fit_simulated out;
    two_layers(&s);
    s.layers[0].pulled = true;
    s.gpu[GPU_PULL] = 3;
    /* k = 2: image 1, layer 1, pull 3, layer 1: 6 ms; the copy holds up the second layer. */
    expect_ok(fit_split_simulate(&s, 2, 1, 2, &out, err));
    cr_assert_float_eq(out.gpu_ms, 6, 1e-4);
}

Test(fit, interference_slows_the_kernels_beside_busy_cores)
{
    static fit_split s;
    fit_simulated alone, beside;
    two_layers(&s);
    s.cpu_slow_a = 0.1;
    s.gpu_slow_b = 0.5;
    expect_ok(fit_split_simulate(&s, 1, 1, 9, &alone, err));
    expect_ok(fit_split_simulate(&s, 1, 3, 9, &beside, err));
    cr_assert_float_eq(alone.gpu_ms, 2, 1e-4);
    cr_assert_gt(beside.gpu_ms, 2.2);
    cr_assert_gt(beside.cpu_ms, 10.5);
    cr_assert_float_eq(beside.pre_ms, 4, 1e-4); /* has a measured factor of its own: 1 */
    expect_error(fit_split_simulate(&s, 0, 1, 1, &alone, err), SPA_E_INVALID,
                 "0 layers on the GPU, 1 workers, 1 images");
}

/* ---- networks -------------------------------------------------------------------------------- */

Test(fit, networks_have_the_published_sizes)
{
    const struct {
        const char *name;
        double gmacs, mparams; /* the papers' and torchvision's; biases of folded norms are ours */
    } known[] = {
        {"squeezenet", 0.388, 1.24},   {"mobilenet", 0.569, 4.23}, {"mobilenet_v2", 0.301, 3.50},
        {"mobilenet_v3", 0.219, 5.48}, {"mnasnet", 0.315, 4.38},   {"efficientnet_b0", 0.386, 5.29},
        {"googlenet", 1.58, 7.0},      {"resnet18", 1.814, 11.69}, {"alexnet", 0.724, 60.97},
        {"vgg16", 15.47, 138.36},      {"resnet50", 4.09, 25.56}};
    cr_assert_eq(fit_nets_count(), sizeof known / sizeof *known);
    for (size_t i = 0; i < fit_nets_count(); i++) {
        spa_graph graph = {0};
        expect_ok(fit_nets_build(i, &graph, err));
        cr_assert_str_eq(fit_nets_name(i), known[i].name);
        cr_assert_float_eq((double)graph.total_macs / 1e9 / known[i].gmacs, 1, 0.015, "%s: %.3f",
                           known[i].name, (double)graph.total_macs / 1e9);
        cr_assert_float_eq((double)graph.total_params / 1e6 / known[i].mparams, 1, 0.01, "%s: %.3f",
                           known[i].name, (double)graph.total_params / 1e6);
        spa_graph_fini(&graph);
    }
}

Test(fit, more_cores_divide_the_parallel_part_and_pay_the_barrier)
{
    /* One 1x1 convolution, 3 -> 1000 channels on 10x10: 300 000 MACs, 0.3 ms at 1 GMAC/s. */
    spa_graph graph;
    spa_op_attrs a = {.kernel_h = 1,
                      .kernel_w = 1,
                      .stride_h = 1,
                      .stride_w = 1,
                      .dilation_h = 1,
                      .dilation_w = 1,
                      .groups = 1};
    spa_shape out = {4, {1, 1000, 10, 10}};
    int32_t input = SPA_GRAPH_INPUT(0), index = 0;
    fit_ncnn_rates r = {.per_s = {[NCNN_CONV1X1] = 1e9},
                        .bytes_per_s = 1e15,
                        .max_bytes_per_s = 1e15,
                        .move_bytes_per_s = 1e15,
                        .parallel = 0.5,
                        .barrier_ns = 1e5};
    spa_graph_init(&graph, "one", 1, SPA_FP16);
    graph.n_graph_inputs = 1;
    graph.graph_inputs[0] = (spa_shape){4, {1, 3, 10, 10}};
    expect_ok(spa_graph_add(&graph, "c", SPA_OP_CONV, &a, &input, 1, &out, &index, err));
    expect_ok(spa_graph_finish(&graph, err));
    cr_assert_float_eq(fit_ncnn_ms(&graph, &r, 1), 0.3, 1e-9);
    /* 0.3 * (0.5 + 0.5/2) + 0.1 * (0.88 + 2 * 0.24) */
    cr_assert_float_eq(fit_ncnn_ms(&graph, &r, 2), 0.225 + 0.136, 1e-9);
    /* x_half = 100 000 elements a core: at 1 core half the rate. */
    r.x_half = 1e5;
    cr_assert_float_eq(fit_ncnn_ms(&graph, &r, 1), 0.6, 1e-9);
    /* 3 values to each of 100 pixels x 1000: 2 * (300 + 100 000 + 3000) bytes at 1 GB/s and less
     * work */
    r.bytes_per_s = r.max_bytes_per_s = 1e6;
    cr_assert_float_eq(fit_ncnn_ms(&graph, &r, 1), 206.6, 1e-9);
    spa_graph_fini(&graph);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static fidelity_case judged(fidelity_rule rule, double limit, double limit_p95)
{
    /* errors 0, 0, 1 %, 5 %, 20 %: median 1 %, p95 at 3.8: 5 + 0.8 * 15 = 17 %, 4 within 5 % */
    const double predicted[] = {100, 100, 101, 95, 120};
    fidelity f = {0};
    fidelity_case c;
    fidelity_open(&f, "a", "b", "c", rule, limit)->limit_p95 = limit_p95;
    for (int i = 0; i < 5; i++) expect_ok(fidelity_add(&f, "ms", 100, predicted[i], err, "%d", i));
    expect_ok(fidelity_close(&f, err));
    c = f.cases[0];
    fidelity_fini(&f);
    return c;
}

Test(fit, a_case_is_met_by_its_rule_and_by_nothing_else)
{
    fidelity_case c = judged(FIDELITY_MEDIAN, 0.0501, 0.171);
    cr_assert(c.met);
    cr_assert_eq(c.within, 4);
    cr_assert_float_eq(c.error.p95, 0.17, 1e-12);
    cr_assert_float_eq(c.bias, 0.032, 1e-12);
    cr_assert_not(judged(FIDELITY_MEDIAN, 0.05, 0.169).met);
    cr_assert(judged(FIDELITY_MEDIAN, 0.0101, 0).met);
    cr_assert_not(judged(FIDELITY_MEDIAN, 0.0099, 0).met);
    cr_assert_not(judged(FIDELITY_EACH, 0.199, 0).met);
    cr_assert(judged(FIDELITY_EACH, 0.201, 0).met);
    cr_assert_not(judged(FIDELITY_AT_LEAST, 0.03, 0).met);
    cr_assert(judged(FIDELITY_AT_LEAST, 0.04, 0).met);
}

/* ---- the measurements ------------------------------------------------------------------------ */

/* `make test DATA=FOLDER` puts the variable into the environment. */
static const char *data_folder(void)
{
    const char *folder = getenv("DATA");
    return folder && *folder ? folder : "../shared/data";
}

static void need_data(void)
{
    gsl_set_error_handler_off();
    if (fit_data_present(data_folder())) return;
    fprintf(stderr, "skipped: the published measurements are not in %s (set DATA=FOLDER)\n",
            data_folder());
    cr_skip_test("no measurements in %s", data_folder());
}

Test(fit, a_folder_without_measurements_is_seen_and_named)
{
    fit_orin *orin = NULL;
    cr_assert_not(fit_data_present("tests/data"));
    expect_error(fit_orin_new(&orin, "tests/data", err), SPA_E_IO,
                 "tests/data/agx-orin-split/layers_yolov7-tiny.csv: cannot be read");
    cr_assert_null(orin);
}

/* Numbers of the committed file against a fresh fit's, key by key. Not byte by byte: the last digit
 * depends on the machine's BLAS and libm. */
Test(fit, a_fresh_fit_gives_the_committed_values)
{
    fit_orin *orin = NULL;
    spa_string text = {0};
    spa_ini committed, fresh;
    need_data();
    expect_ok(fit_orin_new(&orin, data_folder(), err));
    expect_ok(fit_orin_print(orin, &text, err));
    expect_ok(spa_ini_parse(&fresh, "fresh", text.text, text.length, err));
    expect_ok(spa_ini_read(&committed, "devices/data/agx-orin.fit.ini", err));
    cr_assert_eq(committed.n_entries, fresh.n_entries);
    for (size_t i = 0; i < fresh.n_entries; i++) {
        const spa_ini_entry *f = &fresh.entries[i], *c = &committed.entries[i];
        double x = 0, y = 0;
        cr_assert_str_eq(c->section, f->section);
        cr_assert_str_eq(c->key, f->key);
        cr_assert(spa_parse_double(f->value, &x) && spa_parse_double(c->value, &y));
        cr_assert(fabs(x - y) <= 1e-3 * fabs(x), "[%s] %s: committed %s, fitted %s", c->section,
                  c->key, c->value, f->value);
    }
    spa_ini_fini(&committed);
    spa_ini_fini(&fresh);
    spa_string_fini(&text);
    fit_orin_free(orin);
}

Test(fit, the_committed_file_names_its_inputs_by_sha256)
{
    char *text = NULL;
    size_t size = 0;
    fit_orin *orin = NULL;
    need_data();
    expect_ok(spa_read_file("devices/data/agx-orin.fit.ini", 1 << 20, false, &text, &size, err));
    expect_ok(fit_orin_new(&orin, data_folder(), err));
    for (size_t i = 0; i < orin->data.n_sources; i++)
        cr_assert(strstr(text, orin->data.sources[i].sha256), "%s is not the file that was fitted",
                  orin->data.sources[i].path);
    fit_orin_free(orin);
    free(text);
}

Test(fit, the_layers_of_the_split_network_have_the_macs_of_their_graph)
{
    fit_orin *orin = NULL;
    spa_graph graph = {0};
    need_data();
    expect_ok(fit_orin_new(&orin, data_folder(), err));
    expect_ok(fit_split_graph(&orin->split, &graph, err));
    cr_assert_eq(graph.n_ops, (size_t)orin->split.n_layers + 2);
    for (int32_t i = 0; i < orin->split.n_layers; i++) {
        const fit_layer *l = &orin->split.layers[i];
        if (l->type != 'c') continue;
        cr_assert_float_eq(2 * (double)graph.ops[i + 1].macs, l->flops, 0.5, "layer %d", (int)i);
    }
    spa_graph_fini(&graph);
    fit_orin_free(orin);
}

static const fidelity_case *expect_met(const fidelity *f, const char *name)
{
    const fidelity_case *c = fidelity_find(f, name);
    cr_assert_not_null(c, "%s", name);
    cr_assert(c->met, "%s: median %.2f %%, p95 %.2f %%, max %.2f %%", name, 100 * c->error.median,
              100 * c->error.p95, 100 * c->error.max);
    return c;
}

Test(fit, predictions_meet_their_targets)
{
    fidelity f;
    need_data();
    expect_ok(fidelity_run(&f, data_folder(), err));
    expect_met(&f, "darknet split, 1 worker: image");
    expect_met(&f, "darknet split, 1 worker: GPU part");
    expect_met(&f, "darknet split, 1 worker: CPU part");
    cr_assert_eq(expect_met(&f, "darknet split, N workers: throughput")->n, 25);
    expect_met(&f, "darknet split, N workers: best k");
    expect_met(&f, "PyTorch eager, 15 W sums: median");
    expect_met(&f, "ncnn CPU, 4-12 threads: median");
    /* Not met, and shown as such: not every sum and every network is inside. More than half are. */
    const fidelity_case *sums = fidelity_find(&f, "PyTorch eager, 15 W sums: each");
    const fidelity_case *threads = fidelity_find(&f, "ncnn CPU, 4-12 threads: each");
    cr_assert_eq(sums->met, sums->within == sums->n);
    cr_assert_gt(2 * sums->within, sums->n);
    cr_assert_eq(threads->met, threads->within == threads->n);
    cr_assert_gt(2 * threads->within, threads->n);
    /* A right total from wrong parts would be a failure: the parts are near as well. */
    cr_assert_lt(fidelity_find(&f, "darknet split, N workers: GPU part")->error.median, 0.04);
    cr_assert_lt(fidelity_find(&f, "darknet split, N workers: CPU part")->error.median, 0.04);
    cr_assert_lt(fidelity_find(&f, "darknet split, N workers: preprocessing")->error.median, 0.04);
    fidelity_fini(&f);
}
