/* Device files: the software (stacks, their rates and links, what they were calibrated for). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "devices/spec.h"

#define SECTION_BYTES 256
#define KEY_BYTES     128

/* ---------------------------------------------------------------- lists of names */
/* Calls use(name) for every name of a list separated by blanks or commas. */
typedef spa_status (*use_name)(void *user, const char *name, spa_error *err);

static spa_status each_name(const char *list, use_name use, void *user, spa_error *err)
{
    while (*list) {
        char name[64];
        size_t length = strcspn(list, " \t,");
        if (length >= sizeof name) {
            return spa_fail(err, SPA_E_PARSE, "'%.60s...' is too long for a name", list);
        }
        memcpy(name, list, length);
        name[length] = '\0';
        if (length) SPA_TRY(use(user, name, err));
        list += length;
        list += strspn(list, " \t,");
    }
    return SPA_OK;
}

/* A list under a key; an error gets the place of the key. */
static spa_status parse_list(spec_files *files, const char *section, const char *key,
                             const char *missing, use_name use, void *user, spa_error *err)
{
    spa_ini *ini = NULL;
    const spa_ini_entry *entry = NULL;
    const char *list = NULL;
    spa_error why;
    SPA_TRY(spec_text(files, section, key, missing, &list, err));
    spa_status status = each_name(list, use, user, &why);
    if (status == SPA_OK) return SPA_OK;
    SPA_TRY(spec_home(files, section, key, &ini, &entry, err));
    return spa_fail_at(err, status, ini->path, entry ? entry->line : 0, "[%s] %s: %s", section, key,
                       why.message);
}

/* ---------------------------------------------------------------- rate classes */
const char *spec_class_name(unsigned rate_class)
{
    static const char *const names[] = {"conv1x1",     "conv3x3",     "depthwise",
                                        "linear_rows", "elementwise", "move"};
    return rate_class < SPA_OP_KIND_COUNT ? spa_op_kind_name((spa_op_kind)rate_class)
                                          : names[rate_class - SPA_OP_KIND_COUNT];
}

static bool class_has_macs(unsigned rate_class)
{
    return rate_class == SPA_OP_CONV || rate_class == SPA_OP_LINEAR ||
           rate_class == SPA_OP_MATMUL || rate_class == SPEC_CLASS_CONV1X1 ||
           rate_class == SPEC_CLASS_CONV3X3 || rate_class == SPEC_CLASS_DEPTHWISE ||
           rate_class == SPEC_CLASS_LINEAR_ROWS;
}

static spa_status fail_class_key(const spa_ini *ini, const spa_ini_entry *e, const char *what,
                                 const char *name, const char *const *names, size_t count,
                                 spa_error *err)
{
    spa_error why;
    spa_status status = spa_fail_unknown(&why, what, name, names, count);
    return spa_fail_at(err, status, ini->path, e->line, "[%s] key '%.80s': %s", e->section, e->key,
                       why.message);
}

/* The class named by the first `length` characters of `text`. */
static spa_status find_class(const spa_ini *ini, const spa_ini_entry *e, const char *text,
                             size_t length, unsigned *rate_class, spa_error *err)
{
    const char *names[SPEC_CLASS_COUNT];
    char name[64] = "";
    if (length < sizeof name) memcpy(name, text, length);
    for (unsigned c = 0; c < SPEC_CLASS_COUNT; c++) {
        names[c] = spec_class_name(c);
        if (strcmp(name, names[c]) != 0) continue;
        *rate_class = c;
        return SPA_OK;
    }
    return fail_class_key(ini, e, "operator kind", name, names, SPEC_CLASS_COUNT, err);
}

/* "KIND.field = value" or "KIND.like = KIND" */
static spa_status parse_class_key(const spa_ini *ini, const spa_ini_entry *e, spec_rates *rates,
                                  spa_error *err)
{
    unsigned rate_class = 0;
    const char *field = strchr(e->key, '.') + 1;
    SPA_TRY(find_class(ini, e, e->key, (size_t)(field - e->key) - 1, &rate_class, err));
    if (strcmp(field, "like") == 0) {
        unsigned other = 0;
        SPA_TRY(find_class(ini, e, e->value, strlen(e->value), &other, err));
        rates->like[rate_class] = (uint8_t)other;
        return SPA_OK;
    }
    spec_rate *rate = &rates->classes[rate_class];
    const struct {
        const char *name;
        double *out, unit, min, max;
    } fields[] = {
        {class_has_macs(rate_class) ? "gmacs" : "gops", &rate->work_per_s, 1e9, 1e-6, 1e7},
        {"x_half", &rate->x_half, 1, 0, 1e12},
        {"fp16", &rate->fp16, 1, 0.01, 100},
        {"gbs", &rate->bytes_per_s, 1e9, 1e-6, 1e6},
        {"launch_cycles", &rate->launch_cycles, 1, 0, 1e9},
        {"kernel_cycles", &rate->kernel_cycles, 1, 0, 1e9},
    };
    const char *names[sizeof fields / sizeof *fields];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        names[i] = fields[i].name;
        if (strcmp(field, names[i]) != 0) continue;
        double value = 0;
        SPA_TRY(spec_entry_number(ini, e, fields[i].min, fields[i].max, &value, err));
        *fields[i].out = value * fields[i].unit;
        return SPA_OK;
    }
    return fail_class_key(ini, e, "field", field, names, sizeof fields / sizeof *fields, err);
}

