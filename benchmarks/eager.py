"""PyTorch's networks that `mirror` cannot draw: loops of steps, attention, a painting.

Each begins with the weights of ours and is written as PyTorch's own layers have it:
`nn.LSTM`, `nn.LSTMCell`, `scaled_dot_product_attention`. PyTorch is imported where this
module is; `mirror.available` tells whether it can be.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import mirror


def epochs(module, loss, data, batch_size, learning_rate=1e-4, clip=None):
    """A function that trains for an epoch and returns the mean loss.

    Args:
        loss: takes the module and a batch of each array in `data`.
        clip: the largest norm of all gradients together.
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
    """Put arrays into a layer's parameters of these names; return the layer."""
    with torch.no_grad():
        for name, array in arrays.items():
            getattr(layer, name).copy_(torch.from_numpy(np.array(array)))
    return layer


def dense(kernel, bias):
    """`nn.Linear` with Keras's kernel (n_in, n_out)."""
    return fill(nn.Linear(*kernel.shape), weight=kernel.T, bias=bias)


def lstm_arrays(kernel, recurrent, bias, suffix=""):
    """Keras's LSTM as the parameters of PyTorch's; both have the gates i, f, c, o."""
    return {
        f"weight_ih{suffix}": kernel.T,
        f"weight_hh{suffix}": recurrent.T,
        f"bias_ih{suffix}": bias,
        f"bias_hh{suffix}": np.zeros_like(bias),
    }


class Player(nn.Module):
    """The course's jazz network, from its five arrays."""

    def __init__(self, kernel, recurrent, bias, dense_kernel, dense_bias):
        super().__init__()
        lstm = nn.LSTM(len(kernel), len(recurrent), batch_first=True)
        arrays = lstm_arrays(kernel, recurrent, bias, "_l0")
        self.lstm = fill(lstm, **arrays)
        self.words = dense(dense_kernel, dense_bias)

    def forward(self, x):
        return self.words(self.lstm(x)[0])


def window_loss(player, X, Y):
    """The sum over time of the cross-entropies, each a mean over the windows."""
    logits = player(X.float())
    cost = F.cross_entropy(
        logits.flatten(0, 1), Y.float().argmax(-1).flatten(), reduction="sum"
    )
    return cost / len(X)


class Translator(nn.Module):
    """The course's translator of dates, from ours."""

    def __init__(self, model, Ty):
        super().__init__()
        reader, score, energy, writer, spell = (
            model.get_layer(name).get_weights()
            for name in ("reader", "score", "energy", "writer", "spell")
        )
        n_a, n_s = len(reader[1]), len(writer[1])
        lstm = nn.LSTM(len(reader[0]), n_a, batch_first=True, bidirectional=True)
        arrays = lstm_arrays(*reader[:3], "_l0")
        self.reader = fill(lstm, **arrays, **lstm_arrays(*reader[3:], "_l0_reverse"))
        self.score, self.energy = dense(*score), dense(*energy)
        cell = nn.LSTMCell(2 * n_a, n_s)
        self.writer = fill(cell, **lstm_arrays(*writer))
        self.spell, self.n_s, self.Ty = dense(*spell), n_s, Ty

    def forward(self, x):
        a, _ = self.reader(x)  # (m, Tx, 2*n_a)
        s = c = x.new_zeros(len(x), self.n_s)
        outputs = []
        for _ in range(self.Ty):
            pairs = torch.cat([a, s[:, None].expand(-1, a.shape[1], -1)], -1)
            energies = F.relu(self.energy(torch.tanh(self.score(pairs))))
            context = (F.softmax(energies, 1) * a).sum(1)
            s, c = self.writer(context, (s, c))
            outputs.append(self.spell(s))
        return torch.stack(outputs, 1)


def date_loss(translator, x, y):
    """The mean over dates of the sum of the cross-entropies of their characters."""
    logits = translator(x).flatten(0, 1)
    cost = F.cross_entropy(logits, y.argmax(-1).flatten(), reduction="sum")
    return cost / len(x)


