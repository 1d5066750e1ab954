"""Files behind http: downloaded or by ranges, with the faults of networks and servers."""

import gzip
import io
import pickle
import ssl
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from server import EPOCH

import rustfits
from rustfits import FITS, FileChanged, FileMissing, FitsIOError, Remote

RANGED = Remote(ranged=True)
DATA = Path(__file__).resolve().parents[3] / "tests" / "data"


def made(shape=(300, 200), count=3, compress="GZIP_1", tile=None, seed=1):
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    arrays = [rng.integers(0, 3000, shape).astype("i2") for _ in range(count)]
    with FITS(buffer, "w+") as fits:
        for number, array in enumerate(arrays):
            codec = compress if compress is None else rustfits.Gzip1(tile_shape=tile)
            fits.write_image(array, extname=f"E{number}", compress=codec)
    return buffer.getvalue(), arrays


@pytest.fixture(scope="module")
def known():
    return made()


@pytest.mark.parametrize("remote", [None, "ranged", RANGED, Remote(ranged=True, block_bytes=4096, cache_bytes=20000)])
def test_pixels_are_those_of_the_file(server, known, remote):
    content, arrays = known
    url = server.put(content)
    with FITS(url, remote=remote) as fits:
        assert fits.filename == url
        for number, array in enumerate(arrays):
            hdu = fits[f"E{number}"]
            assert np.array_equal(hdu[10:40, 5:9], array[10:40, 5:9])
            assert np.array_equal(hdu.read(), array)
            assert np.array_equal(hdu[7], array[7])
    assert server.count == 1 or remote is not None


@pytest.mark.parametrize("compress", [None, "GZIP_1"])
@pytest.mark.parametrize("cache_bytes", [0, 5000, None])
@pytest.mark.parametrize("block_bytes", [None, 1, 1000, 1 << 20])
def test_any_cache_and_any_block_give_the_same(server, compress, cache_bytes, block_bytes):
    content, arrays = made((40, 30), 2, compress)
    remote = Remote(ranged=True, block_bytes=block_bytes, cache_bytes=cache_bytes)
    with FITS(server.put(content), remote=remote) as fits:
        hdus = [hdu for hdu in fits if hdu.has_data]
        for _ in range(2):
            for hdu, array in zip(hdus, arrays, strict=True):
                assert np.array_equal(hdu[3:30, 4:20], array[3:30, 4:20])
                assert np.array_equal(hdu.read(), array)


def test_a_download_is_one_request_and_can_be_had_whole(server, known):
    content, _ = known
    with FITS(server.put(content)) as fits:
        assert fits.to_bytes() == content
        with pytest.raises(OSError, match="read-only"):
            fits.write_image(np.zeros(3))
    assert server.count == 1
    assert server.nbytes == len(content)


@pytest.mark.parametrize("path", ["/a.fits.gz", "/a.fits", "/a.fits.gz?x=1"])
def test_a_download_is_unpacked(server, known, path):
    content, arrays = known
    server.put(gzip.compress(content), path.partition("?")[0])
    with FITS(server.url + path) as fits:
        assert np.array_equal(fits["E1"].read(), arrays[1])


def test_parts_of_what_is_compressed_as_a_whole_are_refused_whatever_its_name(server, known):
    url = server.put(gzip.compress(known[0]))
    with pytest.raises(
        ValueError, match=r"compressed as a whole by gzip, whatever its name.*pass Remote\(ranged=False\)"
    ):
        FITS(url, remote="ranged")


def test_a_ranged_file_is_not_had_whole(server, known):
    with FITS(server.put(known[0]), remote="ranged") as fits, pytest.raises(OSError, match="ranged=False"):
        fits.to_bytes()


def test_the_first_bytes_are_used_and_what_is_there_is_not_asked_for_again(server, known):
    content, arrays = known
    with FITS(server.put(content), remote=RANGED) as fits:
        server.reset()
        first = fits["E0"].read()
        asked = server.count
        fits["E0"]._cache.clear()
        assert np.array_equal(fits["E0"].read(), first)
        assert server.count == asked
        assert np.array_equal(first, arrays[0])


def test_blocks_are_aligned_joined_and_kept(server, known):
    content, _ = known
    with FITS(server.put(content), remote=Remote(ranged=True, block_bytes=1000)) as fits:
        fits["E1"].read()
        for _, asked, _ in server.requests:
            start, stop = map(int, asked.removeprefix("bytes=").split("-"))
            assert start % 1000 == 0
            assert (stop + 1) % 1000 == 0 or stop + 1 == len(content)
        count = server.count
        fits["E1"]._cache.clear()
        fits["E1"].read()
        assert server.count == count


