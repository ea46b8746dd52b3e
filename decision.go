package gate

import (
	"context"
	"errors"
	"time"
)

// Decision is what the gate found, for one request and one policy. A Decision is a
// value; it holds the customer's id, so it is for the app's own eyes: what a client
// may see of it is written by WriteDenial.
type Decision struct {
	Allowed  bool
	Customer Customer
	// Route is the route as the router names it; empty where nobody asked for it.
	Route string
	// Feature is the feature that decided: of a combined policy the one that was
	// refused, or the last one granted.
	FeatureID, FeatureName string

	// Reason says why the request was denied; empty if it was allowed.
	Reason Reason
	// Code is the reason in the denial's own spelling, such as usage_limit_exceeded.
	Code string
	// Status is the HTTP status of the denial, 0 if allowed.
	Status int
	// RetryAfter is when asking again may help; 0 if that is not known.
	RetryAfter time.Duration

	// Origin says what it rests on; empty if it was decided before anything was asked for.
	Origin Origin
	// Shadow says that the policy only looks on (Policy.Shadow): the request is let through
	// whatever Allowed says.
	Shadow bool

	// Requested is the amount asked for, where HasRequested says there was one.
	Requested    float64
	HasRequested bool
	// Usage is what is used as this process knows it: Stigg's number plus what is
	// settled here and not yet acknowledged. Limit is the most there is, or the value
	// of a configuration. Metered says that Usage counts, HasLimit that Limit does.
	Usage, Limit float64
	Metered      bool
	HasLimit     bool
	// OverLimit says that it was granted past a soft limit.
	OverLimit bool
	// ResetsAt is the end of the usage period; zero without one.
	ResetsAt time.Time

	never bool // it would not fit an unused limit either
	// held is what running requests hold of it, this one included; since is the
	// beginning of the usage period, zero if that is not known.
	held  float64
	since time.Time

	// Err is what kept the gate from deciding, for logs. It never holds a secret.
	Err error
}

// finish gives a refusal its code, status and hints.
func (g *Gate) finish(p *Policy, d *Decision) {
	a := d.Reason.answer()
	d.Code, d.Status = a.code, a.status
	if d.never {
		d.Code = "usage_never_fits"
	}
	switch d.Reason {
	case ReasonPending:
		d.RetryAfter = retryPending
	case ReasonUnavailable, ReasonClientGone:
		d.RetryAfter = retryUnavailable
	case ReasonBadRequest:
		var e *RequestError
		if errors.As(d.Err, &e) {
			d.apply(e)
		}
	}
	for _, statuses := range []map[Reason]int{g.statuses, p.statuses} {
		if status, ok := statuses[d.Reason]; ok {
			d.Status = status
		} else if status, ok := statuses[d.Reason.known()]; ok {
			d.Status = status
		}
	}
	if a.ours {
		g.logMistake(d)
	}
}

// apply takes over what an AmountFunc wants the client to see.
func (d *Decision) apply(e *RequestError) {
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
	if _, known := g.logged.LoadOrStore(mistake{d.FeatureID, d.Route, d.Reason}, true); !known {
		g.logger.Error("gate: a policy does not fit the catalog; requests are denied", "feature", d.FeatureID, "reason", string(d.Reason), "route", d.Route, "error", d.Err)
	}
}

// undecided is a failed lookup: the caller left, or we don't know. net/http gives no
// cause for a client that left; where there is one, it is the app's that ended the context.
func (d *Decision) undecided(ctx context.Context, err error) *Ticket {
	if errors.Is(ctx.Err(), context.Canceled) && errors.Is(context.Cause(ctx), context.Canceled) {
		return d.deny(ReasonClientGone, err)
	}
	return d.deny(ReasonUnavailable, err)
}

// anew is a Decision of the same question with no answer yet.
func (d *Decision) anew() Decision {
	return Decision{Customer: d.Customer, Route: d.Route, Origin: d.Origin, Shadow: d.Shadow}
}

func (d *Decision) deny(r Reason, err error) *Ticket {
	d.Allowed, d.Reason, d.Err = false, r, err
	return nil
}
