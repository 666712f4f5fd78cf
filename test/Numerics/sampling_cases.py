"""Points for the operators that read tensors between their elements.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import itertools

import numpy as np

from opcase import OpCase, graph_case, op_case, spread


def moved_inside(x: float, size: int, padding: str, align: bool) -> float:
    """A coordinate that lies outside of an axis of `size`, on the border or reflected."""
    low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
    if padding == "zeros" or low <= x <= high:
        return x
    if padding == "border":
        return min(max(x, 0.0), size - 1.0)
    span = high - low
    if span == 0:
        return 0.0
    rest = (x - low) % (2 * span)
    return low + (rest if rest <= span else 2 * span - rest)


def cubic(distance: float, a: float = -0.75) -> float:
    x = abs(distance)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def taps(x: float, size: int, mode: str, padding: str, align: bool) -> list[tuple[int, float]]:
    """Elements of an axis and their weights, from the definitions."""
    if mode == "nearest":
        found = [(int(moved_inside(np.rint(x), size, padding, align)), 1.0)]
    else:
        x = moved_inside(x, size, padding, align)
        first = int(np.floor(x))
        places = range(first - 1, first + 3) if mode == "cubic" else (first, first + 1)
        weigh = cubic if mode == "cubic" else lambda d: 1 - abs(d)
        found = [(int(moved_inside(place, size, padding, align)), weigh(x - place))
                 for place in places]
    if padding != "zeros":
        found = [(min(max(place, 0), size - 1), weight) for place, weight in found]
    return [(place, weight) for place, weight in found if 0 <= place < size]


def sampled(x: np.ndarray, places: np.ndarray, mode: str = "linear", padding: str = "zeros",
            align: bool = False) -> np.ndarray:
    """[c, spatial..] at places [.., axes], in elements: [c, ..]."""
    result = np.zeros((x.shape[0], *places.shape[:-1]))
    for at in np.ndindex(*places.shape[:-1]):
        axes = [taps(p, size, mode, padding, align) for p, size in zip(places[at], x.shape[1:])]
        for chosen in itertools.product(*axes):
            weight = np.prod([w for _, w in chosen])
            result[(slice(None), *at)] += weight * x[(slice(None), *(p for p, _ in chosen))]
    return result


def grid_sampled(x: np.ndarray, grid: np.ndarray, mode: str = "linear", padding: str = "zeros",
                 align: bool = False) -> np.ndarray:
    sizes = np.array(x.shape[2:], np.float64)
    grid = grid[..., ::-1]
    places = (grid + 1) / 2 * (sizes - 1) if align else ((grid + 1) * sizes - 1) / 2
    return np.stack([sampled(*pair, mode, padding, align) for pair in zip(x, places)])


def grids() -> list[OpCase]:
    x, grid = spread(2, 2, 4, 3), spread(2, 3, 2, 2, low=-1.35, high=1.4, seed=2)
    cases = []
    for mode, padding, align in itertools.product(
            ("linear", "cubic", "nearest"), ("zeros", "border", "reflection"), (False, True)):
        def formula(x, grid, mode=mode, padding=padding, align=align):
            return grid_sampled(x, grid, mode, padding, align)
        cases.append(op_case(
            "GridSample", x, grid, variant=f"{mode}, {padding}{', corners' if align else ''}",
            mode=mode, padding_mode=padding, align_corners=int(align), formula=formula,
            opset=20, inner_roundings=2.0))
    line, volume = spread(2, 3, 7), spread(1, 2, 3, 4, 2)
    far = spread(2, 5, 2, 2, low=-4.1, high=4.3, seed=3)
    return cases + [
        op_case("GridSample", x, grid, variant="opset 16", opset=16,
                formula=grid_sampled, inner_roundings=2.0),
        op_case("GridSample", x, grid, variant="bicubic", opset=16, mode="bicubic",
                formula=lambda x, g: grid_sampled(x, g, "cubic"), inner_roundings=2.0),
        op_case("GridSample", x, far, variant="reflected often", opset=22,
                padding_mode="reflection", inner_roundings=2.0,
                formula=lambda x, g: grid_sampled(x, g, "linear", "reflection")),
        op_case("GridSample", line, spread(2, 4, 1, low=-1.2, high=1.1, seed=2),
                variant="1 dimension", opset=22, formula=grid_sampled, inner_roundings=2.0),
        op_case("GridSample", volume, spread(1, 2, 1, 3, 3, low=-1.2, high=1.1, seed=2),
                variant="3 dimensions", opset=22, formula=grid_sampled, inner_roundings=2.0),
        op_case("GridSample", volume, spread(1, 2, 1, 3, 3, low=-1.2, high=1.1, seed=2),
                variant="3 dimensions, border", opset=22, align_corners=1, padding_mode="border",
                formula=lambda x, g: grid_sampled(x, g, "linear", "border", True),
                inner_roundings=2.0),
        op_case("com.microsoft.GridSample", x, grid, formula=grid_sampled, inner_roundings=2.0),
        # Many points read one element: what it gets is a long sum.
        graph_case("GridSample", """
            g = Expand(x1, c)
            out0 = GridSample <padding_mode = "border"> (x0, g)""", x,
                   spread(2, 1, 1, 2, low=-1.35, high=1.4, seed=2), variant="one place often",
                   opset=20, constants={"c": np.array([2, 7, 5, 2])}, inner_roundings=2.0,
                   formula=lambda x, g: grid_sampled(
                       x, np.broadcast_to(g, (2, 7, 5, 2)), "linear", "border")),
    ]


def affine(theta: np.ndarray, size: tuple[int, ...], align: bool = False) -> np.ndarray:
    def along(extent: int) -> np.ndarray:
        if extent == 1:
            return np.zeros(1)
        return (np.linspace(-1, 1, extent) if align
                else (2 * np.arange(extent) + 1) / extent - 1)
    axes = np.meshgrid(*(along(extent) for extent in size), indexing="ij")
    places = np.stack([*axes[::-1], np.ones(size)], -1)
    return np.einsum("...j,nij->n...i", places, theta)


def affine_grids() -> list[OpCase]:
    plane, volume = spread(2, 2, 3), spread(2, 3, 4)

    def case(theta: np.ndarray, size: tuple[int, ...], align: bool = False, variant: str = "",
             opset: int = 20) -> OpCase:
        return op_case("AffineGrid", theta, variant=variant, opset=opset,
                       constants=(np.array([2, 1, *size]),), align_corners=int(align),
                       formula=lambda theta: affine(theta, size, align), inner_roundings=1.0)
    return [
        case(plane, (3, 4)), case(plane, (3, 4), True, "corners"),
        case(plane, (1, 5), True, "one row"), case(volume, (2, 3, 4), False, "3 dimensions"),
        case(volume, (2, 1, 3), True, "3 dimensions, corners", opset=22),
    ]


def deformed(x: np.ndarray, w: np.ndarray, offset: np.ndarray, b: np.ndarray | None = None,
             mask: np.ndarray | None = None, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1),
             group: int = 1, offset_group: int = 1) -> np.ndarray:
    """DeformConv from its definition."""
    n, (kh, kw), size = len(x), w.shape[2:], offset.shape[2:]
    offset = offset.reshape(n, offset_group, kh, kw, 2, *size)
    mask = (np.ones((n, offset_group, kh, kw, *size)) if mask is None
            else mask.reshape(n, offset_group, kh, kw, *size))
    base = np.stack(np.meshgrid(*(
        np.arange(size[d]) * strides[d] - pads[d] for d in range(2)),
        indexing="ij"), -1)
    columns = np.zeros((n, x.shape[1], kh, kw, *size))
    each = x.shape[1] // offset_group
    for i, g, r, s in np.ndindex(n, offset_group, kh, kw):
        places = (base + np.array([r, s]) * dilations
                  + np.moveaxis(offset[i, g, r, s], 0, -1))
        channels = slice(g * each, (g + 1) * each)
        columns[i, channels, r, s] = sampled(x[i, channels], places) * mask[i, g, r, s]
    columns = columns.reshape(n, group, -1, kh, kw, *size)
    filters = w.reshape(group, -1, *w.shape[1:])
    y = np.einsum("gkcrs,ngcrshw->ngkhw", filters, columns).reshape(n, len(w), *size)
    return y if b is None else y + b.reshape(-1, 1, 1)


def deformable() -> list[OpCase]:
    def near(*shape: int) -> np.ndarray:
        return spread(*shape, low=-0.8, high=0.9, seed=4)

    x, w = spread(1, 2, 3, 4), spread(2, 2, 2, 2, seed=2)
    bias, mask = spread(2, seed=3), spread(1, 4, 2, 3, low=0.1, high=1.0, seed=5)
    all_of = {"strides": [1, 2], "pads": [1, 0, 0, 1], "dilations": [2, 1], "group": 2,
              "offset_group": 2}
    return [
        op_case("DeformConv", x, w, near(1, 8, 2, 3), formula=deformed,
                inner_roundings=2.0),
        op_case("DeformConv", x, w, near(1, 8, 2, 3), bias, mask, variant="bias and mask",
                opset=19, formula=deformed, inner_roundings=2.0),
        op_case("DeformConv", spread(2, 4, 3, 4), spread(4, 2, 2, 2, seed=2),
                near(2, 16, 2, 2), spread(4, seed=3),
                spread(2, 8, 2, 2, low=0.1, high=1.0, seed=5), variant="all", opset=22,
                formula=lambda *inputs: deformed(*inputs, **all_of), inner_roundings=2.0,
                kernel_shape=[2, 2], **all_of),
    ]


def all_cases() -> list[OpCase]:
    return [*grids(), *affine_grids(), *deformable()]
