/* What one thread of each CUDA kernel does, for one storage type; included once per type by
 * device/kernels.cu (as __device__ functions) and by the tests (as plain C), so that the CPU
 * executes exactly the index arithmetic of the GPU. Arithmetic is in float.
 *
 * Before including, define
 *   SPA_T             storage type
 *   SPA_LOAD(p, i)    element i of a const SPA_T * as a float
 *   SPA_STORE(p, i, v)
 *   SPA_BODY(name)    the function's name for this type
 *   SPA_DEVICE        "static inline" or its CUDA form */

#ifndef SPA_KERNELS_CUDA_KERNEL_BODY_ONCE
#define SPA_KERNELS_CUDA_KERNEL_BODY_ONCE
SPA_DEVICE float spa_body_unary(int32_t kind, float alpha, float x)
{
    float gate = fminf(fmaxf(x + 3.0f, 0.0f), 6.0f) / 6.0f;
    switch (kind) {
    case SPA_UNARY_RELU:
        return x < 0.0f ? 0.0f : x;
    case SPA_UNARY_RELU6:
        return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x;
    case SPA_UNARY_LEAKY_RELU:
        return x < 0.0f ? alpha * x : x;
    case SPA_UNARY_HARD_SIGMOID:
        return gate;
    case SPA_UNARY_HARD_SWISH:
        return x * gate;
    case SPA_UNARY_SIGMOID:
        return 1.0f / (1.0f + expf(-x));
    default: /* GELU, exact form; 0.7071... = 1/sqrt 2 */
        return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    }
}

/* First element of row `row` of a mean. */
SPA_DEVICE uint32_t spa_body_mean_base(const spa_mean_args *a, uint32_t row)
{
    return row / a->inner * a->n * a->inner + row % a->inner;
}
#endif

SPA_DEVICE void SPA_BODY(unary)(const spa_unary_args *a, const SPA_T *x, SPA_T *y, uint32_t i)
{
    SPA_STORE(y, i, spa_body_unary(a->kind, a->alpha, SPA_LOAD(x, i)));
}

/* scale and shift stay fp32 in every type. */
SPA_DEVICE void SPA_BODY(affine)(const spa_affine_args *a, const SPA_T *x, const float *scale,
                                 const float *shift, SPA_T *y, uint32_t i)
{
    uint32_t c = i / a->inner % a->channels;
    float factor = a->has_scale ? scale[c] : 1.0f;
    SPA_STORE(y, i, SPA_LOAD(x, i) * factor + shift[c]);
}

/* ---- rows: thread t of `threads` takes every threads-th element ----------------------------- */

SPA_DEVICE float SPA_BODY(row_sum)(const SPA_T *x, uint32_t base, uint32_t step, uint32_t n,
                                   uint32_t t, uint32_t threads)
{
    float sum = 0.0f;
    for (uint32_t k = t; k < n; k += threads) sum += SPA_LOAD(x, base + k * step);
    return sum;
}

SPA_DEVICE float SPA_BODY(row_squares)(const SPA_T *x, uint32_t base, uint32_t n, float mean,
                                       uint32_t t, uint32_t threads)
{
    float sum = 0.0f;
    for (uint32_t k = t; k < n; k += threads) {
        float d = SPA_LOAD(x, base + k) - mean;
        sum += d * d;
    }
    return sum;
}

SPA_DEVICE float SPA_BODY(row_max)(const SPA_T *x, uint32_t base, uint32_t n, uint32_t t,
                                   uint32_t threads)
{
    float largest = -INFINITY;
    for (uint32_t k = t; k < n; k += threads) largest = fmaxf(largest, SPA_LOAD(x, base + k));
    return largest;
}

SPA_DEVICE float SPA_BODY(row_exponentials)(const SPA_T *x, uint32_t base, uint32_t n,
                                            float largest, uint32_t t, uint32_t threads)
{
    float sum = 0.0f;
    for (uint32_t k = t; k < n; k += threads) sum += expf(SPA_LOAD(x, base + k) - largest);
    return sum;
}

SPA_DEVICE void SPA_BODY(layer_norm_write)(const spa_row_args *a, const SPA_T *x,
                                           const float *scale, const float *shift, SPA_T *y,
                                           uint32_t base, float mean, float variance, uint32_t t,
                                           uint32_t threads)
{
    float factor = 1.0f / sqrtf(variance + a->epsilon);
    for (uint32_t k = t; k < a->n; k += threads)
        SPA_STORE(y, base + k, (SPA_LOAD(x, base + k) - mean) * factor * scale[k] + shift[k]);
}

SPA_DEVICE void SPA_BODY(softmax_write)(const spa_row_args *a, const SPA_T *x, SPA_T *y,
                                        uint32_t base, float largest, float sum, uint32_t t,
                                        uint32_t threads)
{
    for (uint32_t k = t; k < a->n; k += threads)
        SPA_STORE(y, base + k, expf(SPA_LOAD(x, base + k) - largest) / sum);
}

