"""Hostile peers beside a healthy one: memory, the healthy client's times, answers, recovery.

TORTURE_ATTACKS names some of the attacks, with commas between, to look at one closely."""
import json, math, os, re, resource, subprocess, sys, time
from pathlib import Path

import costs
from attackers import ATTACKS
from attacking import WIDEST
from client import CALL, Connection, Gone, frame, uuid7
from greedy import BEGUN
from harness import harness
from healthy import PREFERRED, RARE, RATES, Healthy, Series
from manners import answers, exhausted
from schema import METHODS, STATUS
from server import Server

MIB = 1 << 20
# The server's own limit on begun frames and unsent bytes, small so that leaving it shows at once.
BUFFERED = 64 * MIB
# What may come on top of it: one message decoded (32 MiB) beside its frame (4 MiB); the pages of
# two reads, each as rows, as a message and as bytes (2 x 3 x 4 MiB); answers on their way to a
# connection that is full (8 MiB and one page).
BESIDE = (32 + 4 + 24 + 12) * MIB
# What may wait for the readers of tails, by a limit of its own.
TAILS = 8 * MIB
# What slow_tails may take: that, and the reports on their way; without the limit it takes 52 MiB.
SLOW_TAILS = TAILS + 14 * MIB
# What some attacks may take: what they are about is little, and would be hidden by the bound of
# the others. Polls that wait take some KiB each at the most, those that are over nothing.
MOST = {"slow_tails": SLOW_TAILS, "named_polls": 48 * MIB, "ended_polls": 12 * MIB}
# malloc keeps some of what is free.
KEPT = 1.25
CONNECTION = 4096
# How many connections stand idle in the long form, and what an attacker and the server need of
# descriptors beside those of an attack.
IDLE, SPARE = 15_000, 1_000
STAYS = 96 * MIB
# What a call may take longer than twice its quiet time: the turns of the others before it (0.2 ms
# a round for those that want much, 0.1 ms for each that does not) and the scheduling of the healthy
# client itself, on a machine whose two processors the attackers use too.
TURNS_MS = 1.5
# A heartbeat waits for the server to be woken, the echo for its other end, twice. Where the system
# does not let the client stand apart, each waits for the client too.
WAKES = {"Heartbeat": 1 / 2 if PREFERRED else 2 / 3, "ReportLog": 1}
# What no healthy call may take, whatever the machine does to it.
HIGHEST_MS = {"Heartbeat": 40, "ReportLog": 200}
# What the longest of the rare ones may take: three calls for a request, with two or three commits;
# a report that is decoded behind a message of somebody else, up to 50 ms. It is wide, for a single
# call meets whatever else the machine does.
LONGEST_MS = {"Request": 500, "LongReport": 400}
# What a report of an agent may take that shares its integration with the attacker, in
# milliseconds: turns of the store do not part the two, but what goes on behind calls that have
# ended is counted: it takes 20 to 25, and is not answered where that has no bound.
SIBLING_MS = {"cancelled_reports": 200}
# The attacks of the short form: one of each kind of pressure, those that found something first.
SHORT = [
    "unknown_methods", "cancelled_lists", "slow_readers", "slow_beaters", "connects", "many_polls"]


class UsedUp(Exception):
    """The floods have sent all that they may: an attack that was cut short is not judged."""


