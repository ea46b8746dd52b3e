// Package outbox keeps usage on disk until Stigg has it: it survives a crash of the
// process, a kill -9, and an outage of Stigg for as long as the disk has room.
//
//	box, err := outbox.Open("/var/lib/app/outbox")
//	g, err := gate.New(src, who, gate.WithOutbox(box)) // g.Close closes box
//
// # What is promised
//
// Once Append has returned nil, the usage has been written and an fsync of the disk has
// confirmed it; with NoWait, that becomes true about 10 ms later. Concurrent Appends
// share one commit, so waiting costs one round of the disk, not one for each request.
// Done and SetAside wait for nothing: they become durable with the next commit, at most
// a second later, and one that a crash forgets is only sent again, with the same key.
//
// One process owns a directory. A second one gets a LockedError; give each replica its
// own directory, on a local disk. The directory is made with mode 0700, the file with 0600.
// Where there are owners and modes, Open refuses, with a DirError, a directory or file that
// everybody may write to or that belongs to another user (a directory may be root's, as
// volumes are), and a file that is a symbolic link.
//
// # What is in memory
//
// Of each usage that waits, its place in the file and a hash of its name: some 40 bytes. The
// gate has a window of what is next, and reads the rest back, by Pending, as it is delivered;
// so an outage is bounded by MaxBytes and not by memory. At a start it reads all of it once,
// to count it against the limits: a million in about a second.
//
// # When the disk fails
//
// The first write or fsync that fails makes Healthy return a DiskError and is logged
// once. From then on Append fails at once; up to 16 MiB of what it is given meanwhile is
// kept in memory and written when the disk is well again. A failed fsync is never just
// tried again, since the kernel may have dropped the pages and the next fsync says
// nothing of them: the file is closed, verified and opened anew, both of its first pages
// are rewritten and synced, and what failed, if the file does not hold it after all, is
// written afresh, to pages that nothing refers to yet.
// Pages that an earlier commit refers to were synced before that commit was
// acknowledged. This is tried every 100 ms at first and every 5 s later on. A write that
// has not returned for 5 s counts as a failed disk until it returns.
//
// A disk that is full is such a disk, and is well again once enough is done: what is done
// is written before all else, in small commits, and 256 KiB that the file keeps in reserve
// are given up for that, since deleting, too, takes pages that are free. What is set aside
// takes room and waits until there is some. (A file system that writes nothing in place,
// such as ZFS, may need room of its own to delete.)
//
// A file that is removed or replaced while it is open, or whose volume is unmounted, is
// noticed by the next write, or within a second: a DiskError of ErrRemoved. Nothing is
// kept then until the file is back in its place, or the process starts anew; no new one is
// made, since it might be on the wrong disk. What is pending is delivered from memory all the same.
//
// A file of which a page can't be trusted is a FileError, and is not opened. One of its
// two first pages may be damaged, by a power failure in the middle of a commit, which was
// never acknowledged then, or by the disk. Nobody can tell which, so it is opened by the
// other one, as of the commit before, and said: an Error in the log, and a PageError from
// Pending, which the gate logs, and from Inspect.
//
// # Copies
//
// Outbox.Backup copies an outbox while it is in use, Backup and stigg outbox -backup one that no
// process has open. A copy made of the file itself while it is written to, by cp or a backup of
// the volume, may have pages of several commits. Each commit leaves a sum of what the file holds:
// a copy that is as one commit left it is opened, any other is a FileError, and so is a copy of
// which more can't be read than of its original. (On Windows, what can't be read of a copy is a
// RecordError as in the original.) A snapshot of the volume in one instant is always whole.
//
// # When it is full
//
// The file is bounded by MaxBytes, 1 GiB by default, with all that it needs beside the
// usage. From 15/16 of it Healthy returns a FullError, for the policy to deny with 503 or
// to go on unrecorded; Append takes usage up to the bound, so that requests admitted in
// time find room. Nothing is ever dropped to make room. The file does not shrink; its free
// pages are used again. Usage takes about half of a full file, since a page holds whole
// groups and some of what bbolt replaces is free at any time; of the smallest one, a fifth.
//
// The volume should have a quarter more than MaxBytes, and half a megabyte: pages that are
// free but not side by side, after usage was done in another order than it came, make the file
// grow past the bound at times, and so do the reasons of what is set aside, which is never
// refused. (On Windows bbolt grows a file to the next power of two.)
package outbox
