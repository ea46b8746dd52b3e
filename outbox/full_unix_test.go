//go:build unix

package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/stiggate/gate"
)

// TestADiskThatTakesNoMoreAndThenDoes lets a child process write files of 1 MiB at
// most, which is a real failure of write and truncate, and lifts that later.
func TestADiskThatTakesNoMoreAndThenDoes(t *testing.T) {
	dir := t.TempDir()
	if out, err := child(t.Context(), t, "full", dir).Output(); err != nil || string(out) != "ok\n" {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := Inspect(dir)
	if err != nil || len(r.Unreadable) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	seen := make(map[string]bool)
	keys, errs := keysOf(open(t, dir))
	for _, key := range keys {
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
	if len(errs) > 0 || !seen["kept-0"] || !seen["while it fails"] || !seen["when it is well"] {
		t.Errorf("%d keys, %v", len(keys), errs)
	}
}

// TestAFullDiskRecoversOnceItsUsageIsDone has no room but what deletions make: files of
// 2 MiB at most, which no one lifts.
func TestAFullDiskRecoversOnceItsUsageIsDone(t *testing.T) {
	if out, err := child(t.Context(), t, "small", t.TempDir()).Output(); err != nil || string(out) != "ok\n" {
		t.Fatalf("%v: %s", err, out)
	}
}

func fillSmallDisk(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 2 << 20, Max: 2 << 20}); err != nil {
		return err
	}
	shift := rand.IntN(len(allHows))
	for i, size := range []int{10, 400, 6_000, 20_000} {
		how := allHows
		if os.Getenv(envLong) == "" { // each size and each way once, in pairs by chance
			how = allHows[(i+shift)%len(allHows):][:1]
		}
		if err := fillAndEmpty(filepath.Join(dir, fmt.Sprint(size)), size, how); err != nil {
			return fmt.Errorf("usage of %d bytes: %w", size, err)
		}
	}
	fmt.Println("ok")
	return nil
}

// allHows are the ways in which fillAndEmpty may come to usage that is done.
var allHows = []string{"running", "restarted", "without a reserve", "out of order"}

// fillAndEmpty fills the disk under dir, with usage of that size, and wants usage to be
// kept again once all is done: in the process that filled it, after a restart, and with
// a file that has no reserve.
func fillAndEmpty(dir string, size int, hows []string) error {
	for _, how := range hows {
		o, err := Open(dir)
		if err != nil {
			return err
		}
		keys, err := fillUp(o, how, size)
		if disk := new(DiskError); !errors.As(err, &disk) {
			return fmt.Errorf("%s: Append: %w, want a *DiskError", how, err)
		}
		switch how {
		case "without a reserve":
			_ = o.Close() // what could not be written is lost, and said
			if err := dropReserve(dir); err != nil {
				return err
			}
			fallthrough
		case "restarted":
			_ = o.Close()
			if o, err = Open(dir); err != nil {
				return err
			}
			if left, errs := keysOf(o); len(left) < len(keys)/2 {
				return fmt.Errorf("%s: %d of %d are pending: %v", how, len(left), len(keys), errs)
			}
		case "out of order":
			rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		}
		if err := o.Done(named(keys...)...); err != nil {
			return err
		}
		for deadline := time.Now().Add(30 * time.Second); o.Healthy() != nil; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("%s: Healthy with %d done: %w", how, len(keys), o.Healthy())
			}
		}
		if err := o.Append(context.Background(), fresh("after "+how)); err != nil {
			return err
		}
		if left, errs := keysOf(o); len(errs) > 0 || len(left) != 1 || left[0] != "after "+how {
			return fmt.Errorf("%s: %d are left: %v", how, len(left), errs)
		}
		if err := errors.Join(o.Done(fresh("after "+how)), o.Close()); err != nil {
			return err
		}
	}
	return nil
}

// fillUp appends until it fails and returns the keys.
func fillUp(o *Outbox, name string, size int) (keys []string, err error) {
	for err == nil {
		batch := make([]gate.Usage, 8)
		for i := range batch {
			batch[i] = fresh(fmt.Sprintf("%s-%d", name, len(keys)))
			batch[i].Dimensions = padding(size)
			keys = append(keys, batch[i].Key)
		}
		err = o.Append(context.Background(), batch...)
	}
	return keys, err
}

// dropReserve makes the file one of an earlier Gate.
func dropReserve(dir string) error {
	db, err := bolt.Open(filepath.Join(dir, fileName), 0o600, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket(bucketSpare), tx.Bucket(bucketAbout).Put(formatKey, []byte{format}))
	})
	return errors.Join(err, db.Close())
}

func fillDisk(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	limit := before
	limit.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	var log bytes.Buffer
	o, err := Open(dir, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		return err
	}
	ctx := context.Background()
	for i := 0; err == nil; i++ {
		u := fresh(fmt.Sprintf("kept-%d", i))
		u.Dimensions = padding(10_000)
		err = o.Append(ctx, u)
	}
	disk := new(DiskError)
	if !errors.As(err, &disk) {
		return fmt.Errorf("Append: %w, want a *DiskError", err)
	}
	if err := o.Healthy(); !errors.As(err, &disk) {
		return fmt.Errorf("Healthy: %w, want a *DiskError", err)
	}
	if err := o.Append(ctx, fresh("while it fails")); !errors.As(err, &disk) {
		return fmt.Errorf("Append while the disk fails: %w, want a *DiskError", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	for o.Healthy() != nil {
		time.Sleep(time.Millisecond)
	}
	if err := o.Append(ctx, fresh("when it is well")); err != nil {
		return err
	}
	if err := o.Close(); err != nil {
		return err
	}
	if e, i := bytes.Count(log.Bytes(), []byte("level=ERROR")), bytes.Count(log.Bytes(), []byte("level=INFO")); e != 1 || i != 1 {
		return fmt.Errorf("want one line when it fails and one when it is well:\n%s", log.Bytes())
	}
	fmt.Println("ok")
	return nil
}
