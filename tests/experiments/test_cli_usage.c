/* The command line: help, options, names, exit codes. */
#include <string.h>
#include "experiments/commands.h"
#include "tests/experiments/cli.h"

#define COMPARE "compare " TINY " " TINY_DEVICE " "

Test(cli_usage, without_a_command_it_says_where_help_is)
{
    cli_expect_failure(2, "see 'sparoa --help'", "%s", "");
}

Test(cli_usage, help_goes_to_the_standard_output)
{
    static const char *const lines[] = {"--help", "help", "-h"};
    for (size_t i = 0; i < 3; i++) {
        cli_result r = cli("%s", lines[i]);
        cr_assert_eq(r.code, 0);
        cr_assert(strstr(r.out, "compare"));
        cr_assert_str_empty(r.err);
        cli_free(&r);
    }
}

Test(cli_usage, every_built_command_explains_itself)
{
    static const char *const names[] = {"models",    "devices", "policies", "batchers",
                                        "scenarios", "inspect", "simulate", "compare",
                                        "diff",      "log",     "profile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cli_result a = cli("%s --help", names[i]), b = cli("help %s", names[i]);
        cr_assert_eq(a.code, 0, "%s", a.err);
        cr_assert(strstr(a.out, "Usage: sparoa"));
        cr_assert_str_eq(a.out, b.out);
        cli_free(&a);
        cli_free(&b);
    }
}

Test(cli_usage, compare_teaches_with_examples)
{
    cli_result r = cli("compare --help");
    cr_assert(strstr(r.out, "Examples:\n  sparoa compare resnet18 --device agx-orin"));
    cr_assert(strstr(r.out, "--objective"));
    cli_free(&r);
}

Test(cli_usage, version_names_the_program)
{
    cli_result r = cli("--version");
    cr_assert_eq(r.code, 0);
    cr_assert_eq(strncmp(r.out, "sparoa ", 7), 0);
    cli_free(&r);
}

/* Options are given to commands by bits: two commands with one bit would share them. */
Test(cli_usage, every_command_has_a_bit_of_its_own)
{
    size_t n;
    const spa_command *all = spa_commands(&n);
    unsigned seen = 0;
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(seen & all[i].bit, 0, "%s", all[i].name);
        seen |= all[i].bit;
    }
}

Test(cli_usage, every_command_of_the_table_is_built)
{
    size_t count;
    const spa_command *all = spa_commands(&count);
    for (size_t i = 0; i < count; i++)
        cr_assert(all[i].run != NULL && all[i].bit != 0, "%s", all[i].name);
}

Test(cli_usage, unknown_names_suggest_the_nearest)
{
    cli_expect_failure(2, "unknown command 'compair'; did you mean 'compare'?", "compair");
    cli_expect_failure(2, "unknown option '--polcy'; did you mean '--policy'?",
                       COMPARE "--polcy heft");
    cli_expect_failure(2, "unknown policy 'hefty'; did you mean 'heft'?", COMPARE "--policy hefty");
    cli_expect_failure(2, "unknown model 'resnet19'; did you mean 'resnet18'?",
                       "compare resnet19 " TINY_DEVICE);
    cli_expect_failure(2, "unknown device 'agx-orim'; did you mean 'agx-orin'?",
                       "compare " TINY " --device agx-orim");
    cli_expect_failure(2, "did you mean 'synthetic'?", COMPARE "--stack synthetik");
    cli_expect_failure(2, "did you mean 'sparsity'?", COMPARE "--policy threshold:sparsty=0.5");
    cli_expect_failure(2, "known: single, closed", COMPARE "--scenario zzz");
    cli_expect_failure(2, "unknown batcher 'greedy'; known: none", COMPARE "--batcher greedy");
}

Test(cli_usage, malformed_options_are_one_message_and_no_result)
{
    cli_expect_failure(2, "--noise: unknown value 'maybe'", COMPARE "--noise=maybe");
    cli_expect_failure(2, "--reps: '0' is out of range", COMPARE "--reps 0");
    cli_expect_failure(2, "--reps: 'x'", COMPARE "--reps x");
    cli_expect_failure(2, "--reps needs a value", COMPARE "--reps");
    cli_expect_failure(2, "--reps needs a value", COMPARE "--reps --json");
    cli_expect_failure(2, "--reps needs a value", COMPARE "--reps=");
    cli_expect_failure(2, "--reps is given twice", COMPARE "--reps 2 --reps 2");
    cli_expect_failure(2, "--json takes no value", COMPARE "--json=yes");
    cli_expect_failure(2, "--policy: an empty name", COMPARE "--policy heft,,dp");
    cli_expect_failure(2, "--max-memory: 'lots'", COMPARE "--max-memory lots");
    cli_expect_failure(2, "--max-memory: '9999999999G'", COMPARE "--max-memory 9999999999G");
    cli_expect_failure(2, "--dtype: unknown value 'fp8'", COMPARE "--dtype fp8");
    cli_expect_failure(2, "--missing: unknown value 'zero'", COMPARE "--missing=zero");
}

