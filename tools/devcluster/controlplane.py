"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback, with RBAC and an audit log.

Every user of the API server has a certificate of their own, so that the audit log tells who did what. Nodes are
left to `kwok` and `kubelet`; the order of everything to `cluster`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.devcluster.api import Api
from tools.devcluster.certificates import Authority, KeyPair, Pair
from tools.devcluster.kubeconfigs import write_kubeconfig
from tools.devcluster.processes import PATIENCE, Process, free_port, stop_together
from tools.devcluster.progress import Say, silence

MASTERS = "system:masters"  # the group that RBAC lets do anything
USERS: Mapping[str, tuple[str, ...]] = {  # user → groups; `salus` has only the rights that RBAC objects give it
    "admin": (MASTERS,),
    "tests": (MASTERS,),
    "kwok": (MASTERS,),
    "salus": (),
}
SERVICE_CIDR = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"

_LOOPBACK = "127.0.0.1"
_AUDIT_POLICY = Path(__file__).with_name("audit-policy.yaml")


@dataclass(frozen=True)
class Settings:
    """What the tiers do differently. The defaults suit nodes that need no network."""

    bind_address: str = _LOOPBACK
    advertise_address: str | None = None
    extra_sans: tuple[str, ...] = ()
    reaches_kubelets: bool = False  # the API server shows kubelets a certificate and checks theirs: exec, logs
    publishes_endpoint: bool = False  # Endpoints of the Service `kubernetes`
    api_server_flags: tuple[str, ...] = ()
    controller_manager_flags: tuple[str, ...] = ()
    scheduler_flags: tuple[str, ...] = ()


@dataclass
class ControlPlane:
    """A control plane whose files are all in `run_dir`."""

    programs: Mapping[str, Path]
    run_dir: Path
    settings: Settings = field(default_factory=Settings)
    say: Say = silence

    def __post_init__(self) -> None:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.authority = Authority.create(self.run_dir / "pki")
        self.port = free_port()
        self.url = f"https://{_LOOPBACK}:{self.port}"
        self.audit_log = self.run_dir / "audit.log"
        self._pairs: dict[str, Pair] = {}
        self._etcd: Process | None = None
        self._api_server: Process | None = None
        self._clients: list[Process] = []

    @property
    def ca(self) -> Path:
        """The certificate of the authority that signed everything here."""
        return self.authority.cert

    def pair(self, user: str, groups: Sequence[str] | None = None) -> Pair:
        """Return the certificate of `user`, issued on first use; `groups` default to those in `USERS`, or none."""
        if user not in self._pairs:
            chosen = USERS.get(user, ()) if groups is None else groups
            file = user.replace(":", "-")
            self._pairs[user] = self.authority.issue(f"client-{file}", user, groups=chosen)
        return self._pairs[user]

    def kubeconfig(self, user: str, groups: Sequence[str] | None = None) -> Path:
        """Return a kubeconfig of `user`, written on first use."""
        path = self.run_dir / f"{user.replace(':', '-')}.kubeconfig"
        if not path.exists():
            pair = self.pair(user, groups)
            credentials = {"client-certificate": str(pair.cert), "client-key": str(pair.key)}
            write_kubeconfig(path, self.url, user=user, credentials=credentials, ca=self.ca)
        return path

    def api(self, user: str = "admin") -> Api:
        """Return the API server as `user` sees it."""
        return Api(self.url, self.ca, self.pair(user))

    def start(self) -> None:
        """Start everything and wait until pods can be created (about 5 seconds)."""
        signing = self.authority.key_pair("service-accounts")
        etcd_url = f"https://{_LOOPBACK}:{free_port()}"
        self._etcd = self._start("etcd", _etcd_flags(etcd_url, self._etcd_server_pair(), self))
        self._api_server = self._start("kube-apiserver", _api_server_flags(etcd_url, signing, self))
        self._api_server.wait_ready(self.api().is_ready, timeout=PATIENCE)
        self.say("API server ready")
        self._clients = [
            self._start("kube-controller-manager", _controller_manager_flags(signing, self)),
            self._start("kube-scheduler", _scheduler_flags(self)),
        ]
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._clients[0].wait_ready(lambda: self.api().exists(account), timeout=PATIENCE)
        self.say("Controllers at work")

    def stop(self) -> None:
        """Stop everything: clients first; etcd last, since an API server without it lingers on its port."""
        stop_together(self._clients)
        for process in (self._api_server, self._etcd):
            if process is not None:
                process.kill()
        self._clients, self._api_server, self._etcd = [], None, None

    def processes(self) -> list[Process]:
        """Return what runs."""
        return [process for process in (self._etcd, self._api_server, *self._clients) if process is not None]

    def _start(self, program: str, flags: Sequence[str]) -> Process:
        return Process.start(program, [self.programs[program], *flags], log=self.run_dir / f"{program}.log")

    def _etcd_server_pair(self) -> Pair:
        return self.authority.issue("etcd", "etcd", sans=("localhost", _LOOPBACK))


