package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
)

var acme = gate.Customer{ID: "acme"}

const emptySet = `{"data":{"entitlementsState":{"entitlementsV2":[]}}}`

// repeated writes piece until the connection fails.
func repeated(w io.Writer, piece []byte) {
	for {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func hijacked(send string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, send)
		_ = conn.Close()
	}
}

func TestOddAnswersAreTypedErrors(t *testing.T) {
	bomb := gzipped(bytes.Repeat([]byte(" "), maxResponse+1))
	tests := map[string]struct {
		answer    http.HandlerFunc
		code      Code
		retryable bool
	}{
		"an endless body": {func(w http.ResponseWriter, _ *http.Request) {
			repeated(w, bytes.Repeat([]byte(" "), 64<<10))
		}, ErrBadResponse, false},
		"a gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		}, ErrBadResponse, false},
		"broken gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("not gzip, victim"))
		}, ErrNetwork, true},
		"an HTML page":          {says(200, "<html>victim</html>"), ErrBadResponse, true},
		"204":                   {says(204, ""), ErrBadResponse, true},
		"an empty body":         {says(200, ""), ErrBadResponse, true},
		"data cut short":        {says(200, emptySet[:30]), ErrBadResponse, true},
		"null":                  {says(200, "null"), ErrBadResponse, false},
		"null data":             {says(200, `{"data":null}`), ErrBadResponse, false},
		"empty data":            {says(200, `{"data":{ }}`), ErrBadResponse, false},
		"data that is a list":   {says(200, `{"data":["victim"]}`), ErrBadResponse, false},
		"a list":                {says(200, `[{"data":null}]`), ErrBadResponse, false},
		"null state":            {says(200, `{"data":{"entitlementsState":null}}`), ErrBadResponse, false},
		"no entitlements":       {says(200, `{"data":{"entitlementsState":{"accessDeniedReason":null}}}`), ErrBadResponse, false},
		"a number as a list":    {says(200, `{"data":{"entitlementsState":{"entitlementsV2":7}}}`), ErrBadResponse, false},
		"text as a limit":       {says(200, setWith(`"usageLimit":"victim"`)), ErrBadResponse, false},
		"a limit beyond floats": {says(200, setWith(`"usageLimit":1e999`)), ErrBadResponse, false},
		"errors that are text":  {says(200, `{"errors":"victim"}`), ErrBadResponse, false},
		"deep nesting":          {says(200, strings.Repeat(`{"data":`, 20000)), ErrBadResponse, true},
		"401 with no JSON":      {says(401, "victim"), ErrUnauthenticated, false},
		"403 with no JSON":      {says(403, ""), ErrForbidden, false},
		"404 with no JSON":      {says(404, "<html>"), ErrBadResponse, false},
		"413 with no JSON":      {says(413, "victim"), ErrBadResponse, false},
		"429 with no JSON":      {says(429, "slow down"), ErrRateLimited, true},
		"500 with no JSON":      {says(500, "victim"), ErrUnavailable, true},
		"502 with HTML":         {says(502, "<html>bad gateway</html>"), ErrUnavailable, true},
		"503 with good data":    {says(503, emptySet), ErrUnavailable, true},
		"401 with JSON":         {says(401, refusalJSON("UNAUTHENTICATED")), ErrUnauthenticated, false},
		"403 with JSON":         {says(403, refusalJSON("IdentityForbidden")), ErrForbidden, false},
		"429 with JSON":         {says(429, refusalJSON("RateLimitExceeded")), ErrRateLimited, true},
		"500 with JSON":         {says(500, refusalJSON("CustomerNotFound")), ErrCustomerNotFound, true},
		"500 with no code":      {says(500, `{"errors":[{"message":"victim"}]}`), ErrUnavailable, true},
		"a rate limit at 200":   {says(200, refusalJSON("RATE_LIMIT_EXCEEDED")), ErrRateLimited, true},
		"a code we don't know":  {says(200, refusalJSON("BrandNewError")), "BrandNewError", false},
		"an error without code": {says(200, `{"data":null,"errors":[{"message":"victim"}]}`), ErrUnknown, false},
		"an error that is null": {says(200, `{"data":null,"errors":[null]}`), ErrUnknown, false},
		"errors of odd types": {says(200, `{"errors":[{"message":7,"extensions":{"code":{"a":1},"traceId":[]}}]}`),
			ErrUnknown, false},
		"closed without an answer": {hijacked(""), ErrNetwork, true},
		"closed inside the head":   {hijacked("HTTP/1.1 200 OK\r\nContent-Le"), ErrNetwork, true},
		"closed inside the body":   {hijacked("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"data\""), ErrNetwork, true},
		"no HTTP at all":           {hijacked("victim says hello\r\n\r\n"), ErrNetwork, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, rec := serve(t, test.answer)
			set, err := c.Entitlements(context.Background(), acme)
			e := errorOf(t, err)
			if !errors.Is(err, test.code) {
				t.Errorf("the error is %v, want %v", e, test.code)
			}
			if e.Retryable != test.retryable || e.Permanent() {
				t.Errorf("%v: Retryable is %t and Permanent %t, want %t and false", e, e.Retryable, e.Permanent(), test.retryable)
			}
			if set.Features != nil || set.Denied != "" {
				t.Errorf("a set came with the error: %v", set)
			}
			if e.Operation != "GetEntitlementsState" {
				t.Errorf("the operation is %q", e.Operation)
			}
			if rec.count() != 1 {
				t.Errorf("%d requests were made, want 1", rec.count())
			}
			for _, text := range renderings(err) {
				noSecret(t, text)
			}
		})
	}
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func refusalJSON(code string) string {
	return fmt.Sprintf(`{"data":null,"errors":[{"message":"no victim","extensions":{"code":%q,"traceId":"t-1"}}]}`, code)
}

