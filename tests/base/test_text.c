#include "tests/base/check.h"
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/text.h"

static const char *const fruits[] = {"apple", "banana", "cherry"};

Test(text, the_nearest_name_is_found_over_one_edit_of_each_kind)
{
    cr_assert_eq(spa_nearest_name("aple", fruits, 3), 0);    /* one missing */
    cr_assert_eq(spa_nearest_name("bananna", fruits, 3), 1); /* one too many */
    cr_assert_eq(spa_nearest_name("cherri", fruits, 3), 2);  /* one replaced */
    cr_assert_eq(spa_nearest_name("CHERRY", fruits, 3), 2);  /* case does not count */
    static const char *const ab[] = {"ab"};
    cr_assert_eq(spa_nearest_name("ba", ab, 1), 0); /* a swap is one edit, two would be too far */
}

Test(text, nearness_ends_at_one_edit_plus_a_third_of_the_length)
{
    static const char *const names[] = {"abcdef"};
    /* Six letters allow 1 + 6/3 = 3 edits. */
    cr_assert_eq(spa_nearest_name("abcxyz", names, 1), 0);
    cr_assert_eq(spa_nearest_name("abwxyz", names, 1), -1);
    cr_assert_eq(spa_nearest_name("x", NULL, 0), -1);
}

Test(text, of_equally_near_names_the_first_is_taken)
{
    static const char *const names[] = {"cpu:1", "cpu:2"};
    cr_assert_eq(spa_nearest_name("cpu:3", names, 2), 0);
}

Test(text, names_longer_than_any_real_one_are_near_to_nothing)
{
    char name[1000];
    memset(name, 'a', 999);
    name[999] = '\0';
    const char *names[] = {name, "a"};
    cr_assert_eq(spa_nearest_name(name, names, 2), -1);
    cr_assert_eq(spa_nearest_name("a", names, 2), 1);
    name[127] = '\0';
    cr_assert_eq(spa_nearest_name(name, names, 2), 0);
}

Test(text, an_unknown_name_is_answered_with_a_suggestion_or_the_list)
{
    expect_error(spa_fail_unknown(err, "fruit", "chery", fruits, 3), SPA_E_NOT_FOUND,
                 "unknown fruit 'chery'; did you mean 'cherry'?");
    expect_error(spa_fail_unknown(err, "fruit", "quince", fruits, 3), SPA_E_NOT_FOUND,
                 "unknown fruit 'quince'; known: apple, banana, cherry");
    expect_error(spa_fail_unknown(err, "fruit", "fig", NULL, 0), SPA_E_NOT_FOUND,
                 "unknown fruit 'fig'; there is none to choose from");
}

Test(text, a_list_too_long_for_a_message_ends_in_dots)
{
    const char *names[200];
    for (int i = 0; i < 200; i++) names[i] = "xxxxxxxx";
    spa_error e;
    spa_fail_unknown(&e, "thing", "a", names, 200);
    size_t length = strlen(e.message);
    cr_assert_str_eq(e.message + length - 15, ", xxxxxxxx, ...");
}

Test(text, numbers_are_taken_whole_or_not_at_all)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},       {"-0.5", -0.5},
                {"+2", 2},      {"1e8", 1e8},
                {".5", 0.5},    {"5.", 5},
                {"1E-3", 1e-3}, {"2.5e+8", 2.5e8},
                {"007", 7},     {"4.9e-324", 4.9406564584124654e-324},
                {"0e999", 0},   {"1.7976931348623157e308", 1.7976931348623157e308}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double x = 99;
        cr_assert(spa_parse_double(good[i].text, &x), "%s", good[i].text);
        cr_assert_eq(x, good[i].value, "%s", good[i].text);
    }
    static const char *const bad[] = {"",      " 1",     "1 ",    "1x",  "nan", "inf", "-infinity",
                                      "0x10",  "1e",     "1e+",   ".",   "-",   "+-1", "1,5",
                                      "1e400", "1e-400", "1.2.3", "1\n", "e5",  "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double x = 99;
        cr_assert(!spa_parse_double(bad[i], &x), "%s", bad[i]);
        cr_assert_eq(x, 99);
    }
}

Test(text, whole_numbers_are_exact_to_the_last_digit)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"42", 42},
                {"1e8", 100000000},
                {"1.5e3", 1500},
                {"1500e-2", 15},
                {"1.0", 1},
                {"10.50e1", 105},
                {"0.00", 0},
                {"0e99999999999", 0},
                {"9007199254740993", 9007199254740993}, /* 2^53 + 1 */
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"9223372036854775807000e-3", INT64_MAX},
                {"0.0000000000000000000000001e26", 10},
                {"100000000000000000000e-19", 10}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t x = 99;
        cr_assert(spa_parse_i64(good[i].text, &x), "%s", good[i].text);
        cr_assert_eq(x, good[i].value, "%s", good[i].text);
    }
    static const char *const bad[] = {"",
                                      "1.5",
                                      "15e-1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "1e19",
                                      "1e99999999999",
                                      "1e-1",
                                      "1.0000000000000000000000001",
                                      "0x1",
                                      " 1",
                                      "1 ",
                                      "ten"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t x = 99;
        cr_assert(!spa_parse_i64(bad[i], &x), "%s", bad[i]);
        cr_assert_eq(x, 99);
    }
}

