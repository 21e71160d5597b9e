"""Who may what: every method for every kind of principal, over a real server; what one integration
may know of another; where keys are left; and what failed logins are told."""
import json, os, shutil

import access_logins, access_secrets, access_walk
from access_calls import CALLS, leased
from access_table import CALLERS, CODES, STRANGERS, rows
from access_world import OTHER_USER, World, adopted, as_user, report
from client import CALL, Gone, REPLY, Refused, connected, frame
import client
from harness import harness
from schema import METHODS, STATUS, envelope_pb2
from server import Server

# The pruning that goes on by itself would change what is stored between two looks.
FLAGS = ["--prune-interval", "86400s"]


def complete(run, table):
    """A method without a row, a row or a request without a method: the table is not kept."""
    for name, entries in (("table", table), ("requests", CALLS)):
        missing, extra = sorted(set(METHODS) - set(entries)), sorted(set(entries) - set(METHODS))
        run.require(not missing, f"the {name} of access_table and access_calls lacks {missing}")
        run.require(not extra, f"the {name} of access_table and access_calls has {extra} too much")


def all_answers(connection):
    """The answers to all methods, called behind HELLO without waiting: {method: reason}."""
    names = {number: name for number, name in enumerate(METHODS, 1)}
    connection.write(b"".join(
        frame(CALL, METHODS[name].id, number, 30000) for number, name in names.items()))
    answers = {}
    try:
        while len(answers) < len(names):
            kind, code, call, payload = connection.next_frame()
            if kind == REPLY:
                status = envelope_pb2.Status.FromString(payload)
                answers[names[call]] = (code, status.reason, status.message)
    except Gone:
        pass
    connection.close()
    return answers


def refuses_strangers(run, world, strangers):
    """Whoever shows no good credential is refused by every method alike."""
    for number, (who, secret) in enumerate(strangers.items(), 1):
        answers = all_answers(world.dial(secret, source=f"127.0.1.{number}"))
        judge_stranger(run, who, answers)
    if os.geteuid() != 0:
        run.skip("other users on the Unix socket, also of a server of a user of its own",
                 "being another user needs root")
        return
    judge_stranger(run, "other user", as_user(
        OTHER_USER, lambda: all_answers(adopted(world, connected(world.server.unix)))))


def judge_stranger(run, who, answers):
    reason = STRANGERS[who]
    for method in METHODS:
        code, got, message = answers.get(method, (None, "no answer", ""))
        run.require(
            got == reason and code == getattr(client, CODES[reason]),
            f"{method} as {who}: expected {reason}, got {code} {got}: {message}")
        run.count("cells")


def connections(world):
    """One connection for each caller of the table."""
    return {
        "own": world.dial(world.keys["own"]), "other": world.dial(world.keys["other"]),
        **{role: world.dial(secret) for role, secret in world.tokens.items()},
        "local": world.local()}


def refuses(run, world, table, callers):
    """Each refusal of the table, and that nothing is changed by it."""
    for caller in CALLERS:
        denied = [name for name in METHODS if table[name][caller] in (
            "OPERATOR_ONLY", "AGENT_ONLY", "ROLE_MISSING", "LOG_UNKNOWN")]
        prepared = [(name, CALLS[name](world)) for name in denied]
        before = world.state()
        for name, fields in prepared:
            expected = table[name][caller]
            result = callers[caller].attempt(name, **fields)
            refused = isinstance(result, Refused)
            run.require(
                refused and result.reason == expected
                and result.code == getattr(client, CODES[expected]),
                f"{name} as {caller}: expected {expected}, got "
                f"{result if refused else 'an answer'}")
            run.count("cells")
        unchanged(run, before, world.state(), f"refused calls of {caller}")


def unchanged(run, before, after, what):
    changed = sorted(set(before) ^ set(after)) if before != after else []
    run.require(before == after, f"{what} changed what is stored: {changed[:3]}")
    run.count("looks at everything stored")


def allows(run, world, table, callers):
    """Each call that the table allows, with valid fields: done, and in the audit if it says so."""
    for caller in CALLERS:
        for name in METHODS:
            cell = table[name][caller]
            if cell not in ("yes", "STORE_NOT_EMPTY"):
                continue
            fields = CALLS[name](world)
            number = world.audit_number()
            result = callers[caller].attempt(name, **fields)
            if cell == "yes":
                run.require(
                    not isinstance(result, Refused), f"{name} as {caller}: {result}")
            else:
                run.require(
                    isinstance(result, Refused) and result.reason == cell,
                    f"{name} as {caller}: expected {cell}, got {result}")
            if hasattr(result, "secret"):
                world.shown(result)
            entries = [
                each for each in world.operator.call("ListAudit", page_size=20).entries
                if each.number > number]
            if table[name]["audit"]:
                run.require(
                    any(each.action == name and each.principal == f"operator:{caller}"
                        for each in entries), f"{name} as {caller} is not in the audit")
            else:
                run.require(not entries, f"{name} as {caller} is in the audit: {entries}")
            run.count("cells")


