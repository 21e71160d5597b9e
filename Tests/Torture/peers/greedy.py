"""Attacks that keep to every limit of a call, and take much of what all integrations share: work,
places, memory."""
import time

from attacking import WIDEST, Flood, attack, calls, request
from client import CALL, CANCEL, Connection, Refused, frame, uuid7
from schema import METHODS, STATUS

# Connections of begun_frames: two reactors with --maximum-buffered-bytes of 64 MiB hold fewer.
BEGUN = 2_400
BEGUN_BYTES = 60_000
NUMBERS = 131_000


# Work

@attack
def schemas(target):
    """Declarations of fifteen schemas of 256 KiB, one call at a time."""
    text = '{"enum":[%s]}' % ",".join(["1"] * NUMBERS)
    declared = METHODS["RegisterAction"].request(agent_id="agent-1", actions=[
        dict(type=f"schema-{number}", name="x", entity_type="order", can_be_requested=True,
             input_schema=text) for number in range(15)])
    repeated(target, "RegisterAction", lambda: declared)


@attack
def wide_batches(target):
    """Batches of 85 reports with 900 record errors each, one call at a time."""
    errors = [dict(reference_id="1", message="m")] * 900
    batch = METHODS["ReportLogBatch"].request(agent_id="agent-1", reports=[dict(
        sequence=1, action_type="export_order", entity=dict(type="order", id="1"),
        status=STATUS.LOG_STATUS_COMPLETED, errors=errors) for _ in range(85)])

    def fresh():
        for report in batch.reports:
            report.log_id = uuid7()
        return batch
    repeated(target, "ReportLogBatch", fresh)


def repeated(target, method, make):
    """One call after the other on one connection; a server that refuses them says so."""
    connection = Connection(target.tcp, target.key, timeout=60)
    while target.left() > 0:
        target.count("calls")
        message = make()
        target.count("bytes", message.ByteSize())
        try:
            connection.call(method, message)
        except Refused:
            target.count("refused")
    connection.close()


@attack
def hard_schema(target):
    """An action whose schema takes seconds to check no input at all, and an operator who asks for
    it three times a second."""
    schema = '{"$defs":{"e":{"enum":[%s{}]}},"allOf":[%s]}' % (
        "1," * 100_000, ",".join(['{"$ref":"#/$defs/e"}'] * 2_000))
    agent = Connection(target.tcp, target.key, timeout=60)
    operator = Connection(target.tcp, target.token, timeout=60)
    try:
        agent.call("RegisterAction", agent_id="agent-1", actions=[dict(
            type="hard", name="x", entity_type="order", can_be_requested=True,
            input_schema=schema)])
    except Refused:
        target.count("refused")
    while target.left() > 0:
        target.count("requests")
        try:
            made = operator.call(
                "CreateRequest", integration="erp", action_type="hard",
                entity=dict(type="order", id="1")).log.id
            operator.call("CancelRequest", id=made, reason="it was asked for to be checked")
        except Refused:
            target.count("refused")
        time.sleep(0.3)


@attack
def long_floods(target):
    """The message with the most fields on sixty connections, again and again."""
    Flood(target, 60, lambda last: (
        frame(CALL, METHODS["Heartbeat"].id, last + 1, 30_000, WIDEST), 1, last + 1)).run()


# Places

@attack
def many_polls(target):
    """As many polls as a server lets wait; then all their connections end at once."""
    text, _, _ = calls("PollRequests", each=1_000, agent_id="flood", wait_ms=60_000)(0)
    while target.left() > 0:
        ends = opened(target, 20)
        for made in ends:
            if sent(target, made, text):
                target.count("polls", 1_000)
        held(target, ends, 0.4)
        for made in ends:
            made.close()


@attack
def named_polls(target):
    """Four thousand polls that each name a hundred actions which nobody declares."""
    ends = opened(target, 4)
    for first in range(1, 1_001, 25):
        for place, made in enumerate(ends):
            text = b"".join(frame(
                CALL, METHODS["PollRequests"].id, number, 0, request(
                    "PollRequests", agent_id="flood", wait_ms=60_000, action_types=[
                        f"{place}.{number}.{name}.".ljust(128, "x") for name in range(100)]))
                for number in range(first, first + 25))
            if target.left() > 0 and sent(target, made, text):
                target.count("polls", 25)
        held(target, ends, 0.005)
    held(target, ends, target.left())
    for made in ends:
        made.close()


@attack
def ended_polls(target):
    """Polls that wait until five hundred more have come, and are cancelled: what is kept for the
    minute that they would have waited."""
    def make(last):
        numbers = range(last + 1, last + 501)
        return (b"".join(poll(number) for number in numbers)
                + b"".join(frame(CANCEL, call=number - 500) for number in numbers if last), 500,
                last + 500)
    payload = request("PollRequests", agent_id="flood", wait_ms=60_000)

    def poll(number):
        return frame(CALL, METHODS["PollRequests"].id, number, 0, payload)
    # What is kept for each is little: it takes many.
    target.ends += 9
    Flood(target, 3, make).run()


@attack
def begun_frames(target):
    """Connections that each begin a frame, too short a piece to count for much, and wait."""
    text = frame(CALL, METHODS["ReportLog"].id, 1, 0, bytes(70_000))[:BEGUN_BYTES]
    ends = []
    while len(ends) < BEGUN and target.left() > 0:
        for made in opened(target, 20):
            if sent(target, made, text):
                target.count("frames")
            ends.append(made)
    held(target, ends[:20], target.left())
    for made in ends:
        made.close()


def opened(target, count):
    """So many connections, as far as they are not turned away."""
    return [made for made in (target.open() for _ in range(count)) if made]


def sent(target, made, text):
    """Whether the server took all of a text within five seconds."""
    made.settimeout(5)
    try:
        made.sendall(text)
        target.count("bytes", len(text))
        return True
    except OSError:
        target.count("closed by the server")
        return False
    finally:
        made.setblocking(False)


def held(target, ends, seconds):
    """Keeps connections for so long, and reads what comes."""
    until = time.monotonic() + min(seconds, target.left())
    while True:
        for made in ends:
            try:
                while made.recv(1 << 16):
                    pass
            except OSError:
                pass
        if time.monotonic() >= until:
            return
        time.sleep(0.005)
