"""The address and leak sanitizers over the test suite and over a server under a mixed load."""
import os, re, subprocess

from harness import ALWAYS, ROOT, harness
from sanitized import Sanitizer, look_everywhere

# The words beside an object that has weak references (its side table) are no leak: the object
# points to them with shifted bits, which the sanitizer does not take for a pointer. They are left
# out here and not by the sanitizer, which would take a leaked object for one that is held, because
# its side table points to it.
SIDE_TABLE = "::formWeakReference()"

# An object that is kept and has had a weak reference; with the line, one that keeps itself.
WEAKLY_HELD = """
final class Node {
  var next: Node?
  var note = "a text that does not fit beside its length \\(Int.max)"
}

let kept = Node()

@inline(never) func look() -> Bool {
  weak var seen = kept
  // LOST
  return seen != nil
}

print(look())
"""
# Several, because a word of the stack may still point to the last.
LOST = "for _ in 0..<8 { let lost = Node(); lost.next = lost; weak var seen = lost; _ = seen }"


def places(text):
    """Each fault, and each leak with the first of our own lines that led to it; those that leaked
    objects hold are listed too, because in a ring there are no others."""
    found = re.findall(r"^SUMMARY: AddressSanitizer: ((?!\d+ byte).*)$", text, re.M)
    for leak in re.findall(r"^(?:Direct|Indirect) leak of .*(?:\n +#\d.*)+", text, re.M):
        if SIDE_TABLE in leak:
            continue
        frames = leak.splitlines()
        own = [frame for frame in frames if str(ROOT) in frame]
        what = frames[0].removesuffix(" allocated from:")
        found.append(f"{what}: {(own or frames[3:] or frames)[0].strip().partition(' in ')[2]}")
    return found


def sanitizer_of_addresses():
    """The address sanitizer with its check for leaks at the end of each process."""
    return Sanitizer(
        "address", places, {"ASAN_OPTIONS": "detect_leaks=1:log_path=FOLDER/report:exitcode=0"},
        lambda text: text.count(SIDE_TABLE))


def reports_of(run, sanitizer, name, source):
    """How much the sanitizer reports of a small program."""
    folder = run.scratch / name
    folder.mkdir()
    (folder / "main.swift").write_text(source)
    subprocess.run(
        ["swiftc", "-sanitize=address", "main.swift", "-o", "main"],
        cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(
        [folder / "main"], check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, **sanitizer.reported_to(folder / "reports")})
    return sum(sanitizer.reports(folder / "reports")[0].values())


def prove_sight(run, sanitizer):
    """The sanitizer is silent about an object that is kept, and sees one that keeps itself."""
    found = reports_of(run, sanitizer, "kept", WEAKLY_HELD)
    run.require(found == 0, f"an object that is kept is reported {found} times")
    lost = reports_of(run, sanitizer, "lost", WEAKLY_HELD.replace("// LOST", LOST))
    run.require(lost > 0, "an object that nobody can reach is not reported")


@harness("leaks", seconds=3600, short_seconds=240, builds=ALWAYS)
def leaks(run):
    """The test suite and a server under load with the address sanitizer: no fault, no leak."""
    sanitizer = sanitizer_of_addresses()
    prove_sight(run, sanitizer)
    look_everywhere(run, sanitizer)
