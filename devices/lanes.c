/* Lanes: which cores and streams a run has. */
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "devices/spec.h"

#define FIELD_BYTES 64

typedef struct lane_item {
    char selector[FIELD_BYTES], cores[FIELD_BYTES], backend[FIELD_BYTES];
} lane_item;

typedef struct lanes_parser {
    const spa_device *device;
    const spec_mode *mode;
    const char *text; /* for messages */
    spec_lanes *lanes;
    bool taken[SPA_MAX_PROCESSORS][SPEC_MAX_CORES];
    spa_string out;
    spa_arena *arena;
} lanes_parser;

/* ---------------------------------------------------------------- one item */
static bool copy_field(char out[FIELD_BYTES], const char *from, size_t length)
{
    if (length == 0 || length >= FIELD_BYTES) return false;
    memcpy(out, from, length);
    out[length] = '\0';
    return true;
}

/* "SELECTOR:CORES[=BACKEND]" */
static spa_status split_item(const lanes_parser *ps, const char *from, size_t length,
                             lane_item *item, spa_error *err)
{
    char text[4 * FIELD_BYTES] = "";
    *item = (lane_item){0};
    bool ok = length < sizeof text;
    if (ok) {
        memcpy(text, from, length);
        size_t colon = strcspn(text, ":"), equals = strcspn(text, "=");
        bool has_backend = text[equals] != '\0';
        ok = text[colon] && colon < equals && copy_field(item->selector, text, colon) &&
             copy_field(item->cores, text + colon + 1, equals - colon - 1) &&
             (!has_backend || copy_field(item->backend, text + equals + 1, length - equals - 1));
    }
    if (ok) return SPA_OK;
    return spa_fail(err, SPA_E_PARSE,
                    "lanes '%.100s': '%.*s' is not a lane; write PROCESSOR:CORES[=BACKEND], for "
                    "example %s",
                    ps->text, (int)(length < 60 ? length : 60), from,
                    ps->device->info.default_lanes);
}

/* "all", "3" or "0-3" as a range. */
static spa_status parse_range(const lanes_parser *ps, const char *text, int64_t *low, int64_t *high,
                              spa_error *err)
{
    char first[FIELD_BYTES];
    size_t length = strcspn(text, "-");
    memcpy(first, text, length);
    first[length] = '\0';
    bool ok = spa_parse_i64(first, low) && *low >= 0 && *low < SPEC_MAX_CORES;
    *high = *low;
    if (ok && text[length]) ok = spa_parse_i64(text + length + 1, high) && *high >= *low;
    if (ok && *high < SPEC_MAX_CORES) return SPA_OK;
    return spa_fail(err, SPA_E_PARSE,
                    "lanes '%.100s': '%s' is no core or range of cores; write 3, 0-3 or all",
                    ps->text, text);
}

/* The processor a selector and a core mean: the one that has the core, else the first. -1 = the
 * selector is unknown. */
static int find_processor(const spa_device *d, const char *selector, int64_t core)
{
    int found = -1;
    for (uint32_t p = 0; p < d->n_processors; p++) {
        const spec_processor *q = &d->processors[p];
        if (strcmp(q->selector, selector) != 0 && strcmp(q->name, selector) != 0) continue;
        if (found < 0) found = (int)p;
        if (core >= q->first_core && core < q->first_core + q->n_cores) return (int)p;
    }
    return found;
}

static spa_status fail_selector(const lanes_parser *ps, const char *selector, spa_error *err)
{
    const char *names[SPA_MAX_PROCESSORS];
    size_t n = 0;
    for (uint32_t p = 0; p < ps->device->n_processors; p++) {
        const char *name = ps->device->processors[p].selector;
        bool known = false;
        for (size_t i = 0; i < n && !known; i++) known = strcmp(names[i], name) == 0;
        if (!known) names[n++] = name;
    }
    spa_error why;
    spa_status status = spa_fail_unknown(&why, "processor", selector, names, n);
    return spa_fail(err, status, "lanes '%.100s': %s", ps->text, why.message);
}

/* ---------------------------------------------------------------- adding lanes */
static spa_status take_cores(lanes_parser *ps, uint32_t p, int64_t low, int64_t high,
                             spa_error *err)
{
    const spec_processor *q = &ps->device->processors[p];
    int64_t online = q->is_cpu ? ps->mode->cores[p] : q->n_cores;
    const char *what = q->is_cpu ? "core" : "stream";
    if (low < q->first_core || high >= q->first_core + online) {
        bool off = low >= q->first_core && high < q->first_core + q->n_cores;
        return spa_fail(err, SPA_E_NOT_FOUND,
                        "lanes '%.100s': '%s' has no %s %lld%s%s; it has %u to %lld", ps->text,
                        q->name, what, (long long)(low < q->first_core ? low : high),
                        off ? " in mode " : "", off ? ps->mode->name : "", q->first_core,
                        (long long)(q->first_core + online - 1));
    }
    for (int64_t core = low; core <= high; core++) {
        if (ps->taken[p][core]) {
            return spa_fail(err, SPA_E_INVALID,
                            "lanes '%.100s': %s %lld of '%s' is in two lanes; remove it from one",
                            ps->text, what, (long long)core, q->name);
        }
        ps->taken[p][core] = true;
    }
    return SPA_OK;
}