Test(cli_usage, options_of_another_command_are_refused)
{
    cli_expect_failure(2, "'models' takes no --stack", "models --stack ncnn");
    cli_expect_failure(2, "'compare' takes no --gantt", COMPARE "--gantt x.svg");
}

Test(cli_usage, operands_are_counted)
{
    cli_expect_failure(2, "needs a model", "compare " TINY_DEVICE);
    cli_expect_failure(2, "'compare' needs --device", "compare " TINY);
    cli_expect_failure(2, "'models' takes no 'x'", "models x");
    cli_expect_failure(2, "needs two event logs", "diff a.slog");
    cli_expect_failure(2, "not also 'c.slog'", "diff a.slog b.slog c.slog");
    cli_expect_failure(2, "takes one --device and one --policy", "simulate " TINY " " TINY_DEVICE);
    cli_expect_failure(2, "takes one --device and one --policy",
                       "simulate " TINY " " TINY_DEVICE " --policy heft,dp");
    cli_expect_failure(2, "need --device", "inspect " TINY " --stack synthetic");
    cli_expect_failure(2, "needs --lanes", "profile " TINY " -o x");
    cli_expect_failure(2, "needs -o DIR", "profile " TINY " --lanes cpu:0=blas");
}

Test(cli_usage, a_value_may_follow_or_be_joined)
{
    cli_result a = cli(COMPARE "--policy heft --reps 3 --noise on --quiet");
    cli_result b = cli(COMPARE "--policy=heft --reps=3 --noise=on --quiet");
    cr_assert_eq(a.code, 0, "%s", a.err);
    cr_assert_eq(b.code, 0, "%s", b.err);
    cli_free(&a);
    cli_free(&b);
}

Test(cli_usage, two_dashes_end_the_options)
{
    cli_expect_failure(2, "unknown model '--json'", "compare " TINY_DEVICE " -- --json");
}

Test(cli_usage, a_graph_file_fixes_batch_and_dtype)
{
    cli_expect_failure(2, "is for batch 1 in fp32", COMPARE "--batch 4");
    cli_expect_failure(2, "is for batch 1 in fp32", COMPARE "--dtype fp16");
    cli_result r = cli(COMPARE "--batch 1 --dtype fp32 --policy heft");
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
}

Test(cli_usage, missing_files_are_failures_not_wrong_usage)
{
    cli_expect_failure(1, "nope.graph.csv", "compare nope.graph.csv " TINY_DEVICE);
    cli_expect_failure(1, "nope.slog", "diff nope.slog nope.slog");
    cli_expect_failure(1, "nope.scenario", COMPARE "--scenario nope.scenario");
}

Test(cli_usage, less_memory_than_kernels_need_is_refused)
{
    cli_expect_failure(2, "--max-memory", "validate resnet18 --lanes cpu:0=blas --max-memory 511M");
    cli_expect_failure(2, "--max-memory",
                       "profile resnet18 --lanes cpu:0=blas -o nowhere --max-memory 30M");
}

Test(cli_usage, too_little_memory_is_a_clean_failure)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("the sanitizer itself dies without memory");
#endif
    cli_expect_failure(1, "--max-memory", COMPARE "--max-memory 1K");
    cli_result r = cli(COMPARE "--policy heft"); /* the limit is gone again */
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
}

Test(cli_usage, version_says_with_what_it_was_built)
{
    cli_result r = cli("--version");
    cr_assert(strstr(r.out, "\n  build: "), "%s", r.out);
    cr_assert(strstr(r.out, "\n  cuda: "), "%s", r.out);
    cr_assert(strstr(r.out, "\n  interfaces: plug-ins 1"), "%s", r.out);
    cli_free(&r);
}

Test(cli_usage, completions_and_the_manual_know_every_command_and_option)
{
    static const char *const kinds[] = {"bash", "zsh", "man"};
    for (size_t i = 0; i < 3; i++) {
        cli_result r = cli("completion %s", kinds[i]), help = cli("compare --help");
        cr_assert_eq(r.code, 0, "%s", r.err);
        cr_assert(strstr(r.out, "compare") && strstr(r.out, "calibrate"));
        for (const char *p = strstr(help.out, "\n  --"); p; p = strstr(p + 1, "\n  --")) {
            char name[64] = "", *to = name; /* as roff writes it, in the manual */
            for (const char *c = p + 3; *c != ' ' && to < name + sizeof name - 2; c++) {
                if (*c == '-' && i == 2) *to++ = '\\';
                *to++ = *c;
            }
            cr_assert(strstr(r.out, name), "%s: no %s", kinds[i], name);
        }
        cli_free(&help);
        cli_free(&r);
    }
    cli_expect_failure(2, "unknown kind 'fish'", "completion fish");
}
