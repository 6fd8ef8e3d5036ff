/* Part of net.h, once per type of numbers (SPA_REAL) with its suffix (SPA_NN). No guard. */

/* What passes through a network leave behind for the gradient; shapes [rows][...]. */
typedef struct SPA_NN(spa_net_work) {
    size_t max_rows, max_length;
    size_t batch, length;  /* of the last pass */
    const SPA_REAL *input; /* of the last pass; the caller's */
    SPA_REAL *output[SPA_NET_MAX_LAYERS], *delta[SPA_NET_MAX_LAYERS], *cache[SPA_NET_MAX_LAYERS];
    SPA_REAL *scratch;
    SPA_REAL *memory; /* holds all of them */
} SPA_NN(spa_net_work);

/* Room for batch * length <= max_rows and length <= max_length. */
SPA_API spa_status SPA_NN(spa_net_work_init)(SPA_NN(spa_net_work) * work, const spa_net *net,
                                             size_t max_rows, size_t max_length, spa_error *err);
SPA_API void SPA_NN(spa_net_work_fini)(SPA_NN(spa_net_work) * work);

/* Starting values for params[n_params]: weights from the streams (seed, name, layer), biases 0
 * (forget gates 1), norms 1. Allocates while it works. */
SPA_API spa_status SPA_NN(spa_net_start)(const spa_net *net, spa_net_start start, double last_gain,
                                         uint64_t seed, const char *name, SPA_REAL *params,
                                         spa_error *err);

/* The network's output for x[batch][length][in]; [batch][length][out], inside `work` until the next
 * pass. x must stay as it is until the gradient has been taken. */
SPA_API const SPA_REAL *SPA_NN(spa_net_forward)(const spa_net *net, const SPA_REAL *params,
                                                SPA_NN(spa_net_work) * work, const SPA_REAL *x,
                                                size_t batch, size_t length);

/* Gradients of the last pass, given d_out = d loss / d output: ADDS those of the parameters to
 * `gradients` (NULL: not wanted) and stores that of the input in `d_in` (NULL: not wanted). */
SPA_API void SPA_NN(spa_net_backward)(const spa_net *net, const SPA_REAL *params,
                                      SPA_NN(spa_net_work) * work, const SPA_REAL *d_out,
                                      SPA_REAL *gradients, SPA_REAL *d_in);
