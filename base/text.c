#define _XOPEN_SOURCE 700 /* realpath */
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/memory.h"

/* ---------------------------------------------------------------- names */
#define NAME_BYTES 127

/* The C library's tolower follows the locale; names are ASCII. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance in its "optimal string alignment" form: insertions, deletions,
 * replacements and swaps of neighbours. Both names have at most NAME_BYTES bytes. O(n*m). */
static int name_distance(const char *a, const char *b)
{
    int n = (int)strlen(a), m = (int)strlen(b);
    int rows[3][NAME_BYTES + 1];
    int *two_up = rows[0], *up = rows[1], *row = rows[2];
    for (int j = 0; j <= m; j++) up[j] = j;
    for (int i = 1; i <= n; i++) {
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            char ca = lower(a[i - 1]), cb = lower(b[j - 1]);
            int best = least(up[j - 1] + (ca != cb), least(up[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && ca == lower(b[j - 2]) && lower(a[i - 2]) == cb) {
                best = least(best, two_up[j - 2] + 1);
            }
            row[j] = best;
        }
        int *spare = two_up;
        two_up = up;
        up = row;
        row = spare;
    }
    return up[m];
}

int spa_nearest_name(const char *name, const char *const *names, size_t count)
{
    size_t length = strlen(name);
    if (length > NAME_BYTES) return -1;
    int found = -1, nearest = 2 + (int)length / 3; /* nearer than this is near */
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) > NAME_BYTES) continue;
        int distance = name_distance(name, names[i]);
        if (distance < nearest) {
            nearest = distance;
            found = (int)i;
        }
    }
    return found;
}

spa_status spa_fail_unknown(spa_error *err, const char *what, const char *name,
                            const char *const *names, size_t count)
{
    int near = spa_nearest_name(name, names, count);
    if (near >= 0) {
        return spa_fail(err, SPA_E_NOT_FOUND, "unknown %s '%.200s'; did you mean '%s'?", what, name,
                        names[near]);
    }
    if (count == 0) {
        return spa_fail(err, SPA_E_NOT_FOUND, "unknown %s '%.200s'; there is none to choose from",
                        what, name);
    }
    char list[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t room = sizeof list - sizeof ", ..." - used;
        int n = snprintf(list + used, room, "%s%s", i ? ", " : "", names[i]);
        if (n < 0 || (size_t)n >= room) {
            memcpy(list + used, ", ...", sizeof ", ...");
            break;
        }
        used += (size_t)n;
    }
    return spa_fail(err, SPA_E_NOT_FOUND, "unknown %s '%.200s'; known: %s", what, name, list);
}

/* ---------------------------------------------------------------- numbers */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal number in pieces: digits with the point removed, times 10^exponent. */
typedef struct decimal {
    bool negative;
    const char *digits; /* n_digits digits, a point possibly among them */
    size_t n_digits;
    long exponent;
} decimal;

/* [+-] digits [. digits] [e [+-] digits], and nothing else: strtod alone would also take blanks,
 * hexadecimal, "inf" and "nan". */
static bool scan_decimal(const char *p, decimal *d)
{
    *d = (decimal){0};
    if (*p == '+' || *p == '-') d->negative = *p++ == '-';
    d->digits = p;
    for (; is_digit(*p); p++) d->n_digits++;
    if (*p == '.') {
        for (p++; is_digit(*p); p++) {
            d->n_digits++;
            d->exponent--;
        }
    }
    if (d->n_digits == 0) return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        bool negative = *p == '-';
        if (*p == '+' || *p == '-') p++;
        if (!is_digit(*p)) return false;
        long exponent = 0;
        for (; is_digit(*p); p++) {
            if (exponent < 1000000) exponent = exponent * 10 + (*p - '0');
        }
        d->exponent += negative ? -exponent : exponent;
    }
    return *p == '\0';
}

bool spa_parse_double(const char *text, double *out)
{
    decimal d;
    if (!scan_decimal(text, &d)) return false;
    char *end = NULL;
    errno = 0;
    double x = strtod(text, &end);
    /* A locale with another decimal point would stop strtod early: refuse, never misread. */
    if (*end != '\0' || !isfinite(x)) return false;
    if (errno == ERANGE && x == 0) return false; /* not zero, but too small for a double */
    *out = x;
    return true;
}

/* Exact in decimal: by way of double, 9007199254740993 or 1.0000000000000000001e18 would be
 * rounded to a neighbour without a word. */
