"""What the soak measures: the server's process and files, a healthy client's times, and trends."""
import collections, csv, multiprocessing, os, re, time

from client import Connection, uuid7
from harness import quantile
from schema import STATUS

MIB = 1 << 20
FIELDS = (
    "seconds", "resident_bytes", "allocated_bytes", "descriptors", "threads", "wal_bytes",
    "database_bytes",
    "report_p50_ms", "report_p99_ms", "list_p50_ms", "list_p99_ms", "sync_p50_ms", "sync_p99_ms",
    "cpu_us_per_call", "calls_per_second", "acknowledged")


def probe(address, unix, secret, folder, pipe):
    """The healthy paced client, in a process of its own so that the load's threads do not hold it
    up: 20 reports and 4 pages a second, and 4 times an own append and fdatasync beside them, which
    tells how fast disk and processor are at that moment."""
    agent, operator = Connection(address, secret), Connection(unix)
    found = collections.defaultdict(list)
    with open(folder / "probe", "wb", buffering=0) as file:
        number, due = 0, time.monotonic()
        while True:
            wait = max(0.0, due - time.monotonic())
            if pipe.poll(wait):
                if pipe.recv() == "end":
                    return
                pipe.send(found)
                found = collections.defaultdict(list)
                continue
            began = time.monotonic()
            agent.call("ReportLog", agent_id="probe", report=dict(
                log_id=uuid7(), sequence=1, action_type="check",
                status=STATUS.LOG_STATUS_COMPLETED))
            found["report"].append(time.monotonic() - began)
            if number % 5 == 0:
                began = time.monotonic()
                operator.call("ListLogs", page_size=50, filter=dict(integrations=["probe"]))
                found["list"].append(time.monotonic() - began)
                began = time.monotonic()
                file.seek(number % 256 * 4096)
                file.write(bytes(4096))
                os.fdatasync(file.fileno())
                found["sync"].append(time.monotonic() - began)
            number, due = number + 1, max(due + 0.05, time.monotonic() - 0.05)


class Sampler:
    """Takes samples of a server under load; each is a dictionary of FIELDS."""

    def __init__(self, world, secret):
        self.world, self.server, self.samples, self.times = world, world.server, [], []
        fork = multiprocessing.get_context("fork")
        self.pipe, theirs = fork.Pipe()
        self.child = fork.Process(
            target=probe, daemon=True,
            args=(self.server.tcp, self.server.unix, secret, world.run.scratch, theirs))
        self.child.start()
        theirs.close()
        self.operator = self.server.operator()
        self.began = time.monotonic()
        self.last, self.probed = (self.began, self.server.cpu_seconds(), 0), 0

    def end(self):
        """Ends the healthy client."""
        try:
            self.pipe.send("end")
        except OSError:
            pass  # It has ended already.
        self.child.join(10)
        self.operator.close()

    def file_bytes(self, suffix):
        path = self.server.data / f"integrations.db{suffix}"
        return path.stat().st_size if path.exists() else 0

    def take(self):
        """One sample; the times are those since the last one."""
        self.pipe.send("report")
        if not self.pipe.poll(60):
            raise AssertionError("a healthy client got no reply within a minute")
        times = self.pipe.recv()
        now, processor = time.monotonic(), self.server.cpu_seconds()
        with self.world.lock:
            calls = sum(self.world.calls.values())
            acknowledged = self.world.counted["acknowledged"]
        self.probed += len(times["report"]) + len(times["list"])
        calls += self.probed
        before, before_processor, before_calls = self.last
        self.last = now, processor, calls
        with open(f"/proc/{self.server.pid}/status") as status:
            text = status.read()
        # What is resident beyond this has been given back to malloc, but not to the system.
        allocated = self.operator.call("GetServerInfo").counters["memory_bytes"]
        made = max(1, calls - before_calls)
        self.times.append(times)
        self.samples.append(dict(
            seconds=round(now - self.began, 1),
            resident_bytes=int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024,
            allocated_bytes=allocated,
            threads=int(re.search(r"Threads:\s+(\d+)", text).group(1)),
            descriptors=self.server.descriptors(),
            wal_bytes=self.file_bytes("-wal"), database_bytes=self.file_bytes(""),
            cpu_us_per_call=round((processor - before_processor) / made * 1e6, 1),
            calls_per_second=round(made / max(0.001, now - before), 1),
            acknowledged=acknowledged,
            **{f"{kind}_p{percent}_ms": round(quantile(times[kind], percent / 100) * 1000, 3)
               for kind in ("report", "list", "sync") for percent in (50, 99)}))

    def pooled(self, kind, share, begin, end):
        """A quantile in ms over all samples between two shares of the run, as 0.25 and 0.5."""
        count = len(self.times)
        values = [value for times in self.times[int(begin * count):int(end * count)]
                  for value in times.get(kind, ())]
        return quantile(values, share) * 1000


def growth(samples, field):
    """How much a field grows over the second half, along the straight line through it (least
    squares), and how much that is an hour."""
    half = samples[len(samples) // 2:]
    xs, ys = [each["seconds"] for each in half], [each[field] for each in half]
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys)) / spread if spread else 0
    return slope * (xs[-1] - xs[0]), slope * 3600


def write_csv(path, samples):
    """All samples as a table, from which soakchart.py draws."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(samples)
