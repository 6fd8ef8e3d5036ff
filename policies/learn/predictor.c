/* Predictors of thresholds: features, data, networks, prediction. Fitting: predictor_fit.c. */
#include "policies/learn/predictor.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const names[SPA_PREDICT_KINDS] = {
    "constant", "linear", "mlp", "cnn", "lstm", "transformer", "transformer+lstm"};

const char *spa_predictor_kind_name(spa_predictor_kind kind)
{
    return names[kind];
}

spa_status spa_predictor_kind_find(const char *name, spa_predictor_kind *kind, spa_error *err)
{
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        *kind = (spa_predictor_kind)k;
        if (!strcmp(name, names[k])) return SPA_OK;
    }
    return spa_fail_unknown(err, "predictor", name, names, SPA_PREDICT_KINDS);
}

uint64_t spa_predictor_hash(const spa_predictor *p)
{
    uint64_t h = spa_hash_bytes(SPA_HASH_SEED, p->params, p->net.n_params * sizeof *p->params);
    h = spa_hash_u64(h, spa_net_hash(&p->net));
    h = spa_hash_bytes(spa_hash_bytes(h, p->mean, sizeof p->mean), p->sd, sizeof p->sd);
    return h ? h : 1;
}

/* ---- features -------------------------------------------------------------------------------- */

enum { GROUPS = 8 };

static int group_of(const spa_graph *g, const spa_op *op)
{
    switch (op->kind) {
    case SPA_OP_CONV:
        return spa_op_is_depthwise(g, op) ? 1 : 0;
    case SPA_OP_LINEAR:
        return 2;
    case SPA_OP_MATMUL:
        return 3;
    case SPA_OP_BATCH_NORM:
    case SPA_OP_LAYER_NORM:
    case SPA_OP_SOFTMAX:
        return 4;
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
    case SPA_OP_GLOBAL_AVG_POOL:
    case SPA_OP_MEAN:
        return 5;
    default:
        return op->flops > 0 ? 6 : 7; /* elementwise; movement and what is opaque */
    }
}

/* [N, C, H, W], or tokens [..., tokens, features] as 1 x tokens with `features` channels. */
static void extents(const spa_shape *in, double *channels, double *height, double *width)
{
    *channels = *height = *width = 1;
    if (in->rank == 4) {
        *channels = in->dim[1];
        *height = in->dim[2];
        *width = in->dim[3];
    } else if (in->rank > 0) {
        *channels = in->dim[in->rank - 1];
        if (in->rank > 2) *width = in->dim[in->rank - 2];
    }
}

void spa_predictor_features(const spa_graph *graph, size_t op, double zeros, float *out)
{
    const spa_op *o = &graph->ops[op];
    const spa_shape *in = o->n_inputs ? spa_graph_input_shape(graph, o, 0) : &o->out;
    double c, h, w;
    extents(in, &c, &h, &w);
    memset(out, 0, SPA_PREDICTOR_FEATURES * sizeof *out);
    out[0] = isnan(zeros) ? 0.0f : (float)zeros;
    out[1] = (float)(log10(1 + spa_op_work(o)) / 10);
    out[2] = (float)(log2(graph->batch) / 8);
    out[3] = (float)(log2(c) / 12);
    out[4] = (float)(log2(h) / 8);
    out[5] = (float)(log2(w) / 8);
    out[6 + group_of(graph, o)] = 1;
}

/* ---- data ------------------------------------------------------------------------------------ */

static void fill_row(spa_predictor_row *row, const spa_graph *graph, const spa_time_grid *grid,
                     size_t size, double zeros, size_t op)
{
    const spa_op *o = &graph->ops[op];
    row->label = spa_label_of(grid, size, zeros, op);
    row->own[SPA_BY_SPARSITY] = zeros;
    row->own[SPA_BY_INTENSITY] = log10(spa_op_work(o));
    row->op = (uint32_t)op;
    double most = 0;
    for (int s = 0; s < SPA_SIDES; s++) {
        row->ns[s] = spa_time_grid_ns(grid, size, zeros, op, s);
        if (row->ns[s] > most) most = row->ns[s];
    }
    row->counts = o->kind != SPA_OP_RESHAPE && most > 0;
}

