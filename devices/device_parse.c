/* Device files: the machine (device, processors, modes, power, contention, reference speeds). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "devices/spec.h"

#define SECTION_BYTES 160
#define PATH_BYTES    4300

/* "prefix name", cut to what fits: names are checked where they are read. */
static const char *section_of(char out[SECTION_BYTES], const char *prefix, const char *name)
{
    snprintf(out, SECTION_BYTES, "%s %s", prefix, name);
    return out;
}

static spa_status keep(spa_device *d, const char **text, spa_error *err)
{
    return *text ? spa_arena_strdup(&d->arena, text, *text, err) : SPA_OK;
}

typedef struct name_list {
    const char **names;
    size_t max;
    uint32_t count;
} name_list;

static spa_status add_section_name(spa_device *d, const spa_ini *ini, size_t s, const char *name,
                                   name_list *list, spa_error *err)
{
    for (uint32_t k = 0; k < list->count; k++) {
        if (strcmp(list->names[k], name) == 0) return SPA_OK;
    }
    if (list->count == list->max || strlen(name) > 60 || strpbrk(name, " :=,@/")) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, ini->section_lines[s],
                           "section [%.80s]: more than %zu of them, or a name that is not one "
                           "word of at most 60 letters",
                           ini->sections[s], list->max);
    }
    list->names[list->count] = name;
    SPA_TRY(keep(d, &list->names[list->count], err));
    list->count++;
    return SPA_OK;
}

/* Names of all sections "prefix NAME", each once; those of the device it is like come first. */
static spa_status section_names(spa_device *d, const spec_files *files, const char *prefix,
                                bool inherit, name_list *list, spa_error *err)
{
    size_t length = strlen(prefix);
    for (size_t k = 0; k < 2 * files->n; k++) {
        const spa_ini *ini = &files->ini[k % files->n];
        bool base = k < files->n;
        if (files->base[k % files->n] != base || (base && !inherit)) continue;
        for (size_t s = 0; s < ini->n_sections; s++) {
            const char *section = ini->sections[s];
            if (strncmp(section, prefix, length) != 0 || section[length] != ' ') continue;
            SPA_TRY(add_section_name(d, ini, s, section + length + 1, list, err));
        }
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- [processor NAME] */
/* "0-11" or "3". */
static bool parse_cores(const char *text, uint32_t *first, uint32_t *count)
{
    char low[16] = "";
    size_t length = strcspn(text, "-");
    int64_t a = 0, b = 0;
    if (length == 0 || length >= sizeof low) return false;
    memcpy(low, text, length);
    if (!spa_parse_i64(low, &a) || a < 0 || a >= SPEC_MAX_CORES) return false;
    b = a;
    if (text[length] && !spa_parse_i64(text + length + 1, &b)) return false;
    if (b < a || b >= SPEC_MAX_CORES) return false;
    *first = (uint32_t)a;
    *count = (uint32_t)(b - a + 1);
    return true;
}

/* A processor has either `cores` (a CPU) or `streams` (an accelerator). */
static spa_status parse_lanes_kind(spec_processor *p, spec_files *files, const char *section,
                                   spa_error *err)
{
    spa_ini *ini = NULL;
    const spa_ini_entry *cores = NULL;
    double streams = NAN;
    SPA_TRY(spec_home(files, section, "cores", &ini, &cores, err));
    SPA_TRY(spec_optional(files, section, "streams", 1, SPA_MAX_LANES, &streams, err));
    if ((cores == NULL) == (bool)isnan(streams)) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, cores ? cores->line : 0,
                           "[%s] needs either 'cores = 0-11' (a CPU) or 'streams = 4' (an "
                           "accelerator)",
                           section);
    }
    p->is_cpu = cores != NULL;
    p->n_cores = cores ? 0 : (uint32_t)streams;
    if (!cores) return SPA_OK;
    if (!parse_cores(cores->value, &p->first_core, &p->n_cores)) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, cores->line,
                           "[%s] cores: '%.40s' is not a range below %d; write 0-11 or 0", section,
                           cores->value, SPEC_MAX_CORES);
    }
    return spec_check_source(ini, cores, err);
}

