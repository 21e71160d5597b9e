"""An agent in plain Python, written from Protos/PROTOCOL.md: agent.py ADDRESS KEY.

Registers an action, phones home, reports work of its own, then serves one request and stops.
Prints one line for each step. The protobuf modules are protoc's output, found on PYTHONPATH.
"""
import itertools, os, socket, struct, sys, time, uuid

from integrationmanager.v1 import agent_pb2 as api, types_pb2 as types
from rpc.v1 import envelope_pb2 as envelope

HELLO, CALL, REPLY, PING, PONG, GOAWAY = 1, 2, 3, 6, 7, 8
REGISTER, REPORT, POLL, HEARTBEAT = 1, 2, 3, 4
AGENT = "python-1"


class Refused(Exception):
    pass


class Connection:
    def __init__(self, address, token):
        kind, _, place = address.partition(":")
        if kind == "unix":
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(place)
        else:
            host, _, port = place.rpartition(":")
            self.socket = socket.create_connection((host, int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.calls = itertools.count(1)
        hello = envelope.ClientHello(protocol_min=1, protocol_max=1, token=token, client_name="py")
        self.socket.sendall(b"IMRPC/1\n")
        self.send(HELLO, 0, 0, 0, hello.SerializeToString())

    def send(self, kind, number, call, time_ms, payload=b""):
        header = struct.pack(">IBBHII", 12 + len(payload), kind, 0, number, call, time_ms)
        self.socket.sendall(header + payload)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            chunk = self.socket.recv(count - len(data))
            if not chunk:
                raise ConnectionError("the server closed the connection")
            data += chunk
        return data

    def call(self, method, request, response, deadline_ms=30000):
        call = next(self.calls)
        self.send(CALL, method, call, deadline_ms, request.SerializeToString())
        while True:
            length, kind, _, number, for_call, _ = struct.unpack(">IBBHII", self.exactly(16))
            payload = self.exactly(length - 12)
            if kind == HELLO:
                print("connected as", envelope.ServerHello.FromString(payload).principal)
            elif kind == PING:
                self.send(PONG, 0, 0, 0, payload)
            elif kind == GOAWAY:
                raise ConnectionError(envelope.GoAway.FromString(payload).reason)
            elif kind == REPLY and for_call == call:
                if number:
                    raise Refused(envelope.Status.FromString(payload))
                return response.FromString(payload)


def uuid7():
    value = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return str(uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))


def main(address, token):
    server = Connection(address, token)
    action = types.ActionDefinition(
        type="export_invoice", name="Export Invoice", entity_type="invoice", can_be_requested=True)
    declared = api.RegisterActionRequest(agent_id=AGENT, actions=[action])
    server.call(REGISTER, declared, api.RegisterActionResponse)
    print("registered")
    beat = api.HeartbeatRequest(agent_id=AGENT, instance_id=str(os.getpid()), interval_ms=10000)
    print("next heartbeat", server.call(HEARTBEAT, beat, api.HeartbeatResponse).next_heartbeat_ms)

    own = api.ReportLogRequest(agent_id=AGENT, report=api.LogReport(
        log_id=uuid7(), sequence=1, action_type="export_invoice", status=types.LOG_STATUS_COMPLETED,
        entity=types.Entity(type="invoice", id="I-1"), status_message="Exported I-1"))
    first, again = (server.call(REPORT, own, api.ReportLogResponse).duplicate for _ in range(2))
    print("reported, duplicate:", first, again)

    poll = api.PollRequestsRequest(agent_id=AGENT, wait_ms=20000)
    work = server.call(POLL, poll, api.PollRequestsResponse, 90000).requests[0]
    statuses = (types.LOG_STATUS_IN_PROGRESS, types.LOG_STATUS_COMPLETED)
    for sequence, status in enumerate(statuses, 1):
        report = api.LogReport(
            log_id=work.log_id, lease_token=work.lease_token, sequence=sequence, status=status,
            status_message="Exported " + work.entity.id, result='{"number": "R-1"}')
        done = api.ReportLogRequest(agent_id=AGENT, report=report)
        server.call(REPORT, done, api.ReportLogResponse)
    print("served", work.log_id)
    beat.state = api.AGENT_STATE_STOPPED
    server.call(HEARTBEAT, beat, api.HeartbeatResponse)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(*sys.argv[1:])
