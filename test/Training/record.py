# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Records how PyTorch trains the examples: recordings/*.json beside this file.

    python record.py            everything (half a minute)
    python record.py NAME...    the curves of these configurations, or "grad_scaler"

Needs torch==2.11.0 and onnx==1.22.0; the tests that read the recordings need neither.
README.md says what each field means. Every claim a test relies on is checked here: a recording
that would prove nothing is not written.
"""
import copy
import hashlib
import json
import pathlib
import re
import struct
import sys

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))
import data  # noqa: E402
import export  # noqa: E402

STEPS = 200
F32_TOLERANCE = 1e-4
FLOOR = {"f16": 0.005, "bf16": 0.03}
DTYPE = {"f16": torch.float16, "bf16": torch.bfloat16}


class Config:
    def __init__(self, model, data_set, batch, **settings):
        self.model, self.data, self.batch, self.settings = model, data_set, batch, settings

    def flags(self):
        """The settings as ampc's flags."""
        flags = [f"--batch={self.batch}"]
        if self.data in ("mnist_like", "tokens"):
            flags.append("--loss=cross_entropy")
        return flags + [f"--{k.replace('_', '-')}" + ("" if v is True else f"={v}")
                        for k, v in self.settings.items()]


def mlp10(**settings):
    return Config("mlp_10_100_10", "mlp10", 100, **settings)


def mlp784(**settings):
    return Config("mlp_784_128_10", "mnist_like", 64, **settings)


# Learning rates are modest on purpose: adagrad at 0.05, say, amplifies one ReLU that rounding
# flips at step 80 to 4e-4 of the loss. rounding() finds such configurations.
CONFIGS = {
    "mlp10_sgd": mlp10(optimizer="sgd", lr=0.1),
    "mlp10_sgd_decay_clip": mlp10(optimizer="sgd", lr=0.1, weight_decay=0.01, clip_grad_norm=0.3),
    "mlp10_momentum": mlp10(optimizer="momentum", lr=0.05, momentum=0.9, dampening=0.1),
    "mlp10_nesterov": mlp10(optimizer="nesterov", lr=0.05, momentum=0.9),
    "mlp10_adagrad": mlp10(optimizer="adagrad", lr=0.012),
    "mlp10_adamw": mlp10(optimizer="adamw", lr=0.005, weight_decay=0.2),
    "mlp10_rmsprop": mlp10(optimizer="rmsprop", lr=0.003, alpha=0.9, weight_decay=0.01),
    "mlp10_rmsprop_centered": mlp10(optimizer="rmsprop", lr=0.0008, alpha=0.9, momentum=0.8,
                                    eps=1e-4, centered=True),
    "mlp10_nadam": mlp10(optimizer="nadam", lr=0.004, momentum_decay=0.05, beta1=0.8, beta2=0.99,
                         eps=1e-4, weight_decay=0.01),
    "mlp10_nadam_decoupled": mlp10(optimizer="nadam", lr=0.004, weight_decay=0.2,
                                   decoupled_weight_decay=True),
    "mlp10_adafactor": mlp10(optimizer="adafactor", lr=0.01, beta2_decay=-0.6, eps1=0.001, eps2=0.1,
                             update_clip=1.2, weight_decay=0.5),
    "mlp10_lamb": mlp10(optimizer="lamb", lr=0.01, beta1=0.7, beta2=0.8, eps=0.03,
                        weight_decay=0.3),
    "mlp10_lion": mlp10(optimizer="lion", lr=0.0005, beta1=0.8, beta2=0.95, weight_decay=0.8),
    "mlp784_adam": mlp784(optimizer="adam", lr=0.001),
    "mlp784_clip_value": mlp784(optimizer="sgd", lr=0.2, clip_grad_value=0.01),
    # The default scale overflows in the f16 gradients of PyTorch's filters.
    "convnet_adam": Config("convnet", "mnist_like", 64, optimizer="adam", lr=0.0005,
                           loss_scale_init=1024),
    "batch_norm_sgd": Config("batch_norm_net", "mnist_like", 64, optimizer="sgd", lr=0.005),
    "tokens_sgd": Config("bag_of_tokens", "tokens", 32, optimizer="sgd", lr=0.8,
                         clip_grad_norm=0.5),
    "row_reader_adam": Config("row_reader", "mnist_like", 64, optimizer="adam", lr=0.0015),
    "autoencoder_adam": Config("autoencoder_tied", "patterns64", 32, optimizer="adam", lr=0.01),
    "conv_autoencoder_adam": Config("conv_autoencoder", "patterns64", 32, optimizer="adam",
                                    lr=0.003),
}


