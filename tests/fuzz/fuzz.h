/* What the fuzz targets share. A target is one file, fuzz_<parser>.c, with one function that gets
 * bytes: they must not crash it, an error must have a message, and what is accepted must write to a
 * text that reads and writes to itself, where there is a writer.
 *
 * Each file is also a libFuzzer target (LLVMFuzzerTestOneInput); replay.c feeds it files without
 * libFuzzer. tests/sim/test_fuzz_seeds.c includes them all and runs the seeds and mutations of
 * them. */
#ifndef SPA_TESTS_FUZZ_FUZZ_H
#define SPA_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/text.h"

typedef int fuzz_target(const uint8_t *data, size_t size);

#ifdef FUZZ_IN_PROCESS
#define FUZZ_TARGET(name) static int name(const uint8_t *data, size_t size)
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#define FUZZ_TARGET(name) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#endif

/* Like assert, but in every build. */
#define FUZZ_CHECK(condition, ...)                                                                 \
    do {                                                                                           \
        if (condition) break;                                                                      \
        fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        abort();                                                                                   \
    } while (0)

/* A failure says which and why, in one line. */
static inline void fuzz_error(spa_status status, const spa_error *err)
{
    FUZZ_CHECK(status != SPA_OK && err->status == status, "status %d, in the error %d", (int)status,
               (int)err->status);
    FUZZ_CHECK(err->message[0] != '\0', "no message");
    FUZZ_CHECK(memchr(err->message, '\0', sizeof err->message), "a message without an end");
}

static inline void fuzz_equal(const spa_string *a, const spa_string *b)
{
    spa_error err;
    if (spa_string_ok(a, &err) || spa_string_ok(b, &err)) return; /* no memory */
    FUZZ_CHECK(a->length == b->length && memcmp(a->text, b->text, a->length) == 0,
               "two texts of %zu and %zu bytes:\n%.2000s\n----\n%.2000s", a->length, b->length,
               a->text, b->text);
}

/* The input as a NUL-terminated copy; free() it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_CHECK(text, "no memory");
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* ---- files, in memory where there is such a file system -------------------------------------- */

static inline const char *fuzz_folder(void)
{
    static char folder[64];
    if (!folder[0])
        snprintf(folder, sizeof folder, "%s/spa_fuzz_%ld",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    mkdir(folder, 0700); /* or it is there; fuzz_put says when it is not */
    return folder;
}

/* Path of a file of the folder. */
static inline void fuzz_path(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", fuzz_folder(), name);
}

static inline void fuzz_put(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    FUZZ_CHECK(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "cannot write %s", path);
}

/* Writes `data` and the line "checksum ..." that the formats of learned policies end with: without
 * it nothing changed would be read any further. */
static inline void fuzz_put_summed(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    uint64_t sum = spa_hash_bytes(SPA_HASH_SEED, data, size);
    FUZZ_CHECK(f && fwrite(data, 1, size, f) == size, "cannot write %s", path);
    FUZZ_CHECK(fprintf(f, "checksum %016llx\n", (unsigned long long)sum) == 26, "%s", path);
    FUZZ_CHECK(fclose(f) == 0, "cannot write %s", path);
}

/* Removes files of the folder and, when it is empty, the folder. */
static inline void fuzz_clean(const char *const *names, size_t count)
{
    char path[128];
    for (size_t i = 0; i < count; i++) {
        fuzz_path(path, names[i]);
        remove(path);
    }
    rmdir(fuzz_folder());
}

#endif