func TestCompressedAnswersAreRead(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzipped([]byte(emptySet)))
	})
	if _, err := c.Entitlements(context.Background(), acme); err != nil {
		t.Fatal(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			elsewhere := &recorder{}
			thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				elsewhere.take(r)
				_, _ = io.WriteString(w, emptySet)
			}))
			defer thief.Close()
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, thief.URL, status)
			})
			_, err := c.Entitlements(context.Background(), acme)
			e := errorOf(t, err)
			if e.HTTPStatus != status || !errors.Is(err, ErrBadResponse) {
				t.Errorf("the error is %v", err)
			}
			if n := elsewhere.count(); n != 0 {
				t.Errorf("%d requests went elsewhere", n)
			}
		})
	}
}

func TestAnEndedContextIsTheError(t *testing.T) {
	stalled := func(started chan<- struct{}, head bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if head {
				_, _ = io.WriteString(w, `{"data":`)
				w.(http.Flusher).Flush()
			}
			close(started)
			<-r.Context().Done()
		}
	}
	for name, head := range map[string]bool{"before the answer": false, "inside of the body": true} {
		t.Run("canceled "+name, func(t *testing.T) {
			started := make(chan struct{})
			c, _ := serve(t, stalled(started, head), WithRetry(5, time.Minute))
			ctx, cancel := context.WithCancel(context.Background())
			go func() { <-started; cancel() }()
			_, err := c.Entitlements(ctx, acme)
			if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrCanceled) {
				t.Errorf("the error is %v", err)
			}
			if e := errorOf(t, err); e.Retryable || e.Permanent() {
				t.Errorf("%v is retryable or permanent", e)
			}
		})
	}
	t.Run("past its deadline", func(t *testing.T) {
		c, _ := serve(t, stalled(make(chan struct{}), true), WithRetry(5, time.Minute))
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, err := c.Entitlements(ctx, acme); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("ended before the call", func(t *testing.T) {
		c, rec := serve(t, says(200, emptySet))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := c.Entitlements(ctx, acme); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		if rec.count() != 0 {
			t.Error("a request was made")
		}
	})
}

func TestAnAttemptIsBoundedByTheTimeout(t *testing.T) {
	for name, piece := range map[string]string{"a silent server": "", "a slow body": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n "} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts atomic.Int32
				c := piped(t, func(conn net.Conn, _ *http.Request) {
					attempts.Add(1)
					_, _ = io.WriteString(conn, piece)
					held(conn)
				}, WithTimeout(20*time.Millisecond), WithRetry(3, time.Second))
				start := time.Now()
				_, err := c.Entitlements(context.Background(), acme)
				e := errorOf(t, err)
				if !errors.Is(err, ErrTimeout) || !e.Retryable || e.Permanent() {
					t.Errorf("the error is %v", err)
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error("the error blames the caller's context")
				}
				if took := time.Since(start); attempts.Load() != 1 || took != 20*time.Millisecond {
					t.Errorf("%d attempts in %v, want 1 in 20ms", attempts.Load(), took)
				}
			})
		})
	}
}

