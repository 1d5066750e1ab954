"""Files of object stores, ftp servers and file systems: their pixels, their faults, the state that they are of."""

import asyncio
import gzip
import io
import os
import pickle
import threading
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import fsspec
import numpy as np
import pytest
from buckets import s3_server

import rustfits
from rustfits import FITS, FileChanged, FileMissing, Remote
from rustfits.plugin import OpenFailed, Storage


def made(seed=1, count=3):
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    arrays = [rng.integers(0, 3000, (300, 200)).astype("i2") for _ in range(count)]
    with FITS(buffer, "w+") as fits:
        for number, array in enumerate(arrays):
            fits.write_image(array, extname=f"E{number}", compress="GZIP_1")
    return buffer.getvalue(), arrays


CONTENT, ARRAYS = made()
OTHER = (made(2)[0] + bytes(len(CONTENT)))[: len(CONTENT)]


def check(fits):
    for number, array in enumerate(ARRAYS):
        assert np.array_equal(fits[f"E{number}"][10:30, 20:40], array[10:30, 20:40])
        assert np.array_equal(fits[f"E{number}"].read(), array)


# -- file systems of fsspec --------------------------------------------------------------------------------------------


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.pipe("/folder/a.fits", CONTENT)
    yield system
    system.rm("/folder", recursive=True)


def test_a_scheme_of_fsspec_is_ranged_unless_that_is_not_wanted(memory):
    with FITS("memory://folder/a.fits") as fits:
        check(fits)
        with pytest.raises(OSError, match="ranged=False"):
            fits.to_bytes()
    with FITS("memory://folder/a.fits", remote=Remote(ranged=False)) as fits:
        check(fits)
        assert fits.to_bytes() == CONTENT
    with pytest.raises(OSError, match="read-only"):
        FITS("memory://folder/a.fits", "r+")
    with pytest.raises(FileMissing):
        FITS("memory://folder/none.fits")
    with pytest.raises(ValueError, match="headers"):
        FITS("memory://folder/a.fits", remote=Remote(headers={"A": "b"}))


def test_gzip_behind_any_scheme_is_unpacked(memory):
    memory.pipe("/folder/a.fits.gz", gzip.compress(CONTENT))
    with FITS("memory://folder/a.fits.gz") as fits:
        check(fits)
    with pytest.raises(ValueError, match="not seekable"):
        FITS("memory://folder/a.fits.gz", remote="ranged")


def test_file_systems_open_files_and_paths_are_taken(memory):
    for opened in (
        FITS.from_storage(memory, "/folder/a.fits"),
        FITS.from_storage(memory, "memory://folder/a.fits"),
        FITS(fsspec.open("memory://folder/a.fits")),
    ):
        with opened as fits:
            assert fits.filename == "memory:///folder/a.fits"
            assert fits._file.storage.partial
            check(fits)
            with pytest.raises(TypeError, match="open it by a URL"):
                pickle.dumps(fits["E1"])
    with pytest.raises(ValueError, match="pass its path"):
        FITS.from_storage(memory)
    with pytest.raises(OSError, match="read-only"):
        FITS.from_storage(memory, "/folder/a.fits", "r+")
    with pytest.raises(TypeError, match="nothing installed reads files of a dict"):
        FITS.from_storage({}, "a")


def test_a_upath_is_taken(memory):
    upath = pytest.importorskip("upath", reason="not installed: universal-pathlib")
    with FITS(upath.UPath("memory://folder/a.fits")) as fits:
        assert fits._file.storage.partial
        check(fits)


def test_a_file_system_whose_file_is_changed_says_so(memory):
    with FITS("memory://folder/a.fits") as fits:
        memory.pipe("/folder/a.fits", OTHER)
        with pytest.raises(FileChanged):
            fits["E2"].read()


def test_a_storage_is_taken_and_half_of_the_methods_will_do():
    class Mine(Storage):
        name = "mine"

        def size(self):
            return len(CONTENT)

        def _read_into(self, offset, target):
            part = CONTENT[offset : offset + target.nbytes]
            target[: len(part)] = part
            return len(part)

    with FITS.from_storage(Mine()) as fits:
        assert fits.filename == "mine"
        check(fits)
        with pytest.raises(OSError, match="read-only"):
            fits.write_image(np.zeros(3))
    with FITS.from_storage(Mine(), "other") as fits:
        assert fits.filename == "other"
    with pytest.raises(OSError, match="read-only"):
        FITS.from_storage(Mine(), mode="r+")


