/* Gradients of every layer against central finite differences, in double precision; and single
 * against double precision. */
#include "tests/base/check.h"
#include <math.h>
#include <stdlib.h>
#include "base/rng.h"
#include "policies/learn/loops.h"
#include "policies/learn/net.h"
#include "tests/oom.h"

enum { BATCH = 3, LENGTH = 5, MOST = 4096 };

typedef struct trial {
    spa_net net;
    spa_net_work_f64 work;
    double params[MOST], gradients[MOST];
    double x[MOST], dx[MOST], weight[MOST];
    size_t rows;
} trial;

/* The loss is a fixed weighted sum of the outputs. */
static double loss_of(trial *t)
{
    const double *y = spa_net_forward_f64(&t->net, t->params, &t->work, t->x, BATCH, LENGTH);
    double sum = 0;
    for (size_t i = 0; i < t->rows * t->net.out; i++) sum += t->weight[i] * y[i];
    return sum;
}

static double slope_of(trial *t, double *at)
{
    const double h = 1e-6;
    double was = *at;
    *at = was + h;
    double up = loss_of(t);
    *at = was - h;
    double down = loss_of(t);
    *at = was;
    return (up - down) / (2 * h);
}

static void compare(trial *t, const char *what, double *at, const double *gradient, size_t n)
{
    double scale = 0;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs(gradient[i]));
    cr_assert_gt(scale, 0, "%s: all gradients are zero", what);
    for (size_t i = 0; i < n; i++) {
        double want = slope_of(t, &at[i]);
        cr_assert_lt(fabs(gradient[i] - want), 1e-6 * fmax(fabs(want), 0.1 * scale) + 1e-9,
                     "%s %zu: %.12g, by differences %.12g", what, i, gradient[i], want);
    }
}

static void check(trial *t)
{
    spa_rng rng;
    t->rows = BATCH * LENGTH;
    spa_rng_init(&rng, 1, "test/net");
    expect_ok(spa_net_check(&t->net, err));
    cr_assert(t->net.n_params + SPA_NET_PAD <= MOST && t->rows * t->net.out <= MOST);
    expect_ok(spa_net_work_init_f64(&t->work, &t->net, t->rows, LENGTH, err));
    for (size_t i = 0; i < t->net.n_params; i++) t->params[i] = 0.5 * spa_rng_gaussian(&rng);
    for (size_t i = 0; i < t->rows * t->net.in; i++) t->x[i] = spa_rng_gaussian(&rng);
    for (size_t i = 0; i < t->rows * t->net.out; i++) t->weight[i] = spa_rng_gaussian(&rng);
    memset(t->gradients, 0, sizeof t->gradients);
    for (int twice = 0; twice < 2; twice++) { /* gradients add up, that of the input does not */
        loss_of(t);
        spa_net_backward_f64(&t->net, t->params, &t->work, t->weight, t->gradients, t->dx);
    }
    for (size_t i = 0; i < t->net.n_params; i++) t->gradients[i] /= 2;
    if (t->net.n_params) compare(t, "parameter", t->params, t->gradients, t->net.n_params);
    compare(t, "input", t->x, t->dx, t->rows * t->net.in);
}

static void finish(trial *t)
{
    spa_net_work_fini_f64(&t->work);
    free(t);
}

static trial *begin(size_t in)
{
    trial *t = calloc(1, sizeof *t);
    spa_net_init(&t->net, in);
    return t;
}

Test(net, gradients_of_linear_layers_with_each_activation_are_the_differences)
{
    for (int f = SPA_ACT_NONE; f <= SPA_ACT_GELU; f++) {
        trial *t = begin(6);
        spa_net_linear(&t->net, 9, (spa_activation)f);
        spa_net_linear(&t->net, 3, SPA_ACT_NONE);
        check(t);
        finish(t);
    }
}

Test(net, gradients_of_activations_alone_are_the_differences)
{
    for (int f = SPA_ACT_TANH; f <= SPA_ACT_GELU; f++) {
        trial *t = begin(7);
        spa_net_activation(&t->net, (spa_activation)f);
        check(t);
        finish(t);
    }
}

Test(net, gradients_of_layer_norm_are_the_differences)
{
    trial *t = begin(8);
    spa_net_norm(&t->net);
    check(t);
    finish(t);
}

