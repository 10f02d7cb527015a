"""A look at a tree, to see whether anything in it changed."""

import os
from hashlib import sha256
from itertools import islice
from pathlib import Path

LONGEST_LOOK = 20_000
"""Files and folders that are read to see whether anything changed; what lies beyond them is not looked at."""


def fingerprint(tree: Path) -> str:
    """Return something that changes when a file of the tree does, by names, sizes and times; `.git` does not count."""
    digest, left, folders = sha256(), LONGEST_LOOK, [str(tree)]
    while folders and left > 0:  # without recursion: an agent may have made them as deep as it likes
        entries = _some_of(folders.pop(), left)
        left -= len(entries)
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if not entry.is_dir(follow_symlinks=False):
                said = f"{entry.path} {found.st_size} {found.st_mtime_ns}\n"
                digest.update(said.encode(errors="surrogateescape"))
            elif entry.name != ".git":
                folders.append(entry.path)
    return digest.hexdigest()


def _some_of(folder: str, most: int) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(islice(entries, most), key=lambda entry: entry.name)
    except OSError:
        return []
