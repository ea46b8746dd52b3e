package declared

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stiggate/gate"
)

// function finds a function that a node names, by {func: name}.
func function[F any](r Reader, n *Node, all map[string]F, any F) (f F, err error) {
	if n.Kind != Map || len(n.Fields) != 1 || n.Fields[0].Key.Text != "func" {
		return f, n.wants("{func: NAME}")
	}
	named := n.Fields[0].Value
	name, err := named.text()
	if err != nil {
		return f, err
	}
	f, known := all[name]
	switch {
	case known:
		return f, nil
	case r.AnyFunction:
		return any, nil
	case len(all) == 0:
		return f, named.Wrong(fmt.Errorf("there is no function %q: none is registered for this", name))
	}
	return f, named.Wrong(fmt.Errorf("there is no function %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", ")))
}

// amountWord is a word that takes a number, or says where the request has it.
func amountWord(fixed func(gate.Policy, float64) gate.Policy, told func(gate.Policy, gate.AmountFunc) gate.Policy) word {
	return func(r Reader, p gate.Policy, n *Node) (gate.Policy, error) {
		if n.Kind == Number {
			return fixed(p, n.Number), nil
		}
		if n.Kind != Map {
			return p, n.wants("a number, or a map that says where the request has it")
		}
		if len(n.Fields) == 1 && n.Fields[0].Key.Text == "func" {
			f, err := function(r, n, r.Amounts, func(*http.Request) (float64, error) { return 0, nil })
			return told(p, f), err
		}
		s, err := readSource(n, true)
		if err != nil {
			return p, err
		}
		return told(p, s.amount), nil
	}
}

// values is the word for values: a list, or where the request has them.
func (r Reader) values(p gate.Policy, n *Node) (gate.Policy, error) {
	if n.Kind == List {
		values, err := list(n, (*Node).text)
		return p.Values(values...), err
	}
	if n.Kind != Map {
		return p, n.wants("a list, or a map that says where the request has them")
	}
	if len(n.Fields) == 1 && n.Fields[0].Key.Text == "func" {
		f, err := function(r, n, r.Values, func(*http.Request) ([]string, error) { return nil, nil })
		return p.ValuesFunc(f), err
	}
	s, err := readSource(n, false)
	if err != nil {
		return p, err
	}
	return p.ValuesFunc(s.values), nil
}

// source is where a request has an amount or values.
type source struct {
	header   bool // in a header field, not in the query
	name     string
	least    float64
	standard *float64 // what is asked for where the request says nothing
}

// readSource reads {query: NAME} or {header: NAME}; of an amount also least, 1 if it is not said,
// and default.
func readSource(n *Node, amount bool) (source, error) {
	s := source{least: 1}
	words := "query or header"
	if amount {
		words = "query or header, least and default"
	}
	err := n.Each(func(key, value *Node) (err error) {
		var number float64
		switch {
		case key.Text == "query" || key.Text == "header":
			if s.name != "" {
				return errors.New("it takes one of query and header")
			}
			s.header = key.Text == "header"
			if s.name, err = value.text(); err == nil && s.name == "" {
				err = value.Wrong(errors.New("the name is empty"))
			}
		case key.Text == "least" && amount:
			if s.least, err = value.number(); err == nil && !(s.least >= 0) {
				err = value.Wrong(errors.New("the least amount is negative"))
			}
		case key.Text == "default" && amount:
			number, err = value.number()
			s.standard = &number
		default:
			err = fmt.Errorf("%q is no word here; those are %s", key.Text, words)
		}
		return err
	})
	switch {
	case err != nil:
		return s, err
	case s.name == "":
		return s, n.Wrong(errors.New("it takes one of query and header"))
	case s.standard != nil && !(*s.standard >= s.least):
		return s, n.Wrong(errors.New("the default is less than the least amount, which is 1 if it is not said"))
	}
	return s, nil
}

func (s source) String() string {
	if s.header {
		return "The header field " + s.name
	}
	return "The query value " + s.name
}

func (s source) read(r *http.Request) []string {
	if s.header {
		return r.Header.Values(s.name)
	}
	return r.URL.Query()[s.name]
}

// decimal is how an amount is written. What ParseFloat takes beside (hex, inf) a handler may read
// as something else.
var decimal = regexp.MustCompile(`^[0-9]{1,16}(\.[0-9]{1,16})?$`)

// amount is a gate.AmountFunc. A value that stands there twice is refused: the handler may read
// the other one.
func (s source) amount(r *http.Request) (float64, error) {
	told := s.read(r)
	switch {
	case len(told) == 0 && s.standard != nil:
		return *s.standard, nil
	case len(told) == 0:
		return 0, &gate.RequestError{Detail: s.String() + " is missing."}
	case len(told) > 1:
		return 0, &gate.RequestError{Detail: s.String() + " must stand there once."}
	}
	n, err := strconv.ParseFloat(told[0], 64)
	if !decimal.MatchString(told[0]) || err != nil || n < s.least {
		return 0, &gate.RequestError{Detail: s.String() + " must be a number of at least " + strconv.FormatFloat(s.least, 'f', -1, 64) + "."}
	}
	return n, nil
}

func (s source) values(r *http.Request) ([]string, error) {
	told := s.read(r)
	if len(told) == 0 {
		return nil, &gate.RequestError{Detail: s.String() + " is missing."}
	}
	return told, nil
}
