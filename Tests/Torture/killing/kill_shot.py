"""A kill at the very moment of an acknowledgement, from a process that does nothing else.

Between a reply that comes too early and the commit there may be less than a tenth of a
millisecond; a client that shares its interpreter with the load sees the reply long after.
"""
import json, os, signal, socket, subprocess, sys

REPLY = 3


def shoot(target):
    """Sends the bytes, and kills as soon as the reply has come; returns whether it said stored;
    None: no reply came, and the connection did not end."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        try:
            connection.connect(target["path"])
            connection.sendall(bytes.fromhex(target["bytes"]))
            received = b""
            while True:
                chunk = connection.recv(65536)
                if not chunk:
                    return False
                received += chunk
                while len(received) >= 16:
                    length = int.from_bytes(received[:4])
                    if received[4] == REPLY:
                        os.kill(target["pid"], signal.SIGKILL)
                        return received[6:8] == b"\0\0"
                    if len(received) < 4 + length:
                        break
                    received = received[4 + length:]
        except TimeoutError:
            return None
        except OSError:
            return False


class Shooter:
    """The process that kills; it takes one target after the other."""

    def __init__(self, run):
        self.process = subprocess.Popen(
            [sys.executable, "-B", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        run.at_end(self.process.kill)

    def kill(self, server, data):
        """Sends the bytes of HELLO and one call to a server, and kills it at the reply; returns
        whether the call was acknowledged; None: it got no answer."""
        target = dict(path=server.unix.removeprefix("unix:"), pid=server.pid, bytes=data.hex())
        self.process.stdin.write(json.dumps(target) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(shoot(json.loads(line))), flush=True)
