// RUN: ampc-opt %s --ampc-convert-gpu-to-host --split-input-file --verify-diagnostics

gpu.module @m {
  // expected-error @below {{workgroup memory must be a dense memref of static shape, not 'memref<4x?xf32>'}}
  gpu.func @dynamic() workgroup(%w: memref<4x?xf32>) kernel {
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @wide(%x: memref<1xvector<4xf32>>) kernel {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : i32
    %c32 = arith.constant 32 : i32
    %v = memref.load %x[%c0] : memref<1xvector<4xf32>>
    // expected-error @below {{a shuffle moves at most 64 bits, not 128}}
    %r, %ok = gpu.shuffle xor %v, %c1, %c32 : vector<4xf32>
    memref.store %r, %x[%c0] : memref<1xvector<4xf32>>
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @cluster() kernel {
    // expected-error @below {{has no form on the host}}
    %c = gpu.cluster_id x
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @below {{is no kernel; device functions are not supported}}
  gpu.func @function() {
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @below {{has no place among kernels}}
  func.func private @helper()
}
