// Package policyfile reads policies by route from a file of YAML or JSON, which can be reloaded
// while the app runs: product people change a gate without a release.
//
//	routes:
//	  POST /campaigns: {feature: feature-02-campaigns, uses: 1, named: Campaigns}
//	  POST /rows:      {feature: feature-rows, uses: {query: n, least: 1}, reportOn: [200, 201]}
//	  POST /prompts:   {currency: currency-tokens, uses: 10, onOutage: allow}
//	  GET /export:     {any: [{feature: export}, {feature: trial-exports, uses: 1}]}
//	  GET /health:     public
//
// A route is a key of gate.Table, spelled as the router does. A policy has the words of
// gate.Policy's methods, which are listed in docs/policies.md; Schema is a JSON Schema of it, for
// editors and CI. What only code can say is registered by name: {func: NAME} and WithFunctions.
//
// Open returns a File, which every Routes takes in place of a gate.Table:
//
//	policies, err := policyfile.Open("policies.yaml")
//	...
//	r.Use(chistigg.Routes(g, policies, gate.DenyRest))
//	... // the routes
//	err = policies.Check(func(t gate.Table) error { return chistigg.Verify(r, t) })
//	...
//	go policies.Watch(ctx, 10*time.Second)
package policyfile

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/declared"
	"github.com/stiggate/gate/internal/option"
	"github.com/stiggate/gate/internal/route"
)

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (draft 2020-12) of a policy file.
func Schema() string { return schema }

// Functions are what a file names and only code can say, by name, each kind of word with names of
// its own: {uses: {func: rows}}. A nil map has none.
type Functions struct {
	Amounts    map[string]gate.AmountFunc                                       // uses, usesUpTo, frees, asks
	Values     map[string]func(*http.Request) ([]string, error)                 // values
	Measures   map[string]gate.MeasureFunc                                      // measuredBy
	ReportIf   map[string]func(gate.Outcome) bool                               // reportIf
	Dimensions map[string]func(*http.Request) (map[string]any, error)           // reportAs
	Denials    map[string]func(http.ResponseWriter, *http.Request, gate.Denial) // onDenial
}

// Option changes how a file is read.
type Option func(*options) error

type options struct {
	reader declared.Reader
	logger *slog.Logger
	syntax func(text []byte) (*declared.Node, error)
}

// WithFunctions registers the functions that a file may name.
func WithFunctions(f Functions) Option {
	return func(o *options) error {
		o.reader.Functions = declared.Functions(f)
		return o.reader.Nil()
	}
}

// WithAnyFunction takes every name of a function for one that there is: for a tool that judges a
// file without the app's code. A table that is read so must not serve.
func WithAnyFunction() Option {
	return func(o *options) error {
		o.reader.AnyFunction = true
		return nil
	}
}

// WithLogger says where a File tells that it was reloaded or refused. Default: slog.Default().
func WithLogger(l *slog.Logger) Option {
	return func(o *options) error {
		if l == nil {
			return errors.New("the logger is nil")
		}
		o.logger = l
		return nil
	}
}

// WithSyntax reads documents of another kind, for the project's own modules: contrib/openapi has one.
// syntax finds a map of routes and their policies in a text, as far as it is right, and joins a
// *declared.Error for each thing that is wrong.
func WithSyntax(syntax func(text []byte) (*declared.Node, error)) Option {
	return func(o *options) error {
		o.syntax = syntax
		return nil
	}
}

// maxBytes bounds a file. A ConfigMap has at most 1 MB.
const maxBytes = 4 << 20

func apply(with []Option) (o options, err error) {
	o.logger, o.syntax = slog.Default(), routes
	if err = errors.Join(option.Apply(&o, with)...); err != nil {
		err = fmt.Errorf("policyfile: %w", err)
	}
	return o, err
}

// Error is what is wrong at one place of a file.
type Error struct {
	File         string // empty if there was only text
	Line, Column int    // from 1; 0 if the file has no place for it
	Route        string // empty if it is none's
	Err          error
}

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", where, e.Line, e.Column)
		if e.File == "" {
			where = "line" + strings.Replace(where, ":", " ", 1)
		}
	}
	if where != "" {
		where += ": "
	}
	if e.Route != "" {
		where += fmt.Sprintf("route %q: ", e.Route)
	}
	err := e.Err
	if policy := (*gate.PolicyError)(nil); e.Route != "" && errors.As(err, &policy) {
		err = policy.Err // the place says the rest
	}
	return where + err.Error()
}

// Unwrap returns what is wrong: a *gate.PolicyError where a policy can't be.
func (e *Error) Unwrap() error { return e.Err }

// Parse reads a table. The error joins an *Error for each thing that is wrong.
func Parse(text []byte, with ...Option) (gate.Table, error) {
	o, err := apply(with)
	if err != nil {
		return nil, err
	}
	d, err := o.parse("", text)
	return d.table, err
}

// document is a file that was read.
type document struct {
	file   string
	table  gate.Table
	places map[string]*declared.Node // of the routes' keys
}

func (o *options) parse(file string, text []byte) (document, error) {
	d := document{file: file, places: make(map[string]*declared.Node)}
	top := &declared.Node{Line: 1, Column: 1}
	if len(text) > maxBytes {
		return d, d.located("", top.Wrong(fmt.Errorf("the file is longer than %d bytes", maxBytes)))
	}
	routes, err := o.syntax(text)
	problems := []error{d.located("", err)}
	if routes == nil {
		return d, problems[0]
	}
	table := make(gate.Table)
	told := make(map[*declared.Node]bool) // several routes may have one policy that is wrong
	err = routes.Each(func(key, value *declared.Node) error {
		p, err := o.reader.Policy(value)
		if told[value] {
			err = nil
		}
		told[value] = told[value] || err != nil
		if _, wrong := route.Parse(key.Text); wrong != nil {
			err = errors.Join(key.Wrong(wrong), err)
		}
		table[key.Text], d.places[key.Text] = p, key
		problems = append(problems, d.located(key.Text, err))
		return nil
	})
	if err := errors.Join(append(problems, d.located("", err))...); err != nil {
		return d, err
	}
	d.table = table
	return d, nil
}

// located gives every joined error the place in the file that it has or is known for.
func (d *document) located(name string, err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, d.located(name, e))
		}
		return errors.Join(all...)
	}
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	to := &Error{File: d.file, Route: name, Err: err}
	var (
		at     *declared.Error
		policy *gate.PolicyError
	)
	switch {
	case errors.As(err, &at):
		to.Line, to.Column, to.Err = at.Line, at.Column, at.Err
		if name != "" {
			to.Err = &gate.PolicyError{Route: name, Err: at.Err}
		}
	case errors.As(err, &policy):
		to.Route = policy.Route
		if key := d.places[policy.Route]; key != nil {
			to.Line, to.Column = key.Line, key.Column
		}
	}
	return to
}
