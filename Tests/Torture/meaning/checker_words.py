"""The part of the checker that is about what was acknowledged: reports, deliveries, withdrawals."""
from collections import defaultdict

from checker_history import Found


def causes(timeline):
    """How many entries of a timeline have which cause; it is the third word of each."""
    found = defaultdict(int)
    for line in timeline:
        found[(line.split() + [""] * 3)[2]] += 1
    return found


def _by_lease(ops):
    """Reports of a log that may have had an effect, by the lease that they name."""
    found = defaultdict(list)
    for op in ops["report"]:
        if op["outcome"] != "refused":
            found[op["token"]].append(op)
    return found


def check_repeats(history):
    """A report counts once, and what is called a repeat was said before."""
    found = []
    for log, ops in history.logs.items():
        for reports in _by_lease(ops).values():
            counted = {}
            for op in sorted(reports, key=lambda op: op["t0"]):
                if op["outcome"] != "ok":
                    continue
                if op["duplicate"]:
                    if not any(each is not op and each["sequence"] >= op["sequence"]
                               and each["t0"] < op["t1"] for each in reports):
                        found.append(Found(
                            "repeat", f"{log}: a first report is called a repeat", op))
                    continue
                first = counted.setdefault(op["sequence"], op)
                if first is not op:
                    found.append(Found(
                        "repeat", f"{log}: report {op['sequence']} counts twice", first, op))
    return found


def check_gaps(history):
    """A report is taken behind the one before it, and never for the lack of one that was taken."""
    found = []
    for log, ops in history.logs.items():
        leases = _by_lease(ops)
        for op in ops["report"]:
            others = [each for each in leases[op["token"]] if each is not op]
            before = [each for each in others if each["sequence"] >= op["sequence"] - 1]
            if op["outcome"] == "ok" and op["sequence"] > 1 and not any(
                    each["t0"] < op["t1"] for each in before):
                found.append(Found(
                    "gap", f"{log}: report {op['sequence']} is taken without those before", op))
            if op.get("reason") == "SEQUENCE_GAP":
                for each in before:
                    if each["outcome"] == "ok" and each["t1"] <= op["t0"]:
                        found.append(Found(
                            "acknowledged", f"{log}: report {each['sequence']} is missed", each,
                            op))
                        break
    return found


def check_acknowledged(history):
    """Whoever looks later sees each report, delivery and withdrawal of which somebody was told."""
    found = []
    for log, ops in history.logs.items():
        leases = _by_lease(ops)
        for op in ops["read"] + ops["end"]:
            if op["outcome"] != "ok" or op["timeline"] is None:
                continue
            shown = causes(op["timeline"])
            told, said = set(), set()
            for token, reports in leases.items():
                told |= {(token, each["sequence"]) for each in reports
                         if each["outcome"] == "ok" and each["t1"] <= op["t0"]}
                said |= {(token, each["sequence"]) for each in reports if each["t0"] < op["t1"]}
            if not len(told) <= shown["REPORT"] <= len(said):
                found.append(Found(
                    "acknowledged", f"{log} shows {shown['REPORT']} reports, of which {len(told)} "
                    f"were acknowledged and {len(said)} made", op))
            least = len({each.token for each in history.delivered.get(log, ())
                         if each.poll["t1"] <= op["t0"]})
            if shown["LEASED"] < least:
                found.append(Found(
                    "acknowledged", f"{log} shows {shown['LEASED']} of {least} deliveries", op))
            least = sum(each["outcome"] == "ok" and each["t1"] <= op["t0"]
                        for each in ops["cancel"])
            if shown["OPERATOR"] < least:
                found.append(Found(
                    "acknowledged", f"{log} shows {shown['OPERATOR']} of {least} withdrawals", op))
    return found


def check_shown(history):
    """What was created is known to everybody, and what somebody works on is not shown as queued."""
    found = []
    for log, ops in history.logs.items():
        created = [op for op in ops["create"] if op["outcome"] == "ok"]
        for op in ops["read"] + ops["end"] + ops["cancel"] + ops["report"]:
            if op.get("reason") == "LOG_UNKNOWN" and any(
                    each["t1"] <= op["t0"] for each in created):
                found.append(Found("disappeared", f"{log} is not known", created[0], op))
        for delivery in history.delivered.get(log, ()):
            began = [op for op in delivery.used
                     if op["op"] == "report" and op.get("now") == "IN_PROGRESS"]
            if not began:
                continue
            first = min(began, key=lambda op: op["t1"])
            for op in ops["read"]:
                if op["outcome"] == "ok" and op["status"] == "QUEUED" and (
                        first["t1"] <= op["t0"] and op["t1"] <= delivery.certain):
                    found.append(Found(
                        "acknowledged", f"{log} is queued although it is worked on", first, op))
    return found
