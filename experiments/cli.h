/* The sparoa program without its main(): commands, and what they share. */
#ifndef SPA_EXPERIMENTS_CLI_H
#define SPA_EXPERIMENTS_CLI_H

#include <stdio.h>
#include "experiments/options.h"

/* What a command writes to. Results are collected and printed only when the command succeeds, so
 * that a failure leaves nothing on the standard output. */
typedef struct spa_cli {
    FILE *err;      /* progress and notes */
    spa_string out; /* results */
    int exit_code;  /* for a command that ends well but says no (diff) */
} spa_cli;

/* Runs one command line. Returns the exit code: 0 done, 1 failed, 2 wrong usage. Messages are one
 * line on `err`, starting with "sparoa: ". Touches no global state (but --max-memory lowers the
 * process's data limit while the command runs), so tests call it in process. */
int spa_cli_main(int argc, char *const *argv, FILE *out, FILE *err);

/* A note on `err`, unless --quiet. */
void spa_cli_note(const spa_cli *cli, const spa_options *options, const char *fmt, ...)
    SPA_PRINTF(3, 4);

/* Turns an unknown name (SPA_E_NOT_FOUND) that was given on the command line into SPA_E_USAGE;
 * faults inside files stay what they are. */
spa_status spa_cli_name_status(spa_status status, const char *name, spa_error *err);

/* Exactly `count` operands, or a message that says what they are ("A.slog B.slog"). */
spa_status spa_cli_operands(const spa_options *options, size_t min, size_t max, const char *what,
                            spa_error *err);

/* One per file cmd_<name>.c. */
spa_status spa_cmd_export(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_models(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_devices(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_policies(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_baselines(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_policies_check(spa_cli *cli, spa_options *options, spa_error *err); /* --check */
spa_status spa_cmd_completion(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_batchers(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_scenarios(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_inspect(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_simulate(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_compare(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_diff(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_log(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_profile(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_calibrate(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_replay(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_merge(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_import(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_train(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_report(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_figures(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_run(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_cmd_validate(spa_cli *cli, spa_options *options, spa_error *err);

#endif
