/* Plans: broadcasting and data movement. */
#include "kernels/cuda/plan.h"
#include "kernels/dims.h"

/* ---- binary --------------------------------------------------------------------------------- */

/* Drops dimensions of 1 and merges neighbours that run on in both operands. */
static void simplify_binary(spa_binary_args *a)
{
    uint32_t kept = 0;
    for (uint32_t d = 0; d < a->rank; d++) {
        if (a->dim[d] == 1) continue;
        bool runs_on = kept > 0 && a->a[kept - 1] == a->dim[d] * a->a[d] &&
                       a->b[kept - 1] == a->dim[d] * a->b[d];
        uint32_t to = runs_on ? kept - 1 : kept++;
        a->dim[to] = runs_on ? a->dim[to] * a->dim[d] : a->dim[d];
        a->a[to] = a->a[d];
        a->b[to] = a->b[d];
    }
    a->rank = kept;
}

spa_status spa_cuda_add_binary(spa_cuda_builder *b, const spa_cuda_sum *sum)
{
    size_t n = spa_shape_count(sum->out);
    size_t a_strides[SPA_MAX_RANK] = {0}, b_strides[SPA_MAX_RANK] = {0};
    spa_shape_broadcast(sum->first, sum->out, a_strides);
    if (sum->second != NULL) spa_shape_broadcast(sum->second, sum->out, b_strides);
    spa_cuda_step step = {.kind = SPA_CUDA_BINARY,
                          .in = {sum->x, sum->y},
                          .out = sum->to,
                          .launch = spa_cuda_launch_flat(n),
                          .args.binary = {.n = (uint32_t)n,
                                          .rank = (uint32_t)sum->out->rank,
                                          .multiply = sum->multiply,
                                          .has_b = sum->second != NULL,
                                          .alpha = (float)sum->alpha}};
    spa_binary_args *a = &step.args.binary;
    for (int32_t d = 0; d < sum->out->rank; d++) {
        a->dim[d] = (uint32_t)sum->out->dim[d];
        a->a[d] = (uint32_t)a_strides[d];
        a->b[d] = (uint32_t)b_strides[d];
    }
    simplify_binary(a);
    return spa_cuda_add(b, &step);
}

spa_status spa_cuda_plan_binary(spa_cuda_builder *b)
{
    const spa_op *op = b->op;
    spa_cuda_sum sum = {.multiply = op->kind == SPA_OP_MUL,
                        .first = spa_graph_input_shape(b->graph, op, 0),
                        .second = spa_op_second_shape(b->graph, op),
                        .out = &op->out,
                        .x = spa_cuda_at(SPA_CUDA_INPUT, 0),
                        .to = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                        .alpha = op->attrs.alpha};
    if (op->n_inputs > 1)
        sum.y = spa_cuda_at(SPA_CUDA_INPUT, 1);
    else if (sum.second != NULL)
        sum.y = spa_cuda_take_param(b, 0, false);
    return spa_cuda_add_binary(b, &sum);
}

/* ---- movement ------------------------------------------------------------------------------- */

static bool is_plain(const spa_move_args *a, uint32_t d)
{
    return a->step[d] == 1 && a->begin[d] == 0 && a->divide[d] == 1 && a->modulo[d] == 0 &&
           a->size[d] == 0;
}

static void copy_dim(spa_move_args *a, uint32_t to, uint32_t from)
{
    a->dim[to] = a->dim[from];
    a->step[to] = a->step[from];
    a->begin[to] = a->begin[from];
    a->divide[to] = a->divide[from];
    a->modulo[to] = a->modulo[from];
    a->size[to] = a->size[from];
    a->stride[to] = a->stride[from];
    a->out_stride[to] = a->out_stride[from];
}

/* Drops plain dimensions of 1 and merges plain neighbours that run on in input and output. */
static void simplify_move(spa_move_args *a)
{
    uint32_t kept = 0;
    for (uint32_t d = 0; d < a->rank; d++) {
        bool plain = is_plain(a, d);
        if (plain && a->dim[d] == 1) continue;
        bool runs_on = plain && kept > 0 && is_plain(a, kept - 1) &&
                       a->stride[kept - 1] == a->dim[d] * a->stride[d] &&
                       a->out_stride[kept - 1] == a->dim[d] * a->out_stride[d];
        if (runs_on) {
            a->dim[kept - 1] *= a->dim[d];
            a->stride[kept - 1] = a->stride[d];
            a->out_stride[kept - 1] = a->out_stride[d];
        } else {
            copy_dim(a, kept++, d);
        }
    }
    a->rank = kept;
}

/* Everything in `shape` goes one to one from strides `in` to strides `out`. */
static spa_move_args plain_move(const spa_shape *shape, const size_t in[SPA_MAX_RANK],
                                const size_t out[SPA_MAX_RANK])
{
    spa_move_args a = {.n = (uint32_t)spa_shape_count(shape), .rank = (uint32_t)shape->rank};
    for (int32_t d = 0; d < shape->rank; d++) {
        a.dim[d] = (uint32_t)shape->dim[d];
        a.step[d] = 1;
        a.divide[d] = 1;
        a.stride[d] = (uint32_t)in[d];
        a.out_stride[d] = (uint32_t)out[d];
    }
    return a;
}

