"""The foreign client: PROTOCOL.md in plain Python, with calls one by one or many in flight."""
import itertools, os, select, socket, struct, time, uuid

from harness import Violation
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
    """The connection ended, or its owner gave it up; what was in flight is unknown."""


class NoAnswer(Violation):
    """A call was not answered, and its connection did not end: the server owes exactly one reply.
    No kind of Gone, so that nobody takes it for one."""


# Who waits for less than this gives a connection up by itself, as an agent in a bad network does.
# Who waits for longer holds the server to its reply.
PATIENT_SECONDS = 20
# What a call may take beyond the time that its caller waits: the server's own deadline is as long
# as most callers wait, and its refusal needs a moment.
GRACE_SECONDS = 5
OUR_PING = b"are you there?"


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
    """One connection for one thread. A call that gets no reply raises Gone where the connection
    ended, and NoAnswer where it did not: the server pings, or it answers a ping, or it says
    nothing at all for `timeout` seconds and more."""

    # For those who make a connection from a socket of their own.
    timeout, heard, was_ponged = 30, 0.0, False

    def __init__(self, address, token="", timeout=30):
        self.socket, self.timeout = connected(address, timeout), timeout
        self.calls = itertools.count(1)
        self.buffer = bytearray()
        self.principal = None
        self.going_away = None
        self.streams = {}
        self.write(hello(token))

    @property
    def open(self):
        """The calls that the server owes a reply: {number: (method, when it was sent, seconds)}."""
        return self.__dict__.setdefault("_open", {})

    def close(self):
        self.socket.close()

    def write(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            if isinstance(error, TimeoutError) and self.timeout >= PATIENT_SECONDS:
                raise NoAnswer(f"the server reads nothing for {self.timeout:g} s") from error
            raise Gone(str(error)) from error

    def exactly(self, count):
        while len(self.buffer) < count:
            try:
                chunk = self.socket.recv(65536)
            except TimeoutError as error:
                self._nothing_came(error)
                continue
            except OSError as error:
                raise Gone(str(error) or repr(error)) from error
            if not chunk:
                raise Gone(self.going_away or "the server closed the connection")
            self.buffer += chunk
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def _nothing_came(self, error):
        """Silence for as long as the owner waits: asks whether the server is there at all."""
        if self.timeout < PATIENT_SECONDS or not self.open:
            raise Gone(str(error)) from error
        self._require_answers(is_silent=True)
        self.socket.settimeout(GRACE_SECONDS)
        self.write(frame(PING, payload=OUR_PING))

    def _require_answers(self, is_silent=False):
        """The oldest call must not be overdue: by its own time since the last reply to any call,
        and by four times that since it was sent."""
        if self.timeout < PATIENT_SECONDS or not self.open:
            return
        method, sent, seconds = next(iter(self.open.values()))
        now = time.monotonic()
        if now - max(sent, self.heard) <= seconds and now - sent <= 4 * seconds:
            return
        # What has come and is not read yet may be the answer.
        if is_silent or not (self.buffer or select.select([self.socket], [], [], 0)[0]):
            raise NoAnswer(
                f"{method} is not answered within {now - sent:.0f} s, and the connection did not "
                f"end{'; the server pings, or answers pings' if self.was_ponged else ''}")

    def _has_heard(self, kind, call):
        """A reply, or a part of one, came."""
        self.heard = time.monotonic()
        if kind == REPLY:
            self.open.pop(call, None)
            self._require_answers()
        if self.socket.gettimeout() not in (None, self.timeout):
            self.socket.settimeout(self.timeout)

    def next_frame(self):
        """The next frame that is no part of keeping the connection: kind, number, call, payload."""
        while True:
            length, kind, _, number, call, _ = HEADER.unpack(self.exactly(16))
            payload = self.exactly(length - 12)
            if kind == HELLO:
                self.principal = envelope.ServerHello.FromString(payload).principal
            elif kind == PING:
                # Whoever pings is there, and keeps the connection from falling silent.
                self.was_ponged = True
                self._require_answers()
                self.write(frame(PONG, payload=payload))
            elif kind == PONG and payload == OUR_PING:
                self.was_ponged = True
            elif kind == GOAWAY:
                self.going_away = envelope.GoAway.FromString(payload).reason or "GOAWAY"
            else:
                if kind in (REPLY, MESSAGE):
                    self._has_heard(kind, call)
                return kind, number, call, payload

    def send(self, method_name, request=None, deadline_ms=None, /, **fields):
        """Sends a call and returns its number, for `receive`."""
        method, call = METHODS[method_name], next(self.calls)
        message = request if request is not None else method.request(**fields)
        if deadline_ms is None:
            deadline_ms = method.deadline_ms
        # A stream without a deadline may go on for ever.
        if deadline_ms or not method.is_stream:
            may_wait_ms = deadline_ms if method.is_stream else getattr(message, "wait_ms", 0)
            may_wait_ms = min(may_wait_ms, deadline_ms or may_wait_ms)
            self.open[call] = (
                method_name, time.monotonic(), self.timeout + may_wait_ms / 1000 + GRACE_SECONDS)
        self.write(frame(CALL, method.id, call, deadline_ms, message.SerializeToString()))
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


def pages(operator, method, field, **fields):
    """All things of a list, page by page."""
    token = ""
    while True:
        page = operator.call(method, page_size=1000, page_token=token, **fields)
        yield from getattr(page, field)
        token = page.next_page_token
        if not token:
            return


def uuid7(random=None, at=None):
    """A UUIDv7 of now, or of another time in seconds."""
    tail = random.getrandbits(80) if random else int.from_bytes(os.urandom(10), "big")
    value = int((time.time() if at is None else at) * 1000) << 80 | tail
    return str(uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))
