/* pos: the stages of ios, improved by annealing on the simulator; equal blocks are found once.
 *
 * Source: POS (Zhang et al., IPSN 2023): schedules of operators on a device's streams, found by
 * a maximum-entropy learner on top of IOS's stages, subgraphs that come again reuse what was found.
 * Differs: the learner is simulated annealing (Kirkpatrick, Gelatt, Vecchi, Science 220, 1983),
 * which draws schedules from the distribution of maximum entropy for its temperature; reuse is
 * between the equal blocks of one model: what a plan is may not depend on which models were planned
 * before. Never worse than ios where it is judged; the same seed gives the same schedule. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "policies/seen.h"
#include "policies/stages.h"

#define COLDEST    0.01 /* of the first temperature, at the end */
#define IDLE_MOVES 1000 /* in a row that gave nothing new: all has been seen */

static const spa_param params[] = {
    {"budget", SPA_PARAM_INT, 0, 0, 1e9, NULL, "evaluations",
     "how many schedules may be simulated; 0 = what the caller allows"},
    {"temperature", SPA_PARAM_REAL, 0.003, 0, 10, NULL, "of the value",
     "how much worse is accepted with probability 1/e at first; 0: nothing worse"},
    {"reuse", SPA_PARAM_INT, 1, 0, 1, NULL, "0|1", "0: every block is searched for itself"},
};

typedef struct pos {
    uint64_t budget;
    double temperature;
    bool reuse;
} pos;

typedef struct annealer {
    const spa_plan_context *context;
    const pos *self;
    spa_flow flow;
    spa_flow_lanes now, trial;
    uint32_t *model; /* [n_blocks] the first block that is equal to it: there moves are made */
    uint32_t *block; /* [n] of each node */
    uint32_t *movable, n_movable; /* nodes of models that have more than one node */
    spa_rng rng;
    spa_seen seen;
    spa_schedule schedule, *best;
    double now_value, best_value, first_value;
    uint64_t spent, budget;
} annealer;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    pos *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    *s = (pos){(uint64_t)values->number[0], values->number[1], values->number[2] != 0};
    *self = s;
    return SPA_OK;
}

/* ---- equal blocks ------------------------------------------------------------------------- */

/* Do they read the same, relative to where their blocks begin? What is read from other blocks
 * counts as equal. */
static bool read_alike(const spa_flow *f, uint32_t a, uint32_t first_a, uint32_t b,
                       uint32_t first_b)
{
    uint32_t n = f->first_from[a + 1] - f->first_from[a];
    if (f->first_from[b + 1] - f->first_from[b] != n) return false;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t x = f->from[f->first_from[a] + k], y = f->from[f->first_from[b] + k];
        bool outside = x < first_a;
        if (outside != (y < first_b)) return false;
        if (!outside && x - first_a != y - first_b) return false;
    }
    return true;
}

static bool cost_alike(const spa_costs *c, uint32_t a, uint32_t b)
{
    for (uint32_t p = 0; p < c->n_processors; p++) {
        const spa_op_cost *x = spa_cost(c, a, p), *y = spa_cost(c, b, p);
        if (x->kernel_ns != y->kernel_ns || x->launch_ns != y->launch_ns ||
            x->dram_share != y->dram_share || x->capacity_share != y->capacity_share ||
            x->pressure != y->pressure || x->corun_slowdown != y->corun_slowdown)
            return false;
    }
    return true;
}

static bool blocks_alike(const spa_flow *f, uint32_t a, uint32_t b)
{
    uint32_t first_a = f->block[a], first_b = f->block[b], n = f->block[a + 1] - first_a;
    if (f->block[b + 1] - first_b != n) return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!read_alike(f, first_a + i, first_a, first_b + i, first_b)) return false;
        if (!cost_alike(f->costs, f->op[first_a + i], f->op[first_b + i])) return false;
    }
    return true;
}

