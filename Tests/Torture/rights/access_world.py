"""A server with everything that the matrix of methods and principals needs: one of each principal,
and for each method a request that would be done if the caller may."""
import itertools, os, pickle, socket, time

from client import CREDIT, Connection, Gone, MESSAGE, REPLY, Refused, connected, frame, uuid7
from harness import Violation
from schema import METHODS, STATUS
import secret_scan

ACTION = "export_order"
OTHER_USER = 65534  # nobody: has nothing to do with the server


class Watched(Connection):
    """A connection that looks for secrets in each payload that it is sent. `source` is an own
    address of the loopback network: failed logins are counted by address."""

    def __init__(self, world, address, token="", source=None, timeout=30):
        self.world, self.source = world, source
        super().__init__(address, token, timeout)

    def next_frame(self):
        kind, number, call, payload = super().next_frame()
        self.world.heard(payload, self.asked.get(call, "?"))
        return kind, number, call, payload

    @property
    def asked(self):
        return self.__dict__.setdefault("_asked", {})

    def send(self, method_name, request=None, deadline_ms=None, /, **fields):
        call = super().send(method_name, request, deadline_ms, **fields)
        self.asked[call] = method_name
        return call

    def attempt(self, method_name, **fields):
        """What a call comes to: its response (of a stream the last one), or the refusal."""
        method = METHODS[method_name]
        streams = method_name in STREAMS
        sent = self.send(method_name, None, 300 if method_name == "TailLogs" else None, **fields)
        if streams:
            self.write(frame(CREDIT, call=sent, time_ms=1000))
        last = None
        while True:
            kind, code, call, payload = self.next_frame()
            if call != sent:
                continue
            if kind == MESSAGE:
                last = method.response.FromString(payload)
                if method_name == "TailLogs":
                    return last
            elif kind == REPLY:
                if code:
                    return Refused(method_name, code, payload)
                return last if streams else method.response.FromString(payload)


STREAMS = {"TailLogs", "BackUp", "ExportData"}


def dialled(address, token="", source="127.0.0.1", world=None, timeout=30):
    """A watched connection from one of the loopback network's addresses."""
    host, _, port = address.partition(":")[2].rpartition(":")
    made = socket.create_connection((host, int(port)), timeout, (source, 0))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return adopted(world, made, token)


def adopted(world, made, token=""):
    """A watched connection over a socket that is connected already."""
    connection = Watched.__new__(Watched)
    connection.world, connection.source = world, None
    connection.socket, connection.calls = made, itertools.count(1)
    connection.buffer, connection.streams = bytearray(), {}
    connection.principal = connection.going_away = None
    from client import hello
    connection.write(hello(token))
    return connection


