"""A pure checker of recorded histories: what clients did and were told, and what must hold of it.

A history is a list of operations, each a dictionary with `op`, `actor`, `t0` and `t1` (seconds of
one monotonic clock: invoked, returned) and `outcome`: ok, refused (it had no effect) or unknown.

| op | fields |
| --- | --- |
| config | accept, grace: the server's timeouts in seconds; slack: by how much clocks and timers may
| | be late; prompt: for how long a request may be queued beside a poll that takes it |
| create | log, action, key, not_before (on the same clock, or null); a retry: also `of` |
| cancel | log, asked (the agent is asked) |
| pause | action (null: the whole integration); t0 is that of the pause, t1 that of the resume;
| | since, until: from its answer (null: there was none) to the first try to end it |
| poll | agent, actions, lease, requests: list of {log, token, delivery, action}, told |
| report | log, token, sequence, status (as said), now (as answered), duplicate, reason, told |
| beat | agent, leases: list of [log, token], stopped, lost: list of logs, told |
| gone | agent: its connection closes at t0 |
| down | the server: killed or asked to stop at t0, ready again at t1 |
| stall | the machine: a small report took so long that nothing is said of how prompt others were |
| read | log, status, timeline: list of texts (null: nobody looked), see `causes` |
| end | log, status, timeline, action, cause of the last entry, retry: as `read`, when all is done |

`told` are the logs that the answer asks the agent to stop. A lease is certain only between the
moment at which its holder was told of it and the earliest moment at which the server may have
counted it as run out; rules speak of certain things alone, so that what they find is a fault
whatever happened in between.
"""
from checker_history import FINAL, Found, History
from checker_queue import check_order, check_prompt, queued_stretches
from checker_wishes import check_cancels, check_pauses, check_times
from checker_words import check_acknowledged, check_gaps, check_repeats, check_shown


def check(ops):
    """All violations of a history."""
    history = History(ops)
    queued = queued_stretches(history)
    found = []
    for rule in (check_holders, check_rights, check_numbers, check_ends, check_reads,
                 check_final_state, check_acknowledged, check_gaps, check_repeats, check_shown,
                 check_cancels, check_pauses, check_times):
        found += rule(history)
    return found + check_order(history, queued, Found) + check_prompt(history, queued, Found)


def check_holders(history):
    """One holder at a time: of any two deliveries one was lost before the other was given out, and
    nobody speaks with the older one once the newer was handed out."""
    found = []
    for log, deliveries in history.delivered.items():
        for place, first in enumerate(deliveries):
            for second in deliveries[place + 1:]:
                rule, polls = "one holder", (first.poll, second.poll)
                if first.token == second.token:
                    text = f"one lease of {log} was given out twice"
                elif first.poll is second.poll:
                    text = f"one answer has {log} twice"
                elif first.may_precede(second) or second.may_precede(first):
                    continue
                else:
                    older, newer = sorted((first, second), key=lambda each: each.low)
                    stale = [op for op in older.used if op["t0"] >= newer.high]
                    polls = (older.poll, newer.poll, *stale[:1])
                    text = f"{log} is delivered while another holds it"
                    if stale:
                        rule = "fence"
                        text = f"{log}: a {stale[0]['op']} of an older delivery is accepted"
                found.append(Found(rule, text, *polls))
    return found


def check_rights(history):
    """Nothing is refused as lost while its lease certainly lasts."""
    found = []
    for log, deliveries in history.delivered.items():
        for delivery in deliveries:
            for op in delivery.named:
                lost = op.get("reason") == "LEASE_LOST" if op["op"] == "report" else (
                    log in op.get("lost", ()))
                if lost and any(start <= op["t0"] and op["t1"] <= end
                                for start, end in delivery.stretches):
                    found.append(Found(
                        "right", f"{log}: the lease ends early", delivery.poll, op))
    return found


def check_numbers(history):
    """A delivery's number is 1 and one for each earlier one that was accepted and lost."""
    found = []
    for log, deliveries in history.delivered.items():
        for delivery in deliveries:
            others = [each for each in deliveries if each.token != delivery.token]
            least = 1 + sum(bool(each.used) and each.precedes(delivery) for each in others)
            most = 1 + sum(
                not delivery.precedes(each) and (bool(each.used) or any(
                    op["outcome"] == "unknown" for op in each.named)) for each in others)
            if not least <= delivery.number <= most:
                found.append(Found(
                    "numbers", f"{log}: delivery {delivery.number} must be {least} to {most}",
                    delivery.poll, *[each.poll for each in others[:2]]))
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
        found += _after_the_end(history, log, ops)
        if not ends:
            continue
        end, status = min(ends, key=lambda pair: pair[0]["t1"])
        for op, other in ends:
            if other != status:
                found.append(Found("end", f"{log} ended {status} and {other}", end, op))
        fresh = [op for op, _ in ends if op["op"] == "report" and not op["duplicate"]]
        if len(fresh) + sum(op["op"] == "cancel" for op, _ in ends) > 1:
            found.append(Found("end", f"{log} ended twice", *[op for op, _ in ends]))
        for op in ops["read"] + ops["end"]:
            if op["outcome"] == "ok" and op["t0"] >= end["t1"] and op["status"] != status:
                found.append(Found(
                    "end", f"{log} ended {status} and is read as {op['status']}", end, op))
    return found


def _after_the_end(history, log, ops):
    """Whoever showed that it had ended: nothing happens to it from there on."""
    shown = [op for op in ops["report"] if op.get("reason") == "LOG_FINAL" or (
        op["outcome"] == "ok" and op["now"] in FINAL)]
    shown += [op for op in ops["cancel"] if op.get("reason") == "REQUEST_NOT_OPEN" or (
        op["outcome"] == "ok" and not op["asked"])]
    shown += [op for op in ops["read"] if op["outcome"] == "ok" and op["status"] in FINAL]
    if not shown:
        return []
    end = min(shown, key=lambda op: op["t1"])
    found = []
    for op in ops["report"]:
        if op["outcome"] == "ok" and not op["duplicate"] and op["t0"] >= end["t1"]:
            found.append(Found("end", f"{log}: a report is taken after the end", end, op))
    for delivery in history.delivered.get(log, ()):
        if delivery.low >= end["t1"]:
            found.append(Found("end", f"{log} is delivered after its end", end, delivery.poll))
    return found


def check_reads(history):
    """A later read shows what an earlier one showed, and what came after it."""
    found = []
    for log, ops in history.logs.items():
        reads = sorted(
            (op for op in ops["read"] + ops["end"]
             if op["outcome"] == "ok" and op["timeline"] is not None),
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
