/* Policies that were trained: q-learning, dqn, ppo, sac, sac-split, sac-discrete.
 *
 * Source: SparOA (arXiv 2511.19457), the scheduler (SAC); Q-learning (Watkins 1989), DQN (Mnih et
 * al. 2015, double and dueling), PPO (Schulman et al. 2017), SAC (Haarnoja et al. 2018),
 * sac-discrete (Christodoulou 2019). What they observe and are rewarded for is defined here,
 * because the paper does not say: docs/environment.md.
 *
 * A policy is a file that `sparoa train` wrote (policies/learn/actor.h). It decides at every
 * dispatch, from what a dispatcher knows then, and pays for its inference; or, with offline=1, once
 * in the simulator (one request, noise off), as the paper's offline search does, and what it
 * decided there is the schedule. sac-split, whose actions are shares of operators, always does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policies/common.h"
#include "policies/learn/acting.h"
#include "policies/learn/actor.h"
#include "policies/learn/scheduling.h"
#include "policies/predicted.h"
#include "sim/engine.h"

/* Outputs of the layers of one decision stand on the stack. */
#define SCRATCH 4096

typedef struct learned {
    const char *algorithm;
    char path[256];      /* "" = what was trained for this model and device, if anything */
    char predictor[256]; /* "" = the one shipped for the device */
    spa_actor actor;
    bool loaded, offline;
    bool splits; /* the actor's numbers are shares of operators */
    spa_acting acting;
} learned;

static const spa_param params[] = {
    {"model", SPA_PARAM_TEXT, 0, 0, 0, "", "FILE",
     "a policy that 'sparoa train' wrote; without it the one shipped for the device"},
    {"thresholds", SPA_PARAM_TEXT, 0, 0, 0, "", "FILE",
     "the predictor whose thresholds it observes, if it does; without it the one shipped"},
    {"offline", SPA_PARAM_INT, 0, 0, 1, NULL, "0|1",
     "1: decide once, in the simulator, and run that schedule; 0: decide at every dispatch"},
};

/* sac-split has no `offline`: lanes prepare parts before they run, so that it decides once, always.
 */
static spa_status create_any(const char *algorithm, bool splits, void **self,
                             const spa_param_values *values, spa_error *err)
{
    learned *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->algorithm = algorithm;
    memcpy(s->path, values->text[0], sizeof s->path);
    memcpy(s->predictor, values->text[1], sizeof s->predictor);
    s->splits = splits;
    s->offline = splits || values->number[2] != 0;
    *self = s;
    return SPA_OK;
}

static void destroy(void *self)
{
    learned *s = self;
    if (!s) return;
    spa_acting_fini(&s->acting);
    if (s->loaded) spa_actor_fini(&s->actor);
    free(s);
}

static float decide(const void *decider, const float *obs, const uint8_t *mask)
{
    float scratch[SCRATCH], value = 0;
    spa_actor actor = *(const spa_actor *)decider;
    uint32_t choice = 0;
    actor.scratch = scratch;
    spa_actor_act(&actor, obs, mask, &choice, &value);
    return actor.shape.action_dim ? value : (float)choice;
}

static spa_status fail_missing(const learned *s, const spa_costs *costs, spa_error *err)
{
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "not trained for it; sparoa train %s %s --device %s -o FILE, then "
                    "%s:model=FILE",
                    s->algorithm, costs->graph->name, costs->device, s->algorithm);
}

static bool is_there(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file) fclose(file);
    return file != NULL;
}

/* Where the policy for this table is: one for the model on the device, else one for the device. */
static spa_status find(const learned *s, const spa_plan_context *context, char *path, size_t size,
                       spa_error *err)
{
    const spa_costs *c = context->costs;
    if (s->path[0]) {
        snprintf(path, size, "%s", s->path);
        return SPA_OK;
    }
    const char *folder = context->trained ? context->trained : "policies/data";
    snprintf(path, size, "%s/%s-%s-%s.actor", folder, s->algorithm, c->device, c->graph->name);
    if (context->trained && is_there(path)) return SPA_OK;
    snprintf(path, size, "%s/%s-%s.actor", folder, s->algorithm, c->device);
    if (context->trained && is_there(path)) return SPA_OK;
    return fail_missing(s, c, err);
}

