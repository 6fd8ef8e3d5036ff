#include "policies/learn/features.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"
#include "policies/list_schedule.h"

/* What observing reads of an operator, side by side. */
struct spa_feature_op {
    uint32_t first_input, n_inputs;
    uint8_t able, is_sink, is_pulled, pad; /* able: bit s = slot s can run it */
    int64_t total_ns[SPA_MAX_PROCESSORS];  /* by slot */
    int64_t to_go_ns[SPA_MAX_PROCESSORS];
};

/* Any time, size or count to (-1, 1): half at 1; small differences stay visible. */
static inline float squash(float x)
{
    return x / (1.0f + fabsf(x));
}

static inline float squash_ns(const spa_features *f, int64_t ns)
{
    return squash((float)ns * f->per_scale);
}

/* ---- the dispatch order ---------------------------------------------------------------------- */

typedef struct ranked {
    double rank;
    uint32_t op;
} ranked;

/* By falling upward rank, of equals in graph order: a topological order, since no operator ranks
 * below one that reads it. */
static int by_rank(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->rank != b->rank) return a->rank > b->rank ? -1 : 1;
    return a->op < b->op ? -1 : a->op > b->op;
}

static spa_status order_by_rank(spa_features *f, const double *rank, spa_error *err)
{
    size_t n = f->costs->n_ops;
    ranked *r = NULL;
    SPA_TRY(spa_alloc(&r, n, sizeof *r, err));
    for (uint32_t i = 0; i < n; i++) r[i] = (ranked){rank[i], i};
    qsort(r, n, sizeof *r, by_rank);
    for (size_t i = 0; i < n; i++) f->schedule.order[i] = r[i].op;
    free(r);
    return SPA_OK;
}

/* ---- what does not depend on the run --------------------------------------------------------- */

static float known(double x)
{
    return isnan(x) ? 0.0f : (float)x;
}

static float log10_1p(int64_t x)
{
    return (float)log10(1.0 + (double)x);
}

static void fill_op_features(const spa_features *f, const spa_features_options *o, uint32_t i,
                             float rank, float *out)
{
    const spa_graph *g = f->costs->graph;
    const spa_op *op = &g->ops[i];
    const spa_feature_op *x = &f->ops[i];
    float users = (float)(g->first_consumer[i + 1] - g->first_consumer[i]);
    float intensity = log10_1p(op->macs);
    const float *t = o->thresholds ? &o->thresholds[2 * (size_t)i] : NULL;
    *out++ = known(op->sparsity);
    *out++ = isnan(op->sparsity) ? 0.0f : 1.0f;
    *out++ = known(op->input_sparsity);
    *out++ = fminf(intensity / 16, 1);
    *out++ = t && !isnan(op->sparsity) ? squash(t[0] - (float)op->sparsity) : 0;
    *out++ = t ? squash(t[1] - intensity) : 0;
    *out++ = fminf(log10_1p(op->bytes_in + op->bytes_weight) / 16, 1);
    *out++ = fminf(log10_1p(op->bytes_out) / 16, 1);
    *out++ = fminf(log2f((float)g->batch) / 16, 1);
    *out++ = rank;
    *out++ = squash(users / 2);
    *out++ = x->is_sink;
    *out++ = x->is_pulled;
}

/* Time of an operator on a slot; 1 where it cannot run. */
static float time_feature(const spa_features *f, uint32_t op, uint32_t s)
{
    const spa_feature_op *x = &f->ops[op];
    return x->able >> s & 1u ? squash_ns(f, x->total_ns[s]) : 1.0f;
}

