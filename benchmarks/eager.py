"""PyTorch networks that `mirror` cannot convert: recurrent, attention, style transfer.

Each has the initial weights of our model and is written with PyTorch's own layers and
functions: `nn.LSTM`, `nn.LSTMCell`, `scaled_dot_product_attention`. This module imports
PyTorch; `mirror.available` returns whether it is installed.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import mirror


def epochs(module, loss, data, batch_size, learning_rate=1e-4, clip=None):
    """A function that trains for one epoch and returns the mean loss.

    Args:
        loss: takes the module and a batch of each array in `data`.
        clip: the maximum norm of all gradients together.
    """
    module.to(mirror.DEVICE)
    tensors = [torch.as_tensor(np.array(a), device=mirror.DEVICE) for a in data]
    optimizer = torch.optim.Adam(
        module.parameters(), learning_rate, eps=1e-7, fused=True
    )

    def epoch():
        losses = []
        order = torch.randperm(len(tensors[0]), device=mirror.DEVICE)
        for chosen in order.split(batch_size):
            optimizer.zero_grad(set_to_none=True)
            cost = loss(module, *(tensor[chosen] for tensor in tensors))
            cost.backward()
            if clip:
                nn.utils.clip_grad_norm_(module.parameters(), clip)
            optimizer.step()
            losses.append(cost.item())
        return float(np.mean(losses))

    return epoch


def fill(layer, **arrays):
    """Copy arrays to the parameters of these names; return the layer."""
    with torch.no_grad():
        for name, array in arrays.items():
            getattr(layer, name).copy_(torch.from_numpy(np.array(array)))
    return layer


def dense(kernel, bias):
    """`nn.Linear` with a Keras kernel (n_in, n_out)."""
    return fill(nn.Linear(*kernel.shape), weight=kernel.T, bias=bias)


def lstm_arrays(kernel, recurrent, bias, suffix=""):
    """Keras's LSTM weights as PyTorch's parameters; both have the gates i, f, c, o."""
    return {
        f"weight_ih{suffix}": kernel.T,
        f"weight_hh{suffix}": recurrent.T,
        f"bias_ih{suffix}": bias,
        f"bias_hh{suffix}": np.zeros_like(bias),
    }


class JazzModel(nn.Module):
    """The course's jazz network, from its five arrays."""

    def __init__(self, kernel, recurrent, bias, dense_kernel, dense_bias):
        super().__init__()
        lstm = nn.LSTM(len(kernel), len(recurrent), batch_first=True)
        arrays = lstm_arrays(kernel, recurrent, bias, "_l0")
        self.lstm = fill(lstm, **arrays)
        self.dense = dense(dense_kernel, dense_bias)

    def forward(self, x):
        return self.dense(self.lstm(x)[0])


def window_loss(module, X, Y):
    """The sum over time of the cross-entropies, each a mean over the windows."""
    logits = module(X.float())
    cost = F.cross_entropy(
        logits.flatten(0, 1), Y.float().argmax(-1).flatten(), reduction="sum"
    )
    return cost / len(X)


class Translator(nn.Module):
    """The course's date translator, from our Keras model."""

    def __init__(self, model, Ty):
        super().__init__()
        encoder, score, energy, decoder, output = (
            model.get_layer(name).get_weights()
            for name in ("reader", "score", "energy", "writer", "spell")
        )
        n_a, n_s = len(encoder[1]), len(decoder[1])
        lstm = nn.LSTM(len(encoder[0]), n_a, batch_first=True, bidirectional=True)
        arrays = lstm_arrays(*encoder[:3], "_l0")
        arrays |= lstm_arrays(*encoder[3:], "_l0_reverse")
        self.encoder = fill(lstm, **arrays)
        self.score, self.energy = dense(*score), dense(*energy)
        cell = nn.LSTMCell(2 * n_a, n_s)
        self.decoder = fill(cell, **lstm_arrays(*decoder))
        self.output, self.n_s, self.Ty = dense(*output), n_s, Ty

    def forward(self, x):
        a, _ = self.encoder(x)  # (m, Tx, 2*n_a)
        s = c = x.new_zeros(len(x), self.n_s)
        outputs = []
        for _ in range(self.Ty):
            pairs = torch.cat([a, s[:, None].expand(-1, a.shape[1], -1)], -1)
            energies = F.relu(self.energy(torch.tanh(self.score(pairs))))
            context = (F.softmax(energies, 1) * a).sum(1)
            s, c = self.decoder(context, (s, c))
            outputs.append(self.output(s))
        return torch.stack(outputs, 1)


def date_loss(module, x, y):
    """The sum of the cross-entropies of a date's characters, a mean over the dates."""
    logits = module(x).flatten(0, 1)
    cost = F.cross_entropy(logits, y.argmax(-1).flatten(), reduction="sum")
    return cost / len(x)


