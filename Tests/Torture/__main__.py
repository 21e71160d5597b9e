"""Runs fault harnesses: Scripts/torture [options] [name …]. Exit code 0: each passed, or what was
skipped of it has its reason; 1: a promise was broken; 2: wrong usage; 3: a harness itself failed,
or did too little to show anything."""
import argparse, difflib, math, os, signal, sys, threading, time, traceback
from pathlib import Path

# A folder for each group of harnesses; also for the programs of their own that they start.
FOLDERS = [Path(__file__).resolve().parent]
FOLDERS += sorted(each for each in FOLDERS[0].iterdir() if each.is_dir())
sys.path[:0] = map(str, FOLDERS)
os.environ["PYTHONPATH"] = os.pathsep.join(map(str, FOLDERS))

import catalogue  # noqa: E402,F401
import controls  # noqa: E402
from harness import (  # noqa: E402
    HARNESSES, ROOT, TRAFFIC_GIB, Overdue, Run, Skipped, TooLittle, Violation, build_programs)

# They run on builds of their own, and say so themselves where one is missing.
BUILD_THEIR_OWN = {"bytes", "races", "leaks"}


def arguments():
    parser = argparse.ArgumentParser(
        prog="Scripts/torture", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs the fault harnesses, all of them unless some are named.",
        epilog="harnesses:\n" + "\n".join(
            f"  {each.name:9} {each.summary} ({each.seconds} s)" for each in HARNESSES.values()))
    parser.add_argument(
        "names", nargs="*", metavar="name",
        help="a harness of those below, or with --controls a planted bug (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="what replays a run (default 1)")
    parser.add_argument(
        "--seconds", type=float, metavar="N",
        help="the bound on a harness's time (default: its own); at least half of its short form's")
    parser.add_argument(
        "--traffic", type=float, metavar="GIB", default=TRAFFIC_GIB,
        help="the bound on what the floods of hostile send, in GiB; the others send at a pace or "
        f"wait for answers (default {TRAFFIC_GIB})")
    parser.add_argument(
        "--short", action="store_true", help="the short forms, as Scripts/test runs them")
    parser.add_argument(
        "--programs", default=ROOT / ".build" / "release",
        help="the folder of the programs (default .build/release)")
    parser.add_argument(
        "--build", action="store_true", help="builds the programs first, as Scripts/torture does")
    parser.add_argument("--keep", action="store_true", help="keeps the scratch folders")
    parser.add_argument(
        "--controls", action="store_true",
        help="builds each planted bug (or those named) and shows which harness catches it")
    parser.add_argument(
        "--list", action="store_true", help="prints the names of the harnesses")
    return parser.parse_args()


def figures_text(run, seconds):
    parts = [f"seed {run.seed}"]
    for name, value in run.figures.items():
        if isinstance(value, float):
            value = f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
        elif isinstance(value, int):
            value = f"{value:,}"
        parts.append(f"{name} {value}")
    return ", ".join(parts + [f"{seconds:.0f} s"])


class Watch:
    """What is noticed beside a run: threads that end by what nobody took, and a run that does not
    end."""

    def __init__(self, seconds):
        self.seconds, self.faults = seconds, []

    def __enter__(self):
        threading.excepthook = self._of_thread
        signal.signal(signal.SIGALRM, self._overdue)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        return self

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        threading.excepthook = threading.__excepthook__

    def _of_thread(self, ended):
        self.faults.append(ended.exc_value or ended.exc_type())

    def _overdue(self, _, interrupted):
        names = {each.ident: each.name for each in threading.enumerate()}
        frames = {**sys._current_frames(), threading.get_ident(): interrupted}
        stacks = [
            f"{names.get(ident, ident)}:\n" + "".join(traceback.format_stack(each)[-4:])
            for ident, each in frames.items()]
        raise Overdue(f"not over after {self.seconds:.0f} s; its threads:\n" + "\n".join(stacks))

    def judge(self):
        """Raises what ended a thread: a broken promise before what may have followed from it."""
        for fault in sorted(self.faults, key=lambda each: not isinstance(each, Violation)):
            raise fault


def judged(run, function, seconds):
    """Runs a harness; returns its verdict and what is said beside it."""
    try:
        with Watch(seconds) as watch:
            try:
                function(run)
            except (Violation, KeyboardInterrupt):
                raise
            except BaseException:
                watch.judge()  # What ended the run may be what a thread's end led to.
                raise
            watch.judge()
        said = "\n".join(f"{part} is skipped: {why}" for part, why in run.skipped.items())
        return "passed in part" if run.skipped else "passed", said
    except Skipped as skipped:
        return "skipped", str(skipped)
    except Violation as violation:
        return "broken", str(violation)
    except (TooLittle, Overdue) as failure:
        return "failed", str(failure)
    except Exception:
        return "failed", traceback.format_exc()


def run_one(harness, options):
    """Runs one harness, prints its line, and returns its verdict (passed, passed in part, skipped,
    broken or failed) and what is said beside it."""
    default = harness.short_seconds if options.short else harness.seconds
    seconds = options.seconds if options.seconds is not None else default
    run = Run(harness.name, options.seed, seconds, options.short, options.programs,
              options.traffic)
    try:
        verdict, said = judged(
            run, harness.function, harness.latest_seconds(seconds, options.short))
    except BaseException:  # Ctrl-C or SIGTERM: nothing of what was started stays.
        run.finish(options.keep)
        raise
    took = time.monotonic() - run.started
    keep = options.keep or verdict in ("broken", "failed")
    run.finish(keep)
    for line in said.splitlines():
        print(f"{harness.name}: {line}")
    if keep:
        print(f"{harness.name}: its files stay in {run.scratch}")
    print(f"{harness.name}: {verdict}, {figures_text(run, took)}", flush=True)
    return verdict, said


def counted(verdicts):
    """The last line."""
    in_part, skipped = verdicts.count("passed in part"), verdicts.count("skipped")
    passed = verdicts.count("passed") + in_part
    text = f"{passed} passed, {len(verdicts) - passed - skipped} failed, {skipped} skipped"
    return f"{text}; {in_part} of those passed in part" if in_part else text


def mistake(options):
    """What is wrong with the line, in a sentence; None: nothing."""
    known = controls.CAUGHT_BY if options.controls else HARNESSES
    unknown = [name for name in options.names if name not in known]
    if unknown:
        kind = "planted bug" if options.controls else "harness"
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"no {kind} is named {', '.join(unknown)}; {hint}There are {', '.join(known)}"
    needs_programs = not BUILD_THEIR_OWN.issuperset(options.names or HARNESSES)
    if needs_programs and not (options.build or options.controls):
        server = Path(options.programs) / "integrationd"
        if not os.access(server, os.X_OK):
            return f"no integrationd in {options.programs}; build it (--build), or name its folder"
    if not (math.isfinite(options.traffic) and options.traffic > 0):
        return f"--traffic takes a number of GiB above 0, not {options.traffic:g}"
    if options.seconds is not None and not math.isfinite(options.seconds):
        return f"--seconds takes a number of seconds, not {options.seconds:g}"
    if options.seconds is None:
        return None
    if options.controls:
        return "each control has a time of its own: leave --seconds out"
    for name in options.names or HARNESSES:
        least = HARNESSES[name].short_seconds / 2
        if not options.seconds >= least:
            return f"{name} shows nothing in {options.seconds:g} s: give it {least:g} at least"
    return None


def main():
    options = arguments()
    if options.list:
        print("\n".join(HARNESSES))
        return 0
    wrong = mistake(options)
    if wrong:
        print(wrong, file=sys.stderr)
        return 2
    if options.build:
        build_programs()
    if options.controls:
        options.run_one = run_one
        return controls.show(options)
    chosen = [HARNESSES[name] for name in options.names] or list(HARNESSES.values())
    verdicts = [run_one(each, options)[0] for each in chosen]
    print(counted(verdicts))
    if "broken" in verdicts:
        return 1
    return 3 if "failed" in verdicts else 0


def end_descendants():
    """Kills what this process has started and what that has: a thread that was interrupted may have
    started something behind the end of its run."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; the parent is the second word behind it.
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # It has ended meanwhile.
    ours = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in ours} - ours:
        ours |= more
    for each in ours - {os.getpid()}:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        end_descendants()
        os._exit(130)  # Threads that still wait for a server that is gone do not hold it up.
    sys.exit(code)
