/* Part of losses.c, once per type of numbers. */

void NN(spa_log_softmax)(size_t rows, size_t n, const REAL *logits, const uint8_t *mask,
                         REAL *log_p, REAL *p)
{
    for (size_t r = 0; r < rows; r++, logits += n, log_p += n) {
        const uint8_t *row = mask ? mask + r * n : NULL;
        REAL top = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++)
            if ((!row || row[i]) && !(logits[i] <= top)) top = logits[i];
        for (size_t i = 0; i < n; i++) {
            log_p[i] = !row || row[i] ? logits[i] - top : (REAL)-INFINITY;
            REAL e = EXP(log_p[i]);
            if (p) p[r * n + i] = e;
            sum += e;
        }
        REAL log_sum = LOG(sum), scale = 1 / sum;
        for (size_t i = 0; i < n; i++) {
            log_p[i] -= log_sum;
            if (p) p[r * n + i] *= scale;
        }
    }
}

/* ---- PPO ---- */

/* With H = -sum p log p: dH/dlogit_i = -p_i (log p_i + H). */
void NN(spa_ppo_discrete)(size_t rows, size_t n, const REAL *logits, const uint8_t *mask,
                          const uint32_t *action, const REAL *old_log_p, const REAL *advantage,
                          double clip, double entropy_weight, REAL *log_p, REAL *d_logits,
                          spa_ppo_stats *stats)
{
    spa_ppo_stats s = {0};
    NN(spa_log_softmax)(rows, n, logits, mask, log_p, d_logits); /* d_logits = p for now */
    for (size_t r = 0; r < rows; r++) {
        const REAL *lp = log_p + r * n;
        REAL *d = d_logits + r * n;
        double slope, entropy = 0;
        s.policy_loss +=
            clipped_loss((double)lp[action[r]] - old_log_p[r], advantage[r], clip, &slope, &s);
        for (size_t i = 0; i < n; i++)
            if (d[i] > 0) entropy -= (double)d[i] * lp[i];
        s.entropy += entropy;
        for (size_t i = 0; i < n; i++) {
            double p = d[i], g = -slope * p;
            if (i == action[r]) g += slope;
            if (p > 0) g += entropy_weight * p * (lp[i] + entropy);
            d[i] = (REAL)(g / (double)rows);
        }
    }
    stats_mean(&s, rows);
    s.value_loss = stats->value_loss;
    *stats = s;
}

double NN(spa_gaussian_log_p)(size_t dim, const REAL *mean, const REAL *log_sd, const REAL *action)
{
    double sum = -0.5 * (double)dim * LOG_2PI;
    for (size_t i = 0; i < dim; i++) {
        double z = ((double)action[i] - mean[i]) * exp(-(double)log_sd[i]);
        sum -= 0.5 * z * z + log_sd[i];
    }
    return sum;
}

void NN(spa_ppo_gaussian)(size_t rows, size_t dim, const REAL *mean, const REAL *log_sd,
                          const REAL *action, const REAL *old_log_p, const REAL *advantage,
                          double clip, double entropy_weight, REAL *d_mean, REAL *d_log_sd,
                          spa_ppo_stats *stats)
{
    spa_ppo_stats s = {0};
    double entropy = 0.5 * (double)dim * (1 + LOG_2PI), constant = -0.5 * (double)dim * LOG_2PI;
    double scale[MOST_DIMS], z[MOST_DIMS];
    assert(dim <= MOST_DIMS);
    for (size_t i = 0; i < dim; i++) {
        scale[i] = exp(-(double)log_sd[i]);
        constant -= log_sd[i];
        entropy += log_sd[i];
        d_log_sd[i] -= (REAL)entropy_weight; /* dH/dlog sd = 1 */
    }
    for (size_t r = 0; r < rows; r++) {
        const REAL *m = mean + r * dim, *a = action + r * dim;
        double slope, log_p = constant;
        for (size_t i = 0; i < dim; i++) {
            z[i] = ((double)a[i] - m[i]) * scale[i];
            log_p -= 0.5 * z[i] * z[i];
        }
        s.policy_loss += clipped_loss(log_p - old_log_p[r], advantage[r], clip, &slope, &s);
        slope /= (double)rows;
        for (size_t i = 0; i < dim; i++) {
            d_mean[r * dim + i] = (REAL)(slope * z[i] * scale[i]);
            d_log_sd[i] += (REAL)(slope * (z[i] * z[i] - 1));
        }
    }
    stats_mean(&s, rows);
    s.entropy = entropy;
    s.value_loss = stats->value_loss;
    *stats = s;
}