class Attention(nn.Module):
    """`keras.layers.MultiHeadAttention`, with k and v in one matrix product."""

    def __init__(self, layer):
        super().__init__()
        weights = layer.get_weights()  # kernels (d, heads, d_k) and biases of q, k, v
        d, self.heads, _ = weights[0].shape
        kernels = [w.reshape(d, -1) for w in weights[:6:2]]
        biases = [w.ravel() for w in weights[1:6:2]]
        self.q = dense(kernels[0], biases[0])
        self.kv = dense(np.hstack(kernels[1:]), np.hstack(biases[1:]))
        self.output = dense(weights[6].reshape(-1, d), weights[7])

    def forward(self, queries, values, mask=None):
        def split_heads(x):
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q = split_heads(self.q(queries))
        k, v = map(split_heads, self.kv(values).chunk(2, -1))
        context = F.scaled_dot_product_attention(q, k, v, mask)
        return self.output(context.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A layer of the encoder, or of the decoder, from the course's layer."""

    def __init__(self, layer):
        super().__init__()
        names = ("mha",) if hasattr(layer, "mha") else ("mha1", "mha2")
        self.attentions = nn.ModuleList(
            Attention(getattr(layer, name)) for name in names
        )
        count = len(names) + 1
        self.norms = nn.ModuleList()
        for i in range(1, count + 1):
            ours = getattr(layer, f"layernorm{i}")
            gamma, beta = ours.get_weights()
            norm = nn.LayerNorm(len(gamma), eps=ours.epsilon)
            self.norms.append(fill(norm, weight=gamma, bias=beta))
        first, second = (part.get_weights() for part in layer.ffn.layers)
        self.ffn = nn.Sequential(dense(*first), nn.ReLU(), dense(*second))

    def forward(self, z, mask, encoder_output=None, padding_mask=None):
        z = self.norms[0](z + self.attentions[0](z, z, mask))
        if encoder_output is not None:
            context = self.attentions[1](z, encoder_output, padding_mask)
            z = self.norms[1](z + context)
        return self.norms[-1](z + self.ffn(z))


class Transformer(nn.Module):
    """The course's Transformer, from our Keras model."""

    def __init__(self, model):
        super().__init__()
        self.embed, self.blocks = nn.ModuleList(), nn.ModuleList()
        for coder, layers in (
            (model.encoder, model.encoder.enc_layers),
            (model.decoder, model.decoder.dec_layers),
        ):
            (table,) = coder.embedding.get_weights()
            self.embed.append(fill(nn.Embedding(*table.shape), weight=table))
            self.blocks.append(nn.ModuleList(map(Block, layers)))
        for name, coder in (("in", model.encoder), ("out", model.decoder)):
            encoding = torch.tensor(np.array(coder.pos_encoding), dtype=torch.float32)
            self.register_buffer(f"positions_{name}", encoding)
        self.last = dense(*model.final_layer.get_weights())

    def embedded(self, which, tokens):
        table = self.embed[which]
        positions = (self.positions_in, self.positions_out)[which]
        scale = table.embedding_dim**0.5
        return table(tokens) * scale + positions[:, : tokens.shape[1]]

    def forward(self, x, y):
        padding_mask = (x != 0)[:, None, None]
        z = self.embedded(0, x)
        for block in self.blocks[0]:
            z = block(z, padding_mask)
        causal_mask = padding_mask.new_ones(y.shape[1], y.shape[1]).tril()
        encoder_output, z = z, self.embedded(1, y)
        for block in self.blocks[1]:
            z = block(z, causal_mask, encoder_output, padding_mask)
        return self.last(z)


def character_loss(start):
    """The mean cross-entropy of the characters, with teacher forcing."""

    def loss(module, x, y):
        decoder_input = torch.cat([torch.full_like(y[:, :1], start), y[:, :-1]], 1)
        logits = module(x, decoder_input).flatten(0, 1)
        return F.cross_entropy(logits, y.long().flatten())

    return loss


def style_transfer_step(
    model, content, style, learning_rate, alpha, beta, dtype="float32"
):
    """A function that takes one step and returns the cost before it, in a list.

    Args:
        model: the Keras network to its style layers and, last, the content layer.
        content, style: (1, n_H, n_W, 3) float32 in [0, 1].
    """
    network = mirror.mirror(model).eval().requires_grad_(False).to(mirror.DEVICE)
    content, style = (torch.tensor(a, device=mirror.DEVICE) for a in (content, style))
    image = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], learning_rate, eps=1e-7, fused=True)

    def grams_and_content(x):
        half = dtype != "float32"
        with torch.autocast(mirror.DEVICE, torch.bfloat16, enabled=half):
            outputs = network(x)
        *style_layers, a = (output.float() for output in outputs)
        return [gram(layer) for layer in style_layers], a

    def gram(a):
        rows = a.flatten(0, 2)
        return rows.T @ rows / len(rows)

    with torch.no_grad():
        grams_S, _ = grams_and_content(style)
        _, a_C = grams_and_content(content)

    def step():
        optimizer.zero_grad(set_to_none=True)
        grams, a = grams_and_content(image)
        cost = alpha * (a - a_C).square().sum() / a_C.square().sum()
        for G, G_S in zip(grams, grams_S, strict=True):
            relative = (G - G_S).square().sum() / G_S.square().sum()
            cost = cost + beta / len(grams) * relative
        cost.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        return [cost.item()]

    return step