def of_own(state):
    return [line for line in state if json.loads(line).get("integration") == "own"]


def keeps_integrations_apart(run, world, table, callers):
    """The key of another integration knows ids, lease tokens and agent ids of `own`: it learns and
    changes nothing with them."""
    other = callers["other"]
    for name in (name for name in METHODS if table[name]["other"] == "none"):
        fields = CALLS[name](world)
        before = of_own(world.state())
        if name == "RegisterAction":
            fields = dict(agent_id="agent-1", retire_undeclared=True, actions=[dict(
                type="export_order", name="Taken over", entity_type="order")])
        result = other.attempt(name, **fields)
        run.require(not isinstance(result, Refused), f"{name} as other: {result}")
        if name == "PollRequests":
            run.require(not result.requests, "another integration's poll got a request")
        if name == "Heartbeat":
            held = [lease["log_id"] for lease in fields["leases"]]
            run.require(list(result.lost_leases) == held, "another's lease is not reported lost")
        if name == "ReportLogBatch":
            run.require(all(each.code for each in result.outcomes), "a report on another's log")
        unchanged(run, before, of_own(world.state()), f"{name} of another integration")
        run.count("cells")
    held = leased(world)
    world.operator.call("CancelRequest", id=held["log_id"], reason="wanted by people")
    before = of_own(world.state())
    # The same log id as own work, and a goodbye in the name of an agent with the same id.
    other.attempt("ReportLog", agent_id="agent-1", report=report(
        held["log_id"], "1", STATUS.LOG_STATUS_COMPLETED))
    for state in (STATUS_STOPPED, 1):
        answer = other.call(
            "Heartbeat", agent_id="agent-1", instance_id="i", interval_ms=60000, state=state)
        run.require(not answer.directives, f"another integration hears {answer.directives}")
    unchanged(run, before, of_own(world.state()), "another integration")
    shown = world.operator.call("GetLog", id=held["log_id"]).log
    run.require(shown.integration == "own", "another integration's log hides a request")
    world.operator.call("PauseIntegration", name="own")
    answer = other.call("Heartbeat", agent_id="agent-1", instance_id="i", interval_ms=60000)
    run.require(not answer.directives, f"another integration hears {answer.directives}")
    world.operator.call("ResumeIntegration", name="own")


STATUS_STOPPED = 4


def own_user(run):
    """The Unix socket of a server that runs as a user of its own: that user and root are `local`,
    others are nobody."""
    if os.geteuid() != 0:
        return
    user = 65533
    server = Server(run, prefix=["setpriv", f"--reuid={user}", f"--regid={user}",
                                 "--clear-groups"], name="own-user")
    os.chown(server.folder, user, user)
    server.folder.chmod(0o711)
    programs, path = run.programs, run.programs / "integrationd"
    if not as_user(user, lambda: os.access(path, os.X_OK)):
        run.programs = run.scratch
        shutil.copy2(path, run.scratch)
    server.start()
    run.programs = programs
    for who, expected in ((user, 0), (0, 0), (OTHER_USER, client.UNAUTHENTICATED)):
        code = as_user(who, lambda: first_code(server.unix))
        run.require(code == expected, f"user {who} at the socket of user {user}: {code}")
        run.count("cells")
    server.stop()


def first_code(address):
    """The code of a call over a Unix socket without a token."""
    connection = client.Connection(address)
    try:
        connection.call("GetServerInfo")
        return 0
    except Refused as refused:
        return refused.code


@harness("access", seconds=120, short_seconds=20)
def access(run):
    """Who may what: the matrix of methods and principals, keys left behind, failed logins."""
    table = rows()
    complete(run, table)
    run.scratch.chmod(0o711)
    server = Server(run, flags=FLAGS)
    server.folder.chmod(0o711)
    server.start()
    world = World(run, server)
    strangers = world.strangers()
    callers = connections(world)
    refuses_strangers(run, world, strangers)
    refuses(run, world, table, callers)
    keeps_integrations_apart(run, world, table, callers)
    allows(run, world, table, callers)
    own_user(run)
    access_walk.ends(run, world)
    access_logins.limits(run, world, strangers)
    access_secrets.leaves_none(run, world, strangers)
    access_logins.times(run, world)
    if not run.short:
        # What is left is for the search through all that was written.
        access_walk.walk(run, world, table, strangers, connections, 30)
        access_secrets.in_memory(run, world, "after calls at random")
    server.check()
    server.stop()
    access_secrets.leaves_none_behind(run, world)
