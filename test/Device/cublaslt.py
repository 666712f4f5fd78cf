"""A product through cuBLASLt alone, by ctypes, to see what the library does with it.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import ctypes
from ctypes import byref, c_float, c_int, c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np

import cuda_driver

COMPUTE_32F, R_32F = 68, 0
DESC_EPILOGUE = 7
EPILOGUE_RELU = 2


class Heuristic(ctypes.Structure):
    _fields_ = [("algorithm", c_uint64 * 8), ("workspace", c_size_t), ("state", c_int),
                ("waves", c_float), ("reserved", c_int * 4)]


class Library:
    """cuBLASLt and the driver beside it, with a context and a stream."""

    def __init__(self):
        self.cuda = cuda_driver.driver()
        self.blas = ctypes.CDLL(cuda_driver.find_cublaslt())
        self.blas.cublasLtGetVersion.restype = c_size_t
        device, self.context, self.stream = c_int(), c_void_p(), c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", byref(self.context), device)
        self._call("cuCtxPushCurrent_v2", self.context)
        self._call("cuStreamCreate", byref(self.stream), 1)
        self.device, self.handle = device, c_void_p()
        self._call("cublasLtCreate", byref(self.handle))

    def _call(self, name, *arguments):
        library = self.blas if name.startswith("cublas") else self.cuda
        cuda_driver.check(getattr(library, name)(*arguments), name)

    @property
    def version(self) -> int:
        return self.blas.cublasLtGetVersion()

    def _upload(self, array: np.ndarray) -> c_uint64:
        address = c_uint64()
        self._call("cuMemAlloc_v2", byref(address), c_size_t(array.nbytes))
        self._call("cuMemcpyHtoDAsync_v2", address, c_void_p(array.ctypes.data),
                   c_size_t(array.nbytes), self.stream)
        self._call("cuStreamSynchronize", self.stream)
        return address

    def multiply(self, a: np.ndarray, b: np.ndarray, epilogue: int) -> np.ndarray:
        """a * b of two square f32 matrices, and what the epilogue makes of it."""
        n = len(a)
        # The library reads columns first: it is given b * a of what it sees.
        addresses = [self._upload(np.ascontiguousarray(x, np.float32)) for x in (b, a, 0 * a)]
        made = {"Desc": c_void_p(), "Preference": c_void_p(), "Layout": c_void_p()}
        self._call("cublasLtMatmulDescCreate", byref(made["Desc"]), COMPUTE_32F, R_32F)
        self._call("cublasLtMatmulDescSetAttribute", made["Desc"], DESC_EPILOGUE,
                   byref(c_uint32(epilogue)), c_size_t(4))
        self._call("cublasLtMatrixLayoutCreate", byref(made["Layout"]), R_32F, c_uint64(n),
                   c_uint64(n), ctypes.c_int64(n))
        self._call("cublasLtMatmulPreferenceCreate", byref(made["Preference"]))
        layouts = [made["Layout"]] * 4
        best, found = Heuristic(), c_int()
        self._call("cublasLtMatmulAlgoGetHeuristic", self.handle, made["Desc"], *layouts,
                   made["Preference"], 1, byref(best), byref(found))
        if not found.value:
            raise cuda_driver.Error("cuBLASLt knows no algorithm")
        one, zero = c_float(1), c_float(0)
        self._call("cublasLtMatmul", self.handle, made["Desc"], byref(one), addresses[0],
                   layouts[0], addresses[1], layouts[1], byref(zero), addresses[2], layouts[2],
                   addresses[2], layouts[3], byref(best.algorithm), None, c_size_t(0),
                   self.stream)
        result = np.empty((n, n), np.float32)
        self._call("cuMemcpyDtoHAsync_v2", c_void_p(result.ctypes.data), addresses[2],
                   c_size_t(result.nbytes), self.stream)
        self._call("cuStreamSynchronize", self.stream)
        for address in addresses:
            self._call("cuMemFree_v2", address)
        self._call("cublasLtMatmulPreferenceDestroy", made["Preference"])
        self._call("cublasLtMatrixLayoutDestroy", made["Layout"])
        self._call("cublasLtMatmulDescDestroy", made["Desc"])
        return result

    def close(self) -> None:
        self._call("cublasLtDestroy", self.handle)
        self._call("cuStreamDestroy_v2", self.stream)
        self._call("cuCtxPopCurrent_v2", byref(c_void_p()))
        self._call("cuDevicePrimaryCtxRelease_v2", self.device)