def test_http_with_options_is_read_by_fsspec(server):
    pytest.importorskip("aiohttp", reason="not installed: aiohttp")
    url = server.put(CONTENT)
    for ranged in (True, False):
        with FITS(url, remote=Remote(ranged=ranged, options={"headers": {"X-A": "b"}})) as fits:
            check(fits)
    assert all(headers["X-A"] == "b" for _, _, headers in server.requests)
    system = fsspec.filesystem("http", skip_instance_cache=True)
    with FITS.from_storage(system, url) as fits:
        check(fits)
    with FITS.from_storage(system, server.put(CONTENT)) as fits:
        server.put(OTHER)
        with pytest.raises(FileChanged):
            fits["E2"].read()
    with pytest.raises(FileMissing):
        FITS.from_storage(system, server.url + "/none")


# -- S3 ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket():
    with s3_server("night") as (options, system, _):
        yield options, system


@pytest.fixture(params=["s3fs", "obstore"])
def way(request, bucket, monkeypatch):
    """Return the options for a library that reads S3; the object is new for each test."""
    from rustfits_remote import plugin

    if request.param == "obstore":
        pytest.importorskip("obstore", reason="not installed: obstore")
    else:
        monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    options, system = bucket
    system.pipe("night/a.fits", CONTENT)
    return options, system


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s3_is_ranged_and_may_be_downloaded(way):
    options, _ = way
    for remote in (
        Remote(options=options),
        Remote(ranged=True, options=options),
        Remote(ranged=False, options=options),
    ):
        with FITS("s3://night/a.fits", remote=remote) as fits:
            assert fits.filename == "s3://night/a.fits"
            check(fits)
            sent = pickle.dumps(fits["E1"].lazy())
            assert "5ecret" not in repr(fits)
        assert np.array_equal(pickle.loads(sent)[3], ARRAYS[1][3])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("block_bytes", [None, 10_000])
def test_an_object_that_is_reached_by_what_was_pickled_is_in_the_same_state(way, block_bytes):
    options, system = way
    blocks = {} if block_bytes is None else {"ranged": True, "block_bytes": block_bytes}
    with FITS("s3://night/a.fits", remote=Remote(options=options, **blocks)) as fits:
        sent = pickle.dumps(fits["E2"].lazy())
    assert np.array_equal(pickle.loads(sent)[3:50], ARRAYS[2][3:50])
    for content in (OTHER, CONTENT[:2880], b""):  # two of them end before what is wanted
        system.pipe("night/a.fits", content)
        with pytest.raises(FileChanged):
            pickle.loads(sent)[3]


def test_a_file_of_a_file_system_that_is_reached_by_what_was_pickled_is_in_the_same_state(memory):
    with FITS("memory://folder/a.fits") as fits:
        sent = pickle.dumps(fits["E2"].lazy())
    assert np.array_equal(pickle.loads(sent)[3:50], ARRAYS[2][3:50])
    for content in (OTHER, CONTENT[:2880], b""):
        memory.pipe("/folder/a.fits", content)
        with pytest.raises(FileChanged):
            pickle.loads(sent)[3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_object_that_is_replaced_is_never_read_as_a_mixture(way):
    options, system = way
    with FITS("s3://night/a.fits", remote=Remote(options=options)) as fits:
        system.pipe("night/a.fits", OTHER)
        with pytest.raises(FileChanged, match="open it again"):
            fits["E2"].read()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_not_there_or_empty_is_named_and_no_secret_is_told(way):
    options, system = way
    with pytest.raises(FileMissing) as caught:
        FITS("s3://night/none.fits", remote=Remote(options=options))
    assert "5ecret" not in str(caught.value)
    system.pipe("night/empty.fits", b"")
    with pytest.raises(OSError, match="not a valid FITS"):
        FITS("s3://night/empty.fits", remote=Remote(options=options))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_objects_of_s3_are_taken(bucket):
    options, system = bucket
    system.pipe("night/b.fits", CONTENT)
    with FITS.from_storage(system, "night/b.fits") as fits:
        check(fits)
    with FITS(fsspec.open("s3://night/b.fits", **options)) as fits:
        check(fits)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_stores_of_obstore_are_taken(bucket):
    stores = pytest.importorskip("obstore.store", reason="not installed: obstore")
    import obstore

    store = stores.MemoryStore()
    obstore.put(store, "folder/a.fits", CONTENT)
    with FITS.from_storage(store, "folder/a.fits") as fits:
        assert "MemoryStore" in fits.filename
        check(fits)
        assert fits._file.storage.partial
    with FITS.from_storage(store, "folder/a.fits") as fits:
        obstore.put(store, "folder/a.fits", OTHER)
        with pytest.raises(FileChanged):
            fits["E2"].read()
    with pytest.raises(ValueError, match="pass its path"):
        FITS.from_storage(store)
    with pytest.raises(FileMissing):
        FITS.from_storage(store, "none")


@pytest.mark.parametrize("ranged", [True, False])
def test_a_store_that_does_not_answer_is_named_and_no_secret_is_told(ranged):
    from rustfits_remote.objectstore import ObjectFile
    from rustfits_remote.transport import Deadline

    stores = pytest.importorskip("obstore.store", reason="not installed: obstore")
    options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 0}}
    store = stores.HTTPStore.from_url("http://me:5ecret@127.0.0.1:9/", **options)
    with pytest.raises(OpenFailed, match="Failed to open here: GenericError") as caught:
        ObjectFile(store, "a.fits", "here").open(100 if ranged else None, Deadline(3))
    assert "5ecret" not in str(caught.value)


