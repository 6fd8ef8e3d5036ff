/* Graphs on images, step by step, for tests of blocked layouts. */
#ifndef SPA_TESTS_KERNELS_IMAGES_H
#define SPA_TESTS_KERNELS_IMAGES_H

#include "traces/graph.h"

/* Skips the test, with the reason, where oneDNN is missing. */
void need_onednn(void);

#define CONV(k, s, p, g, bias)                                                                     \
    (spa_op_attrs)                                                                                 \
    {                                                                                              \
        .kernel_h = k, .kernel_w = k, .stride_h = s, .stride_w = s, .dilation_h = 1,               \
        .dilation_w = 1, .pad_top = p, .pad_left = p, .pad_bottom = p, .pad_right = p,             \
        .groups = g, .has_bias = bias                                                              \
    }

/* One graph input [n,c,h,w]. */
void images_start(spa_graph *g, int32_t n, int32_t c, int32_t h, int32_t w);
/* Each appends an operator and returns its index. */
int32_t images_add(spa_graph *g, spa_op_kind kind, spa_op_attrs attrs, const int32_t *inputs,
                   size_t n, const spa_shape *out);
int32_t images_add_one(spa_graph *g, spa_op_kind kind, spa_op_attrs attrs, int32_t input);
int32_t images_add_conv(spa_graph *g, spa_op_attrs attrs, int32_t input, int32_t channels);
void images_finish(spa_graph *g);

/* Three operators: conv, ReLU (both blocked), conv; 16 channels, 8x8. */
void images_small_net(spa_graph *g);

/* Does `onednn` keep this operator's output blocked? */
bool images_are_blocked(const spa_graph *g, int32_t op);

#endif
