#include "tests/base/check.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/csv.h"
#include "base/rng.h"
#include "base/text.h"

static spa_csv csv;

static spa_status parse(const char *text, spa_error *err)
{
    return spa_csv_parse(&csv, "t.csv", text, strlen(text), err);
}

static void close_csv(void)
{
    spa_csv_fini(&csv);
}

TestSuite(csv, .fini = close_csv);

/* A refused table is left zeroed. */
#define expect_refused(text, wanted, message)                                                      \
    do {                                                                                           \
        expect_error(parse(text, err), wanted, message);                                           \
        cr_assert(csv.columns == NULL && csv.cells == NULL && csv.n_rows == 0);                    \
        cr_assert_null(csv.arena.head);                                                            \
    } while (0)

Test(csv, a_table_has_columns_rows_and_the_lines_they_begin_on)
{
    expect_ok(parse("op,macs\nconv,12\nrelu,\n", err));
    cr_assert_str_eq(csv.path, "t.csv");
    cr_assert_eq(csv.n_columns, 2);
    cr_assert_eq(csv.n_rows, 2);
    cr_assert_eq(csv.header_line, 1);
    cr_assert_str_eq(csv.columns[1], "macs");
    cr_assert_str_eq(spa_csv_cell(&csv, 0, 0), "conv");
    cr_assert_str_eq(spa_csv_cell(&csv, 0, 1), "12");
    cr_assert_str_eq(spa_csv_cell(&csv, 1, 0), "relu");
    cr_assert_str_eq(spa_csv_cell(&csv, 1, 1), "");
    cr_assert_str_eq(spa_csv_cell(&csv, 1, -1), "");
    cr_assert(csv.lines[0] == 2 && csv.lines[1] == 3);
    cr_assert_eq(spa_csv_column(&csv, "macs"), 1);
    cr_assert_eq(spa_csv_column(&csv, "mac"), -1);
}

Test(csv, a_header_alone_is_a_table_without_rows)
{
    expect_ok(parse("a\n", err));
    cr_assert(csv.n_columns == 1 && csv.n_rows == 0);
}

Test(csv, comments_and_empty_lines_before_the_header_are_skipped_but_counted)
{
    expect_ok(parse("# one, \"\n\n#two\r\n\r\na,b\n1,2\n", err));
    cr_assert_eq(csv.header_line, 5);
    cr_assert_eq(csv.lines[0], 6);
    cr_assert_str_eq(csv.columns[0], "a");
}

Test(csv, behind_the_header_a_hash_is_data)
{
    expect_ok(parse("a\n# not a comment\n", err));
    cr_assert_eq(csv.n_rows, 1);
    cr_assert_str_eq(csv.cells[0], "# not a comment");
}

Test(csv, a_byte_order_mark_and_carriage_returns_at_line_ends_are_accepted)
{
    expect_ok(parse("\xef\xbb\xbf"
                    "a,b\r\n1,\"2\"\r\n,\r\n",
                    err));
    cr_assert_str_eq(csv.columns[0], "a");
    cr_assert_str_eq(csv.columns[1], "b");
    cr_assert_str_eq(csv.cells[1], "2");
    cr_assert_str_eq(csv.cells[3], "");
    cr_assert_eq(csv.n_rows, 2);
}

Test(csv, quoted_cells_hold_commas_quotes_and_newlines)
{
    expect_ok(parse("a,b\n\"x,\"\"y\"\"\",\"1\r\n2\n\n3\"\n4,5\n", err));
    cr_assert_str_eq(csv.cells[0], "x,\"y\"");
    cr_assert_str_eq(csv.cells[1], "1\r\n2\n\n3");
    cr_assert_eq(csv.n_rows, 2);
    /* The first row takes lines 2 to 5. */
    cr_assert(csv.lines[0] == 2 && csv.lines[1] == 6);
}

Test(csv, blanks_belong_to_their_cell)
{
    expect_ok(parse("a,b\n 1\t,  \n", err));
    cr_assert_str_eq(csv.cells[0], " 1\t");
    cr_assert_str_eq(csv.cells[1], "  ");
}

Test(csv, a_file_without_a_header_is_refused)
{
    expect_refused("", SPA_E_PARSE, "t.csv: no header line; the first line must name the columns");
    expect_refused("# only\n\n", SPA_E_PARSE,
                   "t.csv: no header line; the first line must name the columns");
}

Test(csv, empty_and_repeated_header_names_are_refused)
{
    expect_refused("a,,c\n", SPA_E_PARSE,
                   "t.csv:1: column 2 of the header has no name; name it or remove it");
    expect_refused("#\na,b,a\n", SPA_E_PARSE,
                   "t.csv:2: column 'a' stands twice in the header (1 and 3); rename or remove "
                   "one");
}

