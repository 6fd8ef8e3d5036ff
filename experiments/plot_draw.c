#include "experiments/plot_draw.h"

#include <math.h>
#include <string.h>

enum {
    TITLE = 22,
    NO_TITLE = 4,
    PANEL_TITLE = 13,
    TICS = 16,
    AXIS_NAME = 14,
    LINE_PANEL = 130,
    WIDEST_SCATTER = 300,
    KEY_LINE = 14
};

size_t plot_fit(double pixels)
{
    return pixels > SPA_PLOT_LETTER_SMALL ? (size_t)(pixels / SPA_PLOT_LETTER_SMALL) : 1;
}

void plot_put_place(const plot_layout *l, double x, double y)
{
    spa_string_append(&l->figure->commands, " at screen %.6f, screen %.6f", x / l->width,
                      1 - y / l->height);
}

static double panel_x(const plot_layout *l, size_t p)
{
    return l->left + (double)(p % l->columns) * (l->panel_width + l->gap);
}

static size_t title_letters(const plot_layout *l)
{
    return (size_t)((l->panel_width + l->gap) * 0.9 / SPA_PLOT_LETTER);
}

/* Ends at `bottom`; what does not fit beside the first name goes below it. */
static void put_panel_title(const plot_layout *l, size_t p, double middle, double bottom)
{
    spa_string *s = &l->figure->commands;
    const char *title = l->plot->panels[p].title, *rest = strstr(title, ", ");
    char first[256];
    size_t n = rest && l->title > PANEL_TITLE ? (size_t)(rest - title) : strlen(title);
    if (n >= sizeof first) n = sizeof first - 1;
    memcpy(first, title, n);
    first[n] = '\0';
    spa_string_append(s, "set label 1 ");
    spa_plot_cut_text(s, first, title_letters(l));
    plot_put_place(l, middle, bottom - l->title + PANEL_TITLE / 2.0);
    spa_string_append(s, " center font ',%d'\n", SPA_PLOT_FONT);
    if (!title[n]) return;
    spa_string_append(s, "set label 2 ");
    spa_plot_cut_text(s, rest + 2, plot_fit((l->panel_width + l->gap) * 0.85));
    plot_put_place(l, middle, bottom - l->title + PANEL_TITLE * 1.4);
    spa_string_append(s, " center font ',%d' textcolor rgb '#444444'\n", SPA_PLOT_FONT_SMALL);
}

void plot_place_panel(const plot_layout *l, size_t p)
{
    spa_string *s = &l->figure->commands;
    double x = panel_x(l, p), y = l->top + (double)(p / l->columns) * l->pitch;
    spa_string_append(s,
                      "reset\nset lmargin at screen %.6f\nset rmargin at screen %.6f\n"
                      "set tmargin at screen %.6f\nset bmargin at screen %.6f\n"
                      "unset key\nset border 3 lw 0.5 lc rgb '#444444'\n"
                      "set tics nomirror out scale 0.4 font ',%d'\n",
                      x / l->width, (x + l->panel_width) / l->width, 1 - y / l->height,
                      1 - (y + l->panel_height) / l->height, SPA_PLOT_FONT_SMALL);
    double above = l->plot->kind == SPA_PLOT_HEAT ? plot_head_height(l) : 0;
    put_panel_title(l, p, x + l->panel_width / 2, y - above);
}

/* ---------------------------------------------------------------- layout */
static double title_height(const spa_plot *plot)
{
    return *plot->title ? TITLE : NO_TITLE;
}

static size_t key_columns(const spa_plot *plot)
{
    size_t longest = 1;
    for (size_t i = 0; i < plot->n_names; i++) {
        size_t n = spa_plot_letters(plot->names[i]);
        if (n > longest) longest = n;
    }
    double each = (double)longest * SPA_PLOT_LETTER_SMALL + 44;
    size_t most = (size_t)((SPA_PLOT_WIDTH - 2.0 * SPA_PLOT_MARGIN) / each);
    return most > 0 ? most : 1;
}

static size_t key_lines(const spa_plot *plot)
{
    if (plot->kind == SPA_PLOT_HEAT || plot->n_names < 2) return 0;
    size_t most = key_columns(plot);
    return (plot->n_names + most - 1) / most;
}

