"""The planted bugs: builds a server with each and shows which harness catches it, in how long."""
import os, shutil, subprocess, time

from harness import HARNESSES, ROOT

# A bug of `plantedBugs` in Package.swift -> the harness that must catch it.
CAUGHT_BY = {
    "acknowledge-before-commit": "kill",
    "length-off-by-one": "proxy",
    "no-keepalive": "network",
    "no-utf8-check": "hostile",
    "unbounded-write-queue": "hostile",
}


def built(bug):
    """The folder with a server that has the bug; what an earlier build left is used again."""
    scratch = ROOT / ".build" / "planted"
    programs = scratch / "programs" / bug
    subprocess.run(
        ["swift", "build", "-c", "release", "--product", "integrationd", "--scratch-path",
         scratch / "build"],
        cwd=ROOT, check=True, env={**os.environ, "INTEGRATION_PLANTED_BUG": bug},
        stdout=subprocess.DEVNULL)
    programs.mkdir(parents=True, exist_ok=True)
    for program in ("integrationd",):
        fresh = programs / (program + ".fresh")
        shutil.copy2(scratch / "build" / "release" / program, fresh)
        fresh.rename(programs / program)
    # What is not part of the server is the same.
    for program in ("integrationctl", "integration-bench", "customsoft-agent"):
        link, target = programs / program, ROOT / ".build" / "release" / program
        if target.exists() and not link.exists():
            link.symlink_to(target)
    return programs


def show(options):
    """Runs the control of each bug, or of those named; 0 when each one was caught."""
    from __main__ import run_one
    unknown = [name for name in options.names if name not in CAUGHT_BY]
    if unknown:
        print(f"no planted bug is named {', '.join(unknown)}; there are {', '.join(CAUGHT_BY)}")
        return 2
    missed = []
    for bug in options.names or CAUGHT_BY:
        options.programs = built(bug)
        began = time.monotonic()
        verdict = run_one(HARNESSES[CAUGHT_BY[bug]], options)
        took = time.monotonic() - began
        caught = verdict == "broken"
        print(f"{bug}: {'caught' if caught else 'NOT CAUGHT'} by {CAUGHT_BY[bug]} in {took:.1f} s"
              + ("" if caught else f" ({verdict})"), flush=True)
        if not caught:
            missed.append(bug)
    total = len(options.names or CAUGHT_BY)
    print(f"{total - len(missed)} passed, {len(missed)} failed")
    return 1 if missed else 0
