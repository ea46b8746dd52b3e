package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	fileName = "outbox.db"
	// lockWait is what another process may need to look into the file and go.
	lockWait = 200 * time.Millisecond
	// fileFormat is that of the file as a whole. One of format 1 has no sum.
	fileFormat = 2
)

// The buckets. usage and done are by the number of the group, aside by a number of its
// own; numbers are 8 bytes, big endian, and are never used again.
var (
	bucketAbout = []byte("gate-outbox") // formatKey: format; commitKey: id of the last commit; sumKey, homeKey: see sum; replicasKey
	bucketUsage = []byte("usage")       // groups
	bucketDone  = []byte("done")        // bitmaps
	bucketAside = []byte("aside")       // refused records
	bucketSpare = []byte("reserve")     // see reserveBytes; a file of an earlier Gate has none
	formatKey   = []byte("format")
	fillerKey   = []byte("filler")
	commitKey   = []byte("commit")
	sumKey      = []byte("sum")
	homeKey     = []byte("home")
	spareKey    = []byte("reserve")
)

func number(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// store is the file. Its index and everything that writes belong to one goroutine;
// view may be called from any.
type store struct {
	dir    string
	seed   maphash.Seed
	id     uint64 // of the last commit that was tried
	values []byte // memory for what a commit puts
	index
	space
	// info is what path named when it was opened; of the path, not the open file, since
	// the two differ on some layered file systems.
	info fs.FileInfo
	// foreign: it is a copy that was made elsewhere and is not at home here yet (prove).
	foreign atomic.Bool
	// damaged is the first page that the latest verify could not use, or nil.
	damaged *PageError

	mu   sync.RWMutex // held for writing while db is replaced
	db   *bolt.DB     // nil while it can't be opened
	file *os.File     // db's
}

// present is ErrRemoved if path does not name the file any more that was opened.
func (s *store) present() error {
	info, err := os.Lstat(s.path())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, s.info) {
		return ErrRemoved
	}
	return err
}

func (s *store) path() string { return filepath.Join(s.dir, fileName) }

// open opens the file for writing, creating it if there is none, and reads the index.
// One that can't be trusted is a *FileError and is not touched.
func (s *store) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.examine(); err != nil {
		return err
	}
	err := guard(func() (err error) {
		if err := s.openFile(false); err != nil {
			return err
		}
		if s.info, err = os.Lstat(s.path()); err != nil {
			return err
		}
		if err := s.create(); err != nil {
			return err
		}
		if err := s.measure(); err != nil {
			return err
		}
		if err := s.load(); err != nil {
			return err
		}
		return s.db.View(s.copied)
	})
	if err != nil {
		return s.explain(errors.Join(err, s.shut()))
	}
	return nil
}

// examine verifies the file, if there is one, under a lock that it gives back.
func (s *store) examine() error {
	info, err := os.Lstat(s.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &DirError{Dir: s.dir, Err: err}
	case !info.Mode().IsRegular():
		return &DirError{Dir: s.dir, Err: errors.New(fileName + " is not a file")}
	}
	if err := trusted(info); err != nil {
		return &DirError{Dir: s.dir, Err: fmt.Errorf("%s: %w", fileName, err)}
	}
	if info.Size() == 0 {
		return nil
	}
	err = guard(s.verify)
	return s.explain(errors.Join(err, s.shut()))
}

