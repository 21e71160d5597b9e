"""A small model of what the agents' calls mean (PROTOCOL.md, section 7): what each call must
answer, and where logs then stand. It reads no clock: who drives it says that time has passed."""
from collections import deque
from dataclasses import dataclass, field, replace

from schema import STATUS

(UNSPECIFIED, QUEUED, IN_PROGRESS, COMPLETED, FAILED, CANCELLED, TIMED_OUT) = range(7)
FINAL = (COMPLETED, FAILED, CANCELLED, TIMED_OUT)
# Who has the right to work on a request.
NOBODY, OFFERED, ACCEPTED = range(3)
MAXIMUM_DELIVERIES, MAXIMUM_LATE = 3, 16
DUPLICATE = "duplicate"
GARBAGE = "garbage"


@dataclass
class Log:
    """One attempt: its own small state machine."""
    id: str
    action: str
    entity: str = ""
    is_request: bool = True
    status: int = QUEUED
    sequence: int = 0
    attempt: int = 1
    hold: int = NOBODY
    token: str = ""
    tokens: list = field(default_factory=list)
    agent: str = ""
    delivery: int = 0
    lost: int = 0
    cancel_wanted: bool = False
    # Its place in the queue; None: not yet.
    available: tuple = ()
    entries: int = 1
    late: int = 0

    @property
    def is_open(self):
        return self.status not in FINAL

    def report(self, status, sequence, token):
        """What the server answers to a report: nothing, DUPLICATE or a reason."""
        if self.is_request and not token:
            return "LEASE_REQUIRED"
        if token != self.token:
            return "LEASE_LOST"
        if sequence and sequence <= self.sequence:
            return DUPLICATE
        if not self.is_open:
            # One that is not counted and says what is there already is a repeat.
            if not sequence and status in (UNSPECIFIED, self.status):
                return DUPLICATE
            if self.late < MAXIMUM_LATE:
                self.late, self.entries = self.late + 1, self.entries + 1
            return "LOG_FINAL"
        if self.is_request and self.hold == NOBODY:
            return "LEASE_LOST"
        if sequence and sequence != self.sequence + 1:
            return "SEQUENCE_GAP"
        target = status or self.status
        if target == QUEUED and self.status != QUEUED or (
                target == TIMED_OUT and self.status == QUEUED):
            return "STATUS_INVALID"
        self.status, self.sequence = target, sequence or self.sequence
        self.entries += 1
        if self.is_request:
            self.hold = ACCEPTED
        if not self.is_open:
            self.end(target, entries=0)
        return ""

    def end(self, status, entries=1):
        """It ends: nobody holds it, nothing is wanted of it."""
        self.status, self.hold, self.agent = status, NOBODY, ""
        self.cancel_wanted = False
        self.entries += entries

    def lease(self, token, agent):
        self.hold, self.token, self.agent, self.sequence = OFFERED, token, agent, 0
        self.tokens.append(token)
        self.delivery = self.lost + 1
        self.entries += 1

    def renew(self, token):
        """Whether the lease is the caller's."""
        if not self.is_request and self.is_open and not token:
            return True
        if not self.is_open or self.hold == NOBODY or token != self.token:
            return False
        self.hold = ACCEPTED
        return True

    def lose(self):
        """Its holder lost it."""
        if self.cancel_wanted:
            return self.end(CANCELLED)
        self.lost += self.hold == ACCEPTED
        if self.lost >= MAXIMUM_DELIVERIES:
            return self.end(FAILED)
        self.status, self.hold, self.agent = QUEUED, NOBODY, ""
        self.entries += 1

    def cancel(self):
        """An operator withdraws it, or asks its agent to stop."""
        if not self.is_open:
            return "REQUEST_NOT_OPEN"
        if self.status == QUEUED and self.hold == NOBODY:
            self.end(CANCELLED)
        else:
            self.cancel_wanted = True
            self.entries += 1
        return ""

    def state(self):
        """What decides about events, without numbers."""
        return (self.is_request, self.status, self.hold, self.cancel_wanted, bool(self.token),
                self.lost + 1 >= MAXIMUM_DELIVERIES)


@dataclass
class Action:
    """What an integration declares."""
    maximum_in_flight: int = 0
    one_open: bool = False
    attempts: int = 1
    is_paused: bool = False


