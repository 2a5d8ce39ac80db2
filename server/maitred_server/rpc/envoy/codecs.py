"""How messages are written: as bytes that handlers take as they are, or as JSON."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from google.protobuf import json_format
from google.protobuf.message import Message as AnyMessage

Kind: TypeAlias = type[AnyMessage]


class Answer(NamedTuple):
    """A message as bytes, and what it is."""

    data: bytes
    kind: Kind


class Binary:
    """Bytes stay bytes: the handlers parse them, and say what is wrong with them."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: Answer) -> bytes:
        return message.data

    def decode(self, data: bytes | bytearray, message_class: Any) -> bytes:
        return bytes(data)


class Json:
    """The JSON form of protobuf. A field that no message has is refused: a slip of the pen must not go unnoticed."""

    def name(self) -> str:
        return "json"

    def encode(self, message: Answer) -> bytes:
        return json_format.MessageToJson(message.kind.FromString(message.data), indent=None).encode()

    def decode(self, data: bytes | bytearray, message_class: Kind) -> bytes:
        try:
            return bytes(json_format.Parse(bytes(data), message_class()).SerializeToString())
        except (json_format.ParseError, ValueError, RecursionError) as error:
            name = message_class.DESCRIPTOR.full_name
            raise ConnectError(Code.INVALID_ARGUMENT, f"this is no JSON of {name}: {error}") from None
