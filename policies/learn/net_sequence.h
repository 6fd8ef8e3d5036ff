/* Part of net_f32.c and net_f64.c: convolution and self-attention over a sequence. */

/* ---- convolution ---- */

/* Row (b, t) of the cache: the inputs at t - width/2 .. t + width/2, zeros outside; then, behind
 * all rows, what a GELU keeps. */
static void gather_columns(const spa_layer *l, const pass *c, const REAL *x)
{
    size_t in = l->in, half = l->width / 2, row = l->width * in;
    for (size_t b = 0; b < c->batch; b++) {
        for (size_t t = 0; t < c->length; t++) {
            REAL *to = c->cache + (b * c->length + t) * row;
            for (size_t k = 0; k < l->width; k++, to += in) {
                size_t from = t + k; /* shifted by half, to stay unsigned */
                if (from < half || from - half >= c->length)
                    memset(to, 0, in * sizeof *to);
                else
                    memcpy(to, x + (b * c->length + from - half) * in, in * sizeof *to);
            }
        }
    }
}

static pass behind_columns(const spa_layer *l, const pass *c)
{
    pass p = *c;
    p.cache += c->rows * l->width * l->in;
    return p;
}

static void conv_forward(const spa_layer *l, const REAL *w, const pass *c, const REAL *x, REAL *y)
{
    size_t in = (size_t)l->width * l->in;
    pass p = behind_columns(l, c);
    gather_columns(l, c, x);
    linear(c->cache, c->rows, in, w, w + in * l->out, l->out, SPA_ACT_NONE, y);
    activate_any(l->activation, &p, c->rows * l->out, y);
}

/* Scratch: the gradient of the columns, then that of linear_back. */
static void conv_backward(const spa_layer *l, const REAL *w, const pass *c, const REAL *y, REAL *dy,
                          REAL *dw, REAL *dx)
{
    size_t in = l->in, row = (size_t)l->width * in, half = l->width / 2;
    pass p = behind_columns(l, c);
    activate_any_back(l->activation, &p, y, c->rows * l->out, dy);
    if (dw) linear_gradient(c->cache, dy, c->rows, row, l->out, dw, dw + row * l->out);
    if (!dx) return;
    linear_back(dy, c->rows, l->out, w, row, false, SPA_ACT_NONE, NULL, c->scratch,
                c->scratch + c->rows * row);
    if (!c->accumulate) memset(dx, 0, c->rows * in * sizeof *dx);
    for (size_t b = 0; b < c->batch; b++) {
        for (size_t t = 0; t < c->length; t++) {
            const REAL *from = c->scratch + (b * c->length + t) * row;
            for (size_t k = 0; k < l->width; k++, from += in) {
                size_t at = t + k;
                if (at < half || at - half >= c->length) continue;
                REAL *to = dx + (b * c->length + at - half) * in;
                for (size_t i = 0; i < in; i++) to[i] += from[i];
            }
        }
    }
}

/* ---- attention ---- */

/* Where a pass keeps what; n = features, T = length. */
typedef struct attention_view {
    size_t n, head, T;       /* features, of one head, positions */
    const REAL *wo;          /* output weights */
    REAL *qkv, *context, *p; /* [rows][3n], [rows][n], [batch][heads][T][T] */
    REAL scale;
} attention_view;

static attention_view attention_at(const spa_layer *l, const REAL *w, const pass *c)
{
    size_t n = l->in;
    attention_view v = {.n = n, .head = n / l->heads, .T = c->length};
    v.wo = w + 3 * n * n + 3 * n;
    v.qkv = c->cache;
    v.context = v.qkv + c->rows * 3 * n;
    v.p = v.context + c->rows * n;
    v.scale = 1 / SQRT((REAL)v.head);
    return v;
}

static void softmax_rows(REAL *p, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++, p += n) {
        REAL top = p[0], sum = 0;
        for (size_t i = 1; i < n; i++) top = p[i] > top ? p[i] : top;
        for (size_t i = 0; i < n; i++) sum += p[i] = EXP(p[i] - top);
        for (size_t i = 0; i < n; i++) p[i] /= sum;
    }
}

static void attention_forward(const spa_layer *l, const REAL *w, const pass *c, const REAL *x,
                              REAL *y)
{
    attention_view v = attention_at(l, w, c);
    size_t n = v.n, T = v.T;
    linear(x, c->rows, n, w, w + 3 * n * n, 3 * n, SPA_ACT_NONE, v.qkv);
    for (size_t b = 0; b < c->batch; b++) {
        for (size_t h = 0; h < l->heads; h++) {
            const REAL *q = v.qkv + b * T * 3 * n + h * v.head, *k = q + n, *value = k + n;
            REAL *p = v.p + (b * l->heads + h) * T * T;
            GEMM(false, true, T, T, v.head, v.scale, q, 3 * n, k, 3 * n, 0, p, T);
            softmax_rows(p, T, T);
            GEMM(false, false, T, v.head, T, 1, p, T, value, 3 * n, 0,
                 v.context + b * T * n + h * v.head, n);
        }
    }
    linear(v.context, c->rows, n, v.wo, v.wo + n * n, n, SPA_ACT_NONE, y);
}

/* dS = P * (dP - sum(dP * P)) per row, in place of dP. */
static void softmax_back(const REAL *p, REAL *dp, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++, p += n, dp += n) {
        REAL sum = 0;
        for (size_t i = 0; i < n; i++) sum += p[i] * dp[i];
        for (size_t i = 0; i < n; i++) dp[i] = p[i] * (dp[i] - sum);
    }
}

/* Scratch: d context [rows][n], d qkv [rows][3n], dP [T][T], then that of linear_back. */
static void attention_backward(const spa_layer *l, const REAL *w, const pass *c, const REAL *x,
                               const REAL *dy, REAL *dw, REAL *dx)
{
    attention_view v = attention_at(l, w, c);
    size_t n = v.n, T = v.T;
    REAL *d_context = c->scratch, *d_qkv = d_context + c->rows * n, *dp = d_qkv + c->rows * 3 * n;
    REAL *rest = dp + T * T;
    if (dw) {
        REAL *dwo = dw + (v.wo - w);
        linear_gradient(v.context, dy, c->rows, n, n, dwo, dwo + n * n);
    }
    linear_back(dy, c->rows, n, v.wo, n, false, SPA_ACT_NONE, NULL, d_context, rest);
    for (size_t b = 0; b < c->batch; b++) {
        for (size_t h = 0; h < l->heads; h++) {
            size_t at = b * T * 3 * n + h * v.head;
            const REAL *q = v.qkv + at, *k = q + n, *value = k + n;
            const REAL *p = v.p + (b * l->heads + h) * T * T;
            const REAL *d_out = d_context + b * T * n + h * v.head;
            REAL *dq = d_qkv + at, *dk = dq + n, *dv = dk + n;
            GEMM(false, true, T, T, v.head, 1, d_out, n, value, 3 * n, 0, dp, T);
            GEMM(true, false, T, v.head, T, 1, p, T, d_out, n, 0, dv, 3 * n);
            softmax_back(p, dp, T, T);
            GEMM(false, false, T, v.head, T, v.scale, dp, T, k, 3 * n, 0, dq, 3 * n);
            GEMM(true, false, T, v.head, T, v.scale, dp, T, q, 3 * n, 0, dk, 3 * n);
        }
    }
    if (dw) linear_gradient(x, d_qkv, c->rows, n, 3 * n, dw, dw + 3 * n * n);
    if (dx) linear_back(d_qkv, c->rows, 3 * n, w, n, c->accumulate, SPA_ACT_NONE, NULL, dx, rest);
}