bool spa_parse_i64(const char *text, int64_t *out)
{
    decimal d;
    if (!scan_decimal(text, &d)) return false;
    int64_t value = 0; /* kept negative: INT64_MIN has no positive counterpart */
    const char *p = d.digits;
    long zeros = 0; /* zeros read but not yet multiplied in */
    for (size_t i = 0; i < d.n_digits; p++) {
        if (*p == '.') continue;
        i++;
        zeros++;
        if (*p == '0') continue;
        for (; zeros > 0 && value != 0; zeros--) {
            if (!spa_mul_i64(value, 10, &value)) return false;
        }
        zeros = 0;
        if (!spa_add_i64(value, -(*p - '0'), &value)) return false;
    }
    zeros += d.exponent; /* trailing zeros pay for a negative exponent: 1500e-2 is 15 */
    if (value != 0) {
        if (zeros < 0) return false;
        for (; zeros > 0; zeros--) {
            if (!spa_mul_i64(value, 10, &value)) return false;
        }
        if (!d.negative && !spa_mul_i64(value, -1, &value)) return false;
    }
    *out = value;
    return true;
}

static spa_status fail_bounds(spa_error *err, const char *text, double min, double max)
{
    if (max == INFINITY) {
        return spa_fail(err, SPA_E_RANGE, "'%.60s' is too small; write %.15g or more", text, min);
    }
    if (min == -INFINITY) {
        return spa_fail(err, SPA_E_RANGE, "'%.60s' is too large; write %.15g or less", text, max);
    }
    return spa_fail(err, SPA_E_RANGE, "'%.60s' is out of range; write a number from %.15g to %.15g",
                    text, min, max);
}

spa_status spa_parse_double_in(const char *text, double min, double max, double *out,
                               spa_error *err)
{
    double x = 0;
    *out = 0;
    if (!spa_parse_double(text, &x)) {
        return spa_fail(err, SPA_E_PARSE, "'%.60s' is not a number; write one like 2.5 or 1e8",
                        text);
    }
    if (x < min || x > max) return fail_bounds(err, text, min, max);
    *out = x;
    return SPA_OK;
}

spa_status spa_parse_i64_in(const char *text, int64_t min, int64_t max, int64_t *out,
                            spa_error *err)
{
    int64_t x = 0;
    *out = 0;
    if (!spa_parse_i64(text, &x)) {
        return spa_fail(err, SPA_E_PARSE, "'%.60s' is not a whole number; write one like 12 or 1e8",
                        text);
    }
    if (x < min || x > max) {
        return fail_bounds(err, text, min == INT64_MIN ? -INFINITY : (double)min,
                           max == INT64_MAX ? INFINITY : (double)max);
    }
    *out = x;
    return SPA_OK;
}

/* ---------------------------------------------------------------- files */
static spa_status fail_errno(spa_error *err, const char *path, const char *what, int number)
{
    char reason[128];
    if (strerror_r(number, reason, sizeof reason) != 0) {
        snprintf(reason, sizeof reason, "error %d", number);
    }
    return spa_fail_at(err, SPA_E_IO, path, 0, "%s: %s", what, reason);
}

spa_status spa_check_no_nul(const char *path, const char *text, size_t size, spa_error *err)
{
    const char *nul = size ? memchr(text, '\0', size) : NULL;
    if (!nul) return SPA_OK;
    int line = 1;
    for (const char *p = text; p < nul; p++) line += *p == '\n';
    return spa_fail_at(err, SPA_E_PARSE, path, line,
                       "a NUL byte: this is no text file, or it is not UTF-8; save it as UTF-8");
}

static spa_status fail_large(spa_error *err, const char *path, size_t max_bytes)
{
    return spa_fail_at(err, SPA_E_RANGE, path, 0,
                       "larger than the %zu bytes allowed here; split the file", max_bytes);
}

spa_status spa_read_file(const char *path, size_t max_bytes, bool binary, char **text, size_t *size,
                         spa_error *err)
{
    spa_status status = SPA_OK;
    char *buffer = NULL;
    size_t capacity = 0, used = 0, need = 4096;
    struct stat st;
    *text = NULL;
    *size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, path, "cannot be opened", errno);
    if (fstat(fd, &st) != 0) {
        status = fail_errno(err, path, "cannot be examined", errno);
        goto out;
    }
    if (S_ISDIR(st.st_mode)) {
        status = spa_fail_at(err, SPA_E_IO, path, 0, "is a directory; name a file");
        goto out;
    }
    if (S_ISREG(st.st_mode)) {
        if ((uintmax_t)st.st_size > max_bytes) {
            status = fail_large(err, path, max_bytes);
            goto out;
        }
        need = (size_t)st.st_size + 2; /* one for the NUL, one to see the end */
    }
    for (;;) {
        status = spa_grow(&buffer, &capacity, need, 1, err);
        if (status) goto out;
        ssize_t n = read(fd, buffer + used, capacity - used - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = fail_errno(err, path, "cannot be read", errno);
            goto out;
        }
        if (n == 0) break;
        used += (size_t)n;
        if (used > max_bytes) {
            status = fail_large(err, path, max_bytes);
            goto out;
        }
        if (capacity - used < 2) need = used + 2;
    }
    buffer[used] = '\0';
    if (!binary) status = spa_check_no_nul(path, buffer, used, err);
