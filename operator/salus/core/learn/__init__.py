"""From a history of samples to a bound that a person can argue about, or to the reason why there is none.

The rule in one sentence: the worst that came back, with a margin, but at least the preset's floor. What happens
again at about the same time on other days is how the service lives; what happened once is an incident. Bounds are
fixed numbers, so that they can be read, rehearsed and tested as anything else in Git.

Nothing here asks for metrics, and nothing here is asked while Salus heals: what comes out is written into a policy by a
person.
"""
