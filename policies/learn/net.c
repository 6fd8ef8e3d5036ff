/* Networks as descriptions; the passes are in net_body.h. */
#include "policies/learn/net.h"

#include <string.h>
#include "base/text.h"

void spa_net_init(spa_net *net, size_t in)
{
    memset(net, 0, sizeof *net);
    net->in = net->out = (uint32_t)in;
    if (in == 0 || in > UINT16_MAX) net->fault = "1 to 65535 inputs are possible";
}

static uint32_t add(spa_net *net, spa_layer layer, size_t n_params)
{
    if (net->n_layers == SPA_NET_MAX_LAYERS) net->fault = "it has more than 32 layers";
    if (layer.out == 0 || layer.out > UINT16_MAX)
        net->fault = "1 to 65535 features per layer are possible";
    if (net->fault) return 0;
    layer.in = net->out;
    layer.first_param = net->n_params;
    layer.n_params = n_params;
    net->n_params += n_params;
    net->out = layer.out;
    net->layers[net->n_layers] = layer;
    return net->n_layers++;
}

uint32_t spa_net_linear(spa_net *net, size_t out, spa_activation activation)
{
    spa_layer layer = {.kind = SPA_LAYER_LINEAR, .activation = activation, .out = (uint32_t)out};
    return add(net, layer, ((size_t)net->out + 1) * out);
}

uint32_t spa_net_activation(spa_net *net, spa_activation activation)
{
    spa_layer layer = {.kind = SPA_LAYER_ACTIVATION, .activation = activation, .out = net->out};
    return add(net, layer, 0);
}

uint32_t spa_net_norm(spa_net *net)
{
    spa_layer layer = {.kind = SPA_LAYER_NORM, .out = net->out};
    return add(net, layer, 2 * (size_t)net->out);
}

uint32_t spa_net_attention(spa_net *net, size_t heads)
{
    size_t n = net->out;
    spa_layer layer = {.kind = SPA_LAYER_ATTENTION, .out = net->out, .heads = (uint32_t)heads};
    if (heads == 0 || n % heads) net->fault = "the heads must divide the features of attention";
    return add(net, layer, 4 * n * n + 4 * n);
}

uint32_t spa_net_conv(spa_net *net, size_t out, size_t width, spa_activation activation)
{
    spa_layer layer = {.kind = SPA_LAYER_CONV,
                       .activation = activation,
                       .out = (uint32_t)out,
                       .width = (uint32_t)width};
    if (width % 2 == 0 || width > 255)
        net->fault = "the width of a convolution must be odd and below 256";
    return add(net, layer, (width * net->out + 1) * out);
}

uint32_t spa_net_bilstm(spa_net *net, size_t hidden)
{
    spa_layer layer = {
        .kind = SPA_LAYER_BILSTM, .out = (uint32_t)(2 * hidden), .hidden = (uint32_t)hidden};
    return add(net, layer, 2 * (net->out + hidden + 1) * 4 * hidden);
}

uint32_t spa_net_add(spa_net *net, uint32_t from)
{
    spa_layer layer = {.kind = SPA_LAYER_ADD, .out = net->out, .from = from};
    if (!net->fault && (from + 1 >= net->n_layers || net->layers[from].out != net->out))
        net->fault = "an addition needs an earlier layer of equal size";
    return add(net, layer, 0);
}

spa_status spa_net_check(const spa_net *net, spa_error *err)
{
    if (net->fault) return spa_fail(err, SPA_E_INVALID, "network: %s", net->fault);
    if (net->n_layers == 0) return spa_fail(err, SPA_E_INVALID, "network: it has no layers");
    return SPA_OK;
}

void spa_net_mlp(spa_net *net, size_t in, size_t hidden, size_t depth, size_t out,
                 spa_activation activation)
{
    spa_net_init(net, in);
    for (size_t i = 0; i < depth; i++) spa_net_linear(net, hidden, activation);
    spa_net_linear(net, out, SPA_ACT_NONE);
}

uint64_t spa_net_hash(const spa_net *net)
{
    uint64_t h = spa_hash_u64(SPA_HASH_SEED, net->in);
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const spa_layer *l = &net->layers[i];
        const uint32_t fields[] = {
            (uint32_t)l->kind, (uint32_t)l->activation, l->in, l->out, l->heads, l->width, l->from};
        for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) h = spa_hash_u64(h, fields[k]);
    }
    return h;
}
