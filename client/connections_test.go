package client_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
)

// relay passes bytes between clients and a server until it is told that the connections up to
// now are dead: those pass nothing more, and nobody closes them.
type relay struct {
	net.Listener
	newest, dead atomic.Int32
}

func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", server)
			if err != nil {
				return
			}
			n := r.newest.Add(1)
			go r.pass(n, down, up)
			go r.pass(n, up, down)
		}
	}()
	return r
}

func (r *relay) pass(n int32, from, to net.Conn) {
	b := make([]byte, 32<<10)
	for {
		k, err := from.Read(b)
		if err != nil {
			_ = to.Close()
			return
		}
		if n > r.dead.Load() {
			_, _ = to.Write(b[:k])
		}
	}
}

// kill makes all connections dead that there are.
func (r *relay) kill() { r.dead.Store(r.newest.Load()) }

func TestAConnectionThatGoesDeadIsNotUsedAgain(t *testing.T) {
	stigg, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(stigg)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted := server.Client().Transport.(*http.Transport).TLSClientConfig
	for name, test := range map[string]struct {
		transport func(*tls.Config) *http.Transport
		edge      bool
	}{
		"net/http's transport": {transport: func(c *tls.Config) *http.Transport {
			t := http.DefaultTransport.(*http.Transport).Clone()
			t.TLSClientConfig = c
			return t
		}},
		"a read of the edge": {edge: true, transport: func(c *tls.Config) *http.Transport {
			t := http.DefaultTransport.(*http.Transport).Clone()
			t.TLSClientConfig = c
			return t
		}},
		"a transport of HTTP/1.1": {transport: func(c *tls.Config) *http.Transport {
			return &http.Transport{TLSClientConfig: c, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, server.Listener.Addr().String())
			config := trusted.Clone()
			config.ServerName = "example.com"
			at := "https://" + r.Addr().String()
			opts := []client.Option{client.WithEndpoint(at), client.WithTimeout(time.Minute), client.WithRetry(1, 0),
				client.WithHTTPClient(&http.Client{Transport: test.transport(config)})}
			if test.edge {
				opts = append(opts, client.WithEdge(at))
			}
			c, err := client.New(emulator.DefaultKey, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Entitlements(t.Context(), demo); err != nil {
				t.Fatal(err)
			}
			r.kill()
			client.SetTimeout(c, 100*time.Millisecond)
			_, err = c.Entitlements(t.Context(), demo)
			if !test.edge && !errors.Is(err, client.ErrTimeout) {
				t.Fatalf("through the dead connection: %v", err)
			}
			client.SetTimeout(c, time.Minute) // what follows answers, also on a busy machine
			if _, err = c.Entitlements(t.Context(), demo); err != nil {
				t.Errorf("after a request timed out: %v", err)
			}
		})
	}
}

func TestADefaultTransportPingsItsConnections(t *testing.T) {
	c, err := client.New(emulator.DefaultKey)
	if err != nil {
		t.Fatal(err)
	}
	h2 := client.TransportOf(c).HTTP2
	if h2 == nil || h2.SendPingTimeout <= 0 || h2.PingTimeout <= 0 || client.TransportOf(c).IdleConnTimeout <= 0 || client.TransportOf(c).MaxIdleConnsPerHost <= 0 {
		t.Errorf("HTTP/2 is %+v", h2)
	}
}

func TestARequestUnderWayEndsOnItsOldConnection(t *testing.T) {
	var waiting atomic.Int32
	slow := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("x-graphql-operation-name") {
		case "GetEntitlementsState":
			<-r.Context().Done()
		default:
			waiting.Add(1)
			<-slow
			_, _ = w.Write([]byte(`{"data":{"provisionCustomer":{"customer":{"customerId":"customer-demo-01"},"subscriptionDecisionStrategy":"REQUESTED_PLAN"}}}`))
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint(server.URL), client.WithHTTPClient(server.Client()), client.WithTimeout(20*time.Millisecond), client.WithRetry(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := c.ProvisionCustomer(t.Context(), client.CustomerInput{ID: demo.ID})
		ended <- err
	}()
	for waiting.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := c.Entitlements(t.Context(), demo); !errors.Is(err, client.ErrTimeout) {
		t.Errorf("the read: %v", err)
	}
	close(slow)
	if err := <-ended; err != nil {
		t.Errorf("the call that was under way: %v", err)
	}
}

func TestAProxyThatRefusesIsNamed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint("https://stigg.invalid"), client.WithRetry(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	client.TransportOf(c).Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	_, err = c.Entitlements(t.Context(), demo)
	if !errors.Is(err, client.ErrNetwork) || !strings.Contains(err.Error(), "proxy answered HTTP 407") {
		t.Errorf("the error is %v", err)
	}
}
