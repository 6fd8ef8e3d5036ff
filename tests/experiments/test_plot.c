/* Figures before gnuplot: data file, tics, numbers, sizes. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/plot_style.h"

static void expect_tics(double low, double high, bool log, int most, const char *text)
{
    spa_string s = {0};
    spa_plot_tics(&s, 'x', low, high, log, most);
    cr_assert_str_eq(s.text, text);
    spa_string_fini(&s);
}

Test(plot, linear_tics_are_round_and_not_too_many)
{
    /* 0 to 47 in at most 6: 47 / 6 = 7.8, the next round step is 10. */
    expect_tics(0, 47, false, 6, "set xtics ('0' 0, '10' 10, '20' 20, '30' 30, '40' 40)\n");
    expect_tics(0.9, 1.7, false, 4, "set xtics ('1' 1, '1.2' 1.2, '1.4' 1.4, '1.6' 1.6)\n");
}

Test(plot, logarithmic_tics_thin_out)
{
    expect_tics(1, 60, true, 6, "set xtics ('1' 1, '2' 2, '5' 5, '10' 10, '20' 20, '50' 50)\n");
    expect_tics(3, 70, true, 3, "set xtics ('3' 3, '10' 10, '30' 30)\n");
    expect_tics(1, 1e8, true, 4, "set xtics ('1' 1, '1000' 1000, '1e6' 1000000)\n");
}

Test(plot, an_axis_of_one_value_has_no_tics)
{
    expect_tics(2, 2, false, 5, "set xtics ()\n");
    expect_tics(NAN, NAN, true, 5, "set xtics ()\n");
}

Test(plot, numbers_have_three_digits)
{
    char text[32];
    cr_assert_str_eq(spa_plot_number(3.14159, false, text), "3.14");
    cr_assert_str_eq(spa_plot_number(31.4159, false, text), "31.4");
    cr_assert_str_eq(spa_plot_number(-314.159, false, text), "-314");
    cr_assert_str_eq(spa_plot_number(0.0123, false, text), "0.0123");
    cr_assert_str_eq(spa_plot_number(2.5e-5, false, text), "2.5e-05");
    cr_assert_str_eq(spa_plot_number(0, false, text), "0");
    cr_assert_str_eq(spa_plot_number(12.6, true, text), "13 %");
    cr_assert_str_eq(spa_plot_number(NAN, true, text), "-");
}

Test(plot, texts_are_cut_at_letters_not_bytes)
{
    spa_string s = {0};
    spa_plot_cut_text(&s, "\xc3\xa4\xc3\xb6\xc3\xbc'x", 5);
    spa_plot_cut_text(&s, "\xc3\xa4\xc3\xb6\xc3\xbc'x", 3);
    cr_assert_str_eq(s.text, "'\xc3\xa4\xc3\xb6\xc3\xbc''x''\xc3\xa4\xc3\xb6\xe2\x80\xa6'");
    cr_assert_eq(spa_plot_letters("\xc3\xa4\xc3\xb6\xc3\xbc"), 3);
    spa_string_fini(&s);
}

static spa_plot_point at(const char *row, double y)
{
    return (spa_plot_point){.row = row, .x = NAN, .y = y, .low = NAN, .high = NAN};
}

Test(plot, the_data_file_has_a_line_per_point_and_quotes_what_needs_it)
{
    spa_plot plot;
    spa_string csv = {0};
    spa_plot_init(&plot, SPA_PLOT_BARS, "x");
    plot.title = "a\ntitle";
    spa_plot_add(&plot, "m, d", "s", at("say \"hi\"", 1.5));
    spa_plot_add(&plot, "m, d", "s", at("none", NAN));
    spa_plot_add(&plot, "m, d", "t",
                 (spa_plot_point){.row = NULL, .x = 2, .y = 3, .low = 2.5, .high = 3.5});
    spa_string_append(&plot.caption, "how");
    cr_assert_eq(spa_plot_csv(&plot, &csv, NULL), SPA_OK);
    cr_assert_str_eq(csv.text, "# figure: a title\n# x: \n# y: \n# caption: how\n"
                               "panel,series,row,x,value,low,high\n"
                               "\"m, d\",s,\"say \"\"hi\"\"\",,1.5,,\n"
                               "\"m, d\",s,none,,,,\n"
                               "\"m, d\",t,,2,3,2.5,3.5\n");
    cr_assert_eq(plot.n_rows, 2);
    cr_assert(!spa_plot_is_empty(&plot));
    spa_string_fini(&csv);
    spa_plot_fini(&plot);
}

Test(plot, a_plot_without_a_value_is_empty)
{
    spa_plot plot;
    spa_plot_init(&plot, SPA_PLOT_BARS, "x");
    cr_assert(spa_plot_is_empty(&plot));
    spa_plot_add(&plot, "p", "s", at("a", NAN));
    cr_assert(spa_plot_is_empty(&plot));
    spa_plot_fini(&plot);
}

/* Every row of bars takes 11 pixels (plot_rows.c), every 140 letters of caption a line of 11. */
Test(plot, figures_grow_with_rows_and_caption)
{
    int heights[3];
    for (int k = 0; k < 3; k++) {
        spa_plot plot;
        spa_figure figure = {0};
        spa_plot_init(&plot, SPA_PLOT_BARS, "x");
        spa_plot_add(&plot, "p", "s", at("a", 1));
        if (k > 0) spa_plot_add(&plot, "p", "s", at("b", 2));
        spa_string_append(&plot.caption, "word");
        for (int i = 0; i < 30 && k > 1; i++) spa_string_append(&plot.caption, " word");
        cr_assert_eq(spa_plot_draw(&plot, &figure, NULL), SPA_OK);
        heights[k] = figure.height;
        cr_assert_eq(figure.width, SPA_PLOT_WIDTH);
        spa_figure_fini(&figure);
        spa_plot_fini(&plot);
    }
    cr_assert_eq(heights[1], heights[0] + 11);
    cr_assert_eq(heights[2], heights[1] + SPA_PLOT_LINE);
}

Test(plot, neighbouring_marks_differ_in_more_than_colour)
{
    for (size_t i = 0; i < SPA_PLOT_STYLES; i++) {
        for (size_t k = 0; k < i; k++) {
            spa_plot_mark a = spa_plot_mark_of(i), b = spa_plot_mark_of(k);
            cr_assert(a.point != b.point || strcmp(a.colour, b.colour) != 0, "%zu %zu", i, k);
        }
        spa_plot_mark a = spa_plot_mark_of(i), b = spa_plot_mark_of(i + 1);
        cr_assert(a.point != b.point && strcmp(a.colour, b.colour) != 0, "%zu", i);
    }
}
