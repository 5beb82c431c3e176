"""The networks of a trace as plain PyTorch modules, with the weights of the trace, and what is
looked at in them.

Where PyTorch has the module it is used: nn.Linear, nn.RNN (tanh and relu without a norm), nn.LSTM,
nn.GRU, nn.BatchNorm1d, nn.LayerNorm, nn.RMSNorm. A recurrent net with another activation, a norm or
a parametrization is two nn.Linear per layer. Recurrent modules are called time step by time step,
so that autograd has a tensor for every hidden state. Gradients are autograd's everywhere.
"""

import math

import torch
from torch import nn
from torch.nn.utils import parametrize

from transformer import Transformer

ACTIVATIONS = {
    "linear": lambda slope: nn.Identity(),
    "relu": lambda slope: nn.ReLU(),
    "leaky_relu": nn.LeakyReLU,
    "tanh": lambda slope: nn.Tanh(),
    "sigmoid": lambda slope: nn.Sigmoid(),
    "gelu": lambda slope: nn.GELU(),
    "selu": lambda slope: nn.SELU(),
    "silu": lambda slope: nn.SiLU(),
}
NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "rms": nn.RMSNorm}


def norm(tensors):
    """L2, as a double, finite where it can be."""
    flat = torch.cat([t.detach().reshape(-1).double() for t in tensors])
    largest = flat.abs().max()
    if largest == 0 or not largest.isfinite():
        return largest.item()
    return (largest * (flat / largest).norm()).item()


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, weight):
        return weight * self.factor


