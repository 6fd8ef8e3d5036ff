/* The C interface: the library, models, devices, scenarios. */
#include "experiments/api.h"

#include <assert.h>
#include <gsl/gsl_errno.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/baselines.h"
#include "experiments/study.h"
#include "experiments/version.h"

static_assert((int)SPAROA_E_INTERRUPTED == (int)SPA_E_INTERRUPTED, "statuses are the same numbers");
static_assert((int)SPAROA_E_USAGE == (int)SPA_E_USAGE, "statuses are the same numbers");
static_assert((int)SPAROA_E_NOT_FOUND == (int)SPA_E_NOT_FOUND, "statuses are the same numbers");

/* ---------------------------------------------------------------- what all share */
sparoa_status spa_api_done(spa_status status, const spa_error *ours, sparoa_error *err)
{
    if (err) {
        err->status = (sparoa_status)status;
        err->message[0] = '\0';
        if (status) memcpy(err->message, ours->message, sizeof ours->message);
    }
    return (sparoa_status)status;
}

static spa_status check_size(const void *theirs, size_t ours, size_t *size, spa_error *err)
{
    memcpy(size, theirs, sizeof *size);
    if (*size <= sizeof(size_t) || *size > 1 << 20)
        return spa_fail(err, SPA_E_INVALID, "struct_size is not set: it is the structure's sizeof");
    if (*size > ours)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "the program was compiled for a later version of this library (a "
                        "structure of %zu bytes, known are %zu)",
                        *size, ours);
    return SPA_OK;
}

spa_status spa_api_give(void *to, const void *from, size_t size, spa_error *err)
{
    size_t theirs;
    SPA_TRY(check_size(to, size, &theirs, err));
    memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
           theirs - sizeof(size_t));
    return SPA_OK;
}

spa_status spa_api_take(void *to, const void *from, size_t size, spa_error *err)
{
    size_t theirs;
    if (!from) return SPA_OK;
    SPA_TRY(check_size(from, size, &theirs, err));
    memcpy(to, from, theirs);
    return SPA_OK;
}

uint32_t sparoa_api_version(void)
{
    return SPAROA_API_VERSION;
}

const char *sparoa_version(void)
{
    return spa_version();
}

/* ---------------------------------------------------------------- the library */
/* Copies `count` names, found `stride` bytes apart, as a list that ends with NULL. */
static spa_status keep_names(sparoa *lib, sparoa_kind kind, size_t count,
                             const char *(*name_of)(const void *list, size_t i), const void *list,
                             spa_error *err)
{
    const char **names;
    SPA_TRY(spa_arena_alloc(&lib->arena, &names, count + 1, sizeof *names, err));
    for (size_t i = 0; i < count; i++)
        SPA_TRY(spa_arena_strdup(&lib->arena, &names[i], name_of(list, i), err));
    lib->names[kind] = names;
    return SPA_OK;
}

static const char *model_name(const void *list, size_t i)
{
    return ((const spa_model_info *)list)[i].name;
}

static const char *policy_name(const void *list, size_t i)
{
    return ((const spa_policy *const *)list)[i]->name;
}

static const char *baseline_name(const void *list, size_t i)
{
    return ((const spa_baseline *)list)[i].name;
}

static const char *plain_name(const void *list, size_t i)
{
    return ((char *const *)list)[i];
}

/* The same of a list on the heap, which is freed. */
static spa_status keep_found(sparoa *lib, sparoa_kind kind, char **found, size_t count,
                             spa_error *err)
{
    spa_status status = keep_names(lib, kind, count, plain_name, found, err);
    for (size_t i = 0; i < count; i++) free(found[i]);
    free(found);
    return status;
}

