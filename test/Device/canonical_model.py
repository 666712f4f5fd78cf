"""The form of an ONNX model that does not depend on the version of onnx that wrote it.

Two models have one form where ampc sees the same in both: what a file says of its origin is
left out, sets have one order, and the elements of a tensor lie in one field.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np
import onnx

# Where the elements of a type are when they are not raw, and their type when they are.
FIELDS = {
    onnx.TensorProto.FLOAT: ("float_data", "<f4"),
    onnx.TensorProto.DOUBLE: ("double_data", "<f8"),
    onnx.TensorProto.FLOAT16: ("int32_data", "<u2"),
    onnx.TensorProto.BFLOAT16: ("int32_data", "<u2"),
    onnx.TensorProto.BOOL: ("int32_data", "u1"),
    onnx.TensorProto.INT8: ("int32_data", "i1"),
    onnx.TensorProto.UINT8: ("int32_data", "u1"),
    onnx.TensorProto.INT16: ("int32_data", "<i2"),
    onnx.TensorProto.UINT16: ("int32_data", "<u2"),
    onnx.TensorProto.INT32: ("int32_data", "<i4"),
    onnx.TensorProto.INT64: ("int64_data", "<i8"),
    onnx.TensorProto.UINT32: ("uint64_data", "<u4"),
    onnx.TensorProto.UINT64: ("uint64_data", "<u8"),
}
ORIGIN = ("doc_string", "producer_name", "producer_version")
# Fields whose order says nothing, and what they are sorted by.
SETS = {"attribute": "name", "opset_import": "domain", "metadata_props": "key",
        "value_info": "name"}


class ExternalData(Exception):
    """A tensor is in another file, which no form of the model holds."""


def _clean_tensor(tensor: onnx.TensorProto) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ExternalData(f"tensor {tensor.name} is external data")
    tensor.ClearField("data_location")  # written out by some, though it is the default
    if tensor.HasField("raw_data") or tensor.data_type not in FIELDS:
        return
    field, dtype = FIELDS[tensor.data_type]
    values = np.array(getattr(tensor, field))
    tensor.ClearField(field)
    tensor.raw_data = values.astype(dtype).tobytes()


def _clean(message) -> None:
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if name in ORIGIN:
            message.ClearField(name)
        elif descriptor.message_type is not None:
            children = value if hasattr(value, "add") else [value]
            for child in children:
                _clean(child)
            if name in SETS:
                children.sort(key=lambda child: getattr(child, SETS[name]))
    if isinstance(message, onnx.TensorProto):
        _clean_tensor(message)


def form(model: bytes) -> bytes:
    """A model that does not parse is its own form."""
    try:
        parsed = onnx.ModelProto.FromString(model)
    except Exception:  # of the protobuf library that onnx happens to bring
        return model
    _clean(parsed)
    return parsed.SerializeToString(deterministic=True)
