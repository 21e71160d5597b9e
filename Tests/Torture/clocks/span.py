"""Agents and watchers of the harness about time: each in a thread of its own, so that what it sees
has its time on the monotonic clock, which nobody sets."""
import threading, time

from client import CREDIT, MESSAGE, Connection, Gone, Refused, frame
from harness import Violation
from schema import METHODS


class Errands:
    """Threads whose first failure is raised where they are joined; the others are left to end with
    the server then."""

    def __init__(self):
        self.changed = threading.Condition()
        self.open, self.failures = 0, []  # How many go on, and what ended others.

    def start(self, function, *arguments):
        def guarded():
            try:
                function(*arguments)
            except BaseException as failure:  # Raised again by `join`.
                self.failures.append(failure)
            with self.changed:
                self.open -= 1
                self.changed.notify_all()
        with self.changed:
            self.open += 1
        threading.Thread(target=guarded, daemon=True).start()

    def join(self, seconds=None):
        """Waits for all of them, or for the first failure; longer than `seconds` is a violation."""
        with self.changed:
            ended = self.changed.wait_for(lambda: not self.open or self.failures, seconds)
            if not ended:
                raise Violation(f"{self.open} clients do not end within {seconds:g} s")
            if self.failures and not isinstance(self.failures[0], Violation):
                # A broken promise says more than what followed from it.
                self.changed.wait_for(lambda: any(
                    isinstance(failure, Violation) for failure in self.failures), 1)
        self.failures.sort(key=lambda failure: not isinstance(failure, Violation))
        if self.failures:
            raise self.failures[0]


class Watcher:
    """Tails all logs and notes when each status was first seen, by log."""

    def __init__(self, server):
        self.connection = server.operator(timeout=120)
        call = self.connection.send("TailLogs")
        self.connection.write(frame(CREDIT, call=call, time_ms=1 << 20))
        self.seen = threading.Condition()
        self.logs = []
        self.began = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()
        if not self.began.wait(30):
            raise Violation("a tail said nothing for 30 s")

    def read(self):
        answer = METHODS["TailLogs"].response
        try:
            while True:
                kind, _, _, payload = self.connection.next_frame()
                if kind != MESSAGE:
                    return
                message = answer.FromString(payload)
                self.began.set()
                if message.HasField("log"):
                    with self.seen:
                        self.logs.append((time.monotonic(), message.log))
                        self.seen.notify_all()
        except (Gone, OSError, ValueError):
            return

    def when(self, holds, seconds):
        """When the first log that fulfils a condition came, and the log; None: none did in time."""
        end = time.monotonic() + seconds
        position = 0
        with self.seen:
            while True:
                for at, log in self.logs[position:]:
                    if holds(log):
                        return at, log
                position = len(self.logs)
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self.seen.wait(left)

    def close(self):
        self.connection.close()


class Agent:
    """One agent on a connection of its own."""

    def __init__(self, server, key, name):
        self.name = name
        self.connection = Connection(server.tcp, key, timeout=90)

    def poll(self, action, wait_ms=0, lease_ms=60_000):
        """The request that a poll brings and when it came; None and when the poll ended."""
        answer = self.connection.call(
            "PollRequests", agent_id=self.name, action_types=[action], wait_ms=wait_ms,
            lease_ms=lease_ms)
        return (answer.requests[0] if answer.requests else None), time.monotonic()

    def take(self, action, seconds, lease_ms=60_000):
        """The request that comes within some seconds, and when; None: none came.

        A poll may be answered empty because the agent is told something."""
        end = time.monotonic() + seconds
        while True:
            left = max(0, int((end - time.monotonic()) * 1000))
            found, at = self.poll(action, left, lease_ms)
            if found is not None or at >= end:
                return found, at

    def report(self, log_id, status, sequence=0, token="", **fields):
        """One report; refusals are raised."""
        return self.connection.call("ReportLog", agent_id=self.name, report=dict(
            log_id=log_id, status=status, sequence=sequence, lease_token=token, **fields))

    def reason(self, log_id, status, sequence=0, token="", **fields):
        """Why a report is refused; empty: it is taken."""
        try:
            self.report(log_id, status, sequence, token, **fields)
            return ""
        except Refused as refused:
            return refused.reason

    def heartbeat(self, leases=(), **fields):
        """Phones home with the (log, token) pairs that it holds."""
        return self.connection.call(
            "Heartbeat", agent_id=self.name, instance_id="1", interval_ms=1000,
            leases=[dict(log_id=log, lease_token=token) for log, token in leases], **fields)

    def close(self):
        self.connection.close()
