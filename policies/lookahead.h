/* What rollout and mcts share: base policies, and completing runs on copies of an engine.
 *
 * A run is decided operator by operator on a stepped engine (sim/engine.h). To try a decision, the
 * paused engine is copied, the copy is told the decision, and something completes it: a schedule
 * ("the rest as planned") or a base policy that decides at dispatch and so reacts. Each completed
 * run is one simulation of the budget. The best schedule ever completed is kept. */
#ifndef SPA_POLICIES_LOOKAHEAD_H
#define SPA_POLICIES_LOOKAHEAD_H

#include "policies/seen.h"
#include "sim/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_LOOKAHEAD_STARTS 8

/* A base policy and the run it gives. */
typedef struct spa_start {
    const spa_policy *policy;
    void *self;
    spa_schedule schedule; /* where it put every operator, and its dispatch order */
    double value;
} spa_start;

typedef struct spa_lookahead {
    const spa_plan_context *context;
    const spa_costs *costs;
    const char *owner; /* policy named in messages */
    spa_engine *now;   /* the run as decided so far, paused */
    spa_engine *copy;  /* where decisions are tried */
    bool now_done, copy_done;
    spa_schedule *best; /* the caller's; valid once best_value is a number */
    double best_value;
    spa_schedule trial; /* of the run on `copy` */
    uint64_t spent, budget;
    uint32_t *movable; /* operators with a choice, in dispatch order */
    uint32_t *rank;    /* [n_ops] position in `movable`; that of the next movable one for others */
    uint32_t n_movable;
    spa_seen seen;                          /* schedules completed, with their values */
    spa_start starts[SPA_LOOKAHEAD_STARTS]; /* best first */
    uint32_t n_starts;
} spa_lookahead;

/* `budget` 0 = the context's. `best` is the schedule that plan() fills. After a failure, too, the
 * caller calls fini. */
spa_status spa_lookahead_init(spa_lookahead *l, const char *owner, const spa_plan_context *context,
                              uint64_t budget, spa_schedule *best, spa_error *err);
void spa_lookahead_fini(spa_lookahead *l);

/* Plans and runs the base policies: the one named, or for "best" several cheap ones, sorted by
 * value. SPA_E_INVALID for one that cannot be a base (it searches itself, or keeps memory). */
spa_status spa_lookahead_bases(spa_lookahead *l, const char *base, spa_error *err);

/* `now` becomes a fresh run in the dispatch order of this schedule, paused at its first decision;
 * `movable` and `rank` follow. */
spa_status spa_lookahead_restart(spa_lookahead *l, const spa_schedule *order, spa_error *err);
/* `copy` becomes what `now` is. */
void spa_lookahead_fork(spa_lookahead *l);
/* Decides what `now` or `copy` asks as this schedule says. */
spa_status spa_lookahead_decide(spa_engine *engine, const spa_schedule *schedule, bool *done,
                                spa_error *err);

/* Complete the run on `copy` and give its value; what it did is in `trial`. By the trial itself
 * (complete: every operator has a place in it), or by a base policy's place(). */
spa_status spa_lookahead_complete(spa_lookahead *l, double *value, spa_error *err);
spa_status spa_lookahead_react(spa_lookahead *l, const spa_start *base, double *value,
                               spa_error *err);

/* Does the base decide at dispatch? */
static inline bool spa_start_reacts(const spa_start *s)
{
    return s->policy && s->policy->place;
}

/* Puts an operator on processor p in a schedule; false if it is there or cannot run there. */
bool spa_lookahead_put(const spa_costs *costs, spa_schedule *schedule, uint32_t op, uint32_t p);
/* Moves, in the trial, the `length` movable operators from position `first` on, without those that
 * are decided on `copy` already (what is ready late is decided after what ranks behind it). */
bool spa_lookahead_put_segment(spa_lookahead *l, uint32_t first, uint32_t length, uint32_t p);

#ifdef __cplusplus
}
#endif
#endif
