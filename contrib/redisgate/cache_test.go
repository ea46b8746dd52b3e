package redisgate_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/contrib/redisgate"
)

var acme = gate.Customer{ID: "acme"}

// customers are so many.
func customers(n int) []gate.Customer {
	all := make([]gate.Customer, n)
	for i := range all {
		all[i] = gate.Customer{ID: fmt.Sprint("c", i), Resource: fmt.Sprint("r", i%3)}
	}
	return all
}

func TestManyReplicasReadACustomerOnce(t *testing.T) {
	s, shared, all := newServer(t), newStigg(), customers(30)
	open := make(chan struct{})
	shared.held = func(gate.Customer) <-chan struct{} { return open }
	var replicas []*replica
	for range 8 {
		replicas = append(replicas, replicaOf(t, s.client(), shared))
	}
	var asking sync.WaitGroup
	for _, r := range replicas {
		for _, who := range all {
			asking.Go(func() {
				if set, err := r.Gate.Entitlements(t.Context(), who); err != nil || limit(set) != 5 {
					t.Errorf("%v, %v", set, err)
				}
			})
		}
	}
	eventually(t, "each is being read", func() bool { return shared.calls() >= len(all) })
	close(open)
	asking.Wait()
	if n := shared.calls(); n != len(all) {
		t.Errorf("%d replicas read %d customers at once with %d calls of Stigg", len(replicas), len(all), n)
	}
	// A deploy: others take the place of those, one after the other.
	for range 3 {
		r := replicaOf(t, s.client(), shared)
		if err := r.Warm(t.Context(), all...); err != nil {
			t.Error(err)
		}
	}
	if n := shared.calls(); n != len(all) {
		t.Errorf("after a rolling deploy there were %d calls of Stigg, want none but the %d", n, len(all))
	}
}

func TestWhatIsStaleIsReadOnceForAll(t *testing.T) {
	s, shared, all, clock := newServer(t), newStigg(), customers(10), newClock()
	var caches []redisgate.SharedSource
	for range 5 {
		caches = append(caches, cacheOf(t, s.client(), shared, redisgate.Clock(clock.now)))
	}
	readAll := func() {
		var asking sync.WaitGroup
		for _, c := range caches {
			for _, who := range all {
				asking.Go(func() { read(t, t.Context(), c, who) })
			}
		}
		asking.Wait()
	}
	for round := 1; round <= 3; round++ {
		readAll()
		clock.advance(59 * time.Second)
		readAll()
		if n := shared.calls(); n != round*len(all) {
			t.Errorf("round %d: %d calls of Stigg, want %d", round, n, round*len(all))
		}
		clock.advance(2 * time.Second)
	}
}

func TestARefusedCustomerIsAskedForAgainSoon(t *testing.T) {
	s, shared, clock := newServer(t), newStigg(), newClock()
	shared.denied = gate.ReasonCustomerNotFound
	a, b := cacheOf(t, s.client(), shared, redisgate.Clock(clock.now)), cacheOf(t, s.client(), shared, redisgate.Clock(clock.now))
	for _, step := range []struct {
		after time.Duration
		calls int
	}{{0, 1}, {4 * time.Second, 1}, {2 * time.Second, 2}} {
		clock.advance(step.after)
		for _, c := range []gate.Source{a, b} {
			if set := read(t, t.Context(), c, acme); set.Denied != gate.ReasonCustomerNotFound {
				t.Errorf("got %+v", set)
			}
		}
		if n := shared.calls(); n != step.calls {
			t.Errorf("%d calls of Stigg, want %d", n, step.calls)
		}
	}
}

// TestASetOfAnotherReplicaSaysHowOldItIs: so TTLs don't add up, and a count lowers nothing.
func TestASetOfAnotherReplicaSaysHowOldItIs(t *testing.T) {
	s, shared, clock := newServer(t), newStigg(), newClock()
	shared.age = 10 * time.Second
	a, b := cacheOf(t, s.client(), shared, redisgate.Clock(clock.now)), cacheOf(t, s.client(), shared, redisgate.Clock(clock.now))
	first := read(t, t.Context(), a, acme)
	if first.Age != shared.age || first.Cached != 0 {
		t.Errorf("who read it gets an age of %v, cached for %v", first.Age, first.Cached)
	}
	clock.advance(20 * time.Second)
	second := read(t, t.Context(), b, acme)
	if second.Age < 30*time.Second || second.Age > 40*time.Second || second.Cached != 20*time.Second {
		t.Errorf("another one gets an age of %v, cached for %v", second.Age, second.Cached)
	}
	second.Age, second.Cached = first.Age, first.Cached
	if !reflect.DeepEqual(first, second) {
		t.Errorf("it is another set:\n%+v\n%+v", first, second)
	}
}

