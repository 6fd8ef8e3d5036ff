#include "traces/kernel_summary.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/csv.h"

#define MOST_RUNS ((int64_t)1000000000000) /* sums of as many rows as a file has fit */

static const char *const class_names[SPA_KERNEL_CLASSES] = {
    "conv", "gemm", "norm", "softmax", "pool", "reduce", "elementwise", "copy", "other"};

const char *spa_kernel_class_name(spa_kernel_class c)
{
    return (unsigned)c < SPA_KERNEL_CLASSES ? class_names[c] : "?";
}

/* The first word that the name holds, upper and lower case alike. Implicit GEMM is convolution. */
static const struct word {
    const char *text;
    spa_kernel_class class;
} words[] = {
    {"softmax", SPA_KERNEL_SOFTMAX},
    {"fprop", SPA_KERNEL_CONV},
    {"winograd", SPA_KERNEL_CONV},
    {"implicit_gemm", SPA_KERNEL_CONV},
    {"implicit_convolve", SPA_KERNEL_CONV},
    {"conv", SPA_KERNEL_CONV},
    {"layer_norm", SPA_KERNEL_NORM},
    {"layernorm", SPA_KERNEL_NORM},
    {"batch_norm", SPA_KERNEL_NORM},
    {"batchnorm", SPA_KERNEL_NORM},
    {"bn_fw", SPA_KERNEL_NORM},
    {"gemm", SPA_KERNEL_GEMM},
    {"gemv", SPA_KERNEL_GEMM},
    {"cutlass", SPA_KERNEL_GEMM},
    {"splitk", SPA_KERNEL_GEMM},
    {"pool", SPA_KERNEL_POOL},
    {"reduce", SPA_KERNEL_REDUCE},
    {"elementwise", SPA_KERNEL_ELEMENTWISE},
    {"memcpy", SPA_KERNEL_COPY},
    {"catarray", SPA_KERNEL_COPY},
    {"transpose", SPA_KERNEL_COPY},
    {"permute", SPA_KERNEL_COPY},
    {"copy", SPA_KERNEL_COPY},
    {"nchwtonhwc", SPA_KERNEL_COPY},
    {"nhwctonchw", SPA_KERNEL_COPY},
};

static bool holds(const char *name, const char *word)
{
    size_t n = strlen(word);
    for (; *name; name++) {
        size_t i = 0;
        while (i < n && name[i] && tolower((unsigned char)name[i]) == word[i]) i++;
        if (i == n) return true;
    }
    return false;
}

spa_kernel_class spa_kernel_class_of(const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (holds(name, words[i].text)) return words[i].class;
    return SPA_KERNEL_OTHER;
}

static spa_status read_row(spa_kernel_summary *s, const spa_csv *csv, const char *count, size_t at,
                           spa_error *err)
{
    static const char *const names[] = {"Total Time (ns)", "Avg (ns)", "Med (ns)",
                                        "Min (ns)",        "Max (ns)", "StdDev (ns)"};
    spa_summary_row *row = &s->rows[at];
    double *const values[] = {&row->total_ns, &row->mean_ns, &row->median_ns,
                              &row->min_ns,   &row->max_ns,  &row->sd_ns};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        SPA_TRY(spa_csv_double_or(csv, at, spa_csv_column(csv, names[i]), NAN, 0, 1e18, values[i],
                                  err));
    SPA_TRY(spa_csv_i64(csv, at, spa_csv_column(csv, count), 0, MOST_RUNS, &row->count, err));
    const char *name = spa_csv_cell(csv, at, spa_csv_column(csv, "Name"));
    SPA_TRY(spa_arena_strdup(&s->arena, &row->name, name, err));
    row->class = spa_kernel_class_of(name);
    s->total_ns += row->total_ns;
    return SPA_OK;
}

static spa_status read_rows(spa_kernel_summary *s, const spa_csv *csv, const char *path,
                            spa_error *err)
{
    static const char *const needed[] = {"Total Time (ns)", "Med (ns)", "Name"};
    s->is_api = spa_csv_column(csv, "Num Calls") >= 0;
    const char *count = s->is_api ? "Num Calls" : "Instances";
    bool whole = spa_csv_column(csv, count) >= 0;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        whole = whole && spa_csv_column(csv, needed[i]) >= 0;
    if (!whole)
        return spa_fail_at(err, SPA_E_PARSE, path, csv->header_line,
                           "not a summary that this reads; make one with nsys stats --format csv "
                           "--report cuda_gpu_kern_sum (or cuda_api_sum)");
    SPA_TRY(spa_arena_alloc(&s->arena, &s->rows, csv->n_rows, sizeof *s->rows, err));
    for (size_t i = 0; i < csv->n_rows; i++) SPA_TRY(read_row(s, csv, count, i, err));
    s->n = csv->n_rows;
    return SPA_OK;
}

spa_status spa_kernel_summary_read(spa_kernel_summary *summary, const char *path, spa_error *err)
{
    spa_csv csv;
    *summary = (spa_kernel_summary){0};
    spa_arena_init(&summary->arena);
    SPA_TRY(spa_csv_read(&csv, path, err));
    spa_status status = read_rows(summary, &csv, path, err);
    spa_csv_fini(&csv);
    if (status) spa_kernel_summary_fini(summary);
    return status;
}

void spa_kernel_summary_fini(spa_kernel_summary *summary)
{
    spa_arena_fini(&summary->arena);
    *summary = (spa_kernel_summary){0};
}
