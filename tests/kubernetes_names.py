"""Names as Kubernetes makes them, written down apart from the code that is tested with them.

After `generateName` of the API server (63 characters at most, of which five are random), `SafeEncodeString` of the hash
of a template, and the controllers' own ways of naming ReplicaSets and pods.
"""

from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
LONGEST_NAME = 63
RANDOM = 5


def template_hash(number: int) -> str:
    """The hash of a pod template, from its 32 bits: the digits of the number, each in the letters above."""
    return "".join(LETTERS[ord(digit) % len(LETTERS)] for digit in str(number))


def generated(prefix: str, letters: str) -> str:
    """What the API server makes of `metadata.generateName`."""
    return prefix[: LONGEST_NAME - RANDOM] + letters


def pod_name(workload: TargetKey, number: int = 3405691582, letters: str = "x2k9q") -> str:
    """A pod of this workload; `number`: the hash of its template, or which of a StatefulSet's pods it is."""
    match workload.kind:
        case WorkloadKind.STATEFUL_SET:
            return f"{workload.name}-{number}"
        case WorkloadKind.DAEMON_SET:
            return generated(f"{workload.name}-", letters)
        case WorkloadKind.DEPLOYMENT:
            digest = template_hash(number)
            replica_set = f"{workload.name[: 253 - 1 - len(digest)]}-{digest}"
            return generated(f"{replica_set}-", letters)