def wrong_settings(settings, precision):
    """What a compiler may get wrong: name -> settings that the tests must tell from the right. Single
    settings of an optimizer, which updates f32 masters at all levels, in f32 alone: they move the
    curve less than 16 bits do."""
    wrong = {"lr_zero": {"lr": 0.0}, "lr_half": {"lr": settings["lr"] / 2}}
    if "clip_grad_norm" in settings:
        wrong["no_clip"] = {"clip_grad_norm": None}
    if "clip_grad_value" in settings:
        wrong["no_clip"] = {"clip_grad_value": None}
    if "weight_decay" in settings:
        wrong["no_decay"] = {"weight_decay": 0.0}
    if settings["optimizer"] == "adamw":
        wrong["coupled_decay"] = {"optimizer": "adam"}
    if "dampening" in settings:
        wrong["no_dampening"] = {"dampening": 0.0}
    if settings["optimizer"] == "rmsprop":
        wrong["default_alpha"] = {"alpha": 0.99}
        wrong["no_momentum" if "momentum" in settings else "with_momentum"] = {
            "momentum": 0.0 if "momentum" in settings else 0.9}
        wrong["other_centering"] = {"centered": not settings.get("centered", False)}
    if settings["optimizer"] == "nesterov":
        wrong["plain_momentum"] = {"optimizer": "momentum"}
    if settings["optimizer"] in ("nadam", "adafactor", "lamb", "lion"):
        for setting in settings.keys() - {"optimizer", "lr", "weight_decay"}:
            wrong["default_" + setting] = {setting: None}
    if settings["optimizer"] == "nadam":
        wrong["as_adam"] = {"optimizer": "adamw" if settings.get("decoupled_weight_decay")
                            else "adam"}
    if settings["optimizer"] == "lamb":
        wrong["as_adamw"] = {"optimizer": "adamw"}
    return {name: {k: v for k, v in {**settings, **change}.items() if v is not None}
            for name, change in wrong.items()
            if precision == "f32" or not name.startswith("default_")}


class PaperOptimizer(torch.optim.Optimizer):
    """An update written from its paper, in numpy and f64; parameters are rounded to their type."""

    def __init__(self, parameters, lr, **settings):
        super().__init__(parameters, {"lr": lr, **settings})
        self.steps = 0

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for group in self.param_groups:
            for p in group["params"]:
                new = self.update(p.numpy().astype(np.float64), p.grad.numpy().astype(np.float64),
                                  self.state[p], group)
                p.copy_(torch.from_numpy(np.asarray(new)))


class Lamb(PaperOptimizer):
    """You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, arXiv
    1904.00962v5, algorithm 2, phi(z) = z."""

    def update(self, x, g, state, s):
        beta1, beta2 = s["beta1"], s["beta2"]
        state["m"] = m = beta1 * state.get("m", 0.0) + (1 - beta1) * g
        state["v"] = v = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**self.steps), v / (1 - beta2**self.steps)
        r = m_hat / (np.sqrt(v_hat) + s["eps"])
        u = r + s["weight_decay"] * x
        norms = np.linalg.norm(x.ravel()), np.linalg.norm(u.ravel())
        ratio = norms[0] / norms[1] if all(norms) else 1.0
        return x - s["lr"] * ratio * u


class Lion(PaperOptimizer):
    """Chen et al., Symbolic Discovery of Optimization Algorithms, arXiv 2302.06675, algorithm 2."""

    def update(self, theta, g, state, s):
        m = state.get("m", 0.0)
        c = s["beta1"] * m + (1 - s["beta1"]) * g
        state["m"] = s["beta2"] * m + (1 - s["beta2"]) * g
        return theta - s["lr"] * (np.sign(c) + s["weight_decay"] * theta)