def test_options_of_s3fs_are_said_in_the_words_of_obstore_or_left_to_s3fs():
    from rustfits_remote.objectstore import store_options

    assert store_options("s3", {"anon": True}) == {"skip_signature": True}
    assert store_options("s3", {"key": "a", "secret": "b", "endpoint_url": "http://h"}) == {
        "access_key_id": "a",
        "secret_access_key": "b",
        "endpoint": "http://h",
        "client_options": {"allow_http": True},
        "region": "us-east-1",
    }
    assert store_options("s3", {"aws_region": "x"}) == {"aws_region": "x"}
    for unknown in ({"profile": "p"}, {"client_kwargs": {"verify": False}}):
        assert store_options("s3", unknown) is None
    assert store_options("gs", {"token": "anon"}) is None


# -- ftp ---------------------------------------------------------------------------------------------------------------


@contextmanager
def serving(folder, handler, **options):
    """Serve a folder to anybody, and to a user with a password; give the port."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.servers import FTPServer

    authorizer = DummyAuthorizer()
    authorizer.add_anonymous(str(folder))
    authorizer.add_user("me", "pa55", str(folder))
    running = FTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"authorizer": authorizer, **options}))
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield running.socket.getsockname()[1]
    running.close_all()
    thread.join(5)


@pytest.fixture
def ftp(tmp_path):
    handlers = pytest.importorskip("pyftpdlib.handlers", reason="not installed: pyftpdlib")
    with serving(tmp_path, handlers.FTPHandler) as port:
        yield tmp_path, port


@pytest.fixture
def certificate(tmp_path):
    """Return the file of a key and a certificate of this machine that nobody signed."""
    x509 = pytest.importorskip("cryptography.x509", reason="not installed: cryptography")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    here = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = builder.add_extension(x509.SubjectAlternativeName(here), critical=True).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path / "certificate.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, *form) + made.public_bytes(pem))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_ftps_tells_a_password_to_no_server_without_a_right_certificate(tmp_path, certificate, monkeypatch):
    handlers = pytest.importorskip("pyftpdlib.handlers", reason="not installed: pyftpdlib")
    if not hasattr(handlers, "TLS_FTPHandler"):
        pytest.skip("not installed: pyOpenSSL")
    (tmp_path / "a b.fits").write_bytes(CONTENT)
    tried = []
    options = {
        "certfile": str(certificate),
        "tls_control_required": True,
        "tls_data_required": True,
        "on_login": lambda _, user: tried.append(user),
    }
    with serving(tmp_path, handlers.TLS_FTPHandler, **options) as port:
        url = f"ftps://me:pa55@127.0.0.1:{port}/a%20b.fits"
        with pytest.raises(OpenFailed, match="certificate verify failed") as caught:
            FITS(url)
        assert "pa55" not in str(caught.value)
        assert tried == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with FITS(url) as fits:
            check(fits)
            assert "pa55" not in repr(fits) + fits.filename
            assert fits.to_bytes() == CONTENT
        assert tried == ["me"]
        with pytest.raises(FileMissing):
            FITS(f"ftps://127.0.0.1:{port}/none.fits")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_ftp_is_a_download(ftp):
    folder, port = ftp
    (folder / "a b.fits").write_bytes(CONTENT)
    for user in ("", "me:pa55@"):
        with FITS(f"ftp://{user}127.0.0.1:{port}/a%20b.fits") as fits:
            check(fits)
            assert "pa55" not in repr(fits) + fits.filename
            assert fits.to_bytes() == CONTENT
    with pytest.raises(FileMissing):
        FITS(f"ftp://127.0.0.1:{port}/none.fits")
    with pytest.raises(OSError, match="530") as caught:
        FITS(f"ftp://me:wr0ng@127.0.0.1:{port}/a%20b.fits")
    assert "wr0ng" not in str(caught.value)


# -- a reader and a server in one process ------------------------------------------------------------------------------


def test_a_reader_beside_its_server_in_one_event_loop_does_not_wait_for_itself(tmp_path):
    web = pytest.importorskip("aiohttp.web", reason="not installed: aiohttp")

    path = tmp_path / "a.fits"
    path.write_bytes(CONTENT)

    async def serve(request):
        await asyncio.sleep(0)
        return web.FileResponse(path)

    async def work():
        app = web.Application()
        app.router.add_get("/a.fits", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]

        def read():
            for remote in (None, Remote(ranged=True, timeout=20)):
                with FITS(f"http://127.0.0.1:{port}/a.fits", remote=remote) as fits:
                    check(fits)

        await asyncio.wait_for(asyncio.gather(*(asyncio.to_thread(read) for _ in range(4))), 60)
        await runner.cleanup()

    asyncio.run(work())


def test_many_threads_read_one_file(server):
    with FITS(server.put(CONTENT), remote=Remote(ranged=True, cache_bytes=30000)) as fits:
        failed = []

        def read(seed):
            rng = np.random.default_rng(seed)
            for _ in range(30):
                number, row, column = int(rng.integers(3)), int(rng.integers(280)), int(rng.integers(180))
                found = fits[f"E{number}"][row : row + 20, column : column + 20]
                if not np.array_equal(found, ARRAYS[number][row : row + 20, column : column + 20]):
                    failed.append((seed, number))

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failed
        assert not any(thread.is_alive() for thread in threads)


def test_a_child_process_reads_on(server):
    if not hasattr(os, "fork"):
        pytest.skip("not there: os.fork")
    with FITS(server.put(CONTENT), remote=Remote(ranged=True, timeout=10)) as fits:
        fits["E0"].read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            try:
                os._exit(0 if np.array_equal(fits["E2"].read(), ARRAYS[2]) else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert np.array_equal(fits["E1"].read(), ARRAYS[1])


def test_the_plugin_of_many_schemes_is_one(memory):
    from rustfits.codec import registry

    found = {registry._plugin_for(registry.STORAGE, name) for name in ("http", "s3", "ftp", "*")}
    assert len(found) == 1
    assert registry._plugin_for(registry.STORAGE_OBJECTS, "fsspec") in found
    assert registry.open_storage("unheard://host/file.fits", "r", None) is None
    assert rustfits.Remote is Remote


@pytest.mark.parametrize("ranged", [True, False])
def test_a_file_system_that_hangs_is_not_waited_for_longer_than_was_said(memory, monkeypatch, ranged):
    released, cat_file = threading.Event(), type(memory).cat_file

    def hang(*args, **kwargs):
        released.wait(10)
        return cat_file(*args, **kwargs)

    remote = Remote(ranged=ranged, timeout=0.3)
    with FITS("memory://folder/a.fits", remote=remote) as fits:
        monkeypatch.setattr(type(memory), "cat_file", hang)
        try:
            if ranged:
                with pytest.raises(OSError, match=r"nothing came in time; the timeout is 0\.3 s"):
                    fits["E2"].read()
            with pytest.raises(OSError, match=r"nothing came within 0\.3 s"):
                FITS("memory://folder/a.fits", remote=remote)
        finally:
            released.set()
        check(fits)
