-- How Argo CD shows a HealthPolicy: by whether its spec is in use, never by how the service is, so that an incident
-- holds no sync back. What the service is like, the message tells.
local waiting = {status = "Progressing", message = "Salus has not seen this generation yet"}

if obj.spec ~= nil and obj.spec.suspend then
  return {status = "Suspended", message = "spec.suspend is true: it measures and does not act"}
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return waiting
end

local found = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  found[condition.type] = condition
end
local stalled, ready, healthy = found["Stalled"], found["Ready"], found["Healthy"]

if stalled ~= nil and stalled.status == "True" then
  return {status = "Degraded", message = stalled.message}
end
if ready == nil then
  return waiting
end
if ready.status ~= "True" then
  return {status = "Progressing", message = ready.message}
end
if healthy ~= nil and healthy.status ~= "True" then
  return {status = "Healthy", message = ready.message .. "; the service is not healthy: " .. healthy.message}
end
return {status = "Healthy", message = ready.message}
