"""Own work of agents under kills: reports one by one, in batches and in sequences, with a book of
what was sent and what was acknowledged, and the comparison of that book with the store."""
import threading

from client import UNAVAILABLE, Connection, Gone, Refused, uuid7
from harness import Violation
from schema import METHODS, STATUS

WINDOW = 24
BATCH = 20


class Entry:
    """One log of own work: its reports in order, how many went out and how many came back."""
    __slots__ = ("id", "reports", "sent", "acknowledged", "prunable")

    def __init__(self, log, reports, prunable=False):
        self.id, self.reports, self.prunable = log, reports, prunable
        self.sent = self.acknowledged = 0

    def status(self, sequence):
        """The status after so many stored reports."""
        for report in reversed(self.reports[:sequence]):
            if "status" in report:
                return report["status"]
        return STATUS.LOG_STATUS_IN_PROGRESS


def made_up(random):
    """A log to come: mostly one report, else a sequence whose steps each add a record error, so
    that a step that is taken twice shows."""
    log = uuid7(random)
    first = dict(log_id=log, action_type="export_order", entity=dict(type="order", id=log[-6:]))
    kind = random.random()
    if kind < 0.1:
        return Entry(log, [dict(first, sequence=1, status=STATUS.LOG_STATUS_TIMED_OUT)], True)
    if kind < 0.6:
        status = STATUS.LOG_STATUS_FAILED if kind < 0.15 else STATUS.LOG_STATUS_COMPLETED
        return Entry(log, [dict(first, sequence=1, status=status, status_message=f"one of {log}")])
    steps = random.randint(2, 4)
    reports = [
        dict(log_id=log, sequence=number, records_done=number,
             errors=[dict(reference_id=str(number), message="not found")])
        for number in range(1, steps + 1)]
    reports[0].update(first, status=STATUS.LOG_STATUS_IN_PROGRESS)
    reports[-1]["status"] = STATUS.LOG_STATUS_COMPLETED
    return Entry(log, reports)


