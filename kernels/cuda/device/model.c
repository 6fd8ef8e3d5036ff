/* Preparing a model: plans, convolution algorithms, weights on the device. */
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/device/state.h"
#include "kernels/half.h"

void spa_cuda_forget(spa_stream_model *model)
{
    cuda_model *m = (cuda_model *)model;
    if (m == NULL) return;
    if (cudaSetDevice(m->device->config.index) == cudaSuccess) (void)cudaDeviceSynchronize();
    for (size_t i = 0; i < m->graph->n_ops && m->ops != NULL; i++) {
        spa_cuda_plan_fini(&m->ops[i].plan);
        spa_cuda_conv_fini(&m->ops[i].conv, m->device);
    }
    spa_cuda_release(&m->device->base, m->weights);
    free(m->ops);
    free(m);
}

static const spa_conv_args *library_conv(const cuda_op *op)
{
    for (size_t i = 0; i < op->plan.n_steps; i++)
        if (op->plan.steps[i].kind == SPA_CUDA_CONV) return &op->plan.steps[i].args.conv;
    return NULL;
}

static const float *const *op_params(const spa_model *model, size_t op)
{
    return (const float *const *)(model->params + op * SPA_MAX_PARAMS);
}

static spa_status check_kinds(const spa_graph *g, spa_error *err)
{
    for (size_t i = 0; i < g->n_ops; i++)
        if (!spa_cuda_supports(g->ops[i].kind))
            return spa_fail(err, SPA_E_UNSUPPORTED,
                            "model '%s': operator '%s' (%s) has no CUDA kernel", g->name,
                            g->ops[i].name, spa_op_kind_name(g->ops[i].kind));
    return SPA_OK;
}

static spa_status make_plans(cuda_model *m, const spa_model *model, spa_error *err)
{
    const spa_graph *g = m->graph;
    for (size_t i = 0; i < g->n_ops; i++)
        SPA_TRY(spa_cuda_plan_init(&m->ops[i].plan, g, &g->ops[i], op_params(model, i), true, err));
    return SPA_OK;
}

/* ---- convolution algorithms ---------------------------------------------------------------- */

static void scratch_fini(cuda_conv_scratch *s, cuda_device *d)
{
    spa_cuda_release(&d->base, s->x);
    spa_cuda_release(&d->base, s->weight);
    spa_cuda_release(&d->base, s->y);
    spa_cuda_release(&d->base, s->workspace);
    if (s->dnn != NULL) (void)d->lib->cudnnDestroy(s->dnn);
    memset(s, 0, sizeof *s);
}

