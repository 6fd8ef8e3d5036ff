/* Networks of ncnn's benchmark, from their publications, as ncnn runs them: normalisations, ReLU
 * and hard-swish are folded into convolutions; swish is an operator of its own. */
#include <stdio.h>
#include <string.h>
#include "experiments/fit.h"

typedef struct builder {
    spa_graph *graph;
    spa_status status;
    spa_error *err;
    int32_t at; /* the last value */
} builder;

static int32_t add(builder *b, spa_op_kind kind, const spa_op_attrs *attrs, const int32_t *inputs,
                   size_t n, const spa_shape *out)
{
    char name[24];
    int32_t index = 0;
    if (b->status != SPA_OK) return 0;
    snprintf(name, sizeof name, "%s%zu", spa_op_kind_name(kind), b->graph->n_ops);
    b->status = spa_graph_add(b->graph, name, kind, attrs, inputs, n, out, &index, b->err);
    b->at = index;
    return index;
}

static spa_shape shape_of(const builder *b, int32_t x)
{
    if (b->status != SPA_OK) return (spa_shape){4, {1, 1, 1, 1}};
    return x >= 0 ? b->graph->ops[x].out : b->graph->graph_inputs[~x];
}

static int32_t channels(const builder *b)
{
    return shape_of(b, b->at).dim[1];
}

static int32_t window(builder *b, spa_op_kind kind, int32_t x, int32_t out, int32_t k, int32_t s,
                      int32_t p, int32_t groups, bool ceil_mode)
{
    bool is_conv = kind == SPA_OP_CONV;
    spa_op_attrs a = {.kernel_h = k,
                      .kernel_w = k,
                      .stride_h = s,
                      .stride_w = s,
                      .dilation_h = is_conv,
                      .dilation_w = is_conv,
                      .pad_top = p,
                      .pad_left = p,
                      .pad_bottom = p,
                      .pad_right = p,
                      .groups = is_conv ? groups : 0,
                      .has_bias = is_conv,
                      .ceil_mode = ceil_mode};
    spa_shape shape = {4, {0, out, 0, 0}};
    return add(b, kind, &a, &x, 1, is_conv ? &shape : NULL);
}

static int32_t conv(builder *b, int32_t x, int32_t out, int32_t k, int32_t s, int32_t groups)
{
    return window(b, SPA_OP_CONV, x, out, k, s, k / 2, groups, false);
}

static int32_t conv_valid(builder *b, int32_t x, int32_t out, int32_t k, int32_t s)
{
    return window(b, SPA_OP_CONV, x, out, k, s, 0, 1, false);
}

static int32_t depthwise(builder *b, int32_t k, int32_t s)
{
    return conv(b, b->at, channels(b), k, s, channels(b));
}

static int32_t max_pool(builder *b, int32_t k, int32_t s, int32_t p, bool ceil_mode)
{
    return window(b, SPA_OP_MAX_POOL, b->at, 0, k, s, p, 0, ceil_mode);
}

static int32_t unary(builder *b, spa_op_kind kind, int32_t x)
{
    spa_op_attrs a = {0};
    return add(b, kind, &a, &x, 1, NULL);
}

static int32_t binary(builder *b, spa_op_kind kind, int32_t x, int32_t y)
{
    spa_op_attrs a = {0};
    int32_t inputs[] = {x, y};
    return add(b, kind, &a, inputs, 2, NULL);
}

static int32_t concat(builder *b, const int32_t *inputs, size_t n)
{
    spa_op_attrs a = {.axis = 1};
    return add(b, SPA_OP_CONCAT, &a, inputs, n, NULL);
}

/* Flattens what comes in. */
static int32_t linear(builder *b, int32_t features)
{
    spa_op_attrs none = {0}, bias = {.has_bias = true};
    spa_shape in = shape_of(b, b->at);
    spa_shape flat = {2, {1, (int32_t)spa_shape_elements(&in)}}, out = {2, {1, features}};
    if (in.rank != 2) add(b, SPA_OP_RESHAPE, &none, &b->at, 1, &flat);
    return add(b, SPA_OP_LINEAR, &bias, &b->at, 1, &out);
}