class Model(nn.Module):
    """`perturbation`: the seed of a change of every initial weight by one unit in the last
    place. Without `watched` only the output is made, and nothing on the way is kept."""

    def __init__(self, trace, perturbation=None, watched=True):
        super().__init__()
        self.watched = watched
        a = trace.axes
        self.axes, self.depth = a, a["depth"]
        self.recurrent = "sequence_length" in a
        inputs, width, bias = trace.about["inputs"], a.get("width"), a["bias"] == "learned"
        # In mup the output layer alone has a factor.
        standard = a["parametrization"] in ("standard", "mup")
        self.fused = a["network"] in ("lstm", "gru") or (
            a["network"] == "rnn" and a["activation"] in ("tanh", "relu") and a["norm"] == "none" and standard
        )
        assert standard or a["network"] in ("mlp", "rnn"), "nn.LSTM and nn.GRU take no parametrization"
        self.layers, self.back, self.norms = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for layer in range(self.depth):
            size = width if layer else inputs
            if self.recurrent and self.fused:
                self.layers.append(recurrent_module(a, size, bias))
            else:
                self.layers.append(nn.Linear(size, width, bias))
                if self.recurrent:
                    self.back.append(nn.Linear(width, width, bias))
            if a.get("norm", "none") != "none":
                self.norms.append(NORMS[a["norm"]](width))
        branches = self.depth - 1 if a.get("residual") and a["rezero"] else 0
        self.gates = nn.ParameterList(torch.zeros(1) for _ in range(branches))
        self.output = nn.Linear(width if self.depth else inputs, trace.about["outputs"], bias)
        self.phi = ACTIVATIONS[a.get("activation", "linear")](a.get("negative_slope"))
        self.to(trace.dtype).train()
        self.load(trace)
        self.initial_findings = initial_findings(trace)
        if perturbation is not None:
            perturb(self, perturbation)
        if a["parametrization"] == "mup":
            if self.depth:
                self.scale(self.output, 1 / self.widening())
        elif not standard:
            self.parametrize(a["parametrization"])
        # By (layer, time), time 0 where there is none: the tensor that the backprop signal belongs
        # to, and what is handed on.
        self.signals, self.activations = {}, {}
        # What the activations were before any update, where later ones are compared with them.
        self.compares, self.first = False, None

    @torch.no_grad()
    def load(self, trace):
        get = lambda layer, name: trace.tensors[f"layers.{layer}.{name}"].to(trace.dtype)
        used = set()

        def put(target, layer, name):
            value = get(layer, name)
            value = value.T if value.dim() == 2 else value
            assert target.shape == value.shape, (target.shape, value.shape, layer, name)
            target.copy_(value)
            used.add(f"layers.{layer}.{name}")

        for layer, module in enumerate([*self.layers, self.output], 1):
            if isinstance(module, nn.Linear):
                put(module.weight, layer, "weight")
                if module.bias is not None:
                    put(module.bias, layer, "bias")
            else:
                put(module.weight_ih_l0, layer, "weight")
                put(module.weight_hh_l0, layer, "recurrent")
                if module.bias:
                    put(module.bias_ih_l0, layer, "bias")
                    put(module.bias_hh_l0, layer, "recurrent_bias")
            if layer <= len(self.back):
                put(self.back[layer - 1].weight, layer, "recurrent")
                if self.back[layer - 1].bias is not None:
                    put(self.back[layer - 1].bias, layer, "recurrent_bias")
            if 1 < layer <= len(self.gates) + 1:
                put(self.gates[layer - 2], layer, "residual_weight")
            if layer <= len(self.norms):
                put(self.norms[layer - 1].weight, layer, "scale")
                if getattr(self.norms[layer - 1], "bias", None) is not None:
                    put(self.norms[layer - 1].bias, layer, "shift")
        given = {name for name in trace.tensors if name.startswith("layers.")}
        assert used == given, f"weights that no module takes: {given - used}"

    def parametrize(self, name):
        """Products are multiplied with 1/sqrt(fan_in); in the output layer of mean_field with
        1/fan_in."""
        for module in [*self.layers, *self.back, self.output]:
            power = 1 if name == "mean_field" and module is self.output else 0.5
            self.scale(module, module.in_features**-power)

    @staticmethod
    def scale(module, factor):
        parametrize.register_parametrization(module, "weight", Times(factor))

    def widening(self):
        """The width over the base width of mup."""
        return self.axes["width"] / self.axes["base_width"]

    def mup_rate(self, parameter):
        """The factor of the learning rate of a parameter in mup, from table 8 of Yang and Hu 2021:
        of a matrix of hidden layers, of what has the same size at every width, and of the rest."""
        is_sgd = self.axes["optimizer"] == "sgd"
        among = lambda all: any(parameter is one for one in all)
        if not self.depth or among([self.output.bias, *self.gates]):
            return 1.0
        if among(self.hidden_matrices()):
            return 1.0 if is_sgd else 1 / self.widening()
        return self.widening() if is_sgd else 1.0

    def hidden(self):
        """The parameters of all layers but the output."""
        return [p for modules in (self.layers, self.back, self.norms, self.gates) for p in modules.parameters()]

    def hidden_matrices(self):
        """The matrices between two hidden layers, and the recurrent ones."""
        matrices = []
        for at, layer in enumerate(self.layers):
            fused = not isinstance(layer, nn.Linear)
            if at > 0:
                matrices.append(layer.weight_ih_l0 if fused else layer.weight)
            if fused:
                matrices.append(layer.weight_hh_l0)
        return matrices + [layer.weight for layer in self.back]

    def stage(self, h, layer):
        """Norm and activation, in the order of the trial."""
        if not len(self.norms):
            return self.phi(h)
        if self.axes["norm_position"] == "before":
            return self.phi(self.norms[layer](h))
        return self.norms[layer](self.phi(h))

    def watch(self, layer, time, signal, handed_on):
        if not self.watched:
            return
        if signal.requires_grad:
            signal.retain_grad()
        self.signals[layer + 1, time], self.activations[layer + 1, time] = signal, handed_on

    def forward(self, x):
        self.signals.clear()
        self.activations.clear()
        top = self.sequence(x) if self.recurrent else self.stack(x)
        output = self.output(top)
        self.watch(self.depth, 0, output, output)
        return output

    def stack(self, x):
        for layer in range(self.depth):
            h = self.layers[layer](x)
            f = self.stage(h, layer)
            if self.axes.get("residual") and layer:
                f = self.axes["residual_scale"] * (self.gates[layer - 1] * f if len(self.gates) else f)
                x = x + f
            else:
                x = f
            self.watch(layer, 0, h, x)
        return x

    def sequence(self, xs):
        xs = list(xs)
        for layer, module in enumerate(self.layers):
            state = None
            for t, x in enumerate(xs):
                if self.fused:
                    _, state = module(x[None], state)
                    h = state[0] if isinstance(state, tuple) else state
                    self.watch(layer, t + 1, h, h)
                    xs[t] = h[0]
                else:
                    past = torch.zeros(len(x), module.out_features, dtype=x.dtype) if state is None else state
                    h = module(x) + self.back[layer](past)
                    state = self.stage(h, layer)
                    self.watch(layer, t + 1, h, state)
                    xs[t] = state
        return xs[-1]

    def signal(self, place):
        """dLoss/dh; of lstm and gru of the hidden state, else of the activation's input."""
        gradient = self.signals[place].grad
        if not (self.fused and place[0] <= self.depth) or self.axes["network"] != "rnn":
            return gradient
        state = self.signals[place].detach()
        return gradient * ((1 - state * state) if self.axes["activation"] == "tanh" else (state > 0))

    def parts(self, layer):
        """The parameters of a layer, from 1."""
        modules = (
            [self.output]
            if layer > self.depth
            else [m[layer - 1] for m in (self.layers, self.back, self.norms) if len(m)]
        )
        gates = [self.gates[layer - 2]] if 1 < layer <= len(self.gates) + 1 else []
        return [p for module in modules for p in module.parameters()] + gates

    def layer_norms(self):
        """By (layer, time, quantity), as in layers.csv."""
        norms = {}
        if self.compares and self.first is None:
            self.first = {place: values.detach().clone() for place, values in self.activations.items()}
        for place, values in self.activations.items():
            if self.compares:
                change = norm([values.detach() - self.first[place]])
                norms[*place, "activation_change"] = change / math.sqrt(values.numel())
            norms[*place, "activation_rms"] = norm([values]) / math.sqrt(values.numel())
            norms[*place, "backprop_norm"] = norm([self.signal(place)])
            matrices = [p for p in self.parts(place[0]) if p.dim() == 2]
            norms[*place, "weight_norm"] = norm(matrices)
            norms[*place, "weight_grad_norm"] = norm(p.grad for p in matrices)
        return norms

    def first_bad(self, loss):
        """(site, layer, time) of the first tensor of the last passes that is not finite, in the
        order in which a step computes them."""
        finite = lambda tensors: all(t.isfinite().all() for t in tensors)
        layers, places = range(1, self.depth + 2), sorted(self.activations)
        time = lambda place: place[1] or None
        candidates = [("weight", layer, None, lambda layer=layer: self.parts(layer)) for layer in layers]
        candidates += [("activation", p[0], time(p), lambda p=p: [self.activations[p]]) for p in places]
        candidates += [("loss", None, None, lambda: [loss])]
        candidates += [("backprop signal", p[0], time(p), lambda p=p: [self.signal(p)]) for p in reversed(places)]
        candidates += [
            ("weight gradient", layer, None, lambda layer=layer: [p.grad for p in self.parts(layer)])
            for layer in reversed(layers)
        ]
        for site, layer, at, tensors in candidates:
            if not finite(tensors()):
                return site, layer, at
        return None