static spa_status load(learned *s, const char *path, spa_error *err)
{
    if (s->loaded) spa_actor_fini(&s->actor);
    s->loaded = false;
    SPA_TRY(spa_actor_read(&s->actor, path, err));
    s->loaded = true;
    if (strcmp(s->actor.algorithm, s->splits ? "sac" : s->algorithm) != 0)
        return spa_fail_at(err, SPA_E_INVALID, path, 0, "was trained by %s; use %s:model=%s",
                           s->actor.algorithm, s->actor.algorithm, path);
    if (s->actor.rule != SPA_ACTOR_TILES && spa_actor_scratch(&s->actor.net) > SCRATCH)
        return spa_fail_at(err, SPA_E_RANGE, path, 0, "has layers of over %d numbers", SCRATCH / 2);
    return SPA_OK;
}

/* A run in the simulator: what is decided there goes into the schedule. */
static spa_status decide_all(const learned *s, const spa_plan_context *context,
                             spa_schedule *schedule, spa_error *err)
{
    spa_engine *engine;
    bool done = false;
    if (s->splits) spa_evaluator_splits(context->evaluator);
    SPA_TRY(spa_evaluator_stepper(context->evaluator, schedule, &engine, err));
    spa_status status = spa_engine_start(engine, &done, err);
    while (!status && !done) {
        uint32_t op = spa_engine_asked(engine);
        spa_action action = {.lane = SPA_LANE_ANY};
        spa_acting_place(&s->acting, spa_engine_view(engine), op, &action);
        if (action.processor >= 0) {
            schedule->processor[op] = (uint8_t)action.processor;
            schedule->second[op] = (uint8_t)action.second;
            schedule->share[op] = (uint8_t)action.share;
        }
        status = spa_engine_decide(engine, action, &done, err);
    }
    spa_engine_free(engine);
    if (!status) spa_policy_follow_views(context->costs, schedule->processor);
    return status;
}

/* Prepares to act, with predicted thresholds where it was trained with some: the same ones. */
static spa_status prepare(learned *s, const spa_plan_context *context, const char *path,
                          spa_schedule *schedule, spa_error *err)
{
    spa_predicted predicted = {0};
    spa_status status = SPA_OK;
    bool observes = s->actor.thresholds && !context->no_predictions;
    if (observes)
        status =
            spa_predicted_make(&predicted, context->costs, s->predictor, context->trained, err);
    else if (s->predictor[0] && !s->actor.thresholds)
        status = spa_fail_at(err, SPA_E_INVALID, path, 0, "was trained without thresholds");
    if (!status && observes && predicted.hash != s->actor.thresholds)
        status = spa_fail_at(err, SPA_E_INVALID, path, 0,
                             "was trained with the thresholds of another predictor than %s",
                             s->predictor[0] ? s->predictor : "the shipped one");
    s->acting.options.thresholds = predicted.at;
    if (!status) status = spa_acting_plan(&s->acting, context, schedule, err);
    s->acting.options.thresholds = NULL; /* they are in the features now */
    spa_predicted_fini(&predicted);
    return status;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    learned *s = self;
    char path[1024];
    spa_problem_shape shape;
    SPA_TRY(find(s, context, path, sizeof path, err));
    SPA_TRY(load(s, path, err));
    size_t n_obs = s->actor.shape.n_obs;
    uint32_t n_slots = n_obs > SPA_FEATURES_COUNT(0u)
                           ? (uint32_t)((n_obs - SPA_FEATURES_COUNT(0u)) / SPA_FEATURES_PER_SLOT)
                           : 0;
    if (n_slots < context->costs->n_processors) n_slots = context->costs->n_processors;
    spa_scheduling_shape(n_slots, s->actor.shape.action_dim > 0, s->splits, &shape);
    SPA_TRY(spa_actor_fits(&s->actor, spa_problem_scheduling.name, &shape, err));
    s->acting.decide = decide;
    s->acting.decider = &s->actor;
    s->acting.continuous = s->actor.shape.action_dim > 0;
    s->acting.splits = s->splits;
    s->acting.options = (spa_features_options){.n_slots = n_slots};
    SPA_TRY(prepare(s, context, path, schedule, err));
    return s->offline ? decide_all(s, context, schedule, err) : SPA_OK;
}

