/* CSV tables. */
#include "base/csv.h"
#include "tests/fuzz/fuzz.h"

static void put_table(const spa_csv *csv, spa_string *out)
{
    for (size_t c = 0; c < csv->n_columns; c++) {
        if (c) spa_string_append(out, ",");
        spa_csv_put(out, csv->columns[c]);
    }
    spa_string_append(out, "\n");
    for (size_t i = 0; i < csv->n_rows * csv->n_columns; i++) {
        /* One empty cell alone would be an empty line. */
        if (csv->n_columns == 1 && !*csv->cells[i])
            spa_string_append(out, "\"\"");
        else
            spa_csv_put(out, csv->cells[i]);
        spa_string_append(out, (i + 1) % csv->n_columns ? "," : "\n");
    }
}

/* Typed access to the first cell: a value or a message. */
static void read_cell(const spa_csv *csv)
{
    double real;
    int64_t whole;
    spa_error err = {0};
    if (csv->n_rows == 0) return;
    spa_status status = spa_csv_double(csv, 0, 0, -1, 1, &real, &err);
    if (status) fuzz_error(status, &err);
    status = spa_csv_i64_or(csv, 0, 0, 7, -1, 1, &whole, &err);
    if (status) fuzz_error(status, &err);
}

FUZZ_TARGET(fuzz_csv)
{
    spa_csv csv, again;
    spa_error err = {0};
    spa_string first = {0}, second = {0};
    spa_status status = spa_csv_parse(&csv, "fuzz.csv", (const char *)data, size, &err);
    if (status) {
        fuzz_error(status, &err);
        return 0;
    }
    read_cell(&csv);
    put_table(&csv, &first);
    spa_csv_fini(&csv);
    status = spa_csv_parse(&again, "again.csv", first.text, first.length, &err);
    FUZZ_CHECK(status == SPA_OK, "%s\n%s", err.message, first.text);
    put_table(&again, &second);
    fuzz_equal(&first, &second);
    spa_csv_fini(&again);
    spa_string_fini(&first);
    spa_string_fini(&second);
    return 0;
}
