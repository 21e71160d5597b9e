"""A foreign agent that keeps its reports until they are answered, over as many connections as that
takes: what PROTOCOL.md advises an agent's author to do, in a thread."""
import collections, random, threading, time

from google.protobuf.message import DecodeError

from client import Connection, Gone, uuid7
from harness import Violation
from schema import METHODS, STATUS

WINDOW = 32


class Backoff:
    """PROTOCOL.md, section 5: doubles from 100 ms, with a random part of at least half."""

    def __init__(self, chance, maximum):
        self.chance, self.maximum, self.failures = chance, maximum, 0

    def failed(self):
        ceiling = min(self.maximum, 0.1 * 2 ** self.failures)
        self.failures += 1
        return ceiling * self.chance.uniform(0.5, 1)


class Reporter(threading.Thread):
    """Reports attempts at a pace until it is told to stop, and then until all are answered.

    Each attempt is two reports, its beginning and its end, and each adds one record error: a report
    with two effects would add two. The ledger has one entry a report.
    """

    def __init__(self, address, key, ledger, seed, rate=200, patience=1.5, maximum_backoff=2.0):
        super().__init__(daemon=True)
        self.address, self.key, self.ledger = address, key, ledger
        self.chance = random.Random(seed)
        self.rate, self.patience = rate, patience
        self.backoff = Backoff(self.chance, maximum_backoff)
        self.waiting = collections.OrderedDict()  # (log, sequence) -> report, unanswered
        self.in_flight = {}
        self.attempts, self.connections = 0, 0
        self.duplicates, self.refusals = 0, []
        self.last_answer = 0.0
        self.began = self.made = None
        self.stopping, self.abandoned = threading.Event(), threading.Event()

    def run(self):
        self.began, self.made = time.monotonic(), 0
        while not self.abandoned.is_set() and not self.is_done():
            try:
                self._session()
            except (Gone, OSError, DecodeError):
                pass
            if not self.is_done():
                self.abandoned.wait(self.backoff.failed())

    def is_done(self):
        return self.stopping.is_set() and not self.waiting

    def finish(self, seconds):
        """Waits until every report is answered; False when that does not happen in time."""
        self.stopping.set()
        self.join(seconds)
        self.abandoned.set()
        return not self.is_alive() and not self.waiting

    def _session(self):
        self.attempts += 1
        connection = Connection(self.address, self.key, timeout=self.patience)
        try:
            self.connections += 1
            self.in_flight = {}
            unsent = collections.deque(self.waiting)
            while not self.abandoned.is_set() and not self.is_done():
                self._make(unsent)
                while unsent and len(self.in_flight) < WINDOW:
                    entry = unsent.popleft()
                    self.in_flight[connection.send(
                        "ReportLog", agent_id="agent-1", report=self.waiting[entry])] = entry
                if self.in_flight:
                    self._answered(*connection.receive(), unsent)
                else:
                    self.abandoned.wait(0.002)
        finally:
            connection.close()

    def _make(self, unsent):
        """Makes the reports that are due; while the server is away they pile up as they would."""
        due = int((time.monotonic() - self.began) * self.rate) if self.rate else 0
        while self.made < due and not self.stopping.is_set() and len(self.waiting) < 2000:
            log = uuid7(self.chance)
            for sequence in (1, 2):
                report = dict(
                    log_id=log, sequence=sequence, action_type="export_order",
                    entity=dict(type="order", id=log[-6:]),
                    status=STATUS.LOG_STATUS_IN_PROGRESS if sequence == 1
                    else STATUS.LOG_STATUS_COMPLETED,
                    errors=[dict(reference_id=f"{sequence}", message="one of each report")])
                self.ledger.sent(f"{log}/{sequence}")
                self.waiting[log, sequence] = report
                unsent.append((log, sequence))
                self.made += 1

    def _answered(self, call, code, payload, unsent):
        if call not in self.in_flight:
            raise Violation(f"call {call} is answered, and is not in flight")
        entry = self.in_flight.pop(call)
        if code in (8, 14):  # Not now: once more.
            unsent.appendleft(entry)
            return
        self.last_answer = time.monotonic()
        self.backoff.failures = 0
        name = "%s/%d" % entry
        if code:
            self.refusals.append((name, code))
            self.ledger.refuse(name)
        else:
            reply = METHODS["ReportLog"].response.FromString(payload)
            self.duplicates += reply.duplicate
            self.ledger.acknowledge(name)
        self.waiting.pop(entry, None)


def stored_reports(server, integration):
    """What the server's logs of an integration say: the reports taken, and the logs in which one
    of them had another number of effects than one."""
    operator = server.operator()
    reports, wrong, token = [], [], ""
    while True:
        page = operator.call(
            "ListLogs", filter=dict(integrations=[integration]), page_size=1000, page_token=token)
        for log in page.logs:
            reports += [f"{log.id}/{number}" for number in range(1, log.sequence + 1)]
            if log.record_errors != log.sequence:
                wrong.append(f"{log.id}: {log.sequence} reports, {log.record_errors} errors")
        token = page.next_page_token
        if not token:
            operator.close()
            return reports, wrong


def require_same(run, server, integration, ledger):
    """The ledger and the store agree: nothing lost, made up, or with two effects."""
    reports, wrong = stored_reports(server, integration)
    for name, found in ledger.faults(reports).items():
        run.require(not found, f"{len(found)} reports {name}, such as {sorted(found)[:3]}")
    run.require(not wrong, f"{len(wrong)} logs had another effect, such as {wrong[:3]}")
