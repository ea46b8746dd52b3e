package client

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/stiggate/gate/client/gql"
	stiggschema "github.com/stiggate/gate/internal/schema"
)

func schema(t *testing.T) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "stigg.graphql", Input: stiggschema.Stigg})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// operations is every document under operations/ as one, for fragments are shared.
func operations(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("operations/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestOperationsAreValid(t *testing.T) {
	doc, errs := gqlparser.LoadQuery(schema(t), operations(t))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, op := range doc.Operations {
		if op.Name == "" {
			t.Error("an operation has no name")
		}
	}
}

func TestGeneratedDocumentsAreThoseOfTheOperations(t *testing.T) {
	s := schema(t)
	doc, errs := gqlparser.LoadQuery(s, operations(t))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if len(doc.Operations) != len(gql.DocumentOperationNames) {
		t.Errorf("%d operations, %d generated documents", len(doc.Operations), len(gql.DocumentOperationNames))
	}
	for text, name := range gql.DocumentOperationNames {
		generated, errs := gqlparser.LoadQuery(s, text)
		if len(errs) > 0 {
			t.Errorf("%s: %v", name, errs)
			continue
		}
		written, sent := doc.Operations.ForName(name), generated.Operations.ForName(name)
		if written == nil || sent == nil || shape(written.SelectionSet) != shape(sent.SelectionSet) {
			t.Errorf("%s: what is generated is not what is written; run go generate", name)
		}
	}
}

// shape is a selection as text, fragments resolved.
func shape(set ast.SelectionSet) string {
	var b strings.Builder
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			b.WriteString(" " + s.Alias + ":" + s.Name + "{" + shape(s.SelectionSet) + "}")
		case *ast.FragmentSpread:
			b.WriteString(" ..." + s.Definition.TypeCondition + "{" + shape(s.Definition.SelectionSet) + "}")
		case *ast.InlineFragment:
			b.WriteString(" inline{" + shape(s.SelectionSet) + "}")
		}
	}
	return b.String()
}

func TestWhatChangesSomethingIsSentOnceUnlessItHasAKey(t *testing.T) {
	twice := []string{opReportUsage, opReportUsageBulk, opReportEvent, opConsumeCredits, opConsumeCreditsAsync,
		"EstimateSubscription", "EstimateSubscriptionUpdate", "PreviewSubscription", "PreviewNextInvoice"}
	documents := map[string]string{}
	for text, name := range gql.DocumentOperationNames {
		documents[name] = text
		if strings.HasPrefix(text, "subscription ") {
			continue
		}
		if want := strings.HasPrefix(text, "mutation ") && !slices.Contains(twice, name); operationOf(name, text).mutation != want {
			t.Errorf("%s is sent once: %t", name, !want)
		}
	}
	for _, name := range append(twice, opEntitlementsState, opEntitlement) {
		if documents[name] == "" {
			t.Errorf("no document is called %s", name)
		}
	}
	for _, st := range wantedStreams() {
		for _, f := range st.forms {
			if documents[f.name] == "" {
				t.Errorf("no document is called %s", f.name)
			}
		}
	}
}

// The generated types of enums refuse values they don't know, so none may be
// generated: the configuration maps each to a string.
func TestEveryEnumIsAStringForTheGenerator(t *testing.T) {
	config, err := os.ReadFile("gqlgenc.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, def := range schema(t).Types {
		if def.Kind != ast.Enum || def.BuiltIn {
			continue
		}
		if !strings.Contains(string(config), "\n  "+name+":\n    model: github.com/99designs/gqlgen/graphql.String\n") {
			t.Errorf("gqlgenc.yml does not map %s", name)
		}
	}
}
