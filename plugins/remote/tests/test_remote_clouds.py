"""Objects of Google and Azure by gcsfs and adlfs, from a server of this machine that answers as those services do."""

import io

import numpy as np
import pytest
from cloud import Cloud

from rustfits import FITS, FileChanged, FileMissing, Remote

PIXELS = np.random.default_rng(1).integers(0, 3000, (600, 400)).astype("i2")
KEY = "a2V5IG9mIG5vYm9keQ=="


def content(first=0):
    buffer = io.BytesIO()
    with FITS(buffer, "w+") as fits:
        for number in range(3):
            fits.write_image(PIXELS + first + number, extname=f"E{number}", compress="GZIP_1")
    return buffer.getvalue()


@pytest.fixture
def cloud():
    with Cloud(content()) as running:
        yield running.http, running.url


@pytest.fixture(params=["gs", "az", "abfs"])
def place(request, cloud, monkeypatch):
    """Return the server, a URL of the scheme without the name, and the options for its library."""
    server, url = cloud
    library = "gcsfs" if request.param == "gs" else "adlfs"
    # When it is imported, gcsfs looks whether it may ask by gRPC, elsewhere.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    pytest.importorskip(library, reason=f"not installed: {library}")
    if library == "gcsfs":
        return server, "gs://night", {"token": "anon", "endpoint_url": url}
    address = f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={KEY};BlobEndpoint={url}/account;"
    return server, f"{request.param}://night", {"account_name": "account", "connection_string": address}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_objects_are_read_by_ranges_and_are_of_one_state(place):
    server, folder, options = place
    remote = Remote(options=options)
    with FITS(f"{folder}/a.fits", remote=remote) as fits:
        assert np.array_equal(fits["E2"][10:20, 30:40], (PIXELS + 2)[10:20, 30:40])
        assert server.nbytes < len(server.content) / 2
        assert np.array_equal(fits["E0"].read(), PIXELS)
        assert KEY not in repr(fits) + repr(remote) + fits.filename
        server.content = content(5)
        with pytest.raises(FileChanged):
            fits["E1"].read()
    with pytest.raises(FileMissing) as caught:
        FITS(f"{folder}/none.fits", remote=remote)
    assert KEY not in str(caught.value)
