"""What a server does in one commit is there as a whole or not at all: an integration with its keys,
a change with its entry in the audit. It is held against each other, whoever was promised what."""
import collections, json

from schema import STATUS

ABSENT = "absent"
# What makes logs, and what else an audit's entry changes; others say what was only looked at.
MAKERS = {"CreateRequest", "CreateRequests", "RetryLog"}
CHANGES = MAKERS | {
    "CreateIntegration", "UpdateIntegration", "PauseIntegration", "ResumeIntegration",
    "DeleteIntegration", "CreateKey", "RevokeKey", "CreateToken", "RevokeToken", "CreateSchedule",
    "UpdateSchedule", "PauseSchedule", "ResumeSchedule", "DeleteSchedule", "UpdateAction",
    "PauseAction", "ResumeAction", "SetRetention", "CancelRequest", "AddNote", "MarkHandled"}
CANCELLED = STATUS.LOG_STATUS_CANCELLED


class Broken(Exception):
    """A promise was broken."""


def retention(said):
    value = said["maximumAgeMs"], said["maximumBytes"]
    return value if any(value) else ABSENT


# What of an entry's JSON must be there as it says, for each kind of target, in the form of what
# `found_on` finds; and what it is where there is nothing.
LOOKS = {
    "integration": (ABSENT, lambda said: (
        said["displayName"], said["author"], said.get("description", ""), said["paused"],
        said.get("pauseReason", ""))),
    "key": (ABSENT, lambda said: (
        said["integration"], "revokedAt" not in said, "expiresAt" in said)),
    "token": (ABSENT, lambda said: (said["name"], "revokedAt" not in said)),
    "schedule": (ABSENT, lambda said: (
        said["cron"], said["paused"], said.get("pauseReason", ""))),
    "retention": (ABSENT, retention),
    "action": ((ABSENT, ABSENT), lambda said: (
        said.get("pauseReason", "") if said["paused"] else ABSENT,
        said.get("override", {}).get("queueTimeoutMs", ABSENT))),
    "log": (False, lambda said: said.get("handled", False)),
}


def look(target, text):
    """How a target looks by the JSON of an entry; empty: it is not there."""
    nothing, of = LOOKS[target.split("/")[0]]
    return of(json.loads(text)) if text else nothing


class Audit:
    """All entries of an audit: their numbers have no gap, and each begins with what the one before
    it has left."""

    def __init__(self, entries):
        self.counts, self.looks, self.notes = {}, {}, collections.Counter()
        # By log: those that were made, of which other one, and those that were cancelled.
        self.made, self.retried, self.cancelled = {}, collections.Counter(), set()
        for number, entry in enumerate(entries, 1):
            if entry.number != number:
                raise Broken(f"the audit goes from {number - 1} to {entry.number}")
            self.counts[entry.action] = self.counts.get(entry.action, 0) + 1
            if entry.action in CHANGES:
                self._add(entry)

    def _add(self, entry):
        target = entry.target
        before, after = look(target, entry.before), look(target, entry.after)
        left = self.looks.get(target, LOOKS[target.split("/")[0]][0])
        if before != left:
            raise Broken(f"the audit left {target} as {left}, and {entry.action}, which is entry "
                         f"{entry.number}, began with {before}")
        self.looks[target] = after
        log = target.removeprefix("log/")
        if entry.action in MAKERS:
            if log in self.made:
                raise Broken(f"log {log} was made twice by the audit")
            self.made[log] = entry.action
            self.retried[json.loads(entry.after).get("retryOf", "")] += 1
        elif entry.action == "CancelRequest" and json.loads(entry.after)["status"] == "CANCELLED":
            self.cancelled.add(log)
        elif entry.action == "AddNote":
            self.notes[log] += 1

    def verify(self, found, requests, gone=frozenset()):
        """Everything that was changed has its entry, and no entry is there without its change.
        `requests` are the keys of requests by their logs; logs that are `gone` were pruned."""
        there = looks_of(found)
        for target in set(there) | set(self.looks):
            nothing = LOOKS[target.split("/")[0]][0]
            shown, said = there.get(target, nothing), self.looks.get(target, nothing)
            if shown != said and target.removeprefix("log/") not in gone:
                raise Broken(f"{target} is {shown}, and by the audit {said}")
        made = {log for log, action in self.made.items() if action != "RetryLog"} - set(gone)
        require_same("made by requests", set(requests), made)
        retried = {name[1]: value for name, value in found.items() if name[0] == "retry"}
        require_same("made by retries", set(retried.items()),
                     {(log, count) for log, count in self.retried.items() if log})
        cancelled = {log for log, key in requests.items()
                     if found["request", key][1] == CANCELLED}
        require_same("cancelled", cancelled, self.cancelled - set(gone))


def require_same(what, shown, said):
    if shown != said:
        raise Broken(f"{what}: {sorted(shown - said)[:3]} have no entry in the audit, "
                     f"{sorted(said - shown)[:3]} have one and are not there")


def looks_of(found):
    """What a server has, by the targets of its audit."""
    looks, actions = {}, {}
    for name, value in found.items():
        if name[0] in ("integration", "key", "token", "schedule"):
            looks[f"{name[0]}/{name[1]}"] = value
        elif name[0] == "retention":
            looks[f"retention/{STATUS.LogStatus.Name(name[1])[len('LOG_STATUS_'):]}"] = value
        elif name[0] == "handled":
            looks[f"log/{name[1]}"] = value
        elif name[0] in ("action pause", "override"):
            target = f"action/{name[1]}/{name[2]}"
            actions.setdefault(target, [ABSENT, ABSENT])[name[0] == "override"] = value
    looks.update({target: tuple(parts) for target, parts in actions.items()})
    return looks


def require_owners(found):
    """Each integration has a key, which is made with it, and each key has its integration."""
    integrations = {name[1] for name in found if name[0] == "integration"}
    owners = {value[0] for name, value in found.items() if name[0] == "key"}
    if integrations != owners:
        raise Broken(f"{sorted(owners - integrations)[:3]} have keys and are no integrations, "
                     f"{sorted(integrations - owners)[:3]} are there without a key")
