"""What agents and operators do on a server in a power or storage run, by the seed, and what they
were promised for it."""
from client import RESOURCE_EXHAUSTED, Gone, Refused
from coupled import require_owners
from deeds import ACTION, AGENT, DONE, QUEUED, RUNNING, Deeds
from promises import ABSENT, REPORTED, Broken, Client, audited, checked, found_on, notes_of


class Story(Deeds):
    """One life of a data directory: `act` goes on with it, `verify` holds it against what was
    promised. `result_bytes` bound the result of a report: large ones make the log grow fast."""

    def __init__(self, random, promises, result_bytes=200):
        self.random, self.promises, self.result_bytes = random, promises, result_bytes
        self.key = None
        self.reports = {}
        self.requests = {}
        self.notes = {}
        self.changes = {}
        self.touched, self.pruned = set(), set()
        self.number = 0
        self.has_actions = False
        self.operator = self.agent = None
        # Hears of each acknowledgement, and says which codes a refusal may have; see storage.py.
        self.acknowledged = lambda method: None
        self.tolerated = {RESOURCE_EXHAUSTED}
        self.new_round = lambda: None

    # ---- Sending ----

    def fresh(self, prefix):
        self.number += 1
        return f"{prefix}-{self.number}"

    def may_touch(self, name):
        """Whether this round may change a thing: it has not yet, and nothing before is in doubt."""
        if name in self.touched or self.promises.is_unsure(name):
            return False
        self.touched.add(name)
        return True

    def change(self, method, name, value, then=None, /, **fields):
        """An operator's change of one thing that makes it have a value."""
        if not self.may_touch(name):
            return
        answered = self.promises.send(name, value)

        def took(code, reply):
            answered(code == 0)
            if code == 0:
                self.took(method)
                if then:
                    then(reply)
        self.operator.send(method, took, **fields)

    def took(self, method):
        self.changes[method] = self.changes.get(method, 0) + 1
        self.acknowledged(method)

    def report(self, log, sequence, status, name=None, **fields):
        """A report, which is sent; its thing is the log, or the request that it works on."""
        name = name or (REPORTED, log)
        if not self.may_touch(name):
            return
        size = self.random.randrange(self.result_bytes) if status == DONE else 0
        report = dict(
            log_id=log, sequence=sequence, action_type=ACTION, status=status,
            entity=dict(type="order", id=log[-6:]), status_message=f"{log} {sequence}",
            result='"' + "x" * size + '"' if size else "", **fields)
        before = self.promises.current(name)
        kept = before[3] if before != ABSENT and not size else 0
        value = sequence, status, report["status_message"], len(report["result"]) or kept
        self.reports.setdefault(log, {})[sequence] = report
        answered = self.promises.send(name, value)

        def took(code, reply):
            answered(code == 0)
            if code == 0:
                self.acknowledged("ReportLog")
            elif code not in self.tolerated or (
                    code == RESOURCE_EXHAUSTED and reply.reason != "STORAGE_FULL"):
                raise Broken(f"a report was refused: {reply}")
        self.agent.send("ReportLog", took, agent_id=AGENT, report=report)

    # ---- What happens ----

    def act(self, server, rounds, most=80):
        """Goes on until the server is gone, False, or the rounds are done, True."""
        try:
            self.operator = Client(server.unix)
            self.touched.clear()
            self.new_round()
            self.prepare(server)
            for _ in range(rounds):
                self.round(most)
            return True
        except (Gone, OSError):
            return False
        finally:
            self.settle()

    def prepare(self, server):
        """The integrations, the key and the actions that everything else is about."""
        for name in ("erp", "crm"):
            if self.promises.current(("integration", name)) == ABSENT:
                self.create_integration(name)
        self.operator.take_all()
        if self.promises.current(("integration", "crm")) == ABSENT:
            raise Gone("without room there are no integrations")
        if self.key is None:
            self.make_key()
            self.operator.take_all()
        if self.key is None:
            raise Gone("without room there is no key")
        self.agent = Client(server.unix, self.key)
        if not self.has_actions:
            self.register()
            self.agent.take_all()
        if not self.has_actions:
            raise Gone("without room there are no actions")

    def round(self, most):
        """Some reports and some changes in flight at once, then all answers."""
        self.touched.clear()
        self.new_round()
        for _ in range(self.random.randrange(1, most)):
            self.random.choice((self.report_new, self.report_new, self.report_more))()
        for deed in self.random.choices(self.deeds(), k=self.random.randrange(1, 6)):
            deed()
        self.operator.take_all()
        self.agent.take_all()

    def settle(self):
        """Takes what the server said before it went."""
        for client in (self.operator, self.agent):
            try:
                if client:
                    client.take_all()
            except (Gone, OSError):
                pass
            if client:
                client.close()
        self.operator = self.agent = None

    # ---- What must hold ----

    def verify(self, server):
        """Holds a server that started on what a fault left against all promises; returns how many
        things were checked."""
        try:
            operator = Client(server.unix).connection
            checked(operator)
            found, _ = found_on(operator)
            requests = {name[1]: found.pop(name) for name in list(found)
                        if name[0] == "request id"}
            count = self.promises.verify(found)
            require_owners(found)
            self.verify_leases(requests)
            self.requests = {log: told[0] for log, told in requests.items()}
            audit = audited(operator)
            self.verify_audit(audit.counts)
            audit.verify(found, self.requests, self.pruned)
            for log, kept in list(self.notes.items())[-20:]:
                there = notes_of(operator, log)
                lost = [text for text, is_kept in kept.items() if is_kept and text not in there]
                if lost or set(there) - set(kept) or len(there) != len(set(there)):
                    raise Broken(f"log {log} has the notes {there} and was given {kept}")
                if len(there) != audit.notes[log]:
                    raise Broken(f"log {log} has {len(there)} notes, {audit.notes[log]} audited")
            self.has_actions = ("action", "erp", ACTION) in found
            if self.key:
                shown = operator.call("RevealKey", key_id=self.key[4:12]).secret
                if shown != self.key:
                    raise Broken(f"key {self.key[4:12]} is shown, and is not what was given")
            operator.close()
            if self.key and self.has_actions:
                count += self.repeat(server)
            return count
        except (Gone, Refused, OSError) as error:
            raise Broken(f"the server could not be looked at: {error!r}") from error

    def stored(self):
        """The sequence and status of each log whose state is known."""
        logs = {name[1]: name for name in self.promises.names(REPORTED)}
        logs.update((log, ("request", key)) for log, key in self.requests.items())
        return {log: self.promises.current(name)[:2] for log, name in logs.items()
                if self.promises.current(name) != ABSENT and not self.promises.is_unsure(name)}

    def expect_pruned(self, found, status):
        """Logs that may have had this status may be gone: from now on those of them that are must
        stay so. Returns how many."""
        logs = {("request", key): log for log, key in self.requests.items()}
        logs.update((name, name[1]) for name in self.promises.things if name[0] == REPORTED)
        gone = 0
        for name, log in logs.items():
            values = self.promises.things[name].candidates
            if name in found or not any(each != ABSENT and each[1] == status for each in values):
                continue
            self.promises.things[name].candidates = [ABSENT]
            self.promises.leases.pop(log, None)
            self.pruned.add(log)
            self.notes.pop(log, None)
            gone += 1
        return gone

    def verify_leases(self, requests):
        for log, (_, delivery) in list(self.promises.leases.items()):
            if log not in requests:
                raise Broken(f"request {log} was leased and is gone")
            key, now, holder, _ = requests[log]
            if self.promises.current(("request", key))[1] not in (QUEUED, RUNNING):
                del self.promises.leases[log]
            elif now < delivery or (now == delivery and holder != AGENT):
                raise Broken(f"request {log} was leased as delivery {delivery} to {AGENT} and is "
                             f"delivery {now}, held by {holder or 'nobody'}")

    def verify_audit(self, counts):
        for method, least in self.changes.items():
            if counts.get(method, 0) < least:
                raise Broken(f"{least} calls of {method} were acknowledged and {counts} audited")

    def repeat(self, server):
        """Reports that come again: what is there is a duplicate, what is not is taken now."""
        agent = Client(server.unix, self.key)
        logs = list(self.reports)[-40:]
        for log in logs:
            name = (REPORTED, log) if (REPORTED, log) in self.promises.things else (
                "request", self.requests.get(log))
            now = self.promises.current(name)
            stored = 0 if now == ABSENT else now[0]
            for sequence, report in sorted(self.reports[log].items()):
                if report.get("lease_token") and sequence > stored:
                    continue
                self.repeat_one(agent, name, log, sequence, stored, report)
        agent.take_all()
        agent.close()
        return len(logs)

    def repeat_blindly(self, server):
        """Reports that come again before anybody has looked: an answer is a promise too."""
        agent = Client(server.unix, self.key)
        self.agent = agent
        for log, sequences in list(self.reports.items())[-60:]:
            sequence, report = max(sequences.items())
            if report.get("lease_token"):
                continue
            value = sequence, report["status"], report["status_message"], len(report["result"])
            thing = self.promises.things[REPORTED, log]

            def took(code, reply, thing=thing, value=value):
                if code == 0 and value in thing.candidates:
                    thing.candidates = thing.candidates[thing.candidates.index(value):]
            agent.send("ReportLog", took, agent_id=AGENT, report=report)
        agent.take_all()
        agent.close()

    def repeat_one(self, agent, name, log, sequence, stored, report):
        value = sequence, report["status"], report["status_message"], len(report["result"])
        is_new = sequence > stored
        if is_new:
            self.promises.send(name, value)(True)

        def took(code, reply):
            if code:
                raise Broken(f"report {sequence} of {log} came again and was refused: {reply}")
            if reply.duplicate == is_new:
                raise Broken(f"report {sequence} of {log}, of which {stored} are stored, came "
                             f"again and is {'a' if reply.duplicate else 'no'} duplicate")
        agent.send("ReportLog", took, agent_id=AGENT, report=report)
