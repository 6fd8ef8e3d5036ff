#include "tests/traces/one_op.h"
#include <math.h>
#include "traces/operator.h"

static spa_graph g;

static void close_graph(void)
{
    spa_graph_fini(&g);
}

TestSuite(zoo, .fini = close_graph);

static spa_status build(const char *name, int32_t batch, const char *sparsity, spa_error *err)
{
    return spa_zoo_build(&g, name, batch, SPA_FP32, sparsity, err);
}

static size_t count_kind(spa_op_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < g.n_ops; i++) n += g.ops[i].kind == kind;
    return n;
}

static const spa_op *find(const char *name)
{
    int32_t i = spa_graph_find(&g, name);
    cr_assert_geq(i, 0, "no operator '%s'", name);
    return &g.ops[i];
}

/* Learned parameters as torchvision's documentation lists them (num_params of each model's
 * weights); MACs within the rounding of its GFLOPS (1.81, 0.30, 0.06, 17.56, 4.49), which count a
 * multiply-add as one. */
Test(zoo, the_five_models_have_the_published_parameters_and_macs)
{
    static const struct {
        const char *name;
        size_t operators;
        int64_t parameters;
        double gmacs;
    } published[] = {
        {"resnet18", 69, 11689512, 1.81},
        {"mobilenet_v2", 152, 3504872, 0.30},
        {"mobilenet_v3_small", 156, 2542856, 0.06},
        {"vit_b_16", 297, 86567656, 17.56},
        {"swin_t", 426, 28288354, 4.49},
    };
    for (size_t i = 0; i < 5; i++) {
        expect_ok(build(published[i].name, 1, "none", err));
        cr_assert_eq(g.total_params, published[i].parameters, "%s: %lld", published[i].name,
                     (long long)g.total_params);
        cr_assert_eq(g.n_ops, published[i].operators, "%s: %zu", published[i].name, g.n_ops);
        cr_assert_float_eq((double)g.total_macs * 1e-9, published[i].gmacs, 0.005, "%s: %lld",
                           published[i].name, (long long)g.total_macs);
        spa_graph_fini(&g);
    }
}

Test(zoo, resnet18_has_its_layers)
{
    expect_ok(build("resnet18", 1, "none", err));
    cr_assert_eq(count_kind(SPA_OP_CONV), 20); /* 1 + 4 * 4 + 3 shortcuts */
    cr_assert_eq(count_kind(SPA_OP_BATCH_NORM), 20);
    cr_assert_eq(count_kind(SPA_OP_RELU), 17); /* 1 + 8 * 2 */
    cr_assert_eq(count_kind(SPA_OP_ADD), 8);
    const spa_op *conv = find("conv1");
    expect_shape(conv->out, 1, 64, 112, 112);
    cr_assert_eq(conv->macs, INT64_C(64) * 112 * 112 * 147); /* 7*7*3 */
    expect_shape(find("maxpool")->out, 1, 64, 56, 56);
    expect_shape(find("layer4.0.downsample.0")->out, 1, 512, 7, 7);
    cr_assert_eq(find("layer4.0.downsample.0")->macs, INT64_C(512) * 49 * 256);
    expect_shape(g.ops[g.n_ops - 1].out, 1, 1000);
}

Test(zoo, mobilenet_v2_expands_squeezes_and_adds)
{
    expect_ok(build("mobilenet_v2", 1, "none", err));
    cr_assert_eq(count_kind(SPA_OP_CONV), 52);  /* 1 + 2 + 16 * 3 + 1 */
    cr_assert_eq(count_kind(SPA_OP_RELU6), 35); /* 1 + 1 + 16 * 2 + 1 */
    cr_assert_eq(count_kind(SPA_OP_ADD), 10);   /* repeats: 1 + 2 + 3 + 2 + 2 */
    cr_assert(spa_op_is_depthwise(&g, find("features.1.conv.0.0")));
    expect_shape(find("features.18.0")->out, 1, 1280, 7, 7);
}

