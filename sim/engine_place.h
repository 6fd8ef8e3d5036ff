/* Placing: where an operator goes, what that sets in motion, and when it is expected to be done. */
#ifndef SPA_SIM_ENGINE_PLACE_H
#define SPA_SIM_ENGINE_PLACE_H

#include "sim/engine_links.h"

ENGINE_APART void fail_illegal(spa_engine *e, uint32_t op, const char *what)
{
    if (e->failed) return;
    e->state.stopped = 1;
    e->failed = spa_fail(&e->error, SPA_E_ILLEGAL, "policy '%s' on operator '%s': %s",
                         e->config.policy ? e->config.policy->name : "schedule",
                         e->graph->ops[op].name, what);
}

ENGINE_INLINE int64_t lane_free_ns(const spa_engine *e, const engine_lane *lane)
{
    int64_t at = lane->expected_end_ns > e->state.now ? lane->expected_end_ns : e->state.now;
    return at + lane->backlog_ns;
}

/* The lane of a processor that is expected to be free first, where there is a choice. */
ENGINE_APART uint32_t choose_lane(const spa_engine *e, const engine_request *r, uint32_t processor)
{
    uint32_t first = e->lane_first[processor], best = first;
    int64_t at;
    if (processor == e->host && e->workers) return r->home;
    at = lane_free_ns(e, &e->lanes[first]);
    for (uint32_t l = first + 1; l < first + e->costs->processors[processor].n_lanes; l++) {
        int64_t free_ns = lane_free_ns(e, &e->lanes[l]);
        if (free_ns < at) {
            at = free_ns;
            best = l;
        }
    }
    return best;
}

ENGINE_INLINE engine_lane *best_lane(spa_engine *e, const engine_request *r, uint32_t processor)
{
    uint32_t only = e->only_lane[processor];
    return &e->lanes[only != SPA_NONE ? only : choose_lane(e, r, processor)];
}

ENGINE_INLINE void fill_view(spa_engine *e, engine_request *r, uint32_t slot)
{
    spa_view *view = &e->view;
    const engine_link *link = e->links, *links_end = link + e->n_links;
    int64_t now = e->state.now, *link_free_ns = view->link_free_ns;
    view->now_ns = now;
    view->request_slot = slot;
    view->in_flight = (uint32_t)(e->state.admitted - e->state.finished);
    view->finish_ns = finish_of(e, r);
    view->where = where_of(e, r);
    view->placed = placed_of(e, r);
    for (uint32_t p = 0; p < e->n_processors; p++)
        view->free_ns[p] = lane_free_ns(e, best_lane(e, r, p));
    for (; link < links_end; link++) *link_free_ns++ = link->free_ns > now ? link->free_ns : now;
    if (ENGINE_CONDITIONS) view_conditions(e, view);
}

/* The policy of one of several programs sees that program alone: numbered from 0, its inputs behind
 * its operators. */
ENGINE_APART void ask_of_program(spa_engine *e, engine_request *r, uint32_t op, spa_action *action)
{
    const spa_program *program = &e->config.programs->items[r->program];
    uint32_t first = e->programs[r->program].first;
    spa_view *view = &e->view;
    view->graph = program->graph;
    view->costs = program->costs;
    view->finish_ns += first;
    view->where += first;
    view->placed += first;
    e->config.policy->place(program->self, program_memory(e, r->program), view, op - first, action);
}

ENGINE_INLINE void ask_policy(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op,
                              spa_action *action)
{
    fill_view(e, r, slot);
    *action = (spa_action){.processor = (int32_t)e->host, .lane = SPA_LANE_ANY};
    if (ENGINE_RARELY(e->programs != NULL))
        ask_of_program(e, r, op, action);
    else
        e->config.policy->place(e->config.self, policy_memory(e), &e->view, op, action);
}

