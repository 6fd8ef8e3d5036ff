/* Checkpoints, exported policies, evaluation, early stopping, and bad problems. */
#include "tests/base/check.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/text.h"
#include "policies/learn/classic.h"
#include "policies/learn/train.h"
#include "tests/learn/tiny.h"
#include "tests/oom.h"

/* Small enough to walk through all allocations, with every kind of buffer in use. */
static const struct small {
    const spa_learner_type *type;
    const spa_problem *problem;
    const char *params;
} small[] = {
    {&spa_learner_q_learning, &toy_chain, "slots=512:envs=4:explore-share=0.3:gamma=0.9"},
    {&spa_learner_dqn, &toy_chain, "hidden=12:warm-up=64:batch=16:buffer=200:tau=0.1"},
    {&spa_learner_ppo, &toy_chain, "hidden=12:envs=4:steps=16:minibatch=24"},
    {&spa_learner_ppo, &spa_problem_pendulum, "hidden=12:envs=3:steps=16:minibatch=24"},
    {&spa_learner_sac_discrete, &toy_chain, "hidden=12:warm-up=64:batch=16:buffer=200"},
    {&spa_learner_sac, &spa_problem_pendulum, "hidden=12:warm-up=64:batch=16:buffer=200:envs=2"},
};
enum { N_SMALL = sizeof small / sizeof *small };

static spa_learner_setup setup_of(const struct small *s)
{
    return (spa_learner_setup){
        .problem = s->problem, .total_steps = 2048, .seed = 3, .max_episode_steps = 300};
}

static spa_learner *make(const struct small *s)
{
    spa_learner *l;
    spa_learner_setup setup = setup_of(s);
    expect_ok(spa_learner_new(&l, s->type, &setup, s->params, err));
    return l;
}

static void path_of(char path[64], const char *name)
{
    snprintf(path, 64, "/tmp/spa_learn_%ld_%s", (long)getpid(), name);
}

/* ---- resuming ---- */

Test(training, resumed_training_is_bit_for_bit_that_without_a_break)
{
    char path[64];
    path_of(path, "resume");
    for (int i = 0; i < N_SMALL; i++) {
        spa_learner *whole = make(&small[i]), *first = make(&small[i]), *second = make(&small[i]);
        expect_ok(spa_learner_train(whole, 1500, err));
        expect_ok(spa_learner_train(first, 700, err));
        expect_ok(spa_learner_save(first, path, err));
        expect_ok(spa_learner_load(second, path, err));
        expect_ok(spa_learner_train(second, 1500, err));
        cr_assert_eq(whole->n_regions, second->n_regions);
        cr_assert_gt(whole->state->updates, 10);
        for (size_t r = 0; r < whole->n_regions; r++) {
            const spa_region *a = &whole->regions[r], *b = &second->regions[r];
            cr_assert_eq(memcmp(a->data, b->data, a->bytes), 0, "%s: %s", small[i].type->name,
                         a->name);
        }
        /* And it had learned something in the meantime. */
        const spa_region *rng = &first->regions[first->n_regions - 1];
        cr_assert_neq(memcmp(whole->state, first->state, sizeof *whole->state), 0, "%s", rng->name);
        spa_learner_free(whole);
        spa_learner_free(first);
        spa_learner_free(second);
    }
    unlink(path);
}

Test(training, a_seed_gives_the_same_policy_and_another_seed_another_one)
{
    for (int i = 0; i < N_SMALL; i++) {
        spa_actor a[3];
        spa_learner *l[3];
        for (int k = 0; k < 3; k++) {
            spa_learner_setup setup = setup_of(&small[i]);
            setup.seed += k == 2;
            expect_ok(spa_learner_new(&l[k], small[i].type, &setup, small[i].params, err));
            expect_ok(spa_learner_train(l[k], 500, err));
            spa_learner_actor(l[k], &a[k]);
        }
        size_t bytes = a[0].n_values * sizeof(float);
        cr_assert_eq(memcmp(a[0].values, a[1].values, bytes), 0);
        cr_assert_neq(memcmp(a[0].values, a[2].values, bytes), 0);
        for (int k = 0; k < 3; k++) spa_learner_free(l[k]);
    }
}

