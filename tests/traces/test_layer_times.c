/* Profiles of other programs, and their way onto a graph. */
#include "tests/base/check.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/text.h"
#include "tests/oom.h"
#include "traces/layer_times.h"
#include "traces/zoo.h"

static char path[64], second[64];

static void name_files(void)
{
    snprintf(path, sizeof path, "/tmp/spa_layers_%ld.json", (long)getpid());
    snprintf(second, sizeof second, "/tmp/spa_layers_%ld_2.json", (long)getpid());
}
static void remove_files(void)
{
    remove(path);
    remove(second);
}
TestSuite(layer_times, .init = name_files, .fini = remove_files);

static void put(const char *to, const char *text)
{
    expect_ok(spa_write_file(to, text, strlen(text), err));
}

/* A residual block, a view and a head:
 *   block.conv -> block.bn -> block.relu -> block.conv_b -> block.add(block.conv_b, block.relu)
 *   -> head (linear) behind a view */
static spa_graph small(void)
{
    spa_graph g;
    const spa_shape image = {4, {1, 3, 8, 8}}, channels = {4, {0, 3, 0, 0}}, flat = {2, {1, 192}},
                    five = {2, {0, 5}};
    const spa_op_attrs conv = {.kernel_h = 3,
                               .kernel_w = 3,
                               .stride_h = 1,
                               .stride_w = 1,
                               .dilation_h = 1,
                               .dilation_w = 1,
                               .pad_top = 1,
                               .pad_left = 1,
                               .pad_bottom = 1,
                               .pad_right = 1,
                               .groups = 1},
                       none = {0};
    const int32_t in[] = {SPA_GRAPH_INPUT(0)}, zero[] = {0}, one[] = {1}, two[] = {2},
                  sum[] = {3, 2}, four[] = {4}, five_[] = {5};
    spa_graph_init(&g, "small", 1, SPA_FP32);
    g.n_graph_inputs = 1;
    g.graph_inputs[0] = image;
    expect_ok(spa_graph_add(&g, "block.conv", SPA_OP_CONV, &conv, in, 1, &channels, NULL, err));
    expect_ok(spa_graph_add(&g, "block.bn", SPA_OP_BATCH_NORM, &none, zero, 1, NULL, NULL, err));
    expect_ok(spa_graph_add(&g, "block.relu", SPA_OP_RELU, &none, one, 1, NULL, NULL, err));
    expect_ok(spa_graph_add(&g, "block.conv_b", SPA_OP_CONV, &conv, two, 1, &channels, NULL, err));
    expect_ok(spa_graph_add(&g, "block.add", SPA_OP_ADD, &none, sum, 2, NULL, NULL, err));
    expect_ok(spa_graph_add(&g, "flatten", SPA_OP_RESHAPE, &none, four, 1, &flat, NULL, err));
    expect_ok(spa_graph_add(&g, "head", SPA_OP_LINEAR, &none, five_, 1, &five, NULL, err));
    expect_ok(spa_graph_finish(&g, err));
    return g;
}
enum { CONV, BN, RELU, CONV_B, ADD, FLATTEN, HEAD };

#define TRT_PROFILE                                                                                \
    "[{\"count\": 40},"                                                                            \
    " {\"name\": \"Reformatting CopyNode for Input Tensor 0 to /block/conv/Conv\","                \
    "  \"averageMs\": 0.001, \"medianMs\": 0.001},"                                                \
    " {\"name\": \"/block/conv/Conv + /block/relu/Relu\", \"averageMs\": 0.02,"                    \
    "  \"medianMs\": 0.019},"                                                                      \
    " {\"name\": \"/block/block.conv_b/Conv + /block/Add\", \"averageMs\": 0.03},"                 \
    " {\"name\": \"__myl_MulSum_0\", \"averageMs\": 0.004, \"medianMs\": 0.004}]"

