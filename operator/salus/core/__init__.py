"""Where every choice is made: functions of values, with the time among them.

`compile` turns a policy's text into questions; `evaluate` turns answers into findings; `decide` chooses a rung of the
ladder; `guards` says why not now; `verify` says whether it helped; `status` and `records` put decisions into words.
Nothing here does I/O or reads a clock, so replay, tests, Observe mode and live share it to the last line.
"""
