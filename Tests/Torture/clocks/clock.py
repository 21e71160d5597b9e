"""The wall clock jumps, and programs are stopped and continued: spans last as long as they are."""
import time

from client import Connection, Gone, Refused, uuid7
from clock_scene import (
    BEGUN, DONE, LATE, LEASE, NOTICED, PROGRESS, TIMED_OUT, Scene, Stage, seconds, stamp)
from harness import harness
from pauses import PAUSES
from span import Errands, Watcher

HOUR, YEARS = 3600.0, 315_360_000.0
JUMPS = [HOUR, YEARS, -HOUR, -YEARS, 5.0, -5.0, 0.3, -0.3]


def until(holds, within, what, stage):
    """Waits until a condition holds."""
    end = time.monotonic() + within
    while not holds():
        stage.require(time.monotonic() < end, f"{what}: not within {within:g} s")
        time.sleep(0.02)


def keys(run):
    """A key ends at its time by the clock as it is, with the connections that it has opened."""
    stage = Stage(run, "keys")
    make = lambda span: stage.ask(
        "CreateKey", integration="erp", expires_at=stamp(stage.clock.now() + span)).secret
    alive = lambda connection: connection.call("Heartbeat", agent_id="a", instance_id="1")

    def ended(connection):
        try:
            alive(connection)
            return False
        except (Gone, Refused):
            return True

    connection = Connection(stage.server.tcp, make(HOUR))
    alive(connection)
    stage.clock.jump(HOUR + 60)
    until(lambda: ended(connection), NOTICED + LATE, "a key's end that the clock passed", stage)
    connection = Connection(stage.server.tcp, make(2))
    stage.clock.jump(-HOUR)
    start = time.monotonic()
    while time.monotonic() - start < 2 + NOTICED:
        stage.require(not ended(connection), "a key ended before its time")
        time.sleep(0.2)
    stage.clock.jump(HOUR)
    until(lambda: ended(connection), NOTICED + LATE, "a key's end that the clock passed", stage)
    run.count("other cases")
    stage.end()


def schedules(run):
    """A schedule fires by the clock as it is, each time once, also behind a clock that was years
    ahead for a moment."""
    stage = Stage(run, "schedules")
    half = lambda: stage.clock.jump(1800 - stage.clock.now() % HOUR)
    half()
    time.sleep(NOTICED)
    stage.ask("CreateSchedule", schedule=dict(
        name="hourly", integration="erp", action_type="own", cron="0 * * * *",
        entity=dict(type="order", id="1"), overlap=2))
    shown = lambda: stage.ask("GetSchedule", name="hourly").schedule
    runs = lambda count: lambda: shown().runs == count
    within = NOTICED + LATE
    stage.clock.jump(HOUR * 0.75)
    until(runs(1), within, "a time that the clock jumped over fires", stage)
    stage.clock.jump(-HOUR * 0.75)
    time.sleep(NOTICED)
    stage.clock.jump(HOUR * 0.75)
    start = time.monotonic()
    while time.monotonic() - start < NOTICED + 0.5:
        stage.require(shown().runs == 1, "one time of a schedule ran twice")
        time.sleep(0.1)
    stage.clock.jump(YEARS)
    until(lambda: shown().runs >= 2, within, "a schedule fires behind ten years", stage)
    stage.clock.jump(-YEARS)
    until(lambda: 0 < seconds(shown().next_at) - stage.clock.now() <= HOUR, within,
          "the next time is within an hour after the clock was ten years ahead", stage)
    count = shown().runs
    stage.clock.jump(seconds(shown().next_at) - stage.clock.now() - 0.5)
    until(runs(count + 1), within, "the next time fires", stage)
    # The same where the server is started between the two.
    stage.clock.jump(YEARS)
    until(lambda: shown().runs > count + 1, within, "a schedule fires behind ten years", stage)
    stage.server.stop()
    stage.clock.jump(-YEARS)
    stage.server.start()
    until(lambda: 0 < seconds(shown().next_at) - stage.clock.now() <= HOUR, within,
          "the next time is within an hour after a start", stage)
    run.count("other cases")
    stage.end()