double NN(spa_value_loss)(size_t rows, const REAL *value, const REAL *old_value, const REAL *target,
                          double clip, double weight, REAL *d_value)
{
    double loss = 0;
    for (size_t r = 0; r < rows; r++) {
        double error = (double)value[r] - target[r], step = (double)value[r] - old_value[r];
        double slope = error;
        if (clip > 0 && fabs(step) > clip) {
            double held = old_value[r] + (step > 0 ? clip : -clip) - target[r];
            if (held * held > error * error) {
                error = held;
                slope = 0;
            }
        }
        loss += 0.5 * error * error;
        d_value[r] = (REAL)(weight * slope / (double)rows);
    }
    return loss / (double)rows;
}

/* ---- Q ---- */

void NN(spa_dueling)(size_t rows, size_t n, const REAL *y, const uint8_t *mask, REAL *q)
{
    for (size_t r = 0; r < rows; r++, y += n + 1, q += n) {
        REAL sum = 0;
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
            if (!allowed(mask, r * n + i)) continue;
            sum += y[1 + i];
            count++;
        }
        for (size_t i = 0; i < n; i++) {
            q[i] = allowed(mask, r * n + i) ? y[0] + y[1 + i] - sum / (REAL)count : (REAL)-INFINITY;
        }
    }
}

double NN(spa_dueling_loss)(size_t rows, size_t n, const REAL *q, const uint8_t *mask,
                            const uint32_t *action, const REAL *target, REAL *d_y)
{
    double loss = 0;
    for (size_t r = 0; r < rows; r++, d_y += n + 1) {
        double error = (double)q[r * n + action[r]] - target[r], slope = error / (double)rows;
        size_t count = 0;
        loss += 0.5 * error * error;
        for (size_t i = 0; i < n; i++) count += allowed(mask, r * n + i);
        d_y[0] = (REAL)slope;
        for (size_t i = 0; i < n; i++) {
            double part = (i == action[r]) - 1.0 / (double)count;
            d_y[1 + i] = allowed(mask, r * n + i) ? (REAL)(slope * part) : 0;
        }
    }
    return loss / (double)rows;
}

double NN(spa_q_loss)(size_t rows, size_t n, const REAL *q, const uint32_t *action,
                      const REAL *target, REAL *d_q)
{
    double loss = 0;
    memset(d_q, 0, rows * n * sizeof *d_q);
    for (size_t r = 0; r < rows; r++) {
        double error = (double)q[r * n + action[r]] - target[r];
        loss += 0.5 * error * error;
        d_q[r * n + action[r]] = (REAL)(error / (double)rows);
    }
    return loss / (double)rows;
}

/* ---- SAC ---- */

void NN(spa_sac_value)(size_t rows, size_t n, const REAL *log_p, const REAL *p, const REAL *q1,
                       const REAL *q2, double alpha, REAL *value)
{
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t i = r * n; i < (r + 1) * n; i++) {
            REAL q = q1[i] < q2[i] ? q1[i] : q2[i];
            if (p[i] > 0) sum += p[i] * (q - alpha * log_p[i]);
        }
        value[r] = (REAL)sum;
    }
}

