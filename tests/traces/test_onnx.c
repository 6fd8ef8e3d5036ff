/* ONNX import: operators, constants, patterns, weights. Files are made in memory by the writer. */
#include <stdio.h>
#include <stdlib.h>
#include "tests/oom.h"
#include "tests/traces/one_op.h"
#include "traces/onnx.h"
#include "traces/onnx_write.h"

static onnx_maker maker;

static void begin(void)
{
    onnx_maker_init(&maker, 13, 0);
}

static void input(const char *name, int32_t n, int32_t c, int32_t h, int32_t w)
{
    const int64_t dims[] = {n, c, h, w};
    int32_t rank = w > 0 ? 4 : h > 0 ? 3 : c > 0 ? 2 : 1;
    onnx_make_input(&maker, name, ONNX_FLOAT, dims, rank);
}

static void output(const char *name)
{
    onnx_make_output(&maker, name, ONNX_FLOAT, NULL, 0);
}

static void weights(const char *name, int32_t a, int32_t b, int32_t c, int32_t d)
{
    const int64_t dims[] = {a, b, c, d};
    int32_t rank = d > 0 ? 4 : c > 0 ? 3 : b > 0 ? 2 : 1;
    size_t n = 1;
    for (int32_t i = 0; i < rank; i++) n *= (size_t)dims[i];
    float *values = malloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++) values[i] = (float)i;
    onnx_make_floats(&maker, name, dims, rank, values);
    free(values);
}

static spa_status read_with(spa_graph *g, const spa_onnx_options *o, spa_onnx_report *r,
                            spa_error *err)
{
    const uint8_t *data;
    size_t size;
    SPA_TRY(onnx_maker_finish(&maker, &data, &size, err));
    return spa_onnx_parse(g, "folder/net.onnx", data, size, o, r, err);
}

static spa_status read_graph(spa_graph *g, spa_error *err)
{
    return read_with(g, NULL, NULL, err);
}

static void end(spa_graph *g)
{
    spa_graph_fini(g);
    onnx_maker_fini(&maker);
}

Test(traces_onnx, a_convolution_has_its_shapes_attributes_and_weights)
{
    spa_graph g;
    begin();
    input("x", 1, 3, 9, 7);
    weights("w", 4, 3, 3, 3);
    weights("b", 4, 0, 0, 0);
    onnx_node_begin(&maker, "Conv", "stem");
    onnx_node_input(&maker, "x");
    onnx_node_input(&maker, "w");
    onnx_node_input(&maker, "b");
    onnx_node_output(&maker, "y");
    onnx_node_ints(&maker, "strides", (const int64_t[]){2, 1}, 2);
    onnx_node_ints(&maker, "pads", (const int64_t[]){1, 0, 1, 2}, 4);
    onnx_node_end(&maker);
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_str_eq(g.name, "net");
    cr_assert_eq(g.n_ops, 1);
    const spa_op *op = &g.ops[0];
    cr_assert_str_eq(op->name, "stem");
    cr_assert_eq(op->kind, SPA_OP_CONV);
    /* (9 + 2 - 3) / 2 + 1 = 5 rows, (7 + 0 + 2 - 3) / 1 + 1 = 7 columns */
    expect_shape(op->out, 1, 4, 5, 7);
    cr_assert(op->attrs.pad_top == 1 && op->attrs.pad_right == 2 && op->attrs.has_bias);
    cr_assert_eq(op->macs, 4 * 5 * 7 * 27);
    float w[108], b[4];
    expect_ok(g.source->fill(g.source, 0, 0, w, 108, err));
    expect_ok(g.source->fill(g.source, 0, 1, b, 4, err));
    cr_assert(w[0] == 0 && w[107] == 107 && b[3] == 3);
    end(&g);
}

Test(traces_onnx, a_product_with_constant_weights_is_a_linear_layer_with_its_bias)
{
    spa_graph g;
    float w[6], b[3];
    begin();
    input("x", 1, 5, 2, 0);
    weights("w", 2, 3, 0, 0);
    weights("b", 3, 0, 0, 0);
    onnx_make_node(&maker, "MatMul", "x w", "p");
    onnx_make_node(&maker, "Add", "b p", "y");
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.n_ops, 1);
    cr_assert(g.ops[0].kind == SPA_OP_LINEAR && g.ops[0].attrs.has_bias);
    expect_shape(g.ops[0].out, 1, 5, 3);
    /* [[0,1,2],[3,4,5]] transposed: rows (0,3), (1,4), (2,5) */
    expect_ok(g.source->fill(g.source, 0, 0, w, 6, err));
    expect_ok(g.source->fill(g.source, 0, 1, b, 3, err));
    cr_assert(w[0] == 0 && w[1] == 3 && w[2] == 1 && w[5] == 5 && b[2] == 2);
    end(&g);
}

