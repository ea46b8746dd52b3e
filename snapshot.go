package gate

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// leastFresh is how long a set is fresh whose validUntil is past when it arrives.
// The clocks disagree then, and reading again at once would not mend it.
const leastFresh = time.Second

// snapshot is one customer's set as it was read, with its accounts. It pins the book
// while it is in the cache.
type snapshot struct {
	set     EntitlementSet
	rights  map[string]*right // by feature
	wallets map[string]*right // by credit currency
	book    *book

	at                    time.Time     // when it came
	era                   uint64        // the cache's when the read began
	freshUntil, liveUntil time.Time     // the latter while news arrive
	staleUntil            time.Time     // not served after that
	hits                  atomic.Uint32 // served stale
	wanted                atomic.Bool   // waits for its refresh
	outdated              atomic.Bool   // there is something newer to read
	suspect               atomic.Bool   // and it is served only if that can't be read
}

// right is one entitlement with its account and, if it costs credits, its wallet.
type right struct {
	Entitlement
	account *account
	credit  *Credit
	wallet  *account
	// guessed: it is what is said of outages, so the price in credits is not known.
	guessed bool
	// currency is set for a wallet that is asked for itself: account is the wallet's.
	currency string
}

// right is the customer's right to a feature; nil without one.
func (s *snapshot) right(feature string) *right {
	if s == nil {
		return nil
	}
	return s.rights[feature]
}

// fresh reports whether s can be served without asking Stigg.
func (k *cache) fresh(s *snapshot, now time.Time) bool {
	return (now.Before(s.freshUntil) || now.Before(s.liveUntil) && k.live.Load()) && s.era == k.era.Load() && !s.outdated.Load() && !s.suspect.Load()
}

// servable reports whether s can be served stale. What denies a customer as a whole
// can't: a sign-up must be felt soon.
func (s *snapshot) servable(now time.Time) bool {
	return s.set.Denied == "" && now.Before(s.staleUntil)
}

// owed is what late usage that waits will cost of a wallet, at prices that were not known
// when it was taken over.
func (s *snapshot) owed(wallet *account) (credits float64) {
	if s.book.unpriced.Load() == 0 {
		return 0
	}
	for _, r := range s.rights {
		if r.wallet == wallet && r.account != nil && !r.CreditRate.Formula {
			credits += r.account.unpricedUnits() * r.CreditRate.Amount
		}
	}
	return credits
}

// snapshot applies a set to the customer's accounts, by read, and freezes it.
func (k *cache) snapshot(b *book, set EntitlementSet, era uint64, read func(*account, reading, time.Time, cycle)) *snapshot {
	now := k.now()
	s := b.snapshot(set)
	s.at, s.era = now, era
	for _, w := range s.wallets {
		read(w.account, reading{usage: w.credit.Usage, end: w.credit.PeriodEnd}, now, cycle{})
	}
	for _, r := range s.rights {
		if r.Kind == Metered {
			read(r.account, reading{r.Usage, r.PeriodStart, r.PeriodEnd}, now, r.cycle())
		}
	}
	s.freshUntil, s.liveUntil = s.until(now, k.ttl), s.until(now, k.liveTTL)
	s.staleUntil = now.Add(k.maxStale)
	return s
}

// snapshot joins a set with the customer's accounts.
func (b *book) snapshot(set EntitlementSet) *snapshot {
	set.Credits = slices.Clone(set.Credits)
	s := &snapshot{set: set, rights: make(map[string]*right, len(set.Features)), wallets: make(map[string]*right, len(set.Credits)), book: b}
	for i := range set.Credits {
		c := &set.Credits[i]
		s.wallets[c.CurrencyID] = &right{account: b.account(accountKey{true, c.CurrencyID}), credit: c, currency: c.CurrencyID}
	}
	for _, e := range set.Features {
		r := &right{Entitlement: e.clone()}
		if e.Kind == Metered {
			r.account = b.account(accountKey{false, e.FeatureID})
		}
		if e.CreditRate != nil {
			if w := s.wallets[e.CreditRate.CurrencyID]; w != nil {
				r.credit = w.credit
			}
			r.wallet = b.account(accountKey{true, e.CreditRate.CurrencyID})
		}
		s.rights[e.FeatureID] = r
	}
	return s
}

func (e *Entitlement) cycle() cycle { return cycle{e.Reset, e.Anchor} }

// until is the end of a TTL from now, give or take 10 %, or the first validUntil in the
// set if that comes earlier.
func (s *snapshot) until(now time.Time, ttl time.Duration) time.Time {
	least := now.Add(min(leastFresh, ttl))
	if s.set.Denied != "" {
		ttl = min(ttl, negativeTTL)
	}
	until := now.Add(time.Duration(float64(ttl) * (0.9 + 0.2*rand.Float64())))
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(until) {
			until = t
		}
	}
	for i := range s.set.Features {
		earlier(s.set.Features[i].ValidUntil)
	}
	for i := range s.set.Credits {
		earlier(s.set.Credits[i].ValidUntil)
	}
	if until.Before(least) && !until.After(now) {
		return least
	}
	return until
}
