"""Points for attention, by softmax and by recurrence, and what files have around it.

Formulas are written out where ONNX's reference implementation lacks the operator, or computes in
f32 whatever its inputs are.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np
import onnx

from norm_cases import factors, offsets, rows_norm, softmax
from opcase import OpCase, op_case, spread

FLEX = "ai.onnx.preview.FlexAttention"
# Scores, probabilities and the result are rounded, and what lies between them.
ROUNDINGS = 8.0


def named(case: OpCase, inputs: list[str], outputs: list[str] | None = None) -> OpCase:
    """The case with its node's inputs, and outputs, under these names: "" leaves one out."""
    node, = case.nodes
    node.ClearField("input")
    node.input.extend(inputs)
    if outputs:
        node.ClearField("output")
        node.output.extend(outputs)
    return case


def heads(heads: int, groups: int, *, rows=3, columns=4, size=4, value_size=3, batch=2):
    """Query, key and value of rank 4."""
    return (spread(batch, heads, rows, size), spread(batch, groups, columns, size, seed=2),
            spread(batch, groups, columns, value_size, seed=3))


def joined(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def split(x: np.ndarray, heads: int) -> np.ndarray:
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def attend(q, k, v, bias=0.0, scale=None) -> np.ndarray:
    scale = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    repeats = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, repeats, 1), np.repeat(v, repeats, 1)
    return softmax(q @ k.swapaxes(-1, -2) * scale + bias) @ v


MASK = np.array([[True, False, True, True], [True, True, False, False],
                 [False, True, True, False]])


def attentions() -> list[OpCase]:
    name = "Attention"

    def case(variant: str, *inputs: np.ndarray, opset=23, **options) -> OpCase:
        return op_case(name, *inputs, variant=variant, opset=opset,
                       **{"inner_roundings": ROUNDINGS, **options})

    plain, grouped = heads(2, 2), heads(4, 2)
    flat = [joined(x) for x in plain]
    counts = {"q_num_heads": 2, "kv_num_heads": 2}
    added = spread(3, 4, seed=4)
    past = (spread(2, 2, 2, 4, seed=5), spread(2, 2, 2, 3, seed=6))
    lengths = np.array([2, 4])
    cached = ["x0", "x1", "x2", "", "x3", "x4"]
    outputs = ["out0", "out1", "out2", "out3"]

    def shorter(q, k, v, mask):
        bias = np.full((3, 4), -np.inf)
        bias[:, :2] = mask
        return attend(q, k, v, bias)

    def causal(offset=0):
        return np.where(np.tri(3, 4, offset), 0, -np.inf)

    def padded(q, k, v):
        on = np.arange(4) < lengths[:, None, None, None]
        return attend(q, k, v, np.where(on, 0, -np.inf))

    all_on = MASK.copy()
    all_on[2, 0] = True  # a causal row sees something
    return [
        case("", *plain),
        case("one head", *heads(1, 1)),
        case("grouped", *grouped),
        case("one group", *heads(3, 1)),
        case("scale", *plain, scale=0.25),
        case("softcap", *plain, softcap=1.5),
        case("causal", *plain, is_causal=1),
        case("causal, more rows", *heads(2, 2, rows=4, columns=3), is_causal=1),
        case("added mask", *plain, added),
        case("added mask of heads", *plain, spread(2, 1, 4, seed=4)),
        case("added mask of a batch", *plain, spread(2, 1, 3, 4, seed=4)),
        # Since opset 24 it is one that is too short; the reference takes it for that before, too.
        case("added mask, one column", *plain, spread(2, 1, 3, 1, seed=4), formula=attend),
        case("boolean mask", *plain, constants=(MASK,)),
        case("boolean mask that is fed", *plain, MASK),
        case("all at once", *grouped, added, is_causal=1, softcap=2.0, scale=0.25),
        case("causal, boolean mask", *plain, constants=(all_on,), opset=24, is_causal=1,
             formula=lambda q, k, v: attend(
                 q, k, v, np.where(all_on & (causal() == 0), 0, -np.inf))),
        case("rank 3", *flat, **counts),
        case("rank 3, grouped, causal", *[joined(x) for x in grouped], q_num_heads=4,
             kv_num_heads=2, is_causal=1),
        case("softmax in f64", *plain, softmax_precision=onnx.TensorProto.DOUBLE),
        named(case("past", *plain, *past), cached),
        named(case("past, causal, grouped", *grouped, *past, is_causal=1), cached),
        named(case("past and present", *[joined(x) for x in plain], *past, outputs=4, **counts),
              cached, outputs),
        *[named(case(f"scores, mode {mode}", *plain, added, outputs=2, softcap=1.5,
                     qk_matmul_output_mode=mode,
                     **({"formula": uncapped} if mode == 0 else {})),
                ["x0", "x1", "x2", "x3"], ["out0", "", "", "out1"]) for mode in range(4)],
        case("", *plain, opset=24),
        case("shorter mask", *plain, spread(3, 2, seed=4), opset=24, formula=shorter),
        case("lengths", *plain, opset=24, constants=(None, None, None, lengths), formula=padded),
        case("lengths, causal, grouped", *grouped, opset=24, is_causal=1,
             constants=(None, None, None, np.array([1, 3])),
             formula=lambda q, k, v: attend(q, k, v, causal() + np.where(
                 np.arange(4) < np.array([1, 3])[:, None, None, None], 0, -np.inf))),
    ]


