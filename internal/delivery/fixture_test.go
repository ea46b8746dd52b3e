package delivery

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// unit is a usage of the tests. Its entries count nowhere.
type unit struct {
	customer string
	key      string
	number   uint64 // of Keys, if key is empty
	lane     Lane
	total    bool
	size     int
	entry    ledger.Entry
}

var errDown = errors.New("down")

// stigg answers as report says.
type stigg struct {
	mu     sync.Mutex
	report func(ctx context.Context, batch []unit) error
	got    []unit // what was acknowledged
}

// downUntil is a Stigg that can't be reached until it is up.
func downUntil(up *atomic.Bool) *stigg {
	return &stigg{report: func(context.Context, []unit) error {
		if up.Load() {
			return nil
		}
		return errDown
	}}
}

func (s *stigg) Report(ctx context.Context, batch []unit) ([]ledger.Ack, error) {
	if s.report != nil {
		if err := s.report(ctx, batch); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, bare(batch)...)
	return make([]ledger.Ack, len(batch)), nil
}

// bare is usages without their entries.
func bare(all []unit) []unit {
	all = slices.Clone(all)
	for i := range all {
		all[i].entry = ledger.Entry{}
	}
	return all
}

func (s *stigg) taken() []unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// fixture is a queue whose usage counts nowhere.
type fixture struct {
	*Queue[unit]
	t      testing.TB
	ledger *ledger.Ledger
	end    context.CancelFunc
	// entered says that all of an earlier run is in the ledger.
	entered atomic.Bool
}

func newFixture(t testing.TB, s *stigg, change func(*Config[unit])) *fixture {
	f := &fixture{t: t, ledger: ledger.New()}
	c := Config[unit]{
		Report: s.Report,
		Header: func(u unit) Header {
			return Header{Lane: u.lane, Total: u.total, Size: max(u.size, 1), Value: 1, CreatedAt: time.Unix(1_000_000, 0)}
		},
		Series: func(u unit) Series { return Series{Customer: u.customer} },
		Key:    func(u unit) (uint64, string) { return u.number, u.key },
		Entry:  func(u *unit) *ledger.Entry { return &u.entry },
		Enter:  func(u *unit) error { u.entry = f.entry(); return nil },
		Places: 100, Bytes: 1 << 20, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	f.Queue = New(c)
	f.Replay(func() { f.entered.Store(true) })
	ctx, end := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { defer close(stopped); f.Run(ctx) }()
	f.end = func() { end(); <-stopped }
	t.Cleanup(f.end)
	return f
}

func (f *fixture) entry() ledger.Entry { return f.ledger.Open(ledger.Owner{ID: "c"}).Nowhere() }

// put settles a usage, and gives it a number if it has no key.
func (f *fixture) put(u unit) {
	f.t.Helper()
	if err := f.Reserve(1); err != nil {
		f.t.Fatal(err)
	}
	if u.key == "" {
		u.number = f.Keys.Next()
	}
	u.entry = f.entry()
	items := []Item[unit]{{Usage: u}}
	_ = f.Keep(context.Background(), items) // in memory, if it is not kept
	f.Put(items...)
}

// drain waits until all is delivered.
func (f *fixture) drain() {
	f.t.Helper()
	select {
	case <-f.Shut():
	case <-time.After(24 * time.Hour):
		f.t.Fatalf("not all is delivered: %+v", f.Stats())
	}
	if left := f.Audit(); len(left) > 0 || f.ledger.Len() > 0 {
		f.t.Errorf("left: %v, and %d books", left, f.ledger.Len())
	}
}

// memoryStore is a Store that a test can break.
type memoryStore struct {
	mu     sync.Mutex
	kept   []unit
	gone   map[int]bool // positions less one
	aside  []string
	append func() error
	read   func(at uint64) error // before the usage at a position is read, and after the last
	adopt  func(ctx context.Context, take func(...unit) error) error
	fate   func(u []unit) (kept, over []bool, err error)
}

func (s *memoryStore) Adopt(ctx context.Context, take func(...unit) error) error {
	if s.adopt == nil {
		return nil
	}
	return s.adopt(ctx, take)
}

func (s *memoryStore) Kept(_ context.Context, u []unit) (kept, over []bool, err error) {
	return s.fate(u)
}

func (s *memoryStore) Append(_ context.Context, u []unit) error {
	if s.append != nil {
		if err := s.append(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, bare(u)...)
	return nil
}

func (s *memoryStore) forget(u unit) {
	for i, k := range s.kept {
		if k.customer == u.customer && k.key == u.key && k.number == u.number {
			s.remove(i)
		}
	}
}

func (s *memoryStore) remove(i int) {
	if s.gone == nil {
		s.gone = make(map[int]bool)
	}
	s.gone[i] = true
}

// vanish has what is at some places gone, as if another process had it.
func (s *memoryStore) vanish(places ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range places {
		s.remove(i)
	}
}

func (s *memoryStore) Done(u []unit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range u {
		s.forget(u)
	}
	return nil
}

func (s *memoryStore) SetAside(u unit, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aside = append(s.aside, u.customer+"/"+u.key)
	s.forget(u)
	return nil
}

func (s *memoryStore) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept) - len(s.gone)
}

func (s *memoryStore) Pending(after uint64) iter.Seq2[Kept[unit], error] {
	return func(yield func(Kept[unit], error) bool) {
		for i := int(after); ; i++ {
			if s.read != nil {
				if err := s.read(uint64(i + 1)); err != nil {
					yield(Kept[unit]{}, err)
					return
				}
			}
			s.mu.Lock()
			if i >= len(s.kept) {
				s.mu.Unlock()
				return
			}
			u, gone := s.kept[i], s.gone[i]
			s.mu.Unlock()
			if !gone && !yield(Kept[unit]{u, uint64(i + 1)}, nil) {
				return
			}
		}
	}
}

func (*memoryStore) Healthy() error { return nil }
func (*memoryStore) Close() error   { return nil }
