/* The model zoo: the paper's five models as torchvision 0.15+ builds them for inference at 224x224,
 * operator by operator and unfused. Dropout, stochastic depth and identities are left out (they do
 * nothing at inference). Weights are no part of a graph; the epsilons of norms, which differ
 * between models (1e-3, 1e-5, 1e-6), are no attribute: they change no cost. */
#include "traces/zoo.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "traces/onnx.h"
#include "traces/operator.h"

static const spa_model_info infos[] = {
    {"resnet18", "ResNet-18, 11.69 M parameters, 1.81 GMACs", "torchvision models/resnet.py"},
    {"mobilenet_v2", "MobileNetV2, 3.50 M parameters, 0.30 GMACs",
     "torchvision models/mobilenetv2.py"},
    {"mobilenet_v3_small", "MobileNetV3-Small, 2.54 M parameters, 0.06 GMACs",
     "torchvision models/mobilenetv3.py"},
    {"vit_b_16", "ViT-B/16, 86.57 M parameters, 17.56 GMACs",
     "torchvision models/vision_transformer.py"},
    {"swin_t", "Swin-T, 28.29 M parameters, 4.49 GMACs", "torchvision models/swin_transformer.py"},
};

#define N_MODELS (sizeof infos / sizeof infos[0])

static void (*const builders[N_MODELS])(spa_zoo *z, int32_t x) = {
    spa_zoo_resnet18, spa_zoo_mobilenet_v2, spa_zoo_mobilenet_v3_small,
    spa_zoo_vit_b_16, spa_zoo_swin_t,
};

const spa_model_info *spa_zoo_models(size_t *count)
{
    *count = N_MODELS;
    return infos;
}

/* ---- operators --------------------------------------------------------------------------- */

int32_t spa_zoo_op(spa_zoo *z, const char *module, const char *leaf, spa_op_kind kind,
                   const spa_op_attrs *attrs, const int32_t *inputs, size_t n_inputs,
                   const spa_shape *out)
{
    char name[128];
    int32_t index = 0;
    if (z->status != SPA_OK) return 0;
    snprintf(name, sizeof name, "%s%s%s", module, module[0] != '\0' && leaf[0] != '\0' ? "." : "",
             leaf);
    z->status = spa_graph_add(z->graph, name, kind, attrs, inputs, n_inputs, out, &index, z->err);
    return z->status == SPA_OK ? index : 0;
}

int32_t spa_zoo_unary(spa_zoo *z, const char *module, const char *leaf, spa_op_kind kind, int32_t x)
{
    return spa_zoo_op(z, module, leaf, kind, NULL, &x, 1, NULL);
}

int32_t spa_zoo_binary(spa_zoo *z, const char *module, const char *leaf, spa_op_kind kind,
                       int32_t a, int32_t b)
{
    int32_t inputs[] = {a, b};
    return spa_zoo_op(z, module, leaf, kind, NULL, inputs, 2, NULL);
}

int32_t spa_zoo_add_conv(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                         spa_zoo_conv conv)
{
    spa_op_attrs attrs = {.kernel_h = conv.k,
                          .kernel_w = conv.k,
                          .stride_h = conv.s,
                          .stride_w = conv.s,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .pad_top = conv.p,
                          .pad_left = conv.p,
                          .pad_bottom = conv.p,
                          .pad_right = conv.p,
                          .groups = conv.groups,
                          .has_bias = conv.bias};
    return spa_zoo_op(z, module, leaf, SPA_OP_CONV, &attrs, &x, 1,
                      &(spa_shape){4, {0, conv.channels, 0, 0}});
}

int32_t spa_zoo_linear(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                       int32_t features, bool bias)
{
    spa_shape out = spa_zoo_shape(z, x);
    if (z->status != SPA_OK) return 0;
    out.dim[out.rank - 1] = features;
    return spa_zoo_op(z, module, leaf, SPA_OP_LINEAR, &(spa_op_attrs){.has_bias = bias}, &x, 1,
                      &out);
}