static spa_status add_move(spa_cuda_builder *b, spa_cuda_ref from, spa_move_args args)
{
    simplify_move(&args);
    spa_cuda_step step = {.kind = SPA_CUDA_MOVE,
                          .in = {from},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .launch = spa_cuda_launch_flat(args.n),
                          .args.move = args};
    return spa_cuda_add(b, &step);
}

/* Where coordinate d of the output comes from; in_strides of the input as it is. */
static void set_source(spa_move_args *a, const spa_op *op, const spa_shape *in, int32_t d,
                       const size_t in_strides[SPA_MAX_RANK])
{
    const spa_op_attrs *attrs = &op->attrs;
    int32_t n = in->dim[d];
    switch (op->kind) {
    case SPA_OP_SLICE:
        a->begin[d] = attrs->begin[d];
        a->step[d] = attrs->step[d] == 0 ? 1 : attrs->step[d];
        break;
    case SPA_OP_PAD:
        if (op->out.dim[d] == n && attrs->begin[d] == 0) break;
        a->begin[d] = -attrs->begin[d];
        a->size[d] = n;
        break;
    case SPA_OP_ROLL:
        a->begin[d] = (int32_t)(((-(int64_t)attrs->begin[d]) % n + n) % n);
        a->modulo[d] = a->begin[d] != 0 ? n : 0;
        break;
    case SPA_OP_TRANSPOSE:
        a->stride[d] = (uint32_t)in_strides[attrs->perm[d]];
        break;
    case SPA_OP_UPSAMPLE:
        a->divide[d] = d == 2 ? attrs->stride_h : d == 3 ? attrs->stride_w : 1;
        break;
    default:
        break;
    }
}

spa_status spa_cuda_plan_move(spa_cuda_builder *b)
{
    const spa_op *op = b->op;
    const spa_shape *in = spa_graph_input_shape(b->graph, op, 0);
    size_t in_strides[SPA_MAX_RANK] = {0}, out_strides[SPA_MAX_RANK] = {0};
    spa_shape flat = {1, {(int32_t)spa_shape_count(&op->out)}};
    const spa_shape *from = op->kind == SPA_OP_RESHAPE ? &flat : in;
    const spa_shape *to = op->kind == SPA_OP_RESHAPE ? &flat : &op->out;
    spa_shape_strides(from, in_strides);
    spa_shape_strides(to, out_strides);
    spa_move_args args = plain_move(to, in_strides, out_strides);
    for (int32_t d = 0; d < to->rank; d++) set_source(&args, op, from, d, in_strides);
    return add_move(b, spa_cuda_at(SPA_CUDA_INPUT, 0), args);
}

/* A step per part; the parameter comes first and is repeated where it has 1 and the output more. */
spa_status spa_cuda_plan_concat(spa_cuda_builder *b)
{
    const spa_op *op = b->op;
    int32_t axis = op->attrs.axis;
    size_t n_params = op->attrs.param_shape.rank > 0 ? 1 : 0, before = 0;
    size_t in_strides[SPA_MAX_RANK] = {0}, out_strides[SPA_MAX_RANK] = {0};
    spa_shape_strides(&op->out, out_strides);
    for (size_t part = 0; part < n_params + op->n_inputs; part++) {
        bool is_param = part < n_params;
        const spa_shape *own = is_param ? &op->attrs.param_shape
                                        : spa_graph_input_shape(b->graph, op, part - n_params);
        spa_shape shape = op->out;
        shape.dim[axis] = own->dim[axis];
        spa_shape_broadcast(own, &shape, in_strides);
        spa_move_args args = plain_move(&shape, in_strides, out_strides);
        args.out_offset = (uint32_t)(before * out_strides[axis]);
        spa_cuda_ref from = is_param ? spa_cuda_take_param(b, 0, false)
                                     : spa_cuda_at(SPA_CUDA_INPUT, part - n_params);
        SPA_TRY(add_move(b, from, args));
        before += (size_t)own->dim[axis];
    }
    return SPA_OK;
}

spa_status spa_cuda_plan_gather(spa_cuda_builder *b)
{
    size_t n = spa_shape_count(&b->op->out), area = (size_t)b->op->out.dim[2];
    uint32_t window = 1;
    while ((size_t)window * window < area) window++;
    spa_cuda_step step = {.kind = SPA_CUDA_GATHER,
                          .in = {spa_cuda_take_param(b, 0, false)},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .launch = spa_cuda_launch_flat(n),
                          .args.gather = {(uint32_t)n, (uint32_t)b->op->out.dim[1], window}};
    return spa_cuda_add(b, &step);
}
