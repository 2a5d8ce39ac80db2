"""The docs tell the truth: what they name exists, what they show compiles, where they point there is something."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import typer.main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[\s/;&|])maitred +(?P<verb>[a-z][a-z-]*)(?P<rest>[^|;&\n#]*)", re.M)
TOOL = re.compile(r"python -m (?P<module>maitred_tools[.\w]*)(?P<rest>[^|;&\n#]*)")
# Links may lead to these hosts, and examples may name them. No other host belongs in the repository.
HOSTS = {
    "localhost",
    "127.0.0.1",
    "example.com",
    "www.apache.org",
    "www.w3.org",
    "json-schema.org",
    "keepachangelog.com",
}
HOST = re.compile(r"https?://(?P<host>[\w.-]+)")
# A path of one machine: a home, a work folder, a temporary folder.
MACHINE_PATH = re.compile(r"(?<![\w.\"'{}$*-])/(?:home|root|tmp|work|Users)/[\w.]")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    language: str
    body: str


def blocks(text: str) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        yield Block(text[: match.start()].count("\n") + 1, match["info"].strip(), match["body"])


def code(text: str) -> Iterator[str]:
    """All that a page shows as code to type: its blocks and spans, but for blocks of Python."""
    yield from (block.body for block in blocks(text) if not block.language.startswith("python"))
    yield from SPAN.findall(FENCE.sub("", text))


def make_verbs(text: str) -> set[str]:
    """The verbs of `make` that a page names as code."""
    return {verb for part in code(text) for verb in re.findall(r"(?:^|[\s;&|])make +([a-z][a-z-]*)", part, re.M)}


def commands(text: str) -> set[tuple[str, str]]:
    """Each `maitred VERB` that a page names as code, with each of its options; the option is "" for the verb itself."""
    found = set()
    for part in code(text):
        for match in COMMAND.finditer(part.replace("\\\n", " ").replace("from maitred import", "")):
            options = re.findall(r"--[a-z][a-z-]*", match["rest"])
            found |= {(match["verb"], option) for option in ["", *options]}
    return found


def offered() -> set[tuple[str, str]]:
    """Each command that the program has, with each of its options, and those of the commands below it."""
    import typer.main
    from maitred_server.cli import app

    group: Any = typer.main.get_command(app)
    found = {verb: group.get_command(None, verb) for verb in group.list_commands(None)}
    names = {(verb, option) for verb in found for option in ("", "--help")}
    return names | {
        (verb, option)
        for verb, command in found.items()
        for one in (command, *getattr(command, "commands", {}).values())
        for parameter in one.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }


def tools(text: str) -> dict[str, set[str]]:
    """The options that a page names for each `python -m maitred_tools...`."""
    found: dict[str, set[str]] = {}
    for part in code(text):
        for match in TOOL.finditer(part.replace("\\\n", " ")):
            found.setdefault(match["module"], set()).update(re.findall(r"--[a-z][a-z-]*", match["rest"]))
    return found


def anchors(text: str) -> set[str]:
    """What links may name of a page: its headings, in small letters, spaces as hyphens."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    text = FENCE.sub("", page.read_text())
    return [match["target"] for match in LINK.finditer(text) if not resolves(page, match["target"])]


def resolves(page: Path, target: str) -> bool:
    if HOST.match(target):
        return True
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if path.is_dir():
        return any(file.is_file() for file in path.rglob("*"))  # git keeps no empty folder
    return path.exists() and (not anchor or anchor in anchors(path.read_text()))


