/* A trained policy, for use: no optimiser, no buffers, one observation at a time.
 *
 * Everything is computed in one fixed order without FMA (loops.h): the same file decides the same
 * on every machine. The file is text:
 *
 *     sparoa-actor 1
 *     algorithm ppo                    who trained it, and on what
 *     problem cart-pole
 *     problem-hash 0
 *     obs 4                            observations, choices, continuous actions
 *     choices 2
 *     dimensions 0
 *     rule best                        best | tanh | clamp | tiles
 *     skip 0                           outputs before those that count (dueling: 1)
 *     thresholds 0123456789abcdef      only if it observes predicted thresholds: the predictor
 *     layer 4 64 tanh                  one line per linear layer: inputs outputs activation
 *     layer 64 2 none
 *     values 4482                      then as many numbers (%.9g, exact), blanks between them
 *     ...
 *     checksum 0123456789abcdef        64-bit FNV-1a of all bytes before this line
 *
 * rule tiles has instead of layers `tiles TILINGS WIDTHS FEATURES SLOTS` and, after it, lines
 * `value INDEX NUMBER` for every entry of the table that is not 0. */
#ifndef SPA_POLICIES_LEARN_ACTOR_H
#define SPA_POLICIES_LEARN_ACTOR_H

#include "policies/learn/net.h"
#include "policies/learn/problem.h"
#include "policies/learn/tiles.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spa_actor_rule {
    SPA_ACTOR_BEST,  /* the allowed choice with the largest output; of equals the first */
    SPA_ACTOR_TANH,  /* actions = tanh of the first outputs */
    SPA_ACTOR_CLAMP, /* actions = the first outputs, held within [-1, 1] */
    SPA_ACTOR_TILES  /* the best choice by a table over tiles */
} spa_actor_rule;

#define SPA_ACTOR_NAME 48

typedef struct spa_actor {
    char algorithm[SPA_ACTOR_NAME], problem[SPA_ACTOR_NAME];
    spa_problem_shape shape;
    spa_actor_rule rule;
    spa_net net;
    size_t skip;
    uint64_t thresholds; /* it observes those of the predictor of this hash; 0 = of none */
    spa_tiles tiles;
    size_t n_values;
    const float *values; /* [n_values, readable SPA_NET_PAD further] parameters or table */
    float *scratch;      /* [spa_actor_scratch] */
    void *memory;        /* what fini frees; NULL = all belongs to a learner */
} spa_actor;

/* Decides: *choice (discrete) or values[action_dim] (continuous). mask[n_actions] may be NULL = all
 * are allowed. An actor serves one thread at a time. */
SPA_API void spa_actor_act(const spa_actor *actor, const float *obs, const uint8_t *mask,
                           uint32_t *choice, float *values);
/* Elements of scratch that spa_actor_act needs. */
SPA_API size_t spa_actor_scratch(const spa_net *net);

/* As above. Only actors whose networks are linear layers without GELU can be written. */
SPA_API spa_status spa_actor_write(const spa_actor *actor, const char *path, spa_error *err);
/* Errors name the line: another version, a wrong checksum, sizes that do not fit together. */
SPA_API spa_status spa_actor_read(spa_actor *actor, const char *path, spa_error *err);
SPA_API void spa_actor_fini(spa_actor *actor);
/* SPA_E_INVALID unless it was trained for a problem of this name and shape. */
SPA_API spa_status spa_actor_fits(const spa_actor *actor, const char *problem,
                                  const spa_problem_shape *shape, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
