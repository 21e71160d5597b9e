"""The address and leak sanitizers over the whole test suite and over a server under a mixed load."""
from harness import harness
from sanitized import Sanitizer, run_load, run_suite

# Tests that the sanitizer cannot run, each with its reason.
LEFT_OUT = []

# What the runtime keeps for the life of a process where the sanitizer cannot see it.
SUPPRESSIONS = ""


def sanitizer_of_addresses(run):
    """The address sanitizer with its check for leaks at the end of each process."""
    suppressions = run.scratch / "suppressions"
    suppressions.write_text(SUPPRESSIONS)
    return Sanitizer(
        "address", r"^SUMMARY: AddressSanitizer: (.*)$",
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
        run_suite(run, sanitizer, LEFT_OUT)
