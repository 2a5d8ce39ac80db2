"""Rules and segments: CEL expressions over `subject`, `context`, `item` and `now`. See docs/rules.md."""

from maitred_server.playbook.rules.answers import Answers
from maitred_server.playbook.rules.columns import ItemColumns
from maitred_server.playbook.rules.declarations import BUILT_IN, RESERVED, Declarations, TypeName, typed
from maitred_server.playbook.rules.errors import RuleError, RuleFailure
from maitred_server.playbook.rules.gate import Gate
from maitred_server.playbook.rules.program import Program
from maitred_server.playbook.rules.rule import Rule, Uses, compile  # noqa: A004 - the word of the trade

__all__ = [
    "compile",
    "Declarations",
    "TypeName",
    "typed",
    "Rule",
    "Uses",
    "RuleError",
    "RuleFailure",
    "Program",
    "Answers",
    "Gate",
    "ItemColumns",
    "BUILT_IN",
    "RESERVED",
]
