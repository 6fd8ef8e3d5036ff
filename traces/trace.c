/* Trace folders: reading. */
#include "traces/trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ini.h"
#include "traces/trace_tables.h"

spa_status spa_trace_file(char **path, const char *folder, const char *stem, const char *ending,
                          spa_error *err)
{
    size_t size = strlen(folder) + strlen(stem) + strlen(ending) + 2;
    SPA_TRY(spa_alloc(path, size, 1, err));
    snprintf(*path, size, "%s/%s%s", folder, stem, ending);
    return SPA_OK;
}

const char *spa_hash_text(uint64_t hash, char text[SPA_HASH_TEXT])
{
    snprintf(text, SPA_HASH_TEXT, "%016llx", (unsigned long long)hash);
    return text;
}

/* ---- meta.ini ---------------------------------------------------------------------------- */

static spa_status copy_text(spa_trace *trace, spa_ini *ini, const char *key, bool required,
                            const char **out, spa_error *err)
{
    const char *value = spa_ini_text_or(ini, "fingerprint", key, "");
    if (required) {
        SPA_TRY(spa_ini_text(ini, "fingerprint", key, &value, err));
        if (value[0] == '\0')
            return spa_fail_at(
                err, SPA_E_PARSE, ini->path, spa_ini_find(ini, "fingerprint", key)->line,
                "[fingerprint] %s is empty; say what the numbers were measured on", key);
    }
    return spa_arena_strdup(&trace->arena, out, value, err);
}

static spa_status read_fingerprint(spa_trace *trace, spa_ini *ini, spa_error *err)
{
    spa_fingerprint *f = &trace->fingerprint;
    SPA_TRY(copy_text(trace, ini, "machine", true, &f->machine, err));
    SPA_TRY(copy_text(trace, ini, "stack", true, &f->stack, err));
    SPA_TRY(copy_text(trace, ini, "power_mode", false, &f->power_mode, err));
    SPA_TRY(copy_text(trace, ini, "driver", false, &f->driver, err));
    SPA_TRY(copy_text(trace, ini, "libraries", false, &f->libraries, err));
    SPA_TRY(copy_text(trace, ini, "clocks", false, &f->clocks, err));
    SPA_TRY(copy_text(trace, ini, "date", false, &f->date, err));
    return copy_text(trace, ini, "command", false, &f->command, err);
}

static spa_status read_trace_section(spa_trace *trace, spa_ini *ini, spa_error *err)
{
    const char *origin;
    int64_t format;
    spa_error why = {0};
    SPA_TRY(spa_ini_i64(ini, "trace", "format", 1, 1, &format, err));
    SPA_TRY(spa_ini_text(ini, "trace", "origin", &origin, err));
    int line = spa_ini_find(ini, "trace", "origin")->line;
    if (!spa_origin_from_name(origin, &trace->origin)) {
        spa_fail_unknown(&why, "origin", origin, spa_origin_words, SPA_ORIGIN_COUNT);
        return spa_fail_at(err, why.status, ini->path, line, "%s", why.message);
    }
    if (trace->origin == SPA_ORIGIN_UNKNOWN)
        return spa_fail_at(err, SPA_E_INVALID, ini->path, line,
                           "a trace must know where its numbers come from: measured, imported or "
                           "modelled");
    return spa_ini_double_or(ini, "trace", "run_cv", (double)NAN, 0, 100, &trace->run_cv, err);
}

static bool parse_hash(const char *text, uint64_t *hash)
{
    if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16) return false;
    *hash = strtoull(text, NULL, 16);
    return true;
}

/* [models] lists name = hash of the graph. Takes all of them, or the one that is wanted. */
static spa_status read_model_list(spa_trace *trace, spa_ini *ini, const char *wanted,
                                  spa_error *err)
{
    const char **names = NULL;
    size_t n_names = 0;
    spa_status status = SPA_OK;
    SPA_TRY(
        spa_arena_alloc(&trace->arena, &trace->models, ini->n_entries, sizeof *trace->models, err));
    SPA_TRY(spa_alloc(&names, ini->n_entries, sizeof *names, err));
    for (size_t i = 0; i < ini->n_entries && status == SPA_OK; i++) {
        spa_ini_entry *e = &ini->entries[i];
        spa_trace_model *model = &trace->models[trace->n_models];
        if (strcmp(e->section, "models") != 0) continue;
        e->used = true; /* the names are the file's own: nothing to ask for */
        names[n_names++] = e->key;
        if (!spa_is_file_name(e->key))
            status =
                spa_fail_at(err, SPA_E_PARSE, ini->path, e->line,
                            "'%.100s' is no model name: letters, digits, '.', '_' and '-'", e->key);
        else if (!parse_hash(e->value, &model->graph_hash))
            status = spa_fail_at(err, SPA_E_PARSE, ini->path, e->line,
                                 "[models] %s: '%.60s' is no graph hash of 16 hexadecimal digits",
                                 e->key, e->value);
        else if (wanted == NULL || strcmp(wanted, e->key) == 0)
            status = spa_arena_strdup(&trace->arena, &model->name, e->key, err);
        if (model->name != NULL) trace->n_models++;
    }
    if (status == SPA_OK && n_names == 0)
        status = spa_fail_at(err, SPA_E_PARSE, ini->path, 0,
                             "no models; add name = hash under "
                             "[models]");
    if (status == SPA_OK && trace->n_models == 0) {
        spa_error why = {0};
        spa_fail_unknown(&why, "model", wanted, names, n_names);
        status = spa_fail_at(err, SPA_E_NOT_FOUND, ini->path, 0, "%s", why.message);
    }
    free(names);
    return status;
}