def uncapped(q, k, v, mask):
    """With the products, which the reference caps before it gives them out."""
    products = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    return softmax(1.5 * np.tanh(products / 1.5) + mask) @ v, products


def flex_attentions() -> list[OpCase]:
    def case(variant: str, *inputs: np.ndarray, formula, **options) -> OpCase:
        return op_case(FLEX, *inputs, variant=variant, opset=26, formula=formula,
                       **{"inner_roundings": ROUNDINGS, "types": ("f32",), **options})

    def graph(operator: str) -> onnx.GraphProto:
        """Of x and x, in whatever type."""
        return onnx.helper.make_graph([onnx.helper.make_node(operator, ["x", "x"], ["r"])], "twice",
                                      [onnx.ValueInfoProto(name="x")],
                                      [onnx.ValueInfoProto(name="r")])

    def weights(q, k, scale):
        return softmax(q @ k.swapaxes(-1, -2) * scale)

    plain = heads(2, 2)
    return [
        case("", *plain, formula=attend, types=("f32", "f16", "bf16")),
        case("grouped", *heads(4, 2), scale=0.25,
             formula=lambda q, k, v: attend(q, k, v, scale=0.25)),
        case("scores are changed", *plain, score_mod=graph("Add"),
             formula=lambda q, k, v: weights(q, k, 1.0) @ v),
        case("probabilities are changed", *plain, prob_mod=graph("Mul"),
             formula=lambda q, k, v: weights(q, k, 0.5) ** 2 @ v),
    ]


def rotate(x, cosine, sine, interleaved=False) -> np.ndarray:
    """Of x [batch, heads, rows, size], with angles [batch, rows, pairs]."""
    pairs = cosine.shape[-1]
    part, rest = x[..., :2 * pairs], x[..., 2 * pairs:]
    cosine, sine = cosine[:, None], sine[:, None]
    a, b = (part[..., ::2], part[..., 1::2]) if interleaved else (part[..., :pairs],
                                                                    part[..., pairs:])
    halves = (cosine * a - sine * b, sine * a + cosine * b)
    turned = (np.stack(halves, -1).reshape(part.shape) if interleaved
              else np.concatenate(halves, -1))
    return np.concatenate((turned, rest), -1)


