package drill

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/outbox"
)

var backlog = flag.Int("backlog", 200_000, "how many usages wait in the outbox at a start")

// backlogCustomers have as many usages each in the outbox, made in the course of a day by a gate
// whose keys begin with backlogKey.
const (
	backlogCustomers = 1000
	backlogKey       = "gate-K7Q2XWZ4M3C5V6B1N8L9J0HGFD-"
)

// counting is a Stigg that counts in memory. It answers reports once it is opened.
type counting struct {
	limit float64
	open  chan struct{}

	mu    sync.Mutex
	next  int // the number of the usage that is to arrive
	fault string
	used  map[string]float64
}

func (s *counting) Entitlements(_ context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "calls", Kind: gate.Metered, Usage: s.used[c.ID], Limit: s.limit}}}, nil
}

func (s *counting) Report(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	select {
	case <-s.open:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		if n, err := strconv.Atoi(strings.TrimPrefix(u.Key, backlogKey)); err == nil { // of the earlier run
			if n != s.next && s.fault == "" {
				s.fault = fmt.Sprintf("usage %d arrived when %d was next", n, s.next)
			}
			s.next = n + 1
		} else if s.next != *backlog && s.fault == "" {
			s.fault = fmt.Sprintf("usage of this run arrived when %d was next", s.next)
		}
		s.used[u.Customer.ID] += u.Value
		acks[i] = gate.Ack{Known: true, Usage: s.used[u.Customer.ID], At: time.Now()}
	}
	return acks, nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // for what the first one has finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestAStartWithAGreatBacklog starts a gate with very much in its outbox: it counts before the
// first request, takes no memory for each usage, and arrives in order, before what comes later.
func TestAStartWithAGreatBacklog(t *testing.T) {
	dir := t.TempDir()
	fillBacklog(t, dir, *backlog)
	before := heap()
	box, err := outbox.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	opened := heap()
	each := *backlog / backlogCustomers
	stigg := &counting{limit: float64(each + 1), open: make(chan struct{}), used: map[string]float64{}}
	start, peak := time.Now(), peakHeap()
	g, err := gate.New(stigg, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithOutbox(box), gate.WithQueueSize(1000), gate.WithDecisionTimeout(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	highest := peak()
	p := gate.Feature("calls").Uses(1)
	for i := range backlogCustomers {
		c := gate.Customer{ID: customer(i)}
		ticket, d := g.Admit(t.Context(), c, p)
		if !d.Allowed {
			t.Fatalf("customer %d: there is room for one more: %+v", i, d)
		}
		if err := ticket.Settle(); err != nil {
			t.Fatal(err)
		}
		if i%100 != 0 {
			continue
		}
		if d := g.Check(t.Context(), c, p); d.Allowed || d.Usage != float64(each+1) {
			t.Fatalf("customer %d: all is used: %+v", i, d)
		}
	}
	waiting := heap()
	t.Logf("%d usages: New took %v; heap %d MiB for the outbox's index, at most %d MiB more while New ran, %d MiB more for the gate", *backlog, took, (opened-before)>>20, (highest-opened)>>20, (waiting-opened)>>20)
	if most := int64(16<<20 + backlogCustomers*8<<10); waiting-opened > most {
		t.Errorf("the gate keeps %d bytes, want at most %d however many wait", waiting-opened, most)
	}
	close(stigg.open)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := g.Close(ctx); err != nil {
		t.Error(err)
	}
	if stigg.fault != "" || stigg.next != *backlog {
		t.Errorf("%s; %d of %d arrived", stigg.fault, stigg.next, *backlog)
	}
	for i := range backlogCustomers {
		if used := stigg.used[customer(i)]; used != float64(each+1) {
			t.Fatalf("customer %d: Stigg counted %v, want %d", i, used, each+1)
		}
	}
}

// peakHeap looks at the heap until it is asked for the most that was seen, garbage included.
func peakHeap() (most func() int64) {
	end, seen := make(chan struct{}), make(chan int64)
	go func() {
		sample, most := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}, int64(0)
		for look := time.NewTicker(5 * time.Millisecond); ; {
			metrics.Read(sample)
			most = max(most, int64(sample[0].Value.Uint64()))
			select {
			case <-look.C:
			case <-end:
				seen <- most
				return
			}
		}
	}()
	return func() int64 { close(end); return <-seen }
}

func fillBacklog(t *testing.T, dir string, n int) {
	t.Helper()
	box, err := outbox.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-24 * time.Hour)
	batch := make([]gate.Usage, 0, 1000)
	for i := range n {
		batch = append(batch, gate.Usage{
			Customer: gate.Customer{ID: customer(i % backlogCustomers)}, FeatureID: "calls", Value: 1, Key: backlogKey + strconv.Itoa(i),
			CreatedAt: at.Add(time.Duration(i) * (24 * time.Hour / time.Duration(n))),
		})
		if len(batch) == cap(batch) || i == n-1 {
			if err := box.Append(t.Context(), batch...); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
}
