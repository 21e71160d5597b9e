"""A recorded history, sorted out by what its operations are about; see checker.py for what these
are."""
from collections import defaultdict

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
NEVER = float("inf")


class Found:
    """One violation: the rule, a sentence, and the operations that show it."""

    def __init__(self, rule, text, *ops):
        self.rule, self.text, self.ops = rule, text, [op for op in ops if op]

    def __repr__(self):
        return f"{self.rule}: {self.text}"


class Delivery:
    """One request in one answer: who got it, between which moments, and what it was used for."""

    def __init__(self, history, log, poll, request):
        self.poll, self.token, self.number = poll, request["token"], request["delivery"]
        self.named = history.named(log, self.token)
        # What the server took in its name, repeats included.
        self.used = [op for op in self.named if op["outcome"] == "ok" and (
            op["op"] == "report" or log not in op["lost"])]
        # It cannot have happened before the request was asked for, nor behind its first use.
        self.low = max([poll["t0"]] + [op["t0"] for op in history.logs[log]["create"]])
        self.high = min([poll["t1"]] + [op["t1"] for op in self.used])
        self.stretches = history.held(log, self)
        # Whoever is taken at its word was the holder all the time before.
        self.certain = max([self.low] + [end for _, end in self.stretches])
        self.until = max([self.certain] + [op["t0"] for op in self.used])
        if any(op.get("now") in FINAL and not op["duplicate"] for op in self.used):
            self.until = NEVER  # Nothing is given out behind the end.

    def may_precede(self, other):
        """It may have been lost before the other one was given out."""
        return other.high >= max(self.low, self.until)

    def precedes(self, other):
        """It is the earlier one of the two."""
        return self.may_precede(other) and not other.may_precede(self)


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
        self.delivered = {
            log: [Delivery(self, log, *pair) for pair in pairs]
            for log, pairs in self.deliveries.items()}

    def named(self, log, token):
        """Reports and heartbeats that name a lease, whatever came of them."""
        reports = [op for op in self.logs[log]["report"] if op["token"] == token]
        return reports + [op for op in self.logs[log]["beat"] if [log, token] in op["leases"]]

    def held(self, log, delivery):
        """The stretches in which a delivery certainly was its agent's: [(from, to)]."""
        config, poll = self.config, delivery.poll
        # From here on its agent may have given it up or ended it.
        until = min(
            [op["t0"] for op in delivery.named if op["op"] == "report" and op["status"] in FINAL
             and op["outcome"] != "refused"]
            + [op["t0"] for op in self.goodbyes[poll["agent"]] if op["t1"] >= poll["t1"]]
            + [NEVER])
        offered = min(poll["lease"], config["accept"])
        starts = [(poll["t1"], delivery.low + offered, poll["t0"])]
        for op in delivery.used:
            if not op.get("duplicate"):
                starts.append((op["t1"], op["t0"] + poll["lease"], op["t0"]))
        stretches = []
        for start, end, asked in starts:
            lost = [time for time in self.gone[poll["agent"]] + self.downs if time >= asked]
            if lost:
                end = min(end, min(lost) + config["grace"])
            end = min(end - config["slack"], until)
            if end > start:
                stretches.append((start, end))
        return sorted(stretches)
