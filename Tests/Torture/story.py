"""What agents and operators do on a server in a power or storage run, by the seed, and what they
were promised for it."""
from client import RESOURCE_EXHAUSTED, Gone, Refused, uuid7
from promises import ABSENT, REPORTED, Broken, Client, audited, checked, found_on, notes_of
from schema import STATUS

AGENT = "agent-1"
ACTION = "export_order"
DONE, FAILED = STATUS.LOG_STATUS_COMPLETED, STATUS.LOG_STATUS_FAILED
QUEUED, RUNNING = STATUS.LOG_STATUS_QUEUED, STATUS.LOG_STATUS_IN_PROGRESS
CANCELLED = STATUS.LOG_STATUS_CANCELLED


class Story:
    """One life of a data directory: `act` goes on with it, `verify` holds it against what was
    promised. `result_bytes` bound the result of a report: large ones make the log grow fast."""

    def __init__(self, random, promises, result_bytes=200):
        self.random, self.promises, self.result_bytes = random, promises, result_bytes
        self.key = None
        self.reports = {}
        self.requests = {}
        self.notes = {}
        self.changes = {}
        self.touched = set()
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

    def change(self, method, name, value, then=None, /, **fields):
        """An operator's change of one thing that makes it have a value."""
        if name in self.touched:
            return
        self.touched.add(name)
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
        if name in self.touched:
            return
        self.touched.add(name)
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
            elif code not in self.tolerated:
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
        if self.key is None:
            self.make_key()
            self.operator.take_all()
        if self.key is None:
            raise Gone("without room there is no key")
        self.agent = Client(server.unix, self.key)
        if not self.has_actions:
            self.register()
            self.agent.take_all()

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

    def deeds(self):
        return (
            self.create_request, self.create_requests, self.poll, self.work, self.work,
            self.cancel, self.retry, self.note, self.handle, self.pause, self.update,
            self.make_key, self.revoke_key, self.make_token, self.revoke_token,
            self.make_schedule, self.change_schedule, self.override, self.pause_action,
            self.retain, self.new_integration, self.delete_integration)

    # ---- Agents ----

    def register(self):
        answered = self.promises.send(("action", "erp", ACTION), 1)

        def took(code, reply):
            answered(code == 0)
            self.has_actions = self.has_actions or code == 0
        self.agent.send("RegisterAction", took, agent_id=AGENT, actions=[dict(
            type=ACTION, name="Export", entity_type="order", can_be_requested=True)])

    def report_new(self):
        self.report(uuid7(self.random), 1, self.random.choice((DONE, DONE, DONE, FAILED, RUNNING)))

    def report_more(self):
        open_logs = [name for name in self.some("report") if self.promises.current(name)[1] == 2]
        if open_logs:
            name = self.random.choice(open_logs)
            sequence = self.promises.current(name)[0] + 1
            self.report(name[1], sequence, self.random.choice((RUNNING, DONE, FAILED)))

    def some(self, kind, most=30):
        """Some of the last things of a kind."""
        names = self.promises.names(kind)
        return names[-most:]

    def poll(self):
        def took(code, reply):
            for each in reply.requests if code == 0 else ():
                if not each.idempotency_key.startswith("key-"):
                    continue  # A retry: it is counted, and stays queued.
                self.promises.leases[each.log_id] = (each.lease_token, each.delivery)
                self.requests[each.log_id] = each.idempotency_key
                self.acknowledged("PollRequests" if reply.requests else "")
        self.agent.send(
            "PollRequests", took, agent_id=AGENT, maximum_requests=self.random.randrange(1, 5),
            lease_ms=3600000)

    def work(self):
        """The next report on something that is held."""
        held = list(self.promises.leases)
        if not held:
            return
        log = self.random.choice(held)
        name = "request", self.requests[log]
        state = self.promises.current(name)
        if state[1] not in (QUEUED, RUNNING):
            return
        self.report(log, state[0] + 1, self.random.choice((RUNNING, DONE, FAILED)), name,
                    lease_token=self.promises.leases[log][0])

    # ---- Operators ----

    def create_integration(self, name):
        def took(reply):
            self.promises.things.setdefault(
                ("key", reply.key.id), type(self.promises.things["integration", name])(
                    (name, True, False)))
            if name == "erp":
                self.key = reply.secret
        self.promises.strays["key"] += 1
        self.change("CreateIntegration", ("integration", name), (name, "A", "", False, ""),
                    lambda reply: (self.stray("key"), took(reply)), name=name, author="A",
                    support_contact="B")

    def stray(self, kind):
        self.promises.strays[kind] -= 1

    def new_integration(self):
        self.create_integration(self.fresh("new"))

    def delete_integration(self):
        names = [name for name in self.some("integration") if name[1].startswith("new")]
        if names:
            name = self.random.choice(names)
            keys = [key for key in self.promises.names("key")
                    if self.promises.current(key)[0] == name[1]]
            if self.touched & set(keys):
                return
            answers = [self.promises.send(key, ABSENT) for key in keys]
            self.touched |= set(keys)
            self.change("DeleteIntegration", name, ABSENT,
                        lambda reply: [answer(True) for answer in answers], name=name[1])

    def update(self):
        name, _, _, paused, reason = self.promises.current(("integration", "crm"))
        text = self.fresh("text")
        self.change("UpdateIntegration", ("integration", "crm"), (name, "A", text, paused, reason),
                    name="crm", update_fields=["description"], description=text)

    def pause(self):
        name, author, text, paused, _ = self.promises.current(("integration", "crm"))
        reason = "" if paused else self.fresh("reason")
        method = "ResumeIntegration" if paused else "PauseIntegration"
        fields = {} if paused else dict(reason=reason)
        self.change(method, ("integration", "crm"), (name, author, text, not paused, reason),
                    name="crm", **fields)

    def create(self, kind, method, value, /, **fields):
        """Makes a thing whose id is the server's."""
        self.promises.strays[kind] += 1

        def took(code, reply):
            self.stray(kind)
            if code == 0:
                made = reply.key if kind == "key" else reply.token
                self.promises.send((kind, made.id), value)(True)
                self.took(method)
                if kind == "key" and value[0] == "erp":
                    self.key = self.key or reply.secret
        self.operator.send(method, took, **fields)

    def make_key(self):
        live = [name for name in self.promises.names("key")
                if self.promises.current(name)[:2] == ("erp", True)]
        if len(live) + self.promises.strays["key"] < 2:
            self.create("key", "CreateKey", ("erp", True, False), integration="erp")

    def revoke_key(self):
        live = [name for name in self.promises.names("key")
                if self.promises.current(name)[:2] == ("erp", True)
                and not (self.key or "").startswith("imk_" + name[1])]
        if live:
            name = self.random.choice(live)
            self.change("RevokeKey", name, ("erp", False, False), key_id=name[1])

    def make_token(self):
        name = self.fresh("person")
        self.create("token", "CreateToken", (name, True), name=name, role=1)

    def revoke_token(self):
        live = [name for name in self.some("token") if self.promises.current(name)[1]]
        if live:
            name = self.random.choice(live)
            self.change("RevokeToken", name, (self.promises.current(name)[0], False),
                        token_id=name[1])

    def make_schedule(self):
        name = self.fresh("schedule")
        self.change("CreateSchedule", ("schedule", name), ("0 3 1 1 *", False, ""), schedule=dict(
            name=name, integration="erp", action_type=ACTION, cron="0 3 1 1 *",
            entity=dict(type="order", id="1")))

    def change_schedule(self):
        names = self.some("schedule")
        if not names:
            return
        name = self.random.choice(names)
        cron, paused, reason = self.promises.current(name)
        what = self.random.randrange(3)
        if what == 0:
            self.change("DeleteSchedule", name, ABSENT, name=name[1])
        elif what == 1:
            self.number += 1
            cron = f"{self.number % 60} {self.number // 60 % 24} 2 2 *"
            self.change("UpdateSchedule", name, (cron, paused, reason), update_fields=["cron"],
                        schedule=dict(name=name[1], cron=cron))
        elif paused:
            self.change("ResumeSchedule", name, (cron, False, ""), name=name[1])
        else:
            reason = self.fresh("reason")
            self.change("PauseSchedule", name, (cron, True, reason), name=name[1], reason=reason)

    def override(self):
        milliseconds = 600_000 + self.random.randrange(1_000_000) * 1000
        self.change("UpdateAction", ("override", "erp", ACTION), milliseconds, integration="erp",
                    type=ACTION, set=dict(fields=["queue_timeout_ms"],
                                          queue_timeout_ms=milliseconds))

    def pause_action(self):
        name = "action pause", "erp", ACTION
        if self.promises.current(name) == ABSENT and self.random.random() < 0.3:
            reason = self.fresh("reason")
            self.change("PauseAction", name, reason, integration="erp", type=ACTION, reason=reason)
        elif self.promises.current(name) != ABSENT:
            self.change("ResumeAction", name, ABSENT, integration="erp", type=ACTION)

    def retain(self):
        status = self.random.choice((DONE, FAILED))
        self.number += 1
        age = 86_400_000 * self.number
        self.change("SetRetention", ("retention", status), (age, 0),
                    rules=[dict(status=status, maximum_age_ms=age)])

    def create_request(self):
        key = self.fresh("key")

        def took(reply):
            self.requests[reply.log.id] = key
        self.change("CreateRequest", ("request", key), (0, QUEUED, "", 0), took,
                    integration="erp", action_type=ACTION, idempotency_key=key,
                    entity=dict(type="order", id=key))

    def create_requests(self):
        keys = [self.fresh("key") for _ in range(self.random.randrange(2, 20))]
        answers = [self.promises.send(("request", key), (0, QUEUED, "", 0)) for key in keys]

        def took(code, reply):
            for number, answer in enumerate(answers):
                answer(code == 0 and not reply.outcomes[number].failure.reason)
                if code == 0:
                    self.requests[reply.outcomes[number].log.id] = keys[number]
            if code == 0:
                self.took("CreateRequests")
        self.operator.send(
            "CreateRequests", took, integration="erp", action_type=ACTION,
            items=[dict(idempotency_key=key, entity=dict(type="order", id=key)) for key in keys])

    def cancel(self):
        for log, key in list(self.requests.items())[-20:]:
            name = "request", key
            if log in self.promises.leases or self.promises.current(name)[1] != QUEUED:
                continue
            if name in self.touched or self.agent.pending:
                return
            self.touched.add(name)
            reason = self.fresh("reason")
            answered = self.promises.send(name, (0, CANCELLED, reason, 0))

            def took(code, reply):
                # Where an agent holds it, it is asked, and the log stays as it is.
                answered(code == 0 and not reply.asked_agent)
            self.operator.send("CancelRequest", took, id=log, reason=reason)
            return

    def failed_log(self):
        failed = [name for name in self.some("report") if self.promises.current(name)[1] == FAILED
                  and name not in self.touched]
        return self.random.choice(failed) if failed else None

    def retry(self):
        name = self.failed_log()
        if name:
            made = self.promises.current(("retry", name[1]))
            self.change("RetryLog", ("retry", name[1]), 1 if made == ABSENT else made + 1,
                        id=name[1])

    def handle(self):
        name = self.failed_log()
        if name:
            is_handled = self.promises.current(("handled", name[1])) == ABSENT
            self.change("MarkHandled", ("handled", name[1]), True if is_handled else ABSENT,
                        id=name[1], handled=is_handled)

    def note(self):
        names = [name for name in self.some("report")
                 if name not in self.touched and len(self.promises.things[name].candidates) == 1]
        if names:
            log, text = self.random.choice(names)[1], self.fresh("note")
            kept = self.notes.setdefault(log, {})
            kept[text] = False

            def took(code, reply):
                if code == 0:
                    kept[text] = True
                    self.took("AddNote")
            self.operator.send("AddNote", took, id=log, note=text)

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
            self.verify_leases(requests)
            self.requests = {log: told[0] for log, told in requests.items()}
            self.verify_audit(audited(operator))
            for log, kept in list(self.notes.items())[-20:]:
                there = notes_of(operator, log)
                lost = [text for text, is_kept in kept.items() if is_kept and text not in there]
                if lost or set(there) - set(kept) or len(there) != len(set(there)):
                    raise Broken(f"log {log} has the notes {there} and was given {kept}")
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
