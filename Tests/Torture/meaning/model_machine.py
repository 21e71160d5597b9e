"""The state machine of the model harness: rules that call the server and the model alike, which
Hypothesis chooses and shrinks."""
import functools, time

from harness import Violation
from hypothesis import HealthCheck, Phase, Verbosity, reject, seed, settings, strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import (
    RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test)
from lifecycle import COMPLETED, FAILED, GARBAGE, IN_PROGRESS, TIMED_OUT, Log, event_of
from model_world import Void

WHICH = st.sampled_from([0, 0, 0, 1])
AGENTS = st.sampled_from(["agent-1", "agent-2", "agent-3"])
LINES = st.integers(0, 1)
ENTITIES = st.sampled_from(["1", "2"])
PLACES = st.integers(0, 5)
STATUSES = st.integers(0, 6)
# Mostly what goes on: from what is refused nothing follows.
NUMBERS = st.sampled_from(["next", "next", "next", "next", "repeat", "gap", "uncounted"])
NAMES = st.sampled_from(["right", "right", "right", "right", "old", GARBAGE, ""])
STEPS = 50
# How many seconds longer a run may take that has found a fault and looks for a shorter way to it.
SHRINKING = 60


# So many examples and steps a run makes at least, if it can within so many times its bound on time.
EXAMPLES, STEPS_MADE, LONGER = 10, 150, 4


class Over(BaseException):
    """The time is over; no fault, so Hypothesis is not to take it for one."""


def guarded(function):
    """What nobody expects, such as a refusal or a lost connection, is a fault like a wrong answer:
    one that does not come again while Hypothesis shrinks is not forgotten."""
    @functools.wraps(function)
    def call(self, *arguments, **choices):
        try:
            return function(self, *arguments, **choices)
        except (Violation, HypothesisException):
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self.failures.append(self.steps + [what])
            raise Violation(what) from error
    return call


def act(**choices):
    """A rule of the machine."""
    return lambda function: rule(**choices)(guarded(function))


