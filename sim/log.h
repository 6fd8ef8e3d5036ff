/* Event logs: *.slog, a run's whole event stream (docs/formats.md).
 *
 * Header (what ran, names), fixed 40-byte little-endian records, a trailer with count and
 * checksum, so that a truncated or damaged file is noticed. Reading and writing stream: memory does
 * not grow with the number of events. */
#ifndef SPA_SIM_LOG_H
#define SPA_SIM_LOG_H

#include <stdbool.h>
#include "devices/costs.h"
#include "sim/event.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_LOG_VERSION 1u

/* What a log says about its run. */
typedef struct spa_log_info {
    const char *description; /* "key=value" lines: model, device, policy, ... */
    uint64_t graph_hash, costs_hash, seed, replication;
    uint64_t digest; /* of the run; filled by the reader */
    uint32_t n_ops, n_tensors, n_processors;
    uint32_t lanes[SPA_MAX_PROCESSORS];
    const char *processors[SPA_MAX_PROCESSORS];
    const char *const *names; /* [n_tensors] operators, then "input0", "input1", ... */
} spa_log_info;

/* Fills everything but description, seed, replication and digest; names live in the arena. */
SPA_API spa_status spa_log_info_init(spa_log_info *info, const spa_costs *costs, spa_arena *arena,
                                     spa_error *err);

typedef struct spa_log_writer spa_log_writer;
/* The file appears under its name only when spa_log_writer_close succeeds. */
SPA_API spa_status spa_log_writer_new(spa_log_writer **writer, const char *path,
                                      const spa_log_info *info, spa_error *err);
SPA_API void spa_log_put(spa_log_writer *writer, const spa_event *event);
/* Writes the trailer, commits, frees the writer whatever happens. */
SPA_API spa_status spa_log_writer_close(spa_log_writer *writer, uint64_t digest, spa_error *err);
/* Drops the file; accepts NULL. */
SPA_API void spa_log_writer_abort(spa_log_writer *writer);

typedef struct spa_log spa_log;
/* Checks magic, version, header, length and trailer. Errors say what is wrong with the file. */
SPA_API spa_status spa_log_open(spa_log **log, const char *path, spa_error *err);
SPA_API void spa_log_close(spa_log *log); /* accepts NULL */
SPA_API const spa_log_info *spa_log_info_of(const spa_log *log);
SPA_API const char *spa_log_path(const spa_log *log);
SPA_API uint64_t spa_log_count(const spa_log *log);
/* The next event, or *end = true. Indices are within the names; the checksum is compared with
 * the last event (SPA_E_PARSE: "damaged"). */
SPA_API spa_status spa_log_next(spa_log *log, spa_event *event, bool *end, spa_error *err);

/* "conv1", or "-" for an event without operator. */
SPA_API const char *spa_log_name(const spa_log_info *info, uint32_t op);
/* The same of an event's operator; of conditions, which have none, the number in its place. */
SPA_API const char *spa_log_event_name(const spa_log_info *info, const spa_event *event,
                                       char number[16]);
/* "kernel_begin", ... */
SPA_API const char *spa_event_kind_name(unsigned kind);

/* The rest of a log as CSV (time_ns,sequence,request,kind,operator,processor,lane,power_w; for
 * transfers processor is the destination and lane the source processor). */
SPA_API spa_status spa_log_write_csv(spa_log *log, const char *path, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
