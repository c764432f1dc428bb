"""A throw-away certificate authority and its certificates.

ECDSA keys, since an RSA key takes longer to make than the whole control plane takes to start. Who needs which
certificate is the business of `controlplane` and `kubelet`.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = datetime.timedelta(days=30)
_CLOCK_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Pair:
    """Two PEM files: a certificate and its private key."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class KeyPair:
    """Two PEM files: a public key and its private key (what signs and checks service account tokens)."""

    public: Path
    private: Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority that writes what it issues into `folder`."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        """Make `folder`, and in it a new authority's `ca.crt`."""
        folder.mkdir(parents=True, exist_ok=True)
        key = _new_key()
        name = _name("devcluster", ())
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        (folder / "ca.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
        return cls(folder, key, certificate)

    @property
    def cert(self) -> Path:
        """The authority's own certificate."""
        return self.folder / "ca.crt"

    def issue(
        self,
        file: str,
        user: str,
        *,
        groups: Sequence[str] = (),
        sans: Sequence[str] = (),
        lasts: datetime.timedelta = _LIFETIME,
    ) -> Pair:
        """Write `file`.crt and `file`.key for `user` in `groups`, good for a client.

        With `sans`, which are host names and IP addresses, they are good for a server as well. They begin five minutes
        ago, and one that `lasts` for less than nothing has ended since.
        """
        key = _new_key()
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if sans else [])]
        builder = (
            _builder(_name(user, groups), self.certificate.subject, key.public_key(), lasts)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName([_san(san) for san in sans]), critical=False)
        pair = Pair(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        pair.cert.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        _write_private(pair.key, key)
        return pair

    def key_pair(self, file: str) -> KeyPair:
        """Write `file`.pub and `file`.key, a key pair without a certificate."""
        key = _new_key()
        pair = KeyPair(self.folder / f"{file}.pub", self.folder / f"{file}.key")
        pair.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        _write_private(pair.private, key)
        return pair


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(user: str, groups: Sequence[str]) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lasts: datetime.timedelta = _LIFETIME
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lasts)
    )


def _san(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