static spa_status parse_processor(spa_device *d, spec_files *files, spec_processor *p,
                                  spa_error *err)
{
    char section[SECTION_BYTES];
    const char *role = NULL;
    double peak = 0; /* for the reader of the file; no formula uses it */
    section_of(section, "processor", p->name);
    SPA_TRY(spec_text(files, section, "role", NULL, &role, err));
    if (strcmp(role, "host") != 0 && strcmp(role, "accelerator") != 0) {
        return spa_fail_at(err, SPA_E_PARSE, files->ini[0].path, 0,
                           "[%s] role: '%.40s' is not allowed; write host or accelerator", section,
                           role);
    }
    p->role = *role == 'h' ? SPA_ROLE_HOST : SPA_ROLE_ACCELERATOR;
    SPA_TRY(spec_text(files, section, "selector", p->name, &p->selector, err));
    SPA_TRY(keep(d, &p->selector, err));
    SPA_TRY(spec_optional(files, section, "peak_gflops", 0.001, 1e9, &peak, err));
    return parse_lanes_kind(p, files, section, err);
}

static spa_status parse_processors(spa_device *d, spec_files *files, spa_error *err)
{
    const char *names[SPA_MAX_PROCESSORS] = {0};
    name_list list = {.names = names, .max = SPA_MAX_PROCESSORS};
    uint32_t hosts = 0;
    SPA_TRY(section_names(d, files, "processor", false, &list, err));
    d->n_processors = list.count;
    for (uint32_t p = 0; p < d->n_processors; p++) {
        d->processors[p].name = names[p];
        SPA_TRY(parse_processor(d, files, &d->processors[p], err));
        if (d->processors[p].role != SPA_ROLE_HOST) continue;
        d->host = p;
        hosts++;
    }
    if (hosts != 1 || !d->processors[d->host].is_cpu) {
        return spa_fail_at(err, SPA_E_PARSE, files->ini[0].path, 0,
                           "%u processors have role = host; exactly one must, and it must have "
                           "cores",
                           hosts);
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- [mode NAME], [power NAME] */
static spa_status parse_speed(const spa_device *d, spec_files *files, const char *section,
                              uint32_t p, spec_speed *speed, spa_error *err)
{
    char key[SECTION_BYTES];
    double mhz = 0;
    snprintf(key, sizeof key, "%s.clock_mhz", d->processors[p].name);
    SPA_TRY(spec_number(files, section, key, NAN, 1, 1e5, &mhz, err));
    speed->clock_hz = mhz * 1e6;
    snprintf(key, sizeof key, "%s.units", d->processors[p].name);
    return spec_number(files, section, key, 1, 1, 1e5, &speed->units, err);
}

/* How many cores are online; the file says so where the mode switches some off. */
static spa_status parse_online(const spa_device *d, spec_files *files, const char *section,
                               uint32_t p, uint32_t *cores, spa_error *err)
{
    char key[SECTION_BYTES];
    double online = 0;
    const spec_processor *q = &d->processors[p];
    snprintf(key, sizeof key, "%s.cores", q->name);
    SPA_TRY(spec_number(files, section, key, q->n_cores, 1, q->n_cores, &online, err));
    if (online != floor(online)) {
        return spa_fail_at(err, SPA_E_RANGE, files->ini[0].path, 0,
                           "[%s] %s = %g is not a whole number", section, key, online);
    }
    *cores = (uint32_t)online;
    return SPA_OK;
}

static spa_status parse_power(const spa_device *d, spec_files *files, spec_mode *mode,
                              spa_error *err)
{
    char section[SECTION_BYTES], key[SECTION_BYTES];
    section_of(section, "power", mode->name);
    if (!d->power_known) return SPA_OK;
    SPA_TRY(spec_number(files, section, "idle_w", NAN, 0, 1e5, &mode->idle_w, err));
    for (uint32_t p = 0; p < d->n_processors; p++) {
        const spec_processor *q = &d->processors[p];
        spec_power *power = &mode->power[p];
        snprintf(key, sizeof key, "%s.idle_w", q->name);
        SPA_TRY(spec_number(files, section, key, 0, 0, 1e5, &power->idle_w, err));
        if (q->is_cpu) {
            snprintf(key, sizeof key, "%s.core_w_per_ghz", q->name);
            SPA_TRY(spec_number(files, section, key, NAN, 0, 1e4, &power->core_w_per_hz, err));
            power->core_w_per_hz /= 1e9;
        } else {
            snprintf(key, sizeof key, "%s.busy_w", q->name);
            SPA_TRY(spec_number(files, section, key, NAN, 0, 1e5, &power->busy_w, err));
        }
    }
    return SPA_OK;
}

static spa_status parse_mode(const spa_device *d, spec_files *files, spec_mode *mode,
                             spa_error *err)
{
    char section[SECTION_BYTES];
    double gbs = 0;
    section_of(section, "mode", mode->name);
    for (uint32_t p = 0; p < d->n_processors; p++) {
        SPA_TRY(parse_speed(d, files, section, p, &mode->speed[p], err));
        SPA_TRY(parse_online(d, files, section, p, &mode->cores[p], err));
    }
    SPA_TRY(spec_number(files, section, "dram_gbs", NAN, 0.001, 1e6, &gbs, err));
    mode->dram_bytes_per_s = gbs * 1e9;
    return parse_power(d, files, mode, err);
}

static spa_status parse_modes(spa_device *d, spec_files *files, spa_error *err)
{
    name_list list = {.names = d->names, .max = SPEC_MAX_MODES};
    SPA_TRY(section_names(d, files, "mode", false, &list, err));
    d->n_modes = list.count;
    for (uint32_t m = 0; m < d->n_modes; m++) {
        d->modes[m].name = d->names[m];
        SPA_TRY(parse_mode(d, files, &d->modes[m], err));
    }
    d->info.n_modes = d->n_modes;
    d->info.modes = d->names;
    return SPA_OK;
}

/* ---------------------------------------------------------------- [reference], [contention] */
static spa_status parse_reference(spa_device *d, spec_files *files, spa_error *err)
{
    double gbs = 0;
    for (uint32_t p = 0; p < d->n_processors; p++) {
        SPA_TRY(parse_speed(d, files, "reference", p, &d->reference[p], err));
    }
    SPA_TRY(spec_number(files, "reference", "dram_gbs", NAN, 0.001, 1e6, &gbs, err));
    d->reference_dram = gbs * 1e9;
    return SPA_OK;
}

static spa_status parse_contention(spa_device *d, spec_files *files, spa_error *err)
{
    char key[SECTION_BYTES];
    for (uint32_t p = 0; p < d->n_processors; p++) {
        spec_contention *c = &d->contention[p];
        const struct {
            const char *suffix;
            double *out;
        } keys[] = {{"pressure", &c->pressure}, {"slow_a", &c->slow_a}, {"slow_b", &c->slow_b}};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            snprintf(key, sizeof key, "%s.%s", d->processors[p].name, keys[i].suffix);
            SPA_TRY(spec_number(files, "contention", key, NAN, 0, 1e4, keys[i].out, err));
        }
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- [device] */
static spa_status one_of(spec_files *files, const char *key, const char *text,
                         const char *const *names, size_t count, spa_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], text) == 0) return SPA_OK;
    }
    spa_error why;
    spa_status status = spa_fail_unknown(&why, key, text, names, count);
    const spa_ini_entry *e = spa_ini_find(&files->ini[0], "device", key);
    return spa_fail_at(err, status, files->ini[0].path, e ? e->line : 0, "[device] %s",
                       why.message);
}

