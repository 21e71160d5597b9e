"""The foreign client: PROTOCOL.md in plain Python, with calls one by one or many in flight."""
import itertools, os, socket, struct, time, uuid

from schema import METHODS, envelope_pb2 as envelope

HELLO, CALL, REPLY, MESSAGE, CANCEL, PING, PONG, GOAWAY, CREDIT = range(1, 10)
HEADER = struct.Struct(">IBBHII")
PREFACE = b"IMRPC/1\n"

# google.rpc.Code
(OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS,
 PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED,
 INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED) = range(17)


class Refused(Exception):
    """The server answered a call with a code other than 0."""

    def __init__(self, method, code, payload):
        self.method, self.code, self.status = method, code, envelope.Status.FromString(payload)
        super().__init__(f"{method}: {code} {self.status.reason}: {self.status.message}")

    @property
    def reason(self):
        return self.status.reason

    @property
    def is_unknown(self):
        """Whether the call may have had its effect all the same: the server ended in it."""
        return self.code == UNAVAILABLE and self.status.metadata["was_not_started"] != "true"


class Gone(ConnectionError):
    """The connection ended; what was in flight is unknown."""


def frame(kind, number=0, call=0, time_ms=0, payload=b"", flags=0):
    """The bytes of one frame."""
    return HEADER.pack(12 + len(payload), kind, flags, number, call, time_ms) + payload


def hello(token="", name="torture"):
    """The preface and HELLO of a client."""
    message = envelope.ClientHello(
        protocol_min=1, protocol_max=1, token=token, client_name=name)
    return PREFACE + frame(HELLO, payload=message.SerializeToString())


def connected(address, timeout=30):
    """A socket to `unix:PATH` or `tcp:HOST:PORT`."""
    kind, _, place = address.partition(":")
    if kind == "unix":
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(timeout)
        made.connect(place)
    else:
        host, _, port = place.rpartition(":")
        made = socket.create_connection((host, int(port)), timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class Connection:
    """One connection for one thread. A call that gets no reply raises Gone."""

    def __init__(self, address, token="", timeout=30):
        self.socket = connected(address, timeout)
        self.calls = itertools.count(1)
        self.buffer = bytearray()
        self.principal = None
        self.going_away = None
        self.streams = {}
        self.write(hello(token))

    def close(self):
        self.socket.close()

    def write(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def exactly(self, count):
        while len(self.buffer) < count:
            try:
                chunk = self.socket.recv(65536)
            except OSError as error:
                raise Gone(str(error) or repr(error)) from error
            if not chunk:
                raise Gone(self.going_away or "the server closed the connection")
            self.buffer += chunk
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def next_frame(self):
        """The next frame that is no part of keeping the connection: kind, number, call, payload."""
        while True:
            length, kind, _, number, call, _ = HEADER.unpack(self.exactly(16))
            payload = self.exactly(length - 12)
            if kind == HELLO:
                self.principal = envelope.ServerHello.FromString(payload).principal
            elif kind == PING:
                self.write(frame(PONG, payload=payload))
            elif kind == GOAWAY:
                self.going_away = envelope.GoAway.FromString(payload).reason or "GOAWAY"
            else:
                return kind, number, call, payload

    def send(self, method_name, request=None, deadline_ms=None, /, **fields):
        """Sends a call and returns its number, for `receive`."""
        method, call = METHODS[method_name], next(self.calls)
        message = request if request is not None else method.request(**fields)
        self.write(frame(
            CALL, method.id, call, method.deadline_ms if deadline_ms is None else deadline_ms,
            message.SerializeToString()))
        return call

    def receive(self):
        """The next reply: call, code, payload."""
        while True:
            kind, number, call, payload = self.next_frame()
            if kind == REPLY:
                return call, number, payload

    def call(self, method_name, request=None, deadline_ms=None, /, **fields):
        """Makes one call and returns its reply, while nothing else is in flight."""
        sent = self.send(method_name, request, deadline_ms, **fields)
        while True:
            call, code, payload = self.receive()
            if call == sent:
                if code:
                    raise Refused(method_name, code, payload)
                return METHODS[method_name].response.FromString(payload)

    def messages(self, method_name, request=None, deadline_ms=None, /, **fields):
        """Makes a call with a stream, and yields its messages; what else comes is passed over."""
        call = self.send(method_name, request, deadline_ms, **fields)
        self.write(frame(CREDIT, call=call, time_ms=1_000_000))
        while True:
            kind, code, answered, payload = self.next_frame()
            if answered == call and kind == MESSAGE:
                yield METHODS[method_name].response.FromString(payload)
            elif answered == call and kind == REPLY:
                if code:
                    raise Refused(method_name, code, payload)
                return


def uuid7(random=None, at=None):
    """A UUIDv7 of now, or of another time in seconds."""
    tail = random.getrandbits(80) if random else int.from_bytes(os.urandom(10), "big")
    value = int((time.time() if at is None else at) * 1000) << 80 | tail
    return str(uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))
