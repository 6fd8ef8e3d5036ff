#include "experiments/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/memory.h"

extern char **environ;

void spa_figure_fini(spa_figure *figure)
{
    spa_string_fini(&figure->data);
    spa_string_fini(&figure->commands);
}

void spa_figure_cell(spa_string *out, const char *text)
{
    spa_string_append(out, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        /* Data blocks know no escapes. */
        spa_string_append(out, "%c", c == '"' ? '\'' : c < 0x20 || c == '\\' ? '?' : c);
    }
    spa_string_append(out, "\"");
}

void spa_figure_text(spa_string *out, const char *text)
{
    spa_string_append(out, "'");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\'') {
            spa_string_append(out, "''");
        } else {
            spa_string_append(out, "%c", c < 0x20 ? ' ' : c);
        }
    }
    spa_string_append(out, "'");
}

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

spa_status spa_figure_check_name(const char *path, spa_error *err)
{
    if (ends_in(path, ".svg") || ends_in(path, ".png") || ends_in(path, ".pdf")) return SPA_OK;
    return spa_fail(err, SPA_E_USAGE, "'%.300s': figures are *.svg, *.png or *.pdf", path);
}

spa_status spa_figure_check_names(const spa_names *paths, spa_error *err)
{
    for (size_t i = 0; i < paths->count; i++) SPA_TRY(spa_figure_check_name(paths->items[i], err));
    return SPA_OK;
}

bool spa_figure_can_draw(void)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        char file[4096];
        size_t length = strcspn(path, ":");
        if (length > 0 && length < 4000) {
            snprintf(file, sizeof file, "%.*s/gnuplot", (int)length, path);
            if (access(file, X_OK) == 0) return true;
        }
        path += length + (path[length] == ':');
    }
    return false;
}

/* ---------------------------------------------------------------- running gnuplot */
/* The whole script; `output` is the file that gnuplot writes, `path` says what kind it is. */
static void compose(const spa_figure *figure, const char *path, const char *output,
                    spa_string *script)
{
    int points = figure->points ? figure->points : 10;
    double scale = figure->scale > 0 ? figure->scale : 1;
    if (ends_in(path, ".png")) {
        spa_string_append(script,
                          "set terminal pngcairo size %.0f,%.0f font 'DejaVu Sans,%d' noenhanced "
                          "fontscale %.3f linewidth %.3f pointscale %.3f\n",
                          figure->width * scale, figure->height * scale, points, scale, scale,
                          scale);
    } else if (ends_in(path, ".pdf")) {
        /* A pixel is 1/96 inch, as in SVG; the type comes out a third too large by itself. */
        spa_string_append(script,
                          "set terminal pdfcairo size %.4fin,%.4fin font 'DejaVu Sans,%d' "
                          "noenhanced fontscale 0.75 linewidth 1.5 pointscale 0.75\n",
                          figure->width / 96.0, figure->height / 96.0, points);
    } else {
        /* fontscale: SVG counts in pixels, PNG in points. */
        spa_string_append(script,
                          "set terminal svg size %d,%d font 'DejaVu Sans,%d' fontscale 1.333 "
                          "noenhanced background '#ffffff'\n",
                          figure->width, figure->height, points);
    }
    spa_string_append(script, "set encoding utf8\nset output ");
    spa_figure_text(script, output);
    spa_string_append(script, "\n%s%s", figure->data.text ? figure->data.text : "",
                      figure->commands.text ? figure->commands.text : "");
}

/* A stream that holds `text`, at its beginning; NULL = errno. */
static FILE *stream_of(const char *text, size_t size)
{
    FILE *f = tmpfile();
    if (!f) return NULL;
    if (fwrite(text, 1, size, f) == size && fflush(f) == 0) {
        rewind(f);
        lseek(fileno(f), 0, SEEK_SET);
        return f;
    }
    fclose(f);
    return NULL;
}

/* Starts gnuplot without a shell and without the user's start-up files; 0 or errno. */
static int start(FILE *script, FILE *messages, pid_t *pid)
{
    char *const argv[] = {(char *)"gnuplot", (char *)"-d", NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) return ENOMEM;
    int fault = posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
    if (!fault) {
        fault = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (!fault) {
        fault = posix_spawn_file_actions_adddup2(&actions, fileno(messages), STDERR_FILENO);
    }
    if (!fault) fault = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return fault;
}

/* What gnuplot complained of, in one line. */
static void read_messages(FILE *messages, char *text, size_t size)
{
    rewind(messages);
    size_t n = fread(text, 1, size - 1, messages);
    text[n] = '\0';
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20) *p = ' ';
    }
}

static spa_status run_gnuplot(const spa_string *script, bool *is_missing, spa_error *err)
{
    pid_t pid = 0;
    int state = 0;
    *is_missing = false;
    spa_status status = SPA_OK;
    FILE *in = stream_of(script->text, script->length), *messages = tmpfile();
    int fault = in && messages ? start(in, messages, &pid) : errno;
    if (fault) {
        *is_missing = fault == ENOENT;
        status = spa_fail(err, SPA_E_IO, "gnuplot cannot be started: %s", strerror(fault));
    } else {
        while (waitpid(pid, &state, 0) < 0 && errno == EINTR) continue;
        if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
            /* 127: some C libraries report a missing program only through the child. */
            *is_missing = WIFEXITED(state) && WEXITSTATUS(state) == 127;
            char text[400];
            read_messages(messages, text, sizeof text);
            if (WIFSIGNALED(state))
                snprintf(text, sizeof text, "ended by signal %d", WTERMSIG(state));
            status = spa_fail(err, SPA_E_IO, "gnuplot failed: %s", text);
        }
    }
    if (in) fclose(in);
    if (messages) fclose(messages);
    return status;
}

static spa_status fail_missing(const spa_figure *figure, const char *path, spa_error *err)
{
    char name[4096];
    snprintf(name, sizeof name, "%.4000s.dat", path);
    SPA_TRY(spa_write_file(name, figure->data.text, figure->data.length, err));
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "%.300s: gnuplot is not installed; install gnuplot-nox ('make deps') and run "
                    "this again; the data is in %.300s",
                    path, name);
}

spa_status spa_figure_write(const spa_figure *figure, const char *path, spa_error *err)
{
    spa_string script = {0};
    char output[4096];
    struct stat st;
    bool is_missing = false;
    SPA_TRY(spa_figure_check_name(path, err));
    SPA_TRY(spa_string_ok(&figure->data, err));
    SPA_TRY(spa_string_ok(&figure->commands, err));
    snprintf(output, sizeof output, "%.4000s.tmp-%ld", path, (long)getpid());
    /* Tells an unwritable folder before gnuplot does, in better words. */
    int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return spa_fail_at(err, SPA_E_IO, path, 0, "cannot be written: %s", strerror(errno));
    }
    close(fd);
    compose(figure, path, output, &script);
    spa_status status = spa_string_ok(&script, err);
    if (!status) status = run_gnuplot(&script, &is_missing, err);
    if (is_missing) status = fail_missing(figure, path, err);
    if (!status && (stat(output, &st) != 0 || st.st_size == 0)) {
        status = spa_fail_at(err, SPA_E_IO, path, 0, "gnuplot wrote nothing");
    }
    if (!status && rename(output, path) != 0) {
        status = spa_fail_at(err, SPA_E_IO, path, 0, "cannot be written: %s", strerror(errno));
    }
    if (status) unlink(output);
    spa_string_fini(&script);
    return status;
}