static void fill_slot_features(const spa_features *f, uint32_t i, uint32_t s,
                               const uint32_t next[SPA_FEATURES_NEXT], float *out)
{
    const spa_costs *c = f->costs;
    const spa_feature_op *x = &f->ops[i];
    uint32_t p = f->processor_of[s];
    int64_t away = 0, least = INT64_MAX, least_to_go = INT64_MAX;
    for (uint32_t k = 0; k < f->n_processors; k++) {
        int64_t t = spa_transfer_ns(c, i, p, f->processor_of[k]);
        if (t > away) away = t;
        if (!(x->able >> k & 1u)) continue;
        if (x->total_ns[k] < least) least = x->total_ns[k];
        if (x->to_go_ns[k] < least_to_go) least_to_go = x->to_go_ns[k];
    }
    bool able = x->able >> s & 1u;
    *out++ = able;
    *out++ = time_feature(f, i, s);
    *out++ = able && x->total_ns[s] + least > 0
                 ? (float)((double)(x->total_ns[s] - least) / (double)(x->total_ns[s] + least))
                 : (float)!able;
    *out++ = able ? squash_ns(f, x->to_go_ns[s] - least_to_go) : 1.0f;
    *out++ = squash_ns(f, away);
    *out++ = squash((float)(c->processors[p].clock_hz / 2e9));
    for (uint32_t k = 0; k < SPA_FEATURES_NEXT; k++)
        *out++ = next[k] == UINT32_MAX ? 0 : time_feature(f, next[k], s);
}

/* Rows of fixed features, walking the dispatch order from its end. */
static void fill_fixed(spa_features *f, const spa_features_options *o, const double *rank)
{
    uint32_t next[SPA_FEATURES_NEXT];
    double most = 0;
    for (size_t i = 0; i < f->costs->n_ops; i++) most = rank[i] > most ? rank[i] : most;
    for (uint32_t k = 0; k < SPA_FEATURES_NEXT; k++) next[k] = UINT32_MAX;
    for (size_t at = f->costs->n_ops; at-- > 0;) {
        uint32_t i = f->schedule.order[at];
        float *row = f->fixed + i * f->n_fixed;
        if (spa_policy_is_view(f->costs->graph, i)) continue;
        fill_op_features(f, o, i, most > 0 ? (float)(rank[i] / most) : 0, row);
        row += SPA_FEATURES_OP;
        for (uint32_t s = 0; s < f->n_processors; s++, row += SPA_FEATURES_OP_SLOT)
            fill_slot_features(f, i, s, next, row);
        memmove(next + 1, next, (SPA_FEATURES_NEXT - 1) * sizeof *next);
        next[0] = i;
    }
}

static void fill_ops(spa_features *f, const double *to_go)
{
    const spa_costs *c = f->costs;
    const spa_graph *g = c->graph;
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < c->n_ops; i++) {
        spa_feature_op *x = &f->ops[i];
        int64_t least = INT64_MAX;
        *x = (spa_feature_op){.first_input = g->ops[i].first_input,
                              .n_inputs = g->ops[i].n_inputs,
                              .is_sink = g->first_consumer[i] == g->first_consumer[i + 1],
                              .is_pulled = (g->ops[i].flags & SPA_OP_PULLED) != 0};
        for (uint32_t s = 0; s < f->n_processors; s++) {
            uint32_t p = f->processor_of[s];
            x->to_go_ns[s] = (int64_t)to_go[i * c->n_processors + p];
            if (!spa_cost_can_run(c, i, p)) continue;
            x->able |= (uint8_t)(1u << s);
            x->total_ns[s] = spa_cost_total_ns(c, i, p);
            if (x->total_ns[s] < least) least = x->total_ns[s];
        }
        if (spa_policy_is_view(g, i) || least == INT64_MAX) continue;
        sum += (double)least;
        n++;
    }
    for (size_t e = 0; e < g->n_edges; e++) f->inputs[e] = (uint32_t)spa_tensor_of(c, g->inputs[e]);
    f->scale_ns = n && sum >= (double)n ? sum / (double)n : 1;
    f->per_scale = (float)(1 / f->scale_ns);
}

/* ---- life ------------------------------------------------------------------------------------ */

