/* Part of net_f32.c and net_f64.c: memory, starting values, and the passes through all layers. */

/* ---- memory ---- */

/* Elements that a layer keeps for its gradient. */
static size_t cache_size(const spa_layer *l, size_t rows, size_t length)
{
    size_t kept = l->activation == SPA_ACT_GELU ? rows * l->out : 0;
    switch (l->kind) {
    case SPA_LAYER_NORM:
        return rows * (l->in + 1);
    case SPA_LAYER_ATTENTION:
        return rows * 4 * l->in + rows * l->heads * length;
    case SPA_LAYER_CONV:
        return rows * l->width * l->in + kept;
    case SPA_LAYER_BILSTM:
        return rows * 10 * l->hidden;
    default:
        return kept;
    }
}

static size_t scratch_size(const spa_layer *l, size_t rows, size_t length)
{
    size_t in = l->in, out = l->out;
    switch (l->kind) {
    case SPA_LAYER_LINEAR:
        return in * out;
    case SPA_LAYER_ATTENTION:
        return rows * 4 * in + length * length + 3 * in * in;
    case SPA_LAYER_CONV:
        return (rows + out) * l->width * in;
    case SPA_LAYER_BILSTM:
        return rows * 7 * l->hidden + in * 4 * l->hidden;
    default:
        return 0;
    }
}

/* Takes `size` elements and some more (loops may read past an end) from a block that begins at
 * `memory`; with memory = NULL only counts. */
static REAL *take(REAL *memory, size_t *used, size_t size)
{
    REAL *p = memory ? memory + *used : NULL;
    *used += (size + SPA_NET_PAD + 7) / 8 * 8;
    return p;
}

static size_t lay_out(NN(spa_net_work) * w, const spa_net *net)
{
    size_t used = 0, scratch = 0;
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const spa_layer *l = &net->layers[i];
        size_t need = scratch_size(l, w->max_rows, w->max_length);
        w->output[i] = take(w->memory, &used, w->max_rows * l->out);
        w->delta[i] = take(w->memory, &used, w->max_rows * l->out);
        w->cache[i] = take(w->memory, &used, cache_size(l, w->max_rows, w->max_length));
        if (need > scratch) scratch = need;
    }
    w->scratch = take(w->memory, &used, scratch);
    return used;
}

spa_status NN(spa_net_work_init)(NN(spa_net_work) * work, const spa_net *net, size_t max_rows,
                                 size_t max_length, spa_error *err)
{
    memset(work, 0, sizeof *work);
    SPA_TRY(spa_net_check(net, err));
    if (max_rows == 0 || max_rows > (size_t)1 << 24 || max_length == 0 || max_length > UINT16_MAX) {
        return spa_fail(err, SPA_E_RANGE,
                        "network: %zu rows in sequences of %zu are not possible;"
                        " 1 to 2^24 rows, sequences below 65536",
                        max_rows, max_length);
    }
    work->max_rows = max_rows;
    work->max_length = max_length;
    SPA_TRY(spa_alloc(&work->memory, lay_out(work, net), sizeof *work->memory, err));
    lay_out(work, net);
    return SPA_OK;
}

void NN(spa_net_work_fini)(NN(spa_net_work) * work)
{
    free(work->memory);
    memset(work, 0, sizeof *work);
}

/* ---- starting values ---- */

/* Orthonormal columns by Gram-Schmidt, done twice for accuracy; q[tall][wide], wide <= tall. */
static void orthonormal(double *q, size_t tall, size_t wide, spa_rng *rng)
{
    for (size_t i = 0; i < tall * wide; i++) q[i] = spa_rng_gaussian(rng);
    for (size_t c = 0; c < wide; c++) {
        for (size_t e = 0; e < 2 * c; e++) {
            double dot = 0;
            size_t other = e % c;
            for (size_t r = 0; r < tall; r++) dot += q[r * wide + c] * q[r * wide + other];
            for (size_t r = 0; r < tall; r++) q[r * wide + c] -= dot * q[r * wide + other];
        }
        double norm = 0;
        for (size_t r = 0; r < tall; r++) norm += q[r * wide + c] * q[r * wide + c];
        norm = sqrt(norm);
        for (size_t r = 0; r < tall; r++) q[r * wide + c] /= norm;
    }
}

