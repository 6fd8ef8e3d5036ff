/* The model zoo: convolutional networks. */
#include "traces/zoo.h"

#include <stdio.h>

/* ---- ResNet-18 (torchvision models/resnet.py; He et al. 2015, arXiv 1512.03385) ------------ */

static int32_t conv_bn(spa_zoo *z, const char *module, const char *conv, const char *bn, int32_t x,
                       spa_zoo_conv spec)
{
    x = spa_zoo_add_conv(z, module, conv, x, spec);
    return spa_zoo_unary(z, module, bn, SPA_OP_BATCH_NORM, x);
}

/* BasicBlock. */
static int32_t resnet_block(spa_zoo *z, const char *module, int32_t x, int32_t channels,
                            int32_t stride)
{
    int32_t shortcut = x, y;
    y = conv_bn(z, module, "conv1", "bn1", x, (spa_zoo_conv){channels, 3, stride, 1, 1, false});
    y = spa_zoo_unary(z, module, "relu", SPA_OP_RELU, y);
    y = conv_bn(z, module, "conv2", "bn2", y, (spa_zoo_conv){channels, 3, 1, 1, 1, false});
    if (stride != 1)
        shortcut = conv_bn(z, module, "downsample.0", "downsample.1", x,
                           (spa_zoo_conv){channels, 1, stride, 0, 1, false});
    y = spa_zoo_binary(z, module, "add", SPA_OP_ADD, y, shortcut);
    return spa_zoo_unary(z, module, "relu_1", SPA_OP_RELU, y);
}

/* Global average, flatten: [N, C, H, W] -> [N, C]. */
static int32_t pool_flatten(spa_zoo *z, int32_t x)
{
    x = spa_zoo_unary(z, "", "avgpool", SPA_OP_GLOBAL_AVG_POOL, x);
    spa_shape s = spa_zoo_shape(z, x);
    return spa_zoo_reshape(z, "", "flatten", x, (spa_shape){2, {s.dim[0], s.dim[1]}});
}

void spa_zoo_resnet18(spa_zoo *z, int32_t x)
{
    x = conv_bn(z, "", "conv1", "bn1", x, (spa_zoo_conv){64, 7, 2, 3, 1, false});
    x = spa_zoo_unary(z, "", "relu", SPA_OP_RELU, x);
    spa_op_attrs pool = {.kernel_h = 3,
                         .kernel_w = 3,
                         .stride_h = 2,
                         .stride_w = 2,
                         .pad_top = 1,
                         .pad_left = 1,
                         .pad_bottom = 1,
                         .pad_right = 1};
    x = spa_zoo_op(z, "", "maxpool", SPA_OP_MAX_POOL, &pool, &x, 1, NULL);
    for (int layer = 1; layer <= 4; layer++) {
        for (int block = 0; block < 2; block++) {
            char module[32];
            snprintf(module, sizeof module, "layer%d.%d", layer, block);
            x = resnet_block(z, module, x, 32 << layer, layer > 1 && block == 0 ? 2 : 1);
        }
    }
    x = pool_flatten(z, x);
    spa_zoo_linear(z, "", "fc", x, 1000, true);
}

/* ---- MobileNetV2 (torchvision models/mobilenetv2.py; Sandler et al. 2018) ------------------ */

/* Conv2dNormActivation "<module>.0/.1/.2"; activation SPA_OP_KIND_COUNT = none. */
static int32_t conv_bn_act(spa_zoo *z, const char *module, int32_t x, spa_zoo_conv spec,
                           spa_op_kind activation)
{
    x = conv_bn(z, module, "0", "1", x, spec);
    return activation == SPA_OP_KIND_COUNT ? x : spa_zoo_unary(z, module, "2", activation, x);
}

/* InvertedResidual: expand (unless factor 1), depthwise, project without activation. */
static int32_t v2_block(spa_zoo *z, const char *module, int32_t x, int32_t channels, int32_t stride,
                        int32_t factor)
{
    int32_t in = spa_zoo_shape(z, x).dim[1], hidden = in * factor, y = x, part = 0;
    char name[64];
    if (factor != 1) {
        snprintf(name, sizeof name, "%s.conv.%d", module, (int)part++);
        y = conv_bn_act(z, name, y, (spa_zoo_conv){hidden, 1, 1, 0, 1, false}, SPA_OP_RELU6);
    }
    snprintf(name, sizeof name, "%s.conv.%d", module, (int)part++);
    y = conv_bn_act(z, name, y, (spa_zoo_conv){hidden, 3, stride, 1, hidden, false}, SPA_OP_RELU6);
    char conv[32], bn[32];
    snprintf(conv, sizeof conv, "conv.%d", (int)part);
    snprintf(bn, sizeof bn, "conv.%d", (int)part + 1);
    y = conv_bn(z, module, conv, bn, y, (spa_zoo_conv){channels, 1, 1, 0, 1, false});
    if (stride == 1 && in == channels) y = spa_zoo_binary(z, module, "add", SPA_OP_ADD, x, y);
    return y;
}

