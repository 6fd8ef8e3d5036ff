/* Event logs: opened, read to the end, converted to CSV and to a timeline. */
#include "sim/log.h"
#include "sim/timeline.h"
#include "tests/fuzz/fuzz.h"

static spa_status read_log(const char *path, spa_error *err)
{
    spa_log *log;
    spa_event event;
    spa_timeline timeline = {0};
    bool end = false;
    uint64_t count = 0;
    SPA_TRY(spa_log_open(&log, path, err));
    spa_status status = spa_log_next(log, &event, &end, err);
    while (!status && !end) {
        const spa_log_info *info = spa_log_info_of(log);
        count++;
        FUZZ_CHECK(spa_log_name(info, event.op), "no name");
        FUZZ_CHECK(event.processor < info->n_processors, "processor %u", event.processor);
        status = spa_timeline_add(&timeline, &event, err);
        if (!status) status = spa_log_next(log, &event, &end, err);
    }
    if (!status) status = spa_timeline_finish(&timeline, err);
    if (!status) FUZZ_CHECK(count == spa_log_count(log), "%zu events", (size_t)count);
    spa_timeline_fini(&timeline);
    spa_log_close(log);
    return status;
}

static spa_status convert(const char *path, const char *csv, const char *json, spa_error *err)
{
    spa_log *log;
    SPA_TRY(spa_log_open(&log, path, err));
    spa_status status = spa_log_write_csv(log, csv, err);
    spa_log_close(log);
    if (status) return status;
    SPA_TRY(spa_log_open(&log, path, err));
    status = spa_log_write_timeline(log, json, err);
    spa_log_close(log);
    return status;
}

FUZZ_TARGET(fuzz_slog)
{
    const char *const names[] = {"fuzz.slog", "fuzz.csv", "fuzz.json"};
    char paths[3][128];
    spa_error err = {0};
    for (int i = 0; i < 3; i++) fuzz_path(paths[i], names[i]);
    fuzz_put(paths[0], data, size);
    spa_status status = read_log(paths[0], &err);
    if (status) fuzz_error(status, &err);
    spa_status other = convert(paths[0], paths[1], paths[2], &err);
    if (other) fuzz_error(other, &err);
    FUZZ_CHECK(status || !other, "can be read, but not converted: %s", err.message);
    fuzz_clean(names, 3);
    return 0;
}
