package webhook

import "sync/atomic"

// Stats counts deliveries since New.
type Stats struct {
	// Received is how many were authentic and JSON: the sum of the next five, and of what
	// is being handled.
	Received uint64
	// Applied is how many told the gate something. Ignored is how many did not: of a type
	// of no meaning to it, or naming no customer. Older is how many sets were not applied
	// because a newer one was. Repeated is how many were handled before.
	// Elsewhere is how many were of another environment, see [Environment].
	Applied, Ignored, Older, Repeated, Elsewhere uint64
	// Failed is how many OnEvent's function returned an error for.
	Failed uint64
	// Refused is how many came without the secret, Malformed how many with it that were too
	// large, too slow or not JSON.
	Refused, Malformed uint64
}

// Stats returns the counts up to now.
func (h *Handler) Stats() Stats {
	return Stats{
		Received:  h.counts.received.Load(),
		Applied:   h.counts.applied.Load(),
		Ignored:   h.counts.ignored.Load(),
		Older:     h.counts.older.Load(),
		Repeated:  h.counts.repeated.Load(),
		Elsewhere: h.counts.elsewhere.Load(),
		Failed:    h.counts.failed.Load(),
		Refused:   h.counts.refused.Load(),
		Malformed: h.counts.malformed.Load(),
	}
}

// counts is Stats as it is counted.
type counts struct {
	received, applied, ignored, older, repeated, elsewhere, failed, refused, malformed atomic.Uint64
}
