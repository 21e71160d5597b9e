"""Recorded concurrent histories: many agents and operators against one server, then the checker."""
import json, random, threading, time

from checker import check
from checker_cases import self_test
from client import Connection
from harness import Violation, harness
from history_actors import (
    BUSY, INTEGRATION, QUIET, Agent, Operator, Reader, Record, Waiter, read_log)
from kill_asked import pages
from schema import logs_pb2
from server import Server

ACCEPT, GRACE = 0.4, 0.6
# How long a request may be queued beside a poll that waits for it. A machine with two cores and
# other work stalls for some hundred milliseconds; a wake-up that is lost costs seconds.
PROMPT, SLACK = 2.5, 0.15


class Stage:
    """The server, the actors and the record of one history."""

    def __init__(self, run, number):
        self.run, self.stop, self.is_over = run, threading.Event(), False
        self.path = run.scratch / f"history-{number}.jsonl"
        self.record = Record(self.path)
        self.record.add("config", "run", 0, accept=ACCEPT, grace=GRACE, prompt=PROMPT, slack=SLACK,
                        seed=run.seed)
        self.server = Server(run, name=f"server-{number}", flags=[
            "--accept-timeout", f"{ACCEPT * 1000:.0f}ms", "--grace-time", f"{GRACE * 1000:.0f}ms"])
        self.server.start()
        self.key = self._integration()
        self.recent, self.leases, self.failures = [], [], []

    def _integration(self):
        key = self.server.integration(INTEGRATION)
        agent = Connection(self.server.tcp, key)
        agent.call("RegisterAction", agent_id="agent-1", actions=[
            dict(type=type, name=type, entity_type="order", can_be_requested=True,
                 retry=dict(maximum_attempts=2, initial_backoff_ms=100))
            for type in BUSY + QUIET])
        agent.close()
        return key

    def seeded(self):
        """A generator for one actor, from the seed of the run."""
        return random.Random(self.run.random.getrandbits(64))

    def remember(self, log, token):
        """Keeps a lease, for those who speak of what is long over."""
        self.leases.append((log, token))

    def old_lease(self, random):
        """Some lease of the past, and a sequence for a report with it."""
        log, token = random.choice(self.leases[-400:])
        return log, token, random.randint(1, 3)

    def some_log(self, random):
        """One of the newest logs, so that actors meet; None: there is none yet."""
        recent = self.recent[-60:]
        return random.choice(recent) if recent else None

    def wait_for_end(self, log, seconds):
        """Waits until the record has the acknowledged end of a log."""
        deadline = time.monotonic() + seconds
        place = 0
        while time.monotonic() < deadline and not self.stop.is_set():
            ops = self.record.ops
            for op in ops[max(place, len(ops) - 5000):]:
                if op["op"] == "report" and op["log"] == log and op.get("now") == "COMPLETED":
                    return
            place = len(ops)
            self.stop.wait(0.002)

    def failed(self, name, error):
        """An actor met what it does not expect: the run ends as a fault of the harness."""
        self.failures.append((name, error))
        self.stop.set()

    # ---- The acts ----

    def play(self, seconds):
        """Everybody acts, while the server is killed and stopped now and then."""
        actors = [Agent(self, f"bad-{number}", self.key, BUSY) for number in range(5)]
        actors += [Agent(self, f"good-{name}", self.key, [name], habits=False) for name in QUIET]
        actors += [Operator(self, f"operator-{number}") for number in range(2)]
        actors += [Waiter(self, f"waiter-{name}", name) for name in QUIET]
        actors += [Reader(self, f"reader-{number}") for number in range(2)]
        threads = [threading.Thread(target=actor.run, daemon=True) for actor in actors]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while not self.stop.wait(min(self.run.random.uniform(3, 8), end - time.monotonic())):
            if time.monotonic() >= end - 1:
                break
            self._restart()
        self.stop.set()
        for thread in threads:
            thread.join(30)
            if thread.is_alive():
                raise RuntimeError("an actor does not end")
        if self.failures:
            raise self.failures[0][1]

    def _restart(self):
        t0 = self.record.now()
        if self.run.random.random() < 0.6:
            self.server.kill()
            self.run.count("kills")
        else:
            self.server.stop()
            self.run.count("stops")
        self.server.start()
        self.record.add("down", "run", t0)

    def drain(self):
        """Good agents do what is left, until nothing is open."""
        self.stop = threading.Event()
        agents = [Agent(self, f"last-{number}", self.key, BUSY + QUIET, habits=False)
                  for number in range(3)]
        threads = [threading.Thread(target=agent.run, daemon=True) for agent in agents]
        for agent in agents:
            agent.wait_ms = (200, 200)
        for thread in threads:
            thread.start()
        operator = self.server.operator()
        # Nobody holds anything for long now: bad agents are gone. What is left, the checker names.
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and (
                operator.call("ListRequests", page_size=1).requests):
            time.sleep(0.05)
        self.is_over = True
        self.stop.set()
        for thread in threads:
            thread.join(30)
        self._write_ends(operator)
        operator.close()

    def _write_ends(self, operator):
        reader = Reader(self, "end")
        causes = logs_pb2.TimelineCause
        for log in list(pages(
                operator, "ListLogs", "logs", filter=dict(integrations=[INTEGRATION]))):
            found = operator.call("GetLog", id=log.id)
            cause = [entry for entry in found.timeline if not entry.late][-1].cause
            read_log(reader, log.id, "end", action=log.action_type, retry=bool(log.retry_of),
                     cause=causes.Name(cause).removeprefix("TIMELINE_CAUSE_"))
        reader.disconnect()

    def judge(self):
        """The checker's verdict; on a violation the history stays and its lines are shown."""
        began = time.monotonic()
        found = check(self.record.ops)
        self.record.close()
        self.run.count("operations", len(self.record.ops))
        for op in self.record.ops:
            if op["outcome"] == "unknown":
                self.run.count("unknown")
            if op.get("reason") == "LEASE_LOST":
                self.run.count("stale refused")
        self.run.count("checker s", time.monotonic() - began)
        if not found:
            self.path.unlink()
            return
        for each in found[:3]:
            print(f"history: {each}")
            for op in each.ops:
                print(f"history:   {json.dumps(op)}")
        rules = sorted({each.rule for each in found})
        raise Violation(
            f"{len(found)} violations of {', '.join(rules)}; the history is {self.path}")


@harness("history", seconds=300, short_seconds=18)
def history(run):
    """Concurrent agents and operators, restarts; a checker finds what contradicts the promises."""
    run.figure("cases", self_test())
    number = 0
    while run.left() > 8 or not number:
        number += 1
        stage = Stage(run, number)
        stage.play(min(75, max(6, run.left() - 6)))
        stage.drain()
        stage.judge()
        run.count("histories")
        run.count("requests", len(stage.recent))
        stage.server.check()
        stage.server.stop()
