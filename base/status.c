#include "base/status.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE sizeof(((spa_error *)NULL)->message)
#define PATH_SHOWN   300 /* longest part of a path shown, so that the message behind it fits */

/* A message is one line: text quoted from an input may hold newlines and other control bytes. */
static void make_one_line(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f) *p = *p == '\t' ? ' ' : '?';
    }
}

/* A message cut by the buffer's end must not end in the middle of a UTF-8 character. */
static void trim_utf8(char *text, size_t length)
{
    size_t lead = length;
    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80) lead--;
    if (lead == 0) return;
    unsigned char c = (unsigned char)text[lead - 1];
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    if (length - (lead - 1) < need) text[lead - 1] = '\0';
}

static void fill(spa_error *err, spa_status status, const char *prefix, const char *fmt,
                 va_list args) SPA_PRINTF(4, 0);

static void fill(spa_error *err, spa_status status, const char *prefix, const char *fmt,
                 va_list args)
{
    /* By way of a buffer, so that a caller may wrap err->message into itself. */
    char text[MESSAGE_SIZE];
    size_t used = strlen(prefix);
    memcpy(text, prefix, used + 1);
    int length = vsnprintf(text + used, sizeof text - used, fmt, args);
    if (length < 0) snprintf(text + used, sizeof text - used, "%s", fmt);
    if (length >= 0 && (size_t)length >= sizeof text - used) trim_utf8(text, sizeof text - 1);
    make_one_line(text);
    err->status = status;
    memcpy(err->message, text, sizeof text);
}

spa_status spa_fail(spa_error *err, spa_status status, const char *fmt, ...)
{
    assert(status != SPA_OK);
    if (!err) return status;
    va_list args;
    va_start(args, fmt);
    fill(err, status, "", fmt, args);
    va_end(args);
    return status;
}

spa_status spa_fail_at(spa_error *err, spa_status status, const char *file, int line,
                       const char *fmt, ...)
{
    assert(status != SPA_OK);
    if (!err) return status;
    char prefix[PATH_SHOWN + 32];
    size_t length = strlen(file);
    const char *cut = "";
    if (length > PATH_SHOWN) { /* the end of a path says more than its beginning */
        file += length - PATH_SHOWN;
        cut = "...";
    }
    if (line > 0) {
        snprintf(prefix, sizeof prefix, "%s%s:%d: ", cut, file, line);
    } else {
        snprintf(prefix, sizeof prefix, "%s%s: ", cut, file);
    }
    va_list args;
    va_start(args, fmt);
    fill(err, status, prefix, fmt, args);
    va_end(args);
    return status;
}

spa_status spa_fail_nomem(spa_error *err, size_t bytes)
{
    return spa_fail(err, SPA_E_NOMEM,
                    "out of memory: %zu bytes were asked for; use a smaller input or free memory",
                    bytes);
}
