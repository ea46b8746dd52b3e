package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

func check() command {
	return command{
		name:  "check",
		brief: "decide as a gate would, and say why; nothing is held or reported",
		examples: []string{
			"stigg check -customer customer-basic -feature feature-02-campaigns -n 3",
			"stigg check -customer customer-basic -resource site-1 -feature feature-04-analytics -json",
			"stigg check -customer customer-tokens -currency currency-tokens -n 10",
		},
		setup: func(flags *flag.FlagSet) work {
			q := &question{}
			q.define(flags)
			return q.decide
		},
	}
}

// question is what the flags of stigg check say.
type question struct {
	customer          gate.Customer
	feature, currency string
	amount            *float64
	values            []string
	json              bool
	timeout           time.Duration
}

func (q *question) define(flags *flag.FlagSet) {
	flags.StringVar(&q.customer.ID, "customer", "", "`ID` of the customer")
	flags.StringVar(&q.customer.Resource, "resource", "", "`ID` of the customer's resource, if the plan is the resource's")
	flags.StringVar(&q.feature, "feature", "", "`ID` of the feature")
	flags.StringVar(&q.currency, "currency", "", "`ID` of a currency, to ask its wallet instead of a feature")
	flags.Func("n", "how `many` units or credits must be left; without it, the feature must be granted, and of a metered one 1 be left", func(s string) error {
		n, err := strconv.ParseFloat(s, 64)
		if q.amount = &n; err != nil {
			return errors.New("it is no number")
		}
		return nil
	})
	flags.Func("values", "`VALUE,...` that an enum must allow", func(s string) error {
		q.values = strings.Split(s, ",")
		return nil
	})
	flags.DurationVar(&q.timeout, "timeout", askFor, "how long Stigg is waited for")
	flags.BoolVar(&q.json, "json", false, "print JSON")
}

// policy is what is asked. It holds nothing.
func (q *question) policy() (p gate.Policy, err error) {
	switch {
	case q.customer.ID == "":
		return p, misuse("name a -customer")
	case (q.feature == "") == (q.currency == ""):
		return p, misuse("name a -feature or a -currency")
	case q.values != nil && (q.amount != nil || q.currency != ""):
		return p, misuse("-values are of a -feature, and without -n")
	case q.currency != "":
		p = gate.Credits(q.currency)
	default:
		p = gate.Feature(q.feature)
	}
	if q.amount != nil {
		p = p.Asks(*q.amount)
	}
	if q.values != nil {
		p = p.Values(q.values...)
	}
	if err = p.Validate(); err == nil {
		err = q.customer.Validate()
	}
	if err != nil {
		err = misuse("%s", strings.TrimPrefix(err.Error(), "gate: "))
	}
	return p, err
}

func (q *question) decide(ctx context.Context, t terminal, args []string) error {
	if len(args) > 0 {
		return misuse("unexpected argument %q", args[0])
	}
	p, err := q.policy()
	if err != nil {
		return err
	}
	stigg, err := t.connect(client.WithoutRealtime(), client.WithTimeout(q.timeout))
	if err != nil {
		return err
	}
	nobody := gate.ResolverFunc(func(*http.Request) (gate.Customer, error) { return gate.Customer{}, gate.ErrNoCustomer })
	g, err := gate.New(stigg, nobody, gate.WithColdTimeout(q.timeout), gate.WithDecisionTimeout(q.timeout), gate.WithLogger(silent()))
	if err != nil {
		return misuse("%s", strings.TrimPrefix(err.Error(), "gate: new: "))
	}
	defer func() { _ = g.Close(ctx) }()
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	d := g.Check(ctx, q.customer, p)
	if d.Reason == gate.ReasonUnavailable || d.Reason == gate.ReasonClientGone {
		return ofStigg(d.Err)
	}
	if err := q.show(t.out, d); err != nil {
		return err
	}
	if !d.Allowed {
		return failure{code: exitNo}
	}
	return nil
}

// shownDecision is a decision in JSON. What does not count is null or left out.
type shownDecision struct {
	Allowed   bool        `json:"allowed"`
	Reason    gate.Reason `json:"reason,omitempty"` // Stigg's accessDeniedReason, or one of the gate's own
	Code      string      `json:"code,omitempty"`
	Status    int         `json:"status,omitempty"`
	Customer  string      `json:"customer"`
	Resource  string      `json:"resource,omitempty"`
	Feature   string      `json:"feature,omitempty"`
	Currency  string      `json:"currency,omitempty"`
	Name      string      `json:"name,omitempty"`
	Requested *float64    `json:"requested"`
	Used      *float64    `json:"used"`
	Limit     *float64    `json:"limit"` // null: none
	OverLimit bool        `json:"overLimit,omitempty"`
	ResetsAt  *time.Time  `json:"resetsAt"`
}

func (q *question) show(w io.Writer, d gate.Decision) error {
	number := func(n float64, is bool) *float64 {
		if !is {
			return nil
		}
		return &n
	}
	s := shownDecision{
		Allowed: d.Allowed, Reason: d.Reason, Code: d.Code, Status: d.Status, Customer: q.customer.ID, Resource: q.customer.Resource,
		Feature: q.feature, Currency: q.currency, Name: d.FeatureName,
		Requested: number(d.Requested, d.HasRequested), Used: number(d.Usage, d.Metered), Limit: number(d.Limit, d.HasLimit), OverLimit: d.OverLimit,
	}
	if !d.ResetsAt.IsZero() {
		s.ResetsAt = &d.ResetsAt
	}
	if q.json {
		return json.NewEncoder(w).Encode(s)
	}
	return s.print(w)
}

// print shows it to people.
func (s shownDecision) print(w io.Writer) error {
	text := &strings.Builder{}
	if s.Allowed {
		fmt.Fprint(text, "yes\n")
	} else {
		fmt.Fprintf(text, "no: %s (%d %s)\n", s.Reason, s.Status, s.Code)
	}
	line := func(name string, format string, args ...any) {
		fmt.Fprintf(text, "  %-9s "+format+"\n", append([]any{name}, args...)...)
	}
	line("customer", "%s", strings.TrimSuffix(s.Customer+" / "+s.Resource, " / "))
	if what := s.Feature + s.Currency; what == s.Name || s.Name == "" {
		line("what", "%s", what)
	} else {
		line("what", "%s (%s)", what, s.Name)
	}
	if s.Requested != nil {
		line("requested", "%v", *s.Requested)
	}
	if s.Used != nil {
		line("used", "%v", *s.Used)
	}
	switch {
	case s.Limit != nil && s.OverLimit:
		line("limit", "%v, which is soft: it goes on past it", *s.Limit)
	case s.Limit != nil:
		line("limit", "%v", *s.Limit)
	case s.Used != nil:
		line("limit", "none")
	}
	if s.ResetsAt != nil {
		line("resets at", "%s", s.ResetsAt.Format(time.RFC3339))
	}
	_, err := io.WriteString(w, text.String())
	return err
}
