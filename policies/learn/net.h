/* Networks: a sequence of layers with hand-written gradients on flat arrays.
 *
 * A spa_net only describes: kinds and sizes of the layers and where each one's parameters stand in
 * ONE flat vector; gradients stand beside it in a second vector of the same layout. Data are
 * [batch][length][features], row-major; a network without attention, convolution or LSTM sees
 * batch * length independent rows. What a pass needs is allocated once, in a spa_net_work; passes
 * allocate nothing. Everything exists for float (suffix _f32) and, to check gradients, for double
 * (_f64), from one source.
 *
 * Every vector of parameters must be readable SPA_NET_PAD elements past n_params. */
#ifndef SPA_POLICIES_LEARN_NET_H
#define SPA_POLICIES_LEARN_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_NET_MAX_LAYERS 32
#define SPA_NET_PAD        8

typedef enum spa_activation {
    SPA_ACT_NONE,
    SPA_ACT_TANH,
    SPA_ACT_RELU,
    SPA_ACT_GELU /* x * Phi(x), exact (Hendrycks and Gimpel 2016) */
} spa_activation;

typedef enum spa_layer_kind {
    SPA_LAYER_LINEAR,     /* f(x W + b); parameters W[in][out], b[out] */
    SPA_LAYER_ACTIVATION, /* f(x) */
    SPA_LAYER_NORM,       /* layer norm (Ba et al. 2016); scale[n], shift[n] */
    SPA_LAYER_ATTENTION,  /* self-attention over a sequence (Vaswani et al. 2017, 3.2);
                             Wqkv[n][3n], b[3n], Wo[n][n], b[n]; no mask */
    SPA_LAYER_CONV,       /* f(convolution over a sequence), zero-padded to the same length;
                             W[width][in][out], b[out]; width is odd */
    SPA_LAYER_BILSTM,     /* LSTM forwards and backwards over a sequence (Hochreiter and Schmidhuber
                             1997, with forget gates: Gers et al. 2000); out = 2 hidden; per
                             direction Wx[in][4h], Wh[h][4h], b[4h], gates in the order i f g o */
    SPA_LAYER_ADD         /* x + the output of an earlier layer */
} spa_layer_kind;

typedef struct spa_layer {
    spa_layer_kind kind;
    spa_activation activation;
    uint32_t in, out;              /* features per position */
    uint32_t heads, width, hidden; /* of attention, convolution, LSTM */
    uint32_t from;                 /* ADD: the earlier layer */
    size_t first_param, n_params;
} spa_layer;

typedef struct spa_net {
    uint32_t in, out;
    uint32_t n_layers;
    spa_layer layers[SPA_NET_MAX_LAYERS];
    size_t n_params;
    const char *fault; /* why it cannot be; NULL = it can */
} spa_net;

/* Builds a network layer by layer; each call returns the new layer's index. What is impossible
 * (too many layers, heads that do not divide the features, an even width, an addition of unequal
 * sizes) is remembered and reported by spa_net_check. */
SPA_API void spa_net_init(spa_net *net, size_t in);
SPA_API uint32_t spa_net_linear(spa_net *net, size_t out, spa_activation activation);
SPA_API uint32_t spa_net_activation(spa_net *net, spa_activation activation);
SPA_API uint32_t spa_net_norm(spa_net *net);
SPA_API uint32_t spa_net_attention(spa_net *net, size_t heads);
SPA_API uint32_t spa_net_conv(spa_net *net, size_t out, size_t width, spa_activation activation);
SPA_API uint32_t spa_net_bilstm(spa_net *net, size_t hidden);
SPA_API uint32_t spa_net_add(spa_net *net, uint32_t from);
SPA_API spa_status spa_net_check(const spa_net *net, spa_error *err);

/* `depth` hidden linear layers of `hidden` features with an activation, then a linear one. */
SPA_API void spa_net_mlp(spa_net *net, size_t in, size_t hidden, size_t depth, size_t out,
                         spa_activation activation);

/* Hash of everything that gives the layout of the parameters. */
SPA_API uint64_t spa_net_hash(const spa_net *net);

typedef enum spa_net_start {
    SPA_START_ORTHOGONAL, /* Saxe et al. 2014; gain sqrt 2 within, `last_gain` for the last layer */
    SPA_START_XAVIER      /* uniform, Glorot and Bengio 2010; times `last_gain` in the last layer */
} spa_net_start;

#define SPA_REAL     float
#define SPA_NN(name) name##_f32
#include "policies/learn/net_decl.h"
#undef SPA_REAL
#undef SPA_NN
#define SPA_REAL     double
#define SPA_NN(name) name##_f64
#include "policies/learn/net_decl.h"
#undef SPA_REAL
#undef SPA_NN

#ifdef __cplusplus
}
#endif
#endif