Test(csv, rows_with_too_few_or_too_many_cells_are_refused)
{
    expect_refused("a,b,c\n1,2,3\n4,5\n", SPA_E_PARSE,
                   "t.csv:3: the row ends after 2 of 3 cells, before column 'c'; add the missing "
                   "cells");
    expect_refused("a,b\n1,2,3,4\n", SPA_E_PARSE,
                   "t.csv:2: the row has 4 cells, 2 more than the header (last column 'b'); quote "
                   "cells that hold commas");
    /* The line is that on which the row begins. */
    expect_refused("a,b\n\"1\n\n\"\n", SPA_E_PARSE,
                   "t.csv:2: the row ends after 1 of 2 cells, before column 'b'; add the missing "
                   "cells");
}

Test(csv, an_empty_line_among_the_rows_is_refused)
{
    expect_refused("a\n1\n\n2\n", SPA_E_PARSE, "t.csv:3: an empty line; remove it");
    expect_refused("a\n1\n\r\n", SPA_E_PARSE, "t.csv:3: an empty line; remove it");
}

Test(csv, a_quote_that_does_not_end_is_refused_where_its_row_begins)
{
    expect_refused("a,b\n1,2\n3,\"4\n5,6\n", SPA_E_PARSE,
                   "t.csv:3: cell 2 of this row begins with a quote that does not end; add the "
                   "closing quote");
}

Test(csv, quotes_in_the_wrong_place_are_refused)
{
    expect_refused("a,b\n1,2\"3\n", SPA_E_PARSE,
                   "t.csv:2: column 'b': byte 4 of line 2: a quote in a cell that does not begin "
                   "with one; quote the whole cell and double the quotes in it");
    expect_refused("a,b\n\"1\" ,2\n", SPA_E_PARSE,
                   "t.csv:2: column 'a': byte 4 of line 2: text after a closing quote; double each "
                   "quote inside a quoted cell");
    expect_refused("a,b\n\"1\n\"x,2\n", SPA_E_PARSE,
                   "t.csv:2: column 'a': byte 2 of line 3: text after a closing quote; double each "
                   "quote inside a quoted cell");
    expect_refused("a\"\n", SPA_E_PARSE,
                   "t.csv:1: byte 2 of line 1: a quote in a cell that does not begin with one; "
                   "quote the whole cell and double the quotes in it");
}

Test(csv, a_file_that_does_not_end_in_a_newline_is_refused_as_truncated)
{
    expect_refused("#c\na,b\n1,2\n3,4", SPA_E_PARSE,
                   "t.csv:4: the last line does not end in a newline (truncated?); write the file "
                   "again, or add a newline if it is complete");
}

Test(csv, carriage_returns_inside_a_line_are_refused)
{
    static const char *const bad[] = {"a\n1\r2\r3\n", "a\n\r1\n", "a\n1\r\r\n", "a\n\r\r\n",
                                      "a\n1\r\"2\n"};
    for (int i = 0; i < 5; i++) {
        expect_refused(bad[i], SPA_E_PARSE,
                       "t.csv:2: a carriage return in the middle of a line; end lines with a "
                       "newline");
    }
}

Test(csv, a_nul_byte_is_refused_with_its_line)
{
    expect_error(spa_csv_parse(&csv, "t.csv", "a\n1\n2\0\n", 8, err), SPA_E_PARSE,
                 "t.csv:3: a NUL byte: this is no text file, or it is not UTF-8; save it as UTF-8");
}

Test(csv, a_header_of_more_columns_than_any_real_table_is_refused)
{
    spa_string s = {0};
    for (int i = 0; i < 1025; i++) spa_string_append(&s, "%sc%d", i ? "," : "", i);
    spa_string_append(&s, "\n");
    expect_refused(s.text, SPA_E_RANGE,
                   "t.csv:1: 1025 columns, more than the 1024 allowed; is this the right file?");
    spa_string_fini(&s);
}

Test(csv, a_size_above_the_limit_is_refused_before_a_byte_is_read)
{
    expect_error(spa_csv_parse(&csv, "t.csv", "a\n", SPA_CSV_MAX_BYTES + 1, err), SPA_E_RANGE,
                 "t.csv: larger than 268435456 bytes; split the table");
}

Test(csv, an_expected_header_may_be_in_any_order_without_its_optional_columns)
{
    static const char *const required[] = {"op", "mean_us"}, *const optional[] = {"std_us"};
    expect_ok(parse("mean_us,op\n", err));
    expect_ok(spa_csv_expect(&csv, required, 2, optional, 1, err));
    spa_csv_fini(&csv);
    expect_ok(parse("std_us,mean_us,op\n", err));
    expect_ok(spa_csv_expect(&csv, required, 2, optional, 1, err));
    expect_error(spa_csv_expect(&csv, required, 2, NULL, 0, err), SPA_E_NOT_FOUND,
                 "t.csv:1: unknown column 'std_us'; known: op, mean_us");
}

