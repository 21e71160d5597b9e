"""The single things that agents and operators do in a story: each chooses by the seed what it acts
on, sends the call, and says what it promises."""
from client import uuid7
from promises import ABSENT
from schema import STATUS

AGENT = "agent-1"
ACTION = "export_order"
DONE, FAILED = STATUS.LOG_STATUS_COMPLETED, STATUS.LOG_STATUS_FAILED
QUEUED, RUNNING = STATUS.LOG_STATUS_QUEUED, STATUS.LOG_STATUS_IN_PROGRESS
CANCELLED = STATUS.LOG_STATUS_CANCELLED


class Deeds:
    """What a Story can do; it says how calls are sent."""

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
            self.stray("key")
            self.promises.send(("key", reply.key.id), (name, True, False))(True)
            if name == "erp":
                self.key = reply.secret
        if self.promises.is_unsure(("integration", name)):
            return
        self.promises.strays["key"] += 1
        self.change("CreateIntegration", ("integration", name), (name, "A", "", False, ""),
                    took, name=name, author="A", support_contact="B")

    def stray(self, kind):
        self.promises.strays[kind] -= 1

    def new_integration(self):
        self.create_integration(self.fresh("new"))

    def delete_integration(self):
        names = [name for name in self.some("integration") if name[1].startswith("new")]
        if not names:
            return
        name = self.random.choice(names)
        keys = [key for key in self.promises.names("key")
                if self.promises.current(key)[0] == name[1]]
        whole = [*keys, name]
        if self.promises.is_unsure(name) or not all(self.may_touch(each) for each in whole):
            return
        answered = self.promises.send_whole("DeleteIntegration", dict.fromkeys(whole, ABSENT))

        def took(code, reply):
            answered([] if code else whole)
            if code == 0:
                self.took("DeleteIntegration")
        self.operator.send("DeleteIntegration", took, name=name[1])

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
        answered = self.promises.send_whole(
            "CreateRequests", {("request", key): (0, QUEUED, "", 0) for key in keys})

        def took(code, reply):
            made = {} if code else {
                each.log.id: key for key, each in zip(keys, reply.outcomes)
                if not each.failure.reason}
            answered([("request", key) for key in made.values()])
            self.requests.update(made)
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
            if self.agent.pending or not self.may_touch(name):
                return
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
