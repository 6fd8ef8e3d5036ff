/* Tensors on the way: transfers in their links, and what an arrival sets free. */
#ifndef SPA_SIM_ENGINE_LINKS_H
#define SPA_SIM_ENGINE_LINKS_H

#include "sim/engine_ready.h"

/* ---- arrival --------------------------------------------------------------------------------- */

ENGINE_INLINE void push_view(spa_engine *e, engine_op *o, uint32_t slot, uint32_t op)
{
    o->next = e->state.views_head;
    e->state.views_head = item_of(e, slot, op);
}

/* Its last input has come: an issued operator may run. */
ENGINE_APART void wake(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op,
                       uint32_t processor)
{
    engine_op *o = &r->ops[op];
    engine_lane *lane = &e->lanes[o->lane];
    if (ENGINE_RARELY(e->nodes[op].flags & NODE_VIEW)) {
        push_view(e, o, slot, op);
        return;
    }
    if (!e->is_async[processor]) {
        if (lane->head == SPA_NONE && lane->doing == LANE_IDLE) { /* no need to queue */
            start_kernel(e, lane, r, slot, op);
            return;
        }
        enqueue(e, lane, o, slot, op);
    }
    try_start(e, lane);
}

/* Operators that waited for a tensor at this processor may run. */
ENGINE_INLINE void wake_users(spa_engine *e, engine_request *r, uint32_t slot, uint32_t tensor,
                              uint32_t processor)
{
    const engine_node *node = &e->nodes[tensor];
    for (uint32_t i = node->first_user; i < node->end_user; i++) {
        uint32_t user = e->users[i];
        if (placed_of(e, r)[user] == processor && --r->ops[user].missing == 0)
            wake(e, r, slot, user, processor);
    }
}

/* One of the two parts of a split operator is done, and where the operator was placed. The operator
 * is then finished as views are, once this step has done the rest. */
ENGINE_APART void join_part(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op)
{
    if (--joins_of(e, r)[op] == 0) push_view(e, &r->ops[op], slot, op);
}

/* A transferred tensor is now at `to`. */
ENGINE_INLINE void arrive(spa_engine *e, engine_request *r, uint32_t slot, uint32_t tensor,
                          uint32_t to)
{
    r->ops[tensor].present |= 1u << to & 0xffu;
    if (ENGINE_RARELY(is_twin(e, tensor))) {
        join_part(e, r, slot, whole_of(e, tensor));
        return;
    }
    wake_users(e, r, slot, tensor, to);
    if (r->flags & (BLOCK_SYNC | IN_SECTION)) {
        if (r->flags & BLOCK_SYNC && r->blocked_on == tensor && to == e->host)
            unblock(e, r, slot, BLOCK_SYNC);
        if (r->flags & IN_SECTION && tensor < e->serial_ops) leave_section_part(e, r);
    }
    if (to == e->host && e->nodes[tensor].flags & NODE_SINK) count_down(e, r, slot);
}

/* ---- links ----------------------------------------------------------------------------------- */

/* Of a tensor or of a twin's part of one. */
ENGINE_INLINE int64_t move_ns(const spa_engine *e, engine_request *r, uint32_t node, uint32_t from,
                              uint32_t to)
{
    if (ENGINE_RARELY(is_twin(e, node)))
        return spa_part_transfer_ns(e->costs, whole_of(e, node), from, to, tenths_of(e, r, node));
    return spa_transfer_ns(e->costs, node, from, to);
}

/* Where a queued transfer keeps its successor. A tensor may queue for every processor but its
 * own; the first of them uses the operator's own link, free since it left its lane. */
ENGINE_INLINE uint32_t *move_next(const spa_engine *e, engine_request *r, uint32_t tensor,
                                  uint32_t to)
{
    uint32_t k = to - (to > placed_of(e, r)[tensor]);
    if (k == 0) return &r->ops[tensor].next;
    return &REQUEST_ARRAY(e, r, uint32_t, more_next)[tensor * (e->n_processors - 2) + k - 1];
}

