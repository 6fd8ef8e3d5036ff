#include "policies/learn/sac_core.h"

#include <math.h>
#include <string.h>

#include "policies/learn/loops.h"

static spa_status part_init(spa_learner *l, sac_part *p, const char *const names[4], size_t n,
                            spa_error *err)
{
    size_t padded = n + SPA_NET_PAD, f = sizeof(float);
    p->n = n;
    SPA_TRY(spa_learner_array(l, names[0], &p->params, padded, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->gradients, padded, f, err));
    SPA_TRY(spa_learner_array(l, names[1], &p->moment1, n, f, err));
    SPA_TRY(spa_learner_array(l, names[2], &p->moment2, n, f, err));
    SPA_TRY(spa_learner_array(l, names[3], &p->adam, 1, sizeof *p->adam, err));
    *p->adam = spa_adam_default();
    return SPA_OK;
}

static spa_status make_parts(sac_core *c, spa_error *err)
{
    static const char *const of_actor[4] = {"sac/actor", "sac/actor/m1", "sac/actor/m2",
                                            "sac/actor/adam"};
    static const char *const of_critic[4] = {"sac/critic", "sac/critic/m1", "sac/critic/m2",
                                             "sac/critic/adam"};
    static const char *const of_alpha[4] = {"sac/alpha", "sac/alpha/m1", "sac/alpha/m2",
                                            "sac/alpha/adam"};
    spa_learner *l = &c->base;
    /* The loops read past the first critic's end, into the second one's. */
    c->critic_at = c->critic.n_params;
    SPA_TRY(part_init(l, &c->actor_part, of_actor, c->actor.n_params, err));
    SPA_TRY(part_init(l, &c->critic_part, of_critic, 2 * c->critic_at, err));
    SPA_TRY(part_init(l, &c->alpha_part, of_alpha, 1, err));
    SPA_TRY(spa_learner_array(l, "sac/target", &c->target_params, 2 * c->critic_at + SPA_NET_PAD,
                              sizeof(float), err));
    SPA_TRY(spa_net_start_f32(&c->actor, SPA_START_ORTHOGONAL, 0.1, l->setup.seed, "learn/actor",
                              c->actor_part.params, err));
    SPA_TRY(spa_net_start_f32(&c->critic, SPA_START_ORTHOGONAL, 1, l->setup.seed, "learn/critic/0",
                              c->critic_part.params, err));
    SPA_TRY(spa_net_start_f32(&c->critic, SPA_START_ORTHOGONAL, 1, l->setup.seed, "learn/critic/1",
                              c->critic_part.params + c->critic_at, err));
    memcpy(c->target_params, c->critic_part.params, 2 * c->critic_at * sizeof(float));
    c->alpha_part.params[0] = (float)log(spa_learner_param(l, SAC_ALPHA));
    return SPA_OK;
}

spa_status sac_core_init(sac_core *core, size_t actor_out, size_t critic_in, size_t critic_out,
                         spa_error *err)
{
    spa_learner *l = &core->base;
    size_t batch = (size_t)spa_learner_param(l, SAC_BATCH);
    size_t hidden = (size_t)spa_learner_param(l, SAC_HIDDEN);
    size_t depth = (size_t)spa_learner_param(l, SAC_DEPTH);
    size_t widest = batch > l->envs.n ? batch : l->envs.n;
    spa_net_mlp(&core->actor, l->envs.shape.n_obs, hidden, depth, actor_out, SPA_ACT_RELU);
    spa_net_mlp(&core->critic, critic_in, hidden, depth, critic_out, SPA_ACT_RELU);
    SPA_TRY(spa_net_work_init_f32(&core->actor_work, &core->actor, widest, 1, err));
    SPA_TRY(spa_net_work_init_f32(&core->critic_work[0], &core->critic, batch, 1, err));
    SPA_TRY(spa_net_work_init_f32(&core->critic_work[1], &core->critic, batch, 1, err));
    SPA_TRY(make_parts(core, err));
    SPA_TRY(spa_learner_array(l, "sac/rng", &core->rng, 1, sizeof *core->rng, err));
    spa_rng_init(core->rng, l->setup.seed, "learn/actions");
    return spa_buffer_init(&core->buffer, l, (size_t)spa_learner_param(l, SAC_BUFFER), batch, err);
}

void sac_core_destroy(spa_learner *learner)
{
    sac_core *core = (sac_core *)learner;
    spa_net_work_fini_f32(&core->actor_work);
    spa_net_work_fini_f32(&core->critic_work[0]);
    spa_net_work_fini_f32(&core->critic_work[1]);
}

double sac_alpha(const sac_core *core)
{
    return exp(core->alpha_part.params[0]);
}

double sac_rate(const sac_core *core, double rate)
{
    const spa_learner *l = &core->base;
    return spa_learner_param(l, SAC_ANNEAL) != 0 ? rate * spa_learner_ramp(l, 1, 0.1, 1) : rate;
}

void sac_critics(sac_core *core, const float *params, const float *x, size_t rows,
                 const float *q[2])
{
    for (int k = 0; k < 2; k++) {
        q[k] = spa_net_forward_f32(&core->critic, params + k * core->critic_at,
                                   &core->critic_work[k], x, rows, 1);
    }
}

void sac_zero(sac_part *part)
{
    memset(part->gradients, 0, part->n * sizeof *part->gradients);
}

spa_status sac_step(sac_core *core, sac_part *part, double rate, const char *what, spa_error *err)
{
    double norm = spa_adam_update(part->adam, sac_rate(core, rate),
                                  spa_learner_param(&core->base, SAC_MAX_NORM), part->n,
                                  part->params, part->gradients, part->moment1, part->moment2);
    return spa_learner_finite(&core->base, what, norm, err);
}

/* Gradient descent on log alpha * (entropy - target): the temperature falls while there is more
 * entropy than wanted (the variant on log alpha, as in the authors' program). */
spa_status sac_learn_alpha(sac_core *core, double surplus, spa_error *err)
{
    sac_part *part = &core->alpha_part;
    part->gradients[0] = (float)surplus;
    core->base.state->extra = sac_alpha(core);
    return sac_step(core, part, spa_learner_param(&core->base, SAC_RATE), "temperature", err);
}

void sac_follow(sac_core *core)
{
    spa_loops_best()->blend(core->target_params, core->critic_part.params,
                            (float)spa_learner_param(&core->base, SAC_TAU), core->critic_part.n);
}

spa_status sac_advance(sac_core *core, const sac_steps *steps, spa_error *err)
{
    spa_learner *l = &core->base;
    uint64_t warm_up = (uint64_t)spa_learner_param(l, SAC_WARM_UP), before = l->state->steps;
    uint64_t every = (uint64_t)spa_learner_param(l, SAC_EVERY);
    steps->choose(core, before < warm_up);
    spa_buffer_before(&core->buffer, &l->envs);
    SPA_TRY(spa_envs_step(&l->envs, err));
    spa_buffer_after(&core->buffer, &l->envs, (float)spa_learner_param(l, SAC_SCALE));
    spa_learner_count(l);
    if (l->state->steps < warm_up) return SPA_OK;
    for (uint64_t k = l->state->steps / every - before / every; k > 0; k--) {
        spa_buffer_draw(&core->buffer);
        SPA_TRY(steps->update(core, err));
        sac_follow(core);
        l->state->updates++;
    }
    return SPA_OK;
}
