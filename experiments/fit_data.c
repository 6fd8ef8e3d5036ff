/* Reading the published measurements, with the SHA-256 of every file that is read. */
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "experiments/fit.h"

#define MAX_UNPACKED ((size_t)64 << 20)
#define PATH_BYTES   4096

static bool readable(const char *folder, const char *path)
{
    char full[PATH_BYTES];
    if ((size_t)snprintf(full, sizeof full, "%s/%s", folder, path) >= sizeof full) return false;
    FILE *f = fopen(full, "rb");
    if (f) fclose(f);
    return f != NULL;
}

bool fit_data_present(const char *folder)
{
    static const char *const needed[] = {
        "agx-orin-split/layers_yolov7-tiny.csv",
        "agx-orin-gpu-subgraphs/subgraphs_jetson_orin_agx_maxn.csv.gz", "ncnn/agx-orin.csv",
        "device-facts/power_modes.csv"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!readable(folder, needed[i])) return false;
    return true;
}

/* gzread passes a file that is not packed through as it is. */
static spa_status unpack(const char *path, char **text, size_t *size, spa_error *err)
{
    size_t capacity = 0;
    int got = 0;
    gzFile file = gzopen(path, "rb");
    if (!file) return spa_fail(err, SPA_E_IO, "%s: cannot be opened", path);
    do {
        spa_status status = spa_grow(text, &capacity, *size + 65537, 1, err);
        if (status == SPA_OK && *size > MAX_UNPACKED)
            status = spa_fail(err, SPA_E_RANGE, "%s: over %zu bytes", path, MAX_UNPACKED);
        if (status != SPA_OK) {
            gzclose(file);
            return status;
        }
        got = gzread(file, *text + *size, 65536);
        if (got > 0) *size += (size_t)got;
    } while (got > 0);
    (*text)[*size] = '\0';
    if (gzclose(file) != Z_OK || got < 0)
        return spa_fail(err, SPA_E_IO, "%s: reading or unpacking failed", path);
    return SPA_OK;
}

spa_status fit_data_read(fit_data *data, const char *path, char **text, size_t *size,
                         spa_error *err)
{
    char full[PATH_BYTES];
    *text = NULL;
    *size = 0;
    if ((size_t)snprintf(full, sizeof full, "%s/%s", data->folder, path) >= sizeof full)
        return spa_fail(err, SPA_E_RANGE, "%s/%s: the path is too long", data->folder, path);
    if (data->n_sources == FIT_MAX_SOURCES)
        return spa_fail(err, SPA_E_RANGE, "more than %d input files", FIT_MAX_SOURCES);
    if (!SHA256File(full, data->sources[data->n_sources].sha256))
        return spa_fail(err, SPA_E_IO, "%s: cannot be read", full);
    data->sources[data->n_sources++].path = path;
    spa_status status = unpack(full, text, size, err);
    if (status != SPA_OK) {
        free(*text);
        *text = NULL;
        *size = 0;
    }
    return status;
}

spa_status fit_data_table(fit_data *data, const char *path, spa_csv *csv, spa_error *err)
{
    char *text = NULL;
    size_t size = 0;
    memset(csv, 0, sizeof *csv);
    SPA_TRY(fit_data_read(data, path, &text, &size, err));
    spa_status status = spa_csv_parse(csv, path, text, size, err);
    free(text);
    return status;
}

double fit_cell(const spa_csv *csv, size_t row, const char *column, spa_status *status,
                spa_error *err)
{
    double x = 0;
    int c = spa_csv_column(csv, column);
    if (*status != SPA_OK) return 0;
    if (c < 0)
        *status =
            spa_fail_at(err, SPA_E_PARSE, csv->path, csv->header_line, "no column '%s'", column);
    else
        *status = spa_csv_double(csv, row, c, -1e18, 1e18, &x, err);
    return x;
}

const char *fit_text(const spa_csv *csv, size_t row, const char *column)
{
    return spa_csv_cell(csv, row, spa_csv_column(csv, column));
}
