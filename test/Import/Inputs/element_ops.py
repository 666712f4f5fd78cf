# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""element_ops.py FOLDER AMPC: what ampc says of models whose node has one thing wrong."""
import sys

from one_error import print_errors

MODELS = {
    "einsum_terms": "(float[2,3] x) => (float[2] y) { y = Einsum <equation = \"ij,jk->i\"> (x) }",
    "einsum_rank": "(float[2,3] x) => (float[2] y) { y = Einsum <equation = \"ijk->i\"> (x) }",
    "einsum_output": "(float[2,3] x) => (float[2] y) { y = Einsum <equation = \"ij->k\"> (x) }",
    "einsum_extent": "(float[2,3] x) => (float y) { y = Einsum <equation = \"ii->\"> (x) }",
    "gather_nd": "(float[2,3] x, int64[1,3] i) => (float[1] y) { y = GatherND(x, i) }",
    "gather_nd_batch": "(float[2,3] x) => (float[2] y) { i = Constant <value = int64[2,1] {0, 5}> ()"
                       " y = GatherND <batch_dims = 1> (x, i) }",
    "gather_nd_known": "(float[2,3] x) => (float[1] y) { i = Constant <value = int64[1,2] {-3, 0}> ()"
                       " y = GatherND(x, i) }",
    "scatter_nd": "(float[2,3] x, int64[1,1] i, float[1,2] u) => (float[2,3] y)"
                  " { y = ScatterND(x, i, u) }",
    "mod": "(float[2] x, float[2] z) => (float[2] y) { y = Mod(x, z) }",
    "shift": "(uint8[2] x, uint8[2] z) => (uint8[2] y) { y = BitShift <direction = \"UP\"> (x, z) }",
    "range": "(int64 n) => (int64[k] y) { z = Constant <value_int = 0> ()"
             " o = Constant <value_int = 1> () y = Range(z, n, o) }",
    "range_step": "(float[1] x) => (int64[3] y) { z = Constant <value_int = 0> ()"
                  " y = Range(z, z, z) }",
    "range_lowest": "(float[1] x) => (int64[3] y) { z = Constant <value_int = 0> ()"
                    f" l = Constant <value_int = {-2**63}> () d = Constant <value_int = -1> ()"
                    " y = Range(z, l, d) }",
    "prelu": "(float[2,3] x, float[4] s) => (float[2,3] y) { y = PRelu(x, s) }",
    "celu": "(float[2] x) => (float[2] y) { y = Celu <alpha = 0.0> (x) }",
    "trilu": "(float[2] x) => (float[2] y) { y = Trilu(x) }",
    "reverse": "(float[4,2] x) => (float[4,2] y) { l = Constant <value_ints = [4, 5]> ()"
               " y = ReverseSequence(x, l) }",
    "compress": "(float[2] x, bool[2] c) => (float[n] y) { y = Compress(x, c) }",
}
print_errors(MODELS, sys.argv[1], sys.argv[2], opset=21)
