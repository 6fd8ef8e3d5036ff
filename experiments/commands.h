/* The table of commands: what the help prints and the dispatcher looks up. */
#ifndef SPA_EXPERIMENTS_COMMANDS_H
#define SPA_EXPERIMENTS_COMMANDS_H

#include "experiments/cli.h"

typedef struct spa_command {
    const char *name;
    unsigned bit;         /* SPA_CMD_*; 0 = not built in this version */
    const char *operands; /* "MODEL... --device D" */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs and examples for --help; may be NULL */
    spa_status (*run)(spa_cli *cli, spa_options *options, spa_error *err); /* NULL = not built */
} spa_command;

const spa_command *spa_commands(size_t *count);
/* SPA_E_USAGE with the nearest name, or for a command that is not built in this version. */
spa_status spa_command_find(const char *name, const spa_command **out, spa_error *err);

/* Texts of `sparoa --help` and `sparoa NAME --help`. */
void spa_help_overview(spa_string *out);
void spa_help_command(spa_string *out, const spa_command *command);

#endif
