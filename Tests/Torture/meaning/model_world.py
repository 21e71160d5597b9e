"""The server of the state machine, and its integrations as calls and as models."""
import itertools, signal, time

from client import CANCEL, Connection, Refused, frame, uuid7
from lifecycle import NOBODY, Action, Integration, Log, MAXIMUM_DELIVERIES
from schema import METHODS, STATUS, logs_pb2
from server import Server

# Long enough that nothing ends by itself in an example; what shall end has a span of its own.
GRACE, LEASE_MS = 4.0, 600_000
FLAGS = ["--maximum-deliveries", str(MAXIMUM_DELIVERIES), "--grace-time", f"{GRACE:.0f}s",
         "--accept-timeout", "3600s"]
ACTIONS = {
    "plain": Action(), "limited": Action(maximum_in_flight=2), "single": Action(one_open=True),
    "retried": Action(attempts=3), "brief": Action()}
WIRE = {
    "plain": {}, "limited": dict(maximum_in_flight=2), "single": dict(one_open_per_entity=True),
    "retried": dict(retry=dict(
        maximum_attempts=3, initial_backoff_ms=1, maximum_backoff_ms=1, multiplier=1.0)),
    "brief": dict(queue_timeout_ms=500, progress_timeout_ms=500)}


class Void(Exception):
    """The machine was so slow that the server may have ended what the example holds."""


class Waiting:
    """A poll that is under way."""

    def __init__(self, connection, agent, action):
        self.connection, self.agent, self.action = connection, agent, action
        self.end = time.monotonic() + 5
        self.send()

    def send(self):
        left = max(0, int((self.end - time.monotonic()) * 1000))
        self.call = self.connection.send(
            "PollRequests", agent_id=self.agent, action_types=[self.action], maximum_requests=1,
            wait_ms=left, lease_ms=LEASE_MS)

    def answer(self, is_expected):
        """What it brings; where nothing is expected, it is cancelled."""
        if not is_expected:
            self.connection.write(frame(CANCEL, call=self.call))
        while True:
            call, code, payload = self.connection.receive()
            if code:
                return []
            answer = METHODS["PollRequests"].response.FromString(payload)
            # Directives end a poll early.
            if answer.requests or not is_expected or time.monotonic() >= self.end:
                return answer.requests
            self.send()


