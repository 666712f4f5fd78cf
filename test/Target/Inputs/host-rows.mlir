// Softmax, one row of 1003 a block; sums and maxima may be reassociated.
gpu.func @softmax_@T(%x: memref<37x1003x@T, #gpu.address_space<global>> {llvm.noalias},
                     %y: memref<37x1003x@T, #gpu.address_space<global>> {llvm.noalias})
    kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
  %row = gpu.block_id x
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 1003 : index
  %lowest = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %max = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %lowest) -> (f32) {
    %v = memref.load %x[%row, %i] : memref<37x1003x@T, #gpu.address_space<global>>
    %f = @EXT %v : @T to f32
    %m = arith.maximumf %acc, %f fastmath<reassoc> : f32
    scf.yield %m : f32
  }
  %rowmax = gpu.all_reduce maximumf %max uniform {} : (f32) -> (f32)
  gpu.barrier
  %sum = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> (f32) {
    %v = memref.load %x[%row, %i] : memref<37x1003x@T, #gpu.address_space<global>>
    %f = @EXT %v : @T to f32
    %d = arith.subf %f, %rowmax : f32
    %e = math.exp %d : f32
    %s = arith.addf %acc, %e fastmath<reassoc> : f32
    scf.yield %s : f32
  }
  %rowsum = gpu.all_reduce add %sum uniform {} : (f32) -> (f32)
  %inv = arith.divf %one, %rowsum : f32
  scf.for %i = %c0 to %n step %c1 {
    %v = memref.load %x[%row, %i] : memref<37x1003x@T, #gpu.address_space<global>>
    %f = @EXT %v : @T to f32
    %d = arith.subf %f, %rowmax : f32
    %e = math.exp %d : f32
    %p = arith.mulf %e, %inv : f32
    %o = @TRUNC %p : f32 to @T
    memref.store %o, %y[%row, %i] : memref<37x1003x@T, #gpu.address_space<global>>
  }
  gpu.return
}

// Sum of each column: a block owns 64 columns, its sums lie in workgroup memory.
gpu.func @columns_@T(%x: memref<1003x130x@T, #gpu.address_space<global>> {llvm.noalias},
                     %y: memref<130xf32, #gpu.address_space<global>> {llvm.noalias})
    workgroup(%sums: memref<64xf32, #gpu.address_space<workgroup>>)
    kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
  %block = gpu.block_id x
  %thread = gpu.thread_id x
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %rows = arith.constant 1003 : index
  %cols = arith.constant 130 : index
  %zero = arith.constant 0.0 : f32
  %begin = arith.muli %block, %c64 : index
  %left = arith.subi %cols, %begin : index
  %mine = arith.minui %left, %c64 : index
  scf.for %j = %thread to %mine step %c1 {
    memref.store %zero, %sums[%j] : memref<64xf32, #gpu.address_space<workgroup>>
  }
  gpu.barrier
  scf.for %i = %c0 to %rows step %c1 {
    scf.for %j = %thread to %mine step %c1 {
      %col = arith.addi %begin, %j : index
      %v = memref.load %x[%i, %col] : memref<1003x130x@T, #gpu.address_space<global>>
      %f = @EXT %v : @T to f32
      %acc = memref.load %sums[%j] : memref<64xf32, #gpu.address_space<workgroup>>
      %s = arith.addf %acc, %f : f32
      memref.store %s, %sums[%j] : memref<64xf32, #gpu.address_space<workgroup>>
    }
  }
  gpu.barrier
  scf.for %j = %thread to %mine step %c1 {
    %col = arith.addi %begin, %j : index
    %s = memref.load %sums[%j] : memref<64xf32, #gpu.address_space<workgroup>>
    memref.store %s, %y[%col] : memref<130xf32, #gpu.address_space<global>>
  }
  gpu.return
}
