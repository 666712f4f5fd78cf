"""Points for regions of images and for determinants.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

from opcase import OpCase, op_case, spread


def align_samples(x: np.ndarray, regions: np.ndarray, images: np.ndarray, size: tuple[int, int],
                  ratio: int, scale: float, half_pixel: bool):
    """For each region and bin, the samples: for each its taps as (weight, row, column)."""
    extents = x.shape[2:]
    for r, (x1, y1, x2, y2) in enumerate(regions):
        offset = 0.5 if half_pixel else 0.0
        start = np.array([y1, x1]) * scale - offset
        length = np.array([y2, x2]) * scale - offset - start
        if not half_pixel:
            length = np.maximum(length, 1)
        step = length / size
        counts = [ratio or int(np.ceil(s)) for s in step]
        for i, j in np.ndindex(*size):
            samples = []
            for k in np.ndindex(*counts):
                place = start + np.array([i, j]) * step + (np.array(k) + 0.5) * step / counts
                if any(p < -1 or p > n for p, n in zip(place, extents)):
                    samples.append([(0.0, 0, 0)] * 4)
                    continue
                place = np.clip(place, 0, np.array(extents) - 1)
                low = np.minimum(np.floor(place).astype(int), np.array(extents) - 1)
                high = np.minimum(low + 1, np.array(extents) - 1)
                t = place - low
                samples.append([
                    ((t[0] if a else 1 - t[0]) * (t[1] if b else 1 - t[1]),
                     (high if a else low)[0], (high if b else low)[1])
                    for a, b in np.ndindex(2, 2)])
            yield r, images[r], i, j, samples, max(counts[0] * counts[1], 1)


def aligned(x: np.ndarray, regions: np.ndarray, images: np.ndarray, size: tuple[int, int],
            ratio: int = 0, scale: float = 1.0, half_pixel: bool = True,
            largest: bool = False) -> np.ndarray:
    y = np.zeros((len(regions), x.shape[1], *size))
    for r, n, i, j, samples, count in align_samples(x, regions, images, size, ratio, scale,
                                                    half_pixel):
        products = [np.array([w * x[n, :, a, b] for w, a, b in taps]) for taps in samples]
        if products and largest:
            y[r, :, i, j] = np.concatenate(products).max(0)
        elif products:
            y[r, :, i, j] = np.sum(products, axis=(0, 1)) / count
    return y


def max_pooled(x: np.ndarray, regions: np.ndarray, size: tuple[int, int],
               scale: float) -> np.ndarray:
    y = np.zeros((len(regions), x.shape[1], *size))
    for r, (n, *corners) in enumerate(regions):
        rounded = [np.floor(abs(c) * scale + 0.5) * np.sign(c) for c in corners]
        for i, j in np.ndindex(*size):
            cuts = []
            for d, k in ((1, i), (0, j)):
                bin_size = max(rounded[2 + d] - rounded[d] + 1, 1) / size[1 - d]
                cuts.append(slice(*(int(np.clip(v + rounded[d], 0, x.shape[3 - d])) for v in
                                    (np.floor(k * bin_size), np.ceil((k + 1) * bin_size)))))
            part = x[(int(n), slice(None), *cuts)]
            y[r, :, i, j] = part.max((1, 2)) if part.size else 0
    return y


def regions() -> list[OpCase]:
    x = spread(2, 2, 5, 6)
    boxes = np.array([[0.3, 0.6, 4.1, 3.3], [-3.2, 1.1, 2.4, 9.3], [2.2, 2.7, 2.4, 2.9]])
    images = np.array([1, 0, 1])

    def case(variant: str, size: tuple[int, int], ratio: int = 0, scale: float = 1.0,
             half_pixel: bool = True, largest: bool = False, opset: int = 16) -> OpCase:
        options = {"output_height": size[0], "output_width": size[1], "sampling_ratio": ratio,
                   "spatial_scale": scale, "mode": "max" if largest else "avg"}
        if opset >= 16:
            options["coordinate_transformation_mode"] = (
                "half_pixel" if half_pixel else "output_half_pixel")
        return op_case("RoiAlign", x, variant=variant, opset=opset, inner_roundings=2.0,
                       constants=(boxes, images), types=("f32",),
                       formula=lambda x: aligned(x, boxes, images, size, ratio, scale,
                                                 half_pixel, largest), **options)

    rois = np.concatenate([images[:, None].astype(np.float64), boxes], 1)
    return [
        case("", (2, 3), 2), case("samples by size", (2, 2)), case("scale", (3, 2), 1, 0.625),
        case("output_half_pixel", (2, 2), 2, half_pixel=False),
        case("opset 10", (2, 3), 0, half_pixel=False, opset=10),
        case("largest", (2, 2), 2, largest=True), case("largest by size", (2, 3), largest=True),
        case("opset 22", (2, 2), 3, opset=22),
        op_case("MaxRoiPool", x, constants=(rois,), pooled_shape=[2, 3], types=("f32",),
                formula=lambda x: max_pooled(x, rois, (2, 3), 1.0)),
        op_case("MaxRoiPool", x, variant="scale", constants=(rois,), pooled_shape=[2, 2],
                spatial_scale=0.75, types=("f32",), opset=22,
                formula=lambda x: max_pooled(x, rois, (2, 2), 0.75)),
    ]


def determinants() -> list[OpCase]:
    def case(*shape: int, variant: str = "", opset: int = 21) -> OpCase:
        return op_case("Det", spread(*shape), variant=variant, opset=opset,
                       formula=np.linalg.det, inner_roundings=8.0)

    singular = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.5, 1.0, -1.0]])
    return [
        case(2, 2), case(3, 1, 1, variant="one element"), case(2, 3, 3, variant="batch"),
        case(5, 5, variant="5 rows"), case(1, 2, 4, 4, variant="more batches", opset=22),
        # Of rank 2: the determinant is 0 and its gradient is not.
        op_case("Det", singular, variant="singular", formula=np.linalg.det, types=("f32",)),
        op_case("Det", np.array([[0.0, 2.0], [3.0, 0.0]]), variant="exchanged",
                formula=np.linalg.det),
    ]


def all_cases() -> list[OpCase]:
    return [*regions(), *determinants()]
