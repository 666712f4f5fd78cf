# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints kernels of 4 to 72 sums, each of an operand of its own and given another that it does
not read, in four types: kernels with memory of the workgroup for each type, behind any number of
arguments."""

HEAD = """#row = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>"""
SUM = """    %r{i} = plan.kernel fused (%b = %a{i} : tensor<{n}x{t}>, %c = %u{i} : tensor<f32>)
        -> tensor<{t}> {{
      %zero = arith.constant {zero} : {t}
      %e = tensor.empty() : tensor<{t}>
      %f = linalg.fill ins(%zero : {t}) outs(%e : tensor<{t}>) -> tensor<{t}>
      %s = linalg.generic {{indexing_maps = [#row, #none], iterator_types = ["reduction"]}}
          ins(%b : tensor<{n}x{t}>) outs(%f : tensor<{t}>) {{
      ^bb0(%i: {t}, %o: {t}):
        %t = {add} %i, %o : {t}
        linalg.yield %t : {t}
      }} -> tensor<{t}>
      plan.yield %s : tensor<{t}>
    }}"""


TYPES = {"f32": ("0.0", "arith.addf"), "f64": ("0.0", "arith.addf"), "i32": ("0", "arith.addi"),
         "i64": ("0", "arith.addi")}


def kernel(count):
    operands = [(i, 300 + i, list(TYPES)[i % len(TYPES)]) for i in range(count)]
    arguments = ", ".join(f"%x{i}: tensor<{n}x{t}>, %z{i}: tensor<f32>" for i, n, t in operands)
    given = ", ".join(f"%a{i} = %x{i} : tensor<{n}x{t}>, %u{i} = %z{i} : tensor<f32>"
                      for i, n, t in operands)
    types = ", ".join(f"tensor<{t}>" for _, _, t in operands)
    sums = "\n".join(SUM.format(i=i, n=n, t=t, zero=TYPES[t][0], add=TYPES[t][1])
                     for i, n, t in operands)
    results = ", ".join(f"%r{i}" for i in range(count))
    returned = ", ".join(f"%y#{i}" for i in range(count))
    return f"""func.func @sums_{count}({arguments}) -> ({types}) {{
  %y:{count} = plan.kernel sequence ({given}) -> ({types}) {{
{sums}
    plan.yield {results} : {types}
  }}
  return {returned} : {types}
}}"""


print(HEAD)
for number in range(len(TYPES), 73):
    print(kernel(number))
