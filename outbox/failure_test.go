package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
)

// journal is a logger's output that may be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// want compares the levels of what was logged and sees that no customer is named.
func (j *journal) want(t *testing.T, levels ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var got []string
	for line := range strings.Lines(j.b.String()) {
		_, rest, _ := strings.Cut(line, "level=")
		got = append(got, strings.Fields(rest)[0])
	}
	if fmt.Sprint(got) != fmt.Sprint(levels) {
		t.Errorf("logged %v, want %v:\n%s", got, levels, j.b.String())
	}
	if strings.Contains(j.b.String(), "customer-") || strings.Contains(j.b.String(), "key-") {
		t.Errorf("a customer's data is in the log:\n%s", j.b.String())
	}
}

var errBroken = errors.New("input/output error")

// breaker makes commits fail while broken is set.
type breaker struct {
	broken atomic.Bool
	failed atomic.Int64 // commits
}

// breakable lets commits fail, after they were written if late.
func breakable(o *Outbox, late bool) *breaker {
	b, write := new(breaker), o.commit
	o.commit = func(w *work) error {
		if !b.broken.Load() {
			return write(w)
		}
		b.failed.Add(1)
		if late {
			if err := write(w); err != nil {
				return err
			}
		}
		return errBroken
	}
	return b
}

func wantDiskError(t *testing.T, what string, err, beneath error) {
	t.Helper()
	if e := new(DiskError); !errors.As(err, &e) || !errors.Is(err, beneath) {
		t.Errorf("%s: %v, want a *DiskError of %v", what, err, beneath)
	}
}

func TestADiskThatFailsIsSaidOnceAndWhatItMissedIsWrittenLater(t *testing.T) {
	for name, late := range map[string]bool{"before anything is written": false, "after all is written": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log journal
				dir := t.TempDir()
				o, err := Open(dir, WithLogger(log.logger()))
				if err != nil {
					t.Fatal(err)
				}
				disk := breakable(o, late)
				keep(t, o, "key-0", "key-1")
				disk.broken.Store(true)
				if err := o.Done(named("key-0")...); err != nil {
					t.Fatal(err)
				}
				wantDiskError(t, "Append", o.Append(t.Context(), fresh("key-2")), errBroken)
				wantDiskError(t, "Healthy", o.Healthy(), errBroken)
				wantDiskError(t, "Append while it fails", o.Append(t.Context(), fresh("key-3"), fresh("key-4")), errBroken)
				time.Sleep(time.Minute) // the attempts go on and fail
				if !late {
					wantDiskError(t, "Healthy after a minute", o.Healthy(), errBroken)
					log.want(t, "ERROR")
				}
				if err := errors.Join(o.Done(named("key-3")...), o.SetAside(fresh("key-1"), "refused")); err != nil {
					t.Fatal(err)
				}
				disk.broken.Store(false)
				time.Sleep(maxRetry + time.Second)
				if err := o.Healthy(); err != nil {
					t.Errorf("Healthy: %v", err)
				}
				log.want(t, "ERROR", "INFO")
				keep(t, o, "key-5")
				wantPending(t, o, "key-2", "key-4", "key-5")
				closeBox(t, o)
				o = open(t, dir)
				wantPending(t, o, "key-2", "key-4", "key-5")
				closeBox(t, o)
			})
		})
	}
}

func TestADiskThatHangsIsKnownAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		o, err := Open(t.TempDir(), WithLogger(log.logger()))
		if err != nil {
			t.Fatal(err)
		}
		release, write := make(chan struct{}), o.commit
		o.commit = func(w *work) error {
			<-release
			return write(w)
		}
		waited := make(chan error, 1)
		go func() { waited <- o.Append(t.Context(), fresh("key-0")) }()
		time.Sleep(stallAfter - time.Millisecond)
		if err := o.Healthy(); err != nil {
			t.Errorf("Healthy before: %v", err)
		}
		time.Sleep(2 * time.Millisecond)
		wantDiskError(t, "Healthy", o.Healthy(), errStalled)
		wantDiskError(t, "Append", o.Append(t.Context(), fresh("key-1")), errStalled)
		close(release)
		if err := <-waited; err != nil {
			t.Errorf("the Append that waited: %v", err)
		}
		synctest.Wait()
		if err := o.Healthy(); err != nil {
			t.Errorf("Healthy after: %v", err)
		}
		log.want(t, "ERROR", "INFO")
		o.mu.Lock()
		written := o.pending
		o.mu.Unlock()
		if written != 2 {
			t.Errorf("%d measurements were written, want also what came while it hung", written)
		}
		wantPending(t, o, "key-0", "key-1")
		closeBox(t, o)
	})
}

func TestCloseSaysHowMuchCouldNotBeWritten(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	breakable(o, false).broken.Store(true)
	wantDiskError(t, "Append", o.Append(t.Context(), fresh("a"), fresh("b")), errBroken)
	err := o.Close()
	wantDiskError(t, "Close", err, errBroken)
	if err == nil || !strings.Contains(err.Error(), "2 measurements") {
		t.Errorf("Close: %v", err)
	}
	if again := o.Close(); !errors.Is(again, err) {
		t.Errorf("the second Close: %v, want %v", again, err)
	}
	wantPending(t, open(t, dir))
}

func TestWithoutWaitingUsageIsDurableSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := Open(t.TempDir(), NoWait())
		if err != nil {
			t.Fatal(err)
		}
		var written atomic.Int64
		write := o.commit
		o.commit = func(w *work) error {
			written.Add(int64(w.count()))
			return write(w)
		}
		for _, key := range numbered(5) { // one after the other, so that the wait could be put off
			keep(t, o, key)
			time.Sleep(soon / 4)
		}
		synctest.Wait()
		if written.Load() == 0 {
			t.Errorf("nothing was written %v after the first Append", 5*soon/4)
		}
		time.Sleep(soon)
		synctest.Wait()
		if n := written.Load(); n != 5 {
			t.Errorf("%d measurements were written, want 5", n)
		}
		closeBox(t, o)
	})
}

func TestDoneIsWrittenWithinASecondWithoutAnAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var done atomic.Int64
		write := o.commit
		o.commit = func(w *work) error {
			done.Add(int64(len(w.ends)))
			return write(w)
		}
		keep(t, o, "a")
		if err := o.Done(named("a")...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lazily + time.Millisecond)
		synctest.Wait()
		if n := done.Load(); n != 1 {
			t.Errorf("%d keys were written, want 1", n)
		}
		closeBox(t, o)
	})
}

func TestFull(t *testing.T) {
	var log journal
	dir := t.TempDir()
	o := open(t, dir, MaxBytes(1<<20), WithLogger(log.logger()))
	var keys []string
	var err error
	for o.Healthy() == nil && err == nil {
		key := fmt.Sprintf("key-%d", len(keys))
		u := fresh(key)
		u.Dimensions = padding(1000)
		err = o.Append(t.Context(), u)
		keys = append(keys, key)
	}
	full := new(FullError)
	if err != nil || !errors.As(o.Healthy(), &full) || full.Pending != len(keys) || full.Bytes < 15<<16 || full.MaxBytes != 1<<20 {
		t.Fatalf("%d measurements, %v, %v, want a *FullError from Healthy first", len(keys), err, o.Healthy())
	}
	for err == nil {
		key := fmt.Sprintf("key-%d", len(keys))
		u := fresh(key)
		u.Dimensions = padding(1000)
		if err = o.Append(t.Context(), u); err == nil {
			keys = append(keys, key)
		}
	}
	if !errors.As(err, &full) || full.Bytes < 1<<20-10_000 || full.Bytes > 1<<20 {
		t.Fatalf("Append: %v, want a *FullError at 1 MiB", err)
	}
	wantPending(t, o, keys...)
	closeBox(t, o)

	o = open(t, dir, MaxBytes(1<<20), WithLogger(log.logger()))
	if !errors.As(o.Healthy(), &full) {
		t.Errorf("Healthy after a restart: %v", o.Healthy())
	}
	left := keys[len(keys)/2:]
	if err := o.Done(named(keys[:len(keys)/2]...)...); err != nil {
		t.Fatal(err)
	}
	wantPending(t, o, left...) // which waits for the commit
	if err := o.Healthy(); err != nil {
		t.Errorf("Healthy with room again: %v", err)
	}
	keep(t, o, "key-more")
	log.want(t, "ERROR", "ERROR", "INFO")
}

// TestTheFileDoesNotGrowWithoutBound: pages are used again, though the file keeps no
// list of free ones.
func TestTheFileDoesNotGrowWithoutBound(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	for round := range 30 {
		keys := numbered(1000)
		for i := range keys {
			keys[i] += fmt.Sprintf(" of %d", round)
		}
		keep(t, o, keys...)
		if err := o.Done(named(keys...)...); err != nil {
			t.Fatal(err)
		}
	}
	wantPending(t, o)
	r, err := o.Inspect()
	if err != nil || r.FileBytes > 4<<20 {
		t.Errorf("the file has %d bytes, %v, want no more than some times 128 kB", r.FileBytes, err)
	}
	if used := o.taken - o.store.slack() - reserveBytes; used > 64<<10 {
		t.Errorf("%d bytes are counted with nothing kept", used)
	}
}

// TestAFileThatIsCutOffWhileOpen: what the memory map can't read any more is an error,
// not the end of the process.
func TestAFileThatIsCutOffWhileOpen(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	for _, key := range numbered(100) {
		keep(t, o, key)
	}
	if err := o.store.file.Truncate(8192); err != nil {
		t.Fatal(err)
	}
	err := o.Append(t.Context(), fresh("a"))
	if e := new(DiskError); !errors.As(err, &e) {
		t.Errorf("Append: %v, want a *DiskError", err)
	}
	if _, errs := keysOf(o); len(errs) == 0 {
		t.Error("Pending yielded no error")
	}
	if err := o.Close(); err == nil {
		t.Error("Close returned nil")
	}
}

func TestADirectoryWithoutANameIsRefused(t *testing.T) {
	t.Chdir(t.TempDir()) // where it would be, and outlive the test's other runs
	if _, err := Open(""); !errors.As(err, new(*DirError)) {
		t.Errorf("got %v, want a *DirError", err)
	}
}

func TestADatabaseOfAnotherProgramIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("theirs"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	unchanged(t, path, func() {
		_, err := Open(filepath.Dir(path))
		if e := new(FileError); !errors.As(err, &e) || e.Path != path {
			t.Errorf("got %v, want a *FileError", err)
		}
	})
}
