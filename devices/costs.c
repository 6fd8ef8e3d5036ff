#include "devices/costs.h"

#include <math.h>
#include <string.h>
#include "base/text.h"

/* No entry is longer than this (11.6 days), nor are all entries together (36 years): sums of times
 * in the engine then stay far from the ends of int64. */
#define MAX_NS     ((int64_t)1000000000000000)
#define MAX_SUM_NS ((int64_t)1 << 60)
#define MAX_W      1e6
#define MAX_HZ     1e12
#define MAX_CV     10.0
#define MAX_FACTOR 1e6

static const char *const default_names[SPA_MAX_PROCESSORS] = {"p0", "p1", "p2", "p3"};

/* ---------------------------------------------------------------- making */
static void init_processors(spa_costs *costs)
{
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        costs->processors[p] = (spa_cost_processor){
            .name = default_names[p],
            .backend = "",
            .role = p == 0 ? SPA_ROLE_HOST : SPA_ROLE_ACCELERATOR,
            .n_lanes = 1,
            .cores_per_lane = 1,
            .clock_hz = 1e9,
        };
    }
    costs->n_links = costs->n_processors > 1 ? 1 : 0;
    costs->host_hz = 1e9;
    costs->device = costs->mode = costs->stack = costs->lanes = "";
    /* The best there is; finish lowers it to the worst entry, a builder may have lowered it. */
    costs->origin = SPA_ORIGIN_MEASURED;
}

static spa_status allocate(spa_costs *costs, const spa_graph *graph, spa_error *err)
{
    size_t n = costs->n_processors, n_costs = 0, n_parts = 0, n_transfers = 0;
    if (!spa_mul_size(graph->n_ops, n, &n_costs) ||
        !spa_mul_size(n_costs, SPA_TENTHS - 1, &n_parts) ||
        !spa_mul_size(costs->n_tensors, n * n, &n_transfers)) {
        return spa_fail(err, SPA_E_RANGE, "graph '%s' is too large for a cost table", graph->name);
    }
    SPA_TRY(spa_arena_alloc(&costs->arena, &costs->ops, n_costs, sizeof *costs->ops, err));
    SPA_TRY(spa_arena_alloc(&costs->arena, &costs->transfer_ns, n_transfers,
                            sizeof *costs->transfer_ns, err));
    SPA_TRY(spa_arena_alloc(&costs->arena, &costs->part_ns, n_parts, sizeof *costs->part_ns, err));
    for (size_t i = 0; i < n_parts; i++) costs->part_ns[i] = -1;
    for (size_t i = 0; i < n_costs; i++) {
        costs->ops[i] = (spa_op_cost){.kernel_ns = -1, .capacity_share = 1};
    }
    return SPA_OK;
}

spa_status spa_costs_init(spa_costs *costs, const spa_graph *graph, uint32_t n_processors,
                          spa_error *err)
{
    *costs = (spa_costs){0};
    spa_arena_init(&costs->arena);
    if (n_processors < 1 || n_processors > SPA_MAX_PROCESSORS) {
        return spa_fail(err, SPA_E_RANGE, "a cost table has 1 to %d processors, not %u",
                        SPA_MAX_PROCESSORS, n_processors);
    }
    costs->graph = graph;
    costs->computes = graph->dtype;
    costs->n_processors = n_processors;
    costs->n_ops = graph->n_ops;
    costs->n_tensors = graph->n_ops + graph->n_graph_inputs;
    init_processors(costs);
    spa_status status = allocate(costs, graph, err);
    if (status != SPA_OK) spa_costs_fini(costs);
    return status;
}

void spa_costs_fini(spa_costs *costs)
{
    if (!costs) return;
    spa_arena_fini(&costs->arena);
    *costs = (spa_costs){0};
}

void spa_costs_divide(spa_costs *costs)
{
    for (size_t i = 0; i < costs->n_ops * costs->n_processors; i++) {
        const spa_op *op = &costs->graph->ops[i / costs->n_processors];
        int64_t whole_ns = costs->ops[i].kernel_ns;
        if (whole_ns < 0 || !spa_op_divides(op)) continue;
        for (size_t k = 1; k < SPA_TENTHS; k++)
            costs->part_ns[i * (SPA_TENTHS - 1) + k - 1] = whole_ns * (int64_t)k / SPA_TENTHS;
    }
}

/* ---------------------------------------------------------------- checks */
/* NaN fails every comparison, so !(in bounds) refuses it too. */
static bool within(double x, double min, double max)
{
    return x >= min && x <= max;
}

