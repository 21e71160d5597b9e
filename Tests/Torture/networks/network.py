"""Packets lost, networks parted, connections half open: a server and its agents in two network
namespaces with nftables between them."""
import itertools, os, signal, sqlite3, subprocess, time

from client import ABORTED, Connection, Gone, Refused
from harness import Violation, harness, quantile
from ledger import Ledger
from namespaces import COUNTERS, Cable
from reconnecting import Reporter, require_same
from schema import STATUS
from server import Server

KEEPALIVE = 0.5     # --keepalive-interval
GRACE = 1.0         # --grace-time
HELLO = 1.5         # --hello-timeout
# How long a closed connection waits for its peer to have read the last bytes.
LINGER = 1.0
# What a loaded machine may add to a time that is waited for.
SLACK = 2.0
# How long agents may take to be back when the network is: a try to connect that is under way may
# last until its HELLO is given up, and the pause behind it is at most the last ceiling of the
# backoff. The Swift library: 10 s and 10 s (TransportLimits, Backoff). The Python agent: 1.5 s and
# 2 s, and once more 1.5 s where its old connection only seemed to live.
SWIFT_BACK = 10 + 10 + SLACK
PYTHON_BACK = 1.5 + 2 + 1.5 + SLACK
HEADING = ("quote_number,account,contact_name,contact_email,currency,valid_until,part_number,"
           "description,quantity,unit_price\n")


class CustomSoft:
    """The Swift agent with its outbox, on a folder of quotes that grows."""

    def __init__(self, run, address, key):
        self.run, self.folder = run, run.scratch / "quotes"
        self.folder.mkdir()
        self.database = run.scratch / "customsoft.db"
        self.log = run.scratch / "agent"
        self.quotes = []
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [run.programs / "customsoft-agent", "--server", address, "--quotes", self.folder,
                 "--database", self.database, "--outbox", run.scratch / "outbox.db",
                 "--scan-every", "50ms"],
                env={**os.environ, "INTEGRATION_TOKEN": key}, stdout=log, stderr=log)
        run.at_end(lambda: self.process.poll() is None and self.process.kill())

    def add_quote(self):
        """A new quote in the folder, whole at once."""
        number = f"Q-{len(self.quotes) + 1}"
        self.quotes.append(number)
        fresh = self.folder / "fresh"
        fresh.write_text(HEADING + f"{number},Acme,Ada,ada@example.com,USD,2027-01-01,P-1,x,1,2\n")
        fresh.rename(self.folder / f"{number}.csv")
        return number

    def stop(self):
        """SIGTERM; it must say goodbye and end with 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            code = None
        self.run.require(code == 0, f"the agent ended with {code}: {self.log.read_text()[-2000:]}")

    def exported(self):
        """The quotes in CustomSoft, each with how often it was changed there."""
        database = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        rows = database.execute("SELECT number, revision FROM quote").fetchall()
        database.close()
        return rows


class Stage:
    """Server and agents with the cable between them, and what was asked of them."""

    def __init__(self, run):
        self.run = run
        self.cable = Cable(run)
        self.cable.enter(run)
        self.server = Server(
            run, prefix=self.cable.inside(self.cable.server), listen=f"tcp:{Cable.SERVER}:0",
            flags=["--keepalive-interval", f"{KEEPALIVE * 1000:.0f}ms", "--grace-time",
                   f"{GRACE * 1000:.0f}ms", "--hello-timeout", f"{HELLO * 1000:.0f}ms",
                   "--accept-timeout", "2s", "--maximum-deliveries", "100"])
        self.server.start()
        self.reporter_key = self.server.integration("erp")
        self.lease_key = self.server.integration("leases")
        key = self.server.integration("customsoft", types=())
        self.ledger = Ledger()
        self.reporter = Reporter(
            self.server.tcp, self.reporter_key, self.ledger, run.random.getrandbits(32))
        self.reporter.start()
        self.agent = CustomSoft(run, self.server.tcp, key)
        self.requests, self.returns = [], {"Python": [], "Swift": []}
        self.until("the agent is there", 20, self.is_declared)

    def ask(self, method, /, **fields):
        """An operator's call on a connection of its own: an idle one would not answer the pings."""
        operator = self.server.operator()
        try:
            return operator.call(method, **fields)
        finally:
            operator.close()

    def is_declared(self):
        return self.ask("ListActions", integration="customsoft").actions

    def until(self, what, seconds, holds):
        """Waits until something holds, and returns how long that took."""
        began = time.monotonic()
        while not holds():
            took = time.monotonic() - began
            self.run.require(took < seconds, f"{what}: not within {seconds:.1f} s")
            self.run.require(self.server.process.poll() is None, "the server ended")
            time.sleep(0.005)
        return time.monotonic() - began

    def request(self, entity):
        """An operator asks for the export of a quote."""
        log = self.ask(
            "CreateRequest", integration="customsoft", action_type="export_quote",
            entity=dict(type="quote", id=entity)).log
        self.requests.append(log.id)
        return log.id

    def status(self, log):
        return self.ask("GetLog", id=log).log.status

    def work(self):
        """Something for the Swift agent: a quote, and a request for an earlier one."""
        self.agent.add_quote()
        wanted = self.run.random.choice(self.agent.quotes)
        try:
            self.request(wanted)
        except Refused as refused:
            # One open request per record is the action's own rule.
            self.run.require(refused.reason == "REQUEST_OPEN_FOR_ENTITY", str(refused))

    def whole(self, to_server=True, to_client=True):
        """Ends what is done to the cable, which must have dropped packets, each way where it was
        meant to and on no other."""
        for way, meant, count in zip(COUNTERS, (to_server, to_client), self.cable.dropped()):
            self.run.require(meant == (count > 0), (
                f"the cable dropped {count} packets {way}, meant to drop {'some' if meant else 0}: "
                "its faults are none"))
            self.run.count(f"dropped {way}", count)
        self.cable.faults()

    def healed(self):
        """The cable is whole again: measures how long both agents take to be back."""
        began = time.monotonic()
        wanted = self.request(self.agent.add_quote())
        self.until("the Python agent is answered again", PYTHON_BACK,
                   lambda: self.reporter.last_answer > began)
        self.returns["Python"].append(time.monotonic() - began)
        self.until("the Swift agent does what is asked again", SWIFT_BACK,
                   lambda: self.status(wanted) == STATUS.LOG_STATUS_COMPLETED)
        self.returns["Swift"].append(time.monotonic() - began)


