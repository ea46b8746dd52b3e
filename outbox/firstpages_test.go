package outbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// spoil damages one of the first pages of the outbox in dir: the one of the newest
// commit, or the other one.
func spoil(t *testing.T, dir string, newest bool, damage func(page []byte)) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	at := 0
	if (meta(b[size+headerBytes:]).txid() > meta(b[headerBytes:]).txid()) == newest {
		at = size
	}
	damage(b[at : at+size])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedFirstPageIsSaid(t *testing.T) {
	flip := func(page []byte) { page[headerBytes+20] ^= 1 }
	for name, c := range map[string]struct {
		newest bool
		damage func([]byte)
		level  string
		keys   []string
	}{
		"newest":         {true, flip, "ERROR", []string{"a"}},
		"newest, zeroed": {true, func(page []byte) { clear(page) }, "ERROR", []string{"a"}},
		"spare":          {false, flip, "WARN", []string{"a", "b"}},
		"spare, zeroed":  {false, func(page []byte) { clear(page) }, "ERROR", []string{"a", "b"}}, // nobody knows
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := open(t, dir)
			keep(t, o, "a")
			keep(t, o, "b")
			closeBox(t, o)
			spoil(t, dir, c.newest, c.damage)

			r, err := Inspect(dir)
			if err != nil || len(r.Unreadable) != 1 || !strings.Contains(r.Unreadable[0], "damaged") {
				t.Errorf("Inspect: %q, %v", r.Unreadable, err)
			}
			var log journal
			o = open(t, dir, WithLogger(log.logger()))
			log.want(t, c.level)
			if err := o.Healthy(); err != nil {
				t.Errorf("Healthy: %v", err)
			}
			keys, errs := keysOf(o)
			if strings.Join(keys, " ") != strings.Join(c.keys, " ") {
				t.Errorf("pending: %q, want %q", keys, c.keys)
			}
			if damaged := new(PageError); c.level == "ERROR" && (len(errs) != 1 || !errors.As(errs[0], &damaged) || damaged.Spare) || c.level != "ERROR" && len(errs) > 0 {
				t.Errorf("Pending yields %v", errs)
			}
			closeBox(t, o)
			o = open(t, dir, WithLogger(log.logger()))
			log.want(t, c.level) // once
			wantPending(t, o, c.keys...)
		})
	}
}

func TestRetrySaysThatAFirstPageIsDamaged(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	keep(t, o, "a", "b")
	if err := errors.Join(o.SetAside(fresh("a"), "refused"), o.sync()); err != nil {
		t.Fatal(err)
	}
	keep(t, o, "c")
	closeBox(t, o)
	spoil(t, dir, true, func(page []byte) { clear(page) })
	n, err := Retry(dir)
	if damaged := new(PageError); n != 1 || !errors.As(err, &damaged) {
		t.Errorf("Retry: %d, %v, want 1 and a *PageError", n, err)
	}
	wantPending(t, open(t, dir), "b", "a")
}

func TestAFileThatIsRemovedWhileOpenIsNoticed(t *testing.T) {
	for name, remove := range map[string]func(dir string) error{
		"the directory": os.RemoveAll,
		"the file":      func(dir string) error { return os.Remove(filepath.Join(dir, fileName)) },
		"replaced":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log journal
				dir := filepath.Join(t.TempDir(), "outbox")
				o, err := Open(dir, WithLogger(log.logger()))
				if err != nil {
					t.Fatal(err)
				}
				keep(t, o, "a")
				err = remove(dir)
				if name == "replaced" {
					err = errors.Join(err, os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, fileName)))
				}
				if err != nil {
					t.Fatal(err)
				}
				if name == "the file" { // an Append knows before
					wantDiskError(t, "Append", o.Append(t.Context(), fresh("c")), ErrRemoved)
				}
				time.Sleep(lookAfter + time.Millisecond)
				wantDiskError(t, "Healthy", o.Healthy(), ErrRemoved)
				time.Sleep(time.Minute)
				wantDiskError(t, "Append", o.Append(t.Context(), fresh("b")), ErrRemoved)
				log.want(t, "ERROR")
				if err := o.Close(); !errors.Is(err, ErrRemoved) {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

func TestAFileThatIsMovedAwayAndBackIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "outbox")
		o, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		keep(t, o, "a")
		if err := os.Rename(dir, dir+"2"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookAfter + time.Millisecond)
		wantDiskError(t, "Append", o.Append(t.Context(), fresh("b")), ErrRemoved)
		if err := os.Rename(dir+"2", dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(maxRetry + time.Second)
		if err := o.Healthy(); err != nil {
			t.Errorf("Healthy: %v", err)
		}
		wantPending(t, o, "a", "b")
		closeBox(t, o)
	})
}
