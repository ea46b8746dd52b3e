package outbox

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("outbox: closed")

// ErrRemoved is beneath the DiskError of an outbox whose file was removed or replaced
// while it was open. What is pending is delivered all the same, while the process runs;
// nothing is kept until the file is back in its place or the process starts anew.
var ErrRemoved = errors.New(fileName + " was removed or replaced while it was open")

// LockedError says that another process, or another Outbox of this one, has the
// directory open.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return "outbox: " + e.Dir + " is in use by another process: give each process a directory of its own, or stop the other one first"
}

// DirError says that the directory or the file in it can't be made, read or written.
type DirError struct {
	Dir string
	Err error
}

func (e *DirError) Error() string { return "outbox: can't use " + e.Dir + ": " + e.Err.Error() }

// Unwrap returns what the system said.
func (e *DirError) Unwrap() error { return e.Err }

// FileError says that the file is not an outbox that can be read safely: not a
// database, a damaged one, one of another program or of a newer Gate. The file was not
// changed.
type FileError struct {
	Path    string
	Problem string
	Err     error // what is beneath, or nil
}

func (e *FileError) Error() string {
	text := "outbox: " + e.Path + " " + e.Problem
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + "; it was left as it is: move its directory away to start with a new one, and look into it with stigg outbox DIR"
}

// Unwrap returns what is beneath.
func (e *FileError) Unwrap() error { return e.Err }

// RecordError says that kept usage can't be read: a disk that lost bits, or a record of
// a newer Gate. It stays where it is.
type RecordError struct {
	// Group and Record are its position in the file. Record is -1 if it is the whole
	// group that can't be read.
	Group   uint64
	Record  int
	Problem string
}

func (e *RecordError) Error() string {
	if e.Record < 0 {
		return fmt.Sprintf("outbox: group %d of the file %s", e.Group, e.Problem)
	}
	return fmt.Sprintf("outbox: record %d in group %d of the file %s", e.Record, e.Group, e.Problem)
}

// AmbiguousKeyError says that several usages that were set aside have a key, and that it was not
// said which of them is meant.
type AmbiguousKeyError struct {
	Key string
	IDs []string // of all of them
}

func (e *AmbiguousKeyError) Error() string {
	return fmt.Sprintf("outbox: %d measurements that were set aside have the key %q: name them by their ids, %s", len(e.IDs), e.Key, strings.Join(e.IDs, ", "))
}

// FullError says that MaxBytes is reached.
type FullError struct {
	// Bytes are those in use, of the file and of what is on its way there, with what is
	// held back for deletions.
	Bytes, MaxBytes int64
	// Pending and SetAside are how many measurements are kept.
	Pending, SetAside int
}

func (e *FullError) Error() string {
	return fmt.Sprintf("outbox: full: %d bytes of %d are taken, by %d measurements that wait for Stigg and %d that were set aside",
		e.Bytes, e.MaxBytes, e.Pending, e.SetAside)
}

// DiskError says that the disk does not take usage at present. Err may be ErrRemoved.
type DiskError struct {
	Dir string
	Err error
}

func (e *DiskError) Error() string {
	return "outbox: the disk under " + e.Dir + " fails: " + e.Err.Error()
}

// Unwrap returns what the system said.
func (e *DiskError) Unwrap() error { return e.Err }

var (
	errStalled = errors.New("a write has not returned for 5 s")
	errBehind  = errors.New("it can't keep up with what is appended")
)
