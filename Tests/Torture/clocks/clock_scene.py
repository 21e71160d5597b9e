"""One server through one jump of its wall clock: everything that lasts a span is measured on the
monotonic clock, everything that has its time is held against the clock that jumped."""
import re, threading, time

from client import uuid7
from faked import PREFIX, FakedClock
from harness import Violation
from schema import STATUS, integrations_pb2
from server import Server
from span import Agent, Errands, Watcher

ACCEPT, LEASE, PROGRESS, QUEUE, BACKOFF, RATE, WAIT = 2.0, 3.0, 3.0, 4.0, 2.0, 3.0, 5.0
# How long everything is watched, and when the clock is set meanwhile.
SCENE, JUMP = 7.0, 0.8
# What a busy machine may make late, and what rounding to milliseconds may make early. A clock that
# was set is noticed within a second.
LATE, EARLY, NOTICED = 2.5, 0.02, 1.5
# A step of the clock of up to so much is not followed (ClockWatch).
FOLLOWED = 0.5
# Of one core: a spinning loop takes all of it.
BUSY = 0.5
FLAGS = ["--accept-timeout", "2s", "--progress-timeout", "3s", "--prune-interval", "200ms"]
ACTIONS = {
    "kept": {}, "silent": {}, "offered": {}, "nobody": dict(queue_timeout_ms=int(QUEUE * 1000)),
    "named": {}, "hurry": {}, "rated": {}, "own": {},
    "retried": dict(retry=dict(
        maximum_attempts=3, initial_backoff_ms=int(BACKOFF * 1000), multiplier=1.0,
        maximum_backoff_ms=int(BACKOFF * 1000))),
}
DONE, BEGUN = STATUS.LOG_STATUS_COMPLETED, STATUS.LOG_STATUS_IN_PROGRESS
FAILED, TIMED_OUT = STATUS.LOG_STATUS_FAILED, STATUS.LOG_STATUS_TIMED_OUT


def seconds(timestamp):
    return timestamp.seconds + timestamp.nanos / 1e9


