/* The model zoo: vision transformers. */
#include "traces/zoo.h"

#include <stdio.h>

/* y = x + MLP(LN(x)): the second half of both transformers' blocks. torchvision's MLP numbers its
 * layers 0 (linear), 1 (GELU), 3 (linear). */
static int32_t mlp_half(spa_zoo *z, const char *module, const char *norm, int32_t x, int32_t hidden)
{
    spa_shape s = spa_zoo_shape(z, x);
    if (z->status != SPA_OK) return 0;
    int32_t y = spa_zoo_unary(z, module, norm, SPA_OP_LAYER_NORM, x);
    y = spa_zoo_linear(z, module, "mlp.0", y, hidden, true);
    y = spa_zoo_unary(z, module, "mlp.1", SPA_OP_GELU, y);
    y = spa_zoo_linear(z, module, "mlp.3", y, s.dim[s.rank - 1], true);
    return spa_zoo_binary(z, module, "add_1", SPA_OP_ADD, x, y);
}

/* ---- ViT-B/16 (torchvision models/vision_transformer.py; Dosovitskiy et al. 2020) ---------- */

enum { VIT_WIDTH = 768, VIT_HEADS = 12, VIT_HEAD = 64, VIT_TOKENS = 197, VIT_MLP = 3072 };

/* One of q, k, v out of the packed projection: [N, T, 3W] -> [N, heads, T, head]. */
static int32_t vit_head_split(spa_zoo *z, const char *module, int32_t packed, int which)
{
    static const char *const leaf[3][3] = {
        {"q", "q_heads", "q_t"}, {"k", "k_heads", "k_t"}, {"v", "v_heads", "v_t"}};
    int32_t n = spa_zoo_shape(z, packed).dim[0];
    int32_t x = spa_zoo_slice(z, module, leaf[which][0], packed,
                              (const int32_t[SPA_MAX_RANK]){0, 0, which * VIT_WIDTH}, NULL,
                              (spa_shape){3, {n, VIT_TOKENS, VIT_WIDTH}});
    x = spa_zoo_reshape(z, module, leaf[which][1], x,
                        (spa_shape){4, {n, VIT_TOKENS, VIT_HEADS, VIT_HEAD}});
    return spa_zoo_transpose(z, module, leaf[which][2], x,
                             (const int32_t[SPA_MAX_RANK]){0, 2, 1, 3});
}

/* nn.MultiheadAttention with q = k = v, packed projection. */
static int32_t vit_attention(spa_zoo *z, const char *module, int32_t x)
{
    int32_t n = spa_zoo_shape(z, x).dim[0];
    int32_t packed = spa_zoo_linear(z, module, "in_proj", x, 3 * VIT_WIDTH, true);
    int32_t q = vit_head_split(z, module, packed, 0);
    int32_t k = vit_head_split(z, module, packed, 1);
    int32_t v = vit_head_split(z, module, packed, 2);
    int32_t qk[] = {q, k};
    int32_t y = spa_zoo_op(z, module, "qk", SPA_OP_MATMUL, &(spa_op_attrs){.transpose_b = true}, qk,
                           2, NULL);
    y = spa_zoo_scale(z, module, "scale", y, 0.125); /* 1 / sqrt(64) */
    y = spa_zoo_unary(z, module, "softmax", SPA_OP_SOFTMAX, y);
    y = spa_zoo_binary(z, module, "av", SPA_OP_MATMUL, y, v);
    y = spa_zoo_transpose(z, module, "merge_t", y, (const int32_t[SPA_MAX_RANK]){0, 2, 1, 3});
    y = spa_zoo_reshape(z, module, "merge", y, (spa_shape){3, {n, VIT_TOKENS, VIT_WIDTH}});
    return spa_zoo_linear(z, module, "out_proj", y, VIT_WIDTH, true);
}

static int32_t vit_layer(spa_zoo *z, const char *module, int32_t x)
{
    char attention[96];
    snprintf(attention, sizeof attention, "%s.self_attention", module);
    int32_t y = spa_zoo_unary(z, module, "ln_1", SPA_OP_LAYER_NORM, x);
    y = vit_attention(z, attention, y);
    x = spa_zoo_binary(z, module, "add", SPA_OP_ADD, y, x);
    return mlp_half(z, module, "ln_2", x, VIT_MLP);
}

