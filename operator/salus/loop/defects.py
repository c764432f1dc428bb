"""What escaped from the work for one policy: counted by its stage, logged once, with the policy's name and the trace.

Where the policy's author looks is up to the stage: findings, a refusal, or the condition Stalled.
"""

import structlog

from salus.loop.world import World
from salus.model.values import PolicyKey

log = structlog.get_logger(__name__)


def note(world: World, stage: str, policy: PolicyKey, error: BaseException) -> None:
    """A defect of Salus met this policy."""
    world.telemetry.failed(stage)
    log.error("a defect in Salus met a policy, please report it", stage=stage, policy=str(policy), exc_info=error)