class OwnWork:
    """The book of all own work of one integration."""

    def __init__(self):
        self.lock = threading.Lock()
        self.entries = {}
        self.fresh = []  # What was touched since the last comparison.
        self.refusals = []

    def add(self, entry):
        """From now on the log may be stored."""
        with self.lock:
            self.entries[entry.id] = entry
            self.fresh.append(entry)

    def _refused(self, entry, refusal):
        """A server that stops may refuse, and says whether it is unknown; nothing else may be
        refused of this load, and the run ends with the first one."""
        if refusal.code != UNAVAILABLE:
            self.refusals.append(f"report {entry.sent} of {entry.id} was refused: {refusal}")
        elif not refusal.is_unknown:
            entry.sent -= 1

    # ---- Load ----

    def report_singly(self, address, key, agent, random, stop):
        """Keeps many logs going on one connection until the server is gone."""
        connection, in_flight = Connection(address, key), {}
        try:
            while not stop.is_set() or in_flight:
                while len(in_flight) < WINDOW and not stop.is_set():
                    entry = made_up(random)
                    self.add(entry)
                    self._send(connection, agent, entry, in_flight)
                call, code, payload = connection.receive()
                if call not in in_flight:
                    raise Violation(f"call {call} is answered, and is not in flight")
                entry = in_flight.pop(call)
                if code == UNAVAILABLE:  # It drains: what is in flight still gets its replies.
                    stop.set()
                if code:
                    self._refused(entry, Refused("ReportLog", code, payload))
                    continue
                entry.acknowledged += 1
                if entry.acknowledged < len(entry.reports) and not stop.is_set():
                    self._send(connection, agent, entry, in_flight)
        except Gone:
            pass
        finally:
            connection.close()

    @staticmethod
    def _send(connection, agent, entry, in_flight):
        entry.sent += 1
        in_flight[connection.send(
            "ReportLog", agent_id=agent, report=entry.reports[entry.sent - 1])] = entry

    def report_batches(self, address, key, agent, random, stop):
        """One batch after the other, each with the next reports of some logs."""
        connection, open_entries = Connection(address, key), []
        try:
            while not stop.is_set():
                while len(open_entries) < BATCH:
                    entry = made_up(random)
                    self.add(entry)
                    open_entries.append(entry)
                for entry in open_entries:
                    entry.sent += 1
                answer = connection.call("ReportLogBatch", agent_id=agent, reports=[
                    entry.reports[entry.sent - 1] for entry in open_entries])
                for entry, outcome in zip(open_entries, answer.outcomes, strict=True):
                    if outcome.code:
                        self.refusals.append(f"{entry.id} was refused: {outcome.reason}")
                    else:
                        entry.acknowledged += 1
                open_entries = [
                    each for each in open_entries if each.acknowledged < len(each.reports)]
        except Gone:
            pass
        except Refused as refusal:
            for entry in open_entries:
                self._refused(entry, refusal)
        finally:
            connection.close()

    def large_entries(self, random, count=300):
        """Logs for one batch whose commit takes long, all of them sent as far as the book knows."""
        entries = []
        for _ in range(count):
            log = uuid7(random)
            entry = Entry(log, [dict(
                log_id=log, sequence=1, action_type="export_order", status_message="x" * 2000,
                entity=dict(type="order", id=log[-6:]), status=STATUS.LOG_STATUS_COMPLETED)])
            entry.sent = 1
            self.add(entry)
            entries.append(entry)
        return entries

    # ---- Comparison ----

    def compare(self, stored, may_be_pruned):
        """What the store shows of what was touched: everything acknowledged, nothing that was not
        sent, each step once. Returns which unknown reports it has: entry -> stored sequence."""
        if self.refusals:
            raise Violation(self.refusals[0])
        for log in stored:
            if log not in self.entries:
                raise Violation(f"log {log} is stored, and nobody sent it")
        unknown = {}
        for entry in self.fresh:
            log = stored.get(entry.id)
            sequence = log.sequence if log else 0
            if entry.prunable and may_be_pruned and not log:
                sequence = entry.acknowledged
            if sequence < entry.acknowledged:
                raise Violation(
                    f"log {entry.id}: {entry.acknowledged} reports acknowledged, {sequence} stored")
            if sequence > entry.sent:
                raise Violation(f"log {entry.id}: {entry.sent} reports sent, {sequence} stored")
            if log:
                self._compare(entry, log)
            if entry.sent > entry.acknowledged:
                unknown[entry.id] = sequence
        return unknown

    @staticmethod
    def _compare(entry, log):
        expected = entry.status(log.sequence)
        if log.status != expected:
            raise Violation(
                f"log {entry.id} has {log.sequence} reports and status {log.status}, "
                f"not {expected}")
        steps = log.sequence if len(entry.reports) > 1 else 0
        if log.record_errors != steps:
            raise Violation(
                f"log {entry.id} has {log.record_errors} record errors of {steps} steps")

    def repeat(self, connection, agent, unknown, may_be_pruned):
        """Sends what was not answered again, with the same ids and sequences; `duplicate` must say
        whether it was stored; then finishes what is in the middle. Returns how many were."""
        found, entries = 0, [self.entries[log] for log in unknown]
        for entry, duplicate in self._sent_again(connection, agent, entries):
            was_stored = unknown[entry.id] >= entry.sent
            if duplicate != was_stored and not (entry.prunable and may_be_pruned):
                raise Violation(
                    f"a repeat for {entry.id} says duplicate {duplicate}; stored: {was_stored}")
            found += duplicate
        while unfinished := [
                each for each in self.fresh if 0 < each.acknowledged < len(each.reports)]:
            for entry in unfinished:
                entry.sent += 1
            for entry, duplicate in self._sent_again(connection, agent, unfinished):
                if duplicate:
                    raise Violation(f"report {entry.sent} of {entry.id} is a duplicate at once")
        self.fresh = []
        return found

    @staticmethod
    def _sent_again(connection, agent, entries):
        """Sends the last report of each, and gives back each with whether it was a duplicate."""
        in_flight = {connection.send(
            "ReportLog", agent_id=agent, report=entry.reports[entry.sent - 1]): entry
            for entry in entries}
        for _ in entries:
            call, code, payload = connection.receive()
            entry = in_flight[call]
            if code:
                raise Violation(
                    f"a repeat for {entry.id} was refused: {Refused('ReportLog', code, payload)}")
            entry.acknowledged = entry.sent
            yield entry, METHODS["ReportLog"].response.FromString(payload).duplicate

    def counts(self):
        """How many logs each status has by the book, those that may be pruned apart."""
        counts, prunable = {}, 0
        for entry in self.entries.values():
            if entry.prunable:
                prunable += entry.acknowledged > 0
            elif entry.acknowledged:
                status = entry.status(entry.acknowledged)
                counts[status] = counts.get(status, 0) + 1
        return counts, prunable
