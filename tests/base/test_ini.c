#include "tests/base/check.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/ini.h"
#include "base/rng.h"
#include "base/text.h"

static spa_ini ini;

static spa_status parse(const char *text, spa_error *err)
{
    return spa_ini_parse(&ini, "d.ini", text, strlen(text), err);
}

static void close_ini(void)
{
    spa_ini_fini(&ini);
}

TestSuite(ini, .fini = close_ini);

#define expect_refused(text, wanted, message)                                                      \
    do {                                                                                           \
        expect_error(parse(text, err), wanted, message);                                           \
        cr_assert(ini.entries == NULL && ini.n_entries == 0 && ini.arena.head == NULL);            \
    } while (0)

Test(ini, values_are_found_by_section_and_key_without_blanks_and_comments)
{
    expect_ok(parse("# head\n; too\n\n[cpu]\n name =  A 78 \t# source, p. 3\r\nclock=2.2e9\n"
                    "[gpu] # second\nname = x#y;z\nempty =\nonly = # words\n",
                    err));
    const char *text = NULL;
    expect_ok(spa_ini_text(&ini, "cpu", "name", &text, err));
    cr_assert_str_eq(text, "A 78");
    expect_ok(spa_ini_text(&ini, "gpu", "name", &text, err));
    cr_assert_str_eq(text, "x#y;z"); /* no blank before the '#' */
    expect_ok(spa_ini_text(&ini, "gpu", "empty", &text, err));
    cr_assert_str_eq(text, "");
    const spa_ini_entry *e = spa_ini_find(&ini, "cpu", "name");
    cr_assert_str_eq(e->comment, "source, p. 3");
    cr_assert_eq(e->line, 5);
    cr_assert_str_eq(spa_ini_find(&ini, "cpu", "clock")->comment, "");
    e = spa_ini_find(&ini, "gpu", "only");
    cr_assert_str_eq(e->value, "");
    cr_assert_str_eq(e->comment, "words");
    cr_assert_null(spa_ini_find(&ini, "gpu", "clock"));
    cr_assert_eq(ini.n_sections, 2);
    cr_assert_str_eq(ini.sections[1], "gpu");
    cr_assert_eq(ini.section_lines[1], 7);
    cr_assert(spa_ini_has_section(&ini, "gpu") && !spa_ini_has_section(&ini, "npu"));
}

Test(ini, keys_before_any_section_belong_to_the_empty_one)
{
    expect_ok(parse("\xef\xbb\xbfversion = 3", err)); /* byte order mark, no last newline */
    int64_t n = 0;
    expect_ok(spa_ini_i64(&ini, "", "version", 0, 9, &n, err));
    cr_assert_eq(n, 3);
}

Test(ini, an_empty_file_is_valid)
{
    expect_ok(parse("", err));
    expect_ok(spa_ini_check_unused(&ini, err));
}

Test(ini, lines_that_are_nothing_known_are_refused)
{
    expect_refused("[a]\nb\n", SPA_E_PARSE,
                   "d.ini:2: 'b' is neither a section, a key nor a comment; write key = value");
    expect_refused("= 3\n", SPA_E_PARSE,
                   "d.ini:1: '= 3' is neither a section, a key nor a comment; write key = value");
    expect_refused("[a\n", SPA_E_PARSE, "d.ini:1: section '[a' has no ']'; write [name]");
    expect_refused("[ ]\n", SPA_E_PARSE, "d.ini:1: a section without a name; write [name]");
    expect_refused("[a] b = 1\n", SPA_E_PARSE,
                   "d.ini:1: 'b = 1' after section [a]; put it on a line of its own");
}

Test(ini, repeated_keys_and_sections_are_refused_with_both_lines)
{
    expect_refused("[a]\nx = 1\n\nx = 1\n", SPA_E_PARSE,
                   "d.ini:4: key 'x' of section [a] stands in line 2 already; remove one");
    expect_refused("[a]\n[b]\n[ a ]\n", SPA_E_PARSE,
                   "d.ini:3: section [a] stands in line 1 already; join the two");
    expect_ok(parse("[a]\nx = 1\n[b]\nx = 2\n", err)); /* the same key elsewhere is another */
}

