"""A pure checker of recorded histories: what clients did and were told, and what must hold of it.

A history is a list of operations, each a dictionary with `op`, `actor`, `t0` and `t1` (seconds of
one monotonic clock: invoked, returned) and `outcome`: ok, refused (it had no effect) or unknown.

| op | fields |
| --- | --- |
| config | accept, grace: the server's timeouts in seconds; slack: by how much clocks and timers may
| | be late; prompt: for how long a request may be queued beside a poll that takes it |
| create | log, action, not_before (on the same clock, or null); a retry by an operator: also `of` |
| cancel | log, asked (the agent is asked) |
| pause | action (null: the whole integration); t0 is that of the pause, t1 that of the resume |
| poll | agent, actions, lease, requests: list of {log, token, delivery, action} |
| report | log, token, sequence, status (as said), now (as answered), duplicate, reason |
| beat | agent, leases: list of [log, token], stopped, lost: list of logs |
| gone | agent: its connection closes at t0 |
| down | the server: killed or asked to stop at t0, ready again at t1 |
| read | log, status, timeline: list of texts |
| end | log, status, timeline, action, cause of the last entry, retry: as `read`, when all is done |

A lease is certain only between the moment at which its holder was told of it and the earliest
moment at which the server may have counted it as run out; rules speak of certain things alone, so
that what they find is a fault whatever happened in between.
"""
from collections import defaultdict

from checker_queue import check_order, check_prompt, queued_stretches

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
NEVER = float("inf")


class Found:
    """One violation: the rule, a sentence, and the operations that show it."""

    def __init__(self, rule, text, *ops):
        self.rule, self.text, self.ops = rule, text, [op for op in ops if op]

    def __repr__(self):
        return f"{self.rule}: {self.text}"


class History:
    """The operations of a history, sorted out by what they are about."""

    def __init__(self, ops):
        self.ops = ops
        self.config = next(op for op in ops if op["op"] == "config")
        self.kinds, self.logs = defaultdict(list), defaultdict(lambda: defaultdict(list))
        self.deliveries = defaultdict(list)   # log -> [(poll, request)], by return
        self.gone = defaultdict(list)         # agent -> times
        self.goodbyes = defaultdict(list)     # agent -> heartbeats that say STOPPED
        for op in ops:
            self.kinds[op["op"]].append(op)
            if op.get("log"):
                self.logs[op["log"]][op["op"]].append(op)
            if op["op"] == "poll":
                for request in op.get("requests", ()):
                    self.deliveries[request["log"]].append((op, request))
            elif op["op"] == "beat":
                for log, _ in op["leases"]:
                    self.logs[log]["beat"].append(op)
                if op["stopped"]:
                    self.goodbyes[op["agent"]].append(op)
            elif op["op"] == "gone":
                self.gone[op["agent"]].append(op["t0"])
        for found in self.deliveries.values():
            found.sort(key=lambda pair: pair[0]["t1"])
        self.downs = [op["t0"] for op in self.kinds["down"]]

    def named(self, log, token):
        """Reports and heartbeats that name a lease, whatever came of them."""
        reports = [op for op in self.logs[log]["report"] if op["token"] == token]
        return reports + [op for op in self.logs[log]["beat"] if [log, token] in op["leases"]]

    def held(self, log, poll, request):
        """The stretches in which a delivery certainly was its agent's: [(from, to)]."""
        config, token, agent = self.config, request["token"], poll["agent"]
        named = self.named(log, token)
        # From here on its agent may have given it up or ended it.
        until = min(
            [op["t0"] for op in named if op["op"] == "report" and op["status"] in FINAL
             and op["outcome"] != "refused"]
            + [op["t0"] for op in self.goodbyes[agent] if op["t1"] >= poll["t1"]]
            + [NEVER])
        offered = min(poll["lease"], config["accept"])
        starts = [(poll["t1"], poll["t0"] + offered, poll["t0"])]
        for op in named:
            if op["outcome"] == "ok" and not op.get("duplicate") and (
                    op["op"] == "report" or log not in op["lost"]):
                starts.append((op["t1"], op["t0"] + poll["lease"], op["t0"]))
        stretches = []
        for start, end, asked in starts:
            lost = [time for time in self.gone[agent] + self.downs if time >= asked]
            if lost:
                end = min(end, min(lost) + config["grace"])
            end = min(end - config["slack"], until)
            if end > start:
                stretches.append((start, end))
        return sorted(stretches)


def check(ops):
    """All violations of a history."""
    history = History(ops)
    queued = queued_stretches(history)
    found = []
    for rule in (check_fences, check_holders, check_rights, check_numbers, check_ends, check_reads,
                 check_final_state):
        found += rule(history)
    return found + check_order(history, queued, Found) + check_prompt(history, queued, Found)


def check_fences(history):
    """No report and no renewal with an older token once a newer delivery was handed out."""
    found = []
    for log, deliveries in history.deliveries.items():
        for newer, request in deliveries:
            for older, old in deliveries:
                if older["t1"] > newer["t0"] or old["token"] == request["token"]:
                    continue
                for op in history.named(log, old["token"]):
                    accepted = op["outcome"] == "ok" and (
                        op["op"] == "report" or log not in op["lost"])
                    if accepted and op["t0"] >= newer["t1"]:
                        found.append(Found(
                            "fence", f"{log}: an {op['op']} of an older delivery is accepted",
                            older, newer, op))
    return found


