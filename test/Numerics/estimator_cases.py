"""Points for the operators of ai.onnx.ml.

They compute in f32 whatever they are given, as they are defined, so that difference quotients
are over wider steps: all but Normalizer are linear.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

from opcase import OpCase, graph_case, spread

WIDE = {"step": 2.0**-3, "rtol": 1e-5}


def case(name: str, text: str, *inputs: np.ndarray, **options) -> OpCase:
    return graph_case(f"ai.onnx.ml.{name}", text + "\nout0 = CastLike(a, x0)", *inputs, **options)


def all_cases() -> list[OpCase]:
    x, weights = spread(3, 4), np.arange(8.0).reshape(2, 4) / 4 - 1
    coefficients = ", ".join(map(str, weights.ravel()))
    columns = np.array([2, 0, 2], np.int64)
    return [
        case("Scaler", "a = ai.onnx.ml.Scaler<offset=[0.5, 1.0, 0.0, -2.0], scale=[2.0, 0.5, 1.0, -1.0]>(x0)",
             x, formula=lambda x: (x - [0.5, 1, 0, -2]) * [2, 0.5, 1, -1], **WIDE),
        case("Normalizer", 'a = ai.onnx.ml.Normalizer<norm="MAX">(x0)', x + 2,
             formula=lambda x: x / x.max(1, keepdims=True), inner_roundings=2,
             step=2.0**-6, rtol=1e-3),
        case("ZipMap", "a = ai.onnx.ml.ZipMap<classlabels_int64s=[0, 1, 2, 3]>(x0)", x,
             formula=lambda x: x),
        case("ArrayFeatureExtractor", "a = ai.onnx.ml.ArrayFeatureExtractor(x0, c0)", x,
             constants={"c0": columns}, formula=lambda x: x[:, columns]),
        case("LinearRegressor", f"a = ai.onnx.ml.LinearRegressor<coefficients=[{coefficients}], "
             "intercepts=[0.5, -1.0], targets=2>(x0)", x, inner_roundings=4,
             formula=lambda x: x @ weights.T + [0.5, -1], **WIDE),
        case("LinearClassifier", f"b, a = ai.onnx.ml.LinearClassifier<coefficients=[{coefficients}], "
             "intercepts=[0.5, -1.0], classlabels_ints=[0, 1]>(x0)", x, inner_roundings=4,
             formula=lambda x: x @ weights.T + [0.5, -1], **WIDE),
    ]
