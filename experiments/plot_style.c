#include "experiments/plot_style.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

spa_plot_mark spa_plot_mark_of(size_t i)
{
    /* Neighbours differ in lightness; shapes tell apart what is alike in grey. */
    static const spa_plot_mark marks[SPA_PLOT_STYLES] = {
        {SPA_COLOUR_BLUE, 7, 1, "solid 1.0"},    {SPA_COLOUR_ORANGE, 5, 2, "pattern 2"},
        {SPA_COLOUR_SKY, 9, 4, "solid 1.0"},     {"#000000", 13, 3, "pattern 4"},
        {SPA_COLOUR_YELLOW, 11, 5, "solid 1.0"}, {SPA_COLOUR_VERMILLION, 6, 1, "pattern 5"},
        {SPA_COLOUR_GREEN, 4, 2, "solid 1.0"},   {SPA_COLOUR_PURPLE, 8, 4, "pattern 1"},
        {SPA_COLOUR_GREY, 12, 3, "solid 1.0"},
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
    spa_string_append(out, "%s'%.6g' %.9g", *between, x, x);
    *between = ", ";
}

/* 1, 2, 5 times powers of ten, or fewer where they are too many. */
static void put_log_tics(spa_string *out, double low, double high, int most)
{
    static const double all[] = {1, 2, 5};
    const char *between = "";
    int first = (int)floor(log10(low)), last = (int)ceil(log10(high));
    int n = 0, every = 1;
    for (int e = first; e <= last; e++)
        for (int k = 0; k < 3; k++) n += all[k] * pow(10, e) >= low && all[k] * pow(10, e) <= high;
    int per_decade = n <= most ? 3 : 1;
    if (per_decade == 1)
        while ((last - first) / every > most) every++;
    for (int e = first; e <= last; e += every) {
        for (int k = 0; k < per_decade; k++) {
            double x = all[k] * pow(10, e);
            if (x >= low * 0.999 && x <= high * 1.001) put_tic(out, x, &between);
        }
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