Test(traces_onnx, differences_quotients_and_squares_use_the_zoos_kinds_where_they_can)
{
    spa_graph g;
    float shift[3];
    begin();
    input("x", 2, 3, 0, 0);
    weights("c", 3, 0, 0, 0);
    onnx_make_floats(&maker, "eight", NULL, 0, (const float[]){8});
    onnx_make_floats(&maker, "two", NULL, 0, (const float[]){2});
    onnx_make_node(&maker, "Sub", "x c", "s");
    onnx_make_node(&maker, "Div", "s eight", "d");
    onnx_make_node(&maker, "Pow", "d two", "p");
    onnx_make_node(&maker, "Sub", "two p", "r"); /* number first: no kind of the zoo */
    onnx_make_node(&maker, "Div", "r p", "y");
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.n_ops, 5);
    cr_assert(g.ops[0].kind == SPA_OP_ADD && g.ops[1].kind == SPA_OP_MUL);
    expect_ok(g.source->fill(g.source, 0, 0, shift, 3, err));
    cr_assert(shift[1] == -1 && shift[2] == -2); /* c is 0, 1, 2 */
    cr_assert(g.ops[1].attrs.alpha == 0.125);
    cr_assert(g.ops[2].kind == SPA_OP_MUL && g.ops[2].n_inputs == 2);
    cr_assert(g.ops[3].kind == SPA_OP_BINARY && g.ops[3].attrs.fn == SPA_FN_RSUB);
    cr_assert(g.ops[4].kind == SPA_OP_BINARY && g.ops[4].attrs.fn == SPA_FN_DIV);
    end(&g);
}

Test(traces_onnx, a_shape_that_is_computed_from_shapes_is_a_constant)
{
    /* x [2,3,4] -> [Shape(x)[0], -1] = [2,12] */
    spa_graph g;
    begin();
    input("x", 2, 3, 4, 0);
    onnx_make_tensor(&maker, "zero", ONNX_INT64, NULL, 0, (const int64_t[]){0}, 8);
    onnx_make_ints(&maker, "axes", (const int64_t[]){0}, 1);
    onnx_make_ints(&maker, "rest", (const int64_t[]){-1}, 1);
    onnx_make_node(&maker, "Shape", "x", "s");
    onnx_make_node(&maker, "Gather", "s zero", "n");
    onnx_make_node(&maker, "Unsqueeze", "n axes", "n1");
    onnx_node_begin(&maker, "Concat", NULL);
    onnx_node_input(&maker, "n1");
    onnx_node_input(&maker, "rest");
    onnx_node_output(&maker, "shape");
    onnx_node_int(&maker, "axis", 0);
    onnx_node_end(&maker);
    onnx_make_node(&maker, "Reshape", "x shape", "y");
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.n_ops, 1);
    cr_assert_eq(g.ops[0].kind, SPA_OP_RESHAPE);
    expect_shape(g.ops[0].out, 2, 12);
    end(&g);
}

Test(traces_onnx, the_layer_norm_that_older_exporters_write_is_one_operator)
{
    spa_graph g;
    begin();
    input("x", 1, 5, 4, 0);
    weights("scale", 4, 0, 0, 0);
    weights("bias", 4, 0, 0, 0);
    onnx_make_floats(&maker, "two", NULL, 0, (const float[]){2});
    onnx_make_floats(&maker, "eps", NULL, 0, (const float[]){1e-6f});
    for (int i = 0; i < 2; i++) {
        onnx_node_begin(&maker, "ReduceMean", NULL);
        onnx_node_input(&maker, i == 0 ? "x" : "sq");
        onnx_node_output(&maker, i == 0 ? "m" : "v");
        onnx_node_ints(&maker, "axes", (const int64_t[]){-1}, 1);
        onnx_node_end(&maker);
        if (i > 0) break;
        onnx_make_node(&maker, "Sub", "x m", "d");
        onnx_make_node(&maker, "Pow", "d two", "sq");
    }
    onnx_make_node(&maker, "Add", "v eps", "ve");
    onnx_make_node(&maker, "Sqrt", "ve", "s");
    onnx_make_node(&maker, "Div", "d s", "n");
    onnx_make_node(&maker, "Mul", "n scale", "ns");
    onnx_make_node(&maker, "Add", "ns bias", "y");
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.n_ops, 1);
    cr_assert_eq(g.ops[0].kind, SPA_OP_LAYER_NORM);
    cr_assert_float_eq(g.ops[0].attrs.alpha, 1e-6, 1e-12);
    end(&g);
}

