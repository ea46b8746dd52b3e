package redisgate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/redisgate"
)

// pushing is a stigg that tells all who watch.
type pushing struct {
	*stigg
	watchers sync.Map // of gate.Sink
	silent   bool
}

func (p *pushing) Watch(ctx context.Context, sink gate.Sink) error {
	p.watchers.Store(sink, true)
	defer p.watchers.Delete(sink)
	if !p.silent {
		sink.SetLive(true)
	}
	<-ctx.Done()
	return nil
}

func (p *pushing) tell(tell func(gate.Sink)) {
	p.watchers.Range(func(k, _ any) bool { tell(k.(gate.Sink)); return true })
}

// wantLimit waits until each replica knows of a limit.
func wantLimit(t *testing.T, want float64, replicas ...*replica) {
	t.Helper()
	for i, r := range replicas {
		eventually(t, "replica "+strconv.Itoa(i)+" has a limit of "+strconv.FormatFloat(want, 'g', -1, 64), func() bool {
			set, err := r.Entitlements(t.Context(), acme)
			return err == nil && limit(set) == want
		})
	}
}

// TestWhatOneReplicaHearsAllFeel: a webhook comes to one of them.
func TestWhatOneReplicaHearsAllFeel(t *testing.T) {
	client := newServer(t).client()
	for name, of := range map[string]struct {
		tell  func(gate.Sink, gate.EntitlementSet)
		calls int // of Stigg beside the first, at most
	}{
		"that a customer has changed":  {func(s gate.Sink, _ gate.EntitlementSet) { s.Invalidate(acme) }, 6},
		"that all may have changed":    {func(s gate.Sink, _ gate.EntitlementSet) { s.InvalidateAll() }, 3},
		"what a customer has from now": {func(s gate.Sink, set gate.EntitlementSet) { s.Replace(acme, set) }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			shared := newStigg()
			do(t, client, "FLUSHALL")
			replicas := []*replica{replicaOf(t, client, shared), replicaOf(t, client, shared), replicaOf(t, client, shared)}
			wantLimit(t, 5, replicas...)
			if n := shared.calls(); n != 1 {
				t.Errorf("%d calls of Stigg at first", n)
			}
			shared.change(func(s *stigg) { s.limit = 7 })
			set, _ := shared.Entitlements(t.Context(), gate.Customer{ID: "to have the set"})
			of.tell(replicas[0].cache.Sink(), set)
			wantLimit(t, 7, replicas...)
			if n := shared.calls() - 2; n > of.calls {
				t.Errorf("%d more calls of Stigg, want at most %d", n, of.calls)
			}
			if warned := replicas[1].Health().Degraded; len(warned) > 0 {
				t.Errorf("degraded: %q", warned)
			}
		})
	}
}

// TestACountThatOneReplicaHearsAllCount is of Sink's Patch.
func TestACountThatOneReplicaHearsAllCount(t *testing.T) {
	client, shared := newServer(t).client(), newStigg()
	replicas := []*replica{replicaOf(t, client, shared), replicaOf(t, client, shared)}
	wantLimit(t, 5, replicas...)
	replicas[0].cache.Sink().Patch(acme, gate.Patch{FeatureID: "units", Usage: 5})
	for _, r := range replicas {
		eventually(t, "nothing is left", func() bool {
			set, err := r.Entitlements(t.Context(), acme)
			return err == nil && set.Features[0].Usage == 5
		})
	}
}

// TestAPushIsFeltByWhoDoesNotHearIt: a replica whose own connection to Stigg is broken hears of it from
// one whose connection works; who hears it twice is told once.
func TestAPushIsFeltByWhoDoesNotHearIt(t *testing.T) {
	client, shared := newServer(t).client(), newStigg()
	s := &pushing{stigg: shared}
	hears, alsoHears, deaf := replicaOf(t, client, s), replicaOf(t, client, s), replicaOf(t, client, shared)
	wantLimit(t, 5, hears, alsoHears, deaf)
	eventually(t, "both watch", func() bool { return hears.told.live.Load() > 0 && alsoHears.told.live.Load() > 0 })
	shared.change(func(s *stigg) { s.limit = 7 })
	before := alsoHears.told.one.Load()
	s.tell(func(sink gate.Sink) { sink.Invalidate(acme) })
	wantLimit(t, 7, hears, alsoHears, deaf)
	if n := alsoHears.told.one.Load() - before; n != 1 {
		t.Errorf("a replica that watches was told %d times", n)
	}
	if !hears.Stats().Live || deaf.Stats().Live {
		t.Error("who hears of pushes is not who watches")
	}
}

