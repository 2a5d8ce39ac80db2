"""All settings of the server, in one table.

A setting's value is the first of: the command line, the environment (`MAITRED_` and its name in capitals), the TOML
file, the
default here. `docs/settings.md` is made from this table.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from maitred_server.errors import InvalidRequest
from maitred_server.model import Kind

BRAND_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,31}$"
PREFIX = "MAITRED_"
DAY_MS = 86_400_000
KINDS = {kind.name.lower(): kind for kind in Kind}


class Settings(BaseModel):
    """Everything that an operator may set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(description="The data directory. Made when it is not there.")
    listen: str = Field("127.0.0.1:7400", description="Host and port to serve on; port 0 takes any free one.")
    metrics: str = Field("127.0.0.1:7401", description="Host and port of the Prometheus metrics; empty: none.")
    front: Literal["grpcio", "envoy"] = Field(
        "grpcio",
        description="What carries the calls: `grpcio`, or `envoy` (less CPU a call, and JSON over HTTP; needs "
        "`maitred[envoy]`); see docs/fronts.md.",
    )
    workers: int = Field(1, ge=1, le=64, description="Worker processes that share the port.")
    brand: str = Field(
        "default",
        pattern=BRAND_PATTERN,
        description="Brand and environment of callers without a key, e.g. `shop.live`.",
    )
    access: Path | None = Field(
        None, description="TOML file of access keys; see docs/operations.md. None: every caller may do everything."
    )
    default_kind: Literal["person", "household", "device", "session"] = Field(
        "person", description="Kind of a subject whose request names none."
    )
    replay_clock: bool = Field(
        False,
        description="Take the clock from requests (`at_ms`, `occurred_at_ms`), to replay the past. For tests, demos.",
    )
    map_size_gib: float = Field(
        64.0,
        gt=0,
        le=16384,
        description="The most the store may grow to, GiB. Address space, not disk; fixed while the server runs.",
    )
    allow_overlay: bool | None = Field(
        None,
        description="Accept a data directory in a container's own layer, which is lost with it. None: refused.",
    )
    receipt_days: float = Field(
        45.0,
        gt=0,
        le=400,
        description="How long receipts are valid: longest offline time + longest wait for an outcome + 7 days.",
    )
    history_records: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="How many records are kept of one subject. Over it the oldest views go first, then other events, "
        "then exposures and outcomes; never consents, merges or traits in force.",
    )
    retention: str = Field(
        "",
        description="How many days records of a type are kept, as `view=90,exposure=400`: an event's type, `exposure`, "
        "`outcome` or `outcome.TYPE`. Empty, and for other types: no limit but `history_records`.",
    )
    session_hours: float = Field(
        24.0,
        gt=0,
        le=8760,
        description="How long nothing may happen in a session before it is ended and forgotten, hours.",
    )
    publish_interval_s: float = Field(
        0.5, gt=0, le=3600, description="How often the learner publishes what it learned, seconds."
    )
    catalogue_versions: int = Field(
        0,
        ge=0,
        description="How many published versions are kept of a brand, at least 20. 0: as many as records of the "
        "journal may name; see docs/publishing.md.",
    )
    explain_records: int = Field(
        2_000_000,
        ge=0,
        description="How many records of the journal may be read to explain one decision of the past, whose policy "
        "snapshot is made again from the nearest one; see docs/explain.md.",
    )
    compact_hours: float = Field(
        24.0,
        ge=0,
        le=8760,
        description="How long what was erased may stay readable on the disk before the store is compacted; 0: never.",
    )
    max_concurrent_calls: int = Field(
        1024, ge=1, description="Calls under way at once in a worker; more are refused with RESOURCE_EXHAUSTED."
    )
    drain_s: float = Field(
        2.0,
        ge=0,
        le=300,
        description="After a request to stop: how long to report NOT_SERVING before calls are refused, seconds.",
    )
    stop_s: float = Field(
        10.0, ge=0, le=300, description="How long calls under way may take to end at a stop, seconds."
    )
    reflection: bool = Field(False, description="Offer gRPC server reflection.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="Form of the log; auto: console on a terminal, else JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe event that is logged."
    )
    ready_file: Path | None = Field(None, description="File to write `HOST:PORT` to once calls are served.")

    @field_validator("retention")
    @classmethod
    def _is_retention(cls, text: str) -> str:
        _ages(text)
        return text

    @property
    def ages(self) -> dict[str, int]:
        """The longest ages by type, milliseconds."""
        return _ages(self.retention)

    @property
    def versions_ms(self) -> int | None:
        """How long after its end a published version may still be named by a record, milliseconds; None: for ever."""
        exposures = self.ages.get("exposure")
        return None if exposures is None else exposures + int(self.receipt_days * DAY_MS)

    @property
    def session_ms(self) -> int:
        """Milliseconds."""
        return int(self.session_hours * 3_600_000)

    @property
    def kind(self) -> Kind:
        """The default kind as a noun."""
        return KINDS[self.default_kind]

    @property
    def map_size(self) -> int:
        """Bytes."""
        return int(self.map_size_gib * 2**30)


def _ages(text: str) -> dict[str, int]:
    """The longest ages by type, milliseconds, from `view=90,exposure=400`. Raises ValueError."""
    pairs = [part.partition("=") for part in text.replace(" ", "").split(",") if part]
    if wrong := [name for name, _, days in pairs if not name or not days.isdigit() or not 0 < int(days) <= 36_500]:
        raise ValueError(f"{wrong[0]!r} needs whole days, as view=90")
    if kept := [name for name, _, _ in pairs if name in ("consents", "traits", "merge", "not_for_me")]:
        raise ValueError(f"{kept[0]!r} is kept as long as its subject")
    return {name: int(days) * 86_400_000 for name, _, days in pairs}


def load(given: Mapping[str, Any], config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the command line (`given`, None: not given), the environment and a TOML file.

    Raises InvalidRequest.
    """
    values: dict[str, Any] = dict(_from_file(config)) if config else {}
    for name in Settings.model_fields:
        if (text := environ.get(PREFIX + name.upper())) is not None:
            values[name] = text
    values.update({name: value for name, value in given.items() if value is not None})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"setting {field}: {first['msg']}; see docs/settings.md", field) from None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidRequest(f"cannot read the settings file {path}: {error.strerror}", "config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the settings file {path} is no TOML: {error}", "config") from None


def table() -> str:
    """The settings as a Markdown table."""
    rows = ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = (
            "required" if field.is_required() else f"`{field.default}`" if field.default not in (None, "") else "none"
        )
        rows.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)
