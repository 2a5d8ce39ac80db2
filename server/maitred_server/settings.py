"""All settings of the server, in one table.

A setting's value is the first of: the command line, the environment (`MAITRED_` and its name in capitals), the TOML
file, the default here. `docs/settings.md` is made from this table.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import fields

from maitred_server.errors import InvalidRequest
from maitred_server.model import Kind

BRAND_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,31}$"
PREFIX = "MAITRED_"
DAY_MS = 86_400_000
WORDS = {"yes": True, "y": True, "on": True, "t": True, "no": False, "n": False, "off": False, "f": False}
KINDS = {kind.name.lower(): kind for kind in Kind}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator may set."""

    data: Annotated[Path, Meta(description="The data directory. Made when it is not there.")]
    listen: Annotated[str, Meta(description="Host and port to serve on; port 0 takes any free one.")] = "127.0.0.1:7400"
    metrics: Annotated[str, Meta(description="Host and port of the Prometheus metrics; empty: none.")] = (
        "127.0.0.1:7401"
    )
    front: Annotated[
        Literal["grpcio", "asyncio", "envoy"],
        Meta(
            description="What carries the calls: `grpcio`, `asyncio` (the same on grpcio's public server, for more "
            "CPU), or `envoy` (JSON over HTTP, too; needs `maitred[envoy]`); see docs/fronts.md."
        ),
    ] = "grpcio"
    workers: Annotated[int, Meta(ge=1, le=64, description="Worker processes that share the port.")] = 1
    brand: Annotated[
        str,
        Meta(pattern=BRAND_PATTERN, description="Brand and environment of callers without a key, e.g. `shop.live`."),
    ] = "default"
    access: Annotated[
        Path | None,
        Meta(description="TOML file of access keys; see docs/operations.md. None: every caller may do everything."),
    ] = None
    default_kind: Annotated[
        Literal["person", "household", "device", "session"],
        Meta(description="Kind of a subject whose request names none."),
    ] = "person"
    replay_clock: Annotated[
        bool,
        Meta(
            description="Take the clock from requests (`at_ms`, `occurred_at_ms`), to replay the past. For tests, "
            "demos."
        ),
    ] = False
    map_size_gib: Annotated[
        float,
        Meta(
            gt=0,
            le=16384,
            description="The most the store may grow to, GiB. Address space, not disk; fixed while the server runs.",
        ),
    ] = 64.0
    allow_overlay: Annotated[
        bool | None,
        Meta(description="Accept a data directory in a container's own layer, which is lost with it. None: refused."),
    ] = None
    receipt_days: Annotated[
        float,
        Meta(
            gt=0,
            le=400,
            description="How long receipts are valid: longest offline time + longest wait for an outcome + 7 days.",
        ),
    ] = 45.0
    history_records: Annotated[
        int,
        Meta(
            ge=100,
            le=1_000_000,
            description="How many records are kept of one subject. Over it the oldest views go first, then other "
            "events, then exposures and outcomes; never consents, merges or traits in force.",
        ),
    ] = 10_000
    retention: Annotated[
        str,
        Meta(
            description="How many days records of a type are kept, as `view=90,exposure=400`: an event's type, "
            "`exposure`, `outcome` or `outcome.TYPE`. Empty, and for other types: no limit but `history_records`."
        ),
    ] = ""
    session_hours: Annotated[
        float,
        Meta(
            gt=0,
            le=8760,
            description="How long nothing may happen in a session before it is ended and forgotten, hours.",
        ),
    ] = 24.0
    publish_interval_s: Annotated[
        float, Meta(gt=0, le=3600, description="How often the learner publishes what it learned, seconds.")
    ] = 0.5
    catalogue_versions: Annotated[
        int,
        Meta(
            ge=0,
            description="How many published versions are kept of a brand, at least 20. 0: as many as records of the "
            "journal may name; see docs/publishing.md.",
        ),
    ] = 0
    explain_records: Annotated[
        int,
        Meta(
            ge=0,
            description="How many records of the journal may be read to explain one decision of the past, whose policy "
            "snapshot is made again from the nearest one; see docs/explain.md.",
        ),
    ] = 2_000_000
    compact_hours: Annotated[
        float,
        Meta(
            ge=0,
            le=8760,
            description="How long what was erased may stay readable on the disk before the store is compacted; 0: "
            "never.",
        ),
    ] = 24.0
    max_concurrent_calls: Annotated[
        int, Meta(ge=1, description="Calls under way at once in a worker; more are refused with RESOURCE_EXHAUSTED.")
    ] = 1024
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=300,
            description="After a request to stop: how long to report NOT_SERVING before calls are refused, seconds.",
        ),
    ] = 2.0
    stop_s: Annotated[
        float, Meta(ge=0, le=300, description="How long calls under way may take to end at a stop, seconds.")
    ] = 10.0
    reflection: Annotated[bool, Meta(description="Offer gRPC server reflection.")] = False
    log_format: Annotated[
        Literal["auto", "console", "json"], Meta(description="Form of the log; auto: console on a terminal, else JSON.")
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severe event that is logged.")
    ] = "info"
    ready_file: Annotated[Path | None, Meta(description="File to write `HOST:PORT` to once calls are served.")] = None

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
    for name in Settings.__struct_fields__:
        if (text := environ.get(PREFIX + name.upper())) is not None:
            values[name] = text
    values.update({name: value for name, value in given.items() if value is not None})
    known = {field.name: field for field in fields(Settings)}
    for name in [*values, *(field.name for field in known.values() if field.required)]:
        if name not in known:
            raise _wrong(name, "there is no such setting")
        if name not in values:
            raise _wrong(name, "is required")
    return Settings(**{name: _converted(name, known[name].type, value) for name, value in values.items()})


def _converted(name: str, wanted: Any, value: object) -> Any:
    """One by one, so that what is wrong with a value is said of its setting."""
    if isinstance(value, str) and _meaning(wanted)[0] is bool:
        value = WORDS.get(value.lower(), value)
    try:
        made = msgspec.convert(value, wanted, strict=False, dec_hook=_made)
        if name == "retention":
            _ages(made)
    except ValueError as error:  # a ValidationError of msgspec is one
        choices = get_args(_meaning(wanted)[0])
        raise _wrong(name, f"must be one of {', '.join(choices)}" if _is_text(choices) else str(error)) from None
    return made


def _wrong(name: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"setting {name}: {reason}; see docs/settings.md", name)


def _meaning(wanted: Any) -> tuple[Any, Meta]:
    """What a setting holds, and what is said of it."""
    held, told = get_args(wanted)
    return held, told


def _is_text(choices: tuple[object, ...]) -> bool:
    return bool(choices) and all(isinstance(one, str) for one in choices)


def _made(wanted: type, value: object) -> object:
    """A path of its text. Raises ValueError."""
    if wanted is Path and isinstance(value, str | Path):
        return Path(value)
    raise ValueError("must be a path")


def to_json(settings: Settings) -> str:
    """To be read by `from_json`, in another process."""
    return msgspec.json.encode(settings, enc_hook=str).decode()


def from_json(text: str) -> Settings:
    """Settings that `to_json` wrote."""
    return msgspec.json.decode(text, type=Settings, dec_hook=_made)


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
    for field in fields(Settings):
        default = "required" if field.required else f"`{field.default}`" if field.default not in (None, "") else "none"
        meaning = _meaning(field.type)[1].description
        rows.append(f"| `{field.name}` | `{PREFIX}{field.name.upper()}` | {default} | {meaning} |")
    return "\n".join(rows)
