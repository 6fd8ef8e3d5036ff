/* One operator on a stream: its steps, enqueued. */
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/state.h"

static const void *address_of(spa_cuda_ref ref, const cuda_stream *s, const cuda_op *op,
                              const void *const *inputs, void *output)
{
    switch (ref.space) {
    case SPA_CUDA_INPUT:
        return inputs[ref.index];
    case SPA_CUDA_PARAM:
        return op->params[ref.index];
    case SPA_CUDA_OUTPUT:
        return output;
    case SPA_CUDA_WORKSPACE:
        return s->workspace;
    default:
        return NULL;
    }
}

static spa_status run_gemm(const cuda_stream *s, spa_dtype dtype, const spa_gemm_args *g,
                           const void *a, const void *b, void *c, const char *name, spa_error *err)
{
    const cuda_device *d = s->device;
    const float one = 1.0f, zero = 0.0f;
    cudaDataType type = dtype == SPA_FP16 ? CUDA_R_16F : CUDA_R_32F;
    cublasComputeType_t compute =
        dtype == SPA_FP32 && d->config.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    cublasOperation_t ta = g->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasOperation_t tb = g->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasStatus_t code;
    if (g->batch == 1)
        code =
            d->lib->cublasGemmEx(s->blas, ta, tb, g->m, g->n, g->k, &one, a, type, g->lda, b, type,
                                 g->ldb, &zero, c, type, g->ldc, compute, CUBLAS_GEMM_DEFAULT);
    else
        code = d->lib->cublasGemmStridedBatchedEx(s->blas, ta, tb, g->m, g->n, g->k, &one, a, type,
                                                  g->lda, g->stride_a, b, type, g->ldb, g->stride_b,
                                                  &zero, c, type, g->ldc, g->stride_c, g->batch,
                                                  compute, CUBLAS_GEMM_DEFAULT);
    return spa_cublas_check(d, code, "multiplying for operator", name, err);
}

static spa_status run_conv(const cuda_stream *s, const cuda_op *op, spa_dtype dtype, const void *x,
                           const void *weight, void *y, const char *name, spa_error *err)
{
    const cuda_device *d = s->device;
    const cuda_conv *c = &op->conv;
    const float one = 1.0f, zero = 0.0f;
    char *workspace =
        (char *)s->workspace + cuda_align(op->plan.workspace_elements * spa_dtype_bytes(dtype));
    return spa_cudnn_check(d,
                           d->lib->cudnnConvolutionForward(s->dnn, &one, c->x, x, c->weight, weight,
                                                           c->conv, c->algorithm, workspace,
                                                           c->workspace_bytes, &zero, c->y, y),
                           "convolving for operator", name, err);
}

spa_status spa_cuda_run_op(cuda_stream *s, const cuda_model *m, size_t index,
                           const void *const *inputs, void *output, spa_error *err)
{
    const cuda_op *op = &m->ops[index];
    const spa_op *o = &m->graph->ops[index];
    if (o->kind == SPA_OP_RESHAPE && inputs[0] == output) return SPA_OK; /* a view */
    for (size_t i = 0; i < op->plan.n_steps; i++) {
        const spa_cuda_step *step = &op->plan.steps[i];
        const void *in[3];
        for (int k = 0; k < 3; k++) in[k] = address_of(step->in[k], s, op, inputs, output);
        void *out = step->out.space == SPA_CUDA_WORKSPACE ? s->workspace : output;
        if (step->kind == SPA_CUDA_GEMM)
            SPA_TRY(run_gemm(s, m->dtype, &step->args.gemm, in[0], in[1], out, o->name, err));
        else if (step->kind == SPA_CUDA_CONV)
            SPA_TRY(run_conv(s, op, m->dtype, in[0], in[1], out, o->name, err));
        else
            SPA_TRY(spa_cuda_check(
                (cudaError_t)spa_cuda_launch_step(step, m->dtype == SPA_FP16, in, out, s->stream),
                "launching operator", o->name, err));
    }
    return SPA_OK;
}
