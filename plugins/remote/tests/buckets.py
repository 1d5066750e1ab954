"""A server of this machine that speaks S3, with one bucket."""

from contextlib import contextmanager

import pytest


@contextmanager
def s3_server(bucket):
    """Return a context that gives options for the server, its file system, and its address."""
    moto = pytest.importorskip("moto.server", reason="not installed: moto")
    for name in ("s3fs", "rustfits_remote"):
        pytest.importorskip(name, reason=f"not installed: {name}")
    import fsspec

    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    options = {"key": "k", "secret": "5ecret", "client_kwargs": {"endpoint_url": endpoint}}
    system = fsspec.filesystem("s3", **options)
    system.mkdir(bucket)
    yield options, system, endpoint
    type(system).clear_instance_cache()
    system.close_session(system.loop, system.s3)  # its sockets would be a warning after the last test
    running.stop()
