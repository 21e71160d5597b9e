"""Calls through a network that splits, joins, delays, cuts and flips bytes."""
import itertools, random, threading, time

from client import Connection, Gone, uuid7
from harness import harness
from ledger import Ledger
from proxy import Faults, Proxy
from reconnecting import Reporter, require_same, stored_reports
from schema import METHODS, STATUS
from server import Server

# What is done to connections, without a flip: the results must be those of a direct connection.
CLEAN = {
    "one byte": Faults(split=1),
    "split": Faults(split=7),
    "split and late": Faults(split=300, delay_ms=2),
    "joined": Faults(join_ms=20),
    "cut": Faults(split=2000, cut_after=15_000),
    "cut soon": Faults(cut_after=4000),
    "half closed": Faults(split=500, half_close=8_000),
}
FLIPPED = {
    "flips": Faults(flip_every=3000),
    "many flips": Faults(split=200, flip_every=200),
    "flips and cuts": Faults(flip_every=1000, cut_after=40_000, split=50),
}


def script(server, key, token):
    """Calls whose answers depend on nothing but themselves: as text, for each role."""
    first, second = uuid7(at=1e9), uuid7(at=1e9 + 1)
    report = METHODS["ReportLog"].request(agent_id="agent-1", report=dict(
        log_id=first, sequence=1, action_type="export_order", entity=dict(type="order", id="1"),
        status=STATUS.LOG_STATUS_COMPLETED, status_message="m" * 4000))
    long = METHODS["ReportLog"].request(agent_id="agent-1", report=dict(
        log_id=second, sequence=1, action_type="export_order", entity=dict(type="order", id="2"),
        status=STATUS.LOG_STATUS_FAILED, result='"%s"' % ("r" * 30_000)))
    return [
        (key, [("RegisterAction", METHODS["RegisterAction"].request(agent_id="agent-1")),
               ("ReportLog", report), ("ReportLog", report), ("ReportLog", long),
               ("ReportLog", long), ("ListLogs", METHODS["ListLogs"].request()),
               ("PollRequests", METHODS["PollRequests"].request(agent_id="agent-1")),
               ("Heartbeat", METHODS["Heartbeat"].request(agent_id="Not Allowed"))]),
        (token, [("ListLogs", METHODS["ListLogs"].request(page_size=1000)),
                 ("GetLog", METHODS["GetLog"].request(id=second)),
                 ("ReportLog", report), ("GetLog", METHODS["GetLog"].request(id="nothing"))]),
    ]


def answers(address, calls, timeout=60):
    """The answers to a script, each as code and bytes; all calls are sent at once."""
    found = []
    for token, requests in calls:
        connection = Connection(address, token, timeout)
        numbers = [connection.send(name, request) for name, request in requests]
        replies = {}
        while len(replies) < len(numbers):
            call, code, payload = connection.receive()
            replies[call] = code, payload
        found += [(name, *replies[number]) for number, (name, _) in zip(numbers, requests)]
        connection.close()
    return found


def same_answers(run, server, key, token):
    """The same script directly and through each way of cutting bytes up."""
    calls = script(server, key, token)
    # The first time stores; from then on each answer says the same.
    answers(server.tcp, calls)
    direct = answers(server.tcp, calls)
    for name in ("one byte", "split", "split and late", "joined"):
        proxy = Proxy(run, server.tcp, CLEAN[name], run.random.getrandbits(32))
        try:
            through = answers(proxy.address, calls)
        except Gone as gone:
            run.require(False, f"{name}: the connection ended: {gone}")
        for (method, code, payload), (_, other_code, other) in zip(direct, through):
            run.require(
                (code, payload) == (other_code, other),
                f"{name}: {method} is answered {other_code} with {len(other)} bytes; directly "
                f"{code} with {len(payload)}")
        proxy.close()
        run.count("same answers", len(direct))


class Watcher(threading.Thread):
    """A direct connection beside it all: it is never closed and always answered."""

    def __init__(self, address, key):
        super().__init__(daemon=True)
        self.connection = Connection(address, key)
        self.stopping, self.fault, self.calls = threading.Event(), None, 0

    def run(self):
        try:
            while not self.stopping.wait(0.01):
                self.connection.call("Heartbeat", agent_id="direct", instance_id="direct-1")
                self.calls += 1
        except Exception as error:
            self.fault = repr(error)