static spa_status build(spa_features *f, const spa_features_options *o, const spa_task_graph *g,
                        double *to_go, double *rank, spa_error *err)
{
    spa_upward_ranks(g, rank);
    spa_optimistic_costs(g, to_go);
    for (size_t i = 0; i < f->costs->n_ops; i++)
        f->schedule.processor[i] = (uint8_t)spa_policy_able(f->costs, i, f->costs->host);
    spa_policy_end_plan(f->costs, &f->schedule);
    if (o->rank_order) SPA_TRY(order_by_rank(f, rank, err));
    fill_ops(f, to_go);
    fill_fixed(f, o, rank);
    return SPA_OK;
}

spa_status spa_features_init(spa_features *f, const spa_costs *costs,
                             const spa_features_options *options, spa_error *err)
{
    spa_task_tables tables = {0};
    spa_task_graph graph;
    double *to_go = NULL, *rank = NULL;
    size_t n = costs->n_ops;
    uint32_t s = 1;
    spa_status status;
    *f = (spa_features){.costs = costs, .n_processors = costs->n_processors};
    f->n_slots = options->n_slots ? options->n_slots : costs->n_processors;
    if (f->n_slots > SPA_MAX_PROCESSORS || f->n_processors > f->n_slots)
        return spa_fail(err, SPA_E_INVALID,
                        "observations are made for %u processors, device '%s' has %u", f->n_slots,
                        costs->device ? costs->device : "?", f->n_processors);
    f->n_obs = SPA_FEATURES_COUNT(f->n_slots);
    f->n_fixed = SPA_FEATURES_OP + f->n_slots * SPA_FEATURES_OP_SLOT;
    f->processor_of[0] = (uint8_t)costs->host;
    for (uint32_t p = 0; p < costs->n_processors; p++)
        if (p != costs->host) f->processor_of[s++] = (uint8_t)p;
    if ((status = spa_alloc(&f->fixed, n * f->n_fixed, sizeof *f->fixed, err))) goto out;
    if ((status = spa_alloc(&f->ops, n, sizeof *f->ops, err))) goto out;
    if ((status = spa_alloc(&f->inputs, costs->graph->n_edges, sizeof *f->inputs, err))) goto out;
    if ((status = spa_schedule_init(&f->schedule, n, err))) goto out;
    if ((status = spa_alloc(&to_go, n * costs->n_processors, sizeof *to_go, err))) goto out;
    if ((status = spa_alloc(&rank, n, sizeof *rank, err))) goto out;
    if ((status = spa_task_tables_init(&tables, costs, &graph, err))) goto out;
    status = build(f, options, &graph, to_go, rank, err);
out:
    spa_task_tables_fini(&tables);
    free(to_go);
    free(rank);
    return status;
}

void spa_features_fini(spa_features *f)
{
    free(f->fixed);
    free(f->ops);
    free(f->inputs);
    spa_schedule_fini(&f->schedule);
    memset(f, 0, sizeof *f);
}

/* ---- what depends on the run ----------------------------------------------------------------- */

/* One pass over the inputs: when they can be on each slot, and what would still have to move. */
static inline void look_at_inputs(const spa_features *f, const spa_view *v, const spa_feature_op *x,
                                  spa_outlook *o)
{
    const spa_costs *c = f->costs;
    const uint32_t *inputs = f->inputs + x->first_input;
    for (uint32_t s = 0; s < f->n_processors; s++) {
        o->ready_ns[s] = v->now_ns;
        o->transfer_ns[s] = 0;
    }
    for (uint32_t i = 0; i < x->n_inputs; i++) {
        uint32_t t = inputs[i], where = v->where[t];
        uint32_t from = t < c->n_ops ? v->placed[t] : c->host;
        int64_t at = v->finish_ns[t], moved_at = at > v->now_ns ? at : v->now_ns;
        for (uint32_t s = 0; s < f->n_processors; s++) {
            uint32_t p = f->processor_of[s];
            int64_t there = at;
            if (!(where >> p & 1u)) {
                int64_t move = spa_transfer_ns(c, t, from, p);
                o->transfer_ns[s] += move;
                there = moved_at + move;
            }
            if (there > o->ready_ns[s]) o->ready_ns[s] = there;
        }
    }
}