static spa_status list_names(sparoa *lib, spa_error *err)
{
    size_t n;
    char **found;
    const void *list = spa_zoo_models(&n);
    SPA_TRY(keep_names(lib, SPAROA_MODELS, n, model_name, list, err));
    list = spa_policies(&n);
    SPA_TRY(keep_names(lib, SPAROA_POLICIES, n, policy_name, list, err));
    list = spa_baselines(&n);
    SPA_TRY(keep_names(lib, SPAROA_BASELINES, n, baseline_name, list, err));
    SPA_TRY(spa_device_list(lib->paths.device_search, &found, &n, err));
    SPA_TRY(keep_found(lib, SPAROA_DEVICES, found, n, err));
    SPA_TRY(spa_scenario_list(lib->paths.scenarios, &found, &n, err));
    return keep_found(lib, SPAROA_SCENARIOS, found, n, err);
}

sparoa_status sparoa_open(sparoa **lib, const char *data, sparoa_error *err)
{
    spa_error e = {0};
    sparoa *l;
    *lib = NULL;
    gsl_set_error_handler_off(); /* every GSL return is checked where it is called */
    spa_status status = spa_alloc(&l, 1, sizeof *l, &e);
    if (status) return spa_api_done(status, &e, err);
    spa_arena_init(&l->arena);
    status = data ? spa_paths_at(&l->paths, data, &e) : spa_paths_find(&l->paths, &e);
    if (!status) status = list_names(l, &e);
    if (status) {
        sparoa_close(l);
    } else {
        *lib = l;
    }
    return spa_api_done(status, &e, err);
}

void sparoa_close(sparoa *lib)
{
    if (!lib) return;
    spa_arena_fini(&lib->arena);
    free(lib);
}

sparoa_status sparoa_names(sparoa *lib, sparoa_kind kind, const char *const **names,
                           sparoa_error *err)
{
    spa_error e = {0};
    bool known = (int)kind >= 0 && (int)kind < API_KINDS;
    *names = known ? lib->names[kind] : NULL;
    spa_status status =
        known ? SPA_OK : spa_fail(&e, SPA_E_INVALID, "there is no kind %d of names", (int)kind);
    return spa_api_done(status, &e, err);
}

/* ---------------------------------------------------------------- models */
struct sparoa_model {
    spa_case c; /* without a device */
    char *name;
};

/* The options that say how a model is loaded. */
static spa_status load_model(sparoa *lib, sparoa_model *m, int64_t batch, const char *dtype,
                             spa_error *err)
{
    sparoa_options options;
    spa_api_options o;
    const char *models[] = {m->name};
    const spa_api_call call = {
        .command = "inspect", .bit = SPA_CMD_INSPECT, .models = models, .n_models = 1};
    sparoa_options_init(&options, sizeof options);
    options.batch = batch;
    options.dtype = dtype;
    spa_status status = spa_api_options_init(&o, &call, &options, err);
    if (!status) status = spa_case_open(&m->c, &o.parsed, &lib->paths, m->name, NULL, err);
    spa_api_options_fini(&o);
    return status;
}

sparoa_status sparoa_model_load(sparoa *lib, const char *name, int64_t batch, const char *dtype,
                                sparoa_model **model, sparoa_error *err)
{
    spa_error e = {0};
    sparoa_model *m;
    *model = NULL;
    spa_status status = spa_alloc(&m, 1, sizeof *m, &e);
    if (status) return spa_api_done(status, &e, err);
    status = spa_strdup(&m->name, name, &e);
    if (!status) status = load_model(lib, m, batch, dtype, &e);
    if (status) {
        sparoa_model_free(m);
    } else {
        *model = m;
    }
    return spa_api_done(status, &e, err);
}

void sparoa_model_free(sparoa_model *model)
{
    if (!model) return;
    spa_case_close(&model->c);
    free(model->name);
    free(model);
}

sparoa_status sparoa_model_describe(const sparoa_model *model, sparoa_model_info *info,
                                    sparoa_error *err)
{
    spa_error e = {0};
    const spa_graph *g = &model->c.graph;
    const sparoa_model_info full = {sizeof full, g->name,       spa_dtype_name(g->dtype), g->batch,
                                    g->n_ops,    g->total_macs, g->total_params};
    return spa_api_done(spa_api_give(info, &full, sizeof full, &e), &e, err);
}