/* Writes bytes to a file and expects this when it is loaded; the learner stays as it was. */
static void refused(spa_learner *l, const char *path, const char *bytes, size_t size,
                    spa_status status, const char *what)
{
    spa_error e = {0};
    spa_learner_state before = *l->state;
    expect_ok(spa_write_file(path, bytes, size, err));
    cr_assert_eq(spa_learner_load(l, path, &e), status, "%s", e.message);
    cr_assert(strstr(e.message, what) && strstr(e.message, path), "%s", e.message);
    cr_assert_eq(memcmp(&before, l->state, sizeof before), 0);
}

Test(training, damaged_and_foreign_checkpoints_are_refused)
{
    char path[64], *file = NULL;
    size_t size = 0;
    path_of(path, "damaged");
    spa_learner *l = make(&small[1]);
    expect_ok(spa_learner_train(l, 300, err));
    expect_ok(spa_learner_save(l, path, err));
    expect_ok(spa_read_file(path, 1 << 24, true, &file, &size, err));
    spa_rng rng;
    spa_rng_init(&rng, 1, "test/flip");
    for (int i = 0; i < 60; i++) { /* any one bit behind the header's first words */
        size_t at = 16 + spa_rng_below(&rng, (uint32_t)(size - 16));
        char bit = (char)(1 << spa_rng_below(&rng, 8));
        file[at] ^= bit;
        refused(l, path, file, size, SPA_E_PARSE, "checksum");
        file[at] ^= bit;
    }
    refused(l, path, file, size - 1, SPA_E_PARSE, "checksum");
    refused(l, path, file, 20, SPA_E_PARSE, "not a checkpoint");
    file[8] = 1;
    refused(l, path, file, size, SPA_E_UNSUPPORTED, "version 1");
    file[8] = 2;
    file[12] ^= 1;
    refused(l, path, file, size, SPA_E_UNSUPPORTED, "byte order");
    file[12] ^= 1;
    spa_learner *other = make(&small[4]); /* another algorithm */
    refused(other, path, file, size, SPA_E_INVALID, "another training run");
    spa_learner_free(other);
    struct small wider = small[1];
    wider.params = "hidden=13:warm-up=64:batch=16:buffer=200:tau=0.1";
    other = make(&wider);
    refused(other, path, file, size, SPA_E_INVALID, "another training run");
    spa_learner_free(other);
    expect_ok(spa_write_file(path, file, size, err));
    expect_ok(spa_learner_load(l, path, err)); /* whole again */
    spa_learner_free(l);
    free(file);
    unlink(path);
}

Test(training, a_problem_that_has_changed_since_is_noticed_when_resuming)
{
    char path[64];
    float offset = 0;
    spa_learner *l;
    spa_learner_setup setup = {
        .problem = &toy_drift, .config = &offset, .total_steps = 100, .seed = 1};
    path_of(path, "drift");
    expect_ok(spa_learner_new(&l, &spa_learner_q_learning, &setup, "envs=1", err));
    expect_ok(spa_learner_train(l, 13, err)); /* 3 steps into the third episode */
    expect_ok(spa_learner_save(l, path, err));
    expect_ok(spa_learner_load(l, path, err));
    offset = 0.25f;
    expect_error(spa_learner_load(l, path, err), SPA_E_INVALID,
                 "drift: replaying 3 steps came to another state than the one that was saved; the"
                 " problem has changed since");
    spa_learner_free(l);
    unlink(path);
}

/* ---- trained policies as files ---- */

Test(training, a_written_policy_decides_as_the_learner_does)
{
    char path[64];
    path_of(path, "actor");
    for (int i = 0; i < N_SMALL; i++) {
        spa_learner *l = make(&small[i]);
        spa_actor a, b;
        spa_rng rng;
        spa_rng_init(&rng, 1, "test/actor");
        expect_ok(spa_learner_train(l, 600, err));
        spa_learner_actor(l, &a);
        expect_ok(spa_actor_write(&a, path, err));
        expect_ok(spa_actor_read(&b, path, err));
        expect_ok(spa_actor_fits(&b, small[i].problem->name, &l->envs.shape, err));
        cr_assert_eq(a.n_values, b.n_values);
        cr_assert_eq(memcmp(a.values, b.values, a.n_values * sizeof(float)), 0);
        for (int k = 0; k < 50; k++) {
            float obs[8], x[2] = {0};
            uint32_t c[2] = {0};
            for (int j = 0; j < 8; j++) obs[j] = (float)spa_rng_gaussian(&rng);
            spa_actor_act(&a, obs, NULL, &c[0], &x[0]);
            spa_actor_act(&b, obs, NULL, &c[1], &x[1]);
            cr_assert(c[0] == c[1] && x[0] == x[1]);
        }
        spa_actor_fini(&b);
        spa_learner_free(l);
    }
    unlink(path);
}