static spa_status fail_processor(const spa_costs *c, uint32_t p, const char *what, double value,
                                 spa_error *err)
{
    return spa_fail(err, SPA_E_RANGE, "cost table of '%s': processor '%s': %s = %g is not allowed",
                    c->graph->name, c->processors[p].name, what, value);
}

static spa_status check_processor(const spa_costs *c, uint32_t p, spa_error *err)
{
    const spa_cost_processor *q = &c->processors[p];
    if (!q->name || !*q->name || !q->backend) {
        return spa_fail(err, SPA_E_INVALID, "cost table of '%s': processor %u has no name",
                        c->graph->name, p);
    }
    for (uint32_t other = 0; other < p; other++) {
        if (strcmp(c->processors[other].name, q->name) != 0) continue;
        return spa_fail(err, SPA_E_INVALID, "cost table of '%s': two processors are called '%s'",
                        c->graph->name, q->name);
    }
    if (q->role != SPA_ROLE_HOST && q->role != SPA_ROLE_ACCELERATOR) {
        return fail_processor(c, p, "role", (double)q->role, err);
    }
    if (q->n_lanes < 1 || q->n_lanes > SPA_MAX_LANES) {
        return fail_processor(c, p, "number of lanes", q->n_lanes, err);
    }
    if (q->cores_per_lane < 1) {
        return fail_processor(c, p, "cores per lane", q->cores_per_lane, err);
    }
    const struct {
        const char *what;
        double value, min, max;
    } checks[] = {
        {"clock_hz", q->clock_hz, 1, MAX_HZ},    {"idle_w", q->idle_w, 0, MAX_W},
        {"dispatch_w", q->dispatch_w, 0, MAX_W}, {"slow_a", q->slow_a, 0, MAX_FACTOR},
        {"slow_b", q->slow_b, 0, MAX_FACTOR},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (!within(checks[i].value, checks[i].min, checks[i].max)) {
            return fail_processor(c, p, checks[i].what, checks[i].value, err);
        }
    }
    return SPA_OK;
}

static spa_status check_links(const spa_costs *c, spa_error *err)
{
    if (c->n_links > SPA_MAX_LINKS) {
        return spa_fail(err, SPA_E_RANGE, "cost table of '%s': %u links are more than %d",
                        c->graph->name, c->n_links, SPA_MAX_LINKS);
    }
    for (uint32_t a = 0; a < c->n_processors; a++) {
        for (uint32_t b = 0; b < c->n_processors; b++) {
            const spa_cost_link *link = &c->links[a][b];
            if (a == b) continue;
            if (link->id < c->n_links && within(link->dram_share, 0, 1) &&
                within(link->dynamic_w, 0, MAX_W) && link->issue_ns >= 0) {
                continue;
            }
            return spa_fail(err, SPA_E_RANGE,
                            "cost table of '%s': link %s to %s: id %u of %u, dram_share %g, "
                            "dynamic_w %g, issue_ns %d: one is out of its bounds",
                            c->graph->name, c->processors[a].name, c->processors[b].name, link->id,
                            c->n_links, (double)link->dram_share, (double)link->dynamic_w,
                            link->issue_ns);
        }
    }
    return SPA_OK;
}

static spa_status check_header(const spa_costs *c, spa_error *err)
{
    size_t lanes = 0;
    if (c->host >= c->n_processors) {
        return spa_fail(err, SPA_E_INVALID, "cost table of '%s': host %u of %u processors",
                        c->graph->name, c->host, c->n_processors);
    }
    if (!c->device || !c->mode || !c->stack || !c->lanes) {
        return spa_fail(err, SPA_E_INVALID,
                        "cost table of '%s': device, mode, stack or lanes is NULL; use \"\"",
                        c->graph->name);
    }
    for (uint32_t p = 0; p < c->n_processors; p++) {
        SPA_TRY(check_processor(c, p, err));
        lanes += c->processors[p].n_lanes;
    }
    if (lanes > SPA_MAX_LANES) {
        return spa_fail(err, SPA_E_RANGE, "cost table of '%s': %zu lanes are more than %d",
                        c->graph->name, lanes, SPA_MAX_LANES);
    }
    SPA_TRY(check_links(c, err));
    if (!within(c->host_hz, 1, MAX_HZ) || !within(c->base_w, 0, MAX_W) ||
        !within(c->run_cv, 0, MAX_CV)) {
        return spa_fail(err, SPA_E_RANGE,
                        "cost table of '%s': host_hz %g, base_w %g, run_cv %g: one is out of its "
                        "bounds",
                        c->graph->name, c->host_hz, c->base_w, c->run_cv);
    }
    return SPA_OK;
}

