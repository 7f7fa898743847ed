"""Sections on log lines of old and new code. Each pattern has an example, which documents and tests it."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, model_validator

from rollback_gate.profile.base import Section


class LinePattern(Section):
    """A form of log line. The example must match: it documents the pattern and is its first test."""

    name: str = Field(min_length=1)
    pattern: re.Pattern[str]
    example: str

    @model_validator(mode="after")
    def _example_matches(self) -> Self:
        if not self.pattern.search(self.example):
            raise ValueError(f"the example of '{self.name}' is not matched by its own pattern")
        return self


class NewLine(LinePattern):
    """`kind` groups the lines as the runbook does; `every_document`: printed for each document, failed or not."""

    kind: str
    every_document: bool = False


class NoiseLine(LinePattern):
    """An error line that old code prints too.

    `per_document`: maximum number for each document that a process had in hand; more count as errors. `of_input`: it
    reports an invalid task, which is the input's fault. `ends`: the first traceback after the line must end like this;
    otherwise the line is an error of the worker.
    """

    per_document: int | None = Field(default=None, ge=1, le=1000)
    of_input: bool = False
    ends: re.Pattern[str] | None = None


class Logs(Section):
    """Forms of log lines: regular expressions, searched in each line as the container wrote it.

    A line counts for the first of consuming, connected, picked_up, completed, scored, rejected. `consuming`: the
    process is ready. `connected`: it has reached its queue. `picked_up`, `completed`: of a task; check 3 needs both.
    `picked_up` has a group `(?P<document>...)`, the document's id in the database; `completed` a group
    `(?P<task>...)`, a text that holds this id. `scored`: a finished document's score in percent, with
    `(?P<document>...)` and `(?P<percent>...)`. `rejected`: a task that is no document, with `(?P<task>...)`. `error`:
    an error line. `new`: lines that only the change prints. `noise`: error lines that old code prints too.
    `upstream`: lines that old code prints only while the upstream is in trouble.
    """

    consuming: re.Pattern[str]
    connected: re.Pattern[str] | None = None
    picked_up: re.Pattern[str] | None = None
    completed: re.Pattern[str] | None = None
    scored: re.Pattern[str] | None = None
    rejected: re.Pattern[str] | None = None
    error: re.Pattern[str]
    noise: tuple[NoiseLine, ...] = ()
    new: tuple[NewLine, ...] = ()
    upstream: tuple[LinePattern, ...] = ()

    @property
    def progress(self) -> tuple[re.Pattern[str], ...]:
        """Lines that only a process that works prints: it is ready, and has a task in hand or done."""
        return tuple(pattern for pattern in (self.consuming, self.picked_up, self.completed) if pattern)

    @model_validator(mode="after")
    def _each_can_match(self) -> Self:
        """An earlier pattern that matches every line of a later one would take them all."""
        ordered = ("consuming", "connected", "picked_up", "completed", "scored", "rejected")
        patterns = [(key, pattern) for key in ordered if (pattern := getattr(self, key))]
        for number, (key, pattern) in enumerate(patterns):
            for earlier, taken in patterns[:number]:
                is_plain = re.escape(pattern.pattern).replace("\\ ", " ") == pattern.pattern
                if taken == pattern or (is_plain and taken.search(pattern.pattern)):
                    raise ValueError(f"logs.{key} could never match: logs.{earlier} takes every such line")
        return self

    @model_validator(mode="after")
    def _groups_are_named(self) -> Self:
        groups = {
            "picked_up": ("document",),
            "completed": ("task",),
            "scored": ("document", "percent"),
            "rejected": ("task",),
        }
        for key, names in groups.items():
            pattern = getattr(self, key)
            for group in names if pattern else ():
                if group not in pattern.groupindex:
                    raise ValueError(f"logs.{key} must have a group (?P<{group}>...)")
        return self


class ErrorType(LinePattern):
    """`expected`: a type that a change like this one causes while it settles, or that others cause."""

    expected: bool
