"""The soak's ledger: each acknowledged log is looked up once, before retention may take it."""
import time

from google.protobuf.timestamp_pb2 import Timestamp

from harness import Violation
from soakload import REPORTED, REQUESTED
from schema import STATUS


def timestamp(seconds):
    return Timestamp(seconds=int(seconds), nanos=round(seconds % 1 * 1000) * 1_000_000)


def whole(seconds):
    """A time in whole milliseconds, as ids and the store have it."""
    return int(seconds * 1000) / 1000


def listed(operator, **fields):
    """All logs of a filter, page by page."""
    token = ""
    while True:
        page = operator.call("ListLogs", filter=fields, page_size=1000, page_token=token)
        yield from page.logs
        token = page.next_page_token
        if not token:
            return


class Checks:
    """Compares the ledger with the store, stretch by stretch of the time at which ids were made."""

    def __init__(self, world):
        self.world = world
        self.upto = whole(time.time() - 1)
        self.checked, self.pruned, self.largest = 0, 0, 0

    def step(self, upto):
        """Checks what was sent between the last step's end and `upto`, and forgets it."""
        world, since, upto = self.world, self.upto, whole(upto)
        with world.lock:
            expected = {log: at for log, at in world.acknowledged.items() if at < upto}
            for log in expected:
                del world.acknowledged[log]
            world.unknown = {
                log: at for log, at in world.unknown.items() if at > upto - world.maximum_age}
            # In flight when the last step looked.
            earlier = [log for log, at in expected.items() if at < since]
        operator = world.operator()
        found, twice = set(), 0
        for log in listed(
                operator, integrations=[REPORTED, REQUESTED], since=timestamp(since),
                until=timestamp(upto)):
            twice += log.id in found
            found.add(log.id)
            if log.integration == REPORTED and log.id not in expected:
                with world.lock:
                    known = log.id in world.unknown or log.id in world.acknowledged
                if not known:
                    raise Violation(f"nobody sent the stored log {log.id}")
        for log in earlier:
            if operator.call("GetLog", id=log) is not None:
                found.add(log)
        operator.close()
        if twice:
            raise Violation(f"{twice} logs stand twice on the pages of one list")
        # What ended when its id was made may be gone by now, the rest must be there.
        kept_from = time.time() - world.maximum_age
        missing = [log for log in expected if log not in found]
        lost = [log for log in missing if expected[log] > kept_from]
        if lost:
            raise Violation(f"{len(lost)} acknowledged logs are not stored, such as {lost[0]}")
        self.pruned += len(missing)
        self.checked += len(found & expected.keys())
        self.upto = upto

    def retention_keeps_up(self, slack):
        """The oldest ended logs are not much older than the rule allows."""
        operator = self.world.operator()
        for integration in (REPORTED, REQUESTED):
            for status in (3, 4, 5, 6):
                page = operator.call(
                    "ListLogs", order=2, page_size=1, filter=dict(
                        integrations=[integration], statuses=[status]))
                for log in page.logs:
                    age = time.time() - log.finished_at.ToMicroseconds() / 1e6
                    if age > self.world.maximum_age + slack:
                        raise Violation(
                            f"{log.id} ended {age:.0f} s ago, {self.world.maximum_age:.0f} s are "
                            f"kept: {STATUS.LogStatus.Name(log.status)}")
        operator.close()
