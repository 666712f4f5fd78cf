// RUN: ampc-opt %s --ampc-convert-host-kernels --split-input-file --verify-diagnostics

gpu.module @host_kernels {
  // expected-error @below {{has no host schedule: known_block_size must be 1, 1, 1}}
  gpu.func @device_schedule() kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @host_kernels {
  // expected-error @below {{is no kernel; the host schedule has no device functions}}
  gpu.func @no_kernel() attributes {known_block_size = array<i32: 1, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @host_kernels {
  // expected-error @below {{a kernel argument must be a dense memref of static shape, not 'memref<?xf32>'}}
  gpu.func @dynamic(%x: memref<?xf32>) kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @host_kernels {
  // expected-error @below {{a kernel argument is too large: 'memref<4611686018427387904x4xf32>'}}
  gpu.func @too_large(%x: memref<4611686018427387904x4xf32>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @host_kernels {
  // expected-error @below {{takes more than 524288 bytes of workgroup and private memory, which lie on the stack}}
  gpu.func @too_much_memory() workgroup(%a: memref<100000xf32>, %b: memref<100000xf32>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    gpu.return
  }
}

// -----

gpu.module @host_kernels {
  gpu.func @shuffle() kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %c1 = arith.constant 1 : i32
    %c32 = arith.constant 32 : i32
    // expected-error @below {{has no meaning in a block of one thread}}
    %v, %ok = gpu.shuffle xor %c1, %c1, %c32 : i32
    gpu.return
  }
}

// -----

gpu.module @host_kernels {
  gpu.func @grid() kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    // expected-error @below {{the size of the grid is known only from known_grid_size}}
    %n = gpu.grid_dim x
    gpu.return
  }
}

// -----

gpu.module @host_kernels {
  // expected-error @below {{has no place among host kernels}}
  func.func private @helper()
}
