package gate

import (
	"reflect"
	"time"
)

var _ Sink = (*Gate)(nil)

// Replace is Sink's: a customer's whole set from now on.
func (g *Gate) Replace(c Customer, set EntitlementSet) { g.cache.replace(c, set) }

// Patch is Sink's: Stigg's count of one feature or wallet.
func (g *Gate) Patch(c Customer, p Patch) { g.cache.patch(c, p) }

// Stale makes the next check of a customer ask Stigg anew. Call it after a change
// that must be felt at once: a sign-up, an upgrade. What is cached is served on only while
// Stigg does not answer. Without a Resource it is so for all resources of the customer.
func (g *Gate) Stale(c Customer) { g.cache.stale(c) }

// StaleAll has everything read again in the background, and served on meanwhile.
func (g *Gate) StaleAll() { g.cache.era.Add(1) }

// Live says whether news arrive.
func (g *Gate) Live(live bool) { g.cache.setLive(live) }

func (k *cache) setLive(live bool) {
	k.mu.Lock()
	changes := k.live.Swap(live) != live
	if changes {
		k.lost.Store(!live)
	}
	if changes && live {
		k.era.Add(1) // what happened before is never told
		k.breaker.hurry(k.now())
	}
	k.mu.Unlock()
	switch {
	case !changes:
	case live:
		k.logger.Info("gate: changes in Stigg are felt at once")
	case k.ctx.Err() == nil:
		k.logger.Warn("gate: the connection that tells of changes is lost; they are felt when what is cached expires")
	}
}

// silence is how long a connection that tells of changes may take to come up before that
// is said.
const silence = 10 * time.Second

// silent says that it has not.
func (k *cache) silent() {
	k.mu.Lock()
	is := !k.live.Load() && !k.lost.Swap(true)
	k.mu.Unlock()
	if is && k.ctx.Err() == nil {
		k.logger.Warn("gate: the connection that tells of changes does not come up; they are felt when what is cached expires")
	}
}

// replace puts a set into the cache in place of the one that is there. A load that began
// before may not know of it.
func (k *cache) replace(c Customer, set EntitlementSet) {
	if c.Validate() != nil {
		return
	}
	if s, sure := k.put(c, set); !sure {
		s.outdated.Store(true)
		k.want(c, s)
	}
}

// put is replace's step under the lock. sure is false if the set may be older than what is
// known here.
func (k *cache) put(c Customer, set EntitlementSet) (s *snapshot, sure bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old, ok := k.entries.Peek(c)
	if l := k.loads[c]; l != nil && ok && old.suspect.Load() {
		l.overtaken = true // it has the change that is suspected, and may lack this one
		return nil, true
	}
	k.supersede(c)
	k.unknown.Remove(c)
	if !ok || k.closed {
		return nil, true
	}
	b := k.ledger.open(c)
	defer b.unpin()
	sure = set.Credits != nil
	if !sure {
		set.Credits, sure = old.set.Credits, len(old.set.Credits) == 0
	}
	if k.now().Sub(old.at) < pushMargin && !old.set.grantsAs(set) {
		sure = false
	}
	s = k.snapshot(b, set, k.era.Load(), func(a *account, r reading, now time.Time, c cycle) {
		sure = a.replace(r, now, c) && sure
	})
	s.suspect.Store(!sure && old.suspect.Load())
	k.keep(c, s)
	return s, sure
}

