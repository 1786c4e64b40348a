# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put a private key on disk so that it is never lost and never readable by others.

Runs on managed hosts: Python 3.6 and later, standard library only.

For ``/etc/app/mongodb.pem`` two more names are used, in the same directory, both 0600 from birth:

* ``.mongodb.pem.atlas-pending``, the reservation: it proves before the POST that the directory can be written and has space,
  it is the lock that a second run waits for, and it keeps the answer exactly as it came;
* ``.mongodb.pem.atlas-new``, the next PEM: written, synced, read back and checked before a rename makes it ``mongodb.pem``.

A run that dies leaves the reservation. Its lock dies with the process; what it holds is the next run's to judge.
"""

import errno
import fcntl
import grp
import os
import pwd
import stat
import struct
import tempfile
import time
from types import TracebackType
from typing import Any, List, NamedTuple, Optional, Type

from ansible_collections.atlas.x509.plugins.module_utils import _pem
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError, StoreError

RESERVED = _pem.MAX_SIZE
PATIENCE = 600.0
"""Seconds that a run waits for another one that works on the same path. One issue takes seconds."""

_LONGEST_SUFFIX = 40  # of a backup: a process id, a date and a time
_FILES_NEEDED = 4  # the reservation, the next PEM, a backup, and what is set aside

# A link is not followed, and a FIFO without a writer must not hold us. (Python itself sees to O_CLOEXEC.)
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK
_NONE = -1  # no open file; and to chown: as it is

_FS_IOC_GETFLAGS, _NO_FLAGS = 0x80086601, b"\0" * 8
_FROZEN = 0x10 | 0x20  # immutable, or append-only


class Attributes(NamedTuple):
    """Who may read the file. None leaves the owner or group of a file that is replaced, and of a new one to the system."""

    mode: int = 0o600
    uid: Optional[int] = None
    gid: Optional[int] = None


class Place(NamedTuple):
    """What speaks against placing a PEM (None: nothing), and which attributes of the file there are not as wanted."""

    obstacle: Optional[str]
    differing: List[str]


def parse_mode(mode: Any) -> int:
    """Read ``"0600"``, ``"640"`` or an octal YAML number. :class:`OptionError` for what would let everybody at the key."""
    text = "{0:o}".format(mode) if isinstance(mode, int) else str(mode).strip()
    try:
        bits = int(text, 8)
        if bits < 0:
            raise ValueError
    except ValueError:
        raise OptionError("mode: '{0}' is not an octal mode; write it quoted, such as '0600' or '0640'".format(mode)) from None
    if bits & 0o007:
        raise OptionError("mode: {0:04o} would let everybody on the machine at the private key; use 0600, or 0640 and a group".format(bits))
    owners, groups = bits >> 6 & 7, bits >> 3 & 7
    # A group with more than the owner, or that writes what it cannot read, is a decimal number: 440 is 0670, and 400 is 0620.
    if bits & ~0o777 or not bits & stat.S_IRUSR or groups & ~owners or groups in (1, 2, 3):
        raise OptionError(
            "mode: {0}{1} is no mode for a file that its owner reads; write it quoted, such as '0600' or '0640'".format(
                mode, ", which is {0:04o} in octal,".format(bits) if isinstance(mode, int) else ""
            )
        )
    return bits


def attributes(mode: Any, owner: Optional[str], group: Optional[str]) -> Attributes:
    """The three options, resolved on this machine. :class:`OptionError` when there is no such user or group here."""
    return Attributes(parse_mode(mode), _uid(owner), _gid(group))


def differing(path: str, wanted: Attributes) -> List[str]:
    """Which of ``mode``, ``owner`` and ``group`` are not as wanted, for a file that exists."""
    found = os.lstat(path)
    pairs = (
        ("mode", stat.S_IMODE(found.st_mode), wanted.mode),
        ("owner", found.st_uid, wanted.uid),
        ("group", found.st_gid, wanted.gid),
    )
    return [name for name, have, want in pairs if want is not None and have != want]


def check_absolute(path: str, option: str = "path") -> None:
    """Raise :class:`OptionError` for what cannot be a file's path on any machine."""
    if not os.path.isabs(path) or not os.path.basename(path):
        raise OptionError("{0}: '{1}' is not the absolute path of a file".format(option, path))