class Lifecycle(RuleBasedStateMachine):
    """Two integrations of their own for each example, on one server for all of them."""
    run = world = None  # Set before examples are made.
    failures = []
    is_over = False

    def __init__(self):
        super().__init__()
        self.steps, self.slow, self.restarts = [], 1, 1
        if self.run.left() < 1 and self.is_enough():
            Lifecycle.is_over = True
            raise Over
        self.begin_example()

    def is_enough(self):
        """Whether the run may end now that its time is over."""
        took = time.monotonic() - self.run.started
        if self.failures:
            return took > self.run.seconds + SHRINKING
        return made_enough(self.run) or took > self.run.seconds * LONGER

    @guarded
    def begin_example(self):
        self.sides = self.world.sides()
        self.run.count("examples")

    # MARK: What is common to steps

    def step(self, *what):
        self.steps.append(" ".join(map(str, what)))
        self.run.count("steps")

    def must(self, holds, what):
        if not holds:
            self.failures.append(self.steps + [what])
            raise Violation(what)

    def happened(self, log, name):
        self.world.covered.add((log.state(), name))

    def log(self, side, place):
        """One of the latest logs; None: there is none."""
        logs = list(self.sides[side].model.logs.values())
        return logs[-1 - place % len(logs)] if logs else None

    def token(self, log, name):
        """The lease token of a name: the right one, an old one, or just that text."""
        old = log.tokens[0] if log.tokens else GARBAGE
        return {"right": log.token, "old": old}.get(name, name)

    def same(self, answer, expected, what):
        """An answer is what the model says: a reason, DUPLICATE or nothing."""
        self.must(answer == expected, f"{what} was answered {answer or 'OK'}, "
                                      f"expected {expected or 'OK'}")

    def take(self, side, requests, expected, agent):
        """What a poll brought is what the model says, and is held from here on."""
        got, wanted = [each.log_id for each in requests], [log.id for log in expected]
        self.must(got == wanted, f"a poll brought {got}, expected {wanted}")
        for request, log in zip(requests, expected):
            self.happened(log, ("lease",))
            self.must(request.lease_token not in log.tokens, "a lease token came twice")
            log.lease(request.lease_token, agent)
            self.must(request.delivery == log.delivery and request.attempt == log.attempt,
                      f"delivery {request.delivery} of attempt {request.attempt}")

    def compare(self):
        """Every log stands where the model says."""
        for side in self.sides:
            for log in side.model.logs.values():
                shown = side.shown(log.id)
                expected = side.expected(log)
                self.must(shown == expected, f"log {log.id}: {shown}, expected {expected}")

    def followed(self, side, log, was, retryable=False):
        """A retry that the policy makes is found and known from here on."""
        if not retryable or log.status != FAILED or was == FAILED:
            return
        if side.model.retries_itself(log):
            self.must(side.adopt_retry(log), "the policy's retry was not made")

    @initialize(actions=st.lists(
        st.sampled_from(["plain", "plain", "limited", "single", "retried"]), max_size=4))
    @guarded
    def wishes(self, actions):
        """Most of what may happen needs a request."""
        self.step("wishes", actions)
        for number, action in enumerate(actions):
            self.created(self.sides[0], action, str(number))

    # MARK: Agents

    @act(which=WHICH, agent=AGENTS, line=LINES, action=st.sampled_from(["plain", "retried"]),
          status=STATUSES, sequence=st.integers(0, 2), entity=ENTITIES, retryable=st.booleans(),
          token=st.sampled_from(["", GARBAGE]))
    def begin(self, which, agent, line, action, status, sequence, entity, retryable, token):
        side = self.sides[which]
        log_id = side.new_id()
        self.step("begin", which, agent, action, status, sequence, token)
        expected = side.model.begin(log_id, action, status, sequence, token, entity)
        answer = side.report(
            agent, line, log_id, status, sequence, token, action, entity, retryable)
        self.same(answer, expected, "a first report")
        if not expected:
            self.followed(side, side.model.logs[log_id], None, retryable)
        self.compare()

    @act(which=WHICH, agent=AGENTS, line=LINES, place=PLACES, retryable=st.booleans(),
          reports=st.lists(st.tuples(STATUSES, NUMBERS, NAMES), min_size=1, max_size=8))
    def report(self, which, agent, line, place, retryable, reports):
        side, log = self.sides[which], self.log(which, place)
        if log is None:
            return
        for status, number, name in reports:
            sequence = {"next": log.sequence + 1, "repeat": max(1, log.sequence),
                        "gap": log.sequence + 2, "uncounted": 0}[number]
            token = self.token(log, name)
            self.step("report", which, agent, log.id, status, sequence, name)
            was = log.status
            self.happened(log, event_of(log, status, sequence, token))
            expected = log.report(status, sequence, token)
            answer = side.report(agent, line, log.id, status, sequence, token, retryable=retryable)
            self.same(answer, expected, f"a report of log {log.id}")
            if not expected:
                self.followed(side, log, was, retryable)
        self.compare()

    @act(which=WHICH, agent=AGENTS, line=LINES, maximum=st.integers(1, 3),
          actions=st.lists(st.sampled_from(["plain", "limited", "single", "retried"]),
                           max_size=2, unique=True))
    def poll(self, which, agent, line, maximum, actions):
        side = self.sides[which]
        self.step("poll", which, agent, maximum, actions)
        expected = side.model.next(actions, maximum)
        self.take(side, side.poll(agent, line, actions, maximum), expected, agent)
        self.compare()

    @act(which=WHICH, agent=AGENTS, line=LINES, name=NAMES,
          places=st.lists(PLACES, min_size=1, max_size=3, unique=True))
    def heartbeat(self, which, agent, line, name, places):
        side = self.sides[which]
        named, lost = [], []
        logs = [self.log(which, place) for place in places]
        for log in {log.id: log for log in logs if log}.values():
            token = self.token(log, name)
            self.happened(log, (
                "renew", "none" if not token else "current" if token == log.token else "wrong"))
            if not log.renew(token):
                lost.append(log.id)
            named.append((log.id, token))
        self.step("heartbeat", which, agent, name, named)
        got = side.heartbeat(agent, line, named)
        self.must(sorted(got) == sorted(lost), f"a heartbeat lost {got}, expected {lost}")
        self.compare()

    @act(which=WHICH, agent=AGENTS, line=LINES)
    def stopped(self, which, agent, line):
        side = self.sides[which]
        self.step("stopped", which, agent)
        for log in side.model.held(agent):
            self.happened(log, ("lost",))
            log.lose()
        side.heartbeat(agent, line, [], stopped=True)
        self.compare()

    @act(which=WHICH, agent=AGENTS)
    def reconnect(self, which, agent):
        self.step("reconnect", which, agent)
        self.sides[which].reconnect(agent)
        self.compare()

    # MARK: Operators

    @act(which=WHICH, action=st.sampled_from(["plain", "limited", "single", "retried"]),
          entity=ENTITIES, key=st.sampled_from(["", "", "k1", "k2"]))
    def create(self, which, action, entity, key):
        self.step("create", which, action, entity, key)
        self.created(self.sides[which], action, entity, key)
        self.compare()

    def created(self, side, action, entity, key=""):
        expected = side.model.wish(action, entity, key)
        answer = side.create(action, entity, key)
        if isinstance(expected, Log):
            self.must(answer.get("duplicate") == expected.id, f"a repeated request: {answer}")
        elif expected:
            self.same(answer.get("reason", ""), expected, "a request")
        else:
            self.must("log" in answer, f"a request was answered {answer}")
            side.model.add(answer["log"], key)

    @act(which=WHICH, entity=ENTITIES)
    def create_for_later(self, which, entity):
        side = self.sides[which]
        self.step("create for later", which, entity)
        log = side.create("plain", entity, "", not_before=3600)["log"]
        log.available = ()
        side.model.add(log)
        self.compare()

    @act(which=WHICH, place=PLACES)
    def cancel(self, which, place):
        side, log = self.sides[which], self.log(which, place)
        if log is None:
            return
        self.step("cancel", which, log.id)
        self.happened(log, ("cancel",))
        self.same(side.reason("CancelRequest", id=log.id), log.cancel(), "a cancellation")
        self.compare()

    @act(which=WHICH, place=PLACES)
    def retry(self, which, place):
        side, log = self.sides[which], self.log(which, place)
        if log is None or log.action == "brief":  # Its retry would time out at some later step.
            return
        self.step("retry", which, log.id)
        expected = side.model.retry(log)
        answer, made = side.retry(log)
        self.same(answer, expected, "a retry")
        if made:
            side.model.add(made)
        self.compare()

    @act(which=WHICH)
    def pause(self, which):
        side = self.sides[which]
        self.step("pause" if not side.model.is_paused else "resume", which)
        side.model.is_paused = not side.model.is_paused
        side.call("PauseIntegration" if side.model.is_paused else "ResumeIntegration",
                  name=side.name)
        self.compare()

    @act(which=WHICH, action=st.sampled_from(["plain", "limited"]))
    def pause_action(self, which, action):
        side = self.sides[which]
        known = side.model.actions[action]
        self.step("pause" if not known.is_paused else "resume", which, action)
        known.is_paused = not known.is_paused
        side.call("PauseAction" if known.is_paused else "ResumeAction",
                  integration=side.name, type=action)
        self.compare()

    # MARK: Time and restarts, a few in each example

    @precondition(lambda self: self.restarts > 0)
    @act(kill=st.booleans())
    def restart(self, kill):
        self.restarts -= 1
        self.step("restart", "SIGKILL" if kill else "SIGTERM")
        self.run.count("restarts")
        try:
            self.world.restart(kill, self.sides)
        except Void:
            reject()
        self.compare()

    @act(which=WHICH, action=st.sampled_from(["plain", "limited", "single", "retried"]),
          entity=ENTITIES, how=st.sampled_from(["create", "resume", "retry"]))
    def wake(self, which, action, entity, how):
        """A poll that waits gets what comes."""
        side = self.sides[which]
        model, known = side.model, side.model.actions[action]
        if model.next([action], 1) or model.is_paused or known.is_paused:
            return
        failed = [log for log in model.logs.values()
                  if log.action == action and not model.retry(log)]
        if how == "retry" and not failed:
            return
        self.step("wake", which, action, entity, how)
        waiting = side.wait("agent-1", action)
        if how == "retry":
            answer, made = side.retry(failed[-1])
            self.same(answer, "", "a retry")
            model.add(made)
        elif how == "resume":
            side.call("PauseAction", integration=side.name, type=action)
            self.created(side, action, entity)
            side.call("ResumeAction", integration=side.name, type=action)
        else:
            self.created(side, action, entity)
        expected = model.next([action], 1)
        self.take(side, waiting.answer(bool(expected)), expected, "agent-1")
        self.compare()

    @precondition(lambda self: self.slow > 0)
    @act(which=WHICH, agent=AGENTS, action=st.sampled_from(["plain", "limited", "single"]),
          accepts=st.booleans(), renews=st.booleans(), cancels=st.booleans())
    def expire(self, which, agent, action, accepts, renews, cancels):
        """A short lease runs out: not before its end, and then it is worth nothing."""
        side = self.sides[which]
        expected = side.model.next([action], 1)
        if not expected:
            return
        self.slow -= 1
        log, = expected
        self.step("expire", which, agent, action, log.id, accepts, renews, cancels)
        start = time.monotonic()
        self.take(side, side.poll(agent, 0, [action], 1, lease_ms=1000), expected, agent)
        if cancels:
            self.happened(log, ("cancel",))
            self.same(side.reason("CancelRequest", id=log.id), log.cancel(), "a cancellation")
        if accepts:
            start = time.monotonic()
            self.same(side.report(agent, 0, log.id, IN_PROGRESS, 1, log.token),
                      log.report(IN_PROGRESS, 1, log.token), "a report")
        if renews:
            time.sleep(0.3)
            start = time.monotonic()
            self.must(not side.heartbeat(agent, 0, [(log.id, log.token)]), "a renewal was lost")
            log.renew(log.token)
        self.happened(log, ("lost",))
        was = side.expected(log)
        log.lose()
        self.run.count("expiries")
        at = side.until(lambda: side.shown(log.id) != was, 1 + 10)
        self.must(at is not None, "a lease never ran out")
        self.must(at - start > 0.99, f"a lease of 1 s ran out after {at - start:.3f} s")
        self.same(side.report(agent, 0, log.id, COMPLETED, log.sequence + 1, log.tokens[-1]),
                  log.report(COMPLETED, log.sequence + 1, log.tokens[-1]), "a stale report")
        self.compare()

    @precondition(lambda self: self.slow > 0)
    @act(which=WHICH, own=st.booleans(), entity=ENTITIES)
    def time_out(self, which, own, entity):
        """What nobody takes, or nothing is heard of, times out."""
        self.slow -= 1
        side = self.sides[which]
        self.step("time out", which, "own" if own else "queued")
        start = time.monotonic()
        if own:
            log_id = side.new_id()
            side.model.begin(log_id, "brief", IN_PROGRESS, 1, "", entity)
            self.same(side.report("agent-1", 0, log_id, IN_PROGRESS, 1, "", "brief", entity), "",
                      "a first report")
            log = side.model.logs[log_id]
        else:
            log = side.create("brief", entity, "")["log"]
            side.model.add(log)
        self.happened(log, ("timeout",))
        log.end(TIMED_OUT)
        at = side.until(lambda: side.shown(log.id)["status"] == TIMED_OUT, 1 + 10)
        self.must(at is not None, "a timeout never came")
        self.must(at - start > 0.49, f"a timeout of 0.5 s came after {at - start:.3f} s")
        self.run.count("timeouts")
        self.compare()

    @guarded
    def teardown(self):
        """The lists and counts of both integrations agree with the model."""
        if self.failures:
            return
        for side in self.sides:
            listed, counted = side.listed(), side.counted()
            self.must(sorted(listed) == sorted(side.model.logs),
                      f"{len(listed)} logs are listed, expected {len(side.model.logs)}")
            expected = {}
            for log in side.model.logs.values():
                expected[log.status] = expected.get(log.status, 0) + 1
            self.must(counted == expected, f"logs are counted {counted}, expected {expected}")
            side.close()