void spa_zoo_vit_b_16(spa_zoo *z, int32_t x)
{
    int32_t n = spa_zoo_shape(z, x).dim[0];
    x = spa_zoo_add_conv(z, "", "conv_proj", x, (spa_zoo_conv){VIT_WIDTH, 16, 16, 0, 1, true});
    x = spa_zoo_reshape(z, "", "patches", x, (spa_shape){3, {n, VIT_WIDTH, VIT_TOKENS - 1}});
    x = spa_zoo_transpose(z, "", "patches_t", x, (const int32_t[SPA_MAX_RANK]){0, 2, 1});
    spa_op_attrs token = {.axis = 1, .param_shape = {3, {1, 1, VIT_WIDTH}}, .param_learned = true};
    x = spa_zoo_op(z, "", "class_token", SPA_OP_CONCAT, &token, &x, 1, NULL);
    x = spa_zoo_add_param(z, "encoder", "pos_embedding", x,
                          (spa_shape){3, {1, VIT_TOKENS, VIT_WIDTH}}, true);
    for (int layer = 0; layer < 12; layer++) {
        char module[64];
        snprintf(module, sizeof module, "encoder.layers.encoder_layer_%d", layer);
        x = vit_layer(z, module, x);
    }
    x = spa_zoo_unary(z, "encoder", "ln", SPA_OP_LAYER_NORM, x);
    x = spa_zoo_slice(z, "", "class_out", x, (const int32_t[SPA_MAX_RANK]){0}, NULL,
                      (spa_shape){3, {n, 1, VIT_WIDTH}});
    x = spa_zoo_reshape(z, "", "class_flat", x, (spa_shape){2, {n, VIT_WIDTH}});
    spa_zoo_linear(z, "heads", "head", x, 1000, true);
}

/* ---- Swin-T (torchvision models/swin_transformer.py; Liu et al. 2021, arXiv 2103.14030) ----- */

enum { SWIN_WINDOW = 7, SWIN_AREA = SWIN_WINDOW * SWIN_WINDOW };

/* Sizes of one attention: [n, side, side, width] in windows of 7x7. */
typedef struct swin_size {
    int32_t n, side, padded, width, heads;
} swin_size;

static int32_t swin_window_count(const swin_size *s)
{
    return (s->padded / SWIN_WINDOW) * (s->padded / SWIN_WINDOW);
}

static int32_t swin_roll(spa_zoo *z, const char *module, const char *leaf, int32_t x, int32_t shift)
{
    spa_op_attrs attrs = {.begin = {0, shift, shift}};
    return spa_zoo_op(z, module, leaf, SPA_OP_ROLL, &attrs, &x, 1, NULL);
}

/* [n, p, p, C] -> [n * windows, 49, C]. */
static int32_t swin_partition(spa_zoo *z, const char *module, int32_t x, const swin_size *s)
{
    int32_t per_side = s->padded / SWIN_WINDOW;
    x = spa_zoo_reshape(
        z, module, "windows_view", x,
        (spa_shape){6, {s->n, per_side, SWIN_WINDOW, per_side, SWIN_WINDOW, s->width}});
    x = spa_zoo_transpose(z, module, "windows_t", x,
                          (const int32_t[SPA_MAX_RANK]){0, 1, 3, 2, 4, 5});
    return spa_zoo_reshape(z, module, "windows", x,
                           (spa_shape){3, {s->n * swin_window_count(s), SWIN_AREA, s->width}});
}

/* The way back. */
static int32_t swin_merge(spa_zoo *z, const char *module, int32_t x, const swin_size *s)
{
    int32_t per_side = s->padded / SWIN_WINDOW;
    x = spa_zoo_reshape(
        z, module, "unwindow_view", x,
        (spa_shape){6, {s->n, per_side, per_side, SWIN_WINDOW, SWIN_WINDOW, s->width}});
    x = spa_zoo_transpose(z, module, "unwindow_t", x,
                          (const int32_t[SPA_MAX_RANK]){0, 1, 3, 2, 4, 5});
    return spa_zoo_reshape(z, module, "unwindow", x,
                           (spa_shape){4, {s->n, s->padded, s->padded, s->width}});
}

/* Relative position bias, and the mask that keeps rolled windows apart (a constant, not learned).
 * Scores are [n * windows, heads, 49, 49]. */
