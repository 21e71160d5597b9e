"""What a server has promised, kept outside of it: for each thing the values that it may have, from
the last acknowledged one on; and a look at everything that a server has, to hold against it."""
from client import Connection, Gone, Refused, pages
from coupled import ABSENT, Audit, Broken
from schema import METHODS, STATUS

REPORTED = "report"


class Values:
    """One thing: the values that were sent, of which the last acknowledged one, or one that was
    sent behind it and never answered, must be there."""

    def __init__(self, value=ABSENT):
        self.candidates = [value]

    def verify(self, name, actual):
        if actual not in self.candidates:
            raise Broken(f"{name} is {actual}, and may be one of {self.candidates[:4]}")
        self.candidates = [actual]


class Promises:
    """All things by name: ("report", id) and so on."""

    def __init__(self):
        self.things = {}
        # Calls without an answer yet that do several things in one commit.
        self.wholes, self.doubted = [], 0
        # Keys and tokens have ids of the server's making: of calls without an answer none is known.
        self.strays = {"key": 0, "token": 0}
        self.leases = {}
        self.audited = {}
        self.acknowledged = 0

    def send(self, name, value):
        """From now on the thing may have this value; returns what takes the answer."""
        thing = self.things.setdefault(name, Values())
        thing.candidates.append(value)

        def answered(is_taken):
            position = thing.candidates.index(value)
            if is_taken:
                thing.candidates = thing.candidates[position:]
                self.acknowledged += 1
            else:
                del thing.candidates[position]
        return answered

    def send_whole(self, method, values):
        """A call that makes several things have a value in one commit; what it returns takes the
        names of those that were answered as done."""
        whole = method, dict(values)
        self.wholes.append(whole)
        answers = {name: self.send(name, value) for name, value in values.items()}

        def answered(taken):
            self.wholes.remove(whole)
            for name, answer in answers.items():
                answer(name in taken)
        return answered

    def is_unsure(self, name):
        """Whether something was sent for the thing and never answered."""
        return name in self.things and len(self.things[name].candidates) > 1

    def current(self, name):
        """The last value that is known to be there, or that may be."""
        thing = self.things.get(name)
        return thing.candidates[-1] if thing else ABSENT

    def names(self, kind):
        """The things of a kind that may be there."""
        return [name for name in self.things
                if name[0] == kind and self.current(name) != ABSENT]

    def verify(self, found):
        """Holds what a server has against what it promised; returns how many things were checked.
        What was in doubt is known then."""
        for method, values in self.wholes:
            done = {name for name, value in values.items() if found.get(name, ABSENT) == value}
            if done and len(done) < len(values):
                raise Broken(f"{method} is done by half: {sorted(done)[:3]} and not "
                             f"{sorted(set(values) - done)[:3]}")
        self.doubted += len(self.wholes)
        self.wholes = []
        for name in set(self.things) | set(found):
            actual = found.get(name, ABSENT)
            if name in self.things:
                self.things[name].verify(name, actual)
            elif name[0] in self.strays:
                if self.strays[name[0]] == 0:
                    raise Broken(f"{name} is there, and nobody made it")
                self.strays[name[0]] -= 1
                self.things[name] = Values(actual)
            else:
                raise Broken(f"{name} is {actual}, and nobody made it")
        self.strays = dict.fromkeys(self.strays, 0)
        return len(self.things)


class Client:
    """A connection with calls in flight, each with what takes its answer."""

    def __init__(self, address, token=""):
        self.connection = Connection(address, token, timeout=60)
        self.pending = {}

    def send(self, method, answered=None, deadline_ms=None, /, **fields):
        """Sends a call; `answered` gets the code, and the reply or the refusal."""
        try:
            call = self.connection.send(method, None, deadline_ms, **fields)
        except Gone:
            self.take_all()
            raise
        self.pending[call] = (method, answered)

    def take_all(self):
        """Takes an answer for everything in flight, or raises Gone behind the last one."""
        while self.pending:
            call, code, payload = self.connection.receive()
            method, answered = self.pending.pop(call)
            reply = Refused(method, code, payload) if code else (
                METHODS[method].response.FromString(payload))
            if answered:
                answered(code, reply)

    def close(self):
        self.connection.close()


