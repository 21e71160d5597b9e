"""Time and room of the disk: syncs that take long, a disk that fills and is freed, and readers that
keep the write-ahead log from beginning anew."""
import os, shutil, subprocess, threading, time

from client import (
    DEADLINE_EXCEEDED, OK, RESOURCE_EXHAUSTED, CREDIT, Connection, Gone, Refused, frame, pages,
    uuid7)
from disk import DiskServer
from harness import Skipped, need_program, quantile
from promises import checked, stream
from schema import STATUS
from server import Server

MIB = 1 << 20
# What a server on a slow disk may hold: it takes 34 to 61 MiB, with up to 20 of calls under way.
SLOW_BYTES = 128 * MIB
# What may be refused there of two that keep to a small window, of one that sends a thousand reports
# with 20 kB at once, and of one in a hurry: of those whose time is over a few go on; then further
# ones are told to wait. Two are never refused whatever the third does.
MANY = RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"
LATE = DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"
MAY_BE_REFUSED = [set(), set(), {MANY}, {MANY, LATE}]


def report(size, log=None):
    """A report of a finished attempt, with a result of so many bytes."""
    return dict(
        log_id=log or uuid7(), sequence=1, action_type="export_order",
        entity=dict(type="order", id="1"), status=STATUS.LOG_STATUS_COMPLETED,
        result='"' + "x" * size + '"')


class Reporter:
    """Reports over one connection, so many in flight, until it is told to stop."""

    def __init__(self, server, key, window, size, deadline_ms=30000):
        self.connection = Connection(server.unix, key, timeout=120)
        self.window, self.size, self.deadline_ms = window, size, deadline_ms
        self.in_flight, self.took, self.codes, self.stored = {}, [], {}, []
        self.refusals = set()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while self.in_flight or not self.stopped.is_set():
                while len(self.in_flight) < self.window and not self.stopped.is_set():
                    made = report(self.size)
                    call = self.connection.send(
                        "ReportLog", None, self.deadline_ms, agent_id="agent-1", report=made)
                    self.in_flight[call] = made["log_id"], time.monotonic()
                call, code, payload = self.connection.receive()
                log, began = self.in_flight.pop(call)
                self.took.append(time.monotonic() - began)
                self.codes[code] = self.codes.get(code, 0) + 1
                if code == OK:
                    self.stored.append(log)
                else:
                    self.refusals.add((code, Refused("ReportLog", code, payload).reason))
        except Gone:
            pass

    def stop(self):
        self.stopped.set()
        self.thread.join()
        self.connection.close()


def stored_logs(operator):
    return {log.id for log in pages(operator, "ListLogs", "logs")}


# ---- A slow disk ----