def obstacle(path: str, wanted: Attributes, create_directory: bool = False) -> Optional[str]:
    """Why a PEM could not be placed at this path, as a sentence; None when nothing speaks against it. Writes nothing."""
    directory = os.path.dirname(path)
    try:
        check_absolute(path)
    except OptionError as error:
        return error.message
    if not os.path.isdir(directory):
        if os.path.lexists(directory):
            return "path: {0} is not a directory".format(directory)
        if _is_shut(directory):
            return "path: the directory {0} cannot be reached{1}".format(directory, _as_whom())
        if create_directory:
            nearest = _nearest(directory)
            return _directory_obstacle(nearest) or _name_obstacle(path, nearest) or _owner_obstacle(wanted)
        return "path: the directory {0} does not exist".format(directory)
    return (
        _directory_obstacle(directory) or _name_obstacle(path, directory) or _file_obstacle(path, wanted) or _owner_obstacle(wanted)
    )


def inspect(path: str, mode: Any, owner: Optional[str], group: Optional[str]) -> Place:
    """The place for a PEM, looked at without writing: an owner who does not exist is an obstacle like any other."""
    try:
        wanted = attributes(mode, owner, group)
    except OptionError as error:
        return Place(error.message, [])
    problem = obstacle(path, wanted)
    return Place(problem, differing(path, wanted) if problem is None and os.path.lexists(path) else [])


def apply_attributes(path: str, wanted: Attributes) -> List[str]:
    """Set what differs on the file at path; returns what was changed. :class:`StoreError` when the system refuses."""
    changes = differing(path, wanted)
    if changes:
        try:
            descriptor = os.open(path, os.O_RDONLY | _SAFELY)
            try:
                _set(descriptor, wanted)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreError("{0}: cannot set {1}: {2}".format(path, " and ".join(changes), error.strerror)) from error
    return changes


def pending_path(path: str) -> str:
    """Where the answer for this path is kept until it is in place."""
    return os.path.join(os.path.dirname(path), ".{0}.atlas-pending".format(os.path.basename(path)))


def staged_path(path: str) -> str:
    """Where the next PEM for this path is written and checked before the rename."""
    return os.path.join(os.path.dirname(path), ".{0}.atlas-new".format(os.path.basename(path)))


def await_rival(path: str) -> None:
    """Wait until no other run works on this path, without writing anything."""
    try:
        descriptor = os.open(pending_path(path), os.O_RDONLY | _SAFELY)
    except OSError:
        return
    try:
        _wait(descriptor, fcntl.LOCK_SH, path, time.monotonic() + PATIENCE)
    finally:
        os.close(descriptor)


def sweep(path: str) -> None:
    """Remove what a run that died has staged, and its reservation if it is empty, unless somebody is at work with it. A failure costs nothing."""
    try:
        descriptor = os.open(pending_path(path), os.O_RDWR | _SAFELY)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_same_file(descriptor, pending_path(path)):
            _remove(staged_path(path))
            if _pem.look_at(pending_path(path)).state == "empty":
                os.unlink(pending_path(path))
    except OSError:
        pass
    finally:
        os.close(descriptor)


