"""The load of the soak: what agents and operators do all day, each actor at its own pace."""
import collections, heapq, os, threading, time, uuid

from client import CREDIT, MESSAGE, REPLY, Connection, Gone, Refused, frame, uuid7
from schema import METHODS, STATUS

REPORTED, REQUESTED, ROTATED = "erp", "shop", "crm"
ACTION = dict(
    type="export_order", name="Export Order", entity_type="order", can_be_requested=True,
    progress_timeout_ms=60_000, queue_timeout_ms=60_000,
    input_schema='{"type":"object"}',
    retry=dict(maximum_attempts=2, initial_backoff_ms=1_000))
# Refusals that the load itself brings about: two actors meet at one request, or a lease is let go.
EXPECTED = {
    "REQUEST_NOT_OPEN", "RETRY_NOT_POSSIBLE", "LEASE_LOST", "LOG_FINAL", "TOO_MANY_KEYS",
    "TOKEN_REVOKED", "LOG_UNKNOWN", "STATUS_INVALID", "NOT_A_FAILURE", "TOO_MANY_COUNTS"}


class World:
    """What the actors share: the server, the end of the run, what was counted and what was told."""

    def __init__(self, run, server, scale, maximum_age):
        self.run, self.server, self.scale = run, server, scale
        self.maximum_age = maximum_age
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.calls, self.refusals = collections.Counter(), collections.Counter()
        self.counted = collections.Counter()
        self.acknowledged, self.unknown = {}, {}
        self.faults = []
        self.secrets = {}

    def sent(self, log):
        """From now on the log may be stored."""
        with self.lock:
            self.unknown[log] = id_time(log)

    def acknowledge(self, log):
        """The log is stored, until retention takes it."""
        with self.lock:
            self.acknowledged[log] = self.unknown.pop(log, None) or id_time(log)
            self.counted["acknowledged"] += 1

    def count(self, name, by=1):
        with self.lock:
            self.counted[name] += by

    def spawn(self, actor, *arguments):
        """Starts an actor, whose end before the others' is a fault."""
        def body():
            try:
                actor(self, *arguments)
            except Exception as error:
                if not self.stop.is_set():
                    self.faults.append(f"{actor.__name__}: {error!r}")
                    self.stop.set()
        thread = threading.Thread(target=body, name=actor.__name__)
        thread.start()
        return thread

    def ticks(self, each_second):
        """Beats at this rate until the end; beats that could not be kept are left out."""
        pause = 1 / (each_second * self.scale)
        due = time.monotonic()
        while not self.stop.wait(max(0.0, due - time.monotonic())):
            yield
            due = max(due + pause, time.monotonic() - pause)

    def every(self, seconds):
        """Beats every some seconds, the first one after that time, until the end."""
        while not self.stop.wait(seconds):
            yield

    def operator(self):
        return Caller(self, self.server.unix)

    def agent(self, integration):
        return Caller(self, self.server.tcp, self.secrets[integration])


class Caller(Connection):
    """A connection whose calls are counted, and whose expected refusals answer None."""

    def __init__(self, world, address, token=""):
        super().__init__(address, token)
        self.world = world

    def call(self, method, request=None, deadline_ms=None, /, **fields):
        try:
            return super().call(method, request, deadline_ms, **fields)
        except Refused as refused:
            with self.world.lock:
                self.world.refusals[refused.reason] += 1
            if refused.reason not in EXPECTED:
                raise
            return None
        finally:
            with self.world.lock:
                self.world.calls[method] += 1


def order(number):
    return dict(type="order", id=f"{number % 5000}", display_name=f"Order {number % 5000}")


def id_time(log):
    """The time of a UUIDv7, in seconds."""
    return (uuid.UUID(log).int >> 80) / 1000


def report(log, number, **fields):
    return dict(dict(
        log_id=log, sequence=1, action_type="export_order", entity=order(number),
        status=STATUS.LOG_STATUS_COMPLETED, status_message="exported",
        labels={"site": f"site-{number % 7}"}), **fields)


def report_single(world, agent):
    """Work in one report, now and then repeated, which must be told as a duplicate."""
    connection = world.agent(REPORTED)
    connection.call("RegisterAction", agent_id=agent, actions=[ACTION])
    for number, _ in enumerate(world.ticks(30)):
        log = uuid7()
        world.sent(log)
        ended = STATUS.LOG_STATUS_FAILED if number % 50 == 0 else STATUS.LOG_STATUS_COMPLETED
        body = report(log, number, status=ended)
        connection.call("ReportLog", agent_id=agent, report=body)
        world.acknowledge(log)
        if number % 40 == 0:
            again = connection.call("ReportLog", agent_id=agent, report=body)
            if not again.duplicate:
                raise AssertionError(f"the repeat of {log} is told as news")
    connection.close()


