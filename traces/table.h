/* Inside traces/: what the readers and writers of tables share. */
#ifndef SPA_TRACES_TABLE_H
#define SPA_TRACES_TABLE_H

#include <math.h>

#include "base/csv.h"
#include "base/text.h"
#include "traces/operator.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Passes on an error of a row: "file:line: column 'x': <message of why>"; a lack of memory is no
 * fault of the row and goes through as it is. */
spa_status spa_csv_pass(const spa_csv *csv, size_t row, int column, const spa_error *why,
                        spa_error *err);

/* "1x3x224x224"; "" is rank 0. */
spa_status spa_shape_parse(const char *text, spa_shape *shape, spa_error *err);

/* The shortest decimal text that reads back as the same double; NaN (unknown) is "". */
#define SPA_DOUBLE_TEXT 32
const char *spa_double_text(double value, char text[SPA_DOUBLE_TEXT]);
/* Appends a number, or nothing for NaN. */
void spa_put_double(spa_string *out, double value);

/* A word from a list of known ones: "" gives `empty` (-1 = must not be empty). */
spa_status spa_csv_word(const spa_csv *csv, size_t row, int column, const char *what,
                        const char *const *words, size_t n_words, int empty, int *out,
                        spa_error *err);
/* The origins in enum order, for spa_csv_word; "" is unknown. */
#define SPA_ORIGIN_COUNT 5
extern const char *const spa_origin_words[SPA_ORIGIN_COUNT];
extern const char *const spa_dtype_words[2];
/* What the files show for an origin: "" for unknown. */
const char *spa_origin_cell(spa_origin origin);

/* The attributes of an operator as "k=3x3 s=2x2 p=1,1,1,1 d=1x1 g=1 bias". */
void spa_attrs_put(spa_string *out, const spa_op *op);
/* The way back: only what the kind uses, each at most once, nothing needed left out. */
spa_status spa_attrs_parse(const char *text, spa_op_kind kind, size_t n_inputs, spa_op_attrs *attrs,
                           spa_error *err);

/* Are there steps, or seeded parameters of another place? */
bool spa_op_is_rewritten(const spa_graph *graph);
/* The steps of a fused operator as "batch_norm:bias@1 relu@2 add:input@5", and back. */
void spa_steps_put(spa_string *out, const spa_op *op);
spa_status spa_steps_parse(const char *text, spa_op_step steps[SPA_MAX_STEPS], size_t *n,
                           spa_error *err);

/* The next blank-separated word of *text, cut to size - 1 bytes (a cut word is an error); false at
 * the end. */
bool spa_next_word(const char **text, char *word, size_t size, bool *cut);

#ifdef __cplusplus
}
#endif
#endif
