/* Bounded reading of sysfs attributes. What is in them is not trusted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/meter_probe.h"

static spa_status fail_errno(spa_error *err, const char *folder, const char *name, const char *what,
                             int number)
{
    char path[SPA_SYSFS_PATH], reason[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (strerror_r(number, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", number);
    if (number == EACCES || number == EPERM)
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "%s: %s; run as root, or once: sudo chmod a+r %s", what, reason, path);
    return spa_fail_at(err, number == ENOENT ? SPA_E_NOT_FOUND : SPA_E_IO, path, 0, "%s: %s", what,
                       reason);
}

spa_status spa_sysfs_open(const char *folder, const char *name, int *fd, spa_error *err)
{
    char path[SPA_SYSFS_PATH];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    *fd = -1;
    if (length < 0 || (size_t)length >= sizeof path)
        return spa_fail(err, SPA_E_RANGE, "a path of %d bytes is too long: %.100s...", length,
                        folder);
    /* O_NONBLOCK: a pipe in the place of an attribute must not block. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return fail_errno(err, folder, name, "cannot be opened", errno);
    *fd = file;
    return SPA_OK;
}

spa_status spa_sysfs_text(int fd, const char *folder, const char *name, char text[SPA_SYSFS_TEXT],
                          spa_error *err)
{
    char path[SPA_SYSFS_PATH];
    ssize_t n;
    do n = pread(fd, text, SPA_SYSFS_TEXT, 0);
    while (n < 0 && errno == EINTR);
    text[0] = n > 0 ? text[0] : '\0';
    if (n < 0) return fail_errno(err, folder, name, "cannot be read", errno);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t length = 0;
    while (length < (size_t)n && text[length] != '\n') length++;
    if (length >= SPA_SYSFS_TEXT) {
        text[0] = '\0';
        return spa_fail_at(err, SPA_E_PARSE, path, 0, "its line is longer than %d bytes",
                           SPA_SYSFS_TEXT - 1);
    }
    for (size_t i = 0; i < length; i++) {
        if ((text[i] >= ' ' && text[i] <= '~') || text[i] == '\t') continue;
        unsigned byte = (unsigned char)text[i];
        text[0] = '\0';
        return spa_fail_at(err, SPA_E_PARSE, path, 1, "byte %zu is 0x%02x: no sysfs text", i + 1,
                           byte);
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
    text[length] = '\0';
    if (length == 0) return spa_fail_at(err, SPA_E_PARSE, path, 0, "is empty");
    return SPA_OK;
}

spa_status spa_sysfs_u64(int fd, const char *folder, const char *name, uint64_t *value,
                         spa_error *err)
{
    char text[SPA_SYSFS_TEXT], path[SPA_SYSFS_PATH];
    uint64_t x = 0;
    *value = 0;
    SPA_TRY(spa_sysfs_text(fd, folder, name, text, err));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return spa_fail_at(err, SPA_E_PARSE, path, 1, "'%.40s' is not a count", text);
        if (__builtin_mul_overflow(x, (uint64_t)10, &x) ||
            __builtin_add_overflow(x, (uint64_t)(*p - '0'), &x))
            return spa_fail_at(err, SPA_E_RANGE, path, 1, "'%.40s' is too large", text);
    }
    *value = x;
    return SPA_OK;
}

spa_status spa_sysfs_i64(int fd, const char *folder, const char *name, int64_t min, int64_t max,
                         int64_t *value, spa_error *err)
{
    char text[SPA_SYSFS_TEXT], path[SPA_SYSFS_PATH];
    int64_t x = 0;
    *value = 0;
    SPA_TRY(spa_sysfs_text(fd, folder, name, text, err));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (strspn(text, "-0123456789") != strlen(text) || !spa_parse_i64(text, &x))
        return spa_fail_at(err, SPA_E_PARSE, path, 1, "'%.40s' is not a whole number", text);
    if (x < min || x > max)
        return spa_fail_at(err, SPA_E_RANGE, path, 1, "'%.40s' is not within %lld .. %lld", text,
                           (long long)min, (long long)max);
    *value = x;
    return SPA_OK;
}

spa_status spa_sysfs_read_text(const char *folder, const char *name, char text[SPA_SYSFS_TEXT],
                               spa_error *err)
{
    int fd;
    text[0] = '\0';
    SPA_TRY(spa_sysfs_open(folder, name, &fd, err));
    spa_status status = spa_sysfs_text(fd, folder, name, text, err);
    close(fd);
    return status;
}

spa_status spa_sysfs_read_u64(const char *folder, const char *name, uint64_t *value, spa_error *err)
{
    int fd;
    *value = 0;
    SPA_TRY(spa_sysfs_open(folder, name, &fd, err));
    spa_status status = spa_sysfs_u64(fd, folder, name, value, err);
    close(fd);
    return status;
}

spa_status spa_sysfs_read_i64(const char *folder, const char *name, int64_t min, int64_t max,
                              int64_t *value, spa_error *err)
{
    int fd;
    *value = 0;
    SPA_TRY(spa_sysfs_open(folder, name, &fd, err));
    spa_status status = spa_sysfs_i64(fd, folder, name, min, max, value, err);
    close(fd);
    return status;
}

/* "hwmon2" before "hwmon10": runs of digits compare by length first. */
static int by_numbers(const void *left, const void *right)
{
    const char *a = left, *b = right;
    while (*a != '\0' && *b != '\0') {
        size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
        if (n > 0 && m > 0) {
            if (n != m) return n < m ? -1 : 1;
            int order = strncmp(a, b, n);
            if (order != 0) return order;
            a += n;
            b += m;
        } else if (*a != *b) {
            break;
        } else {
            a++;
            b++;
        }
    }
    return (unsigned char)*a - (unsigned char)*b;
}

size_t spa_sysfs_list(const char *folder, const char *prefix, char (*names)[SPA_SYSFS_NAME],
                      size_t max)
{
    DIR *directory = opendir(folder);
    size_t count = 0, length = strlen(prefix);
    struct dirent *entry;
    if (directory == NULL) return 0;
    while (count < max && (entry = readdir(directory)) != NULL) {
        if (strncmp(entry->d_name, prefix, length) != 0) continue;
        if (strlen(entry->d_name) >= SPA_SYSFS_NAME) continue;
        strcpy(names[count++], entry->d_name);
    }
    closedir(directory);
    qsort(names, count, sizeof names[0], by_numbers);
    return count;
}