// grantsAs reports whether two sets say the same but for what is used, and what follows
// from that.
func (s EntitlementSet) grantsAs(other EntitlementSet) bool {
	terms := func(s EntitlementSet) (map[string]Entitlement, map[string]Credit) {
		features, credits := make(map[string]Entitlement, len(s.Features)), make(map[string]Credit, len(s.Credits))
		for _, e := range s.Features {
			e.Usage, e.PeriodStart, e.PeriodEnd, e.ValidUntil = 0, time.Time{}, time.Time{}, time.Time{}
			if e.Kind == Metered || e.CreditRate != nil {
				e.Granted, e.Denied = false, ""
			}
			features[e.FeatureID] = e
		}
		for _, c := range s.Credits {
			c.Usage, c.PeriodEnd, c.ValidUntil, c.Granted, c.Denied = 0, time.Time{}, time.Time{}, false, ""
			credits[c.CurrencyID] = c
		}
		return features, credits
	}
	features, credits := terms(s)
	otherFeatures, otherCredits := terms(other)
	return s.Denied == other.Denied && reflect.DeepEqual(features, otherFeatures) && reflect.DeepEqual(credits, otherCredits)
}

// patch tells the account, if the customer is cached. A count that may be older than what
// is known only raises; then the set is read again.
func (k *cache) patch(c Customer, p Patch) {
	if checkAmount(p.Usage) != nil {
		return
	}
	s := k.peek(c)
	if s == nil {
		k.overtake(c)
		return
	}
	r := s.rights[p.FeatureID]
	if p.Currency != "" {
		r = s.wallets[p.Currency]
	}
	if r == nil || r.account == nil || !r.account.push(reading{p.Usage, p.PeriodStart, p.PeriodEnd}, p.At, k.now(), r.cycle()) ||
		p.HasLimit && r.credit != nil && p.Limit != r.credit.Limit {
		k.overtake(c)
		k.want(c, s)
	}
}

// overtake has a customer's set read again, also if it is just being read; of one that is
// neither cached nor read there is nothing to do.
func (k *cache) overtake(c Customer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l, ok := k.loads[c]; ok {
		l.overtaken = true
	}
	if s, ok := k.entries.Peek(c); ok {
		s.outdated.Store(true)
	}
}

// pushMargin is how much later than what was last learned here a count must be to be
// surely newer: the clocks differ, and news take time.
const pushMargin = 5 * time.Second

// push applies a count that nobody asked for. It is false if it may be newer than what is
// known, but not surely.
func (a *account) push(r reading, at, now time.Time, c cycle) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(now, c)
	if !at.IsZero() && !at.After(a.ackedAt) {
		return true // older than an acknowledgement
	}
	if r.end.IsZero() {
		r.start, r.end = a.cur.start, a.cur.end
	}
	newest := !at.IsZero() && at.After(a.heard.Add(pushMargin))
	before := a.cur.used
	applied := a.apply(r, newest, 0, now, c)
	if applied {
		a.lastAck = max(a.lastAck, a.book.tick()) // a read that began before does not lower it
	}
	if newest && applied {
		a.ackedAt, a.readAt = at, a.book.tick()
		a.reapIf(func(w *lingering) bool { return w.owed == 0 && at.After(w.since.Add(eventDelay+pushMargin)) })
	}
	same := a.cur.end.Equal(r.end)
	return applied && (newest || same && a.cur.used == r.usage) || same && before == r.usage
}

// replace applies the count of a whole set that nobody asked for. It is false if the count
// may be older than what is known: then it only raises.
func (a *account) replace(r reading, now time.Time, c cycle) bool {
	settled := now.Add(-pushMargin)
	a.mu.Lock()
	surely := a.heard.Before(settled) && a.acked.Before(settled)
	a.lastAck = max(a.lastAck, a.book.tick()) // a read that began before does not lower it
	a.mu.Unlock()
	begun := uint64(0)
	if surely {
		begun = a.book.tick()
	}
	a.read(begun, r, now, c)
	p := a.present(now, c)
	return surely || p.used == r.usage && (r.end.IsZero() || p.end.Equal(r.end))
}

// stale suspects a customer, and without a resource all of its resources.
func (k *cache) stale(c Customer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.suspect(c)
	if c.Resource != "" {
		return
	}
	for resource := range k.resources[c.ID] {
		k.suspect(Customer{c.ID, resource})
	}
	for other := range k.loads {
		if other.ID == c.ID {
			k.supersede(other)
		}
	}
}
