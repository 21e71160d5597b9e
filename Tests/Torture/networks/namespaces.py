"""Two network namespaces of the run's own, joined by one cable that loses and blocks as told."""
import ctypes, json, os, subprocess

from harness import Skipped, need_program, need_root

COUNTERS = "to_server", "to_client"
# What ends a rule that drops: the counter says that it was met.
TO_SERVER, TO_CLIENT = (f"counter name {name} drop" for name in COUNTERS)
# Counts what begins a connection.
ATTEMPTS = "attempts"


class Cable:
    """A server's and a client's namespace, a pair of veth between them, and nftables at the
    server's end: `faults` replaces what the cable does to packets, and `dropped` says how many each
    way it has taken. All of it goes with the run."""

    SERVER, CLIENT = "10.213.7.1", "10.213.7.2"

    def __init__(self, run):
        need_root("making network namespaces")
        self.ip, self.nft = need_program("ip", "iproute2"), need_program("nft", "nftables")
        # The process id keeps runs beside each other apart.
        self.server, self.client = f"im{os.getpid()}s", f"im{os.getpid()}c"
        for name in (self.server, self.client):
            made = subprocess.run([self.ip, "netns", "add", name], capture_output=True, text=True)
            if made.returncode:
                raise Skipped(f"no network namespace can be made: {made.stderr.strip()}")
            run.at_end(lambda name=name: self._run(self.ip, "netns", "del", name))
        try:
            self._run(self.ip, "link", "add", "v0", "netns", self.server, "type", "veth",
                      "peer", "name", "v0", "netns", self.client)
        except subprocess.CalledProcessError as error:
            raise Skipped(f"no veth can be made: {error.stderr.strip()}")
        for name, address in ((self.server, self.SERVER), (self.client, self.CLIENT)):
            self._run(self.ip, "-n", name, "addr", "add", f"{address}/24", "dev", "v0")
            self._run(self.ip, "-n", name, "link", "set", "v0", "up")
            self._run(self.ip, "-n", name, "link", "set", "lo", "up")
        try:
            self.faults()
        except subprocess.CalledProcessError as error:
            raise Skipped(f"nftables does not work here: {error.stderr.strip()}")

    @staticmethod
    def _run(*command, text=None):
        return subprocess.run(command, input=text, check=True, capture_output=True, text=True)

    def inside(self, name):
        """What to write before a command so that it runs in a namespace."""
        return [self.ip, "netns", "exec", name]

    def enter(self, run):
        """Puts this thread, and the threads and programs that it starts, into the client's
        namespace until the run ends. Unix sockets reach across."""
        libc = ctypes.CDLL(None, use_errno=True)
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.client}", os.O_RDONLY)
        if libc.setns(there, 0):
            raise Skipped(f"setns fails: {os.strerror(ctypes.get_errno())}")
        os.close(there)
        run.at_end(lambda: libc.setns(own, 0))

    def faults(self, to_server=(), to_client=()):
        """Sets the rules for each direction; none: a cable without faults."""
        text = "table ip cable\ndelete table ip cable\ntable ip cable {\n"
        text += "".join(f"counter {name} {{ }}\n" for name in (*COUNTERS, ATTEMPTS))
        for chain, hook, rules in (("a", "input", to_server), ("b", "output", to_client)):
            text += f"chain {chain} {{ type filter hook {hook} priority 0; policy accept;\n"
            text += "".join(rule + "\n" for rule in rules) + "}\n"
        self._run(*self.inside(self.server), self.nft, "-f", "-", text=text + "}\n")

    def loss(self, percent):
        """Drops so many of a hundred packets each way."""
        rule = f"numgen random mod 100 < {percent}"
        self.faults([f"{rule} {TO_SERVER}"], [f"{rule} {TO_CLIENT}"])

    def partition(self, to_server=True, to_client=True):
        """Drops everything, one way or both."""
        self.faults([TO_SERVER] if to_server else [], [TO_CLIENT] if to_client else [])

    def refuse(self):
        """Resets what is open and what is tried, at once, as a host does whose server is down;
        False where the system cannot."""
        resets = f"meta l4proto tcp counter name {COUNTERS[0]} reject with tcp reset"
        try:
            self.faults([f"tcp flags & (syn | ack) == syn counter name {ATTEMPTS}", resets])
            return True
        except subprocess.CalledProcessError:
            return False

    def half_open(self):
        """Lets connections be made and drops everything after: each side believes in the other.
        What a handshake needs is short and ends nothing."""
        these = ["ip length > 60", "tcp flags & (fin | rst) != 0"]
        self.faults(*([f"{each} {drop}" for each in these] for drop in (TO_SERVER, TO_CLIENT)))

    def dropped(self):
        """How many packets were dropped on the way to the server and on that to the client, since
        the last change of the faults."""
        found = self._counted()
        return tuple(found[name] for name in COUNTERS)

    def attempts(self):
        """How many connections were tried since the cable refuses them."""
        return self._counted()[ATTEMPTS]

    def _counted(self):
        said = json.loads(self._run(
            *self.inside(self.server), self.nft, "-j", "list", "counters", "table", "ip",
            "cable").stdout)["nftables"]
        return {each["counter"]["name"]: each["counter"]["packets"]
                for each in said if "counter" in each}
