/* The C interface: options become the words of a command line, so that one table checks both. */
#include <stdio.h>
#include <string.h>
#include "experiments/api.h"

void sparoa_options_init(sparoa_options *options, size_t struct_size)
{
    const sparoa_options full = {
        .struct_size = sizeof full, .seed = -1, .noise = -1, .policy_cost = -1, .contention = -1};
    size_t n = struct_size < sizeof full ? struct_size : sizeof full;
    memset(options, 0, struct_size);
    memcpy(options, &full, n);
    options->struct_size = struct_size;
}

/* Words being collected. */
typedef struct word_list {
    spa_arena *arena;
    const char **items;
    size_t count, capacity;
} word_list;

static spa_status add(word_list *w, const char *word, spa_error *err)
{
    if (!word) return spa_fail(err, SPA_E_INVALID, "a name among models, devices or words is NULL");
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 32;
        const char **items;
        SPA_TRY(spa_arena_alloc(w->arena, &items, capacity, sizeof *items, err));
        if (w->count) memcpy(items, w->items, w->count * sizeof *items);
        w->items = items;
        w->capacity = capacity;
    }
    return spa_arena_strdup(w->arena, &w->items[w->count++], word, err);
}

static spa_status add_text(word_list *w, const char *option, const char *value, spa_error *err)
{
    spa_string s = {0};
    if (!value) return SPA_OK;
    spa_string_append(&s, "%s=%s", option, value);
    spa_status status = spa_string_ok(&s, err);
    if (!status) status = add(w, s.text, err);
    spa_string_fini(&s);
    return status;
}

static spa_status add_int(word_list *w, const char *option, int64_t value, int64_t not_given,
                          spa_error *err)
{
    char text[32];
    if (value == not_given) return SPA_OK;
    snprintf(text, sizeof text, "%lld", (long long)value);
    return add_text(w, option, text, err);
}

static spa_status add_switch(word_list *w, const char *option, int32_t value, spa_error *err)
{
    if (value < 0) return SPA_OK;
    return add_text(w, option, value ? "on" : "off", err);
}

static spa_status add_list(word_list *w, const char *option, const char *const *values, size_t n,
                           spa_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!values[i]) return spa_fail(err, SPA_E_INVALID, "%s: a name is NULL", option);
        SPA_TRY(add_text(w, option, values[i], err));
    }
    return SPA_OK;
}

/* Words that are no options would be taken for models. */
static spa_status add_more(word_list *w, const char *const *more, size_t n, spa_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!more[i] || strncmp(more[i], "--", 2) != 0 || !more[i][2])
            return spa_fail(err, SPA_E_USAGE,
                            "'%.100s' is no further option; write --name=value in one word",
                            more[i] ? more[i] : "");
        SPA_TRY(add(w, more[i], err));
    }
    return SPA_OK;
}

static spa_status add_options(word_list *w, const sparoa_options *o, spa_error *err)
{
    char rate[40];
    snprintf(rate, sizeof rate, "%.17g", o->rate_hz);
    SPA_TRY(add_text(w, "--stack", o->stack, err));
    SPA_TRY(add_text(w, "--lanes", o->lanes, err));
    SPA_TRY(add_text(w, "--dtype", o->dtype, err));
    SPA_TRY(add_text(w, "--scenario", o->scenario, err));
    SPA_TRY(add_text(w, "--batcher", o->batcher, err));
    SPA_TRY(add_text(w, "--objective", o->objective, err));
    SPA_TRY(add_int(w, "--batch", o->batch, 0, err));
    SPA_TRY(add_int(w, "--concurrency", o->concurrency, 0, err));
    SPA_TRY(add_int(w, "--requests", o->requests, 0, err));
    SPA_TRY(add_int(w, "--reps", o->reps, 0, err));
    SPA_TRY(add_int(w, "--budget", o->budget, 0, err));
    SPA_TRY(add_int(w, "--jobs", o->jobs, 0, err));
    SPA_TRY(add_int(w, "--seed", o->seed, -1, err));
    if (o->rate_hz != 0) SPA_TRY(add_text(w, "--rate", rate, err));
    SPA_TRY(add_switch(w, "--noise", o->noise, err));
    SPA_TRY(add_switch(w, "--policy-cost", o->policy_cost, err));
    SPA_TRY(add_switch(w, "--contention", o->contention, err));
    if (o->isolate) SPA_TRY(add(w, "--isolate", err));
    SPA_TRY(add_list(w, "--plugin", o->plugins, o->n_plugins, err));
    return add_more(w, o->more, o->n_more, err);
}

static spa_status put_words(word_list *w, const spa_api_call *call, const sparoa_options *options,
                            spa_error *err)
{
    SPA_TRY(add_list(w, "--device", call->devices, call->n_devices, err));
    SPA_TRY(add_list(w, "--policy", call->policies, call->n_policies, err));
    SPA_TRY(add_options(w, options, err));
    SPA_TRY(add(w, "--", err)); /* the end of the options */
    for (size_t i = 0; i < call->n_models; i++) SPA_TRY(add(w, call->models[i], err));
    return SPA_OK;
}

static spa_status check_writes_nothing(const spa_options *o, spa_error *err)
{
    if (!o->chart.count && !o->gantt.count && !o->db && !o->output && !o->checkpoint && !o->json &&
        !o->help)
        return SPA_OK;
    return spa_fail(err, SPA_E_USAGE, "options that write files or print are for the program");
}

spa_status spa_api_options_init(spa_api_options *o, const spa_api_call *call,
                                const sparoa_options *given, spa_error *err)
{
    sparoa_options options;
    word_list w = {.arena = &o->words};
    memset(o, 0, sizeof *o);
    spa_arena_init(&o->words);
    sparoa_options_init(&options, sizeof options);
    SPA_TRY(spa_api_take(&options, given, sizeof options, err));
    if (call->n_models == 0) return spa_fail(err, SPA_E_USAGE, "a model is needed");
    SPA_TRY(put_words(&w, call, &options, err));
    o->has_parsed = true;
    SPA_TRY(spa_options_parse(&o->parsed, call->command, call->bit, (int)w.count,
                              (char *const *)(void *)w.items, 0, err));
    SPA_TRY(check_writes_nothing(&o->parsed, err));
    if (o->parsed.plugin_files.count)
        SPA_TRY(spa_plugins_open(&o->plugins, o->parsed.plugin_files.items,
                                 o->parsed.plugin_files.count, err));
    o->parsed.plugins = o->plugins;
    return SPA_OK;
}

void spa_api_options_fini(spa_api_options *o)
{
    if (o->has_parsed) spa_options_fini(&o->parsed);
    spa_plugins_close(o->plugins);
    spa_arena_fini(&o->words);
    memset(o, 0, sizeof *o);
}
