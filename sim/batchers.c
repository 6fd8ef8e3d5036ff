/* The batchers: none, fixed, timeout, sparoa (the paper's Algorithm 2), bounded. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "sim/batcher.h"

uint32_t spa_batch_table_find(const spa_batch_table *table, uint64_t samples)
{
    uint32_t i = 0;
    while (i + 1 < table->count && table->sizes[i] < samples) i++;
    return i;
}

/* What all of them are: a target, and how long the oldest sample may wait for it. */
typedef struct batcher_state {
    spa_algorithm2 algorithm; /* sparoa */
    spa_batch_table table;    /* bounded */
    uint32_t largest, target;
    int64_t wait_ns;  /* INT64_MAX = until the target is reached */
    int64_t bound_ns; /* bounded: of a sample's latency */
    int64_t memory_bytes;
    uint32_t attention, activation; /* chunks */
} batcher_state;

/* ---- chunks ---------------------------------------------------------------------------------- */

#define CHUNKS_PARAM                                                                               \
    {                                                                                              \
        "chunks", SPA_PARAM_TEXT, 0, 0, 0, "", "",                                                 \
            "A/B: samples that attention and activations run at once (32/8); 0: all of them"       \
    }

static bool is_chunk(int64_t size)
{
    return size >= 0 && size <= SPA_MAX_BATCH && (size & (size - 1)) == 0;
}

/* "32/8", or "" for none. */
static spa_status read_chunks(const char *text, batcher_state *s, spa_error *err)
{
    char first[256];
    const char *slash = strchr(text, '/');
    int64_t attention, activation;
    if (!*text) return SPA_OK;
    if (slash) {
        memcpy(first, text, (size_t)(slash - text));
        first[slash - text] = '\0';
        if (spa_parse_i64(first, &attention) && spa_parse_i64(slash + 1, &activation) &&
            is_chunk(attention) && is_chunk(activation)) {
            s->attention = (uint32_t)attention;
            s->activation = (uint32_t)activation;
            return SPA_OK;
        }
    }
    return spa_fail(err, SPA_E_PARSE,
                    "chunks=%.80s: two powers of 2 up to %u, or 0, with a slash between them, are "
                    "meant, as in chunks=32/8",
                    text, SPA_MAX_BATCH);
}

static void chunks_of(const void *self, uint32_t *attention, uint32_t *activation)
{
    *attention = ((const batcher_state *)self)->attention;
    *activation = ((const batcher_state *)self)->activation;
}

uint32_t spa_batch_chunk(spa_op_kind kind, uint32_t attention, uint32_t activation)
{
    switch (kind) {
    case SPA_OP_MATMUL:
    case SPA_OP_SOFTMAX:
        return attention;
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
    case SPA_OP_LEAKY_RELU:
    case SPA_OP_HARD_SWISH:
    case SPA_OP_HARD_SIGMOID:
    case SPA_OP_SIGMOID:
    case SPA_OP_GELU:
        return activation;
    default:
        return 0;
    }
}

/* ---- common ---------------------------------------------------------------------------------- */

static spa_status new_state(void **self, batcher_state state, const char *chunks, spa_error *err)
{
    batcher_state *s = NULL;
    SPA_TRY(read_chunks(chunks, &state, err));
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    *s = state;
    *self = s;
    return SPA_OK;
}

static uint32_t largest_of(const void *self)
{
    return ((const batcher_state *)self)->largest;
}

static uint32_t target_of(const void *self)
{
    return ((const batcher_state *)self)->target;
}

static int64_t ns_of_ms(double ms)
{
    return llround(ms * 1e6);
}

/* Closes the target when it is there, the rest when the oldest has waited long enough or nothing
 * more will come. */
static void decide_waiting(const void *self, const spa_batch_view *v, spa_batch_choice *choice)
{
    const batcher_state *s = self;
    int64_t until = s->wait_ns < INT64_MAX - v->oldest_ns ? v->oldest_ns + s->wait_ns : INT64_MAX;
    *choice = (spa_batch_choice){.until_ns = until};
    if (v->waiting >= s->target)
        choice->close = s->target;
    else if (v->last || v->now_ns >= until)
        choice->close = v->waiting;
}

/* ---- fixed, timeout -------------------------------------------------------------------------- */

