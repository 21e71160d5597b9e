"""Hostile peers, each in a process of its own: attackers.py NAME, told by JSON on standard input.

Every attack runs until its time is over, counts what it did, and prints the counts as JSON. It is
no attack's business to judge: what must hold beside it, and after it, `hostile.py` looks at.
"""
import json, os, resource, socket, struct, sys, time

import greedy  # noqa: F401 (registers more attacks)
from attacking import ATTACKS, LIMIT, UNLISTED, WIDEST, Flood, Target, attack, call, calls, request
from attacking import same, unlisted
from client import (
    CALL, CANCEL, CREDIT, PING, PREFACE, Connection, Gone, connected, frame, hello, uuid7)
from healthy import regroup
from schema import METHODS, STATUS

# Floods

@attack
def pings(target):
    Flood(target, 4, same(frame(PING, payload=b"x" * 64) * 2000, 2000)).run()


@attack
def empty_pings(target):
    Flood(target, 8, same(frame(PING) * 4000, 4000), reads=False).run()


@attack
def tiny_frames(target):
    """Frames of a kind that nobody knows: 16 bytes, no answer."""
    Flood(target, 8, same(frame(77) * 16000, 16000)).run()


@attack
def unknown_methods(target):
    Flood(target, 8, lambda last: (
        b"".join(frame(CALL, 9999, number) for number in range(last + 1, last + 2001)), 2000,
        last + 2000)).run()


@attack
def heartbeats(target):
    Flood(target, 8, calls(
        "Heartbeat", agent_id="flood", instance_id="flood-1", interval_ms=10000)).run()


@attack
def cancels(target):
    """Polls that are cancelled at once, and cancels of nothing."""
    Flood(target, 4, calls(
        "PollRequests", agent_id="flood", wait_ms=60000,
        extra=lambda number: frame(CANCEL, call=number) + frame(CANCEL, call=number + 7))).run()


@attack
def cancelled_lists(target):
    """Long lists that are cancelled at once: the work behind them must have a bound too."""
    Flood(target, 4, calls(
        "ListLogs", each=50, page_size=1000,
        extra=lambda number: frame(CANCEL, call=number)), token=target.token).run()


@attack
def cancelled_reports(target):
    """Reports whose calls are cancelled at once, repeats of a log that is done: what was begun is
    done all the same, and must have a bound."""
    report = dict(
        log_id=uuid7(), sequence=1, action_type="export_order", entity=dict(type="order", id="1"),
        status=STATUS.LOG_STATUS_COMPLETED)
    Flood(target, 4, calls(
        "ReportLog", agent_id="flood", report=report,
        extra=lambda number: frame(CANCEL, call=number))).run()


@attack
def departed_reports(target):
    """As many reports as a connection may have in flight, then its end, again and again."""
    report = dict(
        log_id=uuid7(), sequence=1, action_type="export_order", entity=dict(type="order", id="1"),
        status=STATUS.LOG_STATUS_COMPLETED)
    text, _, _ = calls("ReportLog", each=1000, agent_id="flood", report=report)(0)
    while target.left() > 0:
        made = target.open()
        if made is None:
            continue
        made.setblocking(True)
        made.settimeout(5)
        try:
            made.sendall(text)
            made.shutdown(socket.SHUT_WR)
            target.count("frames", 1000)
            target.count("bytes", len(text))
            while made.recv(1 << 16):
                pass
        except OSError:
            target.count("closed by the server")
        made.close()


@attack
def credits(target):
    """Tails and exports with all the credit there is, again and again, and credit for nothing."""
    most = (1 << 32) - 1

    def make(last):
        number = last + 1
        return (call("TailLogs", number, 0)
                + frame(CREDIT, call=number, time_ms=most) * 200
                + frame(CREDIT, call=number + 9999, time_ms=most) * 200
                + frame(CANCEL, call=number), 402, number)
    Flood(target, 4, make, token=target.token).run()


@attack
def calls_above_the_limit(target):
    """More polls in flight than HELLO allows: each above the limit is refused."""
    Flood(target, 4, calls(
        "PollRequests", each=2000, agent_id="flood", wait_ms=60000)).run()


@attack
def huge_frames(target):
    """Frames of the longest length: of an unknown kind, and calls that are no message."""
    noise = target.random.randbytes(LIMIT - 12)

    def make(last):
        return (frame(77, payload=noise) + frame(CALL, 2, last + 1, 1000, noise), 2, last + 1)
    Flood(target, 4, make).run()


