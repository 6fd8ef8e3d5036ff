/* sparoa merge: several results databases into one. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "experiments/cli.h"
#include "experiments/json.h"
#include "experiments/results_merge.h"

static spa_status merge_all(const spa_options *o, spa_merged *merged, spa_error *err)
{
    spa_results *r;
    SPA_TRY(spa_results_open(&r, o->operands.items[0], err));
    spa_status status = SPA_OK;
    for (size_t i = 1; i < o->operands.count && !status; i++)
        status = spa_results_merge(r, o->operands.items[i], merged, err);
    spa_results_close(r);
    return status;
}

static spa_status put_json(const spa_merged *m, spa_string *out, spa_error *err)
{
    spa_json j;
    spa_json_init(&j, "merge");
    spa_json_set(&j, j.root, "added", json_integer(m->added));
    spa_json_set(&j, j.root, "known", json_integer(m->known));
    spa_json_set(&j, j.root, "unfinished", json_integer(m->unfinished));
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}

/* Also by another path, or a link. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    if (!strcmp(a, b)) return true;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

spa_status spa_cmd_merge(spa_cli *cli, spa_options *o, spa_error *err)
{
    spa_merged m = {0};
    SPA_TRY(spa_cli_operands(o, 2, SIZE_MAX, "the database to merge into, and others: OUT.db A.db",
                             err));
    for (size_t i = 1; i < o->operands.count; i++)
        if (is_same_file(o->operands.items[i], o->operands.items[0]))
            return spa_fail(err, SPA_E_USAGE, "%s cannot be merged into itself",
                            o->operands.items[i]);
    SPA_TRY(merge_all(o, &m, err));
    if (o->json) return put_json(&m, &cli->out, err);
    spa_string_append(&cli->out, "%s: %" PRId64 " runs added, %" PRId64 " were there\n",
                      o->operands.items[0], m.added, m.known);
    if (m.unfinished)
        spa_string_append(&cli->out,
                          "%" PRId64
                          " experiments are unfinished: sparoa run FILE.exp --db %s runs "
                          "what is missing and compares\n",
                          m.unfinished, o->operands.items[0]);
    return SPA_OK;
}
