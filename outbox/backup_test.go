package outbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stiggate/gate"
)

func TestABackupOfAnOutboxInUseHasAllThatWasAppendedBefore(t *testing.T) {
	o := open(t, t.TempDir())
	keep(t, o, numbered(1000)...)
	if err := errors.Join(o.Done(named("key-3")...), o.SetAside(fresh("key-4"), "refused")); err != nil {
		t.Fatal(err)
	}
	want, _ := keysOf(o)
	ctx, stop := context.WithCancel(t.Context())
	var appending sync.WaitGroup
	appending.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = o.Append(ctx, fresh(fmt.Sprint("meanwhile-", i)))
			_ = o.Done(fresh(fmt.Sprint("meanwhile-", i)))
		}
	})
	var copied bytes.Buffer
	err := o.Backup(t.Context(), &copied)
	stop()
	appending.Wait()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, dir)
	got, errs := keysOf(r)
	if len(got) < len(want) || fmt.Sprint(got[:len(want)]) != fmt.Sprint(want) || len(errs) > 0 {
		t.Errorf("%d are in the copy, %v, want the %d", len(got), errs, len(want))
	}
	if report, err := r.Inspect(); err != nil || len(report.SetAside) != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Backup(cancelled, &copied); !errors.Is(err, context.Canceled) {
		t.Errorf("Backup with a context that has ended: %v", err)
	}
}

func TestFirstPagesThatNameWhatTheFileDoesNotHave(t *testing.T) {
	for name, number := range map[string]struct {
		at    int
		value uint64
	}{
		"pages that overflow":       {metaPages, 1<<63 + 104},
		"pages beyond the end":      {metaPages, 1 << 20},
		"a root beyond the end":     {metaRoot, 1 << 40},
		"the last number there is":  {metaTxid, 1<<64 - 1},
		"a number close to the end": {metaTxid, 1<<62 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := open(t, dir)
			keep(t, o, "a")
			closeBox(t, o)
			path := filepath.Join(dir, fileName)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for page := range 2 {
				m := b[page*os.Getpagesize()+headerBytes:][:metaBytes]
				binary.NativeEndian.PutUint64(m[number.at:], number.value)
				sum := fnv.New64a()
				_, _ = sum.Write(m[:metaSum])
				binary.NativeEndian.PutUint64(m[metaSum:], sum.Sum64())
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			unchanged(t, path, func() {
				if _, err := Open(dir); !errors.As(err, new(*FileError)) {
					t.Errorf("Open: %v, want a *FileError", err)
				}
			})
		})
	}
}

// TestUsageWithOneKeyIsSetAsideForItself is in both orders in which Stigg may answer.
func TestUsageWithOneKeyIsSetAsideForItself(t *testing.T) {
	for name, refusedFirst := range map[string]bool{"refused first": true, "refused last": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := open(t, dir)
			refused, counted := fresh("job-4711"), fresh("job-4711")
			refused.FeatureID = "unmetered"
			if err := o.Append(t.Context(), refused, counted); err != nil {
				t.Fatal(err)
			}
			do := []func() error{func() error { return o.SetAside(refused, "there is no meter") }, func() error { return o.Done(counted) }}
			if !refusedFirst {
				do[0], do[1] = do[1], do[0]
			}
			if err := errors.Join(do[0](), do[1]()); err != nil {
				t.Fatal(err)
			}
			wantPending(t, o)
			closeBox(t, o)
			if n, err := Retry(dir, "job-4711"); n != 1 || err != nil {
				t.Fatalf("Retry: %d, %v", n, err)
			}
			o = open(t, dir)
			for k, err := range o.Pending(0) {
				if err != nil || k.FeatureID != "unmetered" {
					t.Errorf("%+v, %v is pending again", k.Usage, err)
				}
			}
			wantPending(t, o, "job-4711")
		})
	}
}

func TestAKeyThatSeveralHaveNamesNone(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	a, b := fresh("k"), fresh("k")
	b.Customer = gate.Customer{ID: "customer-2"}
	if err := errors.Join(o.Append(t.Context(), a, b), o.SetAside(a, "a"), o.SetAside(b, "b")); err != nil {
		t.Fatal(err)
	}
	closeBox(t, o)
	var ambiguous *AmbiguousKeyError
	if n, err := Drop(dir, "k"); n != 0 || !errors.As(err, &ambiguous) || len(ambiguous.IDs) != 2 {
		t.Fatalf("Drop: %d, %v", n, err)
	}
	if n, err := Drop(dir, ambiguous.IDs[0]); n != 1 || err != nil {
		t.Errorf("Drop of one: %d, %v", n, err)
	}
	if r, err := Inspect(dir); err != nil || len(r.SetAside) != 1 || r.SetAside[0].Customer != b.Customer {
		t.Errorf("%+v, %v", r, err)
	}
}
