-- Suspend and resume, whichever makes sense. With self-heal on, Argo CD puts back what Git says: suspend in Git then.
local suspended = obj.spec ~= nil and obj.spec.suspend == true

return {
  suspend = {disabled = suspended, displayName = "Suspend: measure, do not act"},
  resume = {disabled = not suspended, displayName = "Resume"},
}