Test(net, gradients_of_attention_are_the_differences)
{
    trial *t = begin(8);
    spa_net_attention(&t->net, 4);
    check(t);
    finish(t);
}

Test(net, gradients_of_convolution_are_the_differences)
{
    for (size_t width = 1; width <= 7; width += 2) { /* 7: wider than the sequence */
        trial *t = begin(4);
        spa_net_conv(&t->net, 6, width, width == 3 ? SPA_ACT_GELU : SPA_ACT_TANH);
        check(t);
        finish(t);
    }
}

Test(net, gradients_of_the_lstm_are_the_differences)
{
    trial *t = begin(5);
    spa_net_bilstm(&t->net, 4);
    check(t);
    finish(t);
}

Test(net, gradients_of_a_block_of_an_encoder_with_its_additions_are_the_differences)
{
    trial *t = begin(3);
    uint32_t in = spa_net_linear(&t->net, 8, SPA_ACT_NONE);
    spa_net_norm(&t->net);
    spa_net_attention(&t->net, 2);
    uint32_t middle = spa_net_add(&t->net, in);
    spa_net_norm(&t->net);
    spa_net_linear(&t->net, 12, SPA_ACT_GELU);
    spa_net_linear(&t->net, 8, SPA_ACT_NONE);
    spa_net_add(&t->net, middle);
    spa_net_add(&t->net, in); /* two additions from one layer */
    spa_net_bilstm(&t->net, 3);
    spa_net_linear(&t->net, 2, SPA_ACT_NONE);
    check(t);
    finish(t);
}

Test(net, without_a_gradient_vector_only_the_inputs_gradient_is_computed)
{
    trial *t = begin(6);
    spa_net_linear(&t->net, 9, SPA_ACT_TANH);
    spa_net_norm(&t->net);
    spa_net_conv(&t->net, 4, 3, SPA_ACT_RELU);
    spa_net_attention(&t->net, 2);
    spa_net_bilstm(&t->net, 2);
    check(t);
    double dx[BATCH * LENGTH * 6];
    loss_of(t);
    spa_net_backward_f64(&t->net, t->params, &t->work, t->weight, NULL, dx);
    for (size_t i = 0; i < BATCH * LENGTH * 6; i++) cr_assert_eq(dx[i], t->dx[i]);
    finish(t);
}

/* ---- values by hand ---- */

Test(net, attention_with_equal_scores_is_the_mean_of_the_values)
{
    /* n = 1, one head, Wq = Wk = 0, Wv = 2, Wo = 3, all biases 0 but the last, 1: the output is
     * 3 * 2 * mean(x) + 1 at every position. */
    double params[8 + SPA_NET_PAD] = {0, 0, 2, 0, 0, 0, 3, 1}, x[4] = {1, 2, 3, 6};
    spa_net net;
    spa_net_work_f64 work;
    spa_net_init(&net, 1);
    spa_net_attention(&net, 1);
    cr_assert_eq(net.n_params, 8);
    expect_ok(spa_net_work_init_f64(&work, &net, 4, 4, err));
    const double *y = spa_net_forward_f64(&net, params, &work, x, 1, 4);
    for (int i = 0; i < 4; i++) cr_assert_lt(fabs(y[i] - 19), 1e-12); /* 6 * 3 + 1 */
    spa_net_work_fini_f64(&work);
}

Test(net, the_lstm_runs_in_both_directions)
{
    /* h = 1, input 1, all weights 0, biases i = f = o = 0, g = b: gates are 1/2, new = tanh b. Cell
     * after s steps: c = c/2 + tanh(b)/2; output tanh(c)/2. Forwards position 0 is the first step,
     * backwards the last position is. */
    double params[2 * 12 + SPA_NET_PAD] = {0}, x[3] = {0}, c = 0;
    spa_net net;
    spa_net_work_f64 work;
    spa_net_init(&net, 1);
    spa_net_bilstm(&net, 1);
    cr_assert_eq(net.n_params, 24);
    params[8 + 2] = params[12 + 8 + 2] = 0.7;
    expect_ok(spa_net_work_init_f64(&work, &net, 3, 3, err));
    const double *y = spa_net_forward_f64(&net, params, &work, x, 1, 3);
    for (int t = 0; t < 3; t++) {
        c = c / 2 + tanh(0.7) / 2;
        cr_assert_lt(fabs(y[2 * t] - tanh(c) / 2), 1e-14);
        cr_assert_lt(fabs(y[2 * (2 - t) + 1] - tanh(c) / 2), 1e-14);
    }
    spa_net_work_fini_f64(&work);
}

