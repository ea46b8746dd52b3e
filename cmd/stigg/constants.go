package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// constant is one that is generated.
type constant struct {
	Name   string   `json:"name"`
	ID     string   `json:"id"`
	Is     string   `json:"is"` // feature, plan, addon or currency
	Kind   string   `json:"kind,omitempty"`
	Title  string   `json:"displayName,omitempty"`
	Unit   string   `json:"unit,omitempty"`
	Values []string `json:"values,omitempty"` // of an enum, those that plans and add-ons allow
}

// constantsOf names what a catalog has: features, plans, add-ons, currencies, each sorted by id.
func constantsOf(c *client.Catalog) []constant {
	var all []constant
	for _, f := range c.Features {
		all = append(all, constant{
			Name: identifier("Feature", f.ID), ID: f.ID, Is: "feature", Kind: gate.ParseFeatureKind(f.Type, f.MeterType).String(),
			Title: f.Name, Unit: cmp.Or(f.Units, f.Unit), Values: c.Values[f.ID],
		})
	}
	for _, p := range c.Plans {
		all = append(all, constant{Name: identifier("Plan", p.ID), ID: p.ID, Is: "plan", Title: p.Name})
	}
	for _, a := range c.Addons {
		all = append(all, constant{Name: identifier("Addon", a.ID), ID: a.ID, Is: "addon", Title: a.Name})
	}
	for _, m := range c.Currencies {
		all = append(all, constant{Name: identifier("Currency", m.ID), ID: m.ID, Is: "currency", Title: m.Name, Unit: m.Units.Plural})
	}
	tellApart(all)
	return all
}

// identifier makes a Go name of an id: what it is, and the id's words. The word that says what it
// is comes once: feature-02-campaigns is Feature02Campaigns.
func identifier(is, id string) string {
	words := strings.FieldsFunc(id, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) > 1 && strings.EqualFold(words[0], is) {
		words = words[1:]
	}
	for _, word := range words {
		is += strings.ToUpper(word[:1]) + word[1:]
	}
	return is
}

// tellApart gives all that would have one name a part of their id's hash. So a name never comes to
// mean another id when the catalog changes: it is there or not.
func tellApart(all []constant) {
	count := map[string]int{}
	for _, c := range all {
		count[c.Name]++
	}
	for i := range all {
		if c := &all[i]; count[c.Name] > 1 || slices.Contains([]string{"Feature", "Plan", "Addon", "Currency"}, c.Name) {
			c.Name += fmt.Sprintf("_%x", sha256.Sum256([]byte(c.Is+" "+c.ID)))[:13]
		}
	}
}

// kinds are the types of the generated constants, with the policies that fit each.
var kinds = map[string]struct{ name, about, methods string }{
	"boolean":       {"Boolean", "a feature that is on or off", ""},
	"enum":          {"Enum", "a feature with a set of allowed values", valuesMethods},
	"configuration": {"Configuration", "a feature whose number is a value, and not used up", asksMethods},
	"metered":       {"Metered", "a feature that is used up or allocated", asksMethods + usesMethods},
	"unknown":       {"Unclear", "a feature whose kind Stigg does not tell", ""},
	"currency":      {"Currency", "a currency of credits", ""},
}

const (
	valuesMethods = `
// Values asks whether each of the values is allowed.
func (f %[1]s) Values(values ...string) gate.Policy { return f.Policy().Values(values...) }

// ValuesFunc is Values with values that the request tells.
func (f %[1]s) ValuesFunc(values func(*http.Request) ([]string, error)) gate.Policy { return f.Policy().ValuesFunc(values) }
`
	asksMethods = `
// Asks asks whether n would fit; nothing is held and nothing reported.
func (f %[1]s) Asks(n float64) gate.Policy { return f.Policy().Asks(n) }

// AsksFunc is Asks with an amount that the request tells.
func (f %[1]s) AsksFunc(n gate.AmountFunc) gate.Policy { return f.Policy().AsksFunc(n) }
`
	usesMethods = `
// Uses asks for n, holds it while the handler runs, and reports it after success.
func (f %[1]s) Uses(n float64) gate.Policy { return f.Policy().Uses(n) }

// UsesFunc is Uses with an amount that the request tells.
func (f %[1]s) UsesFunc(n gate.AmountFunc) gate.Policy { return f.Policy().UsesFunc(n) }

// Frees gives n back after success.
func (f %[1]s) Frees(n float64) gate.Policy { return f.Policy().Frees(n) }

// FreesFunc is Frees with an amount that the request tells.
func (f %[1]s) FreesFunc(n gate.AmountFunc) gate.Policy { return f.Policy().FreesFunc(n) }
`
)