static char *written_policy(const char *path, int which, size_t *size)
{
    char *text = NULL;
    spa_actor a;
    spa_learner *l = make(&small[which]);
    spa_learner_actor(l, &a);
    expect_ok(spa_actor_write(&a, path, err));
    expect_ok(spa_read_file(path, 1 << 24, false, &text, size, err));
    spa_learner_free(l);
    return text;
}

Test(training, a_policy_file_with_any_byte_changed_is_refused)
{
    char path[64];
    size_t size;
    path_of(path, "changed");
    char *text = written_policy(path, 1, &size);
    for (size_t at = 0; at < size; at += at < 300 ? 7 : 211) {
        spa_actor a;
        spa_error e = {0};
        text[at] ^= 1;
        expect_ok(spa_write_file(path, text, size, err));
        cr_assert_neq(spa_actor_read(&a, path, &e), SPA_OK, "byte %zu", at);
        cr_assert(strstr(e.message, path) && a.memory == NULL);
        text[at] ^= 1;
    }
    free(text);
    unlink(path);
}

/* Replaces a piece of text and puts the right checksum behind it. */
static void doctor(const char *path, const char *text, size_t size, const char *old,
                   const char *new)
{
    spa_string s = {0};
    const char *at = strstr(text, old);
    cr_assert(at != NULL);
    size_t body = size - 26; /* without the checksum's line */
    spa_string_append(&s, "%.*s%s%.*s", (int)(at - text), text, new,
                      (int)(body - (size_t)(at - text) - strlen(old)), at + strlen(old));
    uint64_t sum = spa_hash_bytes(SPA_HASH_SEED, s.text, s.length);
    spa_string_append(&s, "checksum %016llx\n", (unsigned long long)sum);
    expect_ok(spa_write_file(path, s.text, s.length, err));
    spa_string_fini(&s);
}

Test(training, policy_files_that_make_no_sense_are_refused_with_their_line)
{
    static const char *const cases[][3] = {
        {"sparoa-actor 1", "sparoa-actor 2", ":1: version 2 of trained policies"},
        {"obs 6", "obs 5", ":10: this layer takes 6 numbers, but 5 come in"},
        {"rule best", "rule west", ":8: unknown word 'west'; did you mean 'best'?"},
        {"rule best", "rule tanh", ":9: a policy without actions"},
        {"layer 12 3 none", "layer 12 2 none", ":12: 2 outputs are too few for 2 actions"},
        {"layer 6 12 relu", "layer 6 12 gelu", ":10: unknown word 'gelu'"},
        {"values ", "values 1", ":13: 1"},
        {"choices 2", "choices x", ":6: "},
        {"skip 0", "skip 0.5", ""},
    };
    char path[64];
    size_t size;
    path_of(path, "nonsense");
    char *text = written_policy(path, 1, &size);
    for (size_t i = 0; i + 1 < sizeof cases / sizeof *cases; i++) {
        spa_actor a;
        spa_error e = {0};
        doctor(path, text, size, cases[i][0], cases[i][1]);
        cr_assert_neq(spa_actor_read(&a, path, &e), SPA_OK, "%s", cases[i][1]);
        cr_assert(strstr(e.message, cases[i][2]), "%s", e.message);
    }
    free(text);
    unlink(path);
}

Test(training, a_policy_for_another_problem_does_not_fit)
{
    spa_learner *l = make(&small[1]);
    spa_actor a;
    spa_problem_shape shape = l->envs.shape;
    spa_learner_actor(l, &a);
    expect_ok(spa_actor_fits(&a, "chain", &shape, err));
    expect_error(spa_actor_fits(&a, "bandit", &shape, err), SPA_E_INVALID,
                 "this policy was trained on 'chain', not on 'bandit'");
    shape.hash = 5;
    expect_error(spa_actor_fits(&a, "chain", &shape, err), SPA_E_INVALID,
                 "this policy was trained on another 'chain': 6 observations, 2 choices, 0"
                 " continuous actions, hash 0000000000000000; here 6, 2, 0, 0000000000000005");
    spa_learner_free(l);
}

