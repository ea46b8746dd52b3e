package gate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// reasons are all constants of the type Reason.
func reasons(t *testing.T) (all []Reason) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "decision.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, "Reason") {
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, Reason(text))
		}
		return true
	})
	return all
}

// TestEveryReasonIsExplained holds docs/denials.md, to which the type of every denial leads,
// against the answers: reason, status, code, anchor, and whether there is an upgrade link.
func TestEveryReasonIsExplained(t *testing.T) {
	page := read(t, "docs/denials.md")
	row := regexp.MustCompile(`(?m)^\| ([A-Za-z:]+)(?:,[^|]*)? \| (\d+) \| <a id="(\w+)"></a>` + "`(\\w+)`" + ` \| (.*?) \|`)
	type shown struct{ status, code, upgrade string }
	rows := map[Reason][]shown{}
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		if m[3] != m[4] {
			t.Errorf("the anchor of %s is %s", m[4], m[3])
		}
		rows[Reason(m[1])] = append(rows[Reason(m[1])], shown{m[2], m[3], m[5]})
	}
	for _, r := range reasons(t) {
		if r == ReasonClientGone {
			continue // nobody sees its answer
		}
		a := r.answer()
		want := []shown{{strconv.Itoa(a.Status), a.Code, "no"}}
		if a.Upgrade {
			want[0].upgrade = "yes"
		}
		if r == ReasonLimitExceeded {
			want = append(want, shown{want[0].status, "usage_never_fits", "yes"})
		}
		got := rows[r]
		delete(rows, r)
		if len(got) != len(want) {
			t.Errorf("docs/denials.md explains %s %d times, want %d", r, len(got), len(want))
			continue
		}
		for i := range want {
			if !r.ofStigg() {
				got[i].upgrade = "no" // there the column says when
			}
			if got[i] != want[i] {
				t.Errorf("docs/denials.md says of %s %v, and the answer is %v", r, got[i], want[i])
			}
		}
	}
	for r := range rows {
		t.Errorf("docs/denials.md explains %s, and there is no such reason", r)
	}
	if base := strings.TrimSuffix(DefaultProblemBase, "#"); !strings.HasSuffix(base, "/docs/denials.md") {
		t.Errorf("denials lead to %s", base)
	}
}
