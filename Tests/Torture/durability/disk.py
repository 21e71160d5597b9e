"""The simulated disk of disk.c from the outside: its control block, and a server on it."""
import itertools, mmap, shutil, struct, tempfile, threading, time
from pathlib import Path

from harness import compiled
from server import NotStarted, Server

WRITE, SYNC, TRUNCATE, OPEN, NAME = range(1, 6)
KINDS = {"write": WRITE, "sync": SYNC, "truncate": TRUNCATE, "open": OPEN, "name": NAME}
FIELDS = (
    "cut_at", "kill_at", "seed", "sync_ns", "fault_kind", "fault_at", "fault_errno", "fault_from",
    "honest", "events", *(f"calls_{kind}" for kind in range(6)), "faults", "was_cut",
    "was_killed", "kept", "dropped", "torn", "kept_names", "dropped_names")
TOLD = FIELDS.index("events")
PATH_AT = 8 * len(FIELDS)


class Disk:
    """The control block: fields are read and set by name while the server runs."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(PATH_AT + 256))
        with open(path, "r+b") as file:
            self.block = mmap.mmap(file.fileno(), 0)

    def __getitem__(self, name):
        return struct.unpack_from("=Q", self.block, 8 * FIELDS.index(name))[0]

    def __setitem__(self, name, value):
        struct.pack_into("=Q", self.block, 8 * FIELDS.index(name), value)

    def reset(self, **fields):
        """Forgets what was counted, and sets these fields and 0 for all others."""
        self.block[:] = bytes(len(self.block))
        for name, value in fields.items():
            self[name] = value

    @property
    def fault_path(self):
        """The file on which a call first failed."""
        return self.block[PATH_AT:].split(b"\0", 1)[0].decode(errors="replace")


class DiskServer(Server):
    """A server whose data directory is `disk/data` on the simulated disk. It listens on Unix
    sockets only, which keep what the server has said until it is read, also behind a kill."""

    def __init__(self, run, name, folder=None, flags=()):
        super().__init__(run, flags=flags, name=name)
        self.library = compiled("disk.c")
        self.listen = f"unix:{self.folder}/t"
        self.root = (folder or self.folder) / "disk"
        self.data = self.root / "data"
        self.disk = Disk(self.folder / "control")

    def wipe(self):
        """An empty disk."""
        self.end()
        shutil.rmtree(self.root, ignore_errors=True)
        self.forget()
        (self.root / "backups").mkdir(parents=True)

    def forget(self):
        """What the last process had not synced is on disk by now."""
        shutil.rmtree(f"{self.root}.left", ignore_errors=True)

    def begin(self, flags=(), seconds=60, **fields):
        """Starts on the simulated disk with these fields of its control block; False: the server
        ended before it was ready."""
        self.disk.reset(**fields)
        environment = {
            "LD_PRELOAD": str(self.library), "DISK_CONTROL": str(self.disk.path),
            "DISK_ROOT": str(self.root)}
        try:
            self.start(environment, seconds=seconds, flags=flags)
            is_ready = True
        except NotStarted:
            is_ready = False
        if self.disk["events"] == 0:
            raise RuntimeError(f"the disk saw no call of the server: {self.error_text()[-500:]}")
        return is_ready

    def end(self):
        """SIGKILL without a word."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()


class Workers:
    """Threads that do one case after the other until the time is over or one of them fails: the
    time goes into servers, so threads are enough. `seconds` bound them instead of the run."""

    def __init__(self, run, count, seconds=None):
        self.run, self.lock, self.failure = run, threading.Lock(), None
        self.until = time.monotonic() + (run.left() if seconds is None else seconds)
        self.numbers = itertools.count()
        self.workers = count

    def count(self, name, by=1):
        """Adds to a figure."""
        with self.lock:
            self.run.count(name, by)

    def each(self, make, case):
        """Calls case(what `make` has made for the thread, number) with 0, 1, 2 and so on; a case
        returns False when there are no more."""
        def work(worker):
            try:
                mine = make(worker)
                while time.monotonic() < self.until and self.failure is None:
                    if case(mine, next(self.numbers)) is False:
                        return
            except BaseException as failure:
                self.failure = self.failure or failure
        threads = [threading.Thread(target=work, args=(i,)) for i in range(self.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failure:
            raise self.failure


def in_memory(run):
    """Moves the run's folder into memory where the machine has room for that: the disk is simulated
    and needs no real one below it."""
    if shutil.disk_usage("/dev/shm").free > 1 << 30:
        shutil.rmtree(run.scratch)
        run.scratch = Path(tempfile.mkdtemp(prefix="im-", dir="/dev/shm"))
