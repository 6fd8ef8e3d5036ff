#include "sim/scenario.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "sim/scenario_file.h"

#define SUFFIX     ".scenario"
#define PATH_BYTES 4096

spa_scenario spa_scenario_single(void)
{
    spa_scenario s = {
        .name = "single", .arrivals = SPA_ARRIVALS_SINGLE, .concurrency = 1, .requests = 1};
    return s;
}

spa_scenario spa_scenario_closed(uint32_t concurrency, uint64_t requests)
{
    spa_scenario s = {.name = "closed",
                      .arrivals = SPA_ARRIVALS_CLOSED,
                      .concurrency = concurrency,
                      .requests = requests};
    return s;
}

spa_scenario spa_scenario_open(spa_arrivals arrivals, double rate_hz, uint32_t concurrency,
                               uint64_t requests)
{
    spa_scenario s = {
        .arrivals = arrivals, .concurrency = concurrency, .requests = requests, .rate_hz = rate_hz};
    snprintf(s.name, sizeof s.name, "%s %.6g/s",
             arrivals == SPA_ARRIVALS_PERIODIC ? "periodic" : "poisson", rate_hz);
    return s;
}

void spa_scenario_fini(spa_scenario *s)
{
    free(s->arrival_ns);
    memset(s, 0, sizeof *s);
}

/* ---- finding --------------------------------------------------------------------------------- */

static bool has_suffix(const char *name)
{
    size_t length = strlen(name), suffix = sizeof SUFFIX - 1;
    return length > suffix && strcmp(name + length - suffix, SUFFIX) == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) free(names[i]);
    free(names);
}

spa_status spa_scenario_list(const char *folder, char ***names, size_t *count, spa_error *err)
{
    size_t capacity = 0, n = 0;
    char **list = NULL;
    spa_status status = SPA_OK;
    const struct dirent *entry;
    DIR *dir = folder ? opendir(folder) : NULL;
    *names = NULL;
    *count = 0;
    while (dir && !status && (entry = readdir(dir))) {
        if (!has_suffix(entry->d_name)) continue;
        status = spa_grow(&list, &capacity, n + 1, sizeof *list, err);
        if (!status) status = spa_strdup(&list[n], entry->d_name, err);
        if (status) break;
        list[n][strlen(list[n]) - (sizeof SUFFIX - 1)] = '\0';
        n++;
    }
    if (dir) closedir(dir);
    if (status) {
        free_names(list, n);
        return status;
    }
    if (n) qsort(list, n, sizeof *list, compare_names);
    *names = list;
    *count = n;
    return SPA_OK;
}

static spa_status fail_unknown(const char *name, const char *folder, spa_error *err)
{
    static const char *const known[] = {"single", "closed", "periodic", "poisson",
                                        "a *.scenario file"};
    char **files = NULL;
    const char **all = NULL;
    size_t count, n = 0;
    SPA_TRY(spa_scenario_list(folder, &files, &count, err));
    spa_status status = spa_alloc(&all, count + 5, sizeof *all, err);
    for (size_t i = 0; i < 4 && !status; i++) all[n++] = known[i];
    for (size_t i = 0; i < count && !status; i++)
        if (strcmp(files[i], "poisson") != 0) all[n++] = files[i];
    if (!status) {
        all[n++] = known[4];
        status = spa_fail_unknown(err, "scenario", name, all, n);
    }
    free(all);
    free_names(files, count);
    return status;
}

static spa_status read_file(spa_scenario *s, const char *path, const char *changes, spa_error *err)
{
    char *text;
    size_t size;
    SPA_TRY(spa_read_file(path, (size_t)1 << 20, false, &text, &size, err));
    spa_status status = scenario_parse_changed(s, path, text, size, changes, err);
    free(text);
    return status;
}

static bool is_file(const char *path)
{
    FILE *f = fopen(path, "r");
    if (f) fclose(f);
    return f != NULL;
}

spa_status spa_scenario_find(spa_scenario *s, const char *name, const char *folder, spa_error *err)
{
    static const char *const built_in[] = {"single", "closed", "periodic"};
    char path[PATH_BYTES], base[PATH_BYTES];
    const char *changes = strchr(name, ':');
    memset(s, 0, sizeof *s);
    if (strcmp(name, "single") == 0 || strcmp(name, "closed") == 0) {
        *s = name[0] == 's' ? spa_scenario_single() : spa_scenario_closed(1, 20);
        return SPA_OK;
    }
    if (strcmp(name, "periodic") == 0 || strcmp(name, "poisson") == 0) {
        *s = spa_scenario_open(name[1] == 'e' ? SPA_ARRIVALS_PERIODIC : SPA_ARRIVALS_POISSON, 0,
                               SPA_OPEN_CONCURRENCY, 200);
        return SPA_OK;
    }
    if (changes) {
        size_t length = (size_t)(changes++ - name);
        if (length >= sizeof base) return spa_fail(err, SPA_E_RANGE, "the name is too long");
        snprintf(base, sizeof base, "%.*s", (int)length, name);
        name = base;
        for (int i = 0; i < 3; i++)
            if (strcmp(name, built_in[i]) == 0)
                return spa_fail(err, SPA_E_INVALID,
                                "scenario '%s' has no file whose values could be changed", name);
    }
    if (has_suffix(name)) return read_file(s, name, changes, err);
    if (folder && *name && !strchr(name, '/')) {
        int n = snprintf(path, sizeof path, "%s/%s" SUFFIX, folder, name);
        if (n > 0 && (size_t)n < sizeof path && is_file(path))
            return read_file(s, path, changes, err);
    }
    return fail_unknown(name, folder, err);
}

