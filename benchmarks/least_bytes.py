# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How few bytes a training step of a network can move, counted by hand.

    python benchmarks/least_bytes.py

Every product reads its operands and writes its result once, in 16 bits; what stands between two
products is one kernel, which reads what it needs once and writes once what is read later. Caches are
taken to hold nothing from one step to the next, attention to keep its scores on chip, GELU and biases
to be the products' own, whether a library can do that or not. A parameter takes 34 bytes: its update
reads master, two moments and gradient and writes master, moments and low copy (28 with a gradient of
16 bits), the gradient is written, and two products read the low copy.

What a plan moves is compared with it in `benchmarks/full_size.py` and `test/Optimize/least_bytes.py`.
"""
import dataclasses

#: Bytes of an element of activations and their gradients.
LOW = 2
#: Bytes a parameter: see above. SGD with momentum has one moment.
ADAMW, MOMENTUM = 34, 26


@dataclasses.dataclass
class Transformer:
    """`layers` of width `width` over `tokens` in all; a head over all tokens where it has a size."""
    tokens: int
    width: int
    layers: int
    parameters: int
    vocabulary: int = 0
    #: Bytes of an element of the sums of residuals: 2 where all is in 16 bits, and 4 where norms
    #: and sums are of f32, as autocast of PyTorch has them.
    residual: int = LOW

    def layer(self):
        """A layer, forward and backward, in tensors [tokens, width] of 16 bits."""
        r = self.residual / LOW
        # Residual, branch -> sum, norm; backward: the norm's gradient, the residual's, sum -> that
        # of the sum, and in 16 bits that of the branch where they differ.
        norm = (r + 1 + r + 1) + (1 + r + r + r + (r != 1))
        attention = (3 + 1) + (3 + 1 + 1 + 3)  # q, k, v -> o; q, k, v, o and its gradient -> three
        products = sum((x + y) + (y + x) + (x + y)  # forward, gradients of input and weight
                       for x, y in ((1, 3), (1, 1), (1, 4), (4, 1)))
        gelu = 4 + 4  # what it was computed of is written, and read by its gradient
        return 2 * norm + attention + products + gelu

    def bytes(self):
        tensor = self.tokens * self.width * LOW
        # Rows of a table forward; backward the gradient is read and written.
        embedding = 4 * tensor
        logits = self.tokens * self.vocabulary * LOW
        # The product, the loss in place, two products of its gradient.
        head = 5 * logits + 3 * tensor if self.vocabulary else 0
        return (self.layers * self.layer() * tensor + embedding + head
                + ADAMW * self.parameters)


@dataclasses.dataclass
class Convolution:
    inputs: int
    outputs: int
    window: int
    stride: int
    extent: int  # of the input, in both directions
    adds: bool = False  # a residual joins behind its norm
    is_first: bool = False  # whose input needs no gradient


def bottlenecks(stages=((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)), extent=224):
    """The convolutions of a ResNet v1.5 with stages (width, blocks, stride), in order."""
    found = [Convolution(3, 64, 7, 2, extent, is_first=True)]
    inputs, extent = 64, extent // 4
    for width, blocks, stride in stages:
        for i in range(blocks):
            step = stride if i == 0 else 1
            found += [Convolution(inputs, width, 1, 1, extent),
                      Convolution(width, width, 3, step, extent),
                      Convolution(width, 4 * width, 1, 1, extent // step, adds=True)]
            if i == 0:
                found.append(Convolution(inputs, 4 * width, 1, step, extent))
            inputs, extent = 4 * width, extent // step
    return found


def residual_network(batch, convolutions, parameters, update=MOMENTUM, fused=False):
    """A network of convolutions with batch norm, ReLU and residuals. `fused`: statistics leave the
    convolution, norms and ReLUs are applied by the next one as it reads, but for those at the end of
    a block; else they are kernels, of which one adds up and one applies in each direction."""
    total = update * parameters
    for c in convolutions:
        out = c.extent // c.stride
        x = batch * c.inputs * c.extent**2 * LOW
        y = batch * c.outputs * out**2 * LOW
        total += (x + y) * (2 if c.is_first else 3)
        residual = y if c.adds else 0
        if fused:
            total += 3 * y + (2 * y + residual if c.adds else 0)
        else:
            total += (y + 2 * y + residual) + (2 * y + 3 * y + residual)
    return total


#: What benchmarks/full_size.py compiles, in bf16 at O1 with AdamW: name -> bytes, where they were
#: counted.
FULL_SIZE = {
    "gpt2": Transformer(32 * 1024, 768, 12, 124_439_808, 50257, residual=4).bytes(),
    "bert": Transformer(64 * 512, 768, 12, 109_514_298, 30522, residual=4).bytes(),
    "vit": Transformer(256 * 197, 768, 12, 86_567_656, residual=4).bytes(),
    "resnet50": residual_network(256, bottlenecks(), 25_557_032, update=ADAMW),
}


def main():
    for name, moved in FULL_SIZE.items():
        print(f"{name}: {moved / 1e9:.1f} GB")
    fused = residual_network(256, bottlenecks(), 25_557_032, update=ADAMW,
                             fused=True)
    print(f"resnet50 with norms in its convolutions: {fused / 1e9:.1f} GB")


if __name__ == "__main__":
    main()