/* With g_i = alpha log p_i - q_i: d(sum p g)/dlogit_i = p_i (g_i - sum p g). */
double NN(spa_sac_discrete)(size_t rows, size_t n, const REAL *log_p, const REAL *p, const REAL *q1,
                            const REAL *q2, double alpha, REAL *d_logits, double *entropy)
{
    double loss = 0, total_entropy = 0;
    for (size_t r = 0; r < rows; r++) {
        double mean = 0;
        for (size_t i = r * n; i < (r + 1) * n; i++) {
            REAL q = q1[i] < q2[i] ? q1[i] : q2[i];
            if (!(p[i] > 0)) continue;
            mean += p[i] * (alpha * log_p[i] - q);
            total_entropy -= (double)p[i] * log_p[i];
        }
        loss += mean;
        for (size_t i = r * n; i < (r + 1) * n; i++) {
            REAL q = q1[i] < q2[i] ? q1[i] : q2[i];
            d_logits[i] = 0;
            if (p[i] > 0) d_logits[i] = (REAL)(p[i] * (alpha * log_p[i] - q - mean) / (double)rows);
        }
    }
    *entropy += total_entropy / (double)rows;
    return loss / (double)rows;
}

#define LOW_LOG_SD  ((REAL)-5)
#define HALF_LOG_SD ((REAL)3.5)

/* log(1 - tanh(u)^2) = 2 (log 2 - u - log(1 + exp(-2u))), here for |u|: no cancellation. */
static REAL NN(log_slope)(REAL u)
{
    REAL a = u < 0 ? -u : u;
    return 2 * ((REAL)0.69314718055994530942 - a - LOG1P(EXP(-2 * a)));
}

/* log sd, of the tanh of the output s. */
static REAL NN(log_sd_of)(REAL tanh_s)
{
    return LOW_LOG_SD + HALF_LOG_SD * (1 + tanh_s);
}

void NN(spa_squash)(size_t rows, size_t dim, const REAL *y, const REAL *noise, REAL *action,
                    REAL *log_p)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < dim; i++) action[r * dim + i] = y[(2 * r + 1) * dim + i];
    TANH_ALL(rows * dim, action);
    for (size_t r = 0; r < rows; r++) {
        REAL sum = 0;
        for (size_t i = 0; i < dim; i++) {
            size_t k = r * dim + i;
            REAL log_sd = NN(log_sd_of)(action[k]), u = y[2 * r * dim + i] + EXP(log_sd) * noise[k];
            action[k] = u;
            sum -= noise[k] * noise[k] / 2 + log_sd + (REAL)(0.5 * LOG_2PI) + NN(log_slope)(u);
        }
        log_p[r] = sum;
    }
    TANH_ALL(rows * dim, action);
}

/* With u = mean + sd * noise: d log p/du = 2 tanh(u) (from -log(1 - tanh^2)), d log p/dlog sd = -1
 * besides that, dQ/du = dQ/da (1 - a^2). */
void NN(spa_squash_back)(size_t rows, size_t dim, const REAL *y, const REAL *noise,
                         const REAL *action, const REAL *d_action, double alpha, REAL *d_y)
{
    REAL weight = (REAL)(alpha / (double)rows);
    memcpy(d_y, y, rows * 2 * dim * sizeof *d_y);
    TANH_ALL(rows * 2 * dim, d_y); /* of which only those of the s are wanted */
    for (size_t r = 0; r < rows; r++, d_y += 2 * dim) {
        for (size_t i = 0; i < dim; i++) {
            size_t k = r * dim + i;
            REAL t = d_y[dim + i], sd = EXP(NN(log_sd_of)(t));
            REAL du = weight * 2 * action[k] + d_action[k] * (1 - action[k] * action[k]);
            d_y[i] = du;
            d_y[dim + i] = (du * sd * noise[k] - weight) * HALF_LOG_SD * (1 - t * t);
        }
    }
}

#undef LOW_LOG_SD
#undef HALF_LOG_SD
