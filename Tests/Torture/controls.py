"""The planted bugs: builds a server with each and shows which harness catches it, in how long."""
import os, shutil, subprocess, time

from harness import HARNESSES, ROOT

# A bug of `plantedBugs` in Package.swift -> the harnesses that must catch it, each by itself.
CAUGHT_BY = {
    "acknowledge-before-commit": ["kill"],
    "ignore-failed-sync": ["storage"],
    "leak-call": ["soak"],
    "leak-session": ["leaks"],
    "length-off-by-one": ["bytes", "proxy"],
    "lost-wake-up": ["history", "model"],
    "missing-role-check": ["access"],
    "no-keepalive": ["network"],
    "no-lease-check": ["history", "model"],
    "no-log-renewal": ["storage"],
    "no-login-limit": ["access"],
    "no-utf8-check": ["bytes", "hostile"],
    "other-integration": ["access"],
    "plain-key-in-log": ["access"],
    "secrets-not-wiped": ["access"],
    "synchronous-normal": ["power"],
    "unbounded-write-queue": ["hostile"],
    "unlocked-agent": ["races"],
    "wall-clock-deadlines": ["clock"],
}

# A bug that a short form is too short for: the bound on time, and the attack that shows it.
LONGER = {("unbounded-write-queue", "hostile"): (45, "slow_beaters")}

# These build the server themselves, with a sanitizer and the bug of the environment.
BUILD_THEMSELVES = {"races", "leaks"}


def built(bug):
    """The folder of the programs, with a server that has the bug."""
    scratch = ROOT / ".build" / "planted"
    programs = scratch / "programs" / bug
    subprocess.run(
        ["swift", "build", "-c", "release", "--product", "integrationd", "--scratch-path",
         scratch / "build"],
        cwd=ROOT, check=True, env={**os.environ, "INTEGRATION_PLANTED_BUG": bug},
        stdout=subprocess.DEVNULL)
    programs.mkdir(parents=True, exist_ok=True)
    fresh = programs / "integrationd.fresh"
    shutil.copy2(scratch / "build" / "release" / "integrationd", fresh)
    fresh.rename(programs / "integrationd")
    # What is not part of the server is the same.
    for part in ("integrationctl", "integration-bench", "customsoft-agent",
                 "integration-manager_customsoft-agent.resources"):
        if not (programs / part).is_symlink():
            (programs / part).symlink_to(ROOT / ".build" / "release" / part)
    return programs


def control(bug, name, options):
    """Whether a harness, in its short form unless it needs longer, finds its promise broken."""
    changed = {"INTEGRATION_PLANTED_BUG": bug} if name in BUILD_THEMSELVES else {}
    options.short, options.seconds = True, None
    if (bug, name) in LONGER:
        options.short = False
        options.seconds, changed["TORTURE_ATTACKS"] = LONGER[bug, name]
    os.environ.update(changed)
    began = time.monotonic()
    verdict = options.run_one(HARNESSES[name], options)
    took = time.monotonic() - began
    for variable in changed:
        del os.environ[variable]
    caught = verdict == "broken"
    print(f"{bug}: {'caught' if caught else f'NOT CAUGHT ({verdict})'} by {name} in {took:.1f} s",
          flush=True)
    return caught


def show(options):
    """Runs the controls of each bug, or of those named; 0 when each harness caught its bugs."""
    release, results = options.programs, []
    for bug in options.names or CAUGHT_BY:
        options.programs = release if set(CAUGHT_BY[bug]) <= BUILD_THEMSELVES else built(bug)
        results += [control(bug, name, options) for name in CAUGHT_BY[bug]]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1
