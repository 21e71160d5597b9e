"""Small histories that the checker must accept or reject, each with the rule that finds it.

They run before each real history: a checker that lets everything pass would prove nothing.
"""
from checker import check

CONFIG = dict(op="config", t0=0, t1=0, accept=1.0, grace=2.0, prompt=1.0, slack=0.1)


def create(log, at, action="a", not_before=None, key=""):
    """A request that was made and answered within 10 ms."""
    return dict(op="create", log=log, action=action, t0=at, t1=at + 0.01, outcome="ok",
                not_before=not_before, duplicate=False, key=key)


def poll(agent, start, end, *requests, outcome="ok", actions=("a",), lease=1.5):
    """`requests` are texts: log/token/delivery."""
    taken = [dict(zip(("log", "token", "delivery"), each.split("/"))) for each in requests]
    for each in taken:
        each.update(delivery=int(each["delivery"]), action=actions[0])
    return dict(op="poll", agent=agent, t0=start, t1=end, outcome=outcome, requests=taken,
                actions=list(actions), lease=lease)


def report(log, token, at, status="COMPLETED", outcome="ok", sequence=1, **fields):
    """A report; what it was told as status is what it said, unless `now` says otherwise."""
    return dict(dict(op="report", log=log, token=token, t0=at, t1=at + 0.01, status=status,
                     outcome=outcome, duplicate=False, reason="", now=status, sequence=sequence),
                **fields)


def beat(agent, at, *leases, stopped=False, lost=(), **fields):
    """A heartbeat; `leases` are texts: log/token."""
    return dict(op="beat", agent=agent, t0=at, t1=at + 0.01, outcome="ok", stopped=stopped,
                leases=[each.split("/") for each in leases], lost=list(lost), **fields)


def read(log, at, status, *causes, op="read"):
    """A look at a log with its timeline; without causes it looks at the status alone."""
    return dict(op=op, log=log, t0=at, t1=at + 0.01, outcome="ok", status=status,
                timeline=[f"0 {status} {cause}" for cause in causes] or None, cause="", retry=False)


def ended(log, status="COMPLETED", *causes, cause="REPORT"):
    """What the log is when all is done."""
    return dict(read(log, 90, status, *causes, op="end"), cause=cause)


def cancel(log, at, asked=False, outcome="ok"):
    """A withdrawal; `asked`: its agent is asked to stop."""
    return dict(op="cancel", log=log, t0=at, t1=at + 0.01, outcome=outcome, asked=asked)


def span(op, start, end, **fields):
    """Anything that lasts: a pause, a server that is down, a connection that is gone."""
    return dict(op=op, t0=start, t1=end, outcome="ok", **fields)


DONE = ["0.2 QUEUED LEASED x", "0.3 COMPLETED REPORT x"]
PLAIN = [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), report("1", "t1", 0.3), ended("1")]

