"""Where the API server keeps an object, as a path; nothing enters a path or a selector that could change its meaning.

The server checks names too, but only after it has routed the request by them.
"""

import re

from salus.model.values.objects import Requirement, Selector
from salus.ports import Invalid, Labels, Ref, Resource

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")
_SUBRESOURCES = {"", "status", "scale"}


def collection_path(resource: Resource, namespace: str | None) -> str:
    """Path of all objects of a kind in a namespace (None: in all). Raises Invalid for what is not a namespace."""
    group = resource.api_version
    root = f"/apis/{group}" if "/" in group else f"/api/{group}"
    if namespace is None or not resource.namespaced:
        return f"{root}/{resource.plural}"
    return f"{root}/namespaces/{_checked(_NAMESPACE, 'namespace', namespace)}/{resource.plural}"


def object_path(ref: Ref, subresource: str = "") -> str:
    """Path of one object, or of its subresource. Raises Invalid for what is not a name."""
    if subresource not in _SUBRESOURCES:
        raise Invalid(f"subresource {subresource!r} is none that Salus uses")
    path = f"{collection_path(ref.resource, ref.namespace)}/{_checked(_NAME, 'name', ref.name)}"
    return f"{path}/{subresource}" if subresource else path


def label_selector(labels: Labels) -> str:
    """`a=1,b=2`, or `a in (1,2),!b` of a selector. Raises Invalid for what is not a label."""
    if isinstance(labels, Selector):
        return ",".join(map(_requirement, labels.requirements))
    return ",".join(
        f"{_checked(_LABEL_KEY, 'label key', key)}={_checked(_LABEL_VALUE, 'label value', value)}"
        for key, value in sorted(labels.items())
    )


def _requirement(wanted: Requirement) -> str:
    key = _checked(_LABEL_KEY, "label key", wanted.key)
    values = ",".join(_checked(_LABEL_VALUE, "label value", value) for value in wanted.values)
    return {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(
        wanted.operator, f"!{key}"
    )


def _checked(pattern: re.Pattern[str], what: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise Invalid(f"{text!r} is not a {what} that Kubernetes allows")
    return text