def stamp(value):
    """A protobuf timestamp as keyword arguments."""
    return dict(seconds=int(value // 1), nanos=int(value % 1 * 1e9))


class Stage:
    """A server with a clock of its own, an integration, and what scenes do to them."""

    def __init__(self, run, name, flags=(), offset=0.0):
        self.run = run
        self.clock = FakedClock(run, run.scratch / f"{name}.clock", offset)
        self.server = Server(
            run, [*FLAGS, *flags], environment=self.clock.environment,
            prefix=PREFIX, name=name)
        self.name, self.agents = name, 0
        self.server.start()
        operator = self.server.operator()
        self.key = operator.call(
            "CreateIntegration", name="erp", author="Example",
            support_contact="help@example.com").secret
        with_actions = self.agent()
        with_actions.connection.call(
            "RegisterAction", agent_id=with_actions.name, actions=[
                dict(type=type, name=type, entity_type="order", can_be_requested=True, **policy)
                for type, policy in ACTIONS.items()])
        operator.call("UpdateAction", integration="erp", type="rated", set=dict(
            fields=["rate_limit", "rate_period_ms"], rate_limit=1,
            rate_period_ms=int(RATE * 1000)))
        operator.close()
        with_actions.close()

    def agent(self):
        """A new agent of the integration."""
        self.agents += 1
        return Agent(self.server, self.key, f"agent-{self.agents}")

    def request(self, action, **fields):
        """Asks for an action on a new record; the log's id."""
        operator = self.server.operator()
        answer = operator.call(
            "CreateRequest", integration="erp", action_type=action,
            entity=dict(type="order", id=uuid7()[-12:]), **fields)
        operator.close()
        return answer.log.id

    def ask(self, method, **fields):
        """One call of the operator."""
        operator = self.server.operator()
        try:
            return operator.call(method, **fields)
        finally:
            operator.close()

    def require(self, holds, what):
        if not holds:
            raise Violation(f"{self.name}: {what}")

    def measure(self, what, start, at, span):
        """A span must not be shorter than it is, and not much longer."""
        took = at - start
        self.run.count("spans")
        self.require(took >= span - EARLY, f"{what} ended after {took:.3f} s, not {span:g} s")
        self.require(took <= span + LATE, f"{what} ended after {took:.3f} s, not {span:g} s")

    def check_times(self, logs):
        """No log may begin before it was made or end before it began."""
        operator = self.server.operator()
        for log_id in logs:
            answer = operator.call("GetLog", id=log_id)
            log = answer.log
            times = [log.created_at]
            times += [log.started_at] if log.HasField("started_at") else []
            times += [log.finished_at] if log.HasField("finished_at") else []
            values = [seconds(each) for each in times]
            self.require(values == sorted(values), f"times of log {log_id} run back: {values}")
            for phase in answer.phases:
                if phase.HasField("ended_at"):
                    self.require(
                        seconds(phase.ended_at) >= seconds(phase.started_at),
                        f"a phase of log {log_id} ends before it begins")
        operator.close()

    def end(self):
        """The store must be whole and the server end when it is told to."""
        self.server.check()
        self.server.stop()


class Scene(Stage):
    """Everything that can wait, through one jump."""

    def play(self, by):
        """Plays all parts at once and sets the clock by some seconds in the middle."""
        self.by, self.jumped, self.at = by, threading.Event(), None
        self.watcher = Watcher(self.server)
        errands, busy, began = Errands(), self.server.cpu_seconds(), time.monotonic()
        for part in (
                self.kept, self.silent, self.offered, self.nobody, self.own, self.own_kept,
                self.named, self.retried, self.rated, self.empty, self.hurry, self.healthy):
            errands.start(part)
        time.sleep(JUMP)  # The parts run meanwhile; a jump has no condition to wait for.
        self.clock.jump(by)
        self.at = time.monotonic()
        self.jumped.set()
        errands.join()
        share = (self.server.cpu_seconds() - busy) / (time.monotonic() - began)
        self.require(share < BUSY, f"the server took {share:.0%} of a core with next to no load")
        self.check_times({log.id for _, log in self.watcher.logs})
        self.watcher.close()
        self.run.count("jumps")

    def held(self, agent, action):
        """A request that the agent has accepted with a short lease; also just before that."""
        self.request(action)
        found, _ = agent.take(action, 5, lease_ms=int(LEASE * 1000))
        self.require(found is not None, f"no request for {action} came within 5 s")
        start = time.monotonic()
        agent.report(found.log_id, BEGUN, 1, found.lease_token)
        return found, start

    def kept(self):
        """A lease that heartbeats renew is never lost."""
        agent = self.agent()
        found, start = self.held(agent, "kept")
        while time.monotonic() - start < SCENE:
            answer = agent.heartbeat([(found.log_id, found.lease_token)])
            self.require(not answer.lost_leases, "a lease was lost that heartbeats renewed")
            time.sleep(0.6)
        reason = agent.reason(found.log_id, DONE, 2, found.lease_token)
        self.require(not reason, f"the end of work with a renewed lease is refused: {reason}")
        agent.close()

    def silent(self):
        """A lease that nobody renews ends at its end, and then its token is worth nothing."""
        first, second = self.agent(), self.agent()
        found, start = self.held(first, "silent")
        again, at = second.take("silent", LEASE + LATE + 1)
        self.require(again is not None, "a lease that nobody renewed did not end")
        self.measure("a lease", start, at, LEASE)
        self.require(again.delivery == 2, f"a lost lease brought delivery {again.delivery}")
        reason = first.reason(found.log_id, DONE, 2, found.lease_token)
        self.require(reason == "LEASE_LOST", f"a stale report was answered {reason or 'OK'}")
        reason = second.reason(again.log_id, DONE, 1, again.lease_token)
        self.require(not reason, f"the second holder's report is refused: {reason}")
        first.close(), second.close()

    def offered(self):
        """What nobody accepts goes back at the accept timeout."""
        first, second = self.agent(), self.agent()
        self.request("offered")
        start = time.monotonic()
        found, _ = first.take("offered", 5)
        again, at = second.take("offered", ACCEPT + LATE + 1)
        self.require(found and again, "an offer that nobody accepted did not come back")
        self.measure("an offer", start, at, ACCEPT)
        reason = first.reason(found.log_id, DONE, 1, found.lease_token)
        self.require(reason == "LEASE_LOST", f"a stale report was answered {reason or 'OK'}")
        second.report(again.log_id, DONE, 1, again.lease_token)
        first.close(), second.close()

    def nobody(self):
        """What nobody takes times out at the queue timeout."""
        start = time.monotonic()
        log = self.request("nobody")
        self.timed_out(log, start, QUEUE, "a queued request")

    def timed_out(self, log_id, start, span, what):
        seen = self.watcher.when(
            lambda log: log.id == log_id and log.status == TIMED_OUT, span + LATE + 1)
        self.require(seen is not None, f"{what} never timed out")
        self.measure(what, start, seen[0], span)

    def own(self):
        """Own work that says nothing times out at the progress timeout."""
        agent, log = self.agent(), uuid7(at=self.clock.now())
        start = time.monotonic()
        agent.report(log, BEGUN, 1, action_type="own", entity=dict(type="order", id="1"))
        self.timed_out(log, start, PROGRESS, "own work")
        agent.close()

    def own_kept(self):
        """Own work that heartbeats name never times out, and its next reports are taken, though its
        id was made by another clock."""
        agent, log = self.agent(), uuid7(at=self.clock.now())
        start = time.monotonic()
        agent.report(log, BEGUN, 1, action_type="own", entity=dict(type="order", id="2"))
        while time.monotonic() - start < SCENE:
            agent.heartbeat([(log, "")])
            time.sleep(0.6)
        reason = agent.reason(log, DONE, 2)
        self.require(not reason, f"the end of own work is refused: {reason}")
        agent.close()

    def named(self):
        """What may not go out before a time waits for that time, by the clock as it is."""
        # A jump back is seen within a second, while an earlier one may have left the server ahead.
        agent, wait = self.agent(), 2.5
        start = time.monotonic()
        log = self.request("named", not_before=stamp(self.clock.now() + wait))
        expected = JUMP if self.by >= wait - JUMP else wait - self.by
        found, at = agent.take("named", expected + LATE if expected <= SCENE else SCENE)
        if expected > SCENE:
            self.require(found is None, "a request went out before its time")
            # Another jump of a chain would bring its time.
            self.ask("CancelRequest", id=log)
            return agent.close()
        self.require(found is not None, "a request did not go out at its time")
        # A step back of up to half a second is not followed: the server's time stays ahead.
        off = 0.1 + (-self.by if -FOLLOWED <= self.by < 0 else 0)
        self.require(
            at - start >= expected - off, f"a request went out {at - start:.2f} s after it was "
            f"made, {expected:.2f} s was its time")
        agent.report(found.log_id, DONE, 1, found.lease_token)
        agent.close()

    def retried(self):
        """A retry comes behind its backoff."""
        agent = self.agent()
        self.request("retried")
        found, _ = agent.take("retried", 5)
        start = time.monotonic()
        agent.report(found.log_id, FAILED, 1, found.lease_token, retryable=True)
        again, at = agent.take("retried", BACKOFF + LATE + 1)
        self.require(again is not None, "a retry never came")
        self.measure("a backoff", start, at, BACKOFF)
        agent.report(again.log_id, DONE, 1, again.lease_token)
        agent.close()

    def rated(self):
        """A rate lets the next one out a period after the last."""
        agent = self.agent()
        self.request("rated"), self.request("rated")
        # What an earlier scene delivered may still count.
        found, _ = agent.take("rated", RATE + LATE)
        self.require(found is not None, "a rate never opened")
        start = time.monotonic()
        agent.report(found.log_id, DONE, 1, found.lease_token)
        again, at = agent.take("rated", RATE + LATE + 1)
        self.require(again is not None, "a rate never opened again")
        # It was delivered a little before its report.
        self.measure("a rate's period", start - 0.3, at, RATE - 0.3)
        agent.report(again.log_id, DONE, 1, again.lease_token)
        agent.close()

    def empty(self):
        """A poll waits as long as it says."""
        agent = self.agent()
        start = time.monotonic()
        found, at = agent.poll("own", int(WAIT * 1000))
        self.require(found is None, "a poll brought a request that nobody made")
        self.measure("a poll", start, at, WAIT)
        agent.close()

    def hurry(self):
        """A poll that waits through the jump gets what comes behind it at once."""
        agent = self.agent()
        taken = []
        errands = Errands()
        errands.start(lambda: taken.append(agent.take("hurry", SCENE)))
        self.jumped.wait()
        for _ in range(3):  # Before the jump is noticed, about then, and after it.
            start = time.monotonic()
            self.request("hurry")
            errands.join()
            found, at = taken.pop()
            self.require(found is not None, "a request behind the jump went to no waiting poll")
            self.require(at - start < LATE, f"a request waited {at - start:.2f} s for a poll")
            agent.report(found.log_id, DONE, 1, found.lease_token)
            errands = Errands()
            errands.start(lambda: taken.append(agent.take("hurry", SCENE)))
            time.sleep(0.6)
        start = time.monotonic()
        last = self.request("hurry")
        errands.join()
        found, at = taken.pop()
        self.require(found is not None and found.log_id == last and at - start < LATE,
                     "the last request behind the jump went to no waiting poll")
        agent.report(found.log_id, DONE, 1, found.lease_token)
        agent.close()

    def healthy(self):
        """An agent that phones home is up, and no time of it lies ahead or runs back."""
        agent, operator = self.agent(), self.server.operator()
        start = time.monotonic()
        up = integrations_pb2.HEALTH_UP
        while time.monotonic() - start < SCENE:
            answer = agent.heartbeat(sent_at=stamp(self.clock.now()))
            shown = {each.agent_id: each for each in operator.call(
                "ListAgents", integration="erp").agents}[agent.name]
            status = operator.call("GetStatus")
            waits = re.search(r"waits for (\d+) s", shown.health_reason)
            self.require(
                shown.health == up or waits and int(waits.group(1)) <= SCENE + LATE,
                f"an agent that phones home: {shown.health_reason}")
            age = seconds(status.server_time) - seconds(shown.last_heartbeat_at)
            # The clock may have been followed between the two answers.
            if abs(age) < 1000 or self.settled():
                self.require(-0.1 <= age < 5, f"a heartbeat of now is {age:.3f} s old")
            if self.settled():
                off = seconds(answer.server_time) - self.clock.now()
                self.require(abs(off) < 0.5, f"the server's time is {off:.3f} s off")
            time.sleep(0.3)
        agent.close(), operator.close()

    def settled(self):
        """Whether the server must have noticed the jump by now."""
        return self.at is not None and time.monotonic() - self.at > NOTICED
