"""Where keys and tokens are left: log, data, backup, export, memory, command line."""
import base64, os, pathlib, subprocess

import secret_scan
from client import Gone, Refused
from harness import TooLittle

# What a server has written to at the least.
LEAST_MEMORY = 4 << 20


def cycle(world, strangers):
    """The life of a key, once more, with all calls that show one."""
    operator = world.operator
    world.integration("cycle")
    second = operator.call("CreateKey", integration="cycle")
    world.shown(second)
    world.dial(second.secret).close()
    world.shown(operator.call("RevealKey", key_id=second.key.id))
    operator.call("RevokeKey", key_id=second.key.id)
    rotated = world.shown(operator.call("RotateKey", integration="cycle", expire_old_ms=1))
    agent = world.dial(rotated)
    agent.call("Heartbeat", agent_id="agent-1", instance_id="i", interval_ms=60000)
    agent.close()
    admin = world.dial(world.token(world.new("cycle-"), 3))
    admin.call("GetServerInfo")
    admin.close()
    for number, secret in enumerate(strangers.values(), 1):
        refused = world.dial(secret, source=f"127.0.4.{number}")
        try:
            refused.call("GetServerInfo")
        except (Refused, Gone):
            pass
        refused.close()
    # HELLO in two pieces: the first waits in a buffer.
    piecewise(world, rotated)


def piecewise(world, secret):
    """A HELLO whose key comes in two pieces, and one of which the second never comes."""
    import time
    from client import connected, hello
    whole = hello(secret)
    for rest in (whole[50:], b""):
        made = connected(world.server.tcp)
        made.sendall(whole[:50])
        # The server has read the first piece when it has answered somebody else behind it.
        world.operator.call("GetServerInfo")
        time.sleep(0.02)
        made.sendall(rest)
        if rest:
            made.recv(1)
        made.close()


def leaves_none(run, world, strangers):
    """While the server runs and over a restart: memory, log, data, backup, export, answers."""
    secret_scan.self_test()
    cycle(world, strangers)
    # The disk first: what is written has been in memory, too.
    on_disk(run, world)
    in_memory(run, world, "after a cycle of keys")
    backup = world.server.folder / "scanned-backup"
    world.operator.attempt("BackUp", path=str(backup))
    export = world.server.folder / "export.jsonl"
    export.write_text("\n".join(world.state()))
    world.server.stop()
    world.server.start()
    world.reconnected()
    world.dial(world.keys["own"]).close()
    in_memory(run, world, "after a restart")
    on_disk(run, world)
    at_the_terminal(run, world)
    run.require(not world.leaks, f"answers show secrets: {world.leaks[:3]}")


def in_memory(run, world, when):
    """What a core dump of the server would hold."""
    world.operator.call("GetServerInfo")
    found, known = [], secret_scan.Known(world.secrets)
    # What must be there shows that the search sees what is there.
    sealing, read, seen = (world.server.data / "sealing.key").read_bytes(), 0, 0
    try:
        for place, data in secret_scan.memory(world.server.pid):
            read += len(data)
            seen += data.count(sealing)
            found += [(place, how, name) for how, name in known.finds(data)]
    except PermissionError:
        run.skip("the search of memory", "the system lets nobody read a child's")
        return
    if read < LEAST_MEMORY or not seen:
        raise TooLittle(
            f"in {read:,} bytes of the server's memory the sealing key, which must be there, was "
            f"found {seen} times")
    run.count("bytes of memory searched", read)
    run.require(not found, f"{len(found)} secrets in the server's memory {when}: {found[:4]}")
    run.count("memory searches")


def on_disk(run, world):
    """The data directory with its write-ahead log, backups, the export and standard error."""
    found = secret_scan.scan(world.server.folder, world.secrets)
    run.require(not found, f"secrets on disk: {found[:4]}")
    sealing = world.server.data / "sealing.key"
    mode = sealing.stat().st_mode & 0o777
    run.require(mode == 0o600, f"sealing.key has mode {mode:o}")
    key = sealing.read_bytes()
    for path in world.server.folder.rglob("*"):
        if path.is_file() and path != sealing:
            data = path.read_bytes()
            run.require(
                not any(text in data for text in (key, key.hex().encode(), base64.b64encode(key))),
                f"the sealing key is in {path.name} too")


def at_the_terminal(run, world):
    """integrationctl: the contexts file is its owner's alone; no message repeats a token."""
    program = run.programs / "integrationctl"
    if not program.exists():
        run.skip("integrationctl", "it is not built")
        return
    home = run.scratch / "home"
    home.mkdir(exist_ok=True)
    token, wrong = world.tokens["viewer"], secret_scan.made_up("imo_", run.random)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def ctl(*words, given=None, **more):
        done = subprocess.run(
            [program, *words], input=given, capture_output=True, text=True, timeout=30,
            env={**environment, **more})
        heard = (done.stdout + done.stderr).encode()
        run.require(
            not secret_scan.finds(heard, [*world.secrets, wrong]), f"{words[:2]} shows a token")
        return done

    added = ctl("context", "add", "prod", "--server", world.server.tcp, "--use",
                given=token + "\n")
    run.require(added.returncode == 0, f"context add: {added.stderr}")
    contexts = pathlib.Path(home / ".config/integrationctl/contexts")
    mode = contexts.stat().st_mode & 0o777
    run.require(mode == 0o600, f"the contexts file has mode {mode:o}")
    run.require(ctl("status").returncode == 0, "a context's token opens nothing")
    contexts.chmod(0o644)
    run.require(ctl("status").returncode != 0, "a contexts file that others read is used")
    contexts.chmod(0o600)
    for words in (["status"], ["keys", "list"], ["context", "list"], ["server", "info"]):
        ctl(*words)
        refused = ctl(*words, "--server", world.server.tcp, INTEGRATION_TOKEN=wrong)
        run.require(
            words[0] == "context" or refused.returncode == 4,
            f"a wrong token ends {words} with {refused.returncode}")
    ctl("--token", wrong[:-1] + "?", "status")
    ctl("--token", token, "no-such-noun")


def leaves_none_behind(run, world):
    """When the server has stopped: everything that it wrote."""
    found = secret_scan.scan(world.server.folder, world.secrets)
    run.require(not found, f"secrets on disk after the end: {found[:4]}")
    run.figure("secrets looked for", len(set(world.secrets)))