static int32_t swin_bias(spa_zoo *z, const char *module, int32_t scores, const swin_size *s,
                         bool shifted)
{
    int32_t table = (2 * SWIN_WINDOW - 1) * (2 * SWIN_WINDOW - 1);
    int32_t windows = swin_window_count(s);
    spa_op_attrs gather = {.param_shape = {2, {table, s->heads}}, .param_learned = true};
    int32_t bias =
        spa_zoo_op(z, module, "relative_position_bias", SPA_OP_GATHER, &gather, NULL, 0, NULL);
    scores = spa_zoo_binary(z, module, "add_bias", SPA_OP_ADD, scores, bias);
    if (!shifted) return scores;
    scores = spa_zoo_reshape(z, module, "mask_view", scores,
                             (spa_shape){5, {s->n, windows, s->heads, SWIN_AREA, SWIN_AREA}});
    scores = spa_zoo_add_param(z, module, "add_mask", scores,
                               (spa_shape){5, {1, windows, 1, SWIN_AREA, SWIN_AREA}}, false);
    return spa_zoo_reshape(z, module, "mask_unview", scores,
                           (spa_shape){4, {s->n * windows, s->heads, SWIN_AREA, SWIN_AREA}});
}

/* One of q, k, v: packed [3, W, heads, 49, head] -> [W, heads, 49, head]. */
static int32_t swin_pick(spa_zoo *z, const char *module, const char *leaf, const char *view,
                         int32_t packed, int which)
{
    spa_shape s = spa_zoo_shape(z, packed);
    if (z->status != SPA_OK) return 0;
    s.dim[0] = 1;
    int32_t x =
        spa_zoo_slice(z, module, leaf, packed, (const int32_t[SPA_MAX_RANK]){which}, NULL, s);
    return spa_zoo_reshape(z, module, view, x,
                           (spa_shape){4, {s.dim[1], s.dim[2], s.dim[3], s.dim[4]}});
}

/* All heads are 32 wide; torchvision scales q by 32 ** -0.5, before the product. */
static int32_t swin_scores(spa_zoo *z, const char *module, int32_t q, int32_t k)
{
    q = spa_zoo_scale(z, module, "scale", q, 0.17677669529663687);
    int32_t inputs[] = {q, k};
    return spa_zoo_op(z, module, "qk", SPA_OP_MATMUL, &(spa_op_attrs){.transpose_b = true}, inputs,
                      2, NULL);
}

/* shifted_window_attention. */
static int32_t swin_attention(spa_zoo *z, const char *module, int32_t x, swin_size s, bool shifted)
{
    int32_t windows = s.n * swin_window_count(&s), head = s.width / s.heads;
    if (s.padded != s.side) {
        spa_shape padded = {4, {s.n, s.padded, s.padded, s.width}};
        x = spa_zoo_op(z, module, "pad", SPA_OP_PAD, NULL, &x, 1, &padded);
    }
    if (shifted) x = swin_roll(z, module, "roll", x, -(SWIN_WINDOW / 2));
    x = swin_partition(z, module, x, &s);

    int32_t packed = spa_zoo_linear(z, module, "qkv", x, 3 * s.width, true);
    packed = spa_zoo_reshape(z, module, "qkv_view", packed,
                             (spa_shape){5, {windows, SWIN_AREA, 3, s.heads, head}});
    packed =
        spa_zoo_transpose(z, module, "qkv_t", packed, (const int32_t[SPA_MAX_RANK]){2, 0, 3, 1, 4});
    int32_t q = swin_pick(z, module, "q", "q_view", packed, 0);
    int32_t k = swin_pick(z, module, "k", "k_view", packed, 1);
    int32_t v = swin_pick(z, module, "v", "v_view", packed, 2);

    int32_t y = swin_scores(z, module, q, k);
    y = swin_bias(z, module, y, &s, shifted);
    y = spa_zoo_unary(z, module, "softmax", SPA_OP_SOFTMAX, y);
    y = spa_zoo_binary(z, module, "av", SPA_OP_MATMUL, y, v);
    y = spa_zoo_transpose(z, module, "merge_t", y, (const int32_t[SPA_MAX_RANK]){0, 2, 1, 3});
    y = spa_zoo_reshape(z, module, "merge", y, (spa_shape){3, {windows, SWIN_AREA, s.width}});
    y = spa_zoo_linear(z, module, "proj", y, s.width, true);

    y = swin_merge(z, module, y, &s);
    if (shifted) y = swin_roll(z, module, "unroll", y, SWIN_WINDOW / 2);
    if (s.padded != s.side)
        y = spa_zoo_slice(z, module, "crop", y, (const int32_t[SPA_MAX_RANK]){0}, NULL,
                          (spa_shape){4, {s.n, s.side, s.side, s.width}});
    return y;
}

