#include "sim/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void release(spa_outfile *file)
{
    free(file->path);
    free(file->temporary);
    *file = (spa_outfile){0};
}

spa_status spa_outfile_open(spa_outfile *file, const char *path, spa_error *err)
{
    *file = (spa_outfile){0};
    struct stat st;
    int fd = -1;
    size_t size = strlen(path) + 48;
    SPA_TRY(spa_strdup(&file->path, path, err));
    spa_status status = spa_alloc(&file->temporary, size, 1, err);
    if (status) goto out;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        if (S_ISDIR(st.st_mode)) {
            status = spa_fail_at(err, SPA_E_IO, path, 0, "is a directory; name a file");
            goto out;
        }
        file->temporary[0] = '\0'; /* a device or a pipe: written to directly */
        fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        snprintf(file->temporary, size, "%s.tmp-%ld", path, (long)getpid());
        fd = open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (fd >= 0) file->stream = fdopen(fd, "w");
    if (!file->stream) {
        status = spa_fail_at(err, SPA_E_IO, path, 0, "cannot be written: %s", strerror(errno));
        if (fd >= 0) close(fd);
    }
out:
    if (status) release(file);
    return status;
}

spa_status spa_outfile_commit(spa_outfile *file, spa_error *err)
{
    int fault = 0;
    if (fflush(file->stream) != 0 || ferror(file->stream)) fault = errno ? errno : EIO;
    if (!fault && file->temporary[0] && fsync(fileno(file->stream)) != 0) fault = errno;
    if (fclose(file->stream) != 0 && !fault) fault = errno;
    if (!fault && file->temporary[0] && rename(file->temporary, file->path) != 0) fault = errno;
    spa_status status = SPA_OK;
    if (fault) {
        if (file->temporary[0]) unlink(file->temporary);
        status =
            spa_fail_at(err, SPA_E_IO, file->path, 0, "cannot be written: %s", strerror(fault));
    }
    release(file);
    return status;
}

void spa_outfile_abort(spa_outfile *file)
{
    if (!file->stream) return;
    fclose(file->stream);
    if (file->temporary[0]) unlink(file->temporary);
    release(file);
}

void spa_outfile_put_json(spa_outfile *file, const char *text)
{
    putc('"', file->stream);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') {
            fprintf(file->stream, "\\%c", *p);
        } else if (*p < 0x20) {
            fprintf(file->stream, "\\u%04x", *p);
        } else {
            putc(*p, file->stream);
        }
    }
    putc('"', file->stream);
}
