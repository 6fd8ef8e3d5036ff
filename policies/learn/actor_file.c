/* Trained policies as text; the format is in actor.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policies/learn/actor.h"

#define MAX_BYTES  ((size_t)64 << 20)
#define MAX_VALUES ((size_t)1 << 22)

static const char *const rules[] = {"best", "tanh", "clamp", "tiles"};
static const char *const activations[] = {"none", "tanh", "relu"};

/* ---- writing ---- */

static spa_status write_net(const spa_actor *a, spa_string *s, spa_error *err)
{
    for (uint32_t i = 0; i < a->net.n_layers; i++) {
        const spa_layer *l = &a->net.layers[i];
        if (l->kind != SPA_LAYER_LINEAR || l->activation == SPA_ACT_GELU) {
            return spa_fail(err, SPA_E_UNSUPPORTED,
                            "layer %u of the policy cannot be written: only linear layers with"
                            " tanh, ReLU or nothing can",
                            i);
        }
        spa_string_append(s, "layer %u %u %s\n", l->in, l->out, activations[l->activation]);
    }
    spa_string_append(s, "values %zu\n", a->n_values);
    for (size_t i = 0; i < a->n_values; i++) {
        bool last = i % 8 == 7 || i + 1 == a->n_values;
        spa_string_append(s, "%.9g%c", a->values[i], last ? '\n' : ' ');
    }
    return SPA_OK;
}

static void write_tiles(const spa_actor *a, spa_string *s)
{
    const spa_tiles *t = &a->tiles;
    spa_string_append(s, "tiles %u %.9g %u %u\n", t->tilings, t->widths, t->features, t->slots);
    for (size_t i = 0; i < a->n_values; i++)
        if (a->values[i] != 0) spa_string_append(s, "value %zu %.9g\n", i, a->values[i]);
}

spa_status spa_actor_write(const spa_actor *actor, const char *path, spa_error *err)
{
    spa_string s = {0};
    spa_status status = SPA_OK;
    for (size_t i = 0; i < actor->n_values; i++) {
        if (isfinite(actor->values[i])) continue;
        return spa_fail(err, SPA_E_RANGE, "%s: not written: the policy's value %zu is not finite",
                        path, i);
    }
    spa_string_append(&s, "sparoa-actor 1\nalgorithm %s\nproblem %s\nproblem-hash %" PRIx64 "\n",
                      actor->algorithm, actor->problem, actor->shape.hash);
    spa_string_append(&s, "obs %zu\nchoices %zu\ndimensions %zu\nrule %s\nskip %zu\n",
                      actor->shape.n_obs, actor->shape.n_actions, actor->shape.action_dim,
                      rules[actor->rule], actor->skip);
    if (actor->thresholds) spa_string_append(&s, "thresholds %016" PRIx64 "\n", actor->thresholds);
    if (actor->rule == SPA_ACTOR_TILES)
        write_tiles(actor, &s);
    else
        status = write_net(actor, &s, err);
    if (!status) status = spa_string_ok(&s, err);
    if (!status) {
        uint64_t sum = spa_hash_bytes(SPA_HASH_SEED, s.text, s.length);
        spa_string_append(&s, "checksum %016" PRIx64 "\n", sum);
        status = spa_string_ok(&s, err);
    }
    if (!status) status = spa_write_file(path, s.text, s.length, err);
    spa_string_fini(&s);
    return status;
}

/* ---- reading ---- */

typedef struct reader {
    const char *path;
    char *at; /* begin of the next line */
    int line;
} reader;

/* The next line, without its end; NULL at the end of the text. */
static char *next_line(reader *r)
{
    char *line = r->at, *end = line ? strchr(line, '\n') : NULL;
    if (!end) return NULL;
    *end = '\0';
    r->at = end + 1;
    r->line++;
    return line;
}

/* The rest of a line that begins with `key` and a blank. */
static spa_status expect(reader *r, const char *key, char **rest, spa_error *err)
{
    char *line = next_line(r);
    size_t n = strlen(key);
    if (line && !strncmp(line, key, n) && line[n] == ' ') {
        *rest = line + n + 1;
        return SPA_OK;
    }
    return spa_fail_at(err, SPA_E_PARSE, r->path, line ? r->line : r->line + 1,
                       "'%s ...' must stand here, not '%.40s'", key, line ? line : "(the end)");
}

/* The next number of a line, cut off it. */
static spa_status number(reader *r, char **rest, double min, double max, double *out,
                         spa_error *err)
{
    spa_error why = {0};
    char *word = *rest, *end = word + strcspn(word, " ");
    *rest = *end ? end + 1 : end;
    *end = '\0';
    if (spa_parse_double_in(word, min, max, out, &why) == SPA_OK) return SPA_OK;
    return spa_fail_at(err, why.status, r->path, r->line, "%s", why.message);
}

