"""The shell: one tick from question to record, with every choice made in `core/`.

`tick` asks and evaluates for all that is due; `healing` takes one unhealthy target through decide, plan, guard,
record, act and verify; `journal` writes incidents and change events; `gather` reads afresh what guards judge;
`keeping` keeps releases.
"""

from salus.loop.tick import Loop
from salus.loop.world import World

__all__ = ["Loop", "World"]
