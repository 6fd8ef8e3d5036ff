/* Seeded weights and the calibration of batch norms. */
#include "kernels/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/dims.h"
#include "kernels/steps.h"
#include "kernels/vector.h"

/* A uniform variable of mean 0 and variance 1. */
static double unit(spa_rng *rng)
{
    return ((double)spa_rng_u32(rng) * 0x1p-32 - 0.5) * 3.4641016151377544; /* sqrt 12 */
}

static void draw(spa_rng *rng, float *x, size_t n, double mean, double deviation)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)(mean + deviation * unit(rng));
}

void spa_fill_random(float *x, size_t n, uint64_t seed, uint64_t index, double zeros)
{
    spa_rng rng;
    spa_rng_init_indexed(&rng, seed, "activations", index);
    uint32_t limit = zeros >= 1 ? UINT32_MAX : (uint32_t)(zeros * 0x1p32);
    for (size_t i = 0; i < n; i++) {
        bool is_zero = zeros > 0 && spa_rng_u32(&rng) <= limit;
        x[i] = is_zero ? 0.0f : (float)unit(&rng);
    }
}

static void draw_weight(spa_rng *rng, const spa_op *op, const spa_shape *shape, float *x)
{
    size_t filters = (size_t)shape->dim[0], length = spa_shape_product(shape, 1, shape->rank);
    double gain = op->kind == SPA_OP_CONV ? 2.0 : 1.0;
    draw(rng, x, filters * length, 0, sqrt(gain / (double)length));
}

static bool folds_batch_norm(const spa_op *op)
{
    return op->n_steps > 0 && op->steps[0].kind == SPA_OP_BATCH_NORM;
}

/* Constants of steps are those of the operators that they were. */
static void draw_steps(spa_model *model, size_t index, size_t param)
{
    const spa_op *op = &model->graph->ops[index];
    for (uint32_t i = 0; i < op->n_steps; i++) {
        const spa_op_step *s = &op->steps[i];
        spa_rng rng;
        if (s->param_shape.rank == 0) continue;
        spa_rng_init_indexed(&rng, model->seed, "weights", s->stream);
        bool is_mul = s->kind == SPA_OP_MUL;
        draw(&rng, model->params[index * SPA_MAX_PARAMS + param++],
             spa_shape_count(&s->param_shape), is_mul ? 1 : 0, is_mul ? 0.1 : 0.05);
    }
}

void spa_weights_draw(spa_model *model, size_t index)
{
    const spa_op *op = &model->graph->ops[index];
    spa_op own = spa_op_unfused(op);
    spa_op_param params[SPA_MAX_PARAMS];
    size_t all = spa_op_params(model->graph, &own, params), count = all;
    spa_rng rng;
    spa_rng_init_indexed(&rng, model->seed, "weights", op->stream);
    if (folds_batch_norm(op) && op->steps[0].adds_bias) count--; /* 0 until it is folded */
    draw_steps(model, index, all);
    for (size_t p = 0; p < count; p++) {
        const char *role = params[p].role;
        float *x = model->params[index * SPA_MAX_PARAMS + p];
        size_t n = spa_shape_count(&params[p].shape);
        if (strcmp(role, "weight") == 0)
            draw_weight(&rng, op, &params[p].shape, x);
        else if (strcmp(role, "scale") == 0 || op->kind == SPA_OP_MUL)
            draw(&rng, x, n, 1, 0.1);
        else if (strcmp(role, "mean") == 0)
            draw(&rng, x, n, 0, 0);
        else if (strcmp(role, "variance") == 0)
            draw(&rng, x, n, 1, 0);
        else /* shift, bias, constant */
            draw(&rng, x, n, 0, 0.05);
    }
}

spa_status spa_weights_take(spa_model *model, spa_error *err)
{
    const spa_graph *graph = model->graph;
    spa_op_param params[SPA_MAX_PARAMS];
    for (size_t i = 0; i < graph->n_ops; i++) {
        size_t count = spa_op_params(graph, &graph->ops[i], params);
        for (size_t p = 0; p < count; p++)
            SPA_TRY(graph->source->fill(graph->source, i, p, model->params[i * SPA_MAX_PARAMS + p],
                                        spa_shape_count(&params[p].shape), err));
    }
    return SPA_OK;
}

/* The share of a channel's measured mean that batch norm takes out. All of it (what training ends
 * in) makes a deep random ReLU network chaotic: with the mean goes 1/pi of the energy, so that
 * rounding grows by 1/(1 - 1/pi) = 1.47 per layer (Yang et al. 2019, "A mean field theory of batch
 * normalization"), 10^5 over MobileNetV2. None of it makes all positions alike in the end. */
#define MEAN_SHARE 0.5

/* Running statistics for x [N,C,inner]: a share of the mean, and the mean square around that. A
 * channel that hardly varies gets the average of all, so that nothing is blown up. */
