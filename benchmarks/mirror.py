"""A Keras model as the same network in PyTorch, with the same weights.

It is what a careful user of PyTorch would write: eager, channels last, padding inside
the convolutions, activations in place where the backward pass allows it, a fused Adam.
An image (m, n_H, n_W, n_C) is used as (m, n_C, n_H, n_W) in channels-last memory
format, which copies nothing, and a sequence as an image of one row.

If "same" padding is not symmetric, TensorFlow adds more zeros after the image and
PyTorch's layers more before it. A network with such a layer is therefore rotated by 180
degrees: its kernels once, its images at input and output. That costs less than separate
operations for padding and cropping at its layers.

PyTorch, the extra `bench`, is imported inside the functions, so this module does not
need it.
"""

import copy
import importlib.util
import operator
from collections import Counter

import numpy as np

DEVICE = "cpu"  # of PyTorch; or "cuda"


def available() -> bool:
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def mirror(model):
    """The same network as a `torch.nn.Module`, with inputs and outputs as in Keras.

    All its weights are trainable, also those of frozen layers; its running variances
    are divided by n - 1. Outputs are float32, under autocast, too.

    Args:
        model: functional or sequential, for inputs (m, n), (m, T, n) or
            (m, n_H, n_W, n_C). Other n_H and n_W than the model's are possible in
            PyTorch if all strides divide the difference.

    Raises:
        ValueError: for a layer, or an option of one, that is not supported.
    """
    import torch

    model = getattr(model, "_functional", model)
    converter = Converter(rotated=any(map(_asymmetric, model._flatten_layers())))
    outputs = converter.layers(model, list(map(converter.add_input, model.inputs)))
    outputs = [
        converter.add_output(*pair) for pair in zip(outputs, model.outputs, strict=True)
    ]
    converter.graph.output(outputs[0] if len(outputs) == 1 else outputs)
    module = torch.fx.GraphModule(converter.root, converter.graph)
    module.graph.eliminate_dead_code()  # padding that a convolution does itself
    _use_in_place_operations(module)
    module.recompile()
    return module.to(memory_format=torch.channels_last)


def training_step(module, loss, learning_rate=1e-4, dtype=None):
    """A function of (x, y), arrays or tensors, that takes one step of Adam.

    Args:
        module: a result of `mirror`; it is trained in place.
        loss: takes the module's float32 outputs and y, returns a scalar.
        dtype: "bfloat16" or "mixed_bfloat16" runs the module under autocast.

    Returns:
        The step, which returns the loss before the update as a float.
    """
    import torch

    module.to(DEVICE).train()
    optimizer = torch.optim.Adam(
        module.parameters(), learning_rate, eps=1e-7, fused=True
    )

    def step(x, y):
        optimizer.zero_grad(set_to_none=True)
        half = "bfloat16" in str(dtype)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=half):
            y_hat = module(torch.as_tensor(x, device=DEVICE))
        cost = loss(y_hat, torch.as_tensor(y, device=DEVICE))
        cost.backward()
        optimizer.step()
        return cost.item()

    return step