Test(zoo, mobilenet_v3_small_excites_with_the_rounded_width)
{
    expect_ok(build("mobilenet_v3_small", 1, "none", err));
    cr_assert_eq(count_kind(SPA_OP_HARD_SIGMOID), 9);
    /* block 6 is 240 wide: 240 / 4 = 60, nearest multiple of 8 is 64 */
    expect_shape(find("features.5.block.2.fc1")->out, 1, 64, 1, 1);
    expect_shape(find("classifier.0")->out, 1, 1024);
}

/* Without attention's two products ViT-B/16 would have 16.85 GMACs, not the published 17.56. */
Test(zoo, the_macs_of_vit_include_attention)
{
    expect_ok(build("vit_b_16", 1, "none", err));
    int64_t attention = 0;
    for (size_t i = 0; i < g.n_ops; i++)
        if (g.ops[i].kind == SPA_OP_MATMUL) attention += g.ops[i].macs;
    /* 12 layers * 2 products * 12 heads * 197 * 197 * 64 */
    cr_assert_eq(attention, INT64_C(12) * 2 * 12 * 197 * 197 * 64);
    cr_assert_eq(count_kind(SPA_OP_SOFTMAX), 12);
    cr_assert_eq(count_kind(SPA_OP_LAYER_NORM), 25);
    expect_shape(find("class_token")->out, 1, 197, 768);
    cr_assert_eq(find("encoder.pos_embedding")->n_learned, 197 * 768);
}

Test(zoo, swin_t_shifts_every_second_block_until_one_window_covers_all)
{
    expect_ok(build("swin_t", 1, "none", err));
    cr_assert_eq(count_kind(SPA_OP_ROLL), 2 * 5); /* blocks 2 of stage 1, 2; 2, 4, 6 of stage 3 */
    cr_assert_eq(count_kind(SPA_OP_GATHER), 12);
    cr_assert_eq(count_kind(SPA_OP_PAD), 0); /* 56, 28, 14, 7 are multiples of 7 */
    cr_assert_lt(spa_graph_find(&g, "features.7.1.attn.roll"), 0);
    const spa_op *mask = find("features.1.1.attn.add_mask");
    expect_shape(mask->out, 1, 64, 3, 49, 49);
    cr_assert_eq(mask->n_learned, 0);
    cr_assert_eq(mask->bytes_weight, 4 * 64 * 49 * 49);
    expect_shape(find("features.2.cat")->out, 1, 28, 28, 384);
    expect_shape(find("features.6.reduction")->out, 1, 7, 7, 768);
    cr_assert_eq(find("features.2.reduction")->n_learned, 384 * 192); /* no bias */
}

Test(zoo, a_batch_multiplies_the_work_but_not_the_parameters)
{
    size_t n;
    const spa_model_info *models = spa_zoo_models(&n);
    cr_assert_eq(n, 5);
    for (size_t i = 0; i < n; i++) {
        expect_ok(build(models[i].name, 1, "none", err));
        int64_t macs = g.total_macs, params = g.total_params;
        uint64_t hash = g.hash;
        spa_graph_fini(&g);
        expect_ok(build(models[i].name, 3, "none", err));
        cr_assert_eq(g.total_macs, 3 * macs);
        cr_assert_eq(g.total_params, params);
        cr_assert_neq(g.hash, hash);
        spa_graph_fini(&g);
    }
}

Test(zoo, everything_but_the_last_operator_is_used)
{
    size_t n;
    const spa_model_info *models = spa_zoo_models(&n);
    for (size_t m = 0; m < n; m++) {
        expect_ok(build(models[m].name, 1, "none", err));
        for (size_t i = 0; i + 1 < g.n_ops; i++)
            cr_assert_lt(g.first_consumer[i], g.first_consumer[i + 1], "%s", g.ops[i].name);
        spa_graph_fini(&g);
    }
}

Test(zoo, an_unknown_model_or_assumption_suggests_the_nearest)
{
    expect_refusal(build("resnet19", 1, "none", err), SPA_E_NOT_FOUND, "did you mean 'resnet18'?");
    expect_refusal(build("resnet18", 1, "relu5", err), SPA_E_NOT_FOUND, "did you mean 'relu50'?");
    cr_assert_null(g.ops);
}

