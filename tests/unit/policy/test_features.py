from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.policy.features import KeyIndex


@given(
    st.lists(st.sampled_from(range(12)), max_size=30), st.dictionaries(st.sampled_from(range(16)), st.integers(0, 9))
)
def test_scatter_is_a_lookup_by_key(candidates: list[int], met: dict[int, int]) -> None:
    """Each candidate gets the value of its key, 0 where there is none, however often a key comes and in whatever
    order.
    """
    spread = 0x9E3779B97F4A7C15  # small numbers over the whole range of keys
    item_keys = np.array([key * spread % 2**64 for key in candidates], np.uint64)
    known = np.array([key * spread % 2**64 for key in met], np.uint64)
    values = np.array(list(met.values()), np.uint32)
    expected = [float(met.get(key, 0)) for key in candidates]
    assert KeyIndex(item_keys).scatter(known, values).tolist() == expected
