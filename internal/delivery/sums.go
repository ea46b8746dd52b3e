package delivery

import (
	"slices"

	"github.com/stiggate/gate/internal/ledger"
)

// The entries of what waits in the Store alone are merged, so that they take memory by series and
// not by usage. What is merged counts as if all of it was made when the last of it was, since the
// ledger may not know yet which period that was in: too much may count in a period rather than too
// little, until it is read back. So what is made at about the same time is merged, where "about" is
// a minute, or a quarter of its age: of a day some 30 sums are left, of a month some 50.

// sumKey is what usages have in common whose entries are merged.
type sumKey struct {
	Series
	total, back bool // a total; less than none
}

func keyOf(s Series, h *Header) sumKey { return sumKey{s, h.Total, h.Value < 0} }

// sum is an entry that stands for n usages, made from a time to a time, in seconds of Unix.
type sum struct {
	entry    ledger.Entry
	n        int
	from, to int64
}

// sums are those of one key, in the order of settlement.
type sums struct {
	sums []sum
	thin int // from so many on it is looked for what can be merged by now
}

// leastThin is the least of thin.
const leastThin = 16

// merge makes s stand for o too, if both are of about the same time.
func (s *sum) merge(o *sum, now int64) bool {
	from, to := min(s.from, o.from), max(s.to, o.to)
	if to-from > max(60, (now-to)/4) || !s.entry.Merge(&o.entry) {
		return false
	}
	s.n, s.from, s.to = s.n+o.n, from, to
	return true
}

func (a *sums) add(s sum, now int64) {
	if last := len(a.sums) - 1; last >= 0 && a.sums[last].merge(&s, now) {
		return
	}
	if a.sums = append(a.sums, s); len(a.sums) >= max(a.thin, leastThin) {
		kept := a.sums[:1]
		for i := range a.sums[1:] {
			if s := &a.sums[i+1]; !kept[len(kept)-1].merge(s, now) {
				kept = append(kept, *s)
			}
		}
		clear(a.sums[len(kept):])
		a.sums, a.thin = kept, 2*len(kept)
	}
}

// remove takes out the entry of one usage; there must be one.
func (a *sums) remove(h *Header) (e ledger.Entry) {
	made := h.CreatedAt.Unix()
	at := max(0, slices.IndexFunc(a.sums, func(s sum) bool { return s.from <= made && made <= s.to }))
	s := &a.sums[at]
	if s.n > 1 {
		s.n--
		return s.entry.Split(h.Value)
	}
	e = s.entry
	a.sums = slices.Delete(a.sums, at, at+1)
	return e
}
