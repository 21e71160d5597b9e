"""What refused peers are told: the documented code and reason of each, and nothing else happens."""
import itertools, socket, time

from google.protobuf.descriptor import FieldDescriptor

from client import (
    CALL, CANCEL, CREDIT, GOAWAY, HEADER, INVALID_ARGUMENT, PREFACE, RESOURCE_EXHAUSTED,
    UNIMPLEMENTED, Connection, Gone, connected, frame, hello)
from harness import need_program
from schema import METHODS, envelope_pb2 as envelope
from server import Server

LIMIT = 4 << 20
# Not UTF-8 (cut, overlong, a surrogate, beyond Unicode, a lone continuation), and NUL.
BAD_TEXTS = [b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"a\0b"]


def varint(value):
    text = b""
    while value > 127:
        text += bytes([value & 127 | 128])
        value >>= 7
    return text + bytes([value])


def field(number, payload):
    """One length-delimited field of a message."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def texts(descriptor, depth=0):
    """The paths of all text fields of a message, those of its parts too, as field numbers."""
    for each in descriptor.fields:
        if each.type == FieldDescriptor.TYPE_STRING:
            yield (each.number,), f"{descriptor.name}.{each.name}"
        elif each.type == FieldDescriptor.TYPE_MESSAGE and depth < 6:
            for path, name in texts(each.message_type, depth + 1):
                yield (each.number, *path), name


def bad_texts(run, server, key):
    """Text that is none, in each text field of each method: refused before anything is done."""
    agent, operator = Connection(server.tcp, key), server.operator()
    for method in METHODS.values():
        connection = agent if method.id < 100 else operator
        for path, name in texts(method.request.DESCRIPTOR):
            for bad in BAD_TEXTS:
                payload = bad
                for number in reversed(path):
                    payload = field(number, payload)
                call = next(connection.calls)
                connection.write(frame(CALL, method.id, call, 5000, payload))
                answered, code, status = connection.receive()
                reason = envelope.Status.FromString(status).reason if code else ""
                run.require(
                    (answered, code, reason) == (call, INVALID_ARGUMENT, "PAYLOAD_INVALID"),
                    f"{method.name} with {bad!r} in {name} is answered {code} {reason}")
                run.count("bad texts refused")
    agent.close()
    operator.close()


def goodbye(address, data, timeout=15):
    """The reason of the GOAWAY that some bytes bring; the connection is closed behind it."""
    connection = Connection.__new__(Connection)
    connection.socket = connected(address, timeout)
    connection.calls, connection.buffer = itertools.count(1), bytearray()
    connection.going_away = connection.principal = None
    try:
        connection.write(data)
        while True:
            connection.next_frame()
    except Gone:
        return connection.going_away
    finally:
        connection.close()


def farewells(run, server, key):
    """Each way to be sent away has its reason."""
    first = hello(key)
    long_token = hello("x" * 20_000)
    for reason, data in [
            ("PREAMBLE_INVALID", b"GET / HTTP/1.1\r\n\r\n"), ("PREAMBLE_INVALID", b"IMRPC/2\n"),
            ("FRAME_TOO_LONG", first + b"\xff\xff\xff\xff"), ("FRAME_TOO_LONG", long_token),
            ("FRAME_TOO_SHORT", first + bytes(16)), ("HELLO_MISSING", PREFACE + frame(CALL, 4, 1)),
            ("FLAGS_RESERVED", first + frame(CALL, 4, 1, flags=1)),
            ("HELLO_REPEATED", first + first[len(PREFACE):]),
            ("CALL_ID_INVALID", first + frame(CALL, 4, 0)),
            ("HELLO_TIMEOUT", b""), ("HELLO_TIMEOUT", PREFACE[:5]), ("HELLO_TIMEOUT", first[:30]),
            ("PAYLOAD_INVALID", PREFACE + frame(1, payload=b"\x1a\x02\xc3\x28")),
            ("TOKEN_INVALID", hello("imk_" + "a" * 46)), ("TOKEN_INVALID", hello(key[:-1])),
            ("TOKEN_MISSING", hello(""))]:
        found = goodbye(server.tcp, data)
        run.require(found == reason, f"{data[:40]!r} is sent away with {found}, not {reason}")
        run.count("sent away with their reason")


def refusals(run, server, key):
    """Calls that are refused one by one, on a connection that goes on."""
    connection = Connection(server.tcp, key)
    wide = b"\x98\x06\x00" * 262_145
    deep = b""
    for _ in range(40):
        deep = field(2, deep)
    for expected, number, payload in [
            ((UNIMPLEMENTED, "METHOD_UNKNOWN"), 9999, b""),
            ((7, "OPERATOR_ONLY"), METHODS["ListLogs"].id, b""),
            ((INVALID_ARGUMENT, "PAYLOAD_INVALID"), 2, deep),
            ((INVALID_ARGUMENT, "PAYLOAD_INVALID"), 4, wide),
            ((INVALID_ARGUMENT, "PAYLOAD_INVALID"), 2, b"\x0a\xff\xff\xff\xff\x0f"),
            ((INVALID_ARGUMENT, "PAYLOAD_INVALID"), 2, b"\xff" * 100)]:
        call = next(connection.calls)
        connection.write(frame(77, payload=b"skipped") + frame(CREDIT, call=call, time_ms=5)
                         + frame(CANCEL, call=call) + frame(CALL, number, call, 5000, payload))
        _, code, status = connection.receive()
        found = code, envelope.Status.FromString(status).reason
        run.require(found == expected, f"method {number} with {payload[:20]!r}: {found}")
    polls = [connection.send("PollRequests", agent_id="agent-1", wait_ms=60_000)
             for _ in range(1100)]
    refused = set()
    while len(refused) < 1100 - 1024:
        call, code, status = connection.receive()
        reason = envelope.Status.FromString(status).reason
        run.require((code, reason) == (RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"),
                    f"a call above the limit is answered {code} {reason}")
        refused.add(call)
    run.require(refused == set(polls[1024:]), "other calls were refused than those above 1,024")
    connection.close()


def slow_reader(run, server, token):
    """A reader that stops, and later reads on: it gets all answers, or is told why not."""
    connection = Connection(server.tcp, token, timeout=30)
    for _ in range(200):
        connection.send("ListLogs", page_size=1000)
    time.sleep(0.5)
    got = 0
    try:
        while got < 200:
            connection.receive()
            got += 1
    except Gone:
        run.require(connection.going_away in ("SLOW_READER", "BUFFERS_FULL"),
                    f"a slow reader is sent away with {connection.going_away}")
    connection.close()


def answers(run, server, key, token):
    """Every documented refusal that this harness provokes, one after another."""
    bad_texts(run, server, key)
    farewells(run, server, key)
    refusals(run, server, key)
    slow_reader(run, server, token)


def exhausted(run):
    """A server with 256 descriptors and more peers than that: it rests, says why it refuses, and
    its operators and those who were there before are still served."""
    server = Server(run, name="small", prefix=[
        need_program("prlimit", "util-linux"), "--nofile=256:256"])
    server.start()
    key = server.integration("erp")
    early = Connection(server.tcp, key, timeout=5)
    early.call("Heartbeat", agent_id="agent-1", instance_id="early")
    ends = []
    for _ in range(400):
        made = connected(server.tcp, 5)
        made.sendall(hello(key))
        ends.append(made)
    told = sum(_kind(each) == GOAWAY for each in ends)
    served = sum(_kind(each) == 1 for each in ends)
    run.require(told + served == len(ends) and told > 100,
                f"of {len(ends)} peers {served} were served and {told} told why not")
    began, used = time.monotonic(), server.cpu_seconds()
    early.call("Heartbeat", agent_id="agent-1", instance_id="early")
    for _ in range(3):
        try:
            operator = server.operator(timeout=5)
            operator.call("GetServerInfo")
            operator.close()
        except (Gone, OSError) as error:
            run.require(False, f"the operator is not served without descriptors left: {error}")
    time.sleep(max(0, began + 1 - time.monotonic()))
    busy = (server.cpu_seconds() - used) / (time.monotonic() - began)
    run.require(busy < 0.3, f"a server without descriptors spends {busy:.0%} of a processor")
    for each in ends:
        each.close()
    _served_again(run, server, key)
    run.figure("peers beyond descriptors told", told)
    server.check()
    server.stop()


def _kind(end):
    """The kind of the first frame that a socket brings; None when it brings none in time."""
    try:
        end.settimeout(5)
        head = end.recv(16, socket.MSG_PEEK | socket.MSG_WAITALL)
        return HEADER.unpack(head)[1] if len(head) == 16 else None
    except OSError:
        return None


def _served_again(run, server, key):
    limit = time.monotonic() + 5
    while True:
        try:
            fresh = Connection(server.tcp, key, timeout=2)
            fresh.call("Heartbeat", agent_id="agent-1", instance_id="fresh")
            fresh.close()
            return
        except (Gone, OSError) as error:
            run.require(time.monotonic() < limit, f"nobody is served again: {error}")
