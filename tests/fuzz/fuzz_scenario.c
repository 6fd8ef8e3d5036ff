/* Scenario files. */
#include "sim/scenario.h"
#include "tests/fuzz/fuzz.h"

FUZZ_TARGET(fuzz_scenario)
{
    spa_scenario s;
    spa_error err = {0};
    spa_status status = spa_scenario_parse(&s, "fuzz.scenario", (const char *)data, size, &err);
    if (status) {
        fuzz_error(status, &err);
        FUZZ_CHECK(s.requests == 0 && s.arrival_ns == NULL, "a result beside an error");
        return 0;
    }
    FUZZ_CHECK(s.requests >= 1 && s.warmup < s.requests, "requests");
    FUZZ_CHECK(s.concurrency >= 1 && s.concurrency <= 65536, "concurrency %u", s.concurrency);
    FUZZ_CHECK(s.arrivals != SPA_ARRIVALS_SINGLE || s.concurrency == 1, "arrivals");
    FUZZ_CHECK(!spa_scenario_is_open(&s) || spa_scenario_rate(&s) > 0 ||
                   s.arrivals == SPA_ARRIVALS_RECORDED,
               "rate");
    FUZZ_CHECK(memchr(s.name, '\0', sizeof s.name), "name");
    spa_scenario_fini(&s);
    return 0;
}
