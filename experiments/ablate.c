#include "experiments/ablate.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {"predictor", "contention", "overlap", "batching",
                                    "sparsity",  "noise",      "cost"};
enum { N_NAMES = sizeof names / sizeof *names };

static spa_status add_name(const char *name, unsigned *bits, spa_error *err)
{
    for (unsigned i = 0; i < N_NAMES; i++) {
        if (strcmp(names[i], name) != 0) continue;
        if (*bits & 1u << i)
            return spa_fail(err, SPA_E_INVALID, "component '%s' is named twice", name);
        *bits |= 1u << i;
        return SPA_OK;
    }
    return spa_fail_unknown(err, "component", name, names, N_NAMES);
}

spa_status spa_ablate_parse(const char *text, unsigned *bits, spa_error *err)
{
    *bits = 0;
    if (strcmp(text, "none") == 0) return SPA_OK;
    for (;;) {
        char name[64];
        size_t length = strcspn(text, "+");
        snprintf(name, sizeof name, "%.*s", length < 63 ? (int)length : 63, text);
        SPA_TRY(add_name(name, bits, err));
        if (!text[length]) return SPA_OK;
        text += length + 1;
    }
}

const char *spa_ablate_text(unsigned bits, char text[SPA_ABLATE_TEXT])
{
    size_t n = 0;
    snprintf(text, SPA_ABLATE_TEXT, "none");
    for (unsigned i = 0; i < N_NAMES; i++) {
        if (!(bits & 1u << i)) continue;
        n += (size_t)snprintf(text + n, SPA_ABLATE_TEXT - n, "%s%s", n ? "+" : "", names[i]);
    }
    return text;
}

void spa_ablate_apply(spa_options *o, unsigned bits)
{
    o->ablated = bits;
    if (bits & SPA_ABLATE_CONTENTION) o->contention = 0;
    if (bits & SPA_ABLATE_BATCHING) o->batcher = NULL;
    if (bits & SPA_ABLATE_NOISE) o->noise = 0;
    if (bits & SPA_ABLATE_COST) o->policy_cost = 0;
}

spa_status spa_ablate_options(spa_options *o, spa_error *err)
{
    unsigned bits = 0;
    for (size_t i = 0; i < o->ablate.count; i++) {
        spa_error cause;
        if (add_name(o->ablate.items[i], &bits, &cause))
            return spa_fail(err, SPA_E_USAGE, "--ablate: %s", cause.message);
    }
    spa_ablate_apply(o, bits);
    return SPA_OK;
}