static void measure_channels(const float *x, const spa_shape *shape, float *mean, float *variance)
{
    size_t n_count = (size_t)shape->dim[0], c_count = (size_t)shape->dim[1];
    size_t inner = spa_shape_product(shape, 2, shape->rank), count = n_count * inner;
    double all = 0;
    for (size_t c = 0; c < c_count; c++) {
        double sum = 0, squares = 0;
        for (size_t n = 0; n < n_count; n++)
            for (size_t i = 0; i < inner; i++) sum += x[(n * c_count + c) * inner + i];
        double centre = MEAN_SHARE * sum / (double)count;
        for (size_t n = 0; n < n_count; n++) {
            for (size_t i = 0; i < inner; i++) {
                double d = x[(n * c_count + c) * inner + i] - centre;
                squares += d * d;
            }
        }
        mean[c] = (float)centre;
        variance[c] = (float)(squares / (double)count);
        all += variance[c] / (double)c_count;
    }
    if (all <= 0) all = 1;
    for (size_t c = 0; c < c_count; c++)
        if (variance[c] < 0.1 * all) variance[c] = (float)all;
}

/* The batch norm that was folded into operator `index`, as it would be on its raw output, of which
 * it makes its own: then weight and bias are made to do the same. */
static spa_status fold(const spa_model *model, size_t index, const spa_kernel_args *args,
                       spa_error *err)
{
    const spa_op *op = args->op;
    size_t c_count = (size_t)op->out.dim[1], n_count = (size_t)op->out.dim[0];
    size_t inner = spa_shape_product(&op->out, 2, op->out.rank);
    float *const *params = model->params + index * SPA_MAX_PARAMS, *norm;
    spa_op_param list[SPA_MAX_PARAMS];
    spa_op_params(model->graph, op, list);
    size_t length = spa_shape_count(&list[0].shape) / c_count; /* of a filter */
    spa_rng rng;
    SPA_TRY(spa_alloc(&norm, 4 * c_count, sizeof *norm, err));
    float *scale = norm, *shift = norm + c_count, *mean = norm + 2 * c_count;
    float *variance = norm + 3 * c_count;
    spa_rng_init_indexed(&rng, model->seed, "weights", op->steps[0].stream);
    draw(&rng, scale, c_count, 1, 0.1);
    draw(&rng, shift, c_count, 0, 0.05);
    measure_channels(args->output, &op->out, mean, variance);
    for (size_t c = 0; c < c_count; c++) {
        double factor = scale[c] / sqrt(variance[c] + SPA_NORM_EPSILON);
        float add = (float)(shift[c] - mean[c] * factor);
        for (size_t i = 0; i < length; i++)
            params[0][c * length + i] = (float)(params[0][c * length + i] * factor);
        params[1][c] = (float)(params[1][c] * factor + add);
        for (size_t n = 0; n < n_count; n++) {
            float *y = args->output + (n * c_count + c) * inner;
            spa_vector_best()->affine(y, (float)factor, add, y, inner);
        }
    }
    free(norm);
    return SPA_OK;
}

static spa_status run_once(spa_session *session, size_t index, void *workspace, spa_error *err)
{
    const spa_model *model = session->model;
    const spa_op *op = &model->graph->ops[index];
    if (op->kind == SPA_OP_RESHAPE) return SPA_OK;
    float *const *params = model->params + index * SPA_MAX_PARAMS;
    spa_kernel_args args = {
        .graph = model->graph,
        .op = op,
        .inputs = session->inputs + op->first_input,
        .params = (const float *const *)params,
        .output = session->outputs[index],
        .workspace = workspace,
    };
    if (op->kind == SPA_OP_BATCH_NORM)
        measure_channels(args.inputs[0], spa_graph_input_shape(model->graph, op, 0), params[2],
                         params[3]);
    void *state = NULL;
    SPA_TRY(spa_backend_blas.prepare(model->graph, op, args.params, &state, err));
    args.state = state;
    spa_op own = spa_op_unfused(op);
    if (folds_batch_norm(op)) args.op = &own;
    spa_status status = spa_kernel_run(&spa_backend_blas, &args, NULL, err);
    spa_backend_blas.release(state);
    if (status != SPA_OK || !folds_batch_norm(op)) return status;
    args.op = op;
    SPA_TRY(fold(model, index, &args, err));
    spa_steps_run_plain(&args, 1);
    return SPA_OK;
}

spa_status spa_weights_calibrate(spa_model *model, spa_error *err)
{
    bool needed = false;
    for (size_t i = 0; i < model->graph->n_ops && !needed; i++)
        needed = model->graph->ops[i].kind == SPA_OP_BATCH_NORM ||
                 folds_batch_norm(&model->graph->ops[i]);
    if (!needed) return SPA_OK;
    spa_session session;
    void *workspace = NULL;
    spa_status status = spa_backend_blas.probe(err);
    if (status != SPA_OK) return status;
    status = spa_session_init(&session, model, SPA_BUFFERS_PLANNED, err);
    if (status != SPA_OK) return status;
    status =
        spa_alloc_aligned(&workspace, spa_model_workspace_bytes(model, &spa_backend_blas), err);
    spa_session_fill_inputs(&session, model->seed, 0);
    for (size_t i = 0; i < model->graph->n_ops && status == SPA_OK; i++)
        status = run_once(&session, i, workspace, err);
    free(workspace);
    spa_session_fini(&session);
    return status;
}
