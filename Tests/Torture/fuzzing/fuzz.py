"""Bytes from outside: sessions in pieces against a running server, and libFuzzer.

libFuzzer's targets are Swift functions in Tests/FuzzingTests; `swift test` replays their corpus and
every crash that was ever found. The long form builds the same functions, with the address
sanitizer, into a program of libFuzzer and looks for new bytes. Two variables of the environment
choose: FUZZ_TARGETS names targets, parted by commas (default all), and FUZZ_PACK=1 stores what was
found, merged, in Tests/Fuzzing/Corpus.
"""
import os, re, shutil, subprocess, time
from pathlib import Path

import garbage
import sessions
from harness import LONG, ROOT, Skipped, Violation, harness
from server import Server

DATA = ROOT / "Tests" / "Fuzzing"
SCRATCH = ROOT / ".build" / "fuzz"
PROGRAM = "integration-fuzz"
# So much of one target's inputs is kept in the repository: they are replayed by each test run.
MAXIMUM_PACK_BYTES = 160_000
RSS_MB, TIMEOUT_S = 2048, 25


def build(scratch, bug=None):
    """Builds the program into a folder of its own and returns its path; some minutes at first."""
    swiftc = shutil.which("swiftc")
    if swiftc is None:
        raise Skipped("swiftc is not on the path")
    folder = Path(os.path.realpath(swiftc)).parent.parent / "lib" / "clang"
    runtime = next(iter(folder.glob("*/lib/*/libclang_rt.fuzzer_no_main*")), None)
    if runtime is None:
        raise Skipped(f"the toolchain has no runtime of libFuzzer below {folder}")
    print("bytes: building the targets with the address sanitizer", flush=True)
    environment = {**os.environ, "INTEGRATION_FUZZ": str(runtime)}
    if bug:
        environment["INTEGRATION_PLANTED_BUG"] = bug
    subprocess.run(
        ["swift", "build", "-c", "release", "--product", PROGRAM, "--scratch-path", scratch],
        cwd=ROOT, check=True, env=environment, stdout=subprocess.DEVNULL)
    return Path(scratch) / "release" / PROGRAM


