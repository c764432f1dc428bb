"""Where every choice is made: functions of values, with the time among them.

`policy` turns a policy's text into queries; `health` turns answers into findings, and says whether a service is well;
`objects` reads what the cluster says; `cause` says what is to blame; `actions` has a module for each thing that can be
done; `guards` says why not now; `records` puts decisions into words, and says how long they are kept; `remedy` chooses
what is next, and says whether it helped. Each knows those before it, and none after it. Nothing here does I/O or reads
a clock, so replay, tests, Observe mode and live share it to the last line.
"""
