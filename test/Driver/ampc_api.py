# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The C API of libampc_runtime.so through ctypes, for tests and benchmarks.

A thin layer over ampc.h: arrays are numpy arrays, errors are exceptions, handles are freed by
`with` or close(). Nothing is hidden, so that a test sees what a C program would.

    api = Runtime("build/lib/libampc_runtime.so")
    with api.open("train.so") as module, module.session(device="host") as session:
        batch = session.batch(x=x, target=target)
        info = session.step(batch)
        w = session.get("fc1.weight")
"""
import ctypes
import json
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_void_p

import numpy as np

OK, INVALID_ARGUMENT, NOT_FOUND, INCOMPATIBLE, OUT_OF_MEMORY, IO, CORRUPT = range(7)
TRAINING_STOPPED, DATA, DEVICE, INTERNAL, BUSY = range(7, 12)
FAILURES = ("none", "forward", "gradient", "batch")
CHECKS = {"skip": 0, "off": 1, "every": 2}
SCHEDULES = ("constant", "linear", "cosine", "step", "onecycle")
DEVICES = {"auto": 0, "host": 1, "cuda": 2}
ROLES = ("input", "output", "parameter", "constant", "state", "scalar", "derived")


class DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32),
                ("ndim", c_int32), ("dtype", DLDataType), ("shape", POINTER(c_int64)),
                ("strides", POINTER(c_int64)), ("byte_offset", ctypes.c_uint64)]


class NamedTensor(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("tensor", POINTER(DLTensor))]


class StepInfo(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("step", c_int64), ("loss", c_float),
                ("loss_scale", c_float), ("next_loss_scale", c_float), ("grad_norm", c_float),
                ("learning_rate", c_float), ("applied", c_int32), ("culprit", c_char_p),
                ("failure", c_int), ("bad_tensor", c_char_p), ("bad_node", c_char_p),
                ("bad_operator", c_char_p), ("bad_index", c_int64), ("bad_value", c_float),
                ("bad_text", c_char_p), ("micro_batch", c_int32), ("micro_batches", c_int32),
                ("bad_micro_batch", c_int32)]


class Schedule(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("kind", c_int), ("base", c_float),
                ("warmup", c_int64), ("last", c_int64), ("every", c_int64), ("factor", c_float)]


class SessionOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("device", c_int), ("device_ordinal", c_int32),
                ("threads", c_int32), ("seed", c_int64), ("check_finite", c_int)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("role", c_int),
                ("dtype", DLDataType), ("rank", c_int32), ("shape", POINTER(c_int64)),
                ("trained", c_int32), ("label", c_int32), ("batched", c_int32), ("loss", c_int32)]


class Error(Exception):
    """A status other than NULL. `info` is what a stopped step had filled."""

    def __init__(self, code, message, node, info=None):
        super().__init__(message)
        self.code, self.node, self.info = code, node, info


# DLPack's type codes: int 0, uint 1, float 2, bfloat 4, bool 6. numpy has no bfloat16: its
# bits travel as uint16.
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}


def dtype_to_dl(dtype):
    return DLDataType(CODES[dtype.kind], dtype.itemsize * 8, 1)


def dtype_from_dl(dl):
    if dl.code == 4:
        return np.dtype(np.uint16)
    if dl.code == 6:
        return np.dtype(np.bool_)
    return np.dtype({0: "i", 1: "u", 2: "f"}[dl.code] + str(dl.bits // 8))


class Tensors:
    """Arrays by name as ampc_named_tensor_t[]; keeps alive what the C structs point to."""

    def __init__(self, arrays, dtypes=None):
        self.arrays = {k: np.ascontiguousarray(v).reshape(np.shape(v)) for k, v in arrays.items()}
        self.count = len(self.arrays)
        self.entries = (NamedTensor * max(self.count, 1))()
        self.tensors, self.shapes = [], []
        for i, (name, array) in enumerate(self.arrays.items()):
            shape = (c_int64 * max(array.ndim, 1))(*array.shape)
            dl = (dtypes or {}).get(name) or dtype_to_dl(array.dtype)
            tensor = DLTensor(array.ctypes.data, 1, 0, array.ndim, dl,
                              ctypes.cast(shape, POINTER(c_int64)), None, 0)
            self.shapes.append(shape)
            self.tensors.append(tensor)
            self.entries[i] = NamedTensor(name.encode(), ctypes.pointer(tensor))


class Runtime:
    """libampc_runtime.so, or another library with the same interface."""

    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        status = c_void_p
        named, handle, out = POINTER(NamedTensor), c_void_p, POINTER(c_void_p)
        for name, result, arguments in (
            ("ampc_version", c_char_p, []),
            ("ampc_status_code", c_int, [status]),
            ("ampc_status_message", c_char_p, [status]),
            ("ampc_status_node", c_char_p, [status]),
            ("ampc_status_free", None, [status]),
            ("ampc_module_open", status, [c_char_p, out]),
            ("ampc_module_close", None, [handle]),
            ("ampc_module_inspect", status, [handle, c_int, out]),
            ("ampc_string_free", None, [c_void_p]),
            ("ampc_module_tensor_count", c_size_t, [handle]),
            ("ampc_module_tensor", status, [handle, c_size_t, POINTER(TensorInfo)]),
            ("ampc_module_trains", c_int, [handle]),
            ("ampc_module_micro_batches", c_int, [handle]),
            ("ampc_session_create", status, [handle, POINTER(SessionOptions), out]),
            ("ampc_session_destroy", None, [handle]),
            ("ampc_session_device", c_int, [handle]),
            ("ampc_session_step", status, [handle, named, c_size_t, POINTER(StepInfo)]),
            ("ampc_session_get_step_info", status, [handle, c_int64, POINTER(StepInfo)]),
            ("ampc_session_steps", c_int64, [handle]),
            ("ampc_session_micro_batch", c_int, [handle]),
            ("ampc_session_synchronize", status, [handle]),
            ("ampc_session_evaluate", status, [handle, named, c_size_t, named, c_size_t]),
            ("ampc_session_get_tensor", status, [handle, c_char_p, POINTER(DLTensor)]),
            ("ampc_session_set_tensor", status, [handle, c_char_p, POINTER(DLTensor)]),
            ("ampc_session_set_learning_rate", status, [handle, c_float]),
            ("ampc_session_set_schedule", status, [handle, POINTER(Schedule)]),
            ("ampc_session_get_schedule", c_int, [handle, POINTER(Schedule)]),
            ("ampc_schedule_rate", c_float, [POINTER(Schedule), c_int64]),
            ("ampc_session_set_metadata", status, [handle, c_char_p, c_char_p]),
            ("ampc_session_get_metadata", c_char_p, [handle, c_char_p]),
            ("ampc_session_save_checkpoint", status, [handle, c_char_p]),
            ("ampc_session_load_checkpoint", status, [handle, c_char_p, POINTER(c_int)]),
        ):
            function = getattr(self.c, name)
            function.restype, function.argtypes = result, arguments

    def check(self, status, info=None):
        if status:
            error = Error(self.c.ampc_status_code(status),
                          self.c.ampc_status_message(status).decode(),
                          self.c.ampc_status_node(status).decode(), info)
            self.c.ampc_status_free(status)
            raise error

    def open(self, path):
        return Module(self, path)


class Module:
    def __init__(self, runtime, path):
        self.runtime, self.handle = runtime, c_void_p()
        runtime.check(runtime.c.ampc_module_open(str(path).encode(), byref(self.handle)))
        self.tensors = {}
        for i in range(runtime.c.ampc_module_tensor_count(self.handle)):
            info = TensorInfo(struct_size=ctypes.sizeof(TensorInfo))
            runtime.check(runtime.c.ampc_module_tensor(self.handle, i, byref(info)))
            self.tensors[info.name.decode()] = info

    def names(self, *roles):
        """The names of the tensors that have one of these roles."""
        return [n for n, t in self.tensors.items() if ROLES[t.role] in roles]

    def shape(self, name):
        info = self.tensors[name]
        return tuple(info.shape[i] for i in range(info.rank))

    def inspect(self, device="host"):
        text = c_void_p()
        self.runtime.check(
            self.runtime.c.ampc_module_inspect(self.handle, DEVICES[device], byref(text)))
        value = json.loads(ctypes.string_at(text))
        self.runtime.c.ampc_string_free(text)
        return value

    def micro_batches(self):
        return self.runtime.c.ampc_module_micro_batches(self.handle)

    def session(self, device="host", threads=0, seed=0, check_finite="skip"):
        return Session(self, device, threads, seed, check_finite)

    def close(self):
        self.runtime.c.ampc_module_close(self.handle)
        self.handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Session:
    def __init__(self, module, device, threads, seed, check_finite):
        self.module, self.runtime, self.handle = module, module.runtime, c_void_p()
        self.c = self.runtime.c
        options = SessionOptions(ctypes.sizeof(SessionOptions), DEVICES[device], 0, threads, seed,
                                 CHECKS[check_finite])
        self.runtime.check(
            self.c.ampc_session_create(module.handle, byref(options), byref(self.handle)))
        self.info = StepInfo(struct_size=ctypes.sizeof(StepInfo))

    def batch(self, arrays=None, **more):
        """Inputs for step() and evaluate(); may be used again and again."""
        return Tensors({**(arrays or {}), **more})

    def step(self, batch):
        """Attempts an update and waits. The StepInfo given is the same object each time."""
        status = self.c.ampc_session_step(self.handle, batch.entries, batch.count,
                                          byref(self.info))
        if status:
            self.runtime.check(status, self.info)
        return self.info

    def enqueue(self, batch):
        """Attempts an update and does not ask what happened."""
        status = self.c.ampc_session_step(self.handle, batch.entries, batch.count, None)
        if status:
            self.runtime.check(status)

    def step_info(self, step):
        info = StepInfo(struct_size=ctypes.sizeof(StepInfo))
        self.runtime.check(self.c.ampc_session_get_step_info(self.handle, step, byref(info)), info)
        return info

    def micro_batch(self):
        return self.c.ampc_session_micro_batch(self.handle)

    def steps(self):
        return self.c.ampc_session_steps(self.handle)

    def synchronize(self):
        self.runtime.check(self.c.ampc_session_synchronize(self.handle))

    def evaluate(self, batch, outputs=None):
        """The outputs by name: all, or those asked for."""
        names = self.module.names("output") if outputs is None else outputs
        results = {n: np.empty(self.module.shape(n), dtype_from_dl(self.module.tensors[n].dtype))
                   for n in names}
        held = Tensors(results, {n: self.module.tensors[n].dtype for n in names})
        self.runtime.check(self.c.ampc_session_evaluate(self.handle, batch.entries, batch.count,
                                                        held.entries, held.count))
        return held.arrays

    def get(self, name):
        info = self.module.tensors[name]
        held = Tensors({name: np.empty(self.module.shape(name), dtype_from_dl(info.dtype))},
                       {name: info.dtype})
        self.runtime.check(
            self.c.ampc_session_get_tensor(self.handle, name.encode(), byref(held.tensors[0])))
        return held.arrays[name]

    def set(self, name, value):
        info = self.module.tensors[name]
        held = Tensors({name: np.asarray(value, dtype_from_dl(info.dtype))}, {name: info.dtype})
        self.runtime.check(
            self.c.ampc_session_set_tensor(self.handle, name.encode(), byref(held.tensors[0])))

    def set_learning_rate(self, value):
        self.runtime.check(self.c.ampc_session_set_learning_rate(self.handle, value))

    @staticmethod
    def schedule(kind, base, warmup=0, last=0, every=0, factor=0):
        return Schedule(ctypes.sizeof(Schedule), SCHEDULES.index(kind), base, warmup, last, every,
                        factor)

    def set_schedule(self, schedule):
        self.runtime.check(self.c.ampc_session_set_schedule(
            self.handle, byref(schedule) if schedule else None))

    def get_schedule(self):
        found = Schedule(ctypes.sizeof(Schedule))
        return found if self.c.ampc_session_get_schedule(self.handle, byref(found)) else None

    def set_metadata(self, key, value):
        self.runtime.check(self.c.ampc_session_set_metadata(
            self.handle, key.encode(), value.encode() if value is not None else None))

    def save(self, path):
        self.runtime.check(self.c.ampc_session_save_checkpoint(self.handle, str(path).encode()))

    def load(self, path):
        """True where the run goes on bit for bit."""
        exact = c_int()
        self.runtime.check(
            self.c.ampc_session_load_checkpoint(self.handle, str(path).encode(), byref(exact)))
        return bool(exact.value)

    def close(self):
        self.c.ampc_session_destroy(self.handle)
        self.handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