Test(csv, unknown_and_missing_columns_are_named)
{
    static const char *const required[] = {"op", "mean_us"}, *const optional[] = {"std_us"};
    expect_ok(parse("#\nop,mean_su\n", err));
    expect_error(spa_csv_expect(&csv, required, 2, optional, 1, err), SPA_E_NOT_FOUND,
                 "t.csv:2: unknown column 'mean_su'; did you mean 'mean_us'?");
    spa_csv_fini(&csv);
    expect_ok(parse("#\nop,std_us\n", err));
    expect_error(spa_csv_expect(&csv, required, 2, optional, 1, err), SPA_E_PARSE,
                 "t.csv:2: column 'mean_us' is missing from the header; add it");
}

Test(csv, typed_cells_are_read_within_inclusive_bounds)
{
    expect_ok(parse("x,n\n0.5,1e3\n", err));
    double x = 9;
    int64_t n = 9;
    expect_ok(spa_csv_double(&csv, 0, 0, 0.5, 0.5, &x, err));
    cr_assert_eq(x, 0.5);
    expect_ok(spa_csv_i64(&csv, 0, 1, 1000, 1000, &n, err));
    cr_assert_eq(n, 1000);
}

Test(csv, a_bad_cell_is_named_by_file_line_and_column_and_gives_0)
{
    expect_ok(parse("x,n\nfast,1.5\n,-1\n", err));
    double x = 9;
    int64_t n = 9;
    expect_error(spa_csv_double(&csv, 0, 0, 0, 1, &x, err), SPA_E_PARSE,
                 "t.csv:2: column 'x': 'fast' is not a number; write one like 2.5 or 1e8");
    cr_assert_eq(x, 0);
    expect_error(spa_csv_i64(&csv, 0, 1, 0, 9, &n, err), SPA_E_PARSE,
                 "t.csv:2: column 'n': '1.5' is not a whole number; write one like 12 or 1e8");
    cr_assert_eq(n, 0);
    expect_error(spa_csv_double(&csv, 1, 0, 0, 1, &x, err), SPA_E_PARSE,
                 "t.csv:3: column 'x': '' is not a number; write one like 2.5 or 1e8");
    expect_error(spa_csv_i64(&csv, 1, 1, 0, 9, &n, err), SPA_E_RANGE,
                 "t.csv:3: column 'n': '-1' is out of range; write a number from 0 to 9");
    expect_error(spa_csv_double(&csv, 0, -1, 0, 1, &x, err), SPA_E_PARSE,
                 "t.csv:2: a column that is needed here is missing; add it to the header");
}

Test(csv, an_empty_cell_or_a_missing_column_gives_the_value_for_empty)
{
    expect_ok(parse("x,n\n,\n0.25,bad\n", err));
    double x = 9;
    int64_t n = 9;
    expect_ok(spa_csv_double_or(&csv, 0, 0, NAN, 0, 1, &x, err));
    cr_assert(isnan(x));
    expect_ok(spa_csv_double_or(&csv, 1, 0, NAN, 0, 1, &x, err));
    cr_assert_eq(x, 0.25);
    expect_ok(spa_csv_double_or(&csv, 1, -1, -1, 0, 1, &x, err));
    cr_assert_eq(x, -1);
    expect_ok(spa_csv_i64_or(&csv, 0, 1, -1, 0, 9, &n, err));
    cr_assert_eq(n, -1);
    expect_error(spa_csv_i64_or(&csv, 1, 1, -1, 0, 9, &n, err), SPA_E_PARSE,
                 "t.csv:3: column 'n': 'bad' is not a whole number; write one like 12 or 1e8");
}

Test(csv, a_reader_can_fail_at_a_row_and_column_or_at_the_header)
{
    expect_ok(parse("x\n1\n", err));
    expect_error(spa_csv_fail(&csv, 0, 0, err, "the %s is wrong", "sum"), SPA_E_PARSE,
                 "t.csv:2: column 'x': the sum is wrong");
    expect_error(spa_csv_fail(&csv, 0, -1, err, "wrong"), SPA_E_PARSE, "t.csv:2: wrong");
    expect_error(spa_csv_fail(&csv, SIZE_MAX, -1, err, "wrong"), SPA_E_PARSE, "t.csv:1: wrong");
}