static spa_status start_matrix(REAL *w, size_t in, size_t out, spa_net_start start, double gain,
                               spa_rng *rng, spa_error *err)
{
    if (start == SPA_START_XAVIER) {
        double bound = gain * sqrt(6.0 / (double)(in + out));
        for (size_t i = 0; i < in * out; i++) w[i] = (REAL)(bound * (2 * spa_rng_uniform(rng) - 1));
        return SPA_OK;
    }
    size_t tall = in > out ? in : out, wide = in > out ? out : in;
    double *q = NULL;
    SPA_TRY(spa_alloc(&q, tall * wide, sizeof *q, err));
    orthonormal(q, tall, wide, rng);
    for (size_t i = 0; i < in; i++)
        for (size_t o = 0; o < out; o++)
            w[i * out + o] = (REAL)(gain * (in > out ? q[i * wide + o] : q[o * wide + i]));
    free(q);
    return SPA_OK;
}

static spa_status start_layer(const spa_layer *l, REAL *w, spa_net_start start, double gain,
                              spa_rng *rng, spa_error *err)
{
    size_t n = l->in, h = l->hidden;
    switch (l->kind) {
    case SPA_LAYER_LINEAR:
        return start_matrix(w, n, l->out, start, gain, rng, err);
    case SPA_LAYER_NORM:
        for (size_t i = 0; i < n; i++) w[i] = 1;
        return SPA_OK;
    case SPA_LAYER_ATTENTION:
        SPA_TRY(start_matrix(w, n, 3 * n, start, 1, rng, err));
        return start_matrix(w + 3 * n * n + 3 * n, n, n, start, gain, rng, err);
    case SPA_LAYER_CONV:
        return start_matrix(w, l->width * n, l->out, start, gain, rng, err);
    case SPA_LAYER_BILSTM:
        for (int d = 0; d < 2; d++, w += (n + h + 1) * 4 * h) {
            SPA_TRY(start_matrix(w, n, 4 * h, start, 1, rng, err));
            SPA_TRY(start_matrix(w + n * 4 * h, h, 4 * h, start, 1, rng, err));
            for (size_t j = 0; j < h; j++) w[(n + h) * 4 * h + h + j] = 1;
        }
        return SPA_OK;
    default:
        return SPA_OK;
    }
}

spa_status NN(spa_net_start)(const spa_net *net, spa_net_start start, double last_gain,
                             uint64_t seed, const char *name, REAL *params, spa_error *err)
{
    SPA_TRY(spa_net_check(net, err));
    memset(params, 0, net->n_params * sizeof *params);
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const spa_layer *l = &net->layers[i];
        double gain = start == SPA_START_ORTHOGONAL ? 1.4142135623730951 : 1;
        spa_rng rng;
        spa_rng_init_indexed(&rng, seed, name, i);
        if (i + 1 == net->n_layers) gain = last_gain;
        SPA_TRY(start_layer(l, params + l->first_param, start, gain, &rng, err));
    }
    return SPA_OK;
}

/* ---- passes ---- */

static pass pass_of(const NN(spa_net_work) * work, uint32_t layer)
{
    return (pass){.batch = work->batch,
                  .length = work->length,
                  .rows = work->batch * work->length,
                  .cache = work->cache[layer],
                  .scratch = work->scratch};
}

