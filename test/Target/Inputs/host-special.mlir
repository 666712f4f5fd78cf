gpu.module @host_kernels {
  // One element a block, behind a guard that returns early.
  gpu.func @guarded(%x: memref<1001xf32>, %y: memref<1001xf32>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %i = gpu.global_id x
    %n = arith.constant 1001 : index
    %in = arith.cmpi ult, %i, %n : index
    cf.cond_br %in, ^work, ^exit
  ^work:
    %v = memref.load %x[%i] : memref<1001xf32>
    %e = math.erf %v : f32
    memref.store %e, %y[%i] : memref<1001xf32>
    gpu.return
  ^exit:
    gpu.return
  }
  // Addresses come from a table, one row a block: count, source, destination.
  gpu.func @table(%table: memref<2x3xi64, #gpu.address_space<global>>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %b = gpu.block_id x
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %count64 = memref.load %table[%b, %c0] : memref<2x3xi64, #gpu.address_space<global>>
    %from64 = memref.load %table[%b, %c1] : memref<2x3xi64, #gpu.address_space<global>>
    %to64 = memref.load %table[%b, %c2] : memref<2x3xi64, #gpu.address_space<global>>
    %count = arith.index_cast %count64 : i64 to index
    %from = llvm.inttoptr %from64 : i64 to !llvm.ptr<1>
    %to = llvm.inttoptr %to64 : i64 to !llvm.ptr<1>
    %two = arith.constant 2.0 : f32
    scf.for %i = %c0 to %count step %c1 {
      %i64 = arith.index_cast %i : index to i64
      %source = llvm.getelementptr %from[%i64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
      %target = llvm.getelementptr %to[%i64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
      %v = llvm.load %source : !llvm.ptr<1> -> f32
      %w = arith.mulf %v, %two : f32
      llvm.store %w, %target : f32, !llvm.ptr<1>
    }
    gpu.return
  }
  gpu.func @f32_to_bf16(%x: memref<65536xf32>, %y: memref<65536xbf16>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %i = gpu.block_id x
    %v = memref.load %x[%i] : memref<65536xf32>
    %w = arith.truncf %v : f32 to bf16
    memref.store %w, %y[%i] : memref<65536xbf16>
    gpu.return
  }
  gpu.func @f64_to_narrow(%x: memref<65536xf64>, %y: memref<65536xbf16>, %z: memref<65536xf16>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %i = gpu.block_id x
    %v = memref.load %x[%i] : memref<65536xf64>
    %w = arith.truncf %v : f64 to bf16
    %u = arith.truncf %v : f64 to f16
    memref.store %w, %y[%i] : memref<65536xbf16>
    memref.store %u, %z[%i] : memref<65536xf16>
    gpu.return
  }
  // Arithmetic and functions in the narrow types themselves, and conversions.
  gpu.func @narrow(%x: memref<1000xbf16>, %y: memref<1000xf16>, %n: memref<1000xi64>, %z: memref<1000xf64>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %i = gpu.block_id x
    %a = memref.load %x[%i] : memref<1000xbf16>
    %b = memref.load %y[%i] : memref<1000xf16>
    %s = arith.addf %a, %a : bf16
    %e = math.exp %b : f16
    %k = arith.fptosi %s : bf16 to i64
    memref.store %k, %n[%i] : memref<1000xi64>
    %m = arith.sitofp %k : i64 to f16
    %p = arith.mulf %e, %m : f16
    %w = arith.extf %p : f16 to f64
    memref.store %w, %z[%i] : memref<1000xf64>
    gpu.return
  }
}