func TestTheCountOfAnotherReplicaLowersNothing(t *testing.T) {
	s, shared := newServer(t), newStigg()
	a, b := replicaOf(t, s.client(), shared), replicaOf(t, s.client(), shared)
	if _, err := a.Gate.Entitlements(t.Context(), acme); err != nil { // with a usage of 0
		t.Fatal(err)
	}
	ticket, d := b.Admit(t.Context(), acme, gate.Feature("units").Uses(3))
	if !d.Allowed {
		t.Fatalf("%+v", d)
	}
	ticket.Settle()
	eventually(t, "it is acknowledged", func() bool { return b.Stats().Acknowledged == 1 })
	before := b.Stats().Loads
	b.Sink().SetLive(false) // what is known here is stale, and what Redis keeps will do
	b.Sink().SetLive(true)
	b.Check(t.Context(), acme, gate.Feature("units"))
	eventually(t, "it is read again", func() bool { return b.Stats().Loads > before && b.Stats().Loading == 0 })
	if set, err := b.Gate.Entitlements(t.Context(), acme); err != nil || set.Features[0].Usage != 3 {
		t.Errorf("the replica that used 3 knows of %v (%v)", set.Features[0].Usage, err)
	}
	if n := shared.calls(); n != 1 {
		t.Errorf("%d calls of Stigg: the set was not that of the other replica", n)
	}
	if d := b.Check(t.Context(), acme, gate.Feature("units").Asks(3)); d.Allowed {
		t.Errorf("let in over the limit: %+v", d)
	}
}

// TestWhatNoCopySaysIsReadFromStigg: NoCache goes past what is kept, and what it brings is kept.
func TestWhatNoCopySaysIsReadFromStigg(t *testing.T) {
	s, shared := newServer(t), newStigg()
	a, b := cacheOf(t, s.client(), shared), cacheOf(t, s.client(), shared)
	read(t, t.Context(), a, acme)
	shared.change(func(s *stigg) { s.limit = 7 })
	if set := read(t, t.Context(), b, acme); limit(set) != 5 {
		t.Errorf("without NoCache the limit is %v", limit(set))
	}
	set := read(t, gate.ContextWithNoCache(t.Context()), b, acme)
	if limit(set) != 7 || set.Age != 0 || set.Cached != 0 || shared.noCache != 1 {
		t.Errorf("with NoCache: %+v; Stigg was told %d times", set, shared.noCache)
	}
	if set := read(t, t.Context(), a, acme); limit(set) != 7 || shared.calls() != 2 {
		t.Errorf("then the limit is %v, after %d calls", limit(set), shared.calls())
	}
}

// TestWhoNeedsWhatNoCopySaysGetsAReadThatBeganLater: replicas that want it at once may share a read,
// but only one that began after they asked.
func TestWhoNeedsWhatNoCopySaysGetsAReadThatBeganLater(t *testing.T) {
	s, shared := newServer(t), newStigg()
	shared.counts = true
	const replicas, each = 8, 50
	var asking sync.WaitGroup
	for range replicas {
		c := cacheOf(t, s.client(), shared)
		asking.Go(func() {
			for range each {
				before := shared.calls()
				set := read(t, gate.ContextWithNoCache(t.Context()), c, acme)
				if got := limit(set); got <= float64(before) || set.Age != 0 {
					t.Errorf("after %d reads had begun, it got read number %v, with an age of %v", before, got, set.Age)
				}
			}
		})
	}
	asking.Wait()
	t.Logf("%d questions took %d calls of Stigg", replicas*each, shared.calls())
}

