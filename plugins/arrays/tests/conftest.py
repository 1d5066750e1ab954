"""Files of images, and the schedulers that compute them."""

import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from files import ROOT, made

SECONDS = 150  # for one test: what waits for a cluster that says nothing any more is an error, not a run without end


@pytest.fixture(autouse=True)
def in_time():
    """End a test that waits without end, where the system has such a clock."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(number, frame):
        raise TimeoutError(f"the test takes longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    """A file of images, plain and compressed; no test changes it."""
    path = tmp_path_factory.mktemp("images") / "images.fits"
    path.write_bytes(made())
    return path


@pytest.fixture(scope="session")
def pool():
    """Two processes for the scheduler of Dask that has none of its own for long."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as running:
        yield running


@pytest.fixture(scope="session")
def client():
    """A cluster of this machine: two workers, each a process."""
    distributed = pytest.importorskip("distributed", reason="not installed: distributed")
    os.environ["RUSTFITS_NUM_THREADS"] = "1"
    try:
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as running,
        ):
            yield running
    finally:
        del os.environ["RUSTFITS_NUM_THREADS"]


@pytest.fixture(params=["synchronous", "threads", "processes", "distributed"])
def scheduler(request):
    """What computes: set for the whole test."""
    dask = pytest.importorskip("dask", reason="not installed: dask")
    options = {"scheduler": request.param}
    if request.param == "processes":
        options["pool"] = request.getfixturevalue("pool")
    elif request.param == "distributed":
        options["scheduler"] = request.getfixturevalue("client")
    with dask.config.set(options):
        yield request.param


@pytest.fixture
def server():
    """A server of this machine that counts what it is asked."""
    for name in ("aiohttp", "rustfits_remote"):
        pytest.importorskip(name, reason=f"not installed: {name}")
    sys.path.append(str(ROOT / "plugins" / "remote" / "tests"))
    from server import Server

    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def s3_bucket():
    """Return options for a server of this machine that speaks S3 and has a bucket, its file system, its address."""
    sys.path.append(str(ROOT / "plugins" / "remote" / "tests"))
    from buckets import s3_server

    with s3_server("exposures") as found:
        yield found
