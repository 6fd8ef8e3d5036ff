/* Requests and their readiness: who may dispatch, who waits, who is finished. */
#ifndef SPA_SIM_ENGINE_READY_H
#define SPA_SIM_ENGINE_READY_H

#include <string.h>
#include "sim/engine_cursor.h"
#include "sim/engine_lanes.h"

ENGINE_INLINE void queue_request(spa_engine *e, engine_request *r, uint32_t slot)
{
    engine_lane *home;
    if (r->flags & (BLOCK_ANY | IN_QUEUE)) return;
    home = &e->lanes[r->home];
    r->flags |= IN_QUEUE;
    r->next = SPA_NONE;
    if (home->request_tail == SPA_NONE)
        home->request_head = slot;
    else
        request_of(e, home->request_tail)->next = slot;
    home->request_tail = slot;
}

/* Takes the request that stands first in its home's queue out of it. */
ENGINE_INLINE void unqueue_request(engine_lane *home, engine_request *r)
{
    home->request_head = r->next;
    if (home->request_head == SPA_NONE) home->request_tail = SPA_NONE;
    r->flags &= ~(uint32_t)IN_QUEUE;
}

static void unblock(spa_engine *e, engine_request *r, uint32_t slot, uint32_t reason)
{
    r->flags &= ~reason;
    if (r->flags & BLOCK_ANY) return;
    for (uint32_t w = r->first_word; w < e->n_words; w++) {
        if (ready_of(e, r)[w]) {
            queue_request(e, r, slot);
            return;
        }
    }
}

/* An operator's successors may be dispatched: it is finished, or issued to a stream. */
ENGINE_INLINE void satisfy(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op)
{
    engine_op *ops = r->ops;
    const engine_node *node = &e->nodes[op];
    for (uint32_t i = node->first_user; i < node->end_user; i++) {
        uint32_t user = e->users[i], rank, word;
        if (--ops[user].wait) continue;
        rank = e->nodes[user].rank;
        word = rank >> 6;
        ready_of(e, r)[word] |= UINT64_C(1) << (rank & 63);
        if (word < r->first_word) r->first_word = word;
        queue_request(e, r, slot);
    }
}

/* Takes the request's ready operator that comes first in dispatch order. */
ENGINE_INLINE uint32_t pop_ready(const spa_engine *e, engine_request *r)
{
    uint64_t *word = ready_of(e, r);
    for (uint32_t w = r->first_word; w < e->n_words; w++) {
        uint64_t ready = word[w];
        if (ready) {
            word[w] = ready & (ready - 1);
            r->first_word = w;
            return e->op_at[w * 64 + (uint32_t)__builtin_ctzll(ready)];
        }
    }
    r->first_word = e->n_words;
    return SPA_NONE;
}

/* ---- critical section ------------------------------------------------------------------------ */

static void enter_section(spa_engine *e, engine_request *r, uint32_t slot)
{
    if (e->state.section_holder == SPA_NONE) {
        e->state.section_holder = slot;
        r->flags |= IN_SECTION;
        return;
    }
    r->flags |= BLOCK_LOCK;
    r->next = SPA_NONE;
    if (e->state.section_tail == SPA_NONE)
        e->state.section_head = slot;
    else
        request_of(e, e->state.section_tail)->next = slot;
    e->state.section_tail = slot;
}

static void leave_section(spa_engine *e, engine_request *r)
{
    uint32_t next = e->state.section_head;
    engine_request *heir;
    r->flags &= ~(uint32_t)IN_SECTION;
    e->state.section_holder = next;
    if (next == SPA_NONE) return;
    heir = request_of(e, next);
    e->state.section_head = heir->next;
    if (e->state.section_head == SPA_NONE) e->state.section_tail = SPA_NONE;
    heir->flags |= IN_SECTION;
    unblock(e, heir, next, BLOCK_LOCK);
}

ENGINE_INLINE void leave_section_part(spa_engine *e, engine_request *r)
{
    if (--r->serial_left == 0) leave_section(e, r);
}

/* ---- life of a request ----------------------------------------------------------------------- */