static const spa_param fixed_params[] = {
    {"size", SPA_PARAM_INT, 8, 1, SPA_MAX_BATCH, NULL, "samples", "of every batch but the last"},
    CHUNKS_PARAM,
};

static spa_status create_fixed(void **self, const spa_param_values *values, spa_error *err)
{
    uint32_t size = (uint32_t)values->number[0];
    return new_state(self, (batcher_state){.largest = size, .target = size, .wait_ns = INT64_MAX},
                     values->text[1], err);
}

static const spa_param timeout_params[] = {
    {"size", SPA_PARAM_INT, 8, 1, SPA_MAX_BATCH, NULL, "samples", "at which a batch closes"},
    {"ms", SPA_PARAM_REAL, 5, 0, 1e6, NULL, "ms", "after which it closes, with what there is"},
    CHUNKS_PARAM,
};

static spa_status create_timeout(void **self, const spa_param_values *values, spa_error *err)
{
    uint32_t size = (uint32_t)values->number[0];
    return new_state(
        self,
        (batcher_state){.largest = size, .target = size, .wait_ns = ns_of_ms(values->number[1])},
        values->text[2], err);
}

/* ---- sparoa ---------------------------------------------------------------------------------- */

enum { START, MAX, STEP, EPS, ITERATIONS, LATENCY, MEMORY, SPARSITY, INTENSITY, WAIT, CHUNKS };
static const spa_param sparoa_params[] = {
    [START] = {"start", SPA_PARAM_REAL, 8, 1, SPA_MAX_BATCH, NULL, "samples", "B0"},
    [MAX] = {"max", SPA_PARAM_INT, 64, 1, SPA_MAX_BATCH, NULL, "samples", "largest batch"},
    [STEP] = {"step", SPA_PARAM_REAL, 4, 0, 1e6, NULL, "samples2/ms", "B steps by -step * dL/dB"},
    [EPS] = {"eps", SPA_PARAM_REAL, 1e-3, 0, 1e6, NULL, "ms", "ends when L changes no more"},
    [ITERATIONS] = {"iterations", SPA_PARAM_INT, 1000, 1, 1e6, NULL, "", "ends at the latest then"},
    [LATENCY] = {"latency", SPA_PARAM_REAL, 50, 1e-6, 1e6, NULL, "ms", "bound of L(B)"},
    [MEMORY] = {"memory", SPA_PARAM_REAL, 4096, 1e-3, 1e9, NULL, "MB", "bound of M(B)"},
    [SPARSITY] = {"sparsity", SPA_PARAM_REAL, 0.4, 0, 1, NULL, "", "above: B doubles"},
    [INTENSITY] = {"intensity", SPA_PARAM_REAL, 1e8, 0, 1e15, NULL, "MACs", "above: B halves"},
    [WAIT] = {"ms", SPA_PARAM_REAL, 50, 0, 1e6, NULL, "ms",
              "after which a batch closes, with what there is"},
    [CHUNKS] = CHUNKS_PARAM,
};

static spa_status create_sparoa(void **self, const spa_param_values *values, spa_error *err)
{
    const double *n = values->number;
    if (n[START] > n[MAX])
        return spa_fail(err, SPA_E_RANGE, "sparoa: start=%g is above max=%g", n[START], n[MAX]);
    return new_state(self,
                     (batcher_state){.algorithm = {.start = n[START],
                                                   .step = n[STEP],
                                                   .eps_ms = n[EPS],
                                                   .latency_ms = n[LATENCY],
                                                   .memory_mb = n[MEMORY],
                                                   .sparsity = n[SPARSITY],
                                                   .intensity = n[INTENSITY],
                                                   .iterations = (uint32_t)n[ITERATIONS],
                                                   .max = (uint32_t)n[MAX]},
                                     .largest = (uint32_t)n[MAX],
                                     .wait_ns = ns_of_ms(n[WAIT])},
                     values->text[CHUNKS], err);
}

/* A column of the table at any B: linear between sizes. *slope (may be NULL): per sample, of the
 * piece to the right; at the last size that to the left. */
static double between(const spa_batch_table *t, const int64_t *column, double b, double *slope)
{
    uint32_t i = 0;
    if (t->count == 1) {
        if (slope) *slope = 0;
        return (double)column[0];
    }
    while (i + 2 < t->count && b >= t->sizes[i + 1]) i++;
    double rise = (double)(column[i + 1] - column[i]) / (t->sizes[i + 1] - t->sizes[i]);
    if (slope) *slope = rise;
    return (double)column[i] + (b - t->sizes[i]) * rise;
}

