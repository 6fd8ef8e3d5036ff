/* Runs the tests of the stand-in (criterion/criterion.h), each in a process of its own.
 *   run [--filter PATTERN]... [--list] [--jobs N (ignored)]      PATTERN: "suite*|name*" as fnmatch
 * on suite/name */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77
#define FAILED  76

static stand_in_test *tests, **end = &tests;
static bool failed; /* of this test */

void stand_in_add(stand_in_test *test)
{
    *end = test;
    end = &test->next;
}

void stand_in_fail(bool fatal, const char *file, int line, const char *what, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "%s:%d: failed: %s ", file, line, what);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    putc('\n', stderr);
    failed = true;
    if (fatal) exit(FAILED);
}

void stand_in_skip(const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "skipped: ");
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    putc('\n', stderr);
    exit(SKIPPED);
}

static const stand_in_options *suite_of(const stand_in_test *t)
{
    static const stand_in_options none;
    for (const stand_in_test *s = tests; s; s = s->next)
        if (!s->name && strcmp(s->suite, t->suite) == 0) return &s->options;
    return &none;
}

static void run(const stand_in_test *t)
{
    const stand_in_options *suite = suite_of(t);
    if (suite->init) suite->init();
    if (t->options.init) t->options.init();
    t->run();
    if (t->options.fini) t->options.fini();
    if (suite->fini) suite->fini();
    exit(failed ? FAILED : 0);
}

typedef enum verdict { PASSES, FAILS, CRASHES, SKIPS } verdict;

static verdict judge(const stand_in_test *t)
{
    int state = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) run(t);
    if (child < 0 || waitpid(child, &state, 0) != child) return CRASHES;
    if (WIFSIGNALED(state)) return WTERMSIG(state) == t->options.signal ? PASSES : CRASHES;
    if (t->options.signal) return FAILS;
    if (WEXITSTATUS(state) == SKIPPED) return SKIPS;
    return WEXITSTATUS(state) == t->options.exit_code ? PASSES : FAILS;
}

int main(int argc, char **argv)
{
    static const char *const words[] = {"", "FAIL", "CRASH", "SKIP"};
    size_t counts[4] = {0};
    bool list = false;
    const char *filters[64];
    size_t n_filters = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) list = true;
        if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc && n_filters < 64)
            filters[n_filters++] = argv[++i];
    }
    for (const stand_in_test *t = tests; t; t = t->next) {
        char name[512];
        if (!t->name) continue;
        snprintf(name, sizeof name, "%s/%s", t->suite, t->name);
        bool wanted = n_filters == 0;
        for (size_t i = 0; i < n_filters; i++) wanted |= fnmatch(filters[i], name, 0) == 0;
        if (!wanted) continue;
        if (list) {
            printf("%s\n", name);
            continue;
        }
        verdict v = judge(t);
        counts[v]++;
        if (v != PASSES) fprintf(stderr, "[%s] %s\n", words[v], name);
    }
    if (!list)
        printf(
            "Synthesis: Tested: %zu | Passing: %zu | Failing: %zu | Crashing: %zu | Skipped: %zu\n",
            counts[PASSES] + counts[FAILS] + counts[CRASHES], counts[PASSES], counts[FAILS],
            counts[CRASHES], counts[SKIPS]);
    return counts[FAILS] + counts[CRASHES] > 0;
}
