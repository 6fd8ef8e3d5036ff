/* The sparse backend: convolutions, linear layers and matrix products that skip zero activations.
 *
 * For each input position the nonzeros of a block of channels are listed once (value, channel).
 * Output is made in tiles of 64 channels, whose sums stay in registers while a list is worked off:
 * each nonzero adds value * row of 64 weights. Lists of neighbouring positions of a row lie one
 * behind the other and carry the position in their index, so that one output position takes all
 * kernel columns of a kernel row as one run. Channel blocks are chosen so that the weight rows
 * that a run can touch stay in the first-level cache.
 *
 * Everything else, and inputs with too few zeros, goes to the dense backend. */
#include "kernels/sparse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/blas.h"
#include "kernels/dims.h"

/* Output positions per tile: with 64 channels 16 KiB of sums. */
#define TILE_POSITIONS 64
/* Weight rows (of 64 floats) that one run can touch: 24 KiB of a 32 KiB first-level cache. */
#define BLOCK_ROWS 96

/* ---- shapes -------------------------------------------------------------------------------------
 */

/* A sparse product: output [m] at each of oh*ow positions from c channels at h*w positions. A
 * linear layer is a 1x1 convolution over rows whose channels lie side by side. */
typedef struct product {
    spa_window d;
    size_t block; /* channels per block */
    size_t n_blocks;
    bool rows; /* positions are rows of [rows][c] and [rows][m], not planes */
} product;

static void set_blocks(product *p)
{
    size_t together = p->d.dw == 1 ? p->d.kw : 1;
    p->block = BLOCK_ROWS / together / 8 * 8;
    if (p->block < 8) p->block = 8;
    if (p->block > p->d.c) p->block = p->d.c;
    p->n_blocks = (p->d.c + p->block - 1) / p->block;
}

static bool product_of(const spa_graph *graph, const spa_op *op, product *p)
{
    *p = (product){0};
    if (op->kind == SPA_OP_CONV) {
        p->d = spa_op_window(graph, op);
        if (p->d.groups != 1) return false;
    } else if (op->kind == SPA_OP_LINEAR || op->kind == SPA_OP_MATMUL) {
        const spa_shape *in = spa_graph_input_shape(graph, op, 0);
        size_t k = spa_shape_last(in), m = spa_shape_last(&op->out);
        size_t rows = op->kind == SPA_OP_LINEAR ? spa_shape_count(&op->out) / m
                                                : spa_op_matmul_dims(graph, op).m;
        p->d = (spa_window){.n = 1,
                            .c = k,
                            .h = rows,
                            .w = 1,
                            .m = m,
                            .oh = rows,
                            .ow = 1,
                            .kh = 1,
                            .kw = 1,
                            .sh = 1,
                            .sw = 1,
                            .dh = 1,
                            .dw = 1,
                            .groups = 1};
        p->rows = true;
    } else {
        return false;
    }
    set_blocks(p);
    /* Indices are 32 bits wide. */
    return p->d.c * p->d.w < INT32_MAX && p->d.c * p->d.h * p->d.w < INT32_MAX;
}

static bool makes_zeros(spa_op_kind kind)
{
    return kind == SPA_OP_RELU || kind == SPA_OP_RELU6 || kind == SPA_OP_HARD_SWISH ||
           kind == SPA_OP_HARD_SIGMOID;
}

/* Can what an operator reads be zero in more than single places? (Of a graph's inputs nothing is
 * known.) Decides only whether weights are packed. */
