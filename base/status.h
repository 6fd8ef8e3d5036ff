/* Status codes and error messages.
 *
 * What can fail returns a spa_status and takes a spa_error as its last parameter. The error is
 * filled once, where the fault is found, and names the *input* at fault (file, line) when there
 * is one. Passing NULL for the error is allowed everywhere. */
#ifndef SPA_BASE_STATUS_H
#define SPA_BASE_STATUS_H

#include <stddef.h>

#if defined(__GNUC__)
#define SPA_API          __attribute__((visibility("default")))
#define SPA_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define SPA_API
#define SPA_PRINTF(f, a)
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spa_status {
    SPA_OK = 0,
    SPA_E_NOMEM,       /* an allocation failed */
    SPA_E_INVALID,     /* an argument or a value in an input is not allowed */
    SPA_E_PARSE,       /* a file or text does not have the form it must have */
    SPA_E_IO,          /* reading or writing failed */
    SPA_E_NOT_FOUND,   /* an unknown name; the message names the nearest valid one */
    SPA_E_RANGE,       /* a number is outside its bounds, or arithmetic would overflow */
    SPA_E_UNSUPPORTED, /* valid, but this build or this object cannot do it */
    SPA_E_ILLEGAL,     /* a policy asked for something that is not possible */
    SPA_E_USAGE,       /* wrong use of the command line (exit code 2) */
    SPA_E_INTERRUPTED  /* the user stopped it */
} spa_status;

typedef struct spa_error {
    spa_status status;
    char message[768]; /* "FILE:LINE: what is wrong; what to do", without a newline */
} spa_error;

/* Fills *err (may be NULL) and returns `status`. */
SPA_API spa_status spa_fail(spa_error *err, spa_status status, const char *fmt, ...)
    SPA_PRINTF(3, 4);

/* The same with the place of the fault in front: "file:line: ..." (line 0 = whole file). */
SPA_API spa_status spa_fail_at(spa_error *err, spa_status status, const char *file, int line,
                               const char *fmt, ...) SPA_PRINTF(5, 6);

/* "out of memory" with the size that was asked for. */
SPA_API spa_status spa_fail_nomem(spa_error *err, size_t bytes);

/* Returns from the calling function if `expr` is not SPA_OK. */
#define SPA_TRY(expr)                                                                              \
    do {                                                                                           \
        spa_status spa_try_status_ = (expr);                                                       \
        if (spa_try_status_ != SPA_OK) return spa_try_status_;                                     \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
