"""The shell: from a tick to the record, with every choice made in `core/`.

`tick` has all that is due measured and healed, each target in a task of its own; `step` takes one policy on one
target as far as `core.remedy.change_lifecycle` says is next. `climb` tries the ladder, `changes` does a change and
brings it to its end, `healthy` closes what is over, `stuck_pod` and `releases` help a rollback; `report` tells the
policy's status. `observe/` reads what decisions need; `records/` knows what is on record, writes it, sends it and
deletes it.
"""