class Side:
    """One integration: its connections, what the server says of it, and its model."""

    def __init__(self, world, name, key):
        self.world, self.name, self.key = world, name, key
        self.model = Integration(ACTIONS)
        self.connections = {}
        self.connection("agent-1", 0).call("RegisterAction", agent_id="agent-1", actions=[
            dict(type=type, name=type, entity_type="order", can_be_requested=True, **policy)
            for type, policy in WIRE.items()])

    def connection(self, agent, line):
        """One of the two connections of an agent."""
        if (agent, line) not in self.connections:
            self.connections[agent, line] = Connection(self.world.server.tcp, self.key)
        return self.connections[agent, line]

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def reconnect(self, agent):
        """All connections of an agent end and it comes back within its grace time."""
        for line in (0, 1):
            old = self.connections.pop((agent, line), None)
            if old:
                old.close()
        self.heartbeat(agent, 0, [])

    def call(self, method, **fields):
        return self.world.operator().call(method, **fields)

    def reason(self, method, **fields):
        """Why a call of the operator is refused; empty: it is done."""
        try:
            self.call(method, **fields)
            return ""
        except Refused as refused:
            return refused.reason

    # MARK: Calls of agents

    def new_id(self):
        return uuid7()

    def report(self, agent, line, log_id, status, sequence, token, action="", entity="",
               retryable=False):
        fields = dict(action_type=action, entity=dict(type="order", id=entity)) if action else {}
        try:
            answer = self.connection(agent, line).call("ReportLog", agent_id=agent, report=dict(
                log_id=log_id, status=status, sequence=sequence, lease_token=token,
                retryable=retryable, **fields))
            return "duplicate" if answer.duplicate else ""
        except Refused as refused:
            return refused.reason

    def poll(self, agent, line, actions, maximum, lease_ms=LEASE_MS):
        return self.connection(agent, line).call(
            "PollRequests", agent_id=agent, action_types=actions, maximum_requests=maximum,
            lease_ms=lease_ms).requests

    def wait(self, agent, action):
        return Waiting(self.connection(agent, 0), agent, action)

    def heartbeat(self, agent, line, named, stopped=False):
        return list(self.connection(agent, line).call(
            "Heartbeat", agent_id=agent, instance_id="1", interval_ms=60_000,
            state=4 if stopped else 1,
            leases=[dict(log_id=log, lease_token=token) for log, token in named]).lost_leases)

    # MARK: Calls of operators

    def known(self, shown, available=None):
        """The model of a request that the server has made."""
        at = shown.created_at
        return Log(shown.id, shown.action_type, shown.entity.id, attempt=shown.attempt,
                   available=available or (at.seconds * 1000 + at.nanos // 1_000_000, shown.id))

    def create(self, action, entity, key, not_before=0):
        fields = {}
        if not_before:
            fields["not_before"] = dict(seconds=int(time.time()) + not_before)
        try:
            answer = self.call(
                "CreateRequest", integration=self.name, action_type=action,
                entity=dict(type="order", id=entity), idempotency_key=key, **fields)
        except Refused as refused:
            return dict(reason=refused.reason)
        if answer.duplicate:
            return dict(duplicate=answer.log.id)
        return dict(log=self.known(answer.log))

    def retry(self, log):
        """Why an operator's retry is refused, and the log that it makes otherwise."""
        try:
            return "", self.known(self.call("RetryLog", id=log.id).log)
        except Refused as refused:
            return refused.reason, None

    def adopt_retry(self, log):
        """Takes over the retry that the policy made; False: there is none."""
        made = self.call("GetLog", id=log.id).retried_by
        fresh = [each for each in made if each not in self.model.logs]
        if len(fresh) != 1:
            return False
        answer = self.call("GetLog", id=fresh[0])
        at = answer.request.not_before
        available = (at.seconds * 1000 + at.nanos // 1_000_000, fresh[0])
        self.model.add(self.known(answer.log, available))
        # Its backoff is over when the server's next millisecond has begun.
        self.until(lambda: time.time() * 1000 > available[0] + 5, 1)
        return True

    # MARK: What the server shows

    def shown(self, log_id):
        answer = self.call("GetLog", id=log_id)
        log = answer.log
        shown = dict(status=log.status, sequence=log.sequence, attempt=log.attempt,
                     entries=len(answer.timeline))
        if answer.HasField("request"):
            request = answer.request
            shown |= dict(delivery=request.delivery, holder=request.holder,
                          accepted=request.accepted, cancel_wanted=request.cancel_wanted)
        return shown

    def expected(self, log):
        expected = dict(status=log.status, sequence=log.sequence, attempt=log.attempt,
                        entries=log.entries)
        if log.is_request:
            expected |= dict(
                delivery=log.delivery, holder=log.agent if log.hold != NOBODY else "",
                accepted=log.hold == 2, cancel_wanted=log.cancel_wanted)
        return expected

    def until(self, holds, seconds):
        """When a condition held; None: not in time."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return None
            time.sleep(0.005)
        return time.monotonic()

    def listed(self):
        return [log.id for log in self.call(
            "ListLogs", filter=dict(integrations=[self.name]), page_size=1000).logs]

    def counted(self):
        answer = self.call("CountLogs", filter=dict(integrations=[self.name]),
                           by=[logs_pb2.COUNT_BY_STATUS])
        return {STATUS.LogStatus.Value("LOG_STATUS_" + count.keys[0]): count.logs
                for count in answer.counts}


class World:
    """One server for all examples."""

    def __init__(self, run):
        self.server = Server(run, FLAGS)
        self.server.start()
        self.covered, self.numbers = set(), itertools.count(1)
        self.connected = None

    def operator(self):
        if self.connected is None:
            self.connected = self.server.operator()
        return self.connected

    def sides(self):
        number = next(self.numbers)
        made = []
        for letter in "ab":
            name = f"m{number}{letter}"
            created = self.operator().call(
                "CreateIntegration", name=name, author="Example",
                support_contact="help@example.com")
            made.append(Side(self, name, created.secret))
        return made

    def restart(self, kill, sides):
        """The server ends and starts, and every agent is back within its grace time."""
        start = time.monotonic()
        self.server.signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.connected = None
        for side in sides:
            side.agents = {agent for agent, _ in side.connections}
            side.close()
        (self.server.kill if kill else self.server.stop)()
        self.server.start()
        for side in sides:
            for agent in sorted(side.agents):
                side.heartbeat(agent, 0, [])
        if time.monotonic() - start > GRACE / 2:
            raise Void