Test(csv, a_file_is_read_and_a_missing_one_named)
{
    char path[] = "/tmp/spa-csv-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, "a\n1\n", 4), 4);
    close(fd);
    expect_ok(spa_csv_read(&csv, path, err));
    cr_assert_eq(csv.n_rows, 1);
    cr_assert_str_eq(csv.path, path);
    unlink(path);
    spa_csv_fini(&csv);
    expect_error(spa_csv_read(&csv, "/none.csv", err), SPA_E_IO,
                 "/none.csv: cannot be opened: No such file or directory");
    cr_assert_null(csv.path);
}

/* Unquoted at the start of a file it would be skipped, and the cell empty. */
Test(csv, a_cell_that_begins_with_a_byte_order_mark_is_quoted)
{
    spa_string out = {0};
    spa_csv_put(&out, "\xef\xbb\xbf"
                      "a");
    cr_assert_str_eq(out.text, "\"\xef\xbb\xbf"
                               "a\"");
    spa_string_fini(&out);
}

Test(csv, only_cells_that_need_it_are_quoted)
{
    static const char *const cells[][2] = {{"plain", "plain"},   {"", ""},
                                           {"a,b", "\"a,b\""},   {"say \"x\"", "\"say \"\"x\"\"\""},
                                           {"a\nb", "\"a\nb\""}, {"a\r", "\"a\r\""},
                                           {"#a", "\"#a\""},     {" a", "\" a\""},
                                           {"a\t", "\"a\t\""},   {"a b#", "a b#"},
                                           {"\"", "\"\"\"\""},   {"%s", "%s"}};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        spa_string s = {0};
        spa_csv_put(&s, cells[i][0]);
        cr_assert_str_eq(s.text, cells[i][1]);
        spa_string_fini(&s);
    }
}

Test(csv, random_tables_are_read_back_as_they_were_written)
{
    static const char bytes[] = "a,\"\n\r #;\t\xc3";
    spa_rng rng;
    spa_rng_init(&rng, 1, "tables");
    for (int round = 0; round < 2000; round++) {
        size_t columns = 2 + spa_rng_below(&rng, 4), rows = spa_rng_below(&rng, 5);
        static char cells[5 * 5][8];
        spa_string s = {0};
        for (size_t c = 0; c < columns; c++) spa_string_append(&s, "%sc%zu", c ? "," : "", c);
        spa_string_append(&s, "\n");
        for (size_t i = 0; i < rows * columns; i++) {
            size_t length = spa_rng_below(&rng, 7);
            for (size_t k = 0; k < length; k++) {
                cells[i][k] = bytes[spa_rng_below(&rng, sizeof bytes - 1)];
            }
            cells[i][length] = '\0';
            spa_csv_put(&s, cells[i]);
            spa_string_append(&s, (i + 1) % columns ? "," : "\n");
        }
        expect_ok(parse(s.text, err));
        cr_assert(csv.n_columns == columns && csv.n_rows == rows);
        for (size_t i = 0; i < rows * columns; i++) cr_assert_str_eq(csv.cells[i], cells[i]);
        spa_csv_fini(&csv);
        spa_string_fini(&s);
    }
}

Test(csv, random_bytes_are_refused_with_a_message_or_read_back_the_same)
{
    static const char bytes[] = "a1,,\"\"\n\n\r#";
    spa_rng rng;
    spa_rng_init(&rng, 1, "bytes");
    size_t accepted = 0;
    for (int round = 0; round < 50000; round++) {
        char text[24];
        size_t length = spa_rng_below(&rng, sizeof text - 1);
        for (size_t k = 0; k < length; k++) text[k] = bytes[spa_rng_below(&rng, sizeof bytes - 1)];
        if (length && round % 8) text[length - 1] = '\n';
        text[length] = '\0';
        spa_error e = {0};
        if (parse(text, &e) != SPA_OK) {
            cr_assert_neq(e.message[0], '\0');
            continue;
        }
        accepted++;
        spa_csv first = csv;
        spa_string s = {0};
        for (size_t i = 0; i < first.n_columns * (first.n_rows + 1); i++) {
            /* One empty cell alone would be an empty line: written quoted. */
            const char *cell =
                i < first.n_columns ? first.columns[i] : first.cells[i - first.n_columns];
            if (*cell)
                spa_csv_put(&s, cell);
            else
                spa_string_append(&s, "\"\"");
            spa_string_append(&s, (i + 1) % first.n_columns ? "," : "\n");
        }
        expect_ok(parse(s.text, err));
        cr_assert(csv.n_columns == first.n_columns && csv.n_rows == first.n_rows);
        for (size_t i = 0; i < csv.n_columns * csv.n_rows; i++) {
            cr_assert_str_eq(csv.cells[i], first.cells[i]);
        }
        spa_string_fini(&s);
        spa_csv_fini(&first);
        spa_csv_fini(&csv);
    }
    cr_assert_gt(accepted, 1000);
}