sparoa_status sparoa_model_operator(const sparoa_model *model, size_t i, sparoa_operator *op,
                                    sparoa_error *err)
{
    spa_error e = {0};
    const spa_graph *g = &model->c.graph;
    if (i >= g->n_ops) {
        spa_fail(&e, SPA_E_RANGE, "operator %zu of %zu", i, g->n_ops);
        return spa_api_done(SPA_E_RANGE, &e, err);
    }
    const spa_op *o = &g->ops[i];
    const sparoa_operator full = {.struct_size = sizeof full,
                                  .name = o->name,
                                  .kind = spa_op_kind_name(o->kind),
                                  .macs = o->macs,
                                  .bytes_in = o->bytes_in,
                                  .bytes_weight = o->bytes_weight,
                                  .bytes_out = o->bytes_out,
                                  .sparsity = o->sparsity,
                                  .input_sparsity = o->input_sparsity,
                                  .sparsity_origin = spa_origin_name(o->rho_origin)};
    return spa_api_done(spa_api_give(op, &full, sizeof full, &e), &e, err);
}

/* ---------------------------------------------------------------- devices */
struct sparoa_device {
    spa_device *device;
};

sparoa_status sparoa_device_load(sparoa *lib, const char *name, sparoa_device **device,
                                 sparoa_error *err)
{
    spa_error e = {0};
    sparoa_device *d;
    *device = NULL;
    spa_status status = spa_alloc(&d, 1, sizeof *d, &e);
    if (status) return spa_api_done(status, &e, err);
    status = spa_device_load(&d->device, name, lib->paths.device_search, &e);
    if (status) {
        sparoa_device_free(d);
    } else {
        *device = d;
    }
    return spa_api_done(status, &e, err);
}

void sparoa_device_free(sparoa_device *device)
{
    if (!device) return;
    spa_device_free(device->device);
    free(device);
}

sparoa_status sparoa_device_describe(const sparoa_device *device, sparoa_device_info *info,
                                     sparoa_error *err)
{
    spa_error e = {0};
    const spa_device_info *d = spa_device_info_of(device->device);
    const sparoa_device_info full = {.struct_size = sizeof full,
                                     .name = d->name,
                                     .summary = d->summary,
                                     .default_mode = d->default_mode,
                                     .default_stack = d->default_stack,
                                     .default_lanes = d->default_lanes,
                                     .origin = spa_origin_name(d->origin),
                                     .modes = d->modes,
                                     .stacks = d->stacks,
                                     .processors = d->processors,
                                     .n_modes = d->n_modes,
                                     .n_stacks = d->n_stacks,
                                     .n_processors = d->n_processors};
    return spa_api_done(spa_api_give(info, &full, sizeof full, &e), &e, err);
}

/* ---------------------------------------------------------------- scenarios */
struct sparoa_scenario {
    spa_scenario s;
};

sparoa_status sparoa_scenario_load(sparoa *lib, const char *name, sparoa_scenario **scenario,
                                   sparoa_error *err)
{
    spa_error e = {0};
    sparoa_scenario *s;
    *scenario = NULL;
    spa_status status = spa_alloc(&s, 1, sizeof *s, &e);
    if (status) return spa_api_done(status, &e, err);
    status = spa_scenario_find(&s->s, name, lib->paths.scenarios, &e);
    if (status) {
        free(s);
    } else {
        *scenario = s;
    }
    return spa_api_done(status, &e, err);
}

void sparoa_scenario_free(sparoa_scenario *scenario)
{
    if (!scenario) return;
    spa_scenario_fini(&scenario->s);
    free(scenario);
}

sparoa_status sparoa_scenario_describe(const sparoa_scenario *scenario, sparoa_scenario_info *info,
                                       sparoa_error *err)
{
    spa_error e = {0};
    const spa_scenario *s = &scenario->s;
    const sparoa_scenario_info full = {.struct_size = sizeof full,
                                       .name = s->name,
                                       .summary = s->summary,
                                       .mix = s->mix,
                                       .concurrency = s->concurrency,
                                       .requests = s->requests,
                                       .warmup = s->warmup,
                                       .rate_hz = s->rate_hz,
                                       .deadline_ms = s->deadline_ms};
    return spa_api_done(spa_api_give(info, &full, sizeof full, &e), &e, err);
}
