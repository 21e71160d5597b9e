"""Operators' changes under kills: for each thing that operators set, what it may be by the book."""
from client import UNAUTHENTICATED, Connection, Refused, pages
from harness import Violation
from kill_asked import INTEGRATION, until_gone
from schema import access_pb2, types_pb2

SIDE = "side"  # An integration that nobody reports for: pauses disturb no load.


class Changes:
    """Cells with the values that each may have: one when the last change was acknowledged, two
    while it is unknown. What a cell is read as is what it is from then on."""

    def __init__(self):
        self.cells = {}
        self.acknowledged = self.unknown = 0
        self.audited = {}   # method -> [acknowledged, unknown]
        self.audit_end = ""
        self.live_keys, self.live_tokens, self.schedules = [], [], []
        self.notes, self.secrets, self.audit_number = {}, {}, 0
        self.faults = []

    def change(self, operator, cell, value, method, **fields):
        """Makes a change after which a cell has a value."""
        before = self.cells.get(cell, {None})
        self.cells[cell] = before | {value}
        counts = self.audited.setdefault(method, [0, 0])
        counts[1] += 1
        try:
            answer = operator.call(method, **fields)
        except Refused as refusal:
            if refusal.is_unknown:
                raise
            counts[1] -= 1
            self.cells[cell] = before
            raise
        counts[0], counts[1] = counts[0] + 1, counts[1] - 1
        self.cells[cell] = {value}
        self.acknowledged += 1
        return answer

    # ---- Load ----

    def run(self, operator, stop, random, logs):
        """One change after the other; `logs` gives failed logs of own work."""
        steps = [self._pause, self._describe, self._key, self._token, self._schedule]
        number = 0
        with until_gone(operator, self.faults):
            while not stop.wait(0.005):
                number += 1
                step = random.choice(steps + [self._note, self._handle] * 2)
                step(operator, random, logs, f"{operator.socket.fileno()}-{number}")

    def _pause(self, operator, random, logs, number):
        if random.random() < 0.5:
            self.change(operator, "paused", True, "PauseIntegration", name=SIDE, reason=number)
        else:
            self.change(operator, "paused", False, "ResumeIntegration", name=SIDE)

    def _describe(self, operator, random, logs, number):
        text = f"{number} {random.random()}"
        self.change(operator, "description", text, "UpdateIntegration", name=SIDE,
                    update_fields=["description"], description=text)

    def _key(self, operator, random, logs, number):
        if len(self.live_keys) > 1:
            key = self.live_keys.pop(0)
            self.change(operator, ("key", key), False, "RevokeKey", key_id=key)
        # A key whose creation is unknown may count; then the limit is a fair answer.
        method = random.choice(["CreateKey", "RotateKey"])
        try:
            answer = self.change(operator, "keys made", None, method, integration=SIDE)
        except Refused as refusal:
            if refusal.reason != "TOO_MANY_KEYS":
                raise
            return
        self.live_keys.append(answer.key.id)
        self.secrets[answer.key.id] = answer.secret
        self.cells["key", answer.key.id] = {True}

    def _token(self, operator, random, logs, number):
        if len(self.live_tokens) > 3:
            token = self.live_tokens.pop(0)
            self.change(operator, ("token", token), False, "RevokeToken", token_id=token)
        answer = self.change(
            operator, "tokens made", None, "CreateToken", name=f"t-{random.getrandbits(48):x}",
            role=access_pb2.ROLE_VIEWER)
        self.live_tokens.append(answer.token.id)
        self.cells["token", answer.token.id] = {True}

    def _schedule(self, operator, random, logs, number):
        if len(self.schedules) > 5:
            name = self.schedules.pop(0)
            self.change(operator, ("schedule", name), False, "DeleteSchedule", name=name)
        name = f"s-{random.getrandbits(48):x}"
        self.schedules.append(name)
        self.change(
            operator, ("schedule", name), True, "CreateSchedule", schedule=dict(
                name=name, integration=SIDE, action_type="export_order", cron="@yearly",
                entity=dict(type="order", id=name)))

    def _note(self, operator, random, logs, number):
        log = logs()
        if log:
            text = f"note {random.getrandbits(64):x}"
            self.notes.setdefault(log, []).append(text)
            self.change(operator, ("note", log, text), True, "AddNote", id=log, note=text)

    def _handle(self, operator, random, logs, number):
        log = logs()
        if log:
            handled = random.random() < 0.7
            self.cells.setdefault(("handled", log), {False})
            # Saying what is so already is no change, and leaves no entry in the audit.
            if self.cells["handled", log] != {handled}:
                self.change(operator, ("handled", log), handled, "MarkHandled", id=log,
                            handled=handled)

    # ---- Comparison ----

    def compare(self, operator, server):
        """Reads every cell that was touched; one that has a value which it may not have is a
        violation."""
        if self.faults:
            raise Violation(self.faults[0])
        self.unknown += sum(len(values) > 1 for values in self.cells.values())
        side = operator.call("GetIntegration", name=SIDE)
        self._settle("paused", side.integration.paused, {None, False})
        self._settle("description", side.integration.description, {None, ""})
        keys = {key.id: key.live for key in operator.call("ListKeys", integration=SIDE).keys}
        tokens = {token.id: token.live for token in operator.call("ListTokens").tokens
                  if token.name.startswith("t-")}  # Not the one that the changes are made with.
        schedules = {each.name for each in pages(
            operator, "ListSchedules", "schedules", integration=SIDE)}
        handled = {}
        for cell in list(self.cells):
            if not isinstance(cell, tuple):
                continue
            kind, name = cell[0], cell[1]
            if kind == "schedule":
                self._settle(cell, name in schedules)
            elif kind in ("key", "token"):
                known = keys if kind == "key" else tokens
                if name not in known:
                    raise Violation(f"{kind} {name} was told and is not stored")
                self._settle(cell, known[name])
            else:
                handled[name] = None
        for log in handled:
            self._compare_log(operator, log)
        self._compare_secrets(server, keys)
        self._forget(keys, tokens, schedules)
        self._compare_audit(operator)

    def _settle(self, cell, value, others=frozenset()):
        may_be = self.cells.get(cell, {value})
        if value not in may_be and not (value in others and None in may_be or (
                not value and None in may_be)):
            raise Violation(f"{cell} is {value}; by its replies it may be {may_be}")
        self.cells[cell] = {value}

    def _compare_log(self, operator, log):
        found = operator.call("GetLog", id=log)
        messages = [entry.message for entry in found.timeline]
        for text in self.notes.get(log, []):
            times = messages.count(text)
            if times > 1:
                raise Violation(f"the note {text!r} is {times} times on {log}")
            self._settle(("note", log, text), times == 1)
        if ("handled", log) in self.cells:
            self._settle(("handled", log), found.log.handled)

    def _forget(self, keys, tokens, schedules):
        """What was compared once stays in the store; only what is live is looked at again."""
        for cell in list(self.cells):
            if isinstance(cell, tuple):
                del self.cells[cell]
        self.notes = {}
        self.live_keys = [key for key, live in keys.items() if live]
        self.live_tokens = [token for token, live in tokens.items() if live]
        for kind, names in (("key", self.live_keys), ("token", self.live_tokens)):
            self.cells.update({(kind, name): {True} for name in names})
        self.schedules = sorted(schedules)
        self.cells.update({("schedule", name): {True} for name in schedules})

    def _compare_audit(self, operator):
        """An entry for each change, numbered without a gap, none for what was refused."""
        entries, token = [], self.audit_end
        while True:
            page = operator.call(
                "ListAudit", oldest_first=True, page_size=1000, page_token=token)
            entries += page.entries
            if not page.next_page_token:
                break
            token = page.next_page_token
        first = self.audit_number
        fresh = [entry for entry in entries if entry.number > first]
        for place, entry in enumerate(fresh, first + 1):
            if entry.number != place:
                raise Violation(f"audit entry {place} is missing; {entry.number} follows")
        self.audit_number = first + len(fresh)
        self.audit_end = token
        counted = {}
        for entry in fresh:
            counted[entry.action] = counted.get(entry.action, 0) + 1
        for method in ("AddNote", "MarkHandled", "CreateKey", "RevokeKey", "CreateSchedule",
                       "DeleteSchedule", "UpdateIntegration"):
            acknowledged, unknown = self.audited.pop(method, [0, 0])
            count = counted.get(method, 0)
            if not acknowledged <= count <= acknowledged + unknown:
                raise Violation(
                    f"{count} entries of {method}; {acknowledged} acknowledged, {unknown} unknown")
        self.audited = {}

    def _compare_secrets(self, server, keys):
        """A key that was told opens a connection after the restart, and one that is revoked does
        not."""
        for key, secret in self.secrets.items():
            connection = Connection(server.tcp, secret)
            try:
                connection.call(
                    "Heartbeat", agent_id="side-1", instance_id="i", interval_ms=60000)
                works = True
            except Refused as refusal:
                works = refusal.code != UNAUTHENTICATED
            finally:
                connection.close()
            if works != keys[key]:
                raise Violation(f"key {key} works: {works}; it is live: {keys[key]}")
        self.secrets = {}


def cancel_some(operator, since_seconds, action):
    """A cancellation of many in steps; what it cancels ends like any other request."""
    token = ""
    while True:
        step = operator.call(
            "CancelRequests", filter=dict(
                integrations=[INTEGRATION], action_types=[action],
                since=dict(seconds=int(since_seconds))),
            page_size=20, page_token=token, reason="too many")
        token = step.next_page_token
        if not token:
            return


def retry_failures(operator, since_seconds, reason="again"):
    """A whole retry of failed requests in steps; it may be cut off and repeated."""
    token = ""
    while True:
        since = dict(seconds=int(since_seconds))
        step = operator.call(
            "RetryLogs", filter=dict(
                integrations=[INTEGRATION], since=since,
                triggers=[types_pb2.TRIGGER_REQUEST]),
            page_size=20, page_token=token, reason=reason)
        token = step.next_page_token
        if not token:
            return
