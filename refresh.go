package gate

import (
	"time"
)

const (
	// refreshPace is the time between two refreshes: at most 20 a second.
	refreshPace = 50 * time.Millisecond
	// refreshSample is among how many the most used is looked for: all of a small
	// backlog, and enough of a large one.
	refreshSample = 1000
)

// want has a cached customer's set read again soon, in the background. The more often
// it is served meanwhile, the sooner.
func (k *cache) want(c Customer, s *snapshot) {
	s.hits.Add(1)
	if s.wanted.Load() || !s.wanted.CompareAndSwap(false, true) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if cached, ok := k.entries.Peek(c); !ok || cached != s || k.closed {
		return // it must not take the place of what is cached now
	}
	if k.wanted[c] = s; !k.refreshes {
		k.refreshes = true
		k.wait.Go(k.refresh)
	}
}

// refresh reads again what is wanted, one after the other, until nothing is.
func (k *cache) refresh() {
	for {
		wait := k.refreshPace()
		if !k.breaker.rests(k.now()) {
			c, s, ok := k.mostWanted()
			if !ok {
				return
			}
			if !k.refreshOne(c, s) {
				continue
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-k.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// refreshPace is the pause between two refreshes: ours, or twice what a Source's
// ReadPace asks for, since checks and reports come first.
func (k *cache) refreshPace() time.Duration {
	pace := refreshPace
	if p, ok := k.source.(interface{ ReadPace() time.Duration }); ok {
		pace = min(max(pace, 2*p.ReadPace()), longestPace)
	}
	return pace
}

// mostWanted takes out what was served most since it is stale.
func (k *cache) mostWanted() (best Customer, s *snapshot, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.wanted) == 0 || k.closed {
		k.refreshes = false
		return best, nil, false
	}
	seen := 0
	for c, candidate := range k.wanted {
		if s == nil || candidate.hits.Load() > s.hits.Load() {
			best, s = c, candidate
		}
		if seen++; seen == refreshSample {
			break
		}
	}
	delete(k.wanted, best)
	s.wanted.Store(false)
	return best, s, true
}

// refreshOne begins a load, if s is still what is cached and none is under way.
func (k *cache) refreshOne(c Customer, s *snapshot) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if cached, ok := k.entries.Peek(c); !ok || cached != s || k.closed || k.loads[c] != nil || k.breaker.allow(k.now()) != nil {
		return false
	}
	k.load(c)
	return true
}

// refreshing is how many wait to be read again.
func (k *cache) refreshing() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.wanted)
}
