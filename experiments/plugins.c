#include "experiments/plugins.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

typedef struct plugin_file {
    const char *name;
    void *handle;
    uint64_t hash; /* of its content */
} plugin_file;

enum { POLICY, BATCHER, KINDS };
static const char *const kind_names[KINDS] = {"policy", "batcher"};

/* The names of one kind, in the order of the files, and which file each is from. */
typedef struct plugin_names {
    const char **names;
    size_t *owners;
    size_t count, names_capacity, owners_capacity;
} plugin_names;

struct spa_plugins {
    size_t n_files, policies_capacity, batchers_capacity;
    plugin_file *files;
    plugin_names known[KINDS];
    const spa_policy **policies;  /* [known[POLICY].count] */
    const spa_batcher **batchers; /* [known[BATCHER].count] */
};

#define MAX_PLUGIN_BYTES ((size_t)1 << 30)

/* The i-th built-in one of a kind, or NULL behind the last. */
static const char *builtin_name(int kind, size_t i)
{
    size_t count;
    if (kind == BATCHER) {
        const spa_batcher *const *all = spa_batchers(&count);
        return i < count ? all[i]->name : NULL;
    }
    const spa_policy *const *all = spa_policies(&count);
    return i < count ? all[i]->name : NULL;
}

/* ---------------------------------------------------------------- checks */
static spa_status check_layout(const spa_plugin *plugin, const char *file, spa_error *err)
{
    static const spa_plugin_size sizes[] = {SPA_PLUGIN_STRUCTURES(SPA_PLUGIN_SIZE_ROW)};
    const size_t n_sizes = sizeof sizes / sizeof *sizes;
    if (plugin->abi != SPA_PLUGIN_ABI || plugin->struct_size != sizeof(spa_plugin) ||
        plugin->n_sizes != n_sizes) {
        return spa_fail(err, SPA_E_INVALID,
                        "%.300s: made for plug-in ABI %u, this program has %u; compile it with "
                        "this program's headers",
                        file, plugin->abi, SPA_PLUGIN_ABI);
    }
    for (size_t i = 0; i < n_sizes; i++) {
        if (plugin->sizes[i].bytes == sizes[i].bytes) continue;
        return spa_fail(err, SPA_E_INVALID,
                        "%.300s: made for a %s of %zu bytes, this program's has %zu; compile it "
                        "with this program's headers",
                        file, sizes[i].name, plugin->sizes[i].bytes, sizes[i].bytes);
    }
    return SPA_OK;
}

