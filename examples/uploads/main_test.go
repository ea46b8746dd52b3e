package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/examples/internal/exampletest"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
)

func TestMain(m *testing.M) { os.Exit(exampletest.Main(m, main)) }

func TestGatesLines(t *testing.T) { exampletest.GateLines(t) }

func TestWhatItPrintsWorks(t *testing.T) {
	program := exampletest.Start(t, nil)
	program.TryCurls(t, 201, 200, 204, 404, 200)
	program.Stop(t)
}

// TestStorageIsCounted runs the program, and compares what is stored and read with what Stigg has.
func TestStorageIsCounted(t *testing.T) {
	stigg := exampletest.Emulate(t, "catalog.json")
	program := exampletest.Start(t, stigg)
	const mb = 1 << 20
	for i, test := range []struct {
		method, name string
		bytes        int
		want         int
	}{
		{"PUT", "a", 2 * mb, 201},
		{"PUT", "a", 10, 409},
		{"PUT", "large", 2*mb + 1, 402}, // no file may be as large
		{"PUT", "b", mb + 1, 402},       // there is no room for it
		{"PUT", "b", mb, 201},
		{"PUT", "c", 1, 402},
		{"GET", "a", 0, 200},
		{"GET", "c", 0, 404},
		{"DELETE", "c", 0, 404},
		{"DELETE", "a", 0, 204},
		{"PUT", "c", 1, 201}, // once Stigg has acknowledged what is free
	} {
		body := ""
		if test.bytes > 0 {
			body = "-d " + strings.Repeat("x", test.bytes) + " "
		}
		status, answer := exampletest.Curl(t, fmt.Sprintf("curl -X %s -H 'X-API-Key: key-of-acme' %s%s/files/%s", test.method, body, program.URL, test.name))
		if status != test.want {
			t.Errorf("%d: %s %s of %d bytes: got %d, want %d: %s", i, test.method, test.name, test.bytes, status, test.want, answer)
		}
	}
	program.Stop(t)
	exampletest.Used(t, stigg, "acme", "feature-storage", 1+1.0/1024)
	exampletest.Used(t, stigg, "acme", "feature-traffic", 2)
}

// TestErrorsHaveOneEnvelope is a test as an app's own: in front of a Stigg in memory.
func TestErrorsHaveOneEnvelope(t *testing.T) {
	stigg := gatetest.New(t).Plan("free", gatetest.Configuration("feature-file-size", 1), gatetest.Metered("feature-storage", 1).Named("Storage"))
	app := newStore().routes(stigg.Gate(identity.FromContext(gate.CustomerFromContext)))
	send := func(method, key string, body io.Reader) (int, envelope) {
		r, w := httptest.NewRequest(method, "/files/a", body), httptest.NewRecorder()
		r.Header.Set("X-API-Key", key)
		app.ServeHTTP(w, r)
		var e envelope
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil && w.Code >= 400 {
			t.Errorf("%s: %v in %s", method, err, w.Body)
		}
		return w.Code, e
	}
	stream := struct{ io.Reader }{strings.NewReader("of no length that is known")}
	for name, test := range map[string]struct {
		method, key string
		body        io.Reader
		status      int
		code        string
	}{
		"too large":    {"PUT", "key-of-acme", strings.NewReader(strings.Repeat("x", 1<<20+1)), 402, "usage_never_fits"},
		"a stream":     {"PUT", "key-of-acme", stream, 411, "length_required"},
		"not in plan":  {"GET", "key-of-acme", nil, 402, "feature_not_in_plan"},
		"no such file": {"DELETE", "key-of-acme", nil, 404, "Not Found"},
		"nobody":       {"GET", "key-of-nobody", nil, 401, "Unauthorized"},
	} {
		status, e := send(test.method, test.key, test.body)
		if status != test.status || e.Error.Code != test.code || e.Error.Message == "" {
			t.Errorf("%s: got %d %+v, want %d %s", name, status, e, test.status, test.code)
		}
	}
	if status, _ := send(http.MethodPut, "key-of-acme", strings.NewReader("x")); status != http.StatusCreated {
		t.Errorf("got %d", status)
	}
	stigg.Reported(t, "acme", "feature-storage", 1.0/1024)
}
