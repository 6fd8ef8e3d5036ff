/* Documents of --json as tables: the same values as CSV. */
#ifndef SPA_EXPERIMENTS_JSON_CSV_H
#define SPA_EXPERIMENTS_JSON_CSV_H

#include "base/text.h"

/* One row per innermost object of a document's lists; it has the columns of the objects around it,
 * too. Columns are named by their path inside an object ("latency_ms.mean"); `table` says which
 * list a row is from where a document has several. Lists of plain values are one cell, joined by
 * blanks; null is an empty cell. */
spa_status spa_json_csv(const char *document, size_t size, spa_string *csv, spa_error *err);

#endif
