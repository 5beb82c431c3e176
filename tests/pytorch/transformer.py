"""The transformer of a trace in PyTorch's modules: nn.Linear, nn.LayerNorm, nn.RMSNorm and
scaled_dot_product_attention. Where nn.TransformerEncoderLayer says the same, one pass of it is held
against that of the blocks, both norm placements among them.
"""

import math

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

ENCODER_TOLERANCE = 1e-10


class Block(nn.Module):
    def __init__(self, axes, make_norm, phi):
        super().__init__()
        width, bias = axes["width"], axes["bias"] == "learned"
        hidden = math.floor(axes["mlp_ratio"] * width + 0.5)
        self.axes, self.phi, self.heads = axes, phi, axes["heads"]
        self.attention = nn.Linear(width, 3 * width, bias)
        self.projection = nn.Linear(width, width, bias)
        self.up, self.down = (
            (nn.Linear(width, hidden, bias), nn.Linear(hidden, width, bias)) if hidden else (None, None)
        )
        head = width // self.heads
        eps = torch.finfo(getattr(torch, axes["dtype"])).eps
        self.qk = nn.ModuleList(nn.RMSNorm(head, eps=eps) for _ in range(2 * axes["qk_norm"]))
        position = axes.get("norm_position")
        branches = 2 if hidden else 1
        self.before = nn.ModuleList(make_norm() for _ in range(branches * (position in ("pre", "sandwich"))))
        self.behind = nn.ModuleList(
            make_norm() for _ in range(branches * (position in ("post", "sandwich", "deepnorm")))
        )
        self.gates = nn.ParameterList(torch.zeros(1) for _ in range(branches * axes.get("rezero", False)))
        # 1 but for DeepNorm: (2 L)^(1/4), where each of L blocks has two branches (Wang 2022).
        self.alpha = (branches * axes["depth"]) ** 0.25 if position == "deepnorm" else 1.0

    def forward(self, x):
        x = self.branch(0, x, self.attend)
        return x if self.up is None else self.branch(1, x, lambda h: self.down(self.phi(self.up(h))))

    def branch(self, at, x, f):
        a, position = self.axes, self.axes.get("norm_position")
        h = f(self.before[at](x) if len(self.before) else x)
        if position == "sandwich":
            h = self.behind[at](h)
        if a["residual"]:
            h = self.alpha * x + a["residual_scale"] * (self.gates[at] * h if len(self.gates) else h)
        return self.behind[at](h) if position in ("post", "deepnorm") else h

    def attend(self, x):
        a, (samples, tokens, width) = self.axes, x.shape
        split = lambda part: part.reshape(samples, tokens, self.heads, -1).transpose(1, 2)
        q, k, v = (split(part) for part in self.attention(x).chunk(3, -1))
        if len(self.qk):
            q, k = self.qk[0](q), self.qk[1](k)
        if a["position"] == "rope":
            q, k = rotate(q), rotate(k)
        causal, cap = a["attention"] == "causal", a["logit_softcap"]
        if math.isinf(cap):
            mixed = scaled_dot_product_attention(q, k, v, is_causal=causal, scale=a["attention_scale"])
        else:
            logits = cap * torch.tanh(a["attention_scale"] * q @ k.mT / cap)
            if causal:
                logits = logits.masked_fill(torch.ones(tokens, tokens, dtype=torch.bool).triu(1), -math.inf)
            mixed = logits.softmax(-1) @ v
        return self.projection(mixed.transpose(1, 2).reshape(samples, tokens, width))

    def matrices(self):
        return [m.weight for m in (self.attention, self.projection, self.up, self.down) if m is not None]


def rotate(x):
    """RoPE, the halves of a head as the real and the imaginary parts."""
    tokens, head = x.shape[-2:]
    angles = torch.outer(torch.arange(tokens), 1e4 ** (-torch.arange(0, head, 2, dtype=torch.float64) / head))
    real, imaginary = x.chunk(2, -1)
    turned = torch.complex(real.double(), imaginary.double()) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], -1).to(x.dtype)