def check_holders(history):
    """Nobody gets a request while another certainly holds it."""
    found = []
    for log, deliveries in history.deliveries.items():
        for poll, request in deliveries:
            for start, end in history.held(log, poll, request):
                for other, second in deliveries:
                    if second["token"] != request["token"] and start <= other["t0"] and (
                            other["t1"] <= end):
                        found.append(Found(
                            "one holder", f"{log} is delivered while it is held until {end:.3f}",
                            poll, other))
    return found


def check_rights(history):
    """Nothing is refused as lost while its lease certainly lasts."""
    found = []
    for log, deliveries in history.deliveries.items():
        for poll, request in deliveries:
            stretches = history.held(log, poll, request)
            for op in history.named(log, request["token"]):
                lost = op.get("reason") == "LEASE_LOST" if op["op"] == "report" else (
                    log in op.get("lost", ()))
                if lost and any(start <= op["t0"] and op["t1"] <= end for start, end in stretches):
                    found.append(Found("right", f"{log}: the lease ends early", poll, op))
    return found


def check_numbers(history):
    """Delivery numbers rise with each lost delivery that was accepted, and only then."""
    found = []
    for log, deliveries in history.deliveries.items():
        ordered = sorted(deliveries, key=lambda pair: pair[0]["t0"])
        for (poll, first), (other, second) in zip(ordered, ordered[1:]):
            if poll["t1"] > other["t0"]:
                continue
            named = history.named(log, first["token"])
            accepted = any(
                op["outcome"] == "ok" and (op["op"] == "report" or log not in op["lost"])
                for op in named if op["t1"] <= other["t0"])
            step = second["delivery"] - first["delivery"]
            if step < 0 or accepted and step < 1 or not named and step > 0 or (
                    first["token"] == second["token"]):
                found.append(Found(
                    "numbers", f"{log}: delivery {second['delivery']} follows "
                    f"{first['delivery']}", poll, other))
    return found


def check_ends(history):
    """An acknowledged end is final: no second one, no delivery and no other status after it."""
    found = []
    for log, ops in history.logs.items():
        ends = [
            (op, op["now"]) for op in ops["report"]
            if op["outcome"] == "ok" and op["now"] in FINAL]
        ends += [(op, "CANCELLED") for op in ops["cancel"]
                 if op["outcome"] == "ok" and not op["asked"]]
        if not ends:
            continue
        end, status = min(ends, key=lambda pair: pair[0]["t1"])
        for op, other in ends:
            if other != status:
                found.append(Found("end", f"{log} ended {status} and {other}", end, op))
        fresh = [op for op, _ in ends if op["op"] == "report" and not op["duplicate"]]
        if len(fresh) + sum(op["op"] == "cancel" for op, _ in ends) > 1:
            found.append(Found("end", f"{log} ended twice", *[op for op, _ in ends]))
        for op in ops["report"]:
            if op["outcome"] == "ok" and not op["duplicate"] and op["t0"] >= end["t1"]:
                found.append(Found("end", f"{log}: a report is taken after the end", end, op))
        for poll, _ in history.deliveries.get(log, ()):
            if poll["t0"] >= end["t1"]:
                found.append(Found("end", f"{log} is delivered after its end", end, poll))
        for op in ops["read"] + ops["end"]:
            if op["outcome"] == "ok" and op["t0"] >= end["t1"] and op["status"] != status:
                found.append(Found(
                    "end", f"{log} ended {status} and is read as {op['status']}", end, op))
    return found


def check_reads(history):
    """A later read shows what an earlier one showed, and what came after it."""
    found = []
    for log, ops in history.logs.items():
        reads = sorted(
            (op for op in ops["read"] + ops["end"] if op["outcome"] == "ok"),
            key=lambda op: op["t1"])
        best = None
        for op in sorted(reads, key=lambda op: op["t0"]):
            # The richest read that had returned before this one began.
            for other in reads:
                if other["t1"] <= op["t0"] and (
                        best is None or len(other["timeline"]) > len(best["timeline"])):
                    best = other
            if best is None:
                continue
            if op["timeline"][:len(best["timeline"])] != best["timeline"]:
                found.append(Found("reads", f"{log}: a read goes back", best, op))
            elif best["status"] in FINAL and op["status"] != best["status"]:
                found.append(Found("reads", f"{log} leaves {best['status']}", best, op))
    return found


def check_final_state(history):
    """Every request is there at the end, has ended, and somebody or something ended it so."""
    found = []
    for op in history.kinds["create"]:
        if op["outcome"] == "ok" and not history.logs[op["log"]]["end"]:
            found.append(Found("disappeared", f"{op['log']} was created and is not there", op))
    created = {op["log"] for op in history.kinds["create"] if op["outcome"] == "ok"}
    for op in history.kinds["end"]:
        log, status = op["log"], op["status"]
        ops = history.logs[log]
        if log not in created and not op["retry"]:
            found.append(Found("made up", f"{log} is there and nobody created it", op))
        said = {each["status"] for each in ops["report"] if each["outcome"] != "refused"}
        cancelled = any(each["outcome"] != "refused" for each in ops["cancel"])
        explained = {
            "COMPLETED": "COMPLETED" in said,
            "FAILED": "FAILED" in said or op["cause"] == "DELIVERIES_SPENT",
            "CANCELLED": "CANCELLED" in said or cancelled,
        }.get(status, False)
        if not explained:
            found.append(Found("unexplained", f"{log} is {status} at the end", op))
    return found