static void classify(builder *b, int32_t features)
{
    unary(b, SPA_OP_GLOBAL_AVG_POOL, b->at);
    linear(b, features);
}

/* ---- networks -------------------------------------------------------------------------------- */

static void fire(builder *b, int32_t squeeze, int32_t expand)
{
    int32_t x = conv(b, b->at, squeeze, 1, 1, 1), both[2];
    both[0] = conv(b, x, expand, 1, 1, 1);
    both[1] = conv(b, x, expand, 3, 1, 1);
    concat(b, both, 2);
}

/* Version 1.1; Iandola et al. 2016, arXiv 1602.07360. */
static void squeezenet(builder *b)
{
    static const int32_t fires[][2] = {{16, 64},  {16, 64},  {32, 128}, {32, 128},
                                       {48, 192}, {48, 192}, {64, 256}, {64, 256}};
    conv_valid(b, b->at, 64, 3, 2);
    for (size_t i = 0; i < 8; i++) {
        if (i == 0 || i == 2 || i == 4) max_pool(b, 3, 2, 0, true);
        fire(b, fires[i][0], fires[i][1]);
    }
    conv(b, b->at, 1000, 1, 1, 1);
    unary(b, SPA_OP_GLOBAL_AVG_POOL, b->at);
}

/* Howard et al. 2017, arXiv 1704.04861. */
static void mobilenet(builder *b)
{
    static const int32_t blocks[][2] = {{64, 1},  {128, 2},  {128, 1}, {256, 2}, {256, 1},
                                        {512, 2}, {512, 1},  {512, 1}, {512, 1}, {512, 1},
                                        {512, 1}, {1024, 2}, {1024, 1}};
    conv(b, b->at, 32, 3, 2, 1);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        depthwise(b, 3, blocks[i][1]);
        conv(b, b->at, blocks[i][0], 1, 1, 1);
    }
    classify(b, 1000);
}

static void squeeze_excite(builder *b, int32_t reduced)
{
    int32_t x = b->at, full = channels(b);
    unary(b, SPA_OP_GLOBAL_AVG_POOL, x);
    conv(b, b->at, reduced, 1, 1, 1);
    conv(b, b->at, full, 1, 1, 1);
    binary(b, SPA_OP_MUL, x, b->at);
}

/* Hard-swish does the same work per element, within a factor, and there is no kind for swish. */
static void swish(builder *b)
{
    unary(b, SPA_OP_HARD_SWISH, b->at);
}

typedef struct inverted {
    int32_t k, expanded, out, stride, reduced; /* reduced: squeeze-and-excite width, 0 = none */
    bool swish;                                /* after each of the first two */
} inverted;

static void inverted_block(builder *b, inverted v)
{
    int32_t x = b->at, in = channels(b);
    if (v.expanded != in) {
        conv(b, b->at, v.expanded, 1, 1, 1);
        if (v.swish) swish(b);
    }
    depthwise(b, v.k, v.stride);
    if (v.swish) swish(b);
    if (v.reduced) squeeze_excite(b, v.reduced);
    conv(b, b->at, v.out, 1, 1, 1);
    if (v.stride == 1 && v.out == in) binary(b, SPA_OP_ADD, x, b->at);
}

/* {kernel, expansion, channels, repeats, stride} */
static void inverted_stages(builder *b, const int32_t (*stages)[5], size_t n, bool excite)
{
    for (size_t i = 0; i < n; i++) {
        for (int32_t j = 0; j < stages[i][3]; j++) {
            int32_t in = channels(b);
            inverted_block(b, (inverted){stages[i][0], in * stages[i][1], stages[i][2],
                                         j == 0 ? stages[i][4] : 1, excite ? in / 4 : 0, excite});
        }
    }
}

/* Sandler et al. 2018, arXiv 1801.04381. */
static void mobilenet_v2(builder *b)
{
    static const int32_t stages[][5] = {{3, 1, 16, 1, 1}, {3, 6, 24, 2, 2}, {3, 6, 32, 3, 2},
                                        {3, 6, 64, 4, 2}, {3, 6, 96, 3, 1}, {3, 6, 160, 3, 2},
                                        {3, 6, 320, 1, 1}};
    conv(b, b->at, 32, 3, 2, 1);
    inverted_stages(b, stages, 7, false);
    conv(b, b->at, 1280, 1, 1, 1);
    classify(b, 1000);
}

