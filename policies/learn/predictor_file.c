/* Predictors of thresholds as text (docs/formats.md). The network follows from kind and width; its
 * hash guards against another version of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policies/learn/predictor.h"

#define MAX_BYTES ((size_t)16 << 20)

static const char magic[] = "sparoa-thresholds ";

/* ---- writing ---- */

spa_status spa_predictor_write(const spa_predictor *p, const char *path, spa_error *err)
{
    spa_string s = {0};
    for (size_t i = 0; i < p->net.n_params; i++) {
        if (isfinite(p->params[i])) continue;
        return spa_fail(err, SPA_E_RANGE,
                        "%s: not written: the predictor's value %zu is not finite", path, i);
    }
    spa_string_append(&s, "%s1\nkind %s\ndevice %s\nmode %s\nstack %s\nfeatures %u\nhidden %zu\n",
                      magic, spa_predictor_kind_name(p->kind), p->device, p->mode, p->stack,
                      SPA_PREDICTOR_FEATURES, p->hidden);
    spa_string_append(&s, "net %016" PRIx64 "\nmean %.9g %.9g\nsd %.9g %.9g\nvalues %zu\n",
                      spa_net_hash(&p->net), (double)p->mean[0], (double)p->mean[1],
                      (double)p->sd[0], (double)p->sd[1], p->net.n_params);
    for (size_t i = 0; i < p->net.n_params; i++) {
        bool last = i % 8 == 7 || i + 1 == p->net.n_params;
        spa_string_append(&s, "%.9g%c", (double)p->params[i], last ? '\n' : ' ');
    }
    spa_status status = spa_string_ok(&s, err);
    if (!status) {
        spa_string_append(&s, "checksum %016" PRIx64 "\n",
                          spa_hash_bytes(SPA_HASH_SEED, s.text, s.length));
        status = spa_string_ok(&s, err);
    }
    if (!status) status = spa_write_file(path, s.text, s.length, err);
    spa_string_fini(&s);
    return status;
}

/* ---- reading ---- */

typedef struct reader {
    const char *path;
    char *at; /* begin of the next word */
    int line;
} reader;

/* The next word, ended by a blank or a line's end (`end`); NULL where the text ends. */
static char *next_word(reader *r, char *end)
{
    char *word = r->at;
    size_t n = strcspn(word, " \n");
    if (word[n] == '\0') return NULL;
    *end = word[n];
    word[n] = '\0';
    r->at = word + n + 1;
    return word;
}

static spa_status fail_word(const reader *r, const char *wanted, spa_error *err)
{
    return spa_fail_at(err, SPA_E_PARSE, r->path, r->line, "'%s ...' must stand here", wanted);
}

/* A line "key value"; the value runs to the end of the line. */
static spa_status line_of(reader *r, const char *key, char **value, spa_error *err)
{
    size_t n = strlen(key);
    char *end = strchr(r->at, '\n');
    r->line++;
    if (!end || strncmp(r->at, key, n) != 0 || r->at[n] != ' ') return fail_word(r, key, err);
    *end = '\0';
    *value = r->at + n + 1;
    r->at = end + 1;
    return SPA_OK;
}

static spa_status number(const reader *r, const char *text, double max, double *out, spa_error *err)
{
    spa_error why = {0};
    if (spa_parse_double_in(text, -max, max, out, &why) == SPA_OK) return SPA_OK;
    return spa_fail_at(err, why.status, r->path, r->line, "%s", why.message);
}

static spa_status count_of(reader *r, const char *key, int64_t max, int64_t *out, spa_error *err)
{
    char *text;
    spa_error why = {0};
    SPA_TRY(line_of(r, key, &text, err));
    if (spa_parse_i64_in(text, 0, max, out, &why) == SPA_OK) return SPA_OK;
    return spa_fail_at(err, why.status, r->path, r->line, "%s", why.message);
}

static spa_status name_of(reader *r, const char *key, char out[SPA_PREDICTOR_NAME], spa_error *err)
{
    char *text;
    SPA_TRY(line_of(r, key, &text, err));
    if (strlen(text) >= SPA_PREDICTOR_NAME)
        return spa_fail_at(err, SPA_E_PARSE, r->path, r->line, "the name is too long");
    strcpy(out, text);
    return SPA_OK;
}

static spa_status pair_of(reader *r, const char *key, float out[SPA_THRESHOLDS], spa_error *err)
{
    char *text;
    SPA_TRY(line_of(r, key, &text, err));
    for (int t = 0; t < SPA_THRESHOLDS; t++) {
        double x;
        char *blank = strchr(text, ' ');
        if ((blank == NULL) != (t + 1 == SPA_THRESHOLDS)) return fail_word(r, key, err);
        if (blank) *blank = '\0';
        SPA_TRY(number(r, text, 1e30, &x, err));
        out[t] = (float)x;
        if (blank) text = blank + 1;
    }
    return SPA_OK;
}

