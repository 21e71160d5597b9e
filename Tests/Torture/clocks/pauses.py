"""Server, agents and a client are stopped and continued for longer than a lease."""
import json, os, signal, subprocess, time

from clock_scene import BEGUN, DONE, LATE, NOTICED, Stage
from faked import PREFIX, FakedClock
from harness import Violation
from schema import STATUS

STOPPED = 3.5


class Program:
    """A program of the release beside the server, in a process group of its own."""

    def __init__(self, stage, name, *arguments, environment=None):
        self.log = stage.run.scratch / f"{stage.name}.{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*(PREFIX if environment else []), stage.run.programs / name,
                 *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **(environment or {})})
        stage.run.at_end(self.kill)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self, seconds=30):
        """Asks it to stop; it must do so cleanly."""
        self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds=30):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            text = self.log.read_text(errors="replace")
            raise Violation(f"{self.log.name} did not end within {seconds} s: {text[-500:]}")


def once(stage, log_id):
    """The log must be COMPLETED, by one report."""
    answer = stage.ask("GetLog", id=log_id)
    ends = [each for each in answer.timeline if each.to == DONE and not each.late]
    stage.require(answer.log.status == DONE and len(ends) == 1,
                  f"log {log_id} has status {answer.log.status} and {len(ends)} ends")
    return answer.log


def server_paused(run):
    """The server stands still for longer than the leases that it gave."""
    stage = Stage(run, "paused")
    sender, silent, other = stage.agent(), stage.agent(), stage.agent()
    held = {}
    for agent, action in ((sender, "kept"), (silent, "silent")):
        log = stage.request(action)
        found, _ = agent.take(action, 5, lease_ms=2000)
        agent.report(log, BEGUN, 1, found.lease_token)
        held[agent] = (log, found.lease_token)
    stage.server.signal(signal.SIGSTOP)
    log, token = held[sender]
    call = sender.connection.send("ReportLog", agent_id=sender.name, report=dict(
        log_id=log, status=DONE, sequence=2, lease_token=token))
    time.sleep(STOPPED)
    stage.server.signal(signal.SIGCONT)
    got, code, _ = sender.connection.receive()
    stage.require(got == call, "a reply to another call")
    run.count("reports of a pause taken" if code == 0 else "reports of a pause refused")
    if code:  # Its lease had ended by then: somebody else gets it.
        again, _ = other.take("kept", LATE)
        stage.require(again and again.log_id == log, "a refused end, and nobody gets the request")
        other.report(log, DONE, 1, again.lease_token)
    once(stage, log)
    log, token = held[silent]
    again, _ = other.take("silent", 2 + LATE)
    stage.require(again and again.log_id == log, "a lease outlived the server's pause for ever")
    reason = silent.reason(log, DONE, 2, token)
    stage.require(reason == "LEASE_LOST", f"a stale report was answered {reason or 'OK'}")
    other.report(log, DONE, 1, again.lease_token)
    once(stage, log)
    run.count("other cases")
    stage.end()


def customsoft(stage, folder, *arguments, environment=None):
    """The Swift example of an agent, on a folder of its own."""
    folder.mkdir(exist_ok=True)
    return Program(
        stage, "customsoft-agent", "--server", stage.server.tcp, "--key", stage.key,
        "--database", folder / "customsoft.db", "--outbox", folder / "outbox.db", *arguments,
        environment=environment)


def asked(stage, quote, begun=False):
    """Asks for the export of a quote; waits until it has begun, or has ended."""
    log = stage.ask("CreateRequest", integration="erp", action_type="export_quote",
                    entity=dict(type="quote", id=quote)).log.id
    end = time.monotonic() + 15
    while True:
        status = stage.ask("GetLog", id=log).log.status
        if status == DONE or begun and status == BEGUN:
            return log
        stage.require(time.monotonic() < end, f"the export of {quote} does not get on: {status}")
        time.sleep(0.02)


def registered(stage):
    """Waits until the Swift agent has declared its actions."""
    end = time.monotonic() + 15
    while not any(action.definition.type == "export_quote"
                  for action in stage.ask("ListActions", integration="erp").actions):
        stage.require(time.monotonic() < end, "customsoft-agent declares nothing")
        time.sleep(0.05)


