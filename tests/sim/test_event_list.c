/* The event list against a sorted array: both its forms, thousands of random operations. */
#include <stdlib.h>
#include "sim/event_list.h"
#include "tests/sim/world.h"

/* The earliest of plain times, the lower slot on ties. */
static uint32_t first_of(const int64_t *time, uint32_t n)
{
    uint32_t best = SPA_EVENT_LIST_NONE;
    for (uint32_t i = 0; i < n; i++)
        if (time[i] != SPA_NEVER && (best == SPA_EVENT_LIST_NONE || time[i] < time[best])) best = i;
    return best;
}

static int64_t random_time(spa_rng *rng)
{
    uint32_t kind = spa_rng_below(rng, 10);
    if (kind < 3) return SPA_NEVER;
    if (kind < 6) return spa_rng_below(rng, 4); /* ties */
    if (kind == 6) return INT64_MAX - 1;
    return (int64_t)spa_rng_u32(rng) * 1000;
}

static void compare(uint32_t n, uint64_t seed, int operations)
{
    spa_event_list *list = calloc(1, spa_event_list_bytes(n));
    int64_t *time = malloc(n * sizeof *time);
    spa_rng rng;
    spa_rng_init_indexed(&rng, seed, "event list", n);
    spa_event_list_init(list, n);
    for (uint32_t i = 0; i < n; i++) time[i] = SPA_NEVER;
    cr_assert_eq(spa_event_list_first(list), SPA_EVENT_LIST_NONE);
    for (int k = 0; k < operations; k++) {
        uint32_t slot = spa_rng_below(&rng, n);
        int64_t at = random_time(&rng);
        if (spa_rng_below(&rng, 3) == 0) { /* what a step does: take the first away */
            slot = first_of(time, n);
            if (slot == SPA_EVENT_LIST_NONE) continue;
            at = SPA_NEVER;
        }
        time[slot] = at;
        spa_event_list_set(list, slot, at);
        cr_assert_eq(spa_event_list_times(list)[slot], at);
        cr_assert_eq(spa_event_list_first(list), first_of(time, n), "%u slots, operation %d", n, k);
    }
    while (first_of(time, n) != SPA_EVENT_LIST_NONE) { /* in order to the end */
        uint32_t slot = spa_event_list_first(list);
        cr_assert_eq(slot, first_of(time, n));
        time[slot] = SPA_NEVER;
        spa_event_list_set(list, slot, SPA_NEVER);
    }
    cr_assert_eq(spa_event_list_first(list), SPA_EVENT_LIST_NONE);
    free(list);
    free(time);
}

Test(event_list, few_slots_are_scanned_like_a_sorted_array)
{
    for (uint32_t n = 1; n <= SPA_EVENT_LIST_SCAN; n++) compare(n, 1, 3000);
}

Test(event_list, many_slots_are_a_heap_like_a_sorted_array)
{
    for (uint32_t n = SPA_EVENT_LIST_SCAN + 1; n <= 80; n += n < 20 ? 1 : 7) compare(n, 2, 5000);
}

Test(event_list, ties_go_to_the_lower_slot_whatever_came_before)
{
    for (uint32_t n = SPA_EVENT_LIST_SCAN; n <= SPA_EVENT_LIST_SCAN + 9; n += 9) {
        spa_event_list *list = calloc(1, spa_event_list_bytes(n));
        spa_event_list_init(list, n);
        for (uint32_t i = n; i-- > 0;) spa_event_list_set(list, i, 1000 + i);
        for (uint32_t i = n; i-- > 0;) spa_event_list_set(list, i, 7);
        for (uint32_t i = 0; i < n; i++) {
            cr_assert_eq(spa_event_list_first(list), i);
            spa_event_list_set(list, i, SPA_NEVER);
        }
        free(list);
    }
}

/* An engine with more slots than are scanned gives the events of one with few: 14 lanes of which
 * two are used, against two lanes. */
Test(event_list, a_machine_with_many_idle_lanes_runs_like_one_with_few)
{
    sim_world w;
    sim_run few, many;
    sim_world_init(&w, 1, "a; b; c a b; d a; e c d");
    w.costs.processors[0].n_lanes = 2;
    const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        sim_kernel(&w, names[i], 0, 10 + 3 * i);
        sim_place(&w, names[i], 0, (int8_t)(i % 2));
    }
    w.config.scenario = spa_scenario_closed(4, 50);
    sim_run_init(&few, &w);
    w.costs.processors[0].n_lanes = 14;
    sim_run_init(&many, &w);
    cr_assert_eq(few.result.digest, many.result.digest);
    cr_assert_eq(few.n_events, many.n_events);
    sim_run_fini(&few);
    sim_run_fini(&many);
    sim_world_fini(&w);
}
