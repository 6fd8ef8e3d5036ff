/* ONNX files that are wrong on purpose, made in memory: each is refused with a message. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/text.h"
#include "tests/traces/one_op.h"
#include "traces/onnx.h"
#include "traces/onnx_write.h"

static onnx_maker maker;

static void begin(void)
{
    onnx_maker_init(&maker, 13, 0);
    onnx_make_input(&maker, "x", ONNX_FLOAT, (const int64_t[]){1, 3, 4, 4}, 4);
    onnx_make_output(&maker, "y", ONNX_FLOAT, (const int64_t[]){1, 3, 4, 4}, 4);
}

static spa_status read_graph(spa_graph *g, spa_error *err)
{
    const uint8_t *data;
    size_t size;
    SPA_TRY(onnx_maker_finish(&maker, &data, &size, err));
    return spa_onnx_parse(g, "net.onnx", data, size, NULL, NULL, err);
}

static void expect_refused(spa_status status, const char *text)
{
    spa_graph g;
    expect_refusal(read_graph(&g, err), status, text);
    cr_assert_null(g.ops);
    onnx_maker_fini(&maker);
}

Test(traces_onnx_hostile, a_cycle_is_refused)
{
    begin();
    onnx_make_node(&maker, "Add", "x b", "a");
    onnx_make_node(&maker, "Relu", "a", "b");
    onnx_make_node(&maker, "Relu", "b", "y");
    expect_refused(SPA_E_PARSE, "reads 'b' before it is made: a cycle, or nodes out of order");
}

Test(traces_onnx_hostile, names_cannot_bring_lines_or_escapes_into_messages)
{
    begin();
    onnx_make_node(&maker, "Relu", "x", "a\n\x1b[31m");
    expect_refused(SPA_E_PARSE, "nothing makes output 'y'");
    begin();
    onnx_make_node(&maker, "Relu", "b\n\x1b[31m", "y");
    expect_refused(SPA_E_PARSE, "reads 'b__[31m' before it is made");
}

Test(traces_onnx_hostile, a_value_that_is_made_twice_is_refused)
{
    begin();
    onnx_make_node(&maker, "Relu", "x", "y");
    onnx_make_node(&maker, "Exp", "x", "y");
    expect_refused(SPA_E_PARSE, "'y' is made twice");
    begin();
    onnx_make_node(&maker, "Relu", "x", "x");
    expect_refused(SPA_E_PARSE, "'x' is made twice");
    begin();
    onnx_make_ints(&maker, "t", (const int64_t[]){1}, 1);
    onnx_make_ints(&maker, "t", (const int64_t[]){1}, 1);
    expect_refused(SPA_E_PARSE, "'t' is made twice");
}

Test(traces_onnx_hostile, an_output_that_nothing_makes_is_refused)
{
    begin();
    onnx_make_node(&maker, "Relu", "x", "z");
    expect_refused(SPA_E_PARSE, "nothing makes output 'y'");
}

Test(traces_onnx_hostile, huge_and_negative_dimensions_are_refused)
{
    begin();
    onnx_make_tensor(&maker, "w", ONNX_FLOAT, (const int64_t[]){INT64_C(1) << 40, 1 << 20}, 2, "",
                     0);
    expect_refused(SPA_E_RANGE, "tensor 'w': dimension 1 is 1048576");
    begin();
    onnx_make_tensor(&maker, "w", ONNX_FLOAT, (const int64_t[]){-3}, 1, "", 0);
    expect_refused(SPA_E_RANGE, "tensor 'w': dimension 0 is -3");
    onnx_maker_init(&maker, 13, 0);
    onnx_make_input(&maker, "x", ONNX_FLOAT, (const int64_t[]){1 << 24, 1 << 24}, 2);
    onnx_make_output(&maker, "y", ONNX_FLOAT, NULL, 0);
    onnx_make_node(&maker, "Relu", "x", "y");
    expect_refused(SPA_E_RANGE, "2^40 elements");
}

Test(traces_onnx_hostile, a_tensor_whose_values_are_not_there_is_refused)
{
    begin();
    onnx_make_tensor(&maker, "w", ONNX_FLOAT, (const int64_t[]){1000}, 1, "abcd", 4);
    expect_refused(SPA_E_PARSE, "tensor 'w' has 1 values; its shape has 1000");
}

Test(traces_onnx_hostile, shapes_that_do_not_fit_are_refused_with_the_node)
{
    begin();
    onnx_make_floats(&maker, "w", (const int64_t[]){1, 2, 1, 1}, 4, (const float[]){1, 2});
    onnx_node_begin(&maker, "Conv", "stem");
    onnx_node_input(&maker, "x");
    onnx_node_input(&maker, "w");
    onnx_node_output(&maker, "y");
    onnx_node_end(&maker);
    expect_refused(SPA_E_INVALID, "node 'stem' (Conv): weights 1x2 in 1 groups do not fit 3");
    begin();
    onnx_make_input(&maker, "scalar", ONNX_FLOAT, NULL, 0);
    onnx_make_node(&maker, "MatMul", "x scalar", "y");
    expect_refused(SPA_E_INVALID, "node 'y' (MatMul): a scalar is no matrix");
    begin();
    onnx_make_ints(&maker, "s", (const int64_t[]){7, -1}, 2);
    onnx_make_node(&maker, "Reshape", "x s", "y");
    expect_refused(SPA_E_INVALID, "node 'y' (Reshape): 48 elements do not fill rows of 7");
    begin();
    onnx_make_ints(&maker, "s", (const int64_t[]){0}, 1);
    onnx_make_ints(&maker, "t", (const int64_t[]){9}, 1);
    onnx_make_ints(&maker, "z", (const int64_t[]){0}, 1);
    onnx_make_node(&maker, "Slice", "x s t z s", "y");
    expect_refused(SPA_E_INVALID, "a step of 0");
}

Test(traces_onnx_hostile, weights_that_a_shape_computation_asks_for_in_gigabytes_are_refused)
{
    begin();
    onnx_make_ints(&maker, "s", (const int64_t[]){1 << 20, 1 << 20, 1 << 20}, 3);
    onnx_make_node(&maker, "ConstantOfShape", "s", "c");
    onnx_make_node(&maker, "Add", "x c", "y");
    expect_refused(SPA_E_RANGE, "would be 1048576");
}

Test(traces_onnx_hostile, old_opsets_and_other_files_are_refused)
{
    spa_graph g;
    onnx_maker_init(&maker, 5, 0);
    onnx_make_output(&maker, "y", ONNX_FLOAT, NULL, 0);
    expect_refused(SPA_E_UNSUPPORTED, "opset 5; 6 and later are read");
    static const char text[] = "hello, this is no protobuf";
    expect_refusal(spa_onnx_parse(&g, "a.onnx", text, sizeof text, NULL, NULL, err), SPA_E_PARSE,
                   "a.onnx");
    expect_refusal(spa_onnx_parse(&g, "a.onnx", "", 0, NULL, NULL, err), SPA_E_PARSE,
                   "this is no ONNX model");
}

Test(traces_onnx_hostile, a_file_that_is_cut_off_anywhere_is_refused_or_another_model)
{
    const uint8_t *data;
    size_t size;
    spa_graph g;
    begin();
    onnx_make_floats(&maker, "w", (const int64_t[]){2, 3, 1, 1}, 4, (const float[6]){1});
    onnx_make_node(&maker, "Conv", "x w", "c");
    onnx_make_node(&maker, "Relu", "c", "y");
    expect_ok(onnx_maker_finish(&maker, &data, &size, err));
    for (size_t n = 0; n < size; n++) {
        uint8_t *copy = malloc(n + 1); /* so that a sanitizer sees what is behind the end */
        spa_error e = {0};
        memcpy(copy, data, n);
        spa_status status = spa_onnx_parse(&g, "cut.onnx", copy, n, NULL, NULL, &e);
        cr_assert_neq(status, SPA_OK, "%zu of %zu bytes", n, size);
        cr_assert_eq(status, e.status);
        free(copy);
    }
    onnx_maker_fini(&maker);
}