def build(trace, perturbation=None, watched=True):
    """The model of a trace."""
    if trace.axes["network"] == "transformer":
        return Transformer(trace, perturbation, ACTIVATIONS, NORMS, perturb, wrong_draw)
    return Model(trace, perturbation, watched)


def recurrent_module(a, size, bias):
    if a["network"] == "lstm":
        return nn.LSTM(size, a["width"], bias=bias)
    if a["network"] == "gru":
        return nn.GRU(size, a["width"], bias=bias)
    return nn.RNN(size, a["width"], nonlinearity=a["activation"], bias=bias)


@torch.no_grad()
def perturb(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        up = torch.rand(p.shape, generator=generator) < 0.5
        if p.dtype == torch.float16:
            # It has no nextafter: the next larger and smaller magnitude; 0 stays.
            p.copy_(
                (p.view(torch.int16) + torch.where(p == 0, 0, torch.where(up, 1, -1)).to(torch.int16)).view(
                    torch.float16
                )
            )
            continue
        p.copy_(
            torch.where(
                up, torch.nextafter(p, torch.full_like(p, math.inf)), torch.nextafter(p, torch.full_like(p, -math.inf))
            )
        )


def initial_findings(trace):
    """What the initial weights have that torch.nn.init's function of that name, or PyTorch's own
    start, would not give."""
    a, findings = trace.axes, []
    for name, values in trace.tensors.items():
        if not name.startswith("layers."):
            continue
        layer, role = int(name.split(".")[1]), name.split(".")[2]
        gated = a["network"] in ("lstm", "gru") and layer <= a["depth"]
        if a["parametrization"] == "mup" and a["depth"]:
            finding = wrong_mup_draw(trace, layer, role, values)
        elif role in ("weight", "recurrent"):
            own = "recurrent_" if role == "recurrent" else ""
            offset = a["init_offset"] if layer == 1 and role == "weight" else 0.0
            finding = wrong_draw(
                values - offset, a[f"{own}init"], a[f"{own}init_scale"], *values.shape, fan_in(trace, layer)
            )
        elif role in ("bias", "recurrent_bias"):
            drawn = values
            if gated and role == "bias":
                # The forget gate of i, f, g, o; the update gate of r, z, n.
                drawn = values.clone()
                drawn[a["width"] : 2 * a["width"]] -= a["forget_bias"]
            kind, scale = ("normal", a["bias_std"]) if "bias_std" in a else ("pytorch", 1.0)
            finding = wrong_draw(drawn, kind, scale, 1, len(drawn), fan_in(trace, layer))
        else:
            finding = wrong_draw(values, "constant", 1.0 if role == "scale" else 0.0, 1, len(values), 1)
        if finding:
            findings.append(f"initial {name}: {finding}")
    return findings


def fan_in(trace, layer):
    """What PyTorch's own initializers take for it: nn.Linear its inputs, nn.RNN, nn.LSTM and nn.GRU
    their width."""
    recurrent = "sequence_length" in trace.axes and layer <= trace.axes["depth"]
    return trace.axes["width"] if recurrent or layer > 1 else trace.about["inputs"]


def wrong_mup_draw(trace, layer, role, values):
    """mup starts as the net of the base width does, with hidden matrices smaller by the root of how
    much wider this one is. The initializers of the trials of mup draw each element alone."""
    a = trace.axes
    of_base = lambda size: size // a["width"] * a["base_width"]
    if role in ("weight", "recurrent"):
        rows, columns = values.shape
        is_first, is_last = layer == 1 and role == "weight", layer > a["depth"]
        if not is_first:
            rows = of_base(rows)
        if not is_last:
            columns = of_base(columns)
        if not is_first and not is_last:
            values = values * math.sqrt(a["width"] / a["base_width"])
        own = "recurrent_" if role == "recurrent" else ""
        kind, scale = a[f"{own}init"], a[f"{own}init_scale"]
    elif role in ("bias", "recurrent_bias"):
        rows, columns = 1, len(values)
        kind, scale = ("normal", a["bias_std"]) if "bias_std" in a else ("pytorch", 1.0)
    else:
        return wrong_draw(values, "constant", 1.0 if role == "scale" else 0.0, 1, len(values), 1)
    sees_width = "sequence_length" in a or layer > 1
    return wrong_draw(values, kind, scale, rows, columns, a["base_width"] if sees_width else trace.about["inputs"])


def wrong_draw(values, kind, scale, rows, columns, fan_in):
    n = values.numel()
    deviation = {
        "normal": scale,
        "xavier": scale * math.sqrt(2 / (rows + columns)),
        "he": scale * math.sqrt(2 / rows),
        "lecun": scale / math.sqrt(rows),
        "scaled": math.sqrt(scale / rows),
    }.get(kind)
    bound = {
        "uniform": scale,
        "xavier_uniform": scale * math.sqrt(6 / (rows + columns)),
        "he_uniform": scale * math.sqrt(6 / rows),
        "pytorch": scale / math.sqrt(fan_in),
    }.get(kind)
    off = 1e-6 if values.abs().max() == 0 else 1e-6 * values.abs().max().item()
    if kind == "constant":
        return None if (values - scale).abs().max() <= off else "not constant"
    if kind == "orthogonal":
        gram = values.T @ values if rows >= columns else values @ values.T
        far = (gram - scale**2 * torch.eye(len(gram), dtype=gram.dtype)).abs().max()
        return None if far <= 1e-5 * scale**2 else "not orthogonal"
    # Five standard errors of the root mean square: of a normal law 1/sqrt(2n), of a uniform one
    # less.
    expected = deviation if deviation is not None else bound / math.sqrt(3)
    found = values.double().square().mean().sqrt().item()
    if abs(found - expected) > 5 * expected / math.sqrt(2 * n):
        return f"deviates by {found:.4g}, not {expected:.4g}"
    if bound is not None and values.abs().max() > bound * (1 + 1e-6):
        return f"beyond the bound {bound:.4g}"
    return None
