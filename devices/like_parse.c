/* Device files: stacks that are like another one of the device, but for a few numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "devices/spec.h"

#define SECTION_BYTES 256
#define KEY_BYTES     128

/* Measured and the like: no range is needed. What is assumed or derived must say how far off it may
 * be. */
static bool is_known(const spa_ini_entry *e)
{
    return strncmp(e->comment, "assumed", 7) != 0 && strncmp(e->comment, "derived", 7) != 0;
}

static spa_status fail_range(const spa_ini *ini, const spa_ini_entry *e, const char *what,
                             spa_error *err)
{
    return spa_fail_at(err, SPA_E_PARSE, ini->path, e->line,
                       "[%s] %s: '%.60s' %s; write e.g. 0.5 [0.25, 1]", e->section, e->key,
                       e->value, what);
}

/* One number of "VALUE [LOW, HIGH]": `length` characters at `text`. */
static spa_status parse_number(const spa_ini *ini, const spa_ini_entry *e, const char *text,
                               size_t length, double min, double max, double *out, spa_error *err)
{
    char number[64] = "";
    spa_error why;
    while (length > 0 && (*text == ' ' || *text == '\t')) text++, length--;
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
    if (length < sizeof number) memcpy(number, text, length);
    spa_status status = spa_parse_double_in(number, min, max, out, &why);
    if (status == SPA_OK) return SPA_OK;
    return spa_fail_at(err, status, ini->path, e->line, "[%s] %s: %s", e->section, e->key,
                       why.message);
}

spa_status spec_entry_range(const spa_ini *ini, const spa_ini_entry *e, double min, double max,
                            spec_range *out, spa_error *err)
{
    const char *open = strchr(e->value, '[');
    size_t length = open ? (size_t)(open - e->value) : strlen(e->value);
    SPA_TRY(parse_number(ini, e, e->value, length, min, max, &out->value, err));
    SPA_TRY(spec_check_source(ini, e, err));
    out->low = out->high = out->value;
    if (!open)
        return is_known(e) ? SPA_OK : fail_range(ini, e, "is not measured and has no range", err);
    const char *comma = strchr(open, ','), *close = strchr(open, ']');
    if (!comma || !close || comma > close || close[1] != '\0')
        return fail_range(ini, e, "is no range", err);
    SPA_TRY(parse_number(ini, e, open + 1, (size_t)(comma - open) - 1, min, max, &out->low, err));
    SPA_TRY(
        parse_number(ini, e, comma + 1, (size_t)(close - comma) - 1, min, max, &out->high, err));
    if (out->low > out->value || out->high < out->value)
        return fail_range(ini, e, "is not within its range", err);
    return SPA_OK;
}

static spa_status parse_range(spec_files *files, const char *section, const char *processor,
                              const char *suffix, double missing, double max, spec_range *out,
                              spa_error *err)
{
    char key[KEY_BYTES];
    spa_ini *ini = NULL;
    const spa_ini_entry *entry = NULL;
    snprintf(key, sizeof key, "%s.%s", processor, suffix);
    *out = (spec_range){missing, missing, missing};
    SPA_TRY(spec_home(files, section, key, &ini, &entry, err));
    return entry ? spec_entry_range(ini, entry, 1e-3, max, out, err) : SPA_OK;
}

/* In what it computes, whatever the graph says; missing: as the stack that it is like. */
static spa_status parse_computes(spec_files *files, const char *section, spec_stack *stack,
                                 spa_error *err)
{
    static const char *const names[] = {"fp32", "fp16"};
    spa_ini *ini = NULL;
    const spa_ini_entry *entry = NULL;
    spa_error why;
    SPA_TRY(spec_home(files, section, "computes", &ini, &entry, err));
    if (!entry) return SPA_OK;
    for (int i = 0; i < 2; i++) {
        if (strcmp(entry->value, names[i]) != 0) continue;
        stack->computes = i == 0 ? SPA_FP32 : SPA_FP16;
        return SPA_OK;
    }
    spa_status status = spa_fail_unknown(&why, "dtype", entry->value, names, 2);
    return spa_fail_at(err, status, ini->path, entry->line, "[%s] computes: %s", section,
                       why.message);
}

/* Nothing of it was measured on the device: no mode is calibrated. */
spa_status spec_parse_like(spa_device *d, spec_files *files, spec_stack *stack,
                           const spec_stack *base, spa_error *err)
{
    char section[SECTION_BYTES];
    const char *name = stack->name, *like = NULL;
    snprintf(section, sizeof section, "stack %s", name);
    *stack = *base;
    stack->name = name;
    stack->like = base->name;
    stack->calibrated = 0;
    SPA_TRY(spec_text(files, section, "like", NULL, &like, err));
    SPA_TRY(spec_text(files, section, "summary", NULL, &stack->summary, err));
    SPA_TRY(spa_arena_strdup(&d->arena, &stack->summary, stack->summary, err));
    SPA_TRY(spec_text(files, section, "lanes", base->lanes, &stack->lanes, err));
    SPA_TRY(spa_arena_strdup(&d->arena, &stack->lanes, stack->lanes, err));
    SPA_TRY(parse_computes(files, section, stack, err));
    SPA_TRY(spec_number(files, section, "run_cv", base->run_cv, 0, 10, &stack->run_cv, err));
    for (uint32_t p = 0; p < d->n_processors; p++) {
        const char *processor = d->processors[p].name;
        SPA_TRY(parse_range(files, section, processor, "kernel_factor", 1, 1e3,
                            &stack->kernel_factor[p], err));
        SPA_TRY(parse_range(files, section, processor, "launch_cycles", NAN, 1e9,
                            &stack->launch_cycles[p], err));
    }
    return SPA_OK;
}
