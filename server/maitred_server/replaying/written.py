"""A replayed log as a Parquet file, for other tools; `maitred replay --log` reads it too."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.log import Log, Target

TARGET: Final = "target"  # `--policy column:target`


def write(path: Path, log: Log, target: Target) -> None:
    """One row a filled slot. Subjects and decisions have numbers; nothing leads back to anybody.

    Raises InvalidRequest when it cannot be written.
    """
    if path.suffix.lower() != ".parquet":
        raise InvalidRequest(f"{path} must end in .parquet", "write-log")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidRequest("Parquet needs pyarrow: pip install 'maitred[import]'", "write-log") from None
    assert log.candidates is not None
    assert target.whole is not None
    names, starts = np.array(log.actions, object), pyarrow.array(log.candidates.starts, pyarrow.int64())
    offered = pyarrow.array(names[log.candidates.action], pyarrow.string())
    columns = {
        "subject": log.cluster[log.decision],
        "decision": log.decision,
        "slot": log.rank + 1,
        "position": log.slot,
        "action": names[log.action],
        "probability": log.probability,
        "reward": log.reward,
        "candidates": pyarrow.LargeListArray.from_arrays(starts, offered),
        TARGET: pyarrow.LargeListArray.from_arrays(starts, pyarrow.array(target.whole)),
        **{f"x_{number}": log.features[:, number] for number in range(log.features.shape[1])},
    }
    try:
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    except OSError as error:
        raise InvalidRequest(
            f"cannot write {path}: {error.strerror or 'it is no place for a file'}", "write-log"
        ) from None
