package webhook

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/stiggate/gate"
)

// digest stands for a messageId, so that none takes more memory than another.
type digest [sha256.Size]byte

// messages knows which deliveries were handled.
type messages struct {
	mu      sync.Mutex
	handled *lru.LRU[digest, struct{}]
	running map[digest]chan struct{}
}

func newMessages(n int) *messages {
	handled, _ := lru.NewLRU[digest, struct{}](n, nil) // fails for a size below 1 only
	return &messages{handled: handled, running: map[digest]chan struct{}{}}
}

// begin says whether to handle a delivery: then it returns what must be told how that
// ended. Else it was handled before (again), or ctx ended while another delivery of it was
// being handled. What has no id is handled always.
func (m *messages) begin(ctx context.Context, id string) (done func(handled bool), again bool) {
	if id == "" {
		return func(bool) {}, false
	}
	key := digest(sha256.Sum256([]byte(id)))
	for {
		m.mu.Lock()
		other, busy := m.running[key]
		switch {
		case m.handled.Contains(key):
			m.mu.Unlock()
			return nil, true
		case !busy:
			over := make(chan struct{})
			m.running[key] = over
			m.mu.Unlock()
			return func(handled bool) { m.end(key, over, handled) }, false
		}
		m.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, false
		}
	}
}

func (m *messages) end(key digest, over chan struct{}, handled bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if handled {
		m.handled.Add(key, struct{}{})
	}
	delete(m.running, key)
	close(over)
}

// newest knows how new the newest set is that was applied of each customer, and the newest
// count of its usage.
type newest struct {
	mu    sync.Mutex
	known *lru.LRU[gate.Customer, times]
}

type times struct{ set, usage time.Time }

func newNewest(n int) *newest {
	known, _ := lru.NewLRU[gate.Customer, times](n, nil) // fails for a size below 1 only
	return &newest{known: known}
}

// apply calls f unless a newer set of that customer was applied, one after the other. f is
// told whether usage was counted that the set may not have.
func (n *newest) apply(c gate.Customer, at time.Time, f func(newerUsage bool)) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, _ := n.known.Get(c)
	if at.Before(known.set) {
		return false
	}
	known.set = at
	n.known.Add(c, known)
	f(!known.usage.IsZero() && !at.After(known.usage))
	return true
}

// usage notes that usage of a customer was counted.
func (n *newest) usage(c gate.Customer, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, _ := n.known.Get(c)
	if at.After(known.usage) {
		known.usage = at
		n.known.Add(c, known)
	}
}
