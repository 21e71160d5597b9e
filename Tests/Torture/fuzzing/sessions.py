"""Recorded sessions against a running server: in pieces, cut short, and with text that is none."""
import array, fcntl, termios, time

from client import (
    CALL, CANCEL, CREDIT, GOAWAY, HEADER, INVALID_ARGUMENT, PING, PONG, REPLY, Gone, connected,
    frame, hello)
from harness import Violation
from schema import METHODS, STATUS, envelope_pb2 as envelope

LOG = "01890000-0000-7000-8000-0000000000aa"


class Session:
    """The bytes of one client from its first to its last, and which of its frames are answered.

    Each call may be made again: a report has its sequence, a request its idempotency key."""

    def __init__(self, name, token, calls):
        self.name, self.bytes, self.answered = name, hello(token, "cut"), {0}
        for method, payload in calls:
            call = len(self.answered)
            self.answered.add(call)
            self.bytes += frame(CALL, METHODS[method].id, call, 30000, payload)
            if method == "TailLogs":
                self.bytes += frame(CREDIT, 0, call, 5) + frame(CANCEL, 0, call)
        self.bytes += frame(PING, payload=b"ping")


def _payload(method, **fields):
    return method, METHODS[method].request(**fields).SerializeToString()


def recorded(key):
    """A short session, all that an agent does, and an operator who reads, asks and follows."""
    report = dict(
        log_id=LOG, sequence=1, action_type="export_order", status=STATUS.LOG_STATUS_COMPLETED,
        status_message="größer", labels={"k": "ü"}, entity=dict(type="order", id="1"))
    heartbeat = _payload(
        "Heartbeat", agent_id="agent-1", instance_id="i", interval_ms=10000)
    agent = [
        _payload("RegisterAction", agent_id="agent-1", actions=[
            dict(type="export_order", name="Export", entity_type="order", can_be_requested=True)]),
        _payload("ReportLog", agent_id="agent-1", report=report),
        _payload("ReportLogBatch", agent_id="agent-1", reports=[report, dict(log_id="none")]),
        _payload("PollRequests", agent_id="agent-1", maximum_requests=1),
        heartbeat,
        # What is refused: no message, a method of operators, a heartbeat of nobody.
        ("Heartbeat", b"\x0a\x02\xc3\x28"), ("GetStatus", b""), ("Heartbeat", b""),
    ]
    operator = [
        ("ListLogs", b""),
        _payload("CreateRequest", integration="erp", action_type="export_order",
                 entity=dict(id="2"), idempotency_key="k"),
        _payload("GetLog", id=LOG), ("TailLogs", b""), ("GetServerInfo", b""),
    ]
    return [
        Session("short", key, [heartbeat]), Session("agent", key, agent),
        Session("operator", "", operator)]


def _wait_until_read(socket):
    """Returns when the server has taken all that was sent, so that the next write comes alone."""
    left, limit = array.array("i", [1]), time.monotonic() + 20
    while left[0]:
        fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, left)
        if time.monotonic() > limit:
            raise Violation("the server reads nothing for 20 s")


def answers(address, session, places):
    """What a session is answered when its bytes part at some places: by call (0: the ping) the
    code, and of a refusal or a pong the payload."""
    found, buffer, start = {}, b"", 0
    with connected(address, timeout=20) as socket:
        for end in [*places, len(session.bytes)]:
            socket.sendall(session.bytes[start:end])
            if end < len(session.bytes):
                _wait_until_read(socket)
            start = end
        while len(found) < len(session.answered):
            chunk = socket.recv(65536)
            if not chunk:
                raise Gone(f"closed after the answers to {sorted(found)}")
            buffer += chunk
            while len(buffer) >= 16:
                length, kind, _, number, call, _ = HEADER.unpack(buffer[:16])
                if len(buffer) < 4 + length:
                    break
                payload, buffer = buffer[16:4 + length], buffer[4 + length:]
                if kind == GOAWAY:
                    raise Gone(envelope.GoAway.FromString(payload).reason)
                if kind in (REPLY, PONG):
                    found[call] = (kind, number, payload if number or kind == PONG else b"")
    return found