Test(layer_times, fused_names_of_trtexec_reach_their_operators_and_the_largest_carries_the_time)
{
    spa_layer_times t;
    spa_layer_map m;
    spa_graph g = small();
    put(path, TRT_PROFILE);
    expect_ok(spa_layer_times_trtexec(&t, path, NULL, err));
    cr_assert_eq(t.n, 4);
    cr_assert_eq(t.runs, 40);
    expect_ok(spa_layer_map_make(&m, &t, &g, err));
    cr_assert_eq(m.match[CONV], SPA_LAYER_NAMED);
    cr_assert_eq(m.match[BN], SPA_LAYER_ABSORBED); /* no layer names it */
    cr_assert_eq(m.match[RELU], SPA_LAYER_NAMED);
    cr_assert_eq(m.match[CONV_B], SPA_LAYER_NAMED);
    cr_assert_eq(m.match[ADD], SPA_LAYER_NAMED);
    cr_assert_eq(m.match[FLATTEN], SPA_LAYER_VIEW);
    cr_assert_eq(m.match[HEAD], SPA_LAYER_NONE);
    cr_assert_eq(m.carrier[0], -1);
    cr_assert_eq(m.carrier[1], CONV);
    cr_assert_eq(m.carrier[2], CONV_B);
    cr_assert_eq(m.carrier[3], -1);
    cr_assert_float_eq(m.total_us, 1 + 20 + 30 + 4, 1e-9);
    cr_assert_float_eq(m.mapped_us, 20 + 30, 1e-9);
    spa_layer_map_fini(&m);
    spa_layer_times_fini(&t);
    spa_graph_fini(&g);
}

Test(layer_times, layer_info_names_what_the_profile_does_not)
{
    spa_layer_times t;
    spa_layer_map m;
    spa_graph g = small();
    put(path, TRT_PROFILE);
    put(second, "{\"Layers\": [{\"Name\": \"__myl_MulSum_0\", \"Metadata\": \"[ONNX Layer: "
                "/Flatten]\\u001e[ONNX Layer: /head/Gemm]\"}]}");
    expect_ok(spa_layer_times_trtexec(&t, path, second, err));
    expect_ok(spa_layer_map_make(&m, &t, &g, err));
    cr_assert_eq(m.carrier[3], HEAD);
    cr_assert_eq(m.count[SPA_LAYER_NONE], 0);
    spa_layer_map_fini(&m);
    spa_layer_times_fini(&t);
    spa_graph_fini(&g);
}

Test(layer_times, rows_carry_the_times_and_the_rest_of_a_layer_costs_nothing)
{
    spa_layer_times t;
    spa_layer_map m;
    spa_graph g = small();
    spa_trace trace = {0};
    spa_trace_model model = {0};
    spa_arena_init(&trace.arena);
    put(path, TRT_PROFILE);
    expect_ok(spa_layer_times_trtexec(&t, path, NULL, err));
    expect_ok(spa_layer_map_make(&m, &t, &g, err));
    expect_ok(spa_layer_map_costs(&m, &t, &g, SPA_FP16, &trace, &model, err));
    cr_assert_eq(model.n_costs, 5); /* all but the view and the head */
    const spa_trace_cost *conv = &model.costs[0], *bn = &model.costs[1];
    cr_assert_float_eq(conv->mean_us, 20, 1e-9);
    cr_assert_float_eq(conv->p50_us, 19, 1e-9);
    cr_assert(isnan(conv->std_us));
    cr_assert_eq(conv->samples, 40);
    cr_assert_eq(conv->dtype, SPA_FP16);
    cr_assert_eq(conv->origin, SPA_ORIGIN_IMPORTED);
    cr_assert_str_eq(conv->processor, "gpu");
    cr_assert_eq(bn->mean_us, 0);
    spa_arena_fini(&trace.arena);
    spa_layer_map_fini(&m);
    spa_layer_times_fini(&t);
    spa_graph_fini(&g);
}

#define NODE(name, op, shape, dur, ts)                                                             \
    "{\"cat\":\"Node\",\"ph\":\"X\",\"name\":\"" name "_kernel_time\",\"dur\":" dur ",\"ts\":" ts  \
    ",\"args\":{\"op_name\":\"" op "\",\"provider\":\"CPUExecutionProvider\","                     \
    "\"output_type_shape\":[{\"float\":" shape "}]}}"
