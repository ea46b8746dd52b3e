package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
)

// TestTheExample runs the program's routes in front of an emulated Stigg.
func TestTheExample(t *testing.T) {
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stigg.Close() }()
	source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(source, gate.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		t.Fatal(err)
	}
	handler := routes(g)
	server := httptest.NewServer(handler)
	defer server.Close()

	send := func(method, path, customer string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Customer-ID", customer)
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
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
	if err := g.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := len(stigg.Usage()); n != 4 {
		t.Errorf("Stigg has %d measurements, want 4", n)
	}
}
