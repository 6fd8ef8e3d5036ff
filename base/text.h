/* Text: nearest names, strict number parsing, whole files in and out. */
#ifndef SPA_BASE_TEXT_H
#define SPA_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Index of the name nearest to `name` (Damerau-Levenshtein, case-insensitive), or -1 when nothing
 * is near (distance > 1 + length/3, or over 127 bytes). The first of equally near ones. */
SPA_API int spa_nearest_name(const char *name, const char *const *names, size_t count);

/* SPA_E_NOT_FOUND: "unknown <what> 'x'; did you mean 'y'?" or, when nothing is near,
 * "unknown <what> 'x'; known: a, b, c". */
SPA_API spa_status spa_fail_unknown(spa_error *err, const char *what, const char *name,
                                    const char *const *names, size_t count);

/* Whole-string number parsing: no trailing text, no NaN or infinity, no overflow. Accepts 1e8 for
 * integers when the value is integral. False = not a number; *out untouched. */
SPA_API bool spa_parse_double(const char *text, double *out);
SPA_API bool spa_parse_i64(const char *text, int64_t *out);
/* The same within inclusive bounds, with a message that quotes the text and says what is wrong
 * and what to write, without a place: SPA_E_PARSE or SPA_E_RANGE; *out is then 0. */
SPA_API spa_status spa_parse_double_in(const char *text, double min, double max, double *out,
                                       spa_error *err);
SPA_API spa_status spa_parse_i64_in(const char *text, int64_t min, int64_t max, int64_t *out,
                                    spa_error *err);

/* SPA_E_PARSE with the line when there is a NUL byte in a text file's content. */
SPA_API spa_status spa_check_no_nul(const char *path, const char *text, size_t size,
                                    spa_error *err);

/* Reads a whole file (at most max_bytes) into *text, NUL-terminated; free() it. Errors name the
 * file. Refuses directories and NUL bytes inside unless `binary`. */
SPA_API spa_status spa_read_file(const char *path, size_t max_bytes, bool binary, char **text,
                                 size_t *size, spa_error *err);

/* Writes atomically: to a temporary file beside `path`, fsync, rename. On failure `path` is as it
 * was and the temporary is gone. A link is followed; a device or pipe is written to directly. */
SPA_API spa_status spa_write_file(const char *path, const void *data, size_t size, spa_error *err);

/* mkdir -p. */
SPA_API spa_status spa_make_dirs(const char *path, spa_error *err);

/* Growable string; .text is always NUL-terminated after the first append. Zero-initialise; free
 * with spa_string_fini. Appends remember failure: check spa_string_ok once at the end. */
typedef struct spa_string {
    char *text;
    size_t length, capacity;
    bool failed;
} spa_string;
SPA_API void spa_string_append(spa_string *s, const char *fmt, ...) SPA_PRINTF(2, 3);
SPA_API spa_status spa_string_ok(const spa_string *s, spa_error *err);
SPA_API void spa_string_fini(spa_string *s);

/* 64-bit FNV-1a, for content hashes and digests (not for security). */
#define SPA_HASH_SEED UINT64_C(0xcbf29ce484222325)
SPA_API uint64_t spa_hash_bytes(uint64_t seed, const void *data, size_t size);
static inline uint64_t spa_hash_u64(uint64_t h, uint64_t x)
{
    /* One multiply-xorshift round per word (constants: Murmur3 finaliser, A. Appleby). */
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 32;
    h = (h ^ x) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 29);
}

#ifdef __cplusplus
}
#endif
#endif
