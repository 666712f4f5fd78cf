#!/usr/bin/env python3
"""Exports small networks of other frameworks than PyTorch, and records how the framework trains them.

    python record_frameworks.py jax|tensorflow|paddle|sklearn     writes frameworks-NAME/, where that is installed
    python record_frameworks.py collect                           writes frameworks.zip of all of them

Made with jax 0.10.2, flax 0.12.8, jax2onnx 0.17.1, optax; tensorflow-cpu 2.21.0, tf2onnx 1.17.0; paddlepaddle 3.3.1,
paddle2onnx 2.1.0; scikit-learn 1.9.1, skl2onnx 1.20.0. Weights are what the framework draws, moved a little, so that
nothing is zero that an exporter would fold away. A case is two batches taken in turns, and SGD.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import os
import pathlib
import sys
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
STEPS, BATCH, CLASSES = 12, 8, 10


def draw(kind, shape, seed):
    """What the test draws too: two batches."""
    random = np.random.RandomState(seed)
    if kind == "ids":
        return random.randint(0, 40, (2 * BATCH, *shape))
    if kind == "labels":
        return random.randint(0, CLASSES, (2 * BATCH, *shape))
    return (random.randint(-64, 65, (2 * BATCH, *shape)) / 32).astype(np.float32)


class Recorder:
    def __init__(self, framework):
        self.framework, self.cases = framework, {}
        self.folder = HERE / f"frameworks-{framework}"
        self.folder.mkdir(exist_ok=True)

    def path(self, name):
        return str(self.folder / f"{self.framework}-{name}.onnx")

    def add(self, name, inputs, losses, loss="cross_entropy", lr=0.1, flags=()):
        """`inputs`: kind, shape and seed of each input by name, `target` among them."""
        self.cases[f"{self.framework}-{name}"] = {
            "inputs": inputs, "loss": loss, "lr": lr, "flags": list(flags),
            "losses": [float(value) for value in losses]}
        (self.folder / "cases.json").write_text(json.dumps(self.cases))
        print(self.framework, name, losses[0], losses[-1], flush=True)


def batches(*arrays):
    for step in range(STEPS):
        begin = step % 2 * BATCH
        yield [array[begin:begin + BATCH] for array in arrays]


def record_jax():
    import jax
    import jax.numpy as jnp
    import onnx
    import optax
    from flax import nnx
    from jax2onnx import to_onnx

    class Mlp(nnx.Module):
        def __init__(self, rngs):
            self.first, self.norm = nnx.Linear(12, 16, rngs=rngs), nnx.LayerNorm(16, rngs=rngs)
            self.last = nnx.Linear(16, CLASSES, rngs=rngs)

        def __call__(self, x):
            return self.last(self.norm(nnx.gelu(self.first(x))))

    class Cnn(nnx.Module):
        def __init__(self, rngs):
            self.first, self.norm = nnx.Conv(3, 8, (3, 3), rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
            self.second = nnx.Conv(8, 8, (3, 3), strides=(2, 2), padding="SAME", rngs=rngs)
            self.last = nnx.Linear(8 * 2 * 2, CLASSES, rngs=rngs)

        def __call__(self, x):
            x = nnx.relu(self.norm(self.first(x)))
            x = nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2))
            x = nnx.avg_pool(nnx.silu(self.second(x)), window_shape=(2, 2), strides=(1, 1),
                             padding="SAME")
            return self.last(x.reshape(x.shape[0], -1))

    class Block(nnx.Module):
        def __init__(self, rngs):
            self.embed, self.norm1 = nnx.Embed(40, 16, rngs=rngs), nnx.LayerNorm(16, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(num_heads=2, in_features=16, decode=False,
                                                    rngs=rngs, deterministic=True)
            self.norm2, self.wide = nnx.RMSNorm(16, rngs=rngs), nnx.Linear(16, 32, rngs=rngs)
            self.narrow, self.last = nnx.Linear(32, 16, rngs=rngs), nnx.Linear(16, CLASSES, rngs=rngs)

        def __call__(self, t):
            x = self.embed(t)
            x = x + self.attention(self.norm1(x))
            x = x + self.narrow(nnx.gelu(self.wide(self.norm2(x))))
            return self.last(x.mean(axis=1))

    class Causal(nnx.Module):
        def __init__(self, rngs):
            self.q, self.k, self.v = (nnx.Linear(16, 16, rngs=rngs) for _ in range(3))
            self.last = nnx.Linear(16, CLASSES, rngs=rngs)

        def __call__(self, x):
            q, k, v = (f(x).reshape(x.shape[0], 6, 2, 8) for f in (self.q, self.k, self.v))
            y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
            return self.last(y.reshape(x.shape[0], 6, 16).mean(axis=1))

    class Recurrent(nnx.Module):
        def __init__(self, rngs, kind):
            self.kind, gates = kind, {"lstm": 4, "gru": 3}[kind]
            self.into = nnx.Linear(6, 16 * gates, rngs=rngs)
            self.again = nnx.Linear(16, 16 * gates, use_bias=False, rngs=rngs)
            self.last = nnx.Linear(16, CLASSES, rngs=rngs)

        def __call__(self, x):
            wi, bias, wh = self.into.kernel[...], self.into.bias[...], self.again.kernel[...]

            def lstm(carry, x):
                h, c = carry
                i, f, g, o = jnp.split(x @ wi + bias + h @ wh, 4, -1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
                return (h, c), h

            def gru(h, x):
                a, b = x @ wi + bias, h @ wh
                r = jax.nn.sigmoid(a[:, :16] + b[:, :16])
                u = jax.nn.sigmoid(a[:, 16:32] + b[:, 16:32])
                h = (1 - u) * jnp.tanh(a[:, 32:] + r * b[:, 32:]) + u * h
                return h, h

            zeros = jnp.zeros((x.shape[0], 16))
            cell, carry = (lstm, (zeros, zeros)) if self.kind == "lstm" else (gru, zeros)
            return self.last(jax.lax.scan(cell, carry, jnp.swapaxes(x, 0, 1))[1][-1])

    def of_logits(x, t):
        return -jnp.take_along_axis(jax.nn.log_softmax(x), t[:, None], 1).mean()

    losses = {
        "onehot": lambda x, t: -(jax.nn.one_hot(t, CLASSES) * jax.nn.log_softmax(x)).sum(-1).mean(),
        "logsumexp": lambda x, t: (jax.nn.logsumexp(x, axis=-1) - jnp.take_along_axis(
            x, t[:, None], axis=-1)[:, 0]).mean(),
        "optax": lambda x, t: optax.softmax_cross_entropy_with_integer_labels(x, t).mean(),
    }

    class WithLoss(nnx.Module):
        def __init__(self, rngs, name):
            self.network, self.name = Mlp(rngs), name

        def __call__(self, x, t):
            return losses[self.name](self.network(x), t)

    recorder = Recorder("jax")
    networks = {"mlp": (Mlp, "floats", (12,)), "cnn": (Cnn, "floats", (8, 8, 3)),
                "block": (Block, "ids", (6,)), "causal": (Causal, "floats", (6, 16)),
                "lstm": (lambda rngs: Recurrent(rngs, "lstm"), "floats", (5, 6)),
                "gru": (lambda rngs: Recurrent(rngs, "gru"), "floats", (5, 6))}
    for name in losses:
        networks[name] = (lambda rngs, name=name: WithLoss(rngs, name), "floats", (12,))
    for name, (make, kind, shape) in networks.items():
        model, has_loss = make(nnx.Rngs(0)), name in losses
        model.eval()
        (batch,) = jax.export.symbolic_shape("B")
        x, labels = draw(kind, shape, 1), draw("labels", (), 2).astype(np.int32)
        x = x.astype(np.int32) if kind == "ids" else x
        inputs = [jax.ShapeDtypeStruct((batch, *shape), x.dtype)]
        if has_loss:
            inputs.append(jax.ShapeDtypeStruct((batch,), jnp.int32))
        file = to_onnx(model, inputs=inputs, model_name=name)
        onnx.save(file, recorder.path(name))
        graph, state, rest = nnx.split(model, nnx.Param, ...)

        def compute(state, x, t, graph=graph, rest=rest, has_loss=has_loss):
            network = nnx.merge(graph, state, rest)
            return network(x, t) if has_loss else of_logits(network(x), t)

        step, curve = jax.jit(jax.value_and_grad(compute)), []
        for one, t in batches(x, labels):
            loss, gradients = step(state, one, t)
            curve.append(loss)
            state = jax.tree.map(lambda p, g: p - 0.1 * g, state, gradients)
        given = [i.name for i in file.graph.input]
        recorder.add(name, {given[0]: [kind, shape, 1],
                            (given[1] if has_loss else "target"): ["labels", [], 2]},
                     curve, "auto" if has_loss else "cross_entropy")


def record_tensorflow():
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    import tensorflow as tf
    import tf2onnx
    keras, layers = tf.keras, tf.keras.layers

    def chain(shape, *parts, dtype="float32"):
        return keras.Sequential([keras.Input(shape, dtype=dtype), *parts])

    def block():
        ids = keras.Input((6,), dtype="int32")
        x = layers.Embedding(40, 16)(ids)
        h = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(2, 8)(h, h)
        h = layers.LayerNormalization()(x)
        gelu = layers.Dense(32, activation=lambda v: keras.activations.gelu(v, approximate=True))
        x = x + layers.Dense(16)(gelu(h))
        return keras.Model(ids, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)))

    def causal():
        x = keras.Input((6, 16))
        y = x + layers.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True)
        return keras.Model(x, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(y)))

    def cnn():
        return chain((8, 8, 3), layers.Conv2D(8, 3, padding="same", use_bias=False),
                     layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(),
                     layers.Conv2D(8, 3, strides=2, padding="same", activation="swish"),
                     layers.DepthwiseConv2D(3, padding="same"), layers.GlobalAveragePooling2D(),
                     layers.Dense(CLASSES))

    networks = {
        "mlp": lambda: chain((12,), layers.Dense(16, activation="relu"), layers.Dense(CLASSES)),
        "softmax": lambda: chain((12,), layers.Dense(16, activation="relu"),
                                 layers.Dense(CLASSES, activation="softmax")),
        "cnn": cnn, "cnn-training": cnn, "block": block, "causal": causal,
        "upsampled": lambda: chain(
            (4, 4, 3), layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
            layers.UpSampling2D(2), layers.AveragePooling2D(2), layers.Conv2D(4, 3),
            layers.Flatten(), layers.Dense(CLASSES)),
        "sequence": lambda: chain(
            (12, 4), layers.Conv1D(8, 3, padding="causal", activation="tanh"),
            layers.Conv1D(8, 3, dilation_rate=2, padding="same"), layers.MaxPooling1D(2),
            layers.Flatten(), layers.Dense(CLASSES)),
        "separable": lambda: chain(
            (8, 8, 3), layers.ZeroPadding2D(1), layers.SeparableConv2D(8, 3),
            layers.GroupNormalization(4), layers.LeakyReLU(), layers.GlobalMaxPooling2D(),
            layers.Dense(CLASSES)),
        "lstm": lambda: chain((5, 6), layers.LSTM(16), layers.Dense(CLASSES)),
        "gru": lambda: chain((5, 6), layers.GRU(16, return_sequences=True), layers.GRU(16),
                             layers.Dense(CLASSES)),
        "rnn": lambda: chain((5, 6), layers.SimpleRNN(16), layers.Dense(CLASSES)),
        "embedding": lambda: chain((6,), layers.Embedding(40, 16), layers.GlobalAveragePooling1D(),
                                   layers.Dense(CLASSES), dtype="int32"),
    }
    recorder = Recorder("tensorflow")
    for name, make in networks.items():
        keras.utils.set_random_seed(0)
        model, training = make(), name.endswith("-training")
        random = np.random.RandomState(3)
        for variable in model.variables:
            if variable.dtype == "float32":
                change = 0.05 * random.randn(*variable.shape)
                variable.assign(variable + (abs(change) if "variance" in variable.name else change))
        given = model.inputs[0]
        kind = "ids" if given.dtype == "int32" else "floats"
        shape = list(given.shape[1:])
        x, labels = draw(kind, shape, 1).astype(given.dtype), draw("labels", (), 2)
        signature = [tf.TensorSpec((None, *shape), given.dtype, name="x")]
        function = tf.function(lambda x, m=model, t=training: m(x, training=t),
                               input_signature=signature)
        tf2onnx.convert.from_function(function, input_signature=signature, opset=17,
                                      output_path=recorder.path(name))
        measure = keras.losses.SparseCategoricalCrossentropy(from_logits=name != "softmax")
        curve = []
        for one, t in batches(x, labels):
            with tf.GradientTape() as tape:
                loss = measure(t, model(one, training=training))
            # The file has two biases for the one of an LSTM, so that its own is not trained here.
            trained = [v for v in model.trainable_variables if not ("lstm" in v.path and "bias" in v.path)]
            gradients = tape.gradient(loss, trained)
            curve.append(loss.numpy())
            for variable, gradient in zip(trained, gradients):
                variable.assign_sub(0.1 * tf.convert_to_tensor(gradient))
        flags = {"softmax": ["--from-probabilities"], "lstm": ["--freeze=^B"]}.get(name, [])
        recorder.add(name, {"x": [kind, shape, 1], "target": ["labels", [], 2]}, curve, flags=flags)


def record_paddle():
    # paddle2onnx 2.1 has no converter for LSTM and GRU of this Paddle, and writes an epsilon for
    # GroupNorm that was never set.
    import paddle
    from paddle import nn
    paddle.set_device("cpu")

    class Block(nn.Layer):
        def __init__(self):
            super().__init__()
            self.embed, self.norm1, self.norm2 = nn.Embedding(40, 16), nn.LayerNorm(16), nn.LayerNorm(16)
            self.attention = nn.MultiHeadAttention(16, 2)
            self.wide, self.narrow, self.last = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, CLASSES)

        def forward(self, x):
            x = self.embed(x)
            h = self.norm1(x)
            x = x + self.attention(h, h, h)
            x = x + self.narrow(nn.functional.gelu(self.wide(self.norm2(x))))
            return self.last(x.mean(1))

    class Embedding(nn.Layer):
        def __init__(self):
            super().__init__()
            self.embed, self.last = nn.Embedding(40, 16), nn.Linear(16, CLASSES)

        def forward(self, x):
            return self.last(self.embed(x).mean(1))

    def cnn():
        return nn.Sequential(nn.Conv2D(3, 8, 3, padding=1), nn.BatchNorm2D(8), nn.ReLU(), nn.MaxPool2D(2),
                             nn.Conv2D(8, 8, 3, stride=2, padding=1), nn.Hardswish(),
                             nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(8, CLASSES))

    networks = {
        "mlp": (lambda: nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, CLASSES)), "floats", (12,)),
        "softmax": (lambda: nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, CLASSES), nn.Softmax()),
                    "floats", (12,)),
        "cnn": (cnn, "floats", (3, 8, 8)), "cnn-training": (cnn, "floats", (3, 8, 8)),
        "block": (Block, "ids", (6,)), "embedding": (Embedding, "ids", (6,)),
    }
    recorder = Recorder("paddle")
    for name, (make, kind, shape) in networks.items():
        paddle.seed(0)
        model, training = make(), name.endswith("-training")
        (model.train if training else model.eval)()
        x, labels = draw(kind, shape, 1), draw("labels", (), 2)
        signature = [paddle.static.InputSpec([None, *shape], str(x.dtype), "x")]
        try:
            paddle.onnx.export(model, recorder.path(name)[:-5], input_spec=signature, opset_version=15)
        except Exception as error:  # some layers have no converter
            print("paddle", name, "is not exported:", str(error)[:200])
            continue
        if not pathlib.Path(recorder.path(name)).exists():
            continue
        (model.train if training else model.eval)()
        curve = []
        for one, t in batches(x, labels):
            y, t = model(paddle.to_tensor(one)), paddle.to_tensor(t)
            loss = (-paddle.take_along_axis(paddle.log(y), t[:, None], 1).mean() if name == "softmax"
                    else nn.functional.cross_entropy(y, t))
            loss.backward()
            curve.append(float(loss))
            with paddle.no_grad():
                for parameter in model.parameters():
                    if parameter.grad is not None:
                        parameter.set_value(parameter - 0.1 * parameter.grad)
                        parameter.clear_gradient()
        flags = {"softmax": ["--from-probabilities"], "cnn-training": ["--train-mode=on"],
                 "block": ["--freeze=^auto[.]cast[.]7$"]}.get(name, [])  # the scale of attention
        recorder.add(name, {"x": [kind, shape, 1], "target": ["labels", [], 2]}, curve, flags=flags)


def train_layers(layers, x, target, activation, last):
    """SGD on fully connected layers [(weight, bias)], in f64; the losses."""
    functions = {"relu": (lambda v: np.maximum(v, 0), lambda y: y > 0),
                 "tanh": (np.tanh, lambda y: 1 - y * y),
                 "logistic": (lambda v: 1 / (1 + np.exp(-v)), lambda y: y * (1 - y))}
    layers = [[np.asarray(w, np.float64), np.asarray(b, np.float64)] for w, b in layers]
    curve = []
    for one, t in batches(np.asarray(x, np.float64), target):
        values = [one]
        for weight, bias in layers[:-1]:
            values.append(functions[activation][0](values[-1] @ weight + bias))
        y = values[-1] @ layers[-1][0] + layers[-1][1]
        if last == "mse":
            curve.append(((y - t) ** 2).mean())
            gradient = 2 * (y - t) / y.size
        elif last == "sigmoid":  # the classes 0 and 1 by one score
            share = 1 / (1 + np.exp(-y[:, 0]))
            curve.append(-np.log(np.where(t == 1, share, 1 - share)).mean())
            gradient = ((share - t) / len(t))[:, None]
        else:
            logs = y - y.max(1, keepdims=True)
            logs -= np.log(np.exp(logs).sum(1, keepdims=True))
            curve.append(-logs[np.arange(len(t)), t].mean())
            gradient = np.exp(logs)
            gradient[np.arange(len(t)), t] -= 1
            gradient /= len(t)
        for i in reversed(range(len(layers))):
            weight, bias = layers[i]
            before = gradient @ weight.T
            layers[i] = [weight - 0.1 * values[i].T @ gradient, bias - 0.1 * gradient.sum(0)]
            gradient = before * functions[activation][1](values[i]) if i else None
    return curve


def record_sklearn():
    from skl2onnx import to_onnx
    from sklearn import linear_model, neural_network, pipeline, preprocessing
    random = np.random.RandomState(0)
    features = random.randn(200, 8).astype(np.float32)
    labels = np.arange(200) % CLASSES
    recorder = Recorder("sklearn")
    x = draw("floats", (8,), 1)

    def classifier(**options):
        return neural_network.MLPClassifier((16,), max_iter=2, **options)

    models = {
        "mlp": (classifier(), labels, lambda x: x), "logistic": (classifier(activation="logistic"), labels, lambda x: x),
        "binary": (classifier(activation="tanh"), labels % 2, lambda x: x),
        "zipmap": (classifier(), labels, lambda x: x),
        "regressor": (neural_network.MLPRegressor(hidden_layer_sizes=(16,), max_iter=2), features[:, 0], lambda x: x),
        "regression": (linear_model.LogisticRegression(max_iter=2), labels, lambda x: x),
        "linear": (linear_model.Ridge(100.0), np.stack([features[:, 0], features[:, 1]], 1), lambda x: x),
        "scaled": (pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=2)),
                   labels, None),
        "l1": (pipeline.make_pipeline(preprocessing.Normalizer("l1"), classifier()), labels, None),
        "l2": (pipeline.make_pipeline(preprocessing.Normalizer("l2"), classifier()), labels, None),
        "bits": (pipeline.make_pipeline(preprocessing.Binarizer(threshold=0.25), classifier()), labels, None),
    }
    for name, (model, target, prepare) in models.items():
        model.fit(features, target)
        last = model[-1] if prepare is None else model
        prepare = prepare or model[0].transform
        isClassifier = hasattr(last, "classes_")
        options = {id(last): {"zipmap": False}} if isClassifier and name != "zipmap" else None
        file = to_onnx(model, features[:1], options=options)
        pathlib.Path(recorder.path(name)).write_bytes(file.SerializeToString())
        if hasattr(last, "coefs_"):
            layers = list(zip(last.coefs_, last.intercepts_))
        else:
            layers = [(np.atleast_2d(last.coef_).T, np.atleast_1d(last.intercept_))]
        activation = getattr(last, "activation", "relu")
        if isClassifier:
            kind = "bits" if name == "binary" else "labels"
            t = draw("labels", (), 2) % (2 if name == "binary" else CLASSES)
            curve = train_layers(layers, prepare(x), t, activation, "sigmoid" if name == "binary" else "softmax")
            recorder.add(name, {"X": ["floats", [8], 1], "target": [kind, [], 2]}, curve,
                         flags=["--from-probabilities"])
        else:
            outputs = layers[-1][1].size
            t = draw("floats", (outputs,), 2)
            curve = train_layers(layers, prepare(x), t, activation, "mse")
            recorder.add(name, {"X": ["floats", [8], 1], "target": ["floats", [outputs], 2]}, curve, "mse")


def collect():
    cases = {}
    with zipfile.ZipFile(HERE / "frameworks.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for folder in sorted(HERE.glob("frameworks-*")):
            recorded = json.loads((folder / "cases.json").read_text())
            cases.update(recorded)
            for name in recorded:
                archive.write(folder / f"{name}.onnx", f"{name}.onnx")
        archive.writestr("cases.json", json.dumps({"steps": STEPS, "batch": BATCH, "cases": cases}))


if __name__ == "__main__":
    {"jax": record_jax, "tensorflow": record_tensorflow, "paddle": record_paddle,
     "sklearn": record_sklearn, "collect": collect}[sys.argv[1]]()
