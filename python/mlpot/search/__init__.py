"""Crystal structure prediction: generate, relax, select, label, fit, and again; then rank.

The first round labels random structures.  The others relax random structures with the potential of
the round before, and label what is new to it on the way.  In the end the relaxed ones of a last,
larger set are ranked, and the lowest are checked by the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from mlpot.files import write_atomic
from mlpot.search.config import SearchConfig, load_search, parse_search
from mlpot.search.folder import Folder, locked
from mlpot.search.rank import Found, distinct, ranked, relaxed
from mlpot.search.report import RoundReport, report_of, write_report
from mlpot.search.steps import Say, Steps

__all__ = ["Found", "Result", "SearchConfig", "load_search", "parse_search", "search"]


@dataclass
class Result:
    """The structures, of lowest enthalpy first, what each round did, and the files written."""

    found: list[Found]
    rounds: list[RoundReport]
    files: list[Path]


def search(
    config: SearchConfig,
    output: Path | None = None,
    progress: Progress | None = None,
    say: Say = print,
) -> Result:
    """Run a search, or go on with one that was stopped.

    output: a folder instead of the configured one.  progress: a running rich progress to show bars
    in.  say: prints a line for the user.
    Each finished step is a file in the folder.  The same configuration gives the same bytes (but
    for the times in the logs of fits), however often it is interrupted.
    Raises InputError for mistakes in the configuration, a folder that holds another search or that
    another process is at, and where no structure of the first round gets a label.
    """
    output = output or config.output_folder
    with locked(output):
        return _search(config, output, progress, say)


def _search(config: SearchConfig, output: Path, progress: Progress | None, say: Say) -> Result:
    folder = Folder(output, config, progress)
    steps = Steps(config, folder, say)
    model, reports = None, []
    for number in range(1, config.rounds + 1):
        fresh = steps.generate(number, config.candidates if model else config.first)
        if model is None:
            steps.check_fit([*steps.given(), *fresh])
            ways, chosen = [], fresh
        else:
            ways = steps.relax(number, fresh, model)
            chosen = steps.select(number, ways, model)
        good = steps.label(number, chosen)
        if good or model is None:
            model = steps.fit(number)
        metrics = folder.round(number) / f"{config.name}.metrics.json"
        reports.append(report_of(folder.name(number), ways, chosen, good, metrics))
        say(str(reports[-1]))
    last, most = config.rounds + 1, config.final.verify
    ways = steps.relax(last, steps.generate(last, config.final.candidates), model)
    reports.append(report_of(folder.name(last), ways))
    say(str(reports[-1]))
    found = ranked(distinct(relaxed(ways)))
    found = ranked([*steps.verify(last, found[:most]), *found[most:]])
    potential = write_atomic(output / f"{config.name}.json", model.to_text())
    files = [*write_report(output, found, reports, config.name), potential]
    return Result(found, reports, files)
