"""What every harness shares: a run with its seed, bounds and figures, and the ways it can end."""
import os, random, shutil, subprocess, sys, tempfile, threading, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / ".build" / "torture"
HARNESSES = {}
LONG, ALWAYS = "long", "always"
_COMPILING = threading.Lock()
# What the floods of a run send at most unless --traffic says otherwise. On two processors those of
# the long form send about 20 in their 300 s.
TRAFFIC_GIB = 256


class Violation(Exception):
    """A promise was broken: the run fails."""


class Skipped(Exception):
    """The machine lacks what the harness needs; the text says what."""


class TooLittle(Exception):
    """The run did less than what makes it one: it shows nothing, for or against the promise."""


class Overdue(BaseException):
    """The run has not ended long after its bound on time. No Exception, so that nothing that a
    harness expects of its server holds it up."""


class Harness:
    """One fault harness: its name, what it does, its bounds and the function that runs it."""

    def __init__(self, name, seconds, short_seconds, builds, function):
        self.name, self.seconds, self.short_seconds = name, seconds, short_seconds
        self.builds, self.function = builds, function
        self.summary = function.__doc__.strip().splitlines()[0]

    def latest_seconds(self, seconds, is_short):
        """When a run with this bound is ended from outside. What comes behind the bound, such as
        what is settled, is bounded too, but longer beside other work; the tests' own limit on a
        short form is 100 s. A build takes as long as the machine needs."""
        if self.builds == ALWAYS or self.builds == LONG and not is_short:
            return 2 * seconds + 7200
        return max(85, 2 * seconds) if is_short else 2 * seconds + 300


def harness(name, seconds, short_seconds, builds=None):
    """Registers a function that takes a Run. `seconds` bound the long form, `short_seconds` the
    form, which the tests run; the function looks at `run.left()` and ends in time by itself.
    `builds`: its LONG form builds programs first, or it does so ALWAYS."""
    def register(function):
        HARNESSES[name] = Harness(name, seconds, short_seconds, builds, function)
        return function
    return register


class Run:
    """One run of a harness: everything random comes from `random`, everything on disk is below
    `scratch`, and what is counted stands in `figures`, in the order of its first mention."""

    def __init__(self, name, seed, seconds, short, programs, traffic_gib=TRAFFIC_GIB):
        self.name, self.seed, self.seconds, self.short = name, seed, seconds, short
        self.programs = Path(programs)
        self.traffic_bytes = int(traffic_gib * (1 << 30))
        self.random = random.Random(f"{name} {seed}")
        self.figures, self.skipped = {}, {}
        self.started = time.monotonic()
        # Short, because the path of a Unix socket has at most 107 bytes.
        self.scratch = Path(tempfile.mkdtemp(prefix="im-"))
        self._ends = []

    def left(self):
        """Seconds until the bound on time, never below 0."""
        return max(0.0, self.started + self.seconds - time.monotonic())

    def count(self, name, by=1):
        """Adds to a figure."""
        self.figures[name] = self.figures.get(name, 0) + by

    def figure(self, name, value):
        """Sets a figure."""
        self.figures[name] = value

    def skip(self, part, reason):
        """A part of the harness is left out for what the machine lacks: the run passes in part."""
        self.skipped[part] = reason

    def at_least(self, name, least):
        """Ends the run as one that shows nothing when a figure is below what makes it one."""
        value = self.figures.get(name, 0)
        if value < least:
            raise TooLittle(f"{name}: {value}, and less than {least:g} shows nothing")

    def require(self, holds, what):
        """Ends the run with a violation unless the promise holds."""
        if not holds:
            raise Violation(what)

    def at_end(self, function):
        """Calls a function when the run ends, however it ends; the last one first."""
        self._ends.append(function)

    def finish(self, keep):
        for function in reversed(self._ends):
            try:
                function()
            except Exception as error:  # The verdict is already made; the rest must still be freed.
                print(f"{self.name}: at the end: {error!r}")
        if not keep:
            shutil.rmtree(self.scratch, ignore_errors=True)


def need_program(name, package):
    """The path of a program, or a skip that names Debian's package with it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise Skipped(f"{name} is not installed (Debian's package {package})")
    return path


def need_root(what):
    """Skips unless the user is root; `what` says what needs it."""
    if os.geteuid() != 0:
        raise Skipped(f"{what} needs root")


def build_programs():
    """Builds the released programs, which the harnesses are about."""
    for product in ("integrationd", "integrationctl", "customsoft-agent", "integration-bench"):
        subprocess.run(["swift", "build", "-c", "release", "--product", product], cwd=ROOT,
                       check=True, stdout=sys.stderr)


def quantile(values, share):
    """A quantile of unsorted values by nearest rank; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def compiled(source, *flags):
    """Compiles a C file of these folders into a shared library, once for each of its versions."""
    BUILD.mkdir(parents=True, exist_ok=True)
    path = next(Path(__file__).parent.rglob(source))
    library = BUILD / (path.stem + ".so")
    newest = max(each.stat().st_mtime for each in path.parent.glob("*.[ch]"))
    with _COMPILING:
        if library.exists() and library.stat().st_mtime >= newest:
            return library
        compiler = shutil.which("clang") or shutil.which("cc")
        if compiler is None:
            raise Skipped("neither clang nor cc is on the path")
        fresh = library.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [compiler, "-O2", "-fPIC", "-shared", "-Wall", "-Werror", *flags, "-o", fresh, path,
             "-ldl", "-lpthread"], check=True)
        fresh.rename(library)
    return library