class Watch:
    """Looks at the server's memory from outside."""

    def __init__(self, server):
        self.server = server

    def reset(self):
        # The mark of the most that was resident begins anew (proc(5)).
        Path(f"/proc/{self.server.pid}/clear_refs").write_text("5")

    def resident(self, name="VmRSS"):
        """Bytes that are resident now, or with VmHWM the most since `reset`."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(re.search(name + r":\s+(\d+)", status).group(1)) * 1024


class Stage:
    """A server with some logs, a healthy client, and what an attacker knows."""

    def __init__(self, run):
        self.run = run
        self.server = Server(run, flags=[
            "--maximum-buffered-bytes", str(BUFFERED), "--hello-timeout", "2s",
            "--write-stall-timeout", "3s"], prefix=PREFERRED,
            environment={"INTEGRATIOND_MAXIMUM_TAIL_BYTES": str(TAILS)})
        self.server.start()
        self.key = self.server.integration("erp")
        self.healthy_key = self.server.integration("healthy", agent="healthy")
        operator = self.server.operator()
        # Exports need an admin: a hostile one may do what the role may, but nobody may be slowed.
        self.token = operator.call("CreateToken", name="reader", role=3).secret
        operator.close()
        self.fill()
        self.watch = Watch(self.server)
        self.traffic_left = run.traffic_bytes
        # What thousands of connections are multiplied by.
        self.scale = min(0.2 if run.short else 1, max(0, room()[0]) / IDLE)

    def measure_longest(self):
        """What the message with the most fields takes, from being sent to being refused."""
        connection = Connection(self.server.tcp, self.key)
        times = []
        for _ in range(5):
            began = time.monotonic()
            call = next(connection.calls)
            connection.write(frame(CALL, METHODS["Heartbeat"].id, call, 30_000, WIDEST))
            connection.receive()
            times.append((time.monotonic() - began) * 1000)
        connection.close()
        self.longest_ms = min(times)
        self.run.figure("longest message ms", self.longest_ms)

    def start_healthy(self):
        self.healthy = Healthy(
            self.run, self.server.tcp, self.healthy_key, self.server.unix)
        self.run.require(self.healthy.wait(), "the healthy client was never answered")

    def count_traffic(self, counts):
        """Ends the attacks when all is sent that may be."""
        self.traffic_left -= counts.get("bytes", 0)
        sent = (self.run.traffic_bytes - self.traffic_left) / (1 << 30)
        self.run.figure("GiB sent", sent)
        if self.traffic_left <= 0:
            raise UsedUp(f"{sent:.3g} GiB are sent, which is all that --traffic allows")

    def fill(self):
        """A thousand logs of four kilobytes each and one of 250: long answers for who asks."""
        connection = Connection(self.server.tcp, self.key)
        for _ in range(20):
            reports = [dict(
                log_id=uuid7(), sequence=1, action_type="export_order",
                entity=dict(type="order", id="1"), status=STATUS.LOG_STATUS_COMPLETED,
                status_message="m" * 4000) for _ in range(50)]
            answer = connection.call("ReportLogBatch", agent_id="agent-1", reports=reports)
            self.run.require(not any(each.code for each in answer.outcomes), "reports were refused")
        self.long_log = uuid7()
        connection.call("ReportLog", agent_id="agent-1", report=dict(
            log_id=self.long_log, sequence=1, action_type="export_order",
            entity=dict(type="order", id="2"), status=STATUS.LOG_STATUS_COMPLETED,
            result='"%s"' % ("r" * 250_000)))
        connection.close()

    def attack(self, name, seconds, share=0.0, group=10):
        """Starts an attack; its process ends by itself. A neighbour uses a share of a processor, in
        a session that gets as much of them as its niceness says."""
        process = subprocess.Popen(
            [sys.executable, "-B", Path(__file__).with_name("attackers.py"), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.run.at_end(lambda: process.poll() is None and process.kill())
        json.dump(dict(
            tcp=self.server.tcp, key=self.key, token=self.token, long_log=self.long_log,
            seconds=seconds, share=share, group=group,
            scale=self.scale, most_bytes=self.traffic_left,
            seed=self.run.random.getrandbits(32)), process.stdin)
        process.stdin.write("\n")
        process.stdin.close()
        process.stdin = None  # So that communicate() leaves it alone.
        return process


def room():
    """How many connections an attack can have here, and what bounds them."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    ports = int(last) - int(first) + 1
    return min(
        (files - SPARE, f"a process may have {files} open files (ulimit -Hn)"),
        (ports - SPARE, f"there are {ports} local ports (net.ipv4.ip_local_port_range)"))


def possible(run, names):
    """Those of the attacks for which the machine has room; what is left out is said."""
    most, why = room()
    if most < IDLE and "idle" in names and not run.short:
        run.skip(f"idle with {IDLE:,} connections", f"{why}, so there are {max(0, most):,} at most")
    if most < BEGUN and "begun_frames" in names:
        run.skip("begun_frames", f"{why}, and it needs {BEGUN + SPARE:,}")
        names = [name for name in names if name != "begun_frames"]
    return names


class Sibling:
    """An agent of the attacker's own integration, which reports beside the attack."""

    def __init__(self, stage, name):
        self.run, self.name = stage.run, name
        self.series = Series(["ReportLog", stage.server.tcp, stage.key])
        self.run.at_end(self.series.end)

    def check(self, begin, end):
        took = self.series.p99_ms(begin, end)
        self.series.end()
        self.run.require(took is not None, f"{self.name}: no ReportLog was answered to a sibling")
        self.run.figure(f"{self.name} sibling ms", took)
        if not self.run.short:
            self.run.require(
                took <= SIBLING_MS[self.name], f"{self.name}: the sibling's p99 is {took:.0f} ms")