uint32_t spa_algorithm2_choose(const spa_batch_table *t, const spa_algorithm2 *p, double *trace,
                               uint32_t *n_steps)
{
    double b = p->start, slope, most = fmin(p->max, t->sizes[t->count - 1]);
    uint32_t steps = 0;
    if (trace) trace[0] = b;
    for (bool moves = true; moves && steps < p->iterations;) {
        double before = between(t, t->latency_ns, b, &slope);
        b = fmax(1, fmin(most, b - p->step * slope * 1e-6));
        moves = fabs(between(t, t->latency_ns, b, NULL) - before) * 1e-6 > p->eps_ms;
        steps++;
        if (trace) trace[steps] = b;
    }
    /* As printed: both bounds must be broken (AND), and the memory bound is a bound of B. */
    if (between(t, t->memory_bytes, b, NULL) > p->memory_mb * 1e6 &&
        between(t, t->latency_ns, b, NULL) * 1e-6 > p->latency_ms)
        b /= 2;
    else if (t->sparsity > p->sparsity)
        b = fmin(2 * b, p->memory_mb);
    else if (t->intensity > p->intensity)
        b /= 2;
    if (n_steps) *n_steps = steps;
    return (uint32_t)fmax(1, fmin(most, floor(b)));
}

static spa_status prepare_sparoa(void *self, const spa_batch_table *table, spa_error *err)
{
    batcher_state *s = self;
    (void)err;
    s->target = spa_algorithm2_choose(table, &s->algorithm, NULL, NULL);
    return SPA_OK;
}

/* ---- bounded --------------------------------------------------------------------------------- */

static const spa_param bounded_params[] = {
    {"max", SPA_PARAM_INT, 64, 1, SPA_MAX_BATCH, NULL, "samples", "largest batch"},
    {"latency", SPA_PARAM_REAL, 50, 1e-6, 1e6, NULL, "ms", "bound: collecting and running"},
    {"memory", SPA_PARAM_REAL, 4096, 1e-3, 1e9, NULL, "MB", "bound of one run's memory"},
    CHUNKS_PARAM,
};

static spa_status create_bounded(void **self, const spa_param_values *values, spa_error *err)
{
    return new_state(self,
                     (batcher_state){.largest = (uint32_t)values->number[0],
                                     .bound_ns = ns_of_ms(values->number[1]),
                                     .memory_bytes = llround(values->number[2] * 1e6)},
                     values->text[3], err);
}

/* Within one size the run takes equally long: its largest batch has the least per sample, unless
 * collecting it takes too long; then the largest that can be collected. */
static uint32_t best_of_size(const spa_batch_table *t, uint32_t i, uint32_t max, int64_t latency_ns)
{
    uint32_t least = i ? t->sizes[i - 1] + 1 : 1, most = t->sizes[i] < max ? t->sizes[i] : max;
    double spare_ns = (double)(latency_ns - t->latency_ns[i]);
    if (spare_ns < 0 || most < least) return 0;
    if (t->rate_hz > 0) {
        double collected = 1 + floor(spare_ns * 1e-9 * t->rate_hz);
        if (collected < most) most = (uint32_t)collected;
    }
    return most >= least ? most : 0;
}

uint32_t spa_bounded_choose(const spa_batch_table *t, uint32_t max, int64_t latency_ns,
                            int64_t memory_bytes)
{
    uint32_t best = 0;
    double least = INFINITY;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t b = t->memory_bytes[i] > memory_bytes ? 0 : best_of_size(t, i, max, latency_ns);
        double each = b ? (double)t->latency_ns[i] / b : INFINITY;
        if (each >= least) continue;
        least = each;
        best = b;
    }
    return best;
}

static spa_status prepare_bounded(void *self, const spa_batch_table *table, spa_error *err)
{
    batcher_state *s = self;
    s->table = *table;
    s->target = spa_bounded_choose(table, s->largest, s->bound_ns, s->memory_bytes);
    if (s->target) return SPA_OK;
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "bounded: no batch is within bounds: one sample alone takes %.4g ms and %.4g "
                    "MB; the bounds are latency=%.4g and memory=%.4g",
                    (double)table->latency_ns[0] * 1e-6, (double)table->memory_bytes[0] * 1e-6,
                    (double)s->bound_ns * 1e-6, (double)s->memory_bytes * 1e-6);
}