def grouped(named, settings):
    """Parameters with the settings of the group they are in: the first whose regex matches. lr,
    weight_decay and Adam's first beta are what a group here may have."""
    groups = []
    for text in settings.get("group", ()):
        regex, _, own = text.rpartition(":")
        group = {"params": [], "regex": regex}
        for key, value in (setting.split("=") for setting in own.split(",")):
            if key == "beta1":
                group["betas"] = (float(value), 0.999)
            else:
                group[key.replace("-", "_")] = float(value)
        groups.append(group)
    groups.append({"params": [], "regex": ""})
    for name, parameter in named:
        next(g for g in groups if re.search(g["regex"], name))["params"].append(parameter)
    return [{k: v for k, v in g.items() if k != "regex"} for g in groups if g["params"]]


def make_optimizer(named, settings):
    lr, decay = settings["lr"], settings.get("weight_decay", 0.0)
    kind = settings["optimizer"]
    parameters = grouped(named, settings)
    if kind == "nadam":
        return torch.optim.NAdam(
            parameters, lr, (settings.get("beta1", 0.9), settings.get("beta2", 0.999)),
            settings.get("eps", 1e-8), decay, settings.get("momentum_decay", 4e-3),
            settings.get("decoupled_weight_decay", False), foreach=False,
        )
    if kind == "adafactor":
        return torch.optim.Adafactor(
            parameters, lr, settings.get("beta2_decay", -0.8),
            (settings.get("eps1"), settings.get("eps2", 1e-3)), settings.get("update_clip", 1.0),
            decay,
        )
    if kind == "lamb":
        return Lamb(parameters, lr, beta1=settings.get("beta1", 0.9),
                    beta2=settings.get("beta2", 0.999), eps=settings.get("eps", 1e-6),
                    weight_decay=decay)
    if kind == "lion":
        return Lion(parameters, lr, beta1=settings.get("beta1", 0.9),
                    beta2=settings.get("beta2", 0.99), weight_decay=decay)
    if kind in ("sgd", "momentum", "nesterov"):
        return torch.optim.SGD(
            parameters, lr, momentum=settings.get("momentum", 0.0), weight_decay=decay,
            dampening=settings.get("dampening", 0.0), nesterov=kind == "nesterov",
        )
    if kind == "rmsprop":
        return torch.optim.RMSprop(
            parameters, lr, alpha=settings.get("alpha", 0.99), eps=settings.get("eps", 1e-8),
            weight_decay=decay, momentum=settings.get("momentum", 0.0),
            centered=settings.get("centered", False),
        )
    kinds = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    betas = {}
    if kind == "adamw" and "beta1" in settings:  # what the settings of lamb are there
        betas = {"betas": (settings["beta1"], settings["beta2"]), "eps": settings["eps"]}
    return kinds[kind](parameters, lr, weight_decay=decay, **betas)


def load(config):
    """The network with the ONNX file's own weights, and the data."""
    network = export.build(config.model)
    model = onnx.load(str(EXAMPLES / "models" / f"{config.model}.onnx"))
    weights = {t.name: onnx.numpy_helper.to_array(t).copy() for t in model.graph.initializer}
    missing = network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()},
                                      strict=False).missing_keys
    if any(not k.endswith("num_batches_tracked") for k in missing):
        raise SystemExit(f"{config.model}: lacks {missing}")
    arrays = data.make(config.data)[config.data]
    return network, {k: torch.from_numpy(v) for k, v in arrays.items()}


def loss_of(network, batch):
    if isinstance(network, (export.TiedAutoencoder, export.ConvAutoencoder)):
        return network(batch["x"])
    # An MLP may have the loss in its graph.
    forward = export.Mlp.forward if isinstance(network, export.Mlp) else type(network).forward
    logits = forward(network, batch["x"])
    # CPU autocast would leave log_softmax in f16. CUDA's, and ours, computes the loss in f32.
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return F.cross_entropy(logits, batch["target"])


