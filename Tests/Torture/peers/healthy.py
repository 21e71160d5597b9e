"""A well-behaved client at a modest pace, in a process of its own, and what its calls take.

Beside the server stands a reference: an echo that nobody attacks and that does the same work for
the machine, a round trip or a round trip with one synced append. Its times say how much of a
change is the machine's own noise: attackers, other programs, the disk.
"""
import itertools, os, socket, subprocess, sys, threading, time
from pathlib import Path

from harness import quantile

# Calls a second of each kind.
RATES = {"Heartbeat": 200, "ReportLog": 50}
# Those of which an attack sees too few for a p99, and which have no reference: the longest counts.
# A request is queued by an operator, polled for and reported on; reports have long results.
RARE = {"Request": 3, "LongReport": 3}
LONG_RESULTS = [40_000, 40_000, 40_000, 250_000]
PIECE = 30_000
# What starts a program before the attackers, which stand for other machines and would not take this
# one's processors. They step back besides: without root only they do.
PREFERRED = ["nice", "-n", "-5"] if os.geteuid() == 0 else []
# From which time on a synced append of the reference is a stall of the disk, in seconds: no server
# could have had its own done meanwhile. The kernel's own threads for it wait behind programs where
# all processors are in use, up to some tenths of a second.
STALL = 0.015
# What a line begins with that says why the program ends.
FAULT = "fault: "