// TestASlowReadDoesNotUndoANewerOne: the one that began first ends last.
func TestASlowReadDoesNotUndoANewerOne(t *testing.T) {
	s, shared := newServer(t), newStigg()
	a, b := cacheOf(t, s.client(), shared), cacheOf(t, s.client(), shared)
	open, began, first := make(chan struct{}), make(chan struct{}), true
	shared.held = func(gate.Customer) <-chan struct{} {
		if first {
			first = false
			close(began)
			return open
		}
		return nil
	}
	slow := make(chan gate.EntitlementSet)
	go func() { slow <- read(t, t.Context(), a, acme) }()
	<-began
	shared.change(func(s *stigg) { s.limit = 7 })
	read(t, gate.ContextWithNoCache(t.Context()), b, acme)
	close(open)
	if set := <-slow; limit(set) != 7 {
		t.Errorf("the slow read says %v, want what is known by now", limit(set))
	}
	for _, c := range []gate.Source{a, b} {
		if set := read(t, t.Context(), c, acme); limit(set) != 7 {
			t.Errorf("then the limit is %v", limit(set))
		}
	}
}

// TestAChangeDuringAReadIsNotUndoneByIt: its answer is neither kept nor returned.
func TestAChangeDuringAReadIsNotUndoneByIt(t *testing.T) {
	client := newServer(t).client()
	for name, of := range map[string]struct{ read, changed gate.Customer }{
		"of a customer":                {acme, acme},
		"of a resource":                {gate.Customer{ID: "acme", Resource: "site"}, gate.Customer{ID: "acme", Resource: "site"}},
		"of all resources of customer": {gate.Customer{ID: "acme", Resource: "site"}, acme},
		"of all":                       {acme, gate.Customer{}},
	} {
		t.Run(name, func(t *testing.T) {
			shared := newStigg()
			do(t, client, "FLUSHALL")
			a, b := replicaOf(t, client, shared), replicaOf(t, client, shared)
			open, began, first := make(chan struct{}), make(chan struct{}), true
			shared.held = func(gate.Customer) <-chan struct{} {
				if first {
					first = false
					close(began)
					return open
				}
				return nil
			}
			slow := make(chan gate.EntitlementSet)
			go func() { slow <- read(t, t.Context(), a.cache, of.read) }()
			<-began
			shared.change(func(s *stigg) { s.limit = 7 })
			one, all := a.told.one.Load(), a.told.all.Load()
			if of.changed == (gate.Customer{}) {
				b.cache.Sink().InvalidateAll()
				eventually(t, "the other replica is told", func() bool { return a.told.all.Load() > all })
			} else {
				b.cache.Sink().Invalidate(of.changed)
				eventually(t, "the other replica is told", func() bool { return a.told.one.Load() > one })
			}
			close(open)
			if set := <-slow; limit(set) != 7 {
				t.Errorf("the read that the change crossed says %v", limit(set))
			}
			for _, r := range []*replica{a, b} {
				if set := read(t, t.Context(), r.cache, of.read); limit(set) != 7 {
					t.Errorf("then the limit is %v", limit(set))
				}
			}
		})
	}
}

func TestTheSourceKeepsTheContract(t *testing.T) {
	s := newServer(t)
	refused := gate.Customer{ID: "nobody"}
	down := newStigg()
	down.err = errors.New("down")
	hanging := newStigg()
	hanging.held = func(gate.Customer) <-chan struct{} { return make(chan struct{}) }
	n := 0
	fresh := func(src gate.Source) func(t testing.TB) gate.Source {
		return func(t testing.TB) gate.Source {
			n++
			return cacheOf(t, s.client(), src, redisgate.Prefix(fmt.Sprint("gate:", n)))
		}
	}
	conformance.RunSource(t, conformance.Source{
		New: fresh(some{newStigg(), refused}), Customer: acme, Features: []string{"units"},
		Refused: map[gate.Customer]gate.Reason{refused: gate.ReasonCustomerNotFound}, Down: fresh(down), Hanging: fresh(hanging),
	})
}

// some is a stigg that does not know one customer.
type some struct {
	*stigg
	refused gate.Customer
}

func (s some) Entitlements(ctx context.Context, who gate.Customer) (gate.EntitlementSet, error) {
	if who == s.refused {
		return gate.EntitlementSet{Denied: gate.ReasonCustomerNotFound}, nil
	}
	return s.stigg.Entitlements(ctx, who)
}