Test(traces_onnx_hostile, a_hundred_thousand_nodes_of_one_name_take_no_longer_than_others)
{
    char from[16] = "x", to[16];
    spa_graph g;
    alarm(60);
    begin();
    for (int i = 0; i < 100000; i++) {
        snprintf(to, sizeof to, i == 99999 ? "y" : "v%d", i);
        onnx_node_begin(&maker, "Relu", "same");
        onnx_node_input(&maker, from);
        onnx_node_output(&maker, to);
        onnx_node_end(&maker);
        memcpy(from, to, sizeof from);
        if (i % 50 == 0) onnx_make_prop(&maker, "sparoa.buffer.none", "1");
    }
    expect_ok(read_graph(&g, err));
    cr_assert_eq(g.n_ops, 100000);
    cr_assert_str_eq(g.ops[1].name, "same.1");
    spa_graph_fini(&g);
    onnx_maker_fini(&maker);
}

/* External data: the tensor w [3,1,1] of a model in a folder of its own. */
static spa_status read_external(spa_graph *g, const char *folder, const char *location,
                                const char *length, spa_error *err)
{
    onnx_buffer tensor = {0}, entry = {0};
    const uint8_t *data;
    size_t size;
    char path[300];
    begin();
    for (int i = 0; i < 3; i++) onnx_put_int(&tensor, 1, i == 0 ? 3 : 1);
    onnx_put_int(&tensor, 2, ONNX_FLOAT);
    onnx_put_text(&tensor, 8, "w");
    onnx_put_text(&entry, 1, "location");
    onnx_put_text(&entry, 2, location);
    onnx_put_bytes(&tensor, 13, entry.data, entry.size);
    entry.size = 0;
    onnx_put_text(&entry, 1, "length");
    onnx_put_text(&entry, 2, length);
    onnx_put_bytes(&tensor, 13, entry.data, entry.size);
    onnx_put_int(&tensor, 14, 1);
    onnx_put_bytes(&maker.graph, 5, tensor.data, tensor.size);
    onnx_make_node(&maker, "Add", "x w", "y");
    spa_status status = onnx_maker_finish(&maker, &data, &size, err);
    snprintf(path, sizeof path, "%s/net.onnx", folder);
    if (!status) status = spa_write_file(path, data, size, err);
    if (!status) status = spa_onnx_read(g, path, NULL, NULL, err);
    onnx_buffer_fini(&tensor);
    onnx_buffer_fini(&entry);
    onnx_maker_fini(&maker);
    return status;
}