static spa_status check_clash(const spa_plugins *p, int kind, const char *name, const char *file,
                              spa_error *err)
{
    const plugin_names *known = &p->known[kind];
    for (size_t i = 0; builtin_name(kind, i); i++) {
        if (strcmp(builtin_name(kind, i), name) != 0) continue;
        return spa_fail(err, SPA_E_INVALID,
                        "%.300s: there is a built-in %s '%s' already; rename this one", file,
                        kind_names[kind], name);
    }
    for (size_t i = 0; i < known->count; i++) {
        if (strcmp(known->names[i], name) != 0) continue;
        return spa_fail(err, SPA_E_INVALID, "%.200s: %s '%s' is also in %.200s; rename one", file,
                        kind_names[kind], name, p->files[known->owners[i]].name);
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- loading */
/* dlopen searches the system's folders for a name without a slash: a file is meant here. */
static void *load(const char *file, spa_error *err)
{
    spa_string path = {0};
    spa_string_append(&path, "%s%s", strchr(file, '/') ? "" : "./", file);
    void *handle = NULL;
    if (spa_string_ok(&path, err) == SPA_OK) {
        handle = dlopen(path.text, RTLD_NOW | RTLD_LOCAL);
        const char *why = handle ? NULL : dlerror();
        if (!handle)
            spa_fail(err, SPA_E_IO, "%.300s cannot be loaded: %.350s", file, why ? why : "?");
    }
    spa_string_fini(&path);
    return handle;
}

/* The table of an opened file. A pointer to data becomes one to a function as POSIX says. */
static spa_status table_of(void *handle, const char *file, const spa_plugin **out, spa_error *err)
{
    const spa_plugin *(*entry)(void) = NULL;
    void *symbol = dlsym(handle, SPA_PLUGIN_SYMBOL);
    if (!symbol) {
        return spa_fail(err, SPA_E_INVALID,
                        "%.300s is no plug-in: it exports no " SPA_PLUGIN_SYMBOL
                        "; write SPA_PLUGIN(&policy) (sim/plugin.h)",
                        file);
    }
    memcpy(&entry, &symbol, sizeof entry);
    *out = entry();
    if (!*out) return spa_fail(err, SPA_E_INVALID, "%.300s: its table is NULL", file);
    return SPA_OK;
}

/* Room for one more of a kind, which the last opened file brings. */
static spa_status add_name(spa_plugins *p, int kind, const char *name, spa_error *err)
{
    plugin_names *k = &p->known[kind];
    const char *file = p->files[p->n_files - 1].name;
    SPA_TRY(check_clash(p, kind, name, file, err));
    SPA_TRY(spa_grow(&k->names, &k->names_capacity, k->count + 1, sizeof *k->names, err));
    SPA_TRY(spa_grow(&k->owners, &k->owners_capacity, k->count + 1, sizeof *k->owners, err));
    k->names[k->count] = name;
    k->owners[k->count++] = p->n_files - 1;
    return SPA_OK;
}

static spa_status add_policy(spa_plugins *p, const spa_policy *policy, const char *file,
                             spa_error *err)
{
    size_t n = p->known[POLICY].count;
    SPA_TRY(spa_policy_check(policy, file, err));
    SPA_TRY(spa_grow(&p->policies, &p->policies_capacity, n + 1, sizeof *p->policies, err));
    SPA_TRY(add_name(p, POLICY, policy->name, err));
    p->policies[n] = policy;
    return SPA_OK;
}

static spa_status add_batcher(spa_plugins *p, const spa_batcher *batcher, const char *file,
                              spa_error *err)
{
    size_t n = p->known[BATCHER].count;
    SPA_TRY(spa_batcher_table_check(batcher, file, err));
    SPA_TRY(spa_grow(&p->batchers, &p->batchers_capacity, n + 1, sizeof *p->batchers, err));
    SPA_TRY(add_name(p, BATCHER, batcher->name, err));
    p->batchers[n] = batcher;
    return SPA_OK;
}

static spa_status add_all(spa_plugins *p, const spa_plugin *plugin, const char *file,
                          spa_error *err)
{
    size_t n_policies = plugin->policies ? plugin->n_policies : 0;
    size_t n_batchers = plugin->batchers ? plugin->n_batchers : 0;
    if (n_policies + n_batchers == 0)
        return spa_fail(err, SPA_E_INVALID, "%.300s holds no policy and no batcher", file);
    for (size_t i = 0; i < n_policies; i++) SPA_TRY(add_policy(p, plugin->policies[i], file, err));
    for (size_t i = 0; i < n_batchers; i++) SPA_TRY(add_batcher(p, plugin->batchers[i], file, err));
    return SPA_OK;
}

static spa_status open_file(spa_plugins *p, const char *file, spa_error *err)
{
    const spa_plugin *plugin;
    char *content;
    size_t size;
    SPA_TRY(spa_read_file(file, MAX_PLUGIN_BYTES, true, &content, &size, err));
    plugin_file *f = &p->files[p->n_files];
    *f = (plugin_file){.name = file, .hash = spa_hash_bytes(SPA_HASH_SEED, content, size)};
    free(content);
    f->handle = load(file, err);
    if (!f->handle) return err ? err->status : SPA_E_IO;
    p->n_files++;
    SPA_TRY(table_of(f->handle, file, &plugin, err));
    SPA_TRY(check_layout(plugin, file, err));
    return add_all(p, plugin, file, err);
}

spa_status spa_plugins_open(spa_plugins **plugins, const char *const *files, size_t count,
                            spa_error *err)
{
    spa_plugins *p;
    *plugins = NULL;
    SPA_TRY(spa_alloc(&p, 1, sizeof *p, err));
    spa_status status = spa_alloc(&p->files, count, sizeof *p->files, err);
    for (size_t i = 0; i < count && !status; i++) status = open_file(p, files[i], err);
    if (status) {
        spa_plugins_close(p);
        return status;
    }
    *plugins = p;
    return SPA_OK;
}

void spa_plugins_close(spa_plugins *plugins)
{
    if (!plugins) return;
    for (size_t i = plugins->n_files; i-- > 0;) dlclose(plugins->files[i].handle);
    for (int kind = 0; kind < KINDS; kind++) {
        free(plugins->known[kind].names);
        free(plugins->known[kind].owners);
    }
    free(plugins->policies);
    free(plugins->batchers);
    free(plugins->files);
    free(plugins);
}

/* ---------------------------------------------------------------- names */
const spa_policy *const *spa_plugins_policies(const spa_plugins *plugins, size_t *count)
{
    *count = plugins ? plugins->known[POLICY].count : 0;
    return plugins ? plugins->policies : NULL;
}

const spa_batcher *const *spa_plugins_batchers(const spa_plugins *plugins, size_t *count)
{
    *count = plugins ? plugins->known[BATCHER].count : 0;
    return plugins ? plugins->batchers : NULL;
}

/* The number of the plug-ins' one that `text` names, or -1. */
static int find(const spa_plugins *plugins, int kind, const char *text)
{
    size_t length = strcspn(text, ":");
    for (size_t i = 0; plugins && i < plugins->known[kind].count; i++) {
        const char *name = plugins->known[kind].names[i];
        if (strlen(name) == length && memcmp(name, text, length) == 0) return (int)i;
    }
    return -1;
}

/* Built-in names first. */
static spa_status fail_unknown(const spa_plugins *plugins, int kind, const char *text,
                               spa_error *err)
{
    const plugin_names *own = &plugins->known[kind];
    const char **names;
    char name[128];
    size_t n = 0, length = strcspn(text, ":");
    if (length >= sizeof name) length = sizeof name - 1;
    memcpy(name, text, length);
    name[length] = '\0';
    while (builtin_name(kind, n)) n++;
    SPA_TRY(spa_alloc(&names, n + own->count, sizeof *names, err));
    for (size_t i = 0; i < n; i++) names[i] = builtin_name(kind, i);
    for (size_t i = 0; i < own->count; i++) names[n + i] = own->names[i];
    spa_status status = spa_fail_unknown(err, kind_names[kind], name, names, n + own->count);
    free(names);
    return status;
}

/* Of a name that is not built in. */
static spa_status unknown_status(const spa_plugins *plugins, int kind, const char *text,
                                 spa_status status, spa_error *err)
{
    bool more = status == SPA_E_NOT_FOUND && plugins && plugins->known[kind].count > 0;
    return more ? fail_unknown(plugins, kind, text, err) : status;
}

static const char *params_of(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon ? colon + 1 : "";
}

spa_status spa_plugins_parse(const spa_plugins *plugins, const char *text,
                             const spa_policy **policy, spa_param_values *values, spa_error *err)
{
    int i = find(plugins, POLICY, text);
    if (i < 0)
        return unknown_status(plugins, POLICY, text, spa_policy_parse(text, policy, values, err),
                              err);
    const spa_policy *p = plugins->policies[i];
    *policy = NULL;
    memset(values, 0, sizeof *values);
    SPA_TRY(spa_params_parse(p->params, p->n_params, p->name, params_of(text), values, err));
    *policy = p;
    return SPA_OK;
}

spa_status spa_plugins_parse_batcher(const spa_plugins *plugins, const char *text,
                                     const spa_batcher **batcher, spa_param_values *values,
                                     spa_error *err)
{
    int i = find(plugins, BATCHER, text);
    if (i < 0)
        return unknown_status(plugins, BATCHER, text, spa_batcher_parse(text, batcher, values, err),
                              err);
    const spa_batcher *b = plugins->batchers[i];
    *batcher = NULL;
    memset(values, 0, sizeof *values);
    SPA_TRY(spa_params_parse(b->params, b->n_params, b->name, params_of(text), values, err));
    *batcher = b;
    return SPA_OK;
}

static uint64_t hash_of(const spa_plugins *plugins, int kind, const char *text)
{
    int i = text ? find(plugins, kind, text) : -1;
    return i < 0 ? 0 : plugins->files[plugins->known[kind].owners[i]].hash;
}

uint64_t spa_plugins_hash(const spa_plugins *plugins, const char *text)
{
    return hash_of(plugins, POLICY, text);
}

uint64_t spa_plugins_batcher_hash(const spa_plugins *plugins, const char *text)
{
    return hash_of(plugins, BATCHER, text);
}
