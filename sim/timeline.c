#include "sim/timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "sim/outfile.h"

/* ---------------------------------------------------------------- pairing */
/* Which interval an event begins or ends; -1 = none (a placement has no duration). */
static int interval_kind(unsigned event_kind, bool *begins)
{
    *begins = event_kind == SPA_EV_ARRIVE || event_kind == SPA_EV_DISPATCH_BEGIN ||
              event_kind == SPA_EV_KERNEL_BEGIN || event_kind == SPA_EV_TRANSFER_BEGIN;
    switch (event_kind) {
    case SPA_EV_ARRIVE:
    case SPA_EV_FINISH:
        return SPA_INTERVAL_REQUEST;
    case SPA_EV_DISPATCH_BEGIN:
    case SPA_EV_DISPATCH_END:
        return SPA_INTERVAL_DISPATCH;
    case SPA_EV_KERNEL_BEGIN:
    case SPA_EV_KERNEL_END:
        return SPA_INTERVAL_KERNEL;
    case SPA_EV_TRANSFER_BEGIN:
    case SPA_EV_TRANSFER_END:
        return SPA_INTERVAL_TRANSFER;
    default:
        return -1;
    }
}

spa_status spa_pairing_feed(spa_pairing *pairing, const spa_event *event, spa_interval *interval,
                            bool *closed, spa_error *err)
{
    bool begins;
    int kind = interval_kind(event->kind, &begins);
    *closed = false;
    if (kind < 0) return SPA_OK;
    if (begins) {
        SPA_TRY(spa_grow(&pairing->open, &pairing->capacity, pairing->n_open + 1,
                         sizeof *pairing->open, err));
        pairing->open[pairing->n_open++] = (spa_interval){.begin_ns = event->time_ns,
                                                          .request = event->request,
                                                          .op = event->op,
                                                          .kind = (uint8_t)kind,
                                                          .processor = event->processor,
                                                          .lane = event->lane,
                                                          .tenths = event->tenths,
                                                          .power_w = event->power_w};
        return SPA_OK;
    }
    for (size_t i = pairing->n_open; i-- > 0;) {
        spa_interval *open = &pairing->open[i];
        if (open->kind != kind || open->request != event->request || open->op != event->op ||
            open->processor != event->processor || open->lane != event->lane ||
            open->tenths != event->tenths) {
            continue;
        }
        if (event->time_ns < open->begin_ns) break;
        *interval = *open;
        interval->end_ns = event->time_ns;
        *open = pairing->open[--pairing->n_open];
        *closed = true;
        return SPA_OK;
    }
    return spa_fail(err, SPA_E_PARSE, "event %" PRIu64 " (%s) ends what has not begun",
                    event->sequence, spa_event_kind_name(event->kind));
}

void spa_pairing_fini(spa_pairing *pairing)
{
    free(pairing->open);
    *pairing = (spa_pairing){0};
}

/* ---------------------------------------------------------------- timelines */
spa_status spa_timeline_add(spa_timeline *timeline, const spa_event *event, spa_error *err)
{
    spa_interval interval;
    bool closed;
    SPA_TRY(spa_pairing_feed(&timeline->pairing, event, &interval, &closed, err));
    if (!closed) return SPA_OK;
    SPA_TRY(spa_grow(&timeline->intervals, &timeline->capacity, timeline->count + 1,
                     sizeof *timeline->intervals, err));
    timeline->intervals[timeline->count++] = interval;
    return SPA_OK;
}

spa_status spa_timeline_finish(const spa_timeline *timeline, spa_error *err)
{
    if (timeline->pairing.n_open == 0) return SPA_OK;
    return spa_fail(err, SPA_E_PARSE, "%zu intervals began and never ended",
                    timeline->pairing.n_open);
}

void spa_timeline_fini(spa_timeline *timeline)
{
    free(timeline->intervals);
    spa_pairing_fini(&timeline->pairing);
    *timeline = (spa_timeline){0};
}

int64_t spa_timeline_end_ns(const spa_timeline *timeline)
{
    return timeline->count ? timeline->intervals[timeline->count - 1].end_ns : 0;
}

/* ---------------------------------------------------------------- trace-event JSON */
/* Process numbers: requests first, then one per processor, then the links. */
enum { PID_REQUESTS = 1, PID_PROCESSOR = 2 };

static void put_us(FILE *f, int64_t ns)
{
    fprintf(f, "%" PRId64 ".%03d", ns / 1000, (int)(ns % 1000));
}

static void put_metadata(spa_outfile *out, const char *what, uint32_t pid, uint32_t tid,
                         const char *name)
{
    fprintf(out->stream,
            "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"args\":{\"name\":", what, pid,
            tid);
    spa_outfile_put_json(out, name);
    fputs("}},\n", out->stream);
}

