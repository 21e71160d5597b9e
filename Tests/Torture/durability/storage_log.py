"""The disk fails while nobody reads what the server says: standard error is a pipe that is full."""
import os, subprocess, threading, time

from client import Connection, Gone
from disk import KINDS, DiskServer
from storage_space import report

EIO, STORE_FAILED = 5, 70
# The server waits half a second for the reader of its last line; a busy machine takes its time.
END_SECONDS = 5.0
# Connections end at once; what is sent later than this behind the fault has no answer.
ANSWER_SECONDS = 0.3


def fill_pipe(pipe):
    """Fills it through a description of its own: the server's stays one that waits."""
    filler = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(filler, b"x" * 4096)
    except BlockingIOError:
        os.close(filler)


def until_ready(run, pipe):
    said = b""
    while b" ready" not in said:
        more = os.read(pipe, 4096)
        run.require(more, f"it ended, and said {said!r}")
        said += more


class Beats:
    """Heartbeats one after the other until the connection is gone."""

    def __init__(self, server, key):
        self.connection = Connection(server.unix, key, timeout=30)
        self.beat()
        self.latest = 0.0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def beat(self):
        self.connection.call("Heartbeat", agent_id="agent-1", instance_id="i")

    def run(self):
        try:
            while True:
                sent = time.monotonic()
                self.beat()
                self.latest = sent
        except (Gone, OSError):
            pass


def unread(run):
    """A sync fails: the process ends in time with its exit code, and answers nothing meanwhile."""
    server = DiskServer(run, "unread")
    server.wipe()
    server.disk.reset()
    reading, writing = os.pipe()
    server.process = subprocess.Popen(
        [run.programs / "integrationd", "--data", server.data, "--listen", server.unix],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writing,
        start_new_session=True, env={
            **os.environ, "LD_PRELOAD": str(server.library), "DISK_ROOT": str(server.root),
            "DISK_CONTROL": str(server.disk.path)})
    try:
        until_ready(run, reading)
        key = server.integration("erp")
        fill_pipe(writing)
        beats = Beats(server, key)
        agent = Connection(server.unix, key, timeout=30)
        disk = server.disk
        disk["fault_kind"], disk["fault_errno"], disk["fault_from"] = KINDS["sync"], EIO, 1
        disk["fault_at"] = disk["calls_2"] + 1
        agent.send("ReportLog", agent_id="agent-1", report=report(10))
        until = time.monotonic() + END_SECONDS
        while disk["faults"] == 0:
            run.require(time.monotonic() < until, "a report has met no sync")
            time.sleep(0.001)
        failed = time.monotonic()
        try:
            code = server.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        beats.thread.join(1)
        run.require(code == STORE_FAILED, f"nobody reads standard error, a sync has failed, and "
                    f"{END_SECONDS:g} s later its exit code is {code}, not {STORE_FAILED}")
        try:
            run.require(agent.receive() is None, "a report has an answer behind a failed sync")
        except (Gone, OSError):
            pass
        late = beats.latest - failed
        run.require(late < ANSWER_SECONDS, f"a call was answered {late:.2f} s behind a failed sync")
        run.figure("unread log: end behind a fault s", round(time.monotonic() - failed, 2))
    finally:
        server.kill()
        os.close(reading)
        os.close(writing)
