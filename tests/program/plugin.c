/* Plug-ins for the tests: -DPLUGIN_<kind> -DPLUGIN_NAME="<kind>", one shared object each
 * (build.mk).
 *
 *   good     the first processor that can run the operator
 *   clash    the same, but named as a built-in policy
 *   abi, layout, table, empty, silent      refused when they are loaded
 *   crash, hang, hog, exit, illegal, fickle      misbehave when they decide
 *   both, overfull, waiting      also bring a batcher "pairs": good, closes more than waits, waits
 * for what is past */
#include <stdlib.h>
#include <string.h>
#include "sim/plugin.h"

static const spa_param params[] = {
    {"last", SPA_PARAM_INT, 0, 0, 1, NULL, "", "take the last processor instead of the first"},
};

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    SPA_TRY(spa_alloc(self, 1, sizeof *values, err));
    memcpy(*self, values, sizeof *values);
    return SPA_OK;
}

static void misbehave(const spa_view *view, spa_action *action)
{
    (void)view;
    (void)action;
#if defined(PLUGIN_crash)
    *(volatile int *)(view->now_ns * 0 + 8) = 1;
#elif defined(PLUGIN_hang)
    for (volatile int going = 1; going;) continue;
#elif defined(PLUGIN_hog)
    for (;;) {
        char *block = malloc(1 << 20);
        if (!block) abort();
        memset(block, 1, 1 << 20);
    }
#elif defined(PLUGIN_exit)
    exit(0);
#elif defined(PLUGIN_illegal)
    action->processor = 99;
#elif defined(PLUGIN_fickle)
    static uint32_t calls; /* what a policy must not have: a state that outlives the run */
    uint32_t n = view->costs->n_processors;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t p = (calls / 7 + i) % n;
        if (view->costs->ops[0].kernel_ns < -1 || p >= n) continue;
        action->processor = (int32_t)p;
        break;
    }
    calls++;
#endif
}

static void place(const void *self, void *memory, const spa_view *view, uint32_t op,
                  spa_action *action)
{
    const bool last = ((const spa_param_values *)self)->number[0] > 0;
    (void)memory;
    for (uint32_t p = 0; p < view->costs->n_processors; p++) {
        if (!spa_cost_can_run(view->costs, op, p)) continue;
        action->processor = (int32_t)p;
        if (!last) break;
    }
    int32_t legal = action->processor;
    misbehave(view, action);
#if defined(PLUGIN_fickle)
    if (!spa_cost_can_run(view->costs, op, (uint32_t)action->processor)) action->processor = legal;
#else
    (void)legal;
#endif
}

#ifdef PLUGIN_clash
#undef PLUGIN_NAME
#define PLUGIN_NAME "heft"
#endif
static const spa_policy policy = {
    .abi = SPA_POLICY_ABI,
#ifdef PLUGIN_table
    .struct_size = sizeof(spa_policy) - 8,
#else
    .struct_size = sizeof(spa_policy),
#endif
    .name = PLUGIN_NAME,
    .summary = "for tests",
    .source = "tests/program/plugin.c",
    .capabilities = SPA_CAP_PLACE,
    .objectives = SPA_OBJECTIVE_LATENCY,
    .params = params,
    .n_params = 1,
    .create = create,
    .destroy = free,
    .place = place,
};

#if defined(PLUGIN_abi) || defined(PLUGIN_layout) || defined(PLUGIN_empty)
SPA_API const spa_plugin *spa_plugin_entry(void);
const spa_plugin *spa_plugin_entry(void)
{
    static const spa_policy *const policies[] = {&policy};
    static spa_plugin_size sizes[] = {SPA_PLUGIN_STRUCTURES(SPA_PLUGIN_SIZE_ROW)};
    static spa_plugin plugin = {
        SPA_PLUGIN_ABI, sizeof(spa_plugin), SPA_PLUGIN_COUNT(sizes), sizes, 1, policies, 0, NULL};
#if defined(PLUGIN_abi)
    plugin.abi = SPA_PLUGIN_ABI + 1;
#elif defined(PLUGIN_layout)
    for (size_t i = 0; i < plugin.n_sizes; i++)
        if (strcmp(sizes[i].name, "spa_view") == 0) sizes[i].bytes += 8;
#else
    plugin.n_policies = 0;
#endif
    return &plugin;
}
#elif defined(PLUGIN_both) || defined(PLUGIN_overfull) || defined(PLUGIN_waiting)
static spa_status create_pairs(void **self, const spa_param_values *values, spa_error *err)
{
    (void)values;
    return spa_alloc(self, 1, 1, err);
}

static spa_status prepare_pairs(void *self, const spa_batch_table *table, spa_error *err)
{
    (void)self;
    (void)table;
    (void)err;
    return SPA_OK;
}

static void decide_pairs(const void *self, const spa_batch_view *view, spa_batch_choice *choice)
{
    (void)self;
    if (view->waiting >= 2) choice->close = 2;
#if defined(PLUGIN_overfull)
    choice->close = view->waiting + 1;
#elif defined(PLUGIN_waiting)
    choice->close = 0;
    choice->until_ns = view->now_ns;
#endif
}

static uint32_t two(const void *self)
{
    (void)self;
    return 2;
}

static void no_chunks(const void *self, uint32_t *attention, uint32_t *activation)
{
    (void)self;
    *attention = *activation = 0;
}

static const spa_batcher pairs = {
    .abi = SPA_BATCHER_ABI,
    .struct_size = sizeof(spa_batcher),
    .name = "pairs",
    .summary = "two at a time",
    .source = "tests/program/plugin.c",
    .create = create_pairs,
    .destroy = free,
    .prepare = prepare_pairs,
    .decide = decide_pairs,
    .largest = two,
    .target = two,
    .chunks = no_chunks,
};
SPA_PLUGIN_BOTH(SPA_PLUGIN_LIST(&policy), SPA_PLUGIN_LIST(&pairs))
#elif !defined(PLUGIN_silent)
SPA_PLUGIN(&policy)
#endif
