"""Failed logins: what the limit for an address does, whom it leaves alone, what time tells."""
import os, time

import client
import secret_scan
from access_world import OTHER_USER, adopted, as_user
from client import Gone, Refused, connected
from harness import quantile

BURST = 10
LIMITED = "TOO_MANY_FAILED_LOGINS"


def reason(connection):
    """Why a connection is refused; empty when it is not."""
    try:
        connection.call("GetServerInfo")
        return ""
    except Refused as refused:
        if refused.reason == LIMITED and not 0 < refused.status.retry_after_ms <= 70000:
            return f"{LIMITED} without a time to wait"
        # An agent's key is good, and may not make this call.
        return "" if refused.reason == "OPERATOR_ONLY" else refused.reason
    except Gone:
        # Closed at once: the GOAWAY came before the answer.
        return connection.going_away or "closed without a word"
    finally:
        connection.close()


def wrong(world):
    return secret_scan.made_up("imk_", world.run.random)


def limits(run, world, strangers):
    """The first failures of an address are explained, the others are not; a right key passes, and
    so does everybody at another address."""
    good, address = world.keys["own"], "127.0.2.1"
    before = world.dial(good, source=address)
    before.call("Heartbeat", agent_id="agent-1", instance_id="i", interval_ms=60000)
    counted = world.operator.call("GetServerInfo").counters
    began = time.monotonic()
    got = [reason(world.dial(wrong(world), source=address)) for _ in range(BURST + 10)]
    # One more may have been explained in each interval that has passed meanwhile.
    allowed = BURST + int((time.monotonic() - began) / 6) + 1
    run.require(got[:BURST] == ["TOKEN_INVALID"] * BURST, f"the first failures got {got[:BURST]}")
    run.require(
        got.count("TOKEN_INVALID") <= allowed and got[-1] == LIMITED
        and set(got) == {"TOKEN_INVALID", LIMITED}, f"wrong keys of one address: {got}")
    for who in ("malformed key", "revoked key", "expired token", "wrong secret"):
        found = reason(world.dial(strangers[who], source=address))
        run.require(found == LIMITED, f"beyond the limit a {who} still gets {found}")
    run.require(reason(world.dial(good, source=address)) == "", "a right key is shut out")
    run.require(
        reason(world.dial(world.tokens["viewer"], source=address)) == "", "a token is shut out")
    before.call("Heartbeat", agent_id="agent-1", instance_id="i", interval_ms=60000)
    before.close()
    run.require(
        reason(world.dial(wrong(world), source="127.0.2.2")) == "TOKEN_INVALID",
        "another address is limited too")
    after = world.operator.call("GetServerInfo").counters
    run.require(
        after["failed_logins"] - counted["failed_logins"] == BURST + 10 + 4 + 1,
        "GetServerInfo miscounts the failed logins")
    run.count("failed logins", after["failed_logins"] - counted["failed_logins"])
    users(run, world)
    flood(run, world)


def users(run, world):
    """On the Unix socket a user is what an address is: one is limited, the operator is not."""
    if os.geteuid() != 0:
        return
    keys = [wrong(world) for _ in range(BURST + 5)]
    got = as_user(OTHER_USER, lambda: [
        reason(adopted(Deaf(), connected(world.server.unix), key)) for key in keys])
    run.require(
        got[0] == "TOKEN_INVALID" and got[-1] == LIMITED, f"wrong keys of another user got {got}")
    run.require(
        reason(adopted(world, connected(world.server.unix), keys[0])) == "TOKEN_INVALID",
        "root is limited with another user")
    run.require(reason(world.local()) == "", "the operator `local` is shut out")


class Deaf:
    """A world that looks at nothing, in a child process."""

    def heard(self, payload, method):
        pass


def flood(run, world):
    """Many wrong keys: a few lines in the log, however many there are."""
    count = 300 if run.short else 5000
    before = world.server.errors.stat().st_size
    began = time.monotonic()
    for number in range(count):
        made = world.dial(wrong(world), source=f"127.0.3.{number % 250 + 1}")
        made.close()
    seconds = time.monotonic() - began
    grown = world.server.errors.stat().st_size - before
    run.require(
        grown < 1000 + 300 * (seconds / 60 + 1),
        f"{count} failed logins wrote {grown} bytes of log")
    world.wait_until("the log tells of failed logins", lambda: (
        "event=failed_logins count=" in world.server.error_text()))
    run.count("failed logins", count)


def times(run, world):
    """How long a refusal takes, by what is wrong: a figure to look at, no verdict, because the
    differences are far below what a network adds. What is wrong makes no difference to what is
    computed: that stands in the code and in its tests."""
    name = world.key_id(world.keys["own"])
    right = world.keys["own"]
    last = right[:43] + ("0" if right[43] != "0" else "1")
    kinds = {
        "unknown name": lambda: wrong(world),
        "first wrong": lambda: secret_scan.made_up("imk_", run.random, name),
        "last wrong": lambda: last + secret_scan.checksum(last.encode()).decode()}
    taken = {kind: [] for kind in kinds}
    rounds = 100 if run.short else 2000
    end = time.monotonic() + (3 if run.short else 40)
    for _ in range(rounds):
        for kind in run.random.sample(sorted(kinds), len(kinds)):
            key = kinds[kind]()
            made = connected(world.server.tcp)
            began = time.perf_counter()
            made.sendall(client.hello(key))
            made.recv(65536)
            taken[kind].append(time.perf_counter() - began)
            made.close()
        if time.monotonic() > end:
            break
    for kind, seconds in taken.items():
        run.figure(f"refusal p50 {kind} us", quantile(seconds, 0.5) * 1e6)