@attack
def wide_messages(target):
    """As many fields as a message may have, and one more; unknown ones, and labels."""
    labels = dict((f"{n}", "x" * 60) for n in range(40_000))
    report = METHODS["ReportLog"].request(
        agent_id="wide", report=dict(log_id=uuid7(), sequence=1, labels=labels))
    wide = request("PollRequests", action_types=["a"] * 262_143)
    payloads = [(4, WIDEST), (4, WIDEST + b"\x98\x06\x00"), (3, wide),
                (2, report.SerializeToString())]

    def make(last):
        number, payload = payloads[last % 4]
        return frame(CALL, number, last + 1, 1000, payload), 1, last + 1
    Flood(target, 2, make).run()


@attack
def deep_messages(target):
    """Messages in messages down to the last byte, as fields that are known and that are not."""
    def nested(tag, depth):
        payload = b""
        for _ in range(depth):
            size = len(payload)
            length = b""
            while size > 127:
                length += bytes([size & 127 | 128])
                size >>= 7
            payload = bytes([tag]) + length + bytes([size]) + payload
        return payload
    payloads = [nested(tag, depth) for tag in (0x12, 0x5a, 0xfa) for depth in (31, 33, 500, 20000)]

    def make(last):
        numbers = range(last + 1, last + 201)
        return (b"".join(frame(CALL, 2, number, 1000, payloads[number % len(payloads)])
                         for number in numbers), 200, last + 200)
    Flood(target, 2, make).run()


# Slow peers

@attack
def slow_readers(target):
    """Ask for a tail, an export, long lists and long logs, and never read."""
    def make(last):
        if last == 0:
            streams = b"".join(
                call(method, number, 0) + frame(CREDIT, call=number, time_ms=100_000)
                for number, method in enumerate(("TailLogs", "ExportData"), 1))
            lists = b"".join(call("ListLogs", number, page_size=1000) for number in (3, 4))
            return streams + lists, 6, 4
        numbers = range(last + 1, last + 101)
        return (b"".join(call("GetLog", number, id=target.long_log) for number in numbers), 100,
                last + 100)
    Flood(target, max(10, int(100 * target.scale)), make, reads=False, token=target.token,
          receive_bytes=4096).run()


@attack
def slow_tails(target):
    """Tails of one record each that never give credit, and long reports on all these records in
    turn: at first more than may wait, then some at a pace that leaves others the disk."""
    ends = []
    for number in range(60):
        made = target.open(target.token)
        if made is None:
            continue
        try:
            made.send(call("TailLogs", 1, 0, filter=dict(entity_ids=[f"tail-{number}"])))
        except OSError:
            target.count("turned away")
        ends.append(made)
    connection = Connection(target.tcp, target.key, timeout=10)
    number = 0
    while target.left() > 0:
        number += 1
        connection.call("ReportLog", agent_id="agent-1", report=dict(
            log_id=uuid7(), sequence=1, action_type="export_order",
            entity=dict(type="order", id=f"tail-{number % 60}"),
            status=STATUS.LOG_STATUS_COMPLETED, result='"%s"' % ("t" * 250_000)))
        # 120 are 30 MB.
        time.sleep(0.05 if number > 120 else 0)
        target.count("reports")
        target.count("bytes", 250_000)
    for made in ends:
        try:
            while made.recv(1 << 16):
                pass
        except OSError:
            continue
        target.count("closed by the server")


@attack
def slow_beaters(target):
    """Ask for small answers without end, and never read."""
    Flood(target, 20, calls(
        "Heartbeat", agent_id="flood", instance_id="flood-1"), reads=False,
        receive_bytes=4096).run()


@attack
def slow_writers(target):
    """A byte a second: of the preamble, of HELLO, of a header, of a payload."""
    whole = hello(target.key)
    beat = call("Heartbeat", 1, agent_id="slow", instance_id="slow-1")
    places = {"preamble": 1, "hello": len(PREFACE) + 7, "header": len(whole) + 5,
              "payload": len(whole) + 18}
    text = whole + beat * 3
    ends = []
    while target.left() > 0:
        while len(ends) < int(400 * target.scale) + 20:
            start = target.random.choice(list(places.values()))
            try:
                made = connected(target.tcp)
                made.sendall(text[:start])
            except OSError:
                target.count("turned away")
                break
            target.count("connections")
            ends.append([made, start])
        time.sleep(min(1, target.left()))
        kept = []
        for made, position in ends:
            try:
                made.sendall(text[position:position + 1])
                kept.append([made, position + 1 if position + 1 < len(text) else len(text) - 1])
            except OSError:
                made.close()
                target.count("closed by the server")
        ends = kept