def stream(connection, method, **fields):
    """All messages of a server stream."""
    call = connection.send(method, **fields)
    messages = []
    connection.write(credit(call, 1_000_000))
    while True:
        kind, number, of, payload = connection.next_frame()
        if of != call:
            continue
        if kind == 4:
            messages.append(METHODS[method].response.FromString(payload))
        elif number:
            raise Refused(method, number, payload)
        else:
            return messages


def credit(call, messages):
    """The frame that lets a stream send so many messages."""
    from client import CREDIT, frame
    return frame(CREDIT, call=call, time_ms=messages)



def at_ms(time):
    return time.ToMilliseconds()


def found_on(operator):
    """Everything that a server has, by the names of Promises, and its logs."""
    found = {}
    for each in pages(operator, "ListIntegrations", "integrations"):
        found["integration", each.name] = (
            each.display_name, each.author, each.description, each.paused, each.pause_reason)
        shown = operator.call("GetIntegration", name=each.name)
        for action in shown.actions:
            name = each.name, action.definition.type
            found["action", *name] = action.declared.revision or action.definition.revision
            if action.paused:
                found["action pause", *name] = action.pause_reason
            if action.override.fields:
                found["override", *name] = action.override.queue_timeout_ms
    for key in operator.call("ListKeys").keys:
        found["key", key.id] = (key.integration, key.live, key.expires_at.ToSeconds() > 0)
    for token in operator.call("ListTokens").tokens:
        found["token", token.id] = (token.name, token.live)
    for each in pages(operator, "ListSchedules", "schedules"):
        found["schedule", each.name] = (each.cron, each.paused, each.pause_reason)
    for rule in operator.call("GetRetention").rules:
        if rule.maximum_age_ms or rule.maximum_bytes:
            found["retention", rule.status] = (rule.maximum_age_ms, rule.maximum_bytes)
    logs = list(pages(operator, "ListLogs", "logs"))
    for log in logs:
        add_log(found, log, operator)
    if len({log.id for log in logs}) != len(logs):
        raise Broken("a log is there twice")
    total = operator.call("CountLogs").total
    if total != len(logs):
        raise Broken(f"{total} logs are counted and {len(logs)} are there")
    return found, logs


def add_log(found, log, operator):
    """What one log says: a report's state, or a request's; its notes, mark and retries."""
    told = (log.sequence, log.status, log.status_message, len(log.result))
    if log.trigger == STATUS.TRIGGER_REQUEST:
        detail = operator.call("GetLog", id=log.id)
        name = "request", detail.request.idempotency_key
        if name in found:
            raise Broken(f"{name} made two requests")
        found[name] = told
        found["request id", log.id] = (
            name[1], detail.request.delivery, detail.request.holder, detail.request.accepted)
    elif log.retry_of:
        found["retry", log.retry_of] = found.get(("retry", log.retry_of), 0) + 1
    else:
        found[REPORTED, log.id] = told
    if log.handled:
        found["handled", log.id] = True


def notes_of(operator, log_id):
    """The texts of people in a log's timeline."""
    cause = METHODS["GetLog"].response.DESCRIPTOR.file.enum_types_by_name[
        "TimelineCause"].values_by_name["TIMELINE_CAUSE_NOTE"].number
    detail = operator.call("GetLog", id=log_id)
    return [entry.message for entry in detail.timeline if entry.cause == cause]


def checked(operator):
    """The store's own check."""
    problems = operator.call("CheckStore").problems
    if problems:
        raise Broken(f"the store's check found {list(problems)[:3]}")


def audited(operator):
    """Everything that the audit says."""
    return Audit(pages(operator, "ListAudit", "entries", oldest_first=True))