Test(traces_onnx_hostile, external_data_is_read_from_the_models_folder_only)
{
    char folder[] = "/tmp/sparoa-onnx-XXXXXX", path[300];
    const float values[] = {1, 2, 3};
    float w[3];
    spa_graph g;
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.bin", folder);
    expect_ok(spa_write_file(path, values, sizeof values, err));
    expect_ok(read_external(&g, folder, "w.bin", "12", err));
    expect_ok(g.source->fill(g.source, 0, 0, w, 3, err));
    cr_assert(w[0] == 1 && w[2] == 3);
    spa_graph_fini(&g);
    expect_refusal(read_external(&g, folder, "w.bin", "16", err), SPA_E_PARSE,
                   "are not in 'w.bin'");
    expect_refusal(read_external(&g, folder, "none.bin", "12", err), SPA_E_IO, "none.bin");
    static const char *const outside[] = {"/etc/passwd", "../w.bin", "a/../../w.bin", ""};
    for (size_t i = 0; i < 4; i++)
        expect_refusal(read_external(&g, folder, outside[i], "12", err), SPA_E_INVALID,
                       "is not in the model's folder");
    char link[300];
    snprintf(link, sizeof link, "%s/link", folder);
    cr_assert_eq(symlink("/etc/passwd", link), 0);
    expect_refusal(read_external(&g, folder, "link", "12", err), SPA_E_INVALID,
                   "is a link that leads out");
    unlink(link);
    unlink(path);
    snprintf(path, sizeof path, "%s/net.onnx", folder);
    unlink(path);
    rmdir(folder);
}
