/* Programs of others that do the same job (experiments/peers), run beside ours where they were
 * built. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/bench.h"

extern char **environ;

/* Beside the program that runs: build/release/peers/NAME. */
static bool peer_path(const char *name, char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n <= 0) return false;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    size_t room = slash ? size - (size_t)(slash - path) : 0;
    if (!slash || strlen(name) + sizeof "/peers/" > room) return false;
    snprintf(slash, room, "/peers/%s", name);
    return access(path, X_OK) == 0;
}

static bool start(char *const *argv, int to, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) return false;
    int fault = posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    if (!fault)
        fault = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (!fault) fault = posix_spawn(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return fault == 0;
}

static bool ended_well(pid_t pid)
{
    int state;
    while (waitpid(pid, &state, 0) < 0)
        if (errno != EINTR) return false;
    return WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

double bench_run_peer(const char *name, const char *const *arguments, size_t n)
{
    char path[4096], text[64] = "";
    char *argv[8] = {path};
    FILE *out;
    pid_t pid;
    double value = NAN;
    if (n > 6 || !peer_path(name, path, sizeof path)) return NAN;
    for (size_t i = 0; i < n; i++) argv[i + 1] = (char *)arguments[i];
    out = tmpfile();
    if (!out) return NAN;
    if (start(argv, fileno(out), &pid) && ended_well(pid)) {
        rewind(out);
        if (fgets(text, sizeof text, out)) value = strtod(text, NULL);
    }
    fclose(out);
    return value > 0 ? value : NAN;
}