def test_a_cache_of_nothing_keeps_nothing(server, known):
    with FITS(server.put(known[0]), remote=Remote(ranged=True, cache_bytes=0)) as fits:
        fits["E1"].read()
        count = server.count
        fits["E1"]._cache.clear()
        fits["E1"].read()
        assert server.count > count


def test_every_request_carries_the_headers(server, known):
    for remote in (Remote(headers={"X-Token": "abc"}), Remote(ranged=True, headers={"X-Token": "abc"})):
        with FITS(server.put(known[0]), remote=remote) as fits:
            fits["E2"].read()
    assert server.count > 3
    assert all(headers["X-Token"] == "abc" for _, _, headers in server.requests)


def test_a_redirect_is_followed_once(server, known):
    server.put(known[0])
    server.files["/here"] = server.url + "/a.fits"
    with FITS(server.url + "/here", remote=RANGED) as fits:
        assert np.array_equal(fits["E1"].read(), known[1][1])
    assert [path for path, _, _ in server.requests].count("/here") == 1


def test_what_is_for_one_server_is_not_told_another(server, known):
    server.put(known[0])
    other = server.url.replace("127.0.0.1", "localhost")
    server.files["/here"] = other + "/a.fits"
    server.files["/there"] = server.url + "/here"
    headers = {"Authorization": "Bearer x", "Cookie": "c", "X-Auth-Token": "y", "user-agent": "z"}
    with FITS(server.url + "/there", remote=Remote(ranged=True, headers=headers)) as fits:
        assert np.array_equal(fits["E2"].read(), known[1][2])
    for path, asked, found in server.requests:
        sent = {name.lower(): value for name, value in found.items() if name != "Host"}
        if path == "/a.fits":
            assert set(sent) <= {"user-agent", "accept-encoding", "range", "if-match"}
            assert sent["user-agent"] == "rustfits-remote"
            assert asked
        else:
            assert sent.items() >= {name.lower(): value for name, value in headers.items()}.items()
    assert [path for path, _, _ in server.requests[:3]] == ["/there", "/here", "/a.fits"]
    assert server.count > 3


def test_a_user_in_a_url_is_not_told_another_server(server, known):
    server.put(known[0])
    server.files["/here"] = server.url.replace("127.0.0.1", "localhost") + "/a.fits"
    with FITS(server.url.replace("://", "://me:pa55@") + "/here"):
        pass
    assert ["Authorization" in headers for _, _, headers in server.requests] == [True, False]


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remote", [Remote(timeout=10), Remote(ranged=True, timeout=10)])
@pytest.mark.parametrize("fault", ["reset", 503, 500, 429, "short", "less"])
@pytest.mark.parametrize("when", [0, 1])
def test_a_fault_that_passes_is_not_seen(server, known, remote, fault, when):
    content, arrays = known
    server.faults = [None] * when + [fault, fault]
    with FITS(server.put(content), remote=remote) as fits:
        for number, array in enumerate(arrays):
            assert np.array_equal(fits[f"E{number}"].read(), array)


@pytest.mark.parametrize("pause", ["nan", "inf", "-1", "1e-9", "soon", "", EPOCH, "Mon, 01 Jan 0001 00:00:00 -0000"])
def test_a_pause_that_no_server_can_mean_is_not_made(server, known, pause):
    server.pause, server.faults = pause, [503]
    with FITS(server.put(known[0]), remote=Remote(timeout=10)) as fits:
        assert np.array_equal(fits["E1"].read(), known[1][1])


@pytest.mark.parametrize("ranged", [True, False])
@pytest.mark.parametrize("fault", ["reset", 503, "short", "hang", "stall"])
def test_a_fault_that_stays_is_one_clear_error_in_time(server, known, ranged, fault):
    server.faults = [fault] * 100
    begin = time.monotonic()
    with pytest.raises(FitsIOError, match=r"cannot read .*127\.0\.0\.1"):
        FITS(server.put(known[0]), remote=Remote(ranged=ranged, timeout=0.8))
    assert time.monotonic() - begin < 4