static spa_status parse_origin(spa_device *d, spec_files *files, spa_error *err)
{
    static const char *const names[] = {"assumed", "modelled", "imported", "measured"};
    const char *text = NULL;
    SPA_TRY(spec_text(files, "device", "origin", NULL, &text, err));
    SPA_TRY(one_of(files, "origin", text, names, 4, err));
    spa_origin_from_name(text, &d->info.origin);
    return SPA_OK;
}

static spa_status parse_head(spa_device *d, spec_files *files, spa_error *err)
{
    static const char *const memories[] = {"shared", "discrete"};
    static const char *const powers[] = {"known", "unknown"};
    const char *memory = NULL, *like = NULL, *power = NULL;
    struct {
        const char *key, *missing, **out;
    } texts[] = {
        {"name", NULL, &d->info.name},
        {"summary", NULL, &d->info.summary},
        {"default_mode", NULL, &d->info.default_mode},
        {"default_stack", NULL, &d->info.default_stack},
        {"default_lanes", NULL, &d->info.default_lanes},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        SPA_TRY(spec_text(files, "device", texts[i].key, texts[i].missing, texts[i].out, err));
        SPA_TRY(keep(d, texts[i].out, err));
    }
    SPA_TRY(spec_text(files, "device", "like", "-", &like, err));
    SPA_TRY(spec_text(files, "device", "memory", NULL, &memory, err));
    SPA_TRY(one_of(files, "memory", memory, memories, 2, err));
    d->shared_memory = *memory == 's';
    SPA_TRY(spec_text(files, "device", "power", "known", &power, err));
    SPA_TRY(one_of(files, "power", power, powers, 2, err));
    d->power_known = *power == 'k';
    return parse_origin(d, files, err);
}

