"""Who may use a data directory, and on what file systems."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from maitred_server.errors import StoreRefused
from maitred_server.store import directory, lock_directory

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/x /mnt/far nfs4 rw 0 0
overlay /layer overlay rw 0 0
/dev/sdb1 /layer/volume xfs rw 0 0
me@there: /mnt/with\\040space fuse.sshfs rw 0 0
"""

HOLD = """
import sys
from maitred_server.store import lock_directory
lock = lock_directory(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_second_server_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    """The message names the holder's process; when that ends, even by a kill, the directory is free."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(StoreRefused, match=f"in use by process {holder.pid}$"):
            lock_directory(tmp_path)
        holder.kill()
        holder.wait(30)
    with lock_directory(tmp_path):
        assert f"{os.getpid()}\n" == (tmp_path / "lock").read_text()


def test_a_closed_lock_is_free(tmp_path: Path) -> None:
    """After `close` another may have it; closing twice is no error."""
    lock = lock_directory(tmp_path / "made")
    lock.close()
    lock.close()
    lock_directory(tmp_path / "made").close()


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file in its place gives a message, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused):
        lock_directory(tmp_path / "file" / "data")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/var/data", "ext4"),
        ("/mnt/far", "nfs4"),
        ("/mnt/far/data", "nfs4"),
        ("/mnt/farther", "ext4"),
        ("/layer/data", "overlay"),
        ("/layer/volume/data", "xfs"),
        ("/mnt/with space/data", "fuse.sshfs"),
    ],
)
def test_the_file_system_is_the_one_of_the_nearest_mount(folder: str, expected: str) -> None:
    """The longest mount point that the folder is in decides, whole names only, escapes undone."""
    assert expected == directory.file_system(Path(folder), MOUNTS)


def test_network_file_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is allowed for containers, a network file system is refused; a local one is accepted."""
    monkeypatch.setattr(directory, "_mounts", lambda: MOUNTS)
    for folder in ("/mnt/far/data", "/mnt/with space"):
        with pytest.raises(StoreRefused, match="network file system"):
            directory.check_file_system(Path(folder), allow_overlay=True)
    directory.check_file_system(Path("/layer/volume"), allow_overlay=False)


def test_a_containers_own_layer_is_refused_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the parameter, or, when it is not given, by the environment."""
    monkeypatch.setattr(directory, "_mounts", lambda: MOUNTS)
    monkeypatch.delenv(directory.ALLOW_OVERLAY, raising=False)
    layer = Path("/layer/data")
    with pytest.raises(StoreRefused, match="lost with it"):
        directory.check_file_system(layer)
    directory.check_file_system(layer, allow_overlay=True)
    monkeypatch.setenv(directory.ALLOW_OVERLAY, "1")
    directory.check_file_system(layer)
    with pytest.raises(StoreRefused):
        directory.check_file_system(layer, allow_overlay=False)