Test(net, a_convolution_pads_with_zeros)
{
    /* width 3, weights 1, 10, 100, bias 5, x = 1 2 3: 10 + 200 + 5, 1 + 20 + 300 + 5, 2 + 30 + 5.
     */
    double params[4 + SPA_NET_PAD] = {1, 10, 100, 5}, x[3] = {1, 2, 3};
    spa_net net;
    spa_net_work_f64 work;
    spa_net_init(&net, 1);
    spa_net_conv(&net, 1, 3, SPA_ACT_NONE);
    expect_ok(spa_net_work_init_f64(&work, &net, 3, 3, err));
    const double *y = spa_net_forward_f64(&net, params, &work, x, 1, 3);
    cr_assert(y[0] == 215 && y[1] == 326 && y[2] == 37);
    spa_net_work_fini_f64(&work);
}

/* ---- single precision ---- */

/* Both precisions on one network: outputs and gradients agree to single precision. */
static void agree(const spa_net *net, size_t batch, size_t length)
{
    size_t rows = batch * length, n = net->n_params, n_in = rows * net->in, n_out = rows * net->out;
    double *d = calloc(3 * (n + n_in + n_out) + 64, sizeof *d), *g = d + n + 8, *x = g + n + 8;
    double *dx = x + n_in, *dy = dx + n_in;
    float *f = calloc(3 * (n + n_in + n_out) + 64, sizeof *f), *gf = f + n + 8, *xf = gf + n + 8;
    float *dxf = xf + n_in, *dyf = dxf + n_in;
    spa_net_work_f64 work;
    spa_net_work_f32 workf;
    spa_rng rng;
    spa_rng_init(&rng, 3, "test/agree");
    expect_ok(spa_net_start_f64(net, SPA_START_XAVIER, 1, 5, "test", d, err));
    expect_ok(spa_net_start_f32(net, SPA_START_XAVIER, 1, 5, "test", f, err));
    expect_ok(spa_net_work_init_f64(&work, net, rows, length, err));
    expect_ok(spa_net_work_init_f32(&workf, net, rows, length, err));
    for (size_t i = 0; i < n_in; i++) x[i] = xf[i] = (float)spa_rng_gaussian(&rng);
    for (size_t i = 0; i < n_out; i++) dy[i] = dyf[i] = (float)spa_rng_gaussian(&rng);
    const double *y = spa_net_forward_f64(net, d, &work, x, batch, length);
    const float *yf = spa_net_forward_f32(net, f, &workf, xf, batch, length);
    for (size_t i = 0; i < n_out; i++) cr_assert_lt(fabs(y[i] - yf[i]), 1e-5, "output %zu", i);
    spa_net_backward_f64(net, d, &work, dy, g, dx);
    spa_net_backward_f32(net, f, &workf, dyf, gf, dxf);
    double scale = 1;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs(g[i]));
    for (size_t i = 0; i < n; i++)
        cr_assert_lt(fabs(g[i] - gf[i]), 2e-5 * scale, "gradient %zu: %g %g", i, g[i], gf[i]);
    for (size_t i = 0; i < n_in; i++) cr_assert_lt(fabs(dx[i] - dxf[i]), 2e-5 * scale);
    spa_net_work_fini_f64(&work);
    spa_net_work_fini_f32(&workf);
    free(d);
    free(f);
}

Test(net, single_precision_agrees_with_double_for_every_size_of_a_layer)
{
    /* Below, at and above the sizes at which BLAS takes over, and odd ones. */
    static const size_t sizes[] = {1, 2, 7, 8, 9, 16, 33, 64, 65};
    static const size_t rows[] = {1, 2, 3, 4, 7, 40};
    spa_net net;
    for (size_t i = 0; i < 9; i++) {
        for (size_t o = 0; o < 9; o++) {
            spa_net_mlp(&net, sizes[i], sizes[o], 1, sizes[(i + o) % 9],
                        i % 2 ? SPA_ACT_TANH : SPA_ACT_NONE);
            agree(&net, rows[(i + o) % 6], 1);
        }
    }
}