/* The caption's next line of at most `most` letters: returns where the one after it begins. */
static const char *next_line(const char *text, size_t most, size_t *length)
{
    size_t n = 0, last_blank = 0, i = 0;
    for (; text[i]; i++) {
        if (((unsigned char)text[i] & 0xc0) == 0x80) continue;
        if (text[i] == ' ') last_blank = i;
        if (++n > most) break;
    }
    if (!text[i]) {
        *length = i;
        return text + i;
    }
    *length = last_blank ? last_blank : i;
    return text + *length + (last_blank ? 1 : 0);
}

#define CAPTION_LETTERS ((size_t)(0.94 * SPA_PLOT_WIDTH / SPA_PLOT_LETTER_SMALL))

static size_t caption_lines(const spa_plot *plot)
{
    size_t lines = 0, length;
    for (const char *at = plot->caption.text; at && *at; lines++)
        at = next_line(at, CAPTION_LETTERS, &length);
    return lines;
}

static double longest_row(const spa_plot *plot)
{
    size_t longest = 4;
    for (size_t i = 0; i < plot->n_rows; i++) {
        size_t n = spa_plot_letters(plot->rows[i]);
        if (n > longest) longest = n;
    }
    return (double)(longest > 26 ? 26 : longest) * SPA_PLOT_LETTER + 14;
}

static size_t choose_columns(const spa_plot *plot, size_t n)
{
    size_t columns = plot->columns;
    if (!columns) columns = n <= 3 ? n : n == 4 ? 2 : plot->kind == SPA_PLOT_HEAT ? 2 : 3;
    return columns < 1 ? 1 : columns > n ? n : columns;
}

static void lay_out(plot_layout *l, const spa_plot *plot, spa_figure *figure)
{
    size_t n = plot->count ? plot->count : 1;
    *l = (plot_layout){.plot = plot, .figure = figure, .width = SPA_PLOT_WIDTH};
    l->is_categorical = plot->kind != SPA_PLOT_LINES && plot->kind != SPA_PLOT_SCATTER;
    l->columns = choose_columns(plot, n);
    l->rows = (n + l->columns - 1) / l->columns;
    l->gap = l->is_categorical ? 12 : 40;
    l->left = l->is_categorical ? longest_row(plot) + SPA_PLOT_MARGIN : 52;
    l->panel_width =
        (l->width - l->left - SPA_PLOT_MARGIN - 4 - l->gap * (double)(l->columns - 1)) /
        (double)l->columns;
    if (plot->kind == SPA_PLOT_SCATTER) l->panel_width = fmin(l->panel_width, WIDEST_SCATTER);
    l->panel_height = LINE_PANEL;
    if (plot->kind == SPA_PLOT_SCATTER) l->panel_height = fmin(l->panel_width, 260);
    if (l->is_categorical)
        l->panel_height = plot_row_height(plot) * (double)(plot->n_rows ? plot->n_rows : 1) + 4;
    l->title = PANEL_TITLE;
    for (size_t p = 0; p < plot->count; p++)
        if (strstr(plot->panels[p].title, ", ") &&
            spa_plot_letters(plot->panels[p].title) > title_letters(l))
            l->title = PANEL_TITLE * 1.85;
    double head = l->title + (plot->kind == SPA_PLOT_HEAT ? plot_head_height(l) : 0);
    double foot = plot->kind == SPA_PLOT_HEAT ? 6 : TICS;
    l->top = title_height(plot) + head;
    l->pitch = l->panel_height + foot + head + 4;
    double bottom = title_height(plot) + (double)l->rows * l->pitch;
    if (*plot->x_label) bottom += AXIS_NAME;
    bottom += (double)key_lines(plot) * KEY_LINE + 6;
    l->height = bottom + (double)caption_lines(plot) * SPA_PLOT_LINE + 6;
    figure->width = SPA_PLOT_WIDTH;
    figure->height = (int)ceil(l->height);
    l->height = figure->height;
    figure->points = SPA_PLOT_FONT;
    figure->scale = SPA_PLOT_PNG_SCALE;
}

