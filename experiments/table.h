/* Text tables: columns as wide as their widest cell. */
#ifndef SPA_EXPERIMENTS_TABLE_H
#define SPA_EXPERIMENTS_TABLE_H

#include <stdbool.h>
#include "base/text.h"

#define SPA_TABLE_COLUMNS 20

typedef struct spa_table {
    size_t n_columns, n_cells, capacity;
    const char *align; /* one letter per column: l or r */
    char **cells;      /* heads first; NULL = the row's first cell runs over the rest */
    bool failed;
} spa_table;

/* `heads` = "policy|latency ms|p50", `align` = "lrr". Free with spa_table_fini. */
void spa_table_init(spa_table *table, const char *heads, const char *align);
void spa_table_fini(spa_table *table);
/* The next cell; rows fill from left to right. Failures turn up in spa_table_print. */
void spa_table_put(spa_table *table, const char *fmt, ...) SPA_PRINTF(2, 3);
/* A number with `decimals`, or "-" when it is not finite. */
void spa_table_number(spa_table *table, double x, int decimals);
/* Fills the present row: this text runs over all columns that are left. */
void spa_table_span(spa_table *table, const char *fmt, ...) SPA_PRINTF(2, 3);
/* Appends head, a rule and the rows; every line starts with `indent` blanks. */
spa_status spa_table_print(const spa_table *table, int indent, spa_string *out, spa_error *err);

#endif
