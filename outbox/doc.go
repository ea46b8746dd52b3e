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
// own directory, on a local disk.
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
// # When it is full
//
// What is kept, pending and set aside, is bounded by MaxBytes, 1 GiB by default. From
// 15/16 of it Healthy returns a FullError, for the policy to deny with 503 or to go on
// unrecorded; Append takes usage up to the bound, so that requests admitted in time
// find room. Nothing is ever dropped to make room. The file does not shrink; its free
// pages are used again, and it takes at most about twice what was kept at the peak.
package outbox