class Attention(nn.Module):
    """`keras.layers.MultiHeadAttention`, all roles of z in one product where one."""

    def __init__(self, layer):
        super().__init__()
        weights = layer.get_weights()  # kernels (d, heads, d_k) and biases of q, k, v
        d, self.heads, _ = weights[0].shape
        kernels = [w.reshape(d, -1) for w in weights[:6:2]]
        biases = [w.ravel() for w in weights[1:6:2]]
        self.q = dense(kernels[0], biases[0])
        self.kv = dense(np.hstack(kernels[1:]), np.hstack(biases[1:]))
        self.joined = dense(weights[6].reshape(-1, d), weights[7])

    def forward(self, z, memory, mask=None):
        def parted(x):
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        k, v = map(parted, self.kv(memory).chunk(2, -1))
        looked = F.scaled_dot_product_attention(parted(self.q(z)), k, v, mask)
        return self.joined(looked.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A layer of the encoder, or of the decoder, from the course's."""

    def __init__(self, layer):
        super().__init__()
        names = ("mha",) if hasattr(layer, "mha") else ("mha1", "mha2")
        self.looks = nn.ModuleList(Attention(getattr(layer, name)) for name in names)
        count = len(names) + 1
        self.norms = nn.ModuleList()
        for i in range(1, count + 1):
            ours = getattr(layer, f"layernorm{i}")
            gamma, beta = ours.get_weights()
            norm = nn.LayerNorm(len(gamma), eps=ours.epsilon)
            self.norms.append(fill(norm, weight=gamma, bias=beta))
        first, second = (part.get_weights() for part in layer.ffn.layers)
        self.ffn = nn.Sequential(dense(*first), nn.ReLU(), dense(*second))

    def forward(self, z, mask, memory=None, hidden=None):
        z = self.norms[0](z + self.looks[0](z, z, mask))
        if memory is not None:
            z = self.norms[1](z + self.looks[1](z, memory, hidden))
        return self.norms[-1](z + self.ffn(z))


class Transformer(nn.Module):
    """The course's Transformer, from ours."""

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
        for name, coder in (("ahead", model.encoder), ("behind", model.decoder)):
            places = torch.tensor(np.array(coder.pos_encoding), dtype=torch.float32)
            self.register_buffer(name, places)
        self.last = dense(*model.final_layer.get_weights())

    def embedded(self, which, words):
        table, places = self.embed[which], (self.ahead, self.behind)[which]
        return table(words) * table.embedding_dim**0.5 + places[:, : words.shape[1]]

    def forward(self, x, y):
        hidden = (x != 0)[:, None, None]
        z = self.embedded(0, x)
        for block in self.blocks[0]:
            z = block(z, hidden)
        past = hidden.new_ones(y.shape[1], y.shape[1]).tril()
        memory, z = z, self.embedded(1, y)
        for block in self.blocks[1]:
            z = block(z, past, memory, hidden)
        return self.last(z)


def letter_loss(start):
    """The mean cross-entropy of each letter, the true ones before it given."""

    def loss(transformer, x, y):
        before = torch.cat([torch.full_like(y[:, :1], start), y[:, :-1]], 1)
        logits = transformer(x, before).flatten(0, 1)
        return F.cross_entropy(logits, y.long().flatten())

    return loss


def painter(model, content, style, learning_rate, alpha, beta, dtype="float32"):
    """A function that moves a picture once and returns its cost before, in a list.

    Args:
        model: the Keras network to its style layers and, last, the content layer.
        content, style: (1, n_H, n_W, 3) float32 in [0, 1].
    """
    network = mirror.mirror(model).eval().requires_grad_(False).to(mirror.DEVICE)
    content, style = (torch.tensor(a, device=mirror.DEVICE) for a in (content, style))
    image = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], learning_rate, eps=1e-7, fused=True)

    def seen(x):
        half = dtype != "float32"
        with torch.autocast(mirror.DEVICE, torch.bfloat16, enabled=half):
            parts = network(x)
        *manner, a = (part.float() for part in parts)
        return [gram(part) for part in manner], a

    def gram(a):
        rows = a.flatten(0, 2)
        return rows.T @ rows / len(rows)

    with torch.no_grad():
        grams, _ = seen(style)
        _, a_C = seen(content)

    def step():
        optimizer.zero_grad(set_to_none=True)
        found, a = seen(image)
        cost = alpha * (a - a_C).square().sum() / a_C.square().sum()
        for G, G_S in zip(found, grams, strict=True):
            share = (G - G_S).square().sum() / G_S.square().sum()
            cost = cost + beta / len(grams) * share
        cost.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        return [cost.item()]

    return step
