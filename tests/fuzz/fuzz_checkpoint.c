/* Checkpoints of training: the seed holds what a small learner keeps (without the checksum, which
 * is put behind it here). What is accepted can be trained on. */
#include "policies/learn/classic.h"
#include "policies/learn/learner.h"
#include "tests/fuzz/fuzz.h"

static spa_learner *checkpoint_learner(void)
{
    const spa_learner_setup setup = {
        .problem = &spa_problem_cart_pole, .total_steps = 64, .seed = 3, .max_episode_steps = 20};
    spa_learner *l;
    spa_error err;
    FUZZ_CHECK(!spa_learner_new(&l, &spa_learner_dqn, &setup,
                                "hidden=2:warm-up=4:batch=4:buffer=8:envs=1", &err),
               "%s", err.message);
    return l;
}

FUZZ_TARGET(fuzz_checkpoint)
{
    static const char *const names[] = {"checkpoint"};
    spa_error err = {0};
    char path[128];
    uint8_t *file = malloc(size + sizeof(uint64_t));
    uint64_t sum = spa_hash_bytes(SPA_HASH_SEED, data, size);
    FUZZ_CHECK(file, "no memory");
    memcpy(file, data, size);
    memcpy(file + size, &sum, sizeof sum);
    fuzz_path(path, names[0]);
    fuzz_put(path, file, size + sizeof sum);
    spa_learner *l = checkpoint_learner();
    spa_status status = spa_learner_load(l, path, &err);
    if (!status) status = spa_learner_train(l, l->state->steps + 8, &err);
    if (status) fuzz_error(status, &err);
    spa_learner_free(l);
    free(file);
    fuzz_clean(names, 1);
    return 0;
}