def regroup(pid, niceness):
    """Sets what the session of a process gets of the processors; as far as the system has that and
    lets it. Where they are shared between sessions first (autogroups, sched(7)), niceness counts
    only within one."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
    except OSError:
        pass


def stand_apart():
    """Runs this program as soon as it is woken, where the system lets it: it stands for another
    machine. Woken with a niceness it would wait behind any program of this one up to a tick of the
    system's clock, 4 ms, as the scheduler of Linux 6.12 and later does not set it aside sooner."""
    try:
        os.sched_setscheduler(
            0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        pass  # Without the right to it its niceness has to do.


def _paced(kind, step):
    """Calls `step` at the kind's rate for ever, and prints when each began and what it took."""
    rate = {**RATES, **RARE}[kind]
    interval = 1 / rate
    due = time.monotonic()
    lines = []
    while True:
        began = time.monotonic()
        step()
        now = time.monotonic()
        took = now - began
        # Calls that were due meanwhile would have waited too: they are counted as if they had.
        while took > 0:
            lines.append(f"{began} {took}\n")
            began += interval
            took -= interval
            due += interval
        if len(lines) >= rate // 10:
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
            lines = []
        due = max(due, now - interval)
        time.sleep(max(0, due - now))


def _server_step(kind, address, key, operators):
    from client import Connection
    connection = Connection(address, key)
    if kind == "Heartbeat":
        return lambda: connection.call(
            "Heartbeat", agent_id="healthy", instance_id="healthy-1", interval_ms=10000)
    if kind == "ReportLog":
        return lambda: _report(connection)
    if kind == "Request":
        return _request_step(connection, Connection(operators))
    _write_in_pieces(connection)
    results = itertools.cycle('"%s"' % ("r" * size) for size in LONG_RESULTS)
    return lambda: _report(connection, result=next(results))


def _write_in_pieces(connection):
    """Long frames come in pieces from now on, as through a real network: the server begins them,
    and has to keep what has come."""
    at_once = connection.write

    def write(data):
        for begin in range(0, len(data), PIECE):
            if begin:
                time.sleep(0.001)
            at_once(data[begin:begin + PIECE])
    connection.write = write


def _report(connection, **fields):
    from client import uuid7
    from schema import STATUS
    fields = dict(dict(
        log_id=uuid7(), action_type="export_order", entity=dict(type="order", id="healthy")),
        **fields)
    connection.call("ReportLog", agent_id="healthy", report=dict(
        sequence=1, status=STATUS.LOG_STATUS_COMPLETED, **fields))


def _request_step(agent, operator):
    """A request, which is there before its agent polls and after it in turn."""
    from client import Refused
    from schema import METHODS
    numbers = itertools.count()

    def step():
        number = next(numbers)
        is_first = number % 2 == 0
        if not is_first:
            agent.send("PollRequests", agent_id="healthy", wait_ms=30_000)
        wanted = operator.call(
            "CreateRequest", integration="healthy", action_type="export_order",
            entity=dict(type="order", id=f"asked-{number}")).log.id
        if is_first:
            agent.send("PollRequests", agent_id="healthy", wait_ms=30_000)
        _, code, payload = agent.receive()
        if code:
            raise Refused("PollRequests", code, payload)
        got = METHODS["PollRequests"].response.FromString(payload).requests
        if [each.log_id for each in got] != [wanted]:
            raise ValueError(f"a poll got {[each.log_id for each in got]}, {wanted} was queued")
        _report(agent, log_id=wanted, lease_token=got[0].lease_token)
    return step


def _echo_step(kind, folder):
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        file = os.open(f"{folder}/echo", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            while data := theirs.recv(4096):
                if kind == "ReportLog":
                    os.write(file, bytes(4096))
                    os.fdatasync(file)
                else:
                    # Answered at once, both would take turns on one processor, and nobody else
                    # would come between them.
                    time.sleep(0.0002)
                theirs.sendall(data)
        finally:  # Its other end is gone, which is no fault.
            os._exit(0)
    theirs.close()

    def step():
        ours.sendall(bytes(100))
        ours.recv(4096)
    return step


class Series:
    """The measured times of one process, as they come."""

    def __init__(self, arguments):
        self.samples, self.fault = [], ""
        self.process = subprocess.Popen(
            [*PREFERRED, sys.executable, "-B", __file__, *arguments], stdout=subprocess.PIPE,
            text=True, start_new_session=True)
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.process.stdout:
            if line.startswith(FAULT):
                self.fault = line[len(FAULT):].strip()
                continue
            began, took = line.split()
            self.samples.append((float(began), float(took)))

    def longer_than(self, seconds, begin, end):
        """From when to when calls that began between two moments took longer than that, apart
        from each other."""
        spans = []
        for at, took in list(self.samples):
            if begin <= at < end and took > seconds:
                since = max(at, spans[-1][1]) if spans else at
                if since < at + took:
                    spans.append((since, at + took))
        return spans

    def _inside(self, begin, end, but):
        return [
            took - sum(max(0.0, min(at + took, until) - max(at, since)) for since, until in but)
            for at, took in list(self.samples) if begin <= at < end]

    def longest_ms(self, begin, end, but=()):
        """The longest of these calls; None when none began there and has ended."""
        inside = self._inside(begin, end, but)
        return 1000 * max(inside) if inside else None

    def p99_ms(self, begin, end, but=()):
        """The median of the p99s of up to five windows between two moments, in milliseconds, of
        what calls took outside of the spans `but`; None when too few began there."""
        inside = self._inside(begin, end, but)
        if len(inside) < 10:
            return None
        windows = min(5, len(inside) // 10)
        each = len(inside) // windows
        return 1000 * quantile(
            [quantile(inside[place * each:(place + 1) * each], 0.99) for place in range(windows)],
            0.5)

    def end(self):
        self.process.kill()
        self.process.wait()


class Healthy:
    """The healthy client and its references, from now to the end of the run."""

    def __init__(self, run, address, key, operators):
        folder = run.scratch / "healthy"
        folder.mkdir()
        self.series = {}
        for kind in RATES:
            self.series[kind] = Series([kind, address, key])
            self.series[kind, "echo"] = Series([kind, "echo", str(folder)])
        for kind in RARE:
            self.series[kind] = Series([kind, address, key, operators])
        for each in self.series.values():
            run.at_end(each.end)

    def wait(self, seconds=30):
        """Waits until each kind has been measured; False when one never is."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if all(series.samples for series in self.series.values()):
                return True
            time.sleep(0.01)
        return False

    def stalls(self, begin, end):
        """When the disk stood still between two moments, also where that began before."""
        return self.series["ReportLog", "echo"].longer_than(STALL, begin - 1, end)

    def p99s(self, begin, end):
        """The p99 of each kind and of its reference between two moments, of the rare ones the
        longest, without the time in which the disk stood still for the reference too."""
        stalls = self.stalls(begin, end)
        return {kind: series.longest_ms(begin, end, stalls) if kind in RARE else
                series.p99_ms(begin, end, stalls if "ReportLog" in kind else ())
                for kind, series in self.series.items()}

    def end(self):
        """Stops calling."""
        for each in self.series.values():
            each.end()

    def ended(self):
        """What ended the kinds whose process is gone: a refusal, the end of its connection."""
        return {kind: self.series[kind].fault for kind in (*RATES, *RARE)
                if self.series[kind].process.poll() is not None}


def main():
    kind, address, key, *operators = sys.argv[1:]
    if address == "echo":
        step = _echo_step(kind, key)
    else:
        step = _server_step(kind, address, key, *operators or [""])
    stand_apart()
    try:
        _paced(kind, step)
    except Exception as fault:
        print(f"{FAULT}{fault}", flush=True)
        raise


if __name__ == "__main__":
    main()