/* Large; Howard et al. 2019, arXiv 1905.02244. */
static void mobilenet_v3(builder *b)
{
    static const inverted blocks[] = {
        {3, 16, 16, 1, 0, false},     {3, 64, 24, 2, 0, false},     {3, 72, 24, 1, 0, false},
        {5, 72, 40, 2, 18, false},    {5, 120, 40, 1, 30, false},   {5, 120, 40, 1, 30, false},
        {3, 240, 80, 2, 0, false},    {3, 200, 80, 1, 0, false},    {3, 184, 80, 1, 0, false},
        {3, 184, 80, 1, 0, false},    {3, 480, 112, 1, 120, false}, {3, 672, 112, 1, 168, false},
        {5, 672, 160, 2, 168, false}, {5, 960, 160, 1, 240, false}, {5, 960, 160, 1, 240, false}};
    conv(b, b->at, 16, 3, 2, 1);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) inverted_block(b, blocks[i]);
    conv(b, b->at, 960, 1, 1, 1);
    classify(b, 1280);
    linear(b, 1000);
}

/* B1 without squeeze-and-excite; Tan et al. 2018, arXiv 1807.11626. */
static void mnasnet(builder *b)
{
    static const int32_t stages[][5] = {{3, 3, 24, 3, 2}, {5, 3, 40, 3, 2},  {5, 6, 80, 3, 2},
                                        {3, 6, 96, 2, 1}, {5, 6, 192, 4, 2}, {3, 6, 320, 1, 1}};
    conv(b, b->at, 32, 3, 2, 1);
    depthwise(b, 3, 1);
    conv(b, b->at, 16, 1, 1, 1);
    inverted_stages(b, stages, 6, false);
    conv(b, b->at, 1280, 1, 1, 1);
    classify(b, 1000);
}

/* Tan & Le 2019, arXiv 1905.11946. */
static void efficientnet_b0(builder *b)
{
    static const int32_t stages[][5] = {{3, 1, 16, 1, 1}, {3, 6, 24, 2, 2},  {5, 6, 40, 2, 2},
                                        {3, 6, 80, 3, 2}, {5, 6, 112, 3, 1}, {5, 6, 192, 4, 2},
                                        {3, 6, 320, 1, 1}};
    conv(b, b->at, 32, 3, 2, 1);
    swish(b);
    inverted_stages(b, stages, 7, true);
    conv(b, b->at, 1280, 1, 1, 1);
    swish(b);
    classify(b, 1000);
}

/* He et al. 2015, arXiv 1512.03385: two 3x3 per block, or a bottleneck of three. */
static void resnet(builder *b, const int32_t *blocks, bool bottleneck)
{
    conv(b, b->at, 64, 7, 2, 1);
    max_pool(b, 3, 2, 1, false);
    for (int32_t stage = 0; stage < 4; stage++) {
        int32_t width = 64 << stage, out = bottleneck ? 4 * width : width;
        for (int32_t i = 0; i < blocks[stage]; i++) {
            int32_t x = b->at, in = channels(b), s = stage > 0 && i == 0 ? 2 : 1, y;
            if (bottleneck) conv(b, x, width, 1, 1, 1);
            conv(b, b->at, width, 3, s, 1);
            y = bottleneck ? conv(b, b->at, out, 1, 1, 1) : conv(b, b->at, out, 3, 1, 1);
            if (s > 1 || in != out) x = conv_valid(b, x, out, 1, s);
            binary(b, SPA_OP_ADD, y, x);
        }
    }
    classify(b, 1000);
}

static void resnet18(builder *b)
{
    resnet(b, (const int32_t[]){2, 2, 2, 2}, false);
}
static void resnet50(builder *b)
{
    resnet(b, (const int32_t[]){3, 4, 6, 3}, true);
}

/* Simonyan & Zisserman 2014, arXiv 1409.1556. */
static void vgg16(builder *b)
{
    static const int32_t stages[][2] = {{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}};
    for (size_t i = 0; i < 5; i++) {
        for (int32_t j = 0; j < stages[i][1]; j++) conv(b, b->at, stages[i][0], 3, 1, 1);
        max_pool(b, 2, 2, 0, false);
    }
    linear(b, 4096);
    linear(b, 4096);
    linear(b, 1000);
}