#define RUN "{\"cat\":\"Session\",\"ph\":\"X\",\"name\":\"model_run\",\"dur\":9,\"ts\":9}"

/* Names that say nothing: by kind and shape, channels padded to a block. Three inferences, the
 * first left out: conv 10 and 14 us: mean 12, sd sqrt(8), median 12. */
Test(layer_times, nodes_of_onnx_runtime_are_found_by_kind_and_shape)
{
    static const char *const durations[] = {"100", "10", "14"};
    spa_layer_times t;
    spa_layer_map m;
    spa_graph g = small();
    spa_string s = {0};
    spa_string_append(&s, "[");
    for (int i = 0; i < 3; i++) {
        spa_string_append(&s,
                          "{\"cat\":\"Node\",\"ph\":\"X\",\"name\":\"r1_nchwc_kernel_time\","
                          "\"dur\":%s,\"ts\":%d,\"args\":{\"op_name\":\"Conv\",\"provider\":"
                          "\"CPUExecutionProvider\",\"output_type_shape\":[{\"float\":[1,3,8,8]"
                          "}]}},",
                          durations[i], 10 * i);
        spa_string_append(&s,
                          NODE("r2_nchwc", "Conv", "[1,8,8,8]", "7", "50") "," NODE(
                              "n3", "Gemm", "[1,5]", "2", "60") "," NODE("n4", "Gemm", "[1,6]", "1",
                                                                         "70") "," RUN "%s",
                          i == 2 ? "]" : ",");
    }
    put(path, s.text);
    spa_string_fini(&s);
    expect_ok(spa_layer_times_onnxruntime(&t, path, err));
    cr_assert_eq(t.n, 4);
    cr_assert_eq(t.runs, 3);
    cr_assert_str_eq(t.parts[t.layers[0].first_part], "r1");
    cr_assert_eq(t.layers[0].samples, 2);
    cr_assert_float_eq(t.layers[0].mean_us, 12, 1e-9);
    cr_assert_float_eq(t.layers[0].std_us, sqrt(8), 1e-9);
    cr_assert_float_eq(t.layers[0].p50_us, 12, 1e-9);
    cr_assert_not(t.layers[0].on_gpu);
    expect_ok(spa_layer_map_make(&m, &t, &g, err));
    cr_assert_eq(m.match[CONV], SPA_LAYER_SHAPED);
    cr_assert_eq(m.match[BN], SPA_LAYER_ABSORBED);
    cr_assert_eq(m.match[RELU], SPA_LAYER_ABSORBED);
    cr_assert_eq(m.layer[CONV_B], 1);
    cr_assert_eq(m.match[ADD], SPA_LAYER_ABSORBED);
    cr_assert_eq(m.layer[HEAD], 2);
    cr_assert_eq(m.carrier[3], -1); /* another shape */
    spa_layer_map_fini(&m);
    spa_layer_times_fini(&t);
    spa_graph_fini(&g);
}

#define OP(name, ts, dur)                                                                          \
    "{\"ph\":\"X\",\"cat\":\"cpu_op\",\"name\":\"" name "\",\"tid\":7,\"ts\":" ts ",\"dur\":" dur  \
    "},"
#define LAUNCH(id, ts)                                                                             \
    "{\"ph\":\"X\",\"cat\":\"cuda_runtime\",\"name\":\"cudaLaunchKernel\",\"tid\":7,\"ts\":" ts    \
    ",\"dur\":1,\"args\":{\"correlation\":" id "}},"
#define KERNEL(name, id, dur)                                                                      \
    "{\"ph\":\"X\",\"cat\":\"kernel\",\"name\":\"" name "\",\"tid\":1,\"ts\":500,\"dur\":" dur     \
    ",\"args\":{\"correlation\":" id "}},"
#define STEP(ts)                                                                                   \
    "{\"ph\":\"X\",\"cat\":\"user_annotation\",\"name\":\"ProfilerStep#1\",\"tid\":7,\"ts\":" ts   \
    ",\"dur\":90}"

