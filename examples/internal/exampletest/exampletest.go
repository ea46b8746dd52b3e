// Package exampletest is what the examples are tested by, each in front of an emulated Stigg:
// [Program] for those with JWT authentication, [Routes] for those behind a proxy.
package exampletest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
)

// StartStigg starts an emulated Stigg that ends with the test.
func StartStigg(t *testing.T) *emulator.Server {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	return stigg
}

// Routes tries routes whose customer a proxy names in a header.
func Routes(t *testing.T, routes func(*gate.Gate) (http.Handler, error)) {
	stigg := StartStigg(t)
	source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		t.Fatal(err)
	}
	handler, err := routes(g)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	send := func(method, path, customer string) int {
		return status(t, method, server.URL+path, "", map[string]string{"X-Customer-ID": customer})
	}
	for i, want := range []int{201, 201, 201, 201, 402} {
		if got := send("POST", "/campaigns", "customer-basic"); got != want {
			t.Errorf("campaign %d: got %d, want %d", i+1, got, want)
		}
	}
	if got := send("GET", "/analytics", "customer-basic"); got != 402 {
		t.Errorf("analytics in Basic: got %d, want 402", got)
	}
	if got := send("GET", "/analytics", "customer-demo-01"); got != 200 {
		t.Errorf("analytics in Essentials: got %d, want 200", got)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(stigg.Usage()); n != 4 {
		t.Errorf("Stigg has %d measurements, want 4", n)
	}
}

// comeAgain reports whether a gate asks to come again, as clients do: on a busy machine the
// acknowledgement that a 429 waits for takes its time, and so does the first read of a customer
// that a 503 waits for. No example expects either.
func comeAgain(t *testing.T, status int) bool {
	return (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && t.Context().Err() == nil
}

// status sends a request and returns its answer's status.
func status(t *testing.T, method, url, body string, headers map[string]string) int {
	t.Helper()
	for {
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if !comeAgain(t, res.StatusCode) {
			return res.StatusCode
		}
	}
}
