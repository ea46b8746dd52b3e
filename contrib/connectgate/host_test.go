package connectgate_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/connectgate"
	"github.com/stiggate/gate/identity"
)

// TestTheHostIsWhatTheClientAsksFor: a customer who signs in at another one's subdomain is refused,
// by each protocol, as in front of an HTTP handler.
func TestTheHostIsWhatTheClientAsksFor(t *testing.T) {
	who := identity.Agree(identity.FromTrustedHeader("Account", ""), identity.FromSubdomain("example.com"))
	g, err := gate.New(nil, who, gate.WithOffline(), gate.WithFallback(gate.Fallback{campaigns: {HasAccess: true, IsUnlimited: true}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	gates, err := connectgate.New(g, gate.Table{createProcedure: gate.Feature(campaigns), watchProcedure: gate.Feature(campaigns)}, gate.DenyRest)
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, gates, answers, func(context.Context, *connect.BidiStream[message, message]) error { return nil })
	transport := a.http.Transport.(*http.Transport)
	address := strings.TrimPrefix(a.url, "https://")
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	for name, with := range protocols() {
		for host, want := range map[string]connect.Code{"acme.example.com": 0, "victim.example.com": connect.CodePermissionDenied} {
			a := &app{url: "https://" + host, http: a.http, with: with}
			if err := a.call(t.Context(), createProcedure, "acme", 1); codeOf(err) != want {
				t.Errorf("%s: acme at %s: %v, want %v", name, host, err, want)
			}
			if name == "Connect by GET" {
				continue // a stream is none
			}
			s := connect.NewClient[message, message](a.http, a.url+watchProcedure, with...).CallBidiStream(t.Context())
			s.RequestHeader().Set("Account", "acme")
			_ = s.Send(nil)
			_ = s.CloseRequest()
			if _, err := s.Receive(); errors.Is(err, io.EOF) != (want == 0) || want != 0 && codeOf(err) != want {
				t.Errorf("%s: a stream of acme's at %s: %v, want %v", name, host, err, want)
			}
		}
	}
}

func codeOf(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}