def train(network, arrays, config, settings=None, precision="f32"):
    """STEPS steps over consecutive batches. Returns the losses, gradient norms and loss scales."""
    settings = settings or config.settings
    network = copy.deepcopy(network)
    parameters = list(network.parameters())
    optimizer = make_optimizer(network.named_parameters(), settings)
    scaler = torch.amp.GradScaler("cpu", settings.get("loss_scale_init", 65536.0),
                                  enabled=precision == "f16")
    batches = len(arrays["x"]) // config.batch
    losses, norms, scales = [], [], []
    for step in range(STEPS):
        first = step % batches * config.batch
        batch = {k: v[first : first + config.batch] for k, v in arrays.items()}
        optimizer.zero_grad()
        with torch.autocast("cpu", DTYPE.get(precision), enabled=precision in DTYPE):
            loss = loss_of(network, batch)
        scales.append(scaler.get_scale())
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        if settings.get("clip_grad_norm"):
            norm = nn.utils.clip_grad_norm_(parameters, settings["clip_grad_norm"])
            norms.append(norm.item())
        if settings.get("clip_grad_value"):
            nn.utils.clip_grad_value_(parameters, settings["clip_grad_value"])
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return np.array(losses), norms, scales


class UntiedAutoencoder(export.TiedAutoencoder):
    """Starts like the tied one, then its two weights part: what a broken tie would train."""

    def forward(self, x):
        code = torch.tanh(F.linear(x, self.weight, self.encoder_bias))
        difference = F.linear(code, self.decoder_weight.t(), self.decoder_bias) - x
        return (difference * difference).mean()


def untied(network):
    result = UntiedAutoencoder(*reversed(network.weight.shape))
    result.decoder_weight = nn.Parameter(network.weight.detach().clone())
    result.load_state_dict(network.state_dict(), strict=False)
    return result


def reordered(network, arrays, config, seed):
    """The same training with inputs, units and rows in another order: f32 sums round otherwise."""
    random = np.random.RandomState(seed)
    network, arrays = copy.deepcopy(network), dict(arrays)
    rows = np.arange(len(arrays["x"]))
    for first in range(0, len(rows) - config.batch + 1, config.batch):
        random.shuffle(rows[first : first + config.batch])
    arrays = {k: v[rows] for k, v in arrays.items()}
    tied = isinstance(network, export.TiedAutoencoder)
    if not tied and not isinstance(network, export.Mlp):
        return network, arrays
    weights = [network.weight] if tied else [network.fc1.weight, network.fc2.weight]
    inputs = random.permutation(weights[0].shape[1])
    units = random.permutation(weights[0].shape[0])
    arrays["x"] = arrays["x"][:, inputs].contiguous()
    weights[0].data = weights[0].data[units][:, inputs].contiguous()
    if tied:
        network.encoder_bias.data = network.encoder_bias.data[units]
        network.decoder_bias.data = network.decoder_bias.data[inputs]
    else:
        network.fc1.bias.data = network.fc1.bias.data[units]
        weights[1].data = weights[1].data[:, units].contiguous()
    return network, arrays


def deviation(losses, reference):
    return float(np.max(np.abs(losses - reference) / np.abs(reference)))


def rounding(network, arrays, config, losses):
    """How far rounding alone moves the f32 curve: the part of the tolerance that is used up."""
    double = {k: v.double() if v.is_floating_point() else v for k, v in arrays.items()}
    exact = train(copy.deepcopy(network).double(), double, config)[0]
    others = [train(*reordered(network, arrays, config, seed), config)[0] for seed in range(16)]
    return {
        "error_vs_f64": deviation(losses, exact),
        "error_reordered": max(deviation(other, losses) for other in others),
    }


def require(name, condition, message):
    if not condition:
        raise SystemExit(f"{name}: {message}")


