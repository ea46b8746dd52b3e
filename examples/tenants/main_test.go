package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stiggate/gate/examples/internal/exampletest"
	"github.com/stiggate/gate/gatetest"
)

func TestMain(m *testing.M) {
	os.Exit(exampletest.Main(m, main, "-operators", "127.0.0.1:0"))
}

func TestGatesLines(t *testing.T) { exampletest.GateLines(t) }

func TestWhatItPrintsWorks(t *testing.T) {
	program := exampletest.Start(t, nil)
	program.TryCurls(t, 303, 402, 200, 403, 200)
	program.Stop(t)
}

// TestReportsAreCounted runs the program, and compares the reports with its metrics and with what
// Stigg has.
func TestReportsAreCounted(t *testing.T) {
	stigg := exampletest.Emulate(t, "catalog.json")
	program := exampletest.Start(t, stigg)
	operators := regexp.MustCompile(`http://127[^/]+`).FindString(program.Printed)
	as := "curl -u ann:ann -H 'Accept: text/html' -H 'Host: acme.tenants.localhost:8080' "
	for i, want := range []int{303, 303, 303, 402} {
		if got, answer := exampletest.Curl(t, as+"-d '' "+program.URL+"/reports"); got != want {
			t.Errorf("report %d: got %d, want %d: %s", i+1, got, want, answer)
		}
	}
	for path, want := range map[string]string{"/": "3 of 3 reports are used", "/sso": `href="/plans?feature=feature-sso"`, "/plans": "Team has 500"} {
		if _, answer := exampletest.Curl(t, as+program.URL+path); !strings.Contains(answer, want) {
			t.Errorf("%s: got %s", path, answer)
		}
	}
	for path, want := range map[string]string{"/metrics": "gate_", "/ready": "", "/health": "", "/status": `"decisions"`} {
		if got, answer := exampletest.Curl(t, "curl "+operators+path); got != 200 || !strings.Contains(answer, want) {
			t.Errorf("%s: got %d, %s", path, got, answer)
		}
	}
	if _, answer := exampletest.Curl(t, "curl "+operators+"/metrics"); strings.Contains(answer, "acme") {
		t.Errorf("a customer is in the metrics: %s", answer)
	}
	program.Stop(t)
	exampletest.Used(t, stigg, "acme", "feature-reports", 3)
	exampletest.Used(t, stigg, "globex", "feature-reports", 0)
}

// TestTheDenialPage is a test as an app's own: in front of a Stigg in memory, without a socket.
func TestTheDenialPage(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Metered("feature-reports", 1))
	handler := routes(stigg.Gate(who, answers...))
	send := func(host, user, method, path string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(method, "http://"+host+path, nil), httptest.NewRecorder()
		r.SetBasicAuth(user, user)
		r.Header.Set("Accept", "text/html")
		handler.ServeHTTP(w, r)
		return w
	}
	for name, test := range map[string]struct {
		host, user, method, path string
		status                   int
		says                     string
	}{
		"not in the plan":      {"acme.tenants.localhost", "ann", "GET", "/sso", 402, "Single sign-on"},
		"another's subdomain":  {"globex.tenants.localhost", "ann", "GET", "/", 403, "For support"},
		"nobody":               {"acme.tenants.localhost", "eve", "GET", "/", 401, "who are you"},
		"another domain":       {"acme.example.com", "ann", "GET", "/", 200, "Reports of acme"},
		"the plans, ungated":   {"globex.tenants.localhost", "bob", "GET", "/plans", 200, "Team has 500"},
		"a report, as planned": {"globex.tenants.localhost", "bob", "POST", "/reports", 303, ""},
	} {
		w := send(test.host, test.user, test.method, test.path)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: got %d, %s", name, w.Code, w.Body)
		}
	}
	if w := send("acme.tenants.localhost", "ann", http.MethodGet, "/sso"); !strings.Contains(w.Body.String(), `href="/plans?feature=feature-sso"`) {
		t.Errorf("got %s", w.Body)
	}
	stigg.Reported(t, "globex", "feature-reports", 1)
}
