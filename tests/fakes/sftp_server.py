"""An SFTP server as a process: `python -m tests.fakes.sftp_server FOLDER PORT`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncssh

from tests.fakes.file_servers import PASSWORD, USER

__all__ = ()


class _Server(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


async def _serve(folder: Path, port: int) -> None:
    # Kept beside the folder, so that a server that is started again is the same one.
    key_file = folder.parent / "host_key"
    if not key_file.exists():
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(key_file)
        key.write_public_key(key_file.with_suffix(".pub"))

    keys = folder.parent / "authorized_keys"
    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=_Server,
        server_host_keys=[str(key_file)],
        authorized_client_keys=str(keys) if keys.exists() else None,
        sftp_factory=lambda chan: asyncssh.SFTPServer(chan, chroot=bytes(folder)),
    )
    print(f"serving on {server.get_port()}", flush=True)  # noqa: T201  # its parent reads it
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
