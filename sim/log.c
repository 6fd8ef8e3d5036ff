#include "sim/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/csv.h"
#include "base/text.h"
#include "sim/outfile.h"

/* Layout, all integers little-endian:
 *   fixed header    FIXED_BYTES, see put_header
 *   texts           description, processor names, operator and input names: u32 length + bytes
 *   records         40 bytes each
 *   trailer         TRAILER_BYTES: magic, count, digest, checksum of everything before it */
#define MAGIC         "SPASLOG\n"
#define END_MAGIC     "SPAEND\n\n"
#define RECORD_BYTES  40u
#define FIXED_BYTES   96u
#define TRAILER_BYTES 32u
#define MAX_HEADER    ((uint64_t)256 << 20)
#define MAX_TEXT      ((uint32_t)1 << 16)

struct spa_log_writer {
    spa_outfile file;
    uint64_t count, checksum;
};

struct spa_log {
    FILE *stream;
    const char *path;
    spa_log_info info;
    uint64_t count, read, checksum, expected_checksum;
    spa_arena arena;
};

/* ---------------------------------------------------------------- integers */
static void put_u32(unsigned char *p, uint32_t x)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(x >> 8 * i);
}

static void put_u64(unsigned char *p, uint64_t x)
{
    for (int i = 0; i < 8; i++) p[i] = (unsigned char)(x >> 8 * i);
}

