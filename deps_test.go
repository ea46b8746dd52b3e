package gate

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stiggate/gate"

// TestDependencies holds what each package may bring along. What an app's go.sum
// grows by is a promise too.
func TestDependencies(t *testing.T) {
	lru := "github.com/hashicorp/golang-lru/v2"
	tests := []struct {
		pkg     string
		allowed []string
	}{
		{module + "/recorder", nil},
		{module, []string{lru}},
		{module + "/nethttp", []string{lru, module}},
		{module + "/chistigg", []string{lru, module, module + "/nethttp", "github.com/go-chi/chi/v5"}},
		{module + "/gatetest", []string{lru, module}},
		{module + "/webhook", []string{lru, module}},
		{module + "/outbox", append(depsOf(t, "go.etcd.io/bbolt"), lru, module)},
	}
	// gin and echo bring much of their own; an adapter adds nothing to that.
	for pkg, router := range map[string]string{"ginstigg": "github.com/gin-gonic/gin", "echostigg": "github.com/labstack/echo/v4"} {
		tests = append(tests, struct {
			pkg     string
			allowed []string
		}{module + "/" + pkg, append(depsOf(t, router), lru, module)})
	}
	for _, tt := range tests {
		for _, dep := range depsOf(t, tt.pkg) {
			allowed := dep == tt.pkg || dep == module+"/recorder" || strings.HasPrefix(dep, module+"/internal/") // the insides of the gate
			for _, a := range tt.allowed {
				allowed = allowed || dep == a || a == lru && strings.HasPrefix(dep, lru+"/")
			}
			if !allowed {
				t.Errorf("%s brings %s along", tt.pkg, dep)
			}
		}
	}
}

// depsOf is all that a package links beside the standard library, itself included.
func depsOf(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func TestTheEmulatorSharesNoCodeWithTheGate(t *testing.T) {
	if slices.Contains(depsOf(t, module+"/emulator"), module) {
		t.Error("the emulator imports the gate")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