Test(traces_onnx, batch_norms_can_be_folded_into_the_convolution_before_them)
{
    /* One channel, weight 2, no bias: scale 3, shift 5, mean 7, variance 4 - 1e-5 with epsilon
     * 1e-5: factor = 3 / 2; weight 2 * 1.5 = 3, bias (0 - 7) * 1.5 + 5 = -5.5. */
    const float values[] = {2, 3, 5, 7, 4 - 1e-5f};
    static const char *const names[] = {"w", "s", "b", "m", "v"};
    spa_onnx_options o = spa_onnx_options_default();
    spa_graph g;
    float w, b;
    begin();
    input("x", 1, 1, 2, 2);
    for (int i = 0; i < 5; i++)
        onnx_make_floats(&maker, names[i], (const int64_t[]){1, 1, 1, 1}, i == 0 ? 4 : 1,
                         &values[i]);
    onnx_make_node(&maker, "Conv", "x w", "c");
    onnx_make_node(&maker, "BatchNormalization", "c s b m v", "y");
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.n_ops, 2);
    spa_graph_fini(&g);
    o.fold_batch_norm = true;
    expect_ok(read_with(&g, &o, NULL, err));
    cr_assert_eq(g.n_ops, 1);
    cr_assert(g.ops[0].attrs.has_bias);
    expect_ok(g.source->fill(g.source, 0, 0, &w, 1, err));
    expect_ok(g.source->fill(g.source, 0, 1, &b, 1, err));
    cr_assert_float_eq(w, 3, 1e-5);
    cr_assert_float_eq(b, -5.5, 1e-5);
    end(&g);
}

Test(traces_onnx, an_open_batch_becomes_the_one_that_is_asked_for)
{
    spa_onnx_options o = spa_onnx_options_default();
    spa_graph g;
    begin();
    input("x", -1, 3, 4, 4);
    onnx_make_node(&maker, "Relu", "x", "y");
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.batch, 1);
    spa_graph_fini(&g);
    o.batch = 6;
    expect_ok(read_with(&g, &o, NULL, err));
    cr_assert_eq(g.batch, 6);
    expect_shape(g.ops[0].out, 6, 3, 4, 4);
    end(&g);
    begin();
    input("x", 2, 3, 4, 4);
    onnx_make_node(&maker, "Relu", "x", "y");
    output("y");
    expect_refusal(read_with(&g, &o, NULL, err), SPA_E_USAGE, "input 'x' is for batch 2");
    end(&g);
}

Test(traces_onnx, other_open_dimensions_need_a_shape)
{
    const char *shapes[] = {"x=1x7"};
    spa_onnx_options o = spa_onnx_options_default();
    spa_graph g;
    begin();
    onnx_make_input(&maker, "x", ONNX_FLOAT, (const int64_t[]){-1, -1}, 2);
    onnx_make_node(&maker, "Relu", "x", "y");
    output("y");
    expect_refusal(read_graph(&g, err), SPA_E_UNSUPPORTED, "--shape 'x=1x128'");
    o.shapes = shapes;
    o.n_shapes = 1;
    expect_ok(read_with(&g, &o, NULL, err));
    expect_shape(g.ops[0].out, 1, 7);
    end(&g);
}

Test(traces_onnx, operators_without_a_rule_are_counted_and_listed)
{
    spa_onnx_report r;
    spa_graph g;
    begin();
    input("x", 1, 3, 4, 4);
    onnx_make_node(&maker, "Det", "x", "d");
    onnx_make_node(&maker, "Relu", "d", "e");
    onnx_make_node(&maker, "Det", "e", "f");
    onnx_make_node(&maker, "Unknown", "f", "y");
    onnx_make_value_info(&maker, "d", ONNX_FLOAT, (const int64_t[]){1, 3, 2, 2}, 4);
    onnx_make_value_info(&maker, "f", ONNX_FLOAT, (const int64_t[]){1, 3}, 2);
    onnx_make_output(&maker, "y", ONNX_FLOAT, (const int64_t[]){1, 5}, 2);
    expect_ok(read_with(&g, NULL, &r, err));
    cr_assert_eq(r.n_opaque, 3);
    cr_assert_str_eq(r.opaque, "Det, Unknown");
    cr_assert_eq(g.n_ops, 4);
    cr_assert_eq(g.ops[0].kind, SPA_OP_OTHER);
    expect_shape(g.ops[3].out, 1, 5);
    end(&g);
}

