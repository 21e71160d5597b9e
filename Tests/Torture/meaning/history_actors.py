"""Who acts in a recorded history: agents with bad habits, operators, readers; and the record."""
import json, threading, time

from client import UNAVAILABLE, Connection, Gone, Refused, uuid7
from schema import logs_pb2, types_pb2

# Where everything happens, and where nobody disturbs those who wait for their requests.
SHOP, CALM = "shop", "calm"
BUSY = ("export", "import", "sync")
QUIET = tuple(f"quiet-{number}" for number in range(4))
NAMES = {number: name.removeprefix("LOG_STATUS_")
         for name, number in types_pb2.LogStatus.items()}
NUMBERS = {name: number for number, name in NAMES.items()}
CAUSES = {number: name.removeprefix("TIMELINE_CAUSE_")
          for name, number in logs_pb2.TimelineCause.items()}


class Record:
    """The history as it grows: one line of JSON for each operation that has returned."""

    def __init__(self, path):
        self.lock, self.file = threading.Lock(), open(path, "w")
        self.began, self.ops = time.monotonic(), []

    def now(self):
        """Seconds since the record began, on a clock that never jumps."""
        return time.monotonic() - self.began

    def add(self, op, actor, t0, outcome="ok", t1=None, **fields):
        """Writes one operation; `t1` is now unless it is given."""
        entry = dict(op=op, actor=actor, t0=round(t0, 6),
                     t1=round(self.now() if t1 is None else t1, 6), outcome=outcome, **fields)
        with self.lock:
            self.ops.append(entry)
            self.file.write(json.dumps(entry) + "\n")

    def close(self):
        """Ends the file."""
        self.file.close()


def told(answer):
    """The logs that an answer asks its agent to stop."""
    return [each.cancel.log_id for each in answer.directives if each.HasField("cancel")]


def outcome_of(refusal):
    """A call that was refused had no effect, unless the server cannot know."""
    return "unknown" if refusal.is_unknown else "refused"


class Actor:
    """Something with a connection of its own that it opens again when it is gone."""

    def __init__(self, stage, name, key=""):
        self.stage, self.name, self.key = stage, name, key
        self.random, self.record, self.stop = stage.seeded(), stage.record, stage.stop
        self.connection = None

    def connect(self):
        """Opens a connection, over and over until there is a server."""
        while self.connection is None:
            try:
                address = self.stage.server.unix
                if self.key and self.random.random() < 0.5 and self.stage.server.tcp:
                    address = self.stage.server.tcp
                self.connection = Connection(address, self.key)
            except OSError:
                if self.stop.wait(0.01) and self.stage.is_over:
                    raise Gone("over") from None

    def disconnect(self):
        """Closes the connection, and records since when it is gone."""
        if self.connection is not None:
            self.record.add("gone", self.name, self.record.now(), agent=self.name)
            self.connection.close()
            self.connection = None

    def call(self, method, op, describe, /, fields, **known):
        """Makes a call and records it; returns the answer, None when there is none."""
        self.connect()
        t0 = self.record.now()
        try:
            answer = self.connection.call(method, **fields)
        except Gone:
            self.record.add(op, self.name, t0, "unknown", **known)
            self.disconnect()
            return None
        except Refused as refusal:
            self.record.add(op, self.name, t0, outcome_of(refusal), reason=refusal.reason, **known)
            if refusal.code == UNAVAILABLE:
                self.disconnect()
            return None
        self.record.add(op, self.name, t0, **{**known, **describe(answer)})
        return answer

    def run(self):
        """Acts until the stage says that it is enough."""
        try:
            while not self.stop.is_set():
                self.act()
        except Gone:
            pass
        except Exception as error:
            self.stage.failed(self.name, error)
        finally:
            self.disconnect()