static spa_status read_meta(spa_trace *trace, const char *folder, const char *wanted,
                            spa_error *err)
{
    char *path = NULL;
    spa_ini ini = {0};
    SPA_TRY(spa_trace_file(&path, folder, "meta", ".ini", err));
    spa_status status = spa_ini_read(&ini, path, err);
    if (status != SPA_OK) goto out;
    status = read_trace_section(trace, &ini, err);
    if (status == SPA_OK) status = read_fingerprint(trace, &ini, err);
    if (status == SPA_OK) status = read_model_list(trace, &ini, wanted, err);
    if (status == SPA_OK) status = spa_ini_check_unused(&ini, err);
    spa_ini_fini(&ini);
out:
    free(path);
    return status;
}

/* ---- tables ------------------------------------------------------------------------------ */

static spa_status read_model_graph(spa_trace_model *model, const char *folder, spa_error *err)
{
    char *path = NULL, recorded[SPA_HASH_TEXT], found[SPA_HASH_TEXT];
    SPA_TRY(spa_trace_file(&path, folder, model->name, ".graph.csv", err));
    spa_status status = spa_graph_read_csv(&model->graph, path, err);
    if (status == SPA_OK && model->graph.hash != model->graph_hash)
        status = spa_fail_at(err, SPA_E_INVALID, path, 0,
                             "this graph has hash %s, meta.ini records %s: the costs were measured "
                             "on another graph; measure again or restore the file",
                             spa_hash_text(model->graph.hash, found),
                             spa_hash_text(model->graph_hash, recorded));
    free(path);
    return status;
}

static spa_status read_model_costs(spa_trace *trace, spa_trace_model *model, const char *folder,
                                   spa_error *err)
{
    char *path = NULL;
    spa_csv csv = {0};
    SPA_TRY(spa_trace_file(&path, folder, model->name, ".costs.csv", err));
    spa_status status = spa_csv_read(&csv, path, err);
    if (status == SPA_OK) {
        status = spa_costs_from_csv(&csv, &model->graph, &trace->arena, &model->costs,
                                    &model->n_costs, err);
        spa_csv_fini(&csv);
    }
    free(path);
    return status;
}

/* Copies, links and responses may be missing: then nothing is known. */
static spa_status read_optional(spa_csv *csv, const char *folder, const char *stem,
                                const char *ending, bool *there, spa_error *err)
{
    char *path = NULL;
    struct stat st;
    *there = false;
    SPA_TRY(spa_trace_file(&path, folder, stem, ending, err));
    spa_status status = SPA_OK;
    if (stat(path, &st) == 0 || errno != ENOENT) {
        status = spa_csv_read(csv, path, err);
        *there = status == SPA_OK;
    }
    free(path);
    return status;
}

static spa_status read_model_copies(spa_trace *trace, spa_trace_model *model, const char *folder,
                                    spa_error *err)
{
    spa_csv csv = {0};
    bool there;
    SPA_TRY(read_optional(&csv, folder, model->name, ".copies.csv", &there, err));
    if (!there) return SPA_OK;
    spa_status status = spa_copies_from_csv(&csv, &model->graph, &trace->arena, &model->copies,
                                            &model->n_copies, err);
    spa_csv_fini(&csv);
    return status;
}

static spa_status read_links_and_responses(spa_trace *trace, const char *folder, spa_error *err)
{
    spa_csv csv = {0};
    bool there;
    spa_status status;
    SPA_TRY(read_optional(&csv, folder, "links", ".csv", &there, err));
    if (there) {
        status = spa_links_from_csv(&csv, &trace->arena, &trace->links, &trace->n_links, err);
        spa_csv_fini(&csv);
        SPA_TRY(status);
    }
    SPA_TRY(read_optional(&csv, folder, "response", ".csv", &there, err));
    if (!there) return SPA_OK;
    status =
        spa_responses_from_csv(&csv, &trace->arena, &trace->responses, &trace->n_responses, err);
    spa_csv_fini(&csv);
    return status;
}

static spa_status read_folder(spa_trace *trace, const char *folder, const char *model,
                              spa_error *err)
{
    SPA_TRY(spa_arena_strdup(&trace->arena, &trace->path, folder, err));
    SPA_TRY(read_meta(trace, folder, model, err));
    for (size_t i = 0; i < trace->n_models; i++) {
        SPA_TRY(read_model_graph(&trace->models[i], folder, err));
        SPA_TRY(read_model_costs(trace, &trace->models[i], folder, err));
        SPA_TRY(read_model_copies(trace, &trace->models[i], folder, err));
    }
    return read_links_and_responses(trace, folder, err);
}

spa_status spa_trace_read(spa_trace *trace, const char *folder, const char *model, spa_error *err)
{
    *trace = (spa_trace){.run_cv = (double)NAN};
    spa_arena_init(&trace->arena);
    spa_status status = read_folder(trace, folder, model, err);
    if (status != SPA_OK) spa_trace_fini(trace);
    return status;
}

void spa_trace_fini(spa_trace *trace)
{
    if (trace == NULL) return;
    for (size_t i = 0; i < trace->n_models; i++) spa_graph_fini(&trace->models[i].graph);
    spa_arena_fini(&trace->arena);
    *trace = (spa_trace){0};
}

const spa_trace_model *spa_trace_find_model(const spa_trace *trace, const char *name)
{
    for (size_t i = 0; i < trace->n_models; i++)
        if (strcmp(trace->models[i].name, name) == 0) return &trace->models[i];
    return NULL;
}
