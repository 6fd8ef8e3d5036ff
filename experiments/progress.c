#include "experiments/progress.h"

#include <unistd.h>

#define BAR_WIDTH 40

void spa_progress_begin(spa_progress *progress, FILE *stream, bool quiet, const char *what,
                        size_t total)
{
    int fd = fileno(stream);
    bool shown = !quiet && fd >= 0 && isatty(fd);
    *progress = (spa_progress){.stream = shown ? stream : NULL, .what = what, .total = total};
    spa_progress_show(progress, 0);
}

void spa_progress_show(const spa_progress *progress, size_t done)
{
    if (!progress->stream || progress->total == 0) return;
    int filled = (int)(done * BAR_WIDTH / progress->total);
    fprintf(progress->stream, "\r\033[K[%.*s%*s] %3zu %% %s", filled,
            "########################################", BAR_WIDTH - filled, "",
            done * 100 / progress->total, progress->what);
    fflush(progress->stream);
}

void spa_progress_end(const spa_progress *progress)
{
    if (!progress->stream) return;
    fprintf(progress->stream, "\r\033[K");
    fflush(progress->stream);
}
