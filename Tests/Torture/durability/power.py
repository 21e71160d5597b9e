"""The power goes at a seeded moment; what was acknowledged is there when it comes back."""
import random, shutil, sqlite3, uuid

from client import Gone, pages
from coupled_cases import self_test
from disk import DiskServer, Workers, in_memory
from harness import Violation, harness, quantile
from promises import Broken, Client, Promises, checked, found_on, stream
from schema import STATUS
from server import NotStarted
from story import Story

# Leases outlive a run, so that what is held stays held.
FLAGS = ["--grace-time", "10m", "--accept-timeout", "10m"]
SYNC_NS = 100_000
PRUNED_BYTES = 200_000
LEFTOVERS = ("*.partial", "backup.unfinished", "import-*.spool")


class Case:
    """One seed: a directory, what happens on it, where the power goes, and what must hold."""

    def __init__(self, power, server, seed):
        self.power, self.server, self.seed = power, server, seed
        self.random = random.Random(f"power {seed}")
        self.promises = Promises()
        self.story = Story(self.random, self.promises)

    def run(self):
        self.server.wipe()
        weights = {self.life: 8, self.start: 4, self.killed_start: 5, self.kill: 3, self.stop: 3,
                   self.heavy: 2, self.prune: 2, self.backup: 2, self.restore: 2, self.load: 1}
        scene = self.random.choices(list(weights), weights.values())[0]
        self.power.workers.count(scene.__name__)
        try:
            scene()
            self.power.workers.count("whole calls in doubt", self.promises.doubted)
        except Broken as broken:
            raise Violation(
                f"{scene.__name__}: {broken}; the files as the power left them are in "
                f"{self.server.folder}/image; replay with --seed {self.seed}") from broken

    # ---- The steps of a scene ----

    def begin(self, events, flags=(), **fields):
        """Starts with the power going at one of so many events."""
        fields.setdefault("cut_at", self.random.randrange(1, events))
        return self.server.begin(
            flags, seed=self.random.getrandbits(64),
            sync_ns=self.random.choice((0, SYNC_NS, 3 * SYNC_NS)), **fields)

    def end(self):
        """Waits for the cut where it is not yet made: the server stops, which writes too."""
        server, disk = self.server, self.server.disk
        if server.process.poll() is None:
            server.signal(15)
        code = server.wait()
        if code == 99:
            raise RuntimeError(server.error_text()[-500:])
        ended = ("cuts" if disk["was_cut"] else "kills" if disk["was_killed"]
                 else "ended before the cut")
        if ended == "ended before the cut" and code != 0:
            raise Broken(f"the server ended with {code}: {server.error_text()[-500:]}")
        workers = self.power.workers
        workers.count(ended)
        for name in ("kept", "dropped", "torn", "kept_names", "dropped_names"):
            workers.count(name.replace("_", " "), disk[name])
        self.keep_image()

    def keep_image(self):
        """What a violation is looked at with."""
        image = self.server.folder / "image"
        shutil.rmtree(image, ignore_errors=True)
        shutil.copytree(self.server.root, image)

    def again(self, flags=()):
        """The power is back: the server must start, on the real disk."""
        self.server.forget()
        try:
            self.power.ready.append(self.server.start(flags=flags))
        except NotStarted as error:
            raise Broken(f"it does not start again: {error}") from error
        for pattern in LEFTOVERS:
            left = list(self.server.root.rglob(pattern))
            if left:
                raise Broken(f"{left[0].name} is left behind")

    def verify(self):
        self.again()
        self.power.workers.count("checked", self.story.verify(self.server))
        # Both ways: what the next start finds is different.
        if self.random.random() < 0.5:
            self.server.kill()
        else:
            self.server.stop()

    # ---- Scenes ----

    def life(self):
        """Everything that people and agents do, over up to three cuts of one directory."""
        for _ in range(self.random.randrange(1, 4)):
            if self.begin(self.random.choice((300, 1500))):
                self.story.act(self.server, rounds=12)
            self.end()
            self.verify()

    def start(self):
        """The first start: the directory, the migrations, the sealing key, the first calls."""
        for _ in range(self.random.randrange(1, 4)):
            if self.begin(self.random.choice((30, 250))):
                self.story.act(self.server, rounds=1, most=5)
            self.end()
            self.verify()

    def stop(self):
        """A stop, which copies the log into the database and removes it, and the start behind."""
        if self.begin(2, cut_at=0):
            self.story.act(self.server, rounds=3)
        self.server.disk["cut_at"] = self.server.disk["events"] + self.random.randrange(1, 100)
        self.end()
        if self.random.random() < 0.5:
            if self.begin(60):
                self.story.act(self.server, rounds=1)
            self.end()
        self.verify()

    def heavy(self):
        """Results so large that the log is copied into the database while reports come."""
        self.story.result_bytes = 200_000
        if self.begin(2, cut_at=0):
            self.story.act(self.server, rounds=1, most=60)
            disk = self.server.disk
            disk["cut_at"] = disk["events"] + self.random.randrange(1, 12_000)
            self.story.act(self.server, rounds=5, most=60)
        self.end()
        self.verify()

    def kill(self):
        """The server is killed, and the power goes during or behind its next start: what was in
        the cache alone may have been read, and may be what a repeat is answered from."""
        for _ in range(self.random.randrange(1, 3)):
            kill_at = self.random.randrange(1, self.random.choice((250, 1200)))
            if self.begin(2, cut_at=0, kill_at=kill_at):
                self.story.act(self.server, rounds=12)
            self.end()
        if self.begin(self.random.choice((40, 400))):
            try:
                if self.story.key and self.story.has_actions:
                    self.story.repeat_blindly(self.server)
                self.story.act(self.server, rounds=2)
            except (Gone, OSError):
                pass
        self.end()
        self.verify()

    def killed_start(self):
        """The first start is killed early, and the power goes behind what the next one has
        promised, which found names that are not on disk."""
        for _ in range(self.random.randrange(1, 3)):
            self.begin(2, cut_at=0, kill_at=self.random.randrange(1, self.random.choice((9, 40))))
            self.end()
        if self.begin(2, cut_at=0):
            self.story.act(self.server, rounds=1, most=5)
            disk = self.server.disk
            disk["cut_at"] = disk["events"] + self.random.randrange(1, 20)
        self.end()
        self.verify()

    def prune(self):
        """Retention takes logs away, the database gives pages back."""
        self.story.result_bytes = 100_000
        if self.begin(2, cut_at=0):
            self.story.act(self.server, rounds=2, most=60)
        cut = self.server.disk["events"] + self.random.randrange(1, 800)
        self.server.disk["cut_at"] = cut
        removed = 0
        try:
            operator = Client(self.server.unix).connection
            completed = STATUS.LOG_STATUS_COMPLETED
            answered = self.promises.send(("retention", completed), (0, PRUNED_BYTES))
            operator.call("SetRetention", rules=[
                dict(status=completed, maximum_bytes=PRUNED_BYTES)])
            answered(True)
            while True:
                step = operator.call("PruneLogs", resume=removed > 0)
                removed += step.removed_logs
                if step.done:
                    break
        except (Gone, OSError):
            pass
        self.end()
        self.again()
        operator = Client(self.server.unix).connection
        gone = self.story.expect_pruned(found_on(operator)[0], STATUS.LOG_STATUS_COMPLETED)
        if gone < removed:
            raise Broken(f"{removed} logs were removed, and only {gone} are gone")
        self.power.workers.count("pruned", gone)
        self.power.workers.count("checked", self.story.verify(self.server))
        self.server.kill()

    def backup(self):
        """A backup is whole under its name, or it is not there."""
        done, stored = [], {}
        if self.begin(2, cut_at=0):
            self.story.act(self.server, rounds=2)
            stored = self.story.stored()
            disk = self.server.disk
            disk["cut_at"] = disk["events"] + self.random.randrange(1, 140)
            try:
                for number in range(3):
                    path = self.server.root / "backups" / f"b{number}"
                    operator = Client(self.server.unix).connection
                    if any(step.done for step in stream(operator, "BackUp", path=str(path))):
                        done.append(path)
            except (Gone, OSError):
                pass
        self.end()
        self.again()
        for path in sorted((self.server.root / "backups").glob("*")) + done:
            if not path.exists():
                raise Broken(f"{path.name} was acknowledged and is gone")
            self.look_at_backup(path, stored)
        self.power.workers.count("checked", self.story.verify(self.server))
        self.server.kill()

    def look_at_backup(self, path, stored):
        """Holds every log of a backup against what the server had when it began."""
        database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        logs = {str(uuid.UUID(bytes=log)): (sequence, status) for log, sequence, status
                in database.execute("SELECT id, sequence, status FROM logs")}
        database.close()
        wrong = {log: (logs.get(log), state) for log, state in stored.items()
                 if logs.get(log) != state}
        if verdict != "ok" or wrong:
            raise Broken(f"{path.name}: {verdict}; of {len(stored)} logs that were stored "
                         f"{len(wrong)} are not in it as they were: {list(wrong.items())[:3]}")
        self.power.workers.count("backups checked")

    def restore(self):
        """A restore puts a whole database into the directory, or none; once the server is ready,
        it is there to stay."""
        is_ready = self.begin(
            self.random.choice((60, 250)), flags=["--restore", self.power.backup])
        self.end()
        is_done = is_ready or (self.server.data / "integrations.db").exists()
        self.power.workers.count("restores that were ready", int(is_ready))
        self.again(() if is_done else ["--restore", self.power.backup])
        self.look_at_copy("a restore", is_done=True)

    def load(self):
        """An import stores everything or nothing."""
        is_done = False
        if self.begin(2, cut_at=0):
            disk = self.server.disk
            disk["cut_at"] = disk["events"] + self.random.randrange(1, 160)
            try:
                operator = Client(self.server.unix).connection
                lines = self.power.lines
                step = operator.call("ImportData", first_line=1, lines=lines[:100])
                step = operator.call("ImportData", import_id=step.import_id, first_line=101,
                                     lines=lines[100:])
                operator.call("ImportData", import_id=step.import_id, finish=True,
                              first_line=len(lines) + 1)
                is_done = True
            except (Gone, OSError):
                pass
        self.end()
        self.again()
        self.look_at_copy("an import", is_done)

    def look_at_copy(self, what, is_done):
        operator = Client(self.server.unix).connection
        checked(operator)
        logs = operator.call("CountLogs").total
        names = [each.name for each in pages(operator, "ListIntegrations", "integrations")]
        wanted = self.power.copied
        if (logs, names) != wanted and (is_done or (logs, names) != (0, [])):
            raise Broken(f"{what} brought {logs} logs and {names}, not {wanted}")
        self.power.workers.count("checked", logs)
        self.server.kill()


