"""Calls against the model in lifecycle.py: chosen at random, and each event in each state."""
from harness import Skipped, harness
from lifecycle import COMPLETED, IN_PROGRESS, table
from model_sweep import sweep
from model_world import World


def wakes(run, world):
    """Polls that wait get what comes, time after time: one wake-up in many is easily lost. Some
    requests are new, some are given back by another agent."""
    side = world.sides()[0]
    for number in range(240 if run.short else 1000):
        agent, holder = run.random.sample(["agent-1", "agent-2", "agent-3"], 2)
        if run.random.random() < 0.5:
            waiting = side.wait(agent, "plain")
            log = side.create("plain", str(number), "")["log"]
        else:
            log = side.create("plain", str(number), "")["log"]
            side.poll(holder, 0, ["plain"], 1)
            waiting = side.wait(agent, "plain")
            side.heartbeat(holder, 1, [], stopped=True)
        found = waiting.answer(True)
        run.require([each.log_id for each in found] == [log.id],
                    f"wake-up {number}: a poll that waited did not get the request that came")
        side.report(agent, 0, log.id, COMPLETED, 1, found[0].lease_token)
        run.count("wake-ups")
    side.close()


def fences(run, world):
    """Who gave a request back has no say in it, also while the next one works on it."""
    side = world.sides()[0]
    for number in range(10):
        first, second = run.random.sample(["agent-1", "agent-2", "agent-3"], 2)
        log = side.create("plain", str(number), "")["log"]
        old, = side.poll(first, 0, ["plain"], 1)
        side.heartbeat(first, 1, [], stopped=True)
        new, = side.poll(second, 0, ["plain"], 1)
        run.require(new.log_id == log.id, "what was given back went to nobody")
        for status in (IN_PROGRESS, COMPLETED):
            answer = side.report(first, 0, log.id, status, 1, old.lease_token)
            run.require(answer == "LEASE_LOST", f"an old token was answered {answer or 'OK'}")
        answer = side.report(second, 0, log.id, COMPLETED, 1, new.lease_token)
        run.require(not answer, f"the holder's report was answered {answer}")
    side.close()


@harness("model", seconds=300, short_seconds=15)
def model(run):
    """Random calls and restarts against a model of what they mean: each answer, each log."""
    try:
        from model_machine import examples
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "hypothesis":
            raise
        raise Skipped(
            "hypothesis is not installed (Debian's package python3-hypothesis)") from error
    world = World(run)
    pairs = table()
    wakes(run, world)
    fences(run, world)
    sweep(run, world, pairs)
    examples(run, world)
    world.server.check()
    covered = world.covered & set(pairs)
    run.figure("pairs of state and event", f"{len(covered)} of {len(pairs)}")
    unknown = world.covered - set(pairs)
    run.require(not unknown, f"pairs outside of the model's table: {sorted(unknown)[:3]}")
    world.server.stop()
