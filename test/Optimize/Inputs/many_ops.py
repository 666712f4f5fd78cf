# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints a function with many tensor ops: many_ops.py sums|chain|readers COUNT [TYPE]

sums     COUNT sums of the columns of one tensor, each of other multiples
chain    COUNT square roots, each of the one before
readers  COUNT squares, each of the one before, and the exponentials of all of them
"""
import sys

kind, count = sys.argv[1], int(sys.argv[2])
element = sys.argv[3] if len(sys.argv) > 3 else "f32"
full, row = f"tensor<64x32x{element}>", f"tensor<32x{element}>"
lines, results = [], []


def generic(inputs, body, init, result, reduces=False):
    name = f"%r{len(lines)}"
    maps = ", ".join(["#full"] * len(inputs) + ["#row" if reduces else "#full"])
    kinds = '["reduction", "parallel"]' if reduces else '["parallel", "parallel"]'
    arguments = ", ".join(f"%a{i}: {element}" for i in range(len(inputs)))
    lines.append(f"  {name} = linalg.generic {{indexing_maps = [{maps}], iterator_types = {kinds}}}"
                 f" ins({', '.join(inputs)} : {', '.join([full] * len(inputs))})"
                 f" outs({init} : {result}) {{\n"
                 f"  ^bb0({arguments}, %o: {element}):\n    {body}\n"
                 f"    linalg.yield %y : {element}\n  }} -> {result}")
    return name


value = "%x"
for i in range(count):
    if kind == "sums":
        lines.append(f"  %c{i} = arith.constant {i + 2}.0 : {element}")
        value = generic(["%x"], f"%m = arith.mulf %a0, %c{i} : {element}\n"
                        f"    %y = arith.addf %m, %o : {element}", "%zeros", row, reduces=True)
        results.append(value)
    elif kind == "chain":
        value = generic([value], f"%y = math.sqrt %a0 : {element}", "%empty", full)
    else:
        value = generic([value], f"%y = arith.mulf %a0, %a0 : {element}", "%empty", full)
        results.append(generic([value], f"%y = math.exp %a0 : {element}", "%empty", full))
results = results or [value]
types = ", ".join([row if kind == "sums" else full] * len(results))
print(f"""#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>
func.func @many(%x: {full}) -> ({types}) {{
  %empty = tensor.empty() : {full}
  %zero = arith.constant 0.0 : {element}
  %none = tensor.empty() : {row}
  %zeros = linalg.fill ins(%zero : {element}) outs(%none : {row}) -> {row}""")
print("\n".join(lines))
print(f"  return {', '.join(results)} : {types}\n}}")
