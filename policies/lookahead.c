#include "policies/lookahead.h"

#include <math.h>
#include <string.h>
#include "policies/common.h"

/* ---- life ------------------------------------------------------------------------------------ */

spa_status spa_lookahead_init(spa_lookahead *l, const char *owner, const spa_plan_context *context,
                              uint64_t budget, spa_schedule *best, spa_error *err)
{
    const spa_costs *costs = context->costs;
    *l = (spa_lookahead){.context = context,
                         .costs = costs,
                         .owner = owner,
                         .best = best,
                         .best_value = NAN,
                         .budget = budget ? budget : context->budget};
    if (!context->evaluator)
        return spa_fail(err, SPA_E_UNSUPPORTED, "%s: needs a simulator to look ahead on", owner);
    if (l->budget == 0)
        return spa_fail(err, SPA_E_INVALID, "%s: no simulations to spend; write %s:budget=N", owner,
                        owner);
    SPA_TRY(spa_seen_init(&l->seen, l->budget, err));
    SPA_TRY(spa_schedule_init(&l->trial, costs->n_ops, err));
    SPA_TRY(spa_alloc(&l->movable, costs->n_ops, sizeof *l->movable, err));
    SPA_TRY(spa_alloc(&l->rank, costs->n_ops, sizeof *l->rank, err));
    /* Any legal schedule will do; the order comes with the bases. */
    for (size_t i = 0; i < costs->n_ops; i++)
        l->trial.processor[i] = (uint8_t)spa_policy_able(costs, i, costs->host);
    spa_policy_end_plan(costs, &l->trial);
    SPA_TRY(spa_evaluator_stepper(context->evaluator, &l->trial, &l->now, err));
    return spa_evaluator_stepper(context->evaluator, &l->trial, &l->copy, err);
}

void spa_lookahead_fini(spa_lookahead *l)
{
    for (uint32_t i = 0; i < SPA_LOOKAHEAD_STARTS; i++) {
        if (l->starts[i].policy) l->starts[i].policy->destroy(l->starts[i].self);
        spa_schedule_fini(&l->starts[i].schedule);
    }
    spa_engine_free(l->now);
    spa_engine_free(l->copy);
    spa_schedule_fini(&l->trial);
    spa_seen_fini(&l->seen);
    free(l->movable);
    free(l->rank);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static bool is_movable(const spa_costs *c, uint32_t op)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < c->n_processors; p++) n += spa_cost_can_run(c, op, p);
    return n > 1 && !spa_policy_is_view(c->graph, op);
}

spa_status spa_lookahead_restart(spa_lookahead *l, const spa_schedule *order, spa_error *err)
{
    l->n_movable = 0;
    for (size_t i = 0; i < order->n_ops; i++) {
        uint32_t op = order->order[i];
        l->rank[op] = l->n_movable;
        if (is_movable(l->costs, op)) l->movable[l->n_movable++] = op;
    }
    SPA_TRY(spa_engine_restart(l->copy, 0, 0, order, err)); /* for its order alone */
    SPA_TRY(spa_engine_restart(l->now, 0, 0, order, err));
    memcpy(l->trial.order, order->order, order->n_ops * sizeof *order->order);
    return spa_engine_start(l->now, &l->now_done, err);
}

void spa_lookahead_fork(spa_lookahead *l)
{
    spa_engine_copy(l->copy, l->now);
    l->copy_done = l->now_done;
}

spa_status spa_lookahead_decide(spa_engine *engine, const spa_schedule *schedule, bool *done,
                                spa_error *err)
{
    uint32_t op = spa_engine_asked(engine);
    spa_action action = {.processor = schedule->processor[op], .lane = schedule->lane[op]};
    return spa_engine_decide(engine, action, done, err);
}

/* The run on `copy` has ended: its value, and the trial if it is the best so far. */
static spa_status take_value(spa_lookahead *l, double *value, spa_error *err)
{
    spa_run_result result;
    spa_evaluation e;
    double *known;
    bool is_new;
    SPA_TRY(spa_engine_result(l->copy, &result, err));
    e = (spa_evaluation){result.span_ns, result.energy_j, result.energy_dynamic_j};
    *value = spa_evaluation_value(&e, l->context->objective);
    l->spent++;
    spa_evaluator_note(l->context->evaluator);
    known = spa_seen_value(&l->seen, &l->trial, &is_new);
    if (known) *known = *value;
    if (isnan(l->best_value) || *value < l->best_value) {
        l->best_value = *value;
        spa_schedule_copy(l->best, &l->trial);
    }
    return SPA_OK;
}

spa_status spa_lookahead_complete(spa_lookahead *l, double *value, spa_error *err)
{
    while (!l->copy_done) SPA_TRY(spa_lookahead_decide(l->copy, &l->trial, &l->copy_done, err));
    return take_value(l, value, err);
}

