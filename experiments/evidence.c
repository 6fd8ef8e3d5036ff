#include "experiments/evidence.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/evidence_db.h"
#include "experiments/results.h"
#include "traces/graph.h"

const char *spa_scale_name(spa_scale scale)
{
    static const char *const names[] = {"contention", "launch", "transfer", "rho", "noise"};
    return names[scale];
}

double spa_record_get(const spa_record *record, const char *metric)
{
    for (size_t i = 0; i < record->n_measures; i++)
        if (strcmp(record->measures[i].name, metric) == 0) return record->measures[i].value;
    return NAN;
}

bool spa_record_is_plain(const spa_record *record)
{
    for (int k = 0; k < SPA_SCALE_COUNT; k++)
        if (record->scales[k] != 1) return false;
    return !*record->ablate;
}

const spa_progress_row *spa_evidence_progress(const spa_evidence *evidence, const char *experiment)
{
    for (size_t i = 0; i < evidence->n_progress; i++)
        if (strcmp(evidence->progress[i].experiment, experiment) == 0)
            return &evidence->progress[i];
    return NULL;
}

const spa_record *spa_evidence_run(const spa_evidence *evidence, int64_t id)
{
    for (size_t i = 0; i < evidence->n_records; i++)
        if (evidence->records[i].id == id) return &evidence->records[i];
    return NULL;
}

/* ---------------------------------------------------------------- runs */
/* Columns that came with later versions or parts are looked for by name; what is not there has its
 * neutral value. */
static spa_status text_of(evidence_query *q, spa_evidence *e, const char *column,
                          const char *neutral, const char **out, spa_error *err)
{
    const char *text = evidence_text(q, column);
    if (!text || strcmp(text, "none") == 0) text = neutral;
    if (!text) {
        *out = NULL;
        return SPA_OK;
    }
    return spa_arena_strdup(&e->arena, out, text, err);
}