def quiet(stage, seconds):
    """The healthy client's p99s while nothing else happens."""
    begin = time.monotonic()
    time.sleep(seconds)
    while True:
        found = stage.healthy.p99s(begin, time.monotonic())
        if all(found[kind] is not None for kind in RATES):
            return found
        stage.run.require(time.monotonic() < begin + seconds + 15,
                          "the healthy client is not answered though nobody attacks")
        time.sleep(0.05)


def worst_ratio(stage, name, calms, during):
    """How many times its calm p99 a call of the healthy client takes, after what the references
    show to be the machine's: the worst of its kinds."""
    worst, said = 0.0, []
    for kind in RATES:
        stage.run.require(during[kind] is not None, f"{name}: no {kind} was answered beside it")
        calm = max(each[kind] for each in calms if each[kind] is not None)
        echo = kind, "echo"
        quiet_echo = max((each[echo] for each in calms if each[echo] is not None), default=0.0)
        noise = WAKES[kind] * max(0.0, (during[echo] or 0.0) - quiet_echo)
        if during[kind] > HIGHEST_MS[kind]:
            worst = math.inf
        worst = max(worst, (during[kind] - noise - TURNS_MS) / calm)
        said.append(f"{kind} {calm:.1f}→{during[kind]:.1f} ms")
    for kind in RARE:
        if during[kind] is None or during[kind] > LONGEST_MS[kind]:
            worst = math.inf
        said.append(f"{kind} {during[kind] or math.nan:.0f} ms")
    stage.run.figure(name, " ".join(said))
    return max(0.0, worst)


def recovered(stage, descriptors, seconds=15):
    """Waits until what the attack took is given back and a new client is served; a fault or None.
    """
    limit = time.monotonic() + seconds
    while stage.server.descriptors() > descriptors + 5:
        if time.monotonic() > limit:
            return f"{stage.server.descriptors()} descriptors, {descriptors} before"
        time.sleep(0.02)
    try:
        fresh = Connection(stage.server.tcp, stage.key, timeout=5)
        fresh.call("Heartbeat", agent_id="agent-1", instance_id="fresh")
        fresh.close()
        operator = stage.server.operator(timeout=5)
        operator.call("GetServerInfo")
        operator.call("ListLogs", page_size=1)
        operator.close()
    except (Gone, OSError) as error:
        return f"a new client is not served: {error}"
    return None


def one_attack(stage, name, seconds):
    """An attack between two quiet times, and everything that must hold of it."""
    run, server = stage.run, stage.server
    before = quiet(stage, seconds)
    descriptors, base = server.descriptors(), stage.watch.resident()
    stage.watch.reset()
    whole, started = server.cpu_seconds(), time.monotonic()
    sibling = Sibling(stage, name) if name in SIBLING_MS else None
    process = stage.attack(name, seconds + 1)
    # Its interpreter and its connections take a moment.
    time.sleep(0.7)
    began, busy = time.monotonic(), server.cpu_seconds()
    standing = json.loads(process.stdout.readline()) if name == "idle" else {}
    if standing:
        began, busy = time.monotonic(), server.cpu_seconds()
        each = (stage.watch.resident() - base) / max(1, standing["standing"])
        run.figure("idle connections", standing["standing"])
        run.figure("bytes a connection", int(each))
        run.require(each < CONNECTION, f"an idle connection holds {each:.0f} bytes")
        wanted = round(IDLE * stage.scale)
        run.require(standing["standing"] == wanted,
                    f"{standing['standing']:,} of {wanted:,} idle connections were taken in time")
    text, _ = process.communicate(timeout=seconds + 120)
    during = stage.healthy.p99s(began, time.monotonic() - 0.1)
    took = time.monotonic() - began
    if sibling:
        sibling.check(began, began + took)
    stood = sum(until - since for since, until in stage.healthy.stalls(began, began + took))
    run.figure("disk stood still s", run.figures.get("disk stood still s", 0.0) + stood)
    run.require(server.process.poll() is None,
                f"{name}: the server ended with {server.process.poll()}: {server.error_text()}")
    if process.returncode:
        raise RuntimeError(f"the attack {name} ended with {process.returncode}")
    served = (server.cpu_seconds() - busy) / took
    counts = json.loads(text.splitlines()[-1])
    stage.count_traffic(counts)
    costs.check(run, name, counts, server.cpu_seconds() - whole, time.monotonic() - started,
                stage.heartbeat)
    check_memory(stage, name, base, counts)
    fault = recovered(stage, descriptors)
    run.require(not fault, f"{name}: no recovery: {fault}")
    gone = stage.healthy.ended()
    run.require(not gone, f"{name}: the healthy client was refused or disconnected: {gone}")
    lost = counts.get("idle lost", 0) + counts.get("busy closed", 0)
    run.require(not lost, f"{name}: {lost} connections that did no harm were ended")
    run.require(not counts.get("not refused"), f"{name}: a wrong key was taken")
    return [before, quiet(stage, seconds)], during, (counts["share"], served)