spa_status spa_scenario_load(spa_scenario *s, const char *name, spa_error *err)
{
    return spa_scenario_find(s, name, NULL, err);
}

/* ---- what it comes to ------------------------------------------------------------------------ */

/* INT64_MAX: it cannot run all of them. */
static int64_t alone_ns(const spa_costs *c, uint32_t p)
{
    int64_t sum = 0;
    for (size_t op = 0; op < c->n_ops; op++) {
        if (c->graph->ops[op].kind == SPA_OP_RESHAPE) continue;
        if (!spa_cost_can_run(c, op, p) || !spa_add_i64(sum, spa_cost_total_ns(c, op, p), &sum))
            return INT64_MAX;
    }
    return sum;
}

int64_t spa_service_ns(const spa_costs *c)
{
    int64_t best = INT64_MAX, sum = 0;
    for (uint32_t p = 0; p < c->n_processors; p++) {
        int64_t ns = alone_ns(c, p);
        if (ns < best) best = ns;
    }
    if (best < INT64_MAX) return best > 0 ? best : 1;
    /* No processor runs all of them: each operator where it is fastest. */
    for (size_t op = 0; op < c->n_ops; op++) {
        int64_t least = INT64_MAX;
        if (c->graph->ops[op].kind == SPA_OP_RESHAPE) continue;
        for (uint32_t p = 0; p < c->n_processors; p++)
            if (spa_cost_can_run(c, op, p) && spa_cost_total_ns(c, op, p) < least)
                least = spa_cost_total_ns(c, op, p);
        if (least < INT64_MAX && !spa_add_i64(sum, least, &sum)) return INT64_MAX;
    }
    return sum > 0 ? sum : 1;
}

void spa_scenario_resolve(spa_scenario *s, double service_ns)
{
    double service_s = service_ns * 1e-9;
    if (!s->relative) return;
    s->relative = false;
    s->rate_hz /= service_s;
    s->deadline_ms *= service_s * 1e3;
    for (int i = 0; i < 2; i++) {
        s->phases[i].rate_hz /= service_s;
        s->phases[i].mean_ms *= service_s * 1e3;
    }
}

/* Of the requests that run, between the first and the last: when a recording begins says nothing. 0
 * where it cannot be told: of one request, or of several at one moment. */
static double recorded_rate(const spa_scenario *s)
{
    uint64_t n = s->requests < s->n_arrivals ? s->requests : s->n_arrivals;
    if (n < 2 || s->arrival_ns[n - 1] == s->arrival_ns[0]) return 0;
    return (double)(n - 1) / ((double)(s->arrival_ns[n - 1] - s->arrival_ns[0]) * 1e-9);
}

double spa_scenario_rate(const spa_scenario *s)
{
    const spa_phase *low = &s->phases[SPA_PHASE_LOW], *high = &s->phases[SPA_PHASE_HIGH];
    switch (s->arrivals) {
    case SPA_ARRIVALS_PERIODIC:
    case SPA_ARRIVALS_POISSON:
        return s->rate_hz;
    case SPA_ARRIVALS_BURSTY:
        return (low->rate_hz * low->mean_ms + high->rate_hz * high->mean_ms) /
               (low->mean_ms + high->mean_ms);
    case SPA_ARRIVALS_RECORDED:
        return recorded_rate(s);
    case SPA_ARRIVALS_SINGLE:
    case SPA_ARRIVALS_CLOSED:
    case SPA_ARRIVALS_COUNT:
        break;
    }
    return 0;
}

static uint64_t hash_double(uint64_t h, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return spa_hash_u64(h, bits);
}

uint64_t spa_scenario_hash(uint64_t h, const spa_scenario *s)
{
    if (s->relative) h = spa_hash_u64(h, 1);
    if (s->deadline_ms > 0) h = hash_double(h, s->deadline_ms);
    if (s->arrivals == SPA_ARRIVALS_BURSTY)
        for (int i = 0; i < 2; i++)
            h = hash_double(hash_double(h, s->phases[i].rate_hz), s->phases[i].mean_ms);
    if (s->arrivals == SPA_ARRIVALS_RECORDED)
        h = spa_hash_bytes(h, s->arrival_ns, s->n_arrivals * sizeof *s->arrival_ns);
    h = spa_conditions_hash(h, &s->conditions);
    if (s->mix[0]) h = spa_hash_bytes(h, s->mix, strlen(s->mix));
    return h;
}