// TestWhatIsFreshStaysSoLongerWhileNewsArrive: for a replica that starts, too; but not where they have
// not arrived all the time since the set was read.
func TestWhatIsFreshStaysSoLongerWhileNewsArrive(t *testing.T) {
	server, shared, clock := newServer(t), newStigg(), newClock()
	client := server.client()
	s := &pushing{stigg: shared}
	began := clock.now().UnixMicro()
	first := replicaOf(t, client, s, redisgate.Clock(clock.now))
	lives := func(n int) func() bool {
		return func() bool { return strings.TrimSpace(server.cli("ZCARD", "gate:{news}:live")) == strconv.Itoa(n) }
	}
	eventually(t, "Redis knows that news arrive", lives(1))
	clock.advance(time.Second)
	read(t, t.Context(), first.cache, acme)
	for range 9 { // a beat in each minute; in time, as Redis sees it
		clock.advance(10 * time.Second)
		s.tell(func(sink gate.Sink) { sink.SetLive(true) })
		eventually(t, "Redis has heard of it", func() bool {
			return strings.Contains(server.cli("ZRANGE", "gate:{news}:replicas", "0", "-1", "WITHSCORES"), strconv.FormatInt(clock.now().UnixMicro(), 10))
		})
	}
	starts := cacheOf(t, client, shared, redisgate.Clock(clock.now))
	if read(t, t.Context(), starts, acme); shared.calls() != 1 {
		t.Errorf("a replica that starts read what is fresh: %d calls of Stigg", shared.calls())
	}
	// The one that hears them has a gap.
	s.tell(func(sink gate.Sink) { sink.SetLive(false) })
	s.tell(func(sink gate.Sink) { sink.SetLive(true) })
	clock.advance(10 * time.Second)
	eventually(t, "Redis has heard of the gap", func() bool {
		return !strings.Contains(server.cli("ZRANGE", "gate:{news}:live", "0", "-1", "WITHSCORES"), strconv.FormatInt(began, 10))
	})
	later := cacheOf(t, client, shared, redisgate.Clock(clock.now))
	if read(t, t.Context(), later, acme); shared.calls() != 2 {
		t.Errorf("after a gap the set of before it is fresh: %d calls of Stigg", shared.calls())
	}
}

func TestABrokenConnectionMakesAllStale(t *testing.T) {
	server, shared := newServer(t), newStigg()
	r := replicaOf(t, server.client(), shared)
	wantLimit(t, 5, r)
	before := r.told.all.Load()
	server.cli("CLIENT", "KILL", "TYPE", "pubsub")
	eventually(t, "it is told that all is stale", func() bool { return r.told.all.Load() > before })
	wantLimit(t, 5, r)
	if n := shared.calls(); n != 1 {
		t.Errorf("%d calls of Stigg: what Redis has is fresh", n)
	}
}

