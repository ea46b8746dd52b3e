package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
)

func TestContract(t *testing.T) {
	t.Run("waiting for the disk", func(t *testing.T) {
		conformance.RunOutbox(t, func(dir string) (gate.Outbox, error) { return Open(dir) })
	})
	t.Run("not waiting", func(t *testing.T) {
		conformance.RunOutbox(t, func(dir string) (gate.Outbox, error) { return Open(dir, NoWait()) })
	})
}

func open(t *testing.T, dir string, options ...Option) *Outbox {
	t.Helper()
	o, err := Open(dir, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func fresh(key string) gate.Usage {
	u := sample(key)
	u.CreatedAt = time.Now().UTC().Round(0)
	return u
}

func keep(t *testing.T, o *Outbox, keys ...string) {
	t.Helper()
	if err := o.Append(t.Context(), named(keys...)...); err != nil {
		t.Fatal(err)
	}
}

func closeBox(t *testing.T, o *Outbox) {
	t.Helper()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}

// padding makes a usage about so many bytes larger.
func padding(n int) map[string]any {
	return map[string]any{"": json.RawMessage(strconv.Quote(strings.Repeat("x", n)))}
}

// named is usage with these keys, as fresh makes it, for Done.
func named(keys ...string) []gate.Usage {
	u := make([]gate.Usage, len(keys))
	for i, key := range keys {
		u[i] = fresh(key)
	}
	return u
}

func identityOf(key string) string {
	u := sample(key)
	return string(appendIdentity(nil, &u))
}

// keysOf returns what is pending and the errors that came between.
func keysOf(o *Outbox) (keys []string, errs []error) {
	for u, err := range o.Pending(0) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		keys = append(keys, u.Key)
	}
	return keys, errs
}

func wantPending(t *testing.T, o *Outbox, want ...string) {
	t.Helper()
	got, errs := keysOf(o)
	if len(errs) > 0 || !slices.Equal(got, want) {
		t.Errorf("pending: %.20q, %v, want %.20q", got, errs, want)
	}
}

func numbered(n int) (keys []string) {
	for i := range n {
		keys = append(keys, "key-"+strconv.Itoa(i))
	}
	return keys
}

func TestOpenMakesTheDirectoryForItsOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	open(t, dir)
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, fileName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", filepath.Base(path), info.Mode(), want)
		}
	}
}

func TestAnOutboxThatIsOpenIsLocked(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	_, err := Open(dir)
	if locked := new(LockedError); !errors.As(err, &locked) || locked.Dir != dir {
		t.Errorf("Open: %v, want a *LockedError for %s", err, dir)
	}
	_, err = Inspect(dir)
	if locked := new(LockedError); !errors.As(err, &locked) {
		t.Errorf("Inspect: %v, want a *LockedError", err)
	}
	_, err = Retry(dir)
	if locked := new(LockedError); !errors.As(err, &locked) {
		t.Errorf("Retry: %v, want a *LockedError", err)
	}
	keep(t, o, "a")
	closeBox(t, o)
	wantPending(t, open(t, dir), "a")
}

func TestADirectoryThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := t.TempDir()
	if err := os.Mkdir(filepath.Join(taken, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	readOnly := t.TempDir()
	if err := os.Chmod(readOnly, 0o500); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{"is a file": file, "is below a file": filepath.Join(file, "x"), "has a directory for a file": taken}
	if os.Geteuid() != 0 {
		dirs["is not writable"] = readOnly
	}
	for name, dir := range dirs {
		_, err := Open(dir)
		if e := new(DirError); !errors.As(err, &e) || e.Dir == "" {
			t.Errorf("a directory that %s: %v, want a *DirError", name, err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for name, option := range map[string]Option{
		"MaxBytes": MaxBytes(1000), "MaxAge": MaxAge(0), "WithLogger": WithLogger(nil), "WithClock": WithClock(nil),
	} {
		if o, err := Open(t.TempDir(), option); err == nil {
			t.Errorf("%s is accepted", name)
			_ = o.Close()
		}
	}
}

func TestUsageWithoutAKeyIsRefusedAndTheWholeBatchWithIt(t *testing.T) {
	o := open(t, t.TempDir())
	if err := o.Append(t.Context(), fresh("a"), fresh("")); err == nil {
		t.Error("accepted")
	}
	wantPending(t, o)
}

func TestUsageThatWasAppendedTwiceIsDoneAtOnce(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	keep(t, o, "a", "b", "a")
	keep(t, o, "a", "c")
	wantPending(t, o, "a", "b", "a", "a", "c")
	if err := o.Done(named("a")...); err != nil {
		t.Fatal(err)
	}
	wantPending(t, o, "b", "c")
	closeBox(t, o)
	wantPending(t, open(t, dir), "b", "c")
}

// TestKeysOfTheSameHash has every key at every other key's place in the index.
func TestKeysOfTheSameHash(t *testing.T) {
	x := newIndex(maphash.MakeSeed())
	for i := range 3 {
		x.addGroup(uint64(i+1), 2)
		for j := range 2 {
			x.addRecord(7, placeOf(uint64(i+1), j))
		}
	}
	if got := len(x.find(7)); got != 6 || x.pending() != 6 {
		t.Fatalf("%d places, %d pending, want 6", got, x.pending())
	}
	for _, p := range []place{placeOf(2, 0), placeOf(1, 0), placeOf(3, 1), placeOf(1, 1), placeOf(3, 0), placeOf(2, 1)} {
		x.forget(7, p)
		if slices.Contains(x.find(7), p) {
			t.Errorf("%d is still there", p)
		}
	}
	if x.pending() != 0 || len(x.groups)+len(x.twins)+len(x.done) != 0 {
		t.Errorf("left behind: %+v", x)
	}
}

func TestAppendWaitsForTheCommitAndNoLongerThanItsContext(t *testing.T) {
	o := open(t, t.TempDir())
	release, write := make(chan struct{}), o.commit
	o.commit = func(w *work) error {
		<-release
		return write(w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Append(ctx, fresh("a")) }()
	waited := make(chan error, 1)
	go func() { waited <- o.Append(t.Context(), fresh("b")) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that of the context", err)
	}
	select {
	case err := <-waited:
		t.Errorf("Append returned %v before the commit", err)
	default:
	}
	close(release)
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

func TestOldUsageIsSetAsideAtOpen(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	var batch []gate.Usage
	for i, key := range numbered(2500) {
		u := fresh(key)
		if i%2 == 0 {
			u.CreatedAt = u.CreatedAt.Add(-2 * time.Hour)
		}
		batch = append(batch, u)
	}
	if err := o.Append(t.Context(), batch...); err != nil {
		t.Fatal(err)
	}
	closeBox(t, o)
	o = open(t, dir, MaxAge(time.Hour))
	var want []string
	for i, key := range numbered(2500) {
		if i%2 == 1 {
			want = append(want, key)
		}
	}
	wantPending(t, o, want...)
	r, err := o.Inspect()
	if err != nil || len(r.SetAside) != 1250 || r.SetAside[1].Key != "key-2" || r.SetAside[1].Reason != "older than 1h0m0s" {
		t.Errorf("set aside: %d, %.3v, %v", len(r.SetAside), r.SetAside, err)
	}
}