static spa_status parse_classes(spec_files *files, const char *section, spec_rates *rates,
                                spa_error *err)
{
    for (size_t i = 0; i < files->n; i++) {
        const spa_ini *from = &files->ini[i];
        for (size_t k = 0; k < from->n_entries; k++) {
            const spa_ini_entry *e = &from->entries[k];
            spa_ini *home = NULL;
            if (strcmp(e->section, section) != 0 || !strchr(e->key, '.')) continue;
            /* own files win over the device it is like; twice at one level is an error */
            SPA_TRY(spec_home(files, section, e->key, &home, &e, err));
            SPA_TRY(parse_class_key(home, e, rates, err));
        }
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- [rates STACK PROCESSOR] */
static const spec_rate nothing = {NAN, NAN, NAN, NAN, NAN, NAN};

static bool any_file_has(const spec_files *files, const char *section)
{
    for (size_t i = 0; i < files->n; i++) {
        if (spa_ini_has_section(&files->ini[i], section)) return true;
    }
    return false;
}

static spa_status parse_common(spec_files *files, const char *section, spec_rates *rates,
                               spa_error *err)
{
    double gbs = 0;
    spec_rate *common = &rates->common;
    common->work_per_s = NAN;
    SPA_TRY(spec_number(files, section, "bandwidth_gbs", NAN, 1e-6, 1e6, &gbs, err));
    common->bytes_per_s = gbs * 1e9;
    SPA_TRY(spec_optional(files, section, "max_bandwidth_gbs", 1e-6, 1e6, &gbs, err));
    rates->max_bytes_per_s = gbs * 1e9;
    const struct {
        const char *key;
        double missing, min, max, *out;
    } numbers[] = {
        {"fp16", 1, 0.01, 100, &common->fp16},
        {"x_half", 0, 0, 1e12, &common->x_half},
        {"kernel_cycles", 0, 0, 1e9, &common->kernel_cycles},
        {"parallel", 1, 0, 1, &rates->parallel},
        {"max_cores", SPEC_MAX_CORES, 1, SPEC_MAX_CORES, &rates->max_cores},
        {"barrier_cycles", 0, 0, 1e9, &rates->barrier_cycles},
        {"barrier_core_cycles", 0, 0, 1e9, &rates->barrier_core_cycles},
        {"noise_cv", 0, 0, 10, &rates->noise_cv},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        SPA_TRY(spec_number(files, section, numbers[i].key, numbers[i].missing, numbers[i].min,
                            numbers[i].max, numbers[i].out, err));
    }
    return SPA_OK;
}

/* launch_cycles (from [stack ...]) is in rates->common already. */
spa_status spec_parse_rates(spa_device *device, spec_files *files, const char *stack,
                            const char *processor, spec_rates *rates, spa_error *err)
{
    char section[SECTION_BYTES];
    snprintf(section, sizeof section, "rates %s %s", stack, processor);
    for (unsigned c = 0; c < SPEC_CLASS_COUNT; c++) {
        rates->classes[c] = nothing;
        rates->like[c] = SPEC_CLASS_COUNT;
    }
    rates->given = any_file_has(files, section);
    rates->path = device->info.path;
    rates->parallel = 1;
    rates->max_cores = SPEC_MAX_CORES;
    if (!rates->given && device->info.trace) return SPA_OK; /* measured instead */
    SPA_TRY(parse_common(files, section, rates, err));
    return parse_classes(files, section, rates, err);
}

/* ---------------------------------------------------------------- [link STACK FROM TO] */
typedef struct queue_names {
    char names[SPA_MAX_LINKS][64];
} queue_names;

static spa_status parse_queue(spec_files *files, const char *section, queue_names *queues,
                              spec_stack *stack, spec_link *link, spa_error *err)
{
    const char *queue = NULL;
    SPA_TRY(spec_text(files, section, "queue", "copy", &queue, err));
    uint8_t q = 0;
    while (q < stack->n_queues && strncmp(queues->names[q], queue, 63) != 0) q++;
    if (q == stack->n_queues) snprintf(queues->names[stack->n_queues++], 64, "%s", queue);
    link->queue = q;
    return SPA_OK;
}

static spa_status parse_link(spa_device *d, spec_files *files, spec_stack *stack, uint32_t from,
                             uint32_t to, queue_names *queues, spa_error *err)
{
    char section[SECTION_BYTES];
    spec_link *link = &stack->links[from][to];
    double us = 0, gbs = 0;
    snprintf(section, sizeof section, "link %s %s %s", stack->name, d->processors[from].name,
             d->processors[to].name);
    link->given = any_file_has(files, section);
    if (!link->given && d->info.trace) return SPA_OK; /* measured instead */
    SPA_TRY(spec_flag(files, section, "zero_copy", 0, &link->zero_copy, err));
    SPA_TRY(spec_flag(files, section, "on_lane", 0, &link->on_lane, err));
    if (!link->zero_copy) {
        SPA_TRY(spec_number(files, section, "gbs", NAN, 1e-6, 1e6, &gbs, err));
    }
    link->bytes_per_s = gbs * 1e9;
    SPA_TRY(spec_number(files, section, "latency_us", NAN, 0, 1e7, &us, err));
    link->latency_s = us / 1e6;
    SPA_TRY(spec_number(files, section, "sync_cycles", NAN, 0, 1e9, &link->sync_cycles, err));
    SPA_TRY(spec_number(files, section, "issue_cycles", 0, 0, 1e9, &link->issue_cycles, err));
    SPA_TRY(spec_number(files, section, "dynamic_w", 0, 0, 1e4, &link->dynamic_w, err));
    return parse_queue(files, section, queues, stack, link, err);
}

static spa_status parse_links(spa_device *d, spec_files *files, spec_stack *stack, spa_error *err)
{
    queue_names queues = {0};
    for (uint32_t a = 0; a < d->n_processors; a++) {
        for (uint32_t b = 0; b < d->n_processors; b++) {
            if (a == b || !stack->present[a] || !stack->present[b]) continue;
            SPA_TRY(parse_link(d, files, stack, a, b, &queues, err));
        }
    }
    if (stack->n_queues == 0) stack->n_queues = 1;
    return SPA_OK;
}

/* ---------------------------------------------------------------- [stack NAME] */
typedef struct list_user {
    spa_device *device;
    spec_stack *stack;
} list_user;

static spa_status use_processor(void *user, const char *name, spa_error *err)
{
    list_user *u = user;
    for (uint32_t p = 0; p < u->device->n_processors; p++) {
        if (strcmp(u->device->processors[p].name, name) != 0) continue;
        u->stack->present[p] = true;
        return SPA_OK;
    }
    return spa_fail_unknown(err, "processor", name, u->device->info.processors,
                            u->device->n_processors);
}

/* Only what works on each element by itself can ride on the operator before it. */
static spa_status use_fold(void *user, const char *name, spa_error *err)
{
    static const spa_op_kind kinds[] = {
        SPA_OP_BATCH_NORM, SPA_OP_RELU,         SPA_OP_RELU6,   SPA_OP_LEAKY_RELU,
        SPA_OP_HARD_SWISH, SPA_OP_HARD_SIGMOID, SPA_OP_SIGMOID, SPA_OP_GELU,
    };
    const char *names[sizeof kinds / sizeof *kinds];
    list_user *u = user;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        names[i] = spa_op_kind_name(kinds[i]);
        if (strcmp(name, names[i]) != 0) continue;
        u->stack->folds[kinds[i]] = true;
        return SPA_OK;
    }
    return spa_fail_unknown(err, "kind that can be folded", name, names,
                            sizeof kinds / sizeof *kinds);
}

static spa_status use_mode(void *user, const char *name, spa_error *err)
{
    list_user *u = user;
    for (uint32_t m = 0; m < u->device->n_modes; m++) {
        if (strcmp(u->device->modes[m].name, name) != 0) continue;
        u->stack->calibrated |= (uint32_t)1 << m;
        return SPA_OK;
    }
    return spa_fail_unknown(err, "mode", name, u->device->info.modes, u->device->n_modes);
}

static spa_status use_dtype(void *user, const char *name, spa_error *err)
{
    static const char *const names[] = {"fp32", "fp16", "graph"};
    static const int values[] = {SPA_FP32, SPA_FP16, -1};
    list_user *u = user;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        u->stack->computes = values[i];
        return SPA_OK;
    }
    return spa_fail_unknown(err, "dtype", name, names, 3);
}

