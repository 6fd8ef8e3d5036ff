#define _XOPEN_SOURCE 700
#include "experiments/cli.h"

#include <errno.h>
#include <gsl/gsl_errno.h>
#include <string.h>
#include <sys/resource.h>
#include "experiments/commands.h"
#include "experiments/json_csv.h"
#include "experiments/plugins.h"
#include "experiments/version.h"

spa_status spa_cli_operands(const spa_options *options, size_t min, size_t max, const char *what,
                            spa_error *err)
{
    size_t n = options->operands.count;
    if (n >= min && n <= max) return SPA_OK;
    if (max == 0) {
        return spa_fail(err, SPA_E_USAGE, "'%s' takes no '%.200s'; see 'sparoa %s --help'",
                        options->command, options->operands.items[0], options->command);
    }
    if (n < min) {
        return spa_fail(err, SPA_E_USAGE, "'%s' needs %s; see 'sparoa %s --help'", options->command,
                        what, options->command);
    }
    return spa_fail(err, SPA_E_USAGE, "'%s' takes %s, not also '%.200s'; see 'sparoa %s --help'",
                    options->command, what, options->operands.items[max], options->command);
}

/* OpenBLAS takes 128 MiB for every thread that multiplies, and asks for ever where it cannot have
 * them; oneDNN crashes. */
#define KERNELS     (SPA_CMD_PROFILE | SPA_CMD_VALIDATE | SPA_CMD_REPLAY | SPA_CMD_CALIBRATE)
#define KERNELS_MIB 512

/* Lowers the data limit to --max-memory; *old is what to restore. */
static spa_status limit_memory(unsigned command, int64_t bytes, struct rlimit *old, spa_error *err)
{
    if (command & KERNELS && bytes >> 20 < KERNELS_MIB)
        return spa_fail(err, SPA_E_USAGE,
                        "--max-memory: the libraries of the kernels need %dM and more",
                        KERNELS_MIB);
    if (getrlimit(RLIMIT_DATA, old) != 0) {
        return spa_fail(err, SPA_E_IO, "the memory limit cannot be read: %s", strerror(errno));
    }
    struct rlimit limit = *old;
    limit.rlim_cur = (rlim_t)bytes;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_cur > limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
    }
    if (setrlimit(RLIMIT_DATA, &limit) != 0) {
        return spa_fail(err, SPA_E_IO, "the memory limit cannot be set: %s", strerror(errno));
    }
    return SPA_OK;
}

/* --csv: the rows of the JSON document. Printed is the document if --json asks for it. */
static spa_status run_as_csv(spa_cli *cli, const spa_command *command, spa_options *options,
                             spa_error *err)
{
    spa_string csv = {0};
    bool prints = options->json;
    options->json = true;
    SPA_TRY(command->run(cli, options, err));
    spa_status status = spa_json_csv(cli->out.text, cli->out.length, &csv, err);
    if (!status) status = spa_write_file(options->csv, csv.text, csv.length, err);
    if (!status && !prints) cli->out.length = 0;
    if (!status) spa_cli_note(cli, options, "csv: %s", options->csv);
    spa_string_fini(&csv);
    return status;
}

/* The plug-ins stay loaded while the command runs. */
static spa_status run_with_plugins(spa_cli *cli, const spa_command *command, spa_options *options,
                                   spa_error *err)
{
    spa_plugins *plugins = NULL;
    if (options->plugin_files.count) {
        SPA_TRY(spa_plugins_open(&plugins, options->plugin_files.items, options->plugin_files.count,
                                 err));
    }
    options->plugins = plugins;
    bool as_csv = options->csv && command->bit != SPA_CMD_LOG;
    spa_status status =
        as_csv ? run_as_csv(cli, command, options, err) : command->run(cli, options, err);
    options->plugins = NULL;
    spa_plugins_close(plugins);
    return status;
}

static spa_status run_command(spa_cli *cli, const spa_command *command, int argc, char *const *argv,
                              spa_error *err)
{
    spa_options options;
    struct rlimit old;
    bool limited = false;
    spa_status status =
        spa_options_parse(&options, command->name, command->bit, argc, argv, 2, err);
    if (!status && options.help) {
        spa_help_command(&cli->out, command);
    } else if (!status) {
        /* Processes of their own are limited each. */
        if (options.max_memory_bytes && !options.isolate && options.checks.count == 0) {
            status = limit_memory(command->bit, options.max_memory_bytes, &old, err);
            limited = !status;
        }
        if (!status) status = run_with_plugins(cli, command, &options, err);
        if (limited) setrlimit(RLIMIT_DATA, &old);
        if (status == SPA_E_NOMEM && limited && err) {
            size_t n = strlen(err->message);
            snprintf(err->message + n, sizeof err->message - n, " (--max-memory)");
        }
    }
    spa_options_fini(&options);
    return status;
}

static spa_status dispatch(spa_cli *cli, int argc, char *const *argv, spa_error *err)
{
    const spa_command *command;
    if (argc < 2) return spa_fail(err, SPA_E_USAGE, "a command is needed; see 'sparoa --help'");
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        spa_string_append(&cli->out, "sparoa %s\n", spa_version());
        spa_version_put_features(&cli->out);
        return SPA_OK;
    }
    bool help = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (help && argc == 2) {
        spa_help_overview(&cli->out);
        return SPA_OK;
    }
    if (help) {
        SPA_TRY(spa_command_find(argv[2], &command, err));
        spa_help_command(&cli->out, command);
        return SPA_OK;
    }
    if (name[0] == '-') {
        return spa_fail(err, SPA_E_USAGE,
                        "the command comes first, not '%.100s'; see 'sparoa --help'", name);
    }
    SPA_TRY(spa_command_find(name, &command, err));
    return run_command(cli, command, argc, argv, err);
}

int spa_cli_main(int argc, char *const *argv, FILE *out, FILE *err)
{
    spa_cli cli = {.err = err};
    spa_error error = {0};
    gsl_set_error_handler_off(); /* every GSL return is checked where it is called */
    spa_status status = dispatch(&cli, argc, argv, &error);
    if (!status) status = spa_string_ok(&cli.out, &error);
    if (!status && cli.out.length) {
        size_t n = fwrite(cli.out.text, 1, cli.out.length, out);
        if (n != cli.out.length || fflush(out) != 0) {
            status =
                spa_fail(&error, SPA_E_IO, "the results cannot be written: %s", strerror(errno));
        }
    }
    spa_string_fini(&cli.out);
    if (!status) return cli.exit_code;
    fprintf(err, "sparoa: %s\n", error.message);
    return status == SPA_E_USAGE ? 2 : 1;
}
