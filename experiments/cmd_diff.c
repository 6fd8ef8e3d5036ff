/* sparoa diff: the first event in which two runs differ. */
#include <inttypes.h>
#include <string.h>
#include "experiments/cli.h"
#include "experiments/json.h"
#include "sim/log.h"

#define CONTEXT 3 /* equal events shown before the difference */

typedef struct side {
    spa_log *log;
    spa_event event;
    bool end;
} side;

typedef struct difference {
    bool found;
    uint64_t at;               /* events before it */
    spa_event before[CONTEXT]; /* ring of equal events: number i is at i % CONTEXT */
} difference;

static bool equal_events(const side *a, const side *b)
{
    const spa_event *x = &a->event, *y = &b->event;
    if (a->end || b->end) return a->end == b->end;
    return x->time_ns == y->time_ns && x->sequence == y->sequence && x->request == y->request &&
           x->op == y->op && x->kind == y->kind && x->processor == y->processor &&
           x->lane == y->lane && memcmp(&x->power_w, &y->power_w, sizeof x->power_w) == 0;
}

/* Reads both to the first difference, or to the end. */
static spa_status search(side *a, side *b, difference *d, spa_error *err)
{
    for (d->at = 0;; d->at++) {
        SPA_TRY(spa_log_next(a->log, &a->event, &a->end, err));
        SPA_TRY(spa_log_next(b->log, &b->event, &b->end, err));
        if (!equal_events(a, b)) {
            d->found = true;
            return SPA_OK;
        }
        if (a->end) return SPA_OK;
        d->before[d->at % CONTEXT] = a->event;
    }
}

static void print_event(spa_string *out, const char *mark, const spa_log *log, const spa_event *e)
{
    const spa_log_info *info = spa_log_info_of(log);
    char number[16];
    bool transfer = e->kind == SPA_EV_TRANSFER_BEGIN || e->kind == SPA_EV_TRANSFER_END;
    spa_string_append(out, "  %s %8" PRIu64 "  %14.6f ms  ", mark, e->sequence,
                      (double)e->time_ns * 1e-6);
    if (spa_event_is_condition(e->kind)) {
        spa_string_append(out, "machine    %-14s %s on %s  (%g)\n", spa_event_kind_name(e->kind),
                          spa_log_event_name(info, e, number), info->processors[e->processor],
                          (double)e->power_w);
        return;
    }
    spa_string_append(out, "request %" PRIu64 "  %-14s %s", e->request,
                      spa_event_kind_name(e->kind), spa_log_event_name(info, e, number));
    if (transfer) {
        spa_string_append(out, "  %s to %s", info->processors[e->lane],
                          info->processors[e->processor]);
    } else if (e->op != UINT32_MAX) {
        spa_string_append(out, "  %s:%u", info->processors[e->processor], e->lane);
    }
    spa_string_append(out, "  %.3f W\n", (double)e->power_w);
}

static void print_side(spa_string *out, const char *mark, const side *s)
{
    if (s->end) {
        spa_string_append(out, "  %s (ends here, after %" PRIu64 " events)\n", mark,
                          spa_log_count(s->log));
    } else {
        print_event(out, mark, s->log, &s->event);
    }
}

/* Lines of the runs' descriptions that differ: usually the cause. */
static void print_descriptions(spa_string *out, const side *a, const side *b)
{
    const char *x = spa_log_info_of(a->log)->description;
    const char *y = spa_log_info_of(b->log)->description;
    while (*x && *y) {
        size_t n = strcspn(x, "\n"), m = strcspn(y, "\n");
        if (n != m || memcmp(x, y, n) != 0) {
            spa_string_append(out, "  < %.*s\n  > %.*s\n", (int)n, x, (int)m, y);
        }
        x += n + (x[n] == '\n');
        y += m + (y[m] == '\n');
    }
}

static void print_text(spa_cli *cli, const side *a, const side *b, const difference *d)
{
    spa_string *out = &cli->out;
    if (!d->found) {
        spa_string_append(out, "equal: %" PRIu64 " events, digest %016" PRIx64 "\n", d->at,
                          spa_log_info_of(a->log)->digest);
        print_descriptions(out, a, b);
        return;
    }
    spa_string_append(out, "< %s\n> %s\n", spa_log_path(a->log), spa_log_path(b->log));
    print_descriptions(out, a, b);
    spa_string_append(out, "the first %" PRIu64 " events are equal; then:\n", d->at);
    for (uint64_t i = d->at < CONTEXT ? 0 : d->at - CONTEXT; i < d->at; i++) {
        print_event(out, " ", a->log, &d->before[i % CONTEXT]);
    }
    print_side(out, "<", a);
    print_side(out, ">", b);
}

static json_t *json_event(spa_json *j, const side *s)
{
    if (s->end) return json_null();
    const spa_log_info *info = spa_log_info_of(s->log);
    const spa_event *e = &s->event;
    char number[16];
    json_t *o = json_object();
    spa_json_set(j, o, "time_ns", json_integer(e->time_ns));
    spa_json_set(j, o, "sequence", json_integer((json_int_t)e->sequence));
    spa_json_set(j, o, "request",
                 spa_event_is_condition(e->kind) ? json_null()
                                                 : json_integer((json_int_t)e->request));
    spa_json_set(j, o, "kind", spa_json_text(j, spa_event_kind_name(e->kind)));
    spa_json_set(j, o, "operator", spa_json_text(j, spa_log_event_name(info, e, number)));
    spa_json_set(j, o, "processor", spa_json_text(j, info->processors[e->processor]));
    spa_json_set(j, o, "lane", json_integer(e->lane));
    spa_json_set(j, o, "power_w", spa_json_number((double)e->power_w));
    return o;
}

static spa_status print_json(spa_cli *cli, const side *a, const side *b, const difference *d,
                             spa_error *err)
{
    spa_json j;
    spa_json_init(&j, "diff");
    spa_json_set(&j, j.root, "equal", json_boolean(!d->found));
    spa_json_set(&j, j.root, "equal_events", json_integer((json_int_t)d->at));
    spa_json_set(&j, j.root, "a", d->found ? json_event(&j, a) : json_null());
    spa_json_set(&j, j.root, "b", d->found ? json_event(&j, b) : json_null());
    spa_status status = spa_json_print(&j, &cli->out, err);
    spa_json_fini(&j);
    return status;
}

spa_status spa_cmd_diff(spa_cli *cli, spa_options *options, spa_error *err)
{
    side a = {0}, b = {0};
    difference d = {0};
    SPA_TRY(spa_cli_operands(options, 2, 2, "two event logs, A.slog B.slog", err));
    spa_status status = spa_log_open(&a.log, options->operands.items[0], err);
    if (!status) status = spa_log_open(&b.log, options->operands.items[1], err);
    if (!status) status = search(&a, &b, &d, err);
    if (!status && options->json) status = print_json(cli, &a, &b, &d, err);
    if (!status && !options->json) print_text(cli, &a, &b, &d);
    if (!status && d.found) cli->exit_code = 1;
    spa_log_close(a.log);
    spa_log_close(b.log);
    return status;
}
