/* Policies that were learned, as text; the checksum is put behind them here. */
#include "policies/learn/actor.h"
#include "tests/fuzz/fuzz.h"

FUZZ_TARGET(fuzz_actor)
{
    static const char *const names[] = {"actor.in", "actor.one", "actor.two"};
    char in[128], one[128], two[128], *first = NULL, *second = NULL;
    size_t n_first = 0, n_second = 0;
    spa_actor a, again;
    spa_error err = {0};
    fuzz_path(in, names[0]);
    fuzz_path(one, names[1]);
    fuzz_path(two, names[2]);
    fuzz_put_summed(in, data, size);
    spa_status status = spa_actor_read(&a, in, &err);
    if (status) {
        fuzz_error(status, &err);
        fuzz_clean(names, 3);
        return 0;
    }
    FUZZ_CHECK(!spa_actor_write(&a, one, &err), "%s", err.message);
    status = spa_actor_read(&again, one, &err);
    FUZZ_CHECK(status == SPA_OK, "%s", err.message);
    FUZZ_CHECK(!spa_actor_write(&again, two, &err), "%s", err.message);
    FUZZ_CHECK(!spa_read_file(one, 1 << 26, false, &first, &n_first, &err), "%s", err.message);
    FUZZ_CHECK(!spa_read_file(two, 1 << 26, false, &second, &n_second, &err), "%s", err.message);
    FUZZ_CHECK(n_first == n_second && !memcmp(first, second, n_first), "%s\n%s", first, second);
    free(first);
    free(second);
    spa_actor_fini(&a);
    spa_actor_fini(&again);
    fuzz_clean(names, 3);
    return 0;
}
