/* A stand-in for Criterion where there is none, or where it cannot start (it runs itself again,
 * which an emulator of a foreign processor cannot). What the tests use of it, and no more; run.c
 * runs them, each in a process of its own. */
#ifndef SPA_TESTS_STAND_IN_H
#define SPA_TESTS_STAND_IN_H

#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct stand_in_options {
    void (*init)(void);
    void (*fini)(void);
    int signal, exit_code;
} stand_in_options;

typedef struct stand_in_test {
    const char *suite, *name; /* name NULL: options of a suite */
    void (*run)(void);
    stand_in_options options;
    struct stand_in_test *next;
} stand_in_test;
void stand_in_add(stand_in_test *test);

#define STAND_IN_ADD(id, suite_, name_, run_, ...)                                                 \
    __attribute__((constructor)) static void id##_add(void)                                        \
    {                                                                                              \
        static stand_in_test test = {suite_, name_, run_, {__VA_ARGS__}, NULL};                    \
        stand_in_add(&test);                                                                       \
    }
#define Test(suite, name, ...)                                                                     \
    static void suite##_##name##_run(void);                                                        \
    STAND_IN_ADD(suite##_##name, #suite, #name, suite##_##name##_run, __VA_ARGS__)                 \
    static void suite##_##name##_run(void)
#define TestSuite(suite, ...) STAND_IN_ADD(suite##_suite, #suite, NULL, NULL, __VA_ARGS__)

/* Says what is wrong; a fatal one ends the test. */
void stand_in_fail(bool fatal, const char *file, int line, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void stand_in_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#define STAND_IN_CHECK(fatal, condition, what, ...)                                                \
    do {                                                                                           \
        if (!(condition)) stand_in_fail(fatal, __FILE__, __LINE__, what, "" __VA_ARGS__);          \
    } while (0)
#define cr_assert(x, ...)     STAND_IN_CHECK(true, x, #x, __VA_ARGS__)
#define cr_assert_not(x, ...) STAND_IN_CHECK(true, !(x), "not " #x, __VA_ARGS__)
#define cr_expect(x, ...)     STAND_IN_CHECK(false, x, #x, __VA_ARGS__)
#define cr_assert_fail(...)   STAND_IN_CHECK(true, false, "not reached", __VA_ARGS__)
#define STAND_IN_COMPARE(fatal, a, op, b, ...)                                                     \
    STAND_IN_CHECK(fatal, (a)op(b), #a " " #op " " #b, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)    STAND_IN_COMPARE(true, a, ==, b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)   STAND_IN_COMPARE(true, a, !=, b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)    STAND_IN_COMPARE(true, a, <, b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)   STAND_IN_COMPARE(true, a, <=, b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)    STAND_IN_COMPARE(true, a, >, b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)   STAND_IN_COMPARE(true, a, >=, b, __VA_ARGS__)
#define cr_expect_eq(a, b, ...)    STAND_IN_COMPARE(false, a, ==, b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...)   STAND_IN_COMPARE(false, a, !=, b, __VA_ARGS__)
#define cr_assert_null(x, ...)     STAND_IN_CHECK(true, (x) == NULL, #x " is NULL", __VA_ARGS__)
#define cr_assert_not_null(x, ...) STAND_IN_CHECK(true, (x) != NULL, #x " is not NULL", __VA_ARGS__)
#define STAND_IN_NEAR(a, b, eps)                                                                   \
    ((double)(a) - (double)(b) <= (double)(eps) && (double)(b) - (double)(a) <= (double)(eps))
#define cr_assert_float_eq(a, b, eps, ...)                                                         \
    STAND_IN_CHECK(true, STAND_IN_NEAR(a, b, eps), #a " near " #b, __VA_ARGS__)
#define cr_assert_float_neq(a, b, eps, ...)                                                        \
    STAND_IN_CHECK(true, !STAND_IN_NEAR(a, b, eps), #a " far from " #b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)                                                                \
    STAND_IN_CHECK(true, strcmp(a, b) == 0, #a " is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)                                                               \
    STAND_IN_CHECK(true, strcmp(a, b) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_assert_str_empty(a, ...)     STAND_IN_CHECK(true, !*(a), #a " is empty", __VA_ARGS__)
#define cr_assert_str_not_empty(a, ...) STAND_IN_CHECK(true, *(a), #a " is not empty", __VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...)                                                          \
    STAND_IN_CHECK(true, memcmp(a, b, size) == 0, #a " equals " #b, __VA_ARGS__)
#define cr_assert_arr_neq(a, b, size, ...)                                                         \
    STAND_IN_CHECK(true, memcmp(a, b, size) != 0, #a " differs from " #b, __VA_ARGS__)
#define cr_skip_test(...) stand_in_skip("" __VA_ARGS__)
#define cr_log_info(...)  fprintf(stderr, __VA_ARGS__)
#define cr_log_warn(...)  fprintf(stderr, __VA_ARGS__)

#endif