Test(ini, a_nul_byte_is_refused_with_its_line)
{
    expect_error(spa_ini_parse(&ini, "d.ini", "a=1\n\0", 5, err), SPA_E_PARSE,
                 "d.ini:2: a NUL byte: this is no text file, or it is not UTF-8; save it as UTF-8");
}

Test(ini, more_keys_or_sections_than_any_real_file_has_are_refused)
{
    spa_string s = {0};
    for (int i = 0; i < 10001; i++) spa_string_append(&s, "k%d=\n", i);
    expect_refused(s.text, SPA_E_RANGE, "d.ini:10001: more than 10000 keys; split the file");
    spa_string_fini(&s);
    for (int i = 0; i < 1001; i++) spa_string_append(&s, "[s%d]\n", i);
    expect_refused(s.text, SPA_E_RANGE, "d.ini:1001: more than 1000 sections; split the file");
    spa_string_fini(&s);
    expect_error(spa_ini_parse(&ini, "d.ini", "", 4194305, err), SPA_E_RANGE,
                 "d.ini: larger than 4194304 bytes; split the file");
}

Test(ini, numbers_are_read_within_inclusive_bounds)
{
    expect_ok(parse("[s]\nx = 0.5\nn = 1e3\n", err));
    double x = 9;
    int64_t n = 9;
    expect_ok(spa_ini_double(&ini, "s", "x", 0.5, 0.5, &x, err));
    cr_assert_eq(x, 0.5);
    expect_ok(spa_ini_double_or(&ini, "s", "x", 7, 0, 1, &x, err));
    cr_assert_eq(x, 0.5);
    expect_ok(spa_ini_i64(&ini, "s", "n", 1000, 1000, &n, err));
    cr_assert_eq(n, 1000);
    expect_ok(spa_ini_i64_or(&ini, "s", "n", 7, 0, 9999, &n, err));
    cr_assert_eq(n, 1000);
}

Test(ini, a_missing_optional_key_gives_its_default_outside_the_bounds_too)
{
    expect_ok(parse("[s]\n", err));
    double x = 9;
    int64_t n = 9;
    expect_ok(spa_ini_double_or(&ini, "s", "x", NAN, 0, 1, &x, err));
    cr_assert(isnan(x));
    expect_ok(spa_ini_i64_or(&ini, "s", "n", -1, 0, 1, &n, err));
    cr_assert_eq(n, -1);
    cr_assert_str_eq(spa_ini_text_or(&ini, "s", "t", "default"), "default");
    cr_assert_null(spa_ini_text_or(&ini, "s", "t", NULL));
}

Test(ini, bad_values_are_named_by_line_section_and_key_and_give_0)
{
    expect_ok(parse("[s]\nx = fast\nn = 1.5\nempty =\n", err));
    double x = 9;
    int64_t n = 9;
    expect_error(spa_ini_double(&ini, "s", "x", 0, 1, &x, err), SPA_E_PARSE,
                 "d.ini:2: [s] x: 'fast' is not a number; write one like 2.5 or 1e8");
    cr_assert_eq(x, 0);
    expect_error(spa_ini_i64(&ini, "s", "n", 0, 1, &n, err), SPA_E_PARSE,
                 "d.ini:3: [s] n: '1.5' is not a whole number; write one like 12 or 1e8");
    cr_assert_eq(n, 0);
    expect_error(spa_ini_double(&ini, "s", "n", 0, 1, &x, err), SPA_E_RANGE,
                 "d.ini:3: [s] n: '1.5' is out of range; write a number from 0 to 1");
    /* A key that is there without a value is not a missing key. */
    expect_error(spa_ini_double_or(&ini, "s", "empty", 5, 0, 1, &x, err), SPA_E_PARSE,
                 "d.ini:4: [s] empty: '' is not a number; write one like 2.5 or 1e8");
    cr_assert_eq(x, 0);
    expect_error(spa_ini_i64_or(&ini, "s", "empty", 5, 0, 1, &n, err), SPA_E_PARSE,
                 "d.ini:4: [s] empty: '' is not a whole number; write one like 12 or 1e8");
    cr_assert_eq(n, 0);
}

