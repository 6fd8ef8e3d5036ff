/* Predictors of thresholds (thresholds.h): from the sequence of a model's operators to two numbers
 * per operator, the sparsity and the intensity threshold. docs/predictor.md has the definitions.
 *
 * Source: SparOA (arXiv 2511.19457): a Transformer encoder, then a bidirectional LSTM, Adam on the
 * mean squared error of both. Its rivals: a constant, linear least squares, an MLP, a CNN, an LSTM
 * and a Transformer. Differs: the kind of operator is a feature too (work without MACs is counted
 * in other units), both outputs are standardised, sequences are cut into windows, and everything is
 * as small as the data are few. All are spa_nets: those without hidden layers are fitted in closed
 * form. */
#ifndef SPA_POLICIES_LEARN_PREDICTOR_H
#define SPA_POLICIES_LEARN_PREDICTOR_H

#include "policies/learn/net.h"
#include "policies/learn/thresholds.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spa_predictor_kind {
    SPA_PREDICT_CONSTANT,
    SPA_PREDICT_LINEAR,
    SPA_PREDICT_MLP,
    SPA_PREDICT_CNN,
    SPA_PREDICT_LSTM,
    SPA_PREDICT_TRANSFORMER,
    SPA_PREDICT_TRANSFORMER_LSTM,
    SPA_PREDICT_KINDS
} spa_predictor_kind;
SPA_API const char *spa_predictor_kind_name(spa_predictor_kind kind);
SPA_API spa_status spa_predictor_kind_find(const char *name, spa_predictor_kind *kind,
                                           spa_error *err);

/* ---- features ---- */

#define SPA_PREDICTOR_FEATURES 14u
/* Of one operator whose input has this fraction of zeros (NaN = unknown: 0):
 * zeros; log10(1 + work) / 10; log2 of batch / 8, of input channels / 12, height / 8 and width / 8
 * (tokens: height 1); then 8 groups of kinds, 0 or 1. */
void spa_predictor_features(const spa_graph *graph, size_t op, double zeros, float *out);

/* ---- data ---- */

/* Operators in sequences. Rows that do not count (views, operators folded into others) are seen but
 * have no labels. */
typedef struct spa_predictor_data {
    size_t n_rows, n_sequences, rows_capacity, sequences_capacity;
    size_t *first; /* [n_sequences + 1] rows of each sequence */
    struct spa_predictor_row *rows;
    float *x; /* [n_rows][SPA_PREDICTOR_FEATURES] */
    size_t x_capacity;
} spa_predictor_data;

typedef struct spa_predictor_row {
    spa_label label;
    double ns[SPA_SIDES];       /* at its own size and zeros */
    double own[SPA_THRESHOLDS]; /* its zeros; log10 of its work */
    uint32_t model, op;         /* whose it is, for splits */
    bool counts;
} spa_predictor_row;

/* Appends the operators of a graph at one size of its grid: a sequence. zeros[n_ops] of their
 * inputs. */
spa_status spa_predictor_data_add(spa_predictor_data *data, const spa_graph *graph,
                                  const spa_time_grid *grid, size_t size, const double *zeros,
                                  uint32_t model, spa_error *err);
void spa_predictor_data_fini(spa_predictor_data *data);

/* ---- predictors ---- */

#define SPA_PREDICTOR_WINDOW 32u /* operators seen at once */
#define SPA_PREDICTOR_BATCH  8u  /* windows of one step of fitting */
#define SPA_PREDICTOR_NAME   64

typedef struct spa_predictor {
    spa_predictor_kind kind;
    size_t hidden;
    char device[SPA_PREDICTOR_NAME], stack[SPA_PREDICTOR_NAME], mode[SPA_PREDICTOR_NAME];
    spa_net net;
    float *params;                                  /* [net.n_params + SPA_NET_PAD] */
    float mean[SPA_THRESHOLDS], sd[SPA_THRESHOLDS]; /* threshold = mean + sd * output */
    spa_net_work_f32 work;
} spa_predictor;

typedef struct spa_predictor_fit {
    spa_predictor_kind kind;
    size_t hidden; /* features within; a multiple of 4 */
    size_t epochs;
    double rate; /* of Adam, falling linearly to a tenth */
    uint64_t seed;
} spa_predictor_fit;
spa_predictor_fit spa_predictor_fit_default(spa_predictor_kind kind);

/* A predictor with its parameters at 0. fini in any case. */
spa_status spa_predictor_init(spa_predictor *p, spa_predictor_kind kind, size_t hidden,
                              spa_error *err);
void spa_predictor_fini(spa_predictor *p);

/* Fits to the rows that count and that `use[n_rows]` allows (NULL = all). SPA_E_INVALID: no such
 * row. SPA_E_RANGE: it diverged. The same data and seed give the same bits on one machine and
 * build. init is done here; fini in any case. */
spa_status spa_predictor_train(spa_predictor *p, const spa_predictor_fit *fit,
                               const spa_predictor_data *data, const bool *use, spa_error *err);

/* Thresholds out[n][SPA_THRESHOLDS] of a sequence x[n][SPA_PREDICTOR_FEATURES], window by window.
 * Allocates nothing. */
void spa_predictor_predict(spa_predictor *p, const float *x, size_t n, float *out);

/* Is the host the place, by one threshold, by the other, or by both? */
typedef enum spa_threshold_rule {
    SPA_RULE_INTENSITY,
    SPA_RULE_SPARSITY,
    SPA_RULE_BOTH,
    SPA_RULES
} spa_threshold_rule;
static inline bool spa_threshold_says_host(spa_threshold_rule rule,
                                           const double own[SPA_THRESHOLDS],
                                           const double at[SPA_THRESHOLDS])
{
    bool sparse = own[SPA_BY_SPARSITY] >= at[SPA_BY_SPARSITY];
    bool light = own[SPA_BY_INTENSITY] < at[SPA_BY_INTENSITY];
    if (rule == SPA_RULE_INTENSITY) return light;
    return rule == SPA_RULE_SPARSITY ? sparse : sparse && light;
}

/* Of its parameters: equal predictors predict the same. Never 0. */
uint64_t spa_predictor_hash(const spa_predictor *p);

/* ---- files (text; docs/formats.md) ---- */

spa_status spa_predictor_write(const spa_predictor *p, const char *path, spa_error *err);
/* SPA_E_PARSE: not such a file, damaged; SPA_E_UNSUPPORTED: another version; SPA_E_INVALID: another
 * shape. Zeroed on failure. */
spa_status spa_predictor_read(spa_predictor *p, const char *path, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
