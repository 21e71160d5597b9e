"""What the races and the leaks harness share: a build with a sanitizer, the test suite and a load
under it, and what it reports."""
import collections, os, re, signal, subprocess, time

from harness import ROOT, Violation
from soak import begin_load, started

# Without a line for so long, the suite hangs.
SILENCE_SECONDS = 600
# Tests that are left out, each with its reason.
LEFT_OUT = {
    "CostTests": "it counts under valgrind what calls cost the optimised server, which is another",
    "ComfortTests/completion": "a completion gives up within a time that it then does not keep",
}
# Of the tests in the sources, so many at the least must have run.
LEAST_SHARE = 0.9
# How many times longer the tests' limits on time are.
SLOWDOWN = 10


class Sanitizer:
    """One sanitizer: how to build with it, how it is told where to report, and functions
    that find the places in what it wrote and count what is known to be none."""

    def __init__(self, name, places, environment, left_out):
        self.name, self.places, self.environment = name, places, environment
        self.left_out = left_out
        bug = os.environ.get("INTEGRATION_PLANTED_BUG")
        # A planted server is built apart, so that the next build of the right one is a short one.
        self.scratch = ROOT / ".build" / (f"planted-{name}" if bug else name)

    @property
    def programs(self):
        return self.scratch / "debug"

    def build(self, run, *what):
        """Builds with the sanitizer, after the first time what has changed."""
        began = time.monotonic()
        output = run.scratch / "build"
        with open(output, "wb") as file:
            code = subprocess.run(
                ["swift", "build", "--sanitize", self.name, "--scratch-path", self.scratch, *what],
                cwd=ROOT, stdout=file, stderr=file).returncode
        if code:
            raise RuntimeError(f"the build failed: {output.read_text()[-2000:]}")
        run.figure("build s", time.monotonic() - began)

    def reported_to(self, folder):
        """The environment of a program that writes its reports into a folder."""
        folder.mkdir(exist_ok=True)
        return {name: value.replace("FOLDER", str(folder))
                for name, value in self.environment.items()} | {
                    "INTEGRATION_TEST_SLOWDOWN": str(SLOWDOWN)}

    def reports(self, folder):
        """How often each place was reported in a folder, and all reports as one text."""
        text = "".join(path.read_text(errors="replace") for path in sorted(folder.iterdir()))
        return collections.Counter(self.places(text)), text

    def judge(self, run, folder, what):
        """Counts what was reported; anything is a violation."""
        found, text = self.reports(folder)
        run.count(f"{what} reports", sum(found.values()))
        run.count("suppressed", self.left_out(text))
        if found:
            places = "; ".join(f"{place} ({times})" for place, times in found.most_common(5))
            kept = ROOT / ".build" / "torture" / f"{self.name}-reports"
            kept.write_text(text)
            raise Violation(f"{sum(found.values())} reports of {what}, in {kept}: {places}")


def unfinished(lines):
    """The tests that have begun and not ended, as a hanging suite leaves them."""
    open_tests = {}
    for line in lines:
        begun = re.match(r"◇ Test (?:case .* to )?(\".*\"|\S+)(?: with .*)? started\.", line)
        if begun and begun.group(1) != "run":
            open_tests[begun.group(1)] = line
        ended = re.match(
            r"[✔✘➜] Test (\".*\"|\S+)(?: with .*)? (?:passed|failed|skipped)", line)
        if ended:
            open_tests.pop(ended.group(1), None)
    return list(open_tests)


def tests_in_sources():
    """How many tests there are, those in suites that are left out apart."""
    files = [path for path in (ROOT / "Tests").rglob("*.swift")
             if path.stem not in {pattern.partition("/")[0] for pattern in LEFT_OUT}]
    return sum(len(re.findall(r"^\s*@Test\b", path.read_text(), re.M)) for path in files)


def run_suite(run, sanitizer):
    """The whole test suite, one test after another; its failures and its silence are violations."""
    folder, output = run.scratch / "suite-reports", run.scratch / "suite"
    command = [
        "swift", "test", "--sanitize", sanitizer.name, "--scratch-path", sanitizer.scratch,
        "--skip-build", "--disable-xctest", "--no-parallel"]
    for pattern in LEFT_OUT:
        command += ["--skip", pattern]
    began = time.monotonic()
    with open(output, "wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, **sanitizer.reported_to(folder)})
    run.at_end(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))
    while True:
        try:
            process.wait(10)
            break
        except subprocess.TimeoutExpired:
            if time.time() - output.stat().st_mtime > SILENCE_SECONDS:
                lines = output.read_text(errors="replace").splitlines()
                raise Violation(
                    f"the suite hangs in {unfinished(lines) or lines[-3:]}") from None
    text = output.read_text(errors="replace")
    run.figure("suite s", time.monotonic() - began)
    total = re.search(r"Test run with (\d+) tests", text)
    run.figure("tests", int(total.group(1)) if total else 0)
    run.figure("tests in the sources", tests_in_sources())
    run.figure("left out", len(LEFT_OUT))
    sanitizer.judge(run, folder, "suite")
    failed = sorted(set(re.findall(r"^✘ Test (\".*?\"|\S+) (?:with .*)?failed", text, re.M)))
    run.figure("tests failed", len(failed))
    run.require(process.returncode == 0 and total, (
        f"the suite ended with {process.returncode}: {failed[:5] or text[-500:]}"))
    run.at_least("tests", LEAST_SHARE * tests_in_sources())


def run_load(run, sanitizer, seconds):
    """The soak's mixed load on a server that was built with the sanitizer."""
    folder = run.scratch / "server-reports"
    run.programs = sanitizer.programs
    environment = sanitizer.reported_to(folder)
    world, _ = started(run, environment, scale=1)
    actors = begin_load(world, run.seed)
    run.at_end(world.stop.set)
    world.stop.wait(seconds)
    world.stop.set()
    for actor in actors:
        actor.join(60)
    if world.faults:
        raise Violation("; ".join(world.faults))
    world.server.stop(120)
    run.figure("load calls", sum(world.calls.values()))
    run.require(world.counted["worked"] and world.counted["tailed"], "a part of the load is idle")
    sanitizer.judge(run, folder, "server")


def look_everywhere(run, sanitizer):
    """The server under load, and in the long form the whole suite too, with the sanitizer."""
    if run.short:
        sanitizer.build(run, "--product", "integrationd")
    else:
        sanitizer.build(run, "--build-tests")
    run_load(run, sanitizer, 20 if run.short else 120)
    if not run.short:
        run_suite(run, sanitizer)
