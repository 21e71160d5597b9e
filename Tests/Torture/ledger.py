"""What clients were told, kept outside the server: acknowledged, refused, unknown."""
import threading


class Ledger:
    """One entry for each thing sent. Every change is under one lock: clients are threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged, self.refused, self.unknown = set(), set(), set()

    def sent(self, key):
        """From now on the thing may be stored."""
        with self.lock:
            self.unknown.add(key)

    def acknowledge(self, key):
        with self.lock:
            self.unknown.discard(key)
            self.acknowledged.add(key)

    def refuse(self, key):
        with self.lock:
            self.unknown.discard(key)
            self.refused.add(key)

    def faults(self, stored):
        """What the stored keys, a list, say against the ledger: lost, made up, twice."""
        once = set(stored)
        with self.lock:
            return {
                "lost": self.acknowledged - once,
                "made up": once - self.acknowledged - self.unknown,
                "twice": {key for key in once if stored.count(key) > 1}
                if len(once) != len(stored) else set(),
            }
