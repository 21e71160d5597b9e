"""The thread sanitizer over the whole test suite and over a server under a mixed load."""
import os, re, shutil, subprocess

from harness import BUILD, Skipped, compiled, harness
from sanitized import Sanitizer, run_load, run_suite

# Tests that the sanitizer cannot run, each with its reason.
LEFT_OUT = []

# Nothing but correct use of a contended lock, and the same with a field beside its lock.
CORRECT = """
import Foundation
import Synchronization

final class Box: @unchecked Sendable {
  let state = Mutex([0])
  var beside = 0
}

let box = Box()
let threads = (0..<4).map { _ in
  Thread {
    for _ in 0..<50 {
      box.state.withLock { numbers in
        numbers = [numbers[0] + 1]
        usleep(200)
      }
      // BESIDE
    }
  }
}
for thread in threads { thread.start() }
while threads.contains(where: { !$0.isFinished }) { usleep(1_000) }
print(box.state.withLock { $0[0] })
"""
PLANTED = CORRECT.replace("// BESIDE", "box.beside += 1")


def sanitizer_of_threads():
    """The thread sanitizer, taught what a contended Mutex does (mutexedges.c)."""
    if shutil.which("clang") is None:
        raise Skipped("clang is not on the path: mutexedges.c needs Swift's calling convention")
    return Sanitizer(
        "thread", lambda text: re.findall(r"^SUMMARY: ThreadSanitizer: (.*)$", text, re.M),
        {"LD_PRELOAD": str(compiled("mutexedges.c")),
         "TSAN_OPTIONS": "log_path=FOLDER/report exitcode=0 history_size=4"})


def reports_of(run, sanitizer, name, source, preloaded):
    """How much the sanitizer reports of a small program."""
    folder = run.scratch / name
    folder.mkdir()
    (folder / "main.swift").write_text(source)
    subprocess.run(
        ["swiftc", "-swift-version", "5", "-sanitize=thread", "main.swift", "-o", "main"],
        cwd=folder, check=True, stdout=subprocess.DEVNULL)
    total = []
    for preload in preloaded:
        reports = folder / f"reports-{preload}"
        environment = {**os.environ, **sanitizer.reported_to(reports)}
        if not preload:
            del environment["LD_PRELOAD"]
        said = subprocess.run(
            [folder / "main"], env=environment, check=True, capture_output=True, text=True).stdout
        if said != "200\n":
            raise AssertionError(f"the small program counted to {said}")
        total.append(sum(sanitizer.reports(reports)[0].values()))
    return total


def prove_sight(run, sanitizer):
    """The sanitizer is silent about correct use of a Mutex and sees a field beside one; without
    mutexedges.c it accuses the correct use, which is what its reports about Mutex are worth."""
    taught, untaught = reports_of(run, sanitizer, "correct", CORRECT, (True, False))
    planted, = reports_of(run, sanitizer, "planted", PLANTED, (True,))
    run.figure("false reports without mutexedges.c", untaught)
    run.require(taught == 0, f"a correct use of Mutex is reported {taught} times")
    run.require(planted > 0, "a field beside its lock is not reported: the sanitizer is blind")


@harness("races", seconds=3600, short_seconds=240)
def races(run):
    """The test suite and a server under load with the thread sanitizer: no data race."""
    sanitizer = sanitizer_of_threads()
    prove_sight(run, sanitizer)
    if run.short:
        sanitizer.build(run, "--product", "integrationd")
    else:
        sanitizer.build(run, "--build-tests")
    run_load(run, sanitizer, 20 if run.short else 120)
    if not run.short:
        run_suite(run, sanitizer, LEFT_OUT)
