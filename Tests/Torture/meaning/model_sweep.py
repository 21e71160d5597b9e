"""Each event in each state that takes no time to reach: what chance does not try for long."""
from lifecycle import GARBAGE, event_of

# How many places the short form looks at.
SHORT_PLACES = 12
AGENT = "agent-1"


class Sweep:
    """Logs of one integration, one after the other, each on the way to a place of the table."""

    def __init__(self, run, world):
        self.run, self.world = run, world
        self.side = world.sides()[0]

    def same(self, answer, expected, log, name):
        """An answer is what the model says."""
        self.run.require(answer == expected, f"{name} of a log that {log.state()} describes was "
                         f"answered {answer or 'OK'}, expected {expected or 'OK'}")

    def at(self, place):
        """A log that is brought to a place."""
        side, root = self.side, place.root
        if root.is_request:
            log = side.create("plain", "1", "")["log"]
        else:
            log_id = side.new_id()
            side.model.begin(log_id, "plain", root.status, root.sequence, "", "1")
            log = side.model.logs.pop(log_id)
            answer = side.report(
                AGENT, 0, log_id, root.status, root.sequence, "", "plain", "1")
            self.same(answer, "", log, "the first report")
        for name in place.path:
            self.happen(log, name)
        return log

    def happen(self, log, name):
        """One event, for the server and for the model."""
        self.world.covered.add((log.state(), name))
        self.run.count("swept")
        getattr(self, name[0])(log, *name[1:])

    def report(self, log, status, number, token_name):
        sequence = {"next": log.sequence + 1, "gap": log.sequence + 2, "uncounted": 0,
                    "repeat": log.sequence}[number]
        token = self.token(log, token_name)
        name = event_of(log, status, sequence, token)
        before = log.state()
        expected = log.report(status, sequence, token)
        answer = self.side.report(AGENT, 0, log.id, status, sequence, token)
        self.run.require(answer == expected, f"{name} in {before} was answered {answer or 'OK'}, "
                         f"expected {expected or 'OK'}")

    def renew(self, log, token_name):
        token = self.token(log, token_name)
        lost = [] if log.renew(token) else [log.id]
        self.same(self.side.heartbeat(AGENT, 0, [(log.id, token)]), lost, log, "a heartbeat")

    def cancel(self, log):
        expected = log.cancel()
        self.same(self.side.reason("CancelRequest", id=log.id), expected, log, "a cancellation")

    def lost(self, log):
        log.lose()
        self.side.heartbeat(AGENT, 0, [], stopped=True)

    def lease(self, log):
        requests = self.side.poll(AGENT, 0, ["plain"], 1)
        self.same([each.log_id for each in requests], [log.id], log, "a poll")
        log.lease(requests[0].lease_token, AGENT)

    @staticmethod
    def token(log, name):
        return {"current": log.token, "wrong": GARBAGE, "none": ""}[name]

    def compare(self, log):
        """It stands where the model says."""
        shown, expected = self.side.shown(log.id), self.side.expected(log)
        self.same(shown, expected, log, "a look")

    def put_away(self, log):
        """Nothing of it comes in the way of the next one."""
        if log.is_request and log.is_open:
            self.cancel(log)
            if log.is_open:
                self.lost(log)
            self.compare(log)


def sweep(run, world, pairs):
    """Brings logs to each place of the table and lets everything happen there: first what changes
    nothing, then what does, with a log for each."""
    places = {}
    for (_, name), place in pairs.items():
        if not place.waits and name != ("timeout",):
            places.setdefault(place, []).append(name)
    chosen = run.random.sample(list(places), SHORT_PLACES if run.short else len(places))
    each = Sweep(run, world)
    for place in chosen:
        log = each.at(place)
        for name in places[place]:
            if not place.changes(name):
                each.happen(log, name)
        each.compare(log)
        for number, name in enumerate(filter(place.changes, places[place])):
            if number:
                log = each.at(place)
            each.happen(log, name)
            each.compare(log)
            each.put_away(log)
        each.put_away(log)
    wanted = {(place.log.state(), name) for place in chosen for name in places[place]}
    missed = wanted - world.covered
    if missed:
        raise RuntimeError(f"{len(missed)} pairs were not swept: {sorted(missed)[:3]}")
    each.side.close()