void spa_zoo_mobilenet_v2(spa_zoo *z, int32_t x)
{
    static const struct {
        int factor, channels, repeat, stride;
    } settings[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                    {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int feature = 1;
    char module[32];
    x = conv_bn_act(z, "features.0", x, (spa_zoo_conv){32, 3, 2, 1, 1, false}, SPA_OP_RELU6);
    for (size_t s = 0; s < sizeof settings / sizeof settings[0]; s++) {
        for (int i = 0; i < settings[s].repeat; i++) {
            snprintf(module, sizeof module, "features.%d", feature++);
            x = v2_block(z, module, x, settings[s].channels, i == 0 ? settings[s].stride : 1,
                         settings[s].factor);
        }
    }
    x = conv_bn_act(z, "features.18", x, (spa_zoo_conv){1280, 1, 1, 0, 1, false}, SPA_OP_RELU6);
    x = pool_flatten(z, x);
    spa_zoo_linear(z, "classifier", "1", x, 1000, true);
}

/* ---- MobileNetV3-Small (torchvision models/mobilenetv3.py; Howard et al. 2019) ------------- */

typedef struct v3_setting {
    int kernel, expanded, channels;
    bool excite, hard_swish;
    int stride;
} v3_setting;

/* torchvision's _make_divisible: to the nearest multiple of 8, never more than 10 % below. */
static int32_t make_divisible(int32_t value)
{
    int32_t rounded = (value + 4) / 8 * 8;
    if (rounded < 8) rounded = 8;
    return rounded * 10 < value * 9 ? rounded + 8 : rounded;
}

/* SqueezeExcitation with hard sigmoid. */
static int32_t squeeze_excite(spa_zoo *z, const char *module, int32_t x)
{
    int32_t channels = spa_zoo_shape(z, x).dim[1], y;
    y = spa_zoo_unary(z, module, "avgpool", SPA_OP_GLOBAL_AVG_POOL, x);
    y = spa_zoo_add_conv(z, module, "fc1", y,
                         (spa_zoo_conv){make_divisible(channels / 4), 1, 1, 0, 1, true});
    y = spa_zoo_unary(z, module, "activation", SPA_OP_RELU, y);
    y = spa_zoo_add_conv(z, module, "fc2", y, (spa_zoo_conv){channels, 1, 1, 0, 1, true});
    y = spa_zoo_unary(z, module, "scale_activation", SPA_OP_HARD_SIGMOID, y);
    return spa_zoo_binary(z, module, "mul", SPA_OP_MUL, y, x);
}

/* InvertedResidual of V3: expand (unless the width stays), depthwise, excite, project. */
static int32_t v3_block(spa_zoo *z, const char *module, int32_t x, const v3_setting *s)
{
    int32_t in = spa_zoo_shape(z, x).dim[1], y = x, part = 0;
    spa_op_kind activation = s->hard_swish ? SPA_OP_HARD_SWISH : SPA_OP_RELU;
    char name[64];
    if (s->expanded != in) {
        snprintf(name, sizeof name, "%s.block.%d", module, (int)part++);
        y = conv_bn_act(z, name, y, (spa_zoo_conv){s->expanded, 1, 1, 0, 1, false}, activation);
    }
    snprintf(name, sizeof name, "%s.block.%d", module, (int)part++);
    y = conv_bn_act(
        z, name, y,
        (spa_zoo_conv){s->expanded, s->kernel, s->stride, (s->kernel - 1) / 2, s->expanded, false},
        activation);
    if (s->excite) {
        snprintf(name, sizeof name, "%s.block.%d", module, (int)part++);
        y = squeeze_excite(z, name, y);
    }
    snprintf(name, sizeof name, "%s.block.%d", module, (int)part);
    y = conv_bn_act(z, name, y, (spa_zoo_conv){s->channels, 1, 1, 0, 1, false}, SPA_OP_KIND_COUNT);
    if (s->stride == 1 && in == s->channels) y = spa_zoo_binary(z, module, "add", SPA_OP_ADD, y, x);
    return y;
}

void spa_zoo_mobilenet_v3_small(spa_zoo *z, int32_t x)
{
    static const v3_setting settings[] = {
        {3, 16, 16, true, false, 2}, {3, 72, 24, false, false, 2}, {3, 88, 24, false, false, 1},
        {5, 96, 40, true, true, 2},  {5, 240, 40, true, true, 1},  {5, 240, 40, true, true, 1},
        {5, 120, 48, true, true, 1}, {5, 144, 48, true, true, 1},  {5, 288, 96, true, true, 2},
        {5, 576, 96, true, true, 1}, {5, 576, 96, true, true, 1}};
    x = conv_bn_act(z, "features.0", x, (spa_zoo_conv){16, 3, 2, 1, 1, false}, SPA_OP_HARD_SWISH);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        char module[32];
        snprintf(module, sizeof module, "features.%zu", i + 1);
        x = v3_block(z, module, x, &settings[i]);
    }
    x = conv_bn_act(z, "features.12", x, (spa_zoo_conv){576, 1, 1, 0, 1, false}, SPA_OP_HARD_SWISH);
    x = pool_flatten(z, x);
    x = spa_zoo_linear(z, "classifier", "0", x, 1024, true);
    x = spa_zoo_unary(z, "classifier", "1", SPA_OP_HARD_SWISH, x);
    spa_zoo_linear(z, "classifier", "3", x, 1000, true);
}
