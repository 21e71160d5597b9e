"""What attacks are made of: their registry, the server they are aimed at, floods of frames."""
import random, socket, time

from client import CALL, connected, frame, hello
from schema import METHODS

ATTACKS = {}
# What is started by name alone.
UNLISTED = {}
LIMIT = 4 << 20
# As many unknown fields as a message may have.
WIDEST = b"\x98\x06\x00" * 262_144


def attack(function):
    """Registers an attack under its function's name."""
    ATTACKS[function.__name__] = function
    return function


def unlisted(function):
    UNLISTED[function.__name__] = function
    return function


class Target:
    """The server under attack, and the attack's bounds."""

    def __init__(self, told):
        self.tcp = told["tcp"]
        self.key, self.token = told["key"], told["token"]
        self.long_log = told["long_log"]
        self.scale = told["scale"]
        self.random = random.Random(told["seed"])
        self.seconds = told["seconds"]
        self.share = told.get("share", 0.0)
        self.ends = time.monotonic() + self.seconds
        self.most_bytes = told["most_bytes"]
        self.counts = {}

    def left(self):
        """The seconds that are left to it; 0 too when it has sent all that it may."""
        if self.counts.get("bytes", 0) >= self.most_bytes:
            return 0.0
        return max(0.0, self.ends - time.monotonic())

    def count(self, name, by=1):
        self.counts[name] = self.counts.get(name, 0) + by

    def open(self, token=None, receive_bytes=None):
        """A socket that said HELLO and blocks nobody; None when it was turned away."""
        try:
            made = connected(self.tcp)
            if receive_bytes:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            made.sendall(hello(self.key if token is None else token))
        except OSError:
            self.count("turned away")
            return None
        made.setblocking(False)
        self.count("connections")
        return made


def request(method, **fields):
    return METHODS[method].request(**fields).SerializeToString()


def call(method, number, time_ms=30000, **fields):
    """The bytes of a call."""
    return frame(CALL, METHODS[method].id, number, time_ms, request(method, **fields))


class Flood:
    """Connections that each send an endless text as fast as the server takes it, and throw away
    what comes back, or never read it."""

    def __init__(self, target, count, make, reads=True, token=None, receive_bytes=None):
        self.target, self.make, self.reads = target, make, reads
        self.token, self.receive_bytes = token, receive_bytes
        self.ends = [self._fresh() for _ in range(count)]

    def _fresh(self):
        made = self.target.open(self.token, self.receive_bytes)
        return [made, memoryview(b""), 0] if made else None

    def run(self):
        """Until the time is over; a connection that ends is made again."""
        while self.target.left() > 0:
            moved = False
            for place, end in enumerate(self.ends):
                if end is None or not self._alive(end):
                    if end:
                        end[0].close()
                        self.target.count("closed by the server")
                    self.ends[place] = self._fresh()
                    continue
                moved |= self._push(end)
            if not moved:
                time.sleep(0.002)
        for end in self.ends:
            if end:
                end[0].close()

    def _alive(self, end):
        if not self.reads:
            return end[2] >= 0
        try:
            while True:
                got = end[0].recv(1 << 20)
                if not got:
                    return False
                self.target.count("bytes back", len(got))
        except BlockingIOError:
            return end[2] >= 0
        except OSError:
            return False

    def _push(self, end):
        if not end[1]:
            data, frames, end[2] = self.make(end[2])
            end[1] = memoryview(data)
            self.target.count("frames", frames)
        try:
            sent = end[0].send(end[1])
        except BlockingIOError:
            return False
        except OSError:
            end[2] = -1
            return True
        self.target.count("bytes", sent)
        end[1] = end[1][sent:]
        return True


def calls(method, each=500, extra=lambda number: b"", **fields):
    """A maker of calls of one method with numbers that go on."""
    payload = request(method, **fields)
    identifier = METHODS[method].id

    def make(last):
        parts = []
        for number in range(last + 1, last + 1 + each):
            parts.append(frame(CALL, identifier, number, 30000, payload))
            parts.append(extra(number))
        return b"".join(parts), each, last + each
    return make


def same(data, frames):
    """A maker of the same bytes for ever."""
    return lambda last: (data, frames, last)
