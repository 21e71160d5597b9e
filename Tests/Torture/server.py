"""A server of the run's own, started, killed and started again."""
import os, re, signal, subprocess, time

from client import Connection
from harness import Violation


class NotStarted(Exception):
    """The server ended, or was not ready in time."""


class Server:
    """integrationd on a directory of the run, listening on a Unix socket and on a loopback port.

    `environment` and `prefix` (a program that starts another, such as faketime or ip netns exec)
    go with every start; `flags` are integrationd's.
    """

    def __init__(self, run, flags=(), environment=None, prefix=(), name="server", listen=None):
        self.run, self.flags, self.prefix = run, list(flags), list(prefix)
        self.environment = dict(environment or {})
        self.folder = run.scratch / name
        self.folder.mkdir()
        self.data = self.folder / "data"
        self.unix = f"unix:{self.folder}/s"
        self.listen = listen or "tcp:127.0.0.1:0"
        self.tcp = None
        self.process = None
        self.errors = self.folder / "stderr"
        self.starts = 0
        run.at_end(self.kill)

    def start(self, environment=None, seconds=60, flags=()):
        """Starts the server, waits for its ready line, and returns the seconds that it took."""
        began = time.monotonic()
        offset = self.errors.stat().st_size if self.errors.exists() else 0
        self.starts += 1
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                [*self.prefix, self.run.programs / "integrationd", "--data", self.data,
                 "--listen", self.unix, "--listen", self.listen, *self.flags, *flags],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True,
                env={**os.environ, **self.environment, **(environment or {})})
        while True:
            text = self.error_text(offset)
            ready = re.search(r"^.*\bready\b.*$", text, re.M)
            if ready:
                found = re.search(r"tcp:[^\s,]+", ready.group())
                self.tcp = found.group() if found else None
                return time.monotonic() - began
            if self.process.poll() is not None:
                raise NotStarted(f"integrationd ended with {self.process.returncode}: {text}")
            if time.monotonic() - began > seconds:
                self.kill()
                raise NotStarted(f"integrationd was not ready within {seconds} s: {text}")
            time.sleep(0.002)

    def error_text(self, offset=0):
        with open(self.errors, "rb") as errors:
            errors.seek(offset)
            return errors.read().decode(errors="replace")

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        """Sends a signal to the whole group: a prefix's child too."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        """SIGKILL, and waits for the end."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self, seconds=60):
        """SIGTERM, and waits for the end, which must come in time and with exit code 0."""
        self.signal(signal.SIGTERM)
        code = self.wait(seconds)
        if code != 0:
            raise Violation(f"integrationd ended with {code} after SIGTERM: {self.error_text()}")

    def wait(self, seconds=60):
        """The exit code; a server that does not end in time is a violation."""
        if self.process is None:
            return None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            raise Violation(f"integrationd did not end within {seconds} s")

    def operator(self, timeout=60):
        """A connection of the operator `local` over the Unix socket."""
        return Connection(self.unix, timeout=timeout)

    def integration(self, name, types=("export_order",), agent="agent-1"):
        """Creates an integration that declares actions, and returns its key."""
        operator = self.operator()
        created = operator.call(
            "CreateIntegration", name=name, author="Example", support_contact="help@example.com")
        operator.close()
        agent_side = Connection(self.tcp or self.unix, created.secret)
        agent_side.call("RegisterAction", agent_id=agent, actions=[
            dict(type=type, name=type, entity_type="order", can_be_requested=True)
            for type in types])
        agent_side.close()
        return created.secret

    def lives(self, seconds=0.5):
        """Whether the process goes on; one that is ending has a moment to be gone."""
        try:
            return self.process.wait(seconds) is None
        except subprocess.TimeoutExpired:
            return True

    def check(self):
        """The store's own check over the protocol: a violation when it finds anything."""
        operator = self.operator(timeout=600)
        answer = operator.call("CheckStore")
        operator.close()
        if answer.problems:
            raise Violation(f"the store's check found {list(answer.problems)[:5]}")

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) * 1024

    def cpu_seconds(self):
        """Seconds of processor time that it has taken, all its threads, to the nanosecond: /proc
        counts in ticks of ten milliseconds."""
        # What clock_getcpuclockid(3) makes of a process on Linux; Python has it for threads only.
        return time.clock_gettime(~self.pid << 3 | 2)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
