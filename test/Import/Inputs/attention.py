# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""attention.py FOLDER AMPC: what ampc says of attention whose node has one thing wrong."""
import sys

from one_error import print_errors

SELF = "(float[2,2,3,4] q{}) => (float[2,2,3,4] y) {{ y = Attention{}(q, q, q{}) }}"
ROTARY = "(float[2,2,3,6] x, float{0} c{1}) => (float[2,2,3,6] y)" \
         " {{ y = RotaryEmbedding{2}(x, c, c{3}) }}"
LINEAR = "(float[2,3,8] q, float[2,3,{}] d) => (float[2,3,8] y, float[2,2,4,4] s)" \
         " {{ y, s = LinearAttention<q_num_heads=2, kv_num_heads=2{}>(q, q, q{}) }}"
CONV = "(float[2,3,5] x, float{} w) => (float[2,3,5] y, float[2,3,3] s)" \
       " {{ y, s = CausalConvWithState{}(x, w) }}"
SCATTER = "(float[2,4,3] c, float{} u{}) => (float[2,4,3] y) {{ y = TensorScatter{}(c, u{}) }}"
MULTI = "(float[2,3,4] q{}) => (float[2,3,4] y)" \
        " {{ y = com.microsoft.MultiHeadAttention{}(q{}) }}"
PROJECTED = "(float[2,3,4] x, float[4,12] w) => (float[2,3,4] y)" \
            " {{ y = com.microsoft.Attention<num_heads=2, {}>(x, w) }}"
FLEX = "(float[2,2,3,4] q) => (float[2,2,3,4] y)" \
       " {{ y = ai.onnx.preview.FlexAttention<score_mod = {}>(q, q, q) }}"

MODELS = {
    "heads": "(float[2,3,8] q) => (float[2,3,8] y) { y = Attention(q, q, q) }",
    "divide": "(float[2,3,8] q) => (float[2,3,8] y)"
              " { y = Attention<q_num_heads = 3, kv_num_heads = 2>(q, q, q) }",
    "groups": "(float[2,3,3,4] q, float[2,2,5,4] k) => (float[2,3,3,4] y)"
              " { y = Attention(q, k, k) }",
    "sizes": "(float[2,2,3,4] q, float[2,2,5,6] k) => (float[2,2,3,6] y) { y = Attention(q, k, k) }",
    "mask": SELF.format(", float[4,3] m", "", ", m"),
    "softcap": SELF.format("", "<softcap: float = -1.0>", ""),
    "mode": SELF.format("", "<qk_matmul_output_mode = 4>", ""),
    "precision": SELF.format("", "<softmax_precision = 7>", ""),
    "past": SELF.format(", float[2,2,1,4] p", "", ", , p"),
    "lengths": SELF.format(", int64[3] l", "", ", , , , l"),
    "modifier": FLEX.format("m (float[2,2,3,3] a, float b) => (float[2,2,3,3] r) { r = Add(a, b) }"),
    "pairs": ROTARY.format("[2,3,3]", "", "<rotary_embedding_dim = 5>", ""),
    "cache": ROTARY.format("[5,3]", "", "", ""),
    "positions": ROTARY.format("[5,3]", ", int64[2,4] p", "", ", p"),
    "rule": LINEAR.format(2, ', update_rule = "x"', ""),
    "decay": LINEAR.format(3, ', update_rule = "gated"', ", , d"),
    "needs": LINEAR.format(2, ', update_rule = "gated"', ""),
    "filter": CONV.format("[3,2,4]", ""),
    "activation": CONV.format("[3,1,4]", '<activation = "relu">'),
    "axis": SCATTER.format("[2,2,3]", "", "<axis = 0>", ""),
    "update": SCATTER.format("[2,5,3]", "", "", ""),
    "place": "(float[2,4,3] c, float[2,2,3] u) => (float[2,4,3] y)"
             " { i = Constant <value_ints = [3, 0]> () y = TensorScatter(c, u, i) }",
    "layout": MULTI.format("", "<num_heads = 2>", ""),
    "padding": MULTI.format(", int32[8] m", "<num_heads = 2>", ", q, q, , m"),
    "widths": PROJECTED.format("qkv_hidden_sizes = [4, 4]"),
    "rotary": PROJECTED.format("do_rotary = 1"),
    "segments": "(int32[2,3] w, float[5,4] t, float[4] s) => (float[2,3,4] y)"
                " { y = com.microsoft.EmbedLayerNormalization(w, w, t, t, , s, s) }",
}
print_errors(MODELS, sys.argv[1], sys.argv[2], opset=27)