/* SwinTransformerBlock. Where one window covers the padded image there is nothing to shift. */
static int32_t swin_block(spa_zoo *z, const char *module, int32_t x, int32_t heads, bool odd)
{
    spa_shape in = spa_zoo_shape(z, x);
    if (z->status != SPA_OK) return 0;
    swin_size s = {.n = in.dim[0], .side = in.dim[1], .width = in.dim[3], .heads = heads};
    s.padded = (s.side + SWIN_WINDOW - 1) / SWIN_WINDOW * SWIN_WINDOW;
    char attention[96];
    snprintf(attention, sizeof attention, "%s.attn", module);
    int32_t y = spa_zoo_unary(z, module, "norm1", SPA_OP_LAYER_NORM, x);
    y = swin_attention(z, attention, y, s, odd && s.padded > SWIN_WINDOW);
    x = spa_zoo_binary(z, module, "add", SPA_OP_ADD, x, y);
    return mlp_half(z, module, "norm2", x, 4 * s.width);
}

/* PatchMerging: the four pixels of each 2x2 square side by side, halved by a linear layer. The
 * sides are even (56, 28, 14), so torchvision's padding never happens. */
static int32_t swin_patch_merging(spa_zoo *z, const char *module, int32_t x)
{
    static const char *const leaf[4] = {"x0", "x1", "x2", "x3"};
    spa_shape in = spa_zoo_shape(z, x);
    if (z->status != SPA_OK) return 0;
    spa_shape out = {4, {in.dim[0], in.dim[1] / 2, in.dim[2] / 2, in.dim[3]}};
    int32_t parts[4];
    for (int i = 0; i < 4; i++) /* (0,0), (1,0), (0,1), (1,1) in (row, column) */
        parts[i] =
            spa_zoo_slice(z, module, leaf[i], x, (const int32_t[SPA_MAX_RANK]){0, i % 2, i / 2},
                          (const int32_t[SPA_MAX_RANK]){0, 2, 2}, out);
    int32_t y =
        spa_zoo_op(z, module, "cat", SPA_OP_CONCAT, &(spa_op_attrs){.axis = 3}, parts, 4, NULL);
    y = spa_zoo_unary(z, module, "norm", SPA_OP_LAYER_NORM, y);
    return spa_zoo_linear(z, module, "reduction", y, 2 * in.dim[3], false);
}

void spa_zoo_swin_t(spa_zoo *z, int32_t x)
{
    static const int depths[4] = {2, 2, 6, 2}, heads[4] = {3, 6, 12, 24};
    char module[64];
    x = spa_zoo_add_conv(z, "features.0", "0", x, (spa_zoo_conv){96, 4, 4, 0, 1, true});
    x = spa_zoo_transpose(z, "features.0", "1", x, (const int32_t[SPA_MAX_RANK]){0, 2, 3, 1});
    x = spa_zoo_unary(z, "features.0", "2", SPA_OP_LAYER_NORM, x);
    for (int stage = 0; stage < 4; stage++) {
        for (int block = 0; block < depths[stage]; block++) {
            snprintf(module, sizeof module, "features.%d.%d", 2 * stage + 1, block);
            x = swin_block(z, module, x, heads[stage], block % 2 == 1);
        }
        snprintf(module, sizeof module, "features.%d", 2 * stage + 2);
        if (stage < 3) x = swin_patch_merging(z, module, x);
    }
    x = spa_zoo_unary(z, "", "norm", SPA_OP_LAYER_NORM, x);
    x = spa_zoo_transpose(z, "", "permute", x, (const int32_t[SPA_MAX_RANK]){0, 3, 1, 2});
    x = spa_zoo_unary(z, "", "avgpool", SPA_OP_GLOBAL_AVG_POOL, x);
    spa_shape s = spa_zoo_shape(z, x);
    x = spa_zoo_reshape(z, "", "flatten", x, (spa_shape){2, {s.dim[0], s.dim[1]}});
    spa_zoo_linear(z, "", "head", x, 1000, true);
}