static spa_status set_backend(lanes_parser *ps, uint32_t p, const char *backend, spa_error *err)
{
    spec_lanes *l = ps->lanes;
    const char *before = l->backend[p] ? l->backend[p] : "";
    if (l->n_lanes[p] > 0 && strcmp(before, backend) != 0) {
        return spa_fail(err, SPA_E_INVALID,
                        "lanes '%.100s': the lanes of '%s' have different backends; give them one",
                        ps->text, ps->device->processors[p].name);
    }
    if (*backend && !l->backend[p]) {
        SPA_TRY(spa_arena_strdup(ps->arena, &l->backend[p], backend, err));
    }
    return SPA_OK;
}

static spa_status add_lane(lanes_parser *ps, uint32_t p, int64_t low, int64_t high,
                           const char *backend, spa_error *err)
{
    spec_lanes *l = ps->lanes;
    uint32_t cores = (uint32_t)(high - low + 1), total = 0;
    const spec_processor *q = &ps->device->processors[p];
    SPA_TRY(take_cores(ps, p, low, high, err));
    if (!q->is_cpu && cores > 1) {
        return spa_fail(err, SPA_E_INVALID,
                        "lanes '%.100s': a lane of '%s' is one stream; write %s:%lld,%s:%lld",
                        ps->text, q->name, q->selector, (long long)low, q->selector,
                        (long long)low + 1);
    }
    SPA_TRY(set_backend(ps, p, backend, err));
    if (l->n_lanes[p] > 0 && l->cores_per_lane[p] != cores) {
        return spa_fail(err, SPA_E_INVALID,
                        "lanes '%.100s': lanes of '%s' have %u and %u cores; make them equal",
                        ps->text, q->name, l->cores_per_lane[p], cores);
    }
    l->used[p] = true;
    l->n_lanes[p]++;
    l->cores_per_lane[p] = cores;
    for (uint32_t i = 0; i < SPA_MAX_PROCESSORS; i++) total += l->n_lanes[i];
    if (total > SPA_MAX_LANES) {
        return spa_fail(err, SPA_E_RANGE, "lanes '%.100s': more than %d lanes", ps->text,
                        SPA_MAX_LANES);
    }
    return SPA_OK;
}

static spa_status add_item(lanes_parser *ps, const char *from, size_t length, spa_error *err)
{
    lane_item item;
    int64_t low = 0, high = 0;
    SPA_TRY(split_item(ps, from, length, &item, err));
    bool all = strcmp(item.cores, "all") == 0;
    if (!all) SPA_TRY(parse_range(ps, item.cores, &low, &high, err));
    int p = find_processor(ps->device, item.selector, low);
    if (p < 0) return fail_selector(ps, item.selector, err);
    const spec_processor *q = &ps->device->processors[p];
    if (all) {
        low = q->first_core;
        high = q->is_cpu ? low + ps->mode->cores[p] - 1 : low;
    }
    SPA_TRY(add_lane(ps, (uint32_t)p, low, high, item.backend, err));
    spa_string_append(&ps->out, "%s%s:%lld", ps->out.length ? "," : "", item.selector,
                      (long long)low);
    if (high > low) spa_string_append(&ps->out, "-%lld", (long long)high);
    if (*item.backend) spa_string_append(&ps->out, "=%s", item.backend);
    return SPA_OK;
}

/* ---------------------------------------------------------------- the whole */
static spa_status parse_all(lanes_parser *ps, spa_error *err)
{
    const spa_device *d = ps->device;
    const char *p = ps->text;
    for (;;) {
        size_t length = strcspn(p, ",");
        SPA_TRY(add_item(ps, p, length, err));
        p += length;
        if (*p == '\0') break;
        p++;
    }
    if (!ps->lanes->used[d->host]) {
        return spa_fail(err, SPA_E_INVALID,
                        "lanes '%.100s': the host '%s' has no lane; add %s:%u (inputs begin there)",
                        ps->text, d->processors[d->host].name, d->processors[d->host].selector,
                        d->processors[d->host].first_core);
    }
    SPA_TRY(spa_string_ok(&ps->out, err));
    return spa_arena_strdup(ps->arena, &ps->lanes->text, ps->out.text, err);
}

spa_status spec_lanes_parse(spec_lanes *lanes, const spa_device *device, const spec_mode *mode,
                            const char *text, spa_arena *arena, spa_error *err)
{
    lanes_parser ps = {
        .device = device, .mode = mode, .text = text, .lanes = lanes, .arena = arena};
    *lanes = (spec_lanes){0};
    spa_status status = parse_all(&ps, err);
    spa_string_fini(&ps.out);
    return status;
}
