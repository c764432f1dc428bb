"""How kopf finds the API server from within a pod."""

import kopf
import pytest

from salus.handlers import _by_address

_ACCOUNT = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t")  # noqa: S106 - opens nothing


@pytest.mark.parametrize(
    ("env", "server"),
    [
        pytest.param(
            {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"},
            "https://10.96.0.1:6443",
            id="the address that the kubelet names, without the DNS",
        ),
        pytest.param({"KUBERNETES_SERVICE_HOST": "fd00::1"}, "https://[fd00::1]:443", id="an address of IPv6"),
        pytest.param({}, "https://kubernetes.default.svc", id="the name where nothing is said"),
    ],
)
def test_the_api_server_is_reached_by_its_address(env: dict[str, str], server: str) -> None:
    found = _by_address(_ACCOUNT, env)

    assert (found.server, found.token) == (server, _ACCOUNT.token)
