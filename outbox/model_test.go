package outbox

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stiggate/gate"
)

// TestAgainstAModel does random things to an outbox and compares it with two lists.
// Any commit may fail, before or after it was written.
func TestAgainstAModel(t *testing.T) {
	root := t.TempDir()
	if checks := flag.Lookup("rapid.checks"); !*long && checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("15"); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = checks.Value.Set(checks.DefValue) }()
	}
	rapid.Check(t, func(t *rapid.T) {
		dir := filepath.Join(root, fmt.Sprint(rand.Uint64()))
		m := &machine{dir: dir, options: []Option{func(c *config) error { c.minRetry = time.Millisecond; return nil }}}
		if rapid.Bool().Draw(t, "no wait") {
			m.options = append(m.options, NoWait())
		}
		m.open(t)
		defer func() {
			_ = m.o.Close()
			_ = os.RemoveAll(dir)
		}()
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append, "done": m.done, "set aside": m.setAside, "reopen": m.reopen,
			"fail": m.fail, "retry": m.retry, "": m.check,
		})
	})
}

type machine struct {
	dir     string
	options []Option
	o       *Outbox
	next    int
	pending []string
	aside   []string
}

func (m *machine) open(t *rapid.T) {
	var err error
	if m.o, err = Open(m.dir, m.options...); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) append(t *rapid.T) {
	var batch []gate.Usage
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 5, 100}).Draw(t, "n") {
		u := fresh(fmt.Sprintf("key-%d", m.next))
		m.next++
		batch = append(batch, u)
		m.pending = append(m.pending, u.Key)
	}
	if err := m.o.Append(t.Context(), batch...); err != nil {
		t.Fatal(err)
	}
}

// known draws a key that is or was or may be.
func (m *machine) known(t *rapid.T) string {
	if len(m.pending) > 0 && rapid.IntRange(0, 3).Draw(t, "pending") > 0 {
		return rapid.SampledFrom(m.pending).Draw(t, "key")
	}
	return fmt.Sprintf("key-%d", rapid.IntRange(0, m.next+1).Draw(t, "number"))
}

func (m *machine) forget(key string) (was bool) {
	n := len(m.pending)
	m.pending = slices.DeleteFunc(m.pending, func(k string) bool { return k == key })
	return len(m.pending) < n
}

func (m *machine) done(t *rapid.T) {
	var keys []string
	if rapid.IntRange(0, 4).Draw(t, "batch") == 0 {
		keys = slices.Clone(m.pending[:min(len(m.pending), 100)]) // as the gate delivers
	} else {
		keys = []string{m.known(t)}
	}
	for _, key := range keys {
		m.forget(key)
	}
	if err := m.o.Done(named(keys...)...); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) setAside(t *rapid.T) {
	key := m.known(t)
	if m.forget(key) {
		m.aside = append(m.aside, key)
	}
	if err := m.o.SetAside(fresh(key), "because of "+key); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) reopen(t *rapid.T) {
	if err := m.o.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

func (m *machine) retry(t *rapid.T) {
	if err := m.o.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := Retry(m.dir)
	if err != nil || n != len(m.aside) {
		t.Fatalf("Retry: %d, %v, want %d", n, err, len(m.aside))
	}
	m.pending, m.aside = append(m.pending, m.aside...), nil
	m.open(t)
}

// fail has the next commit fail. What was appended may come back behind what follows
// the failure only if it was not written, which the model does not know, so nothing
// follows before it is well.
func (m *machine) fail(t *rapid.T) {
	m.check(t) // so that the queue is empty
	late := rapid.Bool().Draw(t, "late")
	if err := m.o.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
	disk := breakable(m.o, late)
	disk.broken.Store(true)
	u := fresh(fmt.Sprintf("key-%d", m.next))
	m.next++
	m.pending = append(m.pending, u.Key)
	if err := m.o.Append(t.Context(), u); err == nil && !m.o.noWait {
		t.Fatal("no error")
	}
	m.done(t)
	m.setAside(t)
	for disk.failed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	disk.broken.Store(false)
	for { // Inspect waits for a commit
		if _, err := m.o.Inspect(); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (m *machine) check(t *rapid.T) {
	keys, errs := keysOf(m.o)
	if len(errs) > 0 || !slices.Equal(keys, m.pending) {
		t.Fatalf("pending: %v, %v, want %v", keys, errs, m.pending)
	}
	r, err := m.o.Inspect()
	if err != nil || r.Pending != len(m.pending) || len(r.SetAside) != len(m.aside) {
		t.Fatalf("%+v, %v, want %d set aside", r, err, len(m.aside))
	}
	for i, s := range r.SetAside {
		if s.Key != m.aside[i] || s.Reason != "because of "+s.Key {
			t.Fatalf("set aside: %+v, want %s", s, m.aside[i])
		}
	}
	if m.o.store.pending() != len(m.pending) || m.o.store.refuse != len(m.aside) {
		t.Fatalf("the index has %d and %d", m.o.store.pending(), m.o.store.refuse)
	}
}
