package swr

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

// busy is a 429 with a Retry-After.
func busy(d time.Duration) error {
	return &upstream.Error{RetryAfter: d, Err: errors.New("stub: busy")}
}

func TestAnAnswerOfBeforeDoesNotEndTheRestThatStiggAsksFor(t *testing.T) {
	var b breaker[string]
	const c = "c"
	now := time.Now()
	_ = b.allow(now)
	_ = b.allow(now)
	b.done(c, busy(20*time.Second), now)
	b.done(c, nil, now.Add(time.Second)) // began before
	b.done(c, busy(time.Second), now.Add(time.Second))
	if b.allow(now.Add(19*time.Second)) == nil {
		t.Error("Stigg is asked while it rests")
	}
	if b.allow(now.Add(21*time.Second)) != nil {
		t.Error("Stigg is not asked after it rested")
	}
	if b.done(c, nil, now.Add(21*time.Second)); b.allow(now.Add(21*time.Second)) != nil || !b.until().IsZero() {
		t.Error("the breaker does not close")
	}
}

// key is a member of a parent, or with an empty member the parent.
type key struct{ parent, member string }

// value is what a source of the tests says.
type value struct{ life Lifetime }

func (*value) Pin() bool            { return true }
func (*value) Unpin()               {}
func (v *value) Lifetime() Lifetime { return v.life }

func (v *value) Do(context.Context) (*value, error) { return v, nil }

func cacheOf(t *testing.T, says func(key) *value) *Cache[key, *value] {
	t.Helper()
	k, err := New(Config[key, *value]{
		Begin:  func(k key) Read[*value] { return says(k) },
		Parent: func(k key) key { return key{parent: k.parent} },
		Keys:   100, TTL: time.Minute, LiveTTL: time.Minute, MaxStale: time.Hour, MaxWait: time.Second, Timeout: time.Second,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(context.Background()) })
	return k
}

func TestMembersOfUnknownParentsAreBounded(t *testing.T) {
	k := cacheOf(t, func(key) *value { return &value{Lifetime{Denies: true, Unknown: true}} })
	for i := range unknownKeys + 10 {
		k.mu.Lock()
		k.keep(key{string(rune(i)) + "u", "r"}, k.entry(&value{Lifetime{Unknown: true}}, 0))
		k.mu.Unlock()
	}
	if n := k.Stats().Members; n != unknownKeys {
		t.Errorf("members of %d parents are kept, want %d", n, unknownKeys)
	}
}

func TestAnOverdueRefreshDoesNotHideALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, c := cacheOf(t, func(key) *value { return &value{} }), key{parent: "c"}
		get := func() Found[*value] {
			f, err := k.Get(t.Context(), c, time.Now(), false, &Wait{})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		get()
		before, _ := k.entries.Peek(c)
		k.Replace(c, func(*value, time.Duration) (*value, bool) { return &value{}, true })
		time.Sleep(2 * time.Minute)
		k.breaker.openUntil = time.Now().Add(time.Second) // so that both wait
		after, _ := k.entries.Peek(c)
		k.refresh(c, after)
		k.refresh(c, before) // of one that took it just before the news
		time.Sleep(2 * time.Second)
		if get().Stale {
			t.Error("it was not read again")
		}
	})
}