Test(ini, a_missing_required_key_names_the_section_and_a_likely_misspelling)
{
    expect_ok(parse("[gpu]\nlatency = 1\n[cpu]\nrate_mac = 5\n", err));
    double x = 9;
    const char *text = "x";
    expect_error(spa_ini_double(&ini, "cpu", "rate_macs", 0, 9, &x, err), SPA_E_PARSE,
                 "d.ini:4: section [cpu] has no key 'rate_macs'; is 'rate_mac' meant to be it?");
    cr_assert_eq(x, 0);
    /* A key that was read already is no misspelling of another. */
    expect_ok(spa_ini_double(&ini, "gpu", "latency", 0, 9, &x, err));
    expect_error(spa_ini_double(&ini, "gpu", "latency_2", 0, 9, &x, err), SPA_E_PARSE,
                 "d.ini:1: section [gpu] has no key 'latency_2'; add 'latency_2 = ...'");
    expect_error(spa_ini_text(&ini, "gpu", "name", &text, err), SPA_E_PARSE,
                 "d.ini:1: section [gpu] has no key 'name'; add 'name = ...'");
    cr_assert_null(text);
    expect_error(spa_ini_double(&ini, "npu", "rate", 0, 9, &x, err), SPA_E_PARSE,
                 "d.ini: no section [npu], where 'rate' is needed; add it");
}

Test(ini, a_list_is_split_at_blanks_and_commas)
{
    expect_ok(parse("[s]\na = 1 2.5,3e2 ,  -4\nb = 7 # eight\n", err));
    double x[4] = {9, 9, 9, 9};
    size_t n = 9;
    expect_ok(spa_ini_list(&ini, "s", "a", x, 4, &n, err));
    cr_assert_eq(n, 4);
    cr_assert(x[0] == 1 && x[1] == 2.5 && x[2] == 300 && x[3] == -4);
    expect_ok(spa_ini_list(&ini, "s", "b", x, 4, &n, err));
    cr_assert(n == 1 && x[0] == 7 && x[1] == 0);
}

Test(ini, bad_lists_are_refused_and_zeroed)
{
    static const char *const values[] = {"1 2 3", "1,,2", "1,", "", ",1", "1 x"};
    static const char *const faults[] = {
        "more than 2 numbers; remove some",
        "a number is missing; write numbers like 1 2.5 1e8",
        "a number is missing; write numbers like 1 2.5 1e8",
        "a number is missing; write numbers like 1 2.5 1e8",
        "a number is missing; write numbers like 1 2.5 1e8",
        "'x' is not a number; write one like 2.5 or 1e8",
    };
    for (int i = 0; i < 6; i++) {
        char text[64], wanted[128];
        snprintf(text, sizeof text, "[s]\na = %s\n", values[i]);
        snprintf(wanted, sizeof wanted, "d.ini:2: [s] a: %s", faults[i]);
        expect_ok(parse(text, err));
        double x[2] = {9, 9};
        size_t n = 9;
        expect_error(spa_ini_list(&ini, "s", "a", x, 2, &n, err),
                     i == 0 ? SPA_E_RANGE : SPA_E_PARSE, wanted);
        cr_assert(n == 0 && x[0] == 0 && x[1] == 0);
        spa_ini_fini(&ini);
    }
    expect_ok(parse("[s]\n", err));
    size_t n = 9;
    double x[1];
    expect_error(spa_ini_list(&ini, "s", "a", x, 1, &n, err), SPA_E_PARSE,
                 "d.ini:1: section [s] has no key 'a'; add 'a = ...'");
}