def report_steps(world, agent):
    """Work in steps, with counters and record errors; some of it is never ended."""
    connection = world.agent(REPORTED)
    for number, _ in enumerate(world.ticks(10)):
        log = uuid7()
        world.sent(log)
        connection.call("ReportLog", agent_id=agent, report=report(
            log, number, status=STATUS.LOG_STATUS_IN_PROGRESS, records_total=10))
        world.acknowledge(log)
        if number % 200 == 199:
            continue
        connection.call("ReportLog", agent_id=agent, report=dict(
            log_id=log, sequence=2, status=STATUS.LOG_STATUS_IN_PROGRESS, records_done=5,
            errors=[dict(reference_id=f"row-{number}", message="no such customer")]))
        connection.call("ReportLog", agent_id=agent, report=dict(
            log_id=log, sequence=3, status=STATUS.LOG_STATUS_COMPLETED, records_done=10,
            result='{"number":%d}' % number))
    connection.close()


def report_batches(world, agent):
    """Twenty reports in one call."""
    connection = world.agent(REPORTED)
    for number, _ in enumerate(world.ticks(2)):
        logs = [uuid7() for _ in range(20)]
        for log in logs:
            world.sent(log)
        answer = connection.call("ReportLogBatch", agent_id=agent, reports=[
            report(log, number * 20 + place) for place, log in enumerate(logs)])
        for log, outcome in zip(logs, answer.outcomes, strict=True):
            if outcome.code:
                raise AssertionError(f"a report of a batch: {outcome.reason}")
            world.acknowledge(log)
    connection.close()


def come_and_go(world, place):
    """An agent that connects, says what it can do, phones home, reports and is gone again, half of
    the time without waiting for the answer."""
    for number, _ in enumerate(world.ticks(1)):
        agent = f"visitor-{place}-{number % 10}"
        connection = world.agent(REPORTED)
        connection.call("RegisterAction", agent_id=agent, actions=[ACTION])
        connection.call("Heartbeat", agent_id=agent, instance_id=uuid7(), interval_ms=10_000)
        log = uuid7()
        world.sent(log)
        if number % 2:
            connection.call("ReportLog", agent_id=agent, report=report(log, number))
            world.acknowledge(log)
        else:
            connection.send("ReportLog", agent_id=agent, report=report(log, number))
        connection.close()


class Worker:
    """An agent that polls, holds what it gets for a while, and completes it."""

    def __init__(self, world, agent, random):
        self.world, self.agent, self.random = world, agent, random
        self.held, self.instance = [], uuid7()
        self.beat_at = 0
        self.connect()

    def connect(self):
        self.connection = self.world.agent(REQUESTED)
        self.connection.call("RegisterAction", agent_id=self.agent, actions=[ACTION])

    def run(self):
        while not self.world.stop.is_set():
            wait = 500
            if self.held:
                wait = max(0, min(500, int((self.held[0][0] - time.monotonic()) * 1000)))
            answer = self.connection.call(
                "PollRequests", agent_id=self.agent, maximum_requests=8, wait_ms=wait,
                lease_ms=30_000)
            for request in answer.requests:
                self.take(request)
            self.end_due()
            self.phone_home()
            if self.random.random() < 0.005:
                self.connection.close()
                self.connect()
        self.connection.call(
            "Heartbeat", agent_id=self.agent, instance_id=self.instance,
            state=METHODS["Heartbeat"].request(state=4).state)
        self.connection.close()

    def take(self, request):
        self.world.count("delivered")
        if request.delivery == 1 and self.random.random() < 0.03:
            return  # Never answered for: it returns to the queue and comes again.
        self.connection.call("ReportLog", agent_id=self.agent, report=dict(
            log_id=request.log_id, sequence=1, lease_token=request.lease_token,
            status=STATUS.LOG_STATUS_IN_PROGRESS))
        until = time.monotonic() + self.random.uniform(0, 2)
        heapq.heappush(self.held, (until, request.log_id, request.lease_token))

    def end_due(self):
        while self.held and self.held[0][0] <= time.monotonic():
            _, log, token = heapq.heappop(self.held)
            failed = self.random.random() < 0.05
            taken = self.connection.call("ReportLog", agent_id=self.agent, report=dict(
                log_id=log, sequence=2, lease_token=token, retryable=failed,
                status=STATUS.LOG_STATUS_FAILED if failed else STATUS.LOG_STATUS_COMPLETED))
            if taken is not None:
                self.world.count("worked")

    def phone_home(self):
        if time.monotonic() < self.beat_at:
            return
        self.beat_at = time.monotonic() + 2
        self.connection.call(
            "Heartbeat", agent_id=self.agent, instance_id=self.instance, interval_ms=5_000,
            leases=[dict(log_id=log, lease_token=token) for _, log, token in self.held])


def work(world, agent, random):
    Worker(world, agent, random).run()


