"""What a task is: {p(x), p(y|x), loss}, a weight and a descriptor. No tables, no networks, no training."""

from sharewise.tasks.descriptors import describe, encode_text
from sharewise.tasks.inputs import InputSpec
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import Binary, Count, Custom, Multiclass, Regression, register_kind
from sharewise.tasks.task import Task, TaskGroup, TaskSet

__all__ = [
    "Binary",
    "Count",
    "Custom",
    "InputSpec",
    "Kind",
    "Multiclass",
    "Regression",
    "Task",
    "TaskGroup",
    "TaskSet",
    "describe",
    "encode_text",
    "register_kind",
]