def _etcd_flags(url: str, pair: Pair, plane: ControlPlane) -> list[str]:
    peer = f"http://{_LOOPBACK}:{free_port()}"
    return [
        "--name=devcluster",
        f"--data-dir={plane.run_dir / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=devcluster={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={plane.ca}",
        f"--cert-file={pair.cert}",
        f"--key-file={pair.key}",
    ]


def _api_server_flags(etcd_url: str, signing: KeyPair, plane: ControlPlane) -> list[str]:
    settings = plane.settings
    sans = ("localhost", "kubernetes.default.svc", _LOOPBACK, SERVICE_ADDRESS, *settings.extra_sans)
    serving = plane.authority.issue("kube-apiserver", "kube-apiserver", sans=sans)
    etcd = plane.authority.issue("client-etcd", "kube-apiserver")
    return [
        f"--etcd-servers={etcd_url}",
        f"--etcd-cafile={plane.ca}",
        f"--etcd-certfile={etcd.cert}",
        f"--etcd-keyfile={etcd.key}",
        f"--bind-address={settings.bind_address}",
        f"--secure-port={plane.port}",
        f"--tls-cert-file={serving.cert}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={plane.ca}",
        f"--service-account-key-file={signing.public}",
        f"--service-account-signing-key-file={signing.private}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--anonymous-auth=false",
        "--allow-privileged=true",
        f"--audit-policy-file={_AUDIT_POLICY}",
        f"--audit-log-path={plane.audit_log}",
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=100000",  # MB; at 100, the default, a long run's first writes would be rotated away
        *([f"--advertise-address={settings.advertise_address}"] if settings.advertise_address else []),
        *([] if settings.publishes_endpoint else ["--endpoint-reconciler-type=none"]),
        *(_kubelet_flags(plane) if settings.reaches_kubelets else []),
        *settings.api_server_flags,
    ]


def _kubelet_flags(plane: ControlPlane) -> list[str]:
    pair = plane.pair("kube-apiserver-kubelet-client", (MASTERS,))
    return [
        f"--kubelet-client-certificate={pair.cert}",
        f"--kubelet-client-key={pair.key}",
        f"--kubelet-certificate-authority={plane.ca}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _kubeconfig_flags(user: str, plane: ControlPlane) -> list[str]:
    path = plane.kubeconfig(user)
    kinds = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [f"--{kind}={path}" for kind in kinds]


def _controller_manager_flags(signing: KeyPair, plane: ControlPlane) -> list[str]:
    return [
        *_kubeconfig_flags("system:kube-controller-manager", plane),
        f"--bind-address={_LOOPBACK}",
        f"--secure-port={free_port()}",
        f"--service-account-private-key-file={signing.private}",
        f"--root-ca-file={plane.ca}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--kube-api-qps=300",  # the default of 20 makes the first ServiceAccount wait five seconds
        "--kube-api-burst=500",
        "--horizontal-pod-autoscaler-sync-period=1s",
        f"--flex-volume-plugin-dir={plane.run_dir / 'no-plugins'}",
        "--node-monitor-period=1s",
        "--node-monitor-grace-period=8s",
        *plane.settings.controller_manager_flags,
    ]


def _scheduler_flags(plane: ControlPlane) -> list[str]:
    return [
        *_kubeconfig_flags("system:kube-scheduler", plane),
        f"--bind-address={_LOOPBACK}",
        f"--secure-port={free_port()}",
        "--leader-elect=false",
        *plane.settings.scheduler_flags,
    ]
