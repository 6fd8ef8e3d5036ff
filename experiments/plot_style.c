#include "experiments/plot_style.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

spa_plot_mark spa_plot_mark_of(size_t i)
{
    /* Neighbours differ in lightness; shapes tell apart what is alike in grey. */
    static const spa_plot_mark marks[SPA_PLOT_STYLES] = {
        {SPA_COLOUR_BLUE, 7, 1, "solid 1.0"},
        {SPA_COLOUR_ORANGE, 5, 2, "pattern 2"},
        {SPA_COLOUR_SKY, 9, 4, "solid 1.0"},
        {"#000000", 13, 3, "pattern 4"},
        {SPA_COLOUR_GREEN, 4, 2, "solid 1.0"},
        {SPA_COLOUR_VERMILLION, 6, 1, "pattern 5"},
        {SPA_COLOUR_PURPLE, 8, 4, "pattern 1"},
        {SPA_COLOUR_GREY, 11, 3, "solid 1.0"},
        {"#000000", 6, 1, "pattern 7"},
        {SPA_COLOUR_VERMILLION, 13, 4, "solid 1.0"},
        {SPA_COLOUR_PURPLE, 7, 1, "solid 1.0"},
        {SPA_COLOUR_SKY, 6, 2, "pattern 6"},
        {SPA_COLOUR_GREEN, 13, 3, "solid 0.5"},
        {SPA_COLOUR_YELLOW, 12, 5, "solid 1.0"}, /* last: pale on white */
    };
    spa_plot_mark mark = marks[i % SPA_PLOT_STYLES];
    mark.dash = 1 + (mark.dash - 1 + (int)(i / SPA_PLOT_STYLES)) % 5;
    return mark;
}

const char *spa_plot_number(double x, bool percent, char text[32])
{
    double size = fabs(x);
    if (!isfinite(x)) return "-";
    if (percent) {
        snprintf(text, 32, "%.0f %%", x);
    } else if (size != 0 && (size < 1e-3 || size >= 1e6)) {
        snprintf(text, 32, "%.1e", x);
    } else {
        int decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4;
        snprintf(text, 32, "%.*f", size == 0 ? 0 : decimals, x);
    }
    return text;
}

size_t spa_plot_letters(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void spa_plot_cut_text(spa_string *out, const char *text, size_t letters)
{
    char cut[512];
    size_t n = 0, used = 0;
    bool fits = spa_plot_letters(text) <= letters;
    for (; text[used] && used + 8 < sizeof cut; used++) {
        bool begins = ((unsigned char)text[used] & 0xc0) != 0x80;
        if (begins && !fits && n + 1 >= letters) break;
        n += begins;
        cut[used] = text[used];
    }
    memcpy(cut + used, fits ? "" : "\xe2\x80\xa6", fits ? 1 : 4);
    spa_figure_text(out, cut);
}

/* ---------------------------------------------------------------- tics */
static void put_tic(spa_string *out, double x, const char **between)
{
    char text[32];
    int power = x > 0 ? (int)floor(log10(x) + 1e-9) : 0;
    if (power >= 5 || power <= -4) {
        snprintf(text, sizeof text, "%.3ge%d", x / pow(10, power), power);
    } else {
        snprintf(text, sizeof text, "%.6g", x);
    }
    spa_string_append(out, "%s'%s' %.9g", *between, text, x);
    *between = ", ";
}

/* Multiples of every `every`-th power of ten within low..high; returns their number. `out` may be
 * NULL. */
static int put_multiples(spa_string *out, double low, double high, const double *all, int n_all,
                         int every)
{
    const char *between = "";
    int n = 0;
    for (int e = (int)floor(log10(low)); e <= (int)ceil(log10(high)); e++) {
        for (int k = 0; k < n_all && e % every == 0; k++) {
            double x = all[k] * pow(10, e);
            if (x < low * 0.999 || x > high * 1.001) continue;
            if (out) put_tic(out, x, &between);
            n++;
        }
    }
    return n;
}

/* The finest of 1 2 5, 1 3, powers of ten, every other one, ... that are not too many. */
static void put_log_tics(spa_string *out, double low, double high, int most)
{
    static const double fine[] = {1, 2, 5}, middle[] = {1, 3};
    if (put_multiples(NULL, low, high, fine, 3, 1) <= most) {
        put_multiples(out, low, high, fine, 3, 1);
    } else if (put_multiples(NULL, low, high, middle, 2, 1) <= most) {
        put_multiples(out, low, high, middle, 2, 1);
    } else {
        int every = 1;
        while (every < 100 && put_multiples(NULL, low, high, fine, 1, every) > most) every++;
        put_multiples(out, low, high, fine, 1, every);
    }
}

static void put_linear_tics(spa_string *out, double low, double high, int most)
{
    static const double steps[] = {1, 2, 2.5, 5, 10};
    const char *between = "";
    double raw = (high - low) / most, unit = pow(10, floor(log10(raw))), step = unit * 10;
    for (int k = 4; k >= 0; k--)
        if (steps[k] * unit >= raw) step = steps[k] * unit;
    for (double x = ceil(low / step - 1e-9) * step; x <= high + step * 1e-9; x += step)
        put_tic(out, fabs(x) < step * 1e-6 ? 0 : x, &between);
}

void spa_plot_tics(spa_string *out, char axis, double low, double high, bool log, int most)
{
    spa_string_append(out, "set %ctics (", axis);
    if (high > low && isfinite(low) && isfinite(high)) {
        if (log && low > 0) {
            put_log_tics(out, low, high, most);
        } else {
            put_linear_tics(out, low, high, most);
        }
    }
    spa_string_append(out, ")\n");
}
