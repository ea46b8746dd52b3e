package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	// pingAfter is after how much silence an HTTP/2 connection is asked for a sign of life,
	// and pingWait how long that may take. A connection that is dead is then closed.
	pingAfter = 5 * time.Second
	pingWait  = 5 * time.Second
	// idleTimeout and mostIdle bound the connections that wait for a next request.
	idleTimeout = time.Minute
	mostIdle    = 32
	// sureSilence is how long a request must have gone without an answer before the end of its
	// caller's time says something of the connection.
	sureSilence = time.Second
)

// connections makes the client's connections. A request that found no answer in its time may
// have been sent into a connection that is dead though nobody closed it: net/http goes on using
// such an HTTP/2 connection. So what is sent after that goes through connections of its own
// (renew), while the requests that are under way may end where they are.
type connections struct {
	mu      sync.Mutex
	current *http.Transport
	own     bool // current is not an app's
}

// newConnections makes connections as http.DefaultTransport does, but for what goes by http: no proxy
// is asked for it, whatever name of this machine the endpoint has.
func newConnections() *connections {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		base = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	}
	t := watchful(base)
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.IdleConnTimeout = mostIdle, mostIdle, idleTimeout
	if t.MaxResponseHeaderBytes == 0 {
		t.MaxResponseHeaderBytes = maxHeader
	}
	if proxy := t.Proxy; proxy != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme == "http" { // to this machine, and the key would be read on the way
				return nil, nil //nolint:nilnil // no proxy
			}
			return proxy(r)
		}
	}
	return &connections{current: t, own: true}
}

// watchful is a transport like t, whose connections are pinged and don't idle for ever.
func watchful(t *http.Transport) *http.Transport {
	t = t.Clone()
	if t.HTTP2 == nil {
		t.HTTP2 = &http.HTTP2Config{}
	}
	if t.HTTP2.SendPingTimeout == 0 {
		t.HTTP2.SendPingTimeout, t.HTTP2.PingTimeout = pingAfter, pingWait
	}
	if t.IdleConnTimeout == 0 {
		t.IdleConnTimeout = idleTimeout
	}
	if t.OnProxyConnectResponse == nil {
		t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return proxyError(resp.StatusCode)
			}
			return nil
		}
	}
	return t
}

// proxyError is the HTTP status by which a proxy refused a connection.
type proxyError int

func (e proxyError) Error() string { return "the proxy answered HTTP " + strconv.Itoa(int(e)) }

func (c *connections) now() *http.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// RoundTrip is http.RoundTripper's.
func (c *connections) RoundTrip(r *http.Request) (*http.Response, error) { return c.now().RoundTrip(r) }

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (c *connections) CloseIdleConnections() { c.now().CloseIdleConnections() }

// renew has everything from now on sent through new connections, if used is still current.
func (c *connections) renew(used *http.Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != used {
		return
	}
	c.current = watchful(used)
	if c.own {
		used.CloseIdleConnections()
	}
	c.own = true
}

// watch returns a function to be called with the error of a request that begins now and may
// have shown that its connection is dead.
func (c *connections) watch(ctx context.Context) func(*Error) {
	if c == nil {
		return func(*Error) {}
	}
	used, began := c.now(), time.Now()
	return func(e *Error) {
		callerLate := errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Since(began) >= sureSilence
		if e.Code == ErrTimeout && !e.unsent || callerLate {
			c.renew(used)
		}
	}
}