Test(text, a_number_out_of_bounds_is_told_where_the_bounds_are)
{
    double x = 9;
    expect_error(spa_parse_double_in("2", 0, 1, &x, err), SPA_E_RANGE,
                 "'2' is out of range; write a number from 0 to 1");
    cr_assert_eq(x, 0);
    int64_t n = 9;
    expect_error(spa_parse_i64_in("0", 1, INT64_MAX, &n, err), SPA_E_RANGE,
                 "'0' is too small; write 1 or more");
    cr_assert_eq(n, 0);
    expect_error(spa_parse_i64_in("1", INT64_MIN, -1, &n, err), SPA_E_RANGE,
                 "'1' is too large; write -1 or less");
    expect_ok(spa_parse_i64_in("1", 1, 1, &n, err));
    cr_assert_eq(n, 1);
}

/* ---------------------------------------------------------------- files */
static char folder[64], path[128];

static void make_folder(void)
{
    strcpy(folder, "/tmp/spa-text-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

/* Files in the folder. */
static size_t count_files(void)
{
    char pattern[128];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    glob(pattern, 0, NULL, &found);
    size_t n = found.gl_pathc;
    globfree(&found);
    return n;
}

static void expect_content(const char *wanted)
{
    char *text = NULL;
    size_t size = 0;
    expect_ok(spa_read_file(path, 1000, true, &text, &size, err));
    cr_assert_eq(size, strlen(wanted));
    cr_assert_str_eq(text, wanted);
    free(text);
}

TestSuite(files, .init = make_folder, .fini = remove_folder);

Test(files, what_is_written_is_read_back_and_no_temporary_stays)
{
    expect_ok(spa_write_file(path, "one\n", 4, err));
    expect_content("one\n");
    expect_ok(spa_write_file(path, "second\n", 7, err));
    expect_content("second\n");
    expect_ok(spa_write_file(path, NULL, 0, err));
    expect_content("");
    cr_assert_eq(count_files(), 1);
}

Test(files, a_file_keeps_its_permissions_and_a_new_one_follows_the_umask)
{
    struct stat st;
    umask(027);
    expect_ok(spa_write_file(path, "a", 1, err));
    cr_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    cr_assert_eq(chmod(path, 0600), 0);
    expect_ok(spa_write_file(path, "b", 1, err));
    cr_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
}

Test(files, a_write_that_fails_leaves_the_old_file_and_no_temporary)
{
    expect_ok(spa_write_file(path, "old", 3, err));
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1000, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    static char large[5000];
    spa_error e;
    spa_status status = spa_write_file(path, large, sizeof large, &e);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(status, SPA_E_IO);
    cr_assert_not_null(strstr(e.message, "/file: cannot be written: File too large"));
    expect_content("old");
    cr_assert_eq(count_files(), 1);
}

Test(files, writing_where_there_is_no_folder_names_the_path)
{
    char wanted[256];
    snprintf(path, sizeof path, "%s/none/file", folder);
    snprintf(wanted, sizeof wanted, "%s: cannot be created: No such file or directory", path);
    expect_error(spa_write_file(path, "a", 1, err), SPA_E_IO, wanted);
    snprintf(wanted, sizeof wanted, "%s: is a directory; name a file", folder);
    expect_error(spa_write_file(folder, "a", 1, err), SPA_E_IO, wanted);
}

Test(files, writing_through_a_link_changes_its_target_and_keeps_the_link)
{
    char link[128];
    struct stat st;
    snprintf(link, sizeof link, "%s/link", folder);
    expect_ok(spa_write_file(path, "old", 3, err));
    cr_assert_eq(symlink("file", link), 0);
    expect_ok(spa_write_file(link, "new", 3, err));
    expect_content("new");
    cr_assert(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
}

Test(files, a_pipe_is_written_to_and_not_replaced)
{
    cr_assert_eq(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR); /* both ends, so that nobody waits */
    expect_ok(spa_write_file(path, "abc", 3, err));
    char got[4] = "";
    cr_assert_eq(read(fd, got, 3), 3);
    cr_assert_str_eq(got, "abc");
    close(fd);
    struct stat st;
    cr_assert(lstat(path, &st) == 0 && S_ISFIFO(st.st_mode));
}

Test(files, a_file_of_exactly_the_allowed_size_is_read_and_one_byte_more_is_not)
{
    char *text = NULL, wanted[256];
    size_t size = 7;
    expect_ok(spa_write_file(path, "12345", 5, err));
    expect_ok(spa_read_file(path, 5, false, &text, &size, err));
    cr_assert_eq(size, 5);
    free(text);
    snprintf(wanted, sizeof wanted, "%s: larger than the 4 bytes allowed here; split the file",
             path);
    expect_error(spa_read_file(path, 4, false, &text, &size, err), SPA_E_RANGE, wanted);
    cr_assert_null(text);
    cr_assert_eq(size, 0);
}

Test(files, a_file_without_a_known_size_is_read_to_its_end_or_the_limit)
{
    char *text = NULL;
    size_t size = 0;
    expect_ok(spa_read_file("/proc/self/maps", 1 << 20, false, &text, &size, err)); /* size 0 */
    cr_assert_gt(size, 4096);
    free(text);
    cr_assert_eq(spa_read_file("/dev/zero", 100000, true, &text, &size, NULL), SPA_E_RANGE);
    cr_assert_null(text);
}

Test(files, a_nul_byte_is_refused_with_its_line_unless_binary)
{
    char *text = NULL, wanted[256];
    size_t size = 0;
    expect_ok(spa_write_file(path, "a\nb\nc\0d\n", 8, err));
    snprintf(wanted, sizeof wanted,
             "%s:3: a NUL byte: this is no text file, or it is not UTF-8; save it as UTF-8", path);
    expect_error(spa_read_file(path, 100, false, &text, &size, err), SPA_E_PARSE, wanted);
    cr_assert_null(text);
    expect_ok(spa_read_file(path, 100, true, &text, &size, err));
    cr_assert_eq(size, 8);
    cr_assert_eq(text[8], '\0');
    free(text);
}

Test(files, missing_files_and_folders_are_refused_by_name)
{
    char *text = NULL, wanted[256];
    size_t size = 0;
    snprintf(wanted, sizeof wanted, "%s: cannot be opened: No such file or directory", path);
    expect_error(spa_read_file(path, 100, false, &text, &size, err), SPA_E_IO, wanted);
    snprintf(wanted, sizeof wanted, "%s: is a directory; name a file", folder);
    expect_error(spa_read_file(folder, 100, false, &text, &size, err), SPA_E_IO, wanted);
}

Test(files, folders_are_made_with_their_parents)
{
    struct stat st;
    char deep[160], wanted[256];
    snprintf(deep, sizeof deep, "%s/a//b/c/", folder);
    expect_ok(spa_make_dirs(deep, err));
    cr_assert(stat(deep, &st) == 0 && S_ISDIR(st.st_mode));
    expect_ok(spa_make_dirs(deep, err)); /* again */
    expect_ok(spa_write_file(path, "x", 1, err));
    snprintf(deep, sizeof deep, "%s/sub", path);
    snprintf(wanted, sizeof wanted, "%s: exists and is not a directory", path);
    expect_error(spa_make_dirs(deep, err), SPA_E_IO, wanted);
}

/* ---------------------------------------------------------------- strings, hashes */
Test(text, a_string_grows_and_stays_terminated)
{
    spa_string s = {0};
    expect_ok(spa_string_ok(&s, err));
    for (int i = 0; i < 1000; i++) spa_string_append(&s, "%d,", i);
    expect_ok(spa_string_ok(&s, err));
    /* 10 of one digit, 90 of two, 900 of three, 1000 commas. */
    cr_assert_eq(s.length, 10 + 180 + 2700 + 1000);
    cr_assert_eq(strlen(s.text), s.length);
    cr_assert_str_eq(s.text + s.length - 8, "998,999,");
    spa_string_append(&s, "%s", "");
    cr_assert_eq(s.length, 3890);
    spa_string_fini(&s);
    cr_assert_null(s.text);
}

Test(text, an_empty_append_to_an_empty_string_gives_an_empty_text)
{
    spa_string s = {0};
    spa_string_append(&s, "%s", "");
    cr_assert_str_eq(s.text, "");
    spa_string_fini(&s);
}

Test(text, hashes_match_the_published_values_and_chain)
{
    /* FNV-1a 64 test vectors, L. C. Noll's page. */
    cr_assert_eq(spa_hash_bytes(SPA_HASH_SEED, "", 0), UINT64_C(0xcbf29ce484222325));
    cr_assert_eq(spa_hash_bytes(SPA_HASH_SEED, "a", 1), UINT64_C(0xaf63dc4c8601ec8c));
    cr_assert_eq(spa_hash_bytes(SPA_HASH_SEED, "foobar", 6), UINT64_C(0x85944171f73967e8));
    cr_assert_eq(spa_hash_bytes(spa_hash_bytes(SPA_HASH_SEED, "foo", 3), "bar", 3),
                 UINT64_C(0x85944171f73967e8));
    /* From a second implementation (Python integers). */
    cr_assert_eq(spa_hash_u64(0, 1), UINT64_C(0x4c8bacdbec683fa2));
    cr_assert_eq(spa_hash_u64(SPA_HASH_SEED, 42), UINT64_C(0x9397f188bfcb0550));
}