/* ---- whole runs ---- */

typedef struct watch {
    size_t calls, best;
    uint64_t steps[16];
    bool stop;
} watch;

static spa_status look(void *user, const spa_train_progress *p, spa_error *err)
{
    watch *w = user;
    cr_assert_eq(p->steps, p->state->steps);
    w->steps[w->calls++ % 16] = p->steps;
    w->best += p->best;
    return w->stop ? spa_fail(err, SPA_E_INTERRUPTED, "enough") : SPA_OK;
}

Test(training, evaluations_do_not_disturb_training)
{
    spa_learner *a = make(&small[1]), *b = make(&small[1]);
    watch w = {0};
    spa_train_options o = spa_train_default();
    spa_train_result result;
    o.every = 300;
    o.progress = look;
    o.user = &w;
    expect_ok(spa_train(a, &o, &result, err));
    expect_ok(spa_learner_train(b, 2048, err));
    cr_assert_eq(w.calls, 7); /* after 304, 600, 904 ... (8 environments) and 2048 steps */
    cr_assert_eq(w.steps[0], 304);
    cr_assert_eq(w.steps[6], 2048);
    cr_assert_eq(result.end, SPA_TRAIN_ALL_STEPS);
    for (size_t r = 0; r < a->n_regions; r++) {
        if (!strcmp(a->regions[r].name, "state")) continue; /* counts evaluations */
        cr_assert_eq(memcmp(a->regions[r].data, b->regions[r].data, a->regions[r].bytes), 0);
    }
    spa_learner_free(a);
    spa_learner_free(b);
}

Test(training, a_goal_ends_it_and_so_does_a_lack_of_progress)
{
    spa_learner *l = make(&small[0]);
    spa_train_options o = spa_train_default();
    spa_train_result result;
    char path[64];
    path_of(path, "best");
    o.every = 256;
    o.goal = 1; /* the chain's best return */
    o.best_path = path;
    expect_ok(spa_train(l, &o, &result, err));
    cr_assert_eq(result.end, SPA_TRAIN_GOAL);
    cr_assert(result.last.mean == 1 && l->state->steps < 2048);
    spa_actor a;
    spa_score score;
    expect_ok(spa_actor_read(&a, path, err)); /* what was kept is what was scored */
    expect_ok(spa_actor_score(&a, &toy_chain, NULL, 5, 100, 9, &score, err));
    cr_assert_eq(score.mean, 1);
    spa_actor_fini(&a);
    spa_learner_free(l);
    l = make(&small[0]);
    o.goal = NAN;
    o.patience = 2;
    expect_ok(spa_train(l, &o, &result, err));
    cr_assert_eq(result.end, SPA_TRAIN_PATIENCE);
    cr_assert(l->state->stale == 2 && l->state->steps == l->state->best_steps + 512);
    spa_learner_free(l);
    unlink(path);
}

Test(training, whoever_watches_can_stop_it)
{
    spa_learner *l = make(&small[0]);
    watch w = {.stop = true};
    spa_train_options o = spa_train_default();
    spa_train_result result;
    o.every = 64;
    o.progress = look;
    o.user = &w;
    expect_error(spa_train(l, &o, &result, err), SPA_E_INTERRUPTED, "enough");
    cr_assert_eq(l->state->steps, 64);
    spa_learner_free(l);
}

/* As too large a learning rate would in the end. */
static spa_status spoil(void *user, const spa_train_progress *p, spa_error *err)
{
    spa_actor a;
    spa_learner_actor(user, &a);
    ((float *)a.values)[3] = INFINITY;
    return SPA_OK;
}

Test(training, diverging_training_stops_and_names_the_last_good_checkpoint)
{
    char path[64], want[256];
    path_of(path, "good");
    spa_learner *l = make(&small[1]);
    spa_train_options o = spa_train_default();
    spa_train_result result;
    spa_error e = {0};
    o.every = 400;
    o.checkpoint_path = path;
    o.progress = spoil;
    o.user = l;
    cr_assert_eq(spa_train(l, &o, &result, &e), SPA_E_RANGE, "%s", e.message);
    snprintf(want, sizeof want,
             "dqn on 'chain': training diverged after 408 steps (the gradient is not finite); lower"
             " the learning rate or go back to an earlier checkpoint; the last good checkpoint is"
             " %s",
             path);
    cr_assert_str_eq(e.message, want);
    expect_ok(spa_learner_load(l, path, err)); /* which is good */
    o.progress = NULL;
    expect_ok(spa_train(l, &o, &result, err));
    spa_learner_free(l);
    unlink(path);
}

