/* Runs the tests of the stand-in (criterion/criterion.h), each in a process of its own.
 *   run [--filter PATTERN]... [--not PATTERN]... [--list] [--verbose] [--jobs N (ignored)]
 * PATTERN is fnmatch's, on suite/name. --verbose: a line per test, with its time. */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <time.h>
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

typedef struct selection {
    const char *filters[64], *nots[64];
    size_t n_filters, n_nots;
    bool list, verbose;
} selection;

static bool matches(const char *const *patterns, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (fnmatch(patterns[i], name, 0) == 0) return true;
    return false;
}

static selection read_arguments(int argc, char **argv)
{
    selection s = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) s.list = true;
        if (strcmp(argv[i], "--verbose") == 0) s.verbose = true;
        if (i + 1 == argc) break;
        if (strcmp(argv[i], "--filter") == 0 && s.n_filters < 64)
            s.filters[s.n_filters++] = argv[++i];
        if (strcmp(argv[i], "--not") == 0 && s.n_nots < 64) s.nots[s.n_nots++] = argv[++i];
    }
    return s;
}

int main(int argc, char **argv)
{
    static const char *const words[] = {"PASS", "FAIL", "CRASH", "SKIP"};
    size_t counts[4] = {0};
    selection s = read_arguments(argc, argv);
    for (const stand_in_test *t = tests; t; t = t->next) {
        char name[512];
        if (!t->name) continue;
        snprintf(name, sizeof name, "%s/%s", t->suite, t->name);
        if (s.n_filters > 0 && !matches(s.filters, s.n_filters, name)) continue;
        if (matches(s.nots, s.n_nots, name)) continue;
        if (s.list) {
            printf("%s\n", name);
            continue;
        }
        time_t begin = time(NULL);
        verdict v = judge(t);
        counts[v]++;
        if (v != PASSES || s.verbose)
            fprintf(stderr, "[%s] %s (%ld s)\n", words[v], name, (long)(time(NULL) - begin));
    }
    if (s.list) return 0;
    printf("Synthesis: Tested: %zu | Passing: %zu | Failing: %zu | Crashing: %zu | Skipped: %zu\n",
           counts[PASSES] + counts[FAILS] + counts[CRASHES], counts[PASSES], counts[FAILS],
           counts[CRASHES], counts[SKIPS]);
    return counts[FAILS] + counts[CRASHES] > 0;
}