def ask(world, random):
    """An operator who asks for work, takes some of it back, and retries what failed."""
    connection = world.operator()
    recent = collections.deque(maxlen=20)
    for number, _ in enumerate(world.ticks(5)):
        made = connection.call(
            "CreateRequest", integration=REQUESTED, action_type="export_order",
            entity=order(number), input='{"copies":%d}' % number,
            idempotency_key=f"soak-{number}" if number % 2 else "")
        world.acknowledge(made.log.id)
        recent.append(made.log.id)
        if number % 10 == 0:
            connection.call("CancelRequest", id=random.choice(recent), reason="not wanted")
        if number % 10 == 5:
            failed = connection.call(
                "ListLogs", page_size=1, filter=dict(
                    integrations=[REQUESTED], statuses=[STATUS.LOG_STATUS_FAILED]))
            for log in failed.logs:
                retried = connection.call("RetryLog", id=log.id, reason="once more")
                if retried is not None:
                    world.acknowledge(retried.log.id)
    connection.close()


def look(world, random):
    """An operator who looks around: pages, counts, charts, one log, the state of everything."""
    connection = world.operator()
    ways = [
        lambda: connection.call("GetStatus"),
        lambda: connection.call("ListLogs", page_size=50, filter=dict(integrations=[REPORTED])),
        lambda: connection.call("ListLogs", page_size=50, filter=dict(
            integrations=[REPORTED], statuses=[STATUS.LOG_STATUS_FAILED])),
        lambda: connection.call("ListLogs", page_size=20, filter=dict(
            entity_type="order", entity_ids=[str(random.randrange(5000))])),
        lambda: connection.call("ListRequests", page_size=50),
        lambda: connection.call("ListAgents"),
        lambda: connection.call("ListIntegrations"),
        lambda: connection.call("ListAudit", page_size=50),
    ]
    for number, _ in enumerate(world.ticks(8)):
        if number % 40 == 0:
            connection.call("CountLogs", by=[1, 2])
            connection.call("ChartLogs")
            connection.call("GroupFailures")
        page = ways[number % len(ways)]()
        if number % len(ways) == 1 and page.logs:
            connection.call("GetLog", id=random.choice(page.logs).id)
    connection.close()


def follow(world, seconds):
    """A tail that is cut off again and again and goes on where it was, or begins anew."""
    token = ""
    while not world.stop.is_set():
        connection = world.operator()
        call = connection.send("TailLogs", None, 0, resume_token=token)
        connection.write(frame(CREDIT, call=call, time_ms=64))
        ends, taken = time.monotonic() + seconds, 0
        while time.monotonic() < ends and not world.stop.is_set():
            kind, code, _, payload = connection.next_frame()
            if kind == REPLY:
                raise Refused("TailLogs", code, payload)
            if kind == MESSAGE:
                token = METHODS["TailLogs"].response.FromString(payload).resume_token or token
                taken += 1
                if taken % 32 == 0:
                    connection.write(frame(CREDIT, call=call, time_ms=32))
        connection.close()
        world.count("tailed", taken)
        with world.lock:
            world.calls["TailLogs"] += 1


def rotate(world, seconds):
    """Keys and tokens that come and go; an ended key must end its connections."""
    for _ in world.every(seconds):
        operator = world.operator()
        turned = operator.call("RotateKey", integration=ROTATED, expire_old_ms=1_000)
        if turned is None:
            operator.close()
            continue
        old = world.agent(ROTATED)
        old.call("Heartbeat", agent_id="turning", instance_id=uuid7(), interval_ms=60_000)
        world.secrets[ROTATED] = turned.secret
        try:
            while True:
                old.next_frame()
        except Gone as gone:
            if str(gone) != "TOKEN_REVOKED":
                raise AssertionError(f"an ended key's connection ended with {gone}") from gone
        old.close()
        token = operator.call("CreateToken", name="guest", role=1)
        guest = Caller(world, world.server.tcp, token.secret)
        guest.call("GetStatus")
        guest.close()
        operator.call("RevokeToken", token_id=token.token.id)
        operator.close()
        world.count("rotated")


def keep(world, seconds):
    """Backups and exports, one after the other; what they leave is deleted."""
    path = str(world.run.scratch / "backup")
    for number, _ in enumerate(world.every(seconds)):
        connection = world.operator()
        fields = dict(path=path) if number % 2 == 0 else {}
        name = "ExportData" if number % 2 else "BackUp"
        for _ in connection.messages(name, None, 0, **fields):
            pass
        if name == "BackUp":
            os.unlink(path)
        connection.close()
        world.count("backups" if name == "BackUp" else "exports")
        with world.lock:
            world.calls[name] += 1


def prune(world, seconds):
    """An operator who prunes by hand, which looks again at logs that ended while retention went by;
    by itself it does that once a day."""
    for _ in world.every(seconds):
        connection = world.operator()
        resume = False
        while not connection.call("PruneLogs", resume=resume).done:
            resume = True
        connection.close()
        world.count("prunings")