class Reservation:
    """The lock on one path, and the place where the answer is kept. Use it with ``with``.

    Entering waits for a rival (at most ``PATIENCE`` seconds), and leaves what an earlier run kept untouched. Leaving removes
    what was staged, and the reservation unless it holds something: what was received and not published always stays.
    """

    def __init__(self, path: str, create_directory: bool = False) -> None:
        self.path = path
        self.pending = pending_path(path)
        self._new = staged_path(path)
        self._create_directory = create_directory
        self._descriptor = _NONE  # the lock, and normally what the answer is written through
        self._elsewhere = _NONE
        self._answer = bytearray()
        self.is_published = False  # whether the rename was done, on disk or not yet

    def __enter__(self) -> "Reservation":
        try:
            if self._create_directory:
                _make_directory(os.path.dirname(self.path))
            self._descriptor = self._lock()
        except OSError as error:
            raise StoreError("{0} cannot be written: {1}".format(os.path.dirname(self.path), error.strerror)) from error
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        try:
            self.unstage()  # first: whoever finds no reservation looks for nothing more
            for name in (self.pending, pending_path(self.path)):  # one and the same, unless it is elsewhere
                if _pem.look_at(name).state == "empty":
                    os.unlink(name)
        except OSError:
            pass  # what was to be done is done or has failed with a better reason than this
        finally:
            for descriptor in (self._descriptor, self._elsewhere):
                if descriptor != _NONE:
                    _close(descriptor)

    def reserve_space(self) -> None:
        """Take the space for the answer now: whatever fails for want of it fails before the POST."""
        try:
            self.unstage()  # of a run that died: its reservation still holds all of it
            os.ftruncate(self._descriptor, 0)
            _write(self._descriptor, b"\0" * RESERVED)
            sync_directory(self.pending)
        except OSError as error:
            os.ftruncate(self._descriptor, 0)
            raise StoreError(
                "{0} cannot take a PEM: {1}".format(os.path.dirname(self.path), error.strerror)
            ) from error

    def discard(self) -> None:
        """Forget what an earlier run kept; for when the same is in place, which that run may not have lived to sync."""
        sync_directory(self.path)
        os.ftruncate(self._descriptor, 0)

    def set_aside(self) -> Optional[str]:
        """Move what an unlucky earlier run kept out of the way, under a name that says so; None when it kept nothing."""
        try:
            content = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        except OSError as error:
            raise StoreError("{0} cannot be read: {1}".format(self.pending, error.strerror)) from error
        if not content.strip(b"\0 \t\r\n"):
            return None
        kept = _unused("{0}.unusable-{1}".format(self.path, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())))
        try:
            # A copy, not a rename: the name and its lock must stay ours, or a rival would get in between.
            _write_new(kept, content)
            sync_directory(kept)
            os.ftruncate(self._descriptor, 0)
        except OSError as error:
            raise StoreError("{0} cannot be moved to {1}: {2}".format(self.pending, kept, error.strerror)) from error
        return kept

    def receive(self, chunk: bytes) -> None:
        """Keep the next bytes of the answer, before anybody looks at them."""
        offset = len(self._answer)
        self._answer += chunk
        try:
            _write_at(self._keeper, chunk, offset)
        except OSError:
            self._keep_elsewhere()

    def received(self) -> bytes:
        """The whole answer, synced to disk first, where ``pending`` says."""
        try:
            os.ftruncate(self._keeper, len(self._answer))
            os.fsync(self._keeper)
            is_there = _is_same_file(self._keeper, self.pending)
        except OSError:
            is_there = False
        if not is_there:  # or the mount, the directory or the name has gone, and we write to a file that nobody can find
            self._keep_elsewhere()
        return bytes(self._answer)

    def stage(self, pem: bytes) -> str:
        """Write the next PEM beside ``path``, synced and read back; returns its name. It is not published yet."""
        self.unstage()
        _write_new(self._new, pem)
        if _pem.read(self._new) != pem:
            raise StoreError("{0} does not hold what was written to it".format(self._new))
        return self._new

    def unstage(self) -> None:
        """Remove the next PEM if it is there."""
        _remove(self._new)

    def publish(self, wanted: Attributes, backup: bool) -> Optional[str]:
        """Make what was staged the file at ``path``, with its attributes, in one step; returns the backup's name, if any.

        The reservation is given up only after the rename is on disk.
        """
        backup_file = None
        descriptor = os.open(self._new, os.O_RDONLY | _SAFELY)
        try:
            _set(descriptor, _inherit(self.path, wanted))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if backup and os.path.lexists(self.path):
            backup_file = _keep_backup(self.path)
        os.rename(self._new, self.path)
        self.is_published = True
        sync_directory(self.path)
        os.ftruncate(self._keeper, 0)
        return backup_file

    @property
    def is_elsewhere(self) -> bool:
        """Whether the answer had to be kept in another directory, where no later run looks for it."""
        return self._elsewhere != _NONE

    @property
    def _keeper(self) -> int:
        return self._elsewhere if self.is_elsewhere else self._descriptor

    def _keep_elsewhere(self) -> None:
        """The space was there and the disk fails all the same (a vanished mount, a broken device): any other place will do."""
        if self.is_elsewhere:
            raise StoreError("{0} cannot be written either".format(self.pending))
        self._elsewhere, self.pending = tempfile.mkstemp(prefix=os.path.basename(self.path), suffix=".atlas-pending")
        _write_at(self._elsewhere, bytes(self._answer), 0)
        os.fsync(self._elsewhere)
        try:
            os.ftruncate(self._descriptor, 0)  # a part of a key is of no use there
        except OSError:
            pass

    def _lock(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while True:
            descriptor = os.open(self.pending, os.O_RDWR | os.O_CREAT | _SAFELY, 0o600)
            try:
                _wait(descriptor, fcntl.LOCK_EX, self.path, deadline)
                if _is_same_file(descriptor, self.pending):
                    self._own(descriptor)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # the run that we waited for has removed it: take a new one

    def _own(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise StoreError("{0} is not a file of ours; look at it and remove it".format(self.pending))
        if found.st_uid not in (os.geteuid(), 0):
            raise StoreError(
                "{0} belongs to uid {1}, and this runs as uid {2}. It may hold the only copy of a private key: run again as that user, or, when nobody knows "
                "of it, look at it and move it away".format(self.pending, found.st_uid, os.geteuid())
            )
        os.fchmod(descriptor, 0o600)
        if os.fstat(descriptor).st_mode & 0o077:  # FAT, or a share of Windows: what others may read there is decided when it is mounted
            if _pem.look_at(self.pending).state == "empty":
                os.unlink(self.pending)
            raise StoreError("{0} does not keep permissions, so others could read the private key; choose another place".format(os.path.dirname(self.path)))


def sync_directory(path: str) -> None:
    """Make the names in the directory of ``path`` as durable as the files are."""
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _close(descriptor: int) -> None:
    """An error now says nothing: what was to be on disk was synced before."""
    try:
        os.close(descriptor)
    except OSError:
        pass


def _write(descriptor: int, data: bytes) -> None:
    _write_at(descriptor, data, 0)
    os.fsync(descriptor)


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    """All of it: a disk that fills up takes a part, and says so only when it is asked again."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _write_new(path: str, data: bytes) -> None:
    """A new file with this content, 0600 from birth and on disk when this returns; nothing is left of one that failed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        _write(descriptor, data)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def _wait(descriptor: int, kind: int, path: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EINTR):
                raise StoreError("{0} cannot be locked: {1}; choose a place whose file system has locks".format(path, error.strerror)) from error
        if time.monotonic() > deadline:
            raise StoreError("another run has been working on {0} for {1:.0f} seconds".format(path, PATIENCE))
        time.sleep(0.05)


def _is_same_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _set(descriptor: int, wanted: Attributes) -> None:
    found = os.fstat(descriptor)
    uid = _NONE if wanted.uid is None or wanted.uid == found.st_uid else wanted.uid
    gid = _NONE if wanted.gid is None or wanted.gid == found.st_gid else wanted.gid
    if uid != _NONE or gid != _NONE:
        os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, wanted.mode)  # last: a change of owner may clear bits, and nobody new may read before it


def _inherit(path: str, wanted: Attributes) -> Attributes:
    """Fill what was not asked for from the file that is replaced. :func:`obstacle` has seen to it that this is possible."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return wanted
    uid = found.st_uid if wanted.uid is None else wanted.uid
    gid = found.st_gid if wanted.gid is None else wanted.gid
    return Attributes(wanted.mode, uid, gid)


def _keep_backup(path: str) -> str:
    backup = _unused("{0}.{1}.{2}~".format(path, os.getpid(), time.strftime("%Y-%m-%d@%H:%M:%S")))
    try:
        # A second name for the old file: no copy of a key is made, and owner and mode stay what they were.
        os.link(path, backup, follow_symlinks=False)
    except OSError:
        # A file system without hard links.
        found = os.lstat(path)
        _write_new(backup, _pem.read(path))
        apply_attributes(backup, Attributes(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid))
    return backup


def _unused(name: str) -> str:
    while os.path.lexists(name):
        name += "~"
    return name


def _make_directory(directory: str) -> None:
    """Like ``mkdir -p -m 0700``, for every level that is missing: what leads to a key is nobody else's either."""
    if not os.path.isdir(directory):
        _make_directory(os.path.dirname(directory))
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass  # a rival made it a moment ago


def _uid(owner: Optional[str]) -> Optional[int]:
    if not owner:
        return None
    try:
        return _number(owner) if owner.isdecimal() else pwd.getpwnam(owner).pw_uid
    except (KeyError, ValueError):
        raise OptionError("owner: there is no user '{0}' here".format(owner)) from None


def _gid(group: Optional[str]) -> Optional[int]:
    if not group:
        return None
    try:
        return _number(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise OptionError("group: there is no group '{0}' here".format(group)) from None


def _number(text: str) -> int:
    """A uid or gid; the largest number of all means "leave it" to the kernel, so nobody has it."""
    number = int(text)
    if number >= 2**32 - 1:
        raise ValueError
    return number


def _is_shut(directory: str) -> bool:
    """Whether a directory above hides what is in it, so that nobody can say that this one does not exist."""
    try:
        os.stat(directory)
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def _as_whom() -> str:
    """For a message on what root could do: who forgot ``become`` sees it here."""
    return "" if os.geteuid() == 0 else ", and this runs as uid {0}".format(os.geteuid())


def _nearest(directory: str) -> str:
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    return directory


def _name_obstacle(path: str, directory: str) -> Optional[str]:
    name = os.path.basename(path)
    if len(os.fsencode(name)) + _LONGEST_SUFFIX > os.pathconf(directory, "PC_NAME_MAX"):
        return "path: the name '{0}' is too long: the files that stand beside it have longer ones".format(name)
    return None


def _directory_obstacle(directory: str) -> Optional[str]:
    if not os.path.isdir(directory):
        return "path: {0} is not a directory".format(directory)
    found = os.stat(directory)
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        return "path: everybody may write in {0}, so anybody could exchange the PEM".format(directory)
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids) or _is_frozen(directory):
        return "path: the directory {0} may not be written{1}".format(directory, _as_whom())
    room = os.statvfs(directory)
    if room.f_bavail * room.f_frsize < 2 * RESERVED:
        return "path: no space is left in {0}".format(directory)
    if room.f_files and room.f_favail < _FILES_NEEDED:
        return "path: no inodes are left in {0}".format(directory)
    return None


def _file_obstacle(path: str, wanted: Attributes) -> Optional[str]:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return "path: {0}: {1}".format(path, error.strerror)
    if stat.S_ISDIR(found.st_mode):
        return "path: {0} is a directory; give the path of the file".format(path)
    if stat.S_ISLNK(found.st_mode):
        return "path: {0} is a symbolic link to {1}; give the path of the file itself".format(path, os.readlink(path))
    if not stat.S_ISREG(found.st_mode):
        return "path: {0} is not a regular file".format(path)
    if _is_frozen(path):
        return "path: {0} is immutable (chattr)".format(path)
    return _owner_obstacle(_inherit(path, wanted))


def _owner_obstacle(wanted: Attributes) -> Optional[str]:
    if os.geteuid() == 0:
        return None
    if wanted.uid not in (None, os.geteuid()):
        return "owner: only root can give a file to another user (or leave it to one), and this runs as uid {0}".format(os.geteuid())
    if wanted.gid not in (None, os.getegid()) and wanted.gid not in os.getgroups():
        return "group: this runs as uid {0}, who is not in the group {1}".format(os.geteuid(), wanted.gid)
    return None


def _is_frozen(path: str) -> bool:
    """Whether ``chattr +i`` or ``+a`` forbids the rename. Unknown counts as no: not every file system has flags."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _SAFELY)
    except OSError:
        return False
    try:
        flags = fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, _NO_FLAGS)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return bool(struct.unpack_from("i", flags)[0] & _FROZEN)