/* ---- bad problems, bad set-ups ---- */

static void fails(const spa_problem *problem, size_t longest, const char *message)
{
    spa_learner *l;
    spa_error e = {0};
    spa_learner_setup setup = {
        .problem = problem, .total_steps = 5000, .seed = 1, .max_episode_steps = longest};
    expect_ok(spa_learner_new(&l, &spa_learner_q_learning, &setup, "envs=1", err));
    cr_assert_neq(spa_learner_train(l, 5000, &e), SPA_OK);
    cr_assert_str_eq(e.message, message);
    spa_learner_free(l);
}

Test(training, problems_that_misbehave_are_named)
{
    fails(&toy_nan, 0,
          "nan: an observation or reward that is not finite after step 3 of an episode"
          " (environment 0)");
    fails(&toy_stuck, 0, "stuck: no action is allowed after step 3 of an episode (environment 0)");
    fails(&toy_endless, 70,
          "endless: an episode has not ended after 70 steps; does it ever? Raise the longest"
          " episode if it does");
}

Test(training, impossible_set_ups_are_refused)
{
    spa_learner *l;
    const spa_learner_type *type;
    spa_learner_setup setup = {.problem = &toy_chain, .total_steps = 100, .seed = 1};
    expect_error(spa_learner_new(&l, &spa_learner_sac, &setup, "", err), SPA_E_UNSUPPORTED,
                 "sac learns continuous actions only, and those of 'chain' are discrete");
    cr_assert(l == NULL);
    expect_error(spa_learner_new(&l, &spa_learner_ppo, &setup, "minibatch=512:steps=8", err),
                 SPA_E_INVALID, "ppo: a minibatch of 512 steps is more than envs * steps = 128");
    spa_error e = {0};
    cr_assert_eq(spa_learner_new(&l, &spa_learner_ppo, &setup, "minibach=512", &e),
                 SPA_E_NOT_FOUND);
    cr_assert(strstr(e.message, "minibatch"), "%s", e.message);
    setup.total_steps = 0;
    expect_error(spa_learner_new(&l, &spa_learner_ppo, &setup, "", err), SPA_E_INVALID,
                 "ppo: no steps to train");
    setup = (spa_learner_setup){.problem = &spa_problem_pendulum, .total_steps = 100};
    expect_error(spa_learner_new(&l, &spa_learner_dqn, &setup, "", err), SPA_E_UNSUPPORTED,
                 "dqn learns discrete actions only, and those of 'pendulum' are continuous");
    expect_error(spa_learner_find("qlearning", &type, err), SPA_E_NOT_FOUND,
                 "unknown learning algorithm 'qlearning'; did you mean 'q-learning'?");
    expect_ok(spa_learner_find("sac", &type, err));
    cr_assert(type == &spa_learner_sac);
}

Test(training, running_out_of_memory_is_an_error_at_every_allocation)
{
    for (int i = 0; i < N_SMALL; i++) {
        for (long n = 0;; n++) {
            spa_learner *l;
            spa_error e = {0};
            spa_learner_setup setup = setup_of(&small[i]);
            oom_fail_at(n);
            spa_status status = spa_learner_new(&l, small[i].type, &setup, small[i].params, &e);
            bool failed = oom_failed();
            oom_off();
            if (!failed) {
                cr_assert(status == SPA_OK && n > 5);
                spa_learner_free(l);
                break;
            }
            cr_assert(status == SPA_E_NOMEM && l == NULL, "allocation %ld: %s", n, e.message);
        }
    }
}

Test(training, nothing_is_allocated_while_training)
{
    for (int i = 0; i < N_SMALL; i++) {
        spa_learner *l = make(&small[i]);
        spa_error e = {0};
        oom_fail_at(-1);
        spa_status status = spa_learner_train(l, 2000, &e);
        long count = oom_count();
        oom_off();
        cr_assert_eq(status, SPA_OK);
        cr_assert_eq(count, 0, "%s: %ld", small[i].type->name, count);
        cr_assert_gt(l->state->updates, 10);
        spa_learner_free(l);
    }
}