static spa_status check_op_cost(const spa_costs *c, size_t op, uint32_t p, spa_error *err)
{
    const spa_op_cost *k = spa_cost(c, op, p);
    const struct {
        const char *what;
        double value;
        bool ok;
    } checks[] = {
        {"kernel_ns", (double)k->kernel_ns, k->kernel_ns <= MAX_NS},
        {"launch_ns", k->launch_ns, k->launch_ns >= 0},
        {"dram_share", k->dram_share, within(k->dram_share, 0, 1)},
        {"capacity_share", k->capacity_share,
         within(k->capacity_share, 0, 1) && k->capacity_share > 0},
        {"pressure", k->pressure, within(k->pressure, 0, MAX_FACTOR)},
        {"corun_slowdown", k->corun_slowdown,
         k->corun_slowdown == 0 || within(k->corun_slowdown, 1, MAX_FACTOR)},
        {"dynamic_w", k->dynamic_w, within(k->dynamic_w, 0, MAX_W)},
        {"noise_cv", k->noise_cv, within(k->noise_cv, 0, MAX_CV)},
        {"origin", k->origin, k->origin <= SPA_ORIGIN_MEASURED},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (checks[i].ok) continue;
        return spa_fail(err, SPA_E_RANGE,
                        "cost table of '%s': operator '%s' on '%s': %s = %g is not allowed",
                        c->graph->name, c->graph->ops[op].name, c->processors[p].name,
                        checks[i].what, checks[i].value);
    }
    return SPA_OK;
}

/* A part takes no longer than a table may say; it may take longer than the whole. */
static spa_status check_parts(const spa_costs *c, size_t op, uint32_t p, spa_error *err)
{
    for (uint32_t k = 1; k < SPA_TENTHS; k++) {
        int64_t ns = spa_part_ns(c, op, p, k);
        if (ns <= MAX_NS && (ns < 0 || spa_cost_can_run(c, op, p))) continue;
        return spa_fail(err, SPA_E_RANGE,
                        "cost table of '%s': %u tenths of operator '%s' on '%s' = %lld ns are not "
                        "allowed",
                        c->graph->name, k, c->graph->ops[op].name, c->processors[p].name,
                        (long long)ns);
    }
    return SPA_OK;
}

/* One operator: its entries, that something can run it, the longest of them into *longest, and the
 * table's origin. A view moves nothing, so its zero says nothing about trust. */
static spa_status check_op(spa_costs *c, size_t op, int64_t *longest, spa_error *err)
{
    bool runs = false;
    *longest = 0;
    for (uint32_t p = 0; p < c->n_processors; p++) {
        const spa_op_cost *k = spa_cost(c, op, p);
        SPA_TRY(check_op_cost(c, op, p, err));
        SPA_TRY(check_parts(c, op, p, err));
        if (k->kernel_ns < 0) continue;
        runs = true;
        int64_t total = spa_cost_total_ns(c, op, p);
        if (total > *longest) *longest = total;
        if (c->graph->ops[op].kind != SPA_OP_RESHAPE && k->origin < c->origin) {
            c->origin = k->origin;
        }
    }
    if (!runs) {
        return spa_fail(err, SPA_E_INVALID,
                        "cost table of '%s': no processor can run operator '%s'", c->graph->name,
                        c->graph->ops[op].name);
    }
    return SPA_OK;
}

static const char *tensor_name(const spa_costs *c, size_t tensor)
{
    return tensor < c->n_ops ? c->graph->ops[tensor].name : "(graph input)";
}

/* One tensor: the longest of its transfers into *longest. */
static spa_status check_transfers(const spa_costs *c, size_t tensor, int64_t *longest,
                                  spa_error *err)
{
    *longest = 0;
    for (uint32_t a = 0; a < c->n_processors; a++) {
        for (uint32_t b = 0; b < c->n_processors; b++) {
            int64_t ns = spa_transfer_ns(c, tensor, a, b);
            if (ns < 0 || ns > MAX_NS || (a == b && ns != 0)) {
                return spa_fail(err, SPA_E_RANGE,
                                "cost table of '%s': transfer of '%s' from '%s' to '%s' = %lld ns "
                                "is not allowed",
                                c->graph->name, tensor_name(c, tensor), c->processors[a].name,
                                c->processors[b].name, (long long)ns);
            }
            if (ns > *longest) *longest = ns;
        }
    }
    return SPA_OK;
}