spa_status spa_predictor_data_add(spa_predictor_data *d, const spa_graph *graph,
                                  const spa_time_grid *grid, size_t size, const double *zeros,
                                  uint32_t model, spa_error *err)
{
    size_t n = d->n_rows + graph->n_ops, width = SPA_PREDICTOR_FEATURES;
    SPA_TRY(spa_grow(&d->rows, &d->rows_capacity, n, sizeof *d->rows, err));
    SPA_TRY(spa_grow(&d->x, &d->x_capacity, n * width, sizeof *d->x, err));
    SPA_TRY(spa_grow(&d->first, &d->sequences_capacity, d->n_sequences + 2, sizeof *d->first, err));
    for (size_t i = 0; i < graph->n_ops; i++) {
        double rho = isnan(zeros[i]) ? 0 : zeros[i];
        spa_predictor_row *row = &d->rows[d->n_rows + i];
        fill_row(row, graph, grid, size, rho, i);
        row->model = model;
        spa_predictor_features(graph, i, rho, d->x + (d->n_rows + i) * width);
    }
    d->n_rows = n;
    d->first[++d->n_sequences] = n;
    return SPA_OK;
}

void spa_predictor_data_fini(spa_predictor_data *d)
{
    free(d->rows);
    free(d->x);
    free(d->first);
    *d = (spa_predictor_data){0};
}

/* ---- networks -------------------------------------------------------------------------------- */

/* An encoder block, norm first (Xiong et al. 2020): it needs no warm-up. */
static void encoder(spa_net *net, size_t hidden)
{
    uint32_t in = spa_net_linear(net, hidden, SPA_ACT_NONE);
    spa_net_norm(net);
    spa_net_attention(net, 4);
    uint32_t mid = spa_net_add(net, in);
    spa_net_norm(net);
    spa_net_linear(net, 2 * hidden, SPA_ACT_GELU);
    spa_net_linear(net, hidden, SPA_ACT_NONE);
    spa_net_add(net, mid);
    spa_net_norm(net);
}

static void build(spa_net *net, spa_predictor_kind kind, size_t hidden)
{
    spa_net_init(net, SPA_PREDICTOR_FEATURES);
    switch (kind) {
    case SPA_PREDICT_MLP:
        spa_net_linear(net, 2 * hidden, SPA_ACT_RELU);
        spa_net_linear(net, 2 * hidden, SPA_ACT_RELU);
        break;
    case SPA_PREDICT_CNN:
        spa_net_conv(net, hidden, 3, SPA_ACT_RELU);
        spa_net_conv(net, hidden, 3, SPA_ACT_RELU);
        break;
    case SPA_PREDICT_LSTM:
        spa_net_bilstm(net, hidden);
        break;
    case SPA_PREDICT_TRANSFORMER:
        encoder(net, hidden);
        break;
    case SPA_PREDICT_TRANSFORMER_LSTM:
        encoder(net, hidden);
        spa_net_bilstm(net, hidden);
        break;
    default: /* constant (weights stay 0) and linear */
        break;
    }
    spa_net_linear(net, SPA_THRESHOLDS, SPA_ACT_NONE);
}

spa_status spa_predictor_init(spa_predictor *p, spa_predictor_kind kind, size_t hidden,
                              spa_error *err)
{
    *p = (spa_predictor){.kind = kind, .hidden = hidden, .sd = {1, 1}};
    if (hidden == 0 || hidden > 512 || hidden % 4 != 0)
        return spa_fail(err, SPA_E_RANGE, "a predictor of width %zu; write a multiple of 4 to 512",
                        hidden);
    build(&p->net, kind, hidden);
    SPA_TRY(spa_net_check(&p->net, err));
    SPA_TRY(spa_alloc(&p->params, p->net.n_params + SPA_NET_PAD, sizeof *p->params, err));
    return spa_net_work_init_f32(&p->work, &p->net, SPA_PREDICTOR_BATCH * SPA_PREDICTOR_WINDOW,
                                 SPA_PREDICTOR_WINDOW, err);
}

void spa_predictor_fini(spa_predictor *p)
{
    if (p->work.memory) spa_net_work_fini_f32(&p->work);
    free(p->params);
    *p = (spa_predictor){0};
}

void spa_predictor_predict(spa_predictor *p, const float *x, size_t n, float *out)
{
    size_t length = n < SPA_PREDICTOR_WINDOW ? n : SPA_PREDICTOR_WINDOW;
    for (size_t at = 0; at < n; at += length) {
        size_t from = at + length > n ? n - length : at; /* the last window ends at the end */
        const float *y = spa_net_forward_f32(&p->net, p->params, &p->work,
                                             x + from * SPA_PREDICTOR_FEATURES, 1, length);
        for (size_t i = at - from; i < length; i++)
            for (int t = 0; t < SPA_THRESHOLDS; t++)
                out[(from + i) * SPA_THRESHOLDS + (size_t)t] =
                    p->mean[t] + p->sd[t] * y[i * SPA_THRESHOLDS + (size_t)t];
    }
}
