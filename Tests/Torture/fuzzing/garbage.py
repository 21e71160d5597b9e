"""Calls with well-formed payloads that mean nothing: extreme numbers, times and texts."""
import time

from client import (
    CREDIT, INTERNAL, REPLY, Connection, Gone, Refused, frame)
from harness import Violation
from schema import METHODS, envelope_pb2 as envelope

LOG = "01890000-0000-7000-8000-000000000001"
TEXTS = [
    "", "erp", "agent-1", "export_order", "order", LOG, "ÄÖÜÄÖ", "\r\n" * 6, "e\u0301" * 9,
    "0 2 * * *", "* * * * *", "0 0 29 2 *", "Europe/Berlin", "UTC", "+14:00", "-14:59",
    '{"n":1e308}', '{"type":"object"}', "t1.2.3", "t9.9223372036854775807.5",
    f"l{LOG}-1y2p0ij32e8e7", "e9223372036854775807", "a9223372036854775807", "d1",
    f"r1y2p0ij32e8e7.l{LOG}1", "x" * 300, "viewer", "01890000", "nightly"]
NUMBERS = [
    0, 1, 2, 5, 60, 1000, 86_400_000, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, -1, -2**63,
    -2**31, 1_750_000_000, 253_402_300_799, 253_402_300_800, -62_135_596_800]
# What a field of this name often has, so that calls get behind their first checks.
LIKELY = {
    "agent_id": ["agent-1"], "log_id": [LOG], "id": [LOG], "integration": ["erp"],
    "name": ["erp", "nightly"], "action_type": ["export_order"],
    "type": ["order", "export_order"], "cron": ["0 2 * * *", "*/7 3-5 1,15 * 1-5", "0 0 29 2 1"],
    "time_zone": ["Europe/Berlin", "UTC", "Pacific/Apia", ""], "author": ["a"],
    "support_contact": ["b"], "integrations": ["erp"], "action_types": ["export_order"]}
# A backup writes where its caller says; a deletion takes from the others what they work on.
LEFT_OUT = {"BackUp", "DeleteIntegration"}


def _value(field, random):
    if field.type == field.TYPE_STRING:
        likely = LIKELY.get(field.name)
        return random.choice(likely if likely and random.random() < 0.85 else TEXTS)
    if field.type == field.TYPE_BYTES:
        return b"abc"
    if field.type == field.TYPE_BOOL:
        return random.random() < 0.5
    if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
        return random.choice([0.5, 1, 2, 1e300, -1, float("nan"), float("inf")])
    if field.type == field.TYPE_ENUM:
        return random.choice([value.number for value in field.enum_type.values] + [99])
    return random.choice(NUMBERS)


def fill(message, random, density, depth=0):
    """Sets some of a message's fields, and those of its submessages."""
    for field in message.DESCRIPTOR.fields:
        if random.random() > density:
            continue
        repeated = field.label == field.LABEL_REPEATED
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name)[random.choice(["k", "", "ü"])] = "v"
        elif field.message_type is not None:
            if depth > 4:
                continue
            for _ in range(random.choice([1, 1, 2]) if repeated else 1):
                place = getattr(message, field.name)
                inner = place.add() if repeated else place
                if not repeated:
                    inner.SetInParent()
                fill(inner, random, random.choice([0.3, 0.7, 1]), depth + 1)
        else:
            _set(message, field, repeated, random)
    return message


def _set(message, field, repeated, random):
    for _ in range(6):
        try:
            if repeated:
                getattr(message, field.name).append(_value(field, random))
            else:
                setattr(message, field.name, _value(field, random))
            return
        except (ValueError, TypeError):
            pass  # The number does not fit the field; another may.


def _answer(connection, call, method):
    """The code and payload of a call's reply; what a stream sends before it is passed."""
    if method.name in ("TailLogs", "ExportData", "BackUp", "PruneLogs"):
        connection.write(frame(CREDIT, 0, call, 50))
    while True:
        kind, code, number, payload = connection.next_frame()
        if kind == REPLY and number == call:
            return code, payload


def make_calls(run, server, key, seconds):
    """Calls every method with what means nothing, for a time: each call is answered, none by
    INTERNAL, and the server lives."""
    until = time.monotonic() + seconds
    methods = [method for method in METHODS.values() if method.name not in LEFT_OUT]
    recent = []
    while time.monotonic() < until:
        try:
            operator, agent = server.operator(timeout=20), Connection(server.tcp, key, timeout=20)
            for _ in range(60):
                method = run.random.choice(methods)
                side = agent if method.service == "AgentService" else operator
                request = fill(method.request(), run.random, run.random.choice([0.15, 0.5, 0.9]))
                recent = [*recent[-9:], f"{method.name} {request!s:.400}".replace("\n", " ")]
                code, payload = _answer(side, side.send(method.name, request, 20), method)
                run.count("odd calls")
                if code == INTERNAL:
                    message = envelope.Status.FromString(payload).message
                    raise Violation(f"INTERNAL ({message}) to {recent[-1]}")
            operator.close()
            agent.close()
        except Gone as gone:
            if not server.lives():
                raise Violation(
                    f"the server ended with {server.process.returncode} after one of: "
                    + " | ".join(recent)) from gone
            # One of the calls revoked the key: no other end of a connection is right.
            if str(gone) != "TOKEN_REVOKED":
                raise Violation(f"a connection ended, {gone}, after one of: {recent}") from gone
            key = _new_key(server) or key
            run.count("keys revoked")
    run.require(server.lives(), f"the server ended after one of: {' | '.join(recent)}")
    return key


def _new_key(server):
    operator = server.operator()
    try:
        listed = operator.call("ListKeys", integration="erp").keys
        for old in listed:
            if not old.HasField("revoked_at"):
                operator.call("RevokeKey", key_id=old.id)
        return operator.call("CreateKey", integration="erp").secret
    except Refused:
        return None
    finally:
        operator.close()
