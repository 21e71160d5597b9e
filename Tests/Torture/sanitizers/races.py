"""The thread sanitizer over the whole test suite and over a server under a mixed load."""
import os, re, shutil, subprocess

from harness import ALWAYS, Skipped, compiled, harness
from sanitized import Sanitizer, look_everywhere

# A continuation that is resumed before its task waits for it: the runtime, which is built without
# the sanitizer, then lets the task go on without the hand-over of which the sanitizer hears. What
# is accused is this one function that the compiler makes, which holds no line of ours.
SUPPRESSIONS = "race:s22withUnsafeContinuation9isolation_xScA_pSgYi_ySccyxs5NeverOGXEtYalFTY0_\n"

# Correct use of a contended lock and of continuations; with a field beside them, a race.
LOCK = """
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
CONTINUATION = """
import Foundation

final class Box: @unchecked Sendable { var beside = 0 }
struct Refusal: Error { var words: [String] = [] }

let box = Box()

func ask(_ number: Int) async -> Result<[Int], Refusal> {
  await withTaskCancellationHandler {
    await withUnsafeContinuation { (asker: UnsafeContinuation<Result<[Int], Refusal>, Never>) in
      DispatchQueue.global().async {
        asker.resume(returning: number % 3 == 0 ? .failure(Refusal()) : .success([number]))
      }
      usleep(UInt32(number % 40) * 10)
    }
  } onCancel: {
  }
}

await withTaskGroup(of: Void.self) { tasks in
  for _ in 0..<4 {
    tasks.addTask {
      for number in 0..<1_500 {
        _ = await ask(number)
        // BESIDE
      }
    }
  }
}
print("200")
"""


def sanitizer_of_threads(run):
    """The thread sanitizer, taught what a contended Mutex does (mutexedges.c)."""
    if shutil.which("clang") is None:
        raise Skipped("clang is not on the path: mutexedges.c needs Swift's calling convention")
    suppressions = run.scratch / "suppressions"
    suppressions.write_text(SUPPRESSIONS)
    return Sanitizer(
        "thread", lambda text: re.findall(r"^SUMMARY: ThreadSanitizer: (.*)$", text, re.M),
        {"LD_PRELOAD": str(compiled("mutexedges.c")),
         "TSAN_OPTIONS": "log_path=FOLDER/report:exitcode=0:history_size=4:print_suppressions=1:"
                         f"suppressions={suppressions}"},
        lambda text: sum(map(int, re.findall(r"Matched (\d+) suppressions", text))))


def reports_of(run, sanitizer, name, source, preloaded=True):
    """How much the sanitizer reports of a small program."""
    folder = run.scratch / name
    folder.mkdir()
    (folder / "main.swift").write_text(source)
    subprocess.run(
        ["swiftc", "-swift-version", "5", "-sanitize=thread", "main.swift", "-o", "main"],
        cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    environment = {**os.environ, **sanitizer.reported_to(folder / "reports")}
    if not preloaded:
        del environment["LD_PRELOAD"]
    said = subprocess.run(
        [folder / "main"], env=environment, check=True, capture_output=True, text=True).stdout
    if said != "200\n":
        raise AssertionError(f"the small program said {said}")
    return sum(sanitizer.reports(folder / "reports")[0].values())


def prove_sight(run, sanitizer):
    """The sanitizer is silent about correct use of locks and continuations, and sees a field beside
    them; without mutexedges.c it accuses the correct use, which is what that is for."""
    for name, source in (("lock", LOCK), ("continuation", CONTINUATION)):
        taught = reports_of(run, sanitizer, name, source)
        run.require(taught == 0, f"correct use of a {name} is reported {taught} times")
        beside = source.replace("// BESIDE", "box.beside += 1")
        run.require(
            reports_of(run, sanitizer, f"{name}-beside", beside) > 0,
            f"a field beside a {name} is not reported: the sanitizer is blind")
    run.figure("false reports without mutexedges.c", reports_of(
        run, sanitizer, "untaught", LOCK, preloaded=False))


@harness("races", seconds=3600, short_seconds=240, builds=ALWAYS)
def races(run):
    """The test suite and a server under load with the thread sanitizer: no data race."""
    sanitizer = sanitizer_of_threads(run)
    prove_sight(run, sanitizer)
    look_everywhere(run, sanitizer)