// generate writes the package, before it is formatted.
func generate(pkg string, all []constant) []byte {
	b := &bytes.Buffer{}
	used := map[string]bool{}
	for _, c := range all {
		used[cmp.Or(c.Kind, c.Is)] = true
	}
	fmt.Fprintf(b, "%s\n// Package %s names what this environment of Stigg has. A feature has the policies that fit its\n// kind, so that the compiler refuses a misspelt feature, and an amount of one that is on or off.\npackage %s\n", generated, pkg, pkg)
	imports(b, used)
	group(b, all, "Features.", "feature")
	group(b, all, "Plans, by id.", "plan")
	group(b, all, "Add-ons, by id.", "addon")
	group(b, all, "Currencies of credits.", "currency")
	for _, kind := range []string{"boolean", "configuration", "enum", "metered", "unknown", "currency"} {
		if used[kind] {
			kindType(b, kind)
		}
	}
	return b.Bytes()
}

func imports(b *bytes.Buffer, used map[string]bool) {
	if used["enum"] {
		fmt.Fprint(b, "\nimport \"net/http\"\n")
	}
	for kind := range kinds {
		if used[kind] {
			fmt.Fprintf(b, "\nimport %q\n", "github.com/stiggate/gate")
			return
		}
	}
}

// group writes the constants of one sort.
func group(b *bytes.Buffer, all []constant, title, is string) {
	begun := false
	for _, c := range all {
		if c.Is != is {
			continue
		}
		if !begun {
			fmt.Fprintf(b, "\n// %s\nconst (\n", title)
			begun = true
		}
		fmt.Fprintf(b, "// %s is %s.\n%s %s= %q\n", c.Name, c.about(), c.Name, c.typ(), c.ID)
	}
	if begun {
		fmt.Fprint(b, ")\n")
	}
}

// typ is the constant's type: none of plans and add-ons, which package client takes as strings.
func (c constant) typ() string {
	if k, ok := kinds[cmp.Or(c.Kind, c.Is)]; ok {
		return k.name + " "
	}
	return ""
}

// about is what is said of it, in one line whatever is in it.
func (c constant) about() string {
	text := oneLine(cmp.Or(c.Title, c.ID))
	if c.Kind != "" {
		text += ", " + c.Kind
	}
	if c.Unit != "" {
		text += ", in " + oneLine(c.Unit)
	}
	if len(c.Values) > 0 {
		text += "; plans allow " + oneLine(strings.Join(c.Values, ", "))
	}
	return text
}

func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

func kindType(b *bytes.Buffer, kind string) {
	k := kinds[kind]
	fmt.Fprintf(b, "\n// %s is the id of %s.\ntype %s string\n", k.name, k.about, k.name)
	if kind == "currency" {
		fmt.Fprintf(b, "\n// Policy asks for credits of the wallet itself.\nfunc (c %s) Policy() gate.Policy { return gate.Credits(string(c)) }\n", k.name)
		return
	}
	fmt.Fprintf(b, "\n// Policy asks for the feature, whatever its kind.\nfunc (f %s) Policy() gate.Policy { return gate.Feature(string(f)) }\n", k.name)
	if k.methods != "" {
		fmt.Fprintf(b, k.methods, k.name)
	}
}
