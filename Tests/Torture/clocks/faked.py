"""The wall clock of a program under test, set at will; its monotonic clock is left alone."""
import glob, os, re, time
from pathlib import Path

from harness import Skipped, compiled

# libfaketime sets a variable when it comes into a process, which moves the environment away from
# the arguments, where Swift's runtime looks for these. So another program comes first, and hands
# the variable on.
PREFIX = ["env"]


class FakedClock:
    """One clock, a file that libfaketime reads at each look. Programs that start behind PREFIX with
    `environment` see the machine's wall clock plus `offset` seconds."""

    def __init__(self, run, file, offset=0.0):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise Skipped("libfaketime is not installed (Debian's package faketime)")
        self.file = file
        self.environment = {
            "LD_PRELOAD": f"{compiled('untimed.c')}:{found[0]}",
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.set(offset)
        run.at_end(clean)

    def set(self, offset):
        """Sets the clock this many seconds ahead of the machine's; negative: behind it."""
        self.offset = offset
        fresh = self.file.with_suffix(".fresh")
        fresh.write_text(f"{offset:+.3f}\n")
        os.rename(fresh, self.file)

    def jump(self, seconds):
        """Sets the clock by some seconds from where it stands."""
        self.set(self.offset + seconds)

    def now(self):
        """What it shows."""
        return time.time() + self.offset


def clean():
    """Removes the shared memory of processes that have been killed."""
    for path in Path("/dev/shm").glob("*faketime_*"):
        number = re.search(r"\d+$", path.name)
        if number and not Path(f"/proc/{number.group()}").exists():
            path.unlink(missing_ok=True)
