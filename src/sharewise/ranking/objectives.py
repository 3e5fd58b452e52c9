"""What a ranker predicts, as tasks: engagement and satisfaction, by rules over the log's columns."""

from __future__ import annotations

from sharewise.errors import ConfigError
from sharewise.tasks import Task, TaskSet

#: Kinds whose predictions are one number that can be measured in a stream.
KINDS = ("binary", "regression", "count")


def default_tasks() -> TaskSet:
    """Return the five objectives of a log with all of its feedback (Zhao et al., RecSys 2019, sec. 4.1).

    Watching is predicted as the logarithm of 1 + seconds. What nobody could say is missing, and no rule
    invents it: without a click there is neither a time watched nor a like. Tasks of a kind are neighbours, so
    that nothing is gathered in a step.
    """
    return TaskSet(
        [
            Task("click", "binary", "clicked"),
            Task("like", "binary", "CASE WHEN clicked THEN liked END"),
            Task("dismiss", "binary", "dismissed"),
            Task("watch", "regression", "CASE WHEN clicked THEN LOG1P(watched) END"),
            Task("rating", "regression", "rating"),
        ]
    )


def check_tasks(tasks: TaskSet) -> TaskSet:
    """Return the tasks, if a ranker can have them.

    Raises:
        ConfigError: if one is of a kind whose predictions are not one number.
    """
    for task in tasks:
        if task.kind.name not in KINDS or task.width > 1:
            raise ConfigError(
                f"Task '{task.name}' is of kind '{task.kind.name}', which cannot be ranked by.",
                f"Use one of {', '.join(KINDS)}.",
            )
    return tasks
