package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/examples/internal/demo"
	"github.com/stiggate/gate/examples/internal/exampletest"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/policyfile"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultErrorWriter = io.Discard
	os.Exit(exampletest.Main(m, main, "-policies", "policies.yaml"))
}

func TestGatesLines(t *testing.T) { exampletest.GateLines(t) }

func TestWhatItPrintsWorks(t *testing.T) {
	program := exampletest.Start(t, nil)
	program.TryCurls(t, 201, 409, 204, 402, 200, 200)
	program.Stop(t)
}

// TestSeatsAreCounted runs the program, and compares the seats with what Stigg has.
func TestSeatsAreCounted(t *testing.T) {
	stigg := exampletest.Emulate(t, "catalog.json")
	program := exampletest.Start(t, stigg)
	send := func(customer, method, path, body string) (int, string) {
		token := demo.Token([]byte(exampletest.Secret), customer, time.Now().Add(time.Hour))
		if body != "" {
			body = "-d '" + body + "' "
		}
		return exampletest.Curl(t, fmt.Sprintf("curl -X %s -H 'Authorization: Bearer %s' %s%s", method, token, body, program.URL+path))
	}
	for i, test := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1/seats", `{"user":"ann"}`, 201},
		{"POST", "/v1/seats", `{"user":"ann"}`, 409},
		{"POST", "/v1/seats", `{}`, 400},
		{"POST", "/v1/seats", `{"user":"bob"}`, 201},
		{"POST", "/v1/seats", `{"user":"cid"}`, 402},
		{"GET", "/v1/seats", "", 200}, // at the limit, too
		{"DELETE", "/v1/seats/cid", "", 404},
		{"DELETE", "/v1/seats/ann", "", 204},
		{"POST", "/v1/seats", `{"user":"cid"}`, 201}, // once Stigg has acknowledged the seat that is free
		{"GET", "/v1/audit-log", "", 402},
		{"GET", "/v1/other", "", 404},
	} {
		if got, answer := send("acme", test.method, test.path, test.body); got != test.want {
			t.Errorf("%d: %s %s: got %d, want %d: %s", i, test.method, test.path, got, test.want, answer)
		}
	}
	if got, _ := exampletest.Curl(t, "curl "+program.URL+"/v1/seats"); got != 401 {
		t.Errorf("nobody: got %d, want 401", got)
	}
	if got, _ := exampletest.Curl(t, "curl -H 'Authorization: Bearer x.y.z' "+program.URL+"/v1/seats"); got != 401 {
		t.Errorf("a forged token: got %d, want 401", got)
	}
	program.Stop(t)
	exampletest.Used(t, stigg, "acme", "feature-seats", 2)
}

// TestAFeatureThatStiggHasNotStopsTheStart misspells one in the policy file.
func TestAFeatureThatStiggHasNotStopsTheStart(t *testing.T) {
	text, err := os.ReadFile("policies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "feature-audit-log", "feature-audit-lgo", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STIGG_URL", "")
	t.Setenv("STIGG_API_KEY", "")
	err = run(t.Context(), "127.0.0.1:0", file, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "feature-audit-lgo") {
		t.Errorf("got %v", err)
	}
}

// TestPolicies is a test as an app's own: in front of a Stigg in memory, without a socket.
func TestPolicies(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("feature-seats", 1))
	stigg.Customer("late").Denied(gate.ReasonNoSubscription)
	policies, err := policyfile.Open("policies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key := []byte(exampletest.Secret)
	handler, err := newApp(key).routes(stigg.Gate(who), policies)
	if err != nil {
		t.Fatal(err)
	}
	post := func(customer, user string) int {
		r, w := httptest.NewRequest(http.MethodPost, "/v1/seats", strings.NewReader(`{"user":"`+user+`"}`)), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+demo.Token(key, customer, time.Now().Add(time.Hour)))
		handler.ServeHTTP(w, r)
		return w.Code
	}
	for _, test := range []struct {
		customer, user string
		want           int
	}{{"acme", "ann", 201}, {"acme", "bob", 402}, {"late", "ann", 402}} {
		if got := post(test.customer, test.user); got != test.want {
			t.Errorf("%s: got %d, want %d", test.customer, got, test.want)
		}
	}
	stigg.Reported(t, "acme", "feature-seats", 1)
	stigg.Reported(t, "late", "feature-seats", 0)
}