static spa_status count(reader *r, char **rest, double max, size_t *out, spa_error *err)
{
    double x = 0;
    *out = 0;
    SPA_TRY(number(r, rest, 0, max, &x, err));
    if (x != floor(x))
        return spa_fail_at(err, SPA_E_PARSE, r->path, r->line, "%g is not a whole number", x);
    *out = (size_t)x;
    return SPA_OK;
}

static spa_status expect_count(reader *r, const char *key, double max, size_t *out, spa_error *err)
{
    char *rest;
    SPA_TRY(expect(r, key, &rest, err));
    return count(r, &rest, max, out, err);
}

static spa_status expect_name(reader *r, const char *key, char out[SPA_ACTOR_NAME], spa_error *err)
{
    char *rest;
    SPA_TRY(expect(r, key, &rest, err));
    if (strlen(rest) >= SPA_ACTOR_NAME)
        return spa_fail_at(err, SPA_E_PARSE, r->path, r->line, "the name is too long");
    strcpy(out, rest);
    return SPA_OK;
}

static spa_status one_of(reader *r, const char *word, const char *const *names, size_t n,
                         size_t *out, spa_error *err)
{
    for (*out = 0; *out < n; ++*out)
        if (!strcmp(word, names[*out])) return SPA_OK;
    spa_error why = {0};
    spa_fail_unknown(&why, "word", word, names, n);
    return spa_fail_at(err, SPA_E_PARSE, r->path, r->line, "%s", why.message);
}

static spa_status read_layers(reader *r, spa_actor *a, spa_error *err)
{
    spa_net_init(&a->net, a->shape.n_obs);
    while (r->at && !strncmp(r->at, "layer ", 6)) {
        size_t in, out, f;
        char *rest;
        SPA_TRY(expect(r, "layer", &rest, err));
        SPA_TRY(count(r, &rest, UINT16_MAX, &in, err));
        SPA_TRY(count(r, &rest, UINT16_MAX, &out, err));
        SPA_TRY(one_of(r, rest, activations, 3, &f, err));
        if (in != a->net.out) {
            return spa_fail_at(err, SPA_E_INVALID, r->path, r->line,
                               "this layer takes %zu numbers, but %u come in", in, a->net.out);
        }
        spa_net_linear(&a->net, out, (spa_activation)f);
    }
    spa_error why = {0};
    if (spa_net_check(&a->net, &why) != SPA_OK)
        return spa_fail_at(err, SPA_E_INVALID, r->path, r->line, "%s", why.message);
    size_t wanted = a->shape.n_actions ? a->shape.n_actions : a->shape.action_dim;
    if (a->net.out >= wanted + a->skip) return SPA_OK;
    return spa_fail_at(err, SPA_E_INVALID, r->path, r->line,
                       "%u outputs are too few for %zu"
                       " actions",
                       a->net.out, wanted);
}

static spa_status reserve(spa_actor *a, size_t n_values, size_t scratch, spa_error *err)
{
    float *memory = NULL;
    SPA_TRY(spa_alloc(&memory, n_values + SPA_NET_PAD + scratch, sizeof *memory, err));
    a->memory = memory;
    a->values = memory;
    a->n_values = n_values;
    a->scratch = memory + n_values + SPA_NET_PAD;
    return SPA_OK;
}

static spa_status read_values(reader *r, spa_actor *a, spa_error *err)
{
    size_t n;
    SPA_TRY(expect_count(r, "values", (double)MAX_VALUES, &n, err));
    if (n != a->net.n_params) {
        return spa_fail_at(err, SPA_E_INVALID, r->path, r->line,
                           "%zu values, but the layers have %zu", n, a->net.n_params);
    }
    SPA_TRY(reserve(a, n, spa_actor_scratch(&a->net), err));
    float *values = a->memory;
    char *line = "";
    for (size_t i = 0; i < n; i++) {
        double x;
        if (!*line && !(line = next_line(r))) {
            return spa_fail_at(err, SPA_E_PARSE, r->path, r->line,
                               "the file ends after %zu of %zu values", i, n);
        }
        SPA_TRY(number(r, &line, -1e30, 1e30, &x, err));
        values[i] = (float)x;
    }
    return SPA_OK;
}

