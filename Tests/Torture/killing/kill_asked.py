"""Requests under kills: an operator asks, agents take, work and end; with a book of all of it."""
import contextlib, threading

from client import ABORTED, UNAVAILABLE, Connection, Gone, Refused, pages
from harness import Violation
from schema import STATUS, types_pb2

INTEGRATION = "crm"
ACTIONS = ("export_quote", "import_contact")
OPEN_AT_MOST = 120
# Longer than a run: what a killed agent held comes back because its connection is gone.
LEASE_MS = 3_600_000
FINAL = {STATUS.LOG_STATUS_COMPLETED, STATUS.LOG_STATUS_FAILED, STATUS.LOG_STATUS_CANCELLED,
         STATUS.LOG_STATUS_TIMED_OUT}


class Ask:
    """One wish of the operator; its key is also the id of its record, by which logs are found."""
    __slots__ = ("key", "action", "log", "ends", "withdrawn")

    def __init__(self, key, action):
        self.key, self.action = key, action
        self.log = None        # The id, once it was told.
        self.ends = {}         # log -> status that an agent was told was stored.
        self.withdrawn = False  # The operator was told that it is cancelled.


class Asked:
    """The book of all requests of one integration."""

    def __init__(self, random):
        self.random, self.lock = random, threading.Lock()
        self.asks, self.open, self.unknown = {}, {}, {}
        self.unanswered = {}   # (log, sequence) -> (agent, report): no reply came.
        self.taken = self.duplicates = self.lost_leases = 0
        self.faults = []

    # ---- Load ----

    def create(self, operator, stop, random):
        """Asks as long as not too much is open; some asks are withdrawn again."""
        with until_gone(operator, self.faults):
            while not stop.wait(0.002):
                if len(self.open) >= OPEN_AT_MOST:
                    continue
                key = f"k-{len(self.asks)}"
                ask = Ask(key, random.choice(ACTIONS))
                with self.lock:
                    self.asks[key] = self.open[key] = self.unknown[key] = ask
                self.ask(operator, ask)
                if random.random() < 0.1:
                    self._withdraw(operator, ask)

    @staticmethod
    def _withdraw(operator, ask):
        try:
            answer = operator.call("CancelRequest", id=ask.log, reason="not needed")
            ask.withdrawn = not answer.asked_agent
        except Refused as refusal:
            if refusal.reason != "REQUEST_NOT_OPEN":  # It may have ended just now.
                raise

    def ask(self, operator, ask):
        """Asks, or asks again with the same key; returns whether it was there."""
        answer = operator.call(
            "CreateRequest", integration=INTEGRATION, action_type=ask.action,
            entity=dict(type="order", id=ask.key), idempotency_key=ask.key)
        if ask.log not in (None, answer.log.id):
            raise Violation(f"{ask.key} was log {ask.log} and is {answer.log.id}")
        ask.log = answer.log.id
        with self.lock:
            self.unknown.pop(ask.key, None)
        return answer.duplicate

    def work(self, address, key, agent, random, stop):
        """Polls, accepts, renews and ends requests until the server is gone."""
        connection = Connection(address, key)
        with until_gone(connection, self.faults):
            while not stop.is_set():
                polled = connection.call(
                    "PollRequests", agent_id=agent, maximum_requests=8, wait_ms=200,
                    lease_ms=LEASE_MS)
                for request in polled.requests:
                    self.taken += 1
                    self._report(connection, agent, request, 1, STATUS.LOG_STATUS_IN_PROGRESS)
                if polled.requests:
                    connection.call(
                        "Heartbeat", agent_id=agent, instance_id="i", interval_ms=5000, leases=[
                            dict(log_id=each.log_id, lease_token=each.lease_token)
                            for each in polled.requests])
                for request in polled.requests:
                    status = random.choice(
                        [STATUS.LOG_STATUS_COMPLETED] * 8 + [STATUS.LOG_STATUS_FAILED] * 2)
                    self._report(connection, agent, request, 2, status)

    def _report(self, connection, agent, request, sequence, status):
        report = dict(
            log_id=request.log_id, lease_token=request.lease_token, sequence=sequence,
            status=status, retryable=status == STATUS.LOG_STATUS_FAILED)
        place = request.log_id, request.lease_token, sequence
        self.unanswered[place] = agent, report
        try:
            answer = connection.call("ReportLog", agent_id=agent, report=report)
        except Refused as refusal:
            if refusal.is_unknown:
                raise
            del self.unanswered[place]
            if refusal.code != ABORTED and refusal.reason != "LOG_FINAL":
                raise
            self.lost_leases += 1
            return
        del self.unanswered[place]
        if answer.duplicate:
            self.faults.append(f"report {sequence} of {request.log_id} was a duplicate at once")
        self._told(request.entity.id, request.log_id, answer.status, status)

    def _told(self, key, log, stored, said):
        if stored != said:
            self.faults.append(f"{log} was told {stored} after {said}")
        if said in FINAL:
            self.asks[key].ends[log] = said

    # ---- Comparison ----

    def compare(self, operator, touched):
        """What the store shows of the asks named against the book. Returns the keys whose ask is
        stored."""
        if self.faults:
            raise Violation(self.faults[0])
        logs = {}
        keys = [ask.key for ask in touched]
        # Agents may be at work: only what they were told before the look must show in it.
        ends = {ask.key: dict(ask.ends) for ask in touched}
        for start in range(0, len(keys), 100):
            for log in all_logs(operator, entity_ids=keys[start:start + 100]):
                logs.setdefault(log.entity.id, []).append(log)
        for ask in touched:
            self._compare(ask, ends[ask.key], logs.get(ask.key, []))
        return {key for key, found in logs.items() if found}

    def _compare(self, ask, ends, logs):
        asked = [log for log in logs if log.trigger == types_pb2.TRIGGER_REQUEST]
        if len(asked) > 1:
            raise Violation(f"{ask.key} made {len(asked)} logs")
        if ask.log and [log.id for log in asked] != [ask.log]:
            raise Violation(f"{ask.key} is log {ask.log} by its reply and {asked} in the store")
        retried = [log.retry_of for log in logs if log.retry_of]
        if len(retried) != len(set(retried)):
            raise Violation(f"a log of {ask.key} was retried twice: {retried}")
        by_id = {log.id: log for log in logs}
        for log, status in ends.items():
            if log not in by_id or by_id[log].status != status:
                raise Violation(
                    f"{log} of {ask.key} ended {status} by its reply; stored: {by_id.get(log)}")
        if ask.withdrawn and by_id[ask.log].status != STATUS.LOG_STATUS_CANCELLED:
            raise Violation(f"{ask.log} was withdrawn and is {by_id[ask.log].status}")
        if logs and all(log.status in FINAL for log in logs) and ask.key not in self.unknown:
            self.open.pop(ask.key, None)

    def repeat(self, operator, address, key, stored):
        """Sends again what got no reply, each with its old ids; returns how many were stored."""
        found = 0
        for ask in list(self.unknown.values()):
            duplicate = self.ask(operator, ask)
            if duplicate != (ask.key in stored):
                raise Violation(
                    f"{ask.key} again: duplicate {duplicate}, stored {ask.key in stored}")
            found += duplicate
        connection = Connection(address, key)
        for (log, _, sequence), (agent, report) in sorted(
                self.unanswered.items(), key=lambda each: each[0][2]):
            before = operator.call("GetLog", id=log).log
            try:
                answer = connection.call("ReportLog", agent_id=agent, report=report)
            except Refused as refusal:
                if before.status in FINAL and before.status == report["status"]:
                    raise Violation(f"{log} ended so, and a repeat got {refusal}") from refusal
                if refusal.code != ABORTED and refusal.reason not in ("SEQUENCE_GAP", "LOG_FINAL"):
                    raise Violation(f"a repeat for {log} got {refusal}") from refusal
                continue
            found += answer.duplicate
            if before.status == report["status"] and before.sequence == sequence and (
                    not answer.duplicate):
                raise Violation(f"report {sequence} of {log} was stored and is no duplicate")
            if report["status"] in FINAL:
                self._told(before.entity.id, log, answer.status, report["status"])
        self.unanswered = {}
        connection.close()
        self.duplicates += found
        return found

    def compare_open(self, operator):
        """No request is stranded: each that has not ended is among the open ones."""
        waiting = {
            request.log.id for request in pages(
                operator, "ListRequests", "requests", filter=dict(integrations=[INTEGRATION]))}
        for ask in list(self.open.values()):
            if ask.log in waiting or not ask.log:
                continue
            logs = all_logs(operator, entity_ids=[ask.key])
            if not any(log.id in waiting for log in logs) and any(
                    log.status not in FINAL for log in logs):
                raise Violation(f"{ask.key} has not ended and is not open: {logs}")


@contextlib.contextmanager
def until_gone(connection, faults):
    """Work on a connection until the server is gone, which is no fault; another refusal is one."""
    try:
        yield
    except Gone:
        pass
    except Refused as refusal:
        if refusal.code != UNAVAILABLE:
            faults.append(str(refusal))
    finally:
        connection.close()



def all_logs(operator, integration=INTEGRATION, **filters):
    """All logs of an integration under more of a filter."""
    return list(pages(
        operator, "ListLogs", "logs", filter=dict(integrations=[integration], **filters)))