/* A folder name in the file: absolute, relative to the file ("./", "../"), or relative to what
 * holds devices/data/, which is two folders above the file. */
static spa_status parse_trace(spa_device *d, spec_files *files, const char *path, spa_error *err)
{
    const char *trace = NULL;
    char full[PATH_BYTES];
    SPA_TRY(spec_text(files, "device", "trace", "", &trace, err));
    if (!*trace) return SPA_OK;
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? path : ".";
    int length = slash ? (int)(slash - path) : 1, n = 0;
    if (trace[0] == '/') {
        n = snprintf(full, sizeof full, "%s", trace);
    } else if (trace[0] == '.') {
        n = snprintf(full, sizeof full, "%.*s/%s", length, folder, trace);
    } else if (length == 12 && strncmp(path, "devices/data", 12) == 0) {
        n = snprintf(full, sizeof full, "%s", trace);
    } else if (length > 13 && strncmp(path + length - 13, "/devices/data", 13) == 0) {
        n = snprintf(full, sizeof full, "%.*s/%s", length - 13, path, trace);
    } else {
        n = snprintf(full, sizeof full, "%.*s/../../%s", length, folder, trace);
    }
    if (n < 0 || (size_t)n >= sizeof full) {
        return spa_fail_at(err, SPA_E_RANGE, path, 0, "[device] trace: the path is too long");
    }
    return spa_arena_strdup(&d->arena, &d->info.trace, full, err);
}

static spa_status find_defaults(spa_device *d, spec_files *files, spa_error *err)
{
    SPA_TRY(one_of(files, "default_mode", d->info.default_mode, d->info.modes, d->n_modes, err));
    SPA_TRY(
        one_of(files, "default_stack", d->info.default_stack, d->info.stacks, d->n_stacks, err));
    for (uint32_t m = 0; m < d->n_modes; m++) {
        if (strcmp(d->modes[m].name, d->info.default_mode) == 0) d->mode = m;
    }
    for (uint32_t s = 0; s < d->n_stacks; s++) {
        if (strcmp(d->stacks[s].name, d->info.default_stack) == 0) d->stack = s;
    }
    return SPA_OK;
}

static spa_status fill_info(spa_device *d, spec_files *files, spa_error *err)
{
    const char **stacks = d->names + SPEC_MAX_MODES, **processors = stacks + SPEC_MAX_STACKS;
    name_list list = {.names = stacks, .max = SPEC_MAX_STACKS};
    SPA_TRY(section_names(d, files, "stack", true, &list, err));
    d->n_stacks = list.count;
    for (uint32_t s = 0; s < d->n_stacks; s++) d->stacks[s].name = stacks[s];
    for (uint32_t p = 0; p < d->n_processors; p++) processors[p] = d->processors[p].name;
    d->info.n_stacks = d->n_stacks;
    d->info.stacks = stacks;
    d->info.n_processors = d->n_processors;
    d->info.processors = processors;
    return SPA_OK;
}

spa_status spec_parse(spa_device *device, spec_files *files, const char *path, spa_error *err)
{
    SPA_TRY(spa_arena_strdup(&device->arena, &device->info.path, path, err));
    SPA_TRY(parse_head(device, files, err));
    SPA_TRY(parse_trace(device, files, path, err));
    SPA_TRY(parse_processors(device, files, err));
    SPA_TRY(parse_modes(device, files, err));
    SPA_TRY(parse_reference(device, files, err));
    SPA_TRY(parse_contention(device, files, err));
    SPA_TRY(fill_info(device, files, err));
    SPA_TRY(find_defaults(device, files, err));
    SPA_TRY(spec_parse_stacks(device, files, err));
    return spec_files_check_unused(files, err);
}