/* The program of request `number` of several: by weight, whatever the policy does. */
ENGINE_INLINE uint64_t mix_draw(const spa_engine *e, uint64_t number)
{
    uint64_t draw = spa_hash_u64(e->mix_key, number);
    draw ^= draw >> 31;
    return draw * DIGEST_ROUND;
}

ENGINE_INLINE uint32_t draw_program(const spa_engine *e, uint64_t number)
{
    uint32_t program = 0;
    uint64_t draw = mix_draw(e, number);
    while (program + 1 < e->config.programs->count && draw >= e->programs[program].below) program++;
    return program;
}

/* A fresh request of one of several programs: its stretch of every array. */
ENGINE_APART void refresh(spa_engine *e, engine_request *r, uint32_t program)
{
    const engine_program *p = &e->programs[program];
    engine_request *fresh = (engine_request *)e->template_block;
    uint32_t first = p->first, n = p->end - first, twins = e->n_tensors + first;
    memcpy(r, fresh, sizeof *r);
    r->program = program;
    r->left = p->left;
    r->first_word = p->first_word;
    memcpy(&r->ops[first], &fresh->ops[first], n * sizeof *r->ops);
    memcpy(&finish_of(e, r)[first], &finish_of(e, fresh)[first], n * sizeof(int64_t));
    memcpy(&where_of(e, r)[first], &where_of(e, fresh)[first], n);
    memcpy(&placed_of(e, r)[first], &placed_of(e, fresh)[first], n);
    memcpy(&ready_of(e, r)[p->first_word], &ready_of(e, fresh)[p->first_word],
           (p->end_word - p->first_word) * sizeof(uint64_t));
    for (uint32_t t = first + p->n_ops; t < p->end; t++) finish_of(e, r)[t] = e->state.now;
    if (!e->splits) return;
    memcpy(&r->ops[twins], &fresh->ops[twins], n * sizeof *r->ops);
    memcpy(&placed_of(e, r)[twins], &placed_of(e, fresh)[twins], n);
    memcpy(&where_of(e, r)[twins], &where_of(e, fresh)[twins], n);
    memcpy(&finish_of(e, r)[twins], &finish_of(e, fresh)[twins], n * sizeof(int64_t));
    memset(&share_of(e, r)[first], 0, n);
    memset(&joins_of(e, r)[first], 0, n);
}

static void admit(spa_engine *e, uint32_t slot)
{
    engine_request *r = request_of(e, slot);
    int64_t *finish = finish_of(e, r);
    if (ENGINE_RARELY(e->programs != NULL))
        refresh(e, r, e->batching ? e->batching->program : draw_program(e, e->state.admitted));
    else
        memcpy(r, e->template_block, e->layout.request_bytes);
    r->number = e->state.admitted++;
    r->number_hash = r->number * DIGEST_REQUEST;
    r->arrival_ns = e->state.now;
    r->home = e->home->id + slot % (uint32_t)(e->home_end - e->home);
    for (uint32_t t = e->n_ops; t < e->n_tensors; t++) finish[t] = e->state.now;
    emit(e, SPA_EV_ARRIVE, r, SPA_NONE, 0, 0);
    if (ENGINE_RARELY(e->executor != NULL))
        e->executor->admit(e->config.executor_self, slot, r->number);
    if (e->serial_ops) enter_section(e, r, slot);
    queue_request(e, r, slot);
}

/* Takes a request out of its home lane's queue, wherever in it it stands: its memory is about to be
 * used again. (Requests with nothing left to dispatch are otherwise dropped when they come up.) */