/* Inner operators belong to the outer one, kernels to the operator that launched them. */
Test(layer_times, kernels_of_pytorch_are_counted_for_the_operator_that_launched_them)
{
    spa_layer_times t;
    spa_layer_map m;
    spa_graph g = small();
    put(path,
        "{\"traceEvents\": [" OP("aten::conv2d", "10", "20") OP("aten::convolution", "11", "18")
            LAUNCH("1", "15") LAUNCH("2", "20") OP("aten::batch_norm", "40", "5") LAUNCH("3", "42")
                OP("aten::relu_", "50", "5") OP("aten::empty", "56", "1")
                    OP("aten::conv2d", "60", "9") LAUNCH("4", "61") OP("aten::add_", "70", "9")
                        OP("aten::linear", "80", "9") KERNEL("c1", "1", "100")
                            KERNEL("c2", "2", "11") KERNEL("bn", "3", "6") KERNEL("c3", "4", "50")
                                KERNEL("lost", "99", "33") STEP("5") "]}");
    expect_ok(spa_layer_times_pytorch(&t, path, err));
    cr_assert_eq(t.n, 7); /* six operators and a kernel that nobody launched */
    cr_assert_float_eq(t.layers[0].mean_us, 111, 1e-9);
    cr_assert(t.layers[0].on_gpu);
    cr_assert_float_eq(t.layers[1].mean_us, 6, 1e-9);
    cr_assert_float_eq(t.layers[2].mean_us, 5, 1e-9); /* without a kernel: its own time */
    cr_assert_not(t.layers[2].on_gpu);
    expect_ok(spa_layer_map_make(&m, &t, &g, err));
    for (int i = 0; i <= HEAD; i++)
        if (i != FLATTEN) cr_assert_eq(m.match[i], SPA_LAYER_SHAPED, "%s", g.ops[i].name);
    cr_assert_eq(m.carrier[6], -1);
    spa_layer_map_fini(&m);
    spa_layer_times_fini(&t);
    spa_graph_fini(&g);
}

Test(layer_times, words_stand_for_kinds)
{
    spa_op_kind kind;
    cr_assert(spa_layer_kind("Conv", &kind) && kind == SPA_OP_CONV);
    cr_assert(spa_layer_kind("aten::relu_", &kind) && kind == SPA_OP_RELU);
    cr_assert(spa_layer_kind("aten::layer_norm", &kind) && kind == SPA_OP_LAYER_NORM);
    cr_assert_not(spa_layer_kind("ReorderOutput", &kind));
    cr_assert_not(spa_layer_kind("", &kind));
}

