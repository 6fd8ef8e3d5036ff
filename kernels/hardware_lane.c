/* What a lane does: wait for work, run it, run the engine step, leave work for others.
 *
 * A mailbox is one word. Whoever posts exchanges it for LANE_POSTED; had the lane gone to sleep, it
 * is woken once the lock is released. Spinning costs 0.1-0.2 us a hand-off, sleeping 30-40 us.
 * While something is under way on a device nobody sleeps: whoever is idle looks for its end. */
#define _GNU_SOURCE /* syscall */
#include "kernels/hardware_device.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/clock.h"
#include "kernels/relax.h"

/* Looks at the mailbox between two looks at the clock; between two at the devices. */
#define SPIN_LOOKS  64
#define WATCH_LOOKS 8
#define LOOK_UP_NS  50000000 /* how long a lane sleeps that waits for a request, at most */

/* ---- the lock -------------------------------------------------------------------------------- */

/* Held for an engine step, a few hundred ns, by threads that own their cores. */
static void lock(spa_hardware *hw)
{
    while (atomic_exchange_explicit(&hw->locked, true, memory_order_acquire))
        while (atomic_load_explicit(&hw->locked, memory_order_relaxed)) spa_relax();
}

static bool try_lock(spa_hardware *hw)
{
    return !atomic_load_explicit(&hw->locked, memory_order_relaxed) &&
           !atomic_exchange_explicit(&hw->locked, true, memory_order_acquire);
}