/* Local response normalisation, costed as an elementwise product. */
static void normalise(builder *b)
{
    spa_op_attrs a = {.alpha = 0.5};
    add(b, SPA_OP_MUL, &a, &b->at, 1, NULL);
}

/* The Caffe variant; Krizhevsky et al. 2012. */
static void alexnet(builder *b)
{
    conv_valid(b, b->at, 96, 11, 4);
    normalise(b);
    max_pool(b, 3, 2, 0, false);
    conv(b, b->at, 256, 5, 1, 2);
    normalise(b);
    max_pool(b, 3, 2, 0, false);
    conv(b, b->at, 384, 3, 1, 1);
    conv(b, b->at, 384, 3, 1, 2);
    conv(b, b->at, 256, 3, 1, 2);
    max_pool(b, 3, 2, 0, false);
    linear(b, 4096);
    linear(b, 4096);
    linear(b, 1000);
}

static void inception(builder *b, const int32_t *c)
{
    int32_t x = b->at, out[4];
    out[0] = conv(b, x, c[0], 1, 1, 1);
    conv(b, x, c[1], 1, 1, 1);
    out[1] = conv(b, b->at, c[2], 3, 1, 1);
    conv(b, x, c[3], 1, 1, 1);
    out[2] = conv(b, b->at, c[4], 5, 1, 1);
    b->at = x;
    max_pool(b, 3, 1, 1, false);
    out[3] = conv(b, b->at, c[5], 1, 1, 1);
    concat(b, out, 4);
}

/* Szegedy et al. 2014, arXiv 1409.4842. */
static void googlenet(builder *b)
{
    static const int32_t blocks[][6] = {
        {64, 96, 128, 16, 32, 32},     {128, 128, 192, 32, 96, 64},
        {192, 96, 208, 16, 48, 64},    {160, 112, 224, 24, 64, 64},
        {128, 128, 256, 24, 64, 64},   {112, 144, 288, 32, 64, 64},
        {256, 160, 320, 32, 128, 128}, {256, 160, 320, 32, 128, 128},
        {384, 192, 384, 48, 128, 128}};
    conv(b, b->at, 64, 7, 2, 1);
    max_pool(b, 3, 2, 0, true);
    normalise(b);
    conv(b, b->at, 64, 1, 1, 1);
    conv(b, b->at, 192, 3, 1, 1);
    normalise(b);
    max_pool(b, 3, 2, 0, true);
    for (size_t i = 0; i < 9; i++) {
        if (i == 2 || i == 7) max_pool(b, 3, 2, 0, true);
        inception(b, blocks[i]);
    }
    classify(b, 1000);
}

/* ---- the list -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int32_t size;
    void (*build)(builder *b);
} nets[] = {
    {"squeezenet", 227, squeezenet},     {"mobilenet", 224, mobilenet},
    {"mobilenet_v2", 224, mobilenet_v2}, {"mobilenet_v3", 224, mobilenet_v3},
    {"mnasnet", 224, mnasnet},           {"efficientnet_b0", 224, efficientnet_b0},
    {"googlenet", 224, googlenet},       {"resnet18", 224, resnet18},
    {"alexnet", 227, alexnet},           {"vgg16", 224, vgg16},
    {"resnet50", 224, resnet50},
};

size_t fit_nets_count(void)
{
    return sizeof nets / sizeof *nets;
}
const char *fit_nets_name(size_t i)
{
    return nets[i].name;
}

spa_status fit_nets_build(size_t i, spa_graph *graph, spa_error *err)
{
    builder b = {.graph = graph, .err = err, .at = SPA_GRAPH_INPUT(0)};
    spa_graph_init(graph, nets[i].name, 1, SPA_FP16);
    graph->n_graph_inputs = 1;
    graph->graph_inputs[0] = (spa_shape){4, {1, 3, nets[i].size, nets[i].size}};
    nets[i].build(&b);
    SPA_TRY(b.status);
    return spa_graph_finish(graph, err);
}
