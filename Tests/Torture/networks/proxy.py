"""A network between a client and a server, in user space: splits, joins, delays, cuts and flips
bytes, each connection by its own random numbers, so that a seed plays the same again."""
import random, select, socket, struct, threading, time
from dataclasses import dataclass

RESET = struct.pack("ii", 1, 0)


@dataclass
class Faults:
    """What a proxy does to a connection; 0 or None is never."""

    split: int = 0          # pieces of 1 to so many bytes
    join_ms: float = 0      # waits so long for more before it passes anything on
    delay_ms: float = 0     # up to so long before a piece
    cut_after: int = 0      # ends the connection within so many bytes
    half_close: int = 0     # ends one direction within so many bytes
    flip_every: int = 0     # flips a bit in one of so many bytes


class Proxy:
    """Listens on a loopback port and passes everything on to a server, with faults."""

    def __init__(self, run, server, faults, seed):
        self.server, self.faults, self.seed = server, faults, seed
        self.counts = {"connections": 0, "cuts": 0, "flips": 0, "pieces": 0}
        self.lock = threading.Lock()
        self.is_closed = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp:127.0.0.1:%d" % self.listener.getsockname()[1]
        run.at_end(self.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Ends the listener and, within a moment, every connection."""
        if self.is_closed:
            return
        self.is_closed = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def count(self, name, by=1):
        with self.lock:
            self.counts[name] += by

    def _accept(self):
        host, _, port = self.server.removeprefix("tcp:").rpartition(":")
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((host, int(port)), 10)
            except OSError:
                client.close()
                continue
            self.count("connections")
            link = _Link(self, client, server, self.counts["connections"])
            threading.Thread(target=link.run, daemon=True).start()


class _Cut(Exception):
    """The connection has come to the byte at which it ends."""


class _Way:
    """One direction of a connection, with its own random numbers."""

    def __init__(self, proxy, source, sink, chance):
        self.proxy, self.faults = proxy, proxy.faults
        self.source, self.sink, self.chance = source, sink, chance
        self.passed = 0
        self.cut = self._within(self.faults.cut_after)
        self.half = self._within(self.faults.half_close)
        self.flip = self._within(2 * self.faults.flip_every)

    def _within(self, count):
        return self.chance.randrange(count) if count else None

    def pump(self):
        """Passes on what has come; False when this direction has ended."""
        data = self._receive()
        if self.flip is not None:
            data = self._flipped(bytearray(data))
        for piece in self._pieces(data):
            if self.cut is not None and self.passed + len(piece) > self.cut:
                self.sink.sendall(piece[:self.cut - self.passed])
                raise _Cut
            if self.half is not None and self.passed + len(piece) > self.half:
                self.proxy.count("cuts")
                data = b""
                break
            self.sink.sendall(piece)
            self.passed += len(piece)
        if not data:
            self.sink.shutdown(socket.SHUT_WR)
        return bool(data)

    def _receive(self):
        data = self.source.recv(65536)
        if data and self.faults.join_ms:
            time.sleep(self.faults.join_ms / 1000)
            if select.select([self.source], [], [], 0)[0]:
                data += self.source.recv(1 << 20)
        return data

    def _pieces(self, data):
        position = 0
        while position < len(data):
            size = self.chance.randint(1, self.faults.split) if self.faults.split else len(data)
            if self.faults.delay_ms:
                time.sleep(self.chance.uniform(0, self.faults.delay_ms) / 1000)
            self.proxy.count("pieces")
            yield data[position:position + size]
            position += size

    def _flipped(self, data):
        position = 0
        while position + self.flip < len(data):
            position += self.flip
            data[position] ^= 1 << self.chance.randrange(8)
            self.proxy.count("flips")
            position += 1
            self.flip = self._within(2 * self.faults.flip_every)
        self.flip -= len(data) - position
        return data


class _Link:
    """One connection through a proxy, in one thread."""

    def __init__(self, proxy, client, server, number):
        self.proxy = proxy
        self.sockets = client, server
        for each in self.sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A peer that takes nothing must not hold the thread for ever.
            each.settimeout(10)
        chances = [random.Random(f"{proxy.seed} {number} {way}") for way in range(2)]
        self.chance = chances[0]
        self.ways = {
            client: _Way(proxy, client, server, chances[0]),
            server: _Way(proxy, server, client, chances[1])}

    def run(self):
        """Until both directions have ended, or the connection is cut."""
        with_reset = False
        try:
            while self.ways and not self.proxy.is_closed:
                for source in select.select(list(self.ways), [], [], 0.1)[0]:
                    if not self.ways[source].pump():
                        del self.ways[source]
        except _Cut:
            self.proxy.count("cuts")
            with_reset = self.chance.random() < 0.5
        except OSError:
            pass
        for each in self.sockets:
            if with_reset:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            each.close()