def agent_paused(run):
    """An agent stands still in the middle of its work until somebody else has done it."""
    stage = Stage(run, "stopped", ["--keepalive-interval", "1s", "--grace-time", "1s"])
    swift = customsoft(stage, run.scratch / "stopped-cs", "--quotes", stage_data(), "--no-scan",
                       "--pause-ms", 400)
    registered(stage)
    log = asked(stage, "Q-1045", begun=True)
    swift.stop()
    other = stage.agent()
    again, _ = other.take("export_quote", 3 * 1 + 1 + 2 * LATE)
    stage.require(again and again.log_id == log, "a stopped agent keeps its lease for ever")
    other.report(log, DONE, 1, again.lease_token)
    swift.go_on()
    # It must give up that work and go on with the next.
    following = asked(stage, "Q-1042")
    stage.require(once(stage, log).agent_id == other.name, "a stale report was taken")
    once(stage, following)
    stage.require(swift.end() == 0, "customsoft-agent did not stop cleanly")
    run.count("other cases")
    stage.end()


def client_paused(run):
    """A client that waits for the end of a request stands still meanwhile."""
    stage = Stage(run, "client")
    agent = stage.agent()
    client = Program(stage, "integrationctl", "--server", stage.server.unix, "requests", "create",
                     "erp", "kept", "--entity", "1", "--wait")
    found, _ = agent.take("kept", 15)
    stage.require(found is not None, "integrationctl asked for nothing")
    client.stop()
    agent.report(found.log_id, BEGUN, 1, found.lease_token)
    time.sleep(STOPPED)
    agent.report(found.log_id, DONE, 2, found.lease_token)
    client.go_on()
    code = client.wait(15)
    stage.require(code == 0, f"integrationctl --wait ended with {code} behind a pause")
    once(stage, found.log_id)
    run.count("other cases")
    stage.end()


def agent_clock(run):
    """The agent's own clock jumps while it works: what it does on its own is taken again as soon
    as its clock is right again, and requests are done all the time."""
    stage = Stage(run, "agent")
    quotes = run.scratch / "agent-quotes"
    quotes.mkdir()
    clock = FakedClock(run, run.scratch / "agent-cs.clock")
    swift = customsoft(stage, run.scratch / "agent-cs", "--quotes", quotes, "--scan-every", "200ms",
                       environment=clock.environment)
    registered(stage)
    model = json.loads((stage_data() / "Q-1045.json").read_text())

    def appears(number):
        fresh = quotes / f"{number}.fresh"
        fresh.write_text(json.dumps({**model, "number": number}))
        fresh.rename(quotes / f"{number}.json")

    def reported(number):
        found = stage.ask("ListLogs", filter=dict(entity_ids=[number])).logs
        return any(log.status == DONE and log.trigger == STATUS.TRIGGER_EVENT for log in found)

    def soon(number, what):
        end = time.monotonic() + 10
        while not reported(number):
            stage.require(time.monotonic() < end, what)
            time.sleep(0.05)

    appears("Q-1")
    soon("Q-1", "own work of an agent with a right clock is not reported")
    for by in (3600.0, 315_360_000.0):
        clock.jump(by)
        appears(f"Q-{by:.0f}")
        once(stage, asked(stage, "Q-1"))
        time.sleep(NOTICED)  # It makes ids of that time now, which the server refuses.
        clock.jump(-by)
        time.sleep(NOTICED)
        appears(f"Q-{by:.0f}-after")
        soon(f"Q-{by:.0f}-after",
             f"own work is not reported after the agent's clock was {by:.0f} s ahead")
        once(stage, asked(stage, "Q-1"))
    for by in (-3600.0, 3600.0):
        clock.jump(by)
        appears(f"Q-back{by:.0f}")
        soon(f"Q-back{by:.0f}", f"own work is not reported after a jump by {by:.0f} s")
    stage.require(swift.end() == 0, "customsoft-agent did not stop cleanly")
    run.count("other cases")
    stage.end()


def stage_data():
    from harness import ROOT
    return ROOT / "Sources" / "customsoft-agent" / "Data"


PAUSES = [server_paused, agent_paused, client_paused, agent_clock]