def with_loss(stage, percent, seconds):
    """Packets are lost, each way."""
    stage.cable.loss(percent)
    ends = time.monotonic() + seconds
    # One packet of a hundred may be none for a while.
    while time.monotonic() < ends or (
            time.monotonic() < ends + 10 and not all(stage.cable.dropped())):
        stage.work()
        time.sleep(0.1)
    stage.whole()
    stage.healed()
    stage.run.count("loss phases")


def parted(stage, to_server, to_client, seconds):
    """Whichever way the cable lets nothing through: the Python agent hears no answer."""
    stage.cable.partition(to_server, to_client)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        stage.work()
        time.sleep(0.1)
    # What had come through before is read a moment later.
    heard = stage.reporter.last_answer - began
    stage.run.require(
        heard < seconds / 2, f"the Python agent was answered {heard:.2f} s after the partition")
    stage.whole(to_server, to_client)
    stage.healed()
    stage.run.count("partitions")


def most_attempts(seconds):
    """How many connections an agent tries in so long that are refused at once: its waits double
    from 100 ms to 10 s, and each is half as long at least. One more was under way before."""
    tries, waited = 1, 0.0
    while waited < seconds:
        waited += min(0.1 * 2 ** (tries - 1), 10) / 2
        tries += 1
    return tries


