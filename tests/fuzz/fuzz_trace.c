/* Trace folders: the input is its files one after another, each behind a line "@@ name". What is
 * read is written to another folder and must be read there again and write the same bytes. */
#include "tests/fuzz/fuzz.h"
#include "traces/trace.h"

enum { TRACE_FILES = 5 };
static const char *const trace_names[TRACE_FILES] = {"meta.ini", "m.graph.csv", "m.costs.csv",
                                                     "links.csv", "response.csv"};

static void unpack(const char *folder, const char *text)
{
    const char *at = text;
    while (at && (at = strstr(at, "@@ "))) {
        const char *name = at + 3, *body = strchr(at, '\n'), *next;
        if (!body) return;
        next = strstr(++body, "@@ ");
        for (int i = 0; i < TRACE_FILES; i++) {
            char path[512];
            size_t n = strlen(trace_names[i]);
            if ((size_t)(body - 1 - name) != n || memcmp(name, trace_names[i], n) != 0) continue;
            snprintf(path, sizeof path, "%s/%s", folder, trace_names[i]);
            fuzz_put(path, body, next ? (size_t)(next - body) : strlen(body));
        }
        at = next;
    }
}

static void remove_trace(const char *folder)
{
    for (int i = 0; i < TRACE_FILES; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, trace_names[i]);
        remove(path);
    }
    rmdir(folder);
}

/* The files of two folders are equal. */
static void compare_folders(const char *a, const char *b)
{
    for (int i = 0; i < TRACE_FILES; i++) {
        char path[2][512], *text[2] = {NULL, NULL};
        size_t size[2] = {0, 0};
        snprintf(path[0], sizeof path[0], "%s/%s", a, trace_names[i]);
        snprintf(path[1], sizeof path[1], "%s/%s", b, trace_names[i]);
        for (int k = 0; k < 2; k++)
            (void)spa_read_file(path[k], 1 << 24, true, &text[k], &size[k], NULL);
        FUZZ_CHECK(!text[0] == !text[1] && size[0] == size[1] &&
                       (!size[0] || memcmp(text[0], text[1], size[0]) == 0),
                   "%s differs:\n%s\n----\n%s", trace_names[i], text[0] ? text[0] : "(none)",
                   text[1] ? text[1] : "(none)");
        free(text[0]);
        free(text[1]);
    }
}

static void write_again(const spa_trace *trace, const char *first, const char *second)
{
    spa_trace again;
    spa_error err = {0};
    for (size_t i = 0; i < trace->n_models; i++) /* only the names that remove_trace knows */
        if (strcmp(trace->models[i].name, "m") != 0) return;
    spa_status status = spa_trace_write(trace, first, &err);
    /* INI files may hold control characters, which the writer refuses. */
    if (status == SPA_E_INVALID && strstr(err.message, "does not fit one INI value")) return;
    FUZZ_CHECK(status == SPA_OK, "%s", err.message);
    FUZZ_CHECK(!spa_trace_read(&again, first, NULL, &err), "%s", err.message);
    FUZZ_CHECK(!spa_trace_write(&again, second, &err), "%s", err.message);
    compare_folders(first, second);
    spa_trace_fini(&again);
}

FUZZ_TARGET(fuzz_trace)
{
    char folders[3][128];
    spa_trace trace;
    spa_error err = {0};
    char *text = fuzz_text(data, size);
    for (int i = 0; i < 3; i++) fuzz_path(folders[i], (const char *const[]){"t0", "t1", "t2"}[i]);
    mkdir(folders[0], 0700);
    unpack(folders[0], text);
    spa_status status = spa_trace_read(&trace, folders[0], NULL, &err);
    if (status) {
        fuzz_error(status, &err);
    } else {
        write_again(&trace, folders[1], folders[2]);
        spa_trace_fini(&trace);
    }
    for (int i = 0; i < 3; i++) remove_trace(folders[i]);
    fuzz_clean(NULL, 0);
    free(text);
    return 0;
}
