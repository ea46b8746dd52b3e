package client_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/emulator"
)

// clientOf returns a client of a Stigg that answers as h does.
func clientOf(t testing.TB, h http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint(server.URL), client.WithHTTPClient(server.Client()), client.WithRetry(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clientDown(t testing.TB) *client.Client {
	return clientOf(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
}

// clientHanging's Stigg answers when the client has left, if at all.
func clientHanging(t testing.TB) *client.Client {
	return clientOf(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice
		<-r.Context().Done()
	})
}

func clientStarted(t testing.TB) (*client.Client, *emulator.Emulator) {
	t.Helper()
	server, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint(server.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return c, server.Emulator
}

func TestTheClientIsASource(t *testing.T) {
	conformance.RunSource(t, conformance.Source{
		New: func(t testing.TB) gate.Source {
			c, _ := clientStarted(t)
			return c
		},
		Customer: demo,
		Features: []string{templates, campaigns},
		Refused: map[gate.Customer]gate.Reason{
			{ID: "customer-x"}: gate.ReasonCustomerNotFound, {ID: "customer-none"}: gate.ReasonNoSubscription, {ID: "customer-archived"}: gate.ReasonCustomerIsArchived,
		},
		Down:    func(t testing.TB) gate.Source { return clientDown(t) },
		Hanging: func(t testing.TB) gate.Source { return clientHanging(t) },
	})
}

func TestTheClientIsAReporter(t *testing.T) {
	conformance.RunReporter(t, conformance.Reporter{
		New: func(t testing.TB) (gate.Reporter, func() float64) {
			c, stigg := clientStarted(t)
			return c, func() float64 {
				n, err := stigg.CurrentUsage(demo.ID, demo.Resource, templates)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		},
		Customer: demo, Feature: templates, Other: campaigns,
		Down:    func(t testing.TB) gate.Reporter { return clientDown(t) },
		Hanging: func(t testing.TB) gate.Reporter { return clientHanging(t) },
	})
}
