"""The part of the checker that is about operators' wishes: stop, pause, not before a time."""
from collections import defaultdict

from checker_history import NEVER, Found


def check_cancels(history):
    """An agent that is asked to stop hears of it with its next answer, nobody else gets the request
    any more, and it ends by a report or withdrawn."""
    found = []
    answers = defaultdict(list)  # agent -> what could have told it, by beginning
    for op in sorted(history.ops, key=lambda op: op["t0"]):
        if "told" in op and op["outcome"] == "ok":
            answers[op.get("agent") or op["actor"]].append(op)
    for log, ops in history.logs.items():
        asked = [op for op in ops["cancel"] if op["outcome"] == "ok" and op["asked"]]
        if not asked:
            continue
        first = min(asked, key=lambda op: op["t1"])
        users = set()
        for delivery in history.delivered.get(log, ()):
            if delivery.low >= first["t1"]:
                found.append(Found("cancel", f"{log} is delivered although it is to stop", first,
                                   delivery.poll))
            if any(op["t0"] >= first["t1"] for op in delivery.used):
                users.add(delivery.token)
            found += _unheard(log, first, delivery, answers[delivery.poll["agent"]])
        if len(users) > 1:
            found.append(Found("cancel", f"{log} changes hands although it is to stop", first))
        for op in ops["end"]:
            if op["cause"] == "DELIVERIES_SPENT":
                found.append(Found("cancel", f"{log} was to stop, and fails", first, op))
    return found


def _unheard(log, cancel, delivery, answers):
    """The first answer that the holder of a log gets behind a cancellation says so, and so does
    each heartbeat that names its lease."""
    found = []
    for op in delivery.used:
        if op["op"] == "beat" and op["t0"] >= cancel["t1"] and log not in op.get("told", (log,)):
            found.append(Found("cancel", f"{log}: a heartbeat is not told to stop it", cancel, op))
    since = max(cancel["t1"], delivery.poll["t1"])
    later = [op for op in answers if op["t0"] >= since]
    if not later or later[0]["t1"] > delivery.certain:
        return found
    # One that was under way may have brought it already.
    if not any(log in op["told"] for op in answers
               if op["t1"] >= cancel["t0"] and op["t0"] <= later[0]["t0"]):
        found.append(Found("cancel", f"{log}: its agent is not told to stop it", cancel, later[0]))
    return found


def certain_pauses(history):
    """When which action certainly was paused: [(from, to, action or None for all, pause)]. Who ends
    the pause of somebody else ends it for him too."""
    found = []
    for op in history.kinds["pause"]:
        since, until = op.get("since"), op.get("until", NEVER)
        if since is None:
            continue
        for other in history.kinds["pause"]:
            if other is not op and other["action"] == op["action"] and (
                    other["t1"] > op["t0"] and other.get("until", other["t0"]) < until):
                until = other.get("until", other["t0"])
        if until > since:
            found.append((since, until, op["action"], op))
    return found


def check_pauses(history):
    """Nothing goes out of what is paused."""
    pauses, found = certain_pauses(history), []
    for log, deliveries in history.delivered.items():
        for (_, request), delivery in zip(history.deliveries[log], deliveries):
            for since, until, action, op in pauses:
                if action in (None, request["action"]) and (
                        since <= delivery.low and delivery.high <= until) and (
                        op.get("integration") == delivery.poll.get("integration")):
                    found.append(Found(
                        "pause", f"{log} is delivered in a pause", op, delivery.poll))
    return found


def check_times(history):
    """A request goes out to who asked for its action, and not before its time."""
    found = []
    slack = history.config["slack"]
    for log, deliveries in history.deliveries.items():
        creates = history.logs[log]["create"]
        for poll, request in deliveries:
            if request["action"] not in poll["actions"] or any(
                    op["action"] != request["action"] for op in creates):
                found.append(Found(
                    "action", f"{log} goes to who did not ask for {request['action']}", poll))
            for op in creates:
                if op["not_before"] is not None and poll["t1"] < op["not_before"] - slack:
                    found.append(Found("early", f"{log} goes out before its time", op, poll))
    keys = {}
    for op in history.kinds["create"]:
        if op["outcome"] == "ok" and op.get("key"):
            first = keys.setdefault(op["key"], op)
            if first["log"] != op["log"]:
                found.append(Found(
                    "twice", f"one wish made {first['log']} and {op['log']}", first, op))
    return found