static void put_names(spa_outfile *out, const spa_log_info *info)
{
    char text[200];
    uint32_t n = info->n_processors, pid_links = PID_PROCESSOR + n;
    put_metadata(out, "process_name", PID_REQUESTS, 0, "requests");
    for (uint32_t p = 0; p < n; p++) {
        put_metadata(out, "process_name", PID_PROCESSOR + p, 0, info->processors[p]);
        for (uint32_t lane = 0; lane < info->lanes[p] && lane < SPA_MAX_LANES; lane++) {
            snprintf(text, sizeof text, "%.150s lane %u", info->processors[p], lane);
            put_metadata(out, "thread_name", PID_PROCESSOR + p, lane, text);
        }
    }
    if (n > 1) put_metadata(out, "process_name", pid_links, 0, "links");
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n; to++) {
            if (from == to) continue;
            snprintf(text, sizeof text, "%.90s to %.90s", info->processors[from],
                     info->processors[to]);
            put_metadata(out, "thread_name", pid_links, from * n + to, text);
        }
    }
}

/* A request may overlap others: an asynchronous pair of events. The rest are complete events. */
static void put_interval(spa_outfile *out, const spa_log_info *info, const spa_interval *i)
{
    FILE *f = out->stream;
    if (i->kind == SPA_INTERVAL_REQUEST) {
        for (int end = 0; end < 2; end++) {
            fprintf(f, "{\"name\":\"request %" PRIu64 "\",\"cat\":\"request\",\"ph\":\"%c\"",
                    i->request, end ? 'e' : 'b');
            fprintf(f, ",\"id\":%" PRIu64 ",\"pid\":%d,\"tid\":0,\"ts\":", i->request,
                    PID_REQUESTS);
            put_us(f, end ? i->end_ns : i->begin_ns);
            fputs("},\n", f);
        }
        return;
    }
    static const char *const categories[] = {"dispatch", "kernel", "transfer"};
    bool transfer = i->kind == SPA_INTERVAL_TRANSFER;
    uint32_t n = info->n_processors;
    fputs("{\"name\":", f);
    spa_outfile_put_json(out, spa_log_name(info, i->op));
    fprintf(f, ",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":%u,\"tid\":%u,\"ts\":", categories[i->kind],
            PID_PROCESSOR + (transfer ? n : i->processor),
            transfer ? i->lane * n + i->processor : i->lane);
    put_us(f, i->begin_ns);
    fputs(",\"dur\":", f);
    put_us(f, i->end_ns - i->begin_ns);
    fprintf(f, ",\"args\":{\"request\":%" PRIu64 ",\"power_w\":%.6g}},\n", i->request,
            (double)i->power_w);
}

static spa_status put_intervals(spa_log *log, spa_outfile *out, spa_error *err)
{
    spa_pairing pairing = {0};
    spa_interval interval;
    spa_event event;
    spa_error cause;
    bool end = false, closed;
    spa_status status;
    while (!(status = spa_log_next(log, &event, &end, err)) && !end) {
        status = spa_pairing_feed(&pairing, &event, &interval, &closed, &cause);
        if (status) {
            status = spa_fail_at(err, status, spa_log_path(log), 0, "%s", cause.message);
            break;
        }
        if (closed) put_interval(out, spa_log_info_of(log), &interval);
    }
    spa_pairing_fini(&pairing);
    return status;
}

static spa_status open_json(spa_outfile *out, const spa_log_info *info, const char *path,
                            spa_error *err)
{
    SPA_TRY(spa_outfile_open(out, path, err));
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", out->stream);
    put_names(out, info);
    return SPA_OK;
}

static spa_status close_json(spa_outfile *out, const spa_log_info *info, spa_error *err)
{
    /* The list must not end in a comma: a last event that only orders the processes. */
    fprintf(out->stream,
            "{\"name\":\"process_sort_index\",\"ph\":\"M\",\"pid\":%d,\"tid\":0,"
            "\"args\":{\"sort_index\":0}}\n],\n\"otherData\":{\"run\":",
            PID_REQUESTS);
    spa_outfile_put_json(out, info->description);
    fprintf(out->stream, ",\"digest\":\"%016" PRIx64 "\"}}\n", info->digest);
    return spa_outfile_commit(out, err);
}

spa_status spa_log_write_timeline(spa_log *log, const char *path, spa_error *err)
{
    spa_outfile out;
    SPA_TRY(open_json(&out, spa_log_info_of(log), path, err));
    spa_status status = put_intervals(log, &out, err);
    if (!status) return close_json(&out, spa_log_info_of(log), err);
    spa_outfile_abort(&out);
    return status;
}

spa_status spa_timeline_write_json(const spa_timeline *timeline, const spa_log_info *info,
                                   const char *path, spa_error *err)
{
    spa_outfile out;
    SPA_TRY(open_json(&out, info, path, err));
    for (size_t i = 0; i < timeline->count; i++) put_interval(&out, info, &timeline->intervals[i]);
    return close_json(&out, info, err);
}