void spa_features_look(const spa_features *f, const spa_view *v, uint32_t op, spa_outlook *o)
{
    const spa_feature_op *x = &f->ops[op];
    look_at_inputs(f, v, x, o);
    for (uint32_t s = 0; s < f->n_processors; s++) {
        int64_t free_ns = v->free_ns[f->processor_of[s]], ready = o->ready_ns[s];
        o->finish_ns[s] = INT64_MAX;
        if (x->able >> s & 1u)
            o->finish_ns[s] = (ready > free_ns ? ready : free_ns) + x->total_ns[s];
    }
}

/* Until the links into a processor are free. */
static inline int64_t link_wait_ns(const spa_features *f, const spa_view *v, uint32_t to)
{
    int64_t most = v->now_ns;
    for (uint32_t from = 0; from < f->n_processors; from++) {
        int64_t at = from == to ? 0 : v->link_free_ns[f->costs->links[from][to].id];
        if (at > most) most = at;
    }
    return most - v->now_ns;
}

void spa_features_observe(const spa_features *f, const spa_view *v, uint32_t op,
                          const spa_outlook *o, float *obs)
{
    const spa_feature_op *x = &f->ops[op];
    int64_t first = INT64_MAX, first_end = INT64_MAX;
    float per_now = v->now_ns > 0 ? 1.0f / (float)v->now_ns : 0;
    memcpy(obs + SPA_FEATURES_OP_AT(f->n_slots), f->fixed + op * f->n_fixed,
           f->n_fixed * sizeof *obs);
    for (uint32_t s = 0; s < f->n_processors; s++) {
        if (!(x->able >> s & 1u)) continue;
        int64_t end = o->finish_ns[s] + x->to_go_ns[s];
        if (o->finish_ns[s] < first) first = o->finish_ns[s];
        if (end < first_end) first_end = end;
    }
    float *run = obs + SPA_FEATURES_RUN_AT(f->n_slots);
    run[0] = squash((float)(v->in_flight - 1) * 0.25f);
    run[1] = squash_ns(f, first - v->now_ns);
    for (uint32_t s = 0; s < f->n_slots; s++) {
        float *slot = obs + s;
        uint32_t n = f->n_slots;
        if (s >= f->n_processors) {
            for (uint32_t k = 0; k < SPA_FEATURES_RUN_SLOT; k++) slot[k * n] = 0;
            continue;
        }
        uint32_t p = f->processor_of[s];
        bool able = x->able >> s & 1u;
        float busy = (float)v->busy_ns[p] * per_now / (float)f->costs->processors[p].n_lanes;
        slot[SPA_SLOT_READY * n] = squash_ns(f, o->ready_ns[s] - v->now_ns);
        slot[SPA_SLOT_BACKLOG * n] = squash_ns(f, v->free_ns[p] - v->now_ns);
        slot[SPA_SLOT_UTILISATION * n] = busy < 1 ? busy : 1;
        slot[SPA_SLOT_TRANSFER * n] = squash_ns(f, o->transfer_ns[s]);
        slot[SPA_SLOT_LINK * n] = squash_ns(f, link_wait_ns(f, v, p));
        slot[SPA_SLOT_LATER * n] = able ? squash_ns(f, o->finish_ns[s] - first) : 1;
        slot[SPA_SLOT_END_LATER * n] =
            able ? squash_ns(f, o->finish_ns[s] + x->to_go_ns[s] - first_end) : 1;
    }
}

void spa_features_mask(const spa_features *f, uint32_t op, uint8_t *mask)
{
    for (uint32_t s = 0; s < f->n_slots; s++) mask[s] = f->ops[op].able >> s & 1u;
}

/* ---- actions --------------------------------------------------------------------------------- */

