"""What only asyncio can do to a client: cancel, gather, and end its loop."""

from __future__ import annotations

import asyncio

import pytest
from maitred import AsyncClient, Config
from maitred.testing import FakeTransport

CONFIG = Config(deadline=30.0)


def test_equal_requests_of_one_loop_share_a_call() -> None:
    """Requests gathered at once for the same answer make one call."""
    fake = FakeTransport.serving({"p": ["A"]})
    fake.hang()

    async def run() -> None:
        async with AsyncClient(transport=fake, config=CONFIG) as maitred:
            waiting = [asyncio.ensure_future(maitred.decide("p", "s")) for _ in range(5)]
            await asyncio.sleep(0)
            fake.heal()
            decisions = await asyncio.gather(*waiting)
            assert len({decision.id for decision in decisions}) == 1

    asyncio.run(run())
    assert len(fake.asked) == 1


def test_a_cancelled_request_leaves_the_others_alone() -> None:
    """When the task that made the call is cancelled, those that share the call still get its answer."""
    fake = FakeTransport.serving({"p": ["A"]})
    fake.hang()

    async def run() -> None:
        async with AsyncClient(transport=fake, config=CONFIG) as maitred:
            first, second = (asyncio.ensure_future(maitred.decide("p", "s")) for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            fake.heal()
            assert (await second).items == ("A",)

    asyncio.run(run())
    assert len(fake.asked) == 1


def test_a_client_outlives_its_loop() -> None:
    """One client serves several loops, one after the other; an answer that comes after its loop ended harms nothing."""
    fake = FakeTransport.serving({"p": ["A"]})
    maitred = AsyncClient(transport=fake, config=CONFIG)
    fake.hang()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(maitred.decide("p", "s"), 0.01)

    asyncio.run(give_up())
    fake.heal()
    assert asyncio.run(maitred.decide("p", "other")).items == ("A",)
    asyncio.run(maitred.close())