static void unqueue(spa_engine *e, engine_request *r, uint32_t slot)
{
    engine_lane *home = &e->lanes[r->home];
    uint32_t *link = &home->request_head, before = SPA_NONE;
    while (*link != slot) {
        before = *link;
        link = &request_of(e, before)->next;
    }
    *link = r->next;
    if (home->request_tail == slot) home->request_tail = before;
    r->flags &= ~(uint32_t)IN_QUEUE;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void note_program(spa_engine *e, uint32_t program, int64_t latency_ns)
{
    spa_moments_add(&program_latency(e)[program], (double)latency_ns);
    if (e->config.by_program) spa_histogram_add(&e->config.by_program[program], latency_ns);
}

/* With a batcher: the queue of a sample. */
static inline uint32_t queue_of(const spa_engine *e, uint64_t number)
{
    const engine_batching *b = e->batching;
    uint32_t queue = 0;
    if (b->n_queues == 1) return 0;
    uint64_t draw = mix_draw(e, number);
    while (queue + 1 < b->n_queues && draw >= b->queues[queue].below) queue++;
    return queue;
}

/* From sample *number to the next one of the same queue, if there is one. */
static void next_of_queue(const spa_engine *e, uint32_t queue, engine_cursor *at, uint64_t *number)
{
    do {
        if (++*number >= e->config.scenario.requests) return;
        advance_cursor(e, at, *number);
    } while (queue_of(e, *number) != queue);
}

/* A request, or one sample of a batch, is served. */
ENGINE_INLINE void note_latency(spa_engine *e, const engine_request *r, uint64_t number,
                                int64_t latency)
{
    if (number < e->config.scenario.warmup) return;
    spa_moments_add(&e->state.result.latency_ns, (double)latency);
    if (e->latencies) spa_histogram_add(e->latencies, latency);
    if (ENGINE_RARELY(e->programs != NULL) && (!e->batching || e->batching->n_queues > 1))
        note_program(e, e->batching ? queue_of(e, number) : r->program, latency);
    if (ENGINE_RARELY(latency > e->deadline_ns)) {
        e->state.result.missed++;
        e->state.result.tardiness_ns += (double)(latency - e->deadline_ns);
    }
}

/* Samples that wait while a run might begin are being collected; else they wait for a run to end.
 */
static void account_waiting(spa_engine *e)
{
    engine_batching *b = e->batching;
    if (e->state.free_slot != SPA_NONE)
        b->result.collect_ns +=
            (double)(e->state.arrived - b->let_in) * (double)(e->state.now - b->since_ns);
    b->since_ns = e->state.now;
}

/* All samples of a batch end with it; their arrivals are walked again. */
ENGINE_APART void finish_batch(spa_engine *e, engine_request *r, uint32_t slot)
{
    engine_batching *b = e->batching;
    const engine_batch *batch = &batches_of(e)[slot];
    engine_cursor at = batch->first;
    uint64_t number = batch->number;
    double run_ns = (double)(e->state.now - batch->let_in_ns) * batch->samples;
    account_waiting(e);
    b->slot_freed = 1;
    b->served += batch->samples;
    b->result.run_ns += run_ns;
    b->result.padding_ns += run_ns * (batch->size - batch->samples) / batch->size;
    if (b->served == e->config.scenario.requests) e->state.stopped = 1;
    e->state.finished++;
    emit(e, SPA_EV_FINISH, r, SPA_NONE, 0, 0);
    for (uint32_t k = 0; k < batch->samples; k++) {
        if (k) next_of_queue(e, batch->queue, &at, &number);
        note_latency(e, r, number, e->state.now - at.at_ns);
    }
}

ENGINE_APART void finish_request(spa_engine *e, engine_request *r, uint32_t slot)
{
    if (ENGINE_RARELY(e->batching != NULL)) {
        finish_batch(e, r, slot);
    } else {
        if (++e->state.finished == e->config.scenario.requests) e->state.stopped = 1;
        emit(e, SPA_EV_FINISH, r, SPA_NONE, 0, 0);
        note_latency(e, r, r->number, e->state.now - r->arrival_ns);
    }
    if (r->flags & IN_QUEUE) unqueue(e, r, slot);
    /* A view that ends a request finishes while its home lane still dispatches the request. */
    if (r->flags & IN_QUEUE) unqueue_request(&e->lanes[r->home], r);
    if (ENGINE_RARELY(e->arrival_slot != SPA_NONE)) { /* the next one that waits, if any, is let in
                                                         by the step */
        r->next = e->state.free_slot;
        e->state.free_slot = slot;
    } else if (e->state.admitted < e->config.scenario.requests) {
        admit(e, slot);
    }
}

ENGINE_INLINE void count_down(spa_engine *e, engine_request *r, uint32_t slot)
{
    if (--r->left == 0) finish_request(e, r, slot);
}

#endif