bool spa_action_of_slot(const spa_features *f, uint32_t op, uint32_t slot, spa_action *action)
{
    if (slot >= f->n_processors || !(f->ops[op].able >> slot & 1u)) return false;
    *action = (spa_action){.processor = f->processor_of[slot], .lane = SPA_LANE_ANY};
    return true;
}

bool spa_action_of_preference(const spa_features *f, uint32_t op, float u, spa_action *action)
{
    uint32_t n = f->n_processors, slot, best = 0;
    float least = INFINITY;
    if (!(u >= -1 && u <= 1)) return false; /* a NaN, too */
    slot = (uint32_t)((u + 1) / 2 * (float)n);
    if (slot >= n) slot = n - 1;
    if (spa_action_of_slot(f, op, slot, action)) return true;
    for (uint32_t s = 0; s < n; s++) { /* the part whose middle is nearest to u */
        float middle = 2 * ((float)s + 0.5f) / (float)n - 1, distance = fabsf(u - middle);
        if (!(f->ops[op].able >> s & 1u) || distance >= least) continue;
        least = distance;
        best = s;
    }
    return spa_action_of_slot(f, op, best, action);
}

/* Whole on a slot, or where it can run. */
static bool whole(const spa_features *f, uint32_t op, uint32_t slot, float u, spa_action *action)
{
    return spa_action_of_slot(f, op, slot, action) || spa_action_of_preference(f, op, u, action);
}

bool spa_action_of_share(const spa_features *f, uint32_t op, float u, spa_action *action)
{
    if (!(u >= -1 && u <= 1)) return false; /* a NaN, too */
    if (f->n_processors == 1) return spa_action_of_slot(f, op, 0, action);
    float at = (u + 1) / 2 * (float)(f->n_processors - 1);
    uint32_t low = (uint32_t)at;
    if (low > f->n_processors - 2) low = f->n_processors - 2;
    float tenths = floorf(SPA_TENTHS * (2 * (at - (float)low) - 0.5f) + 0.5f); /* of the upper */
    bool upper = tenths > SPA_TENTHS / 2;
    float given = upper ? SPA_TENTHS - tenths : tenths;
    uint32_t slot = low + upper, other = low + !upper, share = given > 0 ? (uint32_t)given : 0;
    uint32_t p = f->processor_of[slot], q = f->processor_of[other];
    uint32_t able = f->ops[op].able;
    if (share == 0 || !(able >> slot & able >> other & 1u) ||
        spa_part_ns(f->costs, op, p, SPA_TENTHS - share) < 0 ||
        spa_part_ns(f->costs, op, q, share) < 0)
        return whole(f, op, slot, u, action);
    *action = (spa_action){
        .processor = (int32_t)p, .lane = SPA_LANE_ANY, .second = (int32_t)q, .share = share};
    return true;
}

/* ---- reward ---------------------------------------------------------------------------------- */

static void add_move(const spa_costs *c, int64_t ns, uint32_t from, uint32_t to,
                     spa_account *account)
{
    account->transfer_ns += ns;
    account->energy_dynamic_j += c->links[from][to].dynamic_w * (double)ns * 1e-9;
}

/* Energy above idle and transfer time that computing an operator, or a part, on p is expected to
 * cost. */
static void expect_work(const spa_features *f, const spa_view *v, uint32_t op, uint32_t p,
                        int64_t kernel_ns, spa_account *account)
{
    const spa_costs *c = f->costs;
    const spa_feature_op *x = &f->ops[op];
    account->energy_dynamic_j += spa_cost(c, op, p)->dynamic_w * (double)kernel_ns * 1e-9;
    for (uint32_t i = 0; i < x->n_inputs; i++) {
        uint32_t t = f->inputs[x->first_input + i];
        uint32_t from = t < c->n_ops ? v->placed[t] : c->host;
        if (!(v->where[t] >> p & 1u)) add_move(c, spa_transfer_ns(c, t, from, p), from, p, account);
    }
}

