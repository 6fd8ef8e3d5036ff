/* Our own CUDA kernels: launch geometry around the bodies of kernel_body.h. */
#include "kernels/cuda/device/launch.h"

#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math.h>

/* The bodies are overloaded on the storage type. */
#define SPA_DEVICE         __device__ static inline
#define SPA_T              float
#define SPA_LOAD(p, i)     ((p)[i])
#define SPA_STORE(p, i, v) ((p)[i] = (v))
#define SPA_BODY(name)     name##_body
#include "kernels/cuda/kernel_body.h"

#define SPA_T              __half
#define SPA_LOAD(p, i)     __half2float((p)[i])
#define SPA_STORE(p, i, v) ((p)[i] = __float2half_rn(v))
#define SPA_BODY(name)     name##_body
#include "kernels/cuda/kernel_body.h"

/* Every index of a flat launch. No sum wraps: counts are below 2^31, strides at most 2^21. */
#define FOR_FLAT(i, count)                                                                         \
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < (count);                          \
         i += gridDim.x * blockDim.x)
#define FOR_ROWS(row, rows) for (uint32_t row = blockIdx.x; row < (rows); row += gridDim.x)

namespace
{

struct add_up {
    static __device__ float identity() { return 0.0f; }
    static __device__ float join(float a, float b) { return a + b; }
};
struct take_max {
    static __device__ float identity() { return -INFINITY; }
    static __device__ float join(float a, float b) { return fmaxf(a, b); }
};

/* The result over all threads of the block, in each of them. Blocks are whole warps. */
template <typename How> __device__ float block_join(float x)
{
    __shared__ float parts[32];
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    for (int step = 16; step > 0; step /= 2)
        x = How::join(x, __shfl_xor_sync(0xffffffffu, x, step));
    __syncthreads(); /* everybody has read the previous result */
    if (lane == 0) parts[warp] = x;
    __syncthreads();
    x = lane < warps ? parts[lane] : How::identity();
    for (int step = 16; step > 0; step /= 2)
        x = How::join(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

template <typename T> __global__ void unary(spa_unary_args a, const T *x, T *y)
{
    FOR_FLAT(i, a.n) unary_body(&a, x, y, i);
}

template <typename T>
__global__ void affine(spa_affine_args a, const T *x, const float *scale, const float *shift, T *y)
{
    FOR_FLAT(i, a.n) affine_body(&a, x, scale, shift, y, i);
}

template <typename T>
__global__ void layer_norm(spa_row_args a, const T *x, const float *scale, const float *shift, T *y)
{
    FOR_ROWS(row, a.rows)
    {
        uint32_t base = row * a.n, t = threadIdx.x, threads = blockDim.x;
        float mean = block_join<add_up>(row_sum_body(x, base, 1, a.n, t, threads)) / (float)a.n;
        float squares = block_join<add_up>(row_squares_body(x, base, a.n, mean, t, threads));
        layer_norm_write_body(&a, x, scale, shift, y, base, mean, squares / (float)a.n, t, threads);
    }
}

template <typename T> __global__ void softmax(spa_row_args a, const T *x, T *y)
{
    FOR_ROWS(row, a.rows)
    {
        uint32_t base = row * a.n, t = threadIdx.x, threads = blockDim.x;
        float largest = block_join<take_max>(row_max_body(x, base, a.n, t, threads));
        float sum = block_join<add_up>(row_exponentials_body(x, base, a.n, largest, t, threads));
        softmax_write_body(&a, x, y, base, largest, sum, t, threads);
    }
}

__device__ void store(float *y, uint32_t i, float x)
{
    y[i] = x;
}
__device__ void store(__half *y, uint32_t i, float x)
{
    y[i] = __float2half_rn(x);
}

template <typename T> __global__ void mean_split(spa_mean_args a, const T *x, T *y)
{
    FOR_ROWS(row, a.rows)
    {
        float part =
            row_sum_body(x, spa_body_mean_base(&a, row), a.inner, a.n, threadIdx.x, blockDim.x);
        float sum = block_join<add_up>(part);
        if (threadIdx.x == 0) store(y, row, sum / (float)a.n);
    }
}

template <typename T> __global__ void mean_flat(spa_mean_args a, const T *x, T *y)
{
    FOR_FLAT(row, a.rows)
    store(y, row, row_sum_body(x, spa_body_mean_base(&a, row), a.inner, a.n, 0, 1) / (float)a.n);
}

template <typename T> __global__ void pool(spa_window_args a, const T *x, T *y)
{
    FOR_FLAT(i, a.count) pool_body(&a, x, y, i);
}

template <typename T>
__global__ void direct_conv(spa_window_args a, const T *x, const T *weight, const float *bias, T *y)
{
    FOR_FLAT(i, a.count) direct_conv_body(&a, x, weight, bias, y, i);
}

template <typename T> __global__ void binary(spa_binary_args a, const T *x, const T *z, T *y)
{
    FOR_FLAT(i, a.n) binary_body(&a, x, z, y, i);
}

template <typename T> __global__ void move(spa_move_args a, const T *x, T *y)
{
    FOR_FLAT(i, a.n) move_body(&a, x, y, i);
}

template <typename T> __global__ void gather(spa_gather_args a, const T *table, T *y)
{
    FOR_FLAT(i, a.n) gather_body(&a, table, y, i);
}

__global__ void widen(uint32_t n, const __half *x, float *y)
{
    FOR_FLAT(i, n) y[i] = __half2float(x[i]);
}

__global__ void narrow(uint32_t n, const float *x, __half *y)
{
    FOR_FLAT(i, n) y[i] = __float2half_rn(x[i]);
}

template <typename T>
int launch(const spa_cuda_step *s, const void *const in[3], void *out, cudaStream_t stream)
{
    const T *x = static_cast<const T *>(in[0]), *z = static_cast<const T *>(in[1]);
    const float *f1 = static_cast<const float *>(in[1]), *f2 = static_cast<const float *>(in[2]);
    T *y = static_cast<T *>(out);
    dim3 blocks(s->launch.blocks), threads(s->launch.threads);
    switch (s->kind) {
    case SPA_CUDA_UNARY:
        unary<T><<<blocks, threads, 0, stream>>>(s->args.unary, x, y);
        break;
    case SPA_CUDA_AFFINE:
        affine<T><<<blocks, threads, 0, stream>>>(s->args.affine, x, f1, f2, y);
        break;
    case SPA_CUDA_LAYER_NORM:
        layer_norm<T><<<blocks, threads, 0, stream>>>(s->args.row, x, f1, f2, y);
        break;
    case SPA_CUDA_SOFTMAX:
        softmax<T><<<blocks, threads, 0, stream>>>(s->args.row, x, y);
        break;
    case SPA_CUDA_MEAN:
        if (s->args.mean.split)
            mean_split<T><<<blocks, threads, 0, stream>>>(s->args.mean, x, y);
        else
            mean_flat<T><<<blocks, threads, 0, stream>>>(s->args.mean, x, y);
        break;
    case SPA_CUDA_POOL:
        pool<T><<<blocks, threads, 0, stream>>>(s->args.window, x, y);
        break;
    case SPA_CUDA_DIRECT_CONV:
        direct_conv<T><<<blocks, threads, 0, stream>>>(s->args.window, x, z, f2, y);
        break;
    case SPA_CUDA_BINARY:
        binary<T><<<blocks, threads, 0, stream>>>(s->args.binary, x, z, y);
        break;
    case SPA_CUDA_MOVE:
        move<T><<<blocks, threads, 0, stream>>>(s->args.move, x, y);
        break;
    case SPA_CUDA_GATHER:
        gather<T><<<blocks, threads, 0, stream>>>(s->args.gather, x, y);
        break;
    default:
        return -1;
    }
    return (int)cudaGetLastError();
}

unsigned flat_blocks(size_t n)
{
    size_t blocks = (n + 255) / 256;
    return (unsigned)(blocks < 8192 ? blocks : 8192);
}

} // namespace

extern "C" int spa_cuda_launch_step(const spa_cuda_step *step, bool half, const void *const in[3],
                                    void *out, void *stream)
{
    cudaStream_t s = static_cast<cudaStream_t>(stream);
    return half ? launch<__half>(step, in, out, s) : launch<float>(step, in, out, s);
}

extern "C" int spa_cuda_launch_widen(const void *half_from, float *to, size_t n, void *stream)
{
    widen<<<flat_blocks(n), 256, 0, static_cast<cudaStream_t>(stream)>>>(
        (uint32_t)n, static_cast<const __half *>(half_from), to);
    return (int)cudaGetLastError();
}

extern "C" int spa_cuda_launch_narrow(const float *from, void *half_to, size_t n, void *stream)
{
    narrow<<<flat_blocks(n), 256, 0, static_cast<cudaStream_t>(stream)>>>(
        (uint32_t)n, from, static_cast<__half *>(half_to));
    return (int)cudaGetLastError();
}
