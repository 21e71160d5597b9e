"""The disk fails: at each call in turn, slowly, when it is full, and under readers that last."""
import random, shutil

import storage_log
import storage_space
from client import Gone, Refused
from coupled_cases import self_test
from disk import KINDS, DiskServer, Workers, in_memory
from harness import Violation, harness
from promises import Broken, Client, Promises, stream
from server import NotStarted
from story import Story

EIO, ENOSPC, SHORT = 5, 28, 0
FLAGS = ["--grace-time", "10m", "--accept-timeout", "10m"]
UNAVAILABLE, RESOURCE_EXHAUSTED = 14, 8
CANNOT_START, STORE_FAILED = 1, 70
# Which call fails, how, whether it is one call or all from then on, and every how manieth is tried.
# Those that are not tried one by one have so much to write that the log is copied meanwhile.
SWEEPS = [
    (kind, number, is_lasting, step)
    for kind, step, numbers in (
        ("sync", 1, (EIO, ENOSPC)), ("write", 1, (EIO, ENOSPC, SHORT)),
        ("truncate", 1, (EIO, ENOSPC)), ("open", 1, (EIO, ENOSPC)), ("name", 1, (EIO, ENOSPC)),
        ("write", 97, (EIO, ENOSPC, SHORT)))
    for number in numbers for is_lasting in (False, True)]
# Every third case of the short form: a sync that fails once there is work, behind which a start
# must not believe what the cache has.
FAILED_SYNC = next(sweep for sweep in SWEEPS if sweep[:3] == ("sync", EIO, False))
FAILED_SYNCS = [*range(12, 25), *range(1, 12)]
# Less shows nothing.
LEAST_FAULTS, LEAST_FATAL = 10, 3
# What the harness needs for all but the sweeps.
OTHERS_SECONDS = 90
NAMES = {EIO: "EIO", ENOSPC: "ENOSPC", SHORT: "short"}


class Case:
    """The n-th call of a kind fails while the same things happen as in every other case."""

    def __init__(self, server, sweep, n, seed):
        self.server, (self.kind, self.number, self.is_lasting, step), self.n = server, sweep, n
        self.random = random.Random(f"storage {seed} {n}")
        is_heavy = step > 1 or self.kind == "sync"
        self.rounds, self.most = (7, 60) if is_heavy else (2, 8)
        self.story = Story(random.Random(seed), Promises(), 200_000 if is_heavy else 200)
        self.story.tolerated = {RESOURCE_EXHAUSTED, UNAVAILABLE}
        self.story.new_round = self.look
        self.story.acknowledged = self.acknowledged
        self.is_over = False
        self.path = ""
        self.was_ready = self.was_stopped = False
        self.refusals = {}

    @property
    def name(self):
        return (f"{self.kind} {self.n}{' and all behind it' if self.is_lasting else ''}, "
                f"{NAMES[self.number]}, on {self.path or 'nothing'}")

    @property
    def is_fatal(self):
        """Whether nothing may be acknowledged behind this fault, and the process must end."""
        return (self.path in ("integrations.db", "integrations.db-wal")
                and (self.kind == "sync" or self.kind == "write" and self.number == EIO))

    def look(self):
        """Before calls are sent: whether the fault lies behind."""
        self.path = self.server.disk.fault_path.rsplit("/", 1)[-1]
        self.is_over = self.server.disk["faults"] > 0 and self.is_fatal

    def acknowledged(self, method):
        if self.is_over:
            raise Broken(f"{method} was sent behind the fault, and acknowledged")

    def run(self):
        """False: there is no n-th call."""
        server, disk = self.server, self.server.disk
        server.wipe()
        self.was_ready = server.begin(
            seed=self.n, fault_kind=KINDS[self.kind], fault_at=self.n, fault_errno=self.number,
            fault_from=int(self.is_lasting))
        if self.was_ready:
            self.act()
        code = self.end()
        faults = disk["faults"]
        self.path = disk.fault_path.rsplit("/", 1)[-1]
        if faults == 0 and not self.is_lasting and code != 0:
            raise Broken(f"without a fault it ended with {code}: {server.error_text()[-300:]}")
        self.judge(code)
        self.restart()
        return faults > 0

    def act(self):
        """The same for every case, as far as it comes."""
        for _ in range(2):
            if self.story.act(self.server, self.rounds, self.most):
                break
        try:
            if self.server.process.poll() is None:
                operator = Client(self.server.unix).connection
                try:
                    stream(operator, "BackUp", path=str(self.server.root / "backups" / "b"))
                except Refused as refused:
                    self.look_at_backup(refused)
        except (Gone, OSError):
            pass
        self.look()
        was_faulty, before = self.server.disk["faults"] > 0, self.story.promises.acknowledged
        goes_on = self.story.act(self.server, rounds=1, most=8)
        if (goes_on and was_faulty and not self.is_lasting
                and self.story.promises.acknowledged == before):
            raise Broken("one fault is over, the server runs, and takes nothing")

    def look_at_backup(self, refused):
        """A backup that failed leaves nothing and says why."""
        self.look()
        if self.server.disk["faults"] == 0:
            raise Broken(f"a backup was refused without a fault: {refused}")
        left = [path.name for path in (self.server.root / "backups").iterdir()]
        # A name that cannot be removed stays until the next start.
        if left and self.kind != "name":
            raise Broken(f"a refused backup ({refused}) left {left}")

    def end(self):
        server = self.server
        if server.process.poll() is None:
            self.was_stopped = True
            server.signal(15)
        return server.wait()

    def judge(self, code):
        """How the process ended, and what it said."""
        said = self.server.error_text()
        last = [line for line in said.splitlines() if line.startswith("integrationd: ")][-1:]
        if code == 99:
            raise RuntimeError(said[-500:])
        if code < 0 or code not in (0, CANNOT_START, STORE_FAILED):
            raise Broken(f"it ended with {code}: {said[-500:]}")
        if code != 0 and not (last and len(last[0]) > 40):
            raise Broken(f"it ended with {code} and said only {said[-200:]!r}")
        if code == STORE_FAILED and "the store failed" not in last[0]:
            raise Broken(f"it ended with {code} and said {last[0]!r}")
        if code == 0 and not self.was_stopped:
            raise Broken("it ended with 0 and nobody stopped it")
        # A fault of the close itself comes behind the last acknowledgement.
        if code == 0 and self.is_over:
            raise Broken("it went on behind the fault")

    def restart(self):
        """Without faults everything promised is there: from the cache that the failed process
        left, and again when the power goes behind that."""
        server = self.server
        # The fault is over, and its file is known.
        self.is_over, self.story.new_round = False, lambda: None
        if self.kind == "sync":
            if self.random.random() < 0.4:
                self.start_without_room()
            # What a failed sync left in the cache is not on disk, and answers may rest on it.
            if server.begin(seed=self.n, cut_at=self.random.randrange(1, 120)):
                try:
                    if self.story.key and self.story.has_actions:
                        self.story.repeat_blindly(server)
                    self.story.act(server, rounds=1, most=5)
                except (Gone, OSError):
                    pass
            if server.process.poll() is None:
                server.disk["cut_at"] = 1
                server.signal(15)
            server.wait()
            if not server.disk["was_cut"]:
                raise Broken(f"without a fault it does not start: {server.error_text()[-300:]}")
        server.forget()
        image = server.folder / "image"
        shutil.rmtree(image, ignore_errors=True)
        shutil.copytree(server.root, image)
        try:
            server.start()
        except NotStarted as error:
            raise Broken(f"it does not start again: {error}") from error
        left = [path.name for path in server.root.rglob("*")
                if path.name.endswith((".partial", ".unfinished", ".spool"))]
        if left:
            raise Broken(f"{left} are left behind a restart")
        self.story.verify(server)
        server.kill()


    def start_without_room(self):
        """The log cannot be written once more: the start is refused, or answers by what is on disk
        when the power goes behind it."""
        server = self.server
        if server.begin(
                seed=self.n, fault_kind=KINDS["write"], fault_at=self.random.randrange(1, 14),
                fault_errno=ENOSPC):
            if self.story.key and self.story.has_actions:
                self.story.repeat_blindly(server)
            server.disk["cut_at"] = 1
            server.signal(15)
        code = server.wait()
        if not server.disk["was_cut"] and code not in (CANNOT_START, STORE_FAILED):
            raise Broken(f"without room it ended with {code}: {server.error_text()[-300:]}")


