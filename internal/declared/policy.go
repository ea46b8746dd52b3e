package declared

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/problem"
)

// Functions are what a document names and only code can say, by name. A nil map has none.
type Functions struct {
	Amounts    map[string]gate.AmountFunc
	Values     map[string]func(*http.Request) ([]string, error)
	Measures   map[string]gate.MeasureFunc
	ReportIf   map[string]func(gate.Outcome) bool
	Dimensions map[string]func(*http.Request) (map[string]any, error)
	Denials    map[string]func(http.ResponseWriter, *http.Request, gate.Denial)
}

// Nil says which of them are nil.
func (f Functions) Nil() error {
	var problems []error
	for kind, functions := range map[string]any{"Amounts": f.Amounts, "Values": f.Values, "Measures": f.Measures, "ReportIf": f.ReportIf, "Dimensions": f.Dimensions, "Denials": f.Denials} {
		for name, function := range reflect.ValueOf(functions).Seq2() {
			if function.IsNil() {
				problems = append(problems, fmt.Errorf("the function %q of %s is nil", name.String(), kind))
			}
		}
	}
	return errors.Join(problems...)
}

// Reader makes policies.
type Reader struct {
	Functions
	// AnyFunction takes every name of a function for one that there is.
	AnyFunction bool
}

// word is one of a policy's words: it makes a policy more precise by a node.
type word func(r Reader, p gate.Policy, n *Node) (gate.Policy, error)

// begins are the words of which a policy has one.
var begins = []string{"all", "any", "currency", "feature", "public"}

func (r Reader) begin(name string, n *Node) (gate.Policy, error) {
	switch name {
	case "feature":
		return made(n.text, gate.Feature)
	case "currency":
		return made(n.text, gate.Credits)
	case "all":
		return r.combined(n, gate.All)
	case "any":
		return r.combined(n, gate.Any)
	}
	if n.Kind != Bool || !n.Bool {
		return gate.Policy{}, n.wants("true")
	}
	return gate.Public(), nil
}

// order is the words that make a policy more precise, in the order in which they are heard: what
// is asked for comes before what is billed of it.
var order = []struct {
	name string
	word word
}{
	{"named", func(_ Reader, p gate.Policy, n *Node) (gate.Policy, error) { return made(n.text, p.Named) }},
	{"has", func(_ Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		if n.Kind != Bool || !n.Bool {
			return p, n.wants("true")
		}
		return p.Has(), nil
	}},
	{"uses", amountWord(gate.Policy.Uses, gate.Policy.UsesFunc)},
	{"usesUpTo", amountWord(gate.Policy.UsesUpTo, gate.Policy.UsesUpToFunc)},
	{"frees", amountWord(gate.Policy.Frees, gate.Policy.FreesFunc)},
	{"asks", amountWord(gate.Policy.Asks, gate.Policy.AsksFunc)},
	{"values", Reader.values},
	{"perReplica", flag(gate.Policy.PerReplica)},
	{"measuredBy", Reader.measuredBy},
	{"reportAs", Reader.reportAs},
	{"status", func(_ Reader, p gate.Policy, n *Node) (gate.Policy, error) { return statuses(p, n) }},
	{"reportOn", func(_ Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		statuses, err := list(n, (*Node).integer)
		return p.ReportOn(statuses...), err
	}},
	{"reportIf", func(r Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		f, err := function(r, n, r.ReportIf, func(gate.Outcome) bool { return false })
		return p.ReportIf(f), err
	}},
	{"onClientGone", func(_ Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		b, err := one(n, map[string]gate.Billing{"used": gate.BillUsed, "asked": gate.BillAsked, "nothing": gate.BillNothing}, "used, asked or nothing")
		return p.OnClientGone(b), err
	}},
	{"freeHead", flag(gate.Policy.FreeHead)},
	{"onOutage", func(_ Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		o, err := one(n, map[string]gate.Outage{"deny": gate.OutageDeny, "allow": gate.OutageAllow}, "deny or allow")
		if err != nil {
			return p, err
		}
		return p.OnOutage(o), nil
	}},
	{"fallback", func(_ Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		f, err := fallback(n)
		if err != nil {
			return p, err
		}
		return p.Fallback(f), nil
	}},
	{"onDenial", func(r Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		f, err := function(r, n, r.Denials, func(http.ResponseWriter, *http.Request, gate.Denial) {})
		return p.OnDenial(f), err
	}},
	{"shadow", flag(gate.Policy.Shadow)},
}

// Words are the words of a policy, sorted.
func Words() []string {
	all := slices.Clone(begins)
	for _, w := range order {
		all = append(all, w.name)
	}
	slices.Sort(all)
	return all
}