def beside_neighbours(stage, used, seconds):
    """The healthy client's p99s beside programs that use as much of the processors as the attack
    and the server's work for it did, and nothing of the server: what the system takes to let
    somebody run where all its processors are in use, several ticks of its clock. The rest is what
    others wait for in the server."""
    attack, served = used
    count = math.ceil(served)
    processes = [stage.attack("neighbour", seconds + 1, attack)] + [
        stage.attack("neighbour", seconds + 1, served / count, 0) for _ in range(count)]
    time.sleep(0.7)
    began = time.monotonic()
    for process in processes:
        process.communicate(timeout=seconds + 60)
    return stage.healthy.p99s(began, time.monotonic() - 0.1)


def check_memory(stage, name, base, counts):
    peak, run = stage.watch.resident("VmHWM"), stage.run
    most = MOST.get(name, BUFFERED + BESIDE + TAILS)
    bound = base + most * KEPT + counts.get("idle", 0) * CONNECTION
    run.figure("peak MiB", max(run.figures.get("peak MiB", 0), peak // MIB))
    run.require(peak < bound, f"{name}: {peak // MIB} MiB are resident, {base // MIB} before; the "
                f"bound is {int(bound) // MIB} MiB")


def harmless(stage, name, seconds):
    """An attack, again where the healthy client suffered: a promise is broken when it does so three
    times, for a machine that others use may slow anybody down once. The short form only states the
    times: its windows are too short to judge by."""
    if stage.run.short:
        calms, during, _ = one_attack(stage, name, seconds)
        worst_ratio(stage, name, calms, during)
        stage.run.count("attacks")
        return
    ratios = []
    for _ in range(3):
        calms, during, used = one_attack(stage, name, seconds)
        ratio = worst_ratio(stage, name, calms, during)
        if ratio > 2:
            calms.append(beside_neighbours(stage, used, seconds))
            stage.run.count("beside neighbours")
            ratio = worst_ratio(stage, name, calms, during)
        ratios.append(ratio)
        if ratio <= 2:
            break
        stage.run.count("measured again")
    stage.run.require(
        ratios[-1] <= 2, f"{name}: the healthy client's p99 is {min(ratios):.1f} times that of the "
        f"quiet server, in {len(ratios)} measurements: {stage.run.figures}")
    stage.run.count("attacks")


def attacks(stage, names, seconds):
    """Each attack in its turn, until the time is over; at least once."""
    run = stage.run
    while names:
        for name in names:
            harmless(stage, name, seconds)
            if run.left() < 3 * seconds and "rounds" in run.figures:
                break
        run.count("rounds")
        if run.short or run.left() < 3 * seconds:
            break


@harness("hostile", seconds=300, short_seconds=20)
def hostile(run):
    """Hostile peers of every kind beside a healthy client: bounded, answered, and over with them.
    """
    stage = Stage(run)
    answers(run, stage.server, stage.key, stage.token)
    exhausted(run)
    stage.measure_longest()
    stage.heartbeat = costs.heartbeat_seconds(run, stage.server, stage.key)
    stage.start_healthy()
    first = stage.watch.resident()
    names = list(SHORT if run.short else ATTACKS)
    chosen = os.environ.get("TORTURE_ATTACKS")
    if chosen:
        names = chosen.split(",")
    names = possible(run, names)
    run.random.shuffle(names)
    seconds = 0.6 if run.short else max(1.5, min(10, run.seconds / max(1, len(names)) / 4.5))
    try:
        attacks(stage, names, seconds)
    except UsedUp as used_up:
        run.skip("what is left of the attacks", str(used_up))
    stage.healthy.end()
    settle(stage, first)
    stage.server.check()
    stage.server.stop()


def settle(stage, first):
    """What attacks took falls back. What stays is malloc's, of thousands of connections at once."""
    limit = time.monotonic() + 10
    while stage.watch.resident() > first + STAYS and time.monotonic() < limit:
        time.sleep(0.1)
    last = stage.watch.resident()
    stage.run.figure("MiB before and after all", f"{first // MIB} {last // MIB}")
    stage.run.require(last <= first + STAYS, f"{last // MIB} MiB stay, {first // MIB} before")