static bool places(const void *self)
{
    return !((const learned *)self)->offline;
}

static void place(const void *self, void *memory, const spa_view *view, uint32_t op,
                  spa_action *action)
{
    const learned *s = self;
    (void)memory;
    spa_acting_place(&s->acting, view, op, action);
}

/* decision_cycles: place() in runs of resnet18 on agx-orin, observation included, caches warm, took
 * 0.94 us with a network of 64 x 64 and 1.08 us with a table over tiles (bench decision, medians,
 * an Intel Xeon at 2.5 GHz that others used, too). With cold caches 2.4 and 1.7 us. */
#define NETWORK_CYCLES 2400
#define TABLE_CYCLES   2700

#define LEARNED(id, text, what, from, cycles)                                                      \
    static spa_status create_##id(void **self, const spa_param_values *values, spa_error *err)     \
    {                                                                                              \
        return create_any(text, false, self, values, err);                                         \
    }                                                                                              \
    const spa_policy spa_policy_##id = {                                                           \
        .abi = SPA_POLICY_ABI,                                                                     \
        .struct_size = sizeof(spa_policy),                                                         \
        .name = text,                                                                              \
        .summary = what,                                                                           \
        .source = from,                                                                            \
        .capabilities = SPA_CAP_PLAN | SPA_CAP_PLACE,                                              \
        .objectives = SPA_OBJECTIVES_ALL,                                                          \
        .params = params,                                                                          \
        .n_params = sizeof params / sizeof *params,                                                \
        .decision_cycles = cycles,                                                                 \
        .create = create_##id,                                                                     \
        .destroy = destroy,                                                                        \
        .plan = plan,                                                                              \
        .place = place,                                                                            \
        .places = places,                                                                          \
    }

LEARNED(q_learning, "q-learning", "learned: a table over tiles of the observation",
        "Watkins 1989; tile coding, Sutton and Barto 2018, section 9.5", TABLE_CYCLES);
LEARNED(dqn, "dqn", "learned: a network of action values", "Mnih et al. 2015; double, dueling",
        NETWORK_CYCLES);
LEARNED(ppo, "ppo", "learned: a policy network, clipped updates", "Schulman et al. 2017",
        NETWORK_CYCLES);
LEARNED(sac, "sac", "learned: the paper's scheduler, a continuous preference",
        "SparOA (arXiv 2511.19457); Haarnoja et al. 2018", NETWORK_CYCLES);
LEARNED(sac_discrete, "sac-discrete", "learned: soft actor-critic over processors",
        "Christodoulou 2019", NETWORK_CYCLES);

static spa_status create_sac_split(void **self, const spa_param_values *values, spa_error *err)
{
    return create_any("sac-split", true, self, values, err);
}

const spa_policy spa_policy_sac_split = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "sac-split",
    .summary = "learned: the paper's scheduler, a continuous share of each operator",
    .source = "SparOA (arXiv 2511.19457); Haarnoja et al. 2018",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_SPLIT,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = 2, /* without `offline` */
    .create = create_sac_split,
    .destroy = destroy,
    .plan = plan,
};
