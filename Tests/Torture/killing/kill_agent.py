"""The real agent under kills: every quote is exported once, and every report arrives."""
import csv, os, signal, sqlite3, subprocess, time

from client import Refused
from harness import ROOT, Violation
from kill_asked import FINAL, all_logs
from schema import STATUS

NAME = "customsoft"
COLUMNS = ("quote_number,account,contact_name,contact_email,currency,valid_until,part_number,"
           "description,quantity,unit_price").split(",")


class ExportingAgent:
    """customsoft-agent with its own database, outbox and folder of quotes, killed and started."""

    def __init__(self, run, server):
        self.run, self.server = run, server
        self.program = run.programs / "customsoft-agent"
        if not self.program.exists():  # A planted build has the server alone.
            self.program = ROOT / ".build" / "release" / "customsoft-agent"
        if not self.program.exists():
            raise FileNotFoundError(f"{self.program}: build the product customsoft-agent first")
        self.folder = run.scratch / "agent"
        (self.folder / "quotes").mkdir(parents=True)
        operator = server.operator()
        created = operator.call(
            "CreateIntegration", name=NAME, author="CustomSoft GmbH",
            support_contact="support@customsoft.example")
        operator.close()
        (self.folder / "key").write_text(created.secret)
        self.quotes, self.requests, self.process = [], 0, None
        run.at_end(self.kill)

    def start(self):
        """Starts the agent; its server may be away."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None and self.process.returncode != -signal.SIGKILL:
            raise Violation(
                f"the agent ended with {self.process.returncode}: "
                f"{(self.folder / 'stderr').read_text()[-2000:]}")
        with open(self.folder / "stderr", "ab") as errors:
            self.process = subprocess.Popen(
                [self.program, "--server", self.server.unix, "--key-file", self.folder / "key",
                 "--quotes", self.folder / "quotes", "--database", self.folder / "customsoft.db",
                 "--outbox", self.folder / "outbox.db", "--scan-every", "50ms", "--pause-ms", "5"],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True)

    def wait_until_registered(self, seconds=30):
        """Starts the agent and waits until it has declared what it can do."""
        self.start()
        operator = self.server.operator()
        began = time.monotonic()
        while not operator.call("ListActions", integration=NAME).actions:
            if time.monotonic() - began > seconds:
                raise Violation(f"the agent has declared nothing for {seconds} s")
            time.sleep(0.01)
        operator.close()

    def kill(self):
        """SIGKILL, in whatever it does."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def add_quotes(self, random):
        """A file with a few new quotes, there at once."""
        numbers = [f"Q-{len(self.quotes) + place}" for place in range(random.randint(1, 3))]
        fresh = self.folder / "fresh"
        with open(fresh, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(COLUMNS)
            for number in numbers:
                for part in range(random.randint(1, 4)):
                    rows.writerow([
                        number, "Acme", "Ada", "ada@acme.example", "USD", "2027-03-31",
                        f"HSG-{part}", "Housing", 24, "186.50"])
        fresh.rename(self.folder / "quotes" / f"{numbers[0]}.csv")
        self.quotes += numbers

    def ask(self, operator, random):
        """Asks for an export of one of the quotes, with a key of its own."""
        self.requests += 1
        try:
            operator.call(
                "CreateRequest", integration=NAME, action_type="export_quote",
                entity=dict(type="quote", id=random.choice(self.quotes)),
                idempotency_key=f"export-{self.requests}")
        except Refused as refusal:  # The action takes one open request for each quote.
            if refusal.reason != "REQUEST_OPEN_FOR_ENTITY":
                raise

    def database(self, name):
        """One of its databases, to look at."""
        return sqlite3.connect(f"file:{self.folder / name}?mode=ro", uri=True)

    def settle(self, seconds):
        """Waits until the agent, alive, has done all that there is."""
        self.start()
        operator = self.server.operator()
        began = time.monotonic()
        while True:
            logs = all_logs(operator, NAME)
            open_logs = [log for log in logs if log.status not in FINAL]
            done = {log.entity.id for log in logs if log.status == STATUS.LOG_STATUS_COMPLETED}
            missing = set(self.quotes) - done
            agents = operator.call("ListAgents", integration=NAME).agents
            if not open_logs and not missing and any(agent.connected for agent in agents):
                break
            if time.monotonic() - began > seconds:
                raise Violation(
                    f"after {seconds} s {len(open_logs)} logs are open, such as {open_logs[:1]}, "
                    f"and {len(missing)} quotes without a completed log, such as "
                    f"{sorted(missing)[:3]}; the agent says: "
                    f"{(self.folder / 'stderr').read_text()[-1000:]}")
            self.start()
            time.sleep(0.1)
        operator.close()
        return logs

    def compare(self, logs):
        """Every quote once in CustomSoft and never changed; nothing left in the outbox."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        if code != 0:
            raise Violation(f"the agent ended with {code} after SIGTERM")
        database = self.database("customsoft.db")
        rows = database.execute("SELECT number, revision FROM quote").fetchall()
        exported = [number for number, _ in rows]
        if sorted(exported) != sorted(self.quotes):
            raise Violation(
                f"{len(self.quotes)} quotes, {len(exported)} exports; not exported: "
                f"{sorted(set(self.quotes) - set(exported))[:5]}")
        changed = [row for row in rows if row[1] != 1]
        if changed:
            raise Violation(f"quotes were exported again: {changed[:5]}")
        said = sum(
            log.status == STATUS.LOG_STATUS_COMPLETED and log.status_message.startswith("Exported")
            for log in logs)
        if said > len(exported):
            raise Violation(f"{said} logs say that they exported, {len(exported)} quotes are there")
        database.close()
        outbox = self.database("outbox.db")
        for table in ("report", "open_log"):
            left = outbox.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            if left:
                raise Violation(f"{left} rows of {table} are left in the outbox")
        outbox.close()
        return len(exported)
