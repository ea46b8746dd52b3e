package client

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/stiggate/gate/internal/option"
)

// DefaultEndpoint is Stigg's API.
const DefaultEndpoint = "https://api.stigg.io"

const (
	defaultTimeout  = 5 * time.Second
	defaultAttempts = 2
	defaultMaxWait  = time.Second

	// provisioningTimeout is for calls in which Stigg may call a billing provider.
	provisioningTimeout = 30 * time.Second
	longestTimeout      = 10 * time.Minute
	mostAttempts        = 10
	longestWait         = time.Minute
)

// Option configures a Client in [New]. It returns an error if its argument can't
// be used.
type Option func(*Client) error

// WithEndpoint sets the base under which /graphql hangs; with /graphql at its end it means the
// same, and an empty one means [DefaultEndpoint]. It must be an absolute URL without user, query
// and fragment, of https, or of http towards this machine (localhost, a loopback address) or a host
// of [WithPlaintextTo]. The client's own connections reach http without a proxy: the API key is sent there.
func WithEndpoint(base string) Option {
	return func(c *Client) error {
		if base == "" {
			base = DefaultEndpoint
		}
		u, err := baseURL("endpoint", base)
		if err == nil {
			c.endpoint = u.JoinPath("graphql").String()
		}
		return err
	}
}

// WithPlaintextTo lets the API key go by http to these hosts: names or addresses, as they stand in the
// endpoint, without a port. Everybody between this machine and such a host can read the key and what
// is asked, so it is for a network that is the app's own: a sidecar, or an emulator in another container of
// a compose file. Where the endpoint is of https, or of another host, it changes nothing. Stigg's own
// hosts are refused.
func WithPlaintextTo(hosts ...string) Option {
	return func(c *Client) error {
		if len(hosts) == 0 {
			return errors.New("WithPlaintextTo names no host")
		}
		for _, host := range hosts {
			plain := plainHost(host)
			u, err := url.Parse("http://" + host)
			_, notIP := netip.ParseAddr(host)
			switch {
			case notIP != nil && (err != nil || u.Host != host || u.Port() != "" || u.Hostname() == "" || strings.ContainsAny(host, "*:[]")):
				return errors.New("a host of WithPlaintextTo is not the name or the address of one: it takes \"emulator\", without a scheme, a port or a path")
			case plain == "stigg.io" || strings.HasSuffix(plain, ".stigg.io"):
				return errors.New("WithPlaintextTo names a host of Stigg's, which speaks https")
			}
			c.plaintext = append(c.plaintext, plain)
		}
		return nil
	}
}

// baseURL checks what a base URL must be and takes a /graphql off its end. Its errors
// quote nothing: a key may have been given in its place.
func baseURL(what, base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, errors.New("the " + what + " is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the " + what + " is not an absolute http or https URL")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("the " + what + " names no host")
	case u.User != nil:
		return nil, errors.New("the " + what + " carries a user")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(base, "#"):
		return nil, errors.New("the " + what + " carries a query or a fragment")
	}
	u.Path, u.RawPath = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/graphql"), ""
	return u, nil
}

// WithHTTPClient makes the client send through h: its Transport, Jar and Timeout
// are used as they are now, its CheckRedirect is not, for redirects are never
// followed. The transport is handed the API key in a header and must not log it. Watch
// goes through it too and needs the body of a 101 to be writable, as http.Transport's is.
//
// An http.Transport is used until a request through it times out: what is sent after that goes
// through a clone of it, since its connection may be dead though nobody closed it. Without
// HTTP2.SendPingTimeout it finds no such connection by itself.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) error {
		if h == nil {
			return errors.New("the HTTP client is nil")
		}
		if h.Transport != nil && option.Nil(h.Transport) {
			return errors.New("the HTTP client's transport is a nil pointer")
		}
		c.http = &http.Client{Transport: h.Transport, Jar: h.Jar, Timeout: h.Timeout}
		return nil
	}
}

// WithLogger logs, once for each change, that Stigg refuses the API key or takes it again, and
// that Watch's connection is interrupted, with the reason, or goes on; and callbacks that panic.
// The default is what slog.Default is when the Client is made. No line has a key, a request,
// an answer, or a customer's data.
func WithLogger(l *slog.Logger) Option {
	return func(c *Client) error {
		if l == nil {
			return errors.New("the logger is nil")
		}
		c.logger = l
		return nil
	}
}

// WithTimeout bounds one attempt, from connecting to the last byte of the answer;
// 5 s by default. Mutations but for usage, in which Stigg may wait for a billing
// provider, are given 30 s if d is less. The context of a call bounds all its
// attempts and the waits between them.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error {
		if err := option.Duration("timeout", d); err != nil {
			return err
		}
		if d > longestTimeout {
			return errors.New("the timeout is not within 0 and 10 minutes")
		}
		c.timeout = d
		return nil
	}
}

// WithRetry sets how often a call is tried in all, 1 to 10, and how long it may
// wait before the next attempt, up to a minute; 2 attempts and 1 s by default, and
// 1 attempt means no repeating.
//
// Waits begin near 100 ms, double, and are jittered. When Stigg names the time to
// come back (Retry-After, X-RateLimit-Reset), that is the wait. If it is longer
// than maxWait, or longer than the context has left, the call ends at once with
// the error in hand. An attempt that timed out is not repeated.
func WithRetry(attempts int, maxWait time.Duration) Option {
	return func(c *Client) error {
		if attempts < 1 || attempts > mostAttempts {
			return errors.New("the number of attempts is not within 1 and 10")
		}
		if maxWait < 0 || maxWait > longestWait {
			return errors.New("the longest wait is not within 0 and 1 minute")
		}
		if maxWait != 0 {
			if err := option.Duration("longest wait", maxWait); err != nil {
				return err
			}
		}
		c.retry = retryPolicy{attempts: attempts, maxWait: maxWait}
		return nil
	}
}

// WithoutRealtime makes Watch open no connection: the gate then hears of what changes in
// Stigg only by what it reads, by webhooks, and by what is provisioned through this Client.
func WithoutRealtime() Option {
	return func(c *Client) error {
		c.watching.off = true
		return nil
	}
}

// WithPing sets how soon Watch finds that a connection is dead though nobody closed it:
// it pings when nothing was heard for every, 15 s by default, and gives up when after
// that nothing is heard for wait, 10 s by default. Both are within 100 ms and 10 minutes.
func WithPing(every, wait time.Duration) Option {
	return func(c *Client) error {
		if !within(every) || !within(wait) {
			return errors.New("the pings are not within 100 ms and 10 minutes")
		}
		c.watching.pingEvery, c.watching.pongWait, c.watching.tuned = every, wait, "WithPing"
		return nil
	}
}

// WithReconnect sets how long Watch waits at most before it connects anew, 10 s by
// default; within 100 ms and 10 minutes.
func WithReconnect(longest time.Duration) Option {
	return func(c *Client) error {
		if !within(longest) {
			return errors.New("the longest wait to reconnect is not within 100 ms and 10 minutes")
		}
		c.watching.longestWait, c.watching.tuned = longest, "WithReconnect"
		return nil
	}
}

// within reports whether d is a time that Watch can live by.
func within(d time.Duration) bool { return d >= 100*time.Millisecond && d <= longestTimeout }