def as_user(user, function):
    """What a function returns when another user runs it in a child process; needs root."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            result = function()
        except BaseException as error:  # Whatever it is, the parent must hear of it.
            result = error
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(result, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result = pickle.load(pipe)
    os.waitpid(child, 0)
    if isinstance(result, BaseException):
        raise result
    return result


class World:
    """The principals of one server, their secrets, and what was heard of the server."""

    def __init__(self, run, server):
        self.run, self.server = run, server
        self.secrets, self.numbers = [], itertools.count(1)
        self.leaks, self.texts = [], []
        self.operator = self.local()
        self.keys = {name: self.integration(name) for name in ("own", "other")}
        self.tokens = {role: self.token(role, number) for role, number in (
            ("viewer", 1), ("operator", 2), ("admin", 3))}

    # What the server says

    def heard(self, payload, method):
        """A payload came: only the answers that show a secret may have one."""
        from access_table import SHOW_SECRETS
        if method not in SHOW_SECRETS:
            self.leaks += [
                f"{method}: {how}: {name}…"
                for how, name in secret_scan.finds(payload)]

    def local(self):
        """The operator `local` over the Unix socket, with all words of its answers watched."""
        return adopted(self, connected(self.server.unix))

    def dial(self, token="", source="127.0.0.1"):
        return dialled(self.server.tcp, token, source, self)

    def reconnected(self):
        """A new connection of `local`, after a restart of the server."""
        self.operator = self.local()

    def new(self, prefix="n"):
        return f"{prefix}{next(self.numbers)}"

    # Things that calls are about

    def integration(self, name):
        """An integration with an action and an agent; returns its key."""
        secret = self.shown(self.operator.call(
            "CreateIntegration", name=name, author="Example", support_contact="a@example.com"))
        agent = self.dial(secret)
        agent.call("RegisterAction", agent_id="agent-1", actions=[declared()])
        agent.call("Heartbeat", agent_id="agent-1", instance_id="i", interval_ms=60000)
        agent.close()
        return secret

    def shown(self, response):
        """Keeps a secret that was shown, to look for it everywhere."""
        self.secrets.append(response.secret)
        return response.secret

    def token(self, name, role, **fields):
        return self.shown(self.operator.call("CreateToken", name=name, role=role, **fields))

    def key_id(self, secret):
        return secret[4:12]

    def spare_key(self):
        """The id of a key of an integration of its own."""
        return self.key_id(self.integration(self.new("spare-")))

    def request(self):
        """The id of a queued request of `own`."""
        return self.operator.call(
            "CreateRequest", integration="own", action_type=ACTION,
            entity=dict(type="order", id=self.new())).log.id

    def failed_log(self):
        """The id of a failed log of `own`."""
        log = uuid7(self.run.random)
        agent = self.dial(self.keys["own"])
        agent.call("ReportLog", agent_id="agent-1", report=report(
            log, self.new(), STATUS.LOG_STATUS_FAILED))
        agent.close()
        return log

    def schedule(self):
        """The name of a schedule of `own`."""
        name = self.new("schedule-")
        self.operator.call("CreateSchedule", schedule=dict(
            name=name, integration="own", action_type=ACTION, interval_ms=86400000,
            entity=dict(type="order", id="1")))
        return name

    # Those without a good credential

    def strangers(self):
        """{who: secret} of all that come over TCP, each of a kind of its own."""
        revoked = self.shown(self.operator.call("CreateKey", integration="own"))
        self.operator.call("RevokeKey", key_id=self.key_id(revoked))
        old = self.integration("rotated")
        self.shown(self.operator.call("RotateKey", integration="rotated", expire_old_ms=1))
        revoked_token = self.token("gone", 3)
        self.operator.call("RevokeToken", token_id=self.key_id(revoked_token))
        end = time.time() + 0.3
        late = self.token("late", 3, expires_at=dict(
            seconds=int(end), nanos=int(end % 1 * 1e9)))
        self.wait_until("a key and a token have expired", lambda: not any(
            each.live for each in [
                *(key for key in self.operator.call("ListKeys").keys
                  if key.id == self.key_id(old)),
                *(token for token in self.operator.call("ListTokens").tokens
                  if token.id == self.key_id(late))]))
        name = self.key_id(self.keys["own"])
        return {
            "nobody": "", "malformed key": self.keys["own"][:-1],
            "unknown key": secret_scan.made_up("imk_", self.run.random),
            "wrong secret": secret_scan.made_up("imk_", self.run.random, name),
            "unknown token": secret_scan.made_up("imo_", self.run.random),
            "revoked key": revoked, "expired key": old,
            "revoked token": revoked_token, "expired token": late}

    def wait_until(self, what, holds, seconds=10):
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise Violation(f"not within {seconds} s: {what}")
            time.sleep(0.01)

    # What is stored

    def state(self):
        """Everything that is stored, as the lines of an export; the audit of exports is left out,
        and so is when keys and tokens were used."""
        import json
        lines = []
        for message in self.operator.messages("ExportData"):
            for line in message.lines:
                entry = json.loads(line)
                if entry["kind"] == "agent" or entry.get("action") == "ExportData":
                    continue
                for name in ("lastUsedAt", "lastUsedFrom"):
                    entry.pop(name, None)
                lines.append(json.dumps(entry, sort_keys=True))
        return lines

    def audit_number(self):
        entries = self.operator.call("ListAudit", page_size=1).entries
        return entries[0].number if entries else 0


def declared():
    """The action that every integration here declares."""
    return dict(type=ACTION, name="Export", entity_type="order", can_be_requested=True,
                supports_cancel=True)


def report(log, entity, status, sequence=1, **fields):
    """A report of an agent's own work."""
    return dict(log_id=log, sequence=sequence, action_type=ACTION,
                entity=dict(type="order", id=entity), status=status, **fields)


def gone(function):
    """Calls a function; True when the connection ended meanwhile."""
    try:
        function()
        return False
    except Gone:
        return True
