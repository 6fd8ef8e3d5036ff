/* sparoa completion: what shells and the manual know of the command line, from the same tables that
 * parse it. */
#include <string.h>
#include "experiments/cli.h"
#include "experiments/commands.h"
#include "experiments/manual.h"

/* The command whose --json names what an option or operand takes; NULL = it takes something else.
 */
static const char *source_of(const char *option)
{
    static const struct {
        const char *option, *command;
    } sources[] = {
        {"--device", "devices"},     {"--policy", "policies"},  {"--scenario", "scenarios"},
        {"--baseline", "baselines"}, {"--batcher", "batchers"},
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (strcmp(option, sources[i].option) == 0) return sources[i].command;
    return NULL;
}

static bool takes_models(const spa_command *c)
{
    return strstr(c->operands, "MODEL") != NULL;
}

static bool is_first_of_its_name(size_t i)
{
    const char *name = spa_option_describe(i).name;
    for (size_t k = 0; k < i; k++)
        if (strcmp(spa_option_describe(k).name, name) == 0) return false;
    return true;
}

/* ---------------------------------------------------------------- bash */
static const char bash_head[] =
    "# bash completion for sparoa; made by: sparoa completion bash\n"
    "_sparoa_names() {\n"
    "    sparoa \"$1\" --json 2>/dev/null | grep -o '\"name\": *\"[^\"]*\"' | cut -d'\"' -f4\n"
    "}\n"
    "_sparoa() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local command=${COMP_WORDS[1]} words=\n"
    "    [ \"$cur\" = = ] && cur=\n"
    "    [ \"$prev\" = = ] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    [ \"${COMP_WORDS[COMP_CWORD]}\" = = ] && prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    COMPREPLY=()\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
    "        words=\"";

static void put_bash_values(spa_string *out)
{
    spa_string_append(out, "    case $prev in\n");
    for (size_t i = 0; i < spa_option_count(); i++) {
        spa_option_info o = spa_option_describe(i);
        const char *source = source_of(o.name);
        if (!o.value || !is_first_of_its_name(i)) continue;
        spa_string_append(out, "    %s) ", o.name);
        if (source) {
            spa_string_append(out, "words=$(_sparoa_names %s)", source);
        } else if (o.words[0]) {
            spa_string_append(out, "words=\"");
            for (size_t k = 0; o.words[k]; k++)
                spa_string_append(out, "%s%s", k ? " " : "", o.words[k]);
            spa_string_append(out, "\"");
        } else {
            spa_string_append(out, "return");
        }
        spa_string_append(out, " ;;\n");
    }
    spa_string_append(out, "    -o) return ;;\n    *)\n        case $command in\n");
}

static void put_bash(spa_string *out)
{
    size_t n;
    const spa_command *commands = spa_commands(&n);
    spa_string_append(out, "%s", bash_head);
    for (size_t i = 0; i < n; i++)
        if (commands[i].run) spa_string_append(out, "%s ", commands[i].name);
    spa_string_append(out, "help\"\n"
                           "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                           "        return\n"
                           "    fi\n");
    put_bash_values(out);
    for (size_t i = 0; i < n; i++) {
        if (!commands[i].run) continue;
        spa_string_append(out, "        %s) words=\"", commands[i].name);
        for (size_t k = 0; k < spa_option_count(); k++) {
            spa_option_info o = spa_option_describe(k);
            if (o.commands & commands[i].bit) spa_string_append(out, "%s ", o.name);
        }
        spa_string_append(out, "\"");
        if (takes_models(&commands[i]))
            spa_string_append(out, "; [[ $cur == -* ]] || words=\"$(_sparoa_names models) all\"");
        spa_string_append(out, " ;;\n");
    }
    spa_string_append(out, "        esac ;;\n"
                           "    esac\n"
                           "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                           "}\n"
                           "complete -o default -F _sparoa sparoa\n");
}

/* ---------------------------------------------------------------- zsh */
/* Inside [...] of a specification in single quotes. */
static void put_zsh_help(spa_string *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'') {
            spa_string_append(out, "'\\''");
        } else {
            spa_string_append(out, "%s%c", strchr("[]:\\", *p) ? "\\" : "", *p);
        }
    }
}

static void put_zsh_option(spa_string *out, const spa_option_info *o)
{
    const char *source = source_of(o->name);
    spa_string_append(out, "            '*%s%s[", o->name, o->value ? "=" : "");
    put_zsh_help(out, o->help);
    spa_string_append(out, "]");
    if (o->value && source) {
        spa_string_append(out, ":%s:{compadd -- $(_sparoa_names %s)}", source, source);
    } else if (o->value && o->words[0]) {
        spa_string_append(out, ":value:(");
        for (size_t k = 0; o->words[k]; k++)
            spa_string_append(out, "%s%s", k ? " " : "", o->words[k]);
        spa_string_append(out, ")");
    } else if (o->value) {
        spa_string_append(out, ":value:_files");
    }
    spa_string_append(out, "' \\\n");
}

static void put_zsh(spa_string *out)
{
    size_t n;
    const spa_command *commands = spa_commands(&n);
    spa_string_append(out, "#compdef sparoa\n"
                           "# zsh completion for sparoa; made by: sparoa completion zsh\n"
                           "_sparoa_names() {\n"
                           "    sparoa $1 --json 2>/dev/null | grep -o '\"name\": *\"[^\"]*\"' | "
                           "cut -d'\"' -f4\n"
                           "}\n"
                           "_sparoa() {\n"
                           "    if (( CURRENT == 2 )); then\n"
                           "        local -a commands\n"
                           "        commands=(\n");
    for (size_t i = 0; i < n; i++) {
        if (!commands[i].run) continue;
        spa_string_append(out, "            '%s:", commands[i].name);
        put_zsh_help(out, commands[i].summary);
        spa_string_append(out, "'\n");
    }
    spa_string_append(out, "            'help:explain a command'\n        )\n"
                           "        _describe command commands\n        return\n    fi\n"
                           "    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n");
    for (size_t i = 0; i < n; i++) {
        if (!commands[i].run) continue;
        spa_string_append(out, "    %s)\n        _arguments \\\n", commands[i].name);
        for (size_t k = 0; k < spa_option_count(); k++) {
            spa_option_info o = spa_option_describe(k);
            if (o.commands & commands[i].bit) put_zsh_option(out, &o);
        }
        spa_string_append(out, "            '*:%s'\n        ;;\n",
                          takes_models(&commands[i])
                              ? "model:{compadd -- $(_sparoa_names models) all; _files}"
                              : "file:_files");
    }
    spa_string_append(out, "    esac\n}\n_sparoa \"$@\"\n");
}

/* ---------------------------------------------------------------- the command */
spa_status spa_cmd_completion(spa_cli *cli, spa_options *options, spa_error *err)
{
    static const char *const kinds[] = {"bash", "zsh", "man"};
    SPA_TRY(spa_cli_operands(options, 1, 1, "bash, zsh or man", err));
    const char *kind = options->operands.items[0];
    if (strcmp(kind, "bash") == 0) {
        put_bash(&cli->out);
    } else if (strcmp(kind, "zsh") == 0) {
        put_zsh(&cli->out);
    } else if (strcmp(kind, "man") == 0) {
        spa_manual_put(&cli->out);
    } else {
        return spa_cli_name_status(spa_fail_unknown(err, "kind", kind, kinds, 3), "", err);
    }
    return spa_string_ok(&cli->out, err);
}
