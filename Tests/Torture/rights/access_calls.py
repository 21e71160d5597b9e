"""For each method a request about the integration `own` that is done when the caller may: made
anew for each call, so that a call which should have been refused would change something."""
from access_world import ACTION, declared, report
from client import uuid7
from schema import STATUS

ORDER = dict(type="order", id="1")


def of_own():
    return dict(integrations=["own"])


def leased(world):
    """A request of `own` that its agent holds: the log's id and the lease token."""
    wanted = world.request()
    agent = world.dial(world.keys["own"])
    while True:
        taken = agent.call("PollRequests", agent_id="agent-1", maximum_requests=100, lease_ms=60000)
        agent.call("Heartbeat", agent_id="agent-1", instance_id="i", interval_ms=60000, leases=[
            dict(log_id=each.log_id, lease_token=each.lease_token) for each in taken.requests])
        for each in taken.requests:
            if each.log_id == wanted:
                agent.close()
                return dict(log_id=each.log_id, lease_token=each.lease_token)


def paused(world, method, **fields):
    """What is paused, for a call that resumes it."""
    fields = fields or dict(name=spare_integration(world))
    world.operator.call(method, **fields)
    return fields


def spare_integration(world):
    name = world.new("spare-")
    world.integration(name)
    return name


def finished(held):
    return dict(held, sequence=1, status=STATUS.LOG_STATUS_COMPLETED)


CALLS = {
    "RegisterAction": lambda w: dict(agent_id="agent-1", actions=[declared()]),
    "ReportLog": lambda w: dict(agent_id="agent-1", report=finished(leased(w))),
    "PollRequests": lambda w: w.request() and dict(agent_id="agent-1", maximum_requests=100),
    "Heartbeat": lambda w: dict(
        agent_id="agent-1", instance_id="i", interval_ms=60000, leases=[leased(w)]),
    "ReportLogBatch": lambda w: dict(agent_id="agent-1", reports=[finished(leased(w))]),

    "GetServerInfo": lambda w: {},
    "GetStatus": lambda w: {},
    "ListIntegrations": lambda w: {},
    "GetIntegration": lambda w: dict(name="own"),
    "ListKeys": lambda w: dict(integration="own"),
    "ListActions": lambda w: dict(integration="own"),
    "GetAction": lambda w: dict(integration="own", type=ACTION),
    "ListLogs": lambda w: dict(filter=of_own()),
    "GetLog": lambda w: dict(id=w.request()),
    "TailLogs": lambda w: dict(filter=of_own(), recent=1),
    "CountLogs": lambda w: dict(filter=of_own()),
    "ChartLogs": lambda w: dict(filter=of_own()),
    "GroupFailures": lambda w: dict(filter=of_own()),
    "ListRequests": lambda w: dict(filter=of_own()),
    "ListAgents": lambda w: dict(integration="own"),
    "GetAgent": lambda w: dict(integration="own", agent_id="agent-1"),
    "ListSchedules": lambda w: {},
    "GetSchedule": lambda w: dict(name=w.schedule()),
    "PreviewSchedule": lambda w: dict(cron="@daily"),
    "GetRetention": lambda w: {},

    "PauseIntegration": lambda w: dict(name=spare_integration(w)),
    "ResumeIntegration": lambda w: paused(w, "PauseIntegration"),
    "PauseAction": lambda w: dict(integration=spare_integration(w), type=ACTION),
    "ResumeAction": lambda w: paused(
        w, "PauseAction", integration=spare_integration(w), type=ACTION),
    "RetryLog": lambda w: dict(id=w.failed_log()),
    "RetryLogs": lambda w: w.failed_log() and dict(filter=of_own(), page_size=1000),
    "AddNote": lambda w: dict(id=w.failed_log(), note="seen"),
    "MarkHandled": lambda w: dict(id=w.failed_log(), handled=True),
    "CreateRequest": lambda w: dict(integration="own", action_type=ACTION, entity=ORDER),
    "CreateRequests": lambda w: dict(
        integration="own", action_type=ACTION, items=[dict(entity=ORDER)]),
    "CancelRequest": lambda w: dict(id=w.request()),
    "CancelRequests": lambda w: w.request() and dict(filter=of_own(), page_size=1000),
    "DrainAgent": lambda w: dict(integration=spare_integration(w), agent_id="agent-1"),
    "CreateSchedule": lambda w: dict(schedule=dict(
        name=w.new("made-"), integration="own", action_type=ACTION, entity=ORDER,
        interval_ms=86400000)),
    "UpdateSchedule": lambda w: dict(
        update_fields=["interval_ms"], schedule=dict(name=w.schedule(), interval_ms=43200000)),
    "PauseSchedule": lambda w: dict(name=w.schedule()),
    "ResumeSchedule": lambda w: paused(w, "PauseSchedule", name=w.schedule()),
    "TriggerSchedule": lambda w: dict(name=w.schedule()),
    "DeleteSchedule": lambda w: dict(name=w.schedule()),

    "CreateIntegration": lambda w: dict(
        name=w.new("made-"), author="Example", support_contact="a@example.com"),
    "UpdateIntegration": lambda w: dict(
        name="own", update_fields=["description"], description=w.new("words ")),
    "DeleteIntegration": lambda w: dict(name=spare_integration(w), with_logs=True),
    "CreateKey": lambda w: dict(integration=spare_integration(w)),
    "RevokeKey": lambda w: dict(key_id=w.spare_key()),
    "RevealKey": lambda w: dict(key_id=w.key_id(w.keys["own"])),
    "RotateKey": lambda w: dict(integration=spare_integration(w)),
    "UpdateAction": lambda w: dict(
        integration="own", type=ACTION, set=dict(
            fields=["queue_timeout_ms"], queue_timeout_ms=100000000 + next(w.numbers))),
    "CreateToken": lambda w: dict(name=w.new("token-"), role=1),
    "ListTokens": lambda w: {},
    "RevokeToken": lambda w: dict(token_id=w.key_id(w.token(w.new("token-"), 1))),
    "ListAudit": lambda w: {},
    "SetRetention": lambda w: dict(rules=[dict(
        status=STATUS.LOG_STATUS_CANCELLED, maximum_age_ms=10**9 + next(w.numbers))]),
    "PruneLogs": lambda w: prunable(w) or {},
    "BackUp": lambda w: dict(path=str(w.server.folder / w.new("backup-"))),
    "CheckStore": lambda w: {},
    "ExportData": lambda w: {},
    "ImportData": lambda w: dict(lines=['{"kind":"header","version":1}'], first_line=1),
}


def prunable(world):
    """A log that a rule keeps no longer, so that a pruning has something to do."""
    log = uuid7(world.run.random)
    agent = world.dial(world.keys["own"])
    agent.call("ReportLog", agent_id="agent-1", report=report(
        log, world.new(), STATUS.LOG_STATUS_TIMED_OUT))
    agent.close()
    world.operator.call("SetRetention", rules=[dict(
        status=STATUS.LOG_STATUS_TIMED_OUT, maximum_bytes=1)])
