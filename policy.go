package gate

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/outage"
	"github.com/stiggate/gate/internal/problem"
	"github.com/stiggate/gate/internal/route"
	"github.com/stiggate/gate/internal/rules"
	"github.com/stiggate/gate/internal/valid"
)

// Policy is what a route asks of a customer's plan. It is an immutable value: every
// method returns a new one, and one may serve many routes. Build it from Feature,
// Credits, All, Any or Public.
//
// A mistake in a policy (an empty feature id, an amount that is NaN, infinite, negative
// or above 2^53) is kept in it and comes out at start-up: as an error from Validate, New
// functions and Verify, as a panic from the adapters' Require and Routes, which
// have no error to return.
type Policy struct {
	asks admission.Policy

	statuses     problem.Statuses
	reportIf     func(Outcome) bool
	onClientGone Billing
	outage       outage.Rule
	onDenial     *denialFunc
	shadow       bool
	freeHead     bool
	bound        bool // to a gate, so that it was checked
	err          error
}

// Feature asks for a feature of the plan, whatever its kind: a boolean one must be
// on, an enum or a configuration there, and of a metered one 1 must be left (Has asks for
// none). Nothing is held and nothing reported.
func Feature(id string) Policy {
	return Policy{asks: admission.Policy{Kind: admission.Feature, Item: admission.Item{ID: id}}, err: checkID("feature id", id, false)}
}

// Credits asks for credits of a wallet itself, not of a feature that costs credits. It
// takes Uses and Asks; without them it asks for 1.
func Credits(currencyID string) Policy {
	return Policy{asks: admission.Policy{Kind: admission.Credits, Item: admission.Item{ID: currencyID, Currency: true}}, err: checkID("credit currency id", currencyID, false)}
}

// Has asks that the feature is in the plan, however much of it is used: for a route that
// shows what there is, and for one that deletes.
func (p Policy) Has() Policy { return p.asking(rules.Has, 0) }

// Named gives the feature the name that people see in denials, in place of Stigg's. Stigg's is
// known only once a customer has the feature; until then it is the id.
func (p Policy) Named(name string) Policy {
	if p.asks.Name = name; !p.asks.Asks() {
		p.fail(errors.New("a name belongs to a Feature or Credits policy"))
	} else if name == "" {
		p.fail(errors.New("the name is empty"))
	}
	return p
}

// Uses asks for n units of a metered feature, holds them while the handler runs,
// and reports them as used if the handler succeeds. With 0 units the request is let
// in up to the limit, and the handler says through its Ticket what it used.
func (p Policy) Uses(n float64) Policy { return p.asking(rules.Uses, n) }

// UsesFunc is Uses with an amount that the request tells. See AmountFunc.
func (p Policy) UsesFunc(n AmountFunc) Policy { return p.askingFunc(rules.Uses, n) }

// UsesUpTo is Uses for work whose size is known only afterwards, such as the tokens of an
// answer: it holds n units, or what is left of them, if that is 1 or more. Ticket.Held tells how
// much that is, and Ticket.Use what was used; without it all that is held is reported. For a feature
// that costs credits it is as much as both the feature and the wallet have.
func (p Policy) UsesUpTo(n float64) Policy { return p.Uses(n).upTo(n > 0) }

// UsesUpToFunc is UsesUpTo with an amount that the request tells. See AmountFunc.
func (p Policy) UsesUpToFunc(n AmountFunc) Policy { return p.UsesFunc(n).upTo(true) }

func (p Policy) upTo(some bool) Policy {
	if p.asks.UpTo = true; !some {
		p.fail(errors.New("UsesUpTo needs an amount above 0"))
	}
	return p
}

// Frees gives back n units of a metered feature: nothing is asked but that the
// feature is in the plan, and -n is reported if the handler succeeds. What is given
// back can be used again once Stigg has acknowledged it.
func (p Policy) Frees(n float64) Policy { return p.asking(rules.Frees, n) }