Test(zoo, absurd_batches_are_refused)
{
    expect_refusal(build("resnet18", 0, "none", err), SPA_E_RANGE, "batch 0");
    /* 10^7 images have 1.5e12 elements, more than 2^40 = 1.1e12 */
    expect_refusal(build("resnet18", 10000000, "none", err), SPA_E_RANGE, "2^40");
    cr_assert_null(g.ops);
}

Test(zoo, none_makes_every_activation_dense)
{
    expect_ok(build("mobilenet_v2", 1, "none", err));
    for (size_t i = 0; i < g.n_ops; i++) {
        cr_assert(g.ops[i].sparsity == 0 && g.ops[i].input_sparsity == 0);
        cr_assert_eq(g.ops[i].rho_origin, SPA_ORIGIN_ASSUMED);
    }
}

Test(zoo, relu50_makes_half_of_what_relu_puts_out_zero_and_nothing_that_weights_put_out)
{
    expect_ok(build("resnet18", 1, "relu50", err));
    cr_assert_eq(find("relu")->sparsity, 0.5);
    cr_assert_eq(find("conv1")->sparsity, 0);
    cr_assert_eq(find("layer1.0.conv2")->input_sparsity, 0.5);
    /* a window of nine is zero when all nine are: 2^-9 */
    cr_assert_float_eq(find("maxpool")->sparsity, 1.0 / 512, 1e-15);
    /* the sum of a dense and a half-zero tensor is dense */
    cr_assert_eq(find("layer2.1.add")->sparsity, 0);
    cr_assert_float_eq(find("layer2.1.add")->input_sparsity, 0.25, 1e-15);
}

Test(zoo, relu50_follows_the_zeros_through_data_movement)
{
    const spa_shape in = {2, {1, 8}};
    const int32_t x = SPA_GRAPH_INPUT(0), relu = 0, both[] = {1, 0};
    spa_graph_init(&g, "moves", 1, SPA_FP32);
    g.n_graph_inputs = 1;
    g.graph_inputs[0] = in;
    expect_ok(spa_graph_add(&g, "relu", SPA_OP_RELU, NULL, &x, 1, NULL, NULL, err));
    expect_ok(
        spa_graph_add(&g, "pad", SPA_OP_PAD, NULL, &relu, 1, &(spa_shape){2, {1, 16}}, NULL, err));
    expect_ok(spa_graph_add(&g, "join", SPA_OP_CONCAT, &(spa_op_attrs){.axis = 1}, both, 2, NULL,
                            NULL, err));
    expect_ok(spa_graph_add(&g, "square", SPA_OP_MUL, NULL, (int32_t[]){0, 0}, 2, NULL, NULL, err));
    expect_ok(spa_graph_add(&g, "sum", SPA_OP_ADD, NULL, (int32_t[]){0, 0}, 2, NULL, NULL, err));
    expect_ok(spa_graph_add(&g, "sigmoid", SPA_OP_SIGMOID, NULL, &relu, 1, NULL, NULL, err));
    expect_ok(spa_graph_finish(&g, err));
    expect_ok(spa_graph_assume_sparsity(&g, "relu50", err));
    cr_assert_float_eq(g.ops[1].sparsity, 0.75, 1e-15);      /* (4 + 8) / 16 */
    cr_assert_float_eq(g.ops[2].sparsity, 16.0 / 24, 1e-15); /* (12 + 4) / 24 */
    cr_assert_float_eq(g.ops[3].sparsity, 0.75, 1e-15);      /* 1 - 0.5 * 0.5 */
    cr_assert_float_eq(g.ops[4].sparsity, 0.25, 1e-15);      /* 0.5 * 0.5 */
    cr_assert_eq(g.ops[5].sparsity, 0);
}

Test(zoo, loading_takes_zoo_names_and_refuses_unknown_ones)
{
    expect_ok(spa_model_load(&g, "resnet18", 2, SPA_FP16, err));
    cr_assert(g.batch == 2 && g.dtype == SPA_FP16);
    cr_assert_eq(g.ops[2].sparsity, 0.5); /* relu50 is the default */
    spa_graph_fini(&g);
    expect_refusal(spa_model_load(&g, "swin_b", 1, SPA_FP32, err), SPA_E_NOT_FOUND, "'swin_t'");
}
