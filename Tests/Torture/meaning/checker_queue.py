"""The part of the checker that is about the queue: oldest first, and promptly.

A stretch in which a request was certainly queued begins when its creation was answered, when its
holder's goodbye was answered, or when an offer that nobody answered must have run out. It ends when
the request may have been taken: by a poll that brought it, or by a fitting poll without an answer.
"""
from collections import defaultdict


class Stretch:
    """A request that certainly is in the queue from `start` on, unless it was taken since `since`;
    see `taken` and `gone`."""
    __slots__ = ("log", "action", "since", "start", "gone", "taken", "oldest", "because", "by")

    def __init__(self, log, action, since, start, because):
        self.log, self.action, self.because = log, action, because
        self.since, self.start = since, start
        self.gone = float("inf")   # No longer certain from here on.
        self.taken = float("inf")  # A poll that brought it had returned by here.
        self.oldest = None         # When it could be delivered at the latest; None: not known.
        self.by = None

    def may_be_taken(self, first, last):
        """Somebody may have taken or ended it between two moments."""
        if last > self.since:
            self.gone = min(self.gone, max(first, self.start))
            self.taken = min(self.taken, max(last, self.start))


def queued_stretches(history):
    """All stretches of all requests that somebody created."""
    stretches = []
    unknown = defaultdict(list)  # action -> unknown polls that may have taken something
    for poll in history.kinds["poll"]:
        if poll["outcome"] != "ok":
            for action in poll["actions"]:
                unknown[action].append(poll)
    for op in history.kinds["create"]:
        if op["outcome"] == "ok" and not op.get("duplicate"):
            stretches += _of_request(history, op, unknown[op["action"]])
    return stretches


def _of_request(history, create, unknown):
    log, action, slack = create["log"], create["action"], history.config["slack"]
    begin = create["t1"]
    if create["not_before"] is not None:
        begin = max(begin, create["not_before"] + slack)
    first = Stretch(log, action, create["t0"], begin, create)
    first.oldest = begin
    stretches = [first]
    deliveries = history.deliveries.get(log, [])
    for poll, request in deliveries:
        named = history.named(log, request["token"])
        if not named:
            offered = min(poll["lease"], history.config["accept"])
            stretches.append(
                Stretch(log, action, poll["t1"], poll["t1"] + offered + slack, poll))
        if any(op["op"] == "report" and op["status"] in _ENDS for op in named):
            continue
        for beat in history.goodbyes[poll["agent"]]:
            if beat["outcome"] == "ok" and beat["t0"] >= poll["t1"] and named:
                stretches.append(Stretch(log, action, beat["t0"], beat["t1"], beat))
                break
    ops = history.logs[log]
    certain_ends = [op["t0"] for op in ops["cancel"] if op["outcome"] != "refused"]
    # A report may be of a delivery that the history does not know.
    certain_ends += [op["t0"] for op in ops["report"]
                     if op["status"] in _ENDS and op["outcome"] != "refused"]
    window = history.config["accept"] + history.config["grace"] + slack
    for stretch in stretches:
        for poll, _ in deliveries:
            if poll["t1"] > stretch.since and poll["t1"] < stretch.taken:
                stretch.by = poll
            stretch.may_be_taken(poll["t0"], poll["t1"])
        for poll in unknown:
            # What it may have taken is back at the end of the window, at an unknown moment.
            if poll["t1"] + window > stretch.since:
                stretch.may_be_taken(poll["t0"], max(poll["t0"], stretch.since + 1e-9))
        for end in certain_ends:
            stretch.may_be_taken(end, end)
    # A lost delivery may be the last one; then only a next delivery shows that it was queued.
    return [each for each in stretches if each is first or each.by]


_ENDS = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


def check_order(history, stretches, Found):
    """A poll that brings a request brings each older one of the action that certainly waited."""
    created = {op["log"]: op for op in history.kinds["create"] if op["outcome"] == "ok"}
    waiting = defaultdict(list)
    for stretch in stretches:
        if stretch.oldest is not None:
            waiting[stretch.action].append(stretch)
    found = []
    for action, queue in waiting.items():
        queue.sort(key=lambda each: each.start)
        polls = sorted(
            (poll for poll in history.kinds["poll"]
             if any(each["action"] == action for each in poll.get("requests", ()))),
            key=lambda poll: poll["t0"])
        place, active = 0, []
        for poll in polls:
            while place < len(queue) and queue[place].start <= poll["t0"]:
                active.append(queue[place])
                place += 1
            active = [each for each in active if each.gone > poll["t0"]]
            brought = [each["log"] for each in poll["requests"] if each["action"] == action]
            for log in brought:
                younger = created.get(log)
                if younger is None:
                    continue
                for older in active:
                    if older.log != log and older.gone >= poll["t1"] and (
                            older.oldest + 0.005 < younger["t0"]):
                        found.append(Found(
                            "order", f"{log} goes out before {older.log}, which is older",
                            created[older.log], younger, poll))
        found += _order_inside(polls, action, created, Found)
    return found


def _order_inside(polls, action, created, Found):
    """Within one answer the older one comes first."""
    found = []
    for poll in polls:
        ours = [created.get(each["log"]) for each in poll["requests"] if each["action"] == action]
        ours = [op for op in ours if op and op["not_before"] is None]
        for first, second in zip(ours, ours[1:]):
            if second["t1"] + 0.005 < first["t0"]:
                found.append(Found(
                    "order", f"{first['log']} stands before {second['log']}, which is older",
                    first, second, poll))
    return found


def check_prompt(history, stretches, Found):
    """No request is queued for long while a poll waits that takes its action; for long is what is
    left when the server is up, the action not paused and the machine not busy with others."""
    bound, found = history.config["prompt"], []
    polls = [poll for poll in history.kinds["poll"] if poll["t1"] - poll["t0"] > bound]
    breaks = [(op["t0"], op["t1"]) for op in history.kinds["down"] + history.kinds["stall"]]
    for stretch in stretches:
        if stretch.taken - stretch.start <= bound:
            continue
        for poll in polls:
            if stretch.action not in poll["actions"]:
                continue
            closed = breaks + [
                (op["t0"], op["t1"] + history.config["slack"]) for op in history.kinds["pause"]
                if op["action"] in (None, stretch.action)
                and op.get("integration") == poll.get("integration")]
            start, end = max(poll["t0"], stretch.start), min(poll["t1"], stretch.taken)
            if end - start > bound and _longest(start, end, closed) > bound:
                found.append(Found(
                    "prompt", f"{stretch.log} is queued for {end - start:.2f} s "
                    "beside a poll that waits for it", stretch.because, poll, stretch.by))
                break
    return found


def _longest(start, end, closed):
    """The longest part of a stretch without what is closed."""
    longest, begin = 0.0, start
    for first, last in sorted(closed):
        if last <= begin or first >= end:
            continue
        longest, begin = max(longest, first - begin), max(begin, last)
    return max(longest, end - begin)