class Power:
    """A run: what its cases share."""

    def __init__(self, run):
        self.run = run
        self.workers = Workers(run, 2)
        self.ready = []
        self.copied = self.lines = self.backup = None

    def prepare(self):
        """A backup and an export of a small store, to restore and to import."""
        server = DiskServer(self.run, "source", flags=FLAGS)
        server.wipe()
        server.start()
        story = Story(random.Random(1), Promises())
        story.act(server, rounds=5)
        operator = Client(server.unix).connection
        self.backup = server.folder / "backup"
        stream(operator, "BackUp", path=str(self.backup))
        self.lines = [line for step in stream(operator, "ExportData") for line in step.lines]
        self.copied = operator.call("CountLogs").total, [
            each.name for each in pages(operator, "ListIntegrations", "integrations")]
        server.kill()

    def case(self, server, number):
        if number < self.most:
            Case(self, server, self.run.seed + number).run()
            self.workers.count("seeds")
        return number < self.most

    def go(self):
        self.prepare()
        self.most = 70 if self.run.short else 1 << 40
        self.workers.each(
            lambda worker: DiskServer(self.run, f"w{worker}", flags=FLAGS), self.case)
        self.require_faults()
        self.run.figure("ready p50 ms", quantile(self.ready, 0.5) * 1000)
        self.run.figure("ready p99 ms", quantile(self.ready, 0.99) * 1000)


    def require_faults(self):
        """Nothing is shown where the power hardly went, or took nothing with it."""
        figures, require = self.run.figures, self.run.require
        seeds, cuts = figures.get("seeds", 0), figures.get("cuts", 0)
        require(seeds >= 10, f"only {seeds} seeds came about in {self.run.seconds:g} s")
        require(2 * cuts >= seeds, f"with {seeds} seeds the power went {cuts} times only")
        names = ("kept", "dropped", "torn") + (("dropped names",) if seeds >= 40 else ())
        for name in names:
            require(figures.get(name, 0) > 0, f"{seeds} seeds and {cuts} cuts have {name} nothing")


@harness("power", seconds=600, short_seconds=20)
def power(run):
    """Power loss at thousands of moments: all that was acknowledged is there, nothing by half."""
    run.figure("cases", self_test())
    in_memory(run)
    Power(run).go()
