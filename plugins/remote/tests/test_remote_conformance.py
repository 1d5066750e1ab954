"""Files behind URLs keep the contract of storages: downloaded, by ranges, with blocks, without a cache."""

import pytest

from rustfits import FITS, Remote
from rustfits.testing import StorageConformance


class TestRemote(StorageConformance):
    @pytest.fixture(
        params=[
            None,
            Remote(ranged=True),
            Remote(ranged=True, block_bytes=4096),
            Remote(ranged=True, cache_bytes=0),
        ],
        ids=["downloaded", "ranged", "blocks", "nothing kept"],
    )
    def storage(self, server, request):
        with FITS(server.put(self.content), remote=request.param) as fits:
            yield fits._file.storage
