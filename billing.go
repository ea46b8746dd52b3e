package gate

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/handler"
	"github.com/stiggate/gate/internal/rules"
	"github.com/stiggate/gate/internal/valid"
)

// This file is what a policy says about billing: whether a request is billed at all,
// by its outcome, and how much and in what form.

// ReportIf decides from what became of the request whether its usage is reported or
// released. Without it, success is an answer with a status below 400. f is not asked where
// nothing of an answer can have reached the client (Outcome.Status is 0): that always
// releases.
func (p Policy) ReportIf(f func(Outcome) bool) Policy {
	if p.reportIf != nil {
		p.fail(errors.New("a policy takes one of ReportIf and ReportOn, once"))
	}
	p.reportIf = f
	if f == nil {
		p.fail(errors.New("ReportIf is nil"))
	}
	return p
}

// ReportOn reports the usage of requests that are answered with one of these statuses,
// and releases it with any other.
func (p Policy) ReportOn(statuses ...int) Policy {
	statuses = slices.Clone(statuses)
	p = p.ReportIf(func(o Outcome) bool { return slices.Contains(statuses, o.Status) })
	if len(statuses) == 0 {
		p.fail(errors.New("ReportOn needs at least one status"))
	}
	for _, status := range statuses {
		if (status < 200 || status > 599) && status != http.StatusSwitchingProtocols {
			p.fail(fmt.Errorf("status %d is not the status of an answer", status))
		}
	}
	return p
}

// Billing says what is billed of a request whose client left before the handler was
// done, if it is to be reported at all: see Policy.ReportIf.
type Billing uint8

const (
	// BillUsed bills what was set so far: by Ticket.Use, by MeasuredBy, or else what was
	// asked for. It is the default.
	BillUsed Billing = iota
	// BillAsked bills at least what was asked for, as if the client had stayed.
	BillAsked
	// BillNothing releases.
	BillNothing
)

// OnClientGone says what is billed of a request whose client leaves early: a stream
// that is cut, a download that is broken off. The default is BillUsed.
func (p Policy) OnClientGone(b Billing) Policy {
	if b > BillNothing {
		p.fail(fmt.Errorf("there is no Billing of kind %d", b))
	}
	p.onClientGone = b
	return p
}

// FreeHead lets HEAD requests use nothing: they are decided as any other, but nothing is
// held or reported. Without it they are billed as GET is, for many routers run the same
// handler for both. A HEAD that a method override has made of something else is not free.
func (p Policy) FreeHead() Policy {
	p.freeHead = true
	return p
}

// MeasureFunc tells from what became of a request how much of a feature it used. An error,
// or an amount that can't be counted, bills what was asked for at admission.
type MeasureFunc func(Outcome) (float64, error)

// MeasuredBy sets the amount when the handler is done, in place of the one that was asked for
// and held: by the bytes of the response, by the time it took. What the handler sets by
// Ticket.Use comes first. It belongs to Uses; with Uses(0) nothing is held, and the
// request is let in up to the limit.
func (p Policy) MeasuredBy(f MeasureFunc) Policy {
	switch {
	case p.asks.Measure != nil:
		p.fail(errors.New("a policy takes one MeasuredBy"))
	case f == nil:
		p.fail(errors.New("the MeasureFunc is nil (ResponseBytes needs a unit above 0)"))
	case p.asks.Mode != rules.Uses:
		p.fail(errors.New("MeasuredBy belongs to a policy with Uses, after it"))
	}
	p.asks.Measure = f.measure
	return p
}

// measure is what was used, if that can be counted.
func (f MeasureFunc) measure(o handler.Outcome) (float64, error) {
	n, err := f(Outcome(o))
	if err == nil {
		err = checkAmount(n)
	}
	return n, err
}

// ResponseBytes bills the bytes of the response's body, in units of so many bytes; a
// part of a unit is billed as that part. It is for Policy.MeasuredBy:
//
//	gate.Feature("egress-mb").Uses(0).MeasuredBy(gate.ResponseBytes(1 << 20))
func ResponseBytes(unit int64) MeasureFunc {
	if unit <= 0 {
		return nil
	}
	return func(o Outcome) (float64, error) { return float64(o.Bytes) / float64(unit), nil }
}

// Event is a raw event that is reported in place of a change of usage. Stigg makes usage
// of it by the meters of the catalog, within some seconds.
type Event struct {
	// Name is the event's name, which the meters look for.
	Name string
	// AmountIn is the dimension that the amount is put into, for a meter that sums it. If
	// it is empty the amount is not sent: a meter that counts events counts 1.
	AmountIn string
	// Dimensions are read from the request before the handler runs; nil sends none. An
	// error is answered as that of an AmountFunc, and so is a *DimensionsError: together they
	// may take 16 kB as JSON, since a client may choose them and all customers' usage waits
	// in one queue. The handler may add more by Ticket.Dimension.
	Dimensions func(*http.Request) (map[string]any, error)
}

// ReportAs reports the usage as a raw event. It belongs to Uses. While Stigg has not counted
// the event, the amount counts here, so let it be what the meter will make of it.
func (p Policy) ReportAs(e Event) Policy {
	switch {
	case p.asks.Event != nil:
		p.fail(errors.New("a policy takes one ReportAs"))
	case e.Name == "":
		p.fail(errors.New("the event has no name"))
	case p.asks.Mode != rules.Uses || p.asks.Kind != admission.Feature:
		p.fail(errors.New("ReportAs belongs to a Feature policy with Uses, after it"))
	}
	feature := p.asks.Item.ID
	p.asks.Event = &admission.Event{Name: e.Name, AmountIn: e.AmountIn, Dimensions: func(r *http.Request) (map[string]any, error) { return e.dimensions(r, feature) }}
	return p
}

// maxRequestDimensions bounds what the dimensions that are read from a request take, with their
// names, as JSON: less than a place in the queue of the largest usage by far.
const maxRequestDimensions = 16 << 10

// DimensionsError says that the dimensions read from a request take too much. The request is
// refused with ReasonBadRequest.
type DimensionsError struct {
	FeatureID string // of the policy
	Event     string
	MaxBytes  int // what they may take as JSON
}

func (e *DimensionsError) Error() string {
	return fmt.Sprintf("gate: the policy for feature %q reads dimensions of event %q from the request that take more than %d bytes", e.FeatureID, e.Event, e.MaxBytes)
}

// dimensions are the event's, as the request tells them, for the policy for a feature.
func (e Event) dimensions(r *http.Request, feature string) (map[string]any, error) {
	if e.Dimensions == nil {
		return nil, nil
	}
	if r == nil {
		return nil, errors.New("the policy needs a request to tell the event's dimensions")
	}
	dimensions, err := e.Dimensions(r)
	if err != nil {
		return nil, err
	}
	if dimensions, err = encodeDimensions(dimensions, len(e.Name)); err != nil {
		return nil, err
	}
	if valid.Size(dimensions) > maxRequestDimensions {
		return nil, &DimensionsError{FeatureID: feature, Event: e.Name, MaxBytes: maxRequestDimensions}
	}
	return dimensions, nil
}
