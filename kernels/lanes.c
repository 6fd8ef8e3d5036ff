/* The --lanes language. */
#include "kernels/lanes.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "kernels/worker.h"

#define FORM "lanes look like 'cpu:0=sparse,cpu:1=blas', 'cpu:0-3=blas' or 'cuda:0'"

static spa_status parse_core(const char *item, const char *text, size_t length, int32_t *core,
                             spa_error *err)
{
    char digits[16];
    int64_t value;
    if (length == 0 || length >= sizeof digits) goto bad;
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (strspn(digits, "0123456789") != length || !spa_parse_i64(digits, &value) || value > 4095)
        goto bad;
    *core = (int32_t)value;
    return SPA_OK;
bad:
    return spa_fail(err, SPA_E_PARSE, "lane '%s': '%.*s' is not a core number; " FORM, item,
                    (int)length, text);
}

static spa_status parse_cores(const char *item, const char *text, size_t length, spa_lane *lane,
                              spa_error *err)
{
    const char *dash = memchr(text, '-', length);
    size_t first = dash == NULL ? length : (size_t)(dash - text);
    int32_t last = 0;
    SPA_TRY(parse_core(item, text, first, &lane->first_core, err));
    lane->n_cores = 1;
    if (dash != NULL) {
        SPA_TRY(parse_core(item, dash + 1, length - first - 1, &last, err));
        if (last < lane->first_core)
            return spa_fail(err, SPA_E_PARSE, "lane '%s': cores %d-%d run backwards", item,
                            (int)lane->first_core, (int)last);
        lane->n_cores = last - lane->first_core + 1;
    }
    if (lane->n_cores == 1)
        snprintf(lane->processor, sizeof lane->processor, "cpu%d", (int)lane->first_core);
    else
        snprintf(lane->processor, sizeof lane->processor, "cpu%d-%d", (int)lane->first_core,
                 (int)(lane->first_core + lane->n_cores - 1));
    return SPA_OK;
}

static spa_status check_allowed(const char *item, const spa_lane *lane, spa_error *err)
{
    char list[128] = "";
    size_t used = 0;
    int32_t denied = -1;
    for (int32_t c = lane->first_core; c < lane->first_core + lane->n_cores && denied < 0; c++)
        if (!spa_core_allowed(c)) denied = c;
    if (denied < 0) return SPA_OK;
    for (int32_t c = 0; c < 4096 && used + 8 < sizeof list; c++)
        if (spa_core_allowed(c))
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%d", used > 0 ? "," : "",
                                     (int)c);
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "lane '%s': core %d is not one this process may use (those are %s)", item,
                    (int)denied, list);
}

/* "cuda:N": a device of its own, without cores or a choice of kernels. */
static spa_status parse_cuda(const char *item, const char *text, spa_lane *lane, spa_error *err)
{
    SPA_TRY(parse_core(item, text, strlen(text), &lane->device_index, err));
    lane->first_core = -1;
    lane->backend = &spa_backend_cuda;
    snprintf(lane->processor, sizeof lane->processor, "cuda%d", (int)lane->device_index);
    spa_error why;
    spa_status status = spa_stream_device_find("cuda", lane->device_index, &lane->device, &why);
    if (status == SPA_OK) return SPA_OK;
    return spa_fail(err, status, "lane '%s': %s; emulated:N is a core behind the same interface",
                    item, why.message);
}

/* "emulated:N[=BACKEND]": read as a lane of one core. */
static spa_status make_emulated(const char *item, spa_lane *lane, spa_error *err)
{
    if (lane->n_cores != 1)
        return spa_fail(err, SPA_E_INVALID, "lane '%s': an emulated device has one core", item);
    lane->device = &spa_stream_device_emulated;
    lane->device_index = lane->first_core;
    snprintf(lane->processor, sizeof lane->processor, "emulated%d", (int)lane->first_core);
    return SPA_OK;
}

static spa_status parse_item(const char *item, spa_lane *lane, spa_error *err)
{
    static const char *const devices[] = {"cpu", "cuda", "emulated"};
    const char *colon = strchr(item, ':'), *equals = strchr(item, '=');
    if (colon == NULL || (equals != NULL && equals < colon))
        return spa_fail(err, SPA_E_PARSE, "lane '%s' has no core; " FORM, item);
    char device[32];
    snprintf(device, sizeof device, "%.*s", (int)(colon - item), item);
    size_t length = equals != NULL ? (size_t)(equals - colon - 1) : strlen(colon + 1);
    if (strcmp(device, "cuda") == 0) return parse_cuda(item, colon + 1, lane, err);
    bool emulated = strcmp(device, "emulated") == 0;
    if (!emulated && strcmp(device, "cpu") != 0)
        return spa_fail_unknown(err, "lane device", device, devices, 3);
    SPA_TRY(parse_cores(item, colon + 1, length, lane, err));
    SPA_TRY(spa_backend_find(equals != NULL ? equals + 1 : "blas", &lane->backend, err));
    if (emulated) SPA_TRY(make_emulated(item, lane, err));
    return check_allowed(item, lane, err);
}

static spa_status check_overlap(const spa_lane_set *set, const spa_lane *lane, spa_error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        const spa_lane *other = &set->lanes[i];
        if (lane->first_core < other->first_core + other->n_cores &&
            other->first_core < lane->first_core + lane->n_cores)
            return spa_fail(err, SPA_E_INVALID, "lanes %s and %s share a core", other->processor,
                            lane->processor);
        if (lane->device != NULL && lane->device == other->device &&
            lane->device_index == other->device_index)
            return spa_fail(err, SPA_E_INVALID, "two lanes on %s", lane->processor);
    }
    return SPA_OK;
}

spa_status spa_lanes_parse(spa_lane_set *set, const char *text, spa_error *err)
{
    memset(set, 0, sizeof *set);
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        char item[64];
        spa_lane lane = {0};
        if (length == 0) {
            set->count = 0;
            return spa_fail(err, SPA_E_PARSE, "an empty lane in '%s'; " FORM, text);
        }
        snprintf(item, sizeof item, "%.*s", (int)length, at);
        spa_status status = set->count == SPA_LANES_MAX
                                ? spa_fail(err, SPA_E_RANGE, "more than %d lanes", SPA_LANES_MAX)
                                : parse_item(item, &lane, err);
        if (status == SPA_OK) status = check_overlap(set, &lane, err);
        if (status != SPA_OK) {
            set->count = 0;
            return status;
        }
        set->lanes[set->count++] = lane;
        if (at[length] == '\0') return SPA_OK;
        at += length + 1;
    }
}