Test(net, single_precision_agrees_with_double_for_sequences)
{
    spa_net net;
    spa_net_init(&net, 6);
    uint32_t in = spa_net_linear(&net, 16, SPA_ACT_GELU);
    spa_net_conv(&net, 16, 3, SPA_ACT_TANH);
    spa_net_norm(&net);
    spa_net_attention(&net, 4);
    spa_net_add(&net, in);
    spa_net_bilstm(&net, 12);
    spa_net_linear(&net, 2, SPA_ACT_NONE);
    agree(&net, 4, 9);
    agree(&net, 1, 1);
}

/* ---- loops ---- */

Test(net, loops_give_the_same_bits_for_every_instruction_set)
{
    enum { N = 20 * 70 + 16 };
    static float x[N], w[70 * 70 + 80], y[2][N], g[2][70 * 70 + 80];
    const spa_loops *tables[2];
    spa_rng rng;
    spa_rng_init(&rng, 4, "test/loops");
    if (spa_loops_all(tables) < 2) return; /* this machine has one table only */
    for (size_t i = 0; i < N; i++) x[i] = (float)spa_rng_gaussian(&rng);
    for (size_t i = 0; i < 70 * 70 + 80; i++) w[i] = (float)spa_rng_gaussian(&rng);
    for (size_t out = 1; out <= 70; out += out < 10 ? 1 : 12) {
        for (int k = 0; k < 2; k++) {
            memset(g[k], 0, sizeof g[k]);
            tables[k]->dense(x, 13, 17, w, w + 17 * out, out, SPA_ACT_TANH, y[k]);
            tables[k]->activate_back(y[k], 13 * out, SPA_ACT_TANH, y[k]);
            tables[k]->dense_gradient(x, y[k], 13, 17, out, g[k]);
            tables[k]->sum_rows(y[k], 13, out, g[k]);
            const spa_adam_step step = {1e-3f, 1.1f, 0.9f, 0.999f, 1e-8f, 1e-4f, 0.7f};
            tables[k]->adam(g[k], x, y[k], g[k] + 2000, 700, &step);
        }
        cr_assert_eq(memcmp(y[0], y[1], sizeof y[0]), 0, "out %zu", out);
        cr_assert_eq(memcmp(g[0], g[1], sizeof g[0]), 0, "out %zu", out);
    }
    cr_assert_eq(tables[0]->sum_squares(x, 1003), tables[1]->sum_squares(x, 1003));
}

Test(net, tanh_of_the_loops_is_that_of_the_library_to_6e_7)
{
    const float zero[1] = {0};
    for (float x = -12; x < 12; x += 0.00137f) {
        float y = x;
        spa_loops_best()->bias_activate(zero, 1, 1, SPA_ACT_TANH, &y);
        cr_assert_lt(fabs(y - tanh((double)x)), 6e-7, "tanh(%g)", x);
    }
    float y = NAN;
    spa_loops_best()->bias_activate(zero, 1, 1, SPA_ACT_TANH, &y);
    cr_assert(isnan(y)); /* a network that diverged must not look sane */
}

/* ---- starting values ---- */

Test(net, orthogonal_weights_have_orthogonal_rows_or_columns_of_the_gains_length)
{
    static const size_t shapes[][2] = {{5, 9}, {9, 5}, {6, 6}};
    for (int s = 0; s < 3; s++) {
        size_t in = shapes[s][0], out = shapes[s][1];
        double w[80 + SPA_NET_PAD];
        spa_net net;
        spa_net_init(&net, in);
        spa_net_linear(&net, out, SPA_ACT_NONE);
        expect_ok(spa_net_start_f64(&net, SPA_START_ORTHOGONAL, 0.5, 1, "test", w, err));
        size_t small = in < out ? in : out, large = in < out ? out : in;
        for (size_t a = 0; a < small; a++) {
            for (size_t b = 0; b < small; b++) {
                double dot = 0;
                for (size_t k = 0; k < large; k++)
                    dot += in < out ? w[a * out + k] * w[b * out + k]
                                    : w[k * out + a] * w[k * out + b];
                cr_assert_lt(fabs(dot - (a == b ? 0.25 : 0)), 1e-12);
            }
        }
        for (size_t i = 0; i < out; i++) cr_assert_eq(w[in * out + i], 0);
    }
}

