/* Policies and batchers from shared objects (--plugin FILE.so).
 *
 * A plug-in is a shared object that holds one line more than its policies or batchers:
 *
 *     SPA_PLUGIN(&my_policy, &my_other_policy)
 *     SPA_PLUGIN_BATCHERS(&my_batcher)
 *     SPA_PLUGIN_BOTH(SPA_PLUGIN_LIST(&my_policy), SPA_PLUGIN_LIST(&my_batcher, &my_other_batcher))
 *
 * It is compiled against these headers and linked with nothing: the library's functions come from
 * the program that loads it. Policies read the program's structures in place, so that a plug-in
 * belongs to the layout it was compiled for: the sizes of all of them stand in its table, and a
 * program whose sizes differ refuses it. docs/writing-a-policy.md walks through one. */
#ifndef SPA_SIM_PLUGIN_H
#define SPA_SIM_PLUGIN_H

#include "sim/batcher.h"
#include "sim/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when the meaning of the table or of a structure changes without changing its size. */
#define SPA_PLUGIN_ABI 1u
/* The function that a plug-in exports: const spa_plugin *spa_plugin_entry(void). */
#define SPA_PLUGIN_SYMBOL "spa_plugin_entry"

/* Every structure that a policy or batcher may read or fill. */
#define SPA_PLUGIN_STRUCTURES(X)                                                                   \
    X(spa_policy)                                                                                  \
    X(spa_param)                                                                                   \
    X(spa_param_values)                                                                            \
    X(spa_error)                                                                                   \
    X(spa_rng)                                                                                     \
    X(spa_op)                                                                                      \
    X(spa_graph)                                                                                   \
    X(spa_op_cost)                                                                                 \
    X(spa_cost_processor)                                                                          \
    X(spa_costs)                                                                                   \
    X(spa_schedule)                                                                                \
    X(spa_action)                                                                                  \
    X(spa_view)                                                                                    \
    X(spa_evaluation)                                                                              \
    X(spa_plan_context)                                                                            \
    X(spa_completion)                                                                              \
    X(spa_batcher)                                                                                 \
    X(spa_batch_table)                                                                             \
    X(spa_batch_view)                                                                              \
    X(spa_batch_choice)

typedef struct spa_plugin_size {
    const char *name;
    size_t bytes;
} spa_plugin_size;

typedef struct spa_plugin {
    uint32_t abi;         /* SPA_PLUGIN_ABI */
    uint32_t struct_size; /* sizeof(spa_plugin) */
    size_t n_sizes;
    const spa_plugin_size *sizes; /* [n_sizes] in the order of SPA_PLUGIN_STRUCTURES */
    size_t n_policies;
    const spa_policy *const *policies; /* [n_policies] */
    size_t n_batchers;
    const spa_batcher *const *batchers; /* [n_batchers] */
} spa_plugin;

#define SPA_PLUGIN_SIZE_ROW(type) {#type, sizeof(type)},

#define SPA_PLUGIN_DEFINE(policies, n_policies, batchers, n_batchers)                              \
    SPA_API const spa_plugin *spa_plugin_entry(void);                                              \
    const spa_plugin *spa_plugin_entry(void)                                                       \
    {                                                                                              \
        static const spa_plugin_size sizes[] = {SPA_PLUGIN_STRUCTURES(SPA_PLUGIN_SIZE_ROW)};       \
        static const spa_plugin plugin = {SPA_PLUGIN_ABI,                                          \
                                          sizeof(spa_plugin),                                      \
                                          sizeof sizes / sizeof *sizes,                            \
                                          sizes,                                                   \
                                          n_policies,                                              \
                                          policies,                                                \
                                          n_batchers,                                              \
                                          batchers};                                               \
        return &plugin;                                                                            \
    }
#define SPA_PLUGIN_COUNT(list) (sizeof(list) / sizeof *(list))
#define SPA_PLUGIN_LIST(...)                                                                       \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* Define the entry with pointers to these policies, these batchers, or both. */
#define SPA_PLUGIN(...)                                                                            \
    static const spa_policy *const spa_plugin_policies_[] = {__VA_ARGS__};                         \
    SPA_PLUGIN_DEFINE(spa_plugin_policies_, SPA_PLUGIN_COUNT(spa_plugin_policies_), NULL, 0)
#define SPA_PLUGIN_BATCHERS(...)                                                                   \
    static const spa_batcher *const spa_plugin_batchers_[] = {__VA_ARGS__};                        \
    SPA_PLUGIN_DEFINE(NULL, 0, spa_plugin_batchers_, SPA_PLUGIN_COUNT(spa_plugin_batchers_))
#define SPA_PLUGIN_BOTH(policy_list, batcher_list)                                                 \
    static const spa_policy *const spa_plugin_policies_[] = policy_list;                           \
    static const spa_batcher *const spa_plugin_batchers_[] = batcher_list;                         \
    SPA_PLUGIN_DEFINE(spa_plugin_policies_, SPA_PLUGIN_COUNT(spa_plugin_policies_),                \
                      spa_plugin_batchers_, SPA_PLUGIN_COUNT(spa_plugin_batchers_))

/* Is this a policy that the engine can run? `owner`: what stands in front of the message (a file).
 * SPA_E_INVALID says which member is wrong; O(parameters). */
SPA_API spa_status spa_policy_check(const spa_policy *policy, const char *owner, spa_error *err);
/* The same of a batcher. */
SPA_API spa_status spa_batcher_table_check(const spa_batcher *batcher, const char *owner,
                                           spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
