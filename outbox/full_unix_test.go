//go:build unix

package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"syscall"
	"testing"
	"time"
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
		u.Event = string(bytes.Repeat([]byte("x"), 10_000))
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