class Sweep:
    """All n of all sweeps, by as many threads as there are processors, for so many seconds."""

    def __init__(self, run, seconds):
        self.run = run
        self.workers = Workers(run, 2, seconds)
        self.ends, self.nexts = {}, {}
        self.sweeps = list(SWEEPS)
        self.tried = 0

    def next_place(self):
        """The next sweep and n, in the short form any; None: all are done."""
        with self.workers.lock:
            if self.run.short:
                self.tried += 1
                if self.tried % 3 == 1:
                    return FAILED_SYNC, FAILED_SYNCS[self.tried // 3 % len(FAILED_SYNCS)]
                sweep = self.run.random.choice(SWEEPS)
                most = {"write": 300, "sync": 60, "truncate": 3, "open": 30, "name": 12}[sweep[0]]
                return sweep, sweep[3] * self.run.random.randrange(most // min(sweep[3], 4)) + 1
            while self.sweeps and self.sweeps[0] in self.ends:
                self.sweeps.pop(0)
            if not self.sweeps:
                return None
            sweep = self.sweeps[0]
            n = self.nexts.get(sweep, 1)
            self.nexts[sweep] = n + sweep[3]
            return sweep, n

    def case(self, server, number):
        place = self.next_place()
        if place is None or (self.run.short and number >= 60):
            return False
        sweep, n = place
        case = Case(server, sweep, n, self.run.seed)
        try:
            has_call = case.run()
        except Broken as broken:
            raise Violation(f"{case.name}: {broken}; the files are in {server.folder}") from broken
        if not has_call:
            self.ends.setdefault(sweep, n)
        elif sweep not in self.ends:
            self.workers.count(f"{sweep[0]} {NAMES[sweep[1]]}")
            self.workers.count("faults")
            if case.is_fatal:
                self.workers.count("fatal")
        return True

    def go(self):
        self.workers.each(
            lambda worker: DiskServer(self.run, f"w{worker}", flags=FLAGS), self.case)
        if not self.run.short:
            self.run.figure("sweeps to the end", f"{len(self.ends)} of {len(SWEEPS)}")
        for name, least in (("faults", LEAST_FAULTS), ("fatal", LEAST_FATAL)):
            count = self.run.figures.get(name, 0)
            self.run.require(count >= least, f"{name}: only {count} came about, not {least}")


@harness("storage", seconds=1200, short_seconds=20)
def storage(run):
    """Calls that fail, a disk that is slow or full, readers that last: nothing untrue is said."""
    run.figure("cases", self_test())
    in_memory(run)
    # First, with a time of its own: the others take what they take.
    Sweep(run, run.left() - min(run.left() / 2, OTHERS_SECONDS)).go()
    storage_log.unread(run)
    storage_space.slow(run)
    storage_space.long_reader(run)
    storage_space.full(run)

