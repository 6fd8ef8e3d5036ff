/* Part of vector_body.h: loops over positions with 8 or 16 channels side by side. */

static void affine_lanes(const float *x, const float *scale, const float *shift, size_t lanes,
                         float *y, size_t n)
{
    v8 a = load(scale), b = load(shift), c = a, d = b;
    if (lanes == 16) {
        c = load(scale + 8);
        d = load(shift + 8);
    }
    size_t i = 0, count = n * lanes;
    for (; i + 16 <= count; i += 16) {
        store(y + i, load(x + i) * a + b);
        store(y + i + 8, load(x + i + 8) * c + d);
    }
    if (i < count) store(y + i, load(x + i) * a + b);
}

static void sum_lanes(const float *x, size_t lanes, float *y, size_t n)
{
    for (size_t k = 0; k < lanes; k += 8) {
        v8 s[4] = {splat(0), splat(0), splat(0), splat(0)};
        size_t i = 0;
        for (; i + 4 <= n; i += 4)
            for (size_t j = 0; j < 4; j++) s[j] += load(x + (i + j) * lanes + k);
        for (; i < n; i++) s[0] += load(x + i * lanes + k);
        store(y + k, (s[0] + s[1]) + (s[2] + s[3]));
    }
}

static void max_lanes(const float *x, const spa_lanes_window *w, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++, x += w->step, y += w->lanes) {
        for (size_t k = 0; k < w->lanes; k += 8) {
            v8 m = load(x + k);
            for (size_t r = 0; r < w->rows; r++)
                for (size_t c = 0; c < w->columns; c++)
                    m = larger(load(x + r * w->row_step + c * w->column_step + k), m);
            store(y + k, m);
        }
    }
}

static void mean_lanes(const float *x, const spa_lanes_window *w, float factor, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++, x += w->step, y += w->lanes) {
        for (size_t k = 0; k < w->lanes; k += 8) {
            v8 s = splat(0);
            for (size_t r = 0; r < w->rows; r++)
                for (size_t c = 0; c < w->columns; c++)
                    s += load(x + r * w->row_step + c * w->column_step + k);
            store(y + k, s * splat(factor));
        }
    }
}
