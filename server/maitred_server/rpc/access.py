"""Who may call what. Deny by default: a call without a rule, or a key without the role, is refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from maitred_server.errors import InvalidRequest, NotAllowed, NotAuthenticated
from maitred_server.settings import BRAND_PATTERN

# The role that each call needs. `import` is a right on top: it allows events of any age.
ROLES: dict[str, str] = {
    "DecisionService/Decide": "decide",
    "DecisionService/DecideBatch": "decide",
    "DecisionService/Explain": "explain",
    "DecisionService/Watch": "decide",
    "FeedbackService/Record": "feedback",
    "FeedbackService/Stream": "feedback",
    "ProfileService/GetProfile": "profile",
    "ProfileService/PutTraits": "profile",
    "ProfileService/RecordEvents": "profile",
    "ProfileService/DeleteProfile": "profile",
    "ProfileService/GetErasure": "profile",
    "ProfileService/ExportSubject": "profile",
    "ProfileService/PutConsents": "profile",
    "ProfileService/MergeSubjects": "profile",
    "ProfileService/UnmergeSubjects": "profile",
    "ProfileService/EndSession": "feedback",
    "AdminService/Publish": "admin",
    "AdminService/DiffPlaybook": "admin",
    "AdminService/PreviewPlaybook": "admin",
    "AdminService/ListVersions": "admin",
    "AdminService/Rollback": "admin",
    "AdminService/ImportItems": "admin",
    "AdminService/SetItemState": "items",
    "AdminService/GetItemState": "items",
    "AdminService/GetStatus": "admin",
}
ANONYMOUS = "anonymous"
IMPORT = "import"
OVERRIDE = "override"
ALL_ROLES = frozenset(ROLES.values()) | {IMPORT, OVERRIDE}


class Caller(NamedTuple):
    """Who calls, as the credential says."""

    name: str
    brand: str
    roles: frozenset[str]

    def require(self, method: str) -> None:
        """Raises NotAllowed unless the caller may make this call."""
        role = ROLES.get(method)
        if role is None or role not in self.roles:
            raise NotAllowed(f"this key may not call {method}; it needs the role {role!r}")

    def require_right(self, right: str, field: str) -> None:
        """Raises NotAllowed unless the caller may fill this field of a call; a right is a role on top of the call's."""
        if right not in self.roles:
            raise NotAllowed(f"this key may not set {field}; it needs the role {right!r}", field)


class Access:
    """The callers of one server."""

    def __init__(self, keys: Mapping[str, Caller], anonymous: Caller | None) -> None:
        """`keys`: SHA-256 of a key in hexadecimal -> its caller.

        `anonymous`: who calls without a key; None: refused.
        """
        self._keys = keys
        self._anonymous = anonymous

    @classmethod
    def open_to_all(cls, brand: str) -> Access:
        """Without an access file: every caller may do everything in one brand."""
        return cls({}, Caller(ANONYMOUS, brand, ALL_ROLES))

    @classmethod
    def from_file(cls, path: Path) -> Access:
        """Read an access file. Raises InvalidRequest with what is wrong."""
        try:
            entries = tomllib.loads(path.read_text()).get("key", [])
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidRequest(f"cannot read the access file {path}: {error}", "access") from None
        return cls({_digest(entry, number): _caller(entry, number) for number, entry in enumerate(entries)}, None)

    @property
    def everybody(self) -> Caller | None:
        """Who calls, whatever the credential; None: that depends on it."""
        return None if self._keys else self._anonymous

    def caller_of(self, metadata: Iterable[tuple[str, str | bytes]] | None) -> Caller:
        """The caller of a gRPC call by its metadata. Raises NotAuthenticated."""
        for key, value in metadata or ():
            if key == "authorization":
                return self.caller(value if isinstance(value, str) else None)
        return self.caller(None)

    def caller(self, authorization: str | None) -> Caller:
        """The caller of the `authorization` metadata. Raises NotAuthenticated."""
        if authorization is None:
            if self._anonymous is None:
                raise NotAuthenticated("an access key is needed: metadata `authorization: Bearer KEY`")
            return self._anonymous
        scheme, _, key = authorization.partition(" ")
        caller = self._keys.get(sha256(key.encode()).hexdigest()) if scheme.lower() == "bearer" else None
        if caller is None:
            if self._anonymous is not None:
                return self._anonymous
            raise NotAuthenticated("this access key is not known")
        return caller


def _digest(entry: Mapping[str, object], number: int) -> str:
    digest = entry.get("sha256")
    if not (isinstance(digest, str) and len(digest) == 64):
        raise InvalidRequest(
            f"access key {number}: `sha256` must be the 64 hexadecimal digits of the key's SHA-256", "access"
        )
    return digest.lower()


def _caller(entry: Mapping[str, object], number: int) -> Caller:
    brand, roles = entry.get("brand"), entry.get("roles")
    if not isinstance(brand, str) or not isinstance(roles, list):
        raise InvalidRequest(f"access key {number}: `brand` and a list of `roles` are needed", "access")
    if unknown := set(roles) - ALL_ROLES:
        raise InvalidRequest(
            f"access key {number}: unknown roles {sorted(unknown)}; known are {sorted(ALL_ROLES)}", "access"
        )
    if not re.match(BRAND_PATTERN, brand):
        raise InvalidRequest(f"access key {number}: a brand is 1 to 32 of a-z, 0-9, dot, dash and underscore", "access")
    return Caller(str(entry.get("name", f"key {number}")), brand, frozenset(roles))
