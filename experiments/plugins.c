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

struct spa_plugins {
    size_t n_files, n_policies, policies_capacity, owners_capacity;
    plugin_file *files;
    const spa_policy **policies; /* [n_policies] */
    size_t *owners;              /* [n_policies] which file each is from */
};

#define MAX_PLUGIN_BYTES ((size_t)1 << 30)

/* Names of all policies, built-in ones first; free() it. */
static spa_status names_of(const spa_plugins *plugins, const char ***names, size_t *count,
                           spa_error *err)
{
    size_t n_builtin, n_own;
    const spa_policy *const *builtin = spa_policies(&n_builtin);
    const spa_policy *const *own = spa_plugins_policies(plugins, &n_own);
    SPA_TRY(spa_alloc(names, n_builtin + n_own, sizeof **names, err));
    for (size_t i = 0; i < n_builtin; i++) (*names)[i] = builtin[i]->name;
    for (size_t i = 0; i < n_own; i++) (*names)[n_builtin + i] = own[i]->name;
    *count = n_builtin + n_own;
    return SPA_OK;
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

static spa_status check_clash(const spa_plugins *plugins, const spa_policy *policy,
                              const char *file, spa_error *err)
{
    size_t n_builtin;
    const spa_policy *const *builtin = spa_policies(&n_builtin);
    for (size_t i = 0; i < n_builtin; i++) {
        if (strcmp(builtin[i]->name, policy->name) != 0) continue;
        return spa_fail(err, SPA_E_INVALID,
                        "%.300s: there is a built-in policy '%s' already; rename this one", file,
                        policy->name);
    }
    for (size_t i = 0; i < plugins->n_policies; i++) {
        if (strcmp(plugins->policies[i]->name, policy->name) != 0) continue;
        return spa_fail(err, SPA_E_INVALID, "%.200s: policy '%s' is also in %.200s; rename one",
                        file, policy->name, plugins->files[plugins->owners[i]].name);
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

static spa_status add_policy(spa_plugins *p, const spa_policy *policy, size_t owner, spa_error *err)
{
    SPA_TRY(
        spa_grow(&p->policies, &p->policies_capacity, p->n_policies + 1, sizeof *p->policies, err));
    SPA_TRY(spa_grow(&p->owners, &p->owners_capacity, p->n_policies + 1, sizeof *p->owners, err));
    p->policies[p->n_policies] = policy;
    p->owners[p->n_policies++] = owner;
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
    if (plugin->n_policies == 0 || !plugin->policies)
        return spa_fail(err, SPA_E_INVALID, "%.300s holds no policy", file);
    for (size_t i = 0; i < plugin->n_policies; i++) {
        const spa_policy *policy = plugin->policies[i];
        SPA_TRY(spa_policy_check(policy, file, err));
        SPA_TRY(check_clash(p, policy, file, err));
        SPA_TRY(add_policy(p, policy, p->n_files - 1, err));
    }
    return SPA_OK;
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
    free(plugins->policies);
    free(plugins->owners);
    free(plugins->files);
    free(plugins);
}

/* ---------------------------------------------------------------- names */
const spa_policy *const *spa_plugins_policies(const spa_plugins *plugins, size_t *count)
{
    *count = plugins ? plugins->n_policies : 0;
    return plugins ? plugins->policies : NULL;
}

/* The number of the plug-in policy that `text` names, or -1. */
static int find(const spa_plugins *plugins, const char *text)
{
    size_t length = strcspn(text, ":");
    for (size_t i = 0; plugins && i < plugins->n_policies; i++) {
        const char *name = plugins->policies[i]->name;
        if (strlen(name) == length && memcmp(name, text, length) == 0) return (int)i;
    }
    return -1;
}

static spa_status fail_unknown(const spa_plugins *plugins, const char *text, spa_error *err)
{
    const char **names;
    size_t count;
    char name[128];
    size_t length = strcspn(text, ":");
    if (length >= sizeof name) length = sizeof name - 1;
    memcpy(name, text, length);
    name[length] = '\0';
    SPA_TRY(names_of(plugins, &names, &count, err));
    spa_status status = spa_fail_unknown(err, "policy", name, names, count);
    free(names);
    return status;
}

spa_status spa_plugins_parse(const spa_plugins *plugins, const char *text,
                             const spa_policy **policy, spa_param_values *values, spa_error *err)
{
    int i = find(plugins, text);
    if (i >= 0) {
        const spa_policy *p = plugins->policies[i];
        size_t length = strlen(p->name);
        *policy = NULL;
        memset(values, 0, sizeof *values);
        SPA_TRY(spa_params_parse(p->params, p->n_params, p->name,
                                 text[length] == ':' ? text + length + 1 : "", values, err));
        *policy = p;
        return SPA_OK;
    }
    spa_status status = spa_policy_parse(text, policy, values, err);
    bool unknown = status == SPA_E_NOT_FOUND && plugins && plugins->n_policies > 0;
    return unknown ? fail_unknown(plugins, text, err) : status;
}

uint64_t spa_plugins_hash(const spa_plugins *plugins, const char *text)
{
    int i = find(plugins, text);
    return i < 0 ? 0 : plugins->files[plugins->owners[i]].hash;
}