Test(layer_times, what_is_no_profile_is_refused_with_the_cure)
{
    spa_layer_times t;
    static const struct {
        const char *text, *trtexec, *onnxruntime, *pytorch;
    } bad[] = {
        {"{", "not JSON", "not JSON", "not JSON"},
        {"[]", "--exportProfile", "enable_profiling", "export_chrome_trace"},
        {"{}", "--exportProfile", "enable_profiling", "export_chrome_trace"},
        {"[{\"name\": \"a\", \"averageMs\": -1}]", "entry 0", "enable_profiling", "traceEvents"},
        {"{\"traceEvents\": []}", "--exportProfile", "enable_profiling", "neither operators"},
        {"[{\"name\": 3}]", "entry 0", "enable_profiling", "traceEvents"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spa_error e = {0};
        put(path, bad[i].text);
        cr_assert_eq(spa_layer_times_trtexec(&t, path, NULL, &e), SPA_E_PARSE);
        cr_assert(strstr(e.message, bad[i].trtexec), "%zu: %s", i, e.message);
        cr_assert_eq(spa_layer_times_onnxruntime(&t, path, &e), SPA_E_PARSE);
        cr_assert(strstr(e.message, bad[i].onnxruntime), "%zu: %s", i, e.message);
        cr_assert_eq(spa_layer_times_pytorch(&t, path, &e), SPA_E_PARSE);
        cr_assert(strstr(e.message, bad[i].pytorch), "%zu: %s", i, e.message);
    }
}

#define GPU_NODE(name, dur, ts)                                                                    \
    "{\"cat\":\"Node\",\"ph\":\"X\",\"name\":\"" name "_kernel_time\",\"dur\":" dur ",\"ts\":" ts  \
    ",\"args\":{\"op_name\":\"Conv\",\"provider\":\"CUDAExecutionProvider\"}}"
#define GPU_KERNEL(name, dur, ts)                                                                  \
    "{\"cat\":\"Kernel\",\"ph\":\"X\",\"name\":\"k\",\"dur\":" dur ",\"ts\":" ts                   \
    ",\"args\":{\"parent_name\":\"" name "_kernel_time\"}}"

static void expect_no_profile(spa_status read(spa_layer_times *, const char *, spa_error *),
                              const char *text, const char *message)
{
    spa_layer_times t;
    spa_error e = {0};
    put(path, text);
    cr_assert_neq(read(&t, path, &e), SPA_OK, "%s", text);
    cr_assert(strstr(e.message, message), "%s", e.message);
}

/* Two inferences, the first left out: the second's kernels take 30 + 5 us; launching took 2. */
Test(layer_times, on_a_gpu_nodes_of_onnx_runtime_take_the_time_of_their_kernels)
{
    spa_layer_times t;
    put(path,
        "[" RUN "," RUN
        "," GPU_NODE("a", "9", "1") "," GPU_NODE("a", "2", "100") "," GPU_NODE("b", "9", "3") "," GPU_NODE(
            "b", "2",
            "103") "," GPU_KERNEL("a", "5",
                                  "120") "," GPU_KERNEL("a", "30",
                                                        "110") "," GPU_KERNEL("a", "70",
                                                                              "10") "," GPU_KERNEL("a",
                                                                                                   "70",
                                                                                                   "20") "]");
    expect_ok(spa_layer_times_onnxruntime(&t, path, err));
    cr_assert_eq(t.n, 2);
    cr_assert(t.layers[0].on_gpu);
    cr_assert_float_eq(t.layers[0].mean_us, 35, 1e-9);
    cr_assert_eq(t.layers[1].mean_us, 0); /* no kernel: nothing ran there */
    spa_layer_times_fini(&t);
    expect_no_profile(spa_layer_times_onnxruntime, "[" GPU_NODE("a", "9", "1") "]",
                      "the profile has no kernels");
    expect_no_profile(spa_layer_times_onnxruntime,
                      "[" RUN "," RUN "," GPU_NODE("a", "9", "1") "," GPU_NODE(
                          "a", "2", "100") "," GPU_KERNEL("a", "5", "120") "]",
                      "has 1 kernels in 2 runs");
}

Test(layer_times, providers_are_of_one_processor_or_refused)
{
    static const char form[] =
        "[{\"cat\":\"Node\",\"ph\":\"X\",\"name\":\"a_kernel_time\",\"dur\":9,"
        "\"ts\":1,\"args\":{\"provider\":\"%s\"}}]";
    spa_layer_times t;
    char text[300];
    snprintf(text, sizeof text, form, "XnnpackExecutionProvider");
    put(path, text);
    expect_ok(spa_layer_times_onnxruntime(&t, path, err));
    cr_assert_not(t.layers[0].on_gpu);
    spa_layer_times_fini(&t);
    snprintf(text, sizeof text, form, "OpenVINOExecutionProvider");
    expect_no_profile(spa_layer_times_onnxruntime, text, "'OpenVINOExecutionProvider'");
    snprintf(text, sizeof text, form, "");
    expect_no_profile(spa_layer_times_onnxruntime, text, "execution provider ''");
    expect_no_profile(spa_layer_times_onnxruntime, "[" NODE("", "Conv", "[1]", "7", "1") "]",
                      "nodes without a name");
}

/* block.conv makes [1, 3, 8, 8]. */
Test(layer_times, a_profile_of_another_batch_or_image_is_refused)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"[" NODE("/block/conv/Conv", "Conv", "[8,3,8,8]", "7", "1") "]",
         "makes 8 rows where 'block.conv' makes 1"},
        {"[" NODE("/block/conv/Conv", "Conv", "[1,3,16,16]", "7", "1") "]", "16 high"},
    };
    spa_graph g = small();
    spa_layer_times t;
    spa_layer_map m;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        spa_error e = {0};
        put(path, wrong[i].text);
        expect_ok(spa_layer_times_onnxruntime(&t, path, err));
        cr_assert_eq(spa_layer_map_make(&m, &t, &g, &e), SPA_E_INVALID);
        cr_assert(strstr(e.message, wrong[i].message), "%s", e.message);
        spa_layer_times_fini(&t);
    }
    spa_error e = {0};
    put(path, "[{\"count\":1},{\"name\":\"/block/conv/Conv\",\"averageMs\":1}]");
    put(second, "{\"Layers\":[{\"Name\":\"/block/conv/Conv\",\"ParameterType\":\"Convolution\","
                "\"Outputs\":[{\"Dimensions\":[4,3,8,8]}]}]}");
    expect_ok(spa_layer_times_trtexec(&t, path, second, err));
    cr_assert_eq(spa_layer_map_make(&m, &t, &g, &e), SPA_E_INVALID);
    cr_assert(strstr(e.message, "makes 4 rows"), "%s", e.message);
    spa_layer_times_fini(&t);
    put(path, "[" NODE("/block/conv/Conv", "Conv", "[1,8,8,3]", "7", "1") "]"); /* NHWC */
    expect_ok(spa_layer_times_onnxruntime(&t, path, err));
    expect_ok(spa_layer_map_make(&m, &t, &g, err));
    cr_assert_eq(m.match[CONV], SPA_LAYER_NAMED);
    spa_layer_map_fini(&m);
    spa_layer_times_fini(&t);
    spa_graph_fini(&g);
}

