"""`salus replay`: what policies would have done, by the operator's own loop over a past.

`play.play` is the loop, `report.report` what came of it as a document; neither asks anybody, so that who has a history
already may rehearse what it proposes (`report.rehearse`). `lives` is what a workload was over that time.
"""