out:
    close(fd);
    if (status) {
        free(buffer);
        return status;
    }
    *text = buffer;
    *size = used;
    return SPA_OK;
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* A device or a pipe cannot be replaced by renaming (and /dev/null must not be). */
static spa_status write_special(const char *path, const void *data, size_t size, spa_error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, path, "cannot be opened for writing", errno);
    int fault = write_all(fd, data, size);
    if (close(fd) != 0 && fault == 0) fault = errno;
    return fault ? fail_errno(err, path, "cannot be written", fault) : SPA_OK;
}

/* Creates "<path>.tmp-<pid>-<n>". mkstemp would give it mode 0600 whatever the umask. */
static int open_temporary(const char *path, char *name, size_t size)
{
    for (unsigned n = 0; n < 10000; n++) {
        snprintf(name, size, "%s.tmp-%ld-%u", path, (long)getpid(), n);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static spa_status replace_file(const char *path, mode_t mode, const void *data, size_t size,
                               spa_error *err)
{
    size_t name_size = strlen(path) + 64;
    char *name = NULL;
    SPA_TRY(spa_alloc(&name, name_size, 1, err));
    spa_status status = SPA_OK;
    int fd = open_temporary(path, name, name_size);
    if (fd < 0) {
        status = fail_errno(err, path, "cannot be created", errno);
        goto out;
    }
    int fault = write_all(fd, data, size);
    if (fault == 0 && mode != 0 && fchmod(fd, mode) != 0) fault = errno;
    if (fault == 0 && fsync(fd) != 0) fault = errno;
    if (close(fd) != 0 && fault == 0) fault = errno;
    if (fault == 0 && rename(name, path) != 0) fault = errno;
    if (fault) {
        unlink(name);
        status = fail_errno(err, path, "cannot be written", fault);
    }
out:
    free(name);
    return status;
}

spa_status spa_write_file(const char *path, const void *data, size_t size, spa_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) return replace_file(path, 0, data, size, err);
    bool is_link = S_ISLNK(st.st_mode);
    if (is_link && stat(path, &st) != 0) {
        return fail_errno(err, path, "is a link that cannot be followed", errno);
    }
    if (S_ISDIR(st.st_mode)) {
        return spa_fail_at(err, SPA_E_IO, path, 0, "is a directory; name a file");
    }
    if (!S_ISREG(st.st_mode)) return write_special(path, data, size, err);
    char *target = is_link ? realpath(path, NULL) : NULL;
    if (is_link && !target) return fail_errno(err, path, "cannot be resolved", errno);
    /* The new file keeps the old one's permissions. */
    spa_status status = replace_file(target ? target : path, st.st_mode & 07777, data, size, err);
    free(target);
    return status;
}

/* Makes one directory; one that exists is fine. */
static spa_status make_dir(const char *path, spa_error *err)
{
    if (mkdir(path, 0777) == 0) return SPA_OK;
    int fault = errno;
    struct stat st;
    if (stat(path, &st) != 0) return fail_errno(err, path, "directory cannot be made", fault);
    if (S_ISDIR(st.st_mode)) return SPA_OK;
    return spa_fail_at(err, SPA_E_IO, path, 0, "exists and is not a directory");
}

spa_status spa_make_dirs(const char *path, spa_error *err)
{
    char *part = NULL;
    SPA_TRY(spa_strdup(&part, path, err));
    spa_status status = SPA_OK;
    for (char *p = part; *p && !status; p++) {
        if (*p != '/' || p == part) continue;
        *p = '\0';
        status = make_dir(part, err);
        *p = '/';
    }
    if (!status) status = make_dir(part, err);
    free(part);
    return status;
}

/* ---------------------------------------------------------------- growable string */
void spa_string_append(spa_string *s, const char *fmt, ...)
{
    if (s->failed) return;
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    size_t need = 0;
    if (n < 0 || !spa_add_size(s->length, (size_t)n + 1, &need) ||
        spa_grow(&s->text, &s->capacity, need, 1, NULL) != SPA_OK) {
        s->failed = true;
    } else {
        vsnprintf(s->text + s->length, (size_t)n + 1, fmt, again);
        s->length += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

spa_status spa_string_ok(const spa_string *s, spa_error *err)
{
    return s->failed ? spa_fail_nomem(err, s->capacity) : SPA_OK;
}

void spa_string_fini(spa_string *s)
{
    free(s->text);
    *s = (spa_string){0};
}

/* Fowler, Noll, Vo: FNV-1a, 64 bits. */
uint64_t spa_hash_bytes(uint64_t seed, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t h = seed;
    for (size_t i = 0; i < size; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}