/* aten::outer runs around a convolution, aten::empty inside it, aten::mystery inside aten::silu:
 * 500 + 7. */
Test(layer_times, time_of_pytorch_operators_without_a_kind_is_listed)
{
    spa_layer_times t;
    put(path, "{\"traceEvents\": [" OP("aten::outer", "5", "30") OP("aten::conv2d", "10", "20")
                  OP("aten::empty", "11", "1") OP("aten::silu", "40", "500")
                      OP("aten::mystery", "41", "400") OP("aten::silu", "600", "7") STEP("5") "]}");
    expect_ok(spa_layer_times_pytorch(&t, path, err));
    cr_assert_eq(t.n, 2);
    cr_assert_float_eq(t.layers[0].mean_us, 20, 1e-9);
    cr_assert_str_eq(t.layers[1].name, "aten::silu");
    cr_assert_float_eq(t.layers[1].mean_us, 507, 1e-9);
    spa_layer_times_fini(&t);
}

Test(layer_times, steps_of_pytorch_in_another_order_are_refused)
{
    expect_no_profile(spa_layer_times_pytorch,
                      "{\"traceEvents\": [" OP("aten::conv2d", "10", "20")
                          OP("aten::relu", "40", "5") OP("aten::relu", "110", "5")
                              OP("aten::conv2d", "140", "20") STEP("5") "," STEP("100") "]}",
                      "'aten::conv2d' in the first profiler step and 'aten::relu' in step 2");
}

Test(layer_times, kernels_alone_are_a_profile_of_pytorch)
{
    spa_layer_times t;
    put(path, "{\"traceEvents\": [" KERNEL("c1", "1", "100") STEP("5") "]}");
    expect_ok(spa_layer_times_pytorch(&t, path, err));
    cr_assert_eq(t.n, 1);
    cr_assert_float_eq(t.layers[0].mean_us, 100, 1e-9);
    spa_layer_times_fini(&t);
}

Test(layer_times, pointwise_and_parallel_layers_of_trtexec_name_their_nodes)
{
    static const char *const nodes[] = {"/a/Sigmoid", "/a/Mul", "/b", "/c(1)", "/d"};
    spa_layer_times t;
    put(path, "[{\"count\":1},{\"name\":\"PWN(PWN(/a/Sigmoid), /a/Mul)\",\"averageMs\":1},"
              "{\"name\":\"/b || /c(1) + /d\",\"averageMs\":1},"
              "{\"name\":\"x\\n\\u001b[31m y\",\"averageMs\":1}]");
    expect_ok(spa_layer_times_trtexec(&t, path, NULL, err));
    cr_assert_eq(t.n_parts, 5);
    for (size_t i = 0; i < 5; i++) cr_assert_str_eq(t.parts[i], nodes[i]);
    cr_assert_eq(t.layers[0].n_parts, 2);
    cr_assert_str_eq(t.layers[2].name, "x__[31m y");
    spa_layer_times_fini(&t);
    spa_error e = {0};
    put(path, "[{\"count\":1},{\"name\":\"a\",\"averageMs\":1e308}]");
    cr_assert_eq(spa_layer_times_trtexec(&t, path, NULL, &e), SPA_E_RANGE);
    put(path, "[{\"count\":0},{\"name\":\"a\",\"averageMs\":1}]");
    cr_assert_eq(spa_layer_times_trtexec(&t, path, NULL, &e), SPA_E_PARSE);
}

