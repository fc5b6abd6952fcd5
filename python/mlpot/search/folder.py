"""The folder of a search: every finished piece of work is a file in it, and is not done again."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import ase.io
from ase import Atoms
from rich.progress import Progress

from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.generate import write
from mlpot.search.config import SearchConfig

Job = TypeVar("Job")
SAVE = 10.0  # s between two writings of a piece of work that is under way
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of a file system, often a cluster's
ROUNDS = "round-[0-9]*"
AGAIN = "remove it, and the search does this step again"
LATER = ("rounds", "final")  # may change: what rounds did stays right


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The folder is made, and is this process' alone, where the file system knows locks.

    InputError where that cannot be.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{path}: cannot make this folder: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{path}: another process is at this search") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise InputError(f"{path}: cannot be locked: {error.strerror}") from None
        yield
    finally:
        os.close(handle)


class Folder:
    """Of one search.  Raises InputError where it holds another one."""

    def __init__(self, path: Path, config: SearchConfig, progress: Progress | None = None) -> None:
        self.path, self.rounds, self.progress = path, config.rounds, progress
        claim(path, config.model_dump(mode="json", exclude={"output"}))

    def name(self, number: int) -> str:
        """Of a round; 0 is of the data given, and what comes after all rounds is the ranking."""
        return f"round {number}" if number <= self.rounds else "ranking"

    def round(self, number: int) -> Path:
        """The folder of a round."""
        return self.path / self.name(number).replace(" ", "-")

    def frames(
        self,
        path: Path,
        jobs: Sequence[Job],
        work: Callable[[Job], Iterable[Atoms]],
        title: str = "",
    ) -> list[Atoms]:
        """Structures of all jobs, in order, as they are in the file; it is made where it is not.

        What was done is saved every few seconds and when the run is interrupted, so that only the
        job under way is lost.  info["job"] is the number of the job a structure comes from.
        """
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part.xyz")
        if path.is_file():
            part.unlink(missing_ok=True)
            found = read_frames(path)
            if (done := _jobs_done(found)) != len(jobs):
                raise InputError(f"{path}: holds {done} of {len(jobs)} structures: {AGAIN}")
            return found
        found = read_frames(part) if part.is_file() else []
        start, saved = _jobs_done(found), time.monotonic()
        try:
            for number in self._shown(range(start, len(jobs)), len(jobs), title):
                made = list(work(jobs[number]))
                for atoms in made:
                    atoms.info["job"] = number
                found += made
                if time.monotonic() - saved > SAVE:
                    write(found, part)
                    saved = time.monotonic()
        except BaseException:
            write(found, part)
            raise
        write(found, path)
        part.unlink(missing_ok=True)
        return read_frames(path)

    @contextmanager
    def bars(self, shown: bool) -> Iterator[Progress | None]:
        """The progress, where there is one to be shown; bars that are added to it go at the end."""
        if self.progress is None or not shown:
            yield None
            return
        before = set(self.progress.task_ids)
        yield self.progress
        for task in set(self.progress.task_ids) - before:
            self.progress.remove_task(task)

    def _shown(self, numbers: range, total: int, title: str) -> Iterator[int]:
        if self.progress is None:
            yield from numbers
            return
        task = self.progress.add_task(title, total=total, completed=numbers.start)
        for number in numbers:
            yield number
            self.progress.advance(task)
        self.progress.remove_task(task)


def read_frames(path: Path) -> list[Atoms]:
    """Structures with their labels and info, equal to what was written."""
    try:
        text = path.read_text(encoding="utf-8")
        return ase.io.read(StringIO(text), index=":", format="extxyz") if text else []
    except Exception as error:  # ASE's reader has many for a damaged file
        raise InputError(f"{path}: cannot be read ({error}): {AGAIN}") from None


def _jobs_done(found: Sequence[Atoms]) -> int:
    return found[-1].info.get("job", -1) + 1 if found else 0


def claim(path: Path, given: dict[str, Any]) -> None:
    """Make the folder that of the search with this configuration.

    It may be another one's as long as that has no labels, which is then removed; or if only LATER
    differs, whose ranking is set aside.  InputError for any other search.
    """
    known = path / "search.json"
    if known.is_file():
        changes = _changes(_read(known), given)
        if not changes:
            return
        if not any(labels.stat().st_size for labels in path.glob(f"{ROUNDS}/labelled*.xyz")):
            for stale in path.glob(ROUNDS):
                shutil.rmtree(stale)
        elif all(key.split(".")[0] in LATER for key, _, _ in changes):
            _set_aside(path / "ranking")
        else:
            key, there, here = next(c for c in changes if c[0].split(".")[0] not in LATER)
            raise InputError(
                f"{path}: holds another search ({key} is {there} there, {here} here); restore the "
                "configuration, or give another output and the labels in its data"
            )
    elif any(path.glob(ROUNDS)):
        raise InputError(f"{path}: holds rounds but no search.json; give another output")
    write_atomic(known, json.dumps(given, indent=1) + "\n")


def _set_aside(folder: Path) -> None:
    """ranking becomes ranking-1, or what is free: what the reference computed is not lost."""
    number = 1
    while (other := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    if folder.exists():
        folder.rename(other)


def _read(known: Path) -> dict[str, Any]:
    try:
        content = json.loads(known.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "structures" not in content:
        raise InputError(f"{known}: is damaged, or not of a search; give another output")
    return content


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(dotted key, value there, value here) of what differs."""
    there, here = dict(_flat(before)), dict(_flat(now))
    pairs = ((key, there.get(key), here.get(key)) for key in dict.fromkeys([*there, *here]))
    return [change for change in pairs if change[1] != change[2]]


def _flat(block: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything in a block."""
    if isinstance(block, dict) and block:
        for key, value in block.items():
            yield from _flat(value, f"{place}.{key}" if place else str(key))
    else:
        yield place, block
