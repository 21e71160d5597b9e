"""A mixed real load for hours: memory, descriptors, files and times stay where they are."""
import os, random, time
from pathlib import Path

import soakload as load
from harness import BUILD, Violation, harness
from server import Server
from soakchart import draw
from soakledger import Checks, listed, timestamp
from soaksample import MIB, Sampler, growth, write_csv

# What may grow over the second half of the run, along the straight line through it. Memory moves
# up and down by 10 MiB with what is pruned and backed up, so that the line is not better than this.
MAXIMUM_GROWTH = {"resident_bytes": 8 * MIB, "descriptors": 4, "threads": 4}
# In the first minutes the caches of the store and of the allocator still fill.
MAXIMUM_EARLY_GROWTH = {**MAXIMUM_GROWTH, "resident_bytes": 16 * MIB}
# The store cuts its log to 32 MiB; what is written while a backup or an export reads comes on top.
MAXIMUM_WAL_BYTES = 128 * MIB
MAXIMUM_RESIDENT_BYTES = 256 * MIB


def started(run, environment=None, scale=None):
    """The world around a server with its integrations, and how often it prunes."""
    age = min(600.0, max(5.0, run.seconds / 6))
    prune_ms = 1_000 if run.seconds < 300 else 5_000
    # A journal that no longer grows when the second half begins.
    server = Server(run, environment=environment, flags=[
        "--prune-interval", f"{prune_ms}ms", "--tail-journal", f"{max(60, int(age))}s"])
    server.start()
    # A short run makes up for its length, so that what grows with each call still shows.
    world = load.World(run, server, scale or (4 if run.seconds < 300 else 0.8), age)
    for name in (load.REPORTED, load.REQUESTED, load.ROTATED, "probe"):
        world.secrets[name] = server.integration(name, types=("export_order", "check"))
    agent = world.agent(load.REQUESTED)
    agent.call("RegisterAction", agent_id="worker-0", actions=[load.ACTION])
    agent.close()
    operator = server.operator()
    operator.call("SetRetention", rules=[
        dict(status=status, maximum_age_ms=int(age * 1000)) for status in (3, 4, 5, 6)])
    for name, every_ms in (("often", 1_000), ("seldom", 15_000)):
        operator.call("CreateSchedule", schedule=dict(
            name=name, integration=load.REQUESTED, action_type="export_order",
            entity=dict(type="order", id=name), interval_ms=every_ms,
            input="{}"))
    operator.close()
    return world, prune_ms / 1000


def begin_load(world, seed):
    """Starts all actors; each has its own random numbers, so that their order does not matter."""
    def randoms(name):
        return random.Random(f"{seed} {name}")
    pause = 5 if world.run.seconds < 300 else 20
    actors = [world.spawn(load.report_single, f"single-{place}") for place in range(4)]
    actors += [world.spawn(load.come_and_go, place) for place in range(2)]
    actors += [world.spawn(load.work, f"worker-{place}", randoms(place)) for place in range(3)]
    actors += [world.spawn(load.follow, seconds) for seconds in (pause, 3 * pause)]
    return actors + [
        world.spawn(load.report_steps, "steps"), world.spawn(load.report_batches, "batches"),
        world.spawn(load.ask, randoms("ask")), world.spawn(load.look, randoms("look")),
        world.spawn(load.rotate, pause), world.spawn(load.keep, 1.5 * pause),
        world.spawn(load.prune, world.maximum_age / 4)]


def observe(run, world, sampler, checks):
    """Samples and checks the ledger until the time is over or an actor has found a fault."""
    pause = min(30.0, max(0.5, run.seconds / 240))
    each = world.maximum_age / 3
    lag = min(5.0, each / 2)
    check_at = time.time() + each
    ends = max(5.0, min(60.0, run.seconds / 4))
    while run.left() > ends and not world.stop.wait(pause):
        sampler.take()
        if len(sampler.samples) % 20 == 0:
            publish(sampler)
        if time.time() > check_at:
            check_at = time.time() + each
            checks.step(time.time() - lag)


def publish(sampler):
    """Writes the table and the chart so far."""
    folder = Path(os.environ.get("SOAK_RESULTS", BUILD / "soak"))
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "soak.csv", sampler.samples)
    draw(folder / "soak.csv", folder / "soak.svg")


