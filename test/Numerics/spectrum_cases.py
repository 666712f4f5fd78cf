"""Points for Fourier transforms.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

from opcase import OpCase, graph_case, op_case, spread


def as_complex(x: np.ndarray) -> np.ndarray:
    return x[..., 0] + 1j * x[..., 1] if x.shape[-1] == 2 else x[..., 0].astype(np.complex128)


def as_parts(z: np.ndarray) -> np.ndarray:
    return np.stack([z.real, z.imag], -1)


def transforms() -> list[OpCase]:
    def case(variant: str, *shape: int, axis: int | None = None, length: int | None = None,
             inverse: bool = False, onesided: bool = False, opset: int = 20,
             step: float = 2.0**-17) -> OpCase:
        default = 1 if opset < 20 else -2
        along = (default if axis is None else axis) % len(shape)

        def formula(x: np.ndarray) -> np.ndarray:
            z = as_complex(x)
            if inverse and onesided:
                return np.fft.irfft(z, length, along)[..., None]
            if inverse:
                return as_parts(np.fft.ifft(z, length, along))
            return as_parts((np.fft.rfft if onesided else np.fft.fft)(
                z.real if onesided else z, length, along))

        constants = [None if length is None else np.array(length)]
        options = {"inverse": int(inverse), "onesided": int(onesided)}
        if opset >= 20:
            constants.append(None if axis is None else np.array(axis))
        elif axis is not None:
            options["axis"] = axis
        while constants and constants[-1] is None:
            constants.pop()
        # A sum of so many terms, of which some cancel.
        return op_case("DFT", spread(*shape), variant=variant, opset=opset, formula=formula,
                       constants=tuple(constants), inner_roundings=8.0, step=step, **options)

    return [
        case("", 2, 5, 2), case("real", 2, 6, 1), case("opset 17", 2, 4, 3, 2, opset=17),
        case("axis", 2, 3, 4, 1, axis=1), case("axis, opset 19", 3, 2, 2, 2, axis=0, opset=19),
        case("longer", 1, 4, 2, length=7), case("shorter", 2, 6, 1, length=4),
        case("inverse", 2, 5, 2, inverse=True), case("onesided, even", 2, 6, 1, onesided=True),
        case("onesided, odd", 2, 7, 1, onesided=True),
        case("real inverse, even", 2, 4, 2, onesided=True, inverse=True),
        case("real inverse, odd", 2, 4, 2, onesided=True, inverse=True, length=7),
        case("real inverse, longer", 1, 3, 2, onesided=True, inverse=True, length=10),
        case("one element", 2, 1, 2), case("one element of more", 1, 3, 2, length=1),
        # Of 128 = 64 * 2, 3 * 67, 2 * 131 and 257, which is no product of small primes.
        case("in two steps", 1, 128, 1, onesided=True),
        case("in two steps, inverse", 1, 20, 2, length=201, inverse=True),
        case("large prime factor", 1, 20, 2, length=262),
        case("large prime", 1, 20, 2, length=257), case("convolved", 1, 20, 1, length=514,
                                                        onesided=True),
        case("convolved, inverse", 1, 20, 2, length=257, inverse=True),
        case("in three steps", 1, 20, 2, length=64 * 64 * 2),
    ]


def short_time() -> list[OpCase]:
    def case(variant: str, *inputs: np.ndarray, step: int, length: int | None = None,
             onesided: bool = True) -> OpCase:
        def formula(x: np.ndarray, window: np.ndarray | None = None) -> np.ndarray:
            z = as_complex(x)
            size = len(window) if window is not None else length
            frames = np.lib.stride_tricks.sliding_window_view(z, size, axis=1)[:, ::step]
            z = np.fft.fft(frames * (1 if window is None else window))
            return as_parts(z[..., :size // 2 + 1] if onesided else z)

        arguments = ["x0", "step", "x1" if len(inputs) > 1 else '""', "size"]
        constants = {"step": np.array(step)}
        if length is None:
            arguments.pop()
        else:
            constants["size"] = np.array(length)
        return graph_case("STFT", f"out0 = STFT <onesided = {int(onesided)}> "
                                  f"({', '.join(arguments)})",
                          *inputs, variant=variant, formula=formula, constants=constants,
                          inner_roundings=8.0)

    return [
        case("", spread(2, 12, 1), step=3, length=5),
        case("complex", spread(1, 9, 2), step=4, length=4, onesided=False),
        case("window", spread(2, 12, 1), spread(6, low=0.1, high=1.0, seed=2), step=2),
        case("window of known length", spread(1, 9, 1), spread(4, seed=2), step=5, length=4),
    ]


def all_cases() -> list[OpCase]:
    return [*transforms(), *short_time()]