def rotary_embeddings() -> list[OpCase]:
    name, x = "RotaryEmbedding", spread(2, 2, 3, 6)
    positions = np.array([[4, 0, 1], [2, 2, 3]])

    def angles(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        return spread(*shape, low=-0.9, high=1.0, seed=2), spread(*shape, low=-1, high=0.9, seed=3)

    def case(variant: str, x: np.ndarray, caches, *, positions=None, **attributes) -> OpCase:
        return op_case(name, x, *caches, variant=variant, opset=23, inner_roundings=2,
                       constants=() if positions is None else (positions,), **attributes)

    def microsoft(variant: str, x: np.ndarray, caches, positions: np.ndarray, formula,
                  **attributes) -> OpCase:
        base = op_case(f"com.microsoft.{name}", x, *caches, variant=variant, inner_roundings=2,
                       constants=(positions,), formula=formula, **attributes)
        return named(base, ["x0", "c0", "x1", "x2"])

    flat = joined(x)
    return [
        case("", x, angles(2, 3, 3)),
        case("interleaved", x, angles(2, 3, 3), interleaved=1),
        case("part of a head", x, angles(2, 3, 2), rotary_embedding_dim=4),
        case("part of a head, interleaved", x, angles(2, 3, 2), rotary_embedding_dim=4,
             interleaved=1),
        case("positions", x, angles(5, 3), positions=positions),
        case("positions, interleaved", x, angles(5, 3), positions=positions, interleaved=1),
        case("rank 3", flat, angles(2, 3, 3), num_heads=2),
        case("rank 3, positions, part of a head", flat, angles(5, 2), positions=positions,
             num_heads=2, rotary_embedding_dim=4),
        microsoft("", flat, angles(5, 3), positions.astype(np.int64),
                  lambda x, c, s: joined(rotate(split(x, 2), c[positions], s[positions]))),
        microsoft("from a position on", x, angles(5, 3), np.array([2]),
                  lambda x, c, s: rotate(x, np.stack([c[2:5]] * 2), np.stack([s[2:5]] * 2), True),
                  interleaved=1),
        microsoft("part of a head", flat, angles(5, 2), np.array([0]),
                  lambda x, c, s: joined(rotate(split(x, 2), np.stack([c[:3]] * 2),
                                                np.stack([s[:3]] * 2))),
                  num_heads=2, rotary_embedding_dim=4),
    ]


def recur(q, k, v, state, decay, rate, scale):
    """LinearAttention of [batch, heads, time, size], all of them."""
    outputs = []
    for t in range(q.shape[2]):
        if decay is not None:
            state = state * np.exp(decay[:, :, t])[..., None]
        added = v[:, :, t]
        if rate is not None:
            added = rate[:, :, t] * (added - np.einsum("bhdm,bhd->bhm", state, k[:, :, t]))
        state = state + k[:, :, t, :, None] * added[:, :, None, :]
        read = np.repeat(state, q.shape[1] // state.shape[1], 1)
        outputs.append(scale * np.einsum("bhd,bhdm->bhm", q[:, :, t], read))
    return joined(np.stack(outputs, 2)), state


def linear_attentions() -> list[OpCase]:
    def case(variant: str, rule: str, *, queries=2, groups=2, time=3, past=False,
             decays: int | None = None, rates: int | None = None, scale=0.0, **options) -> OpCase:
        """`decays` and `rates` are the last extents of these inputs."""
        size, value_size = 3, 2
        inputs = [spread(2, time, queries * size), spread(2, time, groups * size, low=-0.8, seed=2),
                  spread(2, time, groups * value_size, seed=3)]
        names = ["x0", "x1", "x2"]
        optional = [((2, groups, size, value_size), -1, 1) if past else None,
                    ((2, time, decays), -1, 0.1) if decays else None,
                    ((2, time, rates), 0.1, 0.9) if rates else None]
        for part in optional:
            names.append(f"x{len(inputs)}" if part else "")
            if part:
                shape, low, high = part
                inputs.append(spread(*shape, low=low, high=high, seed=3 + len(inputs)))

        def formula(q, k, v, *rest):
            rest = list(rest)
            state = rest.pop(0) if past else np.zeros((2, groups, size, value_size))
            decay = split(rest.pop(0), groups) if decays else None
            rate = rest.pop(0) if rates else None
            if rate is not None:
                rate = np.broadcast_to(rate.transpose(0, 2, 1)[..., None], (2, groups, time, 1))
            return recur(split(q, queries), split(k, groups), split(v, groups), state, decay, rate,
                         scale or 1 / np.sqrt(size))

        base = op_case("LinearAttention", *inputs, variant=variant, opset=27, outputs=2,
                       formula=formula, update_rule=rule, q_num_heads=queries,
                       kv_num_heads=groups, scale=scale, inner_roundings=2.0, **options)
        return named(base, names)

    return [
        case("linear", "linear"),
        case("gated", "gated", decays=6),
        case("gated, a decay a head", "gated", decays=2, past=True),
        case("delta", "delta", rates=2),
        case("delta, one rate", "delta", rates=1, scale=0.25),
        case("gated delta", "gated_delta", decays=6, rates=2, past=True),
        case("shared keys", "gated_delta", queries=4, decays=2, rates=2, past=True),
        case("one step", "gated_delta", queries=2, groups=1, time=1, decays=3, rates=1,
             past=True),
        case("longer", "gated_delta", time=9, decays=6, rates=2),
    ]


def causal_convs() -> list[OpCase]:
    name, x, filters = "CausalConvWithState", spread(2, 3, 5), spread(3, 1, 4, seed=2)
    bias, past = spread(3, seed=3), spread(2, 3, 3, seed=4)

    def silu(x, w):
        padded = np.concatenate((np.zeros((2, 3, 3)), x), 2)
        y = sum(padded[:, :, i:i + 5] * w[:, 0, i, None] for i in range(4))
        return y / (1 + np.exp(-y)), padded[:, :, 5:]

    def case(variant: str, *inputs: np.ndarray, **options) -> OpCase:
        return op_case(name, *inputs, variant=variant, opset=27, **{"outputs": 2, **options})

    return [
        case("", x, filters), case("bias", x, filters, bias),
        case("past", x, filters, bias, past),
        case("shorter than the filter", spread(2, 3, 2), filters),
        case("one tap", x, spread(3, 1, 1, seed=2), outputs=1),
        case("silu", x, filters, activation="silu", formula=silu, inner_roundings=2),
    ]


def tensor_scatters() -> list[OpCase]:
    name, cache = "TensorScatter", spread(2, 2, 4, 3)
    update = spread(2, 2, 2, 3, seed=2)

    def case(variant: str, cache: np.ndarray, update: np.ndarray, *first, **options) -> OpCase:
        return op_case(name, cache, update, variant=variant, opset=24, constants=first, **options)

    return [
        case("", cache, update),
        case("places", cache, update, np.array([2, 0])),
        case("circular", cache, update, np.array([3, -6]), mode="circular"),
        case("axis 1", spread(2, 4, 3), spread(2, 2, 3, seed=2), np.array([1, 2]), axis=1),
        case("last axis", spread(2, 2, 4), spread(2, 2, 3, seed=2), np.array([1, 0]), axis=-1),
    ]


def microsoft_attentions() -> list[OpCase]:
    off = -10000.0
    raw = np.array([[1, 1, 0], [0, 1, 1]], np.int32)
    causal = np.where(np.tri(3), 0, -np.inf)

    def added(mask) -> np.ndarray:
        return np.where(mask, 0, off)

    def projected(variant: str, formula, *inputs: np.ndarray, names: list[str],
                  constants: dict[int, np.ndarray] | None = None, **attributes) -> OpCase:
        base = op_case("com.microsoft.Attention", *inputs, variant=variant, num_heads=2,
                       formula=formula, **{"inner_roundings": ROUNDINGS, **attributes})
        base.constants.update({f"c{i}": value for i, value in (constants or {}).items()})
        return named(base, names)

    def self_attention(bias=0.0, widths=(4, 4, 4), unidirectional=False):
        def formula(x, w, b=None):
            parts = np.split(x @ w + (0 if b is None else b), np.cumsum(widths)[:2], -1)
            mask = bias + (causal if unidirectional else 0)
            return joined(attend(*(split(part, 2) for part in parts), mask))
        return formula

    x, w, b = spread(2, 3, 3), spread(3, 12, low=-0.8, high=0.9, seed=2), spread(12, seed=3)
    past = spread(2, 2, 2, 2, 2, seed=4)

    def with_past(x, w, b, past):
        q, k, v = (split(part, 2) for part in np.split(x @ w + b, 3, -1))
        k, v = np.concatenate((past[0], k), 2), np.concatenate((past[1], v), 2)
        mask = np.where(np.tri(3, 5, 2), 0, -np.inf)
        return joined(attend(q, k, v, mask)), np.stack((k, v))

    bias = spread(1, 2, 3, 3, seed=5)
    full = ["x0", "x1", "x2"]
    # A mask's -10000 beside scores leaves f16 and bf16 no digits of them where it is stored.
    exact = {"types": ("f32",)}
    projections = [
        projected("", self_attention(), x, w, b, names=full),
        projected("no bias", self_attention(), x, w, names=["x0", "x1"]),
        projected("unidirectional", self_attention(unidirectional=True), x, w, b, names=full,
                  unidirectional=1),
        projected("other widths", self_attention(widths=(4, 4, 6)), x,
                  spread(3, 14, low=-0.8, high=0.9, seed=2), spread(14, seed=3), names=full,
                  qkv_hidden_sizes=[4, 4, 6]),
        projected("mask", self_attention(added(raw[:, None, None] == 1)), x, w, b,
                  names=[*full, "c3"], constants={3: raw}, **exact),
        projected("lengths", self_attention(added(
            np.arange(3) < np.array([2, 3])[:, None, None, None])), x, w, b,
            names=[*full, "c3"], constants={3: np.array([2, 3], np.int32)}, **exact),
        projected("ends and starts", self_attention(added(
            (np.arange(3) < np.array([2, 3])[:, None, None, None])
            & (np.arange(3) >= np.array([0, 1])[:, None, None, None]))), x, w, b,
            names=[*full, "c3"], constants={3: np.array([2, 3, 0, 1], np.int32)}, **exact),
        projected("bias of scores", lambda x, w, b, scores: self_attention(scores)(x, w, b),
                  x, w, b, bias, names=[*full, "", "", "x3"]),
        projected("past", with_past, x, w, b, past, names=[*full, "", "x3"], outputs=2,
                  unidirectional=1),
    ]

    def multi(variant: str, formula, *inputs: np.ndarray, names: list[str],
              constants: dict[int, np.ndarray] | None = None, **attributes) -> OpCase:
        base = op_case("com.microsoft.MultiHeadAttention", *inputs, variant=variant, num_heads=2,
                       formula=formula, **{"inner_roundings": ROUNDINGS, **attributes})
        base.constants.update({f"c{i}": value for i, value in (constants or {}).items()})
        return named(base, names)

    q, k, v = spread(2, 3, 4), spread(2, 3, 4, seed=2), spread(2, 3, 6, seed=3)
    biases = spread(14, seed=4)
    heads_of = spread(2, 2, 3, 2, seed=2), spread(2, 2, 3, 3, seed=3)
    before = spread(2, 2, 2, 2, seed=5), spread(2, 2, 2, 3, seed=6)

    def from_three(bias=0.0):
        def formula(q, k, v, b=None):
            if b is not None:
                q, k, v = q + b[:4], k + b[4:8], v + b[8:]
            return joined(attend(split(q, 2), split(k, 2), split(v, 2), bias))
        return formula

    def packed(x):
        return joined(attend(*(x[:, :, :, i].transpose(0, 2, 1, 3) for i in range(3))))

    def packed_keys(q, kv):
        return joined(attend(split(q, 2), *(kv[:, :, :, i].transpose(0, 2, 1, 3)
                                            for i in range(2))))

    def with_cache(q, k, v, pk, pv):
        k, v = np.concatenate((pk, split(k, 2)), 2), np.concatenate((pv, split(v, 2)), 2)
        return joined(attend(split(q, 2), k, v, np.where(np.tri(3, 5, 2), 0, -np.inf))), k, v

    return [
        *projections,
        multi("", from_three(), q, k, v, names=["x0", "x1", "x2"]),
        multi("bias", from_three(), q, k, v, biases, names=["x0", "x1", "x2", "x3"]),
        multi("mask", from_three(added(raw[:, None, None] == 1)), q, k, v,
              names=["x0", "x1", "x2", "", "c4"], constants={4: raw}, **exact),
        multi("mask of rows", from_three(added(np.tri(3)[None, None] == 1)), q, k, v,
              names=["x0", "x1", "x2", "", "c4"],
              constants={4: np.stack([np.tri(3, dtype=np.int32)] * 2)}, **exact),
        multi("bias of scores", lambda q, k, v, scores: from_three(scores)(q, k, v), q, k, v, bias,
              names=["x0", "x1", "x2", "", "", "x3"]),
        multi("one packed tensor", packed, spread(2, 3, 2, 3, 2), names=["x0"]),
        multi("packed keys", packed_keys, q, spread(2, 3, 2, 2, 2, seed=2), names=["x0", "x1"]),
        multi("keys as heads", lambda q, k, v, b: joined(attend(split(q + b[:4], 2), k, v)),
              q, *heads_of, biases, names=["x0", "x1", "x2", "x3"]),
        multi("past", with_cache, q, k, v, *before, outputs=3, unidirectional=1,
              names=["x0", "x1", "x2", "", "", "", "x3", "x4"]),
    ]


def embeddings() -> list[OpCase]:
    name = "com.microsoft.EmbedLayerNormalization"
    words, segments = np.array([[1, 4, 1], [0, 2, 3]], np.int32), np.array([[0, 0, 1], [1, 0, 1]],
                                                                           np.int32)
    tables = spread(5, 4), spread(4, 4, seed=2), spread(2, 4, seed=3)
    mask, tiny = np.array([[1, 1, 0], [1, 0, 0]], np.int32), np.float32(1e-12)
    places = np.array([[3, 0, 2]], np.int32)

    def norm(total, scale, bias):
        return rows_norm(total, (2,), tiny) * scale + bias

    def whole(word, position, segment, scale, bias):
        total = word[words] + position[:3] + segment[segments]
        return norm(total, scale, bias), mask.sum(1).astype(np.int32), total

    def case(variant: str, formula, *inputs: np.ndarray, names: list[str], **options) -> OpCase:
        base = op_case(name, *inputs, variant=variant, formula=formula, inner_roundings=4,
                       **options)
        base.constants.update(words=words, segments=segments, mask=mask, places=places)
        return named(base, names)

    scale, bias = factors(4), offsets(4)
    return [
        case("", whole, *tables, scale, bias, outputs=3,
             names=["words", "segments", "x0", "x1", "x2", "x3", "x4", "mask"]),
        case("no segments, positions", lambda word, position, scale, bias: norm(
            word[words] + position[places], scale, bias), *tables[:2], scale, bias,
            names=["words", "", "x0", "x1", "", "x2", "x3", "", "places"]),
    ]


def all_cases() -> list[OpCase]:
    return [*attentions(), *flex_attentions(), *rotary_embeddings(), *linear_attentions(),
            *causal_convs(), *tensor_scatters(), *microsoft_attentions(), *embeddings()]
