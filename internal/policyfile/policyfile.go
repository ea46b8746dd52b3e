// Package policyfile reads policies from a file of YAML or JSON:
//
//	routes:
//	  POST /campaigns: {feature: feature-02-campaigns, uses: 1}
//	  GET /analytics:  {feature: feature-04-analytics}
//	  POST /prompts:   {currency: currency-tokens, uses: 10}
//	  GET /health:     {public: true}
//
// A route is a key of gate.Table. It has a feature or a currency, and of uses, frees, asks and
// values at most one; or it is public.
package policyfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/stiggate/gate"
)

// file is the whole of it. What a later version adds stands beside routes.
type file struct {
	Routes map[string]rule `yaml:"routes"`
}

type rule struct {
	Feature  string   `yaml:"feature"`
	Currency string   `yaml:"currency"`
	Public   bool     `yaml:"public"`
	Uses     *float64 `yaml:"uses"`
	Frees    *float64 `yaml:"frees"`
	Asks     *float64 `yaml:"asks"`
	Values   []string `yaml:"values"`
}

// Parse reads a table. What it does not know is an error, which names the line; so is a policy that
// can't be, and then the error joins a *gate.PolicyError for each.
func Parse(text []byte) (gate.Table, error) {
	var f file
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("policy file: %s", yaml.FormatError(err, false, false))
	}
	if len(f.Routes) == 0 {
		return nil, errors.New("policy file: it has no routes")
	}
	table := make(gate.Table, len(f.Routes))
	var wrong []error
	for _, route := range slices.Sorted(maps.Keys(f.Routes)) {
		p, err := f.Routes[route].policy()
		if err == nil {
			err = p.Validate()
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("policy file: route %q: %w", route, err))
		}
		table[route] = p
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return table, nil
}

func (r rule) policy() (p gate.Policy, err error) {
	named := 0
	if r.Feature != "" {
		p = gate.Feature(r.Feature)
		named++
	}
	if r.Currency != "" {
		p = gate.Credits(r.Currency)
		named++
	}
	if r.Public {
		p = gate.Public()
		named++
	}
	if named != 1 {
		return p, errors.New("it takes one of feature, currency and public")
	}
	if r.Uses != nil {
		p = p.Uses(*r.Uses)
	}
	if r.Frees != nil {
		p = p.Frees(*r.Frees)
	}
	if r.Asks != nil {
		p = p.Asks(*r.Asks)
	}
	if r.Values != nil {
		p = p.Values(r.Values...)
	}
	return p, nil
}