static void find_models(annealer *a)
{
    const spa_flow *f = &a->flow;
    for (uint32_t b = 0; b < f->n_blocks; b++) {
        uint32_t of = 0, n = f->block[b + 1] - f->block[b];
        while (of < b && !(a->self->reuse && a->model[of] == of && blocks_alike(f, of, b))) of++;
        a->model[b] = of;
        for (uint32_t i = f->block[b]; i < f->block[b + 1]; i++) {
            a->block[i] = b;
            if (of == b && n > 1) a->movable[a->n_movable++] = i;
        }
    }
}

/* What was found for a model holds for all blocks like it. */
static void spread(const annealer *a, spa_flow_lanes *l)
{
    const uint32_t *block = a->flow.block;
    for (uint32_t b = 0; b < a->flow.n_blocks; b++) {
        uint32_t from = block[a->model[b]], to = block[b];
        for (uint32_t i = 0; i < block[b + 1] - to; i++) {
            l->lane[to + i] = l->lane[from + i];
            l->nodes[to + i] = l->nodes[from + i] - from + to;
        }
    }
}

/* ---- moves -------------------------------------------------------------------------------- */

/* A node and what follows it in a chain, in all `length`, go to one lane. */
static void move_lane(annealer *a, uint32_t node, uint32_t length)
{
    const spa_flow *f = &a->flow;
    int8_t lane = (int8_t)spa_rng_below(&a->rng, a->trial.n_lanes);
    uint32_t block = a->block[node];
    for (; length > 0; length--) {
        a->trial.lane[node] = lane;
        if (f->first_next[node + 1] - f->first_next[node] != 1) return;
        node = f->next[f->first_next[node]];
        if (a->block[node] != block) return;
    }
}

static bool reads(const spa_flow *f, uint32_t reader, uint32_t node)
{
    for (uint32_t e = f->first_from[reader]; e < f->first_from[reader + 1]; e++)
        if (f->from[e] == node) return true;
    return false;
}

/* A node goes to another place in its block's order, between its inputs and its readers. */
static void move_place(annealer *a, uint32_t node)
{
    const spa_flow *f = &a->flow;
    uint32_t *nodes = a->trial.nodes, b = a->block[node], at = f->block[b];
    while (nodes[at] != node) at++;
    uint32_t low = at, high = at;
    while (low > f->block[b] && !reads(f, node, nodes[low - 1])) low--;
    while (high + 1 < f->block[b + 1] && !reads(f, nodes[high + 1], node)) high++;
    uint32_t to = low + spa_rng_below(&a->rng, high - low + 1);
    for (; at > to; at--) nodes[at] = nodes[at - 1];
    for (; at < to; at++) nodes[at] = nodes[at + 1];
    nodes[to] = node;
}

static void move(annealer *a)
{
    uint32_t node = a->movable[spa_rng_below(&a->rng, a->n_movable)];
    uint32_t kind = a->trial.n_lanes > 1 ? spa_rng_below(&a->rng, 3) : 2;
    if (kind == 0) move_lane(a, node, 1);
    if (kind == 1) move_lane(a, node, 2 + spa_rng_below(&a->rng, 2 * SPA_GROUP_NODES));
    if (kind == 2) move_place(a, node);
    spread(a, &a->trial);
}

/* ---- annealing ---------------------------------------------------------------------------- */

static void copy(spa_flow_lanes *to, const spa_flow_lanes *from)
{
    memcpy(to->lane, from->lane, from->flow->n * sizeof *from->lane);
    memcpy(to->nodes, from->nodes, from->flow->n * sizeof *from->nodes);
}

/* Evaluates the trial, if it is new. */
static spa_status judge(annealer *a, double *value, bool *is_new, spa_error *err)
{
    spa_evaluation e;
    SPA_TRY(spa_flow_schedule(&a->trial, &a->schedule, err));
    *is_new = spa_seen_is_new(&a->seen, &a->schedule);
    if (!*is_new) return SPA_OK;
    SPA_TRY(spa_evaluate(a->context->evaluator, &a->schedule, &e, err));
    a->spent++;
    *value = spa_evaluation_value(&e, a->context->objective);
    if (isnan(a->best_value) || *value < a->best_value) {
        a->best_value = *value;
        spa_schedule_copy(a->best, &a->schedule);
    }
    return SPA_OK;
}

