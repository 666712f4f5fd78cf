// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @a_word(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{amp.precision needs a category and a reason}}
  %0 = amp.exp %x {amp.precision = "f32"} : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @no_reason(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{amp.precision needs a category and a reason}}
  %0 = amp.exp %x {amp.precision = {category = "allow"}} : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @no_such_category(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{amp.precision has category "f16": allow, deny, promote, follow or f32}}
  %0 = amp.exp %x {amp.precision = {category = "f16", reason = "lists"}} : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @operands_have_categories(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{amp.operand_precision is a list of an operand's index, a category, which is allow or deny, and a reason}}
  %0 = amp.exp %x {amp.operand_precision = [{operand = 0, category = "follow", reason = "lists"}]} : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @operands_have_an_index(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{amp.operand_precision is a list of an operand's index}}
  %0 = amp.exp %x {amp.operand_precision = [{operand = -1, category = "deny", reason = "lists"}]} : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

// expected-error@+1 {{amp.operator_precisions, of Exp, needs a category and a reason}}
module attributes {amp.operator_precisions = {Exp = {category = "deny"}}} {
}