def restarts(run):
    """The clock is set while the server is down: nothing is stranded, spans last at most their
    length from the start."""
    stage = Stage(run, "restarts")
    for by in (-HOUR, YEARS, -YEARS):
        first, second = stage.agent(), stage.agent()
        own = uuid7(at=stage.clock.now())
        first.report(own, BEGUN, 1, action_type="own", entity=dict(type="order", id="1"))
        held = stage.request("silent")
        found, _ = first.take("silent", 5, lease_ms=int(LEASE * 1000))
        first.report(held, BEGUN, 1, found.lease_token)
        waiting = stage.request("kept") if by < 0 else None
        stage.server.kill()
        stage.clock.jump(by)
        stage.server.start()
        start = time.monotonic()
        watcher = Watcher(stage.server)
        first, second = stage.agent(), stage.agent()
        if waiting:
            found, at = second.take("kept", LATE)
            stage.require(found and found.log_id == waiting, "a queued request is stranded")
            second.report(waiting, DONE, 1, found.lease_token)
        again, at = second.take("silent", LEASE + LATE)
        stage.require(again and again.log_id == held, "a lease is held for ever after a start")
        second.report(held, DONE, 1, again.lease_token)
        until(lambda: stage.ask("GetLog", id=own).log.status == TIMED_OUT,
              PROGRESS + LATE - min(PROGRESS, time.monotonic() - start), "own work times out",
              stage)
        stage.check_times([own, held] + ([waiting] if waiting else []))
        watcher.close()
        run.count("other cases")
    stage.end()


def kept(run):
    """A clock that is ten years ahead for a moment removes no log, and no report is refused after
    it for an id that was made then."""
    stage = Stage(run, "kept")
    agent, before, during = stage.agent(), uuid7(at=stage.clock.now()), None
    stage.ask("SetRetention", rules=[
        dict(status=DONE, maximum_age_ms=int(30 * 24 * HOUR * 1000))])
    agent.report(before, DONE, 1, action_type="own", entity=dict(type="order", id="1"))
    stage.clock.jump(YEARS)
    time.sleep(NOTICED)
    during = uuid7(at=stage.clock.now())
    agent.report(during, BEGUN, 1, action_type="own", entity=dict(type="order", id="2"))
    start = time.monotonic()
    while time.monotonic() - start < 1.5:  # Several times the interval of pruning.
        agent.heartbeat([(during, "")])
        listed = stage.ask("ListLogs", filter=dict(integrations=["erp"])).logs
        stage.require(before in [log.id for log in listed],
                      "a log of today was removed as ten years old")
        time.sleep(0.2)
    stage.clock.jump(-YEARS)
    time.sleep(NOTICED)
    reason = agent.reason(during, DONE, 2)
    stage.require(not reason, f"own work that began before the clock was set back: {reason}")
    stage.check_times([before, during])
    agent.close()
    run.count("other cases")
    stage.end()


def scene(run, name, by):
    stage = Scene(run, name)
    stage.play(by)
    stage.end()


def chain(run, name, rng):
    """Several jumps of one server, one behind the other."""
    stage = Scene(run, name)
    for by in rng.sample(JUMPS, 3):
        stage.play(by)
    stage.end()


@harness("clock", seconds=180, short_seconds=20)
def clock(run):
    """The wall clock jumps, programs are stopped: nothing ends early or never, no stale report."""
    others = [keys, schedules, restarts, kept]
    if run.short:
        # Something of each kind; the long form runs them all.
        errands = Errands()
        for name, by in (("ahead", run.random.choice([HOUR, YEARS])),
                         ("back", run.random.choice([-HOUR, -YEARS]))):
            errands.start(scene, run, name, by)
        for cases in (others, PAUSES):
            chosen = run.random.choice(cases)
            run.count(chosen.__name__.replace("_", " "))
            errands.start(chosen, run)
        errands.join()
        run.at_least("jumps", 2)
        run.at_least("other cases", 2)
        return
    others += PAUSES
    errands = Errands()
    for each in others:
        errands.start(each, run)
    errands.join()
    wave = 0
    while wave == 0 or run.left() > 30:
        wave += 1
        errands = Errands()
        jumps = JUMPS if wave == 1 else [
            sign * 10 ** run.random.uniform(-1, 8.4) for sign in (1, -1) for _ in range(3)]
        for number, by in enumerate(jumps):
            errands.start(scene, run, f"w{wave}-{number}", by)
        errands.start(chain, run, f"w{wave}-c", run.random)
        errands.join()
    run.figure("waves", wave)
