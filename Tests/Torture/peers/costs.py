"""What the server works for what an attack does, in its own heartbeats, which depends little on the
machine.

The healthy client's times are compared with those beside programs that use as much of the
processors as the server did: were that much more than an attack is worth, they would hide it.
"""
from attacking import request
from client import CALL, Connection, frame
from schema import METHODS

# What is counted of an attack, and how many heartbeats one of it may cost: three times what was
# measured on two processors, the longest of several runs.
CEILINGS = {
    "pings": ("frames", 0.3),
    "empty_pings": ("frames", 0.15),
    "tiny_frames": ("frames", 0.15),
    "unknown_methods": ("frames", 2),
    "heartbeats": ("frames", 2),
    "cancels": ("frames", 15),
    "cancelled_lists": ("frames", 32),
    "cancelled_reports": ("frames", 15),
    "departed_reports": ("frames", 30),
    "credits": ("frames", 0.5),
    "calls_above_the_limit": ("frames", 5),
    "huge_frames": ("frames", 16_000),
    "wide_messages": ("frames", 50_000),
    "deep_messages": ("frames", 50),
    "slow_readers": ("frames", 200),
    "slow_tails": ("reports", 3_000),
    "slow_beaters": ("frames", 1),
    "slow_writers": ("connections", 100),
    "dripped_frames": ("bytes", 15),
    # All of it is taken in, 4 MiB in new memory: what has waited for the longest makes room. 4,100
    # to 6,000; where the newest was turned away, the half of it, 1,900.
    "half_frames": ("frames", 12_000),
    "connects": ("connections", 75),
    "wrong_keys": ("gone", 200),
    "idle": ("connections", 100),
    # 4 MiB that are read beside the reactors.
    "schemas": ("calls", 90_000),
    # 76,500 rows that are stored.
    "wide_batches": ("calls", 900_000),
    # Not what was measured, 2,000: the check of an input must have a bound of its own.
    "hard_schema": ("requests", 30_000),
    "long_floods": ("frames", 40_000),
    "many_polls": ("polls", 75),
    "named_polls": ("polls", 800),
    "ended_polls": ("frames", 20),
    "begun_frames": ("frames", 400),
}
# What the server may work besides, of a processor: the healthy client, its own timers.
BESIDE = 0.15


def heartbeat_seconds(run, server, key):
    """What the server works for a heartbeat, in seconds of processor time."""
    connection = Connection(server.tcp, key)
    beat = request("Heartbeat", agent_id="unit", instance_id="unit-1")
    each, rounds = 500, 4 if run.short else 40
    busy = 0.0
    for number in range(rounds + 1):
        calls = [next(connection.calls) for _ in range(each)]
        began = server.cpu_seconds()
        connection.write(b"".join(
            frame(CALL, METHODS["Heartbeat"].id, call, 30_000, beat) for call in calls))
        for _ in calls:
            connection.receive()
        # The first ones find nothing in the processor's caches.
        busy += server.cpu_seconds() - began if number else 0.0
    connection.close()
    run.figure("heartbeat µs", busy / (each * rounds) * 1e6)
    return busy / (each * rounds)


def check(run, name, counts, busy, took, heartbeat):
    """Fails where the server worked longer than an attack is worth; the short form's windows are
    too short to judge by."""
    counted, most = CEILINGS[name]
    number = counts.get(counted, 0)
    each = max(0.0, busy - BESIDE * took) / max(1, number) / heartbeat
    run.figure(f"{name} costs", f"{each:.2g} heartbeats for each of {counted}")
    run.require(number, f"{name}: nothing of it came about: {counts}")
    run.require(run.short or each <= most,
                f"{name}: the server worked {busy:.2f} s in {took:.1f} s for {number} {counted}, "
                f"{each:.1f} heartbeats for each, expected at most {most}")