// verify opens the file for reading and leaves it open.
func (s *store) verify() error {
	if err := s.openFile(true); err != nil {
		return err
	}
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if s.damaged, err = s.firstPages(info.Size()); err != nil {
		return err
	}
	return s.db.View(func(tx *bolt.Tx) error {
		if err := verify(s.file, info.Size(), tx); err != nil {
			return &FileError{Path: s.path(), Problem: "is damaged", Err: err}
		}
		about := tx.Bucket(bucketAbout)
		if about == nil || tx.Bucket(bucketUsage) == nil || tx.Bucket(bucketDone) == nil || tx.Bucket(bucketAside) == nil {
			if key, _ := tx.Cursor().First(); key == nil {
				return nil // the process ended before the buckets were made
			}
			return &FileError{Path: s.path(), Problem: "is a database of another program"}
		}
		f := about.Get(formatKey)
		if len(f) != 1 || f[0] != format && f[0] != fileFormat {
			return &FileError{Path: s.path(), Problem: "was written by another version of Gate"}
		}
		if f[0] == format { // it has no sum before it is written to
			return nil
		}
		if err := whole(tx); err != nil {
			return &FileError{Path: s.path(), Problem: mixed, Err: err}
		}
		return nil
	})
}

func (s *store) openFile(readOnly bool) error {
	db, err := bolt.Open(s.path(), 0o600, &bolt.Options{
		Timeout:  lockWait,
		ReadOnly: readOnly,
		// Free pages are found by what can be reached. A list of them in the file has no
		// checksum, would be written with every commit, and is long after an outage.
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(path, flag|noFollow, mode) //nolint:gosec // the directory is the application's choice
			s.file = f
			return f, err
		},
	})
	if err != nil {
		return err
	}
	s.db = db
	return nil
}

// create makes the buckets if the file is new, and its name in the directory durable.
func (s *store) create() error {
	made := false
	err := s.db.View(func(tx *bolt.Tx) error {
		made = tx.Bucket(bucketAbout) != nil
		return nil
	})
	if err != nil || made {
		return err
	}
	err = s.update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketAbout, bucketUsage, bucketDone, bucketAside} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return syncDir(s.dir)
}

// update is bolt's Update, but for a panic, after which bolt's would read all pages.
func (s *store) update(do func(*bolt.Tx) error) error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	if err := do(tx); err != nil {
		return err
	}
	if err := s.seal(tx); err != nil {
		return err
	}
	s.db.AllocSize = s.step(tx.Size())
	if err := tx.Commit(); err != nil {
		return err
	}
	return s.measure()
}

// view reads the file as the last commit left it.
func (s *store) view(do func(*bolt.Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return berrors.ErrDatabaseNotOpen
	}
	return guard(func() error { return s.db.View(do) })
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shut()
}

// shut closes what is open. If bolt failed on the way to a database, only the file is.
func (s *store) shut() error {
	db, file := s.db, s.file
	s.db, s.file = nil, nil
	if db != nil {
		return guard(db.Close)
	}
	if file != nil {
		_ = file.Close() // bolt may have closed it
	}
	return nil
}

// explain makes a typed error of what opening the file failed with.
func (s *store) explain(err error) error {
	var file *FileError
	var path *fs.PathError
	var errno syscall.Errno
	switch {
	case err == nil || errors.As(err, &file):
		return err
	case errors.Is(err, berrors.ErrTimeout):
		return &LockedError{Dir: s.dir}
	case errors.As(err, &path), errors.As(err, &errno):
		return &DirError{Dir: s.dir, Err: err}
	}
	return &FileError{Path: s.path(), Problem: "is not an outbox, or a damaged one", Err: err}
}

var errFault = errors.New("the file can't be read")

// guard makes an error of a fault in the memory map, which a failing disk or a file
// that was cut off causes, and of a failed assertion of bolt's. do unlocks what it
// locks with defer.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errFault, p)
		}
	}()
	return do()
}

// makeDir creates dir and what is above it, and makes the names durable.
func makeDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return &DirError{Dir: dir, Err: errors.New("it is not a directory")}
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return &DirError{Dir: dir, Err: err}
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return &DirError{Dir: dir, Err: err}
	}
	if err := syncDir(parent); err != nil {
		return &DirError{Dir: dir, Err: err}
	}
	return nil
}

// syncDir makes the names in a directory durable. Windows has no such thing.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir) //nolint:gosec // the application's choice
	if errors.Is(err, fs.ErrPermission) {
		return nil // a parent that may be passed through but not read
	}
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