/* ---- windows -------------------------------------------------------------------------------- */

SPA_DEVICE void SPA_BODY(pool)(const spa_window_args *a, const SPA_T *x, SPA_T *y, uint32_t i)
{
    uint32_t ox = i % a->ow, oy = i / a->ow % a->oh, plane = i / a->ow / a->oh;
    float sum = 0.0f, largest = -INFINITY;
    for (uint32_t ky = 0; ky < a->kh; ky++) {
        uint32_t row =
            oy * a->sh + ky * a->dh - a->pt; /* wraps to a large number above the image */
        if (row >= a->h) continue;
        for (uint32_t kx = 0; kx < a->kw; kx++) {
            uint32_t column = ox * a->sw + kx * a->dw - a->pl;
            if (column >= a->w) continue;
            float value = SPA_LOAD(x, (plane * a->h + row) * a->w + column);
            sum += value;
            largest = fmaxf(largest, value);
        }
    }
    SPA_STORE(y, i, a->is_max ? largest : sum / (float)(a->kh * a->kw));
}

/* bias stays fp32 in every type. */
SPA_DEVICE void SPA_BODY(direct_conv)(const spa_window_args *a, const SPA_T *x, const SPA_T *weight,
                                      const float *bias, SPA_T *y, uint32_t i)
{
    uint32_t ox = i % a->ow, oy = i / a->ow % a->oh;
    uint32_t m = i / a->ow / a->oh % a->m, image = i / a->ow / a->oh / a->m;
    uint32_t first = image * a->c + m / a->m_group * a->c_group; /* plane of the first channel */
    float sum = a->has_bias ? bias[m] : 0.0f;
    for (uint32_t c = 0; c < a->c_group; c++) {
        for (uint32_t ky = 0; ky < a->kh; ky++) {
            uint32_t row = oy * a->sh + ky * a->dh - a->pt;
            if (row >= a->h) continue;
            for (uint32_t kx = 0; kx < a->kw; kx++) {
                uint32_t column = ox * a->sw + kx * a->dw - a->pl;
                if (column >= a->w) continue;
                sum += SPA_LOAD(x, ((first + c) * a->h + row) * a->w + column) *
                       SPA_LOAD(weight, ((m * a->c_group + c) * a->kh + ky) * a->kw + kx);
            }
        }
    }
    SPA_STORE(y, i, sum);
}

/* ---- broadcasting and movement -------------------------------------------------------------- */

SPA_DEVICE void SPA_BODY(binary)(const spa_binary_args *a, const SPA_T *x, const SPA_T *z, SPA_T *y,
                                 uint32_t i)
{
    uint32_t from_a = 0, from_b = 0, rest = i;
    for (uint32_t d = SPA_CUDA_MAX_RANK; d-- > 0;) { /* unrolled: arguments stay in registers */
        if (d >= a->rank) continue;
        uint32_t at = rest % a->dim[d];
        rest /= a->dim[d];
        from_a += at * a->a[d];
        from_b += at * a->b[d];
    }
    float left = SPA_LOAD(x, from_a), right = a->has_b ? SPA_LOAD(z, from_b) : a->alpha;
    SPA_STORE(y, i, a->multiply ? left * right : left + right);
}

SPA_DEVICE void SPA_BODY(move)(const spa_move_args *a, const SPA_T *x, SPA_T *y, uint32_t i)
{
    uint32_t from = 0, to = a->out_offset, rest = i;
    bool inside = true;
    for (uint32_t d = a->rank; d-- > 0;) {
        uint32_t at = rest % a->dim[d];
        rest /= a->dim[d];
        to += at * a->out_stride[d];
        int32_t source = (int32_t)at * a->step[d] + a->begin[d];
        if (a->divide[d] > 1) source /= a->divide[d];
        if (a->modulo[d] > 0) source %= a->modulo[d];
        if (a->size[d] > 0 && (source < 0 || source >= a->size[d])) inside = false;
        from += (uint32_t)source * a->stride[d];
    }
    SPA_STORE(y, to, inside ? SPA_LOAD(x, from) : 0.0f);
}

/* As spa_relative_position (ref.h). */
SPA_DEVICE void SPA_BODY(gather)(const spa_gather_args *a, const SPA_T *table, SPA_T *y, uint32_t i)
{
    uint32_t w = a->window, area = w * w;
    uint32_t key = i % area, query = i / area % area, head = i / area / area;
    uint32_t dy = query / w + (w - 1) - key / w, dx = query % w + (w - 1) - key % w;
    SPA_STORE(y, i, SPA_LOAD(table, (dy * (2 * w - 1) + dx) * a->heads + head));
}

#undef SPA_T
#undef SPA_LOAD
#undef SPA_STORE
#undef SPA_BODY