@pytest.mark.parametrize("fault", ["reset", 503, "short", "hang", "stall", "elsewhere", 403])
def test_a_fault_after_the_opening_is_one_clear_error_in_time(server, known, fault):
    content, arrays = known
    with FITS(server.put(content), remote=Remote(ranged=True, timeout=0.8)) as fits:
        server.faults = [fault] * 100
        begin = time.monotonic()
        with pytest.raises(FitsIOError, match=r"127\.0\.0\.1"):
            fits["E2"].read()
        assert time.monotonic() - begin < 4
        server.faults = []
        server.released.set()
        assert np.array_equal(fits["E2"].read(), arrays[2])


def test_a_server_without_ranges_is_named(server, known):
    server.ranges = False
    with pytest.raises(OSError, match="ranged=False"):
        FITS(server.put(known[0]), remote="ranged")
    assert server.count == 1


def test_what_is_not_there_is_named(server):
    for remote in (None, "ranged"):
        with pytest.raises(FileMissing, match="404"):
            FITS(server.url + "/none.fits", remote=remote)


def test_nobody_listens():
    with pytest.raises(OSError, match="cannot read"):
        FITS("http://127.0.0.1:9/x.fits", remote=Remote(timeout=0.5))


@pytest.mark.parametrize("content", [b"", b"SIMPLE  =", bytes(2880)])
@pytest.mark.parametrize("remote", [None, "ranged"])
def test_what_is_no_fits_file_says_so(server, content, remote):
    with pytest.raises((OSError, ValueError), match=r"not a valid FITS|not a FITS"):
        FITS(server.put(content), remote=remote)


# -- a file that is changed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["conditions", "etags", "times", "size"])
def test_a_file_that_was_changed_is_never_a_mixture(server, known, kind):
    content, _ = known
    server.conditions, server.etags = kind == "conditions", kind in ("conditions", "etags")
    server.times = kind != "size"
    with FITS(server.put(content), remote=RANGED) as fits:
        other, _ = made(seed=2)
        other = other + bytes(2880) if kind == "size" else (other + bytes(len(content)))[: len(content)]
        server.put(other)
        server.time = "Tue, 02 Jan 2024 00:00:00 GMT"
        with pytest.raises(FileChanged, match="open it again"):
            fits["E2"].read()


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ((True, False), (False, False)),
        ((False, True), (False, False)),
        ((True, True), (False, True)),
        ((True, True), (False, False)),
        ((False, True), (True, True)),
    ],
)
def test_a_state_that_is_told_otherwise_is_another_one(server, known, told, left):
    server.conditions = False
    server.etags, server.times = told
    with FITS(server.put(known[0]), remote=RANGED) as fits:
        server.etags, server.times = left
        server.put((made(seed=2)[0] + bytes(len(known[0])))[: len(known[0])])
        with pytest.raises(FileChanged, match="open it again"):
            fits["E2"].read()


def test_hdus_of_it_can_be_pickled_and_mind_its_state(server, known):
    content, arrays = known
    url = server.put(content)
    for remote in (RANGED, None):
        with FITS(url, remote=remote) as fits:
            sent = pickle.dumps(fits["E2"].lazy())
        server.reset()
        lazy = pickle.loads(sent)
        assert np.array_equal(lazy[5:9, 5:9], arrays[2][5:9, 5:9])
        if remote is not None:  # rows, then tiles: no header, and nothing that says which state it is
            assert server.count <= 2
            assert all(not (asked or "").startswith("bytes=0-") for _, asked, _ in server.requests)
        del lazy
        server.put(made(seed=3)[0])
        with pytest.raises(FileChanged):
            pickle.loads(sent)[0]
        for nbytes in (2880, 0):  # it ends before what is wanted
            server.put(content[:nbytes])
            with pytest.raises(FileChanged):
                pickle.loads(sent)[0]
        server.put(content)


# -- credentials -------------------------------------------------------------------------------------------------------


def test_credentials_are_sent_but_never_shown(server, known):
    server.put(known[0])
    host = server.url.removeprefix("http://")
    url = f"http://me:pa55word@{host}/a.fits?X-Amz-Signature=5ecret&plain=1"
    for remote in (None, RANGED):
        with FITS(url, remote=remote) as fits:
            fits["E1"].read()
            shown = [repr(fits), fits.filename, fits._file.storage.name, repr(fits["E1"])]
            with pytest.raises(TypeError, match="credentials"):
                pickle.dumps(fits["E1"].lazy())
        for fault in (404, 403, "short", "reset"):
            server.faults = [fault] * 50
            with pytest.raises(OSError, match=r"a\.fits") as caught:
                FITS(url, remote=Remote(ranged=remote is not None, timeout=0.3))
            shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
        server.faults = []
        assert not [text for text in shown if "pa55word" in text or "5ecret" in text]
        assert "plain=1" in shown[1]
    assert server.requests[0][2]["Authorization"].startswith("Basic ")
    assert "5ecret" in server.requests[0][0]