Test(net, xavier_weights_are_uniform_within_their_bound)
{
    enum { N = 60 };
    static double w[N * N + N + SPA_NET_PAD];
    double bound = sqrt(6.0 / (2 * N)), sum = 0, squares = 0;
    spa_net net;
    spa_net_init(&net, N);
    spa_net_linear(&net, N, SPA_ACT_NONE);
    expect_ok(spa_net_start_f64(&net, SPA_START_XAVIER, 1, 1, "test", w, err));
    for (size_t i = 0; i < N * N; i++) {
        cr_assert_lt(fabs(w[i]), bound);
        sum += w[i];
        squares += w[i] * w[i];
    }
    /* Mean 0 +- bound/sqrt(3 N^2), variance bound^2/3. */
    cr_assert_lt(fabs(sum / (N * N)), 4 * bound / sqrt(3.0 * N * N));
    cr_assert_lt(fabs(squares / (N * N) / (bound * bound / 3) - 1), 0.08);
}

Test(net, weights_depend_on_seed_and_name_only)
{
    float a[200], b[200];
    spa_net net;
    spa_net_mlp(&net, 4, 10, 1, 2, SPA_ACT_TANH);
    expect_ok(spa_net_start_f32(&net, SPA_START_ORTHOGONAL, 1, 1, "x", a, err));
    expect_ok(spa_net_start_f32(&net, SPA_START_ORTHOGONAL, 1, 1, "x", b, err));
    cr_assert_eq(memcmp(a, b, net.n_params * sizeof *a), 0);
    expect_ok(spa_net_start_f32(&net, SPA_START_ORTHOGONAL, 1, 2, "x", b, err));
    cr_assert_neq(memcmp(a, b, net.n_params * sizeof *a), 0);
    expect_ok(spa_net_start_f32(&net, SPA_START_ORTHOGONAL, 1, 1, "y", b, err));
    cr_assert_neq(memcmp(a, b, net.n_params * sizeof *a), 0);
}

/* ---- what cannot be ---- */

Test(net, impossible_networks_are_refused_with_their_reason)
{
    spa_net net;
    spa_net_init(&net, 6);
    spa_net_attention(&net, 4);
    expect_error(spa_net_check(&net, err), SPA_E_INVALID,
                 "network: the heads must divide the features of attention");
    spa_net_init(&net, 6);
    spa_net_conv(&net, 6, 2, SPA_ACT_NONE);
    expect_error(spa_net_check(&net, err), SPA_E_INVALID,
                 "network: the width of a convolution must be odd and below 256");
    spa_net_init(&net, 6);
    uint32_t first = spa_net_linear(&net, 5, SPA_ACT_NONE);
    spa_net_linear(&net, 4, SPA_ACT_NONE);
    spa_net_add(&net, first);
    expect_error(spa_net_check(&net, err), SPA_E_INVALID,
                 "network: an addition needs an earlier layer of equal size");
    spa_net_init(&net, 6);
    expect_error(spa_net_check(&net, err), SPA_E_INVALID, "network: it has no layers");
    for (int i = 0; i < 33; i++) spa_net_linear(&net, 4, SPA_ACT_NONE);
    expect_error(spa_net_check(&net, err), SPA_E_INVALID, "network: it has more than 32 layers");
    spa_net_init(&net, 0);
    expect_error(spa_net_check(&net, err), SPA_E_INVALID,
                 "network: 1 to 65535 inputs are possible");
}

Test(net, running_out_of_memory_is_an_error)
{
    spa_net net;
    spa_net_work_f32 work;
    spa_error err = {0};
    float params[100];
    spa_net_mlp(&net, 4, 10, 1, 2, SPA_ACT_TANH);
    oom_fail_at(0);
    spa_status status = spa_net_work_init_f32(&work, &net, 10, 1, &err);
    oom_off();
    cr_assert_eq(status, SPA_E_NOMEM);
    for (long n = 0; n < 2; n++) { /* one matrix per layer */
        oom_fail_at(n);
        status = spa_net_start_f32(&net, SPA_START_ORTHOGONAL, 1, 1, "x", params, &err);
        oom_off();
        cr_assert_eq(status, SPA_E_NOMEM);
    }
}
