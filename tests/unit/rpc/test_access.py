from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from maitred_server.errors import InvalidRequest, NotAllowed, NotAuthenticated
from maitred_server.rpc.access import ALL_ROLES, ROLES, Access
from maitred_server.rpc.handlers import METHODS


def access_file(folder: Path, **changes: object) -> Path:
    entry = {
        "sha256": sha256(b"s3cret").hexdigest(),
        "brand": "shop.live",
        "roles": ["decide"],
        "name": "web",
    } | changes
    lines = [f"{name} = {value!r}" for name, value in entry.items() if value is not None]
    path = folder / "access.toml"
    path.write_text("[[key]]\n" + "\n".join(lines) + "\n")
    return path


def test_a_known_key_is_its_caller(tmp_path: Path) -> None:
    """Brand and roles come from the key, never from the request."""
    caller = Access.from_file(access_file(tmp_path)).caller("Bearer s3cret")
    assert (caller.name, caller.brand, caller.roles) == ("web", "shop.live", frozenset({"decide"}))


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "Basic s3cret", "s3cret"])
def test_no_key_or_a_wrong_one_is_refused(tmp_path: Path, authorization: str | None) -> None:
    """With an access file nobody calls without a known key."""
    with pytest.raises(NotAuthenticated):
        Access.from_file(access_file(tmp_path)).caller(authorization)


@pytest.mark.parametrize("method", METHODS)
def test_each_call_needs_its_own_role(tmp_path: Path, method: str) -> None:
    """Every call is refused to a key that has all roles but the one it needs, and allowed to one that has just that."""
    without = Access.from_file(access_file(tmp_path, roles=sorted(ALL_ROLES - {ROLES[method]}))).caller("Bearer s3cret")
    with pytest.raises(NotAllowed):
        without.require(method)
    Access.from_file(access_file(tmp_path, roles=[ROLES[method]])).caller("Bearer s3cret").require(method)


def test_a_call_without_a_rule_is_refused() -> None:
    """Deny by default: even a caller with every role may not make a call that no rule names."""
    with pytest.raises(NotAllowed):
        Access.open_to_all("default").caller(None).require("AdminService/Unheard")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sha256": "short"}, "64 hexadecimal"),
        ({"brand": None}, "`brand`"),
        ({"brand": "Shop/Live"}, "1 to 32"),
        ({"roles": ["decide", "king"]}, "king"),
    ],
)
def test_a_wrong_access_file_says_what_is_wrong(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    """The server does not start with an access file that it does not understand."""
    with pytest.raises(InvalidRequest, match=told):
        Access.from_file(access_file(tmp_path, **changes))


def test_the_credential_is_only_looked_at_where_it_matters(tmp_path: Path) -> None:
    """Without an access file everybody is the same caller, whatever the key; with one that depends on the key."""
    everyone = Access.open_to_all("shop")
    assert everyone.everybody == everyone.caller(None) == everyone.caller("Bearer whatever")
    assert Access.from_file(access_file(tmp_path)).everybody is None
