"""Recorded concurrent histories: many agents and operators against one server, then the checker."""
import json, random, statistics, threading, time

from checker import check
from checker_cases import self_test
from client import Connection
from harness import Violation, harness
from history_actors import (
    BUSY, CALM, CAUSES, QUIET, SHOP, Agent, Operator, Pulse, Reader, Record, Waiter, read_log)
from kill_asked import pages
from server import Server

ACCEPT, GRACE, SLACK = 0.4, 0.6, 0.15
# How long a request may be queued beside a poll that waits for it, at least; a wake-up that is lost
# costs up to the six seconds that such a poll waits. A machine with other work is slower: there it
# is so many times what a small write takes meanwhile. Where a single one takes a quarter of that,
# nothing is said of those who wait beside it.
PROMPT, PULSES, STALL = 1.5, 20, 0.25
# So many requests must have been waited for in each history, within so many times its length.
WAITS, LONGER = 250, 4


class Stage:
    """The server, the actors and the record of one history."""

    def __init__(self, run, number):
        self.run, self.stop, self.is_over = run, threading.Event(), False
        self.path = run.scratch / f"history-{number}.jsonl"
        self.record = Record(self.path)
        self.server = Server(run, name=f"server-{number}", flags=[
            "--accept-timeout", f"{ACCEPT * 1000:.0f}ms", "--grace-time", f"{GRACE * 1000:.0f}ms"])
        self.server.start()
        self.keys = {SHOP: self._integration(SHOP, BUSY),
                     CALM: self._integration(CALM, (*QUIET, "pulse"))}
        self.recent, self.leases, self.failures = {SHOP: [], CALM: []}, [], []
        self.done, self.waits = set(), 0
        self.ends = threading.Condition()

    def _integration(self, name, types):
        key = self.server.integration(name)
        agent = Connection(self.server.tcp, key)
        agent.call("RegisterAction", agent_id="agent-1", actions=[
            dict(type=type, name=type, entity_type="order", can_be_requested=True,
                 retry=dict(maximum_attempts=2, initial_backoff_ms=100)) for type in types])
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

    def some_log(self, random, integration=SHOP):
        """One of the newest logs, so that actors meet; None: there is none yet."""
        recent = self.recent[integration][-60:]
        return random.choice(recent) if recent else None

    def is_done(self, log):
        """The end of a log was acknowledged, for who waits for it."""
        with self.ends:
            self.done.add(log)
            self.ends.notify_all()

    def wait_for_end(self, log, seconds):
        """Waits until the end of a log is acknowledged; False: it was not in time."""
        deadline = time.monotonic() + seconds
        with self.ends:
            while log not in self.done:
                if time.monotonic() >= deadline or self.stop.is_set():
                    return False
                self.ends.wait(0.2)
            self.done.discard(log)
        return True

    def failed(self, name, error):
        """An actor met what it does not expect: the run ends as a fault of the harness."""
        self.failures.append((name, error))
        self.stop.set()

    # ---- The acts ----

    def play(self, seconds):
        """Everybody acts, while the server is killed and stopped now and then."""
        self.pulse = Pulse(self, "pulse")
        actors = [self.pulse]
        actors += [Agent(self, f"bad-{number}", BUSY) for number in range(5)]
        actors += [Agent(self, f"good-{name}", [name], CALM, habits=False) for name in QUIET]
        actors += [Operator(self, f"operator-{number}") for number in range(2)]
        actors += [Waiter(self, f"waiter-{name}", name) for name in QUIET]
        actors += [Reader(self, f"reader-{number}") for number in range(2)]
        threads = [threading.Thread(target=actor.run, daemon=True) for actor in actors]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        end, last = began + seconds, began + seconds * LONGER
        while not self.stop.wait(
                max(0, min(self.run.random.uniform(3, 8), seconds / 2, end - time.monotonic()))):
            if time.monotonic() >= end - 1:
                if self.waits >= WAITS or time.monotonic() >= last:
                    break
                end = time.monotonic() + 2  # The machine is slow.
                continue
            self._restart()
        self.stop.set()
        for thread in threads:
            thread.join(30)
            if thread.is_alive():
                raise RuntimeError("an actor does not end")
        if self.failures:
            raise self.failures[0][1]
        self.run.count("waits", self.waits)

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
        agents = [Agent(self, f"last-{number}", BUSY, habits=False) for number in range(3)]
        agents += [Agent(self, "last-calm", QUIET, CALM, habits=False)]
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
        for log in list(pages(
                operator, "ListLogs", "logs",
                filter=dict(integrations=[SHOP, CALM], action_types=[*BUSY, *QUIET]))):
            found = operator.call("GetLog", id=log.id)
            cause = [entry for entry in found.timeline if not entry.late][-1].cause
            read_log(reader, log.id, "end", action=log.action_type, retry=bool(log.retry_of),
                     cause=CAUSES[cause])
        reader.disconnect()

    def _measure(self):
        """What is prompt on this machine, and when it had no time for anybody."""
        beats = self.pulse.beats
        usual = statistics.median(end - start for start, end in beats) if beats else 0
        prompt = max(PROMPT, PULSES * usual)
        self.record.add("config", "run", 0, accept=ACCEPT, grace=GRACE, prompt=prompt, slack=SLACK,
                        seed=self.run.seed)
        stalls = [beat for beat in beats if beat[1] - beat[0] > prompt * STALL]
        for start, end in stalls:
            self.record.add("stall", "pulse", start, t1=end)
            self.run.count("stalled s", end - start)
        self.run.figure("prompt s", max(prompt, self.run.figures.get("prompt s", 0.0)))

    def judge(self):
        """The checker's verdict; on a violation the history stays and its lines are shown."""
        began = time.monotonic()
        self._measure()
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
        run.count("requests", sum(map(len, stage.recent.values())))
        if stage.waits < WAITS:
            raise RuntimeError(f"only {stage.waits} requests were waited for: the machine is busy")
        stage.server.check()
        stage.server.stop()