def slow(run):
    """Each sync takes 50 and 500 ms: every call is answered, by its deadline, and memory keeps its
    bounds."""
    for milliseconds in (50, 500):
        server = DiskServer(run, f"slow{milliseconds}")
        server.wipe()
        # What the simulated disk would keep in memory is not the server's.
        if not server.begin(honest=1):
            raise RuntimeError(server.error_text())
        key = server.integration("erp")
        server.disk["sync_ns"] = milliseconds * 1_000_000
        seconds = 1.5 if run.short else 12
        steady = [Reporter(server, key, 32, 200) for _ in range(2)]
        flood = Reporter(server, key, 300 if run.short else 1000, 20_000)
        hurried = Reporter(server, key, 4, 200, deadline_ms=milliseconds // 2)
        most, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            most = max(most, server.resident_bytes())
            time.sleep(0.02)
        for each in (*steady, flood, hurried):
            each.stop()
        took = [seconds for each in steady for seconds in each.took]
        for each, may in zip((*steady, flood, hurried), MAY_BE_REFUSED):
            require_taken(run, each, may, f"with {milliseconds} ms a sync")
        late = quantile(hurried.took, 0.99)
        run.require(late < 1.0, f"a call with {milliseconds // 2} ms was answered after {late} s")
        run.require(most < SLOW_BYTES, f"a slow disk took {most // MIB} MiB")
        run.figure(f"{milliseconds} ms a sync: p99 ms", quantile(took, 0.99) * 1000)
        run.figure(f"{milliseconds} ms a sync: MiB", most // MIB)
        server.disk["sync_ns"] = 0
        verify_stored(run, server, [*steady, flood, hurried])
        server.kill()


def require_taken(run, reporter, may_be_refused, where):
    """Nothing else was refused, and all calls were answered."""
    unexpected = reporter.refusals - may_be_refused
    run.require(not unexpected, f"{where} {unexpected} came: {reporter.codes}")
    run.require(not reporter.in_flight,
                f"{where} a connection ended with {len(reporter.in_flight)} calls in flight")
    # In a hurry none may be in time.
    is_hurried = LATE in may_be_refused
    run.require(is_hurried or reporter.codes.get(OK), f"{where} nothing was taken")


def verify_stored(run, server, reporters):
    """Everything acknowledged is there, and the store is whole."""
    operator = server.operator(timeout=600)
    checked(operator)
    there = stored_logs(operator)
    operator.close()
    for each in reporters:
        lost = set(each.stored) - there
        run.require(not lost, f"{len(lost)} acknowledged reports are lost")


# ---- Readers that last ----

def wal_bytes(server):
    try:
        return (server.data / "integrations.db-wal").stat().st_size
    except FileNotFoundError:
        return 0


def long_reader(run):
    """A check, an export and a backup that is not read, and a tail, while reports flow: the log
    keeps its bound, or falls back to it when they end."""
    server = Server(run, name="reader", listen=f"unix:{run.scratch}/t")
    server.start()
    key = server.integration("erp")
    reporter = Reporter(server, key, 16, 20_000)
    held = []
    for method, fields in (("ExportData", {}), ("TailLogs", {}),
                           ("BackUp", dict(path=str(run.scratch / "held")))):
        connection = server.operator(timeout=600)
        call = connection.send(method, None, 0, **fields)
        connection.write(frame(CREDIT, call=call, time_ms=1))
        held.append(connection)
    checker = server.operator(timeout=600)
    most, checks = 0, 0
    until = time.monotonic() + (1.5 if run.short else 20)
    while time.monotonic() < until:
        run.require(not checker.call("CheckStore").problems, "the check found something")
        checks += 1
        most = max(most, wal_bytes(server))
    for connection in held:
        connection.close()
    # The log begins anew, and is cut, with the commits behind its next full checkpoint.
    limit, until = 33 * MIB, time.monotonic() + 30
    while wal_bytes(server) > limit and time.monotonic() < until:
        time.sleep(0.05)
    after = wal_bytes(server)
    reporter.stop()
    run.figure("log under readers MiB", most / MIB)
    run.figure("log after MiB", after / MIB)
    run.figure("checks beside", checks)
    run.require(after <= limit, f"the write-ahead log stays at {after // MIB} MiB")
    verify_stored(run, server, [reporter])
    server.stop()


# ---- A disk that is full ----

def full(run):
    """A small tmpfs that fills and is freed, again and again, without a restart."""
    try:
        if os.geteuid() != 0:
            raise Skipped("a disk of 160 MiB needs root, to mount a tmpfs")
        mount, unmount = need_program("mount", "mount"), need_program("umount", "mount")
        place = run.scratch / "small"
        place.mkdir()
        if subprocess.run([mount, "-t", "tmpfs", "-o", "size=160m", "tmpfs", place],
                          stderr=subprocess.DEVNULL).returncode:
            raise Skipped("a tmpfs cannot be mounted here")
    except Skipped as skipped:
        run.skip("a full disk", str(skipped))
        return
    run.at_end(lambda: subprocess.run([unmount, "-l", place], check=True))
    server = Server(run, name="full", listen=f"unix:{run.scratch}/f")
    server.data = place / "data"
    server.start()
    key = server.integration("erp")
    operator = server.operator()
    spare = operator.call("CreateKey", integration="erp").key.id
    stored = []
    # Together they take more than the disk has: only room that is used again is enough.
    for cycle in range(1 if run.short else 32):
        fill(run, place, 2 + cycle % 3 * 2)
        stored += until_refused(run, server, key, 4000 if cycle % 2 else 100_000)
        run.require(stored_logs(operator) >= set(stored), "a full disk hides reports")
        look_while_full(run, server, operator, place)
        is_revoked = cycle > 0 or revoked(run, operator, spare)
        (place / "ballast").unlink()
        recovered(run, server, key, stored)
        run.require(is_revoked or revoked(run, operator, spare), "a key cannot be revoked")
        # Room for the next time: pages of logs that go are used again.
        operator.call("SetRetention", rules=[dict(
            status=STATUS.LOG_STATUS_COMPLETED, maximum_bytes=100_000)])
        removed = 0
        while not (step := operator.call("PruneLogs", resume=removed > 0)).done:
            removed += step.removed_logs
        # Or the server, which removes once a minute, would take reports of the next time.
        operator.call("SetRetention", rules=[dict(status=STATUS.LOG_STATUS_COMPLETED)])
        stored = list(stored_logs(operator))
        run.count("times full")
    checked(operator)
    server.kill()
    server.start()
    operator = server.operator()
    checked(operator)
    run.require(stored_logs(operator) == set(stored), "a restart behind a full disk loses reports")
    server.stop()


def fill(run, place, mebibytes):
    """Leaves so much free, and more than that to be freed."""
    rest = shutil.disk_usage(place).free - mebibytes * MIB
    run.require(rest >= mebibytes * MIB, "what was removed is not used again: of a disk of 160 MiB "
                f"{(rest + mebibytes * MIB) // MIB} are left")
    with open(place / "ballast", "wb") as ballast:
        ballast.write(bytes(rest))


def until_refused(run, server, key, size):
    """Reports until one finds no room; the ids of those that were taken."""
    agent, stored = Connection(server.unix, key), []
    while True:
        made = report(size)
        try:
            agent.call("ReportLog", agent_id="agent-1", report=made)
            stored.append(made["log_id"])
        except Refused as refused:
            run.require(
                refused.status.code == RESOURCE_EXHAUSTED and refused.reason == "STORAGE_FULL"
                and "free" in refused.status.message,
                f"a full disk answers {refused}")
            agent.close()
            return stored
        run.require(len(stored) < 100_000, "a disk of 160 MiB is never full")


def look_while_full(run, server, operator, place):
    """Reads go on; what needs room is refused and leaves nothing behind."""
    operator.call("GetStatus")
    names = sorted(os.listdir(server.data))
    backup = place / "backup"
    try:
        stream(operator, "BackUp", path=str(backup))
        run.require(False, "a backup fits on a full disk")
    except Refused as refused:
        run.require(refused.status.code == RESOURCE_EXHAUSTED and "full" in str(refused).lower()
                    or "space" in str(refused).lower(), f"a backup to a full disk: {refused}")
    run.require(len(stream(operator, "ExportData")) > 0, "an export of a full disk has no lines")
    left = sorted(os.listdir(server.data)), sorted(os.listdir(place))
    run.require(left == (names, ["ballast", "data"]), f"a full disk keeps {left}")


def revoked(run, operator, key):
    """Whether a key could be revoked, for which a full disk may have no room."""
    try:
        operator.call("RevokeKey", key_id=key)
        return True
    except Refused as refused:
        run.require(refused.reason == "STORAGE_FULL", f"a revocation got {refused}")
        run.count("revocations refused")
        return False


def recovered(run, server, key, stored):
    """With room again reports are taken, without a restart."""
    agent = Connection(server.unix, key)
    until = time.monotonic() + 10
    while True:
        made = report(200)
        try:
            agent.call("ReportLog", agent_id="agent-1", report=made)
            stored.append(made["log_id"])
            agent.close()
            return
        except Refused as refused:
            run.require(time.monotonic() < until, f"there is room again, and still {refused}")

