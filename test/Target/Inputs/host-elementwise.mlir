// z = max(1.5 x + y, 0) x, in chunks of 4096 elements a block; @T storage, @C compute.
gpu.func @elementwise_@T(%x: memref<100003x@T, #gpu.address_space<global>> {llvm.noalias, llvm.align = 64 : i64},
                         %y: memref<100003x@T, #gpu.address_space<global>> {llvm.noalias, llvm.align = 64 : i64},
                         %z: memref<100003x@T, #gpu.address_space<global>> {llvm.noalias, llvm.align = 64 : i64})
    kernel attributes {known_block_size = array<i32: 1, 1, 1>, known_grid_size = array<i32: 25, 1, 1>} {
  %block = gpu.block_id x
  %chunk = arith.constant 4096 : index
  %n = arith.constant 100003 : index
  %c1 = arith.constant 1 : index
  %scale = arith.constant 1.5 : @C
  %zero = arith.constant 0.0 : @C
  %begin = arith.muli %block, %chunk : index
  %most = arith.addi %begin, %chunk : index
  %end = arith.minui %most, %n : index
  scf.for %i = %begin to %end step %c1 {
    %xs = memref.load %x[%i] : memref<100003x@T, #gpu.address_space<global>>
    %ys = memref.load %y[%i] : memref<100003x@T, #gpu.address_space<global>>
    %xc = @EXT %xs : @T to @C
    %yc = @EXT %ys : @T to @C
    %m = arith.mulf %xc, %scale : @C
    %a = arith.addf %m, %yc : @C
    %r = arith.maximumf %a, %zero : @C
    %p = arith.mulf %r, %xc : @C
    %zs = @TRUNC %p : @C to @T
    memref.store %zs, %z[%i] : memref<100003x@T, #gpu.address_space<global>>
  }
  gpu.return
}