// FreesFunc is Frees with an amount that the request tells. See AmountFunc.
func (p Policy) FreesFunc(n AmountFunc) Policy { return p.askingFunc(rules.Frees, n) }

// Asks asks whether n units would fit, of a metered feature or into the value of a
// configuration (is a file of n MB allowed?). Nothing is held and nothing reported.
func (p Policy) Asks(n float64) Policy { return p.asking(rules.Asks, n) }

// AsksFunc is Asks with an amount that the request tells. See AmountFunc.
func (p Policy) AsksFunc(n AmountFunc) Policy { return p.askingFunc(rules.Asks, n) }

// Values asks whether each of the values is allowed by an enum feature.
func (p Policy) Values(values ...string) Policy {
	p = p.asking(rules.Values, 0)
	p.asks.Values = slices.Clone(values)
	if len(values) == 0 || slices.Contains(values, "") {
		p.fail(errors.New("Values needs at least one value, and none that is empty"))
	}
	return p
}

// ValuesFunc is Values with values that the request tells. Its errors are answered
// as those of an AmountFunc.
func (p Policy) ValuesFunc(values func(*http.Request) ([]string, error)) Policy {
	p = p.asking(rules.Values, 0)
	p.asks.ValuesOf = values
	if values == nil {
		p.fail(errors.New("ValuesFunc is nil"))
	}
	return p
}

// AmountFunc reads an amount from a request: a query value, a header, the
// Content-Length. It must not read the body. An amount that is NaN, infinite, negative,
// above 2^53, or above 0 and below 0.000001 is the caller's mistake and answered with 400, as
// is any error; return a *RequestError to choose the status and what the client is told. Of
// an amount that the client chooses refuse what is below your least unit, 0 above all: 0 of
// a feature is let in at a used-up limit.
type AmountFunc func(*http.Request) (float64, error)

// RequestError is what an AmountFunc or ValuesFunc returns to say what is wrong with
// the request.
type RequestError struct {
	// Status is the answer's status, 400 if it is 0. Only 4xx counts.
	Status int
	// Code is the answer's code, request_not_understood if it is empty.
	Code string
	// Detail is shown to the client.
	Detail string
}

func (e *RequestError) Error() string { return "gate: request not understood: " + e.Detail }

func (p Policy) askingFunc(m rules.Mode, n AmountFunc) Policy {
	p = p.asking(m, 0)
	p.asks.AmountOf = n.amount
	if n == nil {
		p.fail(errors.New("the amount function is nil"))
	}
	return p
}

// amount is what the request asks for, if that can be counted.
func (f AmountFunc) amount(r *http.Request) (float64, error) {
	n, err := f(r)
	if problem := valid.Asked(n); err == nil && problem != "" {
		err = &AmountError{problem}
	}
	return n, err
}

func (p Policy) asking(m rules.Mode, n float64) Policy {
	switch {
	case p.asks.Kind == admission.Credits && m != rules.Uses && m != rules.Asks:
		p.fail(errors.New("a Credits policy takes Uses and Asks"))
	case !p.asks.Asks():
		p.fail(errors.New("an amount or values belong to a Feature policy, not to a combined one"))
	}
	if p.asks.Mode != rules.Available {
		p.fail(errors.New("a policy takes one of Has, Uses, Frees, Asks and Values"))
	}
	p.asks.Mode, p.asks.Amount = m, n
	if err := checkAmount(n); err != nil {
		p.fail(err)
	}
	return p
}

func (p *Policy) fail(problem error) {
	if p.err == nil {
		p.err = problem
	}
}

// All asks for every one of the policies, in order. Holds are taken in order too, and
// all undone at the first refusal, which is the answer. Only one of the policies may
// name an amount of the same feature.
func All(policies ...Policy) Policy {
	p := combined(admission.All, "All", policies)
	if item, twice := p.asks.Twice(); twice {
		p.fail(fmt.Errorf("All names two amounts of %q; make them one", item.ID))
	}
	return p
}

