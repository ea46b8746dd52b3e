package main

import (
	"bufio"
	"context"
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

func TestMain(m *testing.M) { os.Exit(exampletest.Main(m, main, "-outbox", os.Getenv("OUTBOX"))) }

func TestGatesLines(t *testing.T) { exampletest.GateLines(t) }

func TestWhatItPrintsWorks(t *testing.T) {
	t.Setenv("OUTBOX", t.TempDir())
	program := exampletest.Start(t, nil)
	answers := program.TryCurls(t, 200, 200, 403, 200, 200)
	for i, want := range []int{20, 80} {
		if n := strings.Count(answers[i], `"token":`); n != want {
			t.Errorf("command %d: got %d tokens, want %d", i+1, n, want)
		}
	}
	program.Stop(t)
}

// TestTokensAreBilledAsStreamed runs the program, stops it in the middle of an answer, and compares
// what its clients have seen with what Stigg has.
func TestTokensAreBilledAsStreamed(t *testing.T) {
	t.Setenv("OUTBOX", t.TempDir())
	stigg := exampletest.Emulate(t, "catalog.json")
	program := exampletest.Start(t, stigg)
	send := func(key, path, body string) (int, string) {
		return exampletest.Curl(t, fmt.Sprintf("curl -H 'Authorization: Bearer %s' -d '%s' %s", key, body, program.URL+path))
	}
	if status, answer := send("key-of-ada", "/v1/chat", `{"model":"small","max_tokens":30}`); status != 200 || strings.Count(answer, "token") != 30 {
		t.Errorf("30 tokens: got %d, %s", status, answer)
	}
	status, answer := send("key-of-ada", "/v1/chat", `{"model":"small"}`) // 80 tokens, of which the plan has 70
	if status != 200 || strings.Count(answer, "token") != 70 || !strings.Contains(answer, "plan_limit") {
		t.Errorf("the rest of the plan: got %d, %s", status, answer)
	}
	for path, test := range map[string]struct {
		key, body string
		status    int
	}{
		"/v1/chat":        {"key-of-ada", `{"model":"small"}`, 402},
		"/v1/chat?large":  {"key-of-ada", `{"model":"large"}`, 403},
		"/v1/chat?empty":  {"key-of-ada", `{}`, 400},
		"/v1/chat?nobody": {"key-of-nobody", `{"model":"small"}`, 401},
		"/v1/embeddings":  {"key-of-ada", `{"input":["one two"]}`, 402},
	} {
		if status, answer := send(test.key, path, test.body); status != test.status {
			t.Errorf("%s: got %d, want %d: %s", path, status, test.status, answer)
		}
	}
	if status, answer := send("key-of-bell", "/v1/embeddings", `{"input":["one two","three"]}`); status != 200 {
		t.Errorf("embeddings: got %d, %s", status, answer)
	}

	r, _ := http.NewRequestWithContext(t.Context(), "POST", program.URL+"/v1/chat", strings.NewReader(`{"model":"large","max_tokens":50}`))
	r.Header.Set("Authorization", "Bearer key-of-bell")
	running, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = running.Body.Close() }()
	program.Terminate(t)
	rest, err := io.ReadAll(running.Body)
	if err != nil || strings.Count(string(rest), "token") != 50 {
		t.Errorf("the answer that was running: %v, %s", err, rest)
	}
	program.Ends(t)
	exampletest.Used(t, stigg, "ada", "feature-tokens", 100)
	exampletest.Used(t, stigg, "bell", "feature-tokens", 53)
}

// proxyOf is the app in front of a Stigg in memory, and of a model of the test's.
func proxyOf(t *testing.T, stigg *gatetest.Stigg, model http.HandlerFunc) string {
	t.Helper()
	upstream := httptest.NewServer(model)
	t.Cleanup(upstream.Close)
	app := httptest.NewServer(routes(stigg.Gate(identity.FromContext(gate.CustomerFromContext)), upstream.URL))
	t.Cleanup(app.Close)
	return app.URL
}

func TestAClientThatLeavesPaysForWhatWasStreamed(t *testing.T) {
	stigg := gatetest.New(t).Plan("hobby", gatetest.Metered("feature-tokens", 100), gatetest.Enum("feature-models", "small"))
	url := proxyOf(t, stigg, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range 3 {
			fmt.Fprint(w, "data: {\"token\":\"a\"}\n\n")
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // the model has more to say
	})
	ctx, leave := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat", strings.NewReader(`{"model":"small","max_tokens":90}`))
	r.Header.Set("Authorization", "Bearer key-of-ada")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	for events, seen := bufio.NewScanner(answer.Body), 0; seen < 3 && events.Scan(); {
		if strings.HasPrefix(events.Text(), "data") {
			seen++
		}
	}
	leave()
	stigg.Reported(t, "ada", "feature-tokens", 3)
}

func TestAModelThatFailsCostsNothing(t *testing.T) {
	stigg := gatetest.New(t).AllowAll()
	url := proxyOf(t, stigg, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for path, body := range map[string]string{"/v1/chat": `{"model":"small"}`, "/v1/embeddings": `{"input":["one"]}`} {
		status, _ := exampletest.Curl(t, fmt.Sprintf("curl -H 'Authorization: Bearer key-of-ada' -d '%s' %s", body, url+path))
		if status != http.StatusBadGateway {
			t.Errorf("%s: got %d", path, status)
		}
	}
	stigg.Reported(t, "ada", "feature-tokens", 0)
}