Test(ini, a_key_that_nobody_asked_for_is_answered_with_the_nearest_that_was)
{
    expect_ok(parse("[gpu]\nrate = 1\nlatncy = 2\n[cpu]\nrate = 1\n", err));
    double x;
    expect_ok(spa_ini_double(&ini, "gpu", "rate", 0, 9, &x, err));
    expect_ok(spa_ini_double(&ini, "cpu", "rate", 0, 9, &x, err));
    expect_ok(spa_ini_double_or(&ini, "gpu", "latency", 0, 0, 9, &x, err));
    expect_ok(spa_ini_double_or(&ini, "cpu", "latncx", 0, 0, 9, &x, err)); /* another section */
    expect_error(spa_ini_check_unused(&ini, err), SPA_E_NOT_FOUND,
                 "d.ini:3: unknown key 'latncy'; did you mean 'latency'?");
    cr_assert_not_null(spa_ini_find(&ini, "gpu", "latncy"));
    expect_ok(spa_ini_check_unused(&ini, err));
}

Test(ini, a_section_that_nobody_asked_for_is_itself_the_fault)
{
    expect_ok(parse("[thermla]\nlimit = 1\n", err));
    cr_assert_null(spa_ini_find(&ini, "thermal", "limit"));
    cr_assert_null(spa_ini_find(&ini, "gpu", "rate"));
    cr_assert_null(spa_ini_find(&ini, "thermal", "rate"));
    expect_error(spa_ini_check_unused(&ini, err), SPA_E_NOT_FOUND,
                 "d.ini:1: unknown section 'thermla'; did you mean 'thermal'?");
    spa_ini_fini(&ini);
    expect_ok(parse("[xxxxxxxx]\nlimit = 1\n", err));
    cr_assert_null(spa_ini_find(&ini, "thermal", "limit"));
    cr_assert_null(spa_ini_find(&ini, "gpu", "rate"));
    cr_assert_null(spa_ini_find(&ini, "thermal", "rate"));
    expect_error(spa_ini_check_unused(&ini, err), SPA_E_NOT_FOUND,
                 "d.ini:1: unknown section 'xxxxxxxx'; known: thermal, gpu");
}

Test(ini, a_key_before_any_section_that_nobody_asked_for_is_told_to_move)
{
    expect_ok(parse("rate = 1\n[gpu]\n", err));
    cr_assert_null(spa_ini_find(&ini, "gpu", "rate"));
    expect_error(spa_ini_check_unused(&ini, err), SPA_E_NOT_FOUND,
                 "d.ini:1: key 'rate' stands before any section; move it into one");
}

Test(ini, a_file_is_read_and_a_missing_one_named)
{
    char path[] = "/tmp/spa-ini-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, "[a]\n", 4), 4);
    close(fd);
    expect_ok(spa_ini_read(&ini, path, err));
    cr_assert(spa_ini_has_section(&ini, "a"));
    cr_assert_str_eq(ini.path, path);
    unlink(path);
    spa_ini_fini(&ini);
    expect_error(spa_ini_read(&ini, "/none.ini", err), SPA_E_IO,
                 "/none.ini: cannot be opened: No such file or directory");
}

Test(ini, random_bytes_are_refused_with_a_message_or_every_entry_is_found_again)
{
    static const char bytes[] = "ab[]==\n\n #;\r\t";
    spa_rng rng;
    spa_rng_init(&rng, 1, "bytes");
    size_t accepted = 0;
    for (int round = 0; round < 50000; round++) {
        char text[24];
        size_t length = spa_rng_below(&rng, sizeof text - 1);
        for (size_t k = 0; k < length; k++) text[k] = bytes[spa_rng_below(&rng, sizeof bytes - 1)];
        text[length] = '\0';
        spa_error e = {0};
        if (parse(text, &e) != SPA_OK) {
            cr_assert_neq(e.message[0], '\0');
            continue;
        }
        accepted += ini.n_entries > 0;
        for (size_t i = 0; i < ini.n_entries; i++) {
            const spa_ini_entry *entry = &ini.entries[i];
            cr_assert_eq(spa_ini_find(&ini, entry->section, entry->key), entry);
            cr_assert_neq(entry->key[0], '\0');
        }
        expect_ok(spa_ini_check_unused(&ini, err));
        spa_ini_fini(&ini);
    }
    cr_assert_gt(accepted, 1000);
}