class Agent(Actor):
    """Takes requests, and now and then stalls, dies, repeats itself or says what is long over."""

    def __init__(self, stage, name, actions, integration=SHOP, habits=True):
        super().__init__(stage, name, stage.keys[integration])
        self.actions, self.habits, self.integration = actions, habits, integration
        self.wait_ms = (0, 1500) if habits else (6000, 6000)

    def act(self):
        """One thing out of what this actor does."""
        if self.habits and self.random.random() < 0.04:
            return self.die_while_polling()
        for request in self.poll():
            self.work(request)
        if self.habits and self.random.random() < 0.05:
            self.beat([], stopped=True)

    def poll(self):
        """Asks for work; returns what was delivered."""
        actions = list(self.actions)
        if self.habits:
            actions = self.random.sample(actions, self.random.randint(1, len(actions)))
        # A long one comes back only because its holder is gone.
        lease_ms = 600_000 if self.random.random() < 0.15 else self.random.randint(1000, 2000)
        fields = dict(
            agent_id=self.name, action_types=actions, lease_ms=lease_ms,
            maximum_requests=self.random.randint(1, 4), wait_ms=self.random.randint(*self.wait_ms))
        answer = self.call(
            "PollRequests", "poll", lambda answer: dict(requests=[
                dict(log=each.log_id, token=each.lease_token, delivery=each.delivery,
                     action=each.action_type) for each in answer.requests], told=told(answer)),
            fields, agent=self.name, actions=actions, lease=lease_ms / 1000, requests=[],
            integration=self.integration)
        return answer.requests if answer else []

    def die_while_polling(self):
        """A poll whose answer nobody reads."""
        self.connect()
        t0 = self.record.now()
        try:
            self.connection.send(
                "PollRequests", agent_id=self.name, action_types=list(self.actions),
                maximum_requests=2, wait_ms=1000, lease_ms=1000)
            self.stop.wait(self.random.uniform(0, 0.05))
        except Gone:
            pass
        self.record.add("poll", self.name, t0, "unknown", agent=self.name,
                        actions=list(self.actions), lease=1.0, requests=[])
        self.disconnect()
        self.stop.wait(self.random.uniform(0, 1.2))

    def report(self, log, token, sequence, status, retryable=False):
        """Reports on a log with a lease, whosever it is."""
        fields = dict(agent_id=self.name, report=dict(
            log_id=log, lease_token=token, sequence=sequence, status=NUMBERS[status],
            retryable=retryable))
        return self.call(
            "ReportLog", "report",
            lambda answer: dict(duplicate=answer.duplicate, now=NAMES[answer.status],
                                told=told(answer)),
            fields, log=log, token=token, sequence=sequence, status=status, duplicate=False,
            now="")

    def beat(self, leases, stopped=False):
        """A heartbeat that names leases, or says goodbye."""
        fields = dict(
            agent_id=self.name, instance_id="i", interval_ms=5000, state=4 if stopped else 1,
            leases=[dict(log_id=log, lease_token=token) for log, token in leases])
        return self.call(
            "Heartbeat", "beat", lambda answer: dict(lost=list(answer.lost_leases),
                                                       told=told(answer)), fields,
            agent=self.name, leases=[list(each) for each in leases], stopped=stopped, lost=[])

    def work(self, request):
        """One request from its delivery to its end, the way of today."""
        log, token = request.log_id, request.lease_token
        if self.integration == CALM:
            return self.work_calmly(log, token)
        self.stage.remember(log, token)
        end = "FAILED" if self.habits and self.random.random() < 0.1 else "COMPLETED"
        way = self.random.random() if self.habits else 0.0
        if way < 0.25:  # At once.
            return self.report(log, token, 1, end, retryable=True)
        if way < 0.33:  # Answers for it too late, and maybe somebody else has it.
            self.stop.wait(self.random.uniform(0.2, 1.0))
        if way < 0.36:  # Says nothing at all.
            return None
        self.report(log, token, 1, "IN_PROGRESS")
        if way < 0.45:
            self.beat([(log, token)])
            self.stop.wait(self.random.uniform(0, 0.3))
        elif way < 0.55:  # Stalls, maybe for longer than the lease.
            self.stop.wait(self.random.uniform(0.5, 2.5))
        elif way < 0.62:  # Dies, comes back, and goes on where it was.
            self.disconnect()
            self.stop.wait(self.random.uniform(0, 1.5))
        elif way < 0.67:  # Says goodbye with work in its hands, and goes on all the same.
            self.beat([], stopped=True)
            self.stop.wait(self.random.uniform(0, 0.1))
        elif way < 0.80:  # Repeats itself.
            self.report(log, token, 1, "IN_PROGRESS")
        elif way < 0.90:  # Says something about work that is long over, with its old token.
            old, old_token, sequence = self.stage.old_lease(self.random)
            self.report(old, old_token, sequence, self.random.choice(["IN_PROGRESS", "FAILED"]))
            self.beat([self.stage.old_lease(self.random)[:2]])
        answer = self.report(log, token, 2, end, retryable=True)
        if answer and self.random.random() < 0.2:
            self.report(log, token, 2, end)
        return answer


    def work_calmly(self, log, token):
        """At once, and somebody waits for it."""
        if self.report(log, token, 1, "COMPLETED"):
            self.stage.is_done(log)