ENGINE_APART void start_transfer(spa_engine *e, uint32_t link_id, engine_request *r, uint32_t slot,
                                 uint32_t tensor, uint32_t to)
{
    engine_link *link = &e->links[link_id];
    uint32_t from = placed_of(e, r)[tensor];
    uint32_t load_id = (e->n_ops + from) * e->n_processors + to;
    double work = (double)move_ns(e, r, tensor, from, to);
    if (e->noise) work *= e->state.run_factor;
    link->busy = 1;
    link->slot = slot;
    link->tensor = tensor;
    link->to = (uint16_t)to;
    link->load = load_id;
    link->name = event_place(to, from);
    link->started_ns = e->state.now;
    e->state.transfers_running++;
    emit_move(e, SPA_EV_TRANSFER_BEGIN, r, tensor, link->name,
              draw_begin(e, e->n_lanes + link_id, e->loads[load_id].dynamic_w));
    add_activity(e, e->n_lanes + link_id, load_id, work);
    if (ENGINE_RARELY(e->executor != NULL))
        e->executor->transfer(e->config.executor_self, link_id, slot, tensor, from, to);
}

ENGINE_APART void start_next_transfer(spa_engine *e, uint32_t link_id)
{
    engine_link *link = &e->links[link_id];
    uint32_t move = link->head, slot = move_slot(e, move), tensor = move_tensor(e, move);
    engine_request *r = request_of(e, slot);
    link->head = *move_next(e, r, tensor, move_to(move));
    if (link->head == SPA_NONE) link->tail = SPA_NONE;
    start_transfer(e, link_id, r, slot, tensor, move_to(move));
}

/* Appends to the queue of a busy link. */
ENGINE_APART void queue_move(spa_engine *e, engine_link *link, engine_request *r, uint32_t slot,
                             uint32_t tensor, uint32_t to)
{
    uint32_t move = move_of(e, slot, tensor, to), tail = link->tail;
    *move_next(e, r, tensor, to) = SPA_NONE;
    if (tail == SPA_NONE)
        link->head = move;
    else
        *move_next(e, request_of(e, move_slot(e, tail)), move_tensor(e, tail), move_to(tail)) =
            move;
    link->tail = move;
}

/* The tensor exists at `from`: move it to `to`. */
ENGINE_APART void queue_transfer(spa_engine *e, engine_request *r, uint32_t slot, uint32_t tensor,
                                 uint32_t to)
{
    uint32_t from = placed_of(e, r)[tensor], link_id = e->costs->links[from][to].id;
    int64_t duration = move_ns(e, r, tensor, from, to);
    engine_link *link = &e->links[link_id];
    if (duration == 0 || copied_by_lane(e, from, to)) { /* by a lane: only final outputs get here */
        arrive(e, r, slot, tensor, to);
        return;
    }
    link->free_ns = (link->free_ns > e->state.now ? link->free_ns : e->state.now) + duration;
    if (link->busy) /* it starts the head of its queue whenever one ends */
        queue_move(e, link, r, slot, tensor, to);
    else
        start_transfer(e, link_id, r, slot, tensor, to);
}

ENGINE_APART void want_transfer(spa_engine *e, engine_request *r, uint32_t slot, uint32_t tensor,
                                uint32_t to)
{
    uint32_t from = placed_of(e, r)[tensor];
    if (spa_transfer_ns(e->costs, tensor, from, to) == 0 || copied_by_lane(e, from, to)) return;
    e->executor->want(e->config.executor_self, slot, tensor, from, to);
}

/* Sees to it that a tensor that is neither at `to` nor on its way there will be. */
ENGINE_INLINE void request_transfer(spa_engine *e, engine_request *r, uint32_t slot,
                                    uint32_t tensor, uint32_t to)
{
    where_of(e, r)[tensor] |= (uint8_t)(1u << to);
    if (r->flags & IN_SECTION && tensor < e->serial_ops) r->serial_left++;
    if (ENGINE_RARELY(e->executor != NULL)) want_transfer(e, r, slot, tensor, to);
    if (r->ops[tensor].present) /* else: when it is produced */
        queue_transfer(e, r, slot, tensor, to);
}

#endif
