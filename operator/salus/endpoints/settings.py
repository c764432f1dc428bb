"""Where a server is and how Salus shows itself there.

Secrets are files, mounted by the administrator and read again when they change; no setting ever holds one.
"""

import base64
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

DEFAULT_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user name, and the file that its password is in."""

    username: str
    password_file: Path


def check_url(text: str) -> str:
    """The URL of a server as it was given. Raises ValueError for what is none, or carries a password."""
    if any(one.isspace() or not one.isprintable() for one in text):
        raise ValueError("a URL holds no blanks, and nothing that cannot be printed")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("expected a URL such as http://prometheus.monitoring:9090")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no passwords in the URL; use basicAuth with a password file")
    return text


class NotTheBase(ValueError):
    """A URL goes on where Salus does; the message quotes none of it."""


def check_header(text: str) -> str:
    """Name or value of a header as it was given. Raises ValueError for what would be more than one."""
    if not text.isprintable():
        raise ValueError("a header holds a character that cannot be printed")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """One server, as the operator's administrator configured it.

    Raises ValueError for a URL that is not one, or that carries a password, for headers that cannot be sent, and where
    it is left open what is meant.
    """

    KIND: ClassVar = "endpoint"
    """What it is called in messages."""

    name: str
    url: str = ""
    url_file: Path | None = None
    """Holds the URL, where that is a secret: of many receivers its path is."""
    timeout: timedelta = DEFAULT_TIMEOUT
    """For one request, from first byte to last."""
    bearer_token_file: Path | None = None
    basic_auth: BasicAuth | None = None
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    cert_file: Path | None = None
    """Certificate to show to the server, and those between it and its authority."""
    key_file: Path | None = None
    """Its private key."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers of every request."""
    header_files: Mapping[str, Path] = field(default_factory=dict)
    """Further ones, and the files that hold their values."""

    def __post_init__(self) -> None:
        if self.bearer_token_file and self.basic_auth:
            raise ValueError(f"{self.title}: choose one of a bearer token and basic auth")
        if bool(self.url) == bool(self.url_file):
            raise ValueError(f"{self.title}: choose one of a URL and a file that holds it")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError(f"{self.title}: a certificate and its key go together")
        try:
            if self.url:
                self.check(self.url)
            for text in (*self.headers, *self.headers.values(), *self.header_files):
                check_header(text)
        except ValueError as error:
            raise ValueError(f"{self.title}: {error}") from error

    @staticmethod
    def check(url: str) -> None:
        """Raises ValueError for a URL that cannot be used."""
        check_url(url)

    @property
    def title(self) -> str:
        """As messages begin: `source default`."""
        return f"{self.KIND} {self.name}"


class CredentialsUnreadable(Exception):
    """A mounted file is missing or unusable; the message names it, and never its content."""


class Credentials:
    """The URL, the headers and the TLS settings of a server, always as the mounted files are now."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._url = _Mounted(settings.url_file)
        self._headers = {name: _Mounted(path) for name, path in settings.header_files.items()}
        self._secret = _Mounted(_secret_file(settings))
        self._of_tls = [_Mounted(file) for file in (settings.ca_file, settings.cert_file, settings.key_file)]
        self._tls: tuple[Sequence[bytes | None], ssl.SSLContext] | None = None

    def url(self, path: str = "") -> str:
        """The server's URL, or that of an API path such as `/api/v1/query` below it. Raises CredentialsUnreadable."""
        url = self._settings.url or self._url.text("URL that can be used", self._settings.check)
        return url.rstrip("/") + path if path else url

    def headers(self) -> dict[str, str]:
        """The headers of a request. Raises CredentialsUnreadable."""
        headers = dict(self._settings.headers)
        headers |= {name: file.text("value of a header") for name, file in self._headers.items()}
        if authorization := self._authorization():
            headers["Authorization"] = authorization
        return headers

    def tls(self) -> ssl.SSLContext | bool:
        """What to check the server's certificate with, and to show it; True: the system's authorities, and nothing.

        Raises CredentialsUnreadable.
        """
        contents = [file.content() for file in self._of_tls]
        if not any(content is not None for content in contents):
            return True
        if self._tls is None or self._tls[0] != contents:
            self._tls = (contents, _context(self._settings, contents[0]))
        return self._tls[1]

    def _authorization(self) -> str:
        if _secret_file(self._settings) is None:
            return ""
        text = self._secret.text("secret")
        basic = self._settings.basic_auth
        if basic is None:
            return f"Bearer {text}"
        return "Basic " + base64.b64encode(f"{basic.username}:{text}".encode()).decode()


class _Mounted:
    """A file that may be replaced at any time, as Kubernetes does with a Secret; read only when it has changed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._content = b""

    def content(self) -> bytes | None:
        """What is in it; None if there is no file by configuration. Raises CredentialsUnreadable."""
        if self._path is None:
            return None
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp != self._seen:
                self._content, self._seen = self._path.read_bytes(), stamp
        except OSError as error:
            raise CredentialsUnreadable(f"cannot read {self._path}: {error.strerror}") from error
        return self._content

    def text(self, meaning: str, check: Callable[[str], object] = check_header) -> str:
        """The text in it, without the blanks around. Raises CredentialsUnreadable, which says nothing of the text."""
        try:
            text = (self.content() or b"").decode().strip()
            check(text)
        except NotTheBase as error:
            raise CredentialsUnreadable(f"{self._path} holds a URL that cannot be used: {error}") from error
        except ValueError:
            text = ""
        if not text or not text.isprintable():
            raise CredentialsUnreadable(f"{self._path} is empty, or holds something else than a {meaning}")
        return text


def _secret_file(settings: EndpointSettings) -> Path | None:
    return settings.basic_auth.password_file if settings.basic_auth else settings.bearer_token_file


def _context(settings: EndpointSettings, authorities: bytes | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=authorities.decode("ascii") if authorities is not None else None)
    except (ssl.SSLError, ValueError) as error:
        raise CredentialsUnreadable(f"{settings.ca_file} holds no certificates in PEM form") from error
    if settings.cert_file is not None:
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file, password=_nobody_to_ask)
        except (OSError, ValueError) as error:  # ssl.SSLError is among these
            raise CredentialsUnreadable(
                f"{settings.cert_file} and {settings.key_file} are not a certificate and its key in PEM form, "
                "without a passphrase"
            ) from error
    return context


def _nobody_to_ask() -> str:
    """Of a key with a passphrase OpenSSL would ask for it at the terminal."""
    raise ValueError
