/* Inside traces/: building zoo models without an if after every operator.
 *
 * The first failure sticks; every later call does nothing and returns 0. Check zoo.status once. */
#ifndef SPA_TRACES_ZOO_H
#define SPA_TRACES_ZOO_H

#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_zoo {
    spa_graph *graph;
    spa_status status;
    spa_error *err;
} spa_zoo;

/* Names are "<module>.<leaf>", or "<module>" alone where leaf is "". Modules are torchvision's;
 * functions without a module get a leaf that says what they do. Values are operator indices or
 * SPA_GRAPH_INPUT(k). */
int32_t spa_zoo_op(spa_zoo *z, const char *module, const char *leaf, spa_op_kind kind,
                   const spa_op_attrs *attrs, const int32_t *inputs, size_t n_inputs,
                   const spa_shape *out);
int32_t spa_zoo_unary(spa_zoo *z, const char *module, const char *leaf, spa_op_kind kind,
                      int32_t x);
int32_t spa_zoo_binary(spa_zoo *z, const char *module, const char *leaf, spa_op_kind kind,
                       int32_t a, int32_t b);

/* A square convolution: kernel k, stride s, the same padding p on all sides. */
typedef struct spa_zoo_conv {
    int32_t channels, k, s, p, groups;
    bool bias;
} spa_zoo_conv;
int32_t spa_zoo_add_conv(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                         spa_zoo_conv conv);
int32_t spa_zoo_linear(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                       int32_t features, bool bias);
int32_t spa_zoo_reshape(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                        spa_shape shape);
int32_t spa_zoo_transpose(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                          const int32_t perm[SPA_MAX_RANK]);
/* `out` elements from begin[] (a step of 1 unless step[] is given). */
int32_t spa_zoo_slice(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                      const int32_t begin[SPA_MAX_RANK], const int32_t *step, spa_shape out);
/* x + a tensor of its own. */
int32_t spa_zoo_add_param(spa_zoo *z, const char *module, const char *leaf, int32_t x,
                          spa_shape shape, bool learned);
int32_t spa_zoo_scale(spa_zoo *z, const char *module, const char *leaf, int32_t x, double factor);

/* Shape of a value; rank 0 after a failure. */
spa_shape spa_zoo_shape(const spa_zoo *z, int32_t x);

/* The models: x is the graph input [batch, 3, 224, 224]. */
void spa_zoo_resnet18(spa_zoo *z, int32_t x);
void spa_zoo_mobilenet_v2(spa_zoo *z, int32_t x);
void spa_zoo_mobilenet_v3_small(spa_zoo *z, int32_t x);
void spa_zoo_vit_b_16(spa_zoo *z, int32_t x);
void spa_zoo_swin_t(spa_zoo *z, int32_t x);

#ifdef __cplusplus
}
#endif
#endif