class Integration:
    """Its logs, and who gets which request."""

    def __init__(self, actions):
        self.actions = {type: replace(action) for type, action in actions.items()}
        self.is_paused = False
        self.logs, self.keys = {}, {}

    def begin(self, log_id, action, status, sequence, token, entity):
        """The first report of own work."""
        if token:
            return "LOG_UNKNOWN"
        if sequence > 1:
            return "SEQUENCE_GAP"
        if status == QUEUED:
            return "STATUS_INVALID"
        self.logs[log_id] = Log(
            log_id, action, entity, is_request=False, status=status or IN_PROGRESS,
            sequence=sequence)
        return ""

    def open_for(self, action, entity):
        """Whether the action takes one open request for a record, and there is one."""
        return self.actions[action].one_open and any(
            log.is_open for log in self.logs.values()
            if log.is_request and log.action == action and log.entity == entity)

    def wish(self, action, entity, key):
        """What the server answers to a request before it makes one: a log that is there, a reason,
        or nothing."""
        earlier = self.keys.get(key) if key else None
        if earlier:
            same = earlier.action == action and earlier.entity == entity
            return earlier if same else "IDEMPOTENCY_KEY_USED"
        return "REQUEST_OPEN_FOR_ENTITY" if self.open_for(action, entity) else ""

    def add(self, log, key=""):
        self.logs[log.id] = log
        if key:
            self.keys[key] = log

    def retry(self, log):
        """Why an operator may not retry a log; empty: the server makes another."""
        if log.status not in (FAILED, CANCELLED, TIMED_OUT):
            return "RETRY_NOT_POSSIBLE"
        return "REQUEST_OPEN_FOR_ENTITY" if self.open_for(log.action, log.entity) else ""

    def retries_itself(self, log):
        """Whether the action's policy makes another attempt of a failure."""
        return log.attempt < self.actions[log.action].attempts

    def next(self, actions, maximum):
        """What a poll gets: the oldest of what its actions may give out."""
        if self.is_paused:
            return []
        found = []
        for type in actions or self.actions:
            action = self.actions[type]
            if action.is_paused:
                continue
            waiting = sorted(
                (log for log in self.logs.values() if log.action == type and log.available
                 and log.status == QUEUED and log.hold == NOBODY),
                key=lambda log: log.available)
            if action.maximum_in_flight:
                held = sum(log.action == type and log.hold != NOBODY
                           for log in self.logs.values())
                waiting = waiting[:max(0, action.maximum_in_flight - held)]
            found += waiting
        return sorted(found, key=lambda log: log.available)[:maximum]

    def held(self, agent):
        return [log for log in self.logs.values() if log.hold != NOBODY and log.agent == agent]


# MARK: The table of states and events

def events(log):
    """Everything that can happen to a log, by name: each a function of a copy of it."""
    found = {}
    numbers = {"next": log.sequence + 1, "gap": log.sequence + 2, "uncounted": 0}
    if log.sequence:
        numbers["repeat"] = log.sequence
    tokens = {"wrong": GARBAGE, "none": ""}
    if log.token:
        tokens["current"] = log.token
    for status in range(7):
        for number, sequence in numbers.items():
            for name, token in tokens.items():
                found["report", status, number, name] = (
                    lambda copy, s=status, n=sequence, t=token: copy.report(s, n, t))
    for name, token in tokens.items():
        found["renew", name] = lambda copy, t=token: copy.renew(t)
    found["cancel",] = lambda copy: copy.cancel()
    if log.hold != NOBODY:
        found["lost",] = lambda copy: copy.lose()
    elif log.is_request and log.status == QUEUED:
        found["lease",] = lambda copy: copy.lease("t", "a")
        found["timeout",] = lambda copy: copy.end(TIMED_OUT)
    elif log.status == IN_PROGRESS:
        found["timeout",] = lambda copy: copy.end(TIMED_OUT)
    return found


def event_of(log, status, sequence, token):
    """The name of a report's event."""
    number = ("uncounted" if not sequence else "repeat" if sequence <= log.sequence
              else "next" if sequence == log.sequence + 1 else "gap")
    name = "none" if not token else "current" if token == log.token else "wrong"
    return "report", status, number, name


class Place:
    """A log somewhere on its way: what it looks like, what it began as, and what happened since."""

    def __init__(self, log, root, path):
        self.log, self.root, self.path = log, root, path

    def after(self, name):
        """The place behind one more event."""
        copy = replace(self.log, tokens=[])
        events(self.log)[name](copy)
        return Place(copy, self.root, (*self.path, name))

    def changes(self, name):
        """Whether an event leads anywhere else."""
        copy = self.after(name).log
        return (copy.state(), copy.sequence, copy.lost) != (
            self.log.state(), self.log.sequence, self.log.lost)

    @property
    def waits(self):
        """Whether the way there takes time."""
        return ("timeout",) in self.path


def table():
    """All pairs of a reachable state and an event that can happen in it, each with a place where it
    can, on a short way that takes no time if there is one."""
    pairs, seen = {}, set()
    roots = [Log("", "")] + [
        Log("", "", is_request=False, status=status, sequence=sequence)
        for status in (IN_PROGRESS, *FINAL) for sequence in (0, 1)]
    open_ends, later = deque(Place(log, log, ()) for log in roots), deque()
    while open_ends or later:
        place = (open_ends or later).popleft()
        log = place.log
        key = log.state() + (bool(log.sequence), log.lost)
        if key in seen:
            continue
        seen.add(key)
        for name in events(log):
            pairs.setdefault((log.state(), name), place)
            after = place.after(name)
            (later if after.waits else open_ends).append(after)
    return pairs


assert STATUS.LOG_STATUS_TIMED_OUT == TIMED_OUT
