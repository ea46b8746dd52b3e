package gate

import (
	"net/http"
	"time"

	"github.com/stiggate/gate/internal/header"
)

// QuotaHeaders is how answers tell clients what is left of a metered feature.
type QuotaHeaders uint8

const (
	// QuotaHeadersNone tells them nothing. It is the default: whoever may see an answer
	// would see the payer's usage, too.
	QuotaHeadersNone QuotaHeaders = iota
	// QuotaHeadersDraft is draft-ietf-httpapi-ratelimit-headers as of draft 08 to 10:
	//
	//	RateLimit-Policy: "feature-01-templates";q=5;w=2592000
	//	RateLimit: "feature-01-templates";r=2;t=86400
	//
	// q is the limit, w the length of the usage period (left out if Stigg gave only its
	// end), r what is left and t the time until the period ends, both in seconds. The
	// draft has no name for a feature's own unit, so none is given. The fields
	// are lists: they are added to what else is in them, such as a rate limiter's.
	QuotaHeadersDraft
	// QuotaHeadersLegacy is the older X-RateLimit-Limit, X-RateLimit-Remaining and
	// X-RateLimit-Reset. Reset is a moment, in seconds since 1970 (UTC), as with GitHub: a
	// plan's period ends in days or weeks, so clocks that differ by seconds do no
	// harm, and the value stays true in a log or a queue. The fields replace those of
	// others, since they can't be lists.
	QuotaHeadersLegacy
)

// set tells of a decision what it asks for: nothing unless the feature is metered, has a
// limit and a period that ends, and was granted, or refused because of the limit.
func (q QuotaHeaders) set(h http.Header, d *Decision, now time.Time) {
	if !d.Metered || !d.HasLimit || d.ResetsAt.IsZero() || !d.Allowed && d.Reason != ReasonLimitExceeded && d.Reason != ReasonPending {
		return
	}
	left := header.Quota{Name: d.FeatureID, Limit: d.Limit, Left: d.Limit - d.Usage - d.held, Start: d.since, Reset: d.ResetsAt, RetryAfter: d.RetryAfter != 0}
	switch q {
	case QuotaHeadersDraft:
		left.SetDraft(h, now)
	case QuotaHeadersLegacy:
		left.SetLegacy(h)
	}
}

// SetQuotaHeaders sets what the option WithQuotaHeaders asks for, for a decision that
// allows, or refuses because of the limit. It sets nothing unless the feature is
// metered, has a limit and a period that ends, and nothing if h is nil.
//
// Guard.Serve calls it just before the header is written, and WriteDenial calls it itself. Of a combined
// policy it tells the feature that decided. What is left is less what all running
// requests of this process hold, this one's own amount included; it is never
// negative, and of fractions only what is whole is told.
//
// A denial that asks to come again at once (Retry-After) tells no reset: the draft
// wants Retry-After not to be earlier than that.
func (g *Gate) SetQuotaHeaders(h http.Header, d Decision) {
	if g.denials.quota != QuotaHeadersNone && h != nil {
		g.denials.quota.set(h, &d, g.now())
	}
}
