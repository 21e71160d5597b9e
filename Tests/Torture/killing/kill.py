"""SIGKILL of server and agents at random moments under mixed load, with the ledger outside."""
import random, threading, time

from client import CALL, UNAVAILABLE, Connection, Gone, Refused, frame, hello
from harness import Violation, harness, quantile
from kill_agent import ExportingAgent
from kill_asked import ACTIONS, FINAL, INTEGRATION, Asked, all_logs
from kill_changes import SIDE, Changes, cancel_some, retry_failures
from kill_moments import BackUp, Imports, log_bytes, prune, while_starting, while_stopping
from kill_own import OwnWork
from kill_shot import Shooter
from schema import METHODS, STATUS, access_pb2
from server import Server
from span import Errands

OWN = "erp"
# What a cycle does beside its load, by how many of a hundred cycles.
MOMENTS = {"load": 52, "start": 14, "stop": 14, "back up": 8, "prune": 8, "import": 4}
# Behind a kill nobody knows which answers would have come. So in one cycle of so many all clients
# get all of theirs before it.
ANSWERED_EVERY, ANSWERED_AT = 10, 2


class Storm:
    """One server, its clients, their books, and the cycles of load, kill and comparison."""

    def __init__(self, run):
        self.run = run
        self.server = Server(run, flags=[
            "--accept-timeout", "500ms", "--grace-time", "500ms", "--prune-interval", "1h"])
        self.ready = [self.server.start()]
        self.ready_full, self.fullest_log = [], 0
        self.own, self.asked, self.changes = OwnWork(), Asked(run.random), Changes()
        self.own_key = self.server.integration(OWN)
        self.asked_key = self._integration_with_retries()
        self.server.integration(SIDE)
        self.agent = ExportingAgent(run, self.server)
        self.agent.wait_until_registered()
        self.imports, self.shooter = None, Shooter(run)
        operator = self.server.operator()
        token = operator.call("CreateToken", name="torture", role=access_pb2.ROLE_ADMIN)
        self.token = token.secret
        operator.call("SetRetention", rules=[
            dict(status=STATUS.LOG_STATUS_TIMED_OUT, maximum_age_ms=1)])
        # What is set up so far is no part of any cycle.
        self.changes.compare(operator, self.server)
        operator.close()
        self.began_wall = time.time()
        self.pruned = False
        self.backup = None
        self.failed_logs = []

    def _integration_with_retries(self):
        key = self.server.integration(INTEGRATION)
        connection = Connection(self.server.tcp, key)
        connection.call("RegisterAction", agent_id="agent-1", actions=[
            dict(type=type, name=type, entity_type="order", can_be_requested=True,
                 retry=dict(maximum_attempts=3, initial_backoff_ms=50)) for type in ACTIONS])
        connection.close()
        return key

    # ---- One cycle ----

    def cycle(self):
        """Load, a kill somewhere in it, a restart, and the comparison."""
        run, server = self.run, self.server
        is_answered = run.figures.get("cycles", 0) % ANSWERED_EVERY == ANSWERED_AT
        moment = "answered" if is_answered else run.random.choices(
            list(MOMENTS), MOMENTS.values())[0]
        self.began_wall = time.time() - 0.05
        self.pruned = moment == "prune"
        self.agent.add_quotes(run.random)
        self.agent.start()
        stop = threading.Event()
        clients = Errands()
        for lane in self._lanes(stop, moment):
            clients.start(*lane)
        clients.start(self._kill_agent, stop, random.Random(run.random.getrandbits(64)))
        if self.backup:
            self.backup.start(sum(entry.acknowledged > 0 and not entry.prunable
                                  for entry in list(self.own.entries.values())))
        stop.wait(run.random.uniform(0.02, 0.6))
        if is_answered:
            self._all_answered(stop, clients)
            server.kill()
        elif moment == "stop":
            while_stopping(run, server)
        elif run.random.random() < 0.5:
            self._kill_at_a_reply()
        else:
            server.kill()
        stop.set()
        clients.join(60)
        if moment == "start":
            while_starting(run, server)
        self._restart()
        self.compare()
        if moment == "import":
            self.imports = self.imports or Imports(run)
            self.imports.cycle()
        run.count("cycles")

    def _all_answered(self, stop, clients):
        """The clients begin nothing more, and each gets an answer to all that it has sent."""
        stop.set()
        clients.join(75)
        silent = [
            *(each.id for each in self.own.fresh if each.sent > each.acknowledged),
            *self.asked.unknown, *self.asked.unanswered,
            *(method for method, counts in self.changes.audited.items() if counts[1])]
        # What was refused is sent, and not acknowledged; the comparison says what was wrong there.
        if silent and not self.own.refusals:
            raise Violation(f"{len(silent)} calls have no answer, such as that of {silent[0]}")
        self.run.count("cycles with all answers")

    def _kill_at_a_reply(self):
        """The server dies at the moment at which it has acknowledged a batch."""
        entries = self.own.large_entries(self.run.random)
        method = METHODS["ReportLogBatch"]
        call = method.request(agent_id="own-1", reports=[each.reports[0] for each in entries])
        acknowledged = self.shooter.kill(self.server, hello(self.own_key) + frame(
            CALL, method.id, 1, 30000, call.SerializeToString()))
        if acknowledged is None:
            raise Violation("a batch is not answered, and its connection does not end")
        for entry in entries:
            entry.acknowledged = int(acknowledged)
        self.run.count("kills at a reply", int(acknowledged))
        self.server.kill()

    def _kill_agent(self, stop, random):
        """Kills the agent now and then; it starts again at once, or finds a server that is gone."""
        while not stop.wait(random.expovariate(1.5)):
            self.agent.kill()
            self.run.count("agent kills")
            self.agent.start()

    def _restart(self):
        recovered = log_bytes(self.server.data / "integrations.db-wal")
        took = self.server.start()
        self.ready.append(took)
        # The log is copied into the database when it has 8 MiB.
        if recovered >= 6 << 20:
            self.ready_full.append(took)
        self.fullest_log = max(self.fullest_log, recovered)

    def _lanes(self, stop, moment):
        """What each client of a cycle does: a function and its arguments."""
        server = self.server
        seeded = [random.Random(self.run.random.getrandbits(64)) for _ in range(8)]
        operators = [server.operator() for _ in range(3)]
        # Agents that do not come back before their leases are somebody else's.
        turn = f"{self.run.figures.get('cycles', 0) % 50}"
        lanes = [
            (self.own.report_singly, server.tcp, self.own_key, "own-1", seeded[0], stop),
            (self.own.report_singly, server.unix, self.own_key, "own-2", seeded[1], stop),
            (self.own.report_batches, server.tcp, self.own_key, "own-3", seeded[2], stop),
            (self.asked.work, server.tcp, self.asked_key, f"tcp-{turn}", seeded[3], stop),
            (self.asked.work, server.unix, self.asked_key, f"unix-{turn}", seeded[4], stop),
            (self.asked.create, operators[0], stop, seeded[5]),
            (self.changes.run, Connection(server.tcp, self.token), stop, seeded[6], self._failed),
            (self._quotes, operators[1], stop, seeded[7]),
        ]
        self.backup = None
        if moment == "prune":
            lanes.append((prune, operators[2]))
        else:
            operators[2].close()
        if moment == "back up":
            self.backup = BackUp(self.run, server, self.run.figures.get("cycles", 0))
        return lanes

    def _failed(self):
        """A failed log of own work that was acknowledged in an earlier cycle."""
        return self.failed_logs[int(time.time() * 1000) % len(self.failed_logs)] if (
            self.failed_logs) else None

    def _quotes(self, operator, stop, random):
        try:
            self.agent.ask(operator, random)
            retry_failures(operator, self.began_wall)
            if random.random() < 0.3:
                cancel_some(operator, self.began_wall, ACTIONS[1])
            while not stop.wait(0.05):
                self.agent.ask(operator, random)
        except Gone:
            pass  # What is unknown of these is asked again by nobody.
        except Refused as refusal:
            if refusal.code != UNAVAILABLE:
                self.asked.faults.append(str(refusal))
        finally:
            operator.close()

    # ---- Comparison ----

    def compare(self):
        """The store against all books; then what was unknown is sent again."""
        operator = self.server.operator()
        since = dict(
            seconds=int(self.began_wall), nanos=int(self.began_wall % 1 * 1e9))
        stored = {log.id: log for log in all_logs(operator, OWN, since=since)}
        unknown = self.own.compare(stored, self.pruned)
        touched = list(self.asked.open.values())
        found = self.asked.compare(operator, touched)
        self.run.count("unknown", len(unknown) + len(self.asked.unknown)
                       + len(self.asked.unanswered))
        connection = Connection(self.server.tcp, self.own_key)
        self.run.count("found stored", self.own.repeat(
            connection, "own-1", unknown, self.pruned))
        connection.close()
        self.run.count("found stored", self.asked.repeat(
            operator, self.server.tcp, self.asked_key, found))
        self.asked.compare(operator, touched)
        self.asked.compare_open(operator)
        self.changes.compare(operator, self.server)
        self.failed_logs = [
            id for id, log in stored.items() if log.status == STATUS.LOG_STATUS_FAILED][:3]
        if self.backup:
            self.backup.compare()
        self.compare_counts(operator)
        operator.close()

    def compare_counts(self, operator):
        """Counts and the integrations' own figures say what the book says."""
        counted = {
            getattr(STATUS, f"LOG_STATUS_{count.keys[0]}"): count.logs
            for count in operator.call(
                "CountLogs", filter=dict(integrations=[OWN]), by=["COUNT_BY_STATUS"]).counts}
        total = sum(counted.values())
        timed_out = counted.pop(STATUS.LOG_STATUS_TIMED_OUT, 0)
        expected, prunable = self.own.counts()
        if counted != expected or timed_out > prunable:
            raise Violation(f"counted {counted} and {timed_out}, sent {expected} and {prunable}")
        status = operator.call("GetStatus")
        own = next(each for each in status.integrations if each.name == OWN)
        open_logs = counted.get(STATUS.LOG_STATUS_IN_PROGRESS, 0)
        if (own.logs, own.open_logs) != (total, open_logs):
            raise Violation(
                f"the status says {own.logs} logs, {own.open_logs} open; "
                f"counted: {total}, {open_logs}")

    # ---- The end ----

    def settle(self):
        """No more kills: every request ends, and the whole store is compared once more."""
        stop = threading.Event()
        workers = Errands()
        for number in (1, 2):
            workers.start(self.asked.work, self.server.tcp, self.asked_key, f"worker-{number}",
                          random.Random(number), stop)
        operator = self.server.operator()
        deadline = time.monotonic() + 60
        while self.asked.open:
            if time.monotonic() > deadline:
                raise Violation(
                    f"{len(self.asked.open)} requests are stranded, such as "
                    f"{all_logs(operator, entity_ids=list(self.asked.open)[:1])}")
            self.asked.compare(operator, list(self.asked.open.values()))
            time.sleep(0.05)
        stop.set()
        workers.join(75)
        self.asked.unanswered = {}
        self.asked.compare(operator, list(self.asked.asks.values()))
        logs = all_logs(operator, OWN)
        ids = [log.id for log in logs]
        if len(ids) != len(set(ids)):
            raise Violation(f"{len(ids) - len(set(ids))} logs are listed twice")
        self.own.fresh = [each for each in self.own.entries.values() if not each.prunable]
        self.own.compare({log.id: log for log in logs}, may_be_pruned=True)
        prune(self.server.operator())
        self.compare_counts(operator)
        left = [log for log in all_logs(operator, INTEGRATION) if log.status not in FINAL]
        if left:
            raise Violation(f"{len(left)} requests have not ended, such as {left[0]}")
        operator.close()
        return self.agent.compare(self.agent.settle(60))


@harness("kill", seconds=600, short_seconds=14)
def kill(run):
    """SIGKILL of server and agents under load: nothing lost, nothing twice, nothing stranded."""
    storm = Storm(run)
    while run.left() > 0:
        storm.cycle()
    exported = storm.settle()
    storm.server.check()
    run.at_least("cycles", 4 if run.short else run.seconds / 5)
    run.at_least("cycles with all answers", 1)
    if not run.short:
        for name in ("unknown", "found stored", "agent kills", "kills at a reply"):
            run.at_least(name, 1)
    run.figure("logs", sum(e.acknowledged > 0 for e in storm.own.entries.values()))
    run.figure("requests", len(storm.asked.asks))
    run.figure("deliveries", storm.asked.taken)
    run.figure("changes", storm.changes.acknowledged)
    run.figure("quotes", exported)
    run.figure("ready p50 ms", quantile(storm.ready, 0.5) * 1000)
    run.figure("ready p99 ms", quantile(storm.ready, 0.99) * 1000)
    run.figure("starts with a full WAL", len(storm.ready_full))
    run.figure("p99 ms of those", quantile(storm.ready_full, 0.99) * 1000)
    run.figure("fullest WAL MiB", storm.fullest_log / 2**20)
    storm.server.stop()
