"""The planted bugs: builds a server with each and shows which harness catches it, in how long, and
that the same harness finds nothing in the server without it."""
import os, re, shutil, subprocess, time
from pathlib import Path

from harness import HARNESSES, ROOT

# What was acknowledged is not there.
LOST = r"may be one of|is gone|were acknowledged and|came again|is shown, and is not"

# A bug of `plantedBugs` in Package.swift -> the harnesses that must catch it, each by itself, and
# what each must say of it: another fault would show nothing about this one.
CAUGHT_BY = {
    "acknowledge-before-commit": {"kill": r"acknowledged, \d+ stored|by its repl"},
    "ignore-failed-sync": {"storage": "behind the fault"},
    "leak-call": {"soak": "resident_bytes grew"},
    "leak-session": {"leaks": "AgentSession"},
    "length-off-by-one": {
        "bytes": r"session \w+ split at", "proxy": "the server ended with -|the connection ended"},
    "lost-wake-up": {"history": "prompt", "model": "a poll that waited did not get"},
    "missing-role-check": {"access": "expected ROLE_MISSING, got an answer"},
    "no-keepalive": {"network": "a lease was not back|half-open connections"},
    "no-lease-check": {"history": "fence", "model": "an old token was answered OK"},
    "no-log-renewal": {"storage": LOST},
    "no-login-limit": {"access": "wrong keys of one address"},
    "no-utf8-check": {"bytes": r" takes b['\"]", "hostile": r" with b['\"].* is answered"},
    "other-integration": {"access": "as other: expected LOG_UNKNOWN|another( integration|'s log)"},
    "plain-key-in-log": {"access": "secrets on disk"},
    "secrets-not-wiped": {"access": "secrets in the server's memory"},
    "synchronous-normal": {"power": LOST},
    "unbounded-write-queue": {"hostile": "MiB are resident"},
    "unbounded-abandoned": {"hostile": "p99 is|no ReportLog was answered"},
    "unlocked-agent": {"races": "AgentRecord"},
    "wall-clock-deadlines": {
        "clock": "ended after|not within|never|did not (end|come back)|agent that phones home"},
}

# A bug that a short form is too short for: the bound on time, and the attack that shows it.
LONGER = {
    ("unbounded-write-queue", "hostile"): (80, "slow_beaters"),
    ("unbounded-abandoned", "hostile"): (80, "cancelled_reports"),
    # One wake-up in some hundreds is lost, fewer on a busy machine: the long form makes a thousand.
    ("lost-wake-up", "model"): (60, None),
}

# These build the server themselves, with a sanitizer and the bug of the environment.
BUILD_THEMSELVES = {"races", "leaks"}


def built(bug, release):
    """The folder of the programs: a server that has the bug, and the others of `release`."""
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
        (programs / part).unlink(missing_ok=True)
        (programs / part).symlink_to(Path(release).resolve() / part)
    return programs


def form(bug, name):
    """In which form a harness is to find a bug: the bound on time, None for the short form's, and
    the attacks."""
    return LONGER.get((bug, name), (None, None))


def run_form(name, of, options, bug=None):
    """Runs a harness in a form; what it says, and how long it took."""
    seconds, attacks = of
    changed = {"TORTURE_ATTACKS": attacks} if attacks else {}
    if bug and name in BUILD_THEMSELVES:
        changed["INTEGRATION_PLANTED_BUG"] = bug
    options.short, options.seconds = seconds is None, seconds
    os.environ.update(changed)
    began = time.monotonic()
    verdict, said = options.run_one(HARNESSES[name], options)
    for variable in changed:
        del os.environ[variable]
    return verdict, said, time.monotonic() - began


class Controls:
    """The controls of one run, and how the server without a planted bug has done in each form."""

    def __init__(self, options):
        self.options, self.release = options, options.programs
        self.plain = {}

    def is_plain_well(self, name, of):
        """Whether a harness passes on the server as it is, in the same form and on the same
        machine: if not, what it says of a planted one is no proof. Once for each form."""
        if (name, of) not in self.plain:
            self.options.programs = self.release
            verdict, _, took = run_form(name, of, self.options)
            self.plain[name, of] = verdict
            print(f"no bug: {verdict} by {name} in {took:.1f} s", flush=True)
        return self.plain[name, of] in ("passed", "passed in part")

    def control(self, bug, name, programs):
        """Whether a harness finds its promise broken by the bug, and says so."""
        of = form(bug, name)
        if not self.is_plain_well(name, of):
            print(f"{bug}: NOT SHOWN by {name}: without the bug it is {self.plain[name, of]}",
                  flush=True)
            return False
        self.options.programs = programs
        verdict, said, took = run_form(name, of, self.options, bug)
        how = f"NOT CAUGHT ({verdict})"
        if verdict == "broken":
            is_this = re.search(CAUGHT_BY[bug][name], said)
            how = "caught" if is_this else "NOT CAUGHT (another fault was)"
        print(f"{bug}: {how} by {name} in {took:.1f} s", flush=True)
        return how == "caught"


def show(options):
    """Runs the controls of each bug, or of those named; 0 when each harness caught its bugs."""
    controls, results = Controls(options), []
    for bug in options.names or CAUGHT_BY:
        is_built = set(CAUGHT_BY[bug]) <= BUILD_THEMSELVES
        programs = controls.release if is_built else built(bug, controls.release)
        results += [controls.control(bug, name, programs) for name in CAUGHT_BY[bug]]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1
