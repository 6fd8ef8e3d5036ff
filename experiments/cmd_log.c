/* sparoa log: what an event log holds, and its conversion. */
#include <inttypes.h>
#include "experiments/cli.h"
#include "experiments/json.h"
#include "sim/timeline.h"

/* Conversions read a log to its end, so each one opens it anew. */
static spa_status convert(const char *path, const char *to,
                          spa_status (*write)(spa_log *log, const char *path, spa_error *err),
                          spa_error *err)
{
    spa_log *log;
    SPA_TRY(spa_log_open(&log, path, err));
    spa_status status = write(log, to, err);
    spa_log_close(log);
    return status;
}

/* Reads everything, so that a damaged log is noticed even if nothing is converted. */
static spa_status count_kinds(spa_log *log, uint64_t kinds[SPA_EV_KIND_COUNT], int64_t *end_ns,
                              spa_error *err)
{
    spa_event event;
    bool end = false;
    *end_ns = 0;
    for (;;) {
        SPA_TRY(spa_log_next(log, &event, &end, err));
        if (end) return SPA_OK;
        kinds[event.kind]++;
        *end_ns = event.time_ns;
    }
}

static spa_status print_json(spa_cli *cli, const spa_log *log, const uint64_t *kinds,
                             int64_t end_ns, spa_error *err)
{
    const spa_log_info *info = spa_log_info_of(log);
    spa_json j;
    spa_json_init(&j, "log");
    spa_json_set(&j, j.root, "description", spa_json_text(&j, info->description));
    spa_json_set(&j, j.root, "operators", json_integer(info->n_ops));
    spa_json_set(&j, j.root, "end_ns", json_integer(end_ns));
    spa_json_set(&j, j.root, "digest", json_sprintf("%016" PRIx64, info->digest));
    json_t *events = spa_json_member(&j, j.root, "events");
    for (unsigned k = 0; k < SPA_EV_KIND_COUNT; k++) {
        if (kinds[k] == 0 && spa_event_is_condition(k)) continue;
        spa_json_set(&j, events, spa_event_kind_name(k), json_integer((json_int_t)kinds[k]));
    }
    spa_status status = spa_json_print(&j, &cli->out, err);
    spa_json_fini(&j);
    return status;
}

static void print_text(spa_cli *cli, const spa_log *log, const uint64_t *kinds, int64_t end_ns)
{
    const spa_log_info *info = spa_log_info_of(log);
    spa_string_append(&cli->out, "%s%" PRIu64 " events over %.3f ms, digest %016" PRIx64 "\n",
                      info->description, spa_log_count(log), (double)end_ns * 1e-6, info->digest);
    for (unsigned k = 0; k < SPA_EV_KIND_COUNT; k++) {
        if (kinds[k] == 0 && spa_event_is_condition(k)) continue;
        spa_string_append(&cli->out, "  %-14s %" PRIu64 "\n", spa_event_kind_name(k), kinds[k]);
    }
}

spa_status spa_cmd_log(spa_cli *cli, spa_options *options, spa_error *err)
{
    uint64_t kinds[SPA_EV_KIND_COUNT] = {0};
    int64_t end_ns;
    spa_log *log;
    SPA_TRY(spa_cli_operands(options, 1, 1, "one event log, F.slog", err));
    const char *path = options->operands.items[0];
    SPA_TRY(spa_log_open(&log, path, err));
    spa_status status = count_kinds(log, kinds, &end_ns, err);
    if (!status && options->json) status = print_json(cli, log, kinds, end_ns, err);
    if (!status && !options->json) print_text(cli, log, kinds, end_ns);
    spa_log_close(log);
    if (!status && options->csv) status = convert(path, options->csv, spa_log_write_csv, err);
    if (!status && options->timeline) {
        status = convert(path, options->timeline, spa_log_write_timeline, err);
    }
    return status;
}
