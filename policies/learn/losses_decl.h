/* Part of losses.h, once per type of numbers (SPA_REAL) with its suffix (SPA_NN). No guard. */

/* log softmax over the allowed actions of each row, -INFINITY for others; and the probabilities
 * (may be NULL). */
SPA_API void SPA_NN(spa_log_softmax)(size_t rows, size_t n, const SPA_REAL *logits,
                                     const uint8_t *mask, SPA_REAL *log_p, SPA_REAL *p);

/* PPO's policy loss with a bonus for entropy (Schulman et al. 2017, eq. 7 and 9), discrete:
 *     -min(r A, clip(r, 1 +- clip) A) - entropy_weight * H,   r = exp(log p(a) - old_log_p)
 * `log_p` is scratch [rows][n]. Fills policy_loss, entropy, kl, clipped of *stats. */
SPA_API void SPA_NN(spa_ppo_discrete)(size_t rows, size_t n, const SPA_REAL *logits,
                                      const uint8_t *mask, const uint32_t *action,
                                      const SPA_REAL *old_log_p, const SPA_REAL *advantage,
                                      double clip, double entropy_weight, SPA_REAL *log_p,
                                      SPA_REAL *d_logits, spa_ppo_stats *stats);

/* The same for a diagonal Gaussian with means [rows][dim] and one vector log_sd[dim]. d_log_sd is
 * added to. */
SPA_API void SPA_NN(spa_ppo_gaussian)(size_t rows, size_t dim, const SPA_REAL *mean,
                                      const SPA_REAL *log_sd, const SPA_REAL *action,
                                      const SPA_REAL *old_log_p, const SPA_REAL *advantage,
                                      double clip, double entropy_weight, SPA_REAL *d_mean,
                                      SPA_REAL *d_log_sd, spa_ppo_stats *stats);
/* log density of one action. */
SPA_API double SPA_NN(spa_gaussian_log_p)(size_t dim, const SPA_REAL *mean, const SPA_REAL *log_sd,
                                          const SPA_REAL *action);

/* weight * mean of 1/2 max((v - target)^2, (v_clipped - target)^2) with v_clipped within +- clip of
 * the old value; clip <= 0: not clipped. Returns the mean without the weight. */
SPA_API double SPA_NN(spa_value_loss)(size_t rows, const SPA_REAL *value, const SPA_REAL *old_value,
                                      const SPA_REAL *target, double clip, double weight,
                                      SPA_REAL *d_value);

/* Dueling (Wang et al. 2016, eq. 9): y[rows][1 + n] = (V, A...) to Q = V + A - mean(A over the
 * allowed); forbidden actions get -INFINITY. */
SPA_API void SPA_NN(spa_dueling)(size_t rows, size_t n, const SPA_REAL *y, const uint8_t *mask,
                                 SPA_REAL *q);
/* Mean of 1/2 (Q(action) - target)^2, and its gradient at y. Not the Huber loss that is usual here:
 * it bounds what each row pulls, and with values of the order of 100 the many rows that bootstrap
 * outvote the few that end an episode: values then grew without bound on cart-pole. */
SPA_API double SPA_NN(spa_dueling_loss)(size_t rows, size_t n, const SPA_REAL *q,
                                        const uint8_t *mask, const uint32_t *action,
                                        const SPA_REAL *target, SPA_REAL *d_y);

/* Mean of 1/2 (Q(action) - target)^2; gradient at q[rows][n]. */
SPA_API double SPA_NN(spa_q_loss)(size_t rows, size_t n, const SPA_REAL *q, const uint32_t *action,
                                  const SPA_REAL *target, SPA_REAL *d_q);

/* Discrete SAC (Christodoulou 2019, arXiv 1910.07207). The soft value of each row,
 *     V = sum_a p(a) * (min(q1, q2)(a) - alpha * log p(a)),
 * from log_p and p of spa_log_softmax. */
SPA_API void SPA_NN(spa_sac_value)(size_t rows, size_t n, const SPA_REAL *log_p, const SPA_REAL *p,
                                   const SPA_REAL *q1, const SPA_REAL *q2, double alpha,
                                   SPA_REAL *value);
/* The actor's loss, the mean of -V, and its gradient at the logits (q fixed). Adds the mean entropy
 * to *entropy. */
SPA_API double SPA_NN(spa_sac_discrete)(size_t rows, size_t n, const SPA_REAL *log_p,
                                        const SPA_REAL *p, const SPA_REAL *q1, const SPA_REAL *q2,
                                        double alpha, SPA_REAL *d_logits, double *entropy);

/* Continuous SAC (Haarnoja et al. 2018, arXiv 1812.05905, appendix C). The actor's output y[rows]
 * [2 dim] = (mean, s); log sd = -5 + 3.5 (1 + tanh s), within [-5, 2]. Draws
 * action = tanh(mean + sd * noise), and log_p[rows], its log density. */
SPA_API void SPA_NN(spa_squash)(size_t rows, size_t dim, const SPA_REAL *y, const SPA_REAL *noise,
                                SPA_REAL *action, SPA_REAL *log_p);
/* Gradient at y of the mean of alpha * log_p - Q(action), given d_action[rows][dim] = d(mean of
 * -Q)/d action. */
SPA_API void SPA_NN(spa_squash_back)(size_t rows, size_t dim, const SPA_REAL *y,
                                     const SPA_REAL *noise, const SPA_REAL *action,
                                     const SPA_REAL *d_action, double alpha, SPA_REAL *d_y);
