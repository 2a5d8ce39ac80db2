from collections.abc import Mapping
from typing import Any

from maitred_server.playbook.rules.answering import Tables
from maitred_server.playbook.rules.closures import Frame

class Answering:
    def __init__(self, tables: Tables) -> None: ...
    def failing(self, subject: Mapping[str, Any], context: Mapping[str, Any], frame: Frame, segments: int) -> int: ...