const REAL *NN(spa_net_forward)(const spa_net *net, const REAL *params, NN(spa_net_work) * work,
                                const REAL *x, size_t batch, size_t length)
{
    assert(batch * length <= work->max_rows && length <= work->max_length);
    work->batch = batch;
    work->length = length;
    work->input = x;
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const spa_layer *l = &net->layers[i];
        const REAL *w = params + l->first_param;
        pass c = pass_of(work, i);
        REAL *y = work->output[i];
        switch (l->kind) {
        case SPA_LAYER_LINEAR:
            linear_forward(l, w, &c, x, y);
            break;
        case SPA_LAYER_ACTIVATION:
            activation_forward(l, &c, x, y);
            break;
        case SPA_LAYER_NORM:
            norm_forward(l, w, &c, x, y);
            break;
        case SPA_LAYER_ATTENTION:
            attention_forward(l, w, &c, x, y);
            break;
        case SPA_LAYER_CONV:
            conv_forward(l, w, &c, x, y);
            break;
        case SPA_LAYER_BILSTM:
            bilstm_forward(l, w, &c, x, y);
            break;
        case SPA_LAYER_ADD:
            add_forward(l, &c, x, work->output[l->from], y);
            break;
        }
        x = y;
    }
    return x;
}

static void layer_back(const spa_layer *l, const REAL *w, const pass *c, const REAL *x,
                       const REAL *y, REAL *dy, REAL *dw, REAL *dx)
{
    switch (l->kind) {
    case SPA_LAYER_LINEAR:
        linear_backward(l, w, c, x, y, dy, dw, dx);
        break;
    case SPA_LAYER_ACTIVATION:
        activation_backward(l, c, y, dy, dx);
        break;
    case SPA_LAYER_NORM:
        norm_backward(l, w, c, dy, dw, dx);
        break;
    case SPA_LAYER_ATTENTION:
        attention_backward(l, w, c, x, dy, dw, dx);
        break;
    case SPA_LAYER_CONV:
        conv_backward(l, w, c, y, dy, dw, dx);
        break;
    case SPA_LAYER_BILSTM:
        bilstm_backward(l, w, c, x, y, dy, dw, dx);
        break;
    case SPA_LAYER_ADD:
        pass_on(c, c->rows * l->out, dy, dx);
        break;
    }
}

/* A linear layer behind a linear layer or an activation can do that one's slope on the way. */
static bool can_do_slope(const spa_net *net, uint32_t i)
{
    if (i == 0 || net->layers[i].kind != SPA_LAYER_LINEAR) return false;
    const spa_layer *before = &net->layers[i - 1];
    return (before->kind == SPA_LAYER_LINEAR || before->kind == SPA_LAYER_ACTIVATION) &&
           (before->activation == SPA_ACT_TANH || before->activation == SPA_ACT_RELU);
}

void NN(spa_net_backward)(const spa_net *net, const REAL *params, NN(spa_net_work) * work,
                          const REAL *d_out, REAL *gradients, REAL *d_in)
{
    size_t rows = work->batch * work->length;
    bool written[SPA_NET_MAX_LAYERS] = {false}; /* by an addition further back */
    bool slope_done = false;                    /* of the layer before, by the one behind it */
    uint32_t last = net->n_layers - 1;
    memcpy(work->delta[last], d_out, rows * net->out * sizeof *d_out);
    for (uint32_t i = net->n_layers; i-- > 0;) {
        const spa_layer *l = &net->layers[i];
        pass c = pass_of(work, i);
        if (l->kind == SPA_LAYER_ADD) {
            c.accumulate = written[l->from];
            pass_on(&c, rows * l->out, work->delta[i], work->delta[l->from]);
            written[l->from] = true;
        }
        c.accumulate = i > 0 && written[i - 1];
        c.slope_done = slope_done;
        slope_done = can_do_slope(net, i) && !c.accumulate;
        if (slope_done) {
            c.before = work->output[i - 1];
            c.slope = net->layers[i - 1].activation;
        }
        layer_back(l, params + l->first_param, &c, i ? work->output[i - 1] : work->input,
                   work->output[i], work->delta[i], gradients ? gradients + l->first_param : NULL,
                   i ? work->delta[i - 1] : d_in);
        if (i > 0) written[i - 1] = true;
    }
}
