/* local-search: hill climbing with restarts, on the simulator itself.
 *
 * Seeds: dp, greedy, heft, all on the host, all on the accelerator, random. Climbs from the best
 * seed by random moves (one operator to another processor; a run of consecutive operators to one
 * processor) and accepts only improvements; when it is stuck it climbs from the next seed, and
 * after the last from the best schedule so far with one segment scrambled (iterated local search:
 * Lourenco, Martin, Stuetzle, Handbook of Metaheuristics, 2003). Every evaluation counts, seeds
 * included, and none is spent twice on one schedule. Never worse than its best seed; the same seed
 * gives the same schedule. A moved operator may take any lane; the seed's order is kept. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"
#include "policies/frontier.h"
#include "policies/list_schedule.h"
#include "policies/seen.h"

#define MAX_SEEDS   6
#define IDLE_CLIMBS 16 /* climbs in a row that found nothing new to try: all has been seen */

static const spa_param params[] = {
    {"budget", SPA_PARAM_INT, 0, 0, 1e9, NULL, "evaluations",
     "how many schedules may be simulated; 0 = what the caller allows"},
};

typedef struct local_search {
    uint64_t budget;
} local_search;

typedef struct climber {
    const spa_plan_context *context;
    const spa_costs *costs;
    spa_rng rng;
    spa_schedule now, trial; /* where the climb is, and its next step */
    spa_schedule *best;
    double now_value, best_value;
    uint64_t spent, budget;
    uint32_t *movable; /* operators with a choice */
    uint32_t n_movable;
    spa_seen seen;
    spa_schedule seeds[MAX_SEEDS];
    double seed_value[MAX_SEEDS];
    uint32_t n_seeds, by_value[MAX_SEEDS];
} climber;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    local_search *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->budget = (uint64_t)values->number[0];
    *self = s;
    return SPA_OK;
}

/* ---- evaluating
 * ---------------------------------------------------------------------------------- */

static spa_status value_of(climber *c, const spa_schedule *s, double *value, spa_error *err)
{
    spa_evaluation e;
    SPA_TRY(spa_evaluate(c->context->evaluator, s, &e, err));
    c->spent++;
    *value = spa_evaluation_value(&e, c->context->objective);
    if (isnan(c->best_value) || *value < c->best_value) {
        c->best_value = *value;
        spa_schedule_copy(c->best, s);
    }
    return SPA_OK;
}

/* ---- seeds
 * --------------------------------------------------------------------------------------- */

static void all_on(climber *c, uint32_t p, spa_schedule *s)
{
    for (size_t i = 0; i < s->n_ops; i++)
        s->processor[i] = (uint8_t)spa_policy_able(c->costs, i, p);
    spa_policy_end_plan(c->costs, s);
}

static uint32_t draw_able(climber *c, size_t op)
{
    uint32_t able[SPA_MAX_PROCESSORS], n = 0;
    for (uint32_t p = 0; p < c->costs->n_processors; p++) {
        if (spa_cost_can_run(c->costs, op, p)) able[n++] = p;
    }
    return able[spa_rng_below(&c->rng, n)];
}

static spa_status make_seed(climber *c, uint32_t which, spa_schedule *s, spa_error *err)
{
    const spa_costs *costs = c->costs;
    const spa_frontier_limits limits = {4096, 512};
    spa_frontier_result result;
    uint32_t accelerator = 0;
    switch (which) {
    case 0:
        SPA_TRY(spa_frontier_solve(costs,
                                   c->context->objective == SPA_OBJECTIVE_ENERGY
                                       ? SPA_OBJECTIVE_ENERGY
                                       : SPA_OBJECTIVE_LATENCY,
                                   &limits, s->processor, &result, err));
        spa_policy_end_plan(costs, s);
        return SPA_OK;
    case 1:
        return spa_greedy_plan(costs, s, err);
    case 2:
        return spa_list_plan(costs, spa_heft, s, err);
    case 3:
        all_on(c, costs->host, s);
        return SPA_OK;
    case 4:
        if (spa_policy_accelerator(costs, "", &accelerator, NULL)) accelerator = costs->host;
        all_on(c, accelerator, s);
        return SPA_OK;
    default:
        for (uint32_t k = 0; k < c->n_movable; k++) {
            s->processor[c->movable[k]] = (uint8_t)draw_able(c, c->movable[k]);
        }
        for (size_t i = 0; i < s->n_ops; i++) {
            s->processor[i] = (uint8_t)spa_policy_able(costs, i, s->processor[i]);
        }
        spa_policy_end_plan(costs, s);
        return SPA_OK;
    }
}

static spa_status plant_seeds(climber *c, spa_error *err)
{
    for (uint32_t which = 0; which < MAX_SEEDS && c->spent < c->budget; which++) {
        spa_schedule *s = &c->seeds[c->n_seeds];
        if (!s->processor) SPA_TRY(spa_schedule_init(s, c->costs->n_ops, err));
        SPA_TRY(make_seed(c, which, s, err));
        if (!spa_seen_is_new(&c->seen, s)) continue;
        SPA_TRY(value_of(c, s, &c->seed_value[c->n_seeds], err));
        uint32_t at = c->n_seeds++; /* insertion sort: best first, of equals the first */
        for (; at > 0 && c->seed_value[c->by_value[at - 1]] > c->seed_value[c->n_seeds - 1]; at--) {
            c->by_value[at] = c->by_value[at - 1];
        }
        c->by_value[at] = c->n_seeds - 1;
    }
    return SPA_OK;
}

/* ---- moves
 * --------------------------------------------------------------------------------------- */

