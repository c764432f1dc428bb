"""Restore: put the last known good spec back. No remedy asks for it yet; its records are read as a rollback's."""

from dataclasses import replace

from salus.core.actions import rollback
from salus.model.change import ActionKind

KIND = replace(rollback.KIND, name=ActionKind.RESTORE, field="")
