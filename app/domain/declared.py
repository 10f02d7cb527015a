"""What an issue declares of itself: by the front matter of its text, and by labels."""

from collections.abc import Iterable

from app.domain.front_matter import FrontMatter, read_front_matter
from app.domain.labels import LOCK_PREFIX
from app.domain.locks import take_paths, widen
from app.domain.text import one_line


def read_declared(text: str, labels: Iterable[str]) -> FrontMatter:
    """Return what the front matter says, with the locks that labels `lock:PATH` name besides."""
    said = read_front_matter(text)
    paths, remarks = list[str](), list[str]()
    for label in sorted(label for label in labels if label.lower().startswith(LOCK_PREFIX)):
        try:
            paths += take_paths([label[len(LOCK_PREFIX) :]])
        except ValueError as error:
            remarks.append(f"The label `{one_line(label, 50)}` does not count: {one_line(str(error), 300)}.")
    return said.model_copy(update={"locks": widen(said.locks, paths), "remarks": (*said.remarks, *remarks)})