Test(traces_onnx, an_operator_without_a_name_is_listed_too)
{
    spa_onnx_report r;
    spa_graph g;
    begin();
    input("x", 1, 3, 0, 0);
    onnx_make_node(&maker, "", "x", "z");
    onnx_make_node(&maker, "", "z", "y");
    onnx_make_value_info(&maker, "z", ONNX_FLOAT, (const int64_t[]){1, 3}, 2);
    onnx_make_output(&maker, "y", ONNX_FLOAT, (const int64_t[]){1, 3}, 2);
    expect_ok(read_with(&g, NULL, &r, err));
    cr_assert_eq(r.n_opaque, 2);
    cr_assert_str_eq(r.opaque, "(none)");
    end(&g);
}

Test(traces_onnx, a_model_with_half_precision_weights_is_an_fp16_graph)
{
    /* 1.0, 2.0, -0.5 and the smallest subnormal, 2^-24 */
    const uint8_t halves[] = {0x00, 0x3c, 0x00, 0x40, 0x00, 0xb8, 0x01, 0x00};
    float w[4];
    spa_graph g;
    begin();
    input("x", 1, 4, 0, 0);
    onnx_make_tensor(&maker, "w", ONNX_FLOAT16, (const int64_t[]){4}, 1, halves, sizeof halves);
    onnx_node_begin(&maker, "Cast", NULL);
    onnx_node_input(&maker, "x");
    onnx_node_output(&maker, "h");
    onnx_node_int(&maker, "to", ONNX_FLOAT16);
    onnx_node_end(&maker);
    onnx_make_node(&maker, "Add", "h w", "y");
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.dtype, SPA_FP16);
    cr_assert_eq(g.n_ops, 1); /* the cast is nothing */
    cr_assert_eq(g.ops[0].bytes_out, 8);
    expect_ok(g.source->fill(g.source, 0, 0, w, 4, err));
    cr_assert(w[0] == 1 && w[1] == 2 && w[2] == -0.5f && w[3] == 0x1p-24f);
    end(&g);
}

Test(traces_onnx, what_no_output_needs_is_left_out)
{
    spa_graph g;
    begin();
    input("x", 1, 3, 0, 0);
    onnx_make_node(&maker, "Relu", "x", "y");
    onnx_make_node(&maker, "Sigmoid", "y", "z");
    onnx_make_node(&maker, "Exp", "z", "never");
    output("y");
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.n_ops, 1);
    end(&g);
}

static spa_status import_some(spa_error *err)
{
    spa_graph g;
    SPA_TRY(read_graph(&g, err));
    spa_graph_fini(&g);
    return SPA_OK;
}

static const char *seed_path;

static spa_status import_seed(spa_error *err)
{
    spa_graph g;
    SPA_TRY(spa_onnx_read(&g, seed_path, NULL, NULL, err));
    spa_graph_fini(&g);
    return SPA_OK;
}

static long walk(spa_status (*work)(spa_error *))
{
    for (long n = 0;; n++) {
        spa_error e = {0};
        oom_fail_from(n);
        spa_status status = work(&e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", e.message);
            return n;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, e.message);
    }
}

/* GELU, rolls, bias tables, shapes computed from shapes, windows, opaque nodes. */
Test(traces_onnx, patterns_and_constants_survive_every_failed_allocation)
{
    static const char *const seeds[] = {"mix", "shapes", "windows", "chain"};
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "tests/fuzz/seeds/onnx/%s", seeds[i]);
        seed_path = path;
        cr_assert_gt(walk(import_seed), 5);
    }
}

Test(traces_onnx, an_import_survives_every_failed_allocation)
{
    static const char *const one[] = {"Relu", "Exp", "Sigmoid"};
    char from[16] = "x", to[16];
    begin();
    input("x", 1, 3, 8, 8);
    weights("w", 4, 3, 1, 1);
    onnx_make_ints(&maker, "shape", (const int64_t[]){1, 4, 64}, 3);
    onnx_make_node(&maker, "Conv", "x w", "c");
    onnx_make_node(&maker, "Reshape", "c shape", "v0");
    for (int i = 0; i < 40; i++) {
        snprintf(from, sizeof from, "v%d", i);
        snprintf(to, sizeof to, "v%d", i + 1);
        onnx_make_node(&maker, one[i % 3], from, to);
    }
    output(to);
    cr_assert_gt(walk(import_some), 5);
    onnx_maker_fini(&maker);
}