static spa_status parse_stack_texts(spa_device *d, spec_files *files, const char *section,
                                    spec_stack *stack, spa_error *err)
{
    list_user user = {d, stack};
    char all[SPA_MAX_PROCESSORS * 64] = "";
    for (uint32_t p = 0; p < d->n_processors; p++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s ", d->processors[p].name);
    }
    SPA_TRY(spec_text(files, section, "summary", NULL, &stack->summary, err));
    SPA_TRY(spa_arena_strdup(&d->arena, &stack->summary, stack->summary, err));
    SPA_TRY(spec_text(files, section, "lanes", d->info.default_lanes, &stack->lanes, err));
    SPA_TRY(spa_arena_strdup(&d->arena, &stack->lanes, stack->lanes, err));
    SPA_TRY(parse_list(files, section, "processors", all, use_processor, &user, err));
    SPA_TRY(parse_list(files, section, "folds", "", use_fold, &user, err));
    SPA_TRY(parse_list(files, section, "computes", "graph", use_dtype, &user, err));
    return parse_list(files, "calibration", stack->name, "", use_mode, &user, err);
}

static spa_status parse_stack_processor(spa_device *d, spec_files *files, const char *section,
                                        spec_stack *stack, uint32_t p, spa_error *err)
{
    char key[KEY_BYTES];
    const char *name = d->processors[p].name;
    snprintf(key, sizeof key, "%s.async", name);
    SPA_TRY(spec_flag(files, section, key, -1, &stack->is_async[p], err));
    snprintf(key, sizeof key, "%s.backend", name);
    SPA_TRY(spec_text(files, section, key, stack->name, &stack->backend[p], err));
    SPA_TRY(spa_arena_strdup(&d->arena, &stack->backend[p], stack->backend[p], err));
    snprintf(key, sizeof key, "%s.launch_cycles", name);
    SPA_TRY(
        spec_number(files, section, key, NAN, 0, 1e9, &stack->rates[p].common.launch_cycles, err));
    return spec_parse_rates(d, files, stack->name, name, &stack->rates[p], err);
}

