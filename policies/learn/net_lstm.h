/* Part of net_f32.c and net_f64.c: the LSTM in both directions.
 *
 * Row (b, t) stands at b * T + t, so one time step of all sequences is a matrix whose rows are T
 * rows apart; BLAS takes that as it is. */

typedef struct lstm_view {
    size_t in, h, T;
    bool backwards;
    const REAL *wx, *wh, *bias;
    REAL *gates, *cell; /* [rows][4h] after their functions, [rows][h] */
} lstm_view;

static lstm_view lstm_at(const spa_layer *l, const REAL *w, const pass *c, bool backwards)
{
    size_t h = l->hidden;
    lstm_view v = {.in = l->in, .h = h, .T = c->length, .backwards = backwards};
    v.wx = w + (backwards ? (v.in + h + 1) * 4 * h : 0);
    v.wh = v.wx + v.in * 4 * h;
    v.bias = v.wh + h * 4 * h;
    v.gates = c->cache + (backwards ? c->rows * 5 * h : 0);
    v.cell = v.gates + c->rows * 4 * h;
    return v;
}

/* The time of the s-th step, and whether there is one before it (then *before is its time). */
static size_t time_of(const lstm_view *v, size_t s)
{
    return v->backwards ? v->T - 1 - s : s;
}

static REAL sigmoid(REAL x)
{
    return 1 / (1 + EXP(-x));
}

static void lstm_step(const lstm_view *v, size_t row, const REAL *cell_before, REAL *out)
{
    size_t h = v->h;
    REAL *g = v->gates + row * 4 * h, *cell = v->cell + row * h;
    for (size_t j = 0; j < h; j++) {
        REAL in = sigmoid(g[j]), forget = sigmoid(g[h + j]);
        REAL new = TANH(g[2 * h + j]), show = sigmoid(g[3 * h + j]);
        cell[j] = in * new + (cell_before ? forget * cell_before[j] : 0);
        out[j] = show * TANH(cell[j]);
        g[j] = in;
        g[h + j] = forget;
        g[2 * h + j] = new;
        g[3 * h + j] = show;
    }
}

static void lstm_direction(const spa_layer *l, const REAL *w, const pass *c, bool backwards,
                           const REAL *x, REAL *y)
{
    lstm_view v = lstm_at(l, w, c, backwards);
    size_t h = v.h, T = v.T;
    y += backwards ? h : 0;
    linear(x, c->rows, v.in, v.wx, v.bias, 4 * h, SPA_ACT_NONE, v.gates);
    for (size_t s = 0; s < T; s++) {
        size_t t = time_of(&v, s), before = s ? time_of(&v, s - 1) : 0;
        if (s) {
            GEMM(false, false, c->batch, 4 * h, h, 1, y + before * 2 * h, T * 2 * h, v.wh, 4 * h, 1,
                 v.gates + t * 4 * h, T * 4 * h);
        }
        for (size_t b = 0; b < c->batch; b++) {
            lstm_step(&v, b * T + t, s ? v.cell + (b * T + before) * h : NULL,
                      y + (b * T + t) * 2 * h);
        }
    }
}

static void bilstm_forward(const spa_layer *l, const REAL *w, const pass *c, const REAL *x, REAL *y)
{
    lstm_direction(l, w, c, false, x, y);
    lstm_direction(l, w, c, true, x, y);
}

/* One row of one step backwards: d_out + d_next is the gradient of the output; d_cell is carried
 * from the step after to the one before; dz gets the gradients before the gates' functions. */
static void lstm_step_back(const lstm_view *v, size_t row, const REAL *cell_before,
                           const REAL *d_out, const REAL *d_next, REAL *d_cell, REAL *dz)
{
    size_t h = v->h;
    const REAL *g = v->gates + row * 4 * h, *cell = v->cell + row * h;
    for (size_t j = 0; j < h; j++) {
        REAL in = g[j], forget = g[h + j], new = g[2 * h + j], show = g[3 * h + j];
        REAL shown = TANH(cell[j]), d = d_out[j] + d_next[j];
        REAL dc = d_cell[j] + d * show * (1 - shown * shown);
        dz[j] = dc * new *in *(1 - in);
        dz[h + j] = cell_before ? dc * cell_before[j] * forget * (1 - forget) : 0;
        dz[2 * h + j] = dc * in * (1 - new *new);
        dz[3 * h + j] = d * shown * show * (1 - show);
        d_cell[j] = dc * forget;
    }
}

/* Scratch: dz [rows][4h], the outputs before each step [rows][h], d_next and d_cell [batch][h],
 * then that of linear_back. */
static void lstm_direction_back(const spa_layer *l, const REAL *w, const pass *c, bool backwards,
                                const REAL *x, const REAL *y, const REAL *dy, REAL *dw, REAL *dx)
{
    lstm_view v = lstm_at(l, w, c, backwards);
    size_t h = v.h, T = v.T;
    REAL *dz = c->scratch, *earlier = dz + c->rows * 4 * h, *d_next = earlier + c->rows * h;
    REAL *d_cell = d_next + c->batch * h, *rest = d_cell + c->batch * h;
    y += backwards ? h : 0;
    dy += backwards ? h : 0;
    memset(earlier, 0, (c->rows + 2 * c->batch) * h * sizeof *earlier);
    for (size_t s = T; s-- > 0;) {
        size_t t = time_of(&v, s), before = s ? time_of(&v, s - 1) : 0;
        for (size_t b = 0; b < c->batch; b++) {
            size_t row = b * T + t;
            lstm_step_back(&v, row, s ? v.cell + (b * T + before) * h : NULL, dy + row * 2 * h,
                           d_next + b * h, d_cell + b * h, dz + row * 4 * h);
            if (s) memcpy(earlier + row * h, y + (b * T + before) * 2 * h, h * sizeof *y);
        }
        if (s) {
            GEMM(false, true, c->batch, h, 4 * h, 1, dz + t * 4 * h, T * 4 * h, v.wh, 4 * h, 0,
                 d_next, h);
        }
    }
    if (dw) {
        REAL *dwx = dw + (v.wx - w), *dwh = dw + (v.wh - w), *dbias = dw + (v.bias - w);
        linear_gradient(x, dz, c->rows, v.in, 4 * h, dwx, dbias);
        GEMM(true, false, h, 4 * h, c->rows, 1, earlier, h, dz, 4 * h, 1, dwh, 4 * h);
    }
    if (dx)
        linear_back(dz, c->rows, 4 * h, v.wx, v.in, c->accumulate || backwards, SPA_ACT_NONE, NULL,
                    dx, rest);
}

static void bilstm_backward(const spa_layer *l, const REAL *w, const pass *c, const REAL *x,
                            const REAL *y, const REAL *dy, REAL *dw, REAL *dx)
{
    lstm_direction_back(l, w, c, false, x, y, dy, dw, dx);
    lstm_direction_back(l, w, c, true, x, y, dy, dw, dx);
}
