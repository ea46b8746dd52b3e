package nethttp_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/stubstigg"
	"github.com/stiggate/gate/nethttp"
)

// TestNoUpgradePassesTheGateBy: an upstream that switches to h2c would answer whatever the
// client then sends on the same connection.
func TestNoUpgradePassesTheGateBy(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol := r.Header.Get("Upgrade")
		if protocol == "" {
			_, _ = io.WriteString(w, "not upgraded\n")
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n")
		_, _ = io.WriteString(conn, "as many as one likes\n")
	}))
	defer up.Close()
	u, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		upgrade string
		want    string // in the answer
	}{
		{"h2c", "not upgraded"},
		{"H2C", "not upgraded"},
		{"websocket", "as many as one likes"},
		{"h2c, websocket", "Upgrade: websocket"},
	} {
		g, _ := stubstigg.NewGate(t)
		proxy := nethttp.Require(g, gate.Feature("many").Uses(1))(httputil.NewSingleHostReverseProxy(u))
		srv := stubstigg.Listen(t, nethttp.DropH2C(proxy))
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nX-Customer-ID: payer\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: "+tt.upgrade+"\r\n\r\n")
		var got strings.Builder
		for in := bufio.NewReader(conn); !strings.Contains(got.String(), tt.want); {
			line, err := in.ReadString('\n')
			if got.WriteString(line); err != nil {
				break
			}
		}
		_ = conn.Close()
		if !strings.Contains(got.String(), tt.want) || tt.want == "not upgraded" && strings.Contains(got.String(), " 101 ") {
			t.Errorf("%s: got %q, want %q", tt.upgrade, got.String(), tt.want)
		}
	}
}
