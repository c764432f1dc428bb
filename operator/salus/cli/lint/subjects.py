"""What is linted: policies of files, each with its lines, or policies of the cluster."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salus.bounded_yaml import UnreadableError
from salus.cli.documents import Document, read_documents
from salus.cli.findings import is_ours, problems_of
from salus.cli.lint.exceptions import Ignored, Illegible, exceptions_in
from salus.cli.validate import Unreadable, files, read, shown
from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.model.problems import Problem
from salus.model.scalars import Body
from salus.model.values.policies import Policy

Place = Callable[[str], tuple[int, int]]
"""Line and column of a path; 0 and 0 where there is no file."""


def nowhere(_: str) -> tuple[int, int]:
    """Of a policy in the cluster."""
    return 0, 0


@dataclass(frozen=True, slots=True)
class Subject:
    """One policy that is linted."""

    source: str
    """The file, or NAMESPACE/NAME."""
    body: Body
    place: Place
    problems: tuple[Problem, ...]
    """Why it cannot be used."""
    policy: Policy | None
    """None: it cannot be used."""

    @property
    def title(self) -> str:
        """NAMESPACE/NAME, as far as they are written."""
        metadata = self.body.get("metadata")
        names = metadata if isinstance(metadata, Mapping) else {}
        return "/".join(str(names[one]) for one in ("namespace", "name") if names.get(one))


@dataclass(slots=True)
class Read:
    """What was read."""

    subjects: list[Subject] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    exceptions: dict[str, Sequence[Ignored | Illegible]] = field(default_factory=dict)
    """By file."""


def from_files(inputs: Sequence[str], catalog: Catalog, namespace: str) -> Read:
    """All policies of these files; `namespace`: of one that does not say its own."""
    found = Read()
    for file in files(inputs, found.unreadable):
        try:
            text = read(file)
            mine = list(_in_text(text, shown(file), catalog, namespace))
            if mine:
                found.sources.append(shown(file))
            found.subjects += mine
            found.exceptions[shown(file)] = list(exceptions_in(text.decode("utf-8-sig"))) if mine else []
        except UnreadableError as error:
            found.unreadable.append(Unreadable(shown(file), error.line, str(error)))
    return found


def _in_text(text: bytes, file: str, catalog: Catalog, namespace: str) -> Iterator[Subject]:
    for document in read_documents(text):
        if is_ours(document):
            yield _of_document(document, file, catalog, namespace)


def _of_document(document: Document, file: str, catalog: Catalog, namespace: str) -> Subject:
    twice = [Problem(key.path, "this key stands here twice") for key in document.repeated]
    problems = (*twice, *dict.fromkeys(problems_of(document.body, catalog)))
    policy = None if problems else _compiled(document.body, catalog, namespace)
    return Subject(file, document.body, document.place, problems, policy)


def from_cluster(bodies: Sequence[Body], catalog: Catalog) -> Read:
    """Policies as the API server gives them."""
    found = Read()
    for body in bodies:
        metadata = body["metadata"]
        problems = tuple(dict.fromkeys(problems_of(_bare(body), catalog)))
        policy = None if problems else _compiled(body, catalog, metadata["namespace"])
        title = f"{metadata['namespace']}/{metadata['name']}"
        found.sources.append(title)
        found.subjects.append(Subject(title, body, nowhere, problems, policy))
    return found


def _bare(body: Body) -> Body:
    """Without what the API server adds to it."""
    return {"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", **body}


def _compiled(body: Any, catalog: Catalog, namespace: str) -> Policy | None:  # noqa: ANN401 — what a file holds
    metadata = body["metadata"]
    whose = {"namespace": metadata.get("namespace") or namespace, "name": metadata["name"]}
    try:
        return compile_policy({"metadata": whose, "spec": body["spec"]}, catalog)
    except SpecError:
        return None
