"""Addresses that only an attacker would have Salus ask: link-local ones, and those of clouds' metadata services.

They are refused at the moment of connecting, after the name was resolved: whoever rules a name server cannot show one
address to a check and another to the connection.
"""

import ipaddress
from collections.abc import Iterator

_METADATA_SERVICES = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure's WireServer
            "192.0.0.192",  # Oracle Cloud
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google Cloud
        ),
    )
)
"""Those outside the link-local ranges (169.254.0.0/16, which most clouds use, and fe80::/10)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(OSError):
    """The name of a server means an address that Salus does not connect to."""


def refuse(text: str) -> None:
    """Raise AddressRefused for an address, as a resolver gives it, that must not be asked."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if any(one.is_link_local or one in _METADATA_SERVICES for one in _meant(address)):
        raise AddressRefused(f"{address} is a link-local or metadata address, which is not allowed")


def _meant(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 address that an IPv6 one stands for."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if inside := address.ipv4_mapped or address.sixtofour:
            yield inside
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
