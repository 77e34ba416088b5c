"""Which mounts are on other machines."""

from pathlib import Path

import pytest

from n2nfun.search.filesystems import network_filesystem

MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local ext4 rw 0 0
//server/share /mnt/my\\040share cifs rw 0 0
me@host: /mnt/far fuse.sshfs rw 0 0
/dev/vdc /twice ext4 rw 0 0
server:/twice /twice nfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ledger.db", None),
        ("/home/me/ledger.db", "nfs4"),
        ("/home/local/ledger.db", None),
        ("/homes/ledger.db", None),
        ("/mnt/my share/deep/ledger.db", "cifs"),
        ("/mnt/far/ledger.db", "fuse.sshfs"),
        ("/twice/ledger.db", "nfs"),
    ],
)
def test_the_nearest_mount_decides(path: str, kind: str | None, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert network_filesystem(Path(path), mounts) == kind


def test_where_mounts_are_not_listed_nothing_is_known(tmp_path: Path) -> None:
    assert network_filesystem(Path("/home/me/ledger.db"), tmp_path / "nowhere") is None