def record_curve(name, config):
    network, arrays = load(config)
    digest = hashlib.sha256(b"".join(v.numpy().tobytes() for v in arrays.values())).hexdigest()
    reference = None
    for precision in ("f32", "f16", "bf16"):
        losses, norms, scales = train(network, arrays, config, precision=precision)
        reference = losses if precision == "f32" else reference
        fall = float(1 - losses[-5:].mean() / losses[:5].mean())
        recording = {
            "model": f"{config.model}.onnx", "data": config.data, "data_sha256": digest,
            "batch": config.batch, "steps": STEPS, "precision": precision,
            "flags": config.flags(), "torch": torch.__version__.split("+")[0],
            "falls_by": round(fall, 4),
        }
        if precision == "f32":
            tolerance = F32_TOLERANCE
            recording.update(rounding(network, arrays, config, losses))
            worst = max(recording["error_vs_f64"], recording["error_reordered"])
            require(name, worst < tolerance / 5, f"rounding alone moves the curve by {worst:.1e}")
        else:
            error = deviation(losses, reference)
            recording["error_vs_f32"] = error
            tolerance = max(3 * error, FLOOR[precision])
            require(name, error > 1e-5, f"{precision} is not low precision")
            # ampc sums a parameter's gradient in f32, PyTorch in f16: where the one overflows, the
            # other may not, and after a skipped step the curves are no longer comparable.
            require(name, len(set(scales)) == 1, f"{precision}: a step was skipped")
        recording["tolerance"] = tolerance
        recording["deviation"] = {
            wrong: deviation(
                train(network, arrays, config, settings, precision)[0], reference)
            for wrong, settings in wrong_settings(config.settings, precision).items()
        }
        if isinstance(network, export.TiedAutoencoder):
            curve = train(untied(network), arrays, config, precision=precision)[0]
            recording["deviation"]["untied"] = deviation(curve, reference)
        require(name, fall >= 1 / 3, f"the loss falls by {fall:.0%} only")
        margin = 10 if precision == "f32" else 1
        for wrong, value in recording["deviation"].items():
            enough = value > margin * tolerance
            require(name, enough, f"{precision}: {wrong} deviates by {value:.1e} only")
        if "clip_grad_norm" in config.settings:
            clipped = np.mean(np.array(norms) > config.settings["clip_grad_norm"])
            require(name, clipped > 0.5, f"clips in {clipped:.0%} of the steps only")
        recording["loss"] = [shortest(v) for v in losses]
        if norms:
            recording["grad_norm"] = [shortest(v) for v in norms]
        if precision == "f16":
            recording["scale"] = [shortest(v) for v in scales]
        write(f"{name}_{precision}.json", recording)
        errors = {k: v for k, v in recording.items() if k.startswith("error")}
        print(f"{name} {precision}: falls {fall:.3f} ({losses[:5].mean():.3f} to "
              f"{losses[-5:].mean():.3f}),", *(f"{k} {v:.1e}" for k, v in errors.items()),
              f"tolerance {tolerance:.1e}, deviation",
              ", ".join(f"{k} {v:.3g}" for k, v in recording["deviation"].items()), flush=True)


# The loss scaler.

SCALER_GROUPS = {
    # The scale of the first four stays between 2^-7 and 2^16, where a compiled step can follow.
    "interval3": dict(init=1024.0, growth=2.0, backoff=0.5, interval=3, sequences=2500, steps=20),
    "interval7": dict(init=4096.0, growth=2.0, backoff=0.5, interval=7, sequences=2500, steps=20),
    # Factors that are no powers of two: the scale rounds.
    "thirds": dict(init=1000.0, growth=1.5, backoff=0.75, interval=4, sequences=2500, steps=20),
    # Factors that f32 does not hold: GradScaler multiplies in f64 and rounds the product to f32.
    "tenths": dict(init=1000.0, growth=1.1, backoff=0.7, interval=5, sequences=2500, steps=20),
    # The defaults. Overflows are rare, so that the interval of 2000 is reached.
    "default": dict(init=65536.0, growth=2.0, backoff=0.5, interval=2000, sequences=4, steps=5000,
                    rate=1 << 20),
    # Up to the largest f32: a growth that would overflow is not made; the tracker starts anew.
    "ceiling": dict(init=2.0**120, growth=4.0, backoff=0.5, interval=3, sequences=10, steps=40,
                    rate=1 << 28),
}
BLOCK = 100  # sequences a hash


