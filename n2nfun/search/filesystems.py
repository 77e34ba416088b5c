"""Which files lie on another machine's disk: SQLite's locks do not hold there."""

from pathlib import Path

__all__ = ["network_filesystem"]

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "ncpfs"}
_NETWORK_FUSE = {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.davfs2"}


def network_filesystem(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """Return the kind of network file system that a file lies on, or would; None where there is none, or it is not known.

    Args:
        path: The file; it need not exist.
        mounts: Where Linux lists what is mounted; elsewhere nothing is known.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    wanted = path.resolve()
    kinds: dict[Path, str] = {}
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        # Of two mounts at one place the later is seen; a space in a name is written \040.
        kinds[Path(point.replace("\\040", " "))] = kind
    found = next((kinds[folder] for folder in (wanted, *wanted.parents) if folder in kinds), "")
    return found if found in _NETWORK | _NETWORK_FUSE else None
