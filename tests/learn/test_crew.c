/* Parts of a job on several threads, and training on them. */
#include "tests/base/check.h"
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "policies/learn/classic.h"
#include "policies/learn/train.h"

enum { PARTS = 37, JOBS = 3000 };

typedef struct job {
    unsigned calls[PARTS];
    unsigned number[PARTS]; /* of the job that the part was last done for */
    unsigned now;
} job;

static void count(void *user, size_t i)
{
    job *j = user;
    j->calls[i]++;
    j->number[i] = j->now;
}

Test(crew, does_every_part_once_and_returns_when_all_are_done)
{
    alarm(120);
    for (size_t threads = 1; threads <= 4; threads++) {
        spa_crew *crew = NULL;
        static job j;
        memset(&j, 0, sizeof j);
        expect_ok(spa_crew_new(&crew, threads, err));
        cr_assert_eq(crew == NULL, threads == 1);
        for (unsigned k = 1; k <= JOBS; k++) {
            size_t n = k % (PARTS + 1);
            j.now = k;
            spa_crew_run(crew, n, count, &j);
            for (size_t i = 0; i < n; i++) cr_assert_eq(j.number[i], k);
            if (k % 1000 == 0)
                nanosleep(&(struct timespec){0, 2000000},
                          NULL); /* long enough for threads to sleep */
        }
        for (size_t i = 0; i < PARTS; i++) {
            unsigned want = 0;
            for (unsigned k = 1; k <= JOBS; k++) want += k % (PARTS + 1) > i;
            cr_assert_eq(j.calls[i], want, "part %zu: %u times, not %u", i, j.calls[i], want);
        }
        spa_crew_free(crew);
    }
}

Test(crew, of_no_or_too_many_threads_is_refused)
{
    spa_crew *crew;
    expect_error(spa_crew_new(&crew, 0, err), SPA_E_RANGE, "0 threads; 1 to 256 are possible");
    expect_error(spa_crew_new(&crew, SPA_CREW_MOST + 1, err), SPA_E_RANGE,
                 "257 threads; 1 to 256 are possible");
}

/* ---- training ---- */

static spa_learner *train(const spa_problem *problem, const char *params, size_t threads,
                          spa_train_result *result)
{
    spa_learner *l;
    spa_train_options o = spa_train_default();
    spa_learner_setup setup = {
        .problem = problem, .total_steps = 4096, .seed = 3, .threads = threads};
    o.every = 1024;
    o.episodes = 11;
    expect_ok(spa_learner_new(&l, &spa_learner_ppo, &setup, params, err));
    expect_ok(spa_train(l, &o, result, err));
    return l;
}

/* Policies, scores and all that a checkpoint would hold. */
static void expect_equal(const spa_learner *a, const spa_learner *b)
{
    for (size_t i = 0; i < a->n_regions; i++)
        cr_assert(!a->regions[i].bytes ||
                      !memcmp(a->regions[i].data, b->regions[i].data, a->regions[i].bytes),
                  "%s differs", a->regions[i].name);
}

Test(crew, trains_the_same_policy_bit_for_bit_for_any_number_of_threads)
{
    static const struct {
        const spa_problem *problem;
        const char *params;
    } cases[] = {
        {&spa_problem_cart_pole, "envs=32:steps=16:minibatch=512:epochs=2"},
        {&spa_problem_pendulum, "envs=33:steps=16:minibatch=200:epochs=2"}, /* uneven parts */
        {&spa_problem_cart_pole, "envs=4:steps=64:minibatch=32:epochs=1"},  /* one part */
    };
    alarm(120);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spa_train_result alone, together;
        spa_learner *one = train(cases[i].problem, cases[i].params, 1, &alone);
        for (size_t threads = 2; threads <= 5; threads++) {
            spa_learner *many = train(cases[i].problem, cases[i].params, threads, &together);
            expect_equal(one, many);
            cr_assert_eq(memcmp(&alone.last, &together.last, sizeof alone.last), 0);
            spa_learner_free(many);
        }
        spa_learner_free(one);
    }
}

Test(crew, algorithms_that_learn_on_one_thread_refuse_more)
{
    spa_learner *l;
    spa_learner_setup setup = {
        .problem = &spa_problem_cart_pole, .total_steps = 100, .seed = 1, .threads = 2};
    expect_error(spa_learner_new(&l, &spa_learner_dqn, &setup, "", err), SPA_E_UNSUPPORTED,
                 "dqn learns on one thread, not on 2");
}