/* 20,000 layers that the layer info does not have: 4e8 comparisons of names, one by one. */
Test(layer_times, layers_that_the_layer_info_lacks_cost_linear_time)
{
    enum { N = 20000 };
    spa_layer_times t;
    spa_string a = {0}, b = {0};
    spa_string_append(&a, "[{\"count\":1}");
    spa_string_append(&b, "{\"Layers\":[{}");
    for (int i = 0; i < N; i++) {
        spa_string_append(&a, ",{\"name\":\"l%d\",\"averageMs\":1}", i);
        spa_string_append(&b, ",{\"Name\":\"x%d\",\"Metadata\":\"\"}", i);
    }
    spa_string_append(&a, "]");
    spa_string_append(&b, "]}");
    put(path, a.text);
    put(second, b.text);
    spa_string_fini(&a);
    spa_string_fini(&b);
    clock_t begin = clock();
    expect_ok(spa_layer_times_trtexec(&t, path, second, err));
    cr_assert_lt((double)(clock() - begin) / CLOCKS_PER_SEC, 2.0);
    cr_assert_eq(t.n, N);
    spa_layer_times_fini(&t);
}

/* Allocations of our own fail in turn (those of jansson are not ours to fail). */
Test(layer_times, each_allocation_may_fail)
{
    spa_graph g = small();
    put(path, TRT_PROFILE);
    long n = 0;
    for (;; n++) {
        spa_layer_times t;
        spa_layer_map m = {0};
        spa_trace trace = {0};
        spa_trace_model model;
        spa_error e;
        spa_arena_init(&trace.arena);
        oom_fail_at(n);
        spa_status status = spa_layer_times_trtexec(&t, path, NULL, &e);
        if (!status) status = spa_layer_map_make(&m, &t, &g, &e);
        if (!status) status = spa_layer_map_costs(&m, &t, &g, SPA_FP32, &trace, &model, &e);
        bool failed = oom_failed();
        oom_off();
        spa_layer_map_fini(&m);
        spa_layer_times_fini(&t);
        spa_arena_fini(&trace.arena);
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
    }
    cr_assert_gt(n, 3);
    spa_graph_fini(&g);
}

/* A real profile, where it is at hand: TensorRT's of torchvision's resnet18. */
Test(layer_times, a_real_profile_of_resnet18_is_mapped_but_for_copies)
{
    static const char profile[] = "../shared/data/formats/trtexec/resnet18_fp16.exportProfile.json",
                      info[] = "../shared/data/formats/trtexec/resnet18_fp16.exportLayerInfo.json";
    spa_layer_times t;
    spa_layer_map m;
    spa_graph g;
    if (access(profile, R_OK) != 0) cr_skip_test("%s is not here", profile);
    expect_ok(spa_layer_times_trtexec(&t, profile, info, err));
    expect_ok(spa_model_load(&g, "resnet18", 1, SPA_FP16, err));
    expect_ok(spa_layer_map_make(&m, &t, &g, err));
    cr_assert_eq(m.count[SPA_LAYER_NONE], 0);
    cr_assert_eq(m.count[SPA_LAYER_SHAPED], 0);
    cr_assert_eq(m.count[SPA_LAYER_NAMED], 48);
    cr_assert_gt(m.mapped_us, 0.97 * m.total_us);
    spa_layer_map_fini(&m);
    spa_layer_times_fini(&t);
    spa_graph_fini(&g);
}