// TestWhatAFailedReadLeavesBehind: those who wait for it ask themselves, and nothing is kept.
func TestWhatAFailedReadLeavesBehind(t *testing.T) {
	s, shared := newServer(t), newStigg()
	refused := &gate.UpstreamError{Kind: gate.UpstreamRefused, RetryAfter: time.Minute, Err: errors.New("refused")}
	shared.err = refused
	var asking sync.WaitGroup
	var failed atomic.Int32
	for range 5 {
		c := cacheOf(t, s.client(), shared)
		asking.Go(func() {
			_, err := c.Entitlements(t.Context(), acme)
			var told *gate.UpstreamError
			if errors.As(err, &told) && told.Kind == gate.UpstreamRefused && told.RetryAfter == time.Minute {
				failed.Add(1)
			}
		})
	}
	asking.Wait()
	if failed.Load() != 5 || shared.calls() != 5 {
		t.Errorf("%d of 5 replicas were told why, after %d calls", failed.Load(), shared.calls())
	}
	shared.change(func(s *stigg) { s.err = nil })
	if set := read(t, t.Context(), cacheOf(t, s.client(), shared), acme); limit(set) != 5 {
		t.Errorf("then: %+v", set)
	}
}

// TestWhatCannotBeReadIsReadFromStigg: what another version, or another app, has put there counts as
// nothing, is told once, and is replaced.
func TestWhatCannotBeReadIsReadFromStigg(t *testing.T) {
	s := newServer(t)
	client := s.client()
	for name, spoil := range map[string][]string{
		"no JSON":             {"HSET", "KEY", "set", `{"v":1,"Set":{"Features":[{`},
		"of another version":  {"HSET", "KEY", "set", `{"v":2,"Set":{}}`},
		"empty":               {"HSET", "KEY", "set", ""},
		"no time":             {"HSET", "KEY", "at", "yesterday"},
		"a time to come":      {"HSET", "KEY", "at", "9999999999999999"},
		"something else":      {"SET", "KEY", "hello"},
		"gone":                {"DEL", "KEY"},
		"what is stale is no": {"SET", "STALE", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			shared, log := newStigg(), &lines{}
			do(t, client, "FLUSHALL")
			a := cacheOf(t, client, shared, redisgate.Logger(log.logger()))
			read(t, t.Context(), a, acme)
			key, stale := "", ""
			for k := range strings.FieldsSeq(s.cli("KEYS", "*")) {
				if strings.Contains(k, ":set:") {
					key, stale = k, strings.Replace(k, ":set:", ":stale:", 1)
				}
			}
			words := append([]string(nil), spoil...)
			for i := range words {
				words[i] = strings.Replace(strings.Replace(words[i], "KEY", key, 1), "STALE", stale, 1)
			}
			do(t, client, words...)
			want := 2
			if name == "what is stale is no" {
				want = 1
			}
			for range 3 {
				if set := read(t, t.Context(), a, acme); limit(set) != 5 {
					t.Errorf("got %+v", set)
				}
			}
			if n := shared.calls(); n != want {
				t.Errorf("%d calls of Stigg, want %d", n, want)
			}
			if n := log.count("level="); n > 1 || n == 0 && name == "no JSON" {
				t.Errorf("%d lines", n)
			}
		})
	}
}

func TestOptionsOfTheCacheThatCannotBe(t *testing.T) {
	client := newServer(t).client()
	for name, o := range map[string]redisgate.Option{
		"no time": redisgate.TTL(0, 0), "no logger": redisgate.Logger(nil), "an option of a fleet": redisgate.Reclaim(time.Minute), "an empty prefix": redisgate.Prefix(""),
	} {
		if _, err := redisgate.Cache(client, newStigg(), o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := redisgate.Cache(client, nil); err == nil {
		t.Error("no source is taken")
	}
	if _, err := redisgate.Cache(nil, newStigg()); err == nil {
		t.Error("no client is taken")
	}
	if _, err := redisgate.New(t.Context(), client, redisgate.TTL(time.Minute, time.Minute)); err == nil {
		t.Error("a fleet takes an option of the cache's")
	}
}