func TestNetworkErrorsSayWhatTheNetworkSaid(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		base := "http://" + l.Addr().String()
		_ = l.Close()
		c, err := New(testKey, WithEndpoint(base), WithRetry(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Entitlements(context.Background(), acme)
		var op *net.OpError
		if !errors.Is(err, ErrNetwork) || !errors.As(err, &op) {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("a certificate of nobody", func(t *testing.T) {
		server := httptest.NewUnstartedServer(says(200, emptySet))
		server.Config.ErrorLog = quiet()
		server.StartTLS()
		defer server.Close()
		c, err := New(testKey, WithEndpoint(server.URL), WithRetry(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Entitlements(context.Background(), acme)
		var unknown x509.UnknownAuthorityError
		if !errors.Is(err, ErrNetwork) || !errors.As(err, &unknown) {
			t.Errorf("the error is %v", err)
		}
	})
	for what, answer := range map[string]string{
		"the answer is not compressed as it says": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 13\r\n\r\nvictim-victim",
		"the answer is no HTTP":                   "SSH-2.0-victim\r\n",
		"the answer's header is too large":        "HTTP/1.1 200 OK\r\nVictim: " + strings.Repeat("victim", maxHeader/6) + "\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(what, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, answer)
			}))
			defer server.Close()
			c, err := New(testKey, WithEndpoint(server.URL), WithRetry(1, 0))
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Entitlements(context.Background(), acme)
			if !errors.Is(err, ErrNetwork) || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "victim") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("a transport that tells all", func(t *testing.T) {
		c, err := New(testKey, WithRetry(1, 0), WithHTTPClient(&http.Client{Transport: gossip{}}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Entitlements(context.Background(), gate.Customer{ID: "victim"})
		if !errors.Is(err, ErrNetwork) {
			t.Errorf("the error is %v", err)
		}
		for at := err; at != nil; at = errors.Unwrap(at) {
			for _, text := range renderings(at) {
				noSecret(t, text)
			}
		}
	})
}

// gossip is a transport that puts the whole request into its error.
type gossip struct{}

func (gossip) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	return nil, fmt.Errorf("failed with %v and %s", r.Header, body)
}

// late is a context whose deadline has passed and whose timer has not fired yet.
type late struct{ context.Context }

func (late) Deadline() (time.Time, bool) { return time.Unix(1, 0), true }

func TestADeadlineThatTheDialerNoticesFirstIsTheCallers(t *testing.T) {
	ctx := late{context.Background()}
	dialing := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	e := broken(ctx, context.Background(), "Op", 0, dialing)
	if !errors.Is(e, context.DeadlineExceeded) || !errors.Is(e, ErrCanceled) || e.Retryable {
		t.Errorf("the error is %v", e)
	}
	e = broken(context.Background(), context.Background(), "Op", 0, dialing)
	if errors.Is(e, context.DeadlineExceeded) || !errors.Is(e, ErrTimeout) {
		t.Errorf("without a deadline the error is %v", e)
	}
}