/* ---------------------------------------------------------------- what stands around the panels */
static void put_key(const plot_layout *l, double y)
{
    const spa_plot *plot = l->plot;
    spa_string *s = &l->figure->commands;
    spa_string_append(s,
                      "set key at screen 0.5, screen %.6f center top horizontal Left reverse "
                      "samplen 2 width 0.5 maxcols %zu font ',%d'\nplot ",
                      1 - y / l->height, key_columns(plot), SPA_PLOT_FONT_SMALL);
    for (size_t i = 0; i < plot->n_names; i++) {
        spa_plot_mark m = spa_plot_mark_of(i);
        if (plot->kind == SPA_PLOT_STACK || plot->kind == SPA_PLOT_BARS) {
            spa_string_append(s, "keyentry with boxes fs %s border lc rgb '#333333' fc rgb '%s'",
                              m.fill, m.colour);
        } else if (plot->kind == SPA_PLOT_LINES) {
            spa_string_append(s, "keyentry with linespoints dt %d lw 1.2 pt %d ps 0.6 lc rgb '%s'",
                              m.dash, m.point, m.colour);
        } else {
            spa_string_append(s, "keyentry with points pt %d ps 0.7 lc rgb '%s'", m.point,
                              m.colour);
        }
        spa_string_append(s, " title ");
        spa_plot_cut_text(s, plot->names[i], 60);
        spa_string_append(s, ", \\\n");
    }
    spa_string_append(s, "NaN notitle\n");
}

/* Title, name of the x axis, key and caption: an empty plot over the whole figure. */
static void put_frame(const plot_layout *l)
{
    const spa_plot *plot = l->plot;
    spa_string *s = &l->figure->commands;
    double y = title_height(plot) + (double)l->rows * l->pitch;
    spa_string_append(s, "reset\nset lmargin at screen 0\nset rmargin at screen 1\nset tmargin at "
                         "screen 1\nset bmargin at screen 0\nunset border\nunset tics\nunset key\n"
                         "set xrange [0:1]\nset yrange [0:1]\nset label 1 ");
    spa_plot_cut_text(s, plot->title, (size_t)(SPA_PLOT_WIDTH / 7));
    plot_put_place(l, SPA_PLOT_MARGIN, TITLE / 2.0 + 1);
    spa_string_append(s, " left font ',%d'\n", SPA_PLOT_FONT_TITLE);
    if (*plot->x_label) {
        spa_string_append(s, "set label 2 ");
        spa_plot_cut_text(s, plot->x_label, 110);
        double panels = (double)l->columns * (l->panel_width + l->gap) - l->gap;
        plot_put_place(l, l->left + panels / 2, y + AXIS_NAME / 2.0 - 2);
        spa_string_append(s, " center font ',%d'\n", SPA_PLOT_FONT);
        y += AXIS_NAME;
    }
    double caption = y + (double)key_lines(plot) * KEY_LINE + 6;
    int label = 10;
    for (const char *at = plot->caption.text; at && *at; label++) {
        char line[1024];
        size_t length;
        const char *next = next_line(at, CAPTION_LETTERS, &length);
        if (length >= sizeof line) length = sizeof line - 1;
        memcpy(line, at, length);
        line[length] = '\0';
        spa_string_append(s, "set label %d ", label);
        spa_figure_text(s, line);
        plot_put_place(l, SPA_PLOT_MARGIN, caption + SPA_PLOT_LINE * (label - 10 + 0.5));
        spa_string_append(s, " left font ',%d' textcolor rgb '#444444'\n", SPA_PLOT_FONT_SMALL);
        at = next;
    }
    if (key_lines(plot)) {
        put_key(l, y);
    } else {
        spa_string_append(s, "plot NaN notitle\n");
    }
}

spa_status spa_plot_draw(const spa_plot *plot, spa_figure *figure, spa_error *err)
{
    plot_layout l;
    SPA_TRY(spa_plot_ok(plot, err));
    *figure = (spa_figure){0};
    lay_out(&l, plot, figure);
    spa_string_append(&figure->commands, "set multiplot\n");
    put_frame(&l);
    for (size_t p = 0; p < plot->count; p++) {
        plot_place_panel(&l, p);
        if (plot->kind == SPA_PLOT_HEAT) {
            plot_draw_heat(&l, p);
        } else if (l.is_categorical) {
            plot_draw_rows(&l, p);
        } else {
            plot_draw_lines(&l, p);
        }
    }
    spa_string_append(&figure->commands, "unset multiplot\n");
    SPA_TRY(spa_string_ok(&figure->data, err));
    return spa_string_ok(&figure->commands, err);
}
