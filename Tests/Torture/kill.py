"""SIGKILL of the server under load, with the ledger outside of it."""
import threading

from client import Connection, Gone, uuid7
from harness import harness, quantile
from ledger import Ledger
from schema import METHODS, STATUS
from server import Server

WINDOW = 32


def load(server, key, ledger, stop):
    """Keeps reports in flight on one connection until the server is gone."""
    try:
        connection = Connection(server.tcp, key)
        in_flight = {}
        while not stop.is_set() or in_flight:
            while len(in_flight) < WINDOW and not stop.is_set():
                log = uuid7()
                ledger.sent(log)
                in_flight[connection.send(
                    "ReportLog", agent_id="agent-1", report=dict(
                        log_id=log, sequence=1, action_type="export_order",
                        entity=dict(type="order", id=log[-6:]),
                        status=STATUS.LOG_STATUS_COMPLETED))] = log
            call, code, _ = connection.receive()
            (ledger.refuse if code else ledger.acknowledge)(in_flight.pop(call))
    except Gone:
        pass


def stored_logs(server, integration):
    """The ids of all logs of an integration, page by page."""
    operator = server.operator()
    ids, token = [], ""
    while True:
        page = operator.call(
            "ListLogs", filter=dict(integrations=[integration]), page_size=1000, page_token=token)
        ids += [log.id for log in page.logs]
        token = page.next_page_token
        if not token:
            operator.close()
            return ids


@harness("kill", seconds=600, short_seconds=10)
def kill(run):
    """SIGKILL under load: nothing acknowledged is lost, nothing is there twice."""
    server = Server(run)
    ready = [server.start()]
    key = server.integration("erp")
    ledger = Ledger()
    while run.left() > 0:
        stop = threading.Event()
        clients = [
            threading.Thread(target=load, args=(server, key, ledger, stop)) for _ in range(4)]
        for client in clients:
            client.start()
        stop.wait(run.random.uniform(0.02, 0.4))
        server.kill()
        stop.set()
        for client in clients:
            client.join()
        ready.append(server.start())
        run.count("cycles")
        faults = ledger.faults(stored_logs(server, "erp"))
        for name, found in faults.items():
            run.require(not found, f"{len(found)} reports {name}, such as {sorted(found)[:3]}")
    server.check()
    run.figure("acknowledged", len(ledger.acknowledged))
    run.figure("unknown", len(ledger.unknown))
    run.figure("ready p50 ms", quantile(ready, 0.5) * 1000)
    run.figure("ready p99 ms", quantile(ready, 0.99) * 1000)
    server.stop()
