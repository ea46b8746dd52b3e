// Package admission admits requests: it answers what a policy asks of a customer's rights, by the
// decision table (package rules) and on the customer's accounts (package ledger), and holds the
// amounts that were granted until the request is settled or released.
//
// It knows nothing of HTTP answers, caches, queues or logs; those are package gate's.
package admission

import (
	"net/http"
	"slices"

	"github.com/stiggate/gate/internal/handler"
	"github.com/stiggate/gate/internal/rules"
)

// Kind is the kind of a Policy.
type Kind uint8

// The kinds.
const (
	None Kind = iota // the zero Policy, which is a mistake
	Feature
	Credits
	All
	Any
	Public
)

// Policy is what is asked of a customer's plan: of one item, or of all or any of several policies.
// It never changes once it is in use.
type Policy struct {
	Kind Kind
	Item Item   // of Feature and Credits
	Name string // shown in place of the item's
	Mode rules.Mode
	// UpTo says that what is left of the amount will do, if it is 1 or more.
	UpTo   bool
	Amount float64
	Values []string
	// AmountOf and ValuesOf read from the request what is asked for; nil if it is said above.
	AmountOf func(*http.Request) (float64, error)
	ValuesOf func(*http.Request) ([]string, error)
	// Measure tells what was used from what became of the request; nil if that is not asked.
	Measure func(handler.Outcome) (float64, error)
	Event   *Event // what is reported in place of a change of usage
	Parts   []Policy
	// PerReplica says that the limit counts in each replica of its own.
	PerReplica bool
}

// Event is a raw event to report.
type Event struct {
	Name, AmountIn string
	// Dimensions are those that the request tells.
	Dimensions func(*http.Request) (map[string]any, error)
}

// Item is a feature or a currency of credits.
type Item struct {
	ID       string
	Currency bool
}

// Asks reports whether p asks of one item by itself, and combines nothing.
func (p *Policy) Asks() bool { return p.Kind == Feature || p.Kind == Credits }

// Problem is what is wrong with p, or "". bills tells whether it also says what is billed.
func (p *Policy) Problem(bills bool) string {
	switch {
	case bills && !p.Reports():
		return "ReportIf, ReportOn, OnClientGone and FreeHead are of no use to a policy that reports nothing: it has neither Uses nor Frees"
	case p.Kind == None:
		return "the policy is empty; begin it with Feature, Credits, All, Any or Public"
	case p.PerReplica && (p.Mode == rules.Has || p.Mode == rules.Values):
		return "PerReplica is of no use to " + p.Mode.String() + ", which counts nothing"
	}
	return ""
}

// Each calls f with every policy of p that asks of one item.
func (p *Policy) Each(f func(*Policy)) {
	if p.Asks() {
		f(p)
	}
	for i := range p.Parts {
		p.Parts[i].Each(f)
	}
}

// First is the policy that is asked first.
func (p *Policy) First() *Policy {
	for len(p.Parts) > 0 {
		p = &p.Parts[0]
	}
	return p
}

// Reports tells whether serving p can report usage.
func (p *Policy) Reports() bool {
	return p.Mode.Reports() || slices.ContainsFunc(p.Parts, func(part Policy) bool { return part.Reports() })
}

// Meters is the largest number of usages that one admission of p can report.
func (p *Policy) Meters() (n int) {
	if p.Mode.Reports() {
		return 1
	}
	for i := range p.Parts {
		if part := p.Parts[i].Meters(); p.Kind == Any {
			n = max(n, part)
		} else {
			n += part
		}
	}
	return n
}

// Twice is an item that several parts of p name an amount of; false if there is none.
func (p *Policy) Twice() (Item, bool) {
	seen := make(map[Item]bool)
	for i := range p.Parts {
		amounts := make(map[Item]bool)
		p.Parts[i].Each(func(leaf *Policy) {
			if leaf.Mode != rules.Available && leaf.Mode != rules.Values {
				amounts[leaf.Item] = true
			}
		})
		for item := range amounts {
			if seen[item] {
				return item, true
			}
			seen[item] = true
		}
	}
	return Item{}, false
}
