/* Convolutions by cuDNN: descriptors, and the fastest algorithm of those it has. */
#include <string.h>

#include "kernels/cuda/device/state.h"

static spa_status describe_tensors(cuda_conv *c, const cuda_device *d, const spa_conv_args *a,
                                   cudnnDataType_t type, const char *op, spa_error *err)
{
    const spa_cuda_libraries *l = d->lib;
    const char *doing = "describing the tensors of operator";
    SPA_TRY(spa_cudnn_check(d, l->cudnnCreateTensorDescriptor(&c->x), doing, op, err));
    SPA_TRY(spa_cudnn_check(d, l->cudnnCreateTensorDescriptor(&c->y), doing, op, err));
    SPA_TRY(spa_cudnn_check(d, l->cudnnCreateFilterDescriptor(&c->weight), doing, op, err));
    SPA_TRY(spa_cudnn_check(
        d, l->cudnnSetTensor4dDescriptor(c->x, CUDNN_TENSOR_NCHW, type, a->n, a->c, a->h, a->w),
        doing, op, err));
    SPA_TRY(spa_cudnn_check(
        d, l->cudnnSetTensor4dDescriptor(c->y, CUDNN_TENSOR_NCHW, type, a->n, a->m, a->oh, a->ow),
        doing, op, err));
    return spa_cudnn_check(d,
                           l->cudnnSetFilter4dDescriptor(c->weight, type, CUDNN_TENSOR_NCHW, a->m,
                                                         a->c / a->groups, a->kh, a->kw),
                           doing, op, err);
}

/* fp32 without tf32: fused multiply-adds only, so that answers are those of the CPU's kernels. */
static cudnnMathType_t math_type(const cuda_device *d, spa_dtype dtype)
{
    if (dtype == SPA_FP16) return CUDNN_TENSOR_OP_MATH;
    return d->config.tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
}

static spa_status describe_conv(cuda_conv *c, const cuda_device *d, const spa_conv_args *a,
                                spa_dtype dtype, const char *op, spa_error *err)
{
    const spa_cuda_libraries *l = d->lib;
    const char *doing = "describing operator";
    SPA_TRY(spa_cudnn_check(d, l->cudnnCreateConvolutionDescriptor(&c->conv), doing, op, err));
    SPA_TRY(spa_cudnn_check(
        d,
        l->cudnnSetConvolution2dDescriptor(c->conv, a->pad_h, a->pad_w, a->stride_h, a->stride_w,
                                           a->dilation_h, a->dilation_w, CUDNN_CROSS_CORRELATION,
                                           CUDNN_DATA_FLOAT),
        doing, op, err));
    SPA_TRY(
        spa_cudnn_check(d, l->cudnnSetConvolutionGroupCount(c->conv, a->groups), doing, op, err));
    SPA_TRY(spa_cudnn_check(d, l->cudnnSetConvolutionMathType(c->conv, math_type(d, dtype)), doing,
                            op, err));
    int n = 0, m = 0, h = 0, w = 0;
    SPA_TRY(spa_cudnn_check(
        d, l->cudnnGetConvolution2dForwardOutputDim(c->conv, c->x, c->weight, &n, &m, &h, &w),
        doing, op, err));
    if (n == a->n && m == a->m && h == a->oh && w == a->ow) return SPA_OK;
    return spa_fail(err, SPA_E_IO,
                    "cuDNN: operator '%s' would give %dx%dx%dx%d, the graph says %dx%dx%dx%d", op,
                    n, m, h, w, (int)a->n, (int)a->m, (int)a->oh, (int)a->ow);
}

/* FFT and the larger Winograd tiles round more than the agreement with the reference allows. */
static bool is_exact_enough(cudnnConvolutionFwdAlgo_t algorithm)
{
    return algorithm != CUDNN_CONVOLUTION_FWD_ALGO_FFT &&
           algorithm != CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING &&
           algorithm != CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED;
}

/* cuDNN 9 has a range of codes for it. */
static bool is_unsupported(cudnnStatus_t code)
{
#if CUDNN_MAJOR >= 9
    return (int)code / 1000 == (int)CUDNN_STATUS_NOT_SUPPORTED / 1000;
#else
    return code == CUDNN_STATUS_NOT_SUPPORTED;
#endif
}

/* The candidates are run and timed; the query of a heuristic alone is often wrong. */
static spa_status choose(cuda_conv *c, const cuda_device *d, spa_dtype dtype,
                         const cuda_conv_scratch *s, const char *op, bool *found, spa_error *err)
{
    cudnnConvolutionFwdAlgoPerf_t results[CUDNN_CONVOLUTION_FWD_ALGO_COUNT * 2];
    int count = 0, room = (int)(sizeof results / sizeof results[0]);
    cudnnStatus_t code = d->lib->cudnnFindConvolutionForwardAlgorithmEx(
        s->dnn, c->x, s->x, c->weight, s->weight, c->conv, c->y, s->y, room, &count, results,
        s->workspace, d->config.workspace_limit_bytes);
    *found = false;
    if (is_unsupported(code)) return SPA_OK;
    SPA_TRY(spa_cudnn_check(d, code, "timing algorithms for operator", op, err));
    for (int i = 0; i < count && !*found; i++) { /* fastest first */
        const cudnnConvolutionFwdAlgoPerf_t *r = &results[i];
        if (r->status != CUDNN_STATUS_SUCCESS || !is_exact_enough(r->algo)) continue;
        if (r->memory > d->config.workspace_limit_bytes) continue;
        if (dtype == SPA_FP32 && !d->config.tf32 && r->mathType != CUDNN_FMA_MATH &&
            r->mathType != CUDNN_DEFAULT_MATH)
            continue;
        c->algorithm = r->algo;
        c->workspace_bytes = r->memory;
        /* A result in CUDNN_DEFAULT_MATH may still mean tf32: what runs is what we ask for. */
        cudnnMathType_t math = dtype == SPA_FP32 && !d->config.tf32 ? CUDNN_FMA_MATH : r->mathType;
        SPA_TRY(spa_cudnn_check(d, d->lib->cudnnSetConvolutionMathType(c->conv, math),
                                "choosing arithmetic for operator", op, err));
        *found = true;
    }
    return SPA_OK;
}

spa_status spa_cuda_conv_init(cuda_conv *conv, const cuda_device *d, const spa_conv_args *args,
                              spa_dtype dtype, const cuda_conv_scratch *scratch, const char *op,
                              bool *found, spa_error *err)
{
    cudnnDataType_t type = dtype == SPA_FP16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
    memset(conv, 0, sizeof *conv);
    *found = false;
    spa_status status = describe_tensors(conv, d, args, type, op, err);
    if (status == SPA_OK) status = describe_conv(conv, d, args, dtype, op, err);
    if (status == SPA_OK) status = choose(conv, d, dtype, scratch, op, found, err);
    if (status != SPA_OK || !*found) spa_cuda_conv_fini(conv, d);
    return status;
}

void spa_cuda_conv_fini(cuda_conv *conv, const cuda_device *d)
{
    if (conv->x != NULL) (void)d->lib->cudnnDestroyTensorDescriptor(conv->x);
    if (conv->y != NULL) (void)d->lib->cudnnDestroyTensorDescriptor(conv->y);
    if (conv->weight != NULL) (void)d->lib->cudnnDestroyFilterDescriptor(conv->weight);
    if (conv->conv != NULL) (void)d->lib->cudnnDestroyConvolutionDescriptor(conv->conv);
    memset(conv, 0, sizeof *conv);
}