static bool put(spa_schedule *s, uint32_t op, uint32_t p)
{
    if (s->processor[op] == p) return false;
    s->processor[op] = (uint8_t)p;
    s->lane[op] = SPA_LANE_ANY;
    return true;
}

/* A run of the movable operators: any start, a length whose scale is drawn first. */
static void draw_segment(climber *c, uint32_t *first, uint32_t *end)
{
    uint32_t scale = 2;
    while (scale < c->n_movable && spa_rng_below(&c->rng, 2)) scale *= 2;
    *first = spa_rng_below(&c->rng, c->n_movable);
    *end = *first + 1 + spa_rng_below(&c->rng, scale);
    if (*end > c->n_movable) *end = c->n_movable;
}

/* Changes the trial; false if the draw changed nothing. */
static bool move(climber *c)
{
    bool changed = false;
    if (spa_rng_below(&c->rng, 2)) {
        uint32_t op = c->movable[spa_rng_below(&c->rng, c->n_movable)];
        changed = put(&c->trial, op, draw_able(c, op));
    } else {
        uint32_t first, end, p = spa_rng_below(&c->rng, c->costs->n_processors);
        draw_segment(c, &first, &end);
        for (uint32_t k = first; k < end; k++) {
            if (!spa_cost_can_run(c->costs, c->movable[k], p)) continue;
            changed |= put(&c->trial, c->movable[k], p);
        }
    }
    if (changed) spa_policy_follow_views(c->costs, c->trial.processor);
    return changed;
}

/* Climbs from `now` until nothing has improved for a while. */
static spa_status climb(climber *c, spa_error *err)
{
    uint64_t patience = 2u * (uint64_t)c->n_movable + 16, failures = 0;
    while (c->spent < c->budget && failures < patience) {
        double value = 0;
        failures++;
        spa_schedule_copy(&c->trial, &c->now);
        if (!move(c) || !spa_seen_is_new(&c->seen, &c->trial)) continue;
        SPA_TRY(value_of(c, &c->trial, &value, err));
        if (!(value < c->now_value)) continue;
        c->now_value = value;
        spa_schedule_copy(&c->now, &c->trial);
        failures = 0;
    }
    return SPA_OK;
}

/* From the best so far with a segment scrambled, and from its value (if it was evaluated before:
 * from the best value, so that the climb must beat that). */
static spa_status kick(climber *c, spa_error *err)
{
    uint32_t first, end;
    spa_schedule_copy(&c->now, c->best);
    c->now_value = c->best_value;
    draw_segment(c, &first, &end);
    for (uint32_t k = first; k < end; k++) put(&c->now, c->movable[k], draw_able(c, c->movable[k]));
    spa_policy_follow_views(c->costs, c->now.processor);
    if (!spa_seen_is_new(&c->seen, &c->now)) return SPA_OK;
    return value_of(c, &c->now, &c->now_value, err);
}

static spa_status search(climber *c, spa_error *err)
{
    uint32_t idle = 0;
    SPA_TRY(plant_seeds(c, err));
    if (c->n_movable == 0) return SPA_OK;
    for (uint64_t start = 0; c->spent < c->budget && idle < IDLE_CLIMBS; start++) {
        uint64_t before = c->spent;
        if (start < c->n_seeds) {
            spa_schedule_copy(&c->now, &c->seeds[c->by_value[start]]);
            c->now_value = c->seed_value[c->by_value[start]];
        } else {
            SPA_TRY(kick(c, err));
        }
        SPA_TRY(climb(c, err));
        idle = c->spent == before ? idle + 1 : 0;
    }
    return SPA_OK;
}

/* ---- plan
 * ---------------------------------------------------------------------------------------- */

static spa_status set_up(climber *c, spa_error *err)
{
    const spa_costs *costs = c->costs;
    SPA_TRY(spa_seen_init(&c->seen, c->budget, err));
    SPA_TRY(spa_schedule_init(&c->now, costs->n_ops, err));
    SPA_TRY(spa_schedule_init(&c->trial, costs->n_ops, err));
    SPA_TRY(spa_alloc(&c->movable, costs->n_ops, sizeof *c->movable, err));
    for (size_t i = 0; i < costs->n_ops; i++) {
        uint32_t n = 0;
        for (uint32_t p = 0; p < costs->n_processors; p++) n += spa_cost_can_run(costs, i, p);
        if (n > 1 && !spa_policy_is_view(costs->graph, i)) c->movable[c->n_movable++] = (uint32_t)i;
    }
    return SPA_OK;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const local_search *x = self;
    climber c = {.context = context,
                 .costs = context->costs,
                 .best = schedule,
                 .best_value = NAN,
                 .budget = x->budget ? x->budget : context->budget};
    if (!context->evaluator) {
        return spa_fail(err, SPA_E_UNSUPPORTED, "local-search: needs a simulator to evaluate on");
    }
    if (c.budget == 0) {
        return spa_fail(err, SPA_E_INVALID,
                        "local-search: no evaluations to spend; write local-search:budget=N");
    }
    spa_rng_init(&c.rng, context->seed, "policy/local-search");
    spa_status status = set_up(&c, err);
    if (!status) status = search(&c, err);
    for (uint32_t i = 0; i < MAX_SEEDS; i++) spa_schedule_fini(&c.seeds[i]);
    spa_schedule_fini(&c.now);
    spa_schedule_fini(&c.trial);
    free(c.movable);
    spa_seen_fini(&c.seen);
    return status;
}

const spa_policy spa_policy_local_search = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "local-search",
    .summary = "hill climbing with restarts on the simulator, from dp, greedy, heft and others",
    .source = "iterated local search: Lourenco, Martin, Stuetzle, 2003",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_LANES | SPA_CAP_SEARCH | SPA_CAP_RANDOM,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