static bool may_read_zeros(const spa_graph *graph, int32_t from, int depth)
{
    if (from < 0 || depth > 16) return true;
    const spa_op *op = &graph->ops[from];
    for (uint32_t i = 0; i < op->n_steps; i++)
        if (makes_zeros(op->steps[i].kind)) return true;
    switch (op->kind) {
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
    case SPA_OP_HARD_SWISH:
    case SPA_OP_HARD_SIGMOID:
        return true;
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
    case SPA_OP_GLOBAL_AVG_POOL:
    case SPA_OP_MUL:
    case SPA_OP_CONCAT:
    case SPA_OP_SLICE:
    case SPA_OP_PAD:
    case SPA_OP_ROLL:
    case SPA_OP_RESHAPE:
    case SPA_OP_TRANSPOSE:
    case SPA_OP_UPSAMPLE:
        for (uint32_t e = 0; e < op->n_inputs; e++)
            if (may_read_zeros(graph, graph->inputs[op->first_input + e], depth + 1)) return true;
        return false;
    default:
        return false;
    }
}

static bool is_candidate(const spa_graph *graph, const spa_op *op, product *p)
{
    return product_of(graph, op, p) && may_read_zeros(graph, graph->inputs[op->first_input], 0);
}

/* ---- weights ------------------------------------------------------------------------------------
 */

static size_t tile_width(size_t m, size_t first)
{
    size_t left = m - first;
    return left >= SPA_SPARSE_TILE ? SPA_SPARSE_TILE : (left + 7) / 8 * 8;
}

static size_t packed_floats(const product *p)
{
    return (p->d.m + 7) / 8 * 8 * p->d.c * p->d.kh * p->d.kw;
}

/* Where element (m, tap, c) of a weight tensor is. */
typedef struct weight_steps {
    size_t m, tap, c;
} weight_steps;

/* To [tile][(ky*kw + kx)*C + c][width of the tile], missing channels 0. */
static void pack(const product *p, const float *weight, weight_steps step, float *packed)
{
    size_t taps = p->d.kh * p->d.kw;
    for (size_t m0 = 0; m0 < p->d.m; m0 += SPA_SPARSE_TILE) {
        size_t width = tile_width(p->d.m, m0);
        size_t valid = p->d.m - m0 < width ? p->d.m - m0 : width;
        for (size_t tap = 0; tap < taps; tap++) {
            for (size_t c = 0; c < p->d.c; c++, packed += width) {
                const float *from = weight + m0 * step.m + tap * step.tap + c * step.c;
                for (size_t j = 0; j < valid; j++) packed[j] = from[j * step.m];
                for (size_t j = valid; j < width; j++) packed[j] = 0;
            }
        }
    }
}

/* ---- workspace ------------------------------------------------------------------------------- */

typedef struct scratch {
    size_t *starts;       /* [n_blocks * h*w + 1] first nonzero of (block, position) */
    spa_sparse_run *runs; /* [TILE_POSITIONS] */
    float *values;
    uint32_t *indices;
    float *sums;   /* [TILE_POSITIONS][64] */
    float *turned; /* [8][block]: 8 positions of a plane, channels side by side */
    float *packed; /* of matmul */
} scratch;

static size_t rounded(size_t bytes)
{
    return (bytes + SPA_KERNEL_ALIGN - 1) / SPA_KERNEL_ALIGN * SPA_KERNEL_ALIGN;
}

/* Cuts up a workspace (NULL: only measures); returns its size. */
static size_t scratch_cut(const product *p, bool with_packed, void *workspace, scratch *s)
{
    size_t positions = p->d.h * p->d.w, count = positions * p->d.c + 8;
    size_t bytes[7] = {
        rounded((p->n_blocks * positions + 1) * sizeof(size_t)),
        rounded(TILE_POSITIONS * sizeof(spa_sparse_run)),
        rounded(count * sizeof(float)),
        rounded(count * sizeof(uint32_t)),
        rounded(TILE_POSITIONS * SPA_SPARSE_TILE * sizeof(float)),
        rounded(8 * (p->block + 8) * sizeof(float)),
        with_packed ? rounded(packed_floats(p) * sizeof(float)) : 0,
    };
    size_t at[8] = {0};
    for (int i = 0; i < 7; i++) at[i + 1] = at[i] + bytes[i];
    if (workspace != NULL) {
        char *base = workspace;
        s->starts = (size_t *)(void *)base;
        s->runs = (spa_sparse_run *)(void *)(base + at[1]);
        s->values = (float *)(void *)(base + at[2]);
        s->indices = (uint32_t *)(void *)(base + at[3]);
        s->sums = (float *)(void *)(base + at[4]);
        s->turned = (float *)(void *)(base + at[5]);
        s->packed = (float *)(void *)(base + at[6]);
    }
    return at[7];
}