static spa_status read_values(reader *r, spa_predictor *p, spa_error *err)
{
    int64_t n;
    SPA_TRY(count_of(r, "values", INT32_MAX, &n, err));
    if ((size_t)n != p->net.n_params)
        return spa_fail_at(err, SPA_E_INVALID, r->path, r->line,
                           "%lld values, but this network has %zu", (long long)n, p->net.n_params);
    r->line++;
    for (size_t i = 0; i < p->net.n_params; i++) {
        double x;
        char end, *word = next_word(r, &end);
        if (!word)
            return spa_fail_at(err, SPA_E_PARSE, r->path, r->line,
                               "the file ends after %zu of %lld values", i, (long long)n);
        SPA_TRY(number(r, word, 1e30, &x, err));
        p->params[i] = (float)x;
        r->line += end == '\n';
    }
    return SPA_OK;
}

typedef struct head {
    char name[SPA_PREDICTOR_NAME], device[SPA_PREDICTOR_NAME], mode[SPA_PREDICTOR_NAME],
        stack[SPA_PREDICTOR_NAME];
    spa_predictor_kind kind;
    int64_t version, features, hidden;
} head;

static spa_status read_head(reader *r, head *h, spa_error *err)
{
    SPA_TRY(count_of(r, "sparoa-thresholds", INT32_MAX, &h->version, err));
    if (h->version != 1)
        return spa_fail_at(err, SPA_E_UNSUPPORTED, r->path, r->line,
                           "version %lld of predictors; this program reads version 1",
                           (long long)h->version);
    SPA_TRY(name_of(r, "kind", h->name, err));
    spa_error why = {0};
    if (spa_predictor_kind_find(h->name, &h->kind, &why) != SPA_OK)
        return spa_fail_at(err, SPA_E_INVALID, r->path, r->line, "%s", why.message);
    SPA_TRY(name_of(r, "device", h->device, err));
    SPA_TRY(name_of(r, "mode", h->mode, err));
    SPA_TRY(name_of(r, "stack", h->stack, err));
    SPA_TRY(count_of(r, "features", INT32_MAX, &h->features, err));
    if (h->features != (int64_t)SPA_PREDICTOR_FEATURES)
        return spa_fail_at(err, SPA_E_INVALID, r->path, r->line,
                           "a predictor from %lld features; this program has %u",
                           (long long)h->features, SPA_PREDICTOR_FEATURES);
    return count_of(r, "hidden", INT32_MAX, &h->hidden, err);
}

static spa_status read_body(reader *r, spa_predictor *p, spa_error *err)
{
    head h;
    char *text;
    spa_error why = {0};
    SPA_TRY(read_head(r, &h, err));
    spa_status status = spa_predictor_init(p, h.kind, (size_t)h.hidden, &why);
    if (status == SPA_E_RANGE)
        return spa_fail_at(err, SPA_E_INVALID, r->path, r->line, "%s", why.message);
    if (status) return spa_fail(err, status, "%s", why.message);
    strcpy(p->device, h.device);
    strcpy(p->mode, h.mode);
    strcpy(p->stack, h.stack);
    SPA_TRY(line_of(r, "net", &text, err));
    if (strtoull(text, NULL, 16) != spa_net_hash(&p->net))
        return spa_fail_at(err, SPA_E_INVALID, r->path, r->line,
                           "its network is not the '%s' of this program", h.name);
    SPA_TRY(pair_of(r, "mean", p->mean, err));
    SPA_TRY(pair_of(r, "sd", p->sd, err));
    SPA_TRY(read_values(r, p, err));
    if (!strncmp(r->at, "checksum ", 9)) return SPA_OK;
    return fail_word(r, "checksum", err);
}

/* Before anything is cut into words: the last line is the checksum of what is before it. */
static spa_status check_sum(const char *path, const char *text, size_t size, spa_error *err)
{
    enum { LINE = 9 + 16 + 1 };
    char want[LINE + 1];
    if (size >= LINE && !strncmp(text, magic, sizeof magic - 1)) {
        snprintf(want, sizeof want, "checksum %016" PRIx64 "\n",
                 spa_hash_bytes(SPA_HASH_SEED, text, size - LINE));
        if (!strcmp(text + size - LINE, want)) return SPA_OK;
    }
    return spa_fail_at(err, SPA_E_PARSE, path, 0,
                       "not a predictor of thresholds, or changed since it was written (its last"
                       " line must be the checksum of all before)");
}

spa_status spa_predictor_read(spa_predictor *p, const char *path, spa_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *p = (spa_predictor){0};
    SPA_TRY(spa_read_file(path, MAX_BYTES, false, &text, &size, err));
    spa_status status = check_sum(path, text, size, err);
    reader r = {path, text, 0};
    if (!status) status = read_body(&r, p, err);
    if (status) spa_predictor_fini(p);
    free(text);
    return status;
}