// TestRedisDiesAndComesBack under load: nobody is refused for it, and it is told once each way.
func TestRedisDiesAndComesBack(t *testing.T) {
	server, shared, log := newServer(t), newStigg(), &lines{}
	a, b := replicaOf(t, server.client(), shared, redisgate.Logger(log.logger())), replicaOf(t, server.client(), shared)
	wantLimit(t, 5, a, b)
	server.kill()
	all := customers(40)
	for _, r := range []*replica{a, b} {
		for _, who := range all {
			if set, err := r.Entitlements(t.Context(), who); err != nil || limit(set) != 5 {
				t.Errorf("without Redis: %v, %v", set, err)
			}
		}
	}
	shared.change(func(s *stigg) { s.limit = 7 })
	a.cache.Sink().InvalidateAll() // the other one hears of it when Redis is back
	server.start()
	wantLimit(t, 7, a, b)
	eventually(t, "Redis is used again", func() bool { return log.count("is used for entitlements again") == 1 })
	if n := log.count("level=WARN"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	more := gate.Customer{ID: "more"}
	before := shared.calls()
	for _, r := range []*replica{a, b} {
		eventually(t, "it is read", func() bool { _, err := r.Entitlements(t.Context(), more); return err == nil })
	}
	eventually(t, "reads are shared again", func() bool {
		before = shared.calls()
		who := gate.Customer{ID: "more" + strconv.Itoa(before)}
		for _, r := range []*replica{a, b} {
			if _, err := r.Entitlements(t.Context(), who); err != nil {
				return false
			}
		}
		return shared.calls() == before+1
	})
}

// TestReadsWithoutRedisAreSlowedDown: all replicas together read no more than Stigg allows.
func TestReadsWithoutRedisAreSlowedDown(t *testing.T) {
	server, shared := newServer(t), newStigg()
	client := server.client()
	c := cacheOf(t, client, shared)
	read(t, t.Context(), c, acme)
	if got := c.ReadPace(); got != 0 {
		t.Errorf("with Redis the pace is %v", got)
	}
	server.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var asking sync.WaitGroup
	var mu sync.Mutex
	late := 0
	for range 300 { // patience does not matter: the connection is refused
		asking.Go(func() {
			_, err := c.Entitlements(ctx, acme)
			var told *gate.UpstreamError
			if errors.As(err, &told) && told.Kind == gate.UpstreamUnsent && told.RetryAfter > 0 {
				mu.Lock()
				late++
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	if n := shared.calls(); n > 1+100+40 || late == 0 {
		t.Errorf("%d calls of Stigg at once; %d were told to come later", n, late)
	}
	if got := c.ReadPace(); got < 10*time.Millisecond {
		t.Errorf("without Redis the pace is %v", got)
	}
}

// TestACacheOnAClusterAndWithFewRights: by TLS, with the rights that the documentation names; and on a
// cluster.
func TestACacheOnAClusterAndWithFewRights(t *testing.T) {
	t.Parallel()
	certificate, key, roots := certify(t)
	port := strconv.Itoa(freePort(t))
	newServer(t, append(strings.Fields("--user gate on >secret ~gate:* &gate:* "+redisgate.CacheRights+" --user default off"),
		"--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")...)
	secure := newClient(t, rueidis.ClientOption{
		InitAddress: []string{"127.0.0.1:" + port}, Username: "gate", Password: "secret", TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	})
	node := newServer(t, "--cluster-enabled", "yes")
	node.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	eventually(t, "the cluster is up", func() bool { return strings.Contains(node.cli("CLUSTER", "INFO"), "cluster_state:ok") })
	for name, client := range map[string]rueidis.Client{"TLS": secure, "a cluster": node.client()} {
		t.Run(name, func(t *testing.T) {
			shared, log := newStigg(), &lines{}
			a, b := replicaOf(t, client, shared, redisgate.Logger(log.logger())), replicaOf(t, client, shared)
			wantLimit(t, 5, a, b)
			if n := shared.calls(); n != 1 {
				t.Errorf("%d calls of Stigg", n)
			}
			shared.change(func(s *stigg) { s.limit = 7 })
			a.cache.Sink().Invalidate(acme)
			wantLimit(t, 7, a, b)
			a.cache.Sink().InvalidateAll()
			shared.change(func(s *stigg) { s.limit = 8 })
			wantLimit(t, 8, a, b)
			if n := log.count("level="); n != 0 {
				t.Errorf("%d lines: %s", n, &log.b)
			}
			box, other := outboxOf(t, client), outboxOf(t, client)
			left := appendTo(t, box, "1", "2", "3")
			if err := errors.Join(box.Done(left[0]), box.Close()); err != nil {
				t.Fatal(err)
			}
			adopts := adopt(t, other)
			adopts.wants(t, "2", "3")
			if err := errors.Join(other.SetAside(left[1], "refused"), other.Done(left[2]), other.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestACacheIsWhatItsSourceIs: no more and no less.
func TestACacheIsWhatItsSourceIs(t *testing.T) {
	type catalog struct{ gate.CatalogReader }
	client := newServer(t).client()
	for name, tt := range map[string]struct {
		src                       gate.Source
		reports, catalog, partial bool
	}{
		"a source alone": {some{stigg: newStigg()}.alone(), false, false, true},
		"a reporter":     {newStigg(), true, false, true},
		"a watcher":      {&pushing{stigg: newStigg()}, true, false, false},
		"a catalog": {struct {
			gate.Source
			catalog
		}{some{stigg: newStigg()}.alone(), catalog{}}, false, true, true},
		"a reporter, and that": {struct {
			*stigg
			catalog
		}{newStigg(), catalog{}}, true, true, true},
	} {
		c := cacheOf(t, client, tt.src)
		_, reports := c.(gate.Reporter)
		_, paces := c.(gate.Pacer)
		_, reads := c.(gate.CatalogReader)
		if reports != tt.reports || paces != tt.reports || reads != tt.catalog || c.Partial() != tt.partial {
			t.Errorf("%s: reporter %v, pacer %v, catalog %v, partial %v", name, reports, paces, reads, c.Partial())
		}
	}
}

// alone is nothing but a Source.
func (s some) alone() gate.Source {
	return struct{ gate.Source }{s}
}