/* ---- listing the nonzeros -------------------------------------------------------------------- */

/* x [c][h*w]: eight positions at a time are turned so that their channels lie side by side. */
static void list_planes(const product *p, const float *x, const spa_vector *v, scratch *s)
{
    size_t positions = p->d.h * p->d.w, kept = 0, *start = s->starts, step = p->block;
    for (size_t b = 0; b < p->n_blocks; b++) {
        size_t c0 = b * p->block, c_count = p->d.c - c0 < p->block ? p->d.c - c0 : p->block;
        size_t column = 0;
        for (size_t at = 0; at < positions; at += 8) {
            size_t here = positions - at < 8 ? positions - at : 8;
            v->transpose(x + c0 * positions + at, positions, s->turned, step, c_count, here);
            for (size_t k = 0; k < here; k++) {
                *start++ = kept;
                kept += v->compress(s->turned + k * step, c_count, (uint32_t)(column * p->d.c + c0),
                                    s->values + kept, s->indices + kept);
                if (++column == p->d.w) column = 0;
            }
        }
    }
    *start = kept;
}

/* x [rows][c]. */
static void list_rows(const product *p, const float *x, const spa_vector *v, scratch *s)
{
    size_t kept = 0, *start = s->starts;
    for (size_t b = 0; b < p->n_blocks; b++) {
        size_t c0 = b * p->block, c_count = p->d.c - c0 < p->block ? p->d.c - c0 : p->block;
        for (size_t r = 0; r < p->d.h; r++) {
            *start++ = kept;
            kept += v->compress(x + r * p->d.c + c0, c_count, (uint32_t)c0, s->values + kept,
                                s->indices + kept);
        }
    }
    *start = kept;
}

/* ---- working them off ------------------------------------------------------------------------ */

/* Output positions first .. first+count-1 of one tile of channels. */
typedef struct tile {
    size_t first, count, width;
} tile;

/* The runs of kernel row ky, columns kx .. kx+taps-1, channel block b; returns how many. */
static size_t make_runs(const product *p, const tile *t, size_t b, size_t ky, size_t kx,
                        size_t taps, scratch *s)
{
    const spa_window *d = &p->d;
    const size_t *starts = s->starts + b * d->h * d->w;
    size_t n = 0, oy = t->first / d->ow, ox = t->first % d->ow;
    for (size_t i = 0; i < t->count; i++) {
        size_t y = oy * d->sh + ky * d->dh;
        int64_t left = (int64_t)(ox * d->sw + kx * d->dw) - (int64_t)d->pl;
        int64_t from = left < 0 ? 0 : left, to = left + (int64_t)taps;
        if (to > (int64_t)d->w) to = (int64_t)d->w;
        if (++ox == d->ow) {
            ox = 0;
            oy++;
        }
        if (y < d->pt || y - d->pt >= d->h || from >= to) continue;
        const size_t *row = starts + (y - d->pt) * d->w;
        if (row[from] == row[to]) continue;
        s->runs[n++] = (spa_sparse_run){
            .begin = row[from],
            .end = row[to],
            .shift = ((int64_t)(ky * d->kw + kx) - left) * (int64_t)d->c,
            .sums = s->sums + i * t->width,
        };
    }
    return n;
}

static void start_sums(const tile *t, const float *bias, size_t valid, float *sums)
{
    memset(sums, 0, t->count * t->width * sizeof(float));
    if (bias == NULL) return;
    for (size_t i = 0; i < t->count; i++) memcpy(sums + i * t->width, bias, valid * sizeof(float));
}

