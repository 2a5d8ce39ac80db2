"""The worker inside Envoy, whose Decide stops half-way: as `shallow`, where Envoy imports it."""

from __future__ import annotations

import os

from maitred_server.envoy_app import app as app

from maitred_tools.bench.shallow import DEPTH, Depth, stop_at

stop_at(Depth(os.environ[DEPTH]))