class Operator(Actor):
    """Asks, withdraws, retries and pauses."""
    integration = SHOP

    def act(self):
        """One thing out of what this actor does."""
        if len(self.stage.recent[SHOP]) >= 4000 or self.stop.wait(self.random.uniform(0, 0.08)):
            return None
        choice = self.random.random()
        if choice < 0.70:
            later = self.random.randint(20, 800) if self.random.random() < 0.15 else None
            return self.create(self.random.choice(BUSY), later)
        if choice < 0.82:
            return self.cancel(self.stage.some_log(self.random))
        if choice < 0.97:
            return self.retry(self.stage.some_log(self.random))
        return self.pause()

    def create(self, action, not_before_ms=None, method="CreateRequest"):
        """Asks with a key, again until there is an answer; returns the log."""
        key = f"{self.name}-{self.random.getrandbits(64):x}"
        item = dict(idempotency_key=key, entity=dict(type="order", id=key))
        fields = dict(item) if method == "CreateRequest" else dict(items=[item])
        not_before = None
        if not_before_ms is not None:
            not_before = self.record.now() + not_before_ms / 1000
            at = int(time.time() * 1000) + not_before_ms
            fields["not_before"] = dict(seconds=at // 1000, nanos=at % 1000 * 1_000_000)
        first = None
        while True:
            self.connect()
            t0 = self.record.now()
            first = first or t0
            try:
                answer = self.connection.call(
                    method, integration=self.integration, action_type=action, **fields)
            except Gone:
                self.disconnect()
                continue
            except Refused as refusal:
                if refusal.code != UNAVAILABLE:
                    raise
                self.disconnect()
                continue
            made = answer if method == "CreateRequest" else answer.outcomes[0]
            if made.HasField("log"):
                # Where an earlier call was not answered, the request may be as old as that.
                self.record.add(
                    "create", self.name, first if made.duplicate else t0, log=made.log.id,
                    action=action, key=key, not_before=not_before, duplicate=False)
                self.stage.recent[self.integration].append(made.log.id)
                return made.log.id

    def cancel(self, log):
        """Withdraws a request, whatever has become of it."""
        if log:
            self.call("CancelRequest", "cancel", lambda answer: dict(asked=answer.asked_agent),
                      dict(id=log, reason="no"), log=log, asked=False)

    def retry(self, log):
        """Makes a new log for the work of one that did not succeed, where it may."""
        if not log:
            return
        self.connect()
        t0 = self.record.now()
        try:
            answer = self.connection.call("RetryLog", id=log)
        except Gone:
            return self.disconnect()
        except Refused as refusal:
            return self.disconnect() if refusal.code == UNAVAILABLE else None
        self.record.add("create", self.name, t0, log=answer.log.id, of=log, key="",
                        action=answer.log.action_type, not_before=None, duplicate=False)

    def pause(self):
        """A pause of one action or of all, and its end, until there is an answer to that."""
        action = self.random.choice(BUSY + (None,))
        t0, since, until = self.record.now(), None, None
        try:
            if self.set_paused(action, True):
                since = self.record.now()
            self.stop.wait(self.random.uniform(0, 0.3))
        finally:
            until = self.record.now()
            while not self.set_paused(action, False):
                if self.stage.is_over:
                    break
            self.record.add("pause", self.name, t0, action=action, since=since, until=until,
                            integration=self.integration)

    def set_paused(self, action, paused):
        """Sets or ends a pause; False: it is not known to have worked."""
        self.connect()
        verb = "Pause" if paused else "Resume"
        try:
            if action:
                self.connection.call(verb + "Action", integration=self.integration, type=action)
            else:
                self.connection.call(verb + "Integration", name=self.integration)
        except (Gone, Refused):
            self.disconnect()
            return False
        return True


class Waiter(Operator):
    """Asks for one thing at a time, each in another way, and looks whether it comes at once."""
    integration = CALM

    def __init__(self, stage, name, action):
        super().__init__(stage, name)
        self.action = action

    def act(self):
        """One thing out of what this actor does."""
        way = self.random.random()
        if way < 0.3:
            log = self.create(self.action, self.random.randint(5, 30))
        elif way < 0.6:
            log = self.create(self.action, method="CreateRequests")
        else:
            log = self.create(self.action)
        if log and self.stage.wait_for_end(log, 12):
            self.stage.waits += 1


class Pulse(Actor):
    """Reports work of its own, again and again: what a small write takes on this machine, by which
    the waits of others are judged."""

    def __init__(self, stage, name):
        super().__init__(stage, name, stage.keys[CALM])
        self.beats, self.since = [], None  # Since when the next one is under way.

    def act(self):
        """One report; where there is no server, there is nothing to measure."""
        self.stop.wait(0.03)
        if self.connection is None:
            self.since = None
        try:
            self.connect()
            began = self.record.now()
            self.connection.call("ReportLog", agent_id=self.name, report=dict(
                log_id=uuid7(), action_type="pulse", entity=dict(type="order", id="1"), sequence=1,
                status=NUMBERS["COMPLETED"]))
        except Gone:
            return self.disconnect()
        except Refused as refusal:
            if refusal.code != UNAVAILABLE:
                raise
            return self.disconnect()
        now = self.record.now()
        self.beats.append((began if self.since is None else self.since, now))
        self.since = now


class Reader(Actor):
    """Looks at logs again and again."""

    def act(self):
        """One thing out of what this actor does."""
        self.stop.wait(self.random.uniform(0, 0.02))
        log = self.stage.some_log(self.random, self.random.choice((SHOP, SHOP, CALM)))
        if log:
            read_log(self, log)


def read_log(actor, log, op="read", **known):
    """Reads one log with its timeline, and records what is seen."""
    def describe(answer):
        lines = [
            f"{entry.at.seconds}.{entry.at.nanos} {NAMES[entry.to]} {CAUSES[entry.cause]} "
            f"{entry.agent_id}"
            for entry in answer.timeline if not entry.late]
        return dict(status=NAMES[answer.log.status], timeline=lines)
    return actor.call("GetLog", op, describe, dict(id=log), log=log, status="",
                      timeline=None, **known)
