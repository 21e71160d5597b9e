"""States of a server that the checker must accept or refuse, each with what it says of them.

They run before the real ones: a checker that lets what is done by half pass would prove nothing.
"""
import json
from types import SimpleNamespace

from coupled import Audit, require_owners
from promises import ABSENT, Broken, Promises
from schema import STATUS

QUEUED, CANCELLED = (0, 1, "", 0), (0, STATUS.LOG_STATUS_CANCELLED, "why", 0)
NEW = {("integration", "new-1"): ("new-1", "A", "", False, ""),
       ("key", "k"): ("new-1", True, False)}
PAUSED = {**NEW, ("integration", "new-1"): ("new-1", "A", "", True, "why")}
LOOK = dict(displayName="new-1", author="A", paused=False)
KEY = dict(integration="new-1")
STOPPED = dict(LOOK, paused=True, pauseReason="why")
MADE = [("CreateIntegration", "integration/new-1", None, LOOK),
        ("CreateIntegration", "key/k", None, KEY)]
PAUSE = [("PauseIntegration", "integration/new-1", LOOK, STOPPED)]
DELETED = [("DeleteIntegration", "integration/new-1", LOOK, None),
           ("DeleteIntegration", "key/k", KEY, None)]
ASKED = [("CreateRequests", "log/1", None, dict(status="QUEUED")),
         ("CreateRequests", "log/2", None, dict(status="QUEUED"))]
STOP = [("CancelRequest", "log/1", dict(status="QUEUED"), dict(status="CANCELLED"))]
TWO = {("request", "a"): QUEUED, ("request", "b"): QUEUED}
LOGS = {"1": "a", "2": "b"}


def deletion(is_answered):
    """What is promised of an integration with its key that are to be deleted."""
    promises = Promises()
    for name, value in NEW.items():
        promises.send(name, value)(True)
    answered = promises.send_whole("DeleteIntegration", dict.fromkeys(NEW, ABSENT))
    if is_answered:
        answered(list(NEW))
    return promises


def requests(taken=None):
    """What is promised of three requests of one call, of which some were taken by its answer."""
    promises = Promises()
    names = [("request", key) for key in "abc"]
    answered = promises.send_whole("CreateRequests", dict.fromkeys(names, QUEUED))
    if taken is not None:
        answered([names["abc".index(key)] for key in taken])
    return promises


def audit(*entries):
    return Audit([SimpleNamespace(
        number=number, action=action, target=target,
        before="" if before is None else json.dumps(before),
        after="" if after is None else json.dumps(after))
        for number, (action, target, before, after) in enumerate(entries, 1)])


def some(keys):
    return {("request", key): QUEUED for key in keys}


# What it is, what is said of it (none: all is well), what looks at it.
CASES = [
    ("an unanswered deletion is not done", "", lambda: deletion(False).verify(NEW)),
    ("it is done", "", lambda: deletion(False).verify({})),
    ("its key stays", "by half",
     lambda: deletion(False).verify({("key", "k"): NEW["key", "k"]})),
    ("its key alone is gone", "by half", lambda: deletion(False).verify(
        {("integration", "new-1"): NEW["integration", "new-1"]})),
    ("an answered one is not done", "may be one of", lambda: deletion(True).verify(NEW)),
    ("unanswered requests are there", "", lambda: requests().verify(some("abc"))),
    ("they are not", "", lambda: requests().verify({})),
    ("one of three is there", "by half", lambda: requests().verify(some("b"))),
    ("two of three are there", "by half", lambda: requests().verify(some("ac"))),
    ("two were taken by the answer", "", lambda: requests("ac").verify(some("ac"))),
    ("one of them is lost", "may be one of", lambda: requests("ac").verify(some("a"))),
    ("integrations and keys", "", lambda: require_owners(NEW)),
    ("a key without its integration", "are no integrations",
     lambda: require_owners({("key", "k"): NEW["key", "k"]})),
    ("an integration without a key", "without a key", lambda: require_owners(
        {("integration", "new-1"): NEW["integration", "new-1"]})),
    ("all is audited", "", lambda: audit(*MADE, *PAUSE).verify(PAUSED, {})),
    ("a change without its entry", "by the audit", lambda: audit(*MADE).verify(PAUSED, {})),
    ("an entry without its change", "by the audit",
     lambda: audit(*MADE, *PAUSE).verify(NEW, {})),
    ("an entry is there twice", "began with", lambda: audit(*MADE, *PAUSE, *PAUSE)),
    ("an entry in between is lost", "began with", lambda: audit(
        *MADE, ("ResumeIntegration", "integration/new-1", STOPPED, LOOK))),
    ("a deletion is audited", "", lambda: audit(*MADE, *DELETED).verify({}, {})),
    ("its key's entry is lost", "by the audit",
     lambda: audit(*MADE, DELETED[0]).verify({}, {})),
    ("a key without an entry", "by the audit", lambda: audit(MADE[0]).verify(NEW, {})),
    ("requests are audited", "", lambda: audit(*ASKED).verify(TWO, LOGS)),
    ("one has no entry", "have no entry", lambda: audit(ASKED[0]).verify(TWO, LOGS)),
    ("one entry has no request", "are not there",
     lambda: audit(*ASKED).verify(some("a"), {"1": "a"})),
    ("one was pruned", "", lambda: audit(*ASKED).verify(some("a"), {"1": "a"}, {"2"})),
    ("one is made twice", "twice", lambda: audit(*ASKED, ASKED[0])),
    ("a retry without an entry", "have no entry",
     lambda: audit().verify({("retry", "1"): 1}, {})),
    ("a retry with one", "", lambda: audit(
        ("RetryLog", "log/3", None, dict(status="QUEUED", retryOf="1"))).verify(
            {("retry", "1"): 1}, {})),
    ("a cancellation is audited", "",
     lambda: audit(*ASKED, *STOP).verify({**TWO, ("request", "a"): CANCELLED}, LOGS)),
    ("it is not", "have no entry",
     lambda: audit(*ASKED).verify({**TWO, ("request", "a"): CANCELLED}, LOGS)),
    ("an entry without a cancellation", "are not there",
     lambda: audit(*ASKED, *STOP).verify(TWO, LOGS)),
]


def self_test():
    """Runs all cases; a wrong verdict is a fault of the checker, so the run is worth nothing."""
    for name, expected, looked in CASES:
        said = ""
        try:
            looked()
        except Broken as broken:
            said = str(broken)
        if bool(said) != bool(expected) or expected not in said:
            raise RuntimeError(f"{name!r}: expected {expected or 'nothing'!r}, got {said!r}")
    return len(CASES)
