"""The address and leak sanitizers over the test suite and over a server under a mixed load."""
import re

from harness import ROOT, harness
from sanitized import Sanitizer, run_load, run_suite

# What the runtime keeps for the life of a process where the sanitizer cannot see it.
SUPPRESSIONS = ""


def places(text):
    """Each fault, and each leak with the first of our own lines that led to it; those that leaked
    objects hold are listed too, because in a ring there are no others."""
    found = re.findall(r"^SUMMARY: AddressSanitizer: ((?!\d+ byte).*)$", text, re.M)
    for leak in re.findall(r"^(?:Direct|Indirect) leak of .*(?:\n +#\d.*)+", text, re.M):
        frames = leak.splitlines()
        own = [frame for frame in frames if str(ROOT) in frame and "/checkouts/" not in frame]
        what = frames[0].removesuffix(" allocated from:")
        found.append(f"{what}: {(own or frames[3:] or frames)[0].strip().partition(' in ')[2]}")
    return found


def sanitizer_of_addresses(run):
    """The address sanitizer with its check for leaks at the end of each process."""
    suppressions = run.scratch / "suppressions"
    suppressions.write_text(SUPPRESSIONS)
    return Sanitizer(
        "address", places,
        {"ASAN_OPTIONS": "detect_leaks=1:log_path=FOLDER/report:exitcode=0",
         "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0"})


@harness("leaks", seconds=3600, short_seconds=240)
def leaks(run):
    """The test suite and a server under load with the address sanitizer: no fault, no leak."""
    sanitizer = sanitizer_of_addresses(run)
    if run.short:
        sanitizer.build(run, "--product", "integrationd")
    else:
        sanitizer.build(run, "--build-tests")
    run_load(run, sanitizer, 20 if run.short else 120)
    if not run.short:
        run_suite(run, sanitizer)
