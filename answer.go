package gate

import (
	"errors"
	"math"
	"net/http"

	"github.com/stiggate/gate/internal/header"
	"github.com/stiggate/gate/internal/problem"
	"github.com/stiggate/gate/recorder"
)

// denials is how a gate answers the requests that it refuses.
type denials struct {
	problem.Style
	own     denialFunc
	upgrade func(*http.Request, Decision) string
	quota   QuotaHeaders
}

// DefaultProblemBase begins the type of every denial: docs/denials.md, which explains each
// code (WithProblemBase).
const DefaultProblemBase = "https://github.com/stiggate/gate/blob/main/docs/denials.md#"

// finish gives a refusal its code, status and hints.
func (g *Gate) finish(p *Policy, d *Decision) {
	a := d.Reason.answer()
	d.Code, d.Status, d.RetryAfter = a.Code, a.Status, a.RetryAfter
	if d.Method != "" {
		d.Instance = problem.NewInstance()
	}
	if d.never {
		d.Code = problem.NeverFits
	}
	if d.Reason == ReasonBadRequest {
		d.applyError()
	}
	d.Status = p.statuses.Of(string(d.Reason), g.denials.Statuses.Of(string(d.Reason), d.Status))
	if name, known := g.cache.names.Load(d.FeatureID); known && d.FeatureName == d.FeatureID {
		d.FeatureName = name.(string) // other customers have it
	}
	d.answer = p.onDenial
	if a.Mistake {
		g.logMistake(d)
	}
}

// applyError takes over what an AmountFunc wants the client to see.
func (d *Decision) applyError() {
	var e *RequestError
	if !errors.As(d.Err, &e) {
		return
	}
	if e.Status >= 400 && e.Status < 500 {
		d.Status = e.Status
	}
	if e.Code != "" {
		d.Code = e.Code
	}
}

// logMistake logs, once, that the app's policies and Stigg's catalog do not agree.
func (g *Gate) logMistake(d *Decision) {
	type mistake struct {
		feature, route string
		reason         Reason
	}
	m := mistake{d.FeatureID, d.Route, d.Reason}
	if d.absent {
		m.route = "" // it is not the route's: whoever names it is wrong
	}
	if d.Reason == ReasonNotInTable {
		g.logOnce(m, "gate: the table names no policy for a route; its requests are denied", "method", d.Method, "route", d.Route)
		return
	}
	g.logOnce(m, "gate: a policy does not fit the catalog; requests are denied", "feature", d.FeatureID, "reason", string(d.Reason), "route", d.Route, "error", d.Err)
}

// logOnce logs a mistake of the app's that would be in the log with every request.
func (g *Gate) logOnce(mistake any, message string, attributes ...any) {
	if g.logged.First(mistake, g.now()) {
		g.logger.Error(message, attributes...)
	}
}

// WriteDenial answers a request that d does not allow: as a page of HTML if the
// request's Accept prefers that to JSON (a browser's does; RFC 9110, section 12.5.1), and
// otherwise as application/problem+json (RFC 9457). Status and content are the same
// either way, and the same bytes for the same decision. HEAD gets the same header and no body.
//
// If the app answers in its own way (WithDenial, Policy.OnDenial), its function is called
// instead; should it write nothing, the answer is the standard one.
//
// A 402 or 403 with an upgrade link has it in the field Link, too, as rel="payment". Fields that
// others have set and that are not named here stay as they are: a compression in front
// may have announced itself (golang/go#66343).
func (g *Gate) WriteDenial(w http.ResponseWriter, r *http.Request, d Decision) {
	g.SetQuotaHeaders(w.Header(), d)
	if d.Instance == "" {
		d.Instance = problem.NewInstance()
	}
	to := d.denial()
	if g.denials.upgrade != nil {
		if link := g.denials.upgrade(r, d); problem.IsLink(link) {
			to.Upgrade = link
		}
	}
	own := g.denials.own
	if d.answer != nil {
		own = *d.answer
	}
	if own == nil {
		g.denials.Write(w, r, to, problem.Negotiated)
		return
	}
	seen, rec := recorder.New(w)
	own(seen, r, Denial{
		DenialPage: DenialPage(g.denials.Show(r, to)), Decision: d,
		write: func(w http.ResponseWriter, r *http.Request, form problem.Form) { g.denials.Write(w, r, to, form) },
	})
	if rec.Status() == 0 {
		g.denials.Write(seen, r, to, problem.Negotiated)
	}
}

// Describe is what a client may be told of a request that d does not allow, as WriteDenial
// tells it, in English: for a door that answers in another way than by HTTP. The instance is the
// decision's, if it has one.
func (g *Gate) Describe(d Decision) DenialPage { return DenialPage(g.denials.Show(nil, d.denial())) }

// denial is what a client may see of it: not the customer, nor anything of another one.
func (d *Decision) denial() *problem.Denial {
	to := &problem.Denial{
		Reason: string(d.Reason), OfStigg: d.Reason.ofStigg(), Code: d.Code, Status: d.Status, RetryAfter: d.RetryAfter,
		FeatureID: d.FeatureID, FeatureName: d.FeatureName, Instance: d.Instance, ResetsAt: d.ResetsAt, Values: d.AllowedValues,
		Requested: known(d.Requested, d.HasRequested), Used: known(d.Usage, d.Metered), Limit: known(d.Limit, d.HasLimit), NeverFits: d.never,
	}
	if t := d.terms; t != nil {
		to.Unit, to.Units, to.Period = t.One, t.Several, t.Reset
	}
	switch d.Reason {
	case ReasonUnavailable, ReasonClientGone:
		to.FeatureID, to.FeatureName = "", "" // it is not the feature that is missing
	case ReasonBadRequest:
		to.Told = d.mistake()
	}
	return to
}

func known(n float64, has bool) float64 {
	if has {
		return n
	}
	return math.NaN()
}

// mistake is what may be told of a request that was not understood; empty if it is not known.
func (d *Decision) mistake() string {
	var told *RequestError
	if errors.As(d.Err, &told) && told.Detail != "" {
		return told.Detail
	}
	var amount *AmountError
	if errors.As(d.Err, &amount) {
		return "The amount asked for " + amount.Problem + "."
	}
	return ""
}

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
	if h == nil || !d.Metered || !d.HasLimit || d.ResetsAt.IsZero() || !d.Allowed && d.Reason != ReasonLimitExceeded && d.Reason != ReasonPending {
		return
	}
	left := header.Quota{Name: d.FeatureID, Limit: d.Limit, Left: d.Limit - d.Usage - d.held, Start: d.since, Reset: d.ResetsAt, RetryAfter: d.RetryAfter != 0}
	switch g.denials.quota {
	case QuotaHeadersDraft:
		left.SetDraft(h, g.now())
	case QuotaHeadersLegacy:
		left.SetLegacy(h)
	}
}
