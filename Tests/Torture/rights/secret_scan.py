"""Finds keys and tokens in whatever a server leaves behind.

A key is known by its checksum: 44 characters and 6 that are SHA-256 of them in base 32, so a find
is no coincidence. Secrets that are known are also looked for in pieces and in other spellings.
`python3 secret_scan.py PATH …` scans files and folders and ends with 1 when there are any;
`--self-test` shows that a planted key is found.
"""
import base64, hashlib, os, re, sys, tempfile
from pathlib import Path

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PATTERN = re.compile(rb"im[ko]_[0-9a-hjkmnp-tv-z]{46}")
# In UTF-16, as other programs may keep text.
WIDE = re.compile(rb"(?:[im]\x00){2}(?:[ko_0-9a-hjkmnp-tv-z]\x00){48}")
PIECE = 16
# Where pieces of a secret can stand at all: the alphabet has no i, l, o, u and no capitals, so that
# hardly any other text has 16 of its characters in a row.
RUNS = re.compile(rb"[0-9a-hjkmnp-tv-z]{16,}")
WIDE_RUNS = re.compile(rb"(?:[0-9a-hjkmnp-tv-z]\x00){16,}")
CODED_RUNS = re.compile(rb"[0-9A-Za-z+/]{36,}")


def checksum(text):
    """The 6 characters that end a key of 44 bytes."""
    return "".join(ALPHABET[byte & 31] for byte in hashlib.sha256(text).digest()[:6]).encode()


def made_up(kind="imk_", random=None, name=None):
    """A key that no server has made, with a right checksum."""
    draw = random.choice if random else lambda text: text[os.urandom(1)[0] & 31]
    name = name or "".join(draw(ALPHABET) for _ in range(8))
    body = (kind + name + "".join(draw(ALPHABET) for _ in range(32))).encode()
    return (body + checksum(body)).decode()


def keys_in(data):
    """Every whole key or token in some bytes, as text."""
    found = {match.group() for match in PATTERN.finditer(data)}
    found |= {match.group()[::2] for match in WIDE.finditer(data)}
    return {key.decode() for key in found if checksum(key[:44]) == key[44:]}


class Known:
    """Known secrets, by pieces of 16 characters of the ways to spell them: plain halves,
    hexadecimal, base 64 in its three alignments."""

    def __init__(self, secrets=()):
        self.pieces = {}
        for secret in secrets:
            body, name = secret[12:44].encode(), secret[:12]
            self.pieces[body[:PIECE]] = ("the first half", name)
            self.pieces[body[PIECE:]] = ("the second half", name)
            self.pieces[body.hex().encode()[:PIECE]] = ("hexadecimal", name)
            for shift in range(3):
                # What neighbours have a part in is left out.
                coded = base64.b64encode(b"\0" * shift + body)[4 if shift else 0:]
                self.pieces[coded[:PIECE]] = ("base 64", name)

    def finds(self, data):
        """What is found in some bytes: [(how, the key's name)]."""
        found = {("a key with a right checksum", key[:12]) for key in keys_in(data)}
        runs = [match.group() for each in (RUNS, CODED_RUNS) for match in each.finditer(data)]
        runs += [match.group()[::2] for match in WIDE_RUNS.finditer(data)]
        for run in runs if self.pieces else ():
            for start in range(len(run) - PIECE + 1):
                piece = self.pieces.get(run[start:start + PIECE])
                if piece:
                    found.add(piece)
        return sorted(found)


def finds(data, secrets=()):
    """What is found in some bytes: [(how, the key's name)]."""
    return Known(secrets).finds(data)


def scan(path, secrets=()):
    """What is found in a file, or in every file of a folder: [(path, how, the key's name)]."""
    path = Path(path)
    known = Known(secrets)
    files = sorted(each for each in path.rglob("*") if each.is_file() and not each.is_symlink()) \
        if path.is_dir() else [path]
    return [
        (str(each), how, name) for each in files for how, name in known.finds(each.read_bytes())]


def memory(pid):
    """The writable memory of a process: what a core dump of it holds, piece by piece; stretches of
    zeros, which nobody has touched, are left out.

    Linux: of a child of this process, or of any process for root."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as bytes_of:
        for line in maps:
            place, rights = line.split()[:2]
            start, end = (int(text, 16) for text in place.split("-"))
            if not rights.startswith("rw"):
                continue
            name = line.split()[-1] if len(line.split()) > 5 else "anonymous"
            piece = []
            for offset in range(start, end, 1 << 20):
                try:
                    bytes_of.seek(offset)
                    part = bytes_of.read(min(1 << 20, end - offset))
                except OSError:  # A guard page, or a mapping that has just gone.
                    part = b""
                if part.count(0) < len(part):
                    piece.append(part)
                elif piece:
                    yield name, b"".join(piece)
                    piece = []
            if piece:
                yield name, b"".join(piece)


def self_test():
    """Plants keys in files and in memory and finds each; raises when one is missed."""
    key, token = made_up("imk_"), made_up("imo_")
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    with tempfile.TemporaryDirectory() as folder:
        planted = {
            "plain": b"x" * 4090 + key.encode() + b"y", "wide": token.encode("utf-16-le"),
            "base64": base64.b64encode(b"?" + key.encode()),
            "hex": key.encode().hex().encode(), "half": b"\0" + key[12:28].encode(),
            "clean": wrong[:12].encode() + b" " + hashlib.sha256(key.encode()).digest(),
            "mistyped": wrong.encode()[:44] + b"000000"}
        for name, data in planted.items():
            (Path(folder) / name).write_bytes(data)
        found = {Path(path).name for path, _, _ in scan(folder, [key, token])}
        assert found == {"plain", "wide", "base64", "hex", "half", "mistyped"}, found
        # Without knowing the key, by its checksum alone.
        found = {Path(path).name for path, _, _ in scan(folder)}
        assert found == {"plain", "wide"}, found
    held = bytearray(key.encode())
    assert any(key in keys_in(data) for _, data in memory(os.getpid())), "memory"
    held[:] = bytes(len(held))


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        print("secret_scan: what was planted was found")
        return 0
    found = [each for path in sys.argv[1:] for each in scan(path)]
    for path, how, name in found:
        print(f"{path}: {how}: {name}…")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
