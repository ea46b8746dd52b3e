package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
)

// piped is a client whose connections are pipes in memory, each served by answer.
// Inside of a synctest bubble time is not waited for, and a goroutine that is left
// behind fails the test.
func piped(t *testing.T, answer func(net.Conn, *http.Request), opts ...Option) *Client {
	t.Helper()
	var servers sync.WaitGroup
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		servers.Go(func() {
			defer theirs.Close()
			r, err := http.ReadRequest(bufio.NewReader(theirs))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			answer(theirs, r)
		})
		return ours, nil
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		servers.Wait()
	})
	opts = append([]Option{WithEndpoint("http://localhost"), WithHTTPClient(&http.Client{Transport: transport})}, opts...)
	c, err := New(testKey, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// held waits until the other side has closed the connection.
func held(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestNoGoroutineIsLeftBehind(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, test := range map[string]struct {
		answer func(net.Conn, *http.Request)
		want   Code
		after  time.Duration
	}{
		"by a server that says nothing": {func(c net.Conn, _ *http.Request) { held(c) }, ErrTimeout, defaultTimeout},
		"by a head without a body": {func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, head+"Content-Length: 100\r\n\r\n")
			held(c)
		}, ErrTimeout, defaultTimeout},
		"by a body of a byte a second": {func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, head+"\r\n")
			for {
				<-time.After(time.Second)
				if _, err := io.WriteString(c, " "); err != nil {
					return
				}
			}
		}, ErrTimeout, defaultTimeout},
		"by an endless body": {func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, head+"\r\n")
			repeated(c, []byte(strings.Repeat(" ", 64<<10)))
		}, ErrBadResponse, 0},
		"by a head that never ends": {func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, head)
			repeated(c, []byte("X-More: "+strings.Repeat("x", 64<<10)+"\r\n"))
		}, ErrNetwork, 75 * time.Millisecond},
		"by a good answer": {func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, head+"Content-Length: 54\r\n\r\n"+emptySet+strings.Repeat(" ", 54-len(emptySet)))
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(t, test.answer)
				c.random = func() float64 { return 0.5 }
				start := time.Now()
				_, err := c.Entitlements(context.Background(), acme)
				if test.want == "" && err != nil || test.want != "" && !errors.Is(err, test.want) {
					t.Errorf("the error is %v, want %v", err, test.want)
				}
				if took := time.Since(start); took != test.after {
					t.Errorf("it took %v, want %v", took, test.after)
				}
			})
		})
	}
}

func TestACanceledCallReturnsAtOnceAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, func(conn net.Conn, _ *http.Request) { held(conn) })
		ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := c.Entitlements(ctx, acme)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrCanceled) {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(start); took != 250*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestOneClientServesManyGoroutines(t *testing.T) {
	c, rec := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-graphql-operation-name") == "ReportUsageBulk" {
			_, _ = io.WriteString(w, `{"data":{"reportUsageBulk":[`+measuredJSON+`]}}`)
			return
		}
		_, _ = io.WriteString(w, setWith())
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if set, err := c.Entitlements(context.Background(), acme); err != nil || len(set.Features) != 1 {
					t.Errorf("got %+v, %v", set, err)
				}
				if acks, err := c.Report(context.Background(), []gate.Usage{usage("k")}); err != nil || len(acks) != 1 {
					t.Errorf("got %+v, %v", acks, err)
				}
			}
		})
	}
	wg.Wait()
	if n := rec.count(); n != 160 {
		t.Errorf("%d requests were made, want 160", n)
	}
}
