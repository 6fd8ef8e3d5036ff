#include "experiments/manual.h"

#include <string.h>
#include "experiments/commands.h"
#include "experiments/version.h"

/* Text as roff reads it: no macro at the start of a line, hyphens as they are typed. */
static void put_text(spa_string *out, const char *text)
{
    bool starts = true;
    for (const char *p = text; *p; p++) {
        if (starts && (*p == '.' || *p == '\'')) spa_string_append(out, "\\&");
        if (*p == '\\') {
            spa_string_append(out, "\\e");
        } else if (*p == '-') {
            spa_string_append(out, "\\-");
        } else {
            spa_string_append(out, "%c", *p);
        }
        starts = *p == '\n';
    }
}

static void put_command(spa_string *out, const spa_command *c)
{
    spa_string_append(out, ".SS sparoa %s ", c->name);
    put_text(out, c->operands);
    spa_string_append(out, "\n");
    put_text(out, c->summary);
    spa_string_append(out, ".\n");
    if (c->details) {
        spa_string_append(out, ".PP\n.nf\n");
        put_text(out, c->details);
        spa_string_append(out, ".fi\n");
    }
}

/* The commands that take an option; nothing where all do. */
static void put_takers(spa_string *out, unsigned bits)
{
    size_t n;
    const spa_command *commands = spa_commands(&n);
    const char *between = "(";
    if (bits == ~0u) return;
    for (size_t i = 0; i < n; i++) {
        if (!commands[i].run || !(commands[i].bit & bits)) continue;
        spa_string_append(out, "%s%s", between, commands[i].name);
        between = ", ";
    }
    spa_string_append(out, ")\n");
}

static void put_options(spa_string *out)
{
    spa_string_append(out, ".SH OPTIONS\n");
    for (size_t i = 0; i < spa_option_count(); i++) {
        spa_option_info o = spa_option_describe(i);
        spa_string_append(out, ".TP\n.B ");
        put_text(out, o.name);
        if (o.value) {
            spa_string_append(out, " \\fI");
            put_text(out, o.value);
            spa_string_append(out, "\\fR");
        }
        spa_string_append(out, "\n");
        put_text(out, o.help);
        spa_string_append(out, "\n");
        put_takers(out, o.commands);
    }
}

void spa_manual_put(spa_string *out)
{
    size_t n;
    const spa_command *commands = spa_commands(&n);
    spa_string_append(out,
                      ".TH SPAROA 1 \"\" \"sparoa %s\" \"User Commands\"\n"
                      ".SH NAME\nsparoa \\- simulate and compare how DNN inference is scheduled on "
                      "CPU and GPU\n"
                      ".SH SYNOPSIS\n.B sparoa\n.I COMMAND\n[\\fIOPTIONS\\fR]\n"
                      ".SH DESCRIPTION\n"
                      "Operators of real models with measured or modelled costs, a discrete-event "
                      "engine, and scheduling policies side by side.\n"
                      ".SH COMMANDS\n",
                      spa_version());
    for (size_t i = 0; i < n; i++)
        if (commands[i].run) put_command(out, &commands[i]);
    put_options(out);
    spa_string_append(out,
                      ".SH ENVIRONMENT\n.TP\n.B SPAROA_DATA\n"
                      "the folder that holds devices/data and traces/data, if not beside the "
                      "program\n"
                      ".SH EXIT STATUS\n0: done; 1: failed; 2: wrong usage. diff: 1 = the logs "
                      "differ. policies \\-\\-check: 1 = a policy failed.\n");
}
