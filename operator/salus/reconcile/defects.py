"""What escaped from the work for one policy: counted by its stage, and logged with the policy's name.

The trace is logged once for each stage, policy and kind of error: a defect that a policy meets at every tick would fill
the log. After that a short line now and then says that it goes on. Where the policy's author looks is up to the stage:
findings, a refusal, or the condition Stalled.
"""

from datetime import timedelta

import structlog

from salus.model.values.keys import PolicyKey
from salus.reconcile.context import Context

AGAIN_AFTER = timedelta(minutes=10)

log = structlog.get_logger(__name__)


def note(context: Context, stage: str, policy: PolicyKey, error: BaseException) -> None:
    """A defect of Salus met this policy."""
    context.telemetry.failed(stage)
    about, now = (stage, policy, type(error)), context.clock.now()
    logged = context.defects.get(about)
    if logged is None:
        log.error("a defect in Salus met a policy, please report it", stage=stage, policy=str(policy), exc_info=error)
    elif now - logged >= AGAIN_AFTER:
        log.error("the defect is still met", stage=stage, policy=str(policy), error=type(error).__name__)
    else:
        return
    context.defects[about] = now


def forget(context: Context, policy: PolicyKey) -> None:
    """A policy is gone; one that is made again has its traces anew."""
    for about in [one for one in context.defects if one[1] == policy]:
        del context.defects[about]