class Transformer(nn.Module):
    """The same interface as `models.Model`."""

    def __init__(self, trace, perturbation, activations, norms, perturb, wrong_draw):
        super().__init__()
        a = trace.axes
        self.axes, self.depth, self.task = a, a["depth"], trace.about["task"]
        assert a["parametrization"] in ("standard", "mup")
        # The factor of the logits in mup: the base width over the width.
        self.output_factor = a["base_width"] / a["width"] if a["parametrization"] == "mup" else 1.0
        width, bias = a["width"], a["bias"] == "learned"
        eps = 1e-5 if a["norm"] == "layer" else torch.finfo(trace.dtype).eps
        make_norm = lambda: norms[a["norm"]](width, eps=eps)
        phi = activations[a["activation"]](a.get("negative_slope"))
        self.embedding = nn.Linear(trace.about["inputs"], width, bias=False)
        self.position = nn.Parameter(torch.zeros(a["sequence_length"], width)) if a["position"] == "learned" else None
        self.blocks = nn.ModuleList(Block(a, make_norm, phi) for _ in range(self.depth))
        self.norm = make_norm() if a.get("norm_position") in ("pre", "sandwich") else None
        self.output = nn.Linear(width, trace.about["outputs"], bias)
        self.to(trace.dtype).train()
        self.load(trace)
        if a["tied"]:
            # nn.Linear stores [out, in], and the embedding is one without a bias.
            del self.output.weight
        self.initial_findings = self.encoder_findings(trace) + initial_findings(trace, wrong_draw)
        if perturbation is not None:
            perturb(self, perturbation)
        self.stream = {}

    @torch.no_grad()
    def load(self, trace):
        used = set()

        def put(target, name):
            value = trace.tensors[name].to(trace.dtype)
            value = value.T if value.dim() == 2 and not name.endswith("position") else value
            assert target.shape == value.shape, (target.shape, value.shape, name)
            target.copy_(value)
            used.add(name)

        def linear(module, name):
            put(module.weight, f"{name}.weight")
            if module.bias is not None:
                put(module.bias, f"{name}.bias")

        def normal(module, name):
            put(module.weight, f"{name}.scale")
            if getattr(module, "bias", None) is not None:
                put(module.bias, f"{name}.shift")

        linear(self.embedding, "embedding")
        if self.position is not None:
            put(self.position, "embedding.position")
        for number, block in enumerate(self.blocks, 1):
            name = f"blocks.{number}"
            for part in ("attention", "projection", "up", "down"):
                if getattr(block, part) is not None:
                    linear(getattr(block, part), f"{name}.{part}")
            for module, role in zip(block.qk, ("query_scale", "key_scale")):
                put(module.weight, f"{name}.attention.{role}")
            for module, part in zip(block.before, ("attention", "up")):
                normal(module, f"{name}.{part}")
            for at, part in enumerate(("projection", "down")):
                if at < len(block.behind):
                    normal(block.behind[at], f"{name}.{part}")
                if at < len(block.gates):
                    put(block.gates[at], f"{name}.{part}.residual_weight")
        linear(self.output, "output")
        if self.norm is not None:
            normal(self.norm, "output")
        given = {name for name in trace.tensors if name.split(".")[0] in ("embedding", "blocks", "output")}
        assert used == given, f"weights that no module takes: {given - used}"

    def forward(self, inputs):
        # Sequences are [time, sample, inputs].
        self.stream.clear()
        x = self.embedding(inputs.transpose(0, 1))
        if self.position is not None:
            x = x + self.position
        self.watch(0, x)
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            self.watch(number, x)
        x = x.flatten(0, 1) if self.task == "text" else x[:, -1]
        if self.norm is not None:
            x = self.norm(x)
        weight = self.embedding.weight.T if self.axes["tied"] else self.output.weight
        output = nn.functional.linear(x, weight * self.output_factor, self.output.bias)
        self.watch(self.depth + 1, output)
        return output

    def watch(self, layer, x):
        if x.requires_grad:
            x.retain_grad()
        self.stream[layer] = x

    def matrices(self, layer):
        if layer == 0:
            return [self.embedding.weight]
        if layer > self.depth:
            return [self.embedding.weight if self.axes["tied"] else self.output.weight]
        return self.blocks[layer - 1].matrices()

    def hidden(self):
        """The parameters of all layers but the output, to which the norm before it belongs."""
        output = [self.output] if self.norm is None else [self.norm, self.output]
        own = {id(p) for module in output for p in module.parameters()}
        return [p for p in self.parameters() if id(p) not in own]

    def hidden_matrices(self):
        return [matrix for block in self.blocks for matrix in block.matrices()]

    def mup_rate(self, parameter):
        """The factor of the learning rate of a parameter in mup, from table 8 of Yang and Hu 2021:
        of a matrix of the blocks, of what has the same size at every width, and of the rest."""
        among = lambda all: any(parameter is one for one in all)
        widening, is_sgd = 1 / self.output_factor, self.axes["optimizer"] == "sgd"
        if among([self.output.bias, *(gate for block in self.blocks for gate in block.gates)]):
            return 1.0
        if among(self.hidden_matrices()):
            return 1.0 if is_sgd else 1 / widening
        return widening if is_sgd else 1.0

    def layer_norms(self):
        """By (layer, time, quantity), as in layers.csv."""
        norms = {}
        length = lambda tensors: torch.cat([t.detach().reshape(-1).double() for t in tensors]).norm().item()
        for layer, x in self.stream.items():
            norms[layer, 0, "activation_rms"] = length([x]) / math.sqrt(x.numel())
            norms[layer, 0, "backprop_norm"] = length([x.grad])
            norms[layer, 0, "weight_norm"] = length(self.matrices(layer))
            norms[layer, 0, "weight_grad_norm"] = length([p.grad for p in self.matrices(layer)])
        return norms

    def first_bad(self, loss):
        """Nothing here says in which tensor of a block a number first left its range."""

    def encoder_findings(self, trace):
        """What differs between one pass of the blocks and of nn.TransformerEncoderLayer, where that
        says the same."""
        if not is_encoder(trace):
            return []
        a = self.axes
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(3, a["sequence_length"], a["width"], generator=generator, dtype=trace.dtype)
        found = []
        for number, block in enumerate(self.blocks, 1):
            layer = nn.TransformerEncoderLayer(
                a["width"],
                a["heads"],
                block.up.out_features,
                0.0,
                a["activation"],
                batch_first=True,
                norm_first=a["norm_position"] == "pre",
                dtype=trace.dtype,
            )
            norms = block.before if a["norm_position"] == "pre" else block.behind
            pairs = [
                (layer.self_attn.in_proj_weight, block.attention.weight),
                (layer.self_attn.in_proj_bias, block.attention.bias),
                (layer.self_attn.out_proj.weight, block.projection.weight),
                (layer.self_attn.out_proj.bias, block.projection.bias),
                (layer.linear1.weight, block.up.weight),
                (layer.linear1.bias, block.up.bias),
                (layer.linear2.weight, block.down.weight),
                (layer.linear2.bias, block.down.bias),
                (layer.norm1.weight, norms[0].weight),
                (layer.norm1.bias, norms[0].bias),
                (layer.norm2.weight, norms[1].weight),
                (layer.norm2.bias, norms[1].bias),
            ]
            with torch.no_grad():
                for theirs, ours in pairs:
                    theirs.copy_(ours)
            causal = a["attention"] == "causal"
            mask = nn.Transformer.generate_square_subsequent_mask(a["sequence_length"], dtype=trace.dtype)
            outputs = [layer(x, src_mask=mask if causal else None, is_causal=causal), block(x)]
            gradients = [
                torch.autograd.grad((output**3).sum(), [pair[which] for pair in pairs])
                for which, output in enumerate(outputs)
            ]
            limit = ENCODER_TOLERANCE if trace.dtype == torch.float64 else 1e-3
            for theirs, ours in zip([outputs[0], *gradients[0]], [outputs[1], *gradients[1]]):
                if (theirs - ours).abs().max() > limit * theirs.abs().max():
                    found.append(f"block {number} is not nn.TransformerEncoderLayer")
                    break
        return found