def refused(stage, seconds):
    """The server's host refuses every connection: agents try again, and not without end."""
    run, reporter = stage.run, stage.reporter
    if not stage.cable.refuse():
        run.skip("refused connections", "nftables has no reject here")
        return
    began, before = time.monotonic(), reporter.attempts
    while time.monotonic() < began + seconds:
        stage.work()
        time.sleep(0.1)
    # What the Python agent begins meanwhile is one more for it, and none for the other.
    tried, took = stage.cable.attempts(), time.monotonic() - began
    mine = reporter.attempts - before
    others = tried - mine
    bound = most_attempts(took) + 1
    run.require(tried > 0 and others >= -1, f"{tried} attempts were counted, {mine} are known")
    run.require(others <= bound, f"the Swift agent tried {others} connections in {took:.1f} s, "
                f"expected at most {bound}")
    name = "Swift agent tries at most"
    run.figure(name, max(run.figures.get(name, 0), others))
    stage.whole(to_client=False)
    stage.healed()
    run.count("refusing phases")


def half_open(stage):
    """Connections whose other end is gone without a word: the server finds and ends each."""
    server, run = stage.server, stage.run
    before = server.descriptors()
    ends = [Connection(server.tcp, stage.lease_key, timeout=5) for _ in range(20)]
    for each in ends:
        each.call("Heartbeat", agent_id="agent-1", instance_id="half-open")
    stage.cable.half_open()
    began = time.monotonic()
    # Made while nothing but a handshake gets through: the server hears no HELLO of these.
    ends += [Connection(server.tcp, stage.lease_key, timeout=5) for _ in range(20)]
    for each in ends:
        each.close()
    # The agents of the run are parted too: their connections may only be fewer.
    bound = max(3 * KEEPALIVE, HELLO) + LINGER + SLACK
    stage.until(
        "half-open connections are ended", bound + 1, lambda: server.descriptors() <= before)
    took = time.monotonic() - began
    run.require(took < bound, f"half-open connections were ended after {took:.1f} s")
    run.figure("half-open found s", max(run.figures.get("half-open found s", 0.0), took))
    stage.whole()
    stage.healed()
    run.count("half-open phases")


def stale_lease(stage):
    """The lease of an agent that is cut off goes back, and what it says later is refused."""
    run, server = stage.run, stage.server
    wanted = stage.ask(
        "CreateRequest", integration="leases", action_type="export_order",
        entity=dict(type="order", id="1")).log.id
    lost = Connection(server.tcp, stage.lease_key, timeout=5)
    held = lost.call("PollRequests", agent_id="lost", wait_ms=2000, lease_ms=600_000).requests
    run.require([each.log_id for each in held] == [wanted], "the request was not delivered")
    report = dict(log_id=wanted, sequence=1, lease_token=held[0].lease_token,
                  status=STATUS.LOG_STATUS_IN_PROGRESS)
    lost.call("ReportLog", agent_id="lost", report=report)
    stage.cable.partition()
    began = time.monotonic()
    # The second agent is not behind the cable.
    other = Connection(server.unix, stage.lease_key, timeout=30)
    delivered = []
    while not delivered:
        delivered = other.call("PollRequests", agent_id="other", wait_ms=1000).requests
        took = time.monotonic() - began
        bound = 3 * KEEPALIVE + GRACE + 1 + SLACK
        run.require(took < bound, f"a lease was not back within {bound:.1f} s")
    run.require(delivered[0].log_id == wanted and delivered[0].delivery == 2,
                f"delivered {delivered[0]}")
    run.figure("leases back s", max(run.figures.get("leases back s", 0.0), took))
    stage.whole()
    lost.close()
    stale_reports(stage, wanted, report)
    fresh = dict(report, lease_token=delivered[0].lease_token)
    other.call("ReportLog", agent_id="other", report=fresh)
    stale_reports(stage, wanted, report)
    other.call("ReportLog", agent_id="other", report=dict(
        fresh, sequence=2, status=STATUS.LOG_STATUS_COMPLETED, status_message="by the other"))
    stale_reports(stage, wanted, report)
    log = stage.ask("GetLog", id=wanted).log
    run.require(log.status == STATUS.LOG_STATUS_COMPLETED and log.agent_id == "other"
                and log.status_message == "by the other", f"a stale report was taken: {log}")
    other.close()
    stage.healed()