// Policy makes the policy that a node declares: the word public, or a map of words. The errors are
// joined, each an *Error with its place.
func (r Reader) Policy(n *Node) (gate.Policy, error) {
	if n.Kind == Text && n.Text == "public" {
		return gate.Public(), nil
	}
	if n.Kind != Map {
		return gate.Policy{}, n.wants("a map of a policy's words, or the word public")
	}
	said := make(map[string]*Node)
	var begin string
	err := n.Each(func(key, value *Node) error {
		switch said[key.Text] = value; {
		case !slices.Contains(Words(), key.Text):
			return fmt.Errorf("%q is no word of a policy; those are %s", key.Text, strings.Join(Words(), ", "))
		case slices.Contains(begins, key.Text) && begin != "":
			return fmt.Errorf("a policy takes one of all, any, currency, feature and public, and %s stands there already", begin)
		case slices.Contains(begins, key.Text):
			begin = key.Text
		}
		return nil
	})
	if err != nil {
		return gate.Policy{}, err
	}
	if begin == "" {
		return gate.Policy{}, n.Wrong(errors.New("a policy takes one of all, any, currency, feature and public"))
	}
	p, err := r.begin(begin, said[begin])
	if err == nil {
		err = valid(p)
	}
	if err != nil {
		return p, said[begin].Wrong(err)
	}
	var problems []error
	for _, w := range order {
		value := said[w.name]
		if value == nil {
			continue
		}
		more, err := w.word(r, p, value)
		if err == nil {
			err = valid(more)
		}
		if err != nil {
			problems = append(problems, value.Wrong(err))
			continue // p is still right, and what else is wrong is told, too
		}
		p = more
	}
	return p, errors.Join(problems...)
}

// valid is what Validate says, without the policy's name: the place says more.
func valid(p gate.Policy) error {
	err := p.Validate()
	if policy := (*gate.PolicyError)(nil); errors.As(err, &policy) {
		return policy.Err
	}
	return err
}

func made[T any](read func() (T, error), make func(T) gate.Policy) (gate.Policy, error) {
	v, err := read()
	if err != nil {
		return gate.Policy{}, err
	}
	return make(v), nil
}

func (r Reader) combined(n *Node, of func(...gate.Policy) gate.Policy) (gate.Policy, error) {
	parts, err := list(n, r.Policy)
	if err != nil {
		return gate.Policy{}, err
	}
	return of(parts...), nil
}

func flag(set func(gate.Policy) gate.Policy) word {
	return func(_ Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		on, err := n.bool()
		if on {
			p = set(p)
		}
		return p, err
	}
}

func statuses(p gate.Policy, n *Node) (gate.Policy, error) {
	err := n.Each(func(reason, status *Node) error {
		if reason.Text != string(gate.ReasonUnknown) && !problem.Of(reason.Text).Known() {
			return fmt.Errorf("%q is no reason of a denial", reason.Text)
		}
		s, err := status.integer()
		if err != nil {
			return err
		}
		p = p.Status(gate.Reason(reason.Text), s)
		return status.Wrong(valid(p))
	})
	return p, err
}

func (r Reader) measuredBy(p gate.Policy, n *Node) (gate.Policy, error) {
	if n.Kind == Map && len(n.Fields) == 1 && n.Fields[0].Key.Text == "responseBytes" {
		unit := n.Fields[0].Value
		bytes, err := unit.integer()
		f := gate.ResponseBytes(int64(bytes))
		if err == nil && f == nil {
			err = unit.Wrong(errors.New("the unit is not above 0 bytes"))
		}
		if err != nil {
			return p, err
		}
		return p.MeasuredBy(f), nil
	}
	if n.Kind != Map || len(n.Fields) != 1 || n.Fields[0].Key.Text != "func" {
		return p, n.wants("{responseBytes: UNIT} or {func: NAME}")
	}
	f, err := function(r, n, r.Measures, func(gate.Outcome) (float64, error) { return 0, nil })
	return p.MeasuredBy(f), err
}

func (r Reader) reportAs(p gate.Policy, n *Node) (gate.Policy, error) {
	var e gate.Event
	err := n.Each(func(key, value *Node) (err error) {
		switch key.Text {
		case "name":
			e.Name, err = value.text()
		case "amountIn":
			e.AmountIn, err = value.text()
		case "dimensions":
			e.Dimensions, err = function(r, value, r.Dimensions, func(*http.Request) (map[string]any, error) { return nil, nil })
		default:
			err = fmt.Errorf("%q is no word of an event; those are name, amountIn and dimensions", key.Text)
		}
		return err
	})
	if err != nil {
		return p, err
	}
	return p.ReportAs(e), nil
}

// fallback is what everybody has in an outage, in the words of gate.FallbackEntitlement.
func fallback(n *Node) (gate.Fallback, error) {
	f := make(gate.Fallback)
	err := n.Each(func(id, has *Node) error {
		var e gate.FallbackEntitlement
		err := has.Each(func(key, value *Node) (err error) {
			var amount float64
			switch key.Text {
			case "hasAccess":
				e.HasAccess, err = value.bool()
			case "isUnlimited":
				e.IsUnlimited, err = value.bool()
			case "usageLimit":
				amount, err = value.number()
				e.UsageLimit = &amount
			case "value":
				amount, err = value.number()
				e.Value = &amount
			case "enumValues":
				e.EnumValues, err = list(value, (*Node).text)
			default:
				err = fmt.Errorf("%q is no word of a fallback; those are hasAccess, isUnlimited, usageLimit, value and enumValues", key.Text)
			}
			return err
		})
		f[id.Text] = e
		return err
	})
	return f, err
}