def is_encoder(trace):
    """Whether the blocks of a trial are nn.TransformerEncoderLayer."""
    a = trace.axes
    return (
        a["network"] == "transformer"
        and a["norm"] == "layer"
        and a["norm_position"] in ("pre", "post")
        and a["bias"] == "learned"
        and a["activation"] in ("relu", "gelu")
        and a["residual"]
        and (a["residual_scale"], a["rezero"], a["qk_norm"]) == (1, False, False)
        and math.isinf(a["logit_softcap"])
        and a["position"] != "rope"
        and a["mlp_ratio"] > 0
        and math.isclose(a["attention_scale"], (a["width"] // a["heads"]) ** -0.5)
    )


def initial_findings(trace, wrong_draw):
    """What the initial weights have that torch.nn.init's function of that name would not give. The
    queries, keys and values are three matrices. DeepNorm makes some matrices smaller, and two axes
    scale the embedding and the last layer of each branch."""
    a, findings = trace.axes, []
    beta = (4 * a["depth"] * (2 if a["mlp_ratio"] else 1)) ** -0.25 if a.get("norm_position") == "deepnorm" else 1.0
    # mup starts as the net of the base width does, with the matrices of the blocks smaller by the
    # root of how much wider this one is.
    to_base = a["base_width"] / a["width"] if a["parametrization"] == "mup" else 1.0
    for name, values in trace.tensors.items():
        parts = name.split(".")
        if parts[0] not in ("embedding", "blocks", "output") or (a["tied"] and parts[0] == "output"):
            continue
        role = parts[-1]
        fan_in = trace.tensors[".".join([*parts[:-1], "weight"])].shape[0]
        if parts[0] != "embedding":
            fan_in = round(fan_in * to_base)
        scale, offset = 1.0, a["init_offset"] if name == "embedding.weight" else 0.0
        if parts[0] == "embedding":
            scale = a["embedding_init_scale"]
        elif parts[-2] in ("projection", "down") and role in ("weight", "bias"):
            scale = a.get("residual_init_scale", 1.0)
        if scale == 0.0:
            found = [wrong_draw(values - offset, "constant", 0.0, 1, values.numel(), fan_in)]
        elif role in ("weight", "position"):
            drawn = [*values.chunk(3, 1)] if parts[-2] == "attention" else [values]
            if parts[0] == "blocks":
                # The values, but not the queries and the keys.
                drawn[-1] = drawn[-1] / beta
                drawn = [one / math.sqrt(to_base) for one in drawn]
            rows, columns = drawn[0].shape
            rows = rows if parts[0] == "embedding" else round(rows * to_base)
            columns = columns if parts[0] == "output" else round(columns * to_base)
            found = [
                wrong_draw((one.contiguous() - offset) / scale, a["init"], a["init_scale"], rows, columns, rows)
                for one in drawn
            ]
        elif role == "bias":
            kind, std = ("normal", a["bias_std"]) if "bias_std" in a else ("pytorch", 1.0)
            found = [wrong_draw(values / scale, kind, std, 1, len(values), fan_in)]
        else:
            one = 1.0 if role in ("scale", "query_scale", "key_scale") else 0.0
            found = [wrong_draw(values, "constant", one, 1, len(values), 1)]
        findings += [f"initial {name}: {finding}" for finding in found if finding]
    return findings