def tracked() -> list[Path]:
    """The text files of the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


@every_page
def test_python_blocks_compile(page: Path) -> None:
    """Every block marked `python` is Python; one marked `python sketch` only sketches."""
    for block in blocks(page.read_text()):
        if block.language.startswith("python") and block.language != "python sketch":
            compile(block.body, f"{page.name}:{block.line}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@every_page
def test_make_verbs_exist(page: Path) -> None:
    """Every `make VERB` that a page names is in the Makefile, with a help line."""
    explained = set(re.findall(r"^([a-z-]+):.*## \w", MAKEFILE, re.M))
    assert make_verbs(page.read_text()) - explained == set()


def test_every_verb_has_help() -> None:
    """Every phony target of the Makefile has a help line."""
    phony = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.M)[0].split()
    assert sorted(phony) == sorted(re.findall(r"^([a-z-]+):.*## \w", MAKEFILE, re.M))


@every_page
def test_commands_exist(page: Path) -> None:
    """Every `maitred VERB --option` that a page names is offered by the program."""
    named = commands(page.read_text())
    assert not named or named - offered() == set()


def test_options_of_the_tools_exist() -> None:
    """Every `python -m maitred_tools... --option` that a page names is offered by that tool."""
    named: dict[str, set[str]] = {}
    for page in PAGES:
        for module, options in tools(page.read_text()).items():
            named.setdefault(module, set()).update(options)
    assert "maitred_tools.bench" in named
    doubtful = [module for module, options in named.items() if options - options_of(module)]
    assert [module for module in doubtful if named[module] - help_options(module)] == []


def options_of(module: str) -> set[str]:
    """Of what `python -m MODULE` runs, as typer has them: a process for each of dozens takes half a minute."""
    found = importlib.import_module(module)
    if hasattr(found, "__path__"):
        found = importlib.import_module(f"{module}.__main__")
    tool = typer.Typer(add_completion=False)
    tool.command()(found.main)
    parameters = typer.main.get_command(tool).params
    return {"--help"} | {name for one in parameters for name in (*one.opts, *one.secondary_opts)}


def help_options(module: str) -> set[str]:
    """As its help has them: not every tool is made with typer."""
    command = [sys.executable, "-m", module, "--help"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(re.findall(r"--[a-z][a-z-]*", answer.stdout))


def test_commands_are_documented() -> None:
    """Every command of the program is named somewhere in the docs."""
    named = {verb for page in PAGES for verb, _ in commands(page.read_text())}
    assert {verb for verb, _ in offered()} - named == set()


def test_the_table_of_settings_is_the_real_one() -> None:
    """docs/settings.md holds the table that the settings make of themselves."""
    from maitred_server import settings

    assert settings.table() in (ROOT / "docs" / "settings.md").read_text()


def test_settings_that_are_named_exist() -> None:
    """Every `--set NAME=` in the docs is a setting (`name=value` stands for any)."""
    from maitred_server.settings import Settings

    named = {name for page in PAGES for name in re.findall(r"--set (\w+)=", page.read_text())}
    assert named - set(Settings.__struct_fields__) <= {"name"}


def test_metrics_are_the_real_ones() -> None:
    """docs/operations.md names every metric of the server, and no other."""
    from maitred_server.telemetry import Telemetry
    from prometheus_client import generate_latest

    served = set(re.findall(r"^# TYPE (maitred_\w+) ", generate_latest(Telemetry().registry).decode(), re.M))
    named = set(re.findall(r"`(maitred_\w+)(?:\{[\w,]+\})?`", (ROOT / "docs" / "operations.md").read_text()))
    assert named == {name for name in served if not name.endswith("_created")}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every link between the docs leads to a file, and to a heading where it names one."""
    assert broken_links(page) == []


def test_nothing_of_one_machine() -> None:
    """No file names a folder of the machine it was written on."""
    assert [str(path.relative_to(ROOT)) for path in tracked() if MACHINE_PATH.search(path.read_text())] == []


def test_no_foreign_hosts() -> None:
    """No file names a host that the project does not need: no registry, no mirror."""
    named = {(host, str(path.relative_to(ROOT))) for path in tracked() for host in HOST.findall(path.read_text())}
    assert [pair for pair in sorted(named) if pair[0] not in HOSTS] == []


def test_the_checks_find_what_is_wrong(tmp_path: Path) -> None:
    """A wrong verb, option, link or path is seen by these checks; the same words in prose are not."""
    assert make_verbs("We make sure.\n```sh\nmake demo && make tea\n```\n`make test`") == {"demo", "tea", "test"}
    assert commands("the maitred serves; `maitred serve --data D`") == {("serve", ""), ("serve", "--data")}
    page = tmp_path / "page.md"
    (tmp_path / "empty").mkdir()
    page.write_text(
        "# One heading\n[a](#one-heading) [b](#other) [c](gone.md) [d](page.md#one-heading) [e](empty) [f](.)"
    )
    assert broken_links(page) == ["#other", "gone.md", "empty"]
    assert MACHINE_PATH.search("see /" + "home/me/x")
    assert not MACHINE_PATH.search("BRAND/" + "work/x")