static uint32_t get_u32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const unsigned char *p)
{
    return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static uint64_t hash_record(uint64_t h, const unsigned char *p)
{
    for (unsigned i = 0; i < RECORD_BYTES; i += 8) h = spa_hash_u64(h, get_u64(p + i));
    return h;
}

/* ---------------------------------------------------------------- names */
static const char *const kind_names[SPA_EV_KIND_COUNT] = {
    "arrive",     "dispatch_begin", "dispatch_end", "place",  "kernel_begin",
    "kernel_end", "transfer_begin", "transfer_end", "finish", "mode",
    "clock",      "load",           "throttle"};

const char *spa_event_kind_name(unsigned kind)
{
    return kind < SPA_EV_KIND_COUNT ? kind_names[kind] : "?";
}

const char *spa_log_name(const spa_log_info *info, uint32_t op)
{
    return op < info->n_tensors ? info->names[op] : "-";
}

const char *spa_log_event_name(const spa_log_info *info, const spa_event *e, char number[16])
{
    if (!spa_event_is_condition(e->kind)) return spa_log_name(info, e->op);
    snprintf(number, 16, "%" PRIu32, e->op);
    return number;
}

spa_status spa_log_info_init(spa_log_info *info, const spa_costs *costs, spa_arena *arena,
                             spa_error *err)
{
    memset(info, 0, sizeof *info);
    const char **names;
    SPA_TRY(spa_arena_alloc(arena, &names, costs->n_tensors, sizeof *names, err));
    for (size_t i = 0; i < costs->n_tensors; i++) {
        if (i < costs->n_ops) {
            names[i] = costs->graph->ops[i].name;
            continue;
        }
        char text[32];
        snprintf(text, sizeof text, "input%zu", i - costs->n_ops);
        SPA_TRY(spa_arena_strdup(arena, &names[i], text, err));
    }
    info->names = names;
    info->description = "";
    info->graph_hash = costs->graph->hash;
    info->costs_hash = costs->hash;
    info->n_ops = (uint32_t)costs->n_ops;
    info->n_tensors = (uint32_t)costs->n_tensors;
    info->n_processors = costs->n_processors;
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        info->processors[p] = costs->processors[p].name;
        info->lanes[p] = costs->processors[p].n_lanes;
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- writing */
static void put_text(spa_log_writer *w, const char *text)
{
    unsigned char length[4];
    size_t n = strlen(text);
    put_u32(length, (uint32_t)n);
    w->checksum = spa_hash_bytes(w->checksum, length, sizeof length);
    w->checksum = spa_hash_bytes(w->checksum, text, n);
    fwrite(length, 1, sizeof length, w->file.stream);
    fwrite(text, 1, n, w->file.stream);
}

static void put_header(spa_log_writer *w, const spa_log_info *info)
{
    unsigned char h[FIXED_BYTES] = {0};
    uint64_t texts = 4 + strlen(info->description);
    for (uint32_t p = 0; p < info->n_processors; p++) texts += 4 + strlen(info->processors[p]);
    for (uint32_t i = 0; i < info->n_tensors; i++) texts += 4 + strlen(info->names[i]);
    memcpy(h, MAGIC, 8);
    put_u32(h + 8, SPA_LOG_VERSION);
    put_u32(h + 12, RECORD_BYTES);
    put_u64(h + 16, FIXED_BYTES + texts); /* offset of the first record */
    put_u64(h + 24, info->graph_hash);
    put_u64(h + 32, info->costs_hash);
    put_u64(h + 40, info->seed);
    put_u64(h + 48, info->replication);
    put_u32(h + 56, info->n_ops);
    put_u32(h + 60, info->n_tensors);
    put_u32(h + 64, info->n_processors);
    for (uint32_t p = 0; p < info->n_processors; p++) put_u32(h + 68 + 4 * p, info->lanes[p]);
    w->checksum = spa_hash_bytes(SPA_HASH_SEED, h, sizeof h);
    fwrite(h, 1, sizeof h, w->file.stream);
    put_text(w, info->description);
    for (uint32_t p = 0; p < info->n_processors; p++) put_text(w, info->processors[p]);
    for (uint32_t i = 0; i < info->n_tensors; i++) put_text(w, info->names[i]);
}

spa_status spa_log_writer_new(spa_log_writer **writer, const char *path, const spa_log_info *info,
                              spa_error *err)
{
    *writer = NULL;
    spa_log_writer *w;
    SPA_TRY(spa_alloc(&w, 1, sizeof *w, err));
    spa_status status = spa_outfile_open(&w->file, path, err);
    if (status) {
        free(w);
        return status;
    }
    put_header(w, info);
    *writer = w;
    return SPA_OK;
}

void spa_log_put(spa_log_writer *writer, const spa_event *event)
{
    unsigned char r[RECORD_BYTES];
    uint32_t power;
    memcpy(&power, &event->power_w, sizeof power);
    put_u64(r, (uint64_t)event->time_ns);
    put_u64(r + 8, event->sequence);
    put_u64(r + 16, event->request);
    put_u32(r + 24, event->op);
    r[28] = event->kind;
    r[29] = event->processor;
    r[30] = event->lane;
    r[31] = event->tenths;
    put_u32(r + 32, power);
    put_u32(r + 36, event->program);
    writer->checksum = hash_record(writer->checksum, r);
    writer->count++;
    fwrite(r, 1, sizeof r, writer->file.stream);
}

spa_status spa_log_writer_close(spa_log_writer *writer, uint64_t digest, spa_error *err)
{
    unsigned char t[TRAILER_BYTES];
    memcpy(t, END_MAGIC, 8);
    put_u64(t + 8, writer->count);
    put_u64(t + 16, digest);
    put_u64(t + 24, spa_hash_bytes(writer->checksum, t, 24));
    fwrite(t, 1, sizeof t, writer->file.stream);
    spa_status status = spa_outfile_commit(&writer->file, err);
    free(writer);
    return status;
}

void spa_log_writer_abort(spa_log_writer *writer)
{
    if (!writer) return;
    spa_outfile_abort(&writer->file);
    free(writer);
}

/* ---------------------------------------------------------------- reading */
static spa_status fail_log(const spa_log *log, spa_error *err, const char *what)
{
    return spa_fail_at(err, SPA_E_PARSE, log->path, 0, "%s", what);
}

static spa_status read_bytes(spa_log *log, void *to, size_t size, spa_error *err)
{
    if (fread(to, 1, size, log->stream) == size) return SPA_OK;
    return fail_log(log, err, "is truncated: it ends inside the header; copy or write it again");
}

static spa_status read_text(spa_log *log, uint64_t *left, const char **out, spa_error *err)
{
    unsigned char length[4];
    if (*left < 4) return fail_log(log, err, "is damaged: a name runs past the header");
    SPA_TRY(read_bytes(log, length, sizeof length, err));
    uint32_t n = get_u32(length);
    *left -= 4;
    if (n > *left || n > MAX_TEXT) {
        return fail_log(log, err, "is damaged: a name runs past the header");
    }
    char *text;
    SPA_TRY(spa_arena_alloc(&log->arena, &text, (size_t)n + 1, 1, err));
    SPA_TRY(read_bytes(log, text, n, err));
    if (memchr(text, '\0', n)) return fail_log(log, err, "is damaged: a NUL byte in a name");
    *left -= n;
    log->checksum = spa_hash_bytes(log->checksum, length, sizeof length);
    log->checksum = spa_hash_bytes(log->checksum, text, n);
    *out = text;
    return SPA_OK;
}

/* Counts and sizes of the fixed header; *first = offset of the first record. */
static spa_status read_fixed(spa_log *log, uint64_t *first, spa_error *err)
{
    unsigned char h[FIXED_BYTES];
    spa_log_info *info = &log->info;
    if (fread(h, 1, 8, log->stream) != 8 || memcmp(h, MAGIC, 8) != 0) {
        return fail_log(log, err, "is no event log of sparoa (its first bytes are others)");
    }
    SPA_TRY(read_bytes(log, h + 8, sizeof h - 8, err));
    if (get_u32(h + 8) != SPA_LOG_VERSION) {
        return spa_fail_at(err, SPA_E_UNSUPPORTED, log->path, 0,
                           "has format version %u; this program reads version %u", get_u32(h + 8),
                           SPA_LOG_VERSION);
    }
    log->checksum = spa_hash_bytes(SPA_HASH_SEED, h, sizeof h);
    *first = get_u64(h + 16);
    info->graph_hash = get_u64(h + 24);
    info->costs_hash = get_u64(h + 32);
    info->seed = get_u64(h + 40);
    info->replication = get_u64(h + 48);
    info->n_ops = get_u32(h + 56);
    info->n_tensors = get_u32(h + 60);
    info->n_processors = get_u32(h + 64);
    bool fits = get_u32(h + 12) == RECORD_BYTES && *first >= FIXED_BYTES && *first <= MAX_HEADER &&
                info->n_processors >= 1 && info->n_processors <= SPA_MAX_PROCESSORS &&
                info->n_tensors >= info->n_ops &&
                (uint64_t)info->n_tensors * 4 <= *first - FIXED_BYTES;
    if (!fits) return fail_log(log, err, "is damaged: its header contradicts itself");
    for (uint32_t p = 0; p < info->n_processors; p++) info->lanes[p] = get_u32(h + 68 + 4 * p);
    return SPA_OK;
}

static spa_status read_header(spa_log *log, uint64_t *first, spa_error *err)
{
    SPA_TRY(read_fixed(log, first, err));
    spa_log_info *info = &log->info;
    uint64_t left = *first - FIXED_BYTES;
    SPA_TRY(read_text(log, &left, &info->description, err));
    for (uint32_t p = 0; p < info->n_processors; p++) {
        SPA_TRY(read_text(log, &left, &info->processors[p], err));
    }
    const char **names;
    SPA_TRY(spa_arena_alloc(&log->arena, &names, info->n_tensors, sizeof *names, err));
    for (uint32_t i = 0; i < info->n_tensors; i++) {
        SPA_TRY(read_text(log, &left, &names[i], err));
    }
    info->names = names;
    if (left) return fail_log(log, err, "is damaged: its header is longer than its names");
    return SPA_OK;
}

/* The length must be header + whole records + trailer, the trailer must say the same. */
static spa_status read_trailer(spa_log *log, uint64_t first, spa_error *err)
{
    unsigned char t[TRAILER_BYTES];
    if (fseeko(log->stream, 0, SEEK_END) != 0) return fail_log(log, err, "cannot be searched");
    uint64_t size = (uint64_t)ftello(log->stream);
    static const char truncated[] =
        "is truncated: it has no trailer at its end; copy or write it again";
    if (size < first + TRAILER_BYTES) return fail_log(log, err, truncated);
    if (fseeko(log->stream, (off_t)(size - TRAILER_BYTES), SEEK_SET) != 0 ||
        fread(t, 1, sizeof t, log->stream) != sizeof t || memcmp(t, END_MAGIC, 8) != 0) {
        return fail_log(log, err, truncated);
    }
    uint64_t records = size - first - TRAILER_BYTES;
    log->count = get_u64(t + 8);
    log->info.digest = get_u64(t + 16);
    log->expected_checksum = get_u64(t + 24);
    if (records % RECORD_BYTES != 0 || records / RECORD_BYTES != log->count) {
        return spa_fail_at(err, SPA_E_PARSE, log->path, 0,
                           "is damaged: %" PRIu64 " events by its trailer, %" PRIu64
                           " by its length",
                           log->count, records / RECORD_BYTES);
    }
    if (fseeko(log->stream, (off_t)first, SEEK_SET) != 0) {
        return fail_log(log, err, "cannot be searched");
    }
    return SPA_OK;
}

/* After the last record: header, records and the trailer's head must give its checksum. */
static spa_status check_sum(spa_log *log, spa_error *err)
{
    unsigned char t[24];
    memcpy(t, END_MAGIC, 8);
    put_u64(t + 8, log->count);
    put_u64(t + 16, log->info.digest);
    if (spa_hash_bytes(log->checksum, t, sizeof t) == log->expected_checksum) return SPA_OK;
    return fail_log(log, err, "is damaged: its checksum does not match; copy or write it again");
}

spa_status spa_log_open(spa_log **out, const char *path, spa_error *err)
{
    *out = NULL;
    spa_log *log;
    uint64_t first = 0;
    struct stat st;
    SPA_TRY(spa_alloc(&log, 1, sizeof *log, err));
    spa_arena_init(&log->arena);
    spa_status status = spa_arena_strdup(&log->arena, &log->path, path, err);
    if (!status && stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        status = spa_fail_at(err, SPA_E_IO, path, 0, "is no plain file; name a *.slog file");
    }
    if (!status && !(log->stream = fopen(path, "rb"))) {
        status = spa_fail_at(err, SPA_E_IO, path, 0, "cannot be opened: %s", strerror(errno));
    }
    if (!status) status = read_header(log, &first, err);
    if (!status) status = read_trailer(log, first, err);
    if (status) {
        spa_log_close(log);
        return status;
    }
    *out = log;
    return SPA_OK;
}

void spa_log_close(spa_log *log)
{
    if (!log) return;
    if (log->stream) fclose(log->stream);
    spa_arena_fini(&log->arena);
    free(log);
}

const spa_log_info *spa_log_info_of(const spa_log *log)
{
    return &log->info;
}

const char *spa_log_path(const spa_log *log)
{
    return log->path;
}

uint64_t spa_log_count(const spa_log *log)
{
    return log->count;
}

static bool within_names(const spa_log *log, const spa_event *e)
{
    bool transfer = e->kind == SPA_EV_TRANSFER_BEGIN || e->kind == SPA_EV_TRANSFER_END;
    if (e->kind >= SPA_EV_KIND_COUNT || e->processor >= log->info.n_processors) return false;
    if (spa_event_is_condition(e->kind))
        return e->request == SPA_EVENT_NO_REQUEST && e->op <= 1000000;
    if (e->op != UINT32_MAX && e->op >= log->info.n_tensors) return false;
    if (e->tenths >= SPA_TENTHS) return false;
    return e->lane < (transfer ? log->info.n_processors : SPA_MAX_LANES);
}

spa_status spa_log_next(spa_log *log, spa_event *event, bool *end, spa_error *err)
{
    unsigned char r[RECORD_BYTES];
    memset(event, 0, sizeof *event);
    *end = log->read == log->count;
    if (*end) return log->count == 0 ? check_sum(log, err) : SPA_OK;
    if (fread(r, 1, sizeof r, log->stream) != sizeof r) {
        return fail_log(log, err, "cannot be read to its end");
    }
    log->checksum = hash_record(log->checksum, r);
    log->read++;
    uint32_t power = get_u32(r + 32);
    event->time_ns = (int64_t)get_u64(r);
    event->sequence = get_u64(r + 8);
    event->request = get_u64(r + 16);
    event->op = get_u32(r + 24);
    event->kind = r[28];
    event->processor = r[29];
    event->lane = r[30];
    event->tenths = r[31];
    memcpy(&event->power_w, &power, sizeof power);
    event->program = get_u32(r + 36);
    if (log->read == log->count) SPA_TRY(check_sum(log, err));
    if (!within_names(log, event)) {
        return spa_fail_at(err, SPA_E_PARSE, log->path, 0,
                           "is damaged: event %" PRIu64 " names an operator, processor or lane "
                           "that is not there",
                           log->read - 1);
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- conversion */
static void put_row(FILE *stream, const spa_log_info *info, const spa_event *e, spa_string *cell)
{
    char number[16];
    cell->length = 0;
    spa_csv_put(cell, spa_log_event_name(info, e, number));
    bool transfer = e->kind == SPA_EV_TRANSFER_BEGIN || e->kind == SPA_EV_TRANSFER_END;
    fprintf(stream, "%" PRId64 ",%" PRIu64 ",", e->time_ns, e->sequence);
    if (!spa_event_is_condition(e->kind)) fprintf(stream, "%" PRIu64, e->request);
    fprintf(stream, ",%s,%s,%s,", spa_event_kind_name(e->kind), cell->text ? cell->text : "",
            info->processors[e->processor]);
    if (transfer) {
        fputs(info->processors[e->lane], stream);
    } else {
        fprintf(stream, "%u", e->lane);
    }
    fprintf(stream, ",%.9g\n", (double)e->power_w);
}

spa_status spa_log_write_csv(spa_log *log, const char *path, spa_error *err)
{
    spa_outfile file;
    spa_event event;
    spa_string cell = {0};
    bool end = false;
    SPA_TRY(spa_outfile_open(&file, path, err));
    fputs("time_ns,sequence,request,kind,operator,processor,lane,power_w\n", file.stream);
    spa_status status;
    while (!(status = spa_log_next(log, &event, &end, err)) && !end) {
        put_row(file.stream, &log->info, &event, &cell);
    }
    if (!status) status = spa_string_ok(&cell, err);
    spa_string_fini(&cell);
    if (!status) return spa_outfile_commit(&file, err);
    spa_outfile_abort(&file);
    return status;
}
