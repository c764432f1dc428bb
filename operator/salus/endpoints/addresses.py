"""Addresses that only an attacker would have Salus ask: link-local ones, and those of clouds' metadata services.

They are refused at the moment of connecting, after the name was resolved: whoever rules a name server cannot show one
address to a check and another to the connection. An IPv6 address in which an IPv4 address stands is judged by that one
too: a gateway on the way, or the kernel, may go there.

Loopback is let through, for the sake of proxies in the same pod. The chart's network policy leaves out the same
networks (`salus.peers`).
"""

import ipaddress
from collections.abc import Iterator

NEVER_ASKED = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",  # link-local, and the metadata of most clouds; AWS ECS and EKS Pod Identity
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure's WireServer
            "192.0.0.192/32",  # Oracle Cloud
            "fe80::/10",  # link-local, and the metadata of OpenStack
            "fd00:ec2::/32",  # AWS: metadata at ::254, credentials of EKS Pod Identity at ::23
            "fd20:ce::254/128",  # Google Cloud
            "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
            "fd00:42::42/128",  # Scaleway
            "fd00:a9fe:a9fe::1/128",  # Akamai
            "fd00:100::100:200/128",  # Alibaba Cloud
        ),
    )
)
_IN_THE_LAST_32_BITS = tuple(
    map(
        ipaddress.ip_network,
        (
            "::/96",  # IPv4-compatible (RFC 4291)
            "::ffff:0:0/96",  # IPv4-mapped (RFC 4291)
            "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
            "64:ff9b::/96",  # NAT64 (RFC 6052)
        ),
    )
)
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
"""Prefixes of one's own (RFC 8215), of any of the lengths that RFC 6052 knows."""
_INTERFACE_OF_ISATAP = (0x00005EFE, 0x02005EFE)
"""The first half of its interface identifier (RFC 5214), under any prefix; the second is the IPv4 address."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(OSError):
    """The name of a server means an address that Salus does not connect to."""


def refuse(text: str) -> None:
    """Raise AddressRefused for an address, as a resolver gives it, that must not be asked."""
    address = ipaddress.ip_address(text.partition("%")[0])
    for one in _meant(address):
        if any(one in network for network in NEVER_ASKED):
            raise AddressRefused(f"{address} is a link-local or metadata address, which is not allowed")
    if address in _UNSPECIFIED:
        raise AddressRefused(f"{address} is no server's address: Linux takes it for this pod itself")


_UNSPECIFIED = frozenset(map(ipaddress.ip_address, ("0.0.0.0", "::", "::ffff:0.0.0.0")))  # noqa: S104 - not to listen on


def _meant(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 addresses that an IPv6 one may stand for."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        yield from map(ipaddress.IPv4Address, _inside(address))


def _inside(address: ipaddress.IPv6Address) -> Iterator[int]:
    bits = int(address)
    if any(address in network for network in _IN_THE_LAST_32_BITS):
        yield _four(bits, 96)
    if address in _LOCAL_NAT64:
        yield _four(bits, 96)
        without_u = (bits >> 64 << 56 | bits & ((1 << 56) - 1)) << 8  # octet 8 is none of the address's (RFC 6052)
        yield from (_four(without_u, prefix) for prefix in (48, 56, 64))
    if _four(bits, 64) in _INTERFACE_OF_ISATAP:
        yield _four(bits, 96)
    if address.sixtofour:
        yield int(address.sixtofour)
    yield from map(int, address.teredo or ())


def _four(bits: int, start: int) -> int:
    """The 32 bits of 128 that begin at `start`."""
    return bits >> (96 - start) & 0xFFFFFFFF
