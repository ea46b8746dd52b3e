package swr

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

// key is a member of a parent, or with an empty member the parent.
type key struct{ parent, member string }

// value is what a source of the tests says.
type value struct {
	life Lifetime
	n    int
}

func (*value) Pin() bool            { return true }
func (*value) Unpin()               {}
func (v *value) Lifetime() Lifetime { return v.life }

// source answers reads as says does, once it is let.
type source struct {
	mu   sync.Mutex
	asks []key
	hold chan struct{} // if not nil, reads wait for it
	says func(key) (*value, error)
}

// ask is one read of a source.
type ask struct {
	*source
	key
}

func (ask) Pin() bool { return true }
func (ask) Unpin()    {}

func (a ask) Do(ctx context.Context, _ bool) (*value, error) {
	a.mu.Lock()
	a.asks = append(a.asks, a.key)
	hold, says := a.hold, a.says
	a.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return says(a.key)
}

func (s *source) answers(says func(key) (*value, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says = says
}

// holds has reads wait until release is called.
func (s *source) holds() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hold := make(chan struct{})
	s.hold = hold
	return func() {
		s.mu.Lock()
		s.hold = nil
		s.mu.Unlock()
		close(hold)
	}
}

// asked is how many reads there were of a parent's keys; of all if it is empty.
func (s *source) asked(parent string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asks {
		if parent == "" || a.parent == parent {
			n++
		}
	}
	return n
}

func gives(key) (*value, error)   { return &value{}, nil }
func nothing(key) (*value, error) { return &value{life: Lifetime{Denies: true, Empty: true}}, nil }

// fails answers with an error.
func fails(err error) func(key) (*value, error) {
	return func(key) (*value, error) { return nil, err }
}

var errDown = errors.New("test: down")

// errRefused is the source's verdict on what was asked, errGarbled what nobody understands.
var (
	errRefused error = &upstream.Error{Kind: upstream.KindRefused, Err: errors.New("test: refused")}
	errGarbled error = &upstream.Error{Kind: upstream.KindGarbled, Err: errors.New("test: garbled")}
)

// cacheOf is a cache over a source, closed with the test.
func cacheOf(t *testing.T, s *source, configure ...func(*Config[key, *value])) *Cache[key, *value] {
	t.Helper()
	c := Config[key, *value]{
		Begin:  func(k key) Read[*value] { return ask{s, k} },
		Parent: func(k key) key { return key{parent: k.parent} },
		Hash: func(seed maphash.Seed, k key) uint64 {
			return maphash.String(seed, k.parent) ^ 31*maphash.String(seed, k.member)
		},
		Keys: 100, TTL: time.Minute, LiveTTL: 10 * time.Minute, MaxStale: time.Hour, StaleWait: 250 * time.Millisecond, ColdWait: 2 * time.Second, Timeout: 10 * time.Second,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range configure {
		f(&c)
	}
	if s.says == nil {
		s.says = gives
	}
	k, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(context.Background()) })
	return k
}

// lookup looks a key up as a request does.
func (k *Cache[K, V]) lookup(t *testing.T, key K) (Found[V], error) {
	t.Helper()
	var f Found[V]
	err := k.Get(t.Context(), key, k.c.Now(), false, &Wait{}, &f)
	f.Done()
	return f, err
}
