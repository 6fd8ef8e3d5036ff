/* Part of net_f32.c and net_f64.c: linear layers, activations, layer norm and additions.
 *
 * Every layer has forward(l, w, c, x, y) and backward(l, w, c, x, y, dy, dw, dx): w its parameters,
 * x its input, y its output, c the pass (sizes, cache, scratch). dy may be overwritten; dw (NULL:
 * not wanted) is added to; dx (NULL: not wanted) is added to if c->accumulate, else written. */

typedef struct pass {
    size_t batch, length, rows; /* rows = batch * length */
    REAL *cache, *scratch;
    bool accumulate;
    /* Backwards: a linear layer multiplies by the slope of the activation before it (of which these
     * are the results) while it has the gradient in registers; NULL: it does not. */
    const REAL *before;
    spa_activation slope;
    bool slope_done; /* the layer behind has done it for this one */
} pass;

/* ---- activations ---- */

static REAL gelu(REAL x)
{
    return (REAL)0.5 * x * (1 + ERF(x * (REAL)0.70710678118654752440));
}

/* Phi(x) + x phi(x) */
static REAL gelu_slope(REAL x)
{
    REAL density = (REAL)0.39894228040143267794 * EXP(-x * x / 2);
    return (REAL)0.5 * (1 + ERF(x * (REAL)0.70710678118654752440)) + x * density;
}

/* y = f(y); GELU, whose slope is not a function of its value, keeps what went in. */
static void activate_any(spa_activation f, const pass *c, size_t count, REAL *y)
{
    if (f == SPA_ACT_NONE) return;
    if (f != SPA_ACT_GELU) {
        activate(f, count, y);
        return;
    }
    memcpy(c->cache, y, count * sizeof *y);
    for (size_t i = 0; i < count; i++) y[i] = gelu(y[i]);
}

static void activate_any_back(spa_activation f, const pass *c, const REAL *y, size_t count,
                              REAL *dy)
{
    if (f != SPA_ACT_GELU) {
        activate_back(y, count, f, dy);
        return;
    }
    for (size_t i = 0; i < count; i++) dy[i] *= gelu_slope(c->cache[i]);
}

static void pass_on(const pass *c, size_t count, const REAL *dy, REAL *dx)
{
    if (!dx) return;
    if (!c->accumulate)
        memcpy(dx, dy, count * sizeof *dx);
    else
        for (size_t i = 0; i < count; i++) dx[i] += dy[i];
}

static void activation_forward(const spa_layer *l, const pass *c, const REAL *x, REAL *y)
{
    memcpy(y, x, c->rows * l->in * sizeof *y);
    activate_any(l->activation, c, c->rows * l->in, y);
}

static void activation_backward(const spa_layer *l, const pass *c, const REAL *y, REAL *dy,
                                REAL *dx)
{
    if (!c->slope_done) activate_any_back(l->activation, c, y, c->rows * l->out, dy);
    pass_on(c, c->rows * l->out, dy, dx);
}

/* ---- linear ---- */

static void linear_forward(const spa_layer *l, const REAL *w, const pass *c, const REAL *x, REAL *y)
{
    bool apart = l->activation == SPA_ACT_GELU;
    linear(x, c->rows, l->in, w, w + (size_t)l->in * l->out, l->out,
           apart ? SPA_ACT_NONE : l->activation, y);
    if (apart) activate_any(l->activation, c, c->rows * l->out, y);
}

static void linear_backward(const spa_layer *l, const REAL *w, const pass *c, const REAL *x,
                            const REAL *y, REAL *dy, REAL *dw, REAL *dx)
{
    if (!c->slope_done) activate_any_back(l->activation, c, y, c->rows * l->out, dy);
    if (dw) linear_gradient(x, dy, c->rows, l->in, l->out, dw, dw + (size_t)l->in * l->out);
    if (!dx) return;
    linear_back(dy, c->rows, l->out, w, l->in, c->accumulate, c->slope, c->before, dx, c->scratch);
}

/* ---- layer norm ---- */

#define NORM_EPSILON ((REAL)1e-5)

/* Cache: per row the normalised values, then 1/deviation. */
static void norm_forward(const spa_layer *l, const REAL *w, const pass *c, const REAL *x, REAL *y)
{
    size_t n = l->in;
    const REAL *shift = w + n;
    for (size_t r = 0; r < c->rows; r++, x += n, y += n) {
        REAL *kept = c->cache + r * (n + 1), mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++) mean += x[i];
        mean /= (REAL)n;
        for (size_t i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
        REAL scale = 1 / SQRT(variance / (REAL)n + NORM_EPSILON);
        for (size_t i = 0; i < n; i++) {
            kept[i] = (x[i] - mean) * scale;
            y[i] = kept[i] * w[i] + shift[i];
        }
        kept[n] = scale;
    }
}

/* With h = normalised x and g = dy * scale: dx = (g - mean(g) - h * mean(g h)) / deviation. */
static void norm_backward(const spa_layer *l, const REAL *w, const pass *c, REAL *dy, REAL *dw,
                          REAL *dx)
{
    size_t n = l->in;
    for (size_t r = 0; r < c->rows; r++, dy += n) {
        const REAL *kept = c->cache + r * (n + 1);
        REAL mean = 0, product = 0;
        for (size_t i = 0; i < n; i++) {
            if (dw) {
                dw[i] += dy[i] * kept[i];
                dw[n + i] += dy[i];
            }
            dy[i] *= w[i];
            mean += dy[i];
            product += dy[i] * kept[i];
        }
        mean /= (REAL)n;
        product /= (REAL)n;
        if (!dx) continue;
        for (size_t i = 0; i < n; i++) {
            REAL d = (dy[i] - mean - kept[i] * product) * kept[n];
            dx[r * n + i] = c->accumulate ? dx[r * n + i] + d : d;
        }
    }
}

/* ---- addition ---- */

static void add_forward(const spa_layer *l, const pass *c, const REAL *x, const REAL *other,
                        REAL *y)
{
    for (size_t i = 0; i < c->rows * l->out; i++) y[i] = x[i] + other[i];
}