def stale_reports(stage, wanted, report):
    """The agent that was cut off is back, and reports as if it held its lease still."""
    connection = Connection(stage.server.tcp, stage.lease_key, timeout=10)
    for sequence, status in ((2, STATUS.LOG_STATUS_IN_PROGRESS), (3, STATUS.LOG_STATUS_COMPLETED)):
        try:
            connection.call("ReportLog", agent_id="lost", report=dict(
                report, sequence=sequence, status=status, status_message="stale"))
            stage.run.require(False, "a report with a lost lease was taken")
        except Refused as refused:
            stage.run.require(refused.code == ABORTED and refused.reason == "LEASE_LOST",
                              f"a stale report was answered {refused}")
            stage.run.count("stale reports refused")
    connection.close()


def phases(stage):
    """What is done to the cable, in an order of the seed's."""
    run, random = stage.run, stage.run.random
    longest = 1.4 if run.short else 4.0

    def away():
        return random.uniform(0.8, longest)
    made = [lambda: parted(stage, True, False, away()), lambda: parted(stage, False, True, away()),
            lambda: parted(stage, True, True, away()), lambda: half_open(stage),
            lambda: refused(stage, away()), lambda: stale_lease(stage),
            lambda: with_loss(stage, 30, away())]
    if not run.short:
        made += [lambda percent=percent: with_loss(stage, percent, 3) for percent in (1, 5)]
    random.shuffle(made)
    return made


def same_as_without_faults(stage):
    """Everything that was asked for is done once, everything that was reported is there once."""
    run = stage.run
    stage.cable.faults()
    run.require(stage.reporter.finish(30),
                f"{len(stage.reporter.waiting)} reports were not answered after healing")
    run.require(not stage.reporter.refusals, f"refused: {stage.reporter.refusals[:3]}")
    require_same(run, stage.server, "erp", stage.ledger)
    for log in stage.requests:
        stage.until("every request ends", 30,
                    lambda log=log: stage.status(log) == STATUS.LOG_STATUS_COMPLETED)

    def own_logs():
        return [log for log in all_logs(stage) if log.id not in stage.requests]
    quotes = sorted(stage.agent.quotes)
    stage.until("every quote is reported", 30, lambda: len(own_logs()) >= len(quotes) and all(
        log.status == STATUS.LOG_STATUS_COMPLETED for log in own_logs()))
    reported = sorted(log.entity.id for log in own_logs())
    run.require(reported == quotes, "quotes were reported more or less than once: "
                f"{len(reported)} reports of {len(quotes)} quotes")
    stage.agent.stop()
    exported = sorted(stage.agent.exported())
    run.require(exported == [(number, 1) for number in quotes],
                f"quotes were exported more or less than once: {len(exported)} of {len(quotes)}")


def all_logs(stage):
    logs, token = [], ""
    while True:
        page = stage.ask("ListLogs", filter=dict(integrations=["customsoft"]),
                                   page_size=1000, page_token=token)
        logs += page.logs
        token = page.next_page_token
        if not token:
            return logs


def rounds(stage):
    """Each phase in each round, until the time is over; at least one round."""
    run = stage.run
    for number in itertools.count():
        for phase in phases(stage):
            phase()
            if number and run.left() < 12:
                break
        run.count("rounds")
        if run.short or run.left() < 12:
            break


@harness("network", seconds=240, short_seconds=16)
def network(run):
    """Loss, partitions and half-open connections: the results of a network without faults."""
    try:
        stage = Stage(run)
        rounds(stage)
        same_as_without_faults(stage)
        stage.server.check()
    except Gone as gone:
        raise Violation(f"a call with a whole network before it was not answered: {gone}")
    least = {"rounds": 1, "loss phases": 1, "partitions": 3, "half-open phases": 1,
             "refusing phases": 0 if run.skipped else 1, "stale reports refused": 6}
    for name, count in least.items():
        run.at_least(name, count)
    run.figure("reports", len(stage.ledger.acknowledged))
    run.figure("repeated", stage.reporter.duplicates)
    run.figure("connections", stage.reporter.connections)
    run.figure("quotes", len(stage.agent.quotes))
    run.figure("requests", len(stage.requests))
    for name, returns in stage.returns.items():
        run.figure(f"{name} agent back p50 s", quantile(returns, 0.5))
        run.figure(f"{name} agent back max s", max(returns))
    stage.server.stop()
