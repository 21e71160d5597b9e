"""Who may what, in any order: credentials that end while they are used, and cells of the table at
random, over restarts."""
import itertools

import client
from access_calls import CALLS
from access_table import CALLERS, CODES, STRANGERS
from client import Gone, Refused
from schema import METHODS


def ends(run, world):
    """A key or token that ends takes its open connections with it, waiting calls included."""
    key = world.integration("ending")
    token = world.token(world.new("ending-"), 3)
    for secret, method, fields in (
            (key, "RevokeKey", dict(key_id=world.key_id(key))),
            (token, "RevokeToken", dict(token_id=world.key_id(token)))):
        connection = world.dial(secret)
        if secret == key:
            connection.call("PollRequests", agent_id="agent-1")
            connection.send("PollRequests", agent_id="agent-1", wait_ms=60000)
        else:
            connection.call("GetServerInfo")
        world.operator.call(method, **fields)
        try:
            while True:
                _, code, _, payload = connection.next_frame()
                run.require(
                    code == client.UNAUTHENTICATED or not payload,
                    f"after {method} a connection still gets answers")
        except Gone:
            run.require(
                connection.going_away == "TOKEN_REVOKED",
                f"after {method} a connection ends with {connection.going_away}")
        connection.close()
        try:
            world.dial(secret, source="127.0.5.1").call("GetServerInfo")
            run.require(False, f"after {method} a new connection is served")
        except Refused as refused:
            run.require(refused.reason == "TOKEN_REVOKED", f"after {method}: {refused}")
        run.count("cells")


def walk(run, world, table, strangers, connect, seconds):
    """Random cells until only `seconds` are left, and a kill of the server now and then."""
    # Each login of a stranger from an address of its own: they are counted by address.
    addresses = (f"127.{x}.{y}.{z}" for x, y, z in itertools.product(
        range(10, 250), range(1, 250), range(1, 250)))
    callers = connect(world)
    methods = sorted(METHODS)
    while run.left() > seconds:
        for _ in range(200):
            if run.left() < seconds:
                break
            method = run.random.choice(methods)
            if run.random.random() < 0.2:
                who = run.random.choice(sorted(strangers))
                stranger = world.dial(strangers[who], source=next(addresses))
                judge(run, method, who, stranger.attempt(method, **CALLS[method](world)),
                      STRANGERS[who])
                stranger.close()
                continue
            caller = run.random.choice(CALLERS)
            result = callers[caller].attempt(method, **CALLS[method](world))
            judge(run, method, caller, result, table[method][caller])
            if hasattr(result, "secret"):
                world.shown(result)
        for connection in callers.values():
            connection.close()
        world.server.kill()
        world.server.start()
        world.reconnected()
        callers = connect(world)
        run.count("restarts")
    for connection in callers.values():
        connection.close()


def judge(run, method, who, result, cell):
    """Compares the outcome of a call with its cell."""
    run.count("cells at random")
    if cell in ("yes", "none"):
        run.require(not isinstance(result, Refused), f"{method} as {who}: {result}")
    else:
        run.require(
            isinstance(result, Refused) and result.reason == cell
            and result.code == getattr(client, CODES[cell]),
            f"{method} as {who}: expected {cell}, got {result}")