static spa_status parse_stack(spa_device *d, spec_files *files, spec_stack *stack, spa_error *err)
{
    char section[SECTION_BYTES];
    snprintf(section, sizeof section, "stack %s", stack->name);
    stack->computes = -1;
    SPA_TRY(parse_stack_texts(d, files, section, stack, err));
    SPA_TRY(spec_flag(files, section, "dispatch_occupies_host", -1, &stack->dispatch_occupies_host,
                      err));
    SPA_TRY(spec_flag(files, section, "blocking_sync", -1, &stack->blocking_sync, err));
    SPA_TRY(spec_number(files, section, "run_cv", NAN, 0, 10, &stack->run_cv, err));
    for (uint32_t p = 0; p < d->n_processors; p++) {
        if (!stack->present[p]) continue;
        SPA_TRY(parse_stack_processor(d, files, section, stack, p, err));
    }
    return parse_links(d, files, stack, err);
}

/* The stack that this one is like, in *like; NULL = none. */
static spa_status find_like(spa_device *d, spec_files *files, const spec_stack *stack,
                            const char **like, spa_error *err)
{
    char section[SECTION_BYTES];
    snprintf(section, sizeof section, "stack %s", stack->name);
    SPA_TRY(spec_text(files, section, "like", "", like, err));
    if (**like == '\0') *like = NULL;
    return SPA_OK;
}

static spa_status fail_like(spa_device *d, spec_files *files, const spec_stack *stack,
                            const char *like, spa_error *err)
{
    char section[SECTION_BYTES];
    const char *names[SPEC_MAX_STACKS];
    spa_ini *ini = NULL;
    const spa_ini_entry *entry = NULL;
    size_t n = 0;
    spa_error why;
    snprintf(section, sizeof section, "stack %s", stack->name);
    for (uint32_t s = 0; s < d->n_stacks; s++) /* with rates of their own */
        if (d->stacks[s].summary) names[n++] = d->stacks[s].name;
    SPA_TRY(spec_home(files, section, "like", &ini, &entry, err));
    spa_status status = spa_fail_unknown(&why, "stack with rates of its own", like, names, n);
    return spa_fail_at(err, status, ini->path, entry ? entry->line : 0, "[%s] like: %s", section,
                       why.message);
}

/* Those that are like another come last: theirs must be there. */
spa_status spec_parse_stacks(spa_device *device, spec_files *files, spa_error *err)
{
    const char *likes[SPEC_MAX_STACKS];
    for (uint32_t s = 0; s < device->n_stacks; s++) {
        SPA_TRY(find_like(device, files, &device->stacks[s], &likes[s], err));
        if (!likes[s]) SPA_TRY(parse_stack(device, files, &device->stacks[s], err));
    }
    for (uint32_t s = 0; s < device->n_stacks; s++) {
        const spec_stack *base = NULL;
        for (uint32_t k = 0; likes[s] && k < device->n_stacks; k++)
            if (!likes[k] && strcmp(device->stacks[k].name, likes[s]) == 0)
                base = &device->stacks[k];
        if (likes[s] && !base) return fail_like(device, files, &device->stacks[s], likes[s], err);
        if (base) SPA_TRY(spec_parse_like(device, files, &device->stacks[s], base, err));
    }
    return SPA_OK;
}
