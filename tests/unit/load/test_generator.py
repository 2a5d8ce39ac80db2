"""One process's sending, with made-up servers in its place."""

from __future__ import annotations

import asyncio
import multiprocessing
import time

from maitred.v1 import decision_pb2, feedback_pb2
from maitred_server.load import told
from maitred_server.load.asked import Asked, Mix, Outcome, Place, Placement, Plan, Step, Subjects, Wire
from maitred_server.load.generator import Generator, Job
from maitred_server.load.measured import Measured, StepResult
from maitred_server.load.wire import Call, Calls, Failed

ANSWER = decision_pb2.DecideResponse(
    decisions=[
        decision_pb2.PlacementDecision(decision_id="d", placement="home", slate=[decision_pb2.Choice(item="TEA")]),
        decision_pb2.PlacementDecision(decision_id="e", placement="empty"),
    ],
    receipt=b"sealed" * 50,
).SerializeToString()


async def quick(request: bytes) -> bytes:
    return ANSWER


async def acknowledge(request: bytes) -> bytes:
    events = feedback_pb2.RecordRequest.FromString(request).batch.events
    result = feedback_pb2.BatchResult(accepted=len(events))
    return feedback_pb2.RecordResponse(result=result).SerializeToString()


PATIENT = Wire("", deadline_s=60.0)
NO_FEEDBACK = Mix()


def play(
    step: Step, decide: Call = quick, record: Call = acknowledge, wire: Wire = PATIENT, mix: Mix = NO_FEEDBACK
) -> StepResult:
    """What one process measures of a step."""
    ours, theirs = multiprocessing.Pipe()
    job = Job(Asked((Placement("home"),), Subjects(count=5), mix=mix), wire, Place(0, 1), poisson=False)

    async def run() -> None:
        generator = Generator(job, [Calls(decide, quick, record)], theirs)
        ours.send_bytes(told.encode(told.Go(0, time.monotonic(), step)))
        running = asyncio.create_task(generator.obey())
        while not isinstance(message := await asyncio.to_thread(heard), told.Done):
            assert isinstance(message, told.Interval)
            measured.add(message)
        measured.add(message)
        ours.send_bytes(told.encode(told.Stop()))
        await running

    def heard() -> told.Told:
        message: told.Told = told.read_told(ours.recv_bytes())
        return message

    measured = Measured(Plan((step,), ramp=False), wire.deadline_s)
    measured.begin(step, 0.0)
    asyncio.run(run())
    measured.end()
    ours.close()
    theirs.close()
    return measured.steps[0]


def test_a_stall_is_felt_by_every_call_that_it_delayed() -> None:
    """Of 60 calls meant for the 300 ms of a stall the median took long: latency counts from the intended time."""
    began: list[float] = []

    async def stall(request: bytes) -> bytes:
        began.append(time.monotonic())
        await asyncio.sleep(max(0.0, began[0] + 0.3 - time.monotonic()))
        return ANSWER

    count = play(Step(200.0, 0.3), stall).count
    assert (count.wanted, count.answered) == (60, 60)
    assert count.latency.percentile(50) >= 100_000


def test_the_generators_own_stall_is_told() -> None:
    """When the generator itself hangs, its calls are late, and say so; their latencies hold the lateness too."""

    async def hang(request: bytes) -> bytes:
        if not hung:
            hung.append(True)
            time.sleep(0.3)
        return ANSWER

    hung: list[bool] = []
    count = play(Step(200.0, 0.3), hang).count
    assert (count.wanted, count.sent) == (60, 60)
    assert count.late.percentile(50) >= 100_000
    assert count.latency.percentile(99) >= count.late.percentile(99)


def test_what_nobody_would_wait_for_is_not_sent() -> None:
    """Calls later than the deadline, and calls beyond the most that may be under way, count as NOT_SENT."""

    async def never(request: bytes) -> bytes:
        await asyncio.sleep(1.5)  # longer than the step, also when this machine stalls
        raise Failed("DEADLINE_EXCEEDED", "too late")

    count = play(Step(100.0, 0.2), never, wire=Wire("", deadline_s=60.0, most_under_way=5)).count
    assert dict(count.failed) == {"NOT_SENT": 15, "DEADLINE_EXCEEDED": 5}
    assert (count.sent, count.wanted, count.answered) == (5, 20, 0)


def test_feedback_has_the_shares_that_were_asked_for() -> None:
    """Every decision that has choices is exposed with its receipt; half of them have an outcome of a choice."""
    batches: list[feedback_pb2.FeedbackBatch] = []

    async def record(request: bytes) -> bytes:
        batches.append(feedback_pb2.RecordRequest.FromString(request).batch)
        return await acknowledge(request)

    mix = Mix(1.0, (Outcome("click", 0.5),))
    count = play(Step(1000.0, 0.3), record=record, mix=mix).count
    events = [event for batch in batches for event in batch.events]
    exposures = [event.exposure for event in events if event.HasField("exposure")]
    outcomes = [event.outcome for event in events if event.HasField("outcome")]
    assert {(one.decision_id, one.receipt) for one in exposures} == {("d", b"sealed" * 50)}
    assert {(one.type, one.item) for one in outcomes} == {("click", "TEA")}
    assert len(exposures) == 300
    assert 100 < len(outcomes) < 200
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert (count.accepted, count.feedback_failures, len({batch.client for batch in batches})) == (len(events), 0, 1)
    assert max(len(batch.events) for batch in batches) <= 500


def test_feedback_that_fails_is_counted() -> None:
    """A batch that fails as a whole, and events that are refused, are told by status and break no decision."""

    async def refuse(request: bytes) -> bytes:
        refused = [feedback_pb2.RefusedEvent(code=9, field="exposure.receipt", message="expired")]
        return feedback_pb2.RecordResponse(result=feedback_pb2.BatchResult(refused=refused)).SerializeToString()

    async def fail(request: bytes) -> bytes:
        raise Failed("UNAVAILABLE", "gone")

    refused = play(Step(50.0, 0.1), record=refuse, mix=Mix(1.0)).count
    failed = play(Step(50.0, 0.1), record=fail, mix=Mix(1.0)).count
    assert (refused.answered, set(refused.refused)) == (5, {"FAILED_PRECONDITION"})
    assert (failed.answered, dict(failed.feedback_failed)) == (5, {"UNAVAILABLE": 5})