ENGINE_APART bool check_split(spa_engine *e, uint32_t op, const spa_action *action)
{
    uint32_t p = (uint32_t)action->processor, q = (uint32_t)action->second, share = action->share;
    if (!e->splits) {
        fail_illegal(e, op, "split it, but does not declare SPA_CAP_SPLIT");
    } else if (share >= SPA_TENTHS) {
        fail_illegal(e, op, "gave away more than nine tenths of it");
    } else if (action->second < 0 || q >= e->n_processors || p == q) {
        fail_illegal(e, op, "split it with a processor that is not another one");
    } else if (spa_part_ns(e->costs, op, p, SPA_TENTHS - share) < 0 ||
               spa_part_ns(e->costs, op, q, share) < 0) {
        fail_illegal(e, op, "split it where it cannot be split");
    } else {
        return true;
    }
    return false;
}

ENGINE_APART bool check_action(spa_engine *e, uint32_t op, const spa_action *action)
{
    uint32_t p = (uint32_t)action->processor;
    if (action->processor < 0 || p >= e->n_processors) {
        fail_illegal(e, op, "chose a processor that is not there");
    } else if (!e->loads[op * e->n_processors + p].can_run) {
        fail_illegal(e, op, "chose a processor that cannot run it");
    } else if (action->lane != SPA_LANE_ANY &&
               (action->lane < 0 || (uint32_t)action->lane >= e->costs->processors[p].n_lanes)) {
        fail_illegal(e, op, "chose a lane that is not there");
    } else if (action->share == 0 || check_split(e, op, action)) {
        return true;
    }
    return false;
}

/* Where an operator goes: a view where its input lives, else what the policy or plan says. */
ENGINE_INLINE bool choose(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op,
                          spa_action *action)
{
    const engine_node *node = &e->nodes[op];
    if (node->flags & NODE_VIEW) {
        action->processor = placed_of(e, r)[e->inputs[node->first_input]];
        action->lane = SPA_LANE_ANY;
        action->share = 0;
        return true;
    }
    if (e->calls_place) {
        ask_policy(e, r, slot, op, action);
        if ((uint32_t)action->processor < e->n_processors && action->lane == SPA_LANE_ANY &&
            action->share == 0 &&
            e->loads[op * e->n_processors + (uint32_t)action->processor].can_run)
            return true;
        return check_action(e, op, action);
    }
    if (ENGINE_RARELY(e->stepped)) {
        *action = e->decided;
        return check_action(e, op, action);
    }
    action->processor = e->schedule.processor[op];
    action->lane = e->schedule.lane[op];
    action->share = e->schedule.share[op];
    action->second = e->schedule.second[op];
    return true; /* checked when the schedule was taken */
}

/* Starts the transfers that an operator placed on p needs. Returns when its inputs are expected
 * there; adds to *issue_ns the host time that the transfers take, to *copy_ns what its lane has to
 * copy itself. */
ENGINE_INLINE int64_t gather_inputs(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op,
                                    uint32_t p, int64_t *issue_ns, int64_t *copy_ns)
{
    engine_op *ops = r->ops;
    const engine_node *node = &e->nodes[op];
    const int64_t *finish = finish_of(e, r);
    const uint8_t *where = where_of(e, r), *placed = placed_of(e, r);
    int64_t ready = e->state.now;
    uint32_t missing = 0;
    /* A free transfer arrives at once and would count this down: hold it high. */
    ops[op].missing = OP_MISSING_HELD;
    for (uint32_t i = node->first_input; i < node->end_input; i++) {
        uint32_t t = e->inputs[i];
        int64_t at = finish[t];
        if (!(where[t] >> p & 1u)) {
            uint32_t from = placed[t];
            int64_t duration = spa_transfer_ns(e->costs, t, from, p);
            if (ENGINE_RARELY(copied_by_lane(e, from, p))) {
                *copy_ns += duration;
                where_of(e, r)[t] |= (uint8_t)(1u << p);
            } else {
                at = (at > e->state.now ? at : e->state.now) + duration;
                *issue_ns += e->loads[link_load(e, from, p)].issue_ns;
                request_transfer(e, r, slot, t, p);
            }
        }
        if (at > ready) ready = at;
        missing += !(ops[t].present >> p & 1u) && !copied_by_lane(e, placed[t], p);
    }
    ops[op].missing = (missing + 1) & 0xffu;
    return ready;
}

