"""The other moments at which a server is killed: while it starts, stops, backs up, prunes and
imports; with what must hold of each afterwards."""
import os, signal, sqlite3, struct, subprocess, threading, time

from client import UNAVAILABLE, Connection, Gone, Refused, uuid7
from harness import Violation
from schema import STATUS
from server import NotStarted, Server
from span import Errands


def while_starting(run, server):
    """Starts that are cut off at any moment; the next one finds what they left."""
    for _ in range(run.random.randint(1, 3)):
        try:
            server.start(seconds=run.random.uniform(0.001, 0.08))
            server.kill()
        except NotStarted as error:
            if "was not ready" not in str(error):
                raise
        run.count("killed starts")


def while_stopping(run, server):
    """SIGTERM, and SIGKILL before or after the end; a clean end has code 0."""
    server.signal(signal.SIGTERM)
    try:
        code = server.process.wait(run.random.uniform(0, 0.15))
    except subprocess.TimeoutExpired:
        run.count("killed stops")
        server.kill()
        return
    if code != 0:
        raise Violation(f"integrationd ended with {code} after SIGTERM: {server.error_text()}")
    run.count("clean stops")


def log_bytes(path):
    """How much of a write-ahead log belongs to it as it is now, by the salts of its frames; what is
    behind them is left from before the last checkpoint."""
    try:
        log = open(path, "rb")
    except FileNotFoundError:
        return 0
    with log:
        header = log.read(32)
        if len(header) < 32:
            return 0
        page, salts = struct.unpack(">I", header[8:12])[0], header[16:24]
        frames = 0
        while True:
            log.seek(32 + frames * (24 + page))
            frame_header = log.read(24)
            if len(frame_header) < 24 or frame_header[8:16] != salts:
                return frames * page
            frames += 1


class BackUp:
    """A backup in the background; the kill comes somewhere in it."""

    def __init__(self, run, server, number):
        self.run, self.path = run, run.scratch / f"backup-{number}"
        self.done = False
        self.floor = 0
        self.connection = server.operator()
        self.thread = Errands()

    def start(self, acknowledged):
        """`acknowledged` logs were stored before it begins: so many it must hold."""
        self.floor = acknowledged
        self.thread.start(self._run)

    def _run(self):
        try:
            for message in self.connection.messages("BackUp", path=str(self.path)):
                self.done |= message.done
        except Refused as refused:
            if refused.code != UNAVAILABLE:
                raise Violation(f"a backup: {refused}") from refused
        except Gone:
            pass
        finally:
            self.connection.close()

    def compare(self):
        """A backup that was reported done is there; whatever is there is whole."""
        self.thread.join(60)
        partial = f"{self.path}.partial"
        if os.path.exists(partial):
            raise Violation(f"{partial} is left behind by a killed server")
        if not self.path.exists():
            if self.done:
                raise Violation(f"the backup {self.path} was done and is not there")
            self.run.count("backups cut off")
            return
        database = sqlite3.connect(f"file:{self.path}?mode=ro&immutable=1", uri=True)
        (verdict,) = database.execute("PRAGMA quick_check").fetchone()
        (logs,) = database.execute("SELECT count(*) FROM logs").fetchone()
        database.close()
        self.path.unlink()
        if verdict != "ok" or logs < self.floor:
            raise Violation(
                f"the backup says {verdict} and has {logs} logs, {self.floor} were there before")
        self.run.count("backups")


def prune(operator):
    """Prunes until nothing is left to prune, or the server is gone."""
    try:
        resume = False
        while not operator.call("PruneLogs", resume=resume).done:
            resume = True
    except Gone:
        pass
    except Refused as refusal:
        if refusal.code != UNAVAILABLE:
            raise
    finally:
        operator.close()


class Imports:
    """Imports into a second server that is killed somewhere in them: all of it or nothing."""

    def __init__(self, run):
        self.run, self.number, self.took = run, 0, 0.1
        source = Server(run, name="source")
        source.start()
        key = source.integration("erp")
        connection = Connection(source.tcp, key)
        for _ in range(3):
            connection.call("ReportLogBatch", agent_id="agent-1", reports=[
                dict(log_id=uuid7(run.random), sequence=1, action_type="export_order",
                     entity=dict(type="order", id=str(number)),
                     status=STATUS.LOG_STATUS_COMPLETED) for number in range(500)])
        connection.close()
        operator = source.operator()
        self.lines = [
            line for message in operator.messages("ExportData") for line in message.lines]
        operator.close()
        source.stop()

    def cycle(self):
        """One import, killed at a random moment, then the same again to its end."""
        self.number += 1
        server = Server(self.run, name=f"import-{self.number}")
        server.start()
        # Anywhere in an import of its usual length, and sometimes behind its end.
        delay = self.run.random.uniform(0.0, 1.3 * self.took)
        killer = threading.Timer(delay, server.kill)
        killer.start()
        finished = self._import(server)
        killer.join()
        server.start()
        found = self._logs(server)
        if found not in (0, 1500) or finished and not found:
            raise Violation(
                f"{found} of 1500 logs after a killed import; finished: {finished}")
        self.run.count("imports" if found else "imports cut off")
        began = time.monotonic()
        if not found and not self._import(server) or self._logs(server) != 1500:
            raise Violation("an import after a killed one did not bring all logs")
        if not found:
            self.took = time.monotonic() - began
        server.check()
        server.kill()

    def _import(self, server):
        try:
            operator, import_id, place = server.operator(), "", 0
            try:
                while True:
                    step = self.lines[place:place + 200]
                    finish = place + 200 >= len(self.lines)
                    answer = operator.call(
                        "ImportData", import_id=import_id, first_line=place + 1, lines=step,
                        finish=finish)
                    import_id, place = answer.import_id, place + 200
                    if finish:
                        return True
            finally:
                operator.close()
        except (Gone, ConnectionError, FileNotFoundError):
            return False
        except Refused as refusal:
            raise Violation(f"an import was refused: {refusal}") from refusal

    @staticmethod
    def _logs(server):
        operator = server.operator()
        total = operator.call("CountLogs").total
        operator.close()
        return total