class Lcg:
    """Knuth's 64-bit congruential generator; draws are the upper 32 bits of the new state."""

    def __init__(self, seed):
        self.state = seed

    def draw(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 32


def overflow_flags(generator, steps, rate):
    """One sequence. Without a fixed rate (out of 2^32) it first draws its own, below one half."""
    rate = generator.draw() >> 1 if rate is None else rate
    return [generator.draw() < rate for _ in range(steps)]


def drive_scaler(flags, init, growth, backoff, interval):
    """The state (scale, growth tracker) of torch's GradScaler after each step."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init, growth, backoff, interval)
    scaler.scale(torch.zeros(1))
    states = []
    for overflow in flags:
        parameter.grad = torch.tensor([float("inf") if overflow else 0.0])
        scaler.step(optimizer)
        scaler.update()
        states.append((scaler._scale.item(), scaler._growth_tracker.item()))
    return states


def fnv1a64(block):
    result = 0xCBF29CE484222325
    for byte in block:
        result = (result ^ byte) * 0x100000001B3 % 2**64
    return f"{result:016x}"


def record_scaler():
    groups = {}
    for seed, (name, group) in enumerate(SCALER_GROUPS.items(), 1):
        rate = group.get("rate")
        factors = {k: group[k] for k in ("init", "growth", "backoff", "interval")}
        generator = Lcg(seed)
        everything, hashes, examples, scales, overflows = b"", [], [], [], 0
        for first in range(0, group["sequences"], BLOCK):
            block = b""
            for index in range(first, min(first + BLOCK, group["sequences"])):
                flags = overflow_flags(generator, group["steps"], rate)
                states = drive_scaler(flags, **factors)
                block += b"".join(struct.pack("<fi", *state) for state in states)
                scales += [scale for scale, _ in states]
                overflows += sum(flags)
                if index < 3 and group["steps"] <= 40:
                    examples.append({
                        "overflow": "".join("01"[flag] for flag in flags),
                        "scale": [shortest(scale) for scale, _ in states],
                        "tracker": [tracker for _, tracker in states],
                    })
            hashes.append(fnv1a64(block))
            everything += block
        groups[name] = {
            "seed": seed, "rate": rate, **factors, "sequences": group["sequences"],
            "steps": group["steps"], "overflows": overflows, "smallest_scale": min(scales),
            "largest_scale": max(scales), "sha256": hashlib.sha256(everything).hexdigest(),
            "fnv1a64": hashes, "examples": examples,
        }
        print(f"grad_scaler {name}: {overflows} overflows in {len(scales)} steps, "
              f"scale {min(scales):g} to {max(scales):g}", flush=True)
    write("grad_scaler.json", {"torch": torch.__version__.split("+")[0], "block": BLOCK,
                               "groups": groups})


def shortest(value):
    """The double that prints as the shortest decimal which gives this f32 back."""
    return float(str(np.float32(value)))


def write(name, recording):
    """JSON with a list of plain values in rows, not in a line for each."""
    rows = {}

    def fold(value):
        if isinstance(value, dict):
            return {k: fold(v) for k, v in value.items()}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return [fold(v) for v in value]
        if isinstance(value, list):
            texts, lines = [json.dumps(v) for v in value], [""]
            for text in texts:
                if len(lines[-1]) + len(text) > 84:
                    lines.append("")
                lines[-1] += text + ", "
            key = f"@{len(rows)}@"
            rows[json.dumps(key)] = "[" + "\n    ".join(x.rstrip() for x in lines).rstrip(",") + "]"
            return key
        return value

    text = json.dumps(fold(recording), indent=1, allow_nan=False)
    for key, row in rows.items():
        text = text.replace(key, row)
    if json.loads(text) != json.loads(json.dumps(recording)):
        raise SystemExit(f"{name}: did not survive its own layout")
    (HERE / "recordings").mkdir(exist_ok=True)
    (HERE / "recordings" / name).write_text(text + "\n")


def main():
    torch.set_num_threads(1)  # one order of summation
    names = sys.argv[1:] or [*CONFIGS, "grad_scaler"]
    for name in names:
        if name == "grad_scaler":
            record_scaler()
        elif name in CONFIGS:
            record_curve(name, CONFIGS[name])
        else:
            raise SystemExit(f"{name}: not one of {' '.join(CONFIGS)} grad_scaler")


if __name__ == "__main__":
    main()