static void finish_tile(const product *p, const tile *t, size_t m0, size_t valid,
                        const spa_vector *v, const float *sums, float *y)
{
    if (!p->rows) {
        size_t area = p->d.oh * p->d.ow;
        v->transpose(sums, t->width, y + m0 * area + t->first, area, t->count, valid);
        return;
    }
    for (size_t i = 0; i < t->count; i++)
        memcpy(y + (t->first + i) * p->d.m + m0, sums + i * t->width, valid * sizeof(float));
}

/* One image (or matrix): x as the product says, y likewise. */
static void multiply(const product *p, const float *x, const float *packed, const float *bias,
                     const spa_vector *v, scratch *s, float *y)
{
    const spa_window *d = &p->d;
    size_t area = d->oh * d->ow, taps = d->dw == 1 ? d->kw : 1;
    size_t weight_rows = d->c * d->kh * d->kw;
    (p->rows ? list_rows : list_planes)(p, x, v, s);
    for (size_t m0 = 0; m0 < d->m; m0 += SPA_SPARSE_TILE) {
        tile t = {.width = tile_width(d->m, m0)};
        size_t valid = d->m - m0 < t.width ? d->m - m0 : t.width;
        for (t.first = 0; t.first < area; t.first += TILE_POSITIONS) {
            t.count = area - t.first < TILE_POSITIONS ? area - t.first : TILE_POSITIONS;
            start_sums(&t, bias != NULL ? bias + m0 : NULL, valid, s->sums);
            for (size_t b = 0; b < p->n_blocks; b++)
                for (size_t ky = 0; ky < d->kh; ky++)
                    for (size_t kx = 0; kx < d->kw; kx += taps)
                        v->sparse_runs(packed, t.width / 8, s->values, s->indices, s->runs,
                                       make_runs(p, &t, b, ky, kx, taps, s));
            finish_tile(p, &t, m0, valid, v, s->sums, y);
        }
        packed += weight_rows * t.width;
    }
}

/* ---- the decision ---------------------------------------------------------------------------- */

/* Fraction of zeros, from at most about 8192 elements: blocks of 64, evenly spread. */
static double sample_zeros(const float *x, size_t n, const spa_vector *v)
{
    enum { BLOCK = 64, BLOCKS = 128 };
    if (n <= BLOCK * BLOCKS) return (double)v->count_zeros(x, n) / (double)n;
    size_t zeros = 0, step = (n - BLOCK) / (BLOCKS - 1);
    for (size_t b = 0; b < BLOCKS; b++) zeros += v->count_zeros(x + b * step, BLOCK);
    return (double)zeros / (BLOCK * BLOCKS);
}

/* The fraction of zeros from which skipping won over OpenBLAS on cold buffers, by how many
 * multiply-adds an input element takes part in (`reuse`: what listing it is paid back by).
 * Measured: AMD EPYC (family 25 model 1), one core, OpenBLAS 0.3.21, AVX2; best of 11 interleaved
 * runs over 25 shapes of ResNet-18, MobileNetV2 and ViT-B/16. Windows larger than 1x1 reach parity
 * with no zeros at all, because the dense path pays for im2col; they need some, so that the
 * choice does not hang on noise. */
static double crossover(const product *p)
{
    static const double window = 0.10, single_row = 0.70; /* that one is bound by reading weights */
    static const struct {
        double reuse, zeros;
    } pointwise[] = {{512, 0.38}, {160, 0.43}, {80, 0.50}, {48, 0.65}, {32, 0.85}};
    const spa_window *d = &p->d;
    double reuse = (double)d->m * (double)(d->kh * d->kw) / (double)(d->sh * d->sw);
    if (p->rows && d->oh == 1) return single_row;
    if (d->kh * d->kw > 1 && reuse >= 64) return window;
    for (size_t i = 0; i < sizeof pointwise / sizeof pointwise[0]; i++)
        if (reuse >= pointwise[i].reuse) return pointwise[i].zeros;
    return 2; /* never */
}