def clean_round(run, server, integration, key, faults, seconds):
    """A reporter through each proxy; all are answered in the end, and each report is there once."""
    ledger, reporters = Ledger(), []
    proxies = [Proxy(run, server.tcp, each, run.random.getrandbits(32)) for each in faults]
    for proxy in proxies:
        # Where every connection is cut soon, few reports get through each.
        soon = 0 < proxy.faults.cut_after < 10_000
        reporters.append(Reporter(
            proxy.address, key, ledger, run.random.getrandbits(32), rate=20 if soon else 100,
            patience=10, maximum_backoff=0.2))
    for reporter in reporters:
        reporter.start()
    time.sleep(seconds)
    for reporter, name in zip(reporters, CLEAN):
        done = reporter.finish(30)
        run.require(done, f"{name}: {len(reporter.waiting)} reports were not answered within 30 s")
        run.require(not reporter.refusals, f"{name}: refused {reporter.refusals[:3]}")
    for proxy in proxies:
        proxy.close()
        run.count("cuts", proxy.counts["cuts"])
        run.count("pieces", proxy.counts["pieces"])
    run.count("reports", len(ledger.acknowledged))
    run.count("repeated", sum(each.duplicates for each in reporters))
    return ledger


def babble(address, key, seed, ends, sent):
    """A client that nobody checks: what arrives of it is not what it sent."""
    chance = random.Random(seed)
    while time.monotonic() < ends:
        try:
            connection = Connection(address, key, timeout=0.5)
            for number in range(1, 200):
                if time.monotonic() > ends:
                    break
                connection.send("ReportLog", agent_id="agent-1", report=dict(
                    log_id=uuid7(chance), sequence=1, action_type="export_order",
                    entity=dict(type="order", id=f"{number}"),
                    status=STATUS.LOG_STATUS_COMPLETED, labels={"a": "b" * 50}))
                sent.append(number)
                if number % 20 == 0:
                    # Whatever comes back may be anything: it is read and not looked at.
                    connection.socket.recv(65536)
            connection.close()
        except (Gone, OSError):
            time.sleep(0.005)


def flipped_round(run, server, direct_key, key, sent, seconds):
    """Flipped bytes beside a direct reporter, whose every answer must hold."""
    ledger = Ledger()
    direct = Reporter(server.tcp, direct_key, ledger, run.random.getrandbits(32), rate=200,
                      patience=30)
    direct.start()
    ends = time.monotonic() + seconds
    proxies = [Proxy(run, server.tcp, each, run.random.getrandbits(32))
               for each in FLIPPED.values()]
    threads = [
        threading.Thread(target=babble, args=(
            proxy.address, key, run.random.getrandbits(32), ends, sent), daemon=True)
        for proxy in proxies for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 30)
    run.require(direct.finish(30), "the direct client's reports were not answered within 30 s")
    run.require(direct.connections == 1, "the direct client lost its connection")
    run.require(not direct.refusals, f"the direct client was refused {direct.refusals[:3]}")
    for proxy in proxies:
        proxy.close()
        run.count("flips", proxy.counts["flips"])
    run.count("direct reports", len(ledger.acknowledged))
    return ledger


def alive(run, server):
    """The server runs, and nothing in its log is a fault of its own."""
    run.require(server.process.poll() is None,
                f"the server ended with {server.process.poll()}: {server.error_text()[-2000:]}")
    text = server.error_text()
    for sign in ("level=error", "Fatal error", "INTERNAL"):
        run.require(sign not in text, f"the server's log has {sign}: {text[-2000:]}")


@harness("proxy", seconds=180, short_seconds=14)
def proxy(run):
    """Bytes split, joined, delayed, cut, flipped: same results, and flips harm nobody else."""
    server = Server(run, flags=["--hello-timeout", "2s"])
    server.start()
    try:
        rounds(run, server)
    except Exception:
        alive(run, server)
        raise
    server.check()
    alive(run, server)
    server.stop()


def rounds(run, server):
    """Rounds of every kind until the time is over."""
    keys = {name: server.integration(name) for name in ("script", "direct", "flipped")}
    operator = server.operator()
    token = operator.call("CreateToken", name="reader", role=1).secret
    operator.close()
    same_answers(run, server, keys["script"], token)
    watcher = Watcher(server.tcp, keys["direct"])
    watcher.start()
    direct, sent = Ledger(), []
    for number in itertools.count(1):
        seconds = max(1.5, min(10, run.left() / 4)) if not run.short else 2
        clean = f"clean-{number}"
        ledger = clean_round(run, server, clean, server.integration(clean), CLEAN.values(), seconds)
        require_same(run, server, clean, ledger)
        alive(run, server)
        told = flipped_round(run, server, keys["direct"], keys["flipped"], sent, seconds)
        direct.acknowledged |= told.acknowledged
        require_same(run, server, "direct", direct)
        stored, _ = stored_reports(server, "flipped")
        run.require(len(stored) <= len(sent), f"{len(stored)} reports of {len(sent)} are stored")
        alive(run, server)
        run.count("rounds")
        if run.left() < 2 * seconds + 4:
            break
    watcher.stopping.set()
    watcher.join(10)
    run.require(not watcher.fault, f"the direct connection was harmed: {watcher.fault}")
    run.figure("direct calls", watcher.calls)