// Any asks for the first of the policies that is granted; only that one holds and
// reports. If none is, the first refusal is the answer.
func Any(policies ...Policy) Policy { return combined(admission.Any, "Any", policies) }

func combined(kind admission.Kind, name string, parts []Policy) Policy {
	p := Policy{asks: admission.Policy{Kind: kind}}
	if len(parts) == 0 {
		p.fail(errors.New(name + " needs at least one policy"))
	}
	for _, part := range parts {
		p.asks.Parts = append(p.asks.Parts, part.asks)
		switch err := part.check(outage.Rule{}); {
		case part.asks.Kind == admission.Public:
			p.fail(errors.New(name + " can't hold a Public policy"))
		case part.asks.Kind == admission.None:
			p.fail(errors.New(name + " holds an empty policy"))
		case part.answers() || part.bills():
			p.fail(errors.New("Status, ReportIf, ReportOn, OnClientGone, FreeHead, OnOutage, Fallback, OnDenial and Shadow belong to the outermost policy, not inside " + name))
		case err != nil:
			p.fail(err)
		}
	}
	return p
}

// Public lets every request through without asking who it is. It is for tables, to
// say that a route is open on purpose.
func Public() Policy { return Policy{asks: admission.Policy{Kind: admission.Public}} }

// Status changes the HTTP status of denials with this reason, for this policy. A
// status must be between 400 and 599. ReasonUnknown also stands for all reasons that
// this version does not know.
func (p Policy) Status(reason Reason, status int) Policy {
	var err error
	if p.statuses, err = p.statuses.With(string(reason), status); err != nil {
		p.fail(err)
	}
	return p
}

// OnDenial answers the refusals of this policy by f, in place of what WithDenial says for the
// gate.
func (p Policy) OnDenial(f func(w http.ResponseWriter, r *http.Request, d Denial)) Policy {
	if p.onDenial = (*denialFunc)(&f); f == nil {
		p.fail(errors.New("the function of OnDenial is nil"))
	}
	return p
}

// Shadow makes the policy look on: it decides, and Observers and Stats are told, but every
// request is let through, and nothing is held or reported. It shows what a new gate would
// refuse before it does.
func (p Policy) Shadow() Policy {
	p.shadow = true
	return p
}

// Validate says what is wrong with the policy: nil, or a *PolicyError. Where it is bound to a gate, it is
// held against the gate's WithFallback, too.
func (p Policy) Validate() error { return p.check(outage.Rule{}) }

// check is Validate, for a gate with a rule for outages.
func (p *Policy) check(general outage.Rule) error {
	if p.bound {
		return nil
	}
	if p.err != nil {
		if part := (*PolicyError)(nil); errors.As(p.err, &part) {
			return part
		}
		return &PolicyError{Feature: p.named(), Err: p.err}
	}
	feature, problem := "", p.asks.Problem(p.bills())
	if problem == "" {
		feature, problem = p.outage.Unfit(&p.asks, general)
	}
	if problem != "" {
		return &PolicyError{Feature: cmp.Or(feature, p.named()), Err: errors.New(problem)}
	}
	return nil
}

// answers reports whether it says how refusals are answered; bills, what is billed.
func (p *Policy) answers() bool {
	return p.statuses != nil || p.shadow || p.onDenial != nil || !p.outage.Empty()
}

func (p *Policy) bills() bool { return p.reportIf != nil || p.onClientGone != BillUsed || p.freeHead }

// named is the feature id if it is one that may be quoted.
func (p Policy) named() string {
	if valid.ID(p.asks.Item.ID, false) != "" {
		return ""
	}
	return p.asks.Item.ID
}

// PolicyError says which policy is wrong and how. It comes out at start-up only.
type PolicyError struct {
	Route   string // the key of the table, if there is one
	Feature string // the feature, if it has a valid id
	Err     error
}

func (e *PolicyError) Error() string {
	return "gate: policy" + route.Where(e.Route, e.Feature) + ": " + e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *PolicyError) Unwrap() error { return e.Err }