static spa_status check_entries(spa_costs *c, spa_error *err)
{
    int64_t sum = 0, longest = 0;
    for (size_t op = 0; op < c->n_ops; op++) {
        SPA_TRY(check_op(c, op, &longest, err));
        sum += longest; /* <= MAX_NS more than MAX_SUM_NS: no overflow */
        if (sum > MAX_SUM_NS) break;
    }
    for (size_t t = 0; t < c->n_tensors && sum <= MAX_SUM_NS; t++) {
        SPA_TRY(check_transfers(c, t, &longest, err));
        sum += longest;
    }
    if (sum > MAX_SUM_NS) {
        return spa_fail(err, SPA_E_RANGE, "cost table of '%s': its times add up to over %lld ns",
                        c->graph->name, (long long)MAX_SUM_NS);
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- hash */
static uint64_t hash_double(uint64_t h, double x)
{
    uint64_t bits = 0;
    x += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &x, sizeof bits);
    return spa_hash_u64(h, bits);
}

static uint64_t hash_text(uint64_t h, const char *text)
{
    return spa_hash_bytes(h, text, strlen(text) + 1);
}

static uint64_t hash_processor(uint64_t h, const spa_cost_processor *q)
{
    h = hash_text(hash_text(h, q->name), q->backend);
    h = spa_hash_u64(h, (uint64_t)q->role << 1 | q->is_async);
    h = spa_hash_u64(h, (uint64_t)q->n_lanes << 32 | q->cores_per_lane);
    h = hash_double(hash_double(h, q->clock_hz), q->idle_w);
    h = hash_double(h, q->dispatch_w);
    return hash_double(hash_double(h, q->slow_a), q->slow_b);
}

static uint64_t hash_op(uint64_t h, const spa_op_cost *k)
{
    h = spa_hash_u64(spa_hash_u64(h, (uint64_t)k->kernel_ns), (uint64_t)k->launch_ns);
    h = hash_double(hash_double(h, k->dram_share), k->capacity_share);
    h = hash_double(hash_double(h, k->pressure), k->corun_slowdown);
    h = hash_double(hash_double(h, k->dynamic_w), k->noise_cv);
    return spa_hash_u64(h, k->origin);
}

/* Field by field, never over padding. */
static uint64_t hash_table(const spa_costs *c)
{
    uint32_t n = c->n_processors;
    uint64_t h = spa_hash_u64(SPA_HASH_SEED, c->graph->hash);
    h = spa_hash_u64(spa_hash_u64(h, c->n_ops), c->n_tensors);
    h = spa_hash_u64(h, (uint64_t)n << 32 | c->n_links);
    h = spa_hash_u64(h, (uint64_t)c->host << 3 | (uint64_t)c->dispatch_occupies_host << 2 |
                            (uint64_t)c->blocking_sync << 1 | c->uncalibrated);
    h = hash_double(hash_double(hash_double(h, c->host_hz), c->base_w), c->run_cv);
    h = hash_text(hash_text(h, c->device), c->mode);
    h = hash_text(hash_text(h, c->stack), c->lanes);
    h = spa_hash_u64(h, (uint64_t)c->origin);
    for (uint32_t p = 0; p < n; p++) h = hash_processor(h, &c->processors[p]);
    for (uint32_t i = 0; i < n * n; i++) {
        const spa_cost_link *link = &c->links[i / n][i % n];
        h = spa_hash_u64(h, (uint64_t)link->id << 32 | (uint32_t)link->issue_ns);
        h = hash_double(hash_double(h, link->dram_share), link->dynamic_w);
        if (link->on_lane) h = spa_hash_u64(h, i);
        if (link->latency_ns) h = spa_hash_u64(h, (uint64_t)link->latency_ns);
    }
    if (c->synchronous) h = spa_hash_u64(h, 1); /* a table without keeps its hash */
    for (size_t i = 0; i < c->n_ops * n; i++) h = hash_op(h, &c->ops[i]);
    for (size_t i = 0; i < c->n_ops * n * (SPA_TENTHS - 1); i++)
        h = spa_hash_u64(h, (uint64_t)c->part_ns[i]);
    for (size_t i = 0; i < c->n_tensors * n * n; i++) {
        h = spa_hash_u64(h, (uint64_t)c->transfer_ns[i]);
    }
    return h;
}

spa_status spa_costs_finish(spa_costs *costs, spa_error *err)
{
    SPA_TRY(check_header(costs, err));
    SPA_TRY(check_entries(costs, err));
    costs->hash = hash_table(costs);
    return SPA_OK;
}
