// Kernels with the device schedule: what emitters write, and mistakes.
module attributes {gpu.container_module} {
gpu.module @cuda_kernels {
  // y[c] = x / c, element by element, for constants whose reciprocals are rounded.
  gpu.func @divisions(%x: memref<1048576xf32, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64}, %y: memref<4194304xf32, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64})
      kernel attributes {known_block_size = array<i32: 256, 1, 1>} {
    %id = gpu.global_id x
    %n = arith.constant 1048576 : index
    %a = memref.load %x[%id] : memref<1048576xf32, #gpu.address_space<global>>
    %root = arith.constant 1.41421354 : f32
    %three = arith.constant 3.0 : f32
    %tenth = arith.constant 0.1 : f32
    %almost = arith.constant 1.99999988 : f32
    %d0 = arith.divf %a, %root : f32
    %d1 = arith.divf %a, %three : f32
    %d2 = arith.divf %a, %tenth : f32
    %d3 = arith.divf %a, %almost : f32
    %i1 = arith.addi %id, %n : index
    %i2 = arith.addi %i1, %n : index
    %i3 = arith.addi %i2, %n : index
    memref.store %d0, %y[%id] : memref<4194304xf32, #gpu.address_space<global>>
    memref.store %d1, %y[%i1] : memref<4194304xf32, #gpu.address_space<global>>
    memref.store %d2, %y[%i2] : memref<4194304xf32, #gpu.address_space<global>>
    memref.store %d3, %y[%i3] : memref<4194304xf32, #gpu.address_space<global>>
    gpu.return
  }
  // z = max(1.5 x + y, 0) x, eight elements a thread; 40963 elements, the last three one by one.
  gpu.func @elementwise_f16(%x: memref<40963xf16, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64}, %y: memref<40963xf16, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64}, %z: memref<40963xf16, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64})
      kernel attributes {known_block_size = array<i32: 256, 1, 1>} {
    %id = gpu.global_id x
    %c8 = arith.constant 8 : index
    %n = arith.constant 40960 : index
    %i = arith.muli %id, %c8 : index
    %in = arith.cmpi ult, %i, %n : index
    scf.if %in {
      %scale = arith.constant dense<1.5> : vector<8xf32>
      %zero = arith.constant dense<0.0> : vector<8xf32>
      %xh = vector.load %x[%i] {alignment = 16 : i64} : memref<40963xf16, #gpu.address_space<global>>, vector<8xf16>
      %yh = vector.load %y[%i] {alignment = 16 : i64} : memref<40963xf16, #gpu.address_space<global>>, vector<8xf16>
      %xf = arith.extf %xh : vector<8xf16> to vector<8xf32>
      %yf = arith.extf %yh : vector<8xf16> to vector<8xf32>
      %m = arith.mulf %xf, %scale : vector<8xf32>
      %a = arith.addf %m, %yf : vector<8xf32>
      %r = arith.maximumf %a, %zero : vector<8xf32>
      %p = arith.mulf %r, %xf : vector<8xf32>
      %ph = arith.truncf %p : vector<8xf32> to vector<8xf16>
      vector.store %ph, %z[%i] {alignment = 16 : i64} : memref<40963xf16, #gpu.address_space<global>>, vector<8xf16>
    }
    %c5120 = arith.constant 5120 : index
    %c3 = arith.constant 3 : index
    %last = arith.subi %id, %c5120 : index // wraps below
    %tail = arith.cmpi ult, %last, %c3 : index
    scf.if %tail {
      %scale = arith.constant 1.5 : f32
      %zero = arith.constant 0.0 : f32
      %j = arith.addi %last, %n : index
      %xh = memref.load %x[%j] : memref<40963xf16, #gpu.address_space<global>>
      %yh = memref.load %y[%j] : memref<40963xf16, #gpu.address_space<global>>
      %xf = arith.extf %xh : f16 to f32
      %yf = arith.extf %yh : f16 to f32
      %m = arith.mulf %xf, %scale : f32
      %a = arith.addf %m, %yf : f32
      %r = arith.maximumf %a, %zero : f32
      %p = arith.mulf %r, %xf : f32
      %ph = arith.truncf %p : f32 to f16
      memref.store %ph, %z[%j] : memref<40963xf16, #gpu.address_space<global>>
    }
    gpu.return
  }

  gpu.func @elementwise_bf16(%x: memref<40963xbf16, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64}, %y: memref<40963xbf16, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64}, %z: memref<40963xbf16, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64})
      kernel attributes {known_block_size = array<i32: 256, 1, 1>} {
    %id = gpu.global_id x
    %c8 = arith.constant 8 : index
    %n = arith.constant 40960 : index
    %i = arith.muli %id, %c8 : index
    %in = arith.cmpi ult, %i, %n : index
    scf.if %in {
      %scale = arith.constant dense<1.5> : vector<8xf32>
      %zero = arith.constant dense<0.0> : vector<8xf32>
      %xh = vector.load %x[%i] {alignment = 16 : i64} : memref<40963xbf16, #gpu.address_space<global>>, vector<8xbf16>
      %yh = vector.load %y[%i] {alignment = 16 : i64} : memref<40963xbf16, #gpu.address_space<global>>, vector<8xbf16>
      %xf = arith.extf %xh : vector<8xbf16> to vector<8xf32>
      %yf = arith.extf %yh : vector<8xbf16> to vector<8xf32>
      %m = arith.mulf %xf, %scale : vector<8xf32>
      %a = arith.addf %m, %yf : vector<8xf32>
      %r = arith.maximumf %a, %zero : vector<8xf32>
      %p = arith.mulf %r, %xf : vector<8xf32>
      %ph = arith.truncf %p : vector<8xf32> to vector<8xbf16>
      vector.store %ph, %z[%i] {alignment = 16 : i64} : memref<40963xbf16, #gpu.address_space<global>>, vector<8xbf16>
    }
    %c5120 = arith.constant 5120 : index
    %c3 = arith.constant 3 : index
    %last = arith.subi %id, %c5120 : index // wraps below
    %tail = arith.cmpi ult, %last, %c3 : index
    scf.if %tail {
      %scale = arith.constant 1.5 : f32
      %zero = arith.constant 0.0 : f32
      %j = arith.addi %last, %n : index
      %xh = memref.load %x[%j] : memref<40963xbf16, #gpu.address_space<global>>
      %yh = memref.load %y[%j] : memref<40963xbf16, #gpu.address_space<global>>
      %xf = arith.extf %xh : bf16 to f32
      %yf = arith.extf %yh : bf16 to f32
      %m = arith.mulf %xf, %scale : f32
      %a = arith.addf %m, %yf : f32
      %r = arith.maximumf %a, %zero : f32
      %p = arith.mulf %r, %xf : f32
      %ph = arith.truncf %p : f32 to bf16
      memref.store %ph, %z[%j] : memref<40963xbf16, #gpu.address_space<global>>
    }
    gpu.return
  }

  // Softmax of a row of 4096 by 256 threads.
  gpu.func @softmax_f16(%x: memref<24x4096xf16, #gpu.address_space<global>>, %y: memref<24x4096xf16, #gpu.address_space<global>>) kernel attributes {known_block_size = array<i32: 256, 1, 1>} {
    %row = gpu.block_id x
    %tid = gpu.thread_id x
    %c8 = arith.constant 8 : index
    %step = arith.constant 2048 : index
    %n = arith.constant 4096 : index
    %first = arith.muli %tid, %c8 : index
    %ninf = arith.constant 0xFF800000 : f32
    %zero = arith.constant 0.0 : f32
    %max = scf.for %i = %first to %n step %step iter_args(%acc = %ninf) -> (f32) {
      %h = vector.load %x[%row, %i] {alignment = 16 : i64} : memref<24x4096xf16, #gpu.address_space<global>>, vector<8xf16>
      %f = arith.extf %h : vector<8xf16> to vector<8xf32>
      %r = vector.reduction <maximumf>, %f, %acc : vector<8xf32> into f32
      scf.yield %r : f32
    }
    %rowmax = gpu.all_reduce maximumf %max uniform {} : (f32) -> (f32)
    %vmax = vector.broadcast %rowmax : f32 to vector<8xf32>
    %sum = scf.for %i = %first to %n step %step iter_args(%acc = %zero) -> (f32) {
      %h = vector.load %x[%row, %i] {alignment = 16 : i64} : memref<24x4096xf16, #gpu.address_space<global>>, vector<8xf16>
      %f = arith.extf %h : vector<8xf16> to vector<8xf32>
      %d = arith.subf %f, %vmax : vector<8xf32>
      %e = math.exp %d : vector<8xf32>
      %r = vector.reduction <add>, %e, %acc : vector<8xf32> into f32
      scf.yield %r : f32
    }
    %rowsum = gpu.all_reduce add %sum uniform {} : (f32) -> (f32)
    %one = arith.constant 1.0 : f32
    %inv = arith.divf %one, %rowsum : f32
    %vinv = vector.broadcast %inv : f32 to vector<8xf32>
    scf.for %i = %first to %n step %step {
      %h = vector.load %x[%row, %i] {alignment = 16 : i64} : memref<24x4096xf16, #gpu.address_space<global>>, vector<8xf16>
      %f = arith.extf %h : vector<8xf16> to vector<8xf32>
      %d = arith.subf %f, %vmax : vector<8xf32>
      %e = math.exp %d : vector<8xf32>
      %p = arith.mulf %e, %vinv : vector<8xf32>
      %o = arith.truncf %p : vector<8xf32> to vector<8xf16>
      vector.store %o, %y[%row, %i] {alignment = 16 : i64} : memref<24x4096xf16, #gpu.address_space<global>>, vector<8xf16>
    }
    gpu.return
  }

  gpu.func @softmax_bf16(%x: memref<24x4096xbf16, #gpu.address_space<global>>, %y: memref<24x4096xbf16, #gpu.address_space<global>>) kernel attributes {known_block_size = array<i32: 256, 1, 1>} {
    %row = gpu.block_id x
    %tid = gpu.thread_id x
    %c8 = arith.constant 8 : index
    %step = arith.constant 2048 : index
    %n = arith.constant 4096 : index
    %first = arith.muli %tid, %c8 : index
    %ninf = arith.constant 0xFF800000 : f32
    %zero = arith.constant 0.0 : f32
    %max = scf.for %i = %first to %n step %step iter_args(%acc = %ninf) -> (f32) {
      %h = vector.load %x[%row, %i] {alignment = 16 : i64} : memref<24x4096xbf16, #gpu.address_space<global>>, vector<8xbf16>
      %f = arith.extf %h : vector<8xbf16> to vector<8xf32>
      %r = vector.reduction <maximumf>, %f, %acc : vector<8xf32> into f32
      scf.yield %r : f32
    }
    %rowmax = gpu.all_reduce maximumf %max uniform {} : (f32) -> (f32)
    %vmax = vector.broadcast %rowmax : f32 to vector<8xf32>
    %sum = scf.for %i = %first to %n step %step iter_args(%acc = %zero) -> (f32) {
      %h = vector.load %x[%row, %i] {alignment = 16 : i64} : memref<24x4096xbf16, #gpu.address_space<global>>, vector<8xbf16>
      %f = arith.extf %h : vector<8xbf16> to vector<8xf32>
      %d = arith.subf %f, %vmax : vector<8xf32>
      %e = math.exp %d : vector<8xf32>
      %r = vector.reduction <add>, %e, %acc : vector<8xf32> into f32
      scf.yield %r : f32
    }
    %rowsum = gpu.all_reduce add %sum uniform {} : (f32) -> (f32)
    %one = arith.constant 1.0 : f32
    %inv = arith.divf %one, %rowsum : f32
    %vinv = vector.broadcast %inv : f32 to vector<8xf32>
    scf.for %i = %first to %n step %step {
      %h = vector.load %x[%row, %i] {alignment = 16 : i64} : memref<24x4096xbf16, #gpu.address_space<global>>, vector<8xbf16>
      %f = arith.extf %h : vector<8xbf16> to vector<8xf32>
      %d = arith.subf %f, %vmax : vector<8xf32>
      %e = math.exp %d : vector<8xf32>
      %p = arith.mulf %e, %vinv : vector<8xf32>
      %o = arith.truncf %p : vector<8xf32> to vector<8xbf16>
      vector.store %o, %y[%row, %i] {alignment = 16 : i64} : memref<24x4096xbf16, #gpu.address_space<global>>, vector<8xbf16>
    }
    gpu.return
  }

  // Layer norm backward, a row of 1024 a block; sums by a tree in workgroup memory.
  gpu.func @layernorm_backward(%x: memref<40x1024xf16, #gpu.address_space<global>>, %dy: memref<40x1024xf16, #gpu.address_space<global>>, %gamma: memref<1024xf32, #gpu.address_space<global>>,
                  %mean: memref<40xf32, #gpu.address_space<global>>, %rstd: memref<40xf32, #gpu.address_space<global>>, %dx: memref<40x1024xf16, #gpu.address_space<global>>)
      workgroup(%s1: memref<128xf32, #gpu.address_space<workgroup>>, %s2: memref<128xf32, #gpu.address_space<workgroup>>)
      private(%keep: memref<2x8xf32, #gpu.address_space<private>>)
      kernel attributes {known_block_size = array<i32: 128, 1, 1>} {
    %row = gpu.block_id x
    %tid = gpu.thread_id x
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %zero = arith.constant 0.0 : f32
    %i = arith.muli %tid, %c8 : index
    %m = memref.load %mean[%row] : memref<40xf32, #gpu.address_space<global>>
    %s = memref.load %rstd[%row] : memref<40xf32, #gpu.address_space<global>>
    %vm = vector.broadcast %m : f32 to vector<8xf32>
    %vs = vector.broadcast %s : f32 to vector<8xf32>
    %xh = vector.load %x[%row, %i] {alignment = 16 : i64} : memref<40x1024xf16, #gpu.address_space<global>>, vector<8xf16>
    %xf = arith.extf %xh : vector<8xf16> to vector<8xf32>
    %xc = arith.subf %xf, %vm : vector<8xf32>
    %xhat = arith.mulf %xc, %vs : vector<8xf32>
    %dh = vector.load %dy[%row, %i] {alignment = 16 : i64} : memref<40x1024xf16, #gpu.address_space<global>>, vector<8xf16>
    %df = arith.extf %dh : vector<8xf16> to vector<8xf32>
    %gm = vector.load %gamma[%i] {alignment = 32 : i64} : memref<1024xf32, #gpu.address_space<global>>, vector<8xf32>
    %g = arith.mulf %df, %gm : vector<8xf32>
    %gx = arith.mulf %g, %xhat : vector<8xf32>
    vector.store %g, %keep[%c0, %c0] : memref<2x8xf32, #gpu.address_space<private>>, vector<8xf32>
    vector.store %xhat, %keep[%c1, %c0] : memref<2x8xf32, #gpu.address_space<private>>, vector<8xf32>
    %p1 = vector.reduction <add>, %g, %zero : vector<8xf32> into f32
    %p2 = vector.reduction <add>, %gx, %zero : vector<8xf32> into f32
    memref.store %p1, %s1[%tid] : memref<128xf32, #gpu.address_space<workgroup>>
    memref.store %p2, %s2[%tid] : memref<128xf32, #gpu.address_space<workgroup>>
    gpu.barrier
    %c7 = arith.constant 7 : index
    %c64 = arith.constant 64 : index
    %end = scf.for %k = %c0 to %c7 step %c1 iter_args(%half = %c64) -> (index) {
      %active = arith.cmpi ult, %tid, %half : index
      scf.if %active {
        %j = arith.addi %tid, %half : index
        %a1 = memref.load %s1[%tid] : memref<128xf32, #gpu.address_space<workgroup>>
        %b1 = memref.load %s1[%j] : memref<128xf32, #gpu.address_space<workgroup>>
        %r1 = arith.addf %a1, %b1 : f32
        memref.store %r1, %s1[%tid] : memref<128xf32, #gpu.address_space<workgroup>>
        %a2 = memref.load %s2[%tid] : memref<128xf32, #gpu.address_space<workgroup>>
        %b2 = memref.load %s2[%j] : memref<128xf32, #gpu.address_space<workgroup>>
        %r2 = arith.addf %a2, %b2 : f32
        memref.store %r2, %s2[%tid] : memref<128xf32, #gpu.address_space<workgroup>>
      }
      gpu.barrier
      %next = arith.shrui %half, %c1 : index
      scf.yield %next : index
    }
    %invn = arith.constant 9.765625e-04 : f32
    %t1 = memref.load %s1[%c0] : memref<128xf32, #gpu.address_space<workgroup>>
    %t2 = memref.load %s2[%c0] : memref<128xf32, #gpu.address_space<workgroup>>
    %m1 = arith.mulf %t1, %invn : f32
    %m2 = arith.mulf %t2, %invn : f32
    %vm1 = vector.broadcast %m1 : f32 to vector<8xf32>
    %vm2 = vector.broadcast %m2 : f32 to vector<8xf32>
    %g2 = vector.load %keep[%c0, %c0] : memref<2x8xf32, #gpu.address_space<private>>, vector<8xf32>
    %xhat2 = vector.load %keep[%c1, %c0] : memref<2x8xf32, #gpu.address_space<private>>, vector<8xf32>
    %d1 = arith.subf %g2, %vm1 : vector<8xf32>
    %q = arith.mulf %xhat2, %vm2 : vector<8xf32>
    %d2 = arith.subf %d1, %q : vector<8xf32>
    %d3 = arith.mulf %d2, %vs : vector<8xf32>
    %o = arith.truncf %d3 : vector<8xf32> to vector<8xf16>
    vector.store %o, %dx[%row, %i] {alignment = 16 : i64} : memref<40x1024xf16, #gpu.address_space<global>>, vector<8xf16>
    gpu.return
  }

  // Reverses a block through workgroup memory; threads past the end leave early. Also
  // counts the elements.
  gpu.func @early_exit(%x: memref<1000xf32, #gpu.address_space<global>>, %y: memref<1000xf32, #gpu.address_space<global>>, %count: memref<1xi32, #gpu.address_space<global>>)
      workgroup(%s: memref<128xf32, #gpu.address_space<workgroup>>)
      kernel attributes {known_block_size = array<i32: 128, 1, 1>} {
    %tid = gpu.thread_id x
    %i = gpu.global_id x
    %n = arith.constant 1000 : index
    %c0 = arith.constant 0 : index
    %c127 = arith.constant 127 : index
    %zero = arith.constant 0.0 : f32
    %in = arith.cmpi ult, %i, %n : index
    %v = scf.if %in -> (f32) {
      %l = memref.load %x[%i] : memref<1000xf32, #gpu.address_space<global>>
      scf.yield %l : f32
    } else {
      scf.yield %zero : f32
    }
    memref.store %v, %s[%tid] : memref<128xf32, #gpu.address_space<workgroup>>
    gpu.barrier
    cf.cond_br %in, ^tail, ^exit
  ^tail:
    %j = arith.subi %c127, %tid : index
    %r = memref.load %s[%j] : memref<128xf32, #gpu.address_space<workgroup>>
    memref.store %r, %y[%i] : memref<1000xf32, #gpu.address_space<global>>
    %one = arith.constant 1 : i32
    %old = memref.atomic_rmw addi %one, %count[%c0] : (i32, memref<1xi32, #gpu.address_space<global>>) -> i32
    gpu.return
  ^exit:
    gpu.return
  }

  // Every shuffle mode, width 8, on i32, f32, i64 and pairs of f16.
  gpu.func @shuffles(%out: memref<7x32xf32, #gpu.address_space<global>>) kernel {
    %lane = gpu.lane_id
    %li = arith.index_cast %lane : index to i32
    %l64 = arith.index_cast %lane : index to i64
    %lf = arith.sitofp %li : i32 to f32
    %lh = arith.truncf %lf : f32 to f16
    %c1 = arith.constant 1 : i32
    %c3 = arith.constant 3 : i32
    %c8 = arith.constant 8 : i32
    %c32 = arith.constant 32 : i32
    %i0 = arith.constant 0 : index
    %i1 = arith.constant 1 : index
    %i2 = arith.constant 2 : index
    %i3 = arith.constant 3 : index
    %i4 = arith.constant 4 : index
    %i5 = arith.constant 5 : index
    %i6 = arith.constant 6 : index
    %v0, %p0 = gpu.shuffle xor %lf, %c3, %c32 : f32
    memref.store %v0, %out[%i0, %lane] : memref<7x32xf32, #gpu.address_space<global>>
    %v1, %p1 = gpu.shuffle up %lf, %c3, %c32 : f32
    %m1 = arith.constant -1.0 : f32
    %w1 = arith.select %p1, %v1, %m1 : f32
    memref.store %w1, %out[%i1, %lane] : memref<7x32xf32, #gpu.address_space<global>>
    %v2, %p2 = gpu.shuffle down %lf, %c3, %c32 : f32
    %w2 = arith.select %p2, %v2, %m1 : f32
    memref.store %w2, %out[%i2, %lane] : memref<7x32xf32, #gpu.address_space<global>>
    %v3, %p3 = gpu.shuffle idx %li, %c3, %c32 : i32
    %w3 = arith.sitofp %v3 : i32 to f32
    memref.store %w3, %out[%i3, %lane] : memref<7x32xf32, #gpu.address_space<global>>
    // Only the first eight lanes take part.
    %first = arith.cmpi ult, %li, %c8 : i32
    scf.if %first {
      %v4, %p4 = gpu.shuffle xor %lf, %c1, %c8 : f32
      memref.store %v4, %out[%i4, %lane] : memref<7x32xf32, #gpu.address_space<global>>
    }
    // A pair of f16 goes as an i32 (nvvm.shfl.sync knows no vectors).
    %two = arith.constant 2.0 : f32
    %dbl = arith.mulf %lf, %two : f32
    %dh = arith.truncf %dbl : f32 to f16
    %pk = vector.from_elements %lh, %dh : vector<2xf16>
    %pv = vector.bitcast %pk : vector<2xf16> to vector<1xi32>
    %pi = vector.extract %pv[0] : i32 from vector<1xi32>
    %v5, %p5 = gpu.shuffle xor %pi, %c1, %c32 : i32
    %qv = vector.broadcast %v5 : i32 to vector<1xi32>
    %qk = vector.bitcast %qv : vector<1xi32> to vector<2xf16>
    %e0 = vector.extract %qk[0] : f16 from vector<2xf16>
    %e1 = vector.extract %qk[1] : f16 from vector<2xf16>
    %es = arith.addf %e0, %e1 : f16
    %ef = arith.extf %es : f16 to f32
    memref.store %ef, %out[%i5, %lane] : memref<7x32xf32, #gpu.address_space<global>>
    %v6, %p6 = gpu.shuffle xor %l64, %c1, %c32 : i64
    %w6 = arith.sitofp %v6 : i64 to f32
    memref.store %w6, %out[%i6, %lane] : memref<7x32xf32, #gpu.address_space<global>>
    gpu.return
  }

  // Functions: from libdevice, or polynomials without it.
  gpu.func @functions(%x: memref<1000xf32, #gpu.address_space<global>>, %y: memref<10x1000xf32, #gpu.address_space<global>>)
      kernel attributes {known_block_size = array<i32: 128, 1, 1>} {
    %i = gpu.global_id x
    %n = arith.constant 1000 : index
    %in = arith.cmpi ult, %i, %n : index
    scf.if %in {
      %v = memref.load %x[%i] : memref<1000xf32, #gpu.address_space<global>>
      %c0 = arith.constant 0 : index
      %r0 = math.exp %v : f32
      memref.store %r0, %y[%c0, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c1 = arith.constant 1 : index
      %r1 = math.log %v : f32
      memref.store %r1, %y[%c1, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c2 = arith.constant 2 : index
      %r2 = math.tanh %v : f32
      memref.store %r2, %y[%c2, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c3 = arith.constant 3 : index
      %r3 = math.erf %v : f32
      memref.store %r3, %y[%c3, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c4 = arith.constant 4 : index
      %r4 = math.expm1 %v : f32
      memref.store %r4, %y[%c4, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c5 = arith.constant 5 : index
      %r5 = math.log1p %v : f32
      memref.store %r5, %y[%c5, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c6 = arith.constant 6 : index
      %r6 = math.sqrt %v : f32
      memref.store %r6, %y[%c6, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c7 = arith.constant 7 : index
      %r7 = math.absf %v : f32
      memref.store %r7, %y[%c7, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c8 = arith.constant 8 : index
      %r8 = math.floor %v : f32
      memref.store %r8, %y[%c8, %i] : memref<10x1000xf32, #gpu.address_space<global>>
      %c9 = arith.constant 9 : index
      %r9 = math.rsqrt %v : f32
      memref.store %r9, %y[%c9, %i] : memref<10x1000xf32, #gpu.address_space<global>>
    }
    gpu.return
  }

  // Wrong on purpose: the two halves of a block wait at different barriers.
  gpu.func @divergent_barrier(%out: memref<32xf32, #gpu.address_space<global>>) kernel {
    %tid = gpu.thread_id x
    %c16 = arith.constant 16 : index
    %one = arith.constant 1.0 : f32
    %low = arith.cmpi ult, %tid, %c16 : index
    cf.cond_br %low, ^a, ^b
  ^a:
    memref.store %one, %out[%tid] : memref<32xf32, #gpu.address_space<global>>
    gpu.barrier
    gpu.return
  ^b:
    gpu.barrier
    gpu.return
  }

  // Wrong on purpose: half a warp shuffles, the other half waits for it.
  gpu.func @half_shuffle(%out: memref<32xf32, #gpu.address_space<global>>) kernel {
    %tid = gpu.thread_id x
    %c16 = arith.constant 16 : index
    %one = arith.constant 1.0 : f32
    %c1 = arith.constant 1 : i32
    %c32 = arith.constant 32 : i32
    %low = arith.cmpi ult, %tid, %c16 : index
    scf.if %low {
      %v, %p = gpu.shuffle xor %one, %c1, %c32 : f32
      memref.store %v, %out[%tid] : memref<32xf32, #gpu.address_space<global>>
    }
    gpu.barrier
    gpu.return
  }

  // Wrong on purpose: a barrier is missing between the store and the load, which the
  // natural order of threads does not show.
  gpu.func @missing_barrier(%out: memref<64xf32, #gpu.address_space<global>>)
      workgroup(%s: memref<64xf32, #gpu.address_space<workgroup>>)
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %tid = gpu.thread_id x
    %c0 = arith.constant 0 : index
    %one = arith.constant 1.0 : f32
    %first = arith.cmpi eq, %tid, %c0 : index
    scf.if %first {
      memref.store %one, %s[%c0] : memref<64xf32, #gpu.address_space<workgroup>>
    }
    %v = memref.load %s[%c0] : memref<64xf32, #gpu.address_space<workgroup>>
    memref.store %v, %out[%tid] : memref<64xf32, #gpu.address_space<global>>
    gpu.barrier
    gpu.return
  }
}
}