def judge(run, sampler):
    """The bounds on growth, on the write-ahead log and on the drift of a healthy client's times."""
    samples = sampler.samples
    bounds = MAXIMUM_EARLY_GROWTH if run.seconds < 300 else MAXIMUM_GROWTH
    for field, bound in bounds.items():
        by, hourly = growth(samples, field)
        unit, word = (MIB, " MiB") if field.endswith("bytes") else (1, "")
        run.figure(field.split("_")[0] + " growth", f"{by / unit:+.2f}{word} in the second half")
        run.require(by <= bound, (
            f"{field} grew by {by / unit:.1f}{word} over the second half ({hourly / unit:.1f}"
            f"{word} an hour), at most {bound / unit:g}{word} are allowed"))
    for field, bound in (
            ("wal_bytes", MAXIMUM_WAL_BYTES), ("resident_bytes", MAXIMUM_RESIDENT_BYTES)):
        peak = max(each[field] for each in samples)
        run.figure(f"{field.split('_')[0]} peak", f"{peak / MIB:.1f} MiB")
        run.require(peak <= bound, (
            f"{field} reached {peak / MIB:.0f} MiB, {bound / MIB:.0f} MiB are allowed"))
    # The machine's own drift, seen by an fdatasync beside the client's calls, is not the server's.
    # A quarter of a short run has too few calls for a p99, so there the median may not drift.
    share, word, slack = (0.5, "p50", 20) if run.seconds < 300 else (0.99, "p99", 5)
    spans = ((0.25, 0.5), (0.75, 1))
    own = [max(0.1, sampler.pooled("sync", share, *span)) for span in spans]
    for kind in ("report", "list"):
        early, late = (sampler.pooled(kind, share, *span) for span in spans)
        run.figure(f"{kind} {word}", f"{early:.2f} to {late:.2f} ms")
        run.require(late <= (2 * early + slack) * max(1, own[1] / own[0]), (
            f"the {word} of a healthy client's {kind} went from {early:.1f} to {late:.1f} ms, that "
            f"of an own fdatasync from {own[0]:.1f} to {own[1]:.1f}"))


def checked_after_restart(world, checks, actors, slack):
    """The load is over: what it was told is there, before and after a restart."""
    world.stop.set()
    for actor in actors:
        actor.join(60)
    if world.faults:
        raise Violation("; ".join(world.faults))
    checks.retention_keeps_up(slack)
    with world.lock:
        last = dict(world.acknowledged)
    checks.step(time.time())
    world.server.check()
    world.server.stop()
    world.server.start()
    operator = world.server.operator()
    stored = {log.id for log in listed(
        operator, integrations=[load.REPORTED, load.REQUESTED],
        since=timestamp(time.time() - world.maximum_age))}
    operator.close()
    kept_from = time.time() - world.maximum_age
    lost = [log for log, at in last.items() if at > kept_from and log not in stored]
    if lost:
        raise Violation(f"{len(lost)} acknowledged logs are gone after a restart, as {lost[0]}")
    world.server.stop()


@harness("soak", seconds=7200, short_seconds=25)
def soak(run):
    """A mixed load for two hours: memory, descriptors, files and times stay where they are."""
    world, prune_seconds = started(run)
    sampler = Sampler(world, world.secrets["probe"])
    run.at_end(sampler.end)
    checks = Checks(world)
    actors = begin_load(world, run.seed)
    run.at_end(world.stop.set)
    try:
        observe(run, world, sampler, checks)
        sampler.end()
        checked_after_restart(world, checks, actors, world.maximum_age / 2 + prune_seconds + 10)
    finally:
        world.stop.set()
        if len(sampler.samples) > 1:
            publish(sampler)
    run.figure("calls", sum(world.calls.values()) + sampler.probed)
    for name in ("acknowledged", "delivered", "worked", "tailed", "rotated", "backups", "exports"):
        run.figure(name, world.counted[name])
    run.figure("looked up", checks.checked)
    run.figure("refused", sum(world.refusals.values()))
    run.figure("µs of processor a call", sampler.samples[-1]["cpu_us_per_call"])
    run.require(checks.checked > 0 and min(
        world.counted[name] for name in ("worked", "tailed", "rotated", "backups")) > 0,
        "a part of the load did nothing")
    judge(run, sampler)