static void wake(hardware_lane *lane)
{
    syscall(SYS_futex, &lane->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void unlock(spa_hardware *hw)
{
    uint64_t sleepers = hw->to_wake;
    hw->to_wake = 0;
    atomic_store_explicit(&hw->locked, false, memory_order_release);
    for (; sleepers; sleepers &= sleepers - 1) wake(&hw->lane[__builtin_ctzll(sleepers)]);
}

/* ---- mailboxes ------------------------------------------------------------------------------- */

static void ring(spa_hardware *hw, uint32_t lane)
{
    if (atomic_exchange_explicit(&hw->lane[lane].word, LANE_POSTED, memory_order_acq_rel) ==
        LANE_ASLEEP)
        hw->to_wake |= UINT64_C(1) << lane;
}

void spa_hardware_post(spa_hardware *hw, uint32_t id, hardware_job job, uint32_t slot, uint32_t op,
                       uint32_t tensor)
{
    hardware_lane *lane = &hw->lane[id];
    lane->job = job;
    lane->slot = slot;
    lane->op = op;
    lane->tensor = tensor;
    lane->posted_ns = hw->now_ns;
    ring(hw, id);
}

/* Something is under way on a device: lanes that sleep wake up to watch it. All of them, because
 * those that are awake may be given work meanwhile. */
void spa_hardware_nudge(spa_hardware *hw)
{
    atomic_fetch_add(&hw->in_flight, 1);
    for (uint32_t i = 0; i < hw->lanes.count; i++) {
        unsigned asleep = LANE_ASLEEP;
        if (atomic_compare_exchange_strong(&hw->lane[i].word, &asleep, LANE_EMPTY))
            hw->to_wake |= UINT64_C(1) << i;
    }
}

/* Blocks until the word changes or a request is due; it may return early. Nobody rings when a run
 * is interrupted, so that whoever waits for a request looks up now and then. */
static void sleep_on(hardware_lane *lane)
{
    unsigned empty = LANE_EMPTY;
    int64_t due_ns = atomic_load_explicit(&lane->hardware->arrival_ns, memory_order_acquire);
    int64_t wait_ns = due_ns == INT64_MAX ? INT64_MAX : due_ns - spa_clock_ns();
    struct timespec timeout = {.tv_nsec = wait_ns < LOOK_UP_NS ? wait_ns : LOOK_UP_NS};
    if (wait_ns <= 0) return;
    if (!atomic_compare_exchange_strong(&lane->word, &empty, LANE_ASLEEP)) return;
    if (!atomic_load(&lane->hardware->done) && atomic_load(&lane->hardware->in_flight) == 0)
        syscall(SYS_futex, &lane->word, FUTEX_WAIT_PRIVATE, LANE_ASLEEP,
                wait_ns == INT64_MAX ? NULL : &timeout, NULL, 0);
    unsigned asleep = LANE_ASLEEP;
    atomic_compare_exchange_strong(&lane->word, &asleep, LANE_EMPTY);
}

/* ---- engine steps ---------------------------------------------------------------------------- */

static void finish(spa_hardware *hw)
{
    atomic_store_explicit(&hw->done, true, memory_order_release);
    for (uint32_t i = 0; i < hw->lanes.count; i++) ring(hw, i);
}

void spa_hardware_fail(spa_hardware *hw, spa_status status, const spa_error *error)
{
    if (hw->status == SPA_OK) {
        hw->status = status;
        hw->error = *error;
    }
    finish(hw);
}

/* After a step: is that the end? */
static void conclude(spa_hardware *hw, spa_status status, bool done, const spa_error *error)
{
    if (status)
        spa_hardware_fail(hw, status, error);
    else if (done || atomic_load_explicit(&hw->interrupted, memory_order_relaxed))
        finish(hw);
}

/* Lets requests in whose time has come, and says when the next one's is. Under the lock. */
static void let_arrive(spa_hardware *hw)
{
    spa_error error;
    int64_t next_ns = spa_engine_next_arrival_ns(hw->engine);
    while (next_ns != INT64_MAX && next_ns <= hw->now_ns &&
           !atomic_load_explicit(&hw->done, memory_order_relaxed)) {
        bool done = false;
        spa_status status = spa_engine_arrive(hw->engine, hw->now_ns, &done, &error);
        conclude(hw, status, done, &error);
        next_ns = spa_engine_next_arrival_ns(hw->engine);
    }
    atomic_store_explicit(&hw->arrival_ns, next_ns == INT64_MAX ? next_ns : hw->origin_ns + next_ns,
                          memory_order_release);
}

static void begin(spa_hardware *hw)
{
    spa_error error;
    bool done = false;
    lock(hw);
    hw->origin_ns = spa_clock_ns();
    hw->now_ns = 0;
    spa_status status = spa_engine_begin(hw->engine, hw->latencies, &done, &error);
    conclude(hw, status, done, &error);
    let_arrive(hw);
    unlock(hw);
}

static bool is_over(const spa_hardware *hw)
{
    return atomic_load_explicit(&hw->done, memory_order_relaxed);
}

/* Something is done, under the lock. */
static void step(spa_hardware *hw, uint32_t event_slot)
{
    spa_error error;
    bool done = false;
    hw->now_ns = spa_clock_ns() - hw->origin_ns;
    spa_status status = spa_engine_complete(hw->engine, event_slot, hw->now_ns, &done, &error);
    conclude(hw, status, done, &error);
    if (spa_engine_next_arrival_ns(hw->engine) <= hw->now_ns) let_arrive(hw);
}

static void complete(hardware_lane *lane)
{
    spa_hardware *hw = lane->hardware;
    lock(hw);
    if (!is_over(hw)) step(hw, lane->id);
    unlock(hw);
}

/* An idle lane looks for what devices have done, unless another one does. */
static void watch(spa_hardware *hw)
{
    uint32_t event_slot;
    if (!try_lock(hw)) return;
    while (!is_over(hw) && spa_hardware_next_done(hw, &event_slot)) step(hw, event_slot);
    unlock(hw);
}

/* An idle lane has seen that a request is due. */
static void receive(spa_hardware *hw)
{
    lock(hw);
    hw->now_ns = spa_clock_ns() - hw->origin_ns;
    if (!atomic_load_explicit(&hw->done, memory_order_relaxed)) let_arrive(hw);
    unlock(hw);
}

/* An idle lane has seen that the run is to end. */
static void give_up(spa_hardware *hw)
{
    lock(hw);
    finish(hw);
    unlock(hw);
}

/* True: there is a job. False: the run is over. */
static bool await_job(hardware_lane *lane)
{
    spa_hardware *hw = lane->hardware;
    int64_t until_ns = 0;
    for (;;) {
        bool watches = atomic_load_explicit(&hw->in_flight, memory_order_relaxed) > 0;
        for (int i = 0; i < (watches ? WATCH_LOOKS : SPIN_LOOKS); i++) {
            if (atomic_load_explicit(&lane->word, memory_order_acquire) == LANE_POSTED) {
                atomic_store_explicit(&lane->word, LANE_EMPTY, memory_order_relaxed);
                return !atomic_load_explicit(&hw->done, memory_order_acquire);
            }
            spa_relax();
        }
        if (atomic_load_explicit(&hw->interrupted, memory_order_relaxed)) give_up(hw);
        if (atomic_load_explicit(&hw->done, memory_order_acquire)) return false;
        int64_t now_ns = spa_clock_ns();
        if (now_ns >= atomic_load_explicit(&hw->arrival_ns, memory_order_acquire)) {
            receive(hw);
            continue;
        }
        if (watches) {
            watch(hw);
            until_ns = 0;
            continue;
        }
        if (until_ns == 0) until_ns = now_ns + hw->options.spin_ns;
        if (now_ns < until_ns) continue;
        sleep_on(lane);
        until_ns = 0;
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

bool spa_hardware_must_copy(const spa_hardware *hw, uint32_t lane, uint32_t slot, uint32_t tensor)
{
    const spa_graph *graph = hw->model->graph;
    /* What a team needs depends on whether it cuts the operator: it converts for itself. */
    if (hw->lane[lane].team) return false;
    return tensor < graph->n_ops &&
           !spa_session_holds(&hw->slots[slot].session, hw->lanes.lanes[lane].backend, tensor);
}

static spa_status copy(hardware_lane *lane, hardware_slot *slot, spa_error *err)
{
    return spa_session_convert(&slot->session, lane->lane->backend, lane->tensor, err);
}

static spa_status run_kernel(hardware_lane *lane, hardware_slot *slot, spa_error *err)
{
    if (lane->job == HARDWARE_PART) return spa_hardware_part_run(lane, slot, err);
    if (lane->team) return spa_team_run_op(lane->team, &slot->session, lane->op, err);
    return spa_session_run_op(&slot->session, lane->lane->backend, lane->op, lane->workspace, err);
}

static void note(const hardware_lane *lane, const hardware_slot *slot, int64_t begin_ns,
                 int64_t end_ns)
{
    spa_hardware_record *r = lane->hardware->record;
    if (!r || slot->request >= r->capacity) return;
    bool second = lane->job == HARDWARE_PART && spa_hardware_part_is_second(lane->tensor);
    spa_hardware_op *o = (second ? r->seconds : r->ops) + slot->request * r->n_ops + lane->op;
    if (o->posted_ns == 0) o->posted_ns = lane->posted_ns;
    o->lane = (int32_t)lane->id;
    if (lane->job == HARDWARE_COPY) {
        size_t row = slot->request * r->n_tensors + lane->tensor;
        int64_t from_ns = begin_ns - lane->hardware->origin_ns;
        int64_t to_ns = end_ns - lane->hardware->origin_ns;
        r->copies[row * r->n_lanes + lane->id] = (spa_hardware_copy){
            .ready_ns = from_ns, .begin_ns = from_ns, .end_ns = to_ns, .there_ns = to_ns};
        o->copy_ns += end_ns - begin_ns;
        return;
    }
    o->together = 1;
    if (lane->job == HARDWARE_PART) o->part_ns = end_ns - begin_ns;
    o->begin_ns = begin_ns - lane->hardware->origin_ns;
    o->end_ns = end_ns - lane->hardware->origin_ns;
}

static void run_job(hardware_lane *lane)
{
    spa_hardware *hw = lane->hardware;
    hardware_slot *slot = &hw->slots[lane->slot];
    spa_error error;
    int64_t begin_ns = spa_clock_ns();
    spa_status status =
        lane->job == HARDWARE_COPY ? copy(lane, slot, &error) : run_kernel(lane, slot, &error);
    note(lane, slot, begin_ns, spa_clock_ns());
    if (status == SPA_OK) return;
    lock(hw);
    spa_hardware_fail(hw, status, &error);
    unlock(hw);
}

/* All lanes are awake before time begins. */
static void gather(hardware_lane *lane)
{
    spa_hardware *hw = lane->hardware;
    atomic_fetch_add(&hw->ready, 1);
    if (lane->id == hw->host) {
        while (atomic_load_explicit(&hw->ready, memory_order_acquire) < hw->n_workers) spa_relax();
        begin(hw);
    }
}

void spa_hardware_lane_run(void *context)
{
    hardware_lane *lane = context;
    gather(lane);
    while (await_job(lane)) {
        run_job(lane);
        complete(lane);
    }
}