/* Gives a part of an operator to a second processor: its twin is placed there. Adds the host time
 * of issuing; returns when the part is expected where the operator is. */
ENGINE_APART int64_t place_twin(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op,
                                uint32_t second, int64_t *issue_ns)
{
    uint32_t twin = e->n_tensors + op, p = placed_of(e, r)[op];
    const engine_load *load = &e->loads[kernel_load(e, r, twin, second)];
    engine_lane *lane = best_lane(e, r, second);
    int64_t copy_ns = 0, ready, free_ns;
    r->ops[twin].lane = lane->id & 0xffu;
    placed_of(e, r)[twin] = (uint8_t)second;
    joins_of(e, r)[op] = 2;
    if (second == e->host && e->blocking_sync) { /* the host computes its part inline */
        r->flags |= BLOCK_SYNC;
        r->blocked_on = op;
    }
    emit_node(e, SPA_EV_PLACE, r, twin, lane->name, 0);
    ready = gather_inputs(e, r, slot, twin, second, issue_ns, &copy_ns);
    free_ns = lane_free_ns(e, lane);
    lane->backlog_ns += copy_ns + load->expected_ns;
    *issue_ns += load->issue_ns;
    return (ready > free_ns ? ready : free_ns) + copy_ns + load->expected_ns +
           move_ns(e, r, twin, second, p);
}

/* Fixes an operator's place, starts the transfers it needs, estimates its finish. Returns the host
 * time that issuing takes. */
ENGINE_INLINE int64_t place(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op)
{
    const engine_node *node = &e->nodes[op];
    const engine_load *load;
    engine_lane *lane;
    engine_op *o = &r->ops[op];
    int64_t ready, issue_ns = 0, copy_ns = 0, free_ns;
    spa_action action;
    uint32_t p;
    if (!choose(e, r, slot, op, &action)) return 0;
    p = (uint32_t)action.processor;
    if (ENGINE_RARELY(e->splits)) share_of(e, r)[op] = (uint8_t)action.share;
    load = &e->loads[kernel_load(e, r, op, p)];
    lane = action.lane == SPA_LANE_ANY ? best_lane(e, r, p)
                                       : &e->lanes[e->lane_first[p] + (uint32_t)action.lane];
    o->lane = lane->id & 0xffu;
    placed_of(e, r)[op] = (uint8_t)p;
    where_of(e, r)[op] = (uint8_t)(1u << p);
    emit_node(e, SPA_EV_PLACE, r, op, lane->name, 0);
    ready = gather_inputs(e, r, slot, op, p, &issue_ns, &copy_ns);
    if (p != e->host && node->flags & (NODE_SINK | NODE_PULLED))
        request_transfer(e, r, slot, op, e->host); /* it will be queued when produced */
    if (e->synchronous || (p == e->host ? e->blocking_sync : (node->flags & NODE_PULLED) != 0)) {
        r->flags |= BLOCK_SYNC; /* until it is done or, if pulled, its output is on the host */
        r->blocked_on = op;
    }
    if (node->flags & NODE_VIEW) {
        finish_of(e, r)[op] = ready;
        return 0;
    }
    free_ns = lane_free_ns(e, lane);
    finish_of(e, r)[op] = (ready > free_ns ? ready : free_ns) + copy_ns + load->expected_ns;
    lane->backlog_ns += copy_ns + load->expected_ns;
    if (ENGINE_RARELY(action.share != 0)) {
        int64_t joined = place_twin(e, r, slot, op, (uint32_t)action.second, &issue_ns);
        if (joined > finish_of(e, r)[op]) finish_of(e, r)[op] = joined;
    }
    return e->executor ? 0 : issue_ns + load->issue_ns; /* real issuing takes real time */
}

#endif