def unpack(pack, folder):
    """Writes each input of a pack (four bytes of length, big-endian, then the bytes) to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    data = pack.read_bytes() if pack.exists() else b""
    place = number = 0
    while place < len(data):
        count = int.from_bytes(data[place:place + 4], "big")
        (folder / f"{number:05}").write_bytes(data[place + 4:place + 4 + count])
        place, number = place + 4 + count, number + 1
    return number


def pack(folder, target):
    """Packs the inputs of a folder, the shortest first, as far as there is room."""
    inputs = sorted(
        {path.read_bytes() for path in folder.iterdir()}, key=lambda data: (len(data), data))
    packed = b""
    for data in inputs:
        if len(packed) + 4 + len(data) > MAXIMUM_PACK_BYTES:
            break
        packed += len(data).to_bytes(4, "big") + data
    (DATA / "Corpus").mkdir(parents=True, exist_ok=True)
    (DATA / "Corpus" / f"{target}.pack").write_bytes(packed)


class Fuzzer:
    """The program on one target, with the inputs that it starts from and those that it finds."""

    def __init__(self, run, program, name, maximum_bytes, keeps):
        self.run, self.program, self.name = run, program, name
        self.maximum_bytes = maximum_bytes
        self.folder = run.scratch / name
        self.stored = self.folder / "stored"
        # What earlier runs of this checkout found, beside what the repository has.
        self.found = (SCRATCH if keeps else self.folder) / "found" / name
        self.artifacts = self.folder / "artifacts"
        for folder in (self.artifacts, self.found, self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        unpack(DATA / "Corpus" / f"{name}.pack", self.stored)
        crashes = DATA / "Crashes" / name
        for crash in sorted(crashes.iterdir()) if crashes.exists() else ():
            shutil.copy2(crash, self.stored / crash.name)

    def start(self, *options, corpus=(), limit=600):
        """Runs libFuzzer to its end, which must come within a limit in seconds; returns its exit
        code, None where it had to be ended, and what it said."""
        environment = {
            **os.environ, "FUZZ_TARGET": self.name, "FUZZ_SCRATCH": self._memory(),
            # Swift's runtime keeps what it makes once: to the leak detector that is a leak. Its
            # own account of a crash would come between libFuzzer and the end.
            "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
            "SWIFT_BACKTRACE": "enable=no"}
        output = self.folder / "output"
        with open(output, "wb") as file:
            process = subprocess.Popen(
                [self.program, f"-max_len={self.maximum_bytes}", f"-rss_limit_mb={RSS_MB}",
                 f"-timeout={TIMEOUT_S}", f"-artifact_prefix={self.artifacts}/",
                 "-print_final_stats=1", *options, *corpus],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
            self.run.at_end(process.kill)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = None
        return code, output.read_text(errors="replace")

    def _memory(self):
        """A folder for stores, in memory where the system offers that."""
        base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else self.folder
        folder = base / f"im-fuzz-{os.getpid()}-{self.name}"
        if not folder.exists():
            folder.mkdir()
            self.run.at_end(lambda: shutil.rmtree(folder, ignore_errors=True))
        return str(folder)

    def replay(self):
        """Runs what is known, so that a fault that was found before shows at once."""
        return self.start("-runs=0", corpus=[self.stored])

    def search(self, seconds):
        """Looks for new inputs for a time."""
        return self.start(
            f"-seed={1 + self.run.seed % 0x7fffffff}", f"-max_total_time={max(1, int(seconds))}",
            "-use_value_profile=1", corpus=[self.found, self.stored], limit=2 * seconds + 300)

    def merge(self):
        """The least inputs that reach all that any input reached, as the repository keeps them."""
        merged = self.folder / "merged"
        merged.mkdir()
        code, said = self.start("-merge=1", corpus=[merged, self.stored, self.found])
        if code == 0:
            pack(merged, self.name)
        else:
            print(f"bytes: {self.name} was not merged: {said[-500:]}", flush=True)


def targets(program):
    """The names of all targets and the longest input of each, as the program says them."""
    listing = subprocess.run(
        [program], check=True, capture_output=True, text=True,
        env={key: value for key, value in os.environ.items() if key != "FUZZ_TARGET"})
    known = dict(line.split() for line in listing.stdout.splitlines() if len(line.split()) == 2)
    wanted = [name for name in os.environ.get("FUZZ_TARGETS", "").split(",") if name]
    unknown = [name for name in wanted if name not in known]
    if unknown or not known:
        raise ValueError(f"no target is named {unknown}; there are {', '.join(known)}")
    return {name: int(known[name]) for name in wanted or known}


def _statistics(said):
    """What libFuzzer counted: executions, edges, inputs, the slowest of them."""
    last = (re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)", said) or [("0", "0")])[-1]
    found = {name: int(value) for name, value in re.findall(r"stat::(\w+):\s+(\d+)", said)}
    return dict(
        executions=found.get("number_of_executed_units", 0), edges=int(last[0]),
        corpus=int(last[1]), slowest=found.get("slowest_unit_time_sec", 0),
        peak=found.get("peak_rss_mb", 0))


def _broken(fuzzer, said, keep):
    """Says what a run that ended early found, and keeps the input."""
    crash = next(iter(sorted(fuzzer.artifacts.iterdir())), None)
    lines = [line for line in said.splitlines() if re.search(
        r"Fatal error|ERROR: |SUMMARY: |runtime error", line)]
    said_why = "; ".join(lines[:3]) or said[-400:]
    if crash is None:
        return f"{fuzzer.name}: {said_why}"
    if keep:
        folder = DATA / "Crashes" / fuzzer.name
        folder.mkdir(parents=True, exist_ok=True)
        crash = Path(shutil.copy2(crash, folder))
    return f"{fuzzer.name}: {crash}: {said_why}"


def serve(run, seconds):
    """Recorded sessions in pieces and cut short, text that is none, and odd calls, against a
    running server: the same in both forms, but for the time."""
    server = Server(run)
    server.start()
    key = server.integration("erp")
    recorded = sessions.recorded(key)
    for session in recorded:
        sessions.split_everywhere(run, server, session)
        sessions.cut_everywhere(run, server, session)
    sessions.refuse_what_is_no_text(run, server, key)
    share = min(60, (seconds - (time.monotonic() - run.started)) / 2)
    sessions.split_in_three(run, server, recorded[1], time.monotonic() + share)
    garbage.make_calls(
        run, server, key, max(2, seconds - (time.monotonic() - run.started)))
    server.check()
    server.stop()


@harness("bytes", seconds=1080, short_seconds=20, builds=LONG)
def fuzz(run):
    """Sessions cut at every byte, odd calls, and libFuzzer on all that reads bytes: no crash."""
    program = run.programs / PROGRAM
    # A program that was given is a control's: what it finds is no fault of this version.
    is_control = program.exists()
    if (run.programs / "integrationd").exists() or not is_control:
        serve(run, run.seconds if run.short else min(120, run.seconds / 4))
    if not is_control:
        program = SCRATCH / "release" / PROGRAM
        if run.short:
            # The suite FuzzingTests replays corpus and crashes; a build with sanitizers takes
            # minutes.
            return
        program = build(SCRATCH)
        run.started = time.monotonic()
    search(run, program, is_control)


def search(run, program, is_control):
    """Replays what is known of each target, then looks for more, each for its share of the time."""
    fuzzers = [
        Fuzzer(run, program, name, maximum, keeps=not is_control)
        for name, maximum in targets(program).items()]
    faults = []
    for fuzzer in list(fuzzers):
        code, said = fuzzer.replay()
        if code != 0:
            # It would end every search at its beginning.
            fuzzers.remove(fuzzer)
            faults.append(_broken(fuzzer, said, keep=False))
            if is_control:
                raise Violation(faults[0])
    for number, fuzzer in enumerate(fuzzers):
        began = time.monotonic()
        code, said = fuzzer.search(run.left() / (len(fuzzers) - number))
        seconds = time.monotonic() - began
        counted = _statistics(said)
        rate = counted["executions"] / max(seconds, 0.001)
        print(
            f"bytes: {fuzzer.name}: {counted['executions']:,} executions ({rate:,.0f}/s), "
            f"{counted['edges']:,} edges, corpus {counted['corpus']:,}, "
            f"slowest {counted['slowest']} s, {counted['peak']:,} MB, {seconds:.0f} s"
            + (f", ENDED WITH {code}" if code != 0 else ""), flush=True)
        run.count("executions", counted["executions"])
        run.count("edges", counted["edges"])
        run.count("corpus", counted["corpus"])
        if code != 0:
            faults.append(_broken(fuzzer, said, keep=not is_control))
            run.count("crashes")
            if is_control:
                break
        elif os.environ.get("FUZZ_PACK") == "1":
            fuzzer.merge()
    run.figure("targets", len(fuzzers))
    run.require(not faults, "; ".join(faults))
