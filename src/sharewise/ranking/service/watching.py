"""Watching: what the service's own log says of the experiments that run, partition by partition."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharewise.errors import SharewiseError
from sharewise.ranking.experiment.course import Course
from sharewise.ranking.experiment.plan import ExperimentPlan
from sharewise.ranking.experiment.watch import Look


class Watching:
    """The courses of experiments in one log.

    Args:
        log: its folder.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._courses: dict[str, Course] = {}
        self._problems: dict[str, str] = {}
        self._advancing = threading.Lock()

    def advance(self, plans: Sequence[ExperimentPlan], columns: Mapping[str, str]) -> None:
        """Read what is new in the log; an experiment that has changed is read from the log's beginning."""
        with self._advancing:
            kept = {plan.name: self._course(plan, columns) for plan in plans}
            problems = {}
            for name, course in kept.items():
                try:
                    course.advance()
                except SharewiseError as error:
                    problems[name] = str(error)
            self._courses, self._problems = kept, problems

    def last(self) -> list[tuple[ExperimentPlan, Look]]:
        """Return the last look at every experiment that was looked at."""
        return [(course.plan, course.looks[-1]) for course in self._courses.values() if course.looks]

    def looks(self, name: str) -> list[Look]:
        """Return the looks at an experiment, in the order of time."""
        course = self._courses.get(name)
        return [] if course is None else course.looks

    def evidence(self) -> list[dict[str, Any]]:
        """Return what is known of every experiment, as plain values, with its ``problem``, "" for none."""
        courses, problems = self._courses, self._problems
        return [{**course.evidence(), "problem": problems.get(name, "")} for name, course in courses.items()]

    def _course(self, plan: ExperimentPlan, columns: Mapping[str, str]) -> Course:
        course = self._courses.get(plan.name)
        return course if course is not None and course.plan == plan else Course(plan, self._log, columns)