@attack
def dripped_frames(target):
    """Frames of the longest length, whose last kilobytes come one byte a segment."""
    ends = []
    for _ in range(4):
        made = target.open()
        if made is None:
            continue
        made.setblocking(True)
        made.settimeout(5)
        made.sendall(frame(77, payload=bytes(LIMIT - 12))[:LIMIT - 200_000])
        ends.append(made)
    while target.left() > 0 and ends:
        for made in list(ends):
            try:
                made.sendall(b"\0")
                target.count("bytes")
            except OSError:
                ends.remove(made)
                target.count("closed by the server")


@attack
def half_frames(target):
    """Announce the longest frame, send all but its last byte, and wait."""
    ends = []
    data = frame(CALL, 2, 1, 1000, bytes(LIMIT - 12))[:-1]
    while target.left() > 0:
        if len(ends) >= 200:
            time.sleep(min(0.01, target.left()))
            ends.pop(0).close()
            continue
        made = target.open()
        if made is None:
            time.sleep(0.01)
            continue
        made.setblocking(True)
        made.settimeout(5)
        try:
            made.sendall(data)
            target.count("frames")
            target.count("bytes", len(data))
            ends.append(made)
        except OSError:
            target.count("closed by the server")
            made.close()


# Connections

@attack
def connects(target):
    """Connect and go, at once, behind the preamble, behind HELLO, or behind a call; with a reset,
    so that no port of this side is used up."""
    whole = hello(target.key)
    texts = [b"", PREFACE, whole, whole + call("Heartbeat", 1, agent_id="x", instance_id="x-1")]
    reset = struct.pack("ii", 1, 0)
    while target.left() > 0:
        try:
            made = connected(target.tcp, 2)
            made.sendall(target.random.choice(texts))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            made.close()
            target.count("connections")
        except OSError:
            target.count("turned away")


@attack
def wrong_keys(target):
    """Keys that are nobody's: well formed, mistyped, cut, huge."""
    def wrong():
        letters = target.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=46)
        return target.random.choice([
            "imk_" + "".join(letters), target.key[:-1] + "!", target.key[:20], "x" * 16000, ""])
    while target.left() > 0:
        try:
            connection = Connection(target.tcp, wrong(), timeout=5)
            connection.send("Heartbeat", agent_id="x", instance_id="x-1")
            _, code, _ = connection.receive()
            target.count("refused" if code == 16 else "not refused")
            connection.close()
        except Gone:
            target.count("gone")


@attack
def idle(target):
    """Thousands of idle connections, and 200 that are busy."""
    wanted = round(15_000 * target.scale)
    ends = []
    target.ends += 30
    while len(ends) < wanted and target.left() > 0:
        made = target.open()
        if made is None:
            time.sleep(0.01)
            continue
        ends.append(made)
    target.count("idle", len(ends))
    # The time counts from here: they stand.
    target.ends = time.monotonic() + target.seconds
    print(json.dumps({"standing": len(ends)}), flush=True)
    busy = [each for each in (target.open() for _ in range(200)) if each]
    number = 0
    while target.left() > 0:
        number += 1
        beat = call("Heartbeat", number, agent_id="busy", instance_id="busy-1")
        for each in busy:
            try:
                each.send(beat)
                target.count("calls")
                while each.recv(4096):
                    pass
                target.count("busy closed")
            except BlockingIOError:
                pass
            except OSError:
                target.count("busy closed")
            time.sleep(0.001)
    # An idle connection that the server did not keep reads its end.
    lost = 0
    for each in ends:
        try:
            while each.recv(65536):
                pass
            lost += 1
        except BlockingIOError:
            pass
        except OSError:
            lost += 1
    target.count("idle lost", lost)


@unlisted
def neighbour(target):
    """Uses a share of a processor, and leaves the server alone: what an attack's own program, or
    the server's work of low priority, takes from everybody on this machine."""
    while target.left() > 0:
        end = time.process_time() + 0.01 * min(1.0, target.share)
        began = time.monotonic()
        while time.process_time() < end:
            pass
        time.sleep(max(0.0, 0.01 - (time.monotonic() - began)))


def main():
    told = json.loads(sys.stdin.readline())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.nice(10)
    regroup(os.getpid(), told["group"])
    target = Target(told)
    began = time.monotonic()
    {**ATTACKS, **UNLISTED}[sys.argv[1]](target)
    target.counts["share"] = time.process_time() / (time.monotonic() - began)
    print(json.dumps(target.counts), flush=True)


if __name__ == "__main__":
    main()