/* Waits for the target as long as the oldest sample can still be served in time. */
static void decide_bounded(const void *self, const spa_batch_view *v, spa_batch_choice *choice)
{
    const batcher_state *s = self;
    int64_t run_ns = s->table.latency_ns[spa_batch_table_find(&s->table, v->waiting)];
    int64_t until = v->oldest_ns + (s->bound_ns - run_ns);
    *choice = (spa_batch_choice){.until_ns = until > v->now_ns ? until : v->now_ns};
    if (v->waiting >= s->target)
        choice->close = s->target;
    else if (v->last || v->now_ns >= until)
        choice->close = v->waiting;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define COMMON .abi = SPA_BATCHER_ABI, .struct_size = sizeof(spa_batcher)

static const spa_batcher none = {
    COMMON,
    .name = "none",
    .summary = "every request runs alone, with the graph's own batch",
    .source = "",
};
static const spa_batcher fixed = {
    COMMON,
    .name = "fixed",
    .summary = "batches of one size, however long they take to fill",
    .source = "",
    .params = fixed_params,
    .n_params = sizeof fixed_params / sizeof *fixed_params,
    .create = create_fixed,
    .destroy = free,
    .decide = decide_waiting,
    .largest = largest_of,
    .target = target_of,
    .chunks = chunks_of,
};
static const spa_batcher timeout = {
    COMMON,
    .name = "timeout",
    .summary = "closes at a size, or when the oldest sample has waited for a time",
    .source = "Crankshaw et al., Clipper, NSDI 2017, section 4.3 (delayed batching)",
    .params = timeout_params,
    .n_params = sizeof timeout_params / sizeof *timeout_params,
    .create = create_timeout,
    .destroy = free,
    .decide = decide_waiting,
    .largest = largest_of,
    .target = target_of,
    .chunks = chunks_of,
};
static const spa_batcher sparoa = {
    COMMON,
    .name = "sparoa",
    .summary = "the paper's Algorithm 2 as printed: a step along -dL/dB until L rests",
    .source = "arXiv 2511.19457, Algorithm 2",
    .params = sparoa_params,
    .n_params = sizeof sparoa_params / sizeof *sparoa_params,
    .create = create_sparoa,
    .destroy = free,
    .prepare = prepare_sparoa,
    .decide = decide_waiting,
    .largest = largest_of,
    .target = target_of,
    .chunks = chunks_of,
};
static const spa_batcher bounded = {
    COMMON,
    .name = "bounded",
    .summary = "the least latency per sample within bounds of latency and memory",
    .source = "arXiv 2511.19457, Algorithm 2, corrected",
    .params = bounded_params,
    .n_params = sizeof bounded_params / sizeof *bounded_params,
    .create = create_bounded,
    .destroy = free,
    .prepare = prepare_bounded,
    .decide = decide_bounded,
    .largest = largest_of,
    .target = target_of,
    .chunks = chunks_of,
};

static const spa_batcher *const batchers[] = {&none, &fixed, &timeout, &sparoa, &bounded};
#define N_BATCHERS (sizeof batchers / sizeof *batchers)

const spa_batcher *const *spa_batchers(size_t *count)
{
    *count = N_BATCHERS;
    return batchers;
}

spa_status spa_batcher_parse(const char *text, const spa_batcher **batcher,
                             spa_param_values *values, spa_error *err)
{
    const char *names[N_BATCHERS];
    char name[128];
    size_t length = strcspn(text, ":");
    *batcher = NULL;
    memset(values, 0, sizeof *values);
    if (length >= sizeof name)
        return spa_fail(err, SPA_E_NOT_FOUND, "unknown batcher '%.40s...'", text);
    memcpy(name, text, length);
    name[length] = '\0';
    for (size_t i = 0; i < N_BATCHERS; i++) {
        const spa_batcher *b = batchers[i];
        names[i] = b->name;
        if (strcmp(b->name, name) != 0) continue;
        const char *rest = text[length] == ':' ? text + length + 1 : "";
        SPA_TRY(spa_params_parse(b->params, b->n_params, b->name, rest, values, err));
        *batcher = b;
        return SPA_OK;
    }
    return spa_fail_unknown(err, "batcher", name, names, N_BATCHERS);
}
