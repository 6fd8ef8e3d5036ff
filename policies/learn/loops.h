/* The inner loops of learning in single precision, one table per instruction set, chosen at run
 * time by CPUID.
 *
 * Written once (loops_body.h) on 8-wide vectors of the compiler and compiled without contraction to
 * FMA: every table gives the same bits, so that a trained policy decides the same on every machine.
 * Products that are large enough go to BLAS instead (net.h). No pointer needs to be aligned. */
#ifndef SPA_POLICIES_LEARN_LOOPS_H
#define SPA_POLICIES_LEARN_LOOPS_H

#include <stddef.h>
#include "policies/learn/net.h"

/* Steps of Adam (Kingma and Ba 2015, algorithm 1, with the bias corrections in two factors). */
typedef struct spa_adam_step {
    float rate;               /* learning rate / (1 - beta1^t) */
    float root_scale;         /* 1 / sqrt(1 - beta2^t) */
    float beta1, beta2;       /* decay of the two moments */
    float epsilon, weight_l2; /* weight_l2 * parameter is added to the gradient */
    float gradient_scale;     /* multiplies the gradient first (clipping by its norm) */
} spa_adam_step;

typedef struct spa_loops {
    const char *isa;

    /* y[rows][out] = f(x[rows][in] * w[in][out] + bias[out]); f is none, tanh or ReLU; bias may be
     * NULL. For few rows, few inputs or few outputs. Reads w up to 7 elements past its end. The
     * result of a row does not depend on the other rows. */
    void (*dense)(const float *x, size_t rows, size_t in, const float *w, const float *bias,
                  size_t out, spa_activation f, float *y);
    /* dw[in][out] += x[rows][in]^T * dy[rows][out], for few inputs or few outputs. */
    void (*dense_gradient)(const float *x, const float *dy, size_t rows, size_t in, size_t out,
                           float *dw);
    /* y[columns][rows] = x[rows][columns] transposed; both dense. */
    void (*transpose)(const float *x, size_t rows, size_t columns, float *y);

    /* y = f(y + bias), y[rows][n]; f is none, tanh or ReLU; bias may be NULL. */
    void (*bias_activate)(const float *bias, size_t rows, size_t n, spa_activation f, float *y);
    /* dy *= f'(.), given the function's result y; f is none, tanh or ReLU. */
    void (*activate_back)(const float *y, size_t count, spa_activation f, float *dy);
    /* sums[n] += the sums over the rows of x[rows][n]. */
    void (*sum_rows)(const float *x, size_t rows, size_t n, float *sums);

    /* One step of Adam on n parameters; the gradient stays as it is. */
    void (*adam)(float *parameter, const float *gradient, float *moment1, float *moment2, size_t n,
                 const spa_adam_step *step);
    /* to += x */
    void (*add)(float *to, const float *x, size_t n);
    /* target += rate * (source - target) */
    void (*blend)(float *target, const float *source, float rate, size_t n);
    double (*sum_squares)(const float *x, size_t n);
} spa_loops;

/* The fastest table that this machine can run; and all of them, for tests. */
const spa_loops *spa_loops_best(void);
size_t spa_loops_all(const spa_loops *tables[2]);

extern const spa_loops spa_loops_base;
#if defined(__x86_64__)
extern const spa_loops spa_loops_avx2;
#endif

#endif