spa_status spa_lookahead_react(spa_lookahead *l, const spa_start *base, double *value,
                               spa_error *err)
{
    while (!l->copy_done) {
        uint32_t op = spa_engine_asked(l->copy);
        spa_action action = {.processor = (int32_t)l->costs->host, .lane = SPA_LANE_ANY};
        base->policy->place(base->self, NULL, spa_engine_view(l->copy), op, &action);
        SPA_TRY(spa_engine_decide(l->copy, action, &l->copy_done, err));
        l->trial.processor[op] = (uint8_t)action.processor;
        l->trial.lane[op] = (int8_t)action.lane;
    }
    spa_policy_follow_views(l->costs, l->trial.processor);
    return take_value(l, value, err);
}

/* ---- changing a schedule --------------------------------------------------------------------- */

bool spa_lookahead_put(const spa_costs *costs, spa_schedule *s, uint32_t op, uint32_t p)
{
    if (s->processor[op] == p || !spa_cost_can_run(costs, op, p)) return false;
    s->processor[op] = (uint8_t)p;
    s->lane[op] = SPA_LANE_ANY;
    return true;
}

bool spa_lookahead_put_segment(spa_lookahead *l, uint32_t first, uint32_t length, uint32_t p)
{
    const uint8_t *placed = spa_engine_view(l->copy)->placed;
    bool changed = false;
    for (uint32_t k = first; k < l->n_movable && k - first < length; k++) {
        if (placed[l->movable[k]] != 0xff) continue;
        changed |= spa_lookahead_put(l->costs, &l->trial, l->movable[k], p);
    }
    if (changed) spa_policy_follow_views(l->costs, l->trial.processor);
    return changed;
}

/* ---- base policies --------------------------------------------------------------------------- */

static spa_status check_base(const spa_lookahead *l, const spa_policy *p, spa_error *err)
{
    const char *why = NULL;
    if (p->capabilities & SPA_CAP_SEARCH) why = "it searches itself";
    if (p->place && (p->memory_bytes || p->observe)) why = "it keeps memory during a run";
    if (p->capabilities & SPA_CAP_SPLIT) why = "it splits operators";
    if (!why) return SPA_OK;
    return spa_fail(err, SPA_E_INVALID, "%s: '%s' cannot be the base policy: %s", l->owner, p->name,
                    why);
}

/* Its plan, or its decisions on a fresh run. */
static spa_status run_base(spa_lookahead *l, spa_start *s, spa_error *err)
{
    const spa_policy *p = s->policy;
    if (p->plan) SPA_TRY(p->plan(s->self, l->context, &s->schedule, err));
    SPA_TRY(spa_lookahead_restart(l, &s->schedule, err));
    spa_lookahead_fork(l);
    spa_schedule_copy(&l->trial, &s->schedule);
    if (p->place)
        SPA_TRY(spa_lookahead_react(l, s, &s->value, err));
    else
        SPA_TRY(spa_lookahead_complete(l, &s->value, err));
    spa_schedule_copy(&s->schedule, &l->trial);
    return SPA_OK;
}

/* Adds a base; SPA_E_UNSUPPORTED if it cannot plan here. */
static spa_status add_base(spa_lookahead *l, const char *name, spa_error *err)
{
    spa_start *s = &l->starts[l->n_starts];
    const spa_policy *policy;
    spa_param_values values;
    SPA_TRY(spa_policy_parse(name, &policy, &values, err));
    SPA_TRY(check_base(l, policy, err));
    if (!s->schedule.processor) SPA_TRY(spa_schedule_init(&s->schedule, l->costs->n_ops, err));
    spa_schedule_copy(&s->schedule, &l->trial);
    spa_policy_end_plan(l->costs, &s->schedule); /* graph order, unless it plans another */
    SPA_TRY(policy->create(&s->self, &values, err));
    s->policy = policy;
    spa_status status = run_base(l, s, err);
    if (!status) {
        l->n_starts++;
        return SPA_OK;
    }
    policy->destroy(s->self);
    s->policy = NULL;
    return status;
}

/* Best first, of equals in the order in which they were added. */
static void sort_starts(spa_lookahead *l)
{
    for (uint32_t i = 1; i < l->n_starts; i++) {
        spa_start moved = l->starts[i];
        uint32_t at = i;
        for (; at > 0 && l->starts[at - 1].value > moved.value; at--)
            l->starts[at] = l->starts[at - 1];
        l->starts[at] = moved;
    }
}

spa_status spa_lookahead_bases(spa_lookahead *l, const char *base, spa_error *err)
{
    static const char *const cheap[] = {"heft",          "dp",       "greedy",
                                        "replan-greedy", "cpu-only", "gpu-only"};
    if (strcmp(base, "best") != 0) return add_base(l, base, err);
    for (size_t i = 0; i < sizeof cheap / sizeof *cheap && l->spent < l->budget; i++) {
        spa_error why = {0};
        spa_status status = add_base(l, cheap[i], &why);
        if (status == SPA_E_UNSUPPORTED) continue;
        if (status) {
            if (err) *err = why;
            return status;
        }
    }
    sort_starts(l);
    return SPA_OK;
}