# What it is, the rules that find it (none: all is well), the history.
CASES = [
    ("one request, done", "", PLAIN),
    ("a repeat is a duplicate", "", PLAIN + [report("1", "t1", 5, duplicate=True)]),
    ("a repeat counts twice", "end, repeat", PLAIN + [report("1", "t1", 5)]),
    ("another end after the end", "end", PLAIN + [report("1", "t1", 5, "FAILED", sequence=2)]),
    ("a read sees another end", "end", PLAIN + [read("1", 1, "QUEUED")]),
    ("an older read may see less", "",
     [dict(read("1", 0.05, "QUEUED", "REQUEST"), timeline=["0 QUEUED REQUEST"])] + PLAIN[:-1]
     + [dict(ended("1"), timeline=["0 QUEUED REQUEST", *DONE])]),
    ("a read goes back", "reads",
     [dict(read("1", 0.25, "QUEUED"), timeline=["0 QUEUED REQUEST", "0.1 QUEUED LEASED x"])]
     + PLAIN[:-1] + [dict(ended("1"), timeline=["0 QUEUED REQUEST", *DONE])]),
    ("an end that is acknowledged is lost", "end",
     PLAIN[:-1] + [ended("1", "FAILED", cause="DELIVERIES_SPENT")]),
    ("a request disappears", "disappeared", [create("1", 0), create("2", 3), *PLAIN[1:]]),
    ("a request is left over", "unexplained", [create("1", 0), ended("1", "QUEUED")]),
    ("a request fails by itself", "unexplained", [create("1", 0), ended("1", "FAILED")]),
    ("nobody created it", "made up", [ended("1", "FAILED", cause="DELIVERIES_SPENT")]),
    ("withdrawn, and nobody gets it", "",
     [create("1", 0), cancel("1", 0.05), ended("1", "CANCELLED")]),
    ("withdrawn, and delivered", "end",
     [create("1", 0), cancel("1", 0.05), poll("x", 2, 2.1, "1/t1/1"), ended("1", "CANCELLED")]),
    ("offered, not accepted, offered again", "",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), poll("y", 1.2, 1.3, "1/t2/1"),
      report("1", "t2", 1.4), ended("1")]),
    ("offered to two", "one holder",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), poll("y", 0.4, 0.5, "1/t2/1"),
      report("1", "t2", 1.4), ended("1")]),
    ("accepted, and given to another", "one holder",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), report("1", "t1", 0.5, "IN_PROGRESS"),
      poll("y", 1.2, 1.5, "1/t2/2"), report("1", "t2", 1.6), ended("1")]),
    ("renewed, and given to another", "one holder",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), beat("x", 1.0, "1/t1"),
      poll("y", 1.8, 1.9, "1/t2/2"), report("1", "t2", 2), ended("1")]),
    ("run out, and given to another", "",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), beat("x", 0.9, "1/t1"),
      poll("y", 2.4, 2.5, "1/t2/2"), report("1", "t2", 2.6), ended("1")]),
    ("its connection is gone, and it is given to another", "",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1", lease=60), beat("x", 0.9, "1/t1"),
      span("gone", 1, 1, agent="x"), poll("y", 3, 3.1, "1/t2/2"), report("1", "t2", 3.2),
      ended("1")]),
    ("STOPPED, and given to another", "",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), beat("x", 0.3, "1/t1"),
      beat("x", 0.5, stopped=True), poll("y", 0.6, 0.7, "1/t2/2"), report("1", "t2", 0.8),
      ended("1")]),
    ("a stale report is taken", "fence",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), poll("y", 1.4, 1.5, "1/t2/1"),
      report("1", "t1", 2), ended("1")]),
    ("a stale lease is renewed", "fence",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), poll("y", 1.4, 1.5, "1/t2/1"),
      beat("x", 1.6, "1/t1"), report("1", "t2", 2), ended("1")]),
    ("a stale report is refused", "",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), poll("y", 1.4, 1.5, "1/t2/1"),
      report("1", "t1", 1.7, outcome="refused", reason="LEASE_LOST"),
      report("1", "t2", 2), ended("1")]),
    ("a lease ends early", "right",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"),
      report("1", "t1", 0.3, outcome="refused", reason="LEASE_LOST"),
      poll("y", 2, 2.1, "1/t2/1"), report("1", "t2", 2.2), ended("1")]),
    ("a delivery is not counted", "numbers",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), beat("x", 0.9, "1/t1"),
      poll("y", 3, 3.1, "1/t2/1"), report("1", "t2", 3.2), ended("1")]),
    ("an offer is counted", "numbers",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), poll("y", 3, 3.1, "1/t2/2"),
      report("1", "t2", 3.2), ended("1")]),
    ("the younger goes first", "order",
     [create("1", 0), create("2", 0.1), poll("x", 0.3, 0.4, "2/t2/1"), report("2", "t2", 0.5),
      poll("x", 0.6, 0.7, "1/t1/1"), report("1", "t1", 0.8), ended("1"), ended("2")]),
    ("the younger goes first within one answer", "order",
     [create("1", 0), create("2", 0.1), poll("x", 0.3, 0.4, "2/t2/1", "1/t1/1"),
      report("2", "t2", 0.5), report("1", "t1", 0.8), ended("1"), ended("2")]),
    ("the older one is for later", "",
     [create("1", 0, not_before=0.5), create("2", 0.1), poll("x", 0.3, 0.4, "2/t2/1"),
      report("2", "t2", 0.5), poll("x", 0.6, 0.7, "1/t1/1"), report("1", "t1", 0.8), ended("1"),
      ended("2")]),
    ("a lost reply may have had the older one", "",
     [create("1", 0), create("2", 0.1), poll("y", 0.2, 0.25, outcome="unknown"),
      poll("x", 0.3, 0.4, "2/t2/1"), report("2", "t2", 0.5), poll("x", 4, 4.1, "1/t1/1"),
      report("1", "t1", 4.2), ended("1"), ended("2")]),
    ("it waits beside a poll", "prompt",
     [create("1", 0), poll("x", 0.1, 2.2, "1/t1/1"), report("1", "t1", 2.3), ended("1")]),
    ("it waits beside a poll of another action", "",
     [create("1", 0), poll("x", 0.1, 2.2, actions=("b",)), poll("x", 2.3, 2.4, "1/t1/1"),
      report("1", "t1", 2.5), ended("1")]),
    ("it waits for its time", "",
     [create("1", 0, not_before=2), poll("x", 0.1, 2.2, "1/t1/1"), report("1", "t1", 2.3),
      ended("1")]),
    ("it waits for the end of a pause", "",
     [span("pause", 0, 2, action=None), create("1", 0.1), poll("x", 0.2, 2.1, "1/t1/1"),
      report("1", "t1", 2.3), ended("1")]),
    ("it waits while the machine is busy with others", "",
     [create("1", 0), span("stall", 0.9, 1.5), poll("x", 0.1, 2.2, "1/t1/1"),
      report("1", "t1", 2.3), ended("1")]),
    ("it waits while the server is down", "",
     [create("1", 0), span("down", 0.3, 3.0), poll("x", 0.05, 3.2, "1/t1/1"),
      report("1", "t1", 3.3), ended("1")]),
    ("what was given back waits beside a poll", "prompt",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), beat("x", 0.3, "1/t1"),
      beat("x", 0.5, stopped=True), poll("y", 0.4, 2.7, "1/t2/2"), report("1", "t2", 2.8),
      ended("1")]),
    ("an offer that ran out waits beside a poll", "prompt",
     [create("1", 0), poll("x", 0.1, 0.2, "1/t1/1"), poll("y", 0.4, 3.7, "1/t2/1"),
      report("1", "t2", 3.8), ended("1")]),
]



def self_test():
    """Runs all cases; a wrong verdict is a fault of the checker, so the run is worth nothing."""
    from checker_more_cases import MORE_CASES
    cases = CASES + MORE_CASES
    for name, rules, ops in cases:
        found = {each.rule for each in check([CONFIG, *ops])}
        if found != set(rules.split(", ") if rules else []):
            raise AssertionError(f"the checker says {sorted(found)} of {name!r}, not {rules!r}")
    return len(cases)