static spa_status read_texts(evidence_query *q, spa_evidence *e, spa_record *r, spa_error *err)
{
    const struct {
        const char *column, *neutral, **out;
    } texts[] = {
        {"experiment", "", &r->experiment},
        {"hash", "", &r->hash},
        {"program_version", "", &r->version},
        {"model", "", &r->model},
        {"device", "", &r->device},
        {"mode", "", &r->mode},
        {"stack", "", &r->stack},
        {"lanes", "", &r->lanes},
        {"origin", "", &r->origin},
        {"policy", "", &r->policy},
        {"objective", "", &r->objective},
        {"scenario", "", &r->scenario},
        {"dtype", "", &r->dtype},
        {"baseline", NULL, &r->name},
        {"baseline_range", "", &r->range},
        {"batcher", "", &r->batcher},
        {"ablate", "", &r->ablate},
        {"skipped", NULL, &r->skipped},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        SPA_TRY(text_of(q, e, texts[i].column, texts[i].neutral, texts[i].out, err));
    return SPA_OK;
}

static spa_status read_run(evidence_query *q, spa_evidence *e, spa_record *r, spa_error *err)
{
    static const char *const scales[] = {"scale_contention", "scale_launch", "scale_transfer",
                                         "scale_rho", "scale_noise"};
    SPA_TRY(read_texts(q, e, r, err));
    r->is_baseline = r->name != NULL;
    if (!r->name) r->name = r->policy;
    r->id = evidence_integer(q, "id", 0);
    r->order = evidence_integer(q, "row", r->id);
    r->concurrency = evidence_integer(q, "concurrency", 1);
    r->requests = evidence_integer(q, "requests", 1);
    r->batch = evidence_integer(q, "batch", 1);
    r->reps = evidence_integer(q, "reps", 1);
    r->seed = evidence_integer(q, "seed", 0);
    r->noise = evidence_integer(q, "noise", 1) != 0;
    r->policy_cost = evidence_integer(q, "policy_cost", 1) != 0;
    for (int k = 0; k < SPA_SCALE_COUNT; k++) {
        double x = evidence_number(q, scales[k]);
        r->scales[k] = isfinite(x) ? x : 1;
    }
    return SPA_OK;
}

static int compare_id(const void *a, const void *b)
{
    int64_t x = ((const spa_record *)a)->id, y = ((const spa_record *)b)->id;
    return (x > y) - (x < y);
}

static spa_record *find_run(spa_evidence *e, int64_t id)
{
    spa_record key = {.id = id};
    if (e->n_records == 0) return NULL;
    return bsearch(&key, e->records, e->n_records, sizeof key, compare_id);
}

/* Rows of an experiment file that are no longer in it are left out. Two rows may share a run. */
#define RUNS                                                                                       \
    "SELECT run.*, experiment.name AS experiment, (SELECT min(row) FROM experiment_row "           \
    "WHERE run_id = run.id AND experiment_id = run.experiment_id) AS row FROM run "                \
    "JOIN experiment ON experiment.id = run.experiment_id WHERE row IS NOT NULL "                  \
    "OR run.experiment_id NOT IN (SELECT experiment_id FROM experiment_status) ORDER BY run.id"

static spa_status read_runs(spa_evidence *e, sqlite3 *db, spa_error *err)
{
    evidence_query q;
    size_t n, i = 0;
    SPA_TRY(evidence_count(db, e->path, "run", &n, err));
    SPA_TRY(spa_arena_alloc(&e->arena, &e->records, n, sizeof *e->records, err));
    spa_status status = evidence_begin(&q, db, e->path, RUNS, err);
    while (!status && evidence_step(&q, &status, err) && i < n)
        status = read_run(&q, e, &e->records[i++], err);
    e->n_records = i;
    evidence_end(&q);
    return status;
}

/* ---------------------------------------------------------------- what belongs to a run */
static spa_status read_measure(evidence_query *q, spa_evidence *e, void *item, spa_error *err)
{
    spa_measure *m = item;
    m->value = evidence_number(q, "value");
    return text_of(q, e, "name", "", &m->name, err);
}

static spa_status read_step(evidence_query *q, spa_evidence *e, void *item, spa_error *err)
{
    spa_step_value *s = item;
    (void)e;
    (void)err;
    s->step = evidence_integer(q, "step", 0);
    s->value = evidence_number(q, "value");
    return SPA_OK;
}

static spa_status read_replicate(evidence_query *q, spa_evidence *e, void *item, spa_error *err)
{
    spa_replicate *r = item;
    (void)e;
    (void)err;
    r->latency_ms = evidence_number(q, "latency_ms");
    r->energy_mj = evidence_number(q, "energy_mj");
    return SPA_OK;
}

static spa_status read_part(evidence_query *q, spa_evidence *e, void *item, spa_error *err)
{
    spa_validated_part *p = item;
    p->measured_ms = evidence_number(q, "measured_ms");
    p->simulated_ms = evidence_number(q, "simulated_ms");
    SPA_TRY(text_of(q, e, "schedule", "", &p->schedule, err));
    return text_of(q, e, "component", "", &p->component, err);
}

static spa_status read_operator(evidence_query *q, spa_evidence *e, void *item, spa_error *err)
{
    spa_operator_row *o = item;
    o->macs = evidence_number(q, "macs");
    o->rho = evidence_number(q, "sparsity");
    o->accelerated = evidence_number(q, "accelerated");
    o->host_us = evidence_number(q, "host_us");
    o->accelerator_us = evidence_number(q, "accelerator_us");
    SPA_TRY(text_of(q, e, "name", "", &o->name, err));
    SPA_TRY(text_of(q, e, "kind", "", &o->kind, err));
    return text_of(q, e, "quadrant", "", &o->quadrant, err);
}

/* A table of which every run has some rows. */
typedef struct child {
    const char *table, *sql;
    size_t size;
    spa_status (*read)(evidence_query *q, spa_evidence *e, void *item, spa_error *err);
    size_t items, count; /* of spa_record: where its first row and their number go */
} child;

static const child children[] = {
    {"metric", "SELECT * FROM metric ORDER BY run_id, name", sizeof(spa_measure), read_measure,
     offsetof(spa_record, measures), offsetof(spa_record, n_measures)},
    {"learning_curve", "SELECT * FROM learning_curve ORDER BY run_id, step", sizeof(spa_step_value),
     read_step, offsetof(spa_record, curve), offsetof(spa_record, n_curve)},
    {"replication", "SELECT * FROM replication ORDER BY run_id, replication", sizeof(spa_replicate),
     read_replicate, offsetof(spa_record, replicates), offsetof(spa_record, n_replicates)},
    {"validation", "SELECT * FROM validation ORDER BY run_id, schedule, component",
     sizeof(spa_validated_part), read_part, offsetof(spa_record, parts),
     offsetof(spa_record, n_parts)},
    {"operator", "SELECT * FROM operator ORDER BY run_id, op", sizeof(spa_operator_row),
     read_operator, offsetof(spa_record, operators), offsetof(spa_record, n_operators)},
};

static spa_status read_child(spa_evidence *e, sqlite3 *db, const child *c, spa_error *err)
{
    evidence_query q;
    char *items;
    size_t n, i = 0;
    SPA_TRY(evidence_count(db, e->path, c->table, &n, err));
    SPA_TRY(spa_arena_alloc(&e->arena, &items, n, c->size, err));
    if (n == 0) return SPA_OK;
    spa_status status = evidence_begin(&q, db, e->path, c->sql, err);
    while (!status && evidence_step(&q, &status, err) && i < n) {
        spa_record *r = find_run(e, evidence_integer(&q, "run_id", 0));
        if (!r) continue;
        const void **first = (const void **)(void *)((char *)r + c->items);
        size_t *count = (size_t *)(void *)((char *)r + c->count);
        if (!*first) *first = items + i * c->size;
        (*count)++;
        status = c->read(&q, e, items + i++ * c->size, err);
    }
    evidence_end(&q);
    return status;
}

static spa_status read_comparisons(spa_evidence *e, sqlite3 *db, spa_error *err)
{
    evidence_query q;
    size_t n, i = 0;
    SPA_TRY(evidence_count(db, e->path, "comparison", &n, err));
    SPA_TRY(spa_arena_alloc(&e->arena, &e->comparisons, n, sizeof *e->comparisons, err));
    if (n == 0) return SPA_OK;
    spa_status status =
        evidence_begin(&q, db, e->path, "SELECT * FROM comparison ORDER BY run_id", err);
    while (!status && evidence_step(&q, &status, err) && i < n) {
        e->comparisons[i++] = (spa_comparison_row){
            .run = evidence_integer(&q, "run_id", 0),
            .reference = evidence_integer(&q, "reference_id", 0),
            .n = evidence_integer(&q, "n", 0),
            .difference_ms = evidence_number(&q, "difference"),
            .ci95_ms = evidence_number(&q, "ci95"),
            .p_t_holm = evidence_number(&q, "p_t_holm"),
            .p_wilcoxon_holm = evidence_number(&q, "p_wilcoxon_holm"),
        };
    }
    e->n_comparisons = i;
    evidence_end(&q);
    return status;
}

/* ---------------------------------------------------------------- how far experiments came */
static void count_rows(const spa_evidence *e, spa_progress_row *p)
{
    const char *version = NULL;
    for (size_t i = 0; i < e->n_records; i++) {
        const spa_record *r = &e->records[i];
        if (strcmp(r->experiment, p->experiment) != 0) continue;
        p->done++;
        p->skipped += r->skipped != NULL;
        if (version && strcmp(version, r->version) != 0) p->several_versions = true;
        version = r->version;
    }
}

#define PROGRESS                                                                                   \
    "SELECT experiment.name AS experiment, experiment_status.* FROM experiment "                   \
    "LEFT JOIN experiment_status ON experiment_status.experiment_id = experiment.id "              \
    "ORDER BY experiment.name"

static spa_status read_progress(spa_evidence *e, sqlite3 *db, spa_error *err)
{
    evidence_query q;
    size_t n, i = 0;
    SPA_TRY(evidence_count(db, e->path, "experiment", &n, err));
    SPA_TRY(spa_arena_alloc(&e->arena, &e->progress, n, sizeof *e->progress, err));
    spa_status status = evidence_begin(&q, db, e->path, PROGRESS, err);
    while (!status && evidence_step(&q, &status, err) && i < n) {
        spa_progress_row *p = &e->progress[i++];
        p->expected = evidence_integer(&q, "expected", -1);
        p->quick = evidence_integer(&q, "quick", 0) != 0;
        p->is_finished = evidence_integer(&q, "finished", 1) != 0;
        status = text_of(&q, e, "experiment", "", &p->experiment, err);
        if (!status) status = text_of(&q, e, "file", "", &p->file, err);
        if (!status) status = text_of(&q, e, "title", "", &p->title, err);
        if (!status) status = text_of(&q, e, "reference", "", &p->reference, err);
        if (!status) count_rows(e, p);
        p->done = evidence_integer(&q, "done", p->done); /* of validations: runs of another's */
    }
    e->n_progress = i;
    evidence_end(&q);
    return status;
}

/* ---------------------------------------------------------------- order */
static size_t zoo_place(const char *model)
{
    size_t n;
    const spa_model_info *models = spa_zoo_models(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(models[i].name, model) == 0) return i;
    return n;
}

/* By experiment, device and model, then as the experiment's file enumerates them. */
static int compare_place(const void *a, const void *b)
{
    const spa_record *x = a, *y = b;
    int c = strcmp(x->experiment, y->experiment);
    if (c) return c;
    if ((c = strcmp(x->device, y->device)) != 0) return c;
    if ((c = strcmp(x->mode, y->mode)) != 0) return c;
    size_t zx = zoo_place(x->model), zy = zoo_place(y->model);
    if (zx != zy) return zx < zy ? -1 : 1;
    if ((c = strcmp(x->model, y->model)) != 0) return c;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return strcmp(x->hash, y->hash);
}

static spa_status read_all(spa_evidence *e, sqlite3 *db, spa_error *err)
{
    SPA_TRY(evidence_check(db, e->path, err));
    SPA_TRY(read_runs(e, db, err));
    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        SPA_TRY(read_child(e, db, &children[i], err));
    SPA_TRY(read_comparisons(e, db, err));
    SPA_TRY(read_progress(e, db, err));
    if (e->n_records == 0)
        return spa_fail_at(err, SPA_E_INVALID, e->path, 0,
                           "holds no run yet; 'sparoa run FILE.exp --db %.200s' makes them",
                           e->path);
    qsort(e->records, e->n_records, sizeof *e->records, compare_place);
    return SPA_OK;
}

spa_status spa_evidence_open(spa_evidence *evidence, const char *path, spa_error *err)
{
    sqlite3 *db = NULL;
    *evidence = (spa_evidence){.path = path};
    spa_arena_init(&evidence->arena);
    spa_status status = evidence_connect(&db, path, err);
    if (!status) status = read_all(evidence, db, err);
    sqlite3_close(db);
    if (status) spa_evidence_close(evidence);
    return status;
}

void spa_evidence_close(spa_evidence *evidence)
{
    spa_arena_fini(&evidence->arena);
    *evidence = (spa_evidence){0};
}
