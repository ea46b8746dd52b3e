package openapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/stiggate/gate/internal/declared"
	"github.com/stiggate/gate/policyfile"
)

// schema is policyfile's, or a part of it.
func schema(t *testing.T, part string) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(policyfile.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json" + part)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is YAML as a validator takes it.
func instance(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil || len(all) == 0 {
		t.Fatal(pattern, err)
	}
	return all
}

// TestTheSchemaTellsRightFromWrong as the parser does, of all its examples.
func TestTheSchemaTellsRightFromWrong(t *testing.T) {
	s := schema(t, "")
	for _, file := range files(t, "../../policyfile/testdata/valid/*") {
		if err := s.Validate(instance(t, read(t, file))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, file := range files(t, "../../policyfile/testdata/invalid/*") {
		if err := s.Validate(instance(t, read(t, file))); err == nil {
			t.Errorf("%s: the schema takes it", file)
		}
	}
	pages := 0
	for _, m := range regexp.MustCompile("(?s)```yaml\n(routes:.*?)```").FindAllSubmatch(read(t, "../../docs/policies.md"), -1) {
		pages++
		if err := s.Validate(instance(t, m[1])); err != nil {
			t.Errorf("docs/policies.md: %v", err)
		}
	}
	if pages == 0 {
		t.Error("docs/policies.md has no policy file")
	}
}

// TestTheSchemaHasAPartForGates: editors can hold what stands behind x-gate to it.
func TestTheSchemaHasAPartForGates(t *testing.T) {
	s, found := schema(t, "#/$defs/policy"), 0
	for _, m := range regexp.MustCompile(`(?m)^ *x-gate: (.*)$`).FindAllSubmatch(read(t, example), -1) {
		found++
		if err := s.Validate(instance(t, m[1])); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	if found < 4 {
		t.Errorf("%s has %d gates", example, found)
	}
	if err := s.Validate(instance(t, []byte("{feature: f, use: 1}"))); err == nil {
		t.Error("the schema takes a word that there is not")
	}
}

// betweenWords reports whether all that is wrong is that a fallback does not fit what the policy asks for:
// no schema compares the names of what one word has with the text of another.
func betweenWords(wrong error) bool {
	for line := range strings.Lines(wrong.Error()) {
		if !strings.Contains(line, "the policy's fallback") && !strings.Contains(line, "a fallback is of features") {
			return false
		}
	}
	return true
}

// TestTheSchemaAndTheParserAgree on every policy of one to four words, and on values of each.
func TestTheSchemaAndTheParserAgree(t *testing.T) {
	s := schema(t, "#/$defs/policy")
	values := map[string][]string{
		"feature": {`"f"`, `"a b"`, `""`, `1`}, "currency": {`"c"`, `"a/b"`}, "public": {`true`, `false`},
		"all":   {`[{"feature":"f"}]`, `[{"feature":"f"},{"feature":"g","has":true}]`, `[]`, `[{"feature":"f","uses":1}]`, `["public"]`, `[{"feature":"f","shadow":true}]`},
		"any":   {`[{"feature":"f","uses":1}]`, `[{"any":[{"currency":"c","uses":2}]}]`, `{}`},
		"named": {`"F"`, `""`, `1`}, "has": {`true`, `false`},
		"uses":     {`1`, `0`, `-1`, `"1"`, `9007199254740994`, `{"query":"n"}`, `{"query":""}`, `{"query":"n","least":0,"default":1}`, `{"query":"n","least":-1}`, `{"func":"g"}`, `{"func":1}`, `{"func":"g","query":"n"}`, `{}`},
		"usesUpTo": {`1`, `0`, `{"header":"X-N"}`}, "frees": {`1`, `-0.5`}, "asks": {`1`, `null`},
		"values":     {`["a"]`, `[]`, `[""]`, `[1]`, `{"query":"v"}`, `{"query":"v","least":1}`, `{"func":"g"}`},
		"measuredBy": {`{"responseBytes":1}`, `{"responseBytes":0}`, `{"responseBytes":1.5}`, `{"func":"g"}`, `{}`},
		"reportAs":   {`{"name":"e"}`, `{"name":""}`, `{"name":"e","amountIn":"n"}`, `{"name":"e","dimensions":{"func":"g"}}`, `{"name":"e","more":1}`},
		"status":     {`{"Revoked":404}`, `{"Revoked":200}`, `{"Revoked":404.5}`, `{"No":404}`, `{}`, `{"Revoked":402}`, `{"FeatureNotFound":402}`, `{"gate:EntitlementsUnavailable":402}`},
		"reportOn":   {`[200]`, `[101]`, `[100]`, `[600]`, `[]`}, "reportIf": {`{"func":"g"}`, `"g"`},
		"onClientGone": {`"used"`, `"asked"`, `"nothing"`, `"never"`}, "freeHead": {`true`, `false`, `1`},
		"onOutage": {`"deny"`, `"allow"`, `"maybe"`}, "onDenial": {`{"func":"g"}`}, "shadow": {`true`, `false`, `"yes"`}, "perReplica": {`true`, `false`, `1`},
		"fallback": {`{"f":{"hasAccess":true}}`, `{"f":{}}`, `{}`, `{"a b":{}}`, `{"f":{"usageLimit":-1}}`, `{"f":{"usageLimit":1,"isUnlimited":true}}`, `{"f":{"hasAccess":true,"usageLimit":1,"isUnlimited":true}}`, `{"f":{"isUnlimited":false}}`, `{"f":{"hasAccess":false,"enumValues":[]}}`, `{"f":{"value":2,"enumValues":["x"]}}`, `{"f":{"usageLimit":1,"enumValues":["x"]}}`, `{"f":{"usageLimit":1,"value":1}}`, `{"f":{"limit":1}}`},
	}
	words := slices.Sorted(maps.Keys(values))
	if !slices.Equal(words, declared.Words()) {
		t.Fatalf("got %v", words)
	}
	judged, right := 0, 0
	judge := func(policy string) {
		_, wrong := policyfile.Parse([]byte(`{"routes":{"GET /a":`+policy+`}}`), policyfile.WithAnyFunction())
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(policy))
		if err != nil {
			t.Fatal(policy, err)
		}
		invalid := s.Validate(value)
		if (wrong == nil || betweenWords(wrong)) != (invalid == nil) {
			t.Errorf("%s: the parser says %v, the schema %v", policy, wrong, invalid)
		}
		if judged++; wrong == nil {
			right++
		}
	}
	first := func(word string) string { return `"` + word + `":` + values[word][0] }
	var grow func(have []string, from int)
	grow = func(have []string, from int) {
		if len(have) > 0 {
			judge("{" + strings.Join(have, ",") + "}")
		}
		if len(have) == 4 {
			return
		}
		for i := from; i < len(words); i++ {
			grow(append(have, first(words[i])), i+1)
		}
	}
	grow(nil, 0)
	for _, reporting := range []string{`"all":[{"feature":"f","uses":1}]`, `"any":[{"feature":"f"},{"all":[{"currency":"c","uses":2}]}]`, `"any":[{"all":[{"feature":"f"}]}]`} {
		for _, more := range []string{"reportOn", "reportIf", "onClientGone", "freeHead", "onDenial"} {
			for _, value := range values[more] {
				judge("{" + reporting + `,"` + more + `":` + value + "}")
			}
		}
	}
	for word, all := range values {
		for _, value := range all {
			policy := []string{`"` + word + `":` + value}
			if !slices.Contains([]string{"feature", "currency", "all", "any", "public"}, word) {
				policy = append(policy, first("feature"))
			}
			if slices.Contains([]string{"measuredBy", "reportAs", "reportOn", "reportIf", "onClientGone", "freeHead"}, word) {
				policy = append(policy, first("uses"))
			}
			judge("{" + strings.Join(policy, ",") + "}")
		}
	}
	if t.Logf("%d policies, %d of them right", judged, right); right < 100 {
		t.Error("hardly any is right")
	}
}