static spa_status anneal(annealer *a, spa_error *err)
{
    double hot = a->self->temperature * a->first_value;
    for (uint32_t idle = 0; a->spent < a->budget && idle < IDLE_MOVES; idle++) {
        double value = 0, heat = hot * pow(COLDEST, (double)a->spent / (double)a->budget);
        bool is_new;
        copy(&a->trial, &a->now);
        move(a);
        SPA_TRY(judge(a, &value, &is_new, err));
        if (!is_new) continue;
        idle = 0;
        if (value > a->now_value &&
            !(heat > 0 && spa_rng_uniform(&a->rng) < exp((a->now_value - value) / heat)))
            continue;
        a->now_value = value;
        copy(&a->now, &a->trial);
    }
    return SPA_OK;
}

/* Begins with ios as it is, and then with every block as its model. */
static spa_status begin(annealer *a, uint32_t accelerator, spa_error *err)
{
    const spa_stage_limits limits = {SPA_STAGE_GROUPS, SPA_GROUP_NODES, 200000};
    spa_stages stages = {0};
    bool is_new;
    spa_status status = spa_stages_find(&stages, &a->flow, accelerator, &limits, err);
    if (!status) spa_stages_lay(&stages, &a->trial);
    spa_stages_fini(&stages);
    if (!status) status = judge(a, &a->now_value, &is_new, err);
    if (status) return status;
    a->first_value = a->now_value;
    spread(a, &a->trial);
    copy(&a->now, &a->trial);
    return a->spent < a->budget ? judge(a, &a->now_value, &is_new, err) : SPA_OK;
}

static spa_status set_up(annealer *a, uint32_t accelerator, spa_error *err)
{
    const spa_costs *costs = a->context->costs;
    spa_flow *f = &a->flow;
    SPA_TRY(spa_flow_init(f, costs, SPA_BLOCK_NODES, err));
    SPA_TRY(spa_flow_lanes_init(&a->now, f, accelerator, err));
    SPA_TRY(spa_flow_lanes_init(&a->trial, f, accelerator, err));
    SPA_TRY(spa_alloc(&a->model, f->n_blocks, sizeof *a->model, err));
    SPA_TRY(spa_alloc(&a->block, f->n, sizeof *a->block, err));
    SPA_TRY(spa_alloc(&a->movable, f->n, sizeof *a->movable, err));
    SPA_TRY(spa_seen_init(&a->seen, a->budget, err));
    SPA_TRY(spa_schedule_init(&a->schedule, costs->n_ops, err));
    find_models(a);
    return SPA_OK;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const pos *x = self;
    annealer a = {.context = context,
                  .self = x,
                  .best = schedule,
                  .best_value = NAN,
                  .budget = x->budget ? x->budget : context->budget};
    uint32_t accelerator = 0;
    SPA_TRY(spa_policy_accelerator(context->costs, "pos", &accelerator, err));
    if (!context->evaluator)
        return spa_fail(err, SPA_E_UNSUPPORTED, "pos: needs a simulator to evaluate on");
    if (a.budget == 0)
        return spa_fail(err, SPA_E_INVALID, "pos: no evaluations to spend; write pos:budget=N");
    spa_rng_init(&a.rng, context->seed, "policy/pos");
    spa_status status = set_up(&a, accelerator, err);
    if (!status) status = begin(&a, accelerator, err);
    if (!status && a.n_movable) status = anneal(&a, err);
    spa_schedule_fini(&a.schedule);
    spa_seen_fini(&a.seen);
    free(a.movable);
    free(a.block);
    free(a.model);
    spa_flow_lanes_fini(&a.trial);
    spa_flow_lanes_fini(&a.now);
    spa_flow_fini(&a.flow);
    return status;
}

const spa_policy spa_policy_pos = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "pos",
    .summary = "the stages of ios, improved by annealing on the simulator; equal blocks at once",
    .source = "POS (Zhang et al., IPSN 2023); annealing instead of a learner",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_LANES | SPA_CAP_SEARCH | SPA_CAP_RANDOM,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
