#include "policies/learn/acting.h"

#include <assert.h>

void spa_acting_fini(spa_acting *a)
{
    spa_features_fini(&a->features);
}

spa_status spa_acting_plan(spa_acting *a, const spa_plan_context *context, spa_schedule *schedule,
                           spa_error *err)
{
    spa_features_fini(&a->features);
    SPA_TRY(spa_features_init(&a->features, context->costs, &a->options, err));
    spa_schedule_copy(schedule, &a->features.schedule);
    return SPA_OK;
}

void spa_acting_place(const spa_acting *a, const spa_view *view, uint32_t op, spa_action *action)
{
    const spa_features *f = &a->features;
    float obs[SPA_FEATURES_MAX], choice;
    uint8_t mask[SPA_MAX_PROCESSORS];
    spa_outlook outlook;
    bool valid;
    assert(f->costs == view->costs);
    spa_features_look(f, view, op, &outlook);
    spa_features_observe(f, view, op, &outlook, obs);
    spa_features_mask(f, op, mask);
    choice = a->decide(a->decider, obs, mask);
    if (a->splits)
        valid = spa_action_of_share(f, op, choice, action);
    else if (a->continuous)
        valid = spa_action_of_preference(f, op, choice, action);
    else
        valid = choice >= 0 && choice < (float)f->n_slots &&
                spa_action_of_slot(f, op, (uint32_t)choice, action);
    if (!valid) *action = (spa_action){.processor = -1, .lane = SPA_LANE_ANY};
}
