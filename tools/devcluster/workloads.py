"""What controls an object, read from its owners."""

from tools.devcluster.api import Object


def controller(item: Object) -> Object | None:
    """Return the ownerReference of the controller of `item`."""
    owners = item["metadata"].get("ownerReferences", ())
    return next((owner for owner in owners if owner.get("controller")), None)
