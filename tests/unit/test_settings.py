from __future__ import annotations

from pathlib import Path

import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.model import Kind
from maitred_server.settings import from_json, load, table, to_json


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    """Each source overrules the ones behind it, setting by setting."""
    file = tmp_path / "maitred.toml"
    file.write_text('data = "from-file"\nworkers = 2\nbrand = "file"\nlisten = "127.0.0.1:1"\n')
    settings = load({"workers": 4, "metrics": None}, file, {"MAITRED_WORKERS": "3", "MAITRED_BRAND": "environment"})
    assert (settings.workers, settings.brand, settings.listen) == (4, "environment", "127.0.0.1:1")
    assert settings.data == Path("from-file")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"data": "d", "workers": 0}, "workers"),
        ({}, "data"),
        ({"data": "d", "wrokers": 2}, "wrokers"),
        ({"data": "d", "workers": "two"}, "workers"),
        ({"data": "d", "front": "nginx"}, "front.*one of grpcio, asyncio, envoy"),
        ({"data": "d", "brand": "A B"}, "brand"),
        ({"data": "d", "access": 5}, "access.*path"),
        ({"data": "d", "retention": "view=90,exposure"}, "exposure.*view=90"),
        ({"data": "d", "retention": "consents=9"}, "consents.*kept"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], field: str) -> None:
    """A value out of range, a missing one and an unknown name are refused by name."""
    with pytest.raises(InvalidRequest, match=field):
        load(given, None, {})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """A settings file that is missing or no TOML is refused in words."""
    with pytest.raises(InvalidRequest, match="cannot read"):
        load({}, tmp_path / "none.toml", {})
    (tmp_path / "bad.toml").write_text("data = ")
    with pytest.raises(InvalidRequest, match="no TOML"):
        load({}, tmp_path / "bad.toml", {})


def test_derived_values() -> None:
    """Kind, map size, ages and times come out as the server uses them."""
    given = {"default_kind": "household", "map_size_gib": 0.5, "retention": "view=90, exposure=1", "session_hours": 0.5}
    settings = load({"data": "d", **given}, None, {})
    assert settings.ages == {"view": 90 * 86_400_000, "exposure": 86_400_000}
    assert settings.session_ms == 1_800_000
    assert settings.kind is Kind.HOUSEHOLD
    assert settings.map_size == 2**29


def test_text_becomes_what_a_setting_holds() -> None:
    """Values from the environment and from `--set` are text, whatever a setting holds."""
    given = {
        "data": "d",
        "reflection": "yes",
        "replay_clock": "false",
        "drain_s": "0",
        "workers": "3",
        "access": "a.toml",
    }
    settings = load(given, None, {})
    assert (settings.reflection, settings.replay_clock, settings.drain_s) == (True, False, 0.0)
    assert (settings.workers, settings.access) == (3, Path("a.toml"))


def test_settings_cross_over_to_another_process() -> None:
    """What is written for a worker is read as it was."""
    settings = load({"data": Path("d"), "access": "keys.toml", "workers": 2}, None, {})
    assert from_json(to_json(settings)) == settings


def test_the_documented_table_is_the_code() -> None:
    """docs/settings.md holds exactly the table that the code makes."""
    documented = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    assert table() in documented
