/* rollout: a base policy improved by simulation.
 *
 * Source: Bertsekas, Tsitsiklis and Wu: Rollout algorithms for combinatorial optimization, Journal
 * of Heuristics 3, 1997 (the fortified variant: the best run so far is never given up). The run is
 * decided operator by operator. At each decision every choice is tried on a copy of the engine and
 * the base policy completes it; the best choice is taken. A base that decides at dispatch (greedy,
 * replan-greedy) reacts to the choice; one that plans (heft, dp) completes as planned.
 * Differs: the improved run becomes the base of another pass (policy iteration), and when single
 * choices no longer help, a choice may be "this and the next L operators to p", L = 2, 4, 8, ...:
 * transfers make single operators stick together. Draws no random numbers. Ahead of time: the
 * result is a schedule, which acts in every mode and costs nothing at dispatch. */
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"
#include "policies/lookahead.h"

enum { PARAM_BASE, PARAM_BUDGET };
static const spa_param params[] = {
    [PARAM_BASE] = {"base", SPA_PARAM_TEXT, 0, 0, 0, "best", "policy",
                    "what completes a run; best: the best of heft, dp, greedy and others, then "
                    "from the next best"},
    [PARAM_BUDGET] = {"budget", SPA_PARAM_INT, 0, 0, 1e9, NULL, "simulations",
                      "how many runs may be completed; 0 = what the caller allows"},
};

typedef struct rollout {
    spa_lookahead look;
    spa_schedule base; /* completes runs; its own run has value base_value */
    spa_schedule better;
    double base_value, better_value;
} rollout;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    spa_param_values *own = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&own, 1, sizeof *own, err));
    *own = *values;
    *self = own;
    return SPA_OK;
}

static void take_better(rollout *r, double value)
{
    if (!(value < r->better_value)) return;
    r->better_value = value;
    spa_schedule_copy(&r->better, &r->look.trial);
}

/* Every choice for the operator at hand, completed by the base policy that reacts. */
static spa_status try_reacting(rollout *r, const spa_start *start, uint32_t op, spa_error *err)
{
    spa_lookahead *l = &r->look;
    for (uint32_t p = 0; p < l->costs->n_processors && l->spent < l->budget; p++) {
        spa_action action = {.processor = (int32_t)p, .lane = SPA_LANE_ANY};
        double value = 0;
        if (p == r->base.processor[op] || !spa_cost_can_run(l->costs, op, p)) continue;
        spa_schedule_copy(&l->trial, &r->base);
        spa_lookahead_put(l->costs, &l->trial, op, p);
        spa_lookahead_fork(l);
        SPA_TRY(spa_engine_decide(l->copy, action, &l->copy_done, err));
        SPA_TRY(spa_lookahead_react(l, start, &value, err));
        take_better(r, value);
    }
    return SPA_OK;
}

/* Every choice for the operator at hand and those behind it, completed as planned. */
static spa_status try_planned(rollout *r, uint32_t op, uint32_t reach, spa_error *err)
{
    spa_lookahead *l = &r->look;
    for (uint32_t p = 0; p < l->costs->n_processors; p++) {
        if (p == r->base.processor[op] || !spa_cost_can_run(l->costs, op, p)) continue;
        for (uint32_t length = 1; length <= reach && l->spent < l->budget; length *= 2) {
            double value = 0;
            spa_schedule_copy(&l->trial, &r->base);
            spa_lookahead_fork(l);
            spa_lookahead_put_segment(l, l->rank[op], length, p);
            if (!spa_seen_is_new(&l->seen, &l->trial)) continue;
            SPA_TRY(spa_lookahead_complete(l, &value, err));
            take_better(r, value);
        }
    }
    return SPA_OK;
}

/* One run, decided operator by operator. reach 0: the base reacts. */
static spa_status pass(rollout *r, const spa_start *start, uint32_t reach, bool *improved,
                       spa_error *err)
{
    spa_lookahead *l = &r->look;
    *improved = false;
    SPA_TRY(spa_lookahead_restart(l, &r->base, err));
    while (!l->now_done && l->spent < l->budget) {
        uint32_t op = spa_engine_asked(l->now), rank = l->rank[op];
        if (rank < l->n_movable && l->movable[rank] == op) {
            r->better_value = r->base_value;
            if (reach == 0)
                SPA_TRY(try_reacting(r, start, op, err));
            else
                SPA_TRY(try_planned(r, op, reach, err));
            if (r->better_value < r->base_value) { /* its run continues from here */
                *improved = true;
                r->base_value = r->better_value;
                spa_schedule_copy(&r->base, &r->better);
            }
        }
        SPA_TRY(spa_lookahead_decide(l->now, &r->base, &l->now_done, err));
    }
    return SPA_OK;
}

/* Passes from one base until neither single choices nor segments help. */
static spa_status improve(rollout *r, const spa_start *start, spa_error *err)
{
    const spa_lookahead *l = &r->look;
    uint32_t reach = 1;
    bool improved;
    spa_schedule_copy(&r->base, &start->schedule);
    r->base_value = start->value;
    if (spa_start_reacts(start)) SPA_TRY(pass(r, start, 0, &improved, err));
    while (l->spent < l->budget) {
        SPA_TRY(pass(r, start, reach, &improved, err));
        if (improved) continue;
        if (reach >= l->n_movable) break;
        reach *= 2;
    }
    return SPA_OK;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const spa_param_values *v = self;
    spa_status status;
    rollout r = {0};
    status = spa_lookahead_init(&r.look, "rollout", context, (uint64_t)v->number[PARAM_BUDGET],
                                schedule, err);
    if (!status) status = spa_schedule_init(&r.base, context->costs->n_ops, err);
    if (!status) status = spa_schedule_init(&r.better, context->costs->n_ops, err);
    if (!status) status = spa_lookahead_bases(&r.look, v->text[PARAM_BASE], err);
    for (uint32_t i = 0; i < r.look.n_starts && !status; i++)
        status = improve(&r, &r.look.starts[i], err);
    spa_schedule_fini(&r.base);
    spa_schedule_fini(&r.better);
    spa_lookahead_fini(&r.look);
    return status;
}

const spa_policy spa_policy_rollout = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "rollout",
    .summary = "a base policy improved by simulating every choice at every decision",
    .source = "Bertsekas, Tsitsiklis, Wu, Journal of Heuristics 3, 1997",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_LANES | SPA_CAP_SEARCH,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
