"""The form in which the CEL library hands out a checked expression: `cel.expr.CheckedExpr`, the parts that we read.

The numbers are those of the published format. It is read with definitions made here, since no package ships them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE: Final = "maitred.checked"
# message: field, number, type; `*` before a type: many of it. Maps are written as the entries that they are.
_MESSAGES: Final[dict[str, str]] = {
    "CheckedExpr": "references 2 *ReferenceEntry, types 3 *TypeEntry, expr 4 Expr, source_info 5 SourceInfo",
    "ReferenceEntry": "key 1 int64, value 2 Reference",
    "Reference": "name 1 string, overload_id 3 *string",
    "TypeEntry": "key 1 int64, value 2 Type",
    "Type": "dyn 1 Empty, null 2 int64, primitive 3 int64, wrapper 4 int64, well_known 5 int64, list_type 6 ListType,"
    " map_type 7 MapType, message_type 9 string, type_param 10 string, type 11 Type",
    "Empty": "",
    "ListType": "elem_type 1 Type",
    "MapType": "key_type 1 Type, value_type 2 Type",
    "SourceInfo": "line_offsets 3 *int32, positions 4 *Position",
    "Position": "key 1 int64, value 2 int32",
    "Expr": "id 2 int64, const_expr 3 Constant, ident_expr 4 Ident, select_expr 5 Select, call_expr 6 CallExpr,"
    " list_expr 7 CreateList, struct_expr 8 CreateStruct, comprehension_expr 9 Comprehension",
    "Constant": "null_value 1 int64, bool_value 2 bool, int64_value 3 int64, uint64_value 4 uint64,"
    " double_value 5 double, string_value 6 string, bytes_value 7 bytes",
    "Ident": "name 1 string",
    "Select": "operand 1 Expr, field 2 string, test_only 3 bool",
    "CallExpr": "target 1 Expr, function 2 string, args 3 *Expr",
    "CreateList": "elements 1 *Expr",
    "CreateStruct": "message_name 1 string, entries 2 *Entry",
    "Entry": "id 1 int64, field_key 2 string, map_key 3 Expr, value 4 Expr",
    "Comprehension": "iter_var 1 string, iter_range 2 Expr, accu_var 3 string, accu_init 4 Expr, loop_condition 5 Expr,"
    " loop_step 6 Expr, result 7 Expr, iter_var2 8 string",
}
_SCALARS: Final = {
    "int64": _FIELD.TYPE_INT64,
    "uint64": _FIELD.TYPE_UINT64,
    "int32": _FIELD.TYPE_INT32,
    "bool": _FIELD.TYPE_BOOL,
    "double": _FIELD.TYPE_DOUBLE,
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
}


def read(serialized: bytes) -> Any:
    """The CheckedExpr of a serialized expression."""
    whole = any_pb2.Any.FromString(serialized)
    return _checked_expr().FromString(whole.value)


@cache
def _checked_expr() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in filter(None, fields.split(", ")):
            _add_field(message, *field.split())
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.CheckedExpr"))


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: str, kind: str) -> None:
    label = _FIELD.LABEL_REPEATED if kind.startswith("*") else _FIELD.LABEL_OPTIONAL
    kind = kind.lstrip("*")
    field = message.field.add(name=name, number=int(number), label=label)
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
