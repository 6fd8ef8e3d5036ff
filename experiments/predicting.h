/* Training predictors of thresholds from the command line: data from the cases, every kind of
 * predictor on the same splits, and the one that is written. */
#ifndef SPA_EXPERIMENTS_PREDICTING_H
#define SPA_EXPERIMENTS_PREDICTING_H

#include "experiments/cli.h"
#include "experiments/progress.h"
#include "experiments/runs.h"
#include "policies/learn/predictor.h"

/* Splits of the operators into those learned from and those judged on. */
typedef enum spa_split {
    SPA_SPLIT_RANDOM, /* a fifth of the operators, drawn; in all sequences that they are in */
    SPA_SPLIT_MODEL,  /* every model in turn, mean */
    SPA_SPLITS
} spa_split;

/* Of one predictor on one split; NaN = nothing to judge. Regrets are shares: 0.1 = 10 % more time.
 */
typedef struct spa_predictor_score {
    double accuracy[SPA_THRESHOLDS]; /* share of uncensored labels within 10 %; MACs, not logs */
    double mse[SPA_THRESHOLDS];      /* of uncensored labels; intensity in log10 units */
    /* Time of the judged operators, each alone, where the rule (by intensity, by sparsity) puts
     * them: over that of the faster side, and over that of true labels; mean over sequences. */
    double over_best[SPA_THRESHOLDS], over_labels[SPA_THRESHOLDS];
    /* By model only: the simulated latency of the whole model placed by intensity, over that of the
     * placement by true labels, and by the faster side; mean over models. */
    double latency_over_labels, latency_over_best;
} spa_predictor_score;

typedef struct spa_predicting {
    spa_predictor_data data;
    size_t n_models, n_counted;
    size_t *own_sequence; /* [n_models] at the case's batch and zeros */
    size_t censored[SPA_THRESHOLDS][3], several[SPA_THRESHOLDS]; /* counts by spa_censor */
    spa_predictor_score score[SPA_PREDICT_KINDS][SPA_SPLITS];
    size_t n_params[SPA_PREDICT_KINDS];
    double
        inference_us[SPA_PREDICT_KINDS]; /* measured: a model's thresholds, mean over sequences */
    double fit_s[SPA_PREDICT_KINDS];     /* of the random split */
    spa_predictor_fit fit;               /* what is written */
    double seconds_host;
} spa_predicting;
void spa_predicting_fini(spa_predicting *p);

/* `text` = "threshold+predictor" with parameters after colons. Trains all kinds on the splits,
 * then one on everything, and writes it to options->output. All cases are of one device. */
spa_status spa_predicting_run(spa_predicting *p, const char *text, const spa_runs *runs,
                              const spa_options *options, spa_progress *progress, spa_error *err);

/* predicting_data.c: sequences of every case: the batches and fractions of zeros of the grid. */
spa_status spa_predicting_data(spa_predicting *p, const spa_runs *runs, const spa_options *options,
                               spa_error *err);
/* predicting_score.c: judges a trained predictor on the rows with judge[n_rows]; adds nothing to
 * latencies. */
spa_status spa_predicting_judge(const spa_predictor_data *data, spa_predictor *predictor,
                                const bool *judge, spa_predictor_score *out, spa_error *err);
/* Latencies of one case, for the sequence that is its own: fills the two latency_ members. */
spa_status spa_predicting_latency(const spa_predictor_data *data, size_t sequence,
                                  spa_predictor *predictor, const spa_case *c,
                                  spa_predictor_score *out, spa_error *err);

/* Accuracy and regret of all predictors: *.svg or *.png. */
spa_status spa_chart_predicting(const char *path, const spa_predicting *p, const spa_runs *runs,
                                spa_error *err);

/* sparoa train threshold+predictor MODEL... */
spa_status spa_train_thresholds(spa_cli *cli, spa_options *options, spa_error *err);

#endif