static void run_product(const spa_kernel_args *args, const product *p, const spa_vector *v)
{
    const spa_op *op = args->op;
    scratch s;
    if (op->kind == SPA_OP_MATMUL) {
        spa_matmul_dims d = spa_op_matmul_dims(args->graph, op);
        weight_steps steps = {.m = d.transpose_b ? d.k : 1, .c = d.transpose_b ? 1 : d.n};
        scratch_cut(p, true, args->workspace, &s);
        for (size_t i = 0; i < d.batch; i++) {
            pack(p, args->inputs[1] + i * d.b_step, steps, s.packed);
            multiply(p, args->inputs[0] + i * d.a_step, s.packed, NULL, v, &s,
                     args->output + i * d.m * d.n);
        }
        return;
    }
    scratch_cut(p, false, args->workspace, &s);
    size_t in = p->d.c * p->d.h * p->d.w, out = p->d.m * p->d.oh * p->d.ow;
    for (size_t n = 0; n < p->d.n; n++)
        multiply(p, args->inputs[0] + n * in, args->state,
                 op->attrs.has_bias ? args->params[1] : NULL, v, &s, args->output + n * out);
}

bool spa_sparse_multiply(const spa_kernel_args *args, const spa_vector *v)
{
    product p;
    if (!is_candidate(args->graph, args->op, &p)) return false;
    run_product(args, &p, v);
    return true;
}

double spa_sparse_crossover(const spa_graph *graph, const spa_op *op)
{
    product p;
    return is_candidate(graph, op, &p) ? crossover(&p) : 2;
}

/* ---- the table ------------------------------------------------------------------------------- */

static bool supports(const spa_graph *graph, const spa_op *op)
{
    return spa_backend_blas.supports(graph, op);
}

static spa_status probe(spa_error *err)
{
    return spa_backend_blas.probe(err);
}

static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    product p;
    if (op->kind == SPA_OP_MATMUL || !is_candidate(graph, op, &p))
        return spa_backend_blas.prepare(graph, op, params, state, err);
    float *packed;
    *state = NULL;
    SPA_TRY(spa_alloc_aligned(&packed, packed_floats(&p) * sizeof(float), err));
    size_t taps = p.d.kh * p.d.kw;
    pack(&p, params[0], (weight_steps){.m = p.d.c * taps, .tap = 1, .c = taps}, packed);
    *state = packed;
    return SPA_OK;
}

static size_t workspace_bytes(const spa_graph *graph, const spa_op *op)
{
    product p;
    size_t dense = spa_backend_blas.workspace_bytes(graph, op);
    if (!is_candidate(graph, op, &p)) return dense;
    size_t bytes = scratch_cut(&p, op->kind == SPA_OP_MATMUL, NULL, NULL);
    return bytes > dense ? bytes : dense;
}

static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    product p;
    const spa_vector *v = spa_vector_best();
    if (!is_candidate(args->graph, args->op, &p)) return spa_backend_blas.run(args, err);
    size_t n = spa_shape_count(spa_graph_input_shape(args->graph, args->op, 0));
    if (sample_zeros(args->inputs[0], n, v) < crossover(&p)) return spa_backend_blas.run(args, err);
    run_product(args, &p, v);
    return SPA_OK;
}

static void describe(char *text, size_t size)
{
    char dense[128];
    spa_backend_blas.describe(dense, sizeof dense);
    snprintf(text, size, "zero-skipping over %s", dense);
}

const spa_backend spa_backend_sparse = {
    .name = "sparse",
    .summary = "skips zero activations where that pays; else as blas",
    .probe = probe,
    .supports = supports,
    .prepare = prepare,
    .release = free,
    .workspace_bytes = workspace_bytes,
    .run = run,
    .describe = describe,
};