/* Zeroed, so that no NaN slows a candidate down. */
static spa_status zeroed(cuda_device *d, size_t bytes, void **out, spa_error *err)
{
    SPA_TRY(spa_cuda_alloc(&d->base, bytes, out, err));
    return spa_cuda_check(cudaMemset(*out, 0, bytes == 0 ? CUDA_ALIGN : bytes), "clearing memory",
                          NULL, err);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static spa_status scratch_init(cuda_conv_scratch *s, const cuda_model *m, spa_error *err)
{
    cuda_device *d = m->device;
    size_t x = 0, weight = 0, y = 0, size = spa_dtype_bytes(m->dtype);
    for (size_t i = 0; i < m->graph->n_ops; i++) {
        const spa_conv_args *a = library_conv(&m->ops[i]);
        if (a == NULL) continue;
        x = larger(x, (size_t)a->n * (size_t)a->c * (size_t)a->h * (size_t)a->w);
        y = larger(y, (size_t)a->n * (size_t)a->m * (size_t)a->oh * (size_t)a->ow);
        weight = larger(weight,
                        (size_t)a->m * (size_t)(a->c / a->groups) * (size_t)a->kh * (size_t)a->kw);
    }
    memset(s, 0, sizeof *s);
    if (x == 0) return SPA_OK;
    SPA_TRY(spa_cudnn_check(d, d->lib->cudnnCreate(&s->dnn), "starting", NULL, err));
    SPA_TRY(zeroed(d, x * size, &s->x, err));
    SPA_TRY(zeroed(d, weight * size, &s->weight, err));
    SPA_TRY(zeroed(d, y * size, &s->y, err));
    return spa_cuda_alloc(&d->base, d->config.workspace_limit_bytes, &s->workspace, err);
}

static spa_status choose_conv(cuda_model *m, const spa_model *model, size_t index,
                              const cuda_conv_scratch *scratch, spa_error *err)
{
    cuda_op *op = &m->ops[index];
    const spa_op *o = &m->graph->ops[index];
    const spa_conv_args *args = library_conv(op);
    bool found;
    if (args == NULL) return SPA_OK;
    SPA_TRY(
        spa_cuda_conv_init(&op->conv, m->device, args, m->dtype, scratch, o->name, &found, err));
    if (found) return SPA_OK;
    /* cuDNN has no algorithm: a thread per output does it. */
    spa_cuda_plan_fini(&op->plan);
    return spa_cuda_plan_init(&op->plan, m->graph, o, op_params(model, index), false, err);
}

static spa_status choose_convs(cuda_model *m, const spa_model *model, spa_error *err)
{
    cuda_conv_scratch scratch;
    spa_status status = scratch_init(&scratch, m, err);
    for (size_t i = 0; i < m->graph->n_ops && status == SPA_OK; i++)
        status = choose_conv(m, model, i, &scratch, err);
    scratch_fini(&scratch, m->device);
    return status;
}

/* ---- weights ------------------------------------------------------------------------------- */

static size_t param_bytes(const cuda_model *m, const spa_cuda_param *p)
{
    bool half = m->dtype == SPA_FP16 && !p->wide;
    return p->count * (half ? sizeof(spa_half) : sizeof(float));
}

static void put_param(const cuda_model *m, const spa_cuda_param *p, char *to)
{
    if (m->dtype == SPA_FP32 || p->wide) {
        memcpy(to, p->data, p->count * sizeof(float));
        return;
    }
    spa_half *half = (spa_half *)(void *)to;
    for (size_t i = 0; i < p->count; i++) half[i] = spa_half_from_float(p->data[i]);
}

/* All parameters are laid out in one host block, which is copied once. */
static spa_status upload(cuda_model *m, spa_error *err)
{
    size_t total = 0, at = 0;
    char *block;
    for (size_t i = 0; i < m->graph->n_ops; i++)
        for (size_t p = 0; p < m->ops[i].plan.n_params; p++)
            total += cuda_align(param_bytes(m, &m->ops[i].plan.params[p]));
    SPA_TRY(spa_cuda_alloc(&m->device->base, total, &m->weights, err));
    SPA_TRY(spa_alloc(&block, total, 1, err));
    for (size_t i = 0; i < m->graph->n_ops; i++) {
        cuda_op *op = &m->ops[i];
        for (size_t p = 0; p < op->plan.n_params; p++) {
            put_param(m, &op->plan.params[p], block + at);
            op->params[p] = (char *)m->weights + at;
            at += cuda_align(param_bytes(m, &op->plan.params[p]));
        }
    }
    spa_status status = SPA_OK;
    if (total > 0)
        status = spa_cuda_check(cudaMemcpy(m->weights, block, total, cudaMemcpyHostToDevice),
                                "copying the weights of model", m->graph->name, err);
    /* The copy may return before the device has all of it, and our streams do not wait for it. */
    if (status == SPA_OK)
        status = spa_cuda_check(cudaDeviceSynchronize(), "copying the weights of model",
                                m->graph->name, err);
    free(block);
    return status;
}

/* The steps' own results first, then what the library asks for. */
static void size_workspace(cuda_model *m)
{
    for (size_t i = 0; i < m->graph->n_ops; i++) {
        const cuda_op *op = &m->ops[i];
        size_t bytes = cuda_align(op->plan.workspace_elements * spa_dtype_bytes(m->dtype)) +
                       op->conv.workspace_bytes;
        m->workspace_bytes = larger(m->workspace_bytes, bytes);
    }
}

spa_status spa_cuda_prepare(spa_accelerator *accelerator, const spa_model *model, spa_dtype dtype,
                            spa_stream_model **out, spa_error *err)
{
    cuda_device *d = (cuda_device *)accelerator;
    cuda_model *m;
    *out = NULL;
    SPA_TRY(check_kinds(model->graph, err));
    SPA_TRY(spa_cuda_enter(d, err));
    SPA_TRY(spa_alloc(&m, 1, sizeof *m, err));
    *m = (cuda_model){.device = d, .graph = model->graph, .dtype = dtype};
    spa_status status = spa_alloc(&m->ops, m->graph->n_ops, sizeof(cuda_op), err);
    if (status == SPA_OK) status = make_plans(m, model, err);
    if (status == SPA_OK) status = choose_convs(m, model, err);
    if (status == SPA_OK) status = upload(m, err);
    if (status != SPA_OK) {
        spa_cuda_forget((spa_stream_model *)m);
        return status;
    }
    size_workspace(m);
    *out = (spa_stream_model *)m;
    return SPA_OK;
}