@pytest.mark.parametrize("scheme", ["http", "ftp"])
@pytest.mark.parametrize("mark", ["/", "?", "#"])
def test_a_password_that_should_have_been_escaped_is_not_shown(scheme, mark):
    with pytest.raises(OSError, match=f"{scheme}://127.0.0.1:9/x.fits") as caught:
        FITS(f"{scheme}://me:pa55{mark}word@127.0.0.1:9/x.fits")
    shown = str(caught.value), repr(caught.value), repr(caught.value.__cause__)
    assert not [text for text in shown if "pa55" in text or "word" in text]


def test_options_are_shown_as_a_number_only():
    remote = Remote(options={"secret": "abc", "key": 1})
    assert repr(remote).endswith("options=<2 entries>)")
    assert pickle.loads(pickle.dumps(remote)).options == {"secret": "abc", "key": 1}
    with pytest.raises(TypeError, match="options"):
        Remote(options=[("a", 1)])


# -- roads to the server -----------------------------------------------------------------------------------------------


def test_a_proxy_is_asked_by_whole_urls(server, known, monkeypatch):
    server.files["http://example.invalid/a.fits"] = known[0]
    monkeypatch.setenv("http_proxy", server.url)
    for remote in (None, RANGED):
        with FITS("http://example.invalid/a.fits", remote=remote) as fits:
            for number, array in enumerate(known[1]):
                assert np.array_equal(fits[f"E{number}"].read(), array)
    assert {path for path, _, _ in server.requests} == {"http://example.invalid/a.fits"}
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FITS(server.put(known[0])) as fits:
        assert len(fits) == 4
    assert server.requests[-1][0] == "/a.fits"


def certificate(folder):
    """Write a certificate for this machine that it has signed itself, and its key."""
    x509 = pytest.importorskip("cryptography.x509", reason="not installed: cryptography")
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(text)
    (folder / "cert.pem").write_bytes(built.public_bytes(pem))
    return folder / "cert.pem", folder / "key.pem"


def test_https_is_read_and_its_certificate_is_checked(server, known, tmp_path, monkeypatch):
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    url = server.put(known[0]).replace("http:", "https:")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        FITS(url, remote=Remote(timeout=10))
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    for remote in (Remote(timeout=10), Remote(timeout=10, ranged=True)):
        with FITS(url, remote=remote) as fits:
            for number, array in enumerate(known[1]):
                assert np.array_equal(fits[f"E{number}"].read(), array)


# -- files of others ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(DATA.glob("*.f*")), ids=lambda path: path.name)
@pytest.mark.parametrize("remote", [RANGED, Remote(ranged=True, block_bytes=4096, cache_bytes=1 << 16)])
def test_pixels_of_real_files_are_those_of_the_local_ones(server, path, remote):
    try:
        local = FITS(path)
    except (ValueError, OSError) as error:
        pytest.skip(f"not for rustfits: {error}")
    with local, FITS(server.put(path.read_bytes()), remote=remote) as far:
        assert len(far) == len(local)
        for near, hdu in zip(local.hdus, far.hdus, strict=True):
            assert hdu.header.tostring() == near.header.tostring()
            if not (isinstance(near, rustfits.ImageHDU) and near.has_data):
                continue
            try:
                pixels = near.read()
            except rustfits.CodecNotInstalled as error:
                pytest.skip(str(error))
            except rustfits.FitsError:
                with pytest.raises(rustfits.FitsError):
                    hdu.read()
                continue
            key = tuple(slice(length // 3, length // 3 + 9) for length in pixels.shape)
            assert hdu[key].tobytes() == np.ascontiguousarray(pixels[key]).tobytes()
            assert hdu.read().tobytes() == pixels.tobytes()


def test_http_needs_no_other_package(server, known):
    url = server.put(known[0])
    program = (
        "import sys, rustfits\n"
        f"with rustfits.FITS({url!r}, remote='ranged') as fits: fits['E1'].read()\n"
        "print({'fsspec', 'aiohttp', 's3fs', 'obstore'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
