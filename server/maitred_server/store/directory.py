"""The data directory: who may use it, and on what file systems."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from maitred_server.errors import StoreRefused

ALLOW_OVERLAY = "MAITRED_ALLOW_OVERLAY"

# Neither a memory map shared between processes nor fsync can be trusted on these.
# fmt: off
_NETWORK = frozenset((
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
    "prl_fs", "smb2", "smb3", "smbfs", "vboxsf", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs",
    "fuse.goofys", "fuse.grpcfuse", "fuse.osxfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
))
# fmt: on
_LAYERED = frozenset(("aufs", "fuse.fuse-overlayfs", "overlay"))


class DirectoryLock:
    """Holds a data directory for one server; free again when closed or when the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        """Let go; closing twice is no error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> DirectoryLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def lock_directory(path: str | os.PathLike[str]) -> DirectoryLock:
    """Take the data directory (made when missing) for this process; raises StoreRefused when another has it."""
    folder = make_private(Path(path))
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreRefused(f"the data directory is in use by process {holder}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return DirectoryLock(descriptor)


def make_private(folder: Path) -> Path:
    """Make a directory that only its owner may enter; raises StoreRefused when that cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreRefused(f"the data directory cannot be made: {error.strerror}") from error
    return folder


def check_file_system(folder: Path, allow_overlay: bool | None = None) -> None:
    """Refuse a file system that cannot keep the promise of an acknowledgement.

    `allow_overlay`: accept a container's own layer, which is lost with the container; None: as the environment variable
    `MAITRED_ALLOW_OVERLAY` says ("1": yes). Raises StoreRefused.
    """
    kind = file_system(folder, _mounts())
    if kind in _NETWORK:
        raise StoreRefused(f"the data directory is on a network file system ({kind}); use a local disk")
    if kind in _LAYERED and not _overlay_allowed(allow_overlay):
        raise StoreRefused(
            f"the data directory is in a container's own layer ({kind}) and would be lost with it; mount a volume"
            f" there, or set {ALLOW_OVERLAY}=1 if its loss does not matter"
        )


def file_system(folder: Path, mounts: str) -> str:
    """The type of the file system that `folder` is on, by a table like /proc/mounts; "" when it does not say."""
    where = str(folder.resolve())
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split()
        point = _unescaped(fields[1])
        inside = where == point or where.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _unescaped(point: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point


def _overlay_allowed(allow: bool | None) -> bool:
    return os.environ.get(ALLOW_OVERLAY) == "1" if allow is None else allow


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