def _same(run, server, session, places, expected):
    try:
        found = answers(server.unix, session, places)
    except OSError as error:
        raise Violation(
            f"session {session.name} split at {places}: {error!r}, "
            f"server {server.process.poll()}") from error
    if found != expected:
        wrong = [call for call in expected if found.get(call) != expected[call]]
        raise Violation(f"session {session.name} split at {places}: other answers to {wrong}")
    run.count("splits")


def split_everywhere(run, server, session):
    """A session in two pieces, wherever they part, is answered as a whole one."""
    expected = answers(server.unix, session, [])
    for place in range(1, len(session.bytes)):
        _same(run, server, session, [place], expected)


def split_in_three(run, server, session, until):
    """All pairs of places in the first 200 bytes, in an order of the seed, as far as time goes."""
    expected = answers(server.unix, session, [])
    end = min(200, len(session.bytes))
    pairs = [[one, two] for one in range(1, end - 1) for two in range(one + 1, end)]
    run.random.shuffle(pairs)
    for number, pair in enumerate(pairs):
        if time.monotonic() > until:
            run.figure("pairs left out", len(pairs) - number)
            return
        _same(run, server, session, pair, expected)


def cut_everywhere(run, server, session):
    """A session that ends at any byte leaves nothing: no connection, no poll, and the server is as
    it was."""
    expected = answers(server.unix, session, [])
    for end in range(len(session.bytes)):
        with connected(server.unix, timeout=20) as socket:
            socket.sendall(session.bytes[:end])
            # Half of them go when the server has read all, half at once.
            if end % 2 == 0:
                _wait_until_read(socket)
        run.count("cuts")
    _expect_nothing_left(server, session)
    if answers(server.unix, session, []) != expected:
        raise Violation(f"session {session.name} is answered otherwise after it was cut")


def _expect_nothing_left(server, session):
    operator, limit = server.operator(), time.monotonic() + 20
    while True:
        counters = operator.call("GetServerInfo").counters
        left = {name: counters[name] for name in ("connections", "tails", "waiting_polls")}
        if left == {"connections": 1, "tails": 0, "waiting_polls": 0}:
            operator.close()
            return
        if time.monotonic() > limit:
            raise Violation(f"cut sessions of {session.name} leave {left}")


# Texts that no UTF-8 is, and one that the protocol forbids: each behind some ASCII, because eight
# bytes are looked at at once.
NO_TEXTS = [
    b"\x80", b"\xc3", b"\xc3\x28", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82",
    b"\xf4\x90\x80\x80", b"\x00", b"a\x00b"]


def _text_fields(descriptor, prefix=()):
    """The paths of all text fields of a message, through submessages, lists and maps."""
    for field in descriptor.fields:
        path = (*prefix, field.number)
        if field.type == field.TYPE_STRING:
            yield path
        elif field.message_type is not None and len(path) < 5:
            yield from _text_fields(field.message_type, path)


def _varint(number):
    data = b""
    while number >= 0x80:
        data, number = data + bytes([number & 0x7F | 0x80]), number >> 7
    return data + bytes([number])


def _nested(path, value):
    """The bytes of a message with one text at a path of field numbers."""
    for number in reversed(path):
        value = _varint(number << 3 | 2) + _varint(len(value)) + value
    return value


def refuse_what_is_no_text(run, server, key):
    """Bytes that are no text, in each text field of each method, are refused as no message."""
    for method in METHODS.values():
        agent = method.service == "AgentService"
        calls = [
            (method.name, _nested(path, b"a" * (number * 3 % 17) + text))
            for path in _text_fields(method.request.DESCRIPTOR)
            for number, text in enumerate(NO_TEXTS)]
        for first in range(0, len(calls), 200):
            session = Session(method.name, key if agent else "", calls[first:first + 200])
            found = answers(server.unix, session, [])
            for call, (name, payload) in enumerate(calls[first:first + 200], 1):
                _, code, status = found[call]
                reason = envelope.Status.FromString(status).reason
                if (code, reason) != (INVALID_ARGUMENT, "PAYLOAD_INVALID"):
                    raise Violation(f"{name} takes {payload!r}: {code} {reason}")
                run.count("texts refused")