static void expect_all_work(const spa_features *f, const spa_view *v, uint32_t op,
                            const spa_action *action, spa_account *account)
{
    const spa_costs *c = f->costs;
    const spa_feature_op *x = &f->ops[op];
    uint32_t p = (uint32_t)action->processor, q = (uint32_t)action->second, share = action->share;
    if (share) {
        expect_work(f, v, op, p, spa_part_ns(c, op, p, SPA_TENTHS - share), account);
        expect_work(f, v, op, q, spa_part_ns(c, op, q, share), account);
        add_move(c, spa_part_transfer_ns(c, op, q, p, share), q, p, account);
    } else {
        expect_work(f, v, op, p, spa_cost(c, op, p)->kernel_ns, account);
    }
    if (p != c->host && (x->is_sink || x->is_pulled) && !c->links[p][c->host].on_lane)
        add_move(c, spa_transfer_ns(c, op, p, c->host), p, c->host, account);
}

static uint32_t slot_of(const spa_features *f, uint32_t processor)
{
    uint32_t slot = 0;
    while (f->processor_of[slot] != processor) slot++;
    return slot;
}

/* When a part of an operator is expected to be done. */
static int64_t part_finish_ns(const spa_features *f, const spa_view *v, uint32_t op, uint32_t p,
                              uint32_t tenths, const spa_outlook *o)
{
    int64_t free_ns = v->free_ns[p], ready_ns = o->ready_ns[slot_of(f, p)];
    return (ready_ns > free_ns ? ready_ns : free_ns) + spa_cost(f->costs, op, p)->launch_ns +
           spa_part_ns(f->costs, op, p, tenths);
}

/* When an operator is expected to be done, the part that was given away brought back. */
static int64_t finish_ns(const spa_features *f, const spa_view *v, uint32_t op,
                         const spa_action *action, uint32_t slot, const spa_outlook *o)
{
    uint32_t p = (uint32_t)action->processor, q = (uint32_t)action->second, share = action->share;
    if (share == 0) return o->finish_ns[slot];
    int64_t own = part_finish_ns(f, v, op, p, SPA_TENTHS - share, o);
    int64_t given =
        part_finish_ns(f, v, op, q, share, o) + spa_part_transfer_ns(f->costs, op, q, p, share);
    return own > given ? own : given;
}

void spa_account_decide(const spa_features *f, const spa_reward *reward, const spa_view *v,
                        uint32_t op, const spa_action *action, const spa_outlook *outlook,
                        spa_account *account)
{
    const spa_costs *c = f->costs;
    const spa_feature_op *x = &f->ops[op];
    uint32_t p = (uint32_t)action->processor, slot = slot_of(f, p);
    int64_t end = v->now_ns;
    if (reward->shaping != SPA_SHAPING_CLOCK) {
        end = finish_ns(f, v, op, action, slot, outlook);
        if (reward->shaping == SPA_SHAPING_PATH)
            end += x->to_go_ns[slot];
        else if (x->is_sink && p != c->host && !c->links[p][c->host].on_lane)
            end += spa_transfer_ns(c, op, p, c->host);
    }
    if (end > account->makespan_ns) account->makespan_ns = end;
    if (v->now_ns > account->makespan_ns) account->makespan_ns = v->now_ns;
    expect_all_work(f, v, op, action, account);
}

void spa_account_end(const spa_run_result *result, spa_account *account)
{
    *account = (spa_account){result->span_ns, result->energy_dynamic_j, result->transfer_ns};
}

double spa_account_worth(const spa_features *f, const spa_reward *r, const spa_account *p)
{
    double idle_j = f->costs->base_w * (double)p->makespan_ns * 1e-9;
    spa_evaluation e = {p->makespan_ns, p->energy_dynamic_j + idle_j, p->energy_dynamic_j};
    double worth = spa_evaluation_value(&e, r->objective) / r->value_scale;
    if (r->energy_weight != 0) worth += r->energy_weight * e.energy_j / r->energy_scale_j;
    if (r->transfer_weight != 0)
        worth += r->transfer_weight * (double)p->transfer_ns / r->transfer_scale_ns;
    return worth;
}