static spa_status read_tiles(reader *r, spa_actor *a, spa_error *err)
{
    size_t tilings, features, slots;
    double widths;
    char *rest;
    SPA_TRY(expect(r, "tiles", &rest, err));
    SPA_TRY(count(r, &rest, SPA_TILINGS_MAX, &tilings, err));
    SPA_TRY(number(r, &rest, 0, 1e6, &widths, err));
    SPA_TRY(count(r, &rest, 4096, &features, err));
    SPA_TRY(count(r, &rest, (double)MAX_VALUES, &slots, err));
    if (!tilings || !slots || !a->shape.n_actions || slots > MAX_VALUES / a->shape.n_actions)
        return spa_fail_at(err, SPA_E_RANGE, r->path, r->line, "these tiles are not possible");
    a->tiles = (spa_tiles){(uint32_t)tilings, (uint32_t)features, (uint32_t)slots, (float)widths};
    SPA_TRY(reserve(a, slots * a->shape.n_actions, 0, err));
    float *values = a->memory;
    while (r->at && !strncmp(r->at, "value ", 6)) {
        size_t i;
        double x;
        SPA_TRY(expect(r, "value", &rest, err));
        SPA_TRY(count(r, &rest, (double)(a->n_values - 1), &i, err));
        SPA_TRY(number(r, &rest, -1e30, 1e30, &x, err));
        values[i] = (float)x;
    }
    return SPA_OK;
}

/* Everything but the checksum. */
static spa_status read_body(reader *r, spa_actor *a, spa_error *err)
{
    size_t version, rule;
    char name[SPA_ACTOR_NAME], *rest;
    SPA_TRY(expect_count(r, "sparoa-actor", 1e6, &version, err));
    if (version != 1) {
        return spa_fail_at(err, SPA_E_UNSUPPORTED, r->path, r->line,
                           "version %zu of trained policies; this program reads version 1",
                           version);
    }
    SPA_TRY(expect_name(r, "algorithm", a->algorithm, err));
    SPA_TRY(expect_name(r, "problem", a->problem, err));
    SPA_TRY(expect(r, "problem-hash", &rest, err));
    a->shape.hash = strtoull(rest, NULL, 16);
    SPA_TRY(expect_count(r, "obs", 4096, &a->shape.n_obs, err));
    SPA_TRY(expect_count(r, "choices", 4096, &a->shape.n_actions, err));
    SPA_TRY(expect_count(r, "dimensions", 256, &a->shape.action_dim, err));
    SPA_TRY(expect_name(r, "rule", name, err));
    SPA_TRY(one_of(r, name, rules, 4, &rule, err));
    a->rule = (spa_actor_rule)rule;
    SPA_TRY(expect_count(r, "skip", 4096, &a->skip, err));
    if (r->at && !strncmp(r->at, "thresholds ", 11)) {
        SPA_TRY(expect(r, "thresholds", &rest, err));
        a->thresholds = strtoull(rest, NULL, 16);
    }
    bool chooses = rule == SPA_ACTOR_BEST || rule == SPA_ACTOR_TILES;
    if (a->shape.n_obs == 0 || (chooses ? a->shape.n_actions : a->shape.action_dim) == 0)
        return spa_fail_at(err, SPA_E_INVALID, r->path, r->line, "a policy without actions");
    if (rule == SPA_ACTOR_TILES) return read_tiles(r, a, err);
    SPA_TRY(read_layers(r, a, err));
    return read_values(r, a, err);
}

/* Before anything is cut into lines: the last line is the checksum of what is before it. */
static spa_status check_sum(const char *path, const char *text, size_t size, spa_error *err)
{
    enum { LINE = 9 + 16 + 1 };
    char want[LINE + 1];
    if (size >= LINE) {
        uint64_t sum = spa_hash_bytes(SPA_HASH_SEED, text, size - LINE);
        snprintf(want, sizeof want, "checksum %016" PRIx64 "\n", sum);
        if (!strncmp(text, "sparoa-actor ", 13) && !strcmp(text + size - LINE, want)) return SPA_OK;
    }
    return spa_fail_at(err, SPA_E_PARSE, path, 0,
                       "not a trained policy, or changed since it was written (its last line must"
                       " be the checksum of all before)");
}

spa_status spa_actor_read(spa_actor *actor, const char *path, spa_error *err)
{
    char *text = NULL;
    size_t size = 0;
    memset(actor, 0, sizeof *actor);
    SPA_TRY(spa_read_file(path, MAX_BYTES, false, &text, &size, err));
    spa_status status = check_sum(path, text, size, err);
    reader r = {path, text, 0};
    if (!status) status = read_body(&r, actor, err);
    if (!status && (!r.at || strncmp(r.at, "checksum ", 9)))
        status = spa_fail_at(err, SPA_E_PARSE, path, r.line + 1, "the checksum must stand here");
    if (status) spa_actor_fini(actor);
    free(text);
    return status;
}