int32_t spa_zoo_reshape(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                        spa_shape shape)
{
    return spa_zoo_op(z, module, leaf, SPA_OP_RESHAPE, NULL, &x, 1, &shape);
}

int32_t spa_zoo_transpose(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                          const int32_t perm[SPA_MAX_RANK])
{
    spa_op_attrs attrs = {0};
    memcpy(attrs.perm, perm, sizeof attrs.perm);
    return spa_zoo_op(z, module, leaf, SPA_OP_TRANSPOSE, &attrs, &x, 1, NULL);
}

int32_t spa_zoo_slice(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                      const int32_t begin[SPA_MAX_RANK], const int32_t *step, spa_shape out)
{
    spa_op_attrs attrs = {0};
    memcpy(attrs.begin, begin, sizeof attrs.begin);
    if (step != NULL) memcpy(attrs.step, step, sizeof attrs.step);
    return spa_zoo_op(z, module, leaf, SPA_OP_SLICE, &attrs, &x, 1, &out);
}

int32_t spa_zoo_add_param(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                          spa_shape shape, bool learned)
{
    spa_op_attrs attrs = {.param_shape = shape, .param_learned = learned};
    return spa_zoo_op(z, module, leaf, SPA_OP_ADD, &attrs, &x, 1, NULL);
}

int32_t spa_zoo_scale(spa_zoo *z, const char *module, const char *leaf, int32_t x, double factor)
{
    return spa_zoo_op(z, module, leaf, SPA_OP_MUL, &(spa_op_attrs){.alpha = factor}, &x, 1, NULL);
}

spa_shape spa_zoo_shape(const spa_zoo *z, int32_t x)
{
    if (z->status != SPA_OK) return (spa_shape){0};
    return x >= 0 ? z->graph->ops[x].out : z->graph->graph_inputs[~x];
}

/* ---- models ------------------------------------------------------------------------------ */

spa_status spa_zoo_build(spa_graph *graph, const char *name, int32_t batch, spa_dtype dtype,
                         const char *sparsity, spa_error *err)
{
    const char *names[N_MODELS];
    size_t model = N_MODELS;
    *graph = (spa_graph){0};
    for (size_t i = 0; i < N_MODELS; i++) {
        names[i] = infos[i].name;
        if (strcmp(name, names[i]) == 0) model = i;
    }
    if (model == N_MODELS) return spa_fail_unknown(err, "model", name, names, N_MODELS);

    spa_graph_init(graph, names[model], batch, dtype);
    graph->n_graph_inputs = 1;
    graph->graph_inputs[0] = (spa_shape){4, {batch, 3, 224, 224}};
    spa_zoo z = {.graph = graph, .err = err};
    builders[model](&z, SPA_GRAPH_INPUT(0));
    spa_status status = z.status;
    if (status == SPA_OK) status = spa_graph_finish(graph, err);
    if (status == SPA_OK) status = spa_graph_assume_sparsity(graph, sparsity, err);
    if (status != SPA_OK) spa_graph_fini(graph);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

spa_status spa_model_load(spa_graph *graph, const char *name_or_path, int32_t batch,
                          spa_dtype dtype, spa_error *err)
{
    *graph = (spa_graph){0};
    if (spa_onnx_is_file(name_or_path)) {
        spa_onnx_options o = {.batch = batch, .dtype = (int)dtype};
        return spa_onnx_read(graph, name_or_path, &o, NULL, err);
    }
    if (!ends_with(name_or_path, ".graph.csv"))
        return spa_zoo_build(graph, name_or_path, batch, dtype, "relu50", err);
    SPA_TRY(spa_graph_read_csv(graph, name_or_path, err));
    if (graph->batch == batch && graph->dtype == dtype) return SPA_OK;
    spa_status status = spa_fail_at(
        err, SPA_E_INVALID, name_or_path, 0,
        "this graph has batch %d and dtype %s, not %d and %s; ask for what it has",
        (int)graph->batch, spa_dtype_name(graph->dtype), (int)batch, spa_dtype_name(dtype));
    spa_graph_fini(graph);
    return status;
}