def fold_batch_norm(module):
    """A copy for inference, with batch normalisations folded into convolutions."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    module = copy.deepcopy(module).eval()
    modules = dict(module.named_modules())
    uses = Counter(node.target for node in module.graph.nodes)
    for node in list(module.graph.nodes):
        if isinstance(modules.get(node.target), torch.nn.BatchNorm2d):
            (previous,) = node.args
            convolution = modules.get(previous.target)
            transposed = isinstance(convolution, torch.nn.ConvTranspose2d)
            only_use = len(previous.users) == uses[previous.target] == 1
            if only_use and (transposed or isinstance(convolution, torch.nn.Conv2d)):
                fused = fuse_conv_bn_eval(convolution, modules[node.target], transposed)
                module.set_submodule(previous.target, fused)
                node.replace_all_uses_with(previous)
                module.graph.erase_node(node)
    module.delete_all_unused_submodules()
    module.recompile()
    return module.to(memory_format=torch.channels_last)


def _asymmetric(layer):
    """Whether there may be more padding after the image than before it."""
    return getattr(layer, "padding", "valid") == "same" and max(layer.strides) > 1


def _use_in_place_operations(module):
    """Overwrite tensors that have one user and that no backward pass needs."""
    from torch import nn
    from torch.nn import functional as F

    convolutions = nn.Conv2d, nn.ConvTranspose2d
    fresh = *convolutions, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d

    def free(x):
        made = x.op == "call_module" and module.get_submodule(x.target)
        added = x.target in (operator.add, operator.iadd)
        return len(x.users) == 1 and (added or isinstance(made, fresh))

    for node in module.graph.nodes:
        if node.target in (F.relu, F.leaky_relu) and free(node.args[0]):
            node.kwargs = {**node.kwargs, "inplace": True}
        elif node.target is operator.add and any(map(free, node.args)):
            node.args = tuple(sorted(node.args, key=free, reverse=True))
            node.target = operator.iadd


class Converter:
    """A PyTorch graph under construction, and the modules that it calls.

    A method in CamelCase converts the Keras layer of that name. It takes Keras's record
    of the call and the input nodes, and returns the output node.
    """

    def __init__(self, rotated):
        import torch

        self.rotated = rotated  # by 180 degrees
        self.torch, self.nn, self.F = torch, torch.nn, torch.nn.functional
        self.root, self.graph = torch.nn.Module(), torch.fx.Graph()
        self.names = {}  # of the modules, by the id of their Keras layer

    def layers(self, model, inputs):
        """Convert all layers of a model; return the nodes of its outputs."""
        nodes = dict(zip(map(id, model.inputs), inputs, strict=True))
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for call in model._nodes_by_depth[depth]:
                if not call.is_input:
                    args = [nodes[id(x)] for x in call.input_tensors]
                    outputs = self.layer(call, *args)
                    outputs = outputs if isinstance(outputs, list) else [outputs]
                    nodes.update(zip(map(id, call.outputs), outputs, strict=True))
        return [nodes[id(y)] for y in model.outputs]

    def layer(self, call, *inputs):
        """Convert one layer by the method of its name; return its output."""
        layer, kind = call.operation, type(call.operation).__name__
        if not hasattr(self, kind):
            raise _unknown(layer, f"is a {kind}, which is not supported")
        _expect(layer, data_format="channels_last")
        for name, value in call.arguments.kwargs.items():
            if name != "training" and value is not None:
                raise _unknown(layer, f"is called with {name}={value!r}, expected None")
        return getattr(self, kind)(call, *inputs)

    def node(self, target, *args, **options):
        """Add a call of a function, or of the tensor method of that name."""
        if isinstance(target, str):
            return self.graph.call_method(target, args, options)
        return self.graph.call_function(target, args, options)

    def module(self, layer, module, x, **state):
        """Add a call of a module with these arrays; a shared layer has one module."""
        if id(layer) not in self.names:
            state = {name: self.torch.tensor(a.copy()) for name, a in state.items()}
            module.load_state_dict(state, assign=True)
            taken = hasattr(self.root, layer.name)
            name = f"{layer.name}_{len(self.names)}" if taken else layer.name
            self.root.add_module(name, module)
            self.names[id(layer)] = name
        return self.graph.call_module(self.names[id(layer)], (x,))

    def add_input(self, tensor):
        """A new input of the network."""
        x, rank = self.graph.placeholder(f"x{len(self.graph.nodes)}"), len(tensor.shape)
        return self.rotate(self.channels_first(x, rank), rank)

    def add_output(self, x, tensor):
        """An output of the network."""
        rank = len(tensor.shape)
        return self.node("float", self.channels_last(self.rotate(x, rank), rank))

    def rotate(self, x, rank):
        """x rotated by 180 degrees, if the network is."""
        return self.node("flip", x, (2, 3)) if self.rotated and rank > 2 else x

    def channels_first(self, x, rank):
        """From Keras's layout to PyTorch's, (m, n_C, n_H, n_W)."""
        if rank == 3:
            x = self.node("unsqueeze", x, 1)
        return self.node("permute", x, (0, 3, 1, 2)) if rank > 2 else x

    def channels_last(self, x, rank):
        """From PyTorch's layout to Keras's."""
        if rank > 2:
            x = self.node("permute", x, (0, 2, 3, 1))
        return self.node("squeeze", x, 1) if rank == 3 else x

    def padding(self, call, size, strides, dilation=(1, 1)):
        """The padding (before, after) on each axis; -1 means a row that is not used."""
        layer, padding = call.operation, []
        same = layer.padding == "same"
        if not same:
            _expect(layer, padding="valid")
        sides = _two(_shape(call)[1:-1])
        for n, k, s, d in zip(sides, size, strides, dilation, strict=True):
            if n is None and s > 1 and self.rotated:
                raise _unknown(layer, "has inputs of any size, expected known sizes")
            k = (k - 1) * d + 1
            n = n or k  # in all other cases n has no influence
            windows = -(-n // s) if same else (n - k) // s + 1
            total = (windows - 1) * s + k - n
            before = max(total, 0) // 2
            padding.append((before, total - before))
        return [pair[::-1] for pair in padding] if self.rotated else padding

    def padded(self, x, padding, strides, value=0.0):
        """x, padded if necessary, and the symmetric padding left to the layer."""
        if all(
            0 <= before - after < s
            for (before, after), s in zip(padding, strides, strict=True)
        ):  # additional padding after the image fills no window
            return x, [before for before, _ in padding]
        x = self.node(self.F.pad, x, (*padding[1], *padding[0]), value=value)
        return x, [0, 0]

    def Conv2D(self, call, x):
        layer, n_C = call.operation, _shape(call)[-1]
        kernel = layer.kernel.numpy()  # (k_H, k_W, n_C / groups, filters)
        if kernel.ndim == 3:
            kernel = kernel[np.newaxis]
        if type(layer).__name__ == "DepthwiseConv2D":
            kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
        *size, per_group, filters = kernel.shape
        strides, dilation = _two(layer.strides), _two(layer.dilation_rate)
        padding = self.padding(call, size, strides, dilation)
        if x.target is self.F.pad:  # a ZeroPadding2D, which needs no copy
            x, zeros = x.args
            padding = np.add(padding, [zeros[2:], zeros[:2]]).tolist()
        x, padding = self.padded(x, padding, strides)
        module = self.nn.Conv2d(
            n_C,
            filters,
            size,
            strides,
            padding,
            dilation,
            n_C // per_group,
            bias=layer.use_bias,
        )
        y = self.module(layer, module, x, **self.state(layer, kernel))
        return self.activated(layer, y)

    Conv1D = DepthwiseConv2D = Conv2D

    def Conv2DTranspose(self, call, x):
        layer, kernel = call.operation, call.operation.kernel.numpy()
        _expect(layer, output_padding=None, dilation_rate=(1, 1))
        # "same" crops what the corresponding convolution would have padded.
        out = np.subtract(layer.kernel_size, layer.strides)
        if min(out) < 0:
            raise _unknown(
                layer, "has strides larger than its kernel, expected smaller"
            )
        out = out if layer.padding == "same" else np.zeros_like(out)
        before = out - out // 2
        module = self.nn.ConvTranspose2d(
            kernel.shape[3],
            layer.filters,
            layer.kernel_size,
            layer.strides,
            padding=before.tolist(),
            output_padding=(before - out // 2).tolist(),
            bias=layer.use_bias,
        )
        y = self.module(layer, module, x, **self.state(layer, kernel))
        return self.activated(layer, y)

    def state(self, layer, kernel):
        """Kernel and bias in PyTorch's layout."""
        if self.rotated:
            kernel = kernel[::-1, ::-1]
        bias = {"bias": layer.bias.numpy()} if layer.use_bias else {}
        return {"weight": kernel.transpose(3, 2, 0, 1), **bias}

    def Dense(self, call, x):
        layer, rank = call.operation, len(_shape(call))
        if type(layer).__name__ == "TimeDistributed":
            layer = layer.layer
            if type(layer).__name__ != "Dense":
                raise _unknown(layer, "is inside TimeDistributed, expected Dense")
        kernel = layer.kernel.numpy()  # (n, units)
        bias = {"bias": layer.bias.numpy()} if layer.use_bias else {}
        module = self.nn.Linear(*kernel.shape, bias=layer.use_bias)
        x = self.channels_last(x, rank)
        y = self.module(layer, module, x, weight=kernel.T, **bias)
        return self.activated(layer, self.channels_first(y, rank))

    TimeDistributed = Dense

    def BatchNormalization(self, call, x):
        layer, (*_, n_C) = call.operation, _shape(call)
        if layer.axis not in (-1, len(_shape(call)) - 1):
            raise _unknown(layer, f"has axis={layer.axis}, expected the last one")
        make = self.nn.BatchNorm1d if len(_shape(call)) == 2 else self.nn.BatchNorm2d
        y = self.module(
            layer,
            make(n_C, layer.epsilon, 1 - layer.momentum),
            x,
            weight=layer.gamma.numpy() if layer.scale else np.ones(n_C, "float32"),
            bias=layer.beta.numpy() if layer.center else np.zeros(n_C, "float32"),
            running_mean=layer.moving_mean.numpy(),
            running_var=layer.moving_variance.numpy(),
        )
        module = self.root.get_submodule(y.target)
        module.weight.requires_grad_(layer.scale)
        module.bias.requires_grad_(layer.center)
        return y

    def PReLU(self, call, x):
        slopes = call.operation.alpha.numpy().ravel()
        if len(slopes) != _shape(call)[-1]:
            raise _unknown(
                call.operation, "has one slope per position, expected one per channel"
            )
        module = self.nn.PReLU(len(slopes))
        return self.module(call.operation, module, x, weight=slopes)

    def GRU(self, call, x):
        layer, (_, _, n) = call.operation, _shape(call)
        _expect(layer, reset_after=True, use_bias=True, return_state=False, dropout=0)
        _expect(layer, recurrent_dropout=0, go_backwards=False, stateful=False)
        _expect(layer, activation="tanh", recurrent_activation="sigmoid")
        if self.rotated:
            raise _unknown(layer, 'is in a network with strides and padding="same"')

        def gates(weight):  # z, r, h -> r, z, h
            z, r, h = np.split(weight.numpy(), 3, axis=-1)
            return np.concatenate([r, z, h], axis=-1)

        bias_ih, bias_hh = gates(layer.cell.bias)
        y = self.module(
            layer,
            self.nn.GRU(n, layer.units, batch_first=True),
            self.channels_last(x, 3),
            weight_ih_l0=gates(layer.cell.kernel).T,
            weight_hh_l0=gates(layer.cell.recurrent_kernel).T,
            bias_ih_l0=bias_ih,
            bias_hh_l0=bias_hh,
        )
        y = self.node(operator.getitem, y, 0)
        if layer.return_sequences:
            return self.channels_first(y, 3)
        return self.node("select", y, 1, -1)

    def Dropout(self, call, x):
        return self.module(call.operation, self.nn.Dropout(call.operation.rate), x)

    def Activation(self, call, x):
        return self.activated(call.operation, x)

    def activated(self, layer, x):
        """The output of the layer's activation for x."""
        name = getattr(layer.activation, "__name__", layer.activation)
        functions = {
            "relu": self.F.relu,
            "silu": self.F.silu,
            "tanh": self.torch.tanh,
            "log1p": self.torch.log1p,
        }
        if name == "linear":
            return x
        if name == "sigmoid":  # bfloat16 cannot represent a probability of 0.999
            return self.node(self.torch.sigmoid, self.node("float", x))
        if name == "softmax":
            return self.node(self.F.softmax, x, dim=1, dtype=self.torch.float32)
        if name not in functions:
            raise _unknown(
                layer, f"has the activation {name!r}, which is not supported"
            )
        return self.node(functions[name], x)

    def ReLU(self, call, x):
        _expect(call.operation, max_value=None, negative_slope=0, threshold=0)
        return self.node(self.F.relu, x)

    def LeakyReLU(self, call, x):
        return self.node(self.F.leaky_relu, x, float(call.operation.negative_slope))

    def MaxPooling2D(self, call, x):
        size, strides = call.operation.pool_size, call.operation.strides
        padding = self.padding(call, size, strides)
        x, padding = self.padded(x, padding, strides, -np.inf)
        return self.node(self.F.max_pool2d, x, size, strides, padding)

    def AveragePooling2D(self, call, x):
        size, strides = call.operation.pool_size, call.operation.strides
        _expect(call.operation, padding="valid")
        x, _ = self.padded(x, self.padding(call, size, strides), strides)
        return self.node(self.F.avg_pool2d, x, size, strides)

    def GlobalAveragePooling2D(self, call, x):
        return self.node("mean", x, (2, 3), keepdim=call.operation.keepdims)

    def ZeroPadding2D(self, call, x):
        rows, columns = call.operation.padding
        if self.rotated:
            rows, columns = rows[::-1], columns[::-1]
        return self.node(self.F.pad, x, (*columns, *rows))

    def UpSampling2D(self, call, x):
        _expect(call.operation, interpolation="nearest")
        return self.node(self.F.interpolate, x, scale_factor=call.operation.size)

    def Add(self, call, x, *others):
        for other in others:
            x = self.node(operator.add, x, other)
        return x

    def Concatenate(self, call, *xs):
        if call.operation.axis not in (-1, len(_shape(call)) - 1):
            axis = call.operation.axis
            raise _unknown(call.operation, f"has axis={axis}, expected the last one")
        return self.node(self.torch.cat, list(xs), 1)

    def Flatten(self, call, x):
        rank = len(_shape(call))
        return self.node("flatten", self.channels_last(self.rotate(x, rank), rank), 1)

    def Rescaling(self, call, x):
        layer = call.operation
        scale, offset = (
            np.ravel(number).astype("float32").reshape(-1, 1, 1)
            for number in (layer.scale, layer.offset)
        )
        if scale.size > 1:
            raise _unknown(layer, "has several scales, expected one")
        x = self.node(operator.mul, x, scale.item())
        if offset.size == 1:
            return self.node(operator.iadd, x, offset.item())
        self.root.register_buffer(f"{layer.name}_offset", self.torch.tensor(offset))
        offset = self.graph.get_attr(f"{layer.name}_offset")
        return self.node(operator.iadd, x, offset)

    def UnitNormalization(self, call, x):
        _expect(call.operation, axis=-1)
        return self.node(self.F.normalize, x, eps=1e-6)

    def GetItem(self, call, x):
        if (key := call.arguments.args[1]) != (..., slice(None, None, -1)):
            raise _unknown(call.operation, f"has the key {key}, expected [..., ::-1]")
        return self.node("flip", x, (1,))

    def Reorg(self, call, x):
        layer = call.operation
        x = self.node(reorg, self.rotate(x, 4), layer.stride, layer.darknet)
        return self.rotate(x, 4)

    def Functional(self, call, *xs):
        return self.layers(getattr(call.operation, "_functional", call.operation), xs)

    Sequential = Functional


def reorg(x, s, darknet):
    """`networks.darknet.Reorg` for (m, C, H, W) in channels-last memory format."""
    m, C, H, W = x.shape
    if darknet:
        x = x.reshape(m, C // s**2, H, s, W, s).permute(0, 3, 5, 1, 2, 4)
        x = x.reshape(m, s * s * C, H // s, W // s).permute(0, 2, 3, 1).contiguous()
    else:
        x = x.permute(0, 2, 3, 1).reshape(m, H // s, s, W // s, s, C)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(m, H // s, W // s, s * s * C)
    return x.permute(0, 3, 1, 2)


def _shape(call):
    return call.input_tensors[0].shape


def _two(numbers):
    """The numbers for both axes; a sequence has only one."""
    return numbers if len(numbers) == 2 else (1, *numbers)


def _expect(layer, **options):
    """Raise ValueError if an option of a layer is not the supported one."""
    for name, expected in options.items():
        got = getattr(layer, name, expected)
        if getattr(got, "__name__", got) != expected:
            raise _unknown(layer, f"has {name}={got!r}, expected {expected!r}")


def _unknown(layer, what):
    return ValueError(
        f"The layer {layer.name!r} {what}. Add it to benchmarks.mirror, or leave "
        "PyTorch out."
    )