def made_enough(run):
    """Whether there were so many examples and steps that they show something."""
    return run.figures.get("examples", 0) >= EXAMPLES and run.figures.get("steps", 0) >= STEPS_MADE


def examples(run, world):
    """Examples of the run's seed until its time is over."""
    Lifecycle.run, Lifecycle.world = run, world
    Lifecycle.failures, Lifecycle.is_over = [], False
    machine = seed(run.seed)(Lifecycle)
    shrinks = () if run.short else (Phase.shrink,)
    try:
        run_state_machine_as_test(machine, settings=settings(
            max_examples=1_000_000, stateful_step_count=STEPS, deadline=None, database=None,
            print_blob=False, verbosity=Verbosity.quiet, phases=(Phase.generate, *shrinks),
            suppress_health_check=list(HealthCheck)))
    except Over:
        pass
    except Exception:
        # Hypothesis wonders at an example that ended with the time; what is wrong is in `failures`.
        if not Lifecycle.failures and not Lifecycle.is_over:
            raise
    if Lifecycle.failures:
        # What cannot be repeated, such as a fault of timing, is no less a fault.
        steps = min(Lifecycle.failures, key=len)
        raise Violation(f"{steps[-1]}, after\n  " + "\n  ".join(steps[:-1]))
    if not made_enough(run):
        raise RuntimeError("too few examples: the machine is busy")
